"""Stock as Odoo counts it: everything as a snapshot now and then, what changed in between, in whole units."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canonical.facts import CountsCompleted, CountsStated, Fact
from canonical.types import Counted
from connectors.base import Envelope, Heard, Session
from connectors.errors import Refused
from connectors.odoo import connector, counting
from connectors.odoo.simulator import Odoo
from tests.connectors.odoo.conftest import MUG, PLATE, TEA, Desk, customer, issue, line, order

HOUR = timedelta(hours=1)


@pytest.fixture
def odoo() -> Iterator[Odoo]:
    """Only what a story puts there."""
    with Odoo(stock=0) as odoo:
        yield odoo


class Feed:
    """The feed as the top floor reads it, in a time that both sides share."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.cursor, self.heard = desk, "", list[Heard]()

    def session(self) -> Session:
        session = self.desk.session()
        session.now = self.desk.odoo.now
        return session

    def read(self) -> list[Fact]:
        """Everything there is to read now."""
        facts, more = list[Fact](), True
        while more:
            page = connector.polls["stock"](self.session(), self.cursor)
            self.cursor, more = page.cursor, page.more
            self.heard += page.heard
            facts += [fact for heard in page.heard for fact in _facts(heard)]
        return facts

    def figures(self) -> dict[tuple[str, str], tuple[int, int]]:
        """On hand and allocated as it states them, by place and SKU."""
        stated = [fact for fact in self.read() if isinstance(fact, CountsStated)]
        return {(f.location, row.sku): (row.on_hand, row.allocated) for f in stated for row in f.rows}

    def pass_by(self, time: timedelta) -> None:
        self.desk.odoo.skew += time


def _facts(heard: Heard) -> list[Fact]:
    return list(connector.reads[heard.topic](Envelope(heard.topic, heard.body, datetime.now(UTC), heard.asked_at)))


@pytest.fixture
def feed(desk: Desk) -> Feed:
    return Feed(desk)


@pytest.fixture
def quiet(desk: Desk) -> Feed:
    """A feed that has read everything once, some time ago: 10 mugs, 5 plates, one of them in WEST."""
    for sku, warehouse, units in (("W1-MUG-BLUE", "WH", 10), ("W1-PLATE-S", "WH", 4), ("W1-PLATE-S", "WEST", 1)):
        desk.odoo.set_stock(sku, warehouse, units)
    feed = Feed(desk)
    feed.read()
    feed.pass_by(HOUR / 4)
    feed.read()
    return feed


# ---- the whole ----------------------------------------------------------------------------------------------------------------
def test_the_first_reading_is_a_snapshot_of_each_warehouse(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "PAGE", 5)
    feed.desk.odoo.set_stock("W1-MUG-BLUE", "WH", 10)
    feed.desk.odoo.set_stock("W1-BOWL", "WH", 2)
    feed.desk.odoo.set_stock("W2-VASE", "WH", 3)
    feed.desk.odoo.set_stock("W2-VASE", "WEST", 4)
    facts = feed.read()
    stated = [
        (f.location, f.run, f.part, [(r.sku, r.on_hand) for r in f.rows]) for f in facts if isinstance(f, CountsStated)
    ]
    here, there = stated[0][1], stated[-1][1]
    assert stated == [
        ("WH", here, 1, [("W1-MUG-BLUE", 10), ("W1-BOWL", 2)]),
        ("WH", here, 2, [("W2-VASE", 3)]),
        ("WEST", there, 1, [("W2-VASE", 4)]),
    ]
    done = [(f.location, f.run, f.parts, f.rows, f.full) for f in facts if isinstance(f, CountsCompleted)]
    assert done == [("WH", here, 2, 3, True), ("WEST", there, 1, 1, True)]
    assert len({heard.key for heard in feed.heard}) == len(feed.heard)


def test_a_page_read_again_is_the_same_delivery(feed: Feed) -> None:
    """The answer of a page was stored, its cursor was not."""
    feed.desk.odoo.set_stock("W1-MUG-BLUE", "WH", 10)
    connector.polls["stock"](feed.session(), "")
    first, second = (connector.polls["stock"](feed.session(), _in_the_middle()).heard for _ in range(2))
    assert [h.key for h in first] == [h.key for h in second]


def _in_the_middle() -> str:
    return '["","2026-03-01 09:30:00",0,"2026-03-01T09:35:00Z","20260301T093500000000",{"WH":[3,90],"WEST":[0,0]}]'


