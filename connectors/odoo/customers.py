"""UpsertCustomer: a customer and the addresses of one order as contacts, for a whole batch level by level: companies, people, addresses.

A customer's contacts hang together like this: the company, where the billing address names one (it is invoiced, and holds the VAT id);
the person below it; the invoice and delivery addresses below the person. How often there is a person, the command's `account` says.
A customer problem never blocks an order: what Odoo refuses is left out and noted on the contact, where people see it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import msgspec

from canonical.commands import UpsertCustomer
from canonical.types import Address, Entity
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.odoo import mapping
from connectors.odoo.accounts import mark
from connectors.odoo.loading import Loaded, upsert
from connectors.odoo.transport import Text, call, search

NAME = 250  # Odoo indexes names, and an index takes 2,700 bytes
#: Columns Odoo or a module of it may object to, as people call them: an order does without them.
OPTIONAL = {"vat": "VAT id", "email": "e-mail", "phone": "phone"}
#: What is left out of a refused contact: at first what is checked most, then all of it.
DOUBTFUL = (("vat",), tuple(OPTIONAL))
LEVELS = 3  # companies, people, addresses


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact to be: its columns, and the contact it is below, by external id of ours (`under`) or Odoo's id (`within`)."""

    xid: str
    columns: Mapping[str, str]
    under: str = ""
    within: str = ""
    note: str = ""  # for people, where there is no column for it


@dataclass(frozen=True, slots=True)
class Family:
    """All contacts of one command, top first, and which of them are its customer and addresses."""

    levels: Sequence[Sequence[Contact]]
    customer: str
    invoice: str
    delivery: str


@dataclass(frozen=True, slots=True)
class Known:
    """Odoo's set-up as far as a batch of customers needs it."""

    places: mapping.Places
    terms: mapping.Named
    guests: int | SyncError | None


@dataclass(slots=True)
class Progress:
    """What became of the contacts so far, by external id, and which columns were left out of which."""

    loaded: Loaded = field(default_factory=dict)
    left_out: dict[str, Sequence[str]] = field(default_factory=dict)


