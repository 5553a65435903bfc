"""WooCommerce's words → facts. Pure: no clock, no network, no memory. Knows nothing of how the words arrived."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar

import msgspec

from canonical.facts import CustomerStated, Fact, Gone, OrderStated, SkuStated, Vanished
from canonical.types import Address, Charge, Coupon, Entity, Line, PaymentStatement, ShopStatus, Tax
from connectors.base import Envelope, Malformed, Read
from connectors.woocommerce.wire import (
    Number,
    Postal,
    Text,
    WireAddress,
    WireCustomer,
    WireDeleted,
    WireFee,
    WireLine,
    WireMissing,
    WireOrder,
    WireProduct,
    WireShipping,
    WireTax,
    WireTaxLine,
)  # fmt: skip

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
#: Product types that are only a frame around what is sold.
FRAMES = frozenset({"variable", "variable-subscription", "grouped", "external"})
LARGEST = Decimal(10) ** 12  # no order is worth more; keeps 1e400 out of the arithmetic
FINEST = -20  # decimals
BOM = b"\xef\xbb\xbf"

W = TypeVar("W")


# ---- bytes → wire -----------------------------------------------------------------------------------------------------------
def decoded(body: bytes, decoder: "msgspec.json.Decoder[W]", what: str) -> W:
    """Decode a body; Malformed in plain words. A byte order mark is tolerated, escaped NULs are dropped from texts."""
    try:
        if body.startswith(BOM):
            body = body[3:]
        if b"\\u0000" in body:
            body = msgspec.json.encode(_without_nul(msgspec.json.decode(body)))
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(f"The shop's {what} is not as expected: {error}.") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed(f"The shop's {what} is not readable JSON: {error}.") from error
    except RecursionError as error:
        raise Malformed(f"The shop's {what} is nested too deeply.") from error


def _without_nul(value: Any) -> Any:
    """PostgreSQL stores no NUL in text, and nothing is lost without it."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_nul(k): _without_nul(v) for k, v in value.items()}
    return [_without_nul(v) for v in value] if isinstance(value, list) else value


# ---- single fields ----------------------------------------------------------------------------------------------------------
def ident(value: Any, field: str) -> str:
    """A positive id as a string of digits; empty for 0, null or missing."""
    text = str(value).strip() if isinstance(value, int | str) else ""
    if text in ("", "0"):
        return ""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise Malformed(f"{field} should be a number, but is “{text[:40]}”.")
    return text


def needed(value: Any, field: str) -> str:
    """An id that has to be there."""
    if not (text := ident(value, field)):
        raise Malformed(f"{field} is missing.")
    return text


def text(value: Text) -> str:
    """Plain text of whatever a plugin sent."""
    if type(value) is str:
        return value.strip()
    return "" if value is None else str(value)


def money(value: Number, field: str, *, negative: bool = False) -> Decimal:
    """An amount. WooCommerce writes “12.50”; an empty text is nothing."""
    if value is None or value == "":
        return Decimal(0)
    try:
        amount = Decimal(value if type(value) is str else str(value))
    except InvalidOperation:
        raise Malformed(f"{field} should be an amount like 12.50, but is “{str(value)[:40]}”.") from None
    if not amount.is_finite() or abs(amount) >= LARGEST or not FINEST <= int(amount.as_tuple().exponent) <= 12:
        raise Malformed(f"{field} should be an amount like 12.50, but is “{str(value)[:40]}”.")
    if amount < 0 and not negative:
        raise Malformed(f"{field} should not be negative, but is {amount}.")
    return amount


def stated(value: Number, field: str) -> Number:
    """A figure that has to be there."""
    if value is None or value == "":
        raise Malformed(f"{field} is missing.")
    return value


def units(value: Number, field: str) -> int:
    """A whole quantity. Shops that sell by weight need a unit of measure first."""
    amount = money(stated(value, field), field)
    if amount != amount.to_integral_value():
        raise Malformed(f"{field} should be a whole number, but is {amount}.")
    return int(amount)


