"""Orders that change after they were told: edits, cancellations, refunds before shipping. Every system ends with the same."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.woocommerce.simulator import Shop
from retailsync.sync import polling
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

MUGS = "W1-MUG"


@pytest.fixture
def order(s: Stage) -> int:
    """Three mugs, which W1 accepted, picked and left in the box: it can still do anything."""
    s.behave(W1="picks", W2="picks")
    order = s.buy(*_two(s))
    s.settle()
    return order


def _two(s: Stage) -> tuple[str, str]:
    """Two articles that lie in W1."""
    codes = sorted(
        p["sku"]
        for p in s.shop.products.values()
        if p["sku"].startswith("W1") and not p.get("virtual") and p["type"] == "simple"
    )
    return codes[0], codes[1]


def skus(s: Stage, order: int) -> list[str]:
    return [line["sku"] for line in s.shop.orders[order]["line_items"]]


def told(s: Stage) -> list[tuple[Any, ...]]:
    """Status, stage, ERP orders, deliveries, warehouses: of every order."""
    return [t[1:6] for t in s.whole()]


def finish(s: Stage) -> list[tuple[Any, ...]]:
    """Everybody hears of it, then the warehouses go on; what everybody holds in the end."""
    s.settle()
    s.go_on()
    s.settle()
    s.go_on()
    s.settle()
    return told(s)


DONE = ("completed", "completed", ("sale",), ("done",), ("W1 accepted 2",))


# ---- edits ------------------------------------------------------------------------------------------------------------------
def test_an_address_changed_after_payment_reaches_everybody(s: Stage, order: int) -> None:
    s.shop.edit(order, address={"address_1": "Laan 3", "city": "Amsterdam", "postcode": "1011 AA"})
    assert finish(s) == [DONE]
    (request,) = s.warehouses["W1"].state()["requests"].values()
    assert [to["city"] for to in request["shipped_to"]] == ["Amsterdam"]
    assert s.trouble() == CALM


def test_an_address_before_anybody_was_told_is_simply_told(quiet: Stage) -> None:
    """Two statements of one second cannot be told apart: the shop is asked which is right before a parcel leaves."""
    quiet.behave(W1="accepts", W2="accepts")
    order = quiet.order()
    quiet.hear(order)
    quiet.shop.edit(order, shipping={"city": "Breda"})
    quiet.hear(order)
    finish(quiet)
    homes = {
        to["city"] for w in quiet.warehouses.values() for r in w.state()["requests"].values() for to in r["shipped_to"]
    }
    assert homes == {"Breda"}
    assert quiet.trouble() == CALM


@pytest.mark.parametrize("change", ["note", "shipping method"])
def test_a_note_and_a_shipping_method_reach_the_warehouse(s: Stage, change: str) -> None:
    s.behave(W1="picks", W2="picks")
    order = s.order("plain")
    s.settle()
    if change == "note":
        s.shop.edit(order, note="Ring twice.")
    else:
        s.shop.set_shipping_method(order, "express", "Express", "7")
    s.settle()
    assert rows("SELECT kind, answer FROM canonical_requestchange") == [("amend", "accepted")]
    assert finish(s)[0][:2] == ("completed", "completed")
    assert s.trouble() == CALM


def test_a_quantity_lowered_after_the_pick_is_lowered_everywhere(s: Stage, order: int) -> None:
    code = skus(s, order)[0]
    s.shop.set_quantity(order, code, 3)
    s.settle()
    s.shop.set_quantity(order, code, 1)
    s.settle()
    assert finish(s)[0][:2] == ("completed", "completed")
    assert sum(r["shipped_units"] for r in s.warehouses["W1"].state()["requests"].values()) == 2
    assert [t.erp for t in s.whole()] == [("sale",)]
    assert s.trouble() == CALM


def test_a_line_added_is_asked_for_and_booked(s: Stage, order: int) -> None:
    code = next(
        p["sku"]
        for p in s.shop.products.values()
        if p["sku"].startswith("W2") and not p.get("virtual") and p["type"] == "simple"
    )
    s.shop.add_line(order, code)
    assert finish(s)[0][:3] == ("completed", "completed", ("sale",))
    assert [t.asked for t in s.whole()] == [("W1 accepted 2", "W2 accepted 1")]
    assert s.trouble() == CALM


def test_a_line_dropped_is_taken_back(s: Stage, order: int) -> None:
    s.shop.drop_line(order, skus(s, order)[0])
    assert finish(s) == [("completed", "completed", ("sale",), ("done",), ("W1 accepted 1",))]
    assert s.trouble() == CALM


def test_a_line_swapped_ships_the_new_article_only(s: Stage, order: int) -> None:
    old, new = skus(s, order)
    s.shop.drop_line(order, new)
    s.settle()
    s.shop.swap_line(order, old, new)
    assert finish(s)[0][:3] == ("completed", "completed", ("sale",))
    shipped = {line for r in s.warehouses["W1"].state()["requests"].values() for line, n in r["shipped"].items() if n}
    assert rows("SELECT k.code FROM canonical_orderline l JOIN canonical_sku k ON k.id = l.sku_id WHERE l.id = ANY(%s)",
                [int(x) for x in shipped]) == [(new,)]  # fmt: skip
    assert s.trouble() == CALM


def test_a_warehouse_that_does_not_amend_gets_a_new_request(s: Stage, order: int) -> None:
    s.warehouses["W1"].answers = lambda data: "refuse_changes" if data["lines"] else "honest"
    s.shop.edit(order, address={"city": "Amsterdam"})
    assert finish(s)[0][:3] == ("completed", "completed", ("sale",))
    assert [t.asked for t in s.whole()] == [("W1 cancelled", "W1 accepted 2")]
    assert s.trouble() == CALM


def test_an_edit_that_comes_too_late_is_one_question(s: Stage, order: int) -> None:
    s.answer(W1="refuse_changes")
    s.shop.edit(order, address={"city": "Amsterdam"})
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["edited_after_release"]
    s.release("edited_after_release")
    assert finish(s) == [DONE]
    assert s.cases() == []


def test_an_edit_of_what_the_erp_cancelled_is_booked_anew(s: Stage, order: int) -> None:
    """Staff cancelled it over there; the edit cannot be said in it any more, and a second one says all."""
    s.erp.business.cancel_orders([h["id"] for h in s.erp.state()["orders"]])
    s.shop.set_quantity(order, skus(s, order)[0], 2)
    assert finish(s)[0][:3] == ("completed", "completed", ("cancel 36.41", "sale"))
    assert s.trouble() == CALM


# ---- cancellation -----------------------------------------------------------------------------------------------------------
def test_a_cancelled_order_ends_everywhere(s: Stage, order: int) -> None:
    s.shop.cancel(order)
    assert finish(s) == [("cancelled", "cancelled", ("cancel",), ("cancel",), ("W1 cancelled",))]
    assert s.trouble() == CALM


def test_a_refused_cancellation_ships_and_is_told_of(s: Stage, order: int) -> None:
    s.answer(W1="refuse_cancel")
    s.shop.cancel(order)
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["cancel_refused"]
    assert finish(s) == [("cancelled", "completed", ("sale",), ("done",), ("W1 accepted 2",))]
    assert [reason for reason, _ in s.cases()] == ["cancel_refused"]
    s.release("cancel_refused")
    s.settle()
    assert s.cases() == []


def test_a_part_shipped_and_the_rest_cancelled(s: Stage) -> None:
    s.behave(W1="ships_half")
    order = s.buy(*_two(s))
    s.settle()
    s.shop.cancel(order)
    assert finish(s)[0][:2] == ("cancelled", "partially_cancelled")
    assert sum(r["shipped_units"] for r in s.warehouses["W1"].state()["requests"].values()) == 1
    assert [reason for reason, _ in s.cases()] == ["cancel_refused"]


def test_a_parcel_that_leaves_although_it_was_cancelled_is_recorded(s: Stage, order: int) -> None:
    s.answer(W1="accept_then_ship")
    s.shop.cancel(order)
    s.settle()
    finish(s)
    assert "shipped_after_cancel" in [reason for reason, _ in s.cases()]
    assert rows("SELECT count(*) FROM canonical_shipment") == [(1,)]


def test_a_late_payment_takes_a_cancellation_back(s: Stage, order: int) -> None:
    s.shop.cancel(order)
    s.settle()
    s.shop.pay(order)
    s.settle()
    assert finish(s) == [
        ("completed", "completed", ("cancel", "sale"), ("cancel", "done"), ("W1 cancelled", "W1 accepted 2"))
    ]
    assert s.trouble() == CALM


def test_an_order_put_on_hold_after_release_waits_and_goes_on(s: Stage, order: int) -> None:
    s.shop.move(order, "on-hold")
    s.settle()
    assert told(s)[0][1:] == ("on_hold", ("sale",), ("assigned",), ("W1 held",))
    assert s.cases() == []
    s.shop.move(order, "processing")
    s.settle()
    assert finish(s) == [DONE]
    assert s.trouble() == CALM


@pytest.mark.parametrize("way", ["restore", "by_put"])
def test_a_trashed_order_is_cancelled_and_restored_goes_on(s: Stage, order: int, way: str) -> None:
    s.shop.trash(order)
    s.settle()
    assert told(s)[0][1:] == ("cancelled", ("cancel",), ("cancel",), ("W1 cancelled",))
    s.shop.restore(order, by_put=way == "by_put")
    polling.poll(s.world.shop.pk, "orders")
    s.settle()
    assert finish(s)[0][:2] == ("completed", "completed")
    assert s.trouble() == CALM


def test_a_custom_status_nobody_knows_is_a_question(s: Stage, order: int) -> None:
    s.shop.move(order, "awaiting-pickup")
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["unknown_status"]
    s.shop.move(order, "processing")
    s.settle()
    assert finish(s) == [DONE]
    assert s.trouble() == CALM


# ---- refunds ----------------------------------------------------------------------------------------------------------------
def test_a_refund_by_line_before_shipping_stops_these_units(s: Stage, order: int) -> None:
    s.shop.refund(order, {skus(s, order)[0]: 1})
    assert finish(s)[0][:2] == ("completed", "completed")
    assert [t.asked for t in s.whole()] == [("W1 accepted 1",)]
    assert rows("SELECT sum(cancelled), sum(shipped), sum(refunded) FROM canonical_orderline") == [(1, 1, 1)]
    assert s.trouble() == CALM


def test_a_refund_of_an_amount_alone_stops_nothing(s: Stage, order: int) -> None:
    s.shop.refund(order, amount=Decimal("1.00"))
    assert finish(s) == [DONE]
    assert s.trouble() == CALM


def test_a_full_refund_before_shipping_stops_the_parcel(s: Stage, order: int) -> None:
    s.shop.refund(order, dict.fromkeys(skus(s, order), 1))
    s.settle()
    assert told(s)[0][4] == ("W1 cancelled",)
    assert s.trouble() == CALM


def test_refunded_units_that_ship_all_the_same_are_told_of(s: Stage, order: int) -> None:
    s.answer(W1="refuse_changes")
    s.shop.refund(order, {skus(s, order)[0]: 1})
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["refunded_but_shipping"]
    finish(s)
    assert [reason for reason, _ in s.cases()] == ["refunded_but_shipping"]


def test_a_refund_that_was_deleted_lets_the_units_go(s: Stage, order: int) -> None:
    refund = s.shop.refund(order, {skus(s, order)[0]: 1})
    s.settle()
    s.shop.unrefund(order, refund)
    polling.poll(s.world.shop.pk, "orders")
    s.settle()
    assert finish(s)[0][:2] == ("completed", "completed")
    assert rows("SELECT sum(shipped), sum(refunded) FROM canonical_orderline") == [(2, 0)]


# ---- gone -------------------------------------------------------------------------------------------------------------------
def test_an_order_deleted_while_the_erp_was_down_is_found_by_the_sweep(s: Stage, hands: Hands) -> None:
    s.behave(W1="accepts")
    s.erp.stop()
    order = s.buy(*_two(s))
    s.settle(until=lambda: rows("SELECT 1 FROM canonical_fulfilmentrequest WHERE answer = 'accepted'"))
    s.shop.force_delete(order)
    s.buy(*_two(s))  # a sweep covers ids up to the youngest order the shop has
    _sweep(s)
    s.erp.start()
    s.settle_over(hands.turn)
    assert rows("SELECT stage FROM canonical_order ORDER BY id") == [("cancelled",), ("in_fulfilment",)]
    assert [b["reference"] for b in s.erp.state()["orders"]] == [f"ONE-{t.number}" for t in s.whole()]
    assert [r["cancelled"] for r in s.warehouses["W1"].state()["requests"].values()] == [True, False]


def _sweep(s: Stage) -> None:
    """One whole sweep over the shop's orders."""
    from retailsync.sync.models import Cursor

    Cursor.objects.get_or_create(system=s.world.shop, feed="sweep")
    for _ in range(5):
        polling.poll(s.world.shop.pk, "sweep")
        s.turn()
    assert isinstance(s.shop, Shop)
