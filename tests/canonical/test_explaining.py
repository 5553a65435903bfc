"""Every figure can be explained, as it was known at any instant."""

from datetime import datetime, timedelta

import pytest

from canonical import explaining, past, sellable, sql
from canonical.explaining import Why
from canonical.facts import RequestAnswered, ShipmentStated
from canonical.ledger import Cause
from canonical.models import AvailabilityRule, Eligibility, FulfilmentRequest, KitComponent, Offer, Sku
from canonical.recording import listings
from canonical.types import Parcel, Units
from retailsync.sync import clock
from tests.canonical.stocked import count, offered, reckon, source
from tests.facts import line, order
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, "MUG", at=("W1", "W2"), quantity=10)
    source(world)
    return world


def told(world: World, at: datetime | None = None, code: str = "MUG") -> Why:
    found = explaining.why(world.shop.slug, code, at)
    assert found is not None
    return found


def three(ref: str = "137", **more: object) -> object:
    return order(ref, lines=(line(units=3, reduced=3),), **more)


def test_seven_is_ten_less_three(world: World) -> None:
    count(world, MUG=10)
    reckon()
    before = clock.now()
    world.tell(three())
    reckon()
    why = told(world)
    assert (why.sellable, why.network, why.kit, why.at) == (7, 7, False, None)
    here, there = why.places
    assert (here.code, here.on_hand, here.own, here.free, here.gives) == ("W1", 10, 3, 7, 7)
    assert here.level and (here.level.counted, here.level.counted_by, here.level.moved) == (
        10,
        world.partners["W1"].name,
        0,
    )
    assert [(o.reference, o.units, o.location) for o in here.orders] == [("ONE-137", 3, here.location)]
    assert (there.code, there.on_hand, there.level, there.orders) == ("W2", None, None, [])
    assert why.shown and (why.shown.target, why.shown.quantity) == (7, 10)
    then = told(world, before)
    assert (then.sellable, then.at, then.places[0].own, then.places[0].orders) == (10, before, 0, [])
    assert told(world, before - timedelta(hours=1)).sellable is None


def test_an_order_is_told_as_it_stood_then(world: World) -> None:
    count(world, MUG=10, at=clock.now() - timedelta(hours=1))
    world.tell(three())
    reckon()
    routed = clock.now()
    request = FulfilmentRequest.objects.get()
    world.tell(
        RequestAnswered(occurred_at=clock.now(), request=request.reference, answer="accepted"), source=request.system
    )
    parcel = Parcel(tracking="T1", lines=(Units(units=3, sku="MUG"),))
    shipment = ShipmentStated(occurred_at=clock.now(), ref="S1", request=request.reference, parcels=(parcel,))
    world.tell(shipment, source=request.system)
    reckon()
    now = told(world)
    assert (now.sellable, now.places[0].own, now.places[0].orders) == (7, 0, [])
    assert now.places[0].level and now.places[0].level.moved == -3
    assert [o.units for o in told(world, routed).places[0].orders] == [3]


def test_now_the_ledger_and_the_formula_name_the_same_orders(world: World) -> None:
    """The demand told of an instant is that of the formula, which reads the rows."""
    kit(world)
    count(world, MUG=1, TEA=50)
    world.tell(three("1"), three("2", status="pending"), three("3", status="cancelled"))
    world.tell(order("4", lines=(line(ref="1", sku="SET", units=2), line(ref="2", units=1))))
    request = FulfilmentRequest.objects.filter(order__number="1").first()
    if request:
        world.tell(
            RequestAnswered(occurred_at=clock.now(), request=request.reference, answer="rejected"),
            source=request.system,
        )
    skus = list(Sku.objects.values_list("pk", flat=True))
    mine = {(o.line, o.order, o.channel, o.sku, o.location, o.units) for o in past.demand(skus, clock.now())}
    theirs = {tuple(row[:6]) for row in sql.fetch(sellable.DEMAND, {"parts": skus})}
    assert mine == theirs and len(mine) >= 4


def kit(world: World) -> None:
    """A set of a mug and two bags of tea."""
    offered(world, "TEA", "SET")
    made = Sku.objects.get(code="SET")
    for code, units in (("MUG", 1), ("TEA", 2)):
        KitComponent.objects.create(kit=made, component=Sku.objects.get(code=code), units=units)


