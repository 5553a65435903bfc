"""Counts, one by one: which of them stands, what a whole counting says of what it does not list, and what comes late."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from canonical.facts import CountsCompleted, CountsStated, RequestAnswered, ShipmentStated
from canonical.ledger import Cause
from canonical.models import FulfilmentRequest, KitComponent, Sku, SnapshotPart, StockCount, StockLevel, StockSnapshot
from canonical.recording.stock import accept
from canonical.recording.work import Recorded
from canonical.types import Counted, Parcel, Units
from retailsync.sync import clock
from tests.canonical.stocked import count, level, offered, sellable, source
from tests.facts import order
from tests.flows.outside import carry_out
from tests.journeys.stage import unexplained
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, "MUG", "JAR", at=("W1", "W2"))
    return world


def ago(minutes: int) -> datetime:
    return clock.now() - timedelta(minutes=minutes)


def snapshot(world: World, run: str, at: datetime, *, full: bool = True, **figures: int) -> list[Any]:
    """The facts of a whole counting in one part."""
    about: dict[str, Any] = {"occurred_at": at, "location": "W1", "run": run}
    rows = tuple(Counted(sku=code, on_hand=n) for code, n in figures.items())
    return [CountsStated(rows=rows, part=1, **about), CountsCompleted(parts=1, rows=len(rows), full=full, **about)]


def test_a_snapshot_is_applied_once_it_is_whole(world: World) -> None:
    """`full` is a word of SQL's: unquoted it made every snapshot fail."""
    source(world)
    part, whole = snapshot(world, "night", ago(5), MUG=4, JAR=2)
    world.tell(part, source=world.partners["W1"])
    assert not StockLevel.objects.exists()
    world.tell(whole, source=world.partners["W1"])
    assert (level("MUG").on_hand, level("JAR").on_hand) == (4, 2)
    assert StockSnapshot.objects.get().state == "applied"


def test_what_a_snapshot_does_not_list_is_not_there_whenever_its_count_is_heard(world: World) -> None:
    source(world)
    world.tell(*snapshot(world, "night", ago(5), MUG=4), source=world.partners["W1"])
    count(world, JAR=7, at=ago(10))
    assert level("JAR").on_hand == 0
    count(world, JAR=3, at=ago(1))
    assert level("JAR").on_hand == 3


def test_of_two_counts_at_one_instant_the_one_with_less_to_sell_stands(world: World) -> None:
    source(world)
    at = ago(5)
    for damaged in (1, 3, 2):
        count(world, MUG={"on_hand": 10, "damaged": damaged}, at=at)
    assert level().damaged == 3


def test_a_part_that_comes_again_after_its_snapshot_was_applied_is_not_kept(world: World) -> None:
    source(world)
    said = snapshot(world, "night", ago(5), MUG=4)
    world.tell(*said, source=world.partners["W1"])
    world.tell(said[0], source=world.partners["W1"])
    assert not SnapshotPart.objects.exists()


def test_information_makes_no_level(world: World) -> None:
    source(world, system=world.erp, authority="information")
    count(world, MUG=4, by=world.erp)
    assert StockCount.objects.get().accepted is False
    assert not StockLevel.objects.exists()
    assert unexplained() == []


def test_an_answer_heard_after_the_shipment_says_since_when_a_net_figure_lacked_the_units(world: World) -> None:
    source(world, figure="net_allocated")
    accepted = ago(30)
    count(world, MUG=7, at=ago(20))  # ten less the three it had promised us
    world.tell(order(lines=(order().lines[0],)))
    carry_out(world)
    request = FulfilmentRequest.objects.get()
    parcel = Parcel(tracking="T1", lines=(Units(units=2, sku="MUG"),))
    shipped = ShipmentStated(occurred_at=ago(10), ref="S1", request=request.reference, parcels=(parcel,))
    world.tell(shipped, source=request.system)
    assert level().on_hand == 5, "as far as we know they were in the figure"
    world.tell(
        RequestAnswered(occurred_at=accepted, request=request.reference, answer="accepted"), source=request.system
    )
    assert level().on_hand == 7
    assert unexplained() == []


def test_a_figure_of_another_unit_of_measure_waits_and_a_few_units_fewer_do_not(world: World) -> None:
    """Of a kit of two, selling two of four was taken for a mixed-up unit, and the count waited for a person."""
    source(world)
    case, few = Sku.objects.create(code="CASE"), Sku.objects.create(code="FEW")
    KitComponent.objects.create(kit=case, component=Sku.objects.get(code="MUG"), units=12)
    KitComponent.objects.create(kit=few, component=Sku.objects.get(code="JAR"), units=2)
    count(world, MUG=5, JAR=4, at=ago(10))
    count(world, MUG=60, JAR=2, at=ago(5))
    assert (level("MUG").on_hand, level("MUG").doubted, level("JAR").on_hand) == (5, 60, 2)


def test_the_lower_figure_is_sold_until_somebody_accepts_a_doubted_count(world: World) -> None:
    """The doubted count took the place of the one that was believed: nothing was left to sell, or to go on from."""
    source(world, jump_units=50)
    count(world, MUG=10, at=ago(10))
    count(world, MUG=500, at=ago(5))
    assert (level().on_hand, level().doubted, sellable(world)) == (10, 500, 10)
    recorded = Recorded(now=clock.now())
    with transaction.atomic():
        accept([level().pk], Cause("action", 1), "anna", recorded)
    assert (level().on_hand, level().doubted, recorded.settled) == (500, None, {("stock_level", level().pk)})
    count(world, MUG=3, at=ago(2))
    assert (level().on_hand, level().doubted) == (500, 3)
    count(world, MUG=480, at=ago(1))
    assert (level().on_hand, level().doubted) == (480, None), "a later count that is believed overtakes it"
    with transaction.atomic():
        accept([level().pk], Cause("action", 2), "anna", Recorded(now=clock.now()))
    assert level().on_hand == 480
    assert StockCount.objects.count() == 1