def upsert_customers(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Contacts of all jobs, level by level. Many jobs may name one customer: the last one's wins."""
    known = _known(session, jobs)
    families: dict[int, Family | SyncError] = {}
    for job in jobs:
        try:
            families[job.id] = family(session, job.command, known)
        except SyncError as error:
            families[job.id] = error
    there = [f for f in families.values() if isinstance(f, Family)]
    progress = Progress()
    for level in range(LEVELS):
        _store(session, {contact.xid: contact for f in there for contact in f.levels[level]}, progress, jobs)
    return [_receipt(job, families[job.id], progress) for job in jobs]


def _known(session: Session, jobs: Sequence[Job]) -> Known:
    commands: list[UpsertCustomer] = [job.command for job in jobs]
    found = mapping.places(session, [a for c in commands for a in (c.billing, c.shipping)])
    terms = mapping.terms(session, {c.terms for c in commands})
    if all(c.account != "collective" for c in commands):
        return Known(found, terms, None)
    try:
        return Known(found, terms, mapping.guest_account(session))
    except SyncError as error:
        return Known(found, terms, error)


# ---- who is below whom (pure) -------------------------------------------------------------------------------------------------
def family(session: Session, command: UpsertCustomer, known: Known) -> Family:
    """The contacts one command asks for. Refused where the country or the payment terms are unknown; Misconfigured without an account."""
    return FAMILIES[command.account](session, command, known)


def _per_email(session: Session, command: UpsertCustomer, known: Known) -> Family:
    """Who orders for a company and for themselves is two people: their invoices go to two accounts."""
    xid = session.settings.xid
    company, private = xid("company", command.customer_id), xid("customer", command.customer_id)
    customer = f"{company}_person" if command.billing.company else private
    invoice, delivery = xid("address", command.billing_id), xid("address", command.shipping_id)
    people = _people(command, company, customer, _name(command), known)
    addresses = [Contact(invoice, _address("invoice", command.billing, known), customer)]
    if delivery != invoice:  # one address used for both is an invoice address that is delivered to
        addresses.append(Contact(delivery, _address("delivery", command.shipping, known), customer))
    return Family([*people, addresses], customer, invoice, delivery)


def _per_order(session: Session, command: UpsertCustomer, known: Known) -> Family:
    """Contacts of this order alone, found again by its mark (see accounts.py)."""
    xid = session.settings.xid
    company, customer = xid("order", command.order_id, "company"), xid("order", command.order_id, "customer")
    people = _people(command, company, customer, f"{command.reference} {_name(command)}".strip(), known)
    invoice, delivery = _own_addresses(session, command, known, under=customer)
    return Family([*people, [invoice, delivery]], customer, invoice.xid, delivery.xid)


def _collective(session: Session, command: UpsertCustomer, known: Known) -> Family:
    """This order's addresses below the account of all guests. Its VAT id is the account's own, so the guest's becomes a note."""
    if isinstance(known.guests, SyncError):
        raise known.guests
    note = f"{OPTIONAL['vat']}: {command.vat_id}" if command.vat_id else ""
    invoice, delivery = _own_addresses(session, command, known, within=str(known.guests), note=note)
    return Family([[], [], [invoice, delivery]], invoice.xid, invoice.xid, delivery.xid)


FAMILIES: Mapping[str, Callable[[Session, UpsertCustomer, Known], Family]] = {
    "per_email": _per_email, "per_order": _per_order, "collective": _collective,
}  # fmt: skip


def _people(command: UpsertCustomer, company: str, customer: str, name: str, known: Known) -> list[list[Contact]]:
    """The company, if there is one, and the person. The upper of them holds the VAT id and the terms, and Odoo hands them down."""
    billing = command.billing
    held = {
        **({"vat": command.vat_id.strip()} if command.vat_id.strip() else {}),
        **({"property_payment_term_id/.id": str(known.terms.id(command.terms))} if command.terms else {}),
    }
    person = {"name": name[:NAME], "email": command.email or billing.email, "phone": billing.phone}
    if not billing.company:
        return [[], [Contact(customer, {**person, **held})]]
    above = Contact(company, {"name": billing.company[:NAME], "is_company": "True", **_place(billing, known), **held})
    return [[above], [Contact(customer, person, company)]]


def _name(command: UpsertCustomer) -> str:
    """A name is required; an e-mail address is one."""
    return command.billing.name or command.email or command.billing.email or f"Customer {command.customer_id}"


def _own_addresses(
    session: Session, command: UpsertCustomer, known: Known, *, under: str = "", within: str = "", note: str = ""
) -> tuple[Contact, Contact]:
    """Both addresses of this order, even where they are the same, so that it always finds both."""
    xid, ref = session.settings.xid, {"ref": mark(session, command.order_id)}
    invoice, delivery = xid("order", command.order_id, "invoice"), xid("order", command.order_id, "delivery")
    return (
        Contact(invoice, {**_address("invoice", command.billing, known), **ref}, under, within, note),
        Contact(delivery, {**_address("delivery", command.shipping, known), **ref}, under, within),
    )


def _address(kind: str, address: Address, known: Known) -> dict[str, str]:
    """Columns of one address contact."""
    person = " ".join(part for part in (address.first_name, address.last_name) if part)
    name = ", ".join(part for part in (address.company, person) if part)
    who = {"type": kind, "name": name[:NAME], "email": address.email, "phone": address.phone}
    return {**who, **_place(address, known)}


def _place(address: Address, known: Known) -> dict[str, str]:
    """Where an address is. A state Odoo does not know stays readable beside the city."""
    state = known.places.state(address)
    city = address.city if state else ", ".join(part for part in (address.city, address.state) if part)
    return {
        "street": address.line1, "street2": address.line2, "zip": address.postcode, "city": city,
        "state_id/.id": state, "country_id/.id": known.places.country(address),
    }  # fmt: skip


# ---- storing ------------------------------------------------------------------------------------------------------------------
def _store(session: Session, contacts: Mapping[str, Contact], progress: Progress, jobs: Sequence[Job]) -> None:
    """Store one level; what Odoo refuses goes again without its optional columns, which are noted on the contact instead."""
    rows: dict[str, dict[str, str]] = {}
    for xid, contact in contacts.items():
        above = progress.loaded[contact.under] if contact.under else contact.within
        if isinstance(above, SyncError):
            progress.loaded[xid] = above
        else:
            rows[xid] = {**contact.columns, **({"parent_id/.id": str(above)} if above else {})}
    loaded = _upserted(session, rows, jobs)
    for columns in DOUBTFUL:
        refused = [x for x, o in loaded.items() if isinstance(o, Refused) and any(rows[x].get(n) for n in columns)]
        plain = {x: {name: text for name, text in rows[x].items() if name not in columns} for x in refused}
        again = _upserted(session, plain, jobs)
        loaded |= again
        progress.left_out |= {x: [n for n in columns if rows[x].get(n)] for x, o in again.items() if isinstance(o, int)}
    progress.loaded |= loaded
    notes = {
        outcome: _note(contacts[xid], progress.left_out.get(xid, ()))
        for xid, outcome in loaded.items()
        if isinstance(outcome, int)
    }
    _remark(session, {id: note for id, note in notes.items() if note}, jobs)


def _upserted(session: Session, rows: Mapping[str, Mapping[str, str]], jobs: Sequence[Job]) -> Loaded:
    """One load per set of columns: a column that is named is set, so one that says nothing must not be named."""
    groups: dict[tuple[str, ...], dict[str, list[list[str]]]] = {}
    for xid, row in rows.items():
        groups.setdefault(tuple(row), {})[xid] = [[xid, *row.values()]]
    loaded: Loaded = {}
    for columns, units in groups.items():
        loaded |= upsert(session, "res.partner", ["id", *columns], units, jobs)
    return loaded


def _note(contact: Contact, left_out: Iterable[str]) -> str:
    """What people should know of a contact that has no column."""
    said = [f"{OPTIONAL[name]} as the shop has it, not accepted by Odoo: {contact.columns[name]}" for name in left_out]
    return "; ".join([*said, *([contact.note] if contact.note else [])])


class CommentRow(msgspec.Struct):
    """A contact's notes."""

    id: int
    comment: Text


def _remark(session: Session, notes: Mapping[int, str], jobs: Sequence[Job]) -> None:
    """Add a paragraph to the notes of contacts, once; what people wrote there stays."""
    domain = [["id", "in", sorted(notes)]]
    for row in search(session, "res.partner", CommentRow, domain, about=jobs) if notes else ():
        said = escape(notes[row.id], quote=False)
        if said not in (row.comment or ""):
            vals = {"comment": f"{row.comment or ''}<p>{said}</p>"}
            call(session, "res.partner", "write", object, about=jobs, ids=[row.id], vals=vals)


def _receipt(job: Job, family: Family | SyncError, progress: Progress) -> Receipt:
    """Done when every contact is there; else the first reason why not."""
    if isinstance(family, SyncError):
        return Receipt(job.id, error=family)
    command: UpsertCustomer = job.command
    xids = [contact.xid for level in family.levels for contact in level]
    for xid in xids:
        if isinstance(outcome := progress.loaded[xid], SyncError):
            return Receipt(job.id, error=outcome)
    missing = dict.fromkeys(OPTIONAL[name] for xid in xids for name in progress.left_out.get(xid, ()))
    words = f"Not accepted by Odoo and noted on the contact instead: {', '.join(missing)}." if missing else ""
    links: dict[tuple[Entity, int], str] = {
        ("customer", command.customer_id): family.customer,
        ("address", command.billing_id): family.invoice,
    }
    links.setdefault(("address", command.shipping_id), family.delivery)
    told = tuple((entity, ours, str(progress.loaded[xid])) for (entity, ours), xid in links.items())
    return Receipt(job.id, state="done", external_id=told[0][2], links=told, evidence=words)
