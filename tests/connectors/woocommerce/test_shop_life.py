"""The simulated shop's people at work: what they do, what it costs, and what the shop tells of it. As observed, see docstrings there."""

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.simulator.arithmetic import CURRENCIES, paid_otherwise
from connectors.woocommerce.simulator.baskets import HALF_CENT_FEE, UNCLEAN
from connectors.woocommerce.simulator.unsettled import DEEDS
from tests.connectors.woocommerce.test_simulator import Receiver, call, settled, subscribe

REST = "/wp-json/wc/v3"
TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def parts(order: dict[str, Any]) -> Decimal:
    """What an order's lines and charges cost together, with tax."""
    items = [item for kind in ("line_items", "shipping_lines", "fee_lines") for item in order[kind]]
    return sum((Decimal(item["total"]) + Decimal(item["total_tax"]) for item in items), Decimal(0))


def adds_up(order: dict[str, Any]) -> bool:
    worth = parts(order)
    paid = min(worth, paid_otherwise(order, CURRENCIES[order["currency"]].unit))
    taxes = sum(Decimal(t["tax_total"]) + Decimal(t["shipping_tax_total"]) for t in order["tax_lines"])
    return (Decimal(order["total"]), Decimal(order["total_tax"])) == (worth - paid, taxes)


def units(shop: Shop, order: int) -> dict[str, int]:
    return {line["sku"]: line["quantity"] for line in shop.orders[order]["line_items"]}


def taken(shop: Shop) -> int:
    return sum(1_000 - p["stock_quantity"] for p in shop.products.values() if p["manage_stock"])


def told(shop: Shop, receiver: Receiver, count: int) -> list[str]:
    """The topics of what the shop told since the last time."""
    settled(shop, receiver, count)
    topics = receiver.topics()
    receiver.got.clear()
    return topics


def payment(shop: Shop, order: int) -> tuple[str, bool, bool]:
    record = shop.orders[order]
    return record["status"], record["date_paid"] is not None, bool(record["transaction_id"])


