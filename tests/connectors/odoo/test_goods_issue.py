"""Shipments leave Odoo's stock once, with their tracking, and the rest of the order stays or goes as told."""

from collections.abc import Iterator
from typing import Any

import pytest

from canonical.commands import Ref
from connectors.errors import Misconfigured, Missing, Refused, Retry
from connectors.odoo import goods_issue
from connectors.odoo.simulator import Odoo
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import MUG, PLATE, TEA, Desk, customer, issue, order


def pickings(desk: Desk) -> list[tuple[Any, ...]]:
    """Transfers of the first order: name, state, tracking, {sku: quantity}."""
    return [
        (p["name"], p["state"], p["tracking"], {m["sku"]: int(m["quantity"]) for m in p["moves"]})
        for p in desk.orders()[0]["pickings"]
    ]


def delivered(desk: Desk) -> list[int]:
    return [int(n["delivered"]) for n in desk.orders()[0]["lines"]]


BOTH = ((11, MUG, 3), (12, TEA, 1))


def test_a_whole_shipment(desk: Desk) -> None:
    desk.confirmed(order())
    [receipt] = desk.send(issue(1, 1, *BOTH))
    assert (receipt.state, receipt.external_id, receipt.evidence) == ("done", "1", "WH/OUT/00001")
    assert pickings(desk) == [("WH/OUT/00001", "done", "TRK1", {"W1-MUG-BLUE": 3, "W1-TEA-GREEN": 1})]
    [picking] = desk.orders()[0]["pickings"]
    assert picking["date_done"] == "2026-03-01 09:30:00"
    assert picking["note"] == "<p>retailsync.shipment_1: PostNL, TRK1, 2026-03-01 09:30:00 UTC</p>"


def test_the_same_shipment_again_does_nothing(desk: Desk) -> None:
    desk.confirmed(order())
    first = desk.send(issue(1, 1, *BOTH))
    before = desk.orders()
    assert desk.look(issue(1, 1, *BOTH)) == desk.send(issue(1, 1, *BOTH)) == first
    assert desk.orders() == before


@pytest.mark.parametrize("call", ["stock.picking/write", "button_validate"])
def test_a_lost_answer_does_not_ship_twice(desk: Desk, call: str) -> None:
    desk.confirmed(order())
    desk.odoo.faults.add(Fault(do="lose_response", path=call, count=1))
    with pytest.raises(Retry):
        desk.send(issue(1, 1, (11, MUG, 2)))
    assert [r.state for r in desk.send(issue(1, 1, (11, MUG, 2)))] == ["done"]
    assert delivered(desk) == [2, 0]


def test_a_part_leaves_a_backorder_and_the_rest_fills_it(desk: Desk) -> None:
    desk.confirmed(order())
    desk.send(issue(1, 1, (11, MUG, 2)))
    assert pickings(desk) == [
        ("WH/OUT/00001", "done", "TRK1", {"W1-MUG-BLUE": 2}),
        ("WH/OUT/00002", "assigned", "", {"W1-TEA-GREEN": 1, "W1-MUG-BLUE": 1}),
    ]
    assert desk.look(issue(2, 1, (11, MUG, 1), (12, TEA, 1))) == [None]
    desk.send(issue(2, 1, (11, MUG, 1), (12, TEA, 1)))
    assert [p[1:3] for p in pickings(desk)] == [("done", "TRK1"), ("done", "TRK2")]
    assert "shipment_1" not in desk.orders()[0]["pickings"][1]["note"]
    assert delivered(desk) == [3, 1]


def test_final_keeps_no_backorder(desk: Desk) -> None:
    desk.confirmed(order())
    desk.send(issue(1, 1, (11, MUG, 2), final=True))
    assert [p[1] for p in pickings(desk)] == ["done"]
    assert delivered(desk) == [2, 0]


def test_more_than_ordered_is_booked_because_it_left(desk: Desk) -> None:
    desk.confirmed(order())
    assert [r.state for r in desk.send(issue(1, 1, (11, MUG, 5)))] == ["done"]
    assert delivered(desk) == [5, 0]


def test_two_shipments_of_one_order_in_one_call(desk: Desk) -> None:
    desk.confirmed(order(1), order(2))
    receipts = desk.send(
        issue(1, 1, (11, MUG, 1)), issue(2, 2, (21, MUG, 3), (22, TEA, 1)), issue(3, 1, (11, MUG, 2), final=True)
    )
    assert [r.state for r in receipts] == ["done"] * 3
    assert delivered(desk) == [3, 0]


def test_before_confirmation_it_waits(desk: Desk) -> None:
    desk.send(order())
    [receipt] = desk.send(issue(1, 1, *BOTH))
    assert isinstance(receipt.error, Missing)
    assert receipt.error.key == "delivery:1@odoo1"


