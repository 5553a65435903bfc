"""Why a shop sold what was not there: a story for each verdict."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from canonical.models import AvailabilityRule, KitComponent, Oversell, Sku
from canonical.verdicts import Cut, Lacking, Shown, verdict
from retailsync.sync import clock, stock
from tests.canonical.stocked import count, listed, offered, source
from tests.facts import line, order
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Ten mugs are there, and the shop shows them."""
    from retailsync.sync import bell  # late: it needs configured settings

    monkeypatch.setattr(bell, "ring", lambda task, system: None)
    world = make_world()
    offered(world, "MUG", "JAR")
    source(world)
    count(world, MUG=10, JAR=0, at=ago(60))
    stock.drain()
    world.tell(listed("MUG", 10), listed("JAR", 0))
    stock.drain()
    return world


def ago(seconds: float) -> datetime:
    return clock.now() - timedelta(seconds=seconds)


def buy(world: World, units: int, ref: str = "1", code: str = "MUG", placed: datetime | None = None) -> None:
    at = (placed or clock.now()).replace(microsecond=0)
    bought = line(sku=code, units=units, reduced=units)
    world.tell(order(ref, lines=(bought,), placed_at=at, occurred_at=at, version=int(at.timestamp())))
    stock.drain()


def found() -> list[tuple[str, int, str]]:
    """Order, units and verdict of everything oversold."""
    return list(Oversell.objects.order_by("id").values_list("order__number", "units", "verdict"))


def test_nothing_is_oversold_while_there_is_enough(world: World) -> None:
    buy(world, 10)
    assert found() == []


def test_the_shop_sold_below_what_it_showed(world: World) -> None:
    buy(world, 2, code="JAR")
    assert found() == [("1", 2, "shop")]
    assert "showed 0 of JAR and sold 2" in Oversell.objects.get().words


def test_what_went_away_after_the_sale(world: World) -> None:
    buy(world, 10, placed=ago(5))
    count(world, MUG=7)
    stock.drain()
    assert found() == [("1", 3, "later")]
    assert Oversell.objects.get().facts["entries"][-1]["units"] == 3


def test_a_change_on_its_way_from_its_source_to_the_shop(world: World) -> None:
    buy(world, 5, "1", placed=ago(3))
    sold = clock.now()
    count(world, MUG=6, at=ago(2))
    buy(world, 5, "2", placed=sold)
    assert found() == [("2", 4, "in_flight")]
    assert Oversell.objects.get().facts["delay"] < 120


def test_a_figure_on_its_way_to_the_shop() -> None:
    """The lower target was known, and the write not out yet."""
    assert verdict(lacking(), Shown(most=5, target=0, right_at=NOW), []).verdict == "in_flight"


def test_a_source_that_tells_late(world: World) -> None:
    buy(world, 8, placed=ago(300))
    count(world, MUG=2, at=ago(600))  # the count of a minute ago is the newer one
    assert found() == []
    told = Cut(1, "Warehouse (W1)", 8, NOW - timedelta(seconds=600), NOW + timedelta(seconds=30), True)
    said = verdict(lacking(), Shown(10, 10, NOW - timedelta(hours=1)), [told])
    assert said.verdict == "stale"
    assert said.words.startswith("Warehouse (W1) told us 630 seconds late that 8 of MUG had gone")


def test_a_figure_somebody_raised_in_the_shop() -> None:
    assert verdict(lacking(), Shown(10, 10, NOW, raised=80), []).verdict == "shop"


def test_our_own_fault_is_what_nothing_explains() -> None:
    known = Cut(1, "Warehouse (W1)", 8, NOW - timedelta(hours=2), NOW - timedelta(hours=2), True)
    assert verdict(lacking(), Shown(10, 10, NOW), [known]).verdict == "rules"


def test_whoever_bought_last_goes_without_and_nobody_twice(world: World) -> None:
    for n in range(1, 6):
        buy(world, 2, str(n), placed=ago(20 - n))
    count(world, MUG=7)
    stock.drain()
    assert found() == [("5", 2, "later"), ("4", 1, "later")] or found() == [("4", 1, "later"), ("5", 2, "later")]
    count(world, MUG=6)
    stock.drain()
    assert sorted(found()) == [("4", 2, "later"), ("5", 2, "later")]


def test_what_is_kept_back_is_there(world: World) -> None:
    AvailabilityRule.objects.create(safety_units=4)
    buy(world, 9)
    assert found() == []


def test_backorders_are_no_oversell(world: World) -> None:
    AvailabilityRule.objects.create(backorders="yes")
    buy(world, 12)
    assert found() == []


def test_of_a_kit_what_it_is_made_of_is_oversold(world: World) -> None:
    offered(world, "SET", at=("W1",))
    skus = {s.code: s for s in Sku.objects.all()}
    KitComponent.objects.create(kit=skus["SET"], component=skus["MUG"], units=3)
    stock.drain()
    world.tell(listed("SET", 3))
    buy(world, 3, "1", code="SET", placed=ago(5))
    assert found() == []
    buy(world, 2, "2", placed=ago(4))
    assert list(Oversell.objects.values_list("order__number", "sku__code", "units")) == [("2", "MUG", 1)]


NOW = datetime.now().astimezone()


def lacking() -> Lacking:
    """One mug too much, sold now."""
    return Lacking(1, 1, 1, 1, 1, "MUG", sold=1, units=1, placed_at=NOW)
