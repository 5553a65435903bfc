"""What is to be written so that a sales order says what is wanted, and whether Odoo still lets it say that. Pure; asks nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from typing import Any, Literal

import msgspec

from connectors.base import Job
from connectors.odoo.orders import Book, OrderRow, Wanted, rich
from connectors.odoo.transport import Link, Text

OPEN = ("draft", "sent", "sale")
MaybeLink = Link | Literal[False]


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
        return f"{_plainly(line.qty_delivered)} of «{line.name}» are delivered, {units} wanted."
    if line.qty_invoiced > units:
        return f"{_plainly(line.qty_invoiced)} of «{line.name}» are invoiced, {units} wanted."
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


def _plainly(units: Decimal) -> str:
    return f"{units.normalize():f}"


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


def line_commands(amendment: Amendment) -> dict[str, Any]:
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
