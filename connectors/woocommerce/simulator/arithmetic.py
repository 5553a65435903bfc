"""What an order of the simulated shop costs: WooCommerce's arithmetic. Knows no product, no customer and no HTTP.

Amounts follow WooCommerce with "round tax per line": an entered price × units is rounded to the currency's smallest unit, tax is rounded
per line (half up; half *down* when prices include tax), and what is left of a price including tax is the net amount. So every order's
total is exactly the sum of its lines, charges and taxes, less what gift cards and store credit pay.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

CENT = Decimal("0.01")
STORE_CREDIT = "_funds_used"  # meta of a store credit plugin: how much of the order the customer's credit paid

Item = dict[str, Any]


class Money(NamedTuple):
    """A currency: its smallest unit, its sign, and what one euro of the catalogue costs in it."""

    unit: Decimal
    sign: str
    course: Decimal


STANDARD = Decimal(21)  # the standard rate, in percent

CURRENCIES: Mapping[str, Money] = {
    "EUR": Money(CENT, "€", Decimal(1)),
    "USD": Money(CENT, "$", Decimal(1)),
    "JPY": Money(Decimal(1), "¥", Decimal(160)),
    "KWD": Money(Decimal("0.001"), "د.ك", Decimal("0.335")),
}

#: Tax rates by percentage: (rate id, rate code, tax class).
RATES: Mapping[Decimal, tuple[int, str, str]] = {
    Decimal(21): (1, "NL-BTW-1", ""),
    Decimal(15): (4, "US-STATE TAX-1", ""),
    Decimal(9): (2, "NL-BTW LAAG-1", "reduced-rate"),
    Decimal(0): (3, "NL-BTW NUL-1", "zero-rate"),
}


def split(entered: Decimal, rate: Decimal, inclusive: bool, unit: Decimal = CENT) -> tuple[Decimal, Decimal]:
    """(net, tax) of an amount as it was entered."""
    share = rate / 100
    if not inclusive:
        return entered, (entered * share).quantize(unit, ROUND_HALF_UP)
    tax = (entered - entered / (1 + share)).quantize(unit, ROUND_HALF_DOWN)
    return entered - tax, tax


def entered_price(net: Decimal, rate: Decimal, inclusive: bool, currency: str = "EUR") -> Decimal:
    """The price the shop's staff typed for a net price of the catalogue (in euros)."""
    money = CURRENCIES[currency]
    price = net * money.course * (1 + rate / 100) if inclusive else net * money.course
    return price.quantize(money.unit, ROUND_HALF_UP)


def taxes(rate: Decimal | None, tax: Decimal, before: Decimal | None = None) -> list[Item]:
    """An item's `taxes`; `before` = its tax before discounts, of lines only. Nothing for an untaxed item (rate None)."""
    if rate is None:
        return []
    return [{"id": RATES[rate][0], "total": str(tax), "subtotal": "" if before is None else str(before)}]


def price_line(line: Item, inclusive: bool, unit: Decimal = CENT) -> None:
    """Fill in a line's money from `_sim`: entered price, rate (None = untaxed) and discount in percent."""
    hidden = line["_sim"]
    rate = None if hidden["rate"] is None else Decimal(hidden["rate"])
    full = (Decimal(hidden["price"]) * line["quantity"]).quantize(unit, ROUND_HALF_UP)
    paid = full - (full * Decimal(hidden["discount"]) / 100).quantize(unit, ROUND_HALF_UP)
    subtotal, subtotal_tax = split(full, rate or Decimal(0), inclusive, unit)
    total, total_tax = split(paid, rate or Decimal(0), inclusive, unit)
    line.update(
        subtotal=str(subtotal),
        subtotal_tax=str(subtotal_tax),
        total=str(total),
        total_tax=str(total_tax),
        taxes=taxes(rate, total_tax, subtotal_tax),
    )
    show_price(line)


def show_price(line: Item) -> None:
    """`price` is what one unit costs after discount, a number with more decimals than the currency has."""
    line["price"] = float(round(Decimal(line["total"]) / line["quantity"], 6)) if line["quantity"] else 0


