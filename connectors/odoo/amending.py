"""AmendOrder: make a sales order say exactly what is wanted, draft or confirmed, and let its deliveries follow.

Everything is read first and only what differs is written, so doing it again changes nothing. Lines are added before others are taken
out: that keeps a confirmed order's open delivery, which Odoo closes with its last article. Odoo 19 lets a confirmed order's quantities
go up and down to what is delivered (the open transfers follow at once, step by step), but deletes none of its lines: what is no longer
wanted stays with quantity 0. A changed quantity alone resets the price, so the two always go together. Tried on Odoo 19.0.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from html import unescape
from typing import Any, Literal

import msgspec

from canonical.commands import AmendOrder, Ref
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.odoo.loading import Loaded, find, load_once
from connectors.odoo.orders import (
    LINE,
    Book,
    OrderRow,
    Wanted,
    book,
    check_head,
    deleted,
    held_orders,
    order_needs,
    order_ref,
    rich,
    theirs,
    wanted_lines,
)  # fmt: skip
from connectors.odoo.transport import Link, Text, call, search

OPEN = ("draft", "sent", "sale")
MaybeLink = Link | Literal[False]


def amend_needs(command: AmendOrder) -> Sequence[Ref]:
    """What creating needs, and the order itself."""
    return [*order_ref(command), *order_needs(command)]


# ---- what Odoo holds ----------------------------------------------------------------------------------------------------------
class HeadRow(OrderRow):
    """A sale.order with all of its head that we may change."""

    locked: bool
    currency_id: Link
    partner_id: Link
    partner_invoice_id: Link
    partner_shipping_id: Link
    payment_term_id: MaybeLink
    client_order_ref: Text
    note: Text

    @property
    def confirmed(self) -> bool:
        """Whether it is binding: its deliveries are on their way."""
        return self.state == "sale"


class LineRow(msgspec.Struct):
    """A sale.order.line. `display_type`: a heading or a note, which people put there and which costs nothing."""

    id: int
    order_id: Link
    product_id: MaybeLink
    name: Text
    product_uom_qty: Decimal
    price_unit: Decimal
    discount: Decimal
    tax_ids: list[int]
    qty_delivered: Decimal
    qty_invoiced: Decimal
    display_type: Text


class PickingRow(msgspec.Struct):
    """A transfer of an order."""

    id: int
    state: str


@dataclass(frozen=True, slots=True)
class Amendment:
    """One order as it is and as it should be. `there`: Odoo's lines of the wanted ones that exist, by external id."""

    job: Job
    order: HeadRow
    lines: Sequence[LineRow]
    wanted: Sequence[Wanted]
    there: Mapping[str, LineRow]

    @property
    def kept(self) -> list[tuple[LineRow, Wanted]]:
        """Lines that exist, with what each should say."""
        return [(self.there[wanted.xid], wanted) for wanted in self.wanted if wanted.xid in self.there]

    @property
    def unwanted(self) -> list[LineRow]:
        """Lines of articles and charges that are to go, our roundings among them."""
        kept = {line.id for line in self.there.values()}
        return [line for line in self.lines if line.id not in kept and not line.display_type]

    @property
    def missing(self) -> list[Wanted]:
        """Lines that are to be added."""
        return [line for line in self.wanted if line.xid not in self.there]


