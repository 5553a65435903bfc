"""A simulated warehouse that counts its shelves: what requests do to them, and what it reports, in good ways and in bad ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.partner.simulator import Warehouse
from connectors.simulation import Fault, wait_until

from .api import DATA, Api

CANCEL = {"reference": "F-1", "change": 1, "lines": [], "ship_to": {}, "carrier": "", "service": ""}


@contextmanager
def counting(api: Api, behaviour: str = "normal", store: Path | None = None, **stock: int) -> Iterator[Warehouse]:
    with Warehouse(api=api.url, key="k", behaviour=lambda data: behaviour, stock=stock, store=store) as warehouse:
        yield warehouse


def works(warehouse: Warehouse) -> dict[str, dict[str, int]]:
    """The shelves, once nothing is left to do."""
    wait_until(lambda: not warehouse.state()["open"])
    return dict(warehouse.state()["stock"])


def levels(on_hand: int, allocated: int = 0) -> dict[str, dict[str, int]]:
    return {"A": {"on_hand": on_hand, "allocated": allocated}}


# ---- requests ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("behaviour", "waiting", "ended"),
    [
        ("normal", levels(6), levels(6)),
        ("accepts", levels(10, 4), levels(6)),
        ("ships_half", levels(8, 2), levels(6)),
        ("ship_first", levels(6), levels(6)),
        ("sku_only", levels(6), levels(6)),
        ("reject", levels(10), levels(10)),
        ("silent", levels(10), levels(10)),
    ],
)
def test_units_are_promised_when_accepted_and_gone_when_shipped(
    api: Api, behaviour: str, waiting: dict[str, Any], ended: dict[str, Any]
) -> None:
    with counting(api, behaviour, A=10) as warehouse:
        warehouse._take("e1", DATA)
        assert works(warehouse) == waiting
        warehouse.go_on()
        assert works(warehouse) == ended


def test_a_cancellation_gives_back_what_was_promised(api: Api) -> None:
    with counting(api, "accepts", A=10) as warehouse:
        warehouse._take("e1", DATA)
        assert works(warehouse) == levels(10, 4)
        warehouse._change("cancel", "c1", CANCEL)
        assert works(warehouse) == levels(10)


def test_an_amendment_promises_what_is_wanted_now(api: Api) -> None:
    with counting(api, "accepts", A=10) as warehouse:
        warehouse._take("e1", DATA)
        works(warehouse)
        warehouse._change("amend", "c1", {**CANCEL, "lines": [{"line": "11", "sku": "A", "units": 2}]})
        assert works(warehouse) == levels(10, 2)


@pytest.mark.parametrize(
    ("there", "short", "left"),
    [(4, [], 4), (3, [{"line": "12", "units": 1}], 3), (0, [{"line": "11", "units": 3}, {"line": "12", "units": 1}], 0)],
)  # fmt: skip
def test_what_is_not_on_the_shelves_is_short(api: Api, there: int, short: list[dict[str, Any]], left: int) -> None:
    with counting(api, A=there) as warehouse:
        warehouse._take("e1", DATA)
        assert works(warehouse) == levels(there - left)
        assert warehouse.state()["requests"]["F-1"]["shipped_units"] == left
    assert [body["lines"] for verb, body in api.taken.values() if verb == "short"] == ([short] if short else [])


def test_two_requests_are_not_promised_the_same_units(api: Api) -> None:
    with counting(api, A=5) as warehouse:
        for reference in ("F-1", "F-2"):
            warehouse._take(reference, {**DATA, "reference": reference})
        assert works(warehouse) == levels(0)
        assert sum(r["shipped_units"] for r in warehouse.state()["requests"].values()) == 5


def test_shelves_survive_a_restart(api: Api, tmp_path: Path) -> None:
    with counting(api, "accepts", store=tmp_path, A=10) as warehouse:
        warehouse._take("e1", DATA)
        works(warehouse)
    with counting(api, "accepts", store=tmp_path, A=10) as warehouse:
        assert warehouse.state()["stock"] == levels(10, 4)
        warehouse.go_on()
        assert works(warehouse) == levels(6)


# ---- reports ----------------------------------------------------------------------------------------------------------------
PARTS = [
    ("counts.part", {"run": "R", "part": str(n), "items": [{"sku": sku, "on_hand": units, "allocated": 0}]})
    for n, (sku, units) in enumerate((("A", 1), ("B", 2), ("C", 3)), 1)
]
WHOLE = ("counts.done", {"run": "R", "parts": 3, "items": 3})


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ({}, [*PARTS, WHOLE]),
        ({"truncate": True}, PARTS[:2]),
        ({"skip": 2}, [PARTS[0], PARTS[2], WHOLE]),
        ({"duplicate": True}, [*PARTS, WHOLE] * 2),
    ],
)
def test_a_snapshot_is_sent_in_parts(api: Api, way: dict[str, Any], said: list[Any]) -> None:
    with counting(api, A=1, B=2, C=3) as warehouse:
        assert warehouse.send_snapshot(run="R", size=1, **way) == "R"
    assert api.counts == said


def test_a_late_snapshot_says_what_was_there_when_it_was_counted(api: Api) -> None:
    with counting(api, A=10) as warehouse:
        counted = warehouse.count()
        warehouse._take("e1", DATA)
        works(warehouse)
        warehouse.send_snapshot(counted)
    assert api.counts[0] == (
        "counts.part",
        {"run": "count-1", "part": "1", "items": [{"sku": "A", "on_hand": 10, "allocated": 0}]},
    )


def test_adjustments_and_receipts_are_reported_with_what_they_change(api: Api) -> None:
    with counting(api, A=10) as warehouse:
        assert (warehouse.adjust("A", -12, "broken"), warehouse.receive("B", 5, "PO-1")) == ("A1", "A2")
        assert warehouse.state()["stock"] == {**levels(-2), "B": {"on_hand": 5, "allocated": 0}}
    assert api.counts == [
        ("stock.moved", {"adjustment": "A1", "sku": "A", "units": -12, "reason": "broken"}),
        (
            "stock.moved",
            {
                "adjustment": "A2",
                "sku": "B",
                "units": 5,
                "reason": "Received.",
                "kind": "receipt",
                "document": "PO-1",
            },
        ),
    ]


def test_a_report_is_repeated_until_it_is_taken(api: Api) -> None:
    api.faults.add(Fault(do="answer", status=503, count=1), Fault(do="drop", count=1))
    with counting(api, A=1) as warehouse:
        warehouse.send_snapshot(run="R")
        assert warehouse.state()["reported"] == [
            ["snapshots/R/parts/1", 503],
            ["snapshots/R/parts/1", None],
            ["snapshots/R/parts/1", 202],
            ["snapshots/R/complete", 202],
        ]
