"""What a customer is told: only what is recorded, always something, and nothing of what goes on inside."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Hold
from retailsync.console.telling import Known, Parcel, tell
from tests.console.scene import Scene

DAY = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
PAY = "We are waiting for your payment; your order goes on as soon as it has arrived."
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
        ({}, "Your order is confirmed and is about to be passed on to our warehouse."),
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
        ({"holds": ("fraud",)}, "We are checking something about your order and have not sent it on yet."),
        ({"stance": "pause"}, "Your order is on hold; it is not being worked on at the moment."),
        ({"stance": "stop", "given_back": Decimal("28.5")}, "Your order is cancelled; nothing is sent. 28.50 EUR were given back."),
        (
            {"stance": "stop", "left": 2, "parcels": (PARCEL,)},
            "2 pieces were sent on 26 November by PostNL, tracking number 3S1. The order is cancelled; nothing more is sent.",
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
    ways = product(stances, (True, False), reasons, units, (None, DAY), (None, DAY), ("", "picking", "odd"))
    for stance, released, holds, (wanted, left), asked, accepted, at in ways:
        parcels = (PARCEL,) if left else ()
        given = {
            "stance": stance,
            "released": released,
            "holds": holds,
            "wanted": wanted,
            "left": left,
            "parcels": parcels,
        }
        words = tell(known(**given, asked=asked, accepted=accepted, at=at), UTC)
        assert words.endswith(".") and not any(
            inner in words for inner in ("_", "SKU", "ERP", "mapped", "fraud", "odd", "None", "..")
        ), (given, words)


def test_it_stands_at_the_top_of_the_order(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    url = reverse("admin:canonical_order_change", args=[order.pk])
    assert "about to be passed on to our warehouse" in viewer.get(url).context["tell"]
    scene.shipped(order)
    page = viewer.get(url)
    assert page.context["tell"].startswith("Your order was sent on") and "3SABCD1234567." in page.context["tell"]
    content = page.content.decode()
    assert content.index("To the customer:") < content.index("<dt>Stage</dt>")


def test_a_held_order(scene: Scene, viewer: Client) -> None:
    order = scene.order(1, sku="CAP-RED")
    page = viewer.get(reverse("admin:canonical_order_change", args=[order.pk]))
    assert page.context["tell"] == "We are checking something about your order and have not sent it on yet."
