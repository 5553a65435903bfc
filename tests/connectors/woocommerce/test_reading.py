import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from canonical.facts import CustomerStated, Fact, Gone, OrderStated, SkuStated, Vanished
from canonical.types import Address, Charge, Coupon, Line, PaymentStatement, Tax
from connectors.base import Envelope, Malformed
from connectors.woocommerce import connector
from tests.connectors.woocommerce.conftest import delivered, recorded

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
BTW = "NL-BTW-1"


def read(topic: str, body: bytes | Any, asked_at: datetime | None = None) -> list[Fact]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(connector.reads[topic](Envelope(topic, raw, NOW, asked_at)))


def order(**changes: Any) -> dict[str, Any]:
    """The storefront order of the recorded shop, changed."""
    return {**json.loads(recorded("order_from_storefront_checkout")), **changes}


def line(**changes: Any) -> dict[str, Any]:
    return order(line_items=[{**order()["line_items"][0], **changes}])


def stated(body: Any) -> OrderStated:
    (fact,) = read("order.updated", body)
    assert isinstance(fact, OrderStated)
    return fact


def test_a_storefront_order() -> None:
    home = Address(
        first_name="Shopper", last_name="Example", line1="Teststraat 3", postcode="2311 AA", city="Leiden", country="NL",
        phone="+31 71 5550101",
    )  # fmt: skip
    at = datetime(2026, 11, 23, 4, 28, 56, tzinfo=UTC)
    assert read("order.read", recorded("order_from_storefront_checkout"), NOW) == [
        OrderStated(
            occurred_at=at,
            ref="165",
            version=1795408136,
            read_at=NOW,
            number="165",
            status="processing",
            status_text="processing",
            placed_at=at,
            currency="EUR",
            prices_include_tax=True,
            total=Decimal("30.99"),
            total_tax=Decimal("5.38"),
            lines=(
                Line(
                    ref="52", sku="MUG-BLUE-350", name="Blue Stoneware Mug", units=2, product_ref="10", variant_ref="10",
                    subtotal=Decimal("20.66"), total=Decimal("20.66"), taxes=(Tax(code=BTW, rate=Decimal(21), amount=Decimal("4.34")),),
                ),
            ),
            charges=(
                Charge(
                    ref="53", kind="shipping", title="Flat rate", code="flat_rate", total=Decimal("4.95"),
                    taxes=(Tax(code=BTW, rate=Decimal(21), amount=Decimal("1.04")),),
                ),
            ),
            billing=Address(**{**{f: getattr(home, f) for f in home.__struct_fields__}, "email": "shopper@example.com"}),
            shipping=home,
            payment=PaymentStatement(method="cod", title="Cash on delivery"),
            note="leave at door",
        )
    ]  # fmt: skip


def off_by(name: str) -> Decimal:
    """By how much a recorded order's total differs from the sum of what it states."""
    fact = stated(delivered(name)[0].body)
    return fact.total - sum(item.total + item.tax for item in (*fact.lines, *fact.charges))


def test_orders_add_up_or_are_kept_a_cent_off_as_the_shop_states_them() -> None:
    """A shop whose prices include tax sums unrounded taxes: 6.51 + 5.90 + 1.04 + 0.32 is 13.76 to it."""
    names = ("0018_order.created", "0258_order.updated", "0022_order.created")
    assert [off_by(name) for name in names] == [0, 0, Decimal("-0.01")]


def test_a_coupon_is_inside_the_lines() -> None:
    fact = stated(recorded("order_with_coupon"))
    assert fact.coupons == (Coupon(code="lab10", discount=Decimal("1.03")),)
    assert (fact.lines[0].subtotal, fact.lines[0].total, fact.total) == (
        Decimal("10.33"),
        Decimal("9.30"),
        Decimal("11.25"),
    )


def test_a_simple_product_a_variation_and_a_frame() -> None:
    (simple,) = read("product.updated", delivered("0024_product.updated")[0].body)
    (variation,) = read("product.updated", delivered("0025_product.updated")[0].body)
    assert isinstance(simple, SkuStated) and isinstance(variation, SkuStated)
    assert (simple.ref, simple.product_ref, simple.sku, simple.gtin) == ("10", "10", "MUG-BLUE-350", "8712345000015")
    assert (variation.ref, variation.product_ref, variation.sku) == ("13", "12", "APRON-S-M")
    assert read("product.updated", recorded("product_get_variable_parent")) == []


@pytest.mark.parametrize(("more", "ships"), [({}, True), ({"downloadable": True}, True), ({"virtual": True}, False)])
def test_only_a_virtual_product_needs_no_shipping(more: dict[str, Any], ships: bool) -> None:
    (fact,) = read("product.created", {"id": 5, "type": "simple", "status": "publish", **more})
    assert isinstance(fact, SkuStated)
    assert fact.requires_shipping is ships


def test_a_product_in_the_trash_is_not_active() -> None:
    (fact,) = read("product.read", {"id": 37, "type": "simple", "status": "trash", "sku": None}, NOW)
    assert fact == SkuStated(
        occurred_at=NOW, ref="37", version=0, read_at=NOW, sku="", name="", product_ref="37", active=False
    )


