"""Warehouses do what warehouses do: split, part, refuse, run short, speak too early or twice."""

from typing import Any

import msgspec
import pytest

from canonical.models import Location
from connectors.base import Heard
from retailsync.sync import inbox
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage, Told
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def lines() -> list[tuple[int, ...]]:
    """ordered, routed, allocated, picked, shipped of every line."""
    return rows("SELECT ordered, routed, allocated, picked, shipped FROM canonical_orderline ORDER BY id")


def test_an_order_split_over_two_warehouses_completes_once(s: Stage) -> None:
    order = s.order("split")
    s.settle()
    (told,) = s.whole()
    assert told == Told(
        str(order),
        "completed",
        "completed",
        ("sale",),
        ("done", "done"),
        ("W1 accepted 3", "W2 accepted 1"),
        told.shown,
    )
    assert sorted(told.shown) == [
        f"SIMF{o}-{n}-S1-1" for (o,) in rows("SELECT id FROM canonical_order") for n in (1, 2)
    ]
    assert [kind for kind, _ in s.commands()].count("CompleteOrder") == 1
    assert s.trouble() == CALM


def test_two_parcels_of_one_shipment_are_shown_together(s: Stage) -> None:
    s.behave(W1="two_parcels")
    order = s.order()
    s.settle()
    (told,) = s.whole()
    ((id,),) = rows("SELECT id FROM canonical_order")
    shown = (f"SIMF{id}-1-S1-1, SIMF{id}-1-S1-2",)
    assert told == Told(str(order), "completed", "completed", ("sale",), ("done",), ("W1 accepted 2",), shown)
    assert s.trouble() == CALM


def test_a_tracking_number_that_comes_later_is_the_one_that_is_shown(s: Stage) -> None:
    s.behave(W1="tracks_later")
    order = s.order()
    s.settle()
    (told,) = s.whole()
    ((id,),) = rows("SELECT id FROM canonical_order")
    shown = (f"SIMF{id}-1-S1-LATER",)
    assert told == Told(str(order), "completed", "completed", ("sale",), ("done",), ("W1 accepted 2",), shown)
    assert len(s.shop.fulfillments_of(order)) == 1
    assert {**s.trouble(), "commands": []} == CALM  # the first was overtaken, or sent and then said anew


def test_two_shipments_leave_a_backorder_and_then_none(s: Stage) -> None:
    s.behave(W1="two_shipments")
    order = s.order()
    s.settle()
    (told,) = s.whole()
    ((id,),) = rows("SELECT id FROM canonical_order")
    shown = (f"SIMF{id}-1-S1-1", f"SIMF{id}-1-S2-1")
    assert told == Told(str(order), "completed", "completed", ("sale",), ("done", "done"), ("W1 accepted 2",), shown)
    assert [[(m["quantity"], m["state"]) for m in p["moves"]] for p in s.erp.state()["orders"][0]["pickings"]] == [
        [(1.0, "done")],
        [(1.0, "done")],
    ]
    assert s.trouble() == CALM


def test_what_one_warehouse_rejects_the_other_ships(s: Stage) -> None:
    s.behave(W1="reject")
    order = s.order()
    s.settle()
    assert [t[:6] for t in s.whole()] == [
        (str(order), "completed", "completed", ("sale",), ("done",), ("W1 rejected", "W2 accepted 2"))
    ]
    assert s.trouble() == CALM


def test_what_both_reject_a_person_is_asked_with_both_reasons(s: Stage) -> None:
    s.behave(W1="reject", W2="reject")
    order = s.order()
    s.settle()
    sku = s.shop.orders[order]["line_items"][0]["sku"]
    words = f"No warehouse is left for “{sku}”. Rejected by W1 (We do not ship this.), W2 (We do not ship this.)."
    assert s.cases() == [("rejected", words)]
    assert [t[:6] for t in s.whole()] == [
        (str(order), "processing", "on_hold", ("sale",), ("assigned",), ("W1 rejected", "W2 rejected"))
    ]


