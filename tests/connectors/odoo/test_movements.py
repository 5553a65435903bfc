"""Units that came or left are booked in Odoo once, as a transfer people find."""

from typing import Any

import pytest

from canonical.commands import PostReceipt, PostStockAdjustment, Ref
from connectors.errors import Misconfigured, Refused, Retry
from connectors.odoo import connector
from connectors.odoo.simulator import Odoo
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import MUG, PLATE, Desk, movement


@pytest.fixture
def desk(odoo: Odoo) -> Desk:
    """A desk whose location 1 is the warehouse WH, with 100 mugs."""
    desk = Desk(odoo)
    desk.links[Ref("location", 1)] = "WH"
    odoo.set_stock("W1-MUG-BLUE", "WH", 100)
    return desk


def transfers(desk: Desk) -> list[tuple[Any, ...]]:
    """Name, state, from, to and units of every transfer that delivers no order."""
    return [
        (t["name"], t["state"], t["location"], t["to"], [(m["sku"], m["done"]) for m in t["moves"]])
        for t in desk.odoo.state()["transfers"]
    ]


def mugs(desk: Desk) -> float:
    return float(desk.odoo.state()["stock"]["WH"]["W1-MUG-BLUE"][0])


RECEIPT = movement(PostReceipt, 7, 8, document="DN 77", reason="late <again>")
LOST = movement(PostStockAdjustment, 8, -3, reason="lost")


def test_a_receipt_comes_from_the_vendors(desk: Desk) -> None:
    [receipt] = desk.send(RECEIPT)
    assert (receipt.error, receipt.state, receipt.external_id, receipt.evidence) == (None, "done", "1", "WH/IN/00001")
    assert transfers(desk) == [("WH/IN/00001", "done", "Vendors", "WH/Stock", [("W1-MUG-BLUE", 8)])]
    [said] = desk.odoo.state()["transfers"]
    assert (said["xid"], said["origin"], said["date_done"]) == ("stock_movement_7", "MOVE-7", "2026-03-01 09:30:00")
    assert said["note"] == "DN 77<br/>late &lt;again&gt;"
    assert mugs(desk) == 108


def test_an_adjustment_goes_to_the_inventory_loss_or_comes_from_it(desk: Desk) -> None:
    lost, found = desk.send(LOST, movement(PostStockAdjustment, 9, 5))
    assert [lost.state, found.state] == ["done", "done"]
    assert transfers(desk) == [
        ("WH/INT/00001", "done", "WH/Stock", "Inventory adjustment", [("W1-MUG-BLUE", 3)]),
        ("WH/INT/00002", "done", "Inventory adjustment", "WH/Stock", [("W1-MUG-BLUE", 5)]),
    ]
    assert mugs(desk) == 102


def test_a_receipt_taken_back_goes_the_other_way(desk: Desk) -> None:
    desk.send(movement(PostReceipt, 7, -8))
    assert transfers(desk) == [("WH/IN/00001", "done", "WH/Stock", "Vendors", [("W1-MUG-BLUE", 8)])]


def test_more_is_lost_than_lies_there_or_is_free(desk: Desk) -> None:
    """What happened is booked, also below zero; Odoo takes back what it had promised of it."""
    desk.odoo.reserve_for_somebody_else("W1-MUG-BLUE", "WH", 90)
    desk.send(movement(PostStockAdjustment, 8, -120))
    assert desk.odoo.state()["stock"]["WH"]["W1-MUG-BLUE"] == (-20, 0)


def test_the_same_movement_again_does_nothing(desk: Desk) -> None:
    first = desk.send(RECEIPT)
    before = desk.odoo.state()
    assert desk.look(RECEIPT) == desk.send(RECEIPT) == first
    assert desk.odoo.state() == before


@pytest.mark.parametrize("call", ["stock.picking/load", "button_validate", "stock.picking/write"])
def test_a_lost_answer_books_nothing_twice(desk: Desk, call: str) -> None:
    desk.odoo.faults.add(Fault(do="lose_response", path=call, count=1))
    with pytest.raises(Retry) as raised:
        desk.send(RECEIPT)
    assert raised.value.unknown
    assert [r.state if r else "" for r in desk.look(RECEIPT)] == ["" if "load" in call else "done"]
    assert [r.state for r in desk.send(RECEIPT)] == ["done"]
    assert (len(transfers(desk)), mugs(desk)) == (1, 108)


def test_it_is_not_there_before_it_was_sent(desk: Desk) -> None:
    assert desk.look(RECEIPT, LOST) == [None, None]
    assert transfers(desk) == []


def test_what_is_wrong_with_one_does_not_stop_the_others(desk: Desk) -> None:
    desk.links |= {Ref("location", 2): "EAST", Ref("sku", 90): "90"}
    wrong = [movement(PostReceipt, 1, 1, location_id=2), movement(PostReceipt, 2, 1, sku=90)]
    place, article, right = desk.send(*wrong, RECEIPT)
    assert (type(place.error), type(article.error), right.state) == (Misconfigured, Refused, "done")
    assert place.error and "code of a warehouse" in place.error.words
    assert len(transfers(desk)) == 1


def test_odoos_refusal_of_one_is_its_own(desk: Desk) -> None:
    refusal = {
        "name": "odoo.exceptions.UserError",
        "message": "You need to supply a Lot/Serial Number for product Mug.",
    }
    desk.odoo.faults.add(Fault(do="answer", path="button_validate", status=422, body=refusal, count=2))
    first, second = desk.send(RECEIPT, movement(PostReceipt, 9, 1, sku=PLATE))
    assert first.error and first.error.words == refusal["message"]
    assert second.state == "done"
    assert [r.state for r in desk.send(RECEIPT)] == ["done"]


def test_a_transfer_people_cancelled_is_not_booked_again(desk: Desk) -> None:
    desk.odoo.faults.add(Fault(do="drop", path="button_validate", count=1))
    with pytest.raises(Retry):
        desk.send(RECEIPT)
    desk.odoo.business.stock.cancel([1])
    [receipt] = desk.send(RECEIPT)
    assert isinstance(receipt.error, Refused)
    assert receipt.error.words == "Somebody cancelled the transfer WH/IN/00001 in Odoo that books this."


def test_a_question_of_odoos_is_not_an_answer(desk: Desk) -> None:
    question = {"type": "ir.actions.act_window", "res_model": "expiry.picking.confirmation"}
    desk.odoo.faults.add(Fault(do="answer", path="button_validate", status=200, body=question, count=1))
    [receipt] = desk.send(RECEIPT)
    assert isinstance(receipt.error, Refused)
    assert receipt.error.reason == "not_finished"


def test_it_needs_the_article_and_the_warehouse() -> None:
    assert list(connector.sends[PostReceipt].needs(RECEIPT)) == [Ref("sku", MUG), Ref("location", 1)]
