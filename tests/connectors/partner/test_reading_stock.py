"""A warehouse's words about its stock become facts, or a sentence that says what is wrong with them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from canonical.facts import CountsCompleted, CountsStated, Fact, StockMoved
from canonical.types import Counted
from connectors.base import Envelope, Malformed
from connectors.partner import connector

RECEIVED = datetime(2026, 5, 1, 12, tzinfo=UTC)
AT = datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
COUNT = {"location": "W1", "observed_at": "2026-05-01T12:30:00+02:00"}
MOVED = {
    "adjustment": "A-7", "location": "W1", "sku": "A", "units": -2, "reason": "dropped",
    "occurred_at": "2026-05-01T10:30:00Z",
}  # fmt: skip
ITEMS = [
    {"sku": "A", "on_hand": -3},
    {"sku": "B", "on_hand": 9, "allocated": 1, "damaged": 2, "quality_hold": 3, "incoming": 4, "in_transit": 5},
]
ROWS = (
    Counted(sku="A", on_hand=-3),
    Counted(sku="B", on_hand=9, allocated=1, damaged=2, quality_hold=3, incoming=4, in_transit=5),
)


def read(topic: str, message: Any) -> list[Fact]:
    return list(connector.reads[topic](Envelope(topic, msgspec.json.encode(message), RECEIVED, None)))


def test_a_part_of_a_snapshot() -> None:
    assert read("counts.part", {**COUNT, "run": "R", "part": 2, "items": ITEMS}) == [
        CountsStated(occurred_at=AT, location="W1", run="R", part=2, rows=ROWS)
    ]


def test_single_figures() -> None:
    assert read("counts.levels", {**COUNT, "items": ITEMS}) == [CountsStated(occurred_at=AT, location="W1", rows=ROWS)]


def test_a_snapshot_is_whole() -> None:
    said = {**COUNT, "run": "R", "parts": 3, "items": 2_500}
    whole = CountsCompleted(occurred_at=AT, location="W1", run="R", parts=3, rows=2_500, full=True)
    assert read("counts.done", said) == [whole]
    assert read("counts.done", {**said, "full": False}) == [msgspec.structs.replace(whole, full=False)]


def test_units_left() -> None:
    assert read("stock.moved", MOVED) == [
        StockMoved(occurred_at=AT, ref="A-7", location="W1", units=-2, kind="adjustment", sku="A", reason="dropped")
    ]


def test_units_came_with_a_document() -> None:
    said = {**MOVED, "units": 5, "bucket": "quality_hold", "kind": "receipt", "document": "PO-1"}
    assert read("stock.moved", said) == [
        StockMoved(
            occurred_at=AT, ref="A-7", location="W1", units=5, kind="receipt", sku="A", bucket="quality_hold",
            reason="dropped", document="PO-1",
        )
    ]  # fmt: skip


def items(**changed: Any) -> dict[str, Any]:
    return {"run": "R", "part": 1, "items": [{"sku": "A", "on_hand": 1, **changed}]}


@pytest.mark.parametrize(
    ("topic", "change", "words"),
    [
        ("counts.part", {**items(), "run": ""}, "run: is missing"),
        ("counts.part", {**items(), "part": 0}, "part: must be at least 1"),
        ("counts.part", {**items(), "location": ""}, "location: must not be empty"),
        ("counts.part", {**items(), "full": True}, "full: is not a field of this message"),
        ("counts.part", {**items(), "items": []}, "items: must have at least one entry"),
        ("counts.part", {**items(), "items": ITEMS * 501}, "items: must not have more than 1000 entries"),
        ("counts.part", {**items(), "items": [*ITEMS, ITEMS[0]]}, "items[2].sku: is there twice; add up what lies in several places"),
        ("counts.part", items(on_hand=1.5), "items[0].on_hand: must be a whole number, not a fraction"),
        ("counts.part", items(on_hand="1"), "items[0].on_hand: must be a whole number, not text"),
        ("counts.part", items(on_hand=-(10**9)), "items[0].on_hand: must be at least -999999999"),
        ("counts.part", items(on_hand=10**9), "items[0].on_hand: must be at most 999999999"),
        ("counts.part", items(allocated=-1), "items[0].allocated: must be at least 0"),
        ("counts.part", items(reserved=1), "items[0].reserved: is not a field of this message"),
        ("counts.levels", {"items": ITEMS, "run": "R"}, "run: is not a field of this message"),
        ("counts.levels", {"items": ITEMS, "observed_at": None}, "observed_at: must be a time, not nothing"),
        ("counts.levels", {"items": ITEMS, "observed_at": "2026-05-03T00:00:00Z"},
         "observed_at: lies in the future or before the year 2000"),
        ("counts.done", {"run": "R", "parts": 0, "items": 1}, "parts: must be at least 1"),
        ("counts.done", {"run": "R", "parts": 1, "items": 0}, "items: must be at least 1"),
        ("counts.done", {"parts": 1, "items": 1}, "run: is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_count_is_said_in_plain_words(topic: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(topic, {**COUNT, **change})
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"units": 0}, "units: must not be 0"),
        ({"units": 0.5}, "units: must be a whole number, not a fraction"),
        ({"reason": ""}, "reason: must not be empty"),
        ({"kind": "shipment"}, "kind: must be one of adjustment, receipt, return, transfer"),
        ({"bucket": "shelf"}, "bucket: must be one of on_hand, damaged, quality_hold"),
        (
            {"occurred_at": "2026-05-01T10:30:00"},
            "occurred_at: must be a time with its zone, like 2026-01-31T12:00:00Z",
        ),
    ],
)
def test_what_is_wrong_with_a_movement_is_said_in_plain_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read("stock.moved", {**MOVED, **change})
    assert str(caught.value) == words
