"""WooCommerce's orders → OrderStated. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from canonical.facts import Fact, OrderStated
from canonical.types import Charge, Line, RefundMention, ShopStatus, Tax
from connectors.base import Envelope, Malformed
from connectors.woocommerce.reading import payments
from connectors.woocommerce.reading.fields import (
    address,
    decoded,
    ident,
    instant,
    money,
    needed,
    only_an_error,
    seconds,
    stated,
    text,
    units,
    whole,
)
from connectors.woocommerce.reading.metas import entries, metas
from connectors.woocommerce.wire import (
    Number,
    WireFee,
    WireLine,
    WireMention,
    WireOrder,
    WireShipping,
    WireTax,
    WireTaxLine,
)

#: The shop's word → ours. Plugins add their own; those are `unknown`, never guessed.
STATUSES: Mapping[str, ShopStatus] = {
    "auto-draft": "draft",
    "checkout-draft": "draft",
    "pending": "pending",
    "processing": "processing",
    "on-hold": "on_hold",
    "completed": "completed",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "failed": "failed",
    "trash": "trashed",
}

_ORDER = msgspec.json.Decoder(WireOrder)
Rates = Mapping[str, tuple[str, Decimal]]


def read_order(envelope: Envelope) -> Sequence[Fact]:
    """One order → OrderStated. An error object (the order vanished before delivery) says nothing and yields nothing."""
    said = decoded(envelope.body, _ORDER, "order")
    if said.id is msgspec.UNSET:
        return only_an_error(said.code, "order")
    return (order_stated(said, envelope.asked_at),)


def order_stated(said: WireOrder, read_at: datetime | None) -> OrderStated:
    """The fact one order states. `version` is date_modified_gmt in unix seconds."""
    ref = needed(None if said.id is msgspec.UNSET else said.id, "The order's id")
    if said.line_items is msgspec.UNSET:
        raise Malformed(f"Order {ref} has no line_items.")
    if not said.status:
        raise Malformed(f"The status of order {ref} is missing.")
    created = instant(said.date_created_gmt, f"date_created_gmt of order {ref}")
    if created is None:
        raise Malformed(f"date_created_gmt of order {ref} is missing.")
    modified = instant(said.date_modified_gmt, f"date_modified_gmt of order {ref}") or created
    rates = {ident(t.rate_id, "A tax rate's id"): _rate(t, ref) for t in said.tax_lines}
    lines = tuple(_line(line, rates, ref) for line in said.line_items)
    charges = (
        *(_shipping(charge, rates, ref) for charge in said.shipping_lines),
        *(_fee(charge, rates, ref) for charge in said.fee_lines),
    )
    parts = sum((x.total + x.tax for x in lines), Decimal(0)) + sum((x.total + x.tax for x in charges), Decimal(0))
    total = money(stated(said.total, f"The total of order {ref}"), f"The total of order {ref}")
    paid_with = payments.paid_with(said, parts - total, ref)
    return OrderStated(
        occurred_at=modified,
        ref=ref,
        version=seconds(modified),
        read_at=read_at,
        number=text(said.number) or ref,
        status=STATUSES.get(said.status, "unknown"),
        status_text=said.status,
        placed_at=created,
        currency=_currency(said.currency, ref),
        prices_include_tax=said.prices_include_tax,
        total=total + sum((tender.amount for tender in paid_with.tenders), Decimal(0)),
        total_tax=money(said.total_tax, f"total_tax of order {ref}", negative=True),
        lines=lines,
        charges=charges,
        coupons=paid_with.coupons,
        customer_ref=ident(said.customer_id, f"customer_id of order {ref}"),
        billing=address(said.billing),
        shipping=address(said.shipping),
        payment=payments.statement(said, created, ref),
        tenders=paid_with.tenders,
        refunds=tuple(_mention(one, ref) for one in said.refunds or ()),
        meta=metas(said.meta_data),
        note=text(said.customer_note),
    )


def _mention(said: WireMention, order: str) -> RefundMention:
    ref = needed(said.id, f"The id of a refund of order {order}")
    where = f"The total of refund {ref} of order {order}"
    return RefundMention(ref=ref, amount=abs(money(stated(said.total, where), where, negative=True)))


def _currency(code: str, ref: str) -> str:
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise Malformed(f"The currency of order {ref} should be a code like EUR, but is “{code[:40]}”.")
    return code


def _rate(said: WireTaxLine, ref: str) -> tuple[str, Decimal]:
    """A tax rate's code and percentage. Shops before WooCommerce 3.7 state no percentage: 0 then."""
    return text(said.rate_code) or text(said.label), money(said.rate_percent, f"A tax's rate_percent on order {ref}")


