"""What an order says of money: paid, reserved, captured in part, or paid with money of another kind. Pure.

Gateways state more than WooCommerce in private meta_data. What is relied on, and who writes it:

reserved, not captured
    `_stripe_charge_captured` = no                    woocommerce-gateway-stripe; the order is on-hold
    `_intention_status` = requires_capture            woocommerce-payments, rewritten at capture; may come without a transaction id
    `_ppcp_paypal_captured` = false                   woocommerce-paypal-payments (CAPTURED_META_KEY), with intent AUTHORIZE
    `_wc_<gateway>_charge_captured` = no              the SkyVerge framework: Authorize.Net, Square, CyberSource, Braintree, …
captured in part
    `_wc_<gateway>_charge_captured` = partial, with `_wc_<gateway>_capture_total` (the framework's do_capture_success)
gift cards
    `gift_cards` [{id, code, amount}]                 WooCommerce Gift Cards on orders; "remaining order total becomes" less (its
                                                      REST examples)
    `pw_gift_card_lines` [{card_number, amount}]      PW Gift Cards (WC_Order_Item_PW_Gift_Card), where a shop shows them over REST
store credit
    the order's `_funds_used` (Account Funds)
    coupons of type `smart_coupon` (Smart Coupons); `smart_coupons_contribution` {code: amount} on the order says how much was used.
    Applied before tax it has lowered the lines like any coupon; applied after tax it lowers the order's total alone
    (`apply_before_tax`, off by default).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, product
from typing import Any, NamedTuple

import msgspec

from canonical.types import Coupon, PaymentStatement, Tender
from connectors.woocommerce.reading.fields import instant, money, text
from connectors.woocommerce.reading.metas import entries, texts
from connectors.woocommerce.wire import WireCoupon, WireOrder

OFFLINE = frozenset({"bacs", "cheque", "cod"})  # nobody reserves money here, whatever stands in the transaction id
OVER = frozenset({"cancelled", "refunded", "failed", "trash"})  # what was reserved is free again
FRAMEWORK = re.compile(r"(_wc_\w+_)charge_captured")
UNCAPTURED: Mapping[str, str] = {
    "_stripe_charge_captured": "no",
    "_intention_status": "requires_capture",
    "_ppcp_paypal_captured": "false",
}


# ---- reserved and captured --------------------------------------------------------------------------------------------------
def statement(said: WireOrder, placed_at: datetime, ref: str) -> PaymentStatement:
    """How an order is paid. Nobody says when money was reserved: at checkout, so `placed_at` stands for it.

    A gateway's mark outweighs `date_paid`, which WooCommerce sets on every move to processing: at that move the gateways above capture,
    so a mark that is left says that it failed.
    """
    marks = texts(said.meta_data)
    paid_at = instant(said.date_paid_gmt, f"date_paid_gmt of order {ref}")
    method, transaction = text(said.payment_method), text(said.transaction_id)
    marked = said.status not in OVER and _is_uncaptured(marks)
    held = said.status == "on-hold" and bool(transaction) and paid_at is None and method not in OFFLINE
    return PaymentStatement(
        method=method,
        title=text(said.payment_method_title),
        transaction_id=transaction,
        paid_at=None if marked else paid_at,
        authorised_at=placed_at if marked or held else None,
        captured=_captured(marks, ref),
    )


def _is_uncaptured(marks: Mapping[str, str]) -> bool:
    known = any(marks.get(key, "").lower() == value for key, value in UNCAPTURED.items())
    return known or any(value == "no" and FRAMEWORK.fullmatch(key) for key, value in marks.items())


def _captured(marks: Mapping[str, str], ref: str) -> Decimal | None:
    """What was captured where that is a part; None where nothing says so."""
    for key, value in marks.items():
        if value == "partial" and (match := FRAMEWORK.fullmatch(key)):
            return money(marks.get(f"{match[1]}capture_total"), f"The captured amount of order {ref}")
    return None


# ---- money of another kind --------------------------------------------------------------------------------------------------
class PaidWith(NamedTuple):
    """What the shop has subtracted from an order's total, and the coupons that lowered its lines."""

    tenders: tuple[Tender, ...]
    coupons: tuple[Coupon, ...]


