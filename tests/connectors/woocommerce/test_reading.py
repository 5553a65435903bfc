import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.facts import CustomerStated, Fact, Gone, OrderStated, RangeListed, RefundStated, SkuStated, Vanished
from canonical.types import (
    Address,
    Charge,
    Coupon,
    Line,
    Listed,
    Meta,
    PaymentStatement,
    RefundedLine,
    RefundMention,
    Tax,
    Tender,
)
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
                    reduced=2,
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
            meta=(Meta(key="is_vat_exempt", value="no"),),
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
    simple, _ = read("product.updated", delivered("0024_product.updated")[0].body)
    variation, _ = read("product.updated", delivered("0025_product.updated")[0].body)
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


def metas(**texts: Any) -> list[dict[str, Any]]:
    return [{"id": number, "key": key, "value": value} for number, (key, value) in enumerate(texts.items())]


# ---- money that is exact
def test_yen_have_no_decimals() -> None:
    item = {
        **order()["line_items"][0],
        "subtotal": "4000",
        "total": "3600",
        "total_tax": "360",
        "taxes": [{"id": 1, "total": "360"}],
    }
    fact = stated(order(currency="JPY", total="3960", total_tax="360", line_items=[item], shipping_lines=[]))
    assert (fact.currency, fact.total, fact.lines[0].subtotal, fact.lines[0].total) == (
        "JPY", Decimal(4000) - 40, Decimal(4000), Decimal(3600),
    )  # fmt: skip
    assert fact.lines[0].tax == 360


def test_several_rates_on_one_line_stay_apart() -> None:
    rates = [
        {"rate_id": 7, "rate_code": "CA-GST-1", "rate_percent": 5},
        {"rate_id": 8, "rate_code": "CA-QC-QST-2", "rate_percent": "9.975"},
    ]
    said = {**line(taxes=[{"id": 7, "total": "1.03"}, {"id": 8, "total": "2.060875"}]), "tax_lines": rates}
    assert stated(said).lines[0].taxes == (
        Tax(code="CA-GST-1", rate=Decimal(5), amount=Decimal("1.03")),
        Tax(code="CA-QC-QST-2", rate=Decimal("9.975"), amount=Decimal("2.060875")),
    )


def test_an_exempt_line_has_no_taxes_and_one_of_zero_percent_has_one_of_nothing() -> None:
    assert stated(line(taxes=[], total_tax="0.00")).lines[0].taxes == ()
    zero = [{"rate_id": 3, "rate_code": "REVERSE CHARGE-1", "rate_percent": 0}]
    said = {**line(taxes=[{"id": 3, "total": "0"}]), "tax_lines": zero}
    assert stated(said).lines[0].taxes == (Tax(code="REVERSE CHARGE-1", rate=Decimal(0), amount=Decimal(0)),)


@pytest.mark.parametrize("method", ["flat_rate", "flat_rate:3"])
def test_a_shipping_method_is_its_id_without_the_instance(method: str) -> None:
    charge = {"id": 9, "method_id": method, "instance_id": "3", "method_title": "PostNL", "total": "4.95"}
    assert [(c.code, c.title) for c in stated(order(shipping_lines=[charge])).charges] == [("flat_rate", "PostNL")]


# ---- refunds
def test_an_order_names_its_refunds() -> None:
    assert stated(recorded("order_after_partial_refund")).refunds == (
        RefundMention(ref="139", amount=Decimal("12.50")),
    )
    assert stated(recorded("order_after_full_refund")).refunds == (RefundMention(ref="164", amount=Decimal("34.00")),)
    assert stated(order(refunds=None)).refunds == ()


def refund(**changes: Any) -> dict[str, Any]:
    """The recorded partial refund as we wrap it, changed."""
    return {"order": 138, "refund": {**json.loads(recorded("order_refund_partial_restock")), **changes}}


PARTIAL = RefundStated(
    occurred_at=datetime(2026, 11, 23, 4, 24, 25, tzinfo=UTC),
    ref="139",
    order_ref="138",
    amount=Decimal("12.50"),
    reason="one mug broken",
    lines=(RefundedLine(line="3", units=1, total=Decimal("10.33"), tax=Decimal("2.17")),),
)


def test_a_refund_of_one_unit() -> None:
    assert read("refund.read", refund(), NOW) == [PARTIAL]
    (listed,) = json.loads(recorded("refunds_global_list"))
    assert read("refund.read", {"order": listed["parent_id"], "refund": listed}, NOW) == [PARTIAL]


def test_a_refund_of_an_amount_only() -> None:
    (fact,) = read("refund.read", {"order": "162", "refund": json.loads(recorded("order_refund_full"))}, NOW)
    assert isinstance(fact, RefundStated)
    assert (fact.ref, fact.order_ref, fact.amount, fact.lines) == ("164", "162", Decimal("34.00"), ())


