"""An order that nobody wants any more is cancelled in Odoo, unless goods or invoices are booked on it."""

import pytest

from canonical.commands import CancelOrder, ConfirmOrder
from connectors.base import Receipt
from connectors.errors import Refused, Retry
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import MUG, Desk, issue, order


def cancel(*numbers: int) -> list[CancelOrder]:
    return [CancelOrder(order_id=n, booking_id=n, reason="Cancelled in the shop") for n in numbers]


def why(receipt: Receipt) -> str:
    assert isinstance(receipt.error, Refused)
    return receipt.error.reason


def test_a_draft_and_a_confirmed_order_are_cancelled_with_their_deliveries(desk: Desk) -> None:
    desk.send(order(1))
    desk.confirmed(order(2))
    receipts = desk.send(*cancel(1, 2))
    assert [(r.state, r.external_id, r.evidence) for r in receipts] == [
        ("cancelled", "1", "S00001 (cancel)"),
        ("cancelled", "2", "S00002 (cancel)"),
    ]
    assert [(o["state"], [p["state"] for p in o["pickings"]]) for o in desk.orders()] == [
        ("cancel", []),
        ("cancel", ["cancel"]),
    ]


def test_again_and_after_somebody_did_it_by_hand(desk: Desk) -> None:
    desk.confirmed(order(1), order(2))
    desk.by_hand(1, "cancel")
    desk.send(*cancel(2))
    assert [r.state for r in desk.send(*cancel(1, 2))] == ["cancelled"] * 2


def test_deleted_by_hand_counts_as_cancelled(desk: Desk) -> None:
    desk.send(order())
    desk.by_hand(1, "delete")
    [receipt] = desk.send(*cancel(1))
    assert (receipt.state, receipt.evidence) == (
        "cancelled",
        "It was not there any more: somebody deleted it in Odoo.",
    )


def test_what_left_or_is_invoiced_is_not_cancelled(desk: Desk) -> None:
    desk.confirmed(order(1), order(2), order(3), order(4))
    desk.send(issue(1, 1, (11, MUG, 1)))
    desk.by_hand(2, "invoice")
    desk.by_hand(3, "lock")
    left, invoiced, locked, fine = desk.send(*cancel(1, 2, 3, 4))
    assert left.error and left.error.words == (
        "Goods of S00001 are delivered in Odoo. Take them back there (return), then cancel it."
    )
    assert (why(left), why(invoiced), why(locked), fine.state) == ("delivered", "invoiced", "refused", "cancelled")
    assert [o["state"] for o in desk.orders()] == ["sale", "sale", "sale", "cancel"]


def test_a_lost_answer_is_seen_in_the_order_itself(desk: Desk) -> None:
    desk.confirmed(order())
    desk.odoo.faults.add(Fault(do="lose_response", path="action_cancel", count=1))
    with pytest.raises(Retry):
        desk.send(*cancel(1))
    assert [r.state for r in desk.send(*cancel(1))] == ["cancelled"]


def test_a_question_of_odoos_is_not_a_cancellation(desk: Desk) -> None:
    desk.send(order())
    question = {"type": "ir.actions.act_window", "res_model": "sale.order.cancel"}
    desk.odoo.faults.add(Fault(do="answer", path="action_cancel", status=200, body=question, count=1))
    [receipt] = desk.send(*cancel(1))
    assert why(receipt) == "not_cancelled"


def test_a_cancelled_order_is_not_confirmed(desk: Desk) -> None:
    desk.send(order())
    desk.send(*cancel(1))
    [receipt] = desk.send(ConfirmOrder(order_id=1, booking_id=1))
    assert why(receipt) == "cancelled"