def paid_with(said: WireOrder, gap: Decimal, ref: str) -> PaidWith:
    """Which tenders lowered the total is a setting of each plugin, so arithmetic decides: `gap` is what lines, charges and taxes make more
    than the stated total, and those are taken that explain it best. Store credit that explains nothing has lowered the lines: an
    ordinary coupon. A gift card that explains nothing has paid nothing: it was given back, or its plugin counts otherwise.
    """
    used = _contributions(said.meta_data)
    credits = [c for c in said.coupon_lines if _is_credit(c, used)]
    kinds = (_merged(_gift_cards(said, ref)), _merged(chain(_store_credit(credits, used, ref), _funds(said, ref))))
    taken = min(product((False, True), repeat=2), key=lambda chosen: abs(gap - _sum(_chosen(kinds, chosen))))
    lowering = [c for c in said.coupon_lines if not (taken[1] and c in credits)]
    return PaidWith(
        tenders=_chosen(kinds, taken),
        coupons=tuple(
            Coupon(code=text(c.code), discount=money(c.discount, f"A coupon's discount of order {ref}"))
            for c in lowering
        ),
    )


def _chosen(kinds: Sequence[tuple[Tender, ...]], chosen: Sequence[bool]) -> tuple[Tender, ...]:
    return tuple(tender for kind, yes in zip(kinds, chosen, strict=True) if yes for tender in kind)


def _merged(tenders: Iterator[Tender]) -> tuple[Tender, ...]:
    """One per card: `ref` is all that tells them apart."""
    found: dict[str, Tender] = {}
    for tender in tenders:
        known = found.get(tender.ref)
        found[tender.ref] = Tender(
            kind=tender.kind, ref=tender.ref, amount=tender.amount + (known.amount if known else 0)
        )
    return tuple(found.values())


def _sum(tenders: Sequence[Tender]) -> Decimal:
    return sum((tender.amount for tender in tenders), Decimal(0))


def _store_credit(coupons: Sequence[WireCoupon], used: Mapping[str, Any], ref: str) -> Iterator[Tender]:
    for coupon in coupons:
        if amount := _credit(coupon, used, ref):
            yield Tender(kind="store_credit", ref=text(coupon.code), amount=amount)


def _funds(said: WireOrder, ref: str) -> Iterator[Tender]:
    """WooCommerce Account Funds: the order's `_funds_used` says how much of the customer's deposit paid."""
    stated = next((_figure(value) for key, value in entries(said.meta_data) if key == "_funds_used"), None)
    if amount := money(stated, f"The account funds of order {ref}"):
        yield Tender(kind="store_credit", ref="account funds", amount=amount)


def _gift_cards(said: WireOrder, ref: str) -> Iterator[Tender]:
    """Entries of another shape belong to another plugin and say nothing here."""
    for entry in _objects(said.gift_cards) + _objects(said.pw_gift_card_lines):
        amount = money(_figure(entry.get("amount")), f"The amount of a gift card of order {ref}")
        name = next(
            (text(v) for key in ("id", "card_number", "code") if isinstance(v := entry.get(key), str | int) and v), ""
        )
        if amount and name:
            yield Tender(kind="gift_card", ref=name, amount=amount)


def _objects(said: Any) -> list[dict[str, Any]]:
    return [entry for entry in said if isinstance(entry, dict)] if isinstance(said, list) else []


def _figure(said: Any) -> str | int | float | None:
    return said if isinstance(said, str | int | float) and not isinstance(said, bool) else None


def _is_credit(coupon: WireCoupon, used: Mapping[str, Any]) -> bool:
    return "smart_coupon" in (text(coupon.discount_type), _noted_type(coupon)) or text(coupon.code).lower() in used


def _noted_type(coupon: WireCoupon) -> str:
    """The type inside `coupon_info`, a JSON text: `[id, code, type, amount]`."""
    try:
        noted = msgspec.json.decode(texts(coupon.meta_data).get("coupon_info", "null"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return str(noted[2]) if isinstance(noted, list) and len(noted) > 2 and isinstance(noted[2], str) else ""


def _contributions(said: Any) -> Mapping[str, Any]:
    """Coupon code in small letters → how much of it was used."""
    found = next((value for key, value in entries(said) if key == "smart_coupons_contribution"), None)
    return {code.lower(): used for code, used in found.items()} if isinstance(found, dict) else {}


def _credit(coupon: WireCoupon, used: Mapping[str, Any], ref: str) -> Decimal:
    where = f"The store credit of order {ref}"
    stated = _figure(used.get(text(coupon.code).lower()))
    return (
        money(stated, where)
        if stated is not None
        else money(coupon.discount, where) + money(coupon.discount_tax, where)
    )
