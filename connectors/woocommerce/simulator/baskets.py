"""What the simulated shop's customers buy and what it costs: varied baskets from a seed, and WooCommerce's arithmetic.

Knows no HTTP. Amounts follow WooCommerce with "round tax per line": an entered price × units is rounded to cents, tax is rounded per
line (half up; half *down* when prices include tax), and what is left of a price including tax is the net amount. So every
order's total is exactly the sum of its lines, charges and taxes.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")

#: Every order has one of these shapes; `place` takes them in turn, so that a small number of orders shows all of them.
SHAPES = (
    "plain", "multi_unit", "split", "variation", "coupon", "account", "fee", "two_shipping", "net_prices", "mixed_rates",
    "virtual_line", "all_virtual", "multi_line", "negative_fee", "export", "net_coupon", "returning", "split_coupon_fee",
)  # fmt: skip

#: Only when asked for: the stated total is a cent less than its parts, as real shops whose prices include tax state it at times.
CENT_OFF = "cent_off"

#: Tax rates by percentage: (rate id, rate code, tax class).
RATES: Mapping[Decimal, tuple[int, str, str]] = {
    Decimal(21): (1, "NL-BTW-1", ""),
    Decimal(9): (2, "NL-BTW LAAG-1", "reduced-rate"),
    Decimal(0): (3, "NL-BTW NUL-1", "zero-rate"),
}

_FIRST = ("Anna", "Bram", "Chloë", "Daan", "Eva", "Finn", "Güneş", "Hugo", "Iris", "Jan", "Kees", "Łucja")
_LAST = ("de Vries", "Jansen", "Müller", "van den Berg", "O'Neill", "Bakker", "Sørensen", "Smit", "Nowak", "Visser")
_STREETS = ("Voorbeeldstraat", "Kerkweg", "Dorpsstraat", "Molenlaan", "Stationsplein", "Hoge Rijndijk")
_CITIES = (("1011 AB", "Amsterdam"), ("3511 AB", "Utrecht"), ("2311 EZ", "Leiden"), ("9711 LM", "Groningen"))
_PAYMENTS = (("ideal", "iDEAL"), ("stripe", "Credit card"), ("paypal", "PayPal"), ("cod", "Cash on delivery"))


@dataclass(frozen=True)
class Good:
    """A product of the shop as a basket knows it."""

    product_id: int
    variation_id: int
    sku: str
    name: str
    net: Decimal
    rate: Decimal
    gtin: str
    virtual: bool


# ---- money ------------------------------------------------------------------------------------------------------------------
def cents(amount: Decimal, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Rounded to two places."""
    return amount.quantize(CENT, rounding)


def split(entered: Decimal, rate: Decimal, inclusive: bool) -> tuple[Decimal, Decimal]:
    """(net, tax) of an amount as it was entered."""
    share = rate / 100
    if not inclusive:
        return entered, cents(entered * share)
    tax = cents(entered - entered / (1 + share), ROUND_HALF_DOWN)
    return entered - tax, tax


def entered_price(net: Decimal, rate: Decimal, inclusive: bool) -> Decimal:
    """The price the shop's staff typed for a net price of the catalogue."""
    return cents(net * (1 + rate / 100)) if inclusive else net


def _taxes(rate: Decimal | None, tax: Decimal, before: Decimal | None = None) -> list[dict[str, Any]]:
    if rate is None:
        return []
    return [{"id": RATES[rate][0], "total": str(tax), "subtotal": "" if before is None else str(before)}]


def price_line(line: dict[str, Any], inclusive: bool) -> None:
    """Fill in a line's money from `_sim`: entered price, rate (None = untaxed) and discount in percent."""
    hidden = line["_sim"]
    rate = None if hidden["rate"] is None else Decimal(hidden["rate"])
    full = cents(Decimal(hidden["price"]) * line["quantity"])
    paid = full - cents(full * Decimal(hidden["discount"]) / 100)
    subtotal, subtotal_tax = split(full, rate or Decimal(0), inclusive)
    total, total_tax = split(paid, rate or Decimal(0), inclusive)
    line.update(
        subtotal=str(subtotal),
        subtotal_tax=str(subtotal_tax),
        total=str(total),
        total_tax=str(total_tax),
        taxes=_taxes(rate, total_tax, subtotal_tax),
        price=float(round(total / line["quantity"], 6)) if line["quantity"] else 0,
    )


