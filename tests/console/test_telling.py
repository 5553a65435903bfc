"""What a customer is told: only what is recorded, always something, and nothing of what goes on inside."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Hold, Order
from canonical.rules.money import PaymentState
from retailsync.console.telling import Known, Parcel, tell
from tests.console.scene import Scene

DAY = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
PAY = "We are waiting for your payment."
INNER = ("_", "SKU", "ERP", "mapped", "fraud", "odd", "None", "..")
PARCEL = Parcel("PostNL", ("3S1",), DAY)


def known(**more: Any) -> Known:
    """A paid order of two pieces, released, that no warehouse knows of yet."""
    given: dict[str, Any] = {
        "stance": "go", "placed": DAY, "released": True, "paid": "paid", "holds": (), "wanted": 2, "left": 0, "parcels": (), "asked": None,
        "accepted": None, "at": "", "given_back": Decimal(0), "currency": "EUR",
    }  # fmt: skip
    return Known(**{**given, **more})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"released": False, "stance": "wait"}, "We received your order on 26 November; it is not being worked on yet."),
        ({}, "Your order is confirmed; it has not been passed on to our warehouse yet."),
        ({"asked": DAY}, "Your order was passed on to our warehouse on 26 November; it has not left yet."),
        (
            {"asked": DAY, "accepted": DAY, "at": "packed"},
            "Your order is in the hands of our warehouse since 26 November; it is packed; it has not left yet.",
        ),
        ({"left": 2, "parcels": (PARCEL,)}, "Your order was sent on 26 November by PostNL, tracking number 3S1."),
        (
            {"left": 1, "parcels": (PARCEL,), "holds": ("stock",)},
            "1 piece was sent on 26 November by PostNL, tracking number 3S1. Something in your order is not in stock at the moment;"
            " we have not sent it yet.",
        ),
        (
            {"left": 2, "parcels": (PARCEL, Parcel("", (), DAY))},
            "Your order was sent on 26 November by PostNL, tracking number 3S1; on 26 November, without a tracking number.",
        ),
        ({"released": False, "stance": "wait", "holds": ("payment",)}, PAY),
        ({"holds": ("fraud",)}, "We are checking something about your order; it has not left yet."),
        (
            {"left": 1, "parcels": (PARCEL,), "holds": ("rejected",)},
            "1 piece was sent on 26 November by PostNL, tracking number 3S1. We are checking something about the rest of your order;"
            " it has not left yet.",
        ),
        ({"wanted": 0, "holds": ("totals",)}, "We are checking something about your order."),
        (
            {"released": False, "stance": "wait", "paid": "unpaid"},
            "We received your order on 26 November; no payment was recorded and it is not being worked on yet.",
        ),
        (
            {"stance": "stop", "asked": DAY, "holds": ("cancel_refused",)},
            "Your order is cancelled; our warehouse has it already and has not confirmed yet that nothing leaves.",
        ),
        ({"stance": "pause"}, "Your order is on hold; it is not being worked on at the moment."),
        ({"stance": "stop", "given_back": Decimal("28.5")}, "Your order is cancelled; nothing has left. 28.50 EUR were given back."),
        (
            {"stance": "stop", "left": 2, "parcels": (PARCEL,)},
            "2 pieces were sent on 26 November by PostNL, tracking number 3S1. The order is cancelled; nothing more has left.",
        ),
        ({"wanted": 0}, "Nothing of your order has to be sent."),
        ({"wanted": 0, "released": False, "stance": "wait", "holds": ("payment",)}, PAY),
    ],
)  # fmt: skip
def test_words(more: dict[str, Any], words: str) -> None:
    assert tell(known(**more), UTC) == words


def test_a_day_is_the_readers() -> None:
    assert "27 November" in tell(known(left=2, parcels=(PARCEL,)), ZoneInfo("Europe/Amsterdam"))


def test_there_is_always_something_to_say_and_never_an_inner_word() -> None:
    reasons = [(), *((reason.value,) for reason in Hold.Reason)]
    stances, units = ("wait", "go", "pause", "stop"), ((0, 0), (2, 0), (2, 1), (2, 2))
    paid = (*get_args(PaymentState), "")
    ways = product(stances, (True, False), reasons, units, (None, DAY), (None, DAY), ("", "picking", "odd"), paid)
    for stance, released, holds, (wanted, left), asked, accepted, at, state in ways:
        parcels = (PARCEL,) if left else ()
        given = {
            "stance": stance,
            "released": released,
            "holds": holds,
            "wanted": wanted,
            "left": left,
            "parcels": parcels,
            "paid": state,
        }
        words = tell(known(**given, asked=asked, accepted=accepted, at=at), UTC)
        assert words.endswith(".") and not any(inner in words for inner in INNER), (given, words)
        assert not (stance == "stop" and asked and "nothing has left" in words), (given, words)


def test_it_stands_at_the_top_of_the_order(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    url = reverse("admin:canonical_order_change", args=[order.pk])
    assert "has not been passed on to our warehouse yet" in viewer.get(url).context["tell"]
    scene.shipped(order)
    page = viewer.get(url)
    assert page.context["tell"].startswith("Your order was sent on") and "3SABCD1234567." in page.context["tell"]
    content = page.content.decode()
    assert content.index("To the customer:") < content.index("<dt>Stage</dt>")


def test_a_held_order(scene: Scene, viewer: Client) -> None:
    order = scene.order(1, sku="CAP-RED")
    page = viewer.get(reverse("admin:canonical_order_change", args=[order.pk]))
    assert page.context["tell"] == "We are checking something about your order; it has not left yet."


def test_what_a_warehouse_was_done_with_says_nothing_of_the_rest(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    scene.shipped(order)
    order.lines.update(ordered=3)
    page = viewer.get(reverse("admin:canonical_order_change", args=[order.pk]))
    assert page.context["tell"].startswith("2 pieces were sent on")
    assert page.context["tell"].endswith("The rest is confirmed; it has not been passed on to our warehouse yet.")


def test_cancelled_in_the_shop_is_not_yet_kept_back(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    order.requests.update(answer="accepted", answered_at=DAY, execution="packed")
    Order.objects.filter(pk=order.pk).update(shop_status="cancelled")
    url = reverse("admin:canonical_order_change", args=[order.pk])
    assert "has not confirmed yet that nothing leaves" in viewer.get(url).context["tell"]
    order.requests.update(execution="cancelled")
    assert viewer.get(url).context["tell"] == "Your order is cancelled; nothing has left."