def test_an_empty_warehouse_is_said_to_be_empty(feed: Feed) -> None:
    facts = feed.read()
    assert [(f.location, f.parts, f.rows) for f in facts if isinstance(f, CountsCompleted)] == [
        ("WH", 0, 0),
        ("WEST", 0, 0),
    ]
    assert len(facts) == 2


def test_only_the_warehouses_the_settings_name(desk: Desk, feed: Feed) -> None:
    desk.settings = type(desk.settings)(**{**_plain(desk), "warehouses": ("WEST",)})
    desk.odoo.set_stock("W1-MUG-BLUE", "WH", 10)
    assert {f.location for f in feed.read() if isinstance(f, CountsCompleted)} == {"WEST"}


def test_a_warehouse_that_is_not_there(desk: Desk, feed: Feed) -> None:
    desk.settings = type(desk.settings)(**{**_plain(desk), "warehouses": ("WH", "EAST")})
    with pytest.raises(Refused, match="no warehouse with the code EAST"):
        feed.read()


def test_two_companies_with_one_code_are_not_told_apart(desk: Desk, feed: Feed) -> None:
    records = desk.odoo.records
    other = records.create("res.company", {"name": "B"})
    records.create("stock.warehouse", {**records.get("stock.warehouse", 1), "company_id": other, "id": 0})
    with pytest.raises(Refused, match="name the company"):
        feed.read()


def _plain(desk: Desk) -> dict[str, Any]:
    return {name: getattr(desk.settings, name) for name in desk.settings.__struct_fields__}


# ---- what changed -------------------------------------------------------------------------------------------------------------
def test_nothing_is_said_when_nothing_happened(quiet: Feed) -> None:
    assert quiet.read() == []


def test_a_confirmed_order_allocates_and_its_delivery_takes_away(quiet: Feed) -> None:
    desk = quiet.desk
    desk.odoo.set_stock("W1-TEA-GREEN", "WH", 9)
    desk.confirmed(order())
    assert quiet.figures() == {
        ("WH", "W1-MUG-BLUE"): (10, 3), ("WEST", "W1-MUG-BLUE"): (0, 0), ("WH", "W1-TEA-GREEN"): (9, 1), ("WEST", "W1-TEA-GREEN"): (0, 0),
    }  # fmt: skip
    desk.send(issue(1, 1, (11, MUG, 2)))
    assert quiet.figures()["WH", "W1-MUG-BLUE"] == (8, 1)
    desk.by_hand(1, "cancel")
    assert quiet.figures()["WH", "W1-MUG-BLUE"] == (8, 0)
    assert quiet.figures()["WH", "W1-TEA-GREEN"] == (9, 0)


def test_what_is_promised_to_others_is_allocated_too(quiet: Feed) -> None:
    promise = quiet.desk.odoo.reserve_for_somebody_else("W1-MUG-BLUE", "WH", 4)
    assert quiet.figures()["WH", "W1-MUG-BLUE"] == (10, 4)
    quiet.desk.odoo.let_go(promise)
    assert quiet.figures()["WH", "W1-MUG-BLUE"] == (10, 0)


def test_a_quant_that_is_gone_is_said_to_be_nothing(quiet: Feed) -> None:
    """The quant is deleted with its date; its move is not."""
    desk = quiet.desk
    desk.odoo.set_stock("W1-PLATE-S", "WEST", 0)
    assert [q for q in desk.odoo.store.table("stock.quant").values() if q["location_id"] == 5] == []
    assert quiet.figures() == {("WH", "W1-PLATE-S"): (4, 0), ("WEST", "W1-PLATE-S"): (0, 0)}


def test_a_quant_that_left_no_trace_is_missing_in_the_next_snapshot(quiet: Feed) -> None:
    desk = quiet.desk
    [gone] = [q for q in desk.odoo.store.table("stock.quant").values() if q["location_id"] == 5]
    desk.odoo.store.delete("stock.quant", gone["id"])
    assert quiet.read() == []
    quiet.pass_by(HOUR)
    done = [(f.location, f.rows) for f in quiet.read() if isinstance(f, CountsCompleted)]
    assert done == [("WH", 2), ("WEST", 0)]


def test_what_was_committed_late_is_seen_in_the_overlap(quiet: Feed) -> None:
    """`write_date` is when the transaction began: before the last reading."""
    desk = quiet.desk
    [mugs] = [q for q in desk.odoo.store.table("stock.quant").values() if q["product_id"] == MUG]
    began = (desk.odoo.now() - timedelta(minutes=4)).strftime("%Y-%m-%d %H:%M:%S")
    desk.odoo.store.put("stock.quant", mugs["id"], {**mugs, "quantity": 7.0, "write_date": began})
    assert quiet.figures()["WH", "W1-MUG-BLUE"] == (7, 0)


