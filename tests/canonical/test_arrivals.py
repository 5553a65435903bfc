"""Goods that arrive: receipts of inbound shipments and reports about returns, in any order, any number of times; and what becomes stock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from canonical.facts import Fact, GoodsReceived, InboundAnnounced, ReturnAnnounced, ReturnArrived, ReturnReported
from canonical.models import InboundLine, Location, ReturnLine, Sku
from canonical.record import Recorded
from canonical.types import Arrived, ReturnedItem
from retailsync.sync import clock
from tests.canonical.stocked import level, source
from tests.canonical.test_properties import explained, tell
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """Mugs and cups may come to W1, whose own word about its stock moves the level."""
    made = make_world()
    for code in ("MUG", "CUP"):
        Sku.objects.create(code=code)
    source(made, authority="movements")
    return made


def at(minutes: int) -> datetime:
    return clock.now() - timedelta(hours=3) + timedelta(minutes=minutes)


def said(world: World, *facts: Fact, by: str = "W1") -> Recorded:
    return tell(world.partners[by].pk, facts, clock.now())


def sku(code: str) -> int:
    return Sku.objects.get(code=code).pk


def place() -> int:
    return Location.objects.get(code="W1").pk


def same_in_any_order(world: World, facts: Sequence[Fact], *queries: str) -> list[Any]:
    """What the queries answer after these facts one by one, together, and twice; equal in every order."""
    found = []
    for told in permutations(facts):
        for batches in ([[f] for f in told], [told], [told, told]):
            with transaction.atomic():
                waiting = [fact for batch in batches for fact in missing(world, batch)]
                assert missing(world, waiting) == []
                explained()
                found.append([rows(query) for query in queries])
                transaction.set_rollback(True)
    assert [f for f in found if f != found[0]] == []
    return found[0]


def missing(world: World, batch: Sequence[Fact]) -> list[Fact]:
    recorded = said(world, *batch)
    assert recorded.conflicts == {}
    return [batch[cause.id - 1] for cause in sorted(recorded.missing)]


# ---- inbound ----------------------------------------------------------------------------------------------------------------
INBOUND = """SELECT s.state, k.code, l.expected, l.received, l.damaged FROM canonical_inboundshipment s
  JOIN canonical_inboundline l ON l.shipment_id = s.id JOIN canonical_sku k ON k.id = l.sku_id ORDER BY k.code"""
LEVELS = (
    "SELECT k.code, v.on_hand, v.damaged FROM canonical_stocklevel v JOIN canonical_sku k ON k.id = v.sku_id ORDER BY 1"
)
MOVED = "SELECT kind, bucket, units, document FROM canonical_stockmovement ORDER BY 1, 2, 3"
NOON = clock.now() - timedelta(hours=5)


def expected(minute: int = 0, **units: int) -> InboundAnnounced:
    lines = tuple((sku(code), count) for code, count in units.items())
    return InboundAnnounced(
        occurred_at=NOON + timedelta(minutes=minute), reference="PO-1", location_id=place(), lines=lines
    )


def receipt(ref: str, *lines: tuple[str, int, int], inbound: str = "PO-1") -> GoodsReceived:
    arrived = tuple(Arrived(sku=code, units=units, damaged=damaged) for code, units, damaged in lines)
    return GoodsReceived(occurred_at=NOON + timedelta(minutes=9), ref=ref, inbound=inbound, lines=arrived)


def test_what_arrives_is_counted_and_lies_there_whatever_comes_first(world: World) -> None:
    facts = [
        expected(MUG=10),
        receipt("A", ("MUG", 6, 1)),
        receipt("B", ("MUG", 3, 0), ("CUP", 2, 2), ("MUG", 1, 1)),
    ]
    lines, levels, moved = same_in_any_order(world, facts, INBOUND, LEVELS, MOVED)
    assert lines == [("received", "CUP", 0, 2, 2), ("received", "MUG", 10, 10, 2)]
    assert levels == [("CUP", 2, 2), ("MUG", 10, 2)]
    assert moved == [
        ("receipt", "damaged", 1, "PO-1"), ("receipt", "damaged", 1, "PO-1"), ("receipt", "damaged", 2, "PO-1"),
        ("receipt", "on_hand", 2, "PO-1"), ("receipt", "on_hand", 4, "PO-1"), ("receipt", "on_hand", 6, "PO-1"),
    ]  # fmt: skip


def test_the_latest_announcement_stands_and_what_arrived_stays(world: World) -> None:
    said(world, expected(MUG=5), receipt("A", ("MUG", 5, 0)))
    assert rows(INBOUND) == [("received", "MUG", 5, 5, 0)]
    said(world, expected(2, CUP=1))
    said(world, expected(1, MUG=99))
    assert rows(INBOUND) == [("part_received", "CUP", 1, 0, 0), ("part_received", "MUG", 0, 5, 0)]
    events = rows("SELECT event FROM canonical_entry WHERE subject_kind = 'inbound_shipment' ORDER BY id")
    assert events == [("announced",), ("received",), ("changed",)]


def test_more_than_expected_and_what_was_cancelled_is_recorded(world: World) -> None:
    cancelled = InboundAnnounced(
        occurred_at=NOON, reference="PO-1", location_id=place(), lines=((sku("MUG"), 2),), cancelled=True
    )
    said(world, cancelled)
    assert rows(INBOUND) == [("cancelled", "MUG", 2, 0, 0)]
    said(world, receipt("A", ("MUG", 7, 0)))
    assert rows(INBOUND) == [("received", "MUG", 2, 7, 0)]


def test_one_receipt_with_two_contents_and_an_unknown_sku_are_questions_for_a_person(world: World) -> None:
    said(world, expected(MUG=5), receipt("A", ("MUG", 5, 0)))
    recorded = said(world, receipt("A", ("MUG", 4, 0)), receipt("B", ("HAT", 1, 0)))
    assert list(recorded.conflicts.values()) == [
        "“HAT” arrived, which is no SKU here. Create it, then release this.",
        "A was already reported with other contents. Ask the warehouse which report is right.",
    ]
    assert rows(INBOUND) == [("received", "MUG", 5, 5, 0)]


def test_a_warehouse_speaks_of_its_own_inbound_shipments_only(world: World) -> None:
    said(world, expected(MUG=5))
    assert list(said(world, receipt("A", ("MUG", 5, 0)), by="W2").missing.values()) == ["inbound:PO-1"]


def test_where_nobody_set_up_its_word_about_stock_it_is_received_all_the_same(world: World) -> None:
    rows("DELETE FROM canonical_stocksource RETURNING 1")
    recorded = said(world, expected(MUG=5), receipt("A", ("MUG", 5, 0)))
    assert (recorded.missing, rows(INBOUND), rows(MOVED)) == ({}, [("received", "MUG", 5, 5, 0)], [])


def test_more_damaged_than_received_is_no_receipt(world: World) -> None:
    said(world, expected(MUG=5))
    with pytest.raises(IntegrityError), transaction.atomic():
        InboundLine.objects.update(damaged=1)


# ---- returns ----------------------------------------------------------------------------------------------------------------
RETURN = """SELECT r.state, k.code, l.expected, l.received, l.inspected, l.restocked FROM canonical_return r
  JOIN canonical_returnline l ON l.returned_id = r.id JOIN canonical_sku k ON k.id = l.sku_id ORDER BY k.code"""


def coming(**units: int) -> ReturnAnnounced:
    lines = tuple((sku(code), count) for code, count in units.items())
    return ReturnAnnounced(occurred_at=NOON, reference="R-1", location_id=place(), lines=lines)


def back(ref: str, *lines: tuple[str, int]) -> ReturnReported:
    items = tuple(ReturnedItem(sku=code, units=units) for code, units in lines)
    return ReturnReported(
        occurred_at=NOON + timedelta(minutes=5), ref=ref, returned="R-1", stage="received", lines=items
    )


def found(ref: str, *lines: tuple[str, int, Any, Any]) -> ReturnReported:
    items = tuple(ReturnedItem(sku=c, units=n, condition=how, disposition=then) for c, n, how, then in lines)
    return ReturnReported(
        occurred_at=NOON + timedelta(minutes=7), ref=ref, returned="R-1", stage="inspected", lines=items
    )


def test_only_what_is_put_back_becomes_stock_whatever_comes_first(world: World) -> None:
    facts = [
        coming(MUG=3),
        back("A", ("MUG", 3), ("CUP", 1)),
        found("I1", ("MUG", 1, "new", "restock"), ("MUG", 1, "damaged", "scrap")),
        found("I2", ("MUG", 1, "opened", "restock"), ("CUP", 1, "wrong_item", "vendor")),
    ]
    lines, levels, moved = same_in_any_order(world, facts, RETURN, LEVELS, MOVED)
    assert lines == [("inspected", "CUP", 0, 1, 1, 0), ("inspected", "MUG", 3, 3, 3, 2)]
    assert levels == [("MUG", 2, 0)]
    assert moved == [("return", "on_hand", 1, "R-1"), ("return", "on_hand", 1, "R-1")]


def test_a_return_goes_from_hand_to_hand(world: World) -> None:
    states = []
    for fact in (
        coming(MUG=3), back("A", ("MUG", 2)), back("B", ("MUG", 1)), found("I", ("MUG", 2, "new", "refurbish")),
        found("J", ("MUG", 1, "new", "missing")),
    ):  # fmt: skip
        said(world, fact)
        states += rows("SELECT state FROM canonical_return")
    assert states == [("expected",), ("part_received",), ("received",), ("received",), ("inspected",)]
    assert [event for (event,) in rows("SELECT event FROM canonical_entry WHERE subject_kind = 'return' ORDER BY id")] == [
        "announced", "received", "received", "inspected", "inspected",
    ]  # fmt: skip


def test_more_may_be_inspected_than_was_received_or_expected(world: World) -> None:
    said(world, coming(MUG=1), found("I", ("MUG", 5, "new", "restock")))
    assert rows(RETURN) == [("inspected", "MUG", 1, 0, 5, 5)]


def test_a_parcel_nobody_announced_is_a_return_that_was_received(world: World) -> None:
    fact = ReturnArrived(
        occurred_at=NOON,
        ref="P-1",
        location="W1",
        lines=(ReturnedItem(sku="MUG", units=2),),
        order_reference="X",
        tracking="T",
    )
    slug = world.partners["W1"].slug
    report = ReturnReported(
        occurred_at=NOON, ref="I", returned=f"{slug}-P-1", stage="inspected",
        lines=(ReturnedItem(sku="MUG", units=2, condition="new", disposition="restock"),),
    )  # fmt: skip
    head = "SELECT reference, announced, order_reference, order_id, tracking FROM canonical_return"
    told, lines, levels = same_in_any_order(world, [fact, report], head, RETURN, LEVELS)
    assert told == [(f"{slug}-P-1", False, "X", None, "T")]
    assert (lines, levels) == ([("inspected", "MUG", 0, 2, 2, 2)], [("MUG", 2, 0)])


def test_a_line_of_another_return_is_a_question_for_a_person(world: World) -> None:
    said(world, coming(MUG=1))
    fact = ReturnReported(
        occurred_at=NOON, ref="A", returned="R-1", stage="received", lines=(ReturnedItem(line="999999", units=1),)
    )
    assert list(said(world, fact).conflicts.values()) == [
        "Line 999999 is not on return R-1. Ask the warehouse what it means."
    ]


def test_more_put_back_than_looked_at_is_no_inspection(world: World) -> None:
    said(world, coming(MUG=5))
    with pytest.raises(IntegrityError), transaction.atomic():
        ReturnLine.objects.update(restocked=1)


def test_what_is_put_back_may_be_sold(world: World) -> None:
    said(world, coming(MUG=1), found("I", ("MUG", 1, "new", "restock")))
    assert level().on_hand == 1
