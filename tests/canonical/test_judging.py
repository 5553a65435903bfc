"""Whether an order should have been sold, and whose delay is to blame."""

from datetime import datetime, timedelta

import pytest

from canonical.judging import Sold, judge, sold_rightly
from canonical.models import AvailabilityRule, Order, OrderLine, StockSource
from retailsync.sync import clock
from tests.canonical.stocked import count, listed, move, offered, reckon, source
from tests.facts import line, order
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, "MUG", at=("W1",), quantity=10)
    source(world)
    count(world, MUG=10, at=clock.now() - timedelta(hours=8))
    reckon()
    return world


def sell(world: World, ref: str = "1", units: int = 4, at: datetime | None = None) -> Sold:
    """Somebody buys some; what is to be said of it."""
    world.tell(order(ref, lines=(line(units=units, reduced=units),), placed_at=at or clock.now()))
    return judged(ref)


def judged(ref: str = "1") -> Sold:
    found = sold_rightly(OrderLine.objects.get(order__external_id=ref).pk)
    assert found is not None
    return found


def test_what_was_there_was_sold_rightly(world: World) -> None:
    sold = sell(world)
    assert (sold.verdict, sold.rightly, sold.shown, sold.figure, sold.truth, sold.late) == (
        "rightly",
        True,
        10,
        10,
        10,
        [],
    )


def test_a_count_told_late_is_to_blame(world: World) -> None:
    counted, placed = clock.now() - timedelta(minutes=30), clock.now()
    sell(world, at=placed)
    count(world, MUG=3, at=counted)
    sold = judged()
    assert (sold.verdict, sold.shown, sold.figure, sold.truth) == ("stale", 10, 10, 3)
    (late,) = sold.late
    assert (late.what, late.who, late.where, late.units) == ("count", world.partners["W1"].name, "W1", -7)
    assert late.happened_at == counted and late.told_at > placed and late.cause_kind == "message"


def test_a_count_of_afterwards_proves_nothing(world: World) -> None:
    sell(world)
    count(world, MUG=0)
    assert judged().verdict == "rightly"


def test_a_movement_told_late_is_to_blame(world: World) -> None:
    StockSource.objects.update(authority="movements")
    moved = clock.now() - timedelta(minutes=5)
    sell(world)
    move(world, "m1", "MUG", -8, occurred_at=moved)
    sold = judged()
    assert (sold.verdict, sold.truth, [x.what for x in sold.late]) == ("stale", 2, ["movement"])


def test_a_sale_told_late_is_to_blame(world: World) -> None:
    placed = clock.now()
    sell(world, "1", at=placed)
    sell(world, "2", units=8, at=placed - timedelta(minutes=10))
    sold = judged("1")
    assert (sold.verdict, sold.truth, sold.late[0].what, sold.late[0].where) == ("stale", 2, "sale", "ONE-2")


def test_a_write_under_way_is_to_blame_where_our_figure_was_lower_already(world: World) -> None:
    count(world, MUG=1)
    reckon()
    sold = sell(world)
    assert (sold.verdict, sold.shown, sold.figure) == ("in_flight", 10, 1)


def test_the_shop_is_to_blame_where_it_showed_less(world: World) -> None:
    count(world, MUG=1)
    reckon()
    world.tell(listed("MUG", 1))
    assert sell(world).verdict == "shop"


def test_backorders_are_sold_rightly(world: World) -> None:
    AvailabilityRule.objects.create(backorders="yes")
    reckon()
    assert sell(world, units=30).verdict == "backorder"


def test_our_own_shipments_are_counted_once(world: World) -> None:
    """A count told late that lacks what we had shipped by then says nothing new: the order had taken it already."""
    from canonical.facts import ShipmentStated
    from canonical.models import FulfilmentRequest
    from canonical.types import Parcel, Units

    sell(world, "1", units=4)
    reckon()
    shipped, counted = clock.now(), clock.now() + timedelta(milliseconds=1)
    sell(world, "2", units=2, at=counted + timedelta(milliseconds=2))
    request = FulfilmentRequest.objects.get(order__external_id="1")
    parcel = Parcel(tracking="T", lines=(Units(units=4, sku="MUG"),))
    world.tell(
        ShipmentStated(occurred_at=shipped, ref="S", request=request.reference, parcels=(parcel,)),
        source=request.system,
    )
    count(world, MUG=6, at=counted)
    assert (judged("2").verdict, judged("2").truth) == ("rightly", 6)


def test_what_was_never_counted_cannot_be_judged(world: World) -> None:
    offered(world, "TEA", quantity=5)
    world.tell(order("9", lines=(line(sku="TEA"),), placed_at=clock.now()))
    assert judged("9").verdict == "unknown"
    world.tell(order("10", lines=(line(sku="NEVER-HEARD-OF"),), placed_at=clock.now()))
    assert judge(Order.objects.get(external_id="10").pk) == {}
