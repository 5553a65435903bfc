import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canonical.facts import Fact, RangeListed
from connectors.base import Envelope, Heard, Page, Session
from connectors.errors import Misconfigured, Retry
from connectors.simulation import Answer, Fault, Request
from connectors.woocommerce import connector
from connectors.woocommerce.simulator import Shop
from tests.connectors.woocommerce.conftest import visit

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def poll(session: Session, feed: str, cursor: str = "") -> tuple[list[int], str]:
    """One whole run: the ids heard, in order, and the cursor behind it."""
    heard: list[int] = []
    while True:
        page: Page = connector.polls[feed](session, cursor)
        heard += [json.loads(one.body)["id"] for one in page.heard]
        cursor = page.cursor
        if not page.more:
            return heard, cursor


def run(session: Session, feed: str, cursor: str = "") -> tuple[list[Heard], str]:
    """One whole run: what was heard, and the cursor behind it."""
    told: list[Heard] = []
    while True:
        page = connector.polls[feed](session, cursor)
        told, cursor = [*told, *page.heard], page.cursor
        if not page.more:
            return told, cursor


def read(one: Heard) -> Sequence[Fact]:
    """What the inbox would make of it."""
    return connector.reads[one.topic](Envelope(one.topic, one.body, datetime.now(UTC), one.asked_at))


def age(shop: Shop, seconds: int = 3_600) -> None:
    """Move every order and product into the past."""
    for table in (shop.orders, shop.products):
        for record in table.values():
            moved = datetime.fromisoformat(record["date_modified_gmt"]) - timedelta(seconds=seconds)
            record["date_modified_gmt"] = moved.isoformat()


def test_a_first_run_hears_everything_and_the_next_only_the_overlap(shop: Shop) -> None:
    ids = shop.place(7)
    age(shop)
    session = visit(shop, start_at=LONG_AGO, page_size=3)
    heard, cursor = poll(session, "orders")
    assert sorted(heard) == ids
    later = shop.place(1)
    assert poll(session, "orders", cursor)[0] == later


def test_an_order_is_heard_untouched_with_the_instant_we_asked(shop: Shop, session: Session) -> None:
    (number,) = shop.place()
    before = datetime.now(UTC)
    (heard,) = connector.polls["orders"](session, "2020-01-01T00:00:00+00:00").heard
    assert heard.topic == "order.read"
    assert heard.asked_at and before <= heard.asked_at <= datetime.now(UTC)
    assert json.loads(heard.body)["order_key"] == shop.orders[number]["order_key"]


def test_nothing_is_skipped_while_orders_change_under_the_poll(shop: Shop) -> None:
    """Between two pages somebody edits, trashes and buys; whatever page numbers would do, every order is heard at its last."""
    ids = shop.place(60)
    for number, order in enumerate(shop.orders.values()):
        order["date_modified_gmt"] = f"2026-01-01T00:00:{number // 3:02d}"
    session, rng, cursor = visit(shop, start_at=LONG_AGO, page_size=5), random.Random(4), ""
    heard: dict[int, str] = {}
    for turn in range(200):
        page = connector.polls["orders"](session, cursor)
        heard |= {row["id"]: row["status"] for row in (json.loads(one.body) for one in page.heard)}
        cursor = page.cursor
        if turn < 12:
            edited, trashed = rng.sample([n for n in ids if shop.orders[n]["status"] == "processing"], 2)
            shop.edit(edited, status="completed")
            shop.trash(trashed)
            ids += shop.place(1)
        elif not page.more:
            break
    heard |= {row["id"]: row["status"] for row in shop_rows(session, cursor)}
    assert heard == {number: order["status"] for number, order in shop.orders.items()}


def shop_rows(session: Session, cursor: str) -> list[dict[str, object]]:
    """What one more run hears."""
    rows = []
    more = True
    while more:
        page = connector.polls["orders"](session, cursor)
        rows += [json.loads(one.body) for one in page.heard]
        cursor, more = page.cursor, page.more
    return rows


def test_a_page_that_is_short_because_a_row_is_hidden_is_not_the_last(shop: Shop) -> None:
    ids = shop.place(9)
    for number, order in enumerate(shop.orders.values()):
        order["date_modified_gmt"] = f"2026-01-01T00:00:{number:02d}"
    whole = shop.handle

    def hide_one(request: Request) -> Answer:
        answer = whole(request)
        if isinstance(answer.body, list):
            answer.body[:] = [row for row in answer.body if row["id"] != ids[1]]
        return answer

    shop.handle = hide_one  # type: ignore[method-assign]
    assert set(poll(visit(shop, start_at=LONG_AGO, page_size=3), "orders")[0]) == set(ids) - {ids[1]}


