"""The worked examples of the stock model: on hand 10, one order of 3, and at every stage of its life 7 may be sold."""

from datetime import timedelta

import pytest

from canonical.facts import RequestAnswered, ShipmentStated
from canonical.models import FulfilmentRequest
from canonical.types import Parcel, Units
from retailsync.sync import clock
from tests.canonical import stocked
from tests.canonical.stocked import count, offered, sellable, source
from tests.facts import line, order
from tests.flows.outside import carry_out
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, "MUG", at=("W1", "W2"), quantity=10)
    return world


def three(version: int = 1, **more: object) -> object:
    return order(lines=(line(units=3, reduced=3),), version=version, **more)


def test_seven_at_every_stage_where_the_warehouse_counts(world: World) -> None:
    source(world)
    count(world, MUG=10, at=clock.now() - timedelta(hours=8))  # last night's snapshot
    assert sellable(world) == 10
    world.tell(three())
    assert sellable(world) == 7, "received and routed"
    carry_out(world)
    assert sellable(world) == 7, "sent, and confirmed in the ERP"
    request = FulfilmentRequest.objects.get()
    world.tell(
        RequestAnswered(occurred_at=clock.now(), request=request.reference, answer="accepted"), source=request.system
    )
    assert sellable(world) == 7, "acknowledged, with last night's snapshot"
    world.tell(ship(request, 3), source=request.system)
    assert sellable(world) == 7, "shipped, with the old snapshot"
    carry_out(world)
    count(world, MUG=7)
    assert sellable(world) == 7, "new snapshot"


def test_seven_while_the_warehouse_shows_its_allocation(world: World) -> None:
    source(world)
    count(world, MUG=10, at=clock.now() - timedelta(hours=8))
    world.tell(three())
    carry_out(world)
    request = FulfilmentRequest.objects.get()
    world.tell(
        RequestAnswered(occurred_at=clock.now(), request=request.reference, answer="accepted"), source=request.system
    )
    count(world, MUG={"on_hand": 10, "allocated": 3})
    assert sellable(world) == 7, "the allocation is ours"
    count(world, MUG={"on_hand": 10, "allocated": 5})
    assert sellable(world) == 5, "two of it are somebody else's"
    world.tell(ship(request, 3), source=request.system)
    assert sellable(world) == 5, "shipped: the two are still somebody else's"
    count(world, MUG={"on_hand": 7, "allocated": 2})
    assert sellable(world) == 5


def test_seven_where_the_erp_counts_and_a_warehouse_ships(world: World) -> None:
    source(world, system=world.erp)
    count(world, MUG=10, by=world.erp, at=clock.now() - timedelta(minutes=1))
    assert sellable(world) == 10
    world.tell(three())
    assert sellable(world) == 7
    carry_out(world, [world.erp])
    count(world, MUG={"on_hand": 10, "allocated": 3}, by=world.erp)
    assert sellable(world) == 7, "the ERP reserved them for us"
    carry_out(world, list(world.partners.values()))
    request = FulfilmentRequest.objects.get()
    world.tell(ship(request, 3), source=request.system)
    assert sellable(world) == 7, "shipped, and not yet booked out"
    count(world, MUG={"on_hand": 10, "allocated": 3}, by=world.erp)
    assert sellable(world) == 7, "counted in the ERP before the goods issue"
    carry_out(world)
    assert sellable(world) == 7, "booked out"
    count(world, MUG=7, by=world.erp)
    assert sellable(world) == 7


@pytest.mark.parametrize("figure", ["net_allocated", "net_orders"])
def test_seven_where_a_source_states_net_figures(world: World, figure: str) -> None:
    source(world, figure=figure)
    count(world, MUG=10, at=clock.now() - timedelta(hours=1))
    world.tell(three())
    assert sellable(world) == 7
    carry_out(world)
    request = FulfilmentRequest.objects.get()
    world.tell(
        RequestAnswered(occurred_at=clock.now(), request=request.reference, answer="accepted"), source=request.system
    )
    assert sellable(world) == 7
    count(world, MUG=7)
    assert sellable(world) == 7, "the figure lacks our three already"
    world.tell(ship(request, 3), source=request.system)
    assert sellable(world) == 7, "shipping changes no net figure"
    count(world, MUG=7)
    assert sellable(world) == 7


def test_pending_counts_nothing_and_paying_counts_once(world: World) -> None:
    source(world)
    count(world, MUG=10)
    world.tell(order(status="pending", lines=(line(units=3),)))
    assert sellable(world) == 10
    world.tell(three(version=2))
    assert sellable(world) == 7
    world.tell(order(status="cancelled", version=3, lines=(line(units=3),)))
    assert sellable(world) == 10, "nothing had left: it is free again"


def test_what_was_never_counted_is_not_known_rather_than_nothing(world: World) -> None:
    assert sellable(world) is None
    world.tell(three())
    assert sellable(world) is None
    source(world)
    count(world, MUG=10)
    assert sellable(world) == 7


def ship(request: FulfilmentRequest, units: int) -> ShipmentStated:
    parcel = Parcel(tracking="T1", lines=(Units(units=units, sku="MUG"),))
    return ShipmentStated(
        occurred_at=clock.now(), ref=f"S-{request.reference}", request=request.reference, parcels=(parcel,)
    )


def test_the_ledger_says_when_seven_was_seven(world: World) -> None:
    source(world)
    count(world, MUG=10)
    stocked.reckon()
    world.tell(three())
    assert sellable(world) == 7
    assert stocked.listing(world).target == 7


def test_what_no_location_serves_any_more_is_sold_out_not_unknown(world: World) -> None:
    source(world)
    count(world, MUG=10)
    assert sellable(world) == 10
    world.places["W2"].delete()
    world.places["W1"].active = False
    world.places["W1"].save()
    assert sellable(world) == 0
    assert stocked.listing(world).target == 0
    world.places["W1"].active = True
    world.places["W1"].save()
    assert sellable(world) == 10