def test_a_kit_is_told_by_its_parts(world: World) -> None:
    kit(world)
    count(world, MUG=10, TEA=9)
    reckon()
    why = told(world, code="SET")
    assert why.kit and why.sellable == 4
    assert [(p.code, p.sku_code, p.per, p.gives) for p in why.places if p.code == "W1"] == [
        ("W1", "MUG", 1, 10),
        ("W1", "TEA", 2, 9),
    ]


# ---- rules ------------------------------------------------------------------------------------------------------------------
def test_the_rules_told_are_those_the_terms_follow_from(world: World) -> None:
    count(world, MUG=10)
    mug, w1 = Sku.objects.get(code="MUG"), world.places["W1"]
    AvailabilityRule.objects.create(threshold=1, cap=8)
    AvailabilityRule.objects.create(channel=world.shop, cap=6, note="a small shop")
    AvailabilityRule.objects.create(sku=mug, safety_units=1)
    AvailabilityRule.objects.create(sku=mug, location=w1, safety_units=2, threshold=5)
    AvailabilityRule.objects.create(safety_percent=10, priority=3)
    AvailabilityRule.objects.create(cap=3, valid_until=clock.now() - timedelta(days=1))
    reckon()
    why, offer = told(world), Offer.objects.get()
    assert {r.field: r.rule for r in why.rules} == offer.rules
    for place in why.places:
        eligible = Eligibility.objects.get(location=place.location)
        assert {r.field: r.rule for r in place.rules} == eligible.rules
    assert [(r.field, r.value, r.note) for r in why.rules] == [("threshold", 1, ""), ("cap", 6, "a small shop")]
    assert why.sellable == 6 and why.places[0].safety == 2


def test_a_rule_is_told_as_it_was_then(world: World) -> None:
    count(world, MUG=10)
    rule = AvailabilityRule.objects.create(cap=5)
    reckon()
    then = clock.now()
    rule.cap = 2
    rule.save()
    reckon()
    rule.delete()
    reckon()
    assert (told(world).sellable, told(world).rules) == (10, [])
    (ruled,) = told(world, then).rules
    assert (told(world, then).sellable, ruled.value) == (5, 5) and ruled.since <= then


# ---- the past ---------------------------------------------------------------------------------------------------------------
def test_every_version_is_found_by_halving(world: World) -> None:
    for units in range(1, 12):
        count(world, MUG=units)
    level = sql.fetch("SELECT id FROM canonical_stocklevel")[0][0]
    rows = sql.fetch("SELECT version, recorded_at FROM canonical_entry WHERE subject_kind = 'stock_level' ORDER BY 1")
    assert len(rows) == 11
    for version, at in rows:
        assert past.as_of("stock_level", [level], at)[level].version == version
        assert past.as_of("stock_level", [level], at - timedelta(microseconds=1)).keys() == (
            {level} if version > 1 else set()
        )
    assert past.as_of("stock_level", [level, 999], clock.now())[level].version == 11
    newest = past.as_of("stock_level", [level], clock.now()).values()
    assert [v.version for v in past.before("stock_level", newest, 3)[level]] == [11, 10, 9]
    drawn = past.between("stock_level", level, rows[2][1], clock.now(), 4)
    assert [v.version for v in drawn] == [3, 6, 9, 11]


def test_curves_hold_where_figures_changed(world: World) -> None:
    began = clock.now()
    for units in (10, 10, 4):
        count(world, MUG=units)
        reckon()
    found = explaining.curves(world.shop.slug, "MUG", began, clock.now())
    assert found and [p.units for p in found.sellable][-2:] == [10, 4]
    assert [p.units for p in found.shown] == [10] and found.shown[0].at == began
    assert explaining.curves(world.shop.slug, "NONE", began, clock.now()) is None


def test_what_is_not_reckoned_yet_is_said(world: World) -> None:
    count(world, MUG=10)
    assert told(world).pending
    reckon()
    assert not told(world).pending
    listings.touch([(Sku.objects.get(code="MUG").pk, False)], Cause("", 0))
    assert told(world).pending