def _taxes(said: Any, total_tax: Number, rates: Rates, where: str) -> tuple[Tax, ...]:
    """Taxes of one item, joined to the order's tax_lines by rate id.

    An empty `total` means the rate does not apply to this item. A plugin that states only `total_tax` gets one unnamed tax, so
    that the order still adds up.
    """
    entries: list[WireTax] = said if isinstance(said, list) else []
    taxes = tuple(_tax(entry, rates, where) for entry in entries if entry.total not in (None, ""))
    if not taxes and (amount := money(total_tax, f"total_tax of {where}", negative=True)):
        return (Tax(code="", rate=Decimal(0), amount=amount),)
    return taxes


def _tax(said: WireTax, rates: Rates, where: str) -> Tax:
    rate_id = ident(said.id, f"A tax rate's id of {where}")
    code, rate = rates.get(rate_id, (rate_id, Decimal(0)))
    return Tax(code=code, rate=rate, amount=money(said.total, f"A tax of {where}", negative=True))


def _line(said: WireLine, rates: Rates, order: str) -> Line:
    ref = needed(said.id, f"The id of a line of order {order}")
    where = f"line {ref} of order {order}"
    product = ident(said.product_id, f"product_id of {where}")
    total = money(stated(said.total, f"The total of {where}"), f"The total of {where}")
    return Line(
        ref=ref,
        sku=text(said.sku),
        name=text(said.name),
        units=units(said.quantity, f"The quantity of {where}"),
        subtotal=total if said.subtotal in (None, "") else money(said.subtotal, f"The subtotal of {where}"),
        total=total,
        product_ref=product,
        variant_ref=ident(said.variation_id, f"variation_id of {where}") or product,
        taxes=_taxes(said.taxes, said.total_tax, rates, where),
        reduced=_reduced(said.meta_data),
    )


def _reduced(said: Any) -> int:
    """Units the shop has taken off its stock for a line. It notes them on the line, and nothing for what has no stock there."""
    noted = (whole(value) for key, value in entries(said) if key == "_reduced_stock")
    return max(0, next(noted, None) or 0)


def _shipping(said: WireShipping, rates: Rates, order: str) -> Charge:
    """`code` is the method's id alone (flat_rate). The id of its instance is not part of it: it differs from zone to zone, is new
    whenever a zone is made anew, and shop owners never see it, while the title they map by they wrote themselves. Shops before
    WooCommerce 3.4 wrote both into one text, `flat_rate:3`.
    """
    ref = needed(said.id, f"The id of a shipping line of order {order}")
    where = f"shipping line {ref} of order {order}"
    return Charge(
        ref=ref,
        kind="shipping",
        title=text(said.method_title),
        total=money(stated(said.total, f"The total of {where}"), f"The total of {where}"),
        code=text(said.method_id).partition(":")[0],
        taxes=_taxes(said.taxes, said.total_tax, rates, where),
    )


def _fee(said: WireFee, rates: Rates, order: str) -> Charge:
    ref = needed(said.id, f"The id of a fee of order {order}")
    where = f"fee {ref} of order {order}"
    return Charge(
        ref=ref,
        kind="fee",
        title=text(said.name),
        total=money(stated(said.total, f"The total of {where}"), f"The total of {where}", negative=True),
        taxes=_taxes(said.taxes, said.total_tax, rates, where),
    )