# ---- staff edit
def test_an_edited_address_is_merged_into_both_or_only_where_it_goes(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    before = {kind: dict(shop.orders[number][kind]) for kind in ("billing", "shipping")}
    shop.edit(number, address={"city": "Gouda"}, note="Ring twice")
    shop.edit(number, shipping={"address_1": "Dam 1"})
    order = shop.orders[number]
    assert order["customer_note"] == "Ring twice"
    assert order["billing"] == before["billing"] | {"city": "Gouda"}
    assert order["shipping"] == before["shipping"] | {"city": "Gouda", "address_1": "Dam 1"}


def test_edited_lines_take_money_taxes_and_stock_along(shop: Shop) -> None:
    (number,) = shop.place(shape="split")
    first, second = units(shop, number)
    shop.set_quantity(number, first, 7)
    shop.drop_line(number, second)
    low = next(p["sku"] for p in shop.products.values() if p["tax_class"] == "reduced-rate" and p["sku"])
    shop.add_line(number, low, 2)
    order = shop.orders[number]
    assert units(shop, number) == {first: 7, low: 2}
    assert adds_up(order)
    assert sorted(line["rate_percent"] for line in order["tax_lines"]) == [9, 21]
    assert taken(shop) == 9
    shop.swap_line(number, low, second)
    assert units(shop, number) == {first: 7, second: 2}
    assert (adds_up(shop.orders[number]), taken(shop)) == (True, 9)


def test_units_written_over_the_api_leave_the_lines_money(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    (line,) = shop.orders[number]["line_items"]
    total = line["total"]
    call(shop, "PUT", f"{REST}/orders/{number}", {"line_items": [{"id": line["id"], "quantity": 9}]})
    assert (line["quantity"], line["total"], adds_up(shop.orders[number])) == (9, total, True)


def test_a_line_written_without_an_id_is_a_new_one(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    (line,) = shop.orders[number]["line_items"]
    said = {"line_items": [{"product_id": line["product_id"], "variation_id": line["variation_id"], "quantity": 2}]}
    call(shop, "PUT", f"{REST}/orders/{number}", said)
    assert len({x["id"] for x in shop.orders[number]["line_items"]}) == 2
    assert adds_up(shop.orders[number])


def test_another_shipping_method_keeps_its_cost(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    cost = shop.orders[number]["shipping_total"]
    shop.set_shipping_method(number, "pickup_location", "Pickup", "0")
    (line,) = shop.orders[number]["shipping_lines"]
    assert (line["method_id"], line["method_title"], line["instance_id"], line["total"]) == (
        "pickup_location", "Pickup", "0", cost,
    )  # fmt: skip


def test_every_edit_is_told_as_an_update_and_a_note_is_not(shop: Shop, receiver: Receiver) -> None:
    (number,) = shop.place(shape="split")
    subscribe(shop, receiver, *TOPICS)
    first, second = units(shop, number)
    for edit in (
        lambda: shop.edit(number, note="x"),
        lambda: shop.set_quantity(number, first, 5),
        lambda: shop.drop_line(number, second),
        lambda: shop.move(number, "on-hold"),
    ):
        edit()
        assert told(shop, receiver, 1) == ["order.updated"]
    modified = shop.orders[number]["date_modified_gmt"]
    shop.skew = timedelta(minutes=5)
    shop.note(number, "call her")
    shop.cancel(number)
    assert told(shop, receiver, 1) == ["order.updated"]
    assert [note["note"] for note in call(shop, "GET", f"{REST}/orders/{number}/notes")] == ["call her"]
    assert modified < shop.orders[number]["date_modified_gmt"]


# ---- statuses
def test_a_plugins_status_is_listed_once_an_order_has_it(shop: Shop) -> None:
    one, other = shop.place(2)
    assert call(shop, "GET", f"{REST}/orders?status=awaiting-pickup")["code"] == "rest_invalid_param"
    shop.move(one, "wc-awaiting-pickup")
    assert [o["id"] for o in call(shop, "GET", f"{REST}/orders?status=awaiting-pickup")] == [one]
    assert {o["id"] for o in call(shop, "GET", f"{REST}/orders")} == {one, other}


def test_trash_is_told_restored_by_staff_is_told_and_by_put_is_not(shop: Shop, receiver: Receiver) -> None:
    (number,) = shop.place()
    subscribe(shop, receiver, *TOPICS)
    shop.trash(number)
    assert told(shop, receiver, 1) == ["order.deleted"]
    shop.restore(number)
    assert told(shop, receiver, 1) == ["order.restored"]
    shop.trash(number)
    assert told(shop, receiver, 1) == ["order.deleted"]
    shop.restore(number, by_put=True)
    shop.force_delete(number)
    assert (shop.webhooks.waiting(), receiver.got, shop.orders) == (0, [], {})


def test_unpaid_orders_of_the_checkout_are_cancelled_after_a_while(shop: Shop) -> None:
    old, held = shop.place(status="pending") + shop.place(status="on-hold")
    by_api = call(shop, "POST", f"{REST}/orders", {"status": "pending"})["id"]
    assert shop.cancel_unpaid(60) == []
    shop.skew = timedelta(minutes=61)
    (new,) = shop.place(status="pending")
    assert shop.cancel_unpaid(60) == [old]
    assert [shop.orders[n]["status"] for n in (old, held, by_api, new)] == [
        "cancelled",
        "on-hold",
        "pending",
        "pending",
    ]


# ---- payments
def test_how_an_order_begins_follows_from_how_it_is_paid(shop: Shop) -> None:
    begun = {
        shape: payment(shop, *shop.place(shape=shape))
        for shape in ("cod", "bacs", "card", "authorised", "free", "gift_card")
    }
    assert begun == {
        "cod": ("processing", False, False),
        "bacs": ("on-hold", False, False),
        "card": ("processing", True, True),
        "authorised": ("on-hold", False, True),
        "free": ("processing", True, False),
        "gift_card": ("processing", True, True),
    }


@pytest.mark.parametrize("shape", [*UNCLEAN, HALF_CENT_FEE])
def test_every_unclean_shape_adds_up(shop: Shop, shape: str) -> None:
    for number in shop.place(5, shape=shape):
        assert adds_up(shop.orders[number])


def test_amounts_have_their_currencys_decimals(shop: Shop) -> None:
    yen, dinar = shop.orders[shop.place(shape="yen")[0]], shop.orders[shop.place(shape="dinar")[0]]
    assert (yen["currency"], dinar["currency"]) == ("JPY", "KWD")
    assert "." not in yen["total"]
    assert len(dinar["line_items"][0]["total_tax"].partition(".")[2]) == 3


def test_gift_cards_and_credit_are_subtracted_from_the_total_and_nothing_else(shop: Shop) -> None:
    card = shop.orders[shop.place(shape="gift_card")[0]]
    whole = shop.orders[shop.place(shape="gift_card_only")[0]]
    credit = shop.orders[shop.place(shape="store_credit")[0]]
    assert [parts(o) - Decimal(o["total"]) for o in (card, credit)] == [Decimal(5), Decimal(5)]
    assert (card["gift_cards"][0]["amount"], whole["total"], Decimal(str(whole["gift_cards"][0]["amount"]))) == (
        5.0, "0.00", parts(whole),
    )  # fmt: skip


def test_reverse_charge_has_no_tax_and_a_vat_number(shop: Shop) -> None:
    order = shop.orders[shop.place(shape="reverse_charge")[0]]
    metas = {meta["key"]: meta["value"] for meta in order["meta_data"]}
    assert (order["total_tax"], order["tax_lines"], order["billing"]["country"]) == ("0.00", [], "BE")
    assert (metas["is_vat_exempt"], metas["_billing_vat_number"]) == ("yes", "BE0123456749")


def test_half_a_cent_of_tax_on_a_fee_is_said_in_two_ways(shop: Shop) -> None:
    (fee,) = shop.orders[shop.place(shape=HALF_CENT_FEE)[0]]["fee_lines"]
    assert (fee["total"], fee["total_tax"], fee["taxes"][0]["total"]) == ("1.50", "0.31", "0.32")


@pytest.mark.parametrize("status", ["pending", "on-hold", "failed", "cancelled"])
def test_a_late_payment_makes_any_unpaid_order_processing(shop: Shop, status: str) -> None:
    (number,) = shop.place(shape="bacs", status=status)
    shop.pay(number, "tr_9")
    assert payment(shop, number) == ("processing", True, True)


def test_money_is_reserved_and_captured_later(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    shop.authorise(number)
    assert payment(shop, number) == ("on-hold", False, True)
    shop.capture(number, Decimal("3.00"))
    metas = {meta["key"]: meta["value"] for meta in shop.orders[number]["meta_data"]}
    assert payment(shop, number) == ("processing", True, True)
    assert (metas["_wc_card_charge_captured"], metas["_wc_card_capture_total"]) == ("partial", "3.00")


def test_cash_on_delivery_is_paid_when_it_is_completed(shop: Shop) -> None:
    (number,) = shop.place(shape="cod")
    seen = []
    for status in ("on-hold", "processing", "completed"):
        shop.move(number, status)
        seen.append(payment(shop, number)[1])
    assert seen == [False, False, True]


# ---- refunds
def test_units_are_refunded_with_their_share_of_tax_and_put_back(shop: Shop) -> None:
    (number,) = shop.place(shape="split")
    sku = next(iter(units(shop, number)))
    shop.set_quantity(number, sku, 3)
    before, line = taken(shop), shop.orders[number]["line_items"][0]
    first = shop.refund(number, {sku: 1}, reason="broken")
    rest = shop.refund(number, {sku: 2}, restock=False)
    refunds = {r["id"]: r for r in call(shop, "GET", f"{REST}/orders/{number}/refunds?order=asc&orderby=id")}
    items = [item for refund in refunds.values() for item in refund["line_items"]]
    assert [item["quantity"] for item in items] == [-1, -2]
    assert {item["meta_data"][0]["value"] for item in items} == {str(line["id"])}
    assert -sum(Decimal(item["total"]) for item in items) == Decimal(line["total"])
    assert -sum(Decimal(item["total_tax"]) for item in items) == Decimal(line["total_tax"])
    assert [m["total"] for m in shop.orders[number]["refunds"]] == [f"-{refunds[r]['amount']}" for r in (first, rest)]
    assert before - taken(shop) == 1


def test_an_amount_alone_says_no_tax(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    refund = shop.refund(number, amount="2.50", reason="late")
    order = call(shop, "GET", f"{REST}/orders/{number}")
    assert order["refunds"] == [{"id": refund, "reason": "late", "total": "-2.50", "total_tax": "0.00"}]
    assert order["status"] == "processing"


def test_everything_refunded_is_refunded_also_by_status(shop: Shop) -> None:
    one, other = shop.place(2, shape="plain")
    shop.refund(one, units(shop, one), shipping=True)
    shop.refund(other, amount="1.00")
    shop.move(other, "refunded")
    for number in (one, other):
        order = shop.orders[number]
        assert order["status"] == "refunded"
        assert sum(Decimal(r["amount"]) for r in shop.refunds_of(number)) == Decimal(order["total"])


def test_a_refund_is_told_and_its_deletion_is_not(shop: Shop, receiver: Receiver) -> None:
    (number,) = shop.place(shape="plain")
    subscribe(shop, receiver, *TOPICS)
    refund = shop.refund(number, amount="1.00")
    settled(shop, receiver, 1)
    assert json.loads(receiver.got[0].body)["refunds"][0]["id"] == refund
    receiver.got.clear()
    modified = shop.orders[number]["date_modified_gmt"]
    shop.skew = timedelta(minutes=5)
    shop.unrefund(number, refund)
    assert (shop.webhooks.waiting(), receiver.got) == (0, [])
    assert (shop.orders[number]["refunds"], shop.orders[number]["date_modified_gmt"]) == ([], modified)


def test_all_refunds_are_one_collection(shop: Shop) -> None:
    one, other = shop.place(2, shape="plain")
    refunds = [shop.refund(number, amount="1.00") for number in (one, other, one)]
    shown = call(shop, "GET", f"{REST}/refunds?orderby=id&order=asc")
    assert [(r["id"], r["parent_id"]) for r in shown] == list(zip(refunds, (one, other, one), strict=True))
    assert "parent_id" not in call(shop, "GET", f"{REST}/orders/{one}/refunds/{refunds[0]}")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"amount": "9999.00", "api_refund": False}, "Invalid refund amount."),
        ({"amount": "1.00"}, "The payment gateway for this order does not support automatic refunds."),
    ],
)
def test_refusals_of_refunds_look_like_a_crash(shop: Shop, said: dict[str, Any], words: str) -> None:
    (number,) = shop.place(shape="cod")
    assert call(shop, "POST", f"{REST}/orders/{number}/refunds", said) == {
        "code": "woocommerce_rest_cannot_create_order_refund", "message": words, "data": 500,
    }  # fmt: skip


# ---- customers
def test_customers_are_made_edited_and_leave(shop: Shop, receiver: Receiver) -> None:
    subscribe(shop, receiver, "customer.created", "customer.updated", "customer.deleted")
    company = {"company": "Voorbeeld B.V.", "city": "Gouda"}
    said = {"email": "a@example.com", "billing": company, "meta_data": [{"key": "vat_number", "value": "NL1"}]}
    made = call(shop, "POST", f"{REST}/customers", said)
    assert call(shop, "POST", f"{REST}/customers", said)["code"] == "registration-error-email-exists"
    call(shop, "PUT", f"{REST}/customers/{made['id']}", {"billing": {"city": "Delft"}})
    shown = call(shop, "GET", f"{REST}/customers/{made['id']}")
    assert (shown["billing"], shown["meta_data"][0]["value"]) == (company | {"city": "Delft"}, "NL1")
    assert call(shop, "DELETE", f"{REST}/customers/{made['id']}")["code"] == "woocommerce_rest_trash_not_supported"
    call(shop, "DELETE", f"{REST}/customers/{made['id']}?force=true")
    assert told(shop, receiver, 3) == ["customer.created", "customer.updated", "customer.deleted"]


def test_customers_come_in_pages_and_know_no_modified_after(shop: Shop) -> None:
    pages = [
        call(shop, "GET", f"{REST}/customers?per_page=5&page={n}&modified_after=2999-01-01T00:00:00")
        for n in (1, 2, 3, 4)
    ]
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    assert [c["id"] for page in pages for c in page] == sorted(shop.customers)


# ---- unclean life
def test_the_same_dice_do_the_same_deeds_and_every_order_still_adds_up() -> None:
    def life(seed: int) -> tuple[list[Any], list[Any]]:
        shop, dice = Shop(seed=1), random.Random(seed)
        numbers = shop.place(40, seed=3, unclean=0.4)
        for _ in range(160):
            shop.unsettle(dice.choice(numbers), dice)
        assert all(adds_up(order) for order in shop.orders.values())
        return shop.deeds, [(o["status"], o["total"], len(o["refunds"])) for o in shop.orders.values()]

    assert life(5) == life(5) != life(6)


def test_every_deed_is_done_sooner_or_later() -> None:
    shop, dice = Shop(seed=1), random.Random(2)
    numbers = shop.place(60, seed=3, unclean=0.4)
    for _ in range(400):
        shop.unsettle(dice.choice(numbers), dice)
    assert {deed["deed"] for deed in shop.deeds} == set(DEEDS)


def test_a_deed_can_be_asked_for_over_http(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    assert call(shop, "POST", f"/_sim/orders/{number}/unsettle", {"deed": "cancel"}) == {
        "order": number,
        "deed": "cancel",
    }
    assert call(shop, "POST", "/_sim/orders/4711/unsettle", {"seed": 1})["deed"] == "nothing"
    assert [deed["deed"] for deed in call(shop, "GET", "/_sim/state")["deeds"]] == ["cancel", "nothing"]