def settle(order: dict[str, Any]) -> None:
    """Work out an order's sums from its lines and charges, as WooCommerce's calculate_totals does."""
    lines, shipping, fees = order["line_items"], order["shipping_lines"], order["fee_lines"]
    goods, carriage = _sum(lines, "total"), _sum(shipping, "total")
    goods_tax, carriage_tax = _sum(lines + fees, "total_tax"), _sum(shipping, "total_tax")
    discount = _sum(lines, "subtotal") - goods
    discount_tax = _sum(lines, "subtotal_tax") - _sum(lines, "total_tax")
    order.update(
        discount_total=str(discount),
        discount_tax=str(discount_tax),
        shipping_total=str(carriage),
        shipping_tax=str(carriage_tax),
        cart_tax=str(goods_tax),
        total_tax=str(goods_tax + carriage_tax),
        total=str(goods + carriage + _sum(fees, "total") + goods_tax + carriage_tax),
    )
    for coupon in order["coupon_lines"]:
        coupon.update(discount=str(discount), discount_tax=str(discount_tax))
    for tax in order["tax_lines"]:
        tax["tax_total"] = str(_tax_of(lines + fees, tax["rate_id"]))
        tax["shipping_tax_total"] = str(_tax_of(shipping, tax["rate_id"]))


def _sum(items: Sequence[Mapping[str, Any]], field: str) -> Decimal:
    return sum((Decimal(item[field]) for item in items), Decimal("0.00"))


def _tax_of(items: Sequence[Mapping[str, Any]], rate_id: int) -> Decimal:
    taxes = (tax for item in items for tax in item["taxes"] if tax["id"] == rate_id)
    return sum((Decimal(tax["total"]) for tax in taxes), Decimal("0.00"))


# ---- baskets ----------------------------------------------------------------------------------------------------------------
def basket(rng: random.Random, shape: str, goods: Sequence[Good]) -> list[tuple[Good, int]]:
    """What one customer buys, after its shape."""
    here = [good for good in goods if not good.virtual]
    first = [good for good in here if good.sku.startswith("W1-")]
    second = [good for good in here if good.sku.startswith("W2-")]
    digital = [good for good in goods if good.virtual]
    one = rng.choice(rng.choice((first, second)))
    if shape == "multi_unit":
        return [(one, rng.randint(2, 12))]
    if shape.startswith("split"):
        return [(rng.choice(first), rng.randint(1, 3)), (rng.choice(second), rng.randint(1, 3))]
    if shape == "variation":
        return [(rng.choice([good for good in here if good.variation_id]), rng.randint(1, 2))]
    if shape == "mixed_rates":
        return [
            (rng.choice([g for g in first if g.rate == rate]), rng.randint(1, 3)) for rate in (Decimal(21), Decimal(9))
        ]
    if shape == "virtual_line":
        return [(one, 1), (rng.choice(digital), 1)]
    if shape == "all_virtual":
        return [(good, 1) for good in rng.sample(digital, 2)]
    if shape == "multi_line":
        return [(good, rng.randint(1, 4)) for good in rng.sample(first, rng.randint(3, 7))]
    return [(one, rng.randint(1, 2))]