@pytest.mark.parametrize("crowd", [30, 230])
def test_many_orders_with_one_second_are_all_heard(shop: Shop, crowd: int) -> None:
    ids = shop.place(crowd + 2)
    for order in shop.orders.values():
        order["date_modified_gmt"] = "2026-01-01T00:00:07"
    shop.orders[ids[0]]["date_modified_gmt"] = "2026-01-01T00:00:06"
    shop.orders[ids[-1]]["date_modified_gmt"] = "2026-01-01T00:00:08"
    assert set(poll(visit(shop, start_at=LONG_AGO, page_size=50), "orders")[0]) == set(ids)


def test_the_trash_is_heard_too(shop: Shop) -> None:
    kept, trashed = shop.place(2)
    shop.trash(trashed)
    assert sorted(poll(visit(shop, start_at=LONG_AGO), "orders")[0]) == [kept, trashed]


def test_polls_never_go_before_the_start(shop: Shop) -> None:
    shop.place(3)
    age(shop)
    session = visit(shop, start_at=datetime.now(UTC) - timedelta(minutes=5))
    assert poll(session, "orders")[0] == []
    assert poll(session, "orders", "2000-01-01T00:00:00Z")[0] == []


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_shop_whose_clock_is_wrong_loses_nothing(shop: Shop, skew: int) -> None:
    shop.skew = timedelta(seconds=skew)
    session = visit(shop, start_at=LONG_AGO, overlap=0)
    _, cursor = poll(session, "orders")
    placed = shop.place(2)
    heard, cursor = poll(session, "orders", cursor)
    assert sorted(heard) == placed
    age(shop, 5)
    assert poll(session, "orders", cursor)[0] == []


def test_products_come_with_their_variations(shop: Shop) -> None:
    heard, _ = poll(visit(shop, page_size=20), "products")
    assert Counter(heard) == Counter(shop.products.keys())


def test_products_imported_in_one_second_come_with_their_variations(shop: Shop) -> None:
    for _ in range(8):
        shop._stock_up()
    for product in shop.products.values():
        product["date_modified_gmt"] = "2026-01-01T00:00:07"
    heard, _ = poll(visit(shop, page_size=100), "products")
    assert set(heard) == set(shop.products)


def test_products_are_read_in_full_again_after_a_day(shop: Shop, session: Session) -> None:
    age(shop)
    first, cursor = poll(session, "products")
    assert poll(session, "products", cursor)[0] == []
    session.now = lambda: datetime.now(UTC) + timedelta(hours=25)
    assert sorted(poll(session, "products", cursor)[0]) == sorted(first)


def test_the_same_order_has_a_new_key_in_a_new_run_only(shop: Shop, session: Session) -> None:
    shop.place()
    start = "2020-01-01T00:00:00+00:00"
    one, other = connector.polls["orders"](session, start), connector.polls["orders"](session, start)
    assert one.heard[0].key != other.heard[0].key


# ---- refunds
def give_back(shop: Shop, order: int, amount: str = "1.00") -> int:
    """Staff refund an amount; returns the refund's id."""
    said = {"amount": amount, "api_refund": False, "api_restock": False}
    request = Request("POST", f"/wp-json/wc/v3/orders/{order}/refunds", "", {}, json.dumps(said).encode())
    return int(super(Shop, shop).handle(request).body["id"])


def test_refunds_are_heard_with_their_orders_once(shop: Shop) -> None:
    first, second = shop.place(2)
    refunds = {str(give_back(shop, order)): str(order) for order in (first, second, first)}
    session = visit(shop, start_at=LONG_AGO, page_size=2, overlap=0)
    told, cursor = run(session, "refunds")
    facts = [fact for one in told for fact in read(one)]
    assert {fact.ref: fact.order_ref for fact in facts} == refunds
    for refund in shop.refunds.values():
        refund["date_created_gmt"] = "2026-01-01T00:00:00"
    session.now = lambda: datetime.now(UTC) + timedelta(minutes=1)
    fresh = give_back(shop, second)
    told, _ = run(session, "refunds", cursor)
    assert [fact.ref for one in told for fact in read(one)] == [str(fresh)]


def test_a_shop_that_lists_no_refunds_says_nothing(shop: Shop, session: Session) -> None:
    shop.faults.add(
        Fault(do="answer", path="/refunds", status=404, body={"code": "rest_no_route", "message": "No route."})
    )
    assert connector.polls["refunds"](session, "") == Page((), "", more=False)