def test_a_customer() -> None:
    (fact,) = read("customer.created", delivered("0014_customer.created")[0].body)
    assert isinstance(fact, CustomerStated)
    assert (fact.ref, fact.email, fact.billing.city) == ("2", "testa.bezoeker@example.com", "Utrecht")


def test_deletions_only_ask_to_look() -> None:
    assert read("order.deleted", b'{"id":141}') == [Vanished(occurred_at=NOW, entity="order", ref="141")]
    assert read("product.deleted", b'{"id":37}') == [Vanished(occurred_at=NOW, entity="sku", ref="37")]
    assert read("customer.deleted", b'{"id":2}') == [Vanished(occurred_at=NOW, entity="customer", ref="2")]


def test_a_read_that_found_nothing_is_later_than_every_change() -> None:
    body = b'{"id":"165","at":1795408200,"code":"woocommerce_rest_shop_order_invalid_id"}'
    assert read("order.missing", body, NOW) == [
        Gone(occurred_at=NOW, ref="165", version=1795408200, read_at=NOW, entity="order")
    ]


@pytest.mark.parametrize("name", ["0030_order.created", "0033_order.updated", "0147_product.updated"])
def test_a_signed_error_object_says_nothing(name: str) -> None:
    assert read(name[5:], delivered(name)[0].body) == []


def test_coupons_and_actions_say_nothing() -> None:
    assert read("coupon.created", delivered("0597_coupon.created")[0].body) == []
    assert read("action", b"{}") == []


def test_a_status_of_a_plugin_is_unknown_and_kept() -> None:
    fact = stated(order(status="ready-to-ship"))
    assert (fact.status, fact.status_text) == ("unknown", "ready-to-ship")


def test_trash_and_on_hold_in_our_words() -> None:
    assert stated(recorded("order_get_trashed")).status == "trashed"
    assert stated(order(status="on-hold")).status == "on_hold"


def test_plugins_that_write_ids_as_texts_and_nulls_are_understood() -> None:
    odd = line(id="52", product_id="10", quantity="2", sku=None, taxes=[{"id": "1", "total": "4.34"}])
    fact = stated(
        {**odd, "id": "165", "number": 165, "customer_id": "7", "billing": [], "tax_lines": order()["tax_lines"]}
    )
    assert fact.ref == fact.number == "165"
    assert fact.customer_ref == "7"
    assert fact.billing == Address()
    assert (fact.lines[0].sku, fact.lines[0].units, fact.lines[0].taxes[0].code) == ("", 2, BTW)


def test_a_tax_without_a_share_for_a_line_is_left_out() -> None:
    taxes = [{"id": 1, "total": "4.34"}, {"id": 2, "total": ""}]
    assert [tax.code for tax in stated(line(taxes=taxes)).lines[0].taxes] == [BTW]


def test_a_negative_fee_is_a_discount() -> None:
    fee = {"id": 9, "name": "Loyalty", "total": "-1.50", "total_tax": "-0.32", "taxes": [{"id": 1, "total": "-0.32"}]}
    assert stated(order(fee_lines=[fee])).charges[1] == Charge(
        ref="9", kind="fee", title="Loyalty", total=Decimal("-1.50"),
        taxes=(Tax(code=BTW, rate=Decimal(21), amount=Decimal("-0.32")),),
    )  # fmt: skip


def test_a_byte_order_mark_and_nul_do_no_harm() -> None:
    raw = json.dumps(order(customer_note="a\0b")).encode()
    assert stated(b"\xef\xbb\xbf" + raw).note == "ab"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (order(total="-1.00"), "The total of order 165 should not be negative, but is -1.00."),
        (order(total="NaN"), "The total of order 165 should be an amount like 12.50, but is “NaN”."),
        (order(total="1e400"), "The total of order 165 should be an amount like 12.50, but is “1e400”."),
        (order(total=None), "The total of order 165 is missing."),
        (order(total="12,50"), "The total of order 165 should be an amount like 12.50, but is “12,50”."),
        (order(currency="euro"), "The currency of order 165 should be a code like EUR, but is “euro”."),
        (order(status=""), "The status of order 165 is missing."),
        (order(date_created_gmt=None), "date_created_gmt of order 165 is missing."),
        (order(date_paid_gmt="soon"), "date_paid_gmt of order 165 should be a date like 2026-01-31T12:00:00, but is “soon”."),
        (order(id="165; DROP"), "The order's id should be a number, but is “165; DROP”."),
        (line(quantity=1.5), "The quantity of line 52 of order 165 should be a whole number, but is 1.5."),
        (line(quantity=-1), "The quantity of line 52 of order 165 should not be negative, but is -1."),
        (line(quantity=None), "The quantity of line 52 of order 165 is missing."),
        (line(total="-5"), "The total of line 52 of order 165 should not be negative, but is -5."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_plain_words(body: Any, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read("order.updated", body)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "body", [b'{"number":"\xff"}', b'{"id":1,"number":"\\ud800"}', b'{"id":1,"total":NaN}', b'{"id":1' + b"[" * 20_000]
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read("order.updated", body)