def person(rng: random.Random) -> dict[str, str]:
    """A made-up customer's address with e-mail and phone."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    postcode, city = rng.choice(_CITIES)
    number = rng.randint(1, 250)
    return {
        "first_name": first,
        "last_name": last,
        "company": "",
        "address_1": f"{rng.choice(_STREETS)} {number}",
        "address_2": rng.choice(("", "", "", "2 hoog")),
        "city": city,
        "state": "",
        "postcode": postcode,
        "country": "NL",
        "email": f"customer{rng.randint(1, 10**7)}@example.com",
        "phone": f"+31 6 5550{rng.randint(1000, 9999)}",
    }


def composed(rng: random.Random, shape: str, goods: Sequence[Good], buyer: Mapping[str, Any] | None) -> dict[str, Any]:
    """One priced order without ids and dates. `buyer` is an account customer, None a guest."""
    inclusive = not shape.startswith("net_")
    taxed = shape != "export"
    bought = basket(rng, shape, goods)
    billing = dict(buyer["billing"]) if buyer else person(rng)
    if shape == "export":
        billing |= {"country": "CH", "city": "Zürich", "postcode": "8001"}
    discount = rng.choice((10, 15, 33)) if "coupon" in shape else 0
    method, title = rng.choice(_PAYMENTS)
    shippable = any(not good.virtual for good, _ in bought)
    order: dict[str, Any] = {
        "prices_include_tax": inclusive,
        "customer_id": buyer["id"] if buyer else 0,
        "billing": billing,
        "shipping": {k: v for k, v in billing.items() if k != "email"},
        "payment_method": method,
        "payment_method_title": title,
        "transaction_id": "" if method == "cod" else f"tr_{rng.getrandbits(48):012x}",
        "customer_note": rng.choice(("", "", "", "Please leave it with the neighbours", "Bel aan bij nr. 5 🙂")),
        "line_items": [line_of(good, units, inclusive, taxed, discount) for good, units in bought],
        "shipping_lines": _carriage(shape, taxed) if shippable else [],
        "fee_lines": _fees(shape, taxed),
        "coupon_lines": [_coupon(discount)] if discount else [],
    }
    rates = {
        Decimal(line["_sim"]["rate"])
        for line in (*order["line_items"], *order["shipping_lines"], *order["fee_lines"])
        if taxed
    }
    order["tax_lines"] = [tax_line_of(rate) for rate in sorted(rates, reverse=True)]
    settle(order)
    if shape == CENT_OFF:
        order["total_tax"], order["total"] = (str(Decimal(order[field]) - CENT) for field in ("total_tax", "total"))
    return order


def line_of(good: Good, units: int, inclusive: bool, taxed: bool, discount: int) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": 0,
        "name": good.name,
        "product_id": good.product_id,
        "variation_id": good.variation_id,
        "quantity": units,
        "tax_class": RATES[good.rate][2],
        "meta_data": [],
        "sku": good.sku,
        "global_unique_id": good.gtin,
        "image": {"id": "", "src": ""},
        "parent_name": good.name.split(" - ")[0] if good.variation_id else None,
        "_sim": {
            "price": str(entered_price(good.net, good.rate, inclusive)),
            "rate": str(good.rate) if taxed else None,
            "discount": discount,
        },
    }
    price_line(line, inclusive)
    return line


def _charge(title: str, total: str, taxed: bool, **more: Any) -> dict[str, Any]:
    """A shipping line or fee: entered net, taxed at the standard rate."""
    net, tax = split(Decimal(total), Decimal(21) if taxed else Decimal(0), inclusive=False)
    taxes = _taxes(Decimal(21) if taxed else None, tax)
    return {
        "id": 0,
        **more,
        "total": str(net),
        "total_tax": str(tax),
        "taxes": taxes,
        "meta_data": [],
        "_sim": {"rate": "21"},
    }


def _carriage(shape: str, taxed: bool) -> list[dict[str, Any]]:
    lines = [
        _charge("", "4.95", taxed, method_title="PostNL", method_id="flat_rate", instance_id="1", tax_status="taxable")
    ]
    if shape == "two_shipping":
        extra = {"method_title": "Bulky goods", "method_id": "flat_rate", "instance_id": "2", "tax_status": "taxable"}
        lines.append(_charge("", "12.50", taxed, **extra))
    return lines


def _fees(shape: str, taxed: bool) -> list[dict[str, Any]]:
    if "fee" not in shape:
        return []
    name, total = ("Loyalty discount", "-1.75") if shape == "negative_fee" else ("Gift box", "1.50")
    return [_charge("", total, taxed, name=name, tax_class="", tax_status="taxable", amount=total)]


def _coupon(percent: int) -> dict[str, Any]:
    return {
        "id": 0,
        "code": f"save{percent}",
        "discount": "0.00",
        "discount_tax": "0.00",
        "meta_data": [],
        "discount_type": "percent",
        "nominal_amount": percent,
        "free_shipping": False,
    }


def tax_line_of(rate: Decimal) -> dict[str, Any]:
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
