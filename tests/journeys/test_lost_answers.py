"""An answer that is lost or late leaves a doubt: we look before we do it again, and nothing is done twice."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from canonical import commands
from connectors.odoo import sending as odoo
from connectors.simulation import Fault
from connectors.woocommerce import sending as woocommerce
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage, stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

#: Who is asked, by which request, for which of our commands.
REQUESTS: Mapping[str, tuple[str, str, str]] = {
    "customer": ("erp", "POST", "res.partner/load"),
    "order": ("erp", "POST", "sale.order/load"),
    "confirmation": ("erp", "POST", "sale.order/action_confirm"),
    "goods issue": ("erp", "POST", "stock.picking/button_validate"),
    "tracking": ("shop", "POST", "/orders/[0-9]+/fulfillments"),
    "completion": ("shop", "POST", "/orders/batch"),
    "request": ("W1", "POST", "/events"),
}
TABLES = (
    (odoo.SENDS, commands.UpsertCustomer), (odoo.SENDS, commands.CreateOrder), (odoo.SENDS, commands.ConfirmOrder),
    (odoo.SENDS, commands.PostGoodsIssue), (woocommerce.SENDS, commands.SendTracking), (woocommerce.SENDS, commands.CompleteOrder),
)  # fmt: skip


def arrange(s: Stage, what: str, do: str, **more: Any) -> Fault:
    """The next such request meets this fault."""
    who, method, path = REQUESTS[what]
    simulator = s.warehouses[who] if who in s.warehouses else getattr(s, who)
    fault = Fault(do=do, method=method, path=path, count=1, **more)  # type: ignore[arg-type]
    simulator.faults.add(fault)
    return fault


def assert_served_once(s: Stage, order: int) -> None:
    (told,) = s.whole()
    assert told[:6] == (str(order), "completed", "completed", ("sale",), ("done",), ("W1 accepted 2",))
    assert len(told.shown) == 1
    assert s.erp.state()["contacts"] == 3
    assert s.trouble() == CALM


@pytest.mark.parametrize("what", REQUESTS)
def test_what_was_done_though_its_answer_was_lost_is_found(s: Stage, hands: Hands, what: str) -> None:
    fault = arrange(s, what, "lose_response")
    order = s.order()
    s.settle_over(hands.turn)
    assert fault.hits == 1
    assert_served_once(s, order)


def test_a_rounding_line_whose_answer_was_lost_is_there_once(s: Stage, hands: Hands) -> None:
    s.erp.faults.add(Fault(do="lose_response", method="POST", path="sale.order.line/load", count=1))
    s.shop.place(8, seed=21, shape="multi_line")
    s.settle_over(hands.turn)
    assert rows("SELECT count(*) FROM sync_command WHERE kind = 'AddRounding' AND attempts > 1") != [(0,)]
    names = [[line["name"] for line in o["lines"]].count("Rounding") for o in s.erp.state()["orders"]]
    assert max(names) == 1
    assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ("sale",))}
    assert s.trouble() == CALM


READS = (
    "res.country/search_read", "account.tax/search_read", "sale.order/search_read", "sale.order.line/load", "stock.picking/fields_get",
    "stock.picking/search_read", "stock.move/search_read",
)  # fmt: skip


@pytest.mark.parametrize("path", READS)
def test_a_question_whose_answer_was_lost_is_asked_again(s: Stage, hands: Hands, path: str) -> None:
    fault = Fault(do="lose_response", method="POST", path=path, count=1)
    s.erp.faults.add(fault)
    order = s.order()
    s.settle_over(hands.turn, minutes=3)
    assert fault.hits == 1
    assert_served_once(s, order)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """We give up on everybody after 0.4 s."""
    for table, command in TABLES:
        monkeypatch.setitem(table, command, replace(table[command], deadline=0.4))  # type: ignore[index]
    yield


@pytest.mark.parametrize("what", [w for w in REQUESTS if w != "request"])
def test_what_is_done_after_our_deadline_is_found(s: Stage, hands: Hands, hasty: None, what: str) -> None:
    fault = arrange(s, what, "delay", seconds=1.5)
    order = s.order()
    s.settle(until=lambda: fault.hits == 1)
    began = time.monotonic()
    s.settle()
    time.sleep(max(0.0, began + 1.7 - time.monotonic()))
    s.settle_over(hands.turn)
    assert_served_once(s, order)


@pytest.mark.parametrize("what", ["goods issue", "tracking"])
def test_nobody_looks_before_the_target_can_have_finished(s: Stage, hands: Hands, hasty: None, what: str) -> None:
    fault = arrange(s, what, "delay", seconds=2.0)
    order = s.order()
    s.settle(until=lambda: fault.hits == 1 and rows("SELECT 1 FROM sync_command WHERE doubtful"))
    hands.turn(seconds=30)
    s.settle()
    assert s.cases() == []
    time.sleep(2.0)
    s.settle_over(hands.turn)
    assert_served_once(s, order)


def test_a_note_whose_answer_was_lost_is_found_by_its_words(hands: Hands) -> None:
    with stage(shop={"fulfillments": False}) as s:
        s.shop.faults.add(Fault(do="lose_response", method="POST", path="/orders/[0-9]+/notes", count=1))
        order = s.order()
        s.settle_over(hands.turn)
        assert [t[:6] for t in s.whole()] == [
            (str(order), "completed", "completed", ("sale",), ("done",), ("W1 accepted 2",))
        ]
        assert [len(notes) for notes in s.shop.notes.values()] == [1]
        assert s.trouble() == CALM
