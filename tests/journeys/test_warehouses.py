"""Warehouses do what warehouses do: split, part, refuse, run short, speak too early or twice."""

import pytest

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


def test_a_shipment_of_a_request_not_yet_known_waits_for_it(s: Stage) -> None:
    s.behave(W1="silent")
    order = s.order(status="on-hold")
    s.settle()
    reference, line = rows("SELECT 'F' || order_id || '-1', id::text FROM canonical_orderline")[0]
    said = {"shipment": "EARLY", "packages": [{"tracking_number": "T1", "lines": [{"line": line, "units": 2}]}]}
    assert s.say("W1", reference, "shipments", said) == 202
    s.settle()
    assert rows("SELECT state, waits_for FROM sync_message WHERE door = 'partner'") == [
        ("waiting", f"fulfilment_request:{reference}")
    ]
    s.shop.edit(order, status="processing")
    s.settle()
    assert s.whole() == [Told(str(order), "completed", "completed", ("sale",), ("done",), ("W1 asked",), ("T1",))]
    assert s.trouble() == CALM


def test_a_request_that_never_was_is_told_to_a_person_after_the_bound(s: Stage, hands: Hands) -> None:
    assert s.say("W1", "F404-1", "accept", {}) == 202
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
    assert s.say("W2", reference, "accept", {}) == 202
    s.settle()
    assert rows("SELECT answer FROM canonical_fulfilmentrequest") == [("submitted",)]
    assert rows("SELECT state FROM sync_message WHERE door = 'partner'") == [("waiting",)]
