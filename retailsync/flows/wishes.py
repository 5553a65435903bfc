"""What an order wants of ERP and warehouses, as commands with their full content. Pure: the same order wants the same.

Words of the shop are put into the targets' words here (mapping tables); a word without a meaning raises Unmapped, which is a hold.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from canonical.commands import (
    AmendOrder,
    ChangeRequest,
    CreateOrder,
    OrderCharge,
    OrderLine,
    RequestFulfilment,
    RequestLine,
    UpsertCustomer,
)  # fmt: skip
from canonical.mappings import Shipping, Unmapped
from canonical.rules import money
from canonical.types import Address, Charge, Line, Tax
from retailsync.flows import reckoning
from retailsync.flows.view import BookingView, ChangeView, OrderView, RequestView


# ---- the ERP ----------------------------------------------------------------------------------------------------------------
def customer(order: OrderView) -> UpsertCustomer:
    """The customer and both addresses, in the ERP. A registered customer is always one contact, whatever guests are."""
    texts = order.tables.meta(order.meta)
    return UpsertCustomer(
        customer_id=order.customer_id, order_id=order.id, billing_id=order.billing_id, billing=placed(order, order.billing),
        shipping_id=order.shipping_id, shipping=placed(order, order.shipping), email=order.email,
        vat_id=texts.get("vat_id", "") or order.customer_vat, terms=texts.get("terms", "") or order.customer_terms,
        account="per_email" if order.registered else order.policy.guests, reference=order.reference,
    )  # fmt: skip


def sales_order(order: OrderView, booking: BookingView) -> CreateOrder:
    """The order, unconfirmed, in the ERP: what is left of it. Raises Unmapped."""
    lines, charges = tuple(_lines(order)), tuple(_charges(order))
    total = money.parts_total([x.stated for x in lines], [c.stated for c in charges])
    return CreateOrder(
        order_id=order.id, booking_id=booking.id, reference=booking.reference, customer_id=order.customer_id,
        billing_id=order.billing_id, shipping_id=order.shipping_id, placed_at=order.placed_at, currency=order.currency,
        prices_include_tax=order.prices_include_tax, total=total, lines=lines, charges=charges, note=note(order),
        terms=order.tables.payment(order.payment_method).terms,
    )  # fmt: skip


def amendment(order: OrderView, booking: BookingView, revision: int) -> AmendOrder:
    """The same content for an order the ERP has. Raises Unmapped."""
    wish = sales_order(order, booking)
    return AmendOrder(revision=revision, **{name: getattr(wish, name) for name in wish.__struct_fields__})


#: What of a sales order's content people would have to change in the ERP by hand. Names and references never change there, and two
#: customers who turn out to be one stay two contacts there for what was booked.
MATERIAL = ("billing_id", "shipping_id", "lines", "charges", "note", "terms")


def material(content: dict[str, object]) -> dict[str, object]:
    """The part of an encoded sales order that matters."""
    return {name: content.get(name) for name in MATERIAL}


def encoded(command: CreateOrder | AmendOrder | RequestFulfilment) -> dict[str, object]:
    """A command's content as the outbox holds it."""
    content: dict[str, object] = msgspec.json.decode(msgspec.json.encode(command))
    return content


def _lines(order: OrderView) -> Iterator[OrderLine]:
    """Lines the shop dropped, and units that were cancelled, are left out."""
    for line in order.lines:
        left = reckoning.remaining_line(line, order.currency)
        if left is not None:
            yield OrderLine(line_id=line.id, sku_id=line.sku_id or 0, stated=_taxed_line(order, left))


def _charges(order: OrderView) -> Iterator[OrderCharge]:
    """A fee that is a gift card is none of the ERP's: it pays."""
    for charge in order.charges:
        if not reckoning.paying(order, charge):
            yield OrderCharge(charge_id=charge.id, stated=_taxed_charge(order, reckoning.stated_charge(charge)))


def _taxed_line(order: OrderView, line: Line) -> Line:
    return msgspec.structs.replace(line, taxes=taxed(order, line.taxes))


def _taxed_charge(order: OrderView, charge: Charge) -> Charge:
    return msgspec.structs.replace(charge, taxes=taxed(order, charge.taxes))