def instant(value: str | None, field: str) -> datetime | None:
    """A `_gmt` date: UTC, without an offset in the text."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(f"{field} should be a date like 2026-01-31T12:00:00, but is “{value[:40]}”.") from None


def seconds(moment: datetime | None) -> int:
    """The version of a snapshot: WooCommerce has none but `date_modified_gmt`, at 1 s resolution."""
    return max(0, math.floor(moment.timestamp())) if moment else 0


def address(said: Postal) -> Address:
    """A postal address; PHP writes an empty one as `[]`."""
    if not isinstance(said, WireAddress):
        return Address()
    return Address(
        first_name=text(said.first_name),
        last_name=text(said.last_name),
        company=text(said.company),
        line1=text(said.address_1),
        line2=text(said.address_2),
        postcode=text(said.postcode),
        city=text(said.city),
        state=text(said.state),
        country=text(said.country).upper(),
        phone=text(said.phone),
        email=text(said.email),
    )


# ---- orders -----------------------------------------------------------------------------------------------------------------
_ORDER = msgspec.json.Decoder(WireOrder)
Rates = Mapping[str, tuple[str, Decimal]]


def read_order(envelope: Envelope) -> Sequence[Fact]:
    """One order → OrderStated. An error object (the order vanished before delivery) says nothing and yields nothing."""
    said = decoded(envelope.body, _ORDER, "order")
    if said.id is msgspec.UNSET:
        return _only_an_error(said.code, "order")
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
        total=money(stated(said.total, f"The total of order {ref}"), f"The total of order {ref}"),
        total_tax=money(said.total_tax, f"total_tax of order {ref}", negative=True),
        lines=tuple(_line(line, rates, ref) for line in said.line_items),
        charges=(
            *(_shipping(charge, rates, ref) for charge in said.shipping_lines),
            *(_fee(charge, rates, ref) for charge in said.fee_lines),
        ),
        coupons=tuple(
            Coupon(code=text(c.code), discount=money(c.discount, f"A coupon's discount of order {ref}"))
            for c in said.coupon_lines
        ),
        customer_ref=ident(said.customer_id, f"customer_id of order {ref}"),
        billing=address(said.billing),
        shipping=address(said.shipping),
        payment=PaymentStatement(
            method=text(said.payment_method),
            title=text(said.payment_method_title),
            transaction_id=text(said.transaction_id),
            paid_at=instant(said.date_paid_gmt, f"date_paid_gmt of order {ref}"),
        ),
        note=text(said.customer_note),
    )


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
    )


def _shipping(said: WireShipping, rates: Rates, order: str) -> Charge:
    ref = needed(said.id, f"The id of a shipping line of order {order}")
    where = f"shipping line {ref} of order {order}"
    return Charge(
        ref=ref,
        kind="shipping",
        title=text(said.method_title),
        total=money(stated(said.total, f"The total of {where}"), f"The total of {where}"),
        code=text(said.method_id),
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


def _only_an_error(code: Text, what: str) -> Sequence[Fact]:
    """A signed webhook may carry an error object, when its subject vanished first. It names no id: nothing to say."""
    if code in (None, ""):
        raise Malformed(f"The {what}'s id is missing.")
    return ()


# ---- products ---------------------------------------------------------------------------------------------------------------
_PRODUCT = msgspec.json.Decoder(WireProduct)


def read_product(envelope: Envelope) -> Sequence[Fact]:
    """A simple product or a variation → SkuStated. Frames (variable, grouped, external) are not stocked: nothing.

    A virtual product does not ship; a merely downloadable one (a book with a file) does.
    """
    said = decoded(envelope.body, _PRODUCT, "product")
    if said.id is msgspec.UNSET:
        return _only_an_error(said.code, "product")
    ref = needed(said.id, "The product's id")
    if not said.status:
        raise Malformed(f"The status of product {ref} is missing.")
    if said.type in FRAMES:
        return ()
    modified = _modified(said, f"product {ref}")
    return (
        SkuStated(
            occurred_at=modified or envelope.asked_at or envelope.received_at,
            ref=ref,
            version=seconds(modified),
            read_at=envelope.asked_at,
            sku=text(said.sku),
            name=text(said.name),
            product_ref=ident(said.parent_id, f"parent_id of product {ref}") or ref,
            gtin=text(said.global_unique_id),
            requires_shipping=not said.virtual,
            active=said.status in ("publish", "private"),
        ),
    )


def _modified(said: WireProduct | WireCustomer, what: str) -> datetime | None:
    return instant(said.date_modified_gmt, f"date_modified_gmt of {what}") or instant(
        said.date_created_gmt, f"date_created_gmt of {what}"
    )


# ---- customers --------------------------------------------------------------------------------------------------------------
_CUSTOMER = msgspec.json.Decoder(WireCustomer)


def read_customer(envelope: Envelope) -> Sequence[Fact]:
    """A registered customer → CustomerStated."""
    said = decoded(envelope.body, _CUSTOMER, "customer")
    if said.id is msgspec.UNSET:
        return _only_an_error(said.code, "customer")
    ref = needed(said.id, "The customer's id")
    modified = _modified(said, f"customer {ref}")
    return (
        CustomerStated(
            occurred_at=modified or envelope.asked_at or envelope.received_at,
            ref=ref,
            version=seconds(modified),
            read_at=envelope.asked_at,
            email=text(said.email),
            billing=address(said.billing),
        ),
    )


# ---- gone -------------------------------------------------------------------------------------------------------------------
_DELETED = msgspec.json.Decoder(WireDeleted)
_MISSING = msgspec.json.Decoder(WireMissing)
Subject = Literal["order", "sku", "customer"]


def deleted(entity: Subject) -> Read:
    """Reader of `*.deleted`: trash and deletion say the same, `{"id": 17}`, so it is only Vanished."""

    def read(envelope: Envelope) -> Sequence[Fact]:
        said = decoded(envelope.body, _DELETED, f"deletion of a {entity}")
        if said.id is msgspec.UNSET:
            return _only_an_error(said.code, entity)
        return (
            Vanished(
                occurred_at=envelope.received_at, entity=entity, ref=needed(said.id, f"The deleted {entity}'s id")
            ),
        )

    return read


def missing(entity: Subject) -> Read:
    """Reader of our own note that a read was answered with 404. The version is the shop's clock: later than any change."""

    def read(envelope: Envelope) -> Sequence[Fact]:
        said = decoded(envelope.body, _MISSING, f"answer about a missing {entity}")
        at = envelope.asked_at or envelope.received_at
        ref = needed(said.id, f"The missing {entity}'s id")
        return (Gone(occurred_at=at, ref=ref, version=said.at, read_at=envelope.asked_at, entity=entity),)

    return read


def nothing(envelope: Envelope) -> Sequence[Fact]:
    """Reader of what the product has no use for."""
    return ()


READS: Mapping[str, Read] = {
    "order.created": read_order,
    "order.updated": read_order,
    "order.restored": read_order,
    "order.read": read_order,
    "order.deleted": deleted("order"),
    "order.missing": missing("order"),
    "product.created": read_product,
    "product.updated": read_product,
    "product.restored": read_product,
    "product.read": read_product,
    "product.deleted": deleted("sku"),
    "product.missing": missing("sku"),
    "customer.created": read_customer,
    "customer.updated": read_customer,
    "customer.read": read_customer,
    "customer.deleted": deleted("customer"),
    "customer.missing": missing("customer"),
    "coupon.created": nothing,
    "coupon.updated": nothing,
    "coupon.deleted": nothing,
    "coupon.restored": nothing,
    "action": nothing,
}

#: Entity of a Refresh → the first word of the topics its answers are stored under.
TOPICS: Mapping[Entity, str] = {"order": "order", "sku": "product", "product": "product", "customer": "customer"}
