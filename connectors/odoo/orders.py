"""Sales orders: what one should say, creating it, finding it. Every line states price, discount and taxes itself, so Odoo adds nothing.

A line without the column `tax_ids` gets its product's default tax; with the column and an empty cell it gets none (tried on 19.0).
A sales order in Odoo is one booking of ours: a second attempt for the same order is another booking and makes other documents.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import Any

import msgspec

from canonical.commands import OrderCharge, OrderLine, Ref, SalesOrder
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.odoo import mapping
from connectors.odoo.accounts import Account, accounts
from connectors.odoo.loading import Loaded, Row, find, load_once
from connectors.odoo.transport import search

HEAD = (
    "id", "partner_id/.id", "partner_invoice_id/.id", "partner_shipping_id/.id",
    "client_order_ref", "origin", "date_order", "note", "pricelist_id/.id",
)  # fmt: skip
LINE = ("id", "product_id/.id", "name", "product_uom_qty", "price_unit", "discount", "tax_ids/.id")
LINES = tuple(f"order_line/{field}" for field in LINE)
COMPANY, TERMS = "company_id/.id", "payment_term_id/.id"


# ---- naming -------------------------------------------------------------------------------------------------------------------
def order_needs(command: SalesOrder) -> Sequence[Ref]:
    """The contact, both addresses and every product must be known to Odoo."""
    return [
        Ref("customer", command.customer_id),
        *dict.fromkeys((Ref("address", command.billing_id), Ref("address", command.shipping_id))),
        *dict.fromkeys(Ref("sku", line.sku_id) for line in command.lines),
    ]


def order_ref(command: Any) -> Sequence[Ref]:
    """The booking must be known to Odoo."""
    return [Ref("booking", command.booking_id)]


def theirs(job: Job) -> int:
    """The sale.order behind a job's booking."""
    return int(job.resolved[Ref("booking", job.command.booking_id)])


def line_xid(session: Session, booking: int, line: int, sku: int) -> str:
    """External id of an order line. An article that took another's place is another line: Odoo does not change a confirmed one's."""
    return str(session.settings.xid("booking", booking, "line", line, "sku", sku))


def _xid(session: Session, job: Job) -> str:
    return str(session.settings.xid("booking", job.command.booking_id))


# ---- what an order should say -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Wanted:
    """One line as it should be. `product` and `taxes` are Odoo's ids; the product's as its link has it."""

    xid: str
    product: str
    name: str
    units: int
    price: Decimal
    taxes: tuple[int, ...]

    @property
    def cells(self) -> list[str]:
        """The columns of LINE."""
        taxes = ",".join(map(str, self.taxes))
        return [self.xid, self.product, self.name, str(self.units), f"{self.price:f}", "0", taxes]


@dataclass(frozen=True, slots=True)
class Book:
    """Odoo's set-up as far as a batch of orders needs it, and whom each is booked on (by job)."""

    taxes: mapping.Taxes
    pricelists: mapping.Pricelists
    services: mapping.Services
    terms: mapping.Named
    accounts: Mapping[int, Account]
    step: Decimal


def book(session: Session, jobs: Sequence[Job]) -> Book:
    """Look up what this batch needs: five to seven small reads."""
    commands: list[SalesOrder] = [job.command for job in jobs]
    kinds = {charge.stated.kind for command in commands for charge in command.charges}
    return Book(
        mapping.taxes(session),
        mapping.pricelists(session, {command.currency for command in commands}),
        mapping.services(session, kinds),
        mapping.terms(session, {command.terms for command in commands}),
        accounts(session, jobs),
        mapping.price_step(session),
    )


def wanted_lines(session: Session, job: Job, book: Book) -> list[Wanted]:
    """Lines and charges of an order. Refused where a tax, a product or every line is missing."""
    command: SalesOrder = job.command
    lines = [
        *(_line(session, job, line, book) for line in command.lines),
        *(_charge(session, command.booking_id, charge, book) for charge in command.charges),
    ]
    if not lines:
        raise Refused("This order has no lines.", reason="empty_order")
    return lines


def check_head(command: SalesOrder, book: Book) -> None:
    """Refused where the order's currency or payment terms are unknown."""
    book.pricelists.id(command.currency)
    if command.terms:
        book.terms.id(command.terms)


def _line(session: Session, job: Job, line: OrderLine, book: Book) -> Wanted:
    stated = line.stated
    return Wanted(
        line_xid(session, job.command.booking_id, line.line_id, line.sku_id),
        job.resolved[Ref("sku", line.sku_id)],
        stated.name or stated.sku,
        stated.units,
        unit_price(stated.total, stated.units, book.step),
        book.taxes.ids(stated.taxes),
    )


def _charge(session: Session, booking: int, charge: OrderCharge, book: Book) -> Wanted:
    stated = charge.stated
    return Wanted(
        session.settings.xid("booking", booking, "charge", charge.charge_id),
        book.services.id(stated.kind),
        stated.title or stated.kind,
        1,
        unit_price(stated.total, 1, book.step),
        book.taxes.ids(stated.taxes),
    )


