"""UpsertCustomer: one contact per customer and one child contact per address, for a whole batch in two loads."""

from collections.abc import Mapping, Sequence

from canonical.commands import UpsertCustomer
from canonical.types import Address
from connectors.base import Job, Receipt, Session
from connectors.errors import SyncError
from connectors.odoo.loading import Loaded, Row, upsert
from connectors.odoo.mapping import Places, places

CUSTOMER = ("id", "name", "email", "phone", "company_name")
ADDRESS = (
    "id", "parent_id/.id", "type", "name", "email", "phone",
    "street", "street2", "zip", "city", "state_id/.id", "country_id/.id",
)  # fmt: skip


def upsert_customers(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Customers first, then the addresses under those that are there. Many jobs may name one customer: the last one's wins."""
    found = places(session, [a for job in jobs for a in (job.command.billing, job.command.shipping)])
    customers = upsert(session, "res.partner", CUSTOMER, _customer_rows(session, jobs), jobs)
    rows, refused = _address_rows(session, jobs, customers, found)
    addresses = upsert(session, "res.partner", ADDRESS, rows, jobs)
    return [_receipt(session, job, {**customers, **addresses, **refused}) for job in jobs]


def _customer_rows(session: Session, jobs: Sequence[Job]) -> dict[str, Sequence[Row]]:
    return {(row := customer_row(session, job.command))[0]: [row] for job in jobs}


def customer_row(session: Session, command: UpsertCustomer) -> Row:
    """The customer as one contact. A name is required; an e-mail address is one."""
    address = command.billing
    email = command.email or address.email
    name = address.name or email or f"Customer {command.customer_id}"
    return [session.settings.xid("customer", command.customer_id), name, email, address.phone, address.company]


def _address_rows(
    session: Session, jobs: Sequence[Job], customers: Loaded, found: Places
) -> tuple[dict[str, Sequence[Row]], dict[str, SyncError]]:
    """Rows of the addresses that can be sent, and why the others cannot."""
    rows: dict[str, Sequence[Row]] = {}
    refused: dict[str, SyncError] = {}
    for job in jobs:
        parent = customers[session.settings.xid("customer", job.command.customer_id)]
        if isinstance(parent, SyncError):
            continue
        for xid, kind, address in _addresses(session, job.command):
            try:
                rows[xid] = [address_row(xid, str(parent), kind, address, found)]
            except SyncError as error:
                refused[xid] = error
    return rows, refused


def _addresses(session: Session, command: UpsertCustomer) -> list[tuple[str, str, Address]]:
    """External id, Odoo's address type and content. One address used for both is an invoice address that is delivered to."""
    xid = session.settings.xid
    billing = (xid("address", command.billing_id), "invoice", command.billing)
    shipping = (xid("address", command.shipping_id), "delivery", command.shipping)
    return [billing] if command.billing_id == command.shipping_id else [billing, shipping]


def address_row(xid: str, parent: str, kind: str, address: Address, found: Places) -> Row:
    """One address as a child contact. A state Odoo does not know stays readable beside the city."""
    state = found.state(address)
    city = address.city if state else ", ".join(part for part in (address.city, address.state) if part)
    person = " ".join(part for part in (address.first_name, address.last_name) if part)
    name = ", ".join(part for part in (address.company, person) if part)
    return [
        xid, parent, kind, name, address.email, address.phone,
        address.line1, address.line2, address.postcode, city, state, found.country(address),
    ]  # fmt: skip


def _receipt(session: Session, job: Job, outcomes: Mapping[str, int | SyncError]) -> Receipt:
    """Done when the customer and both addresses are there; else the first reason why not."""
    command, xid = job.command, session.settings.xid
    ids = {
        ("customer", command.customer_id): outcomes[xid("customer", command.customer_id)],
        ("address", command.billing_id): outcomes.get(xid("address", command.billing_id)),
        ("address", command.shipping_id): outcomes.get(xid("address", command.shipping_id)),
    }
    for outcome in ids.values():
        if isinstance(outcome, SyncError):
            return Receipt(job.id, error=outcome)
    links = tuple((entity, ours, str(theirs)) for (entity, ours), theirs in ids.items())
    return Receipt(job.id, state="done", external_id=links[0][2], links=links)  # type: ignore[arg-type]
