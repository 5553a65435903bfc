import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import urllib3

from canonical.facts import OrderStated
from connectors.base import Delivery, Envelope
from connectors.simulation import Answer, Fault, Request, Simulator, wait_until
from connectors.woocommerce import connector, door
from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.simulator.baskets import SHAPES
from tests.connectors.woocommerce.conftest import recorded

NOW = datetime(2026, 1, 31, tzinfo=UTC)


class Receiver(Simulator):
    """Stands where our doors stand: keeps what the shop delivers."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Delivery] = []
        self.routes.add("POST", "/hook", self.hook)

    def hook(self, request: Request) -> Answer:
        self.got.append(Delivery(request.headers, request.body))
        return Answer(200)

    def topics(self) -> list[str]:
        return [delivery.headers.get("x-wc-webhook-topic", "ping") for delivery in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def call(shop: Shop, method: str, path: str, said: Any = None) -> Any:
    headers = urllib3.make_headers(basic_auth=f"{shop.key}:{shop.secret}")
    answer = urllib3.request(method, shop.url + path, json=said, headers=headers)
    return answer.json()


def subscribe(shop: Shop, receiver: Receiver, *topics: str) -> list[int]:
    said = [{"topic": topic, "delivery_url": receiver.url + "/hook", "secret": "s3cret"} for topic in topics]
    hooks = [call(shop, "POST", "/wp-json/wc/v3/webhooks", one)["id"] for one in said]
    wait_until(lambda: len(receiver.got) >= len(topics))
    receiver.got.clear()
    return hooks


def settled(shop: Shop, receiver: Receiver, count: int) -> None:
    wait_until(lambda: len(receiver.got) >= count and not shop.webhooks.waiting())


def states(shop: Shop) -> list[OrderStated]:
    facts = []
    for number in shop.orders:
        body = json.dumps(call(shop, "GET", f"/wp-json/wc/v3/orders/{number}")).encode()
        facts += connector.reads["order.read"](Envelope("order.read", body, NOW, NOW))
    return facts  # type: ignore[return-value]


# ---- what it sells
def test_an_order_has_every_field_a_real_one_has(shop: Shop) -> None:
    (number,) = shop.place()
    real, ours = (
        json.loads(recorded("order_from_storefront_checkout")),
        call(shop, "GET", f"/wp-json/wc/v3/orders/{number}"),
    )
    left_out = {"payment_url", "is_editable", "needs_payment", "needs_processing", "_links"}
    assert set(real) - left_out == set(ours)
    for kind in ("line_items", "shipping_lines", "tax_lines"):
        assert set(real[kind][0]) == set(ours[kind][0])


def test_orders_of_every_shape_add_up_to_the_cent(shop: Shop) -> None:
    shop.place(3 * len(SHAPES))
    for fact in states(shop):
        assert sum(item.total + item.tax for item in (*fact.lines, *fact.charges)) == fact.total


def test_a_few_orders_show_every_shape(shop: Shop) -> None:
    shop.place(len(SHAPES))
    facts = states(shop)
    assert [shop.orders[int(fact.ref)]["_sim"]["shape"] for fact in facts] == list(SHAPES)
    assert any({line.sku[:2] for line in fact.lines} == {"W1", "W2"} for fact in facts)
    assert any({line.sku[:2] for line in fact.lines} == {"DL"} for fact in facts)
    assert any(charge.total < 0 for fact in facts for charge in fact.charges)
    assert {fact.prices_include_tax for fact in facts} == {True, False}
    assert any(fact.total_tax == 0 for fact in facts)


def test_a_cent_off_only_when_asked(shop: Shop) -> None:
    shop.place(shape="cent_off")
    (fact,) = states(shop)
    assert fact.total - sum(item.total + item.tax for item in (*fact.lines, *fact.charges)) == Decimal("-0.01")


def test_the_same_seed_sells_the_same() -> None:
    def sold(seed: int) -> list[Any]:
        shop = Shop()
        shop.place(20, seed)
        return [(o["total"], o["billing"], [x["sku"] for x in o["line_items"]]) for o in shop.orders.values()]

    assert sold(5) == sold(5) != sold(6)


def test_an_edited_order_still_adds_up(shop: Shop) -> None:
    (number,) = shop.place(shape="multi_line")
    first, second, *_ = shop.orders[number]["line_items"]
    shop.edit(number, line_items=[{"id": first["id"], "quantity": 9}, {"id": second["id"], "quantity": 0}])
    (fact,) = states(shop)
    assert fact.lines[0].units == 9
    assert second["id"] not in [int(line.ref) for line in fact.lines]
    assert sum(item.total + item.tax for item in (*fact.lines, *fact.charges)) == fact.total


def test_stock_is_taken_once_and_given_back_on_cancellation(shop: Shop) -> None:
    def taken() -> int:
        return sum(1_000 - p["stock_quantity"] for p in shop.products.values() if p["manage_stock"])

    (number,) = shop.place(shape="split")
    units = sum(line["quantity"] for line in shop.orders[number]["line_items"])
    seen = [taken()]
    for status in ("completed", "cancelled", "cancelled", "processing"):
        shop.edit(number, status=status)
        seen.append(taken())
    assert seen == [units, units, 0, 0, units]


# ---- webhooks
def test_a_checkout_is_delivered_update_first_signed_and_as_it_is_now(shop: Shop, receiver: Receiver) -> None:
    subscribe(shop, receiver, "order.created", "order.updated")
    (number,) = shop.place()
    settled(shop, receiver, 2)
    assert receiver.topics() == ["order.updated", "order.created"]
    heard = [door(delivery, ["s3cret"]) for delivery in receiver.got]
    assert [json.loads(one.body)["id"] for one in heard if one] == [number, number]


def test_the_ping_is_unsigned(shop: Shop, receiver: Receiver) -> None:
    call(shop, "POST", "/wp-json/wc/v3/webhooks", {"topic": "order.created", "delivery_url": receiver.url + "/hook"})
    wait_until(lambda: receiver.got)
    assert door(receiver.got[0], ["s3cret"]) is None


def test_quick_changes_coalesce_and_share_a_delivery_id(shop: Shop, receiver: Receiver) -> None:
    subscribe(shop, receiver, "order.updated")
    shop.webhooks.set_mischief(hold=True)
    one, other = shop.place(2)
    for status in ("on-hold", "processing", "completed"):
        call(shop, "PUT", f"/wp-json/wc/v3/orders/{one}", {"status": status})
    shop.webhooks.set_mischief(hold=False)
    settled(shop, receiver, 2)
    assert [json.loads(delivery.body)["status"] for delivery in receiver.got] == ["completed", "processing"]
    assert [json.loads(delivery.body)["id"] for delivery in receiver.got] == [one, other]


def test_trash_says_only_the_id_and_force_says_nothing(shop: Shop, receiver: Receiver) -> None:
    one, other = shop.place(2)
    subscribe(shop, receiver, "order.deleted", "order.updated")
    call(shop, "DELETE", f"/wp-json/wc/v3/orders/{one}")
    call(shop, "DELETE", f"/wp-json/wc/v3/orders/{other}?force=true")
    settled(shop, receiver, 1)
    assert [(d.headers["x-wc-webhook-topic"], d.body) for d in receiver.got] == [("order.deleted", b'{"id":%d}' % one)]


def test_a_vanished_subject_is_delivered_as_an_error(shop: Shop, receiver: Receiver) -> None:
    subscribe(shop, receiver, "order.created")
    shop.webhooks.set_mischief(hold=True)
    (number,) = shop.place()
    call(shop, "DELETE", f"/wp-json/wc/v3/orders/{number}?force=true")
    shop.webhooks.set_mischief(hold=False)
    settled(shop, receiver, 1)
    assert json.loads(receiver.got[0].body)["code"] == "woocommerce_rest_shop_order_invalid_id"


def test_seven_failures_disable_and_nothing_is_retried(shop: Shop, receiver: Receiver) -> None:
    (hook,) = subscribe(shop, receiver, "order.created")
    receiver.faults.add(Fault(do="answer", status=500, count=7))
    shop.place(9)
    wait_until(lambda: not shop.webhooks.waiting())
    assert (shop.webhooks.subscriptions()[hook]["status"], receiver.got) == ("disabled", [])
    call(shop, "PUT", f"/wp-json/wc/v3/webhooks/{hook}", {"status": "active"})
    receiver.faults.add(Fault(do="answer", status=500, count=1))
    shop.place(1)
    wait_until(lambda: shop.webhooks.subscriptions()[hook]["status"] == "disabled")


def test_drops_duplicates_and_old_deliveries_last(shop: Shop, receiver: Receiver) -> None:
    subscribe(shop, receiver, "order.created")
    call(shop, "POST", "/_sim/webhooks", {"duplicate": 1.0})
    first, second = shop.place(2)
    settled(shop, receiver, 4)
    call(shop, "POST", "/_sim/webhooks", {"duplicate": 0.0, "drop": 1.0})
    shop.place(3)
    wait_until(lambda: shop.webhooks.counts["dropped"] == 3)
    receiver.got.clear()
    call(shop, "POST", "/_sim/redeliver", {"last": 2})
    wait_until(lambda: len(receiver.got) == 2)
    assert [json.loads(delivery.body)["id"] for delivery in receiver.got] == [second, first]


# ---- controls and life
def test_orders_over_http_at_a_rate(shop: Shop) -> None:
    assert call(shop, "POST", "/_sim/orders", {"count": 2, "seed": 9, "shape": "split"})["placed"]
    call(shop, "POST", "/_sim/orders", {"count": 3, "rate": 100})
    wait_until(lambda: len(shop.orders) == 5)


def test_the_state_tells_what_an_oracle_wants(shop: Shop) -> None:
    (number,) = shop.place(shape="plain")
    (line,) = shop.orders[number]["line_items"]
    metas = [
        {"key": "_items", "value": [{"item_id": line["id"], "qty": 1}]},
        {"key": "_tracking_number", "value": "3S1"},
    ]
    call(shop, "POST", f"/wp-json/wc/v3/orders/{number}/fulfillments", {"status": "fulfilled", "meta_data": metas})
    call(shop, "PUT", f"/wp-json/wc/v3/orders/{number}", {"status": "completed"})
    (order,) = call(shop, "GET", "/_sim/state")["orders"]
    times = [order.pop(field) for field in ("date_created", "tracking_at", "completed_at")]
    assert times == sorted(times)
    assert order == {
        "id": number,
        "number": str(number),
        "status": "completed",
        "total": shop.orders[number]["total"],
        "lines": {line["sku"]: line["quantity"]},
        "refunds": [],
        "refunded_units": 0,
        "paid": True,
        "shape": "plain",
        "tracking": ["3S1"],
        "fulfillments": 1,
        "notes": 0,
        "completions": 1,
    }


def test_a_restarted_shop_goes_on_where_it_was(tmp_path: Any, receiver: Receiver) -> None:
    with Shop(store=tmp_path) as first:
        subscribe(first, receiver, "order.created")
        first.webhooks.set_mischief(hold=True)
        (number,) = first.place()
        before = call(first, "GET", f"/wp-json/wc/v3/orders/{number}")
    with Shop(store=tmp_path) as second:
        assert call(second, "GET", f"/wp-json/wc/v3/orders/{number}") == before
        assert second.place()[0] > number
        wait_until(lambda: len(receiver.got) == 2)


def test_modified_after_is_exclusive_and_in_the_sites_time_without_the_flag(shop: Shop) -> None:
    (number,) = shop.place()
    shop.orders[number].update(date_modified="2026-01-01T13:00:00", date_modified_gmt="2026-01-01T12:00:00")

    def found(query: str) -> int:
        return len(call(shop, "GET", f"/wp-json/wc/v3/orders?modified_after={query}"))

    assert [found("2026-01-01T12:00:00&dates_are_gmt=true"), found("2026-01-01T11:59:59&dates_are_gmt=true")] == [0, 1]
    assert [found("2026-01-01T12:59:59"), found("2026-01-01T13:00:00"), found("2026-01-01T11:59:59Z")] == [1, 0, 1]
