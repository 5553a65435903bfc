"""What the simulated shop's customers buy: varied baskets from a seed. Knows no HTTP; what it costs is arithmetic's business."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.woocommerce.simulator import payments
from connectors.woocommerce.simulator.arithmetic import (
    CENT,
    CURRENCIES,
    RATES,
    STANDARD,
    charge_tax,
    entered_price,
    price_line,
    settle,
)

#: Every order has one of these shapes; `place` takes them in turn, so that a small number of orders shows all of them.
SHAPES = (
    "plain", "multi_unit", "split", "variation", "coupon", "account", "fee", "two_shipping", "net_prices", "mixed_rates",
    "virtual_line", "all_virtual", "multi_line", "negative_fee", "export", "net_coupon", "returning", "split_coupon_fee",
)  # fmt: skip

#: Only when asked for by name or by `unclean`: other ways to pay, other countries, other currencies.
UNCLEAN = (
    *payments.MANNERS, "reverse_charge", "business", "yen", "dinar", "net_dinar_coupon", "pickup", "free_shipping",
)  # fmt: skip

#: Only when asked for: the stated total is a cent less than its parts, as real shops whose prices include tax state it at times.
CENT_OFF = "cent_off"
HALF_CENT_FEE = "half_cent_fee"  # likewise: the fee's total_tax is a cent less than its taxes

_FIRST = ("Anna", "Bram", "Chloë", "Daan", "Eva", "Finn", "Güneş", "Hugo", "Iris", "Jan", "Kees", "Łucja")
_LAST = ("de Vries", "Jansen", "Müller", "van den Berg", "O'Neill", "Bakker", "Sørensen", "Smit", "Nowak", "Visser")
_STREETS = ("Voorbeeldstraat", "Kerkweg", "Dorpsstraat", "Molenlaan", "Stationsplein", "Hoge Rijndijk")
_CITIES = (("1011 AB", "Amsterdam"), ("3511 AB", "Utrecht"), ("2311 EZ", "Leiden"), ("9711 LM", "Groningen"))


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


def composed(
    rng: random.Random,
    shape: str,
    goods: Sequence[Good],
    buyer: Mapping[str, Any] | None,
    *,
    currency: str = "EUR",
    rate: Decimal = STANDARD,
    bought: Sequence[tuple[Good, int]] = (),
) -> dict[str, Any]:
    """One priced order without ids and dates. `buyer` is an account customer, None a guest; charges are taxed at `rate`. What is `bought`
    follows from the shape unless it is given."""
    inclusive, taxed = not shape.startswith("net_"), shape not in ("export", "reverse_charge")
    currency = next((code for word, code in _MONEYS.items() if word in shape), currency)
    bought = bought or basket(rng, shape, goods)
    billing: dict[str, Any] = (dict(buyer["billing"]) if buyer else person(rng)) | _ABROAD.get(shape, {})
    discount = rng.choice((10, 15, 33)) if "coupon" in shape else 100 if shape == "free" else 0
    manner = payments.manner_of(rng, shape)
    shippable = any(not good.virtual for good, _ in bought)
    order: dict[str, Any] = {
        "currency": currency,
        "currency_symbol": CURRENCIES[currency].sign,
        "prices_include_tax": inclusive,
        "customer_id": buyer["id"] if buyer else 0,
        "billing": billing,
        "shipping": {k: v for k, v in billing.items() if k != "email"},
        **payments.fields(rng, manner),
        "customer_note": rng.choice(("", "", "", "Please leave it with the neighbours", "Bel aan bij nr. 5 🙂")),
        "meta_data": [*_METAS.get(shape, ()), *payments.notes_of(manner)],
        "line_items": [line_of(good, units, inclusive, taxed, discount, currency) for good, units in bought],
        "shipping_lines": [_charged(c, taxed, currency, rate) for c in _carriage(shape)] if shippable else [],
        "fee_lines": [_charged(c, taxed, currency, rate, down=shape == HALF_CENT_FEE) for c in _fees(shape)],
        "coupon_lines": [_coupon(discount)] if discount else [],
    }
    settle(order)
    if shape in payments.TENDERS:
        payments.TENDERS[shape](order, rng)
        settle(order)
    if shape == CENT_OFF:
        order["total_tax"], order["total"] = (str(Decimal(order[field]) - CENT) for field in ("total_tax", "total"))
    return order


_MONEYS: Mapping[str, str] = {"yen": "JPY", "dinar": "KWD"}
_BELGIAN = {"company": "Brasserie Exemple SPRL", "country": "BE", "city": "Gent", "postcode": "9000"}
_ABROAD: Mapping[str, dict[str, str]] = {
    "export": {"country": "CH", "city": "Zürich", "postcode": "8001"},
    "reverse_charge": _BELGIAN,
    "business": {"company": "Voorbeeld Handel B.V."},
}

#: What VAT plugins put on an order; without them nothing tells reverse charge from an export.
_METAS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "reverse_charge": (
        {"key": "is_vat_exempt", "value": "yes"},
        {"key": "_billing_vat_number", "value": "BE0123456749"},
    ),
    "business": (
        {"key": "is_vat_exempt", "value": "no"},
        {"key": "_billing_vat_number", "value": "NL123456782B90"},
    ),
}


def line_of(
    good: Good, units: int, inclusive: bool, taxed: bool, discount: int, currency: str = "EUR"
) -> dict[str, Any]:
    """One line without an id. `discount` in percent."""
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
            "price": str(entered_price(good.net, good.rate, inclusive, currency)),
            "rate": str(good.rate) if taxed else None,
            "discount": discount,
        },
    }
    price_line(line, inclusive, CURRENCIES[currency].unit)
    return line


def _charged(
    charge: Mapping[str, Any], taxed: bool, currency: str, rate: Decimal, *, down: bool = False
) -> dict[str, Any]:
    """A shipping line or fee: entered net in euros."""
    money = CURRENCIES[currency]
    net = (Decimal(charge["total"]) * money.course).quantize(money.unit)
    tax = charge_tax(net, taxed, money.unit, down=down, rate=rate)
    return {"id": 0, **charge, "total": str(net), **tax, "meta_data": []}


def _carriage(shape: str) -> list[dict[str, Any]]:
    if shape == "pickup":
        return [carriage("pickup_location", "Pickup (Amsterdam)", "0", "0.00")]
    if shape in ("free", "free_shipping"):
        return [carriage("free_shipping", "Free shipping", "3", "0.00")]
    lines = [carriage("flat_rate", "PostNL", "1", "4.95")]
    return [*lines, carriage("flat_rate", "Bulky goods", "2", "12.50")] if shape == "two_shipping" else lines


def carriage(method_id: str, title: str, instance: str, total: str) -> dict[str, Any]:
    """A shipping line before tax."""
    return {
        "method_title": title,
        "method_id": method_id,
        "instance_id": instance,
        "total": total,
        "tax_status": "taxable",
    }


def _fees(shape: str) -> list[dict[str, Any]]:
    if "fee" not in shape:
        return []
    name, total = ("Loyalty discount", "-1.75") if shape == "negative_fee" else ("Gift box", "1.50")
    return [{"name": name, "tax_class": "", "tax_status": "taxable", "amount": total, "total": total}]


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
