"""Two transactions record or reckon stock at once, each on a connection of its own; and what the database refuses whoever asks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from canonical import reckoning, sql
from canonical.facts import CountsStated, ShipmentStated
from canonical.models import (
    FulfilmentRequest,
    KitComponent,
    Listing,
    Publication,
    ShopPolicy,
    Sku,
    StockLevel,
    StockSource,
    StockTouch,
)
from canonical.recording import levels
from canonical.types import Counted, Parcel, Units
from retailsync.sync import clock, filling, publishing, stock_deciding, transient
from tests.canonical.stocked import count, listed, listing, offered, reckon, sellable, source
from tests.facts import line, order
from tests.flows.outside import carry_out
from tests.journeys.stage import unexplained
from tests.sync.side_by_side import Gate, Worker, blocked, both
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
CODES = [f"S{n:02d}" for n in range(12)]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bell reaches a broker."""
    from retailsync.sync import bell  # late: it needs configured settings

    monkeypatch.setattr(bell, "ring", lambda task, system: None)


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, *CODES, at=("W1", "W2"), quantity=50)
    return world


def ago(minutes: float) -> datetime:
    return clock.now() - timedelta(minutes=minutes)


def right() -> None:
    """Levels are their fold, and everything is explained."""
    assert levels.differing() == []
    assert unexplained() == []


def counting(world: World, by: Any, figure: int, step: int, times: int = 6) -> Callable[[], None]:
    """One source counts everything again and again, its newest count last."""

    def do() -> None:
        for n in range(times):
            said = tuple(Counted(sku=code, on_hand=figure + n) for code in CODES[::step])
            fact = CountsStated(occurred_at=ago(60 - n), location="W1", rows=said)
            transient.repeat(lambda fact=fact: world.tell(fact, source=by))

    return do


def test_two_sources_count_the_same_things(world: World) -> None:
    """One sets the levels, the other informs: neither waits in a circle for the other, and the levels are the first one's."""
    source(world)
    source(world, system=world.erp, authority="information")
    both(counting(world, world.partners["W1"], 100, 1), counting(world, world.erp, 500, -1))
    assert set(StockLevel.objects.values_list("on_hand", flat=True)) == {105}
    right()


def test_shipments_while_counts_arrive(world: World) -> None:
    """Whatever comes first: what left before the last count is in it, what left later is not."""
    source(world)
    lines = tuple(line(str(n), code, units=2) for n, code in enumerate(CODES, 1))
    world.tell(*[order(str(n), lines=lines) for n in range(1, 7)])
    carry_out(world)
    requests = list(FulfilmentRequest.objects.filter(location__code="W1"))
    assert len(requests) == 6

    def ship() -> None:
        for n, request in enumerate(requests):
            parcel = Parcel(tracking=f"T{n}", lines=tuple(Units(units=2, sku=code) for code in CODES[::-1]))
            at = ago(58.5 if n < 3 else 30)  # three before the last counts, three after
            fact = ShipmentStated(occurred_at=at, ref=f"S{n}", request=request.reference, parcels=(parcel,))
            transient.repeat(lambda fact=fact: world.tell(fact, source=world.partners["W1"]))

    both(ship, counting(world, world.partners["W1"], 100, 1))
    assert set(StockLevel.objects.values_list("on_hand", flat=True)) == {105 - 3 * 2}
    right()


def test_reckoning_while_recording(world: World) -> None:
    """Nothing touched is lost: once everything was recorded, one more reckoning has every figure right."""
    source(world)
    count(world, **dict.fromkeys(CODES, 90))
    reckon()

    def buy() -> None:
        for n in range(20):
            lines = tuple(line(str(k), code, units=1, reduced=1) for k, code in enumerate(CODES, 1))
            transient.repeat(lambda n=n, lines=lines: world.tell(order(f"{n}", lines=lines)))

    buying = Worker(buy)
    while not buying.done:
        transient.repeat(reckon)
    buying.result()
    assert {sellable(world, code) for code in CODES} == {70}
    assert not StockTouch.objects.exists()
    right()


