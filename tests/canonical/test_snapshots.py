"""Snapshots are applied whole or not at all; what nobody can believe waits for a person."""

from datetime import timedelta

import pytest
from django.db import transaction

from canonical.facts import CountsCompleted, CountsStated
from canonical.ledger import Cause
from canonical.models import Sku, StockCount, StockLevel, StockSnapshot, StockSource
from canonical.record import Recorded
from canonical.recording import stock
from canonical.types import Counted
from retailsync.sync import clock, corridor
from retailsync.sync import stock as drain
from retailsync.sync.models import Case, Message
from tests.canonical.stocked import count, level, move, offered, sellable, snapshot, source
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
CODES = tuple("ABCDEFGH")


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, *CODES)
    source(world)
    return world


def levels() -> dict[str, int]:
    return dict(StockLevel.objects.values_list("sku__code", "on_hand"))


def cases() -> list[str]:
    return list(Case.objects.filter(closed_at=None).values_list("reason", flat=True))


def test_a_snapshot_becomes_true_once_it_is_whole(world: World) -> None:
    snapshot(world, dict.fromkeys(CODES, 5))
    snapshot(world, {"A": 1, "B": 2}, {"C": 3, "D": 4}, run="next")
    assert levels() == {"A": 1, "B": 2, "C": 3, "D": 4, "E": 0, "F": 0, "G": 0, "H": 0}, (
        "what it does not list is not there"
    )
    assert cases() == []


def test_parts_alone_change_nothing(world: World) -> None:
    snapshot(world, {"A": 1, "B": 2}, rows=3)
    assert levels() == {}
    assert cases() == ["implausible_snapshot"]
    assert "3 rows, and 2 arrived" in Case.objects.get().words


def test_a_shrunken_snapshot_waits_for_a_person(world: World) -> None:
    snapshot(world, dict.fromkeys(CODES, 5))
    snapshot(world, {"A": 5, "B": 5}, run="next")
    assert set(levels().values()) == {5}
    assert cases() == ["implausible_snapshot"]
    snapshot(world, dict.fromkeys(CODES, 6), run="after")
    assert set(levels().values()) == {6}


def test_a_late_snapshot_is_history(world: World) -> None:
    snapshot(world, dict.fromkeys(CODES, 5))
    snapshot(world, dict.fromkeys(CODES, 9), run="old", at=clock.now() - timedelta(days=1))
    assert set(levels().values()) == {5}


def test_one_that_never_becomes_whole_is_told(world: World) -> None:
    world.tell(*[], source=world.partners["W1"])
    snapshot(world, {"A": 1}, run="half")
    StockSnapshot.objects.update(state="open", began_at=clock.now() - timedelta(hours=1), parts=2)
    drain.watch(clock.now())
    assert cases() == ["half_snapshot"]


def test_a_jump_is_doubted_and_the_lower_figure_sold(world: World) -> None:
    world.partners["W1"].stock_sources.update(jump_units=100)
    count(world, A=10)
    count(world, A=900)
    assert (level("A").on_hand, level("A").doubted, sellable(world, "A")) == (10, 900, 10)
    assert cases() == ["implausible_count"]
    with transaction.atomic():
        recorded = Recorded(now=clock.now())
        stock.accept([level("A").pk], Cause("action", 1), "anna", recorded)
        corridor._follow(recorded.entries, recorded, clock.now())
    assert (level("A").on_hand, level("A").doubted, sellable(world, "A")) == (900, None, 900)
    assert cases() == []


def test_a_count_of_the_future_is_a_wrong_clock(world: World) -> None:
    count(world, A=10, at=clock.now() + timedelta(minutes=11))
    assert levels() == {}


def test_movements_of_a_source_without_authority_are_information(world: World) -> None:
    count(world, A=10)
    move(world, "m1", "A", -4)
    assert level("A").on_hand == 10


def test_movements_of_the_authority_move_from_the_adopted_count(world: World) -> None:
    place = source(world, "W2", authority="movements")
    count(world, "W2", A=10, at=clock.now() - timedelta(minutes=2))
    move(world, "m1", "A", -4, "W2")
    assert StockCount.objects.filter(accepted=False).count() == 1
    with transaction.atomic():
        stock.adopt(place.pk, Cause("action", 1), Recorded(now=clock.now()))
    assert level("A", "W2").on_hand == 6
    move(world, "m1", "A", -4, "W2")
    assert level("A", "W2").on_hand == 6, "the same movement again"


def test_a_location_nobody_told_us_about_waits(world: World) -> None:
    assert Message.objects.count() == 0
    assert Sku.objects.count() == len(CODES)
    count(world, "W2", A=3)
    assert levels() == {}


def test_a_silent_source_falls_to_its_floor_and_comes_back(world: World) -> None:
    world.partners["W1"].stock_sources.update(stale_minutes=60, floor_percent=20)
    count(world, A=10, at=clock.now() - timedelta(hours=2))
    assert sellable(world, "A") == 10
    drain.watch(clock.now())
    assert sellable(world, "A") == 2
    assert cases() == ["stale_source"]
    count(world, A=9)
    drain.watch(clock.now())
    assert sellable(world, "A") == 9
    assert cases() == []


def test_who_counts_now_also_sets_to_nothing_what_another_counted_before(world: World) -> None:
    """What the one before had counted, and the new one does not have, was sold for ever."""
    count(world, at=clock.now() - timedelta(hours=1), **dict.fromkeys(CODES, 5))
    StockSource.objects.update(authority="information")
    source(world, system=world.erp)
    listed, *others = CODES
    at = clock.now()
    rows = (Counted(sku=listed, on_hand=7),)
    world.tell(
        CountsStated(occurred_at=at, location="W1", run="night", part=1, rows=rows),
        CountsCompleted(occurred_at=at, location="W1", run="night", parts=1, rows=1),
        source=world.erp,
    )
    assert levels() == {listed: 7, **dict.fromkeys(others, 0)}