# ---- all of a batch -----------------------------------------------------------------------------------------------------------
def amend_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Amend each order; what is wrong with one stops only that one."""
    said = book(session, jobs)
    domain = [["id", "in", sorted({theirs(job) for job in jobs})]]
    held = {row.id: row for row in search(session, "sale.order", HeadRow, domain, about=jobs)}
    wanted, outcomes = _wanted(session, jobs, said, held)
    amendments = _amendments(session, [job for job in jobs if job.id in wanted], wanted, held)
    outcomes |= {a.job.id: _refused(a.job, why) for a in amendments if (why := obstacle(a))}
    possible = [a for a in amendments if a.job.id not in outcomes]
    added = _add(session, possible)
    outcomes |= {a.job.id: _amend(session, a, said, added) for a in possible}
    return _with_totals(session, jobs, outcomes)


def _wanted(
    session: Session, jobs: Sequence[Job], said: Book, held: Mapping[int, HeadRow]
) -> tuple[dict[int, list[Wanted]], dict[int, Receipt]]:
    """The lines each order should have, by job; and the answers of those that cannot be stated or are not there."""
    wanted: dict[int, list[Wanted]] = {}
    outcomes: dict[int, Receipt] = {}
    for job in jobs:
        if theirs(job) not in held:
            outcomes[job.id] = _refused(job, deleted().words)
            continue
        try:
            wanted[job.id] = wanted_lines(session, job, said)
            check_head(job.command, said)
        except SyncError as error:
            wanted.pop(job.id, None)
            outcomes[job.id] = Receipt(job.id, error=error)
    return wanted, outcomes


def _amendments(
    session: Session, jobs: Sequence[Job], wanted: Mapping[int, Sequence[Wanted]], held: Mapping[int, HeadRow]
) -> list[Amendment]:
    """What is there and what should be, order by order."""
    rows = _lines(session, jobs)
    known = find(session, "sale.order.line", [line.xid for job in jobs for line in wanted[job.id]], jobs)
    found = []
    for job in jobs:
        lines = {line.id: line for line in rows.get(theirs(job), ())}
        there = {w.xid: lines[known[w.xid]] for w in wanted[job.id] if known.get(w.xid) in lines}
        found.append(Amendment(job, held[theirs(job)], list(lines.values()), wanted[job.id], there))
    return found


def _lines(session: Session, jobs: Sequence[Job]) -> dict[int, list[LineRow]]:
    groups: dict[int, list[LineRow]] = {}
    domain = [["order_id", "in", sorted({theirs(job) for job in jobs})]]
    for line in search(session, "sale.order.line", LineRow, domain, about=jobs, order="id") if jobs else ():
        groups.setdefault(line.order_id[0], []).append(line)
    return groups


def _refused(job: Job, why: str) -> Receipt:
    return Receipt(job.id, state="refused", external_id=str(theirs(job)), evidence=why)


def obstacle(amendment: Amendment) -> str:
    """Why Odoo's order cannot say this any more; empty when it can. Pure."""
    order, command = amendment.order, amendment.job.command
    if order.state not in OPEN:
        return f"{order.name} was {'cancelled' if order.state == 'cancel' else 'closed'} in Odoo."
    if order.locked:
        return f"{order.name} is locked in Odoo."
    if order.confirmed and order.currency_id[1] != command.currency:
        return f"{order.name} is confirmed in {order.currency_id[1]}; Odoo does not change that any more."
    wanted = {line.id: wanted for line, wanted in amendment.kept}
    fixed = (_fixed(line, wanted.get(line.id)) for line in amendment.lines)
    return next((f"{order.name}: {why}" for why in fixed if why), "")


def _fixed(line: LineRow, wanted: Wanted | None) -> str:
    """Why a line cannot become this (None = taken out)."""
    units = wanted.units if wanted else 0
    if line.qty_delivered > units:
        return f"{line.qty_delivered:g} of «{line.name}» are delivered, {units} wanted."
    if line.qty_invoiced > units:
        return f"{line.qty_invoiced:g} of «{line.name}» are invoiced, {units} wanted."
    if (
        wanted
        and line.qty_invoiced
        and (line.price_unit.quantize(wanted.price), sorted(line.tax_ids))
        != (
            wanted.price,
            sorted(wanted.taxes),
        )
    ):
        return f"«{line.name}» is invoiced with another price or tax."
    return ""


# ---- one of it ----------------------------------------------------------------------------------------------------------------
def _add(session: Session, amendments: Iterable[Amendment]) -> Loaded:
    """Create the lines that are missing, of all orders together."""
    rows = {w.xid: [[*w.cells, str(a.order.id)]] for a in amendments for w in a.missing}
    return load_once(session, "sale.order.line", [*LINE, "order_id/.id"], rows, [a.job for a in amendments])


def _amend(session: Session, amendment: Amendment, said: Book, added: Loaded) -> Receipt:
    """Write the rest of one order in one transaction. What Odoo's rules do not allow for a confirmed one is answered, not an error."""
    job, order = amendment.job, amendment.order
    try:
        for wanted in amendment.missing:
            if isinstance(outcome := added[wanted.xid], SyncError):
                raise outcome
        _write(session, amendment, {**head(amendment, said), **_line_commands(amendment)})
    except Refused as error:
        if order.confirmed and error.reason == "refused":
            return _refused(job, f"{order.name}: {error.words}")
        return Receipt(job.id, error=error)
    return Receipt(job.id, state="done", external_id=str(order.id), evidence=f"{order.name} ({order.state})")