def test_a_short_warehouse_ships_the_rest_and_a_person_decides(s: Stage) -> None:
    s.behave(W1="short")
    order = s.order()
    s.settle()
    ((id,),) = rows("SELECT id FROM canonical_order")
    assert s.cases() == [("short", f"W1 is short of 1 on request F{id}-1. Not on the shelf.")]
    assert [t[:6] for t in s.whole()] == [
        (str(order), "processing", "on_hold", ("sale",), ("done", "assigned"), ("W1 accepted 1",))
    ]
    assert lines() == [(2, 1, 1, 1, 1)]


@pytest.mark.parametrize("habit", ["sku_only", "ship_first", "repeat"])
def test_habits_of_partners_change_nothing(s: Stage, habit: str) -> None:
    s.behave(W1=habit, W2=habit)
    orders = [s.order("split"), s.order("multi_line")]
    s.settle()
    assert [t[:5] for t in s.whole()] == [
        (str(orders[0]), "completed", "completed", ("sale",), ("done", "done")),
        (str(orders[1]), "completed", "completed", ("sale",), ("done",)),
    ]
    assert all(ordered == shipped == allocated for ordered, _, allocated, _, shipped in lines())
    assert [w.state()["refused"] for w in s.warehouses.values()] == [[], []]
    assert s.trouble() == CALM


def hear(code: str, topic: str, body: dict[str, Any]) -> None:
    """What a warehouse says reaches the inbox, past the partner API, which knows what it was never asked."""
    system = Location.objects.get(code=code).executor_id
    inbox.receive(system, [Heard(topic, topic.encode(), msgspec.json.encode(body))], door="partner")


def test_a_shipment_of_a_request_not_yet_known_waits_for_it(s: Stage) -> None:
    s.behave(W1="silent")
    order = s.order(status="on-hold")
    s.settle()
    reference, line = rows("SELECT 'F' || order_id || '-1', id::text FROM canonical_orderline")[0]
    said = {"shipment": "EARLY", "packages": [{"tracking_number": "T1", "lines": [{"line": line, "units": 2}]}]}
    hear("W1", "shipment.shipped", {"request": reference, **said})
    s.settle()
    assert rows("SELECT state, waits_for FROM sync_message WHERE door = 'partner'") == [
        ("waiting", f"fulfilment_request:{reference}")
    ]
    s.shop.edit(order, status="processing")
    s.settle()
    assert s.whole() == [Told(str(order), "completed", "completed", ("sale",), ("done",), ("W1 asked",), ("T1",))]
    assert s.trouble() == CALM


def test_a_request_that_never_was_is_told_to_a_person_after_the_bound(s: Stage, hands: Hands) -> None:
    hear("W1", "request.accepted", {"request": "F404-1"})
    for minutes in (0, 1, 28):
        hands.turn(minutes)
        s.sweep()
        s.settle()
        assert (s.cases(), rows("SELECT state FROM sync_message WHERE door = 'partner'")) == ([], [("waiting",)])
    hands.turn(minutes=2)
    s.sweep()
    s.settle()
    assert s.cases() == [("missing", "Fulfilment request “F404-1” is not known here.")]
    assert rows("SELECT state FROM sync_message WHERE door = 'partner'") == [("parked",)]


def test_one_partner_cannot_speak_about_the_others_request(s: Stage) -> None:
    s.behave(W1="silent")
    s.order()
    s.settle()
    ((reference,),) = rows("SELECT reference FROM canonical_fulfilmentrequest")
    assert s.say("W2", reference, "accept", {}) == 404
    hear("W2", "request.accepted", {"request": reference})
    s.settle()
    assert rows("SELECT answer FROM canonical_fulfilmentrequest") == [("submitted",)]
    assert rows("SELECT state FROM sync_message WHERE door = 'partner'") == [("waiting",)]


