"""Stock from the same facts is the same stock: in any order, any number of times, in any batches; and both the level and what may be sold
are what plain Python makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from canonical import reckoning
from canonical.facts import (
    CountsCompleted,
    CountsStated,
    Fact,
    Posted,
    RequestAnswered,
    RequestRaised,
    ShipmentStated,
    StockMoved,
)
from canonical.models import AvailabilityRule, KitComponent, Offer, Sku, Sourcing, StockSource, System
from canonical.recording import levels, stock
from canonical.types import Counted, Units
from canonical.types import Parcel as Box
from tests.canonical.stock_oracle import Level, fold, sellable
from tests.canonical.stocked import listed
from tests.canonical.test_properties import CODES, at, disorder, forgotten, snapshot, steady, tell
from tests.facts import NOON, sku
from tests.journeys.stage import unexplained
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one exception: whether a figure is believed depends on the one we held when we heard it."""
    monkeypatch.setattr(stock, "doubt", lambda *_: "")


Told = tuple[str, Fact]  # who says it (shop, other, erp, W1, W2), and what
#: Known order → the warehouse asked to ship it. PEN is a kit of one jar and two mugs.
ASKED = {"1": "W1", "2": "W1", "4": "W2"}
#: W1 counts for itself; W2 is counted by the ERP, moved by its warehouse. The ERP's words about W1 are information.
SOURCES = (("W1", "W1", "levels"), ("erp", "W2", "levels"), ("W2", "W2", "movements"), ("erp", "W1", "information"))
FIGURES = ("on_hand", "allocated", "damaged", "quality_hold")


@dataclass
class Base:
    """The world before anything is told of its stock."""

    world: World
    other: System
    lines: dict[str, list[int]]  # known order → our lines
    requests: dict[str, int]

    def source(self, who: str) -> int:
        systems = {"shop": self.world.shop, "other": self.other, "erp": self.world.erp, **self.world.partners}
        return int(systems[who].pk)


def base(figure: str) -> Base:
    world = make_world()
    other = System.objects.create(slug="other", name="other", connector="woocommerce", roles=["channel"])
    for channel in (world.shop, other):
        tell(channel.pk, [sku(code) for code in CODES])
        for rank, place in enumerate(("W1", "W2")):
            Sourcing.objects.create(channel=channel, location=world.places[place], rank=rank)
    kit = {x.code: x for x in Sku.objects.all()}
    KitComponent.objects.create(kit=kit["PEN"], component=kit["JAR"], units=1)
    KitComponent.objects.create(kit=kit["PEN"], component=kit["MUG"], units=2)
    made = Base(world, other, {}, {})
    for who, place, authority in SOURCES:
        StockSource.objects.create(
            system_id=made.source(who), location=world.places[place], external_id=place, authority=authority,
            figure=figure if who == "W1" else "gross", jump_units=10_000, shrink_percent=100,
        )  # fmt: skip
    for channel in (world.shop, other):
        tell(channel.pk, [listed(code, 0, NOON) for code in CODES])
    tell(world.shop.pk, [snapshot(ref, 0, 0, "processing", (1, 2, 3)) for ref in ASKED])
    for ref, place in ASKED.items():
        mine = rows("SELECT l.id, l.order_id FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id"
                    " WHERE o.external_id = %s ORDER BY l.id", ref)  # fmt: skip
        made.lines[ref] = [id for id, _ in mine]
        tell(0, [RequestRaised(
            occurred_at=NOON, order_id=mine[0][1], reference=f"R{ref}", location_id=world.places[place].pk,
            system_id=world.partners[place].pk, lines=tuple((id, 3) for id, _ in mine),
        )])  # fmt: skip
    made.requests = dict(rows("SELECT substr(reference, 2), id FROM canonical_fulfilmentrequest"))
    return made