def unit_price(total: Decimal, units: int, step: Decimal) -> Decimal:
    """Net price of one unit, as finely as Odoo keeps it, so that units × price rounds to the total."""
    return (total / units if units else total).quantize(step, ROUND_HALF_UP)


def moment(at: datetime) -> str:
    """Odoo's datetimes are UTC without saying so, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def rich(text: str) -> str:
    """Plain text for an HTML field, with its line breaks."""
    return escape(text, quote=False).replace("\n", "<br/>")


# ---- create -------------------------------------------------------------------------------------------------------------------
def create_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Create the orders that are not there yet; answer with the totals Odoo computed.

    All go in one load, or in two: an order without payment terms must not name that column, or it would get none instead of its
    customer's.
    """
    rows, refused = _rows(session, jobs, book(session, jobs))
    loaded: Loaded = dict(refused)
    for terms in (False, True):
        chosen = {
            _xid(session, j): rows[_xid(session, j)]
            for j in jobs
            if _xid(session, j) in rows and bool(j.command.terms) == terms
        }
        loaded |= load_once(session, "sale.order", [*HEAD, *_more(session, terms=terms), *LINES], chosen, jobs)
    return _receipts(session, jobs, loaded)


def look_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt | None]:
    """What became of orders of which we do not know: by external id, which nobody can change by hand."""
    found = find(session, "sale.order", {_xid(session, job) for job in jobs}, jobs)
    there = {
        receipt.job: receipt for receipt in _receipts(session, [j for j in jobs if _xid(session, j) in found], found)
    }
    return [there.get(job.id) for job in jobs]


def _rows(session: Session, jobs: Sequence[Job], book: Book) -> tuple[dict[str, Sequence[Row]], dict[str, SyncError]]:
    """Rows by external id, and the orders that cannot be stated, with the reason."""
    rows: dict[str, Sequence[Row]] = {}
    refused: dict[str, SyncError] = {}
    for job in jobs:
        try:
            rows[_xid(session, job)] = _order_rows(session, job, book)
        except SyncError as error:
            refused[_xid(session, job)] = error
    return rows, refused


def _order_rows(session: Session, job: Job, book: Book) -> list[Row]:
    """One order: its head beside the first line, empty cells beside the others."""
    head = _head(session, job, book)
    lines = wanted_lines(session, job, book)
    return [[*(head if i == 0 else [""] * len(head)), *line.cells] for i, line in enumerate(lines)]


def _more(session: Session, *, terms: bool) -> list[str]:
    """Columns of the head that are only there where something is to be said in them."""
    return [*([COMPANY] if session.settings.company else []), *([TERMS] if terms else [])]


def _head(session: Session, job: Job, book: Book) -> list[str]:
    command: SalesOrder = job.command
    whom, company = book.accounts[job.id], session.settings.company
    return [
        _xid(session, job),
        whom.partner,
        whom.invoice,
        whom.delivery,
        command.reference,
        command.reference,
        moment(command.placed_at),
        rich(command.note),
        book.pricelists.id(command.currency),
        *([str(company)] if company else []),
        *([str(book.terms.id(command.terms))] if command.terms else []),
    ]


# ---- what Odoo holds ----------------------------------------------------------------------------------------------------------
class OrderRow(msgspec.Struct):
    """A sale.order as far as we care."""

    id: int
    name: str
    state: str
    amount_total: Decimal


def held_orders(session: Session, ids: Iterable[int], jobs: Sequence[Job]) -> dict[int, OrderRow]:
    """State and total of the orders that exist, by id. `search_read` leaves out deleted ones, `read` would fail on them."""
    domain = [["id", "in", sorted(set(ids))]]
    if not domain[0][2]:
        return {}
    return {row.id: row for row in search(session, "sale.order", OrderRow, domain, about=jobs)}


def deleted() -> Refused:
    """Why nothing can be done with an order that is not there."""
    return Refused("The order no longer exists in Odoo: somebody deleted it there.", reason="deleted")


def _receipts(session: Session, jobs: Sequence[Job], loaded: Mapping[str, int | SyncError]) -> list[Receipt]:
    """What each of these orders amounts to now. `loaded` has one outcome per external id."""
    ids = {job.id: loaded[_xid(session, job)] for job in jobs}
    held = held_orders(session, [id for id in ids.values() if isinstance(id, int)], jobs)
    return [_receipt(job, ids[job.id], held) for job in jobs]


def _receipt(job: Job, outcome: int | SyncError, held: Mapping[int, OrderRow]) -> Receipt:
    if isinstance(outcome, SyncError):
        return Receipt(job.id, error=outcome)
    if outcome not in held:
        return Receipt(job.id, error=deleted())
    order = held[outcome]
    return Receipt(
        job.id, state="created", external_id=str(outcome), amount=order.amount_total,
        links=(("booking", job.command.booking_id, str(outcome)),), evidence=f"{order.name} ({order.state})",
    )  # fmt: skip
