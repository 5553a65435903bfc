"""Rules about money: exact Decimals, the currency's smallest unit, and how much a rounding difference may be. Pure."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from canonical.types import Charge, Line

#: ISO 4217 minor units that are not 2.
_DIGITS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0,
    "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


def smallest(currency: str) -> Decimal:
    """The currency's smallest unit, e.g. 0.01 for EUR and 1 for JPY (ISO 4217)."""
    return Decimal(1).scaleb(-_DIGITS.get(currency, 2))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole smallest units, half up (as WooCommerce rounds)."""
    return amount.quantize(smallest(currency), ROUND_HALF_UP)


#: What a column of money can hold; more digits than this are not money but arithmetic left over.
_KEPT = Decimal(1).scaleb(-6)


def kept(amount: Decimal) -> Decimal:
    """The amount as it is stored."""
    return amount.quantize(_KEPT, ROUND_HALF_UP)


def parts_total(lines: Iterable[Line], charges: Iterable[Charge]) -> Decimal:
    """Σ lines (net, after discount) + charges + all taxes: what the order total should be."""
    items: list[Line | Charge] = [*lines, *charges]
    return sum((kept(item.total) + item.tax for item in items), Decimal(0))


def tolerance(currency: str, lines: Iterable[Line]) -> Decimal:
    """How far two honest roundings of one order may lie apart: half the smallest unit per unit sold (unit prices are rounded),
    one per line (its tax is rounded), and never as much as fifty smallest units."""
    unit = smallest(currency)
    honest = sum((unit * line.units / 2 + unit for line in lines), unit)
    return min(honest, 50 * unit)


def accepted(difference: Decimal, more: Decimal) -> bool:
    """Whether a difference beyond rounding asks no person: none at all, or no more than a shop's people put up with."""
    return abs(difference) <= more


def rounding(total: Decimal, lines: Iterable[Line], charges: Iterable[Charge], currency: str) -> Decimal | None:
    """The rounding charge that makes the parts equal the total; None when the difference is more than rounding."""
    lines = tuple(lines)
    difference = kept(kept(total) - parts_total(lines, charges))
    return difference if abs(difference) <= tolerance(currency, lines) else None


#: What became of an order's money. `partially paid`: some of it came, and the rest is still due.
PaymentState = Literal[
    "unpaid", "authorised", "partially paid", "paid", "partially refunded", "refunded", "nothing to pay"
]


def payment_state(total: Decimal, captured: Decimal, authorised: Decimal, refunded: Decimal) -> PaymentState:
    """The state of payment, from sums in the order's currency: what it costs, what came (gift cards too), what is only reserved, and
    what went back. Money that went back without having come by the shop (cash on delivery) is measured by the total."""
    if refunded > 0:
        return "refunded" if refunded >= (captured or total) else "partially refunded"
    if total <= 0 and captured <= 0:
        return "nothing to pay"
    if captured > 0:
        return "paid" if captured >= total else "partially paid"
    return "authorised" if authorised > 0 else "unpaid"