# ---- facts ------------------------------------------------------------------------------------------------------------------
@st.composite
def counts(draw: st.DrawFn, who: str, place: str) -> list[Told]:
    """Counts of some things, some of them of one instant; and perhaps a whole snapshot."""
    told: list[Told] = []
    for moment in draw(st.lists(st.integers(0, 9), max_size=3)):
        told.append((who, CountsStated(occurred_at=at(moment), location=place, rows=draw(figures()))))
    for run in draw(st.lists(st.integers(0, 9), max_size=2, unique=True)):
        said = draw(figures())
        about: dict[str, Any] = {"occurred_at": at(run), "location": place, "run": f"run-{run}"}
        told += [(who, CountsStated(rows=said, part=1, **about)),
                 (who, CountsCompleted(parts=1, rows=len(said), full=draw(st.booleans()), **about))]  # fmt: skip
    return told


@st.composite
def figures(draw: st.DrawFn) -> tuple[Counted, ...]:
    codes = draw(st.lists(st.sampled_from(("MUG", "JAR")), min_size=1, unique=True))
    return tuple(
        Counted(sku=code, on_hand=draw(st.integers(0, 20)), allocated=draw(st.integers(0, 6)),
                damaged=draw(st.integers(0, 2)), quality_hold=draw(st.integers(0, 1)))
        for code in codes
    )  # fmt: skip


@st.composite
def moves(draw: st.DrawFn, who: str, place: str) -> list[Told]:
    """Units that came or went."""
    told: list[Told] = []
    for n, moment in enumerate(draw(st.lists(st.integers(0, 9), max_size=3))):
        told.append((who, StockMoved(
            occurred_at=at(moment), ref=f"M{n}", location=place, sku=draw(st.sampled_from(("MUG", "JAR"))), kind="adjustment",
            units=draw(st.integers(-5, 5)), bucket=draw(st.sampled_from(("on_hand", "damaged"))),
        )))  # fmt: skip
    return told


@st.composite
def executions(draw: st.DrawFn, start: Base, ref: str) -> list[Told]:
    """The request arrives, is answered, and shipped; the ERP books the goods out."""
    who, request = ASKED[ref], start.requests[ref]
    told: list[Told] = []
    ((order,),) = rows("SELECT order_id FROM canonical_fulfilmentrequest WHERE id = %s", request)
    posted: dict[str, Any] = {"order_id": order, "subject_id": request}
    for moment in draw(st.lists(st.integers(0, 9), max_size=1)):
        told.append((who, Posted(occurred_at=at(moment), kind="fulfilment_request", subject_kind="fulfilment_request",
                                 state="sent", **posted)))  # fmt: skip
    for moment in draw(st.lists(st.integers(0, 9), unique=True, max_size=2)):
        word = draw(st.sampled_from(["accepted", "accepted", "rejected"]))
        told.append((who, RequestAnswered(occurred_at=at(moment), request=f"R{ref}", answer=word)))
    for n, moment in enumerate(draw(st.lists(st.integers(0, 9), max_size=2))):
        mine = draw(st.lists(st.sampled_from(start.lines[ref]), min_size=1, unique=True))
        box = Box(tracking=f"T{n}", lines=tuple(Units(line=str(id), units=draw(st.integers(1, 2))) for id in mine))
        told.append((who, ShipmentStated(
            ref=f"S{ref}-{n}", occurred_at=at(moment), request=f"R{ref}", carrier="dhl", parcels=(box,))))  # fmt: skip
    return told


@st.composite
def bought(draw: st.DrawFn, who: str, ref: str) -> list[Told]:
    """An order, edited, cancelled, paid later."""
    told: list[Told] = []
    for version in draw(st.lists(st.integers(1, 6), unique=True, max_size=3)):
        status = draw(
            st.sampled_from(["pending", "processing", "completed", "on_hold", "cancelled", "trashed", "refunded"])
        )
        told.append((who, snapshot(ref, version, 0, status, draw(st.tuples(*[st.integers(0, 3)] * 3)))))
    return told


@st.composite
def stories(draw: st.DrawFn, start: Base) -> list[Told]:
    told: list[Told] = []
    for who, place, authority in SOURCES:
        told += draw(moves(who, place) if authority == "movements" else counts(who, place))
    told += draw(moves("W1", "W1"))  # information only: W1's counts are its word
    for ref in ASKED:
        told += draw(executions(start, ref))
        told += draw(bought("shop", ref))
    return told + draw(bought("shop", "3")) + draw(bought("other", "7"))


