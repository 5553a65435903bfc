"""How customers of the simulated shop pay, and what the order looks like right after the checkout. Knows no HTTP.

The status is what each gateway sets: a bank transfer waits (`on-hold`), cash on delivery is `processing` although nothing was paid, a
card is paid at once or only reserved, and an order whose total is nothing needs no gateway at all.
"""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.woocommerce.simulator.arithmetic import CURRENCIES, STORE_CREDIT

CAPTURED = "_stripe_charge_captured"  # a card gateway's own note: "no" = the money is reserved only


class Manner(NamedTuple):
    """One way to pay: the gateway, the status after the checkout, and whether the money was taken by then."""

    method: str
    title: str
    status: str = "processing"
    paid: bool = True


#: The ways most customers pay; which one is up to the dice.
USUAL = (
    Manner("ideal", "iDEAL"),
    Manner("stripe", "Credit card"),
    Manner("paypal", "PayPal"),
    Manner("cod", "Cash on delivery", paid=False),
)
CARD = Manner("stripe", "Credit card")

#: Shapes that say how the customer pays; all others leave it to the dice.
MANNERS: Mapping[str, Manner] = {
    "cod": Manner("cod", "Cash on delivery", paid=False),
    "bacs": Manner("bacs", "Direct bank transfer", "on-hold", paid=False),
    "card": CARD,
    "authorised": Manner("stripe", "Credit card", "on-hold", paid=False),
    "free": Manner("", ""),
    "gift_card": CARD,
    "gift_card_only": Manner("", ""),
    "store_credit": CARD,
}
REFUNDING = frozenset({"ideal", "stripe", "paypal"})  # gateways that can give money back by themselves


def manner_of(rng: random.Random, shape: str) -> Manner:
    """How this customer pays."""
    usual = rng.choice(USUAL)
    return MANNERS.get(shape, usual)


def begun(order: Mapping[str, Any], shape: str) -> Manner:
    """How an order that was composed begins."""
    usual = {manner.method: manner for manner in USUAL}
    return MANNERS.get(shape) or usual[order["payment_method"]]


def fields(rng: random.Random, manner: Manner) -> dict[str, Any]:
    """The order's payment fields."""
    charged = manner.method not in ("", "cod", "bacs")
    return {
        "payment_method": manner.method,
        "payment_method_title": manner.title,
        "transaction_id": f"tr_{rng.getrandbits(48):012x}" if charged else "",
    }


def notes_of(manner: Manner) -> list[dict[str, Any]]:
    """What a gateway's plugin notes on the order, as `meta_data` without ids."""
    if manner.method != "stripe":
        return []
    return [{"key": CAPTURED, "value": "yes" if manner.paid else "no"}]


def _gift_card(order: dict[str, Any], rng: random.Random) -> None:
    """A gift card pays five euros' worth. The plugin shows the amount as a number, not as a text."""
    _add_card(order, rng, float(_part(order)))


def _whole_gift_card(order: dict[str, Any], rng: random.Random) -> None:
    """A gift card pays everything: the stated total is nothing."""
    _add_card(order, rng, float(order["total"]))


def _add_card(order: dict[str, Any], rng: random.Random, amount: float) -> None:
    card = {"id": rng.randint(1, 9_999), "code": f"GIFT-{rng.getrandbits(32):08X}", "amount": amount}
    order["gift_cards"] = [card]


def _store_credit(order: dict[str, Any], rng: random.Random) -> None:
    order["meta_data"].append({"key": STORE_CREDIT, "value": str(_part(order))})


def _part(order: dict[str, Any]) -> Decimal:
    money = CURRENCIES[order["currency"]]
    return min(Decimal(order["total"]), (money.course * 5).quantize(money.unit))


#: Shapes in which something other than the gateway pays a part.
TENDERS: Mapping[str, Callable[[dict[str, Any], random.Random], None]] = {
    "gift_card": _gift_card,
    "gift_card_only": _whole_gift_card,
    "store_credit": _store_credit,
}
