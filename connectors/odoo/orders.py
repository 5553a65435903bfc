"""Sales orders: create, add a rounding line, confirm. Every line states price, discount and taxes itself, so Odoo adds nothing.

A line without the column `tax_ids` gets its product's default tax; with the column and an empty cell it gets none (tried on 19.0).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import Any

import msgspec

from canonical.commands import CreateOrder, OrderCharge, OrderLine, Ref
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.odoo import mapping
from connectors.odoo.loading import Loaded, Row, find, load_once
from connectors.odoo.transport import call, search

HEAD = (
    "id", "partner_id/.id", "partner_invoice_id/.id", "partner_shipping_id/.id",
    "client_order_ref", "origin", "date_order", "note", "pricelist_id/.id",
)  # fmt: skip
LINE = ("id", "product_id/.id", "name", "product_uom_qty", "price_unit", "discount", "tax_ids/.id")
LINES = tuple(f"order_line/{field}" for field in LINE)


# ---- create -------------------------------------------------------------------------------------------------------------------
class OrderRow(msgspec.Struct):
    """A sale.order as far as we care."""

    id: int
    name: str
    state: str
    amount_total: Decimal


def order_needs(command: CreateOrder) -> Sequence[Ref]:
    """The contact, both addresses and every product must be known to Odoo."""
    return [
        Ref("customer", command.customer_id),
        *dict.fromkeys((Ref("address", command.billing_id), Ref("address", command.shipping_id))),
        *dict.fromkeys(Ref("sku", line.sku_id) for line in command.lines),
    ]


@dataclass(frozen=True, slots=True)
class Book:
    """Odoo's set-up as far as a batch of orders needs it."""

    taxes: mapping.Taxes
    pricelists: mapping.Pricelists
    services: mapping.Services
    step: Decimal


def create_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Create the orders that are not there yet, all in one load; answer with the totals Odoo computed."""
    rows, refused = _rows(session, jobs, _book(session, jobs))
    loaded: Loaded = {**refused, **load_once(session, "sale.order", [*HEAD, *_company(session)[0], *LINES], rows, jobs)}
    return receipts(session, jobs, loaded)


def look_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt | None]:
    """What became of orders of which we do not know: by external id, which nobody can change by hand."""
    found = find(session, "sale.order", {_xid(session, job) for job in jobs}, jobs)
    there = {
        receipt.job: receipt for receipt in receipts(session, [j for j in jobs if _xid(session, j) in found], found)
    }
    return [there.get(job.id) for job in jobs]


def _xid(session: Session, job: Job) -> str:
    return str(session.settings.xid("order", job.command.order_id))


def _book(session: Session, jobs: Sequence[Job]) -> Book:
    """Look up what this batch needs: four or five small reads."""
    commands: list[CreateOrder] = [job.command for job in jobs]
    kinds = {charge.stated.kind for command in commands for charge in command.charges}
    return Book(
        mapping.taxes(session),
        mapping.pricelists(session, {command.currency for command in commands}),
        mapping.services(session, kinds),
        mapping.price_step(session),
    )


def _rows(session: Session, jobs: Sequence[Job], book: Book) -> tuple[dict[str, Sequence[Row]], dict[str, SyncError]]:
    """Rows by external id, and the orders that cannot be stated, with the reason."""
    rows: dict[str, Sequence[Row]] = {}
    refused: dict[str, SyncError] = {}
    for job in jobs:
        try:
            rows[_xid(session, job)] = order_rows(session, job, book)
        except SyncError as error:
            refused[_xid(session, job)] = error
    return rows, refused


def order_rows(session: Session, job: Job, book: Book) -> list[Row]:
    """One order: its head beside the first line, empty cells beside the others."""
    command: CreateOrder = job.command
    head = [*_head(session, job, book), *_company(session)[1]]
    lines = [
        *(_line(session, job, line, book) for line in command.lines),
        *(_charge(session, charge, book) for charge in command.charges),
    ]
    if not lines:
        raise Refused("This order has no lines.", reason="empty_order")
    return [[*(head if i == 0 else [""] * len(head)), *line] for i, line in enumerate(lines)]


def _head(session: Session, job: Job, book: Book) -> list[str]:
    command: CreateOrder = job.command
    return [
        session.settings.xid("order", command.order_id),
        job.resolved[Ref("customer", command.customer_id)],
        job.resolved[Ref("address", command.billing_id)],
        job.resolved[Ref("address", command.shipping_id)],
        command.reference,
        command.reference,
        moment(command.placed_at),
        rich(command.note),
        book.pricelists.id(command.currency),
    ]


def _company(session: Session) -> tuple[list[str], list[str]]:
    """The company column and its cell, where the settings name one."""
    company = session.settings.company
    return (["company_id/.id"], [str(company)]) if company else ([], [])


def _line(session: Session, job: Job, line: OrderLine, book: Book) -> list[str]:
    stated = line.stated
    return [
        session.settings.xid("order_line", line.line_id),
        job.resolved[Ref("sku", line.sku_id)],
        stated.name or stated.sku,
        str(stated.units),
        unit_price(stated.total, stated.units, book.step),
        "0",
        book.taxes.ids(stated.taxes),
    ]


def _charge(session: Session, charge: OrderCharge, book: Book) -> list[str]:
    stated = charge.stated
    xid = session.settings.xid("charge", charge.charge_id)
    price = unit_price(stated.total, 1, book.step)
    return [
        xid,
        book.services.id(stated.kind),
        stated.title or stated.kind,
        "1",
        price,
        "0",
        book.taxes.ids(stated.taxes),
    ]


def unit_price(total: Decimal, units: int, step: Decimal) -> str:
    """Net price of one unit, as finely as Odoo keeps it, so that units × price rounds to the total."""
    return f"{(total / units if units else total).quantize(step, ROUND_HALF_UP):f}"


def moment(at: datetime) -> str:
    """Odoo's datetimes are UTC without saying so, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def rich(text: str) -> str:
    """Plain text for an HTML field, with its line breaks."""
    return escape(text, quote=False).replace("\n", "<br/>")