def test_a_snapshot_under_way_goes_on_where_it_was(quiet: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "PAGE", 2)
    quiet.pass_by(HOUR)
    cursor, runs, more = quiet.cursor, set(), True
    while more:
        page = connector.polls["stock"](quiet.session(), cursor)
        runs |= {f.run for h in page.heard for f in _facts(h) if isinstance(f, CountsStated | CountsCompleted)}
        cursor, more = page.cursor, page.more
        quiet.pass_by(HOUR / 2)
    assert len(runs) == 2  # one per warehouse


# ---- figures ------------------------------------------------------------------------------------------------------------------
def test_lots_places_and_packages_are_one_figure(feed: Feed) -> None:
    create = feed.desk.odoo.records.create
    for place, quantity, reserved, lot in (
        (1, 5.0, 1.0, "L1"),
        (1, 4.0, 0.0, "L2"),
        (3, 2.0, 2.0, False),
        (8, 3.0, 0.0, False),
    ):
        values = {
            "product_id": MUG,
            "location_id": place,
            "quantity": quantity,
            "reserved_quantity": reserved,
            "lot_id": lot,
        }
        create("stock.quant", values)
    rows = [f.rows for f in feed.read() if isinstance(f, CountsStated)]
    assert rows == [(Counted(ref=str(MUG), sku="W1-MUG-BLUE", on_hand=14, allocated=3, quality_hold=3),)]


def test_what_is_picked_and_packed_has_not_left() -> None:
    with Odoo(stock=0, steps="pick_pack_ship") as odoo:
        desk = Desk(odoo)
        desk.send(customer())
        odoo.set_stock("W1-MUG-BLUE", "WH", 10)
        desk.confirmed(order(1, line(11, MUG, 3, "30.99")))
        feed, seen = Feed(desk), []
        for picking in (1, 2, 3):
            seen.append(feed.figures()["WH", "W1-MUG-BLUE"])
            desk.by_hand(1, "deliver", picking=picking)
        assert [*seen, feed.figures()["WH", "W1-MUG-BLUE"]] == [(10, 3), (10, 3), (10, 3), (7, 0)]


def test_goods_of_somebody_else_are_not_ours(feed: Feed) -> None:
    records = feed.desk.odoo.records
    ours = records.create("res.partner", {"name": "My Company", "ref_company_ids": [1]})
    theirs = records.create("res.partner", {"name": "Consigner"})
    for owner, quantity in ((theirs, 50.0), (False, 2.0), (ours, 1.0)):
        records.create("stock.quant", {"product_id": PLATE, "location_id": 1, "quantity": quantity, "owner_id": owner})
    assert feed.figures() == {("WH", "W1-PLATE-S"): (3, 0)}


@pytest.mark.parametrize(
    ("quantity", "reserved", "whole"),
    [
        ("2.75", "0.25", (2, 1)),
        ("0.3", "0.0", (0, 0)),
        ("-0.5", "0", (-1, 0)),
        ("2.9999999999999996", "3.0000000000000004", (3, 3)),
    ],
)
def test_of_a_fraction_nothing_can_be_sold(quantity: str, reserved: str, whole: tuple[int, int]) -> None:
    body = b'{"location":"WH","rows":[[7,"W1-TEA-GREEN","%s","%s"]]}' % (quantity.encode(), reserved.encode())
    [fact] = connector.reads["stock.page"](Envelope("stock.page", body, datetime.now(UTC), None))
    assert isinstance(fact, CountsStated)
    assert [(row.on_hand, row.allocated) for row in fact.rows] == [whole]


def test_a_product_without_a_code_is_named_by_its_id(feed: Feed) -> None:
    feed.desk.odoo.set_stock("W1-TEA-GREEN", "WH", 2)
    feed.desk.odoo.records.write("product.product", TEA, {"default_code": False})
    [stated] = [f for f in feed.read() if isinstance(f, CountsStated)]
    assert [(row.ref, row.sku) for row in stated.rows] == [(str(TEA), "")]


def test_the_moment_of_a_figure_is_when_it_was_asked(feed: Feed) -> None:
    feed.desk.odoo.set_stock("W1-TEA-GREEN", "WH", 2)
    before = feed.desk.odoo.now()
    facts = feed.read()
    assert all(before < fact.occurred_at < feed.desk.odoo.now() for fact in facts)
    assert facts[-1].occurred_at > facts[0].occurred_at
    assert [h.asked_at for h in feed.heard] == [fact.occurred_at for fact in facts]