def charge_tax(
    net: Decimal, taxed: bool, unit: Decimal = CENT, *, down: bool = False, rate: Decimal = STANDARD
) -> Item:
    """`total_tax` and `taxes` of a shipping line or fee. With `down` the two differ where the tax ends in half a
    unit: observed are `total_tax` 0.31 beside one tax of 0.32 for a fee of 1.50 at 21 % in a shop whose prices include tax."""
    if not taxed:
        return {"total_tax": str(Decimal(0).quantize(unit)), "taxes": []}
    exact = net * rate / 100
    total_tax = exact.quantize(unit, ROUND_HALF_DOWN if down else ROUND_HALF_UP)
    return {"total_tax": str(total_tax), "taxes": taxes(rate, exact.quantize(unit, ROUND_HALF_UP))}


def settle(order: Item) -> None:
    """Work out an order's sums from its lines and charges, as WooCommerce's calculate_totals does."""
    unit = CURRENCIES[order["currency"]].unit
    lines, shipping, fees = order["line_items"], order["shipping_lines"], order["fee_lines"]
    goods, carriage = _sum(lines, "total", unit), _sum(shipping, "total", unit)
    goods_tax, carriage_tax = _sum(lines + fees, "total_tax", unit), _sum(shipping, "total_tax", unit)
    discount = _sum(lines, "subtotal", unit) - goods
    discount_tax = _sum(lines, "subtotal_tax", unit) - _sum(lines, "total_tax", unit)
    worth = goods + carriage + _sum(fees, "total", unit) + goods_tax + carriage_tax
    order.update(
        discount_total=str(discount),
        discount_tax=str(discount_tax),
        shipping_total=str(carriage),
        shipping_tax=str(carriage_tax),
        cart_tax=str(goods_tax),
        total_tax=str(goods_tax + carriage_tax),
        total=str(worth - min(worth, paid_otherwise(order, unit))),
    )
    for coupon in order["coupon_lines"]:
        coupon.update(discount=str(discount), discount_tax=str(discount_tax))
    _tax_lines(order, unit)


def paid_otherwise(order: Mapping[str, Any], unit: Decimal = CENT) -> Decimal:
    """What gift cards and store credit pay: it is subtracted from the stated total."""
    cards = (Decimal(str(card["amount"])) for card in order.get("gift_cards", ()))
    credit = (Decimal(meta["value"]) for meta in order.get("meta_data", ()) if meta["key"] == STORE_CREDIT)
    return (sum(cards, Decimal(0)) + sum(credit, Decimal(0))).quantize(unit)


def _tax_lines(order: Item, unit: Decimal) -> None:
    """One per rate on any item, highest first; those that were there keep their ids."""
    lines, shipping, fees = order["line_items"], order["shipping_lines"], order["fee_lines"]
    used = {tax["id"] for item in (*lines, *shipping, *fees) for tax in item["taxes"]}
    known = {line["rate_id"]: line for line in order.get("tax_lines", ())}
    wanted = [rate for rate, (number, *_) in RATES.items() if number in used]
    order["tax_lines"] = [known.get(RATES[rate][0]) or _tax_line(rate) for rate in wanted]
    for line in order["tax_lines"]:
        line["tax_total"] = str(_tax_of(lines + fees, line["rate_id"], unit))
        line["shipping_tax_total"] = str(_tax_of(shipping, line["rate_id"], unit))


def _sum(items: Iterable[Mapping[str, Any]], field: str, unit: Decimal) -> Decimal:
    return sum((Decimal(item[field]) for item in items), Decimal(0)).quantize(unit)


def _tax_of(items: Sequence[Mapping[str, Any]], rate_id: int, unit: Decimal) -> Decimal:
    """An item has one rate at most."""
    return _sum((item for item in items if any(tax["id"] == rate_id for tax in item["taxes"])), "total_tax", unit)


def _tax_line(rate: Decimal) -> Item:
    rate_id, code, _ = RATES[rate]
    return {
        "id": 0,
        "rate_code": code,
        "rate_id": rate_id,
        "label": "BTW",
        "compound": False,
        "tax_total": "0.00",
        "shipping_tax_total": "0.00",
        "rate_percent": int(rate),
        "meta_data": [],
    }