# ---- customers
def register(shop: Shop, count: int) -> list[int]:
    known = set(shop.customers)
    for _ in range(count):
        shop._new_customer(random.Random(len(shop.customers)))
    return sorted(set(shop.customers) - known)


def test_customers_are_all_heard_then_only_new_ones(shop: Shop, session: Session) -> None:
    register(shop, 230)
    heard, cursor = poll(session, "customers")
    assert heard == sorted(shop.customers)
    assert poll(session, "customers", cursor)[0] == []
    fresh = register(shop, 3)
    heard, cursor = poll(session, "customers", cursor)
    assert heard == fresh
    assert poll(session, "customers", cursor)[0] == []


def test_customers_are_read_again_after_a_day_a_page_at_a_time(shop: Shop, session: Session) -> None:
    register(shop, 150)
    _, cursor = poll(session, "customers")
    session.now = lambda: datetime.now(UTC) + timedelta(hours=25)
    pages = []
    for _ in range(3):
        page, cursor = poll(session, "customers", cursor)
        pages.append(len(page))
    assert pages == [100, len(shop.customers) - 100, 0]


@pytest.mark.parametrize("gone", [1, 60, 130])
def test_no_customer_is_skipped_when_others_vanish(shop: Shop, session: Session, gone: int) -> None:
    register(shop, 330)
    wanted = sorted(shop.customers)
    page = connector.polls["customers"](session, "")
    page = connector.polls["customers"](session, page.cursor)
    for number in wanted[:gone]:
        shop.store.delete("customers", number)
    heard, cursor = poll(session, "customers", page.cursor)
    assert set(heard) >= set(wanted[199:])
    fresh = register(shop, 1)
    for number in wanted[200:320]:
        shop.store.delete("customers", number)
    assert poll(session, "customers", cursor)[0] == fresh


# ---- sweep
def swept(session: Session, cursor: str = "") -> tuple[list[RangeListed], str]:
    """One whole round, a page per poll."""
    ranges: list[RangeListed] = []
    while not json.loads(cursor or "{}").get("over"):
        told, cursor = run(session, "sweep", cursor)
        ranges += [fact for one in told for fact in read(one) if isinstance(fact, RangeListed)]
    return ranges, cursor


def rows(ranges: list[RangeListed]) -> dict[str, tuple[str, Decimal | None]]:
    return {row.ref: (row.status_text, row.total) for one in ranges for row in one.listed}


def held(shop: Shop) -> dict[str, tuple[str, Decimal]]:
    return {str(number): (order["status"], Decimal(order["total"])) for number, order in shop.orders.items()}


def test_a_sweep_lists_every_order_and_the_trash(shop: Shop, session: Session) -> None:
    ids = shop.place(260)
    for number in (*ids[3:150:7], ids[-1]):
        shop.trash(number)
    shop.store.delete("orders", ids[50])
    ranges, _ = swept(session)
    assert rows(ranges) == held(shop)
    assert ranges[0].first == 1
    assert [one.first for one in ranges[1:]] == [one.last + 1 for one in ranges[:-1]]
    assert ranges[-1].last == ids[-1]
    assert all(one.first <= int(row.ref) <= one.last for one in ranges for row in one.listed)


def test_a_sweep_of_a_shop_with_much_trash(shop: Shop, session: Session) -> None:
    ids = shop.place(230)
    for number in ids[:215]:
        shop.trash(number)
    ranges, _ = swept(session)
    assert rows(ranges) == held(shop)


def test_one_page_per_poll_and_a_round_a_day(shop: Shop, session: Session) -> None:
    shop.place(150)
    first = connector.polls["sweep"](session, "")
    second = connector.polls["sweep"](session, first.cursor)
    assert [(len(page.heard), page.more) for page in (first, second)] == [(1, False)] * 2
    third = connector.polls["sweep"](session, second.cursor)
    assert third == Page((), second.cursor, more=False)
    session.now = lambda: datetime.now(UTC) + timedelta(hours=25)
    again = connector.polls["sweep"](session, third.cursor)
    assert len(again.heard) == 1
    assert [fact.first for fact in read(again.heard[0]) if isinstance(fact, RangeListed)] == [1]


def test_the_last_order_of_all_is_missed_by_the_next_round(shop: Shop, session: Session) -> None:
    *_, last = shop.place(3)
    _, cursor = swept(session)
    shop.trash(last, force=True)
    session.now = lambda: datetime.now(UTC) + timedelta(hours=25)
    told, _ = run(session, "sweep", cursor)
    ((fact,),) = [read(one) for one in told]
    assert isinstance(fact, RangeListed)
    assert fact.last == last and rows([fact]) == held(shop)


