"""What a warehouse says of its stock is stored for good, about its own locations only. Nothing else happens at the door."""

from typing import Any

import msgspec
import pytest
from django.test import Client

from canonical.facts import CountsCompleted, CountsStated, StockMoved
from canonical.models import Location
from connectors.base import Envelope
from connectors.partner import connector
from connectors.partner.simulator import Warehouse
from retailsync.sync.models import Message

from .conftest import Partner, make_partner

COUNT = {"location": "W1", "observed_at": "2026-05-01T12:00:00Z"}
ITEMS = [{"sku": "A", "on_hand": -3}, {"sku": "B", "on_hand": 9, "damaged": 1}]
MOVED = {
    "adjustment": "A-7", "location": "W1", "sku": "A", "units": -2, "reason": "dropped",
    "occurred_at": "2026-05-01T12:00:00Z",
}  # fmt: skip
SAID: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # address → topic, body, what is stored besides
    "snapshots/R%201/parts/2": ("counts.part", {**COUNT, "items": ITEMS}, {"run": "R 1", "part": 2}),
    "snapshots/R%201/complete": ("counts.done", {**COUNT, "parts": 2, "items": 4}, {"run": "R 1"}),
    "levels": ("counts.levels", {**COUNT, "items": ITEMS}, {}),
    "adjustments": ("stock.moved", MOVED, {}),
}
FACTS = {
    "counts.part": CountsStated,
    "counts.levels": CountsStated,
    "counts.done": CountsCompleted,
    "stock.moved": StockMoved,
}


def post(partner: Partner, path: str, body: Any, key: str = "") -> Any:
    extra = {"Idempotency-Key": key} if key else {}
    return Client().post(
        f"/api/v1/inventory/{path}", body, content_type="application/json", headers=partner.headers() | extra
    )


@pytest.mark.parametrize("path", SAID)
def test_everything_said_is_stored_as_a_message_that_can_be_read(partner: Partner, path: str) -> None:
    topic, body, address = SAID[path]
    answer = post(partner, path, body)
    assert (answer.status_code, answer.json()) == (202, {"received": True, "duplicate": False})
    row = Message.objects.get()
    assert (row.system_id, row.door, row.topic) == (partner.system.id, "partner", topic)
    assert msgspec.json.decode(bytes(row.body)) == {**body, **address}
    (fact,) = connector.reads[topic](Envelope(topic, bytes(row.body), row.received_at, None))
    assert type(fact) is FACTS[topic]


@pytest.mark.parametrize("path", SAID)
@pytest.mark.parametrize("key", ["", "k1"])
def test_the_same_delivery_twice_is_one_message(partner: Partner, path: str, key: str) -> None:
    first, again = (post(partner, path, SAID[path][1], key) for _ in range(2))
    assert (first.status_code, again.status_code, Message.objects.count()) == (202, 202, 1)
    if key:
        assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    else:
        assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)


def test_other_runs_parts_figures_or_keys_are_other_messages(partner: Partner) -> None:
    body: dict[str, Any] = {**COUNT, "items": ITEMS}
    said = [
        post(partner, "snapshots/R/parts/1", body),
        post(partner, "snapshots/R/parts/2", body),
        post(partner, "snapshots/S/parts/1", body),
        post(partner, "snapshots/R/parts/1", {**body, "items": ITEMS[:1]}),
        post(partner, "snapshots/R/parts/1", body, "k1"),
        post(partner, "levels", body),
    ]
    assert [a.json()["duplicate"] for a in said] == [False] * 6


@pytest.mark.parametrize("path", SAID)
def test_a_location_that_is_not_the_partners_own_is_not_there(partner: Partner, other: Partner, path: str) -> None:
    """Whether another partner has it makes no difference."""
    Location.objects.create(code="SHELF", name="Shelf", executor=other.system)
    answers = [post(partner, path, {**SAID[path][1], "location": code}) for code in ("W2", "SHELF", "W9")]
    assert {(a.status_code, a["Content-Type"]) for a in answers} == {(404, "application/problem+json")}
    assert [a.json()["detail"] for a in answers] == [f"You have no location {code}." for code in ("W2", "SHELF", "W9")]
    assert not Message.objects.exists()