def test_money_without_units_is_a_line_of_no_units() -> None:
    (item,) = refund()["refund"]["line_items"]
    (fact,) = read("refund.read", refund(line_items=[{**item, "quantity": 0}, {**item, "meta_data": []}]))
    assert isinstance(fact, RefundStated)
    assert [(each.line, each.units, each.total) for each in fact.lines] == [("3", 0, Decimal("10.33"))]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"order": 138}, "The refund is missing."),
        ({**refund(), "order": 0}, "The order of refund 139 is missing."),
        (refund(amount=None), "The amount of refund 139 is missing."),
        (refund(amount="12,50"), "The amount of refund 139 should be an amount like 12.50, but is “12,50”."),
        (
            refund(line_items=[{"quantity": "-0.5", "meta_data": metas(_refunded_item_id="3")}]),
            "The quantity of line 3 in refund 139 should be a whole number, but is 0.5.",
        ),
        (order(refunds=[{"id": 1}]), "The total of refund 1 of order 165 is missing."),
        (order(refunds=[{"total": "-1"}]), "The id of a refund of order 165 is missing."),
    ],
)
def test_what_is_wrong_with_a_refund_is_said(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read("refund.read" if "order" in body else "order.read", body)
    assert str(caught.value) == words


def test_a_refund_that_was_deleted_is_gone() -> None:
    body = b'{"id":"139","at":1795408200,"code":"woocommerce_rest_invalid_order_refund_id"}'
    assert read("refund.missing", body, NOW) == [
        Gone(occurred_at=NOW, ref="139", version=1795408200, read_at=NOW, entity="refund")
    ]


# ---- meta
def test_texts_of_plugins_are_kept_and_their_private_ones_are_not() -> None:
    said = [
        *metas(gift_wrap="yes", delivery_date="2026-12-24", _channel="lab", _billing_eu_vat_number=" DE123 ", weight=1.5, urgent=True),
        *metas(_wc_other_x="no", **{"_wc_other/vat/number": "NL1"}, note="x" * 301, empty="", nothing=None, list=[1], map={"a": 1}),
        *metas(gift_wrap="no", **{"k" * 101: "long"}),
        "not an entry", {"key": 7, "value": "x"}, {"value": "x"},
    ]  # fmt: skip
    assert [(m.key, m.value) for m in stated(order(meta_data=said)).meta] == [
        ("_billing_eu_vat_number", "DE123"), ("_wc_other/vat/number", "NL1"), ("delivery_date", "2026-12-24"),
        ("gift_wrap", "yes"), ("urgent", "true"), ("weight", "1.5"),
    ]  # fmt: skip


def test_no_more_than_fifty_texts_are_kept() -> None:
    said = metas(**{f"key{number:03d}": "x" for number in range(80)})
    assert [m.key for m in stated(order(meta_data=said)).meta] == [f"key{number:03d}" for number in range(50)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "key", "value", "amount", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(meta=anything, cards=anything, coupon=anything)
def test_whatever_plugins_write_the_order_is_read_or_malformed(meta: Any, cards: Any, coupon: Any) -> None:
    coupons = [{"code": "x", "discount": "1.00", "meta_data": meta}]
    body = order(meta_data=[*metas(smart_coupons_contribution=coupon), meta], gift_cards=cards, coupon_lines=coupons)
    try:
        fact = stated(body)
    except Malformed as error:
        assert str(error)
        return
    assert all(len(m.key) <= 100 and len(m.value) <= 300 for m in fact.meta)
    assert fact.total >= Decimal("30.99") and all(tender.amount > 0 for tender in fact.tenders)


# ---- payment
PLACED = datetime(2026, 11, 23, 4, 28, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    "marks",
    [
        {"_stripe_charge_captured": "no"},
        {"_intention_status": "requires_capture"},
        {"_ppcp_paypal_intent": "AUTHORIZE", "_ppcp_paypal_captured": "false"},
        {"_wc_authorize_net_cim_credit_card_charge_captured": "no"},
    ],
)
@pytest.mark.parametrize("paid", [None, "2026-11-23T05:00:00"])
def test_money_a_gateway_only_reserved_is_not_paid(marks: dict[str, str], paid: str | None) -> None:
    """Moving such an order to processing sets a payment date in the shop whether or not the capture went well."""
    payment = stated(order(meta_data=metas(**marks), date_paid_gmt=paid)).payment
    assert (payment.paid_at, payment.authorised_at) == (None, PLACED)


@pytest.mark.parametrize(
    "marks", [{}, {"_stripe_charge_captured": "yes"}, {"_intention_status": "succeeded"}, {"_x_charge_captured": "no"}]
)
def test_money_that_was_captured_is_paid(marks: dict[str, str]) -> None:
    payment = stated(
        order(meta_data=metas(**marks), transaction_id="ch_1", date_paid_gmt="2026-11-23T05:00:00")
    ).payment
    assert (payment.paid_at, payment.authorised_at) == (datetime(2026, 11, 23, 5, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("changes", "reserved"),
    [
        ({"status": "on-hold", "transaction_id": "8AB"}, True),
        ({"status": "on-hold", "transaction_id": ""}, False),
        ({"status": "pending", "transaction_id": "8AB"}, False),
        ({"status": "on-hold", "transaction_id": "TX-1", "payment_method": "bacs"}, False),
        ({"status": "cancelled", "meta_data": metas(_stripe_charge_captured="no")}, False),
    ],
)
def test_an_order_on_hold_with_a_transaction_waits_for_its_capture(changes: dict[str, Any], reserved: bool) -> None:
    said = order(**{"payment_method": "ppcp-gateway", "date_paid_gmt": None, **changes})
    assert (stated(said).payment.authorised_at is not None) == reserved


def test_a_capture_of_a_part_says_how_much() -> None:
    marks = metas(_wc_square_credit_card_charge_captured="partial", _wc_square_credit_card_capture_total="10.00")
    assert stated(order(meta_data=marks)).payment.captured == Decimal("10.00")


# ---- money of another kind: lines 20.66 + 4.34, shipping 4.95 + 1.04
def credit(code: str = "sc-7", **more: Any) -> dict[str, Any]:
    return {"id": 9, "code": code, "discount": "10.00", "discount_tax": "0.00", "discount_type": "smart_coupon", **more}


@pytest.mark.parametrize(
    ("field", "entry", "ref"),
    [
        ("gift_cards", {"id": 43, "code": "AAAA-BBBB", "amount": 10}, "43"),
        ("pw_gift_card_lines", {"id": 3, "card_number": "PW-1", "amount": "10.00"}, "3"),
        ("pw_gift_card_lines", {"card_number": "PW-1", "amount": "10.00"}, "PW-1"),
    ],
)
def test_a_gift_card_is_a_tender_and_the_order_costs_what_it_costs(field: str, entry: dict[str, Any], ref: str) -> None:
    fact = stated(order(total="20.99", **{field: [entry]}))
    assert fact.total == Decimal("30.99")
    assert fact.tenders == (Tender(kind="gift_card", ref=ref, amount=Decimal(10)),)


def test_a_gift_card_that_was_not_subtracted_pays_nothing() -> None:
    fact = stated(order(gift_cards=[{"id": 43, "amount": "10.00"}]))
    assert (fact.total, fact.tenders) == (Decimal("30.99"), ())


def test_a_card_used_twice_is_one_tender() -> None:
    fact = stated(order(total="15.99", gift_cards=[{"id": 43, "amount": "10.00"}, {"id": 43, "amount": "5.00"}]))
    assert fact.tenders == (Tender(kind="gift_card", ref="43", amount=Decimal("15.00")),)


def test_an_order_paid_with_a_gift_card_alone() -> None:
    assert stated(order(total="0.00", gift_cards=[{"id": 43, "amount": "30.99"}])).total == Decimal("30.99")


@pytest.mark.parametrize(
    "coupon",
    [
        credit(),
        credit(discount_type=None, meta_data=metas(coupon_info='[7,"sc-7","smart_coupon","50"]')),
        credit(discount_type=None, discount="8.26", discount_tax="1.74"),
    ],
)
def test_store_credit_after_tax_is_a_tender(coupon: dict[str, Any]) -> None:
    used = metas(smart_coupons_contribution={"SC-7": 10})
    fact = stated(
        order(total="20.99", coupon_lines=[coupon], meta_data=used if coupon["discount_type"] is None else [])
    )
    assert fact.total == Decimal("30.99")
    assert (fact.tenders, fact.coupons) == ((Tender(kind="store_credit", ref="sc-7", amount=Decimal("10.00")),), ())


def test_store_credit_before_tax_has_lowered_the_lines_like_any_coupon() -> None:
    fact = stated(order(coupon_lines=[credit()]))
    assert (fact.total, fact.tenders) == (Decimal("30.99"), ())
    assert fact.coupons == (Coupon(code="sc-7", discount=Decimal("10.00")),)


def test_gift_card_store_credit_and_coupon_together() -> None:
    plain = {"id": 8, "code": "save5", "discount": "5.00", "discount_type": "percent"}
    fact = stated(order(total="15.99", gift_cards=[{"id": 4, "amount": "5.00"}], coupon_lines=[plain, credit()]))
    assert fact.total == Decimal("30.99")
    assert [tender.kind for tender in fact.tenders] == ["gift_card", "store_credit"]
    assert fact.coupons == (Coupon(code="save5", discount=Decimal("5.00")),)


def test_an_order_a_cent_off_stays_a_cent_off() -> None:
    assert stated(order(total="20.98", gift_cards=[{"id": 43, "amount": "10.00"}])).total == Decimal("30.98")


# ---- sweeps
def test_a_page_of_a_sweep() -> None:
    rows = [
        {"id": 12, "status": "trash", "total": "5.00"},
        {"id": 15, "status": "on-hold", "total": "7.50", "_links": {}},
    ]
    assert read("order.listed", {"first": 11, "last": 15, "rows": rows}, NOW) == [
        RangeListed(
            occurred_at=NOW,
            entity="order",
            first=11,
            last=15,
            listed=(
                Listed(ref="12", status_text="trash", total=Decimal("5.00")),
                Listed(ref="15", status_text="on-hold", total=Decimal("7.50")),
            ),
        )
    ]


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