def receipts(session: Session, jobs: Sequence[Job], loaded: Mapping[str, int | SyncError]) -> list[Receipt]:
    """What each of these orders amounts to now. `jobs` are about orders and `loaded` has one outcome per external id."""
    ids = {job.id: loaded[_xid(session, job)] for job in jobs}
    held = _orders(session, [id for id in ids.values() if isinstance(id, int)], jobs)
    return [_receipt(job, ids[job.id], held) for job in jobs]


def _orders(session: Session, ids: Iterable[int], jobs: Sequence[Job]) -> dict[int, OrderRow]:
    """State and total of the orders that exist, by id. `search_read` leaves out deleted ones, `read` would fail on them."""
    domain = [["id", "in", sorted(set(ids))]]
    if not domain[0][2]:
        return {}
    return {row.id: row for row in search(session, "sale.order", OrderRow, domain, about=jobs)}


def _receipt(job: Job, outcome: int | SyncError, held: Mapping[int, OrderRow]) -> Receipt:
    if isinstance(outcome, SyncError):
        return Receipt(job.id, error=outcome)
    if outcome not in held:
        return Receipt(job.id, error=_deleted())
    order, ours = held[outcome], job.command.order_id
    return Receipt(
        job.id, state="created", external_id=str(outcome), amount=order.amount_total,
        links=(("order", ours, str(outcome)),), evidence=f"{order.name} ({order.state})",
    )  # fmt: skip


def _deleted() -> Refused:
    return Refused("The order no longer exists in Odoo: somebody deleted it there.", reason="deleted")


# ---- rounding -----------------------------------------------------------------------------------------------------------------
def order_ref(command: Any) -> Sequence[Ref]:
    """The order must be known to Odoo."""
    return [Ref("order", command.order_id)]


def _theirs(job: Job) -> int:
    return int(job.resolved[Ref("order", job.command.order_id)])


def add_roundings(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """One untaxed line per order; a line that is there already stays as it is."""
    product = mapping.services(session, ["rounding"]).id("rounding")
    xids = {job.id: session.settings.xid("rounding", job.command.order_id) for job in jobs}
    rows = {
        xids[j.id]: [[xids[j.id], product, "Rounding", "1", f"{j.command.amount:f}", "0", "", str(_theirs(j))]]
        for j in jobs
    }
    lines = load_once(session, "sale.order.line", [*LINE, "order_id/.id"], rows, jobs)
    held = _orders(session, [_theirs(job) for job in jobs], jobs)
    return [_rounded(job, lines[xids[job.id]], held) for job in jobs]


def _rounded(job: Job, line: int | SyncError, held: Mapping[int, OrderRow]) -> Receipt:
    if _theirs(job) not in held:
        return Receipt(job.id, error=_deleted())
    if isinstance(line, SyncError):
        return Receipt(job.id, error=line)
    return Receipt(job.id, state="done", external_id=str(line), amount=held[_theirs(job)].amount_total)


# ---- confirm ------------------------------------------------------------------------------------------------------------------
def confirm_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Confirm what is not confirmed yet. Odoo refuses a batch as a whole when one of it is confirmed already: read first."""
    held = _orders(session, map(_theirs, jobs), jobs)
    waiting = [job for job in jobs if _waits(held.get(_theirs(job)))]
    try:
        _confirm(session, waiting)
        trouble: dict[int, SyncError] = {}
    except Refused:
        trouble = _one_by_one(session, waiting)
    held = _orders(session, map(_theirs, jobs), jobs) if waiting else held
    return [_confirmed(job, held.get(_theirs(job)), trouble.get(job.id)) for job in jobs]


def _waits(order: OrderRow | None) -> bool:
    return order is not None and order.state in ("draft", "sent")


def _confirm(session: Session, jobs: Sequence[Job]) -> None:
    if jobs:
        call(session, "sale.order", "action_confirm", object, about=jobs, ids=sorted({_theirs(job) for job in jobs}))


def _one_by_one(session: Session, jobs: Sequence[Job]) -> dict[int, SyncError]:
    """Confirm each alone; what was refused, by job. Whether somebody else was faster shows when the states are read again."""
    trouble: dict[int, SyncError] = {}
    for job in jobs:
        try:
            _confirm(session, [job])
        except Refused as error:
            trouble[job.id] = error
    return trouble


def _confirmed(job: Job, order: OrderRow | None, trouble: SyncError | None) -> Receipt:
    if order is None:
        return Receipt(job.id, error=_deleted())
    if order.state in ("sale", "done"):
        return Receipt(job.id, state="confirmed", external_id=str(order.id), amount=order.amount_total)
    if order.state == "cancel":
        return Receipt(job.id, error=Refused(f"{order.name} was cancelled in Odoo.", reason="cancelled"))
    return Receipt(job.id, error=trouble or Refused(f"Odoo did not confirm {order.name}.", reason="not_confirmed"))