def test_after_somebody_booked_it_by_hand_a_person_decides(desk: Desk) -> None:
    desk.confirmed(order())
    desk.odoo.business.stock.validate([1], {})
    [receipt] = desk.send(issue(1, 1, *BOTH))
    assert isinstance(receipt.error, Refused)
    assert receipt.error.reason == "nothing_open"


def test_an_article_that_is_not_on_the_delivery(desk: Desk) -> None:
    desk.confirmed(order(1), order(2))
    wrong, right = desk.send(issue(1, 1, (99, PLATE, 1)), issue(2, 2, (21, MUG, 1)))
    assert isinstance(wrong.error, Refused)
    assert wrong.error.reason == "no_open_quantity"
    assert right.state == "done"


def test_odoos_refusal_of_one_delivery_does_not_stop_the_others(desk: Desk) -> None:
    desk.confirmed(order(1), order(2))
    refusal = {
        "name": "odoo.exceptions.UserError",
        "message": "You need to supply a Lot/Serial Number for product Mug.",
    }
    desk.odoo.faults.add(Fault(do="answer", path="button_validate", status=422, body=refusal, count=2))
    first, second = desk.send(issue(1, 1, *BOTH), issue(2, 2, (21, MUG, 3)))
    assert first.error and first.error.words == refusal["message"]
    assert second.state == "done"


def test_a_question_of_odoos_is_not_an_answer(desk: Desk) -> None:
    desk.confirmed(order())
    question = {"type": "ir.actions.act_window", "res_model": "expiry.picking.confirmation"}
    desk.odoo.faults.add(Fault(do="answer", path="button_validate", status=200, body=question, count=1))
    [receipt] = desk.send(issue(1, 1, *BOTH))
    assert isinstance(receipt.error, Refused)
    assert receipt.error.reason == "not_finished"


@pytest.mark.parametrize("link", ["WEST", "5"])
def test_goods_leave_from_the_linked_location(desk: Desk, link: str) -> None:
    """By the code of its warehouse, or by the id of a stock location."""
    desk.confirmed(order())
    desk.links[Ref("location", 1)] = link
    desk.send(issue(1, 1, *BOTH))
    assert [p["location"] for p in desk.orders()[0]["pickings"]] == ["WEST/Stock"]
    assert delivered(desk) == [3, 1]


def test_a_location_link_that_leads_nowhere(desk: Desk) -> None:
    desk.confirmed(order())
    desk.links[Ref("location", 1)] = "west"
    [receipt] = desk.send(issue(1, 1, *BOTH))
    assert isinstance(receipt.error, Misconfigured)


@pytest.fixture
def three_steps() -> Iterator[Desk]:
    with Odoo(steps="pick_pack_ship") as odoo:
        desk = Desk(odoo)
        desk.send(customer())
        yield desk


def test_a_warehouse_with_three_steps(three_steps: Desk) -> None:
    three_steps.confirmed(order())
    assert [r.evidence for r in three_steps.send(issue(1, 1, *BOTH))] == ["WH/OUT/00001"]
    assert [p[:3] for p in pickings(three_steps)] == [
        ("WH/PICK/00001", "done", ""),
        ("WH/PACK/00001", "done", ""),
        ("WH/OUT/00001", "done", "TRK1"),
    ]
    assert delivered(three_steps) == [3, 1]


def test_parts_go_through_three_steps_one_after_the_other(three_steps: Desk) -> None:
    three_steps.confirmed(order())
    three_steps.send(issue(1, 1, (11, MUG, 2)))
    assert delivered(three_steps) == [2, 0]
    three_steps.send(issue(2, 1, (11, MUG, 1), (12, TEA, 1), final=True))
    assert delivered(three_steps) == [3, 1]
    assert {p[1] for p in pickings(three_steps)} == {"done"}


def test_a_lost_answer_in_the_middle_goes_on_where_it_stood(three_steps: Desk) -> None:
    three_steps.confirmed(order())
    three_steps.odoo.faults.add(Fault(do="lose_response", path="button_validate", skip=1, count=1))
    with pytest.raises(Retry):
        three_steps.send(issue(1, 1, *BOTH))
    assert [r.state for r in three_steps.send(issue(1, 1, *BOTH))] == ["done"]
    assert delivered(three_steps) == [3, 1]


def test_without_a_tracking_field_the_note_has_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goods_issue, "has_tracking", lambda session: False)
    desk.confirmed(order())
    desk.send(issue(1, 1, *BOTH))
    [picking] = desk.orders()[0]["pickings"]
    assert (picking["tracking"], "TRK1" in picking["note"]) == ("", True)