def taxed(order: OrderView, taxes: tuple[Tax, ...]) -> tuple[Tax, ...]:
    """Taxes with the ERP's own, where the shop's table of taxes is in use. Raises Unmapped."""
    if not order.tables.uses("tax"):
        return taxes
    known = [(tax, order.tables.tax(tax.code, f"{tax.rate.normalize():f}")) for tax in taxes]
    return tuple(msgspec.structs.replace(tax, erp=meaning.erp) if meaning else tax for tax, meaning in known)


def expected_total(order: OrderView, booking: BookingView) -> Decimal:
    """What the ERP's total should be."""
    return money.kept(sales_order(order, booking).total)


# ---- the warehouses ---------------------------------------------------------------------------------------------------------
#: What is written behind the order's reference on further requests, so that two parcels of one order are told apart.
SUFFIX = {"original": "", "backorder": "B", "reship": "R", "exchange": "X"}


def fulfilment(order: OrderView, request: RequestView) -> RequestFulfilment:
    """One request to one warehouse. Raises Unmapped."""
    code, method = shipping(order)
    return RequestFulfilment(
        request_id=request.id, order_id=order.id, reference=request.reference, order_reference=reference(order, request),
        location_code=request.place.code, ship_to=placed(order, order.shipping), lines=lines(order, request, request.units),
        requested_at=request.requested_at, shipping_method=code, note=note(order), carrier=method.carrier, service=method.service,
        purpose_text=request.purpose,
    )  # fmt: skip


#: Changes that say how to ship; the others stop or let go on what was said before.
_SAY_HOW = ("amend",)


def change(order: OrderView, request: RequestView, asked: ChangeView) -> ChangeRequest:
    """One change of a request, as it was raised. An amendment raises Unmapped; what stops a request does not wait for words."""
    try:
        code, method = shipping(order)
    except Unmapped:
        if asked.kind in _SAY_HOW:
            raise
        code, method = "", Shipping()
    units = asked.lines if asked.kind in ("amend", "cancel") else request.units
    return ChangeRequest(
        change_id=asked.id, request_id=request.id, order_id=order.id, reference=request.reference, number=asked.number,
        kind=asked.kind, lines=lines(order, request, units), ship_to=placed(order, order.shipping), shipping_method=code,
        carrier=method.carrier, service=method.service, note=note(order), asked_at=asked.asked_at, reason=_why(order),
    )  # fmt: skip


def _why(order: OrderView) -> str:
    status = "deleted" if order.gone else order.shop_status.replace("_", " ")
    return f"The shop says {status}." if order.stance in ("stop", "pause") else "The order was changed in the shop."


def lines(order: OrderView, request: RequestView, units: dict[int, int]) -> tuple[RequestLine, ...]:
    """A request's lines with so many units each; those without any are left out."""
    return tuple(
        RequestLine(line_id=x.id, sku=x.sku, name=x.name, units=units[x.id])
        for x in order.lines
        if units.get(x.id, 0) > 0
    )


def reference(order: OrderView, request: RequestView) -> str:
    """The business reference of one request: the order's, with a suffix where it is a further one."""
    return called(order, request.purpose, request.attempt)


def called(order: OrderView, purpose: str, attempt: int) -> str:
    """The business reference of a request of this purpose."""
    letter = SUFFIX.get(purpose, "")
    return f"{order.reference}-{letter}{attempt}" if letter or attempt > 1 else order.reference


def shipping(order: OrderView) -> tuple[str, Shipping]:
    """The shop's own code of the shipping method, and what it means. An order's own meta may name carrier and service. Raises Unmapped."""
    charge = next((c for c in order.charges if c.kind == "shipping"), None)
    meaning = order.tables.shipping(charge.code, charge.title) if charge else None
    texts = order.tables.meta(order.meta)
    known = meaning or Shipping()
    chosen = msgspec.structs.replace(
        known, carrier=texts.get("carrier", "") or known.carrier, service=texts.get("service", "") or known.service
    )
    return charge.code if charge else "", chosen


def note(order: OrderView) -> str:
    """The customer's note, and what a plugin's field adds to it."""
    return "\n".join(text for text in (order.note, order.tables.meta(order.meta).get("note", "")) if text)


def placed(order: OrderView, address: Address) -> Address:
    """An address with country and state as the targets write them, where people said so."""
    meaning = order.tables.place(address.country, address.state)
    if meaning is None:
        return address
    return msgspec.structs.replace(address, country=meaning.country, state=meaning.state or address.state)