def test_each_of_several_own_locations_is_there(partner: Partner) -> None:
    Location.objects.create(code="SHELF", name="Shelf", executor=partner.system)
    answers = [post(partner, "adjustments", {**MOVED, "location": code}) for code in ("W1", "SHELF")]
    assert [a.status_code for a in answers] == [202, 202]


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("levels", {"observed_at": "2026-05-01T12:00:00Z", "items": ITEMS}, "location", "is missing"),
        ("levels", {**COUNT, "items": ITEMS, "run": "R"}, "run", "is not a field of this message"),
        ("levels", {**COUNT, "items": [{"sku": "A", "on_hand": 1.5}]}, "items[0].on_hand", "must be a whole number, not a fraction"),
        ("levels", {"location": "W1", "items": ITEMS}, "observed_at", "is missing"),
        ("levels", {**COUNT, "items": ITEMS, "observed_at": "2999-01-01T00:00:00Z"},
         "observed_at", "lies in the future or before the year 2000"),
        ("levels", {**COUNT, "items": ITEMS * 2}, "items[2].sku", "is there twice; add up what lies in several places"),
        ("snapshots/R/parts/0", {**COUNT, "items": ITEMS}, "part", "must be between 1 and 32767"),
        ("snapshots/R/parts/32768", {**COUNT, "items": ITEMS}, "part", "must be between 1 and 32767"),
        ("snapshots/R/parts/1", {**COUNT, "items": ITEMS, "part": 2}, "part", "names another part than the address"),
        ("snapshots/R/complete", {**COUNT, "parts": 1, "items": 1, "run": "S"}, "run", "names another run than the address"),
        (f"snapshots/{'x' * 101}/complete", {**COUNT, "parts": 1, "items": 1}, "run", "must have at most 100 characters and no NUL"),
        ("snapshots/R%00/complete", {**COUNT, "parts": 1, "items": 1}, "run", "must have at most 100 characters and no NUL"),
        ("adjustments", {**MOVED, "units": 0}, "units", "must not be 0"),
        ("adjustments", {**MOVED, "kind": "shipment"}, "kind", "must be one of adjustment, receipt, return, transfer"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_a_problem_with_its_field(
    partner: Partner, path: str, body: Any, field: str, words: str
) -> None:
    answer = post(partner, path, body)
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, field, f"{field}: {words}")
    assert not Message.objects.exists()


def test_a_thousand_items_with_every_figure_fit_into_a_message(partner: Partner) -> None:
    names = ("on_hand", "allocated", "damaged", "quality_hold", "incoming", "in_transit")
    items = [{"sku": f"{n:0100}", **dict.fromkeys(names, 999_999_999)} for n in range(1_000)]
    assert post(partner, "snapshots/R/parts/1", {**COUNT, "items": items}).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_a_warehouse_reports_its_count_and_what_changed_since(live_server: Any) -> None:
    partner = make_partner("w1")
    with Warehouse(api=f"{live_server.url}/api/v1", key=partner.text, stock={"A": 5, "B": 7}) as warehouse:
        warehouse.send_snapshot(run="R", size=1, duplicate=True)
        warehouse.adjust("A", -2, "broken")
        warehouse.receive("B", 10, "PO-1")
    rows = [Envelope(m.topic, bytes(m.body), m.received_at, None) for m in Message.objects.order_by("id")]
    said: list[Any] = [fact for row in rows for fact in connector.reads[row.topic](row)]
    kinds = [(type(f).__name__, getattr(f, "part", ""), getattr(f, "units", "")) for f in said]
    assert kinds == [
        ("CountsStated", 1, ""),
        ("CountsStated", 2, ""),
        ("CountsCompleted", "", ""),
        ("StockMoved", "", -2),
        ("StockMoved", "", 10),
    ]