def test_an_empty_shop_is_swept_in_silence(shop: Shop, session: Session) -> None:
    page = connector.polls["sweep"](session, "")
    assert (list(page.heard), page.more) == ([], False)


@pytest.mark.parametrize("seed", range(4))
def test_a_sweep_lists_what_stays_whatever_moves_meanwhile(shop: Shop, session: Session, seed: int) -> None:
    """Between two pages orders are deleted, trashed and placed. Every order that was there all the time and in one list is listed."""
    ids, rng, cursor = shop.place(420), random.Random(seed), ""
    moved: set[int] = set()
    turns = 0
    ranges: list[RangeListed] = []
    while not json.loads(cursor or "{}").get("over"):
        page = connector.polls["sweep"](session, cursor)
        ranges += [fact for one in page.heard for fact in read(one) if isinstance(fact, RangeListed)]
        cursor = page.cursor
        if (turns := turns + 1) > 8:
            assert turns < 20
            continue
        chosen = rng.sample([n for n in ids if n not in moved], 40)
        moved |= set(chosen)
        for number in chosen[:30]:
            shop.trash(number, force=True)
        for number in chosen[30:]:
            shop.trash(number)
        shop.place(1)
    assert set(rows(ranges)) >= {str(n) for n in ids if n not in moved}
    assert [one.first for one in ranges[1:]] == [one.last + 1 for one in ranges[:-1]]


@pytest.mark.parametrize("hidden", [1, 99, 100, 130])
def test_orders_a_plugin_hides_do_not_stop_a_sweep(shop: Shop, session: Session, hidden: int) -> None:
    ids = shop.place(320)
    unseen = set(ids[100 - hidden % 100 : 100 - hidden % 100 + hidden])
    whole = shop.handle

    def hide(request: Request) -> Answer:
        answer = whole(request)
        if isinstance(answer.body, list):
            answer.body[:] = [row for row in answer.body if row["id"] not in unseen]
        return answer

    shop.handle = hide  # type: ignore[method-assign]
    ranges, _ = swept(session)
    assert set(rows(ranges)) == {str(number) for number in ids} - {str(number) for number in unseen}


@pytest.mark.parametrize(
    ("fault", "words", "after"),
    [
        (Fault(do="answer", status=429, retry_after=9), "The shop asks us to come back later.", 9.0),
        (Fault(do="answer", status=503, retry_after=30), "The shop reports an internal error.", 30.0),
        (Fault(do="answer", status=500, body={"code": "x", "data": {"status": 500}}), "The shop reports an internal error.", None),
        (Fault(do="answer", status=200, body="<html>Maintenance"), "The shop answered with a web page instead of data", None),
        (Fault(do="answer", status=200, body='{"id": 1}'), "The shop's answer cannot be understood.", None),
        (Fault(do="drop"), "127.0.0.1 gave no complete answer", None),
    ],
)  # fmt: skip
def test_what_passes_is_tried_again(
    shop: Shop, session: Session, fault: Fault, words: str, after: float | None
) -> None:
    shop.faults.add(fault)
    with pytest.raises(Retry) as caught:
        poll(session, "orders")
    assert caught.value.words.startswith(words)
    assert (caught.value.after, caught.value.unknown) == (after, False)


def test_a_wrong_key_and_a_wrong_secret_are_told_apart(shop: Shop, session: Session) -> None:
    session.secrets = {"consumer_key": ["ck_other"], "consumer_secret": ["cs_other"]}
    with pytest.raises(Misconfigured, match="rejects our key: Consumer key is invalid"):
        poll(session, "orders")
    session.secrets = {"consumer_key": [shop.key], "consumer_secret": ["cs_other"]}
    with pytest.raises(Misconfigured, match="rejects our key: Invalid signature"):
        poll(session, "orders")
    session.secrets = {}
    with pytest.raises(Misconfigured, match="are not set"):
        poll(session, "orders")


def test_an_address_without_a_shop_is_told(shop: Shop) -> None:
    shop.handle = lambda request: Answer(404, b"<html>", {"Content-Type": "text/html"})  # type: ignore[method-assign]
    with pytest.raises(Misconfigured, match="web page"):
        poll(visit(shop), "orders")


def test_the_probe_names_the_version(shop: Shop, session: Session) -> None:
    assert connector.probe
    assert connector.probe(session) == f"WooCommerce 11.0.1 answers at {shop.url}."