def head(amendment: Amendment, said: Book) -> dict[str, Any]:
    """What of the head differs. A confirmed order keeps its date, which is when it was confirmed, and its currency. Pure."""
    order, command = amendment.order, amendment.job.command
    whom = said.accounts[amendment.job.id]
    links = {
        "partner_id": (order.partner_id, whom.partner),
        "partner_invoice_id": (order.partner_invoice_id, whom.invoice),
        "partner_shipping_id": (order.partner_shipping_id, whom.delivery),
        **({"payment_term_id": (order.payment_term_id, str(said.terms.id(command.terms)))} if command.terms else {}),
    }
    values: dict[str, Any] = {name: int(id) for name, (link, id) in links.items() if not link or str(link[0]) != id}
    if "partner_id" in values:  # else Odoo sets these, and the pricelist, to the new customer's own
        values |= {"partner_invoice_id": int(whom.invoice), "partner_shipping_id": int(whom.delivery)}
    if order.client_order_ref != command.reference:
        values["client_order_ref"] = command.reference
    if _plain(order.note or "") != _plain(rich(command.note)):
        values["note"] = rich(command.note)
    if order.currency_id[1] != command.currency or ("partner_id" in values and not order.confirmed):
        values["pricelist_id"] = int(said.pricelists.id(command.currency) or 0) or False
    return values


def _plain(html: str) -> str:
    """The words of an HTML text, whatever Odoo did to its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def _line_commands(amendment: Amendment) -> dict[str, Any]:
    """Commands for the lines that exist: (1, id, values) changes, (2, id) deletes. Pure."""
    kept = ((line, _changes(line, wanted)) for line, wanted in amendment.kept)
    commands: list[list[Any]] = [[1, line.id, values] for line, values in kept if values]
    if amendment.order.confirmed:
        commands += [[1, line.id, values] for line in amendment.unwanted if (values := _nothing(line))]
    else:
        commands += [[2, line.id] for line in amendment.unwanted]
    return {"order_line": commands} if commands else {}


def _changes(line: LineRow, wanted: Wanted) -> dict[str, Any]:
    """What to write on a line; empty when it says this already."""
    said: tuple[object, ...] = (
        line.product_id and str(line.product_id[0]), line.name, line.product_uom_qty, line.price_unit.quantize(wanted.price), line.discount,
        sorted(line.tax_ids),
    )  # fmt: skip
    if said == (wanted.product, wanted.name, wanted.units, wanted.price, 0, sorted(wanted.taxes)):
        return {}
    values = {
        "name": wanted.name, "product_uom_qty": wanted.units, "price_unit": _number(wanted.price), "discount": 0,
        "tax_ids": [[6, 0, list(wanted.taxes)]],
    }  # fmt: skip
    return {**values, **({} if said[0] == wanted.product else {"product_id": int(wanted.product)})}


def _nothing(line: LineRow) -> dict[str, Any]:
    """What to write on a line that is to count for nothing; empty when it does."""
    return {"product_uom_qty": 0, "price_unit": _number(line.price_unit)} if line.product_uom_qty else {}


def _number(amount: Decimal) -> msgspec.Raw:
    """A JSON number with all of its digits."""
    return msgspec.Raw(f"{amount:f}".encode())


def _write(session: Session, amendment: Amendment, values: Mapping[str, Any]) -> None:
    """Write one order. A new delivery address reaches its open transfers; those that left keep theirs."""
    if not values:
        return
    job, order = amendment.job, amendment.order
    moved = order.confirmed and "partner_shipping_id" in values
    transfers = search(session, "stock.picking", PickingRow, [["sale_id", "=", order.id]], about=[job]) if moved else []
    left = any(t.state == "done" for t in transfers)
    context = {"update_delivery_shipping_partner": True} if moved and not left else {}
    call(session, "sale.order", "write", object, about=[job], ids=[order.id], vals=values, context=context)
    opened = [t.id for t in transfers if t.state not in ("done", "cancel")]
    if left and opened:  # the context would have changed all of them
        vals = {"partner_id": values["partner_shipping_id"]}
        call(session, "stock.picking", "write", object, about=[job], ids=opened, vals=vals)


def _with_totals(session: Session, jobs: Sequence[Job], outcomes: Mapping[int, Receipt]) -> list[Receipt]:
    """The receipts, with what each amended order amounts to now."""
    done = [job for job in jobs if outcomes[job.id].state == "done"]
    held = held_orders(session, map(theirs, done), done)
    totals = {job.id: held[theirs(job)].amount_total for job in done if theirs(job) in held}
    return [replace(outcomes[job.id], amount=totals.get(job.id)) for job in jobs]
