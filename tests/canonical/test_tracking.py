"""Tracking numbers that are said later: whatever comes first, the latest word about each package stands."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from canonical.facts import ShipmentStated, TrackingStated
from canonical.types import Parcel, Tracked, Units
from tests.canonical.test_properties import base, tell, told_together
from tests.facts import NOON
from tests.world import rows

pytestmark = pytest.mark.django_db

SHOWN = """SELECT s.carrier, s.service, array_agg(p.tracking ORDER BY p.position), array_agg(p.tracking_url ORDER BY p.position)
  FROM canonical_shipment s JOIN canonical_package p ON p.shipment_id = s.id GROUP BY s.id"""


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def shipment(ref: str = "S", request: str = "R1") -> ShipmentStated:
    parcels = tuple(Parcel(tracking=t, lines=(Units(sku="MUG", units=1),)) for t in ("", "T2"))
    return ShipmentStated(occurred_at=at(5), ref=ref, request=request, carrier="DHL", service="eco", parcels=parcels)


def tracking(second: int, *numbers: tuple[int, str], **more: Any) -> TrackingStated:
    packages = tuple(Tracked(package=n, tracking=text, tracking_url=f"https://t/{text}") for n, text in numbers)
    return TrackingStated(occurred_at=at(second), **{"ref": "S", "request": "R1", "packages": packages, **more})


def test_of_each_package_the_latest_word_stands_whatever_comes_first() -> None:
    """Also one dated before the shipment: the label was printed before it left."""
    facts = [
        shipment(),
        tracking(1, (1, "A1"), (2, "A2")),
        tracking(3, (1, "C1"), carrier="UPS"),
        tracking(2, (1, "B1"), carrier="FedEx", service="air"),
    ]
    found = []
    start = base()
    for told in permutations([("W1", fact) for fact in facts]):
        for batches in ([[t] for t in told], [told]):
            with transaction.atomic():
                waiting = [late for batch in batches for late in told_together(start, batch)]
                assert told_together(start, waiting) == []
                found.append(rows(SHOWN))
                transaction.set_rollback(True)
    assert found == [[("UPS", "", ["C1", "A2"], ["https://t/C1", "https://t/A2"])]] * len(found)


def test_a_word_about_a_shipment_not_yet_known_waits_for_it() -> None:
    start = base()
    w1 = start.source("W1")
    assert list(tell(w1, [tracking(6, (1, "A"))]).missing.values()) == [f"shipment:S@{w1}"]
    assert tell(w1, [shipment()]).appeared == {f"shipment:S@{w1}"}


def test_a_shipment_of_another_request_is_not_this_one() -> None:
    start = base()
    w1 = start.source("W1")
    tell(w1, [shipment(request="R2")])
    assert list(tell(w1, [tracking(6, (1, "A"))]).missing.values()) == [f"shipment:S@{w1}"]


def test_a_package_there_is_not_is_a_question_for_a_person() -> None:
    start = base()
    tell(start.source("W1"), [shipment()])
    recorded = tell(start.source("W1"), [tracking(6, (1, "A"), (3, "B"))])
    assert list(recorded.conflicts.values()) == [
        "Shipment S has 2 packages, and the warehouse gave a number for package 3."
    ]
    assert rows(SHOWN) == [("DHL", "eco", ["", "T2"], ["", ""])]


def test_what_is_shown_already_is_no_news() -> None:
    start = base()
    tell(start.source("W1"), [shipment()])
    assert [e.event for e in tell(start.source("W1"), [tracking(6, (1, "A"))]).entries] == ["tracked"]
    assert tell(start.source("W1"), [tracking(7, (1, "A"))]).entries == []
