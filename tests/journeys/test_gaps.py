"""What no webhook told is found by polling; what is gone in the shop is asked about, never guessed."""

import pytest

from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_dropped_webhooks_are_repaired_by_the_next_poll(s: Stage) -> None:
    s.shop.webhooks.set_mischief(drop=0.05)
    s.shop.place(60, seed=13)
    s.settle()
    s.poll()
    s.settle()
    assert s.shop.webhooks.counts["dropped"] > 0
    assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ("sale",))}
    assert s.erp.state()["duplicates"] == {}
    assert s.trouble() == CALM


def test_a_shop_that_sends_no_webhook_at_all_is_polled(quiet: Stage) -> None:
    orders = quiet.shop.place(8, seed=2)
    quiet.poll()
    quiet.settle()
    quiet.poll()
    quiet.settle()
    assert [(t.number, *t[1:4]) for t in quiet.whole()] == [
        (str(order), "completed", "completed", ("sale",)) for order in orders
    ]
    assert quiet.trouble() == CALM


def test_a_trashed_order_is_asked_about_and_stopped(s: Stage) -> None:
    order = s.order(status="on-hold")
    s.settle()
    s.shop.trash(order)
    s.settle()
    assert s.messages()[-2:] == [("order.deleted", "done"), ("order.read", "done")]
    assert [t[:6] for t in s.whole()] == [(str(order), "trash", "cancelled", (), (), ())]
    assert rows("SELECT shop_status, gone_at FROM canonical_order") == [("trashed", None)]


def test_a_deleted_order_is_asked_about_and_remembered_as_gone(s: Stage) -> None:
    order = s.order(status="on-hold")
    s.settle()
    body = s.body(order)
    s.shop.trash(order, force=True)
    s.post(b'{"id":%d}' % order, "order.deleted")
    s.settle()
    assert s.messages()[-2:] == [("order.deleted", "done"), ("order.missing", "done")]
    assert rows("SELECT stage, gone_at IS NOT NULL FROM canonical_order") == [("cancelled", True)]
    assert s.post(body, "order.updated", delivery="late") == 200
    s.settle()
    assert rows("SELECT stage, gone_at IS NOT NULL FROM canonical_order") == [("cancelled", True)]
    assert s.erp.state()["orders"] == []


def test_an_error_object_says_nothing(quiet: Stage) -> None:
    said = b'{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID.","data":{"status":404}}'
    assert quiet.post(said) == 200
    quiet.settle()
    assert quiet.messages() == [("order.updated", "done")]
    assert rows("SELECT count(*) FROM canonical_order") == [(0,)]
    assert quiet.trouble() == CALM