def issues(start: Base, seconds: int) -> list[Told]:
    """What the ERP booked out by now of what W2 shipped: our own command, so it comes after the shipment."""
    shipped = rows(
        "SELECT s.id, s.order_id FROM canonical_shipment s WHERE s.request_id = %s ORDER BY s.id", start.requests["4"]
    )
    return [("erp", Posted(occurred_at=at(seconds), kind="goods_issue", subject_kind="shipment", subject_id=id, order_id=order,
                           state="done")) for id, order in shipped]  # fmt: skip


def play(start: Base, batches: Sequence[Sequence[Told]], issued: int | None) -> None:
    """Tell these; each source's facts of a batch together. Everything is explained afterwards."""
    for batch in [*batches, None]:
        batch = batch if batch is not None else issues(start, issued) if issued is not None else []
        for who in sorted({who for who, _ in batch}):
            recorded = tell(start.source(who), [fact for w, fact in batch if w == who])
            assert (recorded.missing, recorded.conflicts) == ({}, {})
    assert levels.differing() == []
    assert unexplained() == []


def found() -> dict[tuple[str, str], Level]:
    """Every level that is anything, by SKU and location."""
    query = """SELECT s.code, l.code, v.on_hand, v.allocated, v.damaged, v.quality_hold, v.counted, v.counted_at FROM canonical_stocklevel v
      JOIN canonical_sku s ON s.id = v.sku_id JOIN canonical_location l ON l.id = v.location_id"""
    return {(code, place): Level(*rest) for code, place, *rest in rows(query)}


# ---- what is promised -------------------------------------------------------------------------------------------------------
@steady
@given(data=st.data())
def test_levels_are_the_fold_in_any_order(data: st.DataObject) -> None:
    with forgotten():
        figure = data.draw(st.sampled_from(["gross", "net_allocated", "net_orders"]))
        start = base(figure)
        told = data.draw(stories(start))
        issued = data.draw(st.sampled_from([None, 3, 8]))
        results = []
        for batches in ([[t] for t in told], disorder(data.draw, told)):
            with transaction.atomic():
                play(start, batches, issued)
                results.append(found())
                assert results[-1] == fold(told, figure, issued)
                transaction.set_rollback(True)
        assert results[0] == results[1]


@st.composite
def rules(draw: st.DrawFn, start: Base) -> list[dict[str, Any]]:
    """Rules that say something about some things somewhere."""

    def maybe(some: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | some)

    skus, places = list(Sku.objects.order_by("code")), list(start.world.places.values())
    told = []
    for _ in range(draw(st.integers(0, 4))):
        channel = maybe(st.sampled_from([start.world.shop, start.other]))
        told.append({
            "sku": maybe(st.sampled_from(skus)), "location": maybe(st.sampled_from(places)), "channel": channel,
            "safety_units": maybe(st.integers(0, 3)), "safety_percent": maybe(st.integers(0, 60)), "threshold": maybe(st.integers(0, 3)),
            "cap": maybe(st.integers(0, 9)), "pool": maybe(st.integers(0, 6)) if channel else None,
            "backorders": draw(st.sampled_from(["", "", "no", "notify", "yes"])), "backorder_limit": maybe(st.integers(0, 4)),
            "priority": draw(st.integers(0, 1)), "valid_from": NOON - timedelta(hours=1),
        })  # fmt: skip
    return told


@steady
@given(data=st.data())
def test_sellable_is_what_plain_python_makes_of_it(data: st.DataObject) -> None:
    with forgotten():
        start = base(data.draw(st.sampled_from(["gross", "net_allocated", "net_orders"])))
        told = data.draw(stories(start))
        for rule in data.draw(rules(start)):
            AvailabilityRule.objects.create(**rule)
        play(start, [[t] for t in told], data.draw(st.sampled_from([None, 3, 8])))
        touch_everything()
        reckoning.reckon(soon())
        assert unexplained() == []
        reckoned = {(o.channel_id, o.sku.code): o.sellable for o in Offer.objects.select_related("sku")}
        assert reckoned == sellable()


def touch_everything() -> None:
    """Facts recorded past the corridor touch nothing by themselves."""
    rows("INSERT INTO canonical_stocktouch (terms) VALUES (true)")


def soon() -> datetime:
    return NOON + timedelta(hours=1)