def test_reckoning_and_filling_lock_listings_in_one_order(world: World) -> None:
    """By id, whichever plan is chosen: both come to the one in the middle, which a third has, and neither waits in a circle."""
    ShopPolicy.objects.create(channel=world.shop, publish_stock=True)
    source(world)
    count(world, **dict.fromkeys(CODES, 90))
    reckon()
    ids = list(Listing.objects.order_by("id").values_list("id", flat=True))
    gate = Gate()

    def third() -> None:
        with transaction.atomic():
            sql.fetch("SELECT 1 FROM canonical_listing WHERE id = %s FOR UPDATE", (ids[5],))
            gate.stop()

    def reckoning_all() -> None:
        with transaction.atomic():
            sql.fetch("INSERT INTO canonical_stocktouch (terms) VALUES (false)")
            reckoning.reckon(clock.now())

    holder = Worker(third)
    gate.reached()
    one = Worker(lambda: sql.fetch(filling._STOCK, ([*reversed(ids)],)))
    assert blocked(one)
    two = Worker(reckoning_all)
    assert blocked(two, waiting=2)
    gate.open()
    holder.result()
    assert len(one.result()) == len(ids)
    two.result()


def test_a_kit_is_never_made_of_kits(world: World) -> None:
    """Also where two are made at once that each would see only half of. Without the lock in the trigger both were made."""
    a, b, c = Sku.objects.order_by("code")[:3]

    def make(kit: Sku, component: Sku) -> Callable[[], str]:
        def do() -> str:
            try:
                with transaction.atomic():
                    KitComponent.objects.create(kit=kit, component=component)
            except IntegrityError:
                return "refused"
            return "made"

        return do

    assert sorted(both(make(a, b), make(b, c))) == ["made", "refused"]
    assert KitComponent.objects.count() == 1


def test_one_source_sets_the_levels_of_a_location(world: World) -> None:
    source(world)
    with pytest.raises(IntegrityError, match="source_one_sets_levels"):
        StockSource.objects.create(system=world.erp, location=world.places["W1"], external_id="W1")


def test_one_publication_of_a_shop_is_open(world: World) -> None:
    Publication.objects.create(channel=world.shop)
    with pytest.raises(IntegrityError, match="publication_one_at_a_time"):
        Publication.objects.create(channel=world.shop)


def test_what_is_never_known_for_sure_keeps_nobody_waiting(world: World) -> None:
    """Listings that are sold all the time came first for ever: by id."""
    source(world)
    count(world, **dict.fromkeys(CODES, 90))
    reckon()
    Listing.objects.update(expected=None, read_at=ago(5))
    last = Listing.objects.order_by("-id").first()
    Listing.objects.filter(pk=last.pk).update(read_at=ago(6))
    wanted = {"channel": world.shop.pk, "now": clock.now(), "limit": 1}
    assert sql.fetch(publishing._WANTED, wanted) == [(last.pk,)]


def test_adopting_counts_while_movements_arrive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lock levels before the source: neither waits in a circle."""
    teller = source(world, authority="movements")
    count(world, S00=9)
    monkeypatch.setattr(transient, "repeat", lambda do: do())
    gate = Gate()

    def moving() -> None:
        with transaction.atomic():
            levels.lock([levels.Place(Sku.objects.get(code="S00").pk, world.places["W1"].pk)])
            gate.stop()
            sql.fetch("SELECT 1 FROM canonical_stocksource WHERE id = %s FOR KEY SHARE", (teller.pk,))

    holder = Worker(moving)
    gate.reached()
    adopting = Worker(lambda: stock_deciding.adopt(teller.pk, "pat", "we begin"))
    assert blocked(adopting)
    gate.open()
    holder.result()
    adopting.result()
    assert sellable(world, "S00") == 9


def test_what_is_never_known_for_sure_is_counted_to_an_end(world: World) -> None:
    """A small integer holds how often: past it no reading of the shop could be recorded any more."""
    Listing.objects.update(tries=32_767, sold_at=clock.now() + timedelta(hours=1), read_at=ago(1))
    world.tell(listed("S00", 7))
    assert listing(world, "S00").quantity == 7
