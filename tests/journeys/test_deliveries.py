"""Deliveries come often, out of order and under one id; what they say happens once."""

import pytest

from tests.journeys.stage import CALM, Stage, at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_delivery_ten_times_at_once_is_one_order_everywhere(quiet: Stage) -> None:
    body = quiet.body(order := quiet.order())
    assert at_once(10, lambda: quiet.post(body)) == [200] * 10
    quiet.settle()
    assert quiet.messages() == [("order.updated", "done")]
    (told,) = quiet.whole()
    assert told[:6] == (str(order), "completed", "completed", ("sale",), ("done",), ("W1 accepted 2",))
    assert quiet.commands() == [
        ("CompleteOrder", "confirmed"),
        ("ConfirmOrder", "confirmed"),
        ("CreateOrder", "confirmed"),
        ("PostGoodsIssue", "confirmed"),
        ("RequestFulfilment", "confirmed"),
        ("SendTracking", "confirmed"),
        ("UpsertCustomer", "confirmed"),
    ]
    assert [r["deliveries"] for r in quiet.warehouses["W1"].state()["requests"].values()] == [1]
    assert quiet.trouble() == CALM


def test_an_update_may_come_before_the_creation(quiet: Stage) -> None:
    order = quiet.order()
    assert [quiet.hear(order, "order.updated"), quiet.hear(order, "order.created")] == [200, 200]
    quiet.settle()
    assert quiet.messages() == [("order.updated", "done"), ("order.created", "done")]
    assert [t[:5] for t in quiet.whole()] == [(str(order), "completed", "completed", ("sale",), ("done",))]
    assert quiet.trouble() == CALM


def test_two_orders_under_one_delivery_id_both_exist(quiet: Stage) -> None:
    first, second = quiet.order(), quiet.order(seed=4)
    assert [quiet.post(quiet.body(id), delivery="shared") for id in (first, second)] == [200, 200]
    quiet.settle()
    assert [(t.number, t.ours, t.erp) for t in quiet.whole()] == [
        (str(first), "completed", ("sale",)),
        (str(second), "completed", ("sale",)),
    ]


def test_a_storm_of_everything_twice_and_shuffled_changes_nothing(s: Stage) -> None:
    s.shop.webhooks.set_mischief(duplicate=1.0, shuffle=True)
    s.shop.place(12, seed=9)
    s.settle()
    before = s.whole()
    s.shop.webhooks.redeliver(100, times=2, reverse=True)
    s.settle()
    assert s.whole() == before
    assert {(t.shop, t.ours, t.erp) for t in before} == {("completed", "completed", ("sale",))}
    assert s.trouble() == CALM
