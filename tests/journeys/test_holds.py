"""What may not go on waits with words for a person, and goes on by itself once its cause is gone."""

import msgspec
import pytest

from canonical.models import Mapping, Order, Sku
from retailsync.console import mapping
from retailsync.sync import order_deciding, polling
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_unknown_sku_holds_the_order_until_it_is_known(s: Stage) -> None:
    s.launch("W1-NEW")
    order = s.buy("W1-NEW", "W2-SOAP")
    s.settle()
    assert s.cases() == [("sku_mapping", "SKU “W1-NEW” (W1-New) is not known.")]
    lines = "SELECT l.sku_text, k.code FROM canonical_orderline l LEFT JOIN canonical_sku k ON k.id = l.sku_id ORDER BY l.id"
    assert rows(lines) == [("W1-NEW", None), ("W2-SOAP", "W2-SOAP")]
    assert [t[:6] for t in s.whole()] == [(str(order), "processing", "on_hold", (), (), ())]
    s.learn()
    s.settle()
    assert rows(lines) == [("W1-NEW", "W1-NEW"), ("W2-SOAP", "W2-SOAP")]
    assert [t[:6] for t in s.whole()] == [
        (str(order), "completed", "completed", ("sale",), ("done", "done"), ("W1 accepted 1", "W2 accepted 1"))
    ]
    assert s.trouble() == CALM


def test_a_product_the_erp_lacks_keeps_its_order_waiting_there_only(s: Stage) -> None:
    s.launch("W1-NEW")
    polling.poll(s.world.shop.pk, "products")
    s.buy("W1-NEW")
    s.settle()
    assert [t[1:6] for t in s.whole()] == [("completed", "completed", (), (), ("W1 accepted 1",))]
    assert rows("SELECT kind, words FROM sync_command WHERE state = 'waiting'") == [
        ("CreateOrder", "SKU “W1-NEW” is not known in this system yet.")
    ]
    s.learn()
    s.settle()
    assert [t[1:6] for t in s.whole()] == [("completed", "completed", ("sale",), ("done",), ("W1 accepted 1",))]
    assert s.trouble() == CALM


def test_a_cent_of_rounding_is_kept_and_booked(s: Stage) -> None:
    order = s.order("cent_off")
    s.settle()
    assert rows("SELECT kind, total::text FROM canonical_charge WHERE kind = 'rounding'") == [("rounding", "-0.010000")]
    assert [(t.number, t.ours, t.erp) for t in s.whole()] == [(str(order), "completed", ("sale",))]
    assert s.trouble() == CALM


def test_a_euro_too_much_is_a_question_for_a_person(quiet: Stage) -> None:
    order = quiet.order()
    stored = quiet.shop.orders[order]
    stored["total"] = f"{float(stored['total']) + 1:.2f}"
    quiet.hear(order)
    quiet.settle()
    assert quiet.cases() == [("totals", "The order's parts differ from its total by 1 EUR.")]
    assert [t[:6] for t in quiet.whole()] == [(str(order), "processing", "on_hold", (), (), ())]
    quiet.release("totals")
    quiet.settle()
    parts = f"{float(stored['total']) - 1:.2f}"
    assert [t[1:6] for t in quiet.whole()] == [
        ("completed", "completed", (f"sale {parts}",), ("done",), ("W1 accepted 2",))
    ]
    assert quiet.trouble() == CALM


@pytest.mark.parametrize(("status", "asked"), [("cancelled", "cancel"), ("refunded", "cancel"), ("on-hold", "hold")])
def test_an_order_stopped_in_the_shop_is_not_asked_of_the_next_warehouse(s: Stage, status: str, asked: str) -> None:
    """W1 rejects the request while it is asked to stop: nobody else is asked to ship it."""
    s.behave(W1="silent")
    s.answer(W1="silent_changes")
    order = s.order()
    s.settle()
    s.shop.edit(order, status=status)
    s.settle()
    assert rows("SELECT kind FROM canonical_requestchange") == [(asked,)]
    ((reference,),) = rows("SELECT reference FROM canonical_fulfilmentrequest")
    assert s.say("W1", reference, "reject", {"reason": "Cannot do it at all."}) == 202
    s.settle()
    assert rows("SELECT count(*) FROM canonical_fulfilmentrequest") == [(1,)]
    stopped = ("cancelled", ("cancel",)) if asked == "cancel" else ("on_hold", ("sale",))
    assert [(t.shop, t.ours, t.erp) for t in s.whole()] == [(status, *stopped)]
    assert s.trouble() == CALM


def test_an_order_is_cancelled_here_and_ends_everywhere(s: Stage) -> None:
    s.behave(W1="silent")
    order = s.order()
    s.settle()
    order_deciding.cancel(Order.objects.get().pk, "anna", "changed her mind")
    s.go_on()
    s.settle()
    assert [t[:6] for t in s.whole()] == [
        (str(order), "cancelled", "cancelled", ("cancel",), ("cancel",), ("W1 cancelled",))
    ]
    assert s.trouble() == CALM


def test_a_text_that_stands_for_one_of_our_skus_goes_all_the_way(s: Stage) -> None:
    s.launch("W1-NEW")
    orders = [s.buy("W1-NEW") for _ in range(2)]
    s.settle()
    assert {reason for reason, _ in s.cases()} == {"sku_mapping"}
    known = next(sku.code for sku in Sku.objects.order_by("code") if sku.code.startswith("W1"))
    mapping.keep(Mapping(kind="sku", key="w1-new", value={"sku": known}), "anna", "renamed")
    orders.append(s.buy("W1-NEW"))
    s.settle()
    assert [(t.number, t.shop, t.erp) for t in s.whole()] == [(str(n), "completed", ("sale",)) for n in orders]
    assert s.trouble() == CALM


def test_an_order_sent_elsewhere_is_shipped_there(s: Stage) -> None:
    s.behave(W1="picks", W2="picks")
    s.order()
    s.settle()
    row = Order.objects.select_related("shipping").get()
    address = msgspec.structs.replace(order_deciding.shipping_of(row), line1="Laan 3", city="Amsterdam")
    order_deciding.change_address(row.pk, address, "anna", "moved")
    s.settle()
    s.go_on()
    s.settle()
    assert [t[1:5] for t in s.whole()] == [("completed", "completed", ("sale",), ("done",))]
    (request,) = s.warehouses["W1"].state()["requests"].values()
    assert [to["city"] for to in request["shipped_to"]] == ["Amsterdam"]
    assert s.trouble() == CALM