def test_a_part_rejected_goes_to_the_warehouse_that_ships_the_rest(s: Stage) -> None:
    s.behave(W1="reject")
    order = s.order("split")
    s.settle()
    assert [t[:6] for t in s.whole()] == [
        (
            *(str(order), "completed", "completed", ("sale",), ("done", "done")),
            ("W1 rejected", "W2 accepted 1", "W2 accepted 3"),
        )
    ]
    assert s.trouble() == CALM


def awaited(s: Stage) -> tuple[str, str]:
    """An order at a warehouse that stays silent: reference and line of the request."""
    s.behave(W1="silent")
    s.order()
    s.settle()
    return rows(
        "SELECT f.reference, l.line_id::text FROM canonical_fulfilmentrequest f"
        " JOIN canonical_requestline l ON l.request_id = f.id"
    )[0]  # type: ignore[return-value]


def parcel(line: str, units: int, tracking: str = "T1") -> dict[str, object]:
    return {"shipment": "S-1", "packages": [{"tracking_number": tracking, "lines": [{"line": line, "units": units}]}]}


def test_one_shipment_told_twice_with_other_contents_is_a_question(s: Stage) -> None:
    reference, line = awaited(s)
    assert [s.say("W1", reference, "ship", parcel(line, n, f"T{n}")) for n in (1, 2)] == [202, 409]
    assert s.say("W1", reference, "corrections", parcel(line, 2, "T2") | {"reason": "It was two."}) == 202
    s.settle()
    words = "Shipment S-1 was already reported with other contents. Ask the warehouse which report is right."
    assert s.cases() == [("conflict", words)]
    assert [(t.ours, t.issued, t.shown) for t in s.whole()] == [("in_fulfilment", ("done", "assigned"), ("T1",))]
    assert lines() == [(2, 2, 2, 2, 1)]


def test_a_shipment_of_a_foreign_line_is_a_question_and_harms_no_other(s: Stage) -> None:
    reference, line = awaited(s)
    said = [s.say("W1", reference, "ship", {**parcel(one, 2), "shipment": one}) for one in ("999999", line)]
    s.settle()
    assert said == [422, 202]
    hear("W1", "shipment.shipped", {"request": reference, **parcel("999999", 2), "shipment": "stray"})
    s.settle()
    assert ["999999" in words for _, words in s.cases()] == [True]
    assert [t[1:4] for t in s.whole()] == [("completed", "completed", ("sale",))]


def test_more_shipped_than_ordered_is_recorded_and_asked_about(s: Stage) -> None:
    reference, line = awaited(s)
    assert s.say("W1", reference, "ship", parcel(line, 5)) == 202
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["over_shipped"]
    assert lines()[0][4] == 5
    s.release("over_shipped")
    s.settle()
    assert [t[1:3] for t in s.whole()] == [("completed", "completed")]
    assert s.cases() == []


@pytest.mark.parametrize(
    ("answer", "decided", "units"),
    [("honest", "accepted", 0), ("refuse_cancel", "rejected", 2), ("late_answer", "asked", 2)],
)
def test_what_a_warehouse_answers_to_a_change_is_what_we_hold(s: Stage, answer: str, decided: str, units: int) -> None:
    """Raised by the shop's cancellation, told by webhook, answered through the API, recorded."""
    s.behave(W1="picks")
    s.warehouses["W1"].answers = lambda data: answer
    order = s.order()
    s.settle()
    s.shop.edit(order, status="cancelled")
    s.settle()
    assert rows("SELECT number, kind, answer FROM canonical_requestchange") == [(1, "cancel", decided)]
    s.go_on()
    s.settle()
    (held,) = s.warehouses["W1"].state()["requests"].values()
    final = "rejected" if decided == "asked" else decided  # a late answer comes once it has shipped
    assert (held["changes"], sum(held["shipped"].values())) == ({"1": ["cancel", final]}, units)
    assert rows("SELECT answer FROM canonical_requestchange") == [(final,)]
    assert [w.state()["refused"] for w in s.warehouses.values()] == [[], []]
