"""Stock between the connector and a shop that lives: looked at, published, polled, and told of by webhooks."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canonical.commands import PublishStock
from canonical.facts import Fact, Gone, ListingStated, SkuStated
from connectors.base import Heard, Job, Malformed, Receipt, Session
from connectors.simulation import Answer, Fault, Request
from connectors.woocommerce import connector
from connectors.woocommerce.simulator import Shop, Stocked
from tests.connectors.woocommerce.conftest import visit
from tests.connectors.woocommerce.test_polling import age, run
from tests.connectors.woocommerce.test_publishing import facts, outcome
from tests.connectors.woocommerce.test_shop_stock import BOWL, LARGE, MUG, SMALL, left, ref


def holder(shop: Shop, sku: str) -> str:
    """Our address of what holds a SKU's stock, by what the shop's own page of the product says."""
    product = next(p for p in shop.products.values() if p["sku"] == sku)
    if not product["parent_id"]:
        return str(product["id"])
    return f"{product['parent_id']}:{product['id']}" if product["manage_stock"] else str(product["parent_id"])


def look(session: Session, *holders: str) -> list[Fact]:
    return facts(connector.looks_up["listing"](session, holders))


def publish(session: Session, *wanted: tuple[str, str, int], **more: Any) -> list[Receipt]:
    jobs = [
        Job(number, "key", PublishStock(listing_id=number, ref=ref, sku=sku, quantity=quantity, **more))
        for number, (sku, ref, quantity) in enumerate(wanted)
    ]
    return sorted(connector.sends[PublishStock].send(session, jobs), key=lambda receipt: receipt.job)


def delete(shop: Shop, id: str, query: str = "") -> None:
    shop._rest("DELETE", f"/products/{id}", {}, query)


def listings(told: list[Heard]) -> dict[str, ListingStated]:
    return {fact.ref: fact for fact in facts(told) if isinstance(fact, ListingStated)}


# ---- looking
def test_a_look_shows_what_is_there_with_the_shops_clock(shop: Shop, session: Session) -> None:
    shop.skew = timedelta(minutes=10)
    shop.set_stock(BOWL, 4)
    shop.set_backorders(BOWL, "notify")
    (fact,) = look(session, holder(shop, BOWL))
    assert isinstance(fact, ListingStated) and fact.shop_at and fact.read_at
    assert (fact.holder, fact.managed, fact.quantity, fact.backorders) == (holder(shop, BOWL), True, 4, "notify")
    assert timedelta(minutes=9) < fact.shop_at - fact.read_at < timedelta(minutes=11)


def test_a_shop_that_sells_by_weight_is_not_understood(shop: Shop, session: Session) -> None:
    shop.set_stock(BOWL, 3.0)
    (fact,) = look(session, holder(shop, BOWL))
    assert isinstance(fact, ListingStated) and fact.quantity == 3
    shop.set_stock(BOWL, 2.5)
    with pytest.raises(Malformed, match=r"should be a whole number, but is “2\.5”"):
        look(session, holder(shop, BOWL))


def test_each_look_is_heard_even_where_nothing_changed(shop: Shop, session: Session) -> None:
    first, second = (connector.looks_up["listing"](session, [holder(shop, BOWL)]) for _ in range(2))
    assert first[0].key != second[0].key


def test_the_trash_a_deleted_product_and_a_deleted_parent_are_missing(shop: Shop, session: Session) -> None:
    asked = [holder(shop, sku) for sku in (BOWL, MUG, SMALL)]
    delete(shop, asked[0])
    delete(shop, asked[1], "force=true")
    delete(shop, asked[2].partition(":")[0], "force=true")
    told = look(session, *asked)
    assert [(type(fact), getattr(fact, "ref", "")) for fact in told] == [(Gone, one) for one in asked]


def test_a_whole_shop_is_looked_at_in_a_request_for_a_hundred_products(session: Session) -> None:
    with Shop(
        goods=[*(Stocked(f"S-{n}", n) for n in range(250)), *(Stocked(f"V-{n}", n, "V") for n in range(60))]
    ) as shop:
        told = look(visit(shop), *(holder(shop, sku) for sku in shop.stock()))
        assert (len(told), len(shop.seen)) == (310, 4)


# ---- publishing
def test_figures_arrive_and_are_heard(shop: Shop, session: Session) -> None:
    shop.manage_stock(LARGE, "parent", 3)
    wanted = [(BOWL, holder(shop, BOWL), 5), (SMALL, holder(shop, SMALL), 6), (LARGE, holder(shop, LARGE), -2)]
    told = publish(session, *wanted, backorders="yes")
    assert [outcome(receipt) for receipt in told] == ["done"] * 3
    assert [shop.state()["stock"][sku] for sku, _, _ in wanted] == [
        {"quantity": quantity, "managed": True, "backorders": "yes"} for _, _, quantity in wanted
    ]
    heard = [fact for receipt in told for fact in facts(receipt.heard) if isinstance(fact, ListingStated)]
    assert [(fact.holder, fact.quantity, fact.backorders) for fact in heard] == [(at, n, "yes") for _, at, n in wanted]
    assert {len([r for r in shop.seen if r.method == "POST"])} == {2}


def test_one_that_cannot_be_written_does_not_concern_the_rest(shop: Shop, session: Session) -> None:
    places = {sku: holder(shop, sku) for sku in (BOWL, MUG, SMALL, LARGE, "DL-PATTERN", "W1-HONEY")}
    id, _ = ref(shop, SMALL)
    shop.manage_stock(BOWL, "off")
    shop.manage_stock(LARGE, "parent", 8)
    delete(shop, places[MUG])
    wanted = {
        BOWL: (places[BOWL], "stock_not_managed"),
        MUG: (places[MUG], "product_gone"),
        "W1-HONEY": (places["W1-HONEY"], "done"),
        "DL-PATTERN": (places["DL-PATTERN"], "stock_not_managed"),
        LARGE: (places[LARGE], "stock_not_managed"),
        SMALL: (places[SMALL], "done"),
        "moved": (f"{places[BOWL]}:{id}", "product_gone"),
        "no product": (str(id), "product_gone"),
        "never": ("999999", "product_gone"),
    }
    told = publish(session, *((sku, at, 5) for sku, (at, _) in wanted.items()))
    assert {sku: outcome(receipt) for sku, receipt in zip(wanted, told, strict=True)} == {
        sku: expected for sku, (_, expected) in wanted.items()
    }
    assert (left(shop, LARGE), left(shop, SMALL), left(shop, "W1-HONEY")) == (8, 5, 5)


def test_a_hundred_figures_are_one_request_and_a_lost_answer_leaves_them_unknown(session: Session) -> None:
    with Shop(goods=[Stocked(f"S-{n}", 1) for n in range(100)]) as shop:
        wanted = [(sku, holder(shop, sku), 7) for sku in shop.stock()]
        shop.faults.add(Fault(do="lose_response", method="POST", count=1))
        assert {outcome(receipt) for receipt in publish(visit(shop), *wanted)} == {"unknown"}
        assert {outcome(receipt) for receipt in publish(visit(shop), *wanted)} == {"done"}
        assert len([request for request in shop.seen if request.method == "POST"]) == 2


# ---- polled, and told
def test_products_are_polled_with_their_stock(shop: Shop, session: Session) -> None:
    shop.set_stock(BOWL, 4)
    shop.manage_stock(LARGE, "parent", 8)
    told, cursor = run(session, "products")
    found = listings(told)
    assert {fact.holder for fact in found.values()} >= {holder(shop, sku) for sku in shop.stock()}
    (bowl, _), (large, path) = ref(shop, BOWL), ref(shop, LARGE)
    parent = path.split("/")[2]
    assert (found[str(bowl)].quantity, found[str(bowl)].shop_at) == (4, None)
    assert [(found[at].holder, found[at].quantity) for at in (str(large), parent)] == [(parent, 8)] * 2
    assert not [fact for fact in facts(told) if isinstance(fact, SkuStated) and fact.ref == parent]
    shop.checkout({BOWL: 1})
    assert listings(run(session, "products", cursor)[0])[str(bowl)].quantity == 3


def test_a_change_that_left_no_trace_is_seen_by_the_next_reading_of_all(shop: Shop, session: Session) -> None:
    age(shop)
    _, cursor = run(session, "products")
    bowl, _ = ref(shop, BOWL)
    shop.products[bowl]["stock_quantity"] = 3
    assert run(session, "products", cursor)[0] == []
    later = session.now() + timedelta(hours=25)
    session.now = lambda: later
    assert listings(run(session, "products", cursor)[0])[str(bowl)].quantity == 3


def test_variations_of_an_older_shop_know_their_parent(shop: Shop, session: Session) -> None:
    handler = shop.list_variations

    def bare(request: Request, id: str) -> Answer:
        answer = handler(request, id)
        rows = [{k: v for k, v in row.items() if k not in ("parent_id", "type", "name")} for row in answer.body]
        return Answer(200, rows, answer.headers)

    for number, (method, pattern, _) in enumerate(shop.routes._routes):
        if method == "GET" and pattern.fullmatch("/wp-json/wc/v3/products/7/variations"):
            shop.routes._routes[number] = (method, pattern, bare)
    told = [fact for fact in facts(run(session, "products")[0]) if getattr(fact, "ref", "") == str(ref(shop, SMALL)[0])]
    sku, listing = told
    assert isinstance(sku, SkuStated) and isinstance(listing, ListingStated)
    assert (f"{sku.product_ref}:{sku.ref}", listing.holder) == (holder(shop, SMALL),) * 2


@pytest.mark.parametrize("sku", [BOWL, SMALL])
def test_a_webhook_tells_the_same_as_a_look(shop: Shop, session: Session, sku: str) -> None:
    shop.set_stock(sku, 4)
    body = json.dumps(shop._payload("product.updated", ref(shop, sku)[0])).encode()
    (pushed,) = listings([Heard("product.updated", b"", body)]).values()
    (looked,) = look(session, holder(shop, sku))
    assert isinstance(looked, ListingStated)
    assert (pushed.holder, pushed.quantity, pushed.version) == (looked.holder, looked.quantity, looked.version)
    assert datetime.now(UTC) - pushed.occurred_at < timedelta(minutes=1)
