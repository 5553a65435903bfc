"""What a shop says of its own stock: on its order lines, with its products, and when it is asked."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from canonical.facts import Fact, Gone, ListingStated, OrderStated, SkuStated
from connectors.base import Malformed
from tests.connectors.woocommerce.conftest import recorded
from tests.connectors.woocommerce.test_reading import NOW, line, read

AT = datetime(2026, 11, 23, 4, 26, 21, tzinfo=UTC)


def product(**changes: Any) -> dict[str, Any]:
    plain = {"id": 10, "type": "simple", "status": "publish", "sku": "A", "manage_stock": True, "stock_quantity": 5}
    return {**plain, "backorders": "no", "stock_status": "instock", "parent_id": 0, **changes}


def variation(**changes: Any) -> dict[str, Any]:
    return product(id=13, type="variation", parent_id=12, **changes)


def shown(body: Any, topic: str = "product.updated") -> ListingStated:
    """The listing among the facts."""
    (fact,) = (fact for fact in read(topic, body) if isinstance(fact, ListingStated))
    return fact


def looked_at(row: dict[str, Any], holder: str = "10", **more: Any) -> list[Fact]:
    return read("stock.read", {"holder": holder, "at": 1795407981, "row": row, **more}, NOW)


# ---- lines
@pytest.mark.parametrize(
    ("metas", "reduced"),
    [
        ([{"id": 5, "key": "_reduced_stock", "value": "2"}], 2),
        ([{"key": "_reduced_stock", "value": 3}, {"key": "_reduced_stock", "value": 9}], 3),
        ([{"key": "_reduced_stock", "value": "2.0"}], 2),
        ([{"key": "pa_size", "value": "m"}], 0),
        *(([{"key": "_reduced_stock", "value": odd}], 0) for odd in ("", "two", "1.5", -1, None, [], True, "9" * 40)),
        (None, 0),
        ({"key": "_reduced_stock", "value": "2"}, 0),
    ],
)
def test_a_line_says_how_much_stock_was_taken_for_it(metas: Any, reduced: int) -> None:
    (fact,) = read("order.updated", line(meta_data=metas))
    assert isinstance(fact, OrderStated)
    assert fact.lines[0].reduced == reduced


def test_what_was_put_back_for_a_refund_is_not_taken_any_more() -> None:
    (fact,) = read("order.read", recorded("order_after_partial_refund"))
    assert isinstance(fact, OrderStated)
    assert [(one.units, one.reduced) for one in fact.lines] == [(3, 2), (1, 1)]


# ---- products
def test_a_recorded_product_states_its_sku_and_its_listing() -> None:
    sku, listing = read("product.read", recorded("product_put_stock_string"), NOW)
    assert isinstance(sku, SkuStated) and sku.category == "uncategorized"
    assert listing == ListingStated(
        occurred_at=AT, ref="10", version=1795407981, read_at=NOW, holder="10", managed=True, quantity=30
    )


def test_recorded_stock_below_nothing_and_stock_nobody_counts() -> None:
    oversold = shown(recorded("variation_after_oversell"))
    assert (oversold.ref, oversold.holder, oversold.quantity, oversold.in_stock) == ("15", "12:15", -3, False)
    uncounted = shown(recorded("product_put_stock_unmanaged"))
    assert (uncounted.holder, uncounted.managed, uncounted.quantity, uncounted.in_stock) == ("11", False, 0, True)


def test_a_variation_that_sells_from_its_parents_stock_names_the_parent() -> None:
    fact = shown(variation(manage_stock="parent", stock_quantity=7, backorders="notify"))
    assert (fact.ref, fact.holder, fact.managed, fact.quantity, fact.backorders) == ("13", "12", True, 7, "notify")


def test_a_parent_that_keeps_the_stock_has_a_listing_and_is_no_sku() -> None:
    (fact,) = read("product.updated", product(id=12, type="variable", stock_quantity=7))
    assert isinstance(fact, ListingStated)
    assert (fact.ref, fact.holder, fact.quantity) == ("12", "12", 7)
    assert read("product.updated", product(id=12, type="variable", manage_stock=False)) == []


@pytest.mark.parametrize(
    ("more", "quantity"),
    [
        ({"stock_quantity": "12"}, 12),
        ({"stock_quantity": "12.0"}, 12),
        ({"stock_quantity": 12.0}, 12),
        ({"stock_quantity": "-3"}, -3),
        ({"stock_quantity": None}, 0),
        ({"stock_quantity": ""}, 0),
        ({"manage_stock": "yes"}, 5),
        ({"manage_stock": False, "stock_quantity": "2.5"}, 0),
    ],
)
def test_stock_however_it_is_written(more: dict[str, Any], quantity: int) -> None:
    assert shown(product(**more)).quantity == quantity


@pytest.mark.parametrize("odd", ["2.5", 2.5, "many", [5], True, "9" * 30, 2**31])
def test_stock_that_is_no_whole_number_is_malformed(odd: Any) -> None:
    with pytest.raises(Malformed, match=r"The stock of product 10 \(SKU A\) should be a whole number, but is “"):
        read("product.updated", product(stock_quantity=odd))


@pytest.mark.parametrize(
    ("status", "in_stock"), [("instock", True), ("onbackorder", True), ("outofstock", False), (None, True)]
)
def test_what_can_be_bought(status: Any, in_stock: bool) -> None:
    fact = shown(product(stock_status=status, backorders="yes"))
    assert (fact.in_stock, fact.backorders) == (in_stock, "yes")


def test_where_stock_is_not_said_or_in_the_trash_there_is_no_listing() -> None:
    unsaid = {key: value for key, value in product().items() if key != "manage_stock"}
    for body in (unsaid, product(status="trash")):
        assert [type(fact) for fact in read("product.read", body, NOW)] == [SkuStated]


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ([{"id": 15, "name": "Tea & Coffee", "slug": "tea-coffee"}, {"slug": "new"}], "tea-coffee"),
        ([{"name": "Tea"}], "Tea"),
        ([], ""),
        ("tea", ""),
        ([None], ""),
    ],
)
def test_the_first_category_counts(said: Any, category: str) -> None:
    sku, _ = read("product.updated", product(categories=said))
    assert isinstance(sku, SkuStated) and sku.category == category


# ---- asked
def test_a_row_that_was_asked_for_knows_the_shops_clock() -> None:
    (fact,) = looked_at(json.loads(recorded("product_put_stock_string")))
    assert fact == ListingStated(
        occurred_at=AT,
        ref="10",
        version=1795407981,
        read_at=NOW,
        holder="10",
        managed=True,
        quantity=30,
        shop_since=AT,
        shop_at=AT,
    )


def test_a_variation_of_an_older_shop_gets_its_parent_from_what_was_asked() -> None:
    bare = {key: value for key, value in variation().items() if key not in ("parent_id", "type")}
    (own,) = looked_at(bare, "12:13")
    (shared,) = looked_at({**bare, "manage_stock": "parent"}, "12:13")
    assert isinstance(own, ListingStated) and isinstance(shared, ListingStated)
    assert [(one.ref, one.holder) for one in (own, shared)] == [("13", "12:13"), ("13", "12")]


def test_a_parent_that_keeps_no_stock_any_more_says_so_when_asked() -> None:
    (fact,) = looked_at(product(id=12, type="variable", manage_stock=False, stock_quantity=None), "12")
    assert isinstance(fact, ListingStated)
    assert (fact.ref, fact.holder, fact.managed) == ("12", "12", False)


def test_what_the_shop_does_not_have_is_gone() -> None:
    assert read("stock.missing", {"id": "12:13", "at": 1795407981, "code": "x"}, NOW) == [
        Gone(occurred_at=NOW, ref="12:13", version=1795407981, read_at=NOW, entity="listing")
    ]


@pytest.mark.parametrize("row", [{}, {"id": 10}, {"code": "woocommerce_rest_product_invalid_id"}])
def test_an_answer_without_stock_is_malformed(row: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        looked_at(row)
