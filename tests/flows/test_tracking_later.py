"""Tracking numbers that come later reach the customer in place of those before."""

from datetime import timedelta

import msgspec
import pytest

from canonical.facts import TrackingStated
from canonical.types import Tracked
from retailsync.sync import clock, notices
from retailsync.sync.models import Case, Command
from tests.facts import NOON
from tests.flows.outside import carry_out
from tests.flows.test_negotiations import known, references, ship, world
from tests.world import World, rows

pytestmark = pytest.mark.django_db
__all__ = ["known", "world"]


def track(world: World, number: str, *, minutes: int = 5, place: str = "W1") -> None:
    packages = (Tracked(package=1, tracking=number),)
    at = NOON + timedelta(minutes=minutes)
    fact = TrackingStated(occurred_at=at, ref="S1", request=references()[0], packages=packages, carrier="DHL")
    world.tell(fact, source=world.partners[place])


def shown() -> list[tuple[str, str, str, str]]:
    """Purpose without ids, state, carrier and number of everything the shop was to show."""
    ((id,),) = rows("SELECT id FROM canonical_shipment")
    return [
        (c.purpose.replace(f"tracking:{id}", "tracking"), c.state, said["carrier"], said["parcels"][0]["tracking"])
        for c in Command.objects.filter(kind="SendTracking").order_by("pk")
        if (said := msgspec.convert(c.payload, dict))
    ]


def test_a_number_that_comes_later_is_sent_again(known: World) -> None:
    ship(known, 2)
    carry_out(known)
    track(known, "LATE")
    assert carry_out(known) == ["SendTracking"]
    assert shown() == [("tracking", "confirmed", "", "T-S1"), ("tracking:1", "confirmed", "DHL", "LATE")]


def test_of_what_was_not_sent_yet_only_the_newest_leaves(known: World) -> None:
    ship(known, 2)
    track(known, "ONE")
    track(known, "TWO", minutes=6)
    assert carry_out(known).count("SendTracking") == 1
    assert shown() == [
        ("tracking", "superseded", "", "T-S1"),
        ("tracking:1", "superseded", "DHL", "ONE"),
        ("tracking:2", "confirmed", "DHL", "TWO"),
    ]
    assert rows("SELECT stage FROM canonical_order") == [("completed",)]


def test_a_word_older_than_the_one_that_is_shown_sends_nothing(known: World) -> None:
    ship(known, 2)
    track(known, "TWO", minutes=6)
    carry_out(known)
    track(known, "ONE")
    assert carry_out(known) == []


def test_a_number_is_news_from_when_it_was_given(known: World) -> None:
    """Not from when the parcel left: that may be days ago."""
    ship(known, 2)
    rows("UPDATE sync_command SET notice_at = notice_at - interval '3 days' WHERE kind = 'SendTracking' RETURNING 1")
    notices.hold_back(clock.now())
    assert Case.objects.filter(closed_at=None).count() == 1
    track(known, "LATE")
    assert Case.objects.filter(closed_at=None).count() == 0
    assert "SendTracking" in carry_out(known)
    at = Command.objects.filter(kind="SendTracking").latest("pk").notice_at
    assert at == NOON + timedelta(minutes=5)
