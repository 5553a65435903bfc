"""Goods that arrive: what a warehouse sees of them, says of them, and is told when it says something odd."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import Client

from canonical.facts import InboundAnnounced, ReturnAnnounced
from canonical.ledger import Cause
from canonical.models import InboundShipment, Order, Return, Sku, StockLevel, StockSource
from canonical.record import Stated, record
from retailsync.partners import feed
from retailsync.sync import clock, corridor, inbox
from retailsync.sync.models import Message

from .conftest import Partner, make_partner

ROOT = "/api/v1"
pytestmark = pytest.mark.django_db
INBOUND, RETURN = "inbound-shipments/PO%201", "returns/RMA-1"


def see(partner: Partner, path: str, **query: str) -> Any:
    return Client().get(f"{ROOT}/{path}", query, headers=partner.headers())


def say(partner: Partner, path: str, body: Any, key: str = "") -> Any:
    extra = {"Idempotency-Key": key} if key else {}
    return Client().post(
        f"{ROOT}/{path}", body, content_type="application/json", headers=partner.headers() | extra
    )  # fmt: skip


def heard(partner: Partner) -> None:
    inbox.drain(partner.system.pk)


def expect(partner: Partner, **more: Any) -> None:
    """PO 1 brings five apples, RMA-1 two of them back."""
    apple, _ = Sku.objects.get_or_create(code="A", defaults={"name": "Apple"})
    Sku.objects.get_or_create(code="B")
    StockSource.objects.get_or_create(
        system=partner.system, location=partner.location, external_id=partner.location.code, authority="movements"
    )
    given = {"occurred_at": clock.now() - timedelta(hours=1), "location_id": partner.location.pk, **more}
    inbound = InboundAnnounced(reference="PO 1", supplier="Orchard", lines=((apple.pk, 5),), **given)
    back = ReturnAnnounced(reference="RMA-1", order_reference="WEB-1", tracking="T-1", lines=((apple.pk, 2),), **given)
    record(0, [Stated(Cause("action", 1), fact) for fact in (inbound, back)], clock.now())


def receipt(name: str, *lines: tuple[str, int], **more: Any) -> dict[str, Any]:
    return {"receipt": name, "lines": [{"sku": sku, "units": units} for sku, units in lines], **more}


def inspection(name: str, *lines: tuple[str, int, str, str]) -> dict[str, Any]:
    return {
        "inspection": name,
        "lines": [{"sku": s, "units": n, "condition": how, "disposition": then} for s, n, how, then in lines],
    }


# ---- inbound ----------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_what_arrives_is_shown_and_lies_there(partner: Partner) -> None:
    expect(partner)
    body = receipt("W-1", occurred_at="2026-05-01T12:00:00Z") | {"lines": [{"sku": "A", "units": 3, "damaged": 1}]}
    answer = say(partner, f"{INBOUND}/receipts", body)
    assert (answer.status_code, answer.json()) == (
        202, {"received": True, "duplicate": False, "reference": "PO 1", "state": "part_received", "warnings": []},
    )  # fmt: skip
    heard(partner)
    seen = {
        "reference": "PO 1", "location": "W1", "supplier": "Orchard", "expected_at": None, "state": "part_received",
        "lines": [{"sku": "A", "name": "Apple", "gtin": "", "expected": 5, "received": 3, "damaged": 1}],
        "receipts": [{"receipt": "W-1", "occurred_at": "2026-05-01T12:00:00Z"}],
    }  # fmt: skip
    assert see(partner, INBOUND).json() == seen
    assert see(partner, "inbound-shipments").json() == {"items": [seen], "next": None}
    assert see(partner, "inbound-shipments", state="received").json()["items"] == []
    level = StockLevel.objects.get()
    assert (level.on_hand, level.damaged) == (3, 1)


def test_more_than_expected_is_taken_with_a_warning(partner: Partner) -> None:
    expect(partner, cancelled=True)
    answer = say(partner, f"{INBOUND}/receipts", receipt("W-1", ("A", 6), ("B", 1), ("X", 1))).json()
    assert (answer["state"], [warning.split(". ")[0] for warning in answer["warnings"]]) == (
        "received",
        [
            "X is no SKU of ours: nothing of this counts until it is",
            "PO 1 was cancelled",
            "A: 6 received, 5 expected",
            "B: 1 received, 0 expected",
            "X: 1 received, 0 expected",
        ],
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        (f"{INBOUND}/receipts", receipt("N", ("A", 1)), receipt("N", ("A", 2))),
        (f"{RETURN}/receive", receipt("N", ("A", 1)), receipt("N", ("B", 1))),
        (
            f"{RETURN}/inspect",
            inspection("N", ("A", 1, "new", "restock")),
            inspection("N", ("A", 1, "new", "scrap")),
        ),
        (
            "returns",
            {"parcel": "N", "location": "W1", "lines": [{"sku": "A", "units": 1}]},
            {"parcel": "N", "location": "W1", "lines": [{"sku": "A", "units": 2}]},
        ),
    ],
)
def test_a_name_stands_for_one_thing_whether_or_not_it_is_recorded_yet(
    partner: Partner, recorded: bool, path: str, body: Any, other: Any
) -> None:
    expect(partner)
    first = say(partner, path, body)
    if recorded:
        heard(partner)
    again = say(partner, path, {**body, "occurred_at": clock.now().isoformat()})
    assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
    refused = say(partner, path, other)
    assert (refused.status_code, refused.json()["code"]) == (409, "said_otherwise")
    assert refused.json()["state"] == first.json()["state"]
    assert Message.objects.count() == 1


def test_many_at_once_with_one_name_are_one(transactional_db: None) -> None:
    """Real threads: without the lock two different receipts of one name were both stored."""
    partner = make_partner("w1")
    expect(partner)
    answers: list[tuple[int, bool | None]] = []

    def call(n: int) -> None:
        answer = say(partner, f"{INBOUND}/receipts", receipt("N", ("A", 1 + n % 2)))
        answers.append((answer.status_code, answer.json().get("duplicate")))
        connections.close_all()

    threads = [threading.Thread(target=call, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == [(202, False), *[(202, True)] * 3, *[(409, None)] * 4]
    assert Message.objects.count() == 1


# ---- returns ----------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_return_is_received_inspected_and_put_back(partner: Partner) -> None:
    expect(partner)
    line = str(Return.objects.get().lines.get().pk)
    body = {"receipt": "R-1", "lines": [{"line": line, "units": 2}]}
    assert say(partner, f"{RETURN}/receive", body).json()["state"] == "received"
    found = inspection("Q-1", ("A", 1, "new", "restock"), ("A", 1, "damaged", "scrap"))
    assert say(partner, f"{RETURN}/inspect", found).json() == {
        "received": True, "duplicate": False, "reference": "RMA-1", "state": "inspected", "warnings": [],
    }  # fmt: skip
    heard(partner)
    seen = see(partner, RETURN).json()
    assert {k: v for k, v in seen.items() if k != "reports"} == {
        "reference": "RMA-1", "location": "W1", "order_reference": "WEB-1", "tracking_number": "T-1", "announced": True,
        "expected_at": None, "state": "inspected",
        "lines": [{"line": line, "sku": "A", "name": "Apple", "expected": 2, "received": 2, "inspected": 2, "restocked": 1}],
    }  # fmt: skip
    assert [(r["name"], r["stage"], [(u["condition"], u["units"]) for u in r["lines"]]) for r in seen["reports"]] == [
        ("R-1", "received", [("", 2)]), ("Q-1", "inspected", [("damaged", 1), ("new", 1)]),
    ]  # fmt: skip
    assert StockLevel.objects.get().on_hand == 1
    assert [i["reference"] for i in see(partner, "returns", tracking="T-1").json()["items"]] == ["RMA-1"]
    assert see(partner, "returns", order="WEB-2").json()["items"] == []


@pytest.mark.django_db(transaction=True)
def test_a_parcel_nobody_announced_is_a_return_from_that_moment(partner: Partner, order: Order) -> None:
    expect(partner)
    body = {"parcel": "P-1", "location": "W1", "lines": [{"sku": "A", "units": 1}], "order_reference": "WEB-1"}
    answer = say(partner, "returns", body)
    assert (answer.status_code, answer.json()["reference"], answer.json()["state"]) == (202, "w1-P-1", "received")
    inspected = say(partner, "returns/w1-P-1/inspect", inspection("Q", ("A", 1, "opened", "refurbish")))
    assert (inspected.status_code, inspected.json()["state"]) == (202, "inspected")
    heard(partner)
    seen = see(partner, "returns/w1-P-1").json()
    assert (seen["announced"], seen["order_reference"], seen["state"]) == (False, "WEB-1", "inspected")
    assert Return.objects.get(reference="w1-P-1").order == order
    assert not StockLevel.objects.exists()


def test_what_is_odd_about_an_inspection_is_taken_with_a_warning(partner: Partner) -> None:
    expect(partner)
    answer = say(partner, f"{RETURN}/inspect", inspection("Q", ("A", 3, "new", "restock"))).json()
    assert answer["warnings"] == ["A: 3 inspected, 0 received. Somebody at the retailer will look at it."]


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "words"),
    [
        (f"{INBOUND}/receipts", {"receipt": "N", "lines": []}, 400, "lines", "must have at least one entry"),
        (f"{INBOUND}/receipts", {"lines": [{"sku": "A", "units": 1}]}, 400, "receipt", "is missing"),
        (f"{INBOUND}/receipts", {**receipt("N"), "lines": [{"sku": "A", "units": 1, "damaged": 2}]},
         400, "lines[0]", "damaged must not be more than units"),
        (f"{INBOUND}/receipts", {**receipt("N", ("A", 1)), "inbound": "PO 2"}, 400, "inbound", "names another inbound than the address"),
        (f"{RETURN}/inspect", inspection("Q", ("A", 1, "old", "restock")),
         400, "lines[0].condition", "must be one of new, opened, damaged, wrong_item"),
        (f"{RETURN}/inspect", inspection("Q", ("A", 1, "new", "burn")),
         400, "lines[0].disposition", "must be one of restock, refurbish, vendor, scrap, missing"),
        (f"{RETURN}/receive", {"receipt": "N", "lines": [{"units": 1}]}, 400, "lines[0]", "must name a line or a sku"),
        (f"{RETURN}/receive", {"receipt": "N", "lines": [{"units": 1, "line": "0"}]},
         422, "lines[0].line", "0 is not a line of RMA-1."),
        ("returns", {"parcel": "a/b", "location": "W1", "lines": [{"sku": "A", "units": 1}]},
         400, "parcel", "must not contain a slash: it becomes part of an address"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_a_problem(partner: Partner, path: str, body: Any, status: int, field: str, words: str) -> None:
    expect(partner)
    answer = say(partner, path, body)
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (status, field, f"{field}: {words}")
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_becomes_of_it_is_told_in_the_feed(partner: Partner, other: Partner) -> None:
    expect(partner)
    with transaction.atomic():
        apple = Sku.objects.get(code="A")
        more = InboundAnnounced(
            occurred_at=clock.now(), reference="PO 2", location_id=partner.location.pk, lines=((apple.pk, 1),)
        )
        corridor.advance(0, [Stated(Cause("action", 2), more)], clock.now())
    say(partner, f"{INBOUND}/receipts", receipt("W-1", ("A", 5)))
    say(partner, "returns", {"parcel": "P-1", "location": "W1", "lines": [{"sku": "A", "units": 1}]})
    say(partner, f"{RETURN}/inspect", inspection("Q", ("A", 2, "new", "restock")))
    heard(partner)
    events = see(partner, "events").json()["items"]
    assert {(e["type"], e["subject"], e["data"]["state"]) for e in events} == {
        ("inbound_shipment.announced", "PO 2", "expected"),
        ("inbound_shipment.received", "PO 1", "received"),
        ("return.arrived", "w1-P-1", "received"),
        ("return.received", "w1-P-1", "received"),
        ("return.inspected", "RMA-1", "inspected"),
    }
    assert {e["type"] for e in events} <= set(feed.TYPES)
    assert see(other, "events").json()["items"] == []


# ---- others -----------------------------------------------------------------------------------------------------------------
def test_what_another_partner_expects_is_not_there(partner: Partner, other: Partner) -> None:
    expect(other)
    calls = [
        say(partner, f"{INBOUND}/receipts", receipt("N", ("A", 1))),
        say(partner, f"{RETURN}/receive", receipt("N", ("A", 1))),
        say(partner, "returns", {"parcel": "P", "location": "W2", "lines": [{"sku": "A", "units": 1}]}),
        see(partner, INBOUND),
        see(partner, RETURN),
    ]
    assert [answer.status_code for answer in calls] == [404] * 5
    assert [see(partner, path).json()["items"] for path in ("inbound-shipments", "returns")] == [[], []]
    assert not Message.objects.exists()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("path", "queries"), [("inbound-shipments", 3), ("returns", 4)])
def test_a_page_costs_the_same_queries_whatever_it_holds(
    partner: Partner, count: int, path: str, queries: int, django_assert_num_queries: Any
) -> None:
    sku = Sku.objects.create(code="A")
    for n in range(count):
        said: dict[str, Any] = {"location": partner.location, "stated_at": clock.now()}
        inbound = InboundShipment.objects.create(reference=f"P{n}", **said)
        inbound.lines.create(sku=sku)
        inbound.receipts.create(external_id="W", occurred_at=clock.now(), digest=b"")
        back = Return.objects.create(reference=f"R{n}", **said)
        line = back.lines.create(sku=sku)
        report = back.reports.create(stage="received", external_id="W", occurred_at=clock.now(), digest=b"")
        report.units.create(line=line, units=1)
    see(partner, "returns/none")  # the key is known from here on
    with django_assert_num_queries(queries):
        assert len(see(partner, path).json()["items"]) == count
