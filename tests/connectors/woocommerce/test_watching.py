"""The shop's webhooks are there, one each, and on."""

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.base import Session, Watched
from connectors.errors import Misconfigured, Retry
from connectors.simulation import Fault, wait_until
from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.watching import TOPICS, watch
from tests.connectors.woocommerce.conftest import visit
from tests.connectors.woocommerce.test_simulator import Receiver, call

REST = "/wp-json/wc/v3/webhooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def ours(receiver: Receiver) -> str:
    return receiver.url + "/hook"


def with_secret(shop: Shop, *secrets: str) -> Session:
    session = visit(shop)
    session.secrets = {**session.secrets, "webhook": list(secrets)}
    return session


@pytest.fixture
def keeper(shop: Shop) -> Session:
    return with_secret(shop, "s3cret-one")


def held(shop: Shop) -> dict[int, tuple[str, str]]:
    """Topic and status of every webhook."""
    return {id: (hook["topic"], hook["status"]) for id, hook in shop.webhooks.subscriptions().items()}


def switch(shop: Shop, hook: int, status: str) -> None:
    call(shop, "PUT", f"{REST}/{hook}", {"status": status})


def make(shop: Shop, topic: str, url: str, **more: Any) -> int:
    return int(call(shop, "POST", REST, {"topic": topic, "delivery_url": url, "secret": "x", **more})["id"])


def test_what_is_missing_is_created_once_and_works(shop: Shop, keeper: Session, receiver: Receiver, ours: str) -> None:
    assert watch(keeper, ours) == Watched(created=TOPICS)
    assert watch(keeper, ours) == Watched()
    assert sorted(held(shop).values()) == sorted((topic, "active") for topic in TOPICS)
    wait_until(lambda: len(receiver.got) == len(TOPICS))
    assert {hook["secret"] for hook in shop.webhooks.subscriptions().values()} == {"s3cret-one"}


def test_one_the_shop_disabled_after_failures_is_replaced(
    shop: Shop, keeper: Session, receiver: Receiver, ours: str
) -> None:
    watch(keeper, ours)
    wait_until(lambda: len(receiver.got) == len(TOPICS))
    before = held(shop)
    receiver.faults.add(Fault(do="answer", status=500))
    for number in shop.place(7, shape="plain"):
        shop.trash(number)
    wait_until(lambda: not shop.webhooks.waiting())
    off = sorted(topic for topic, status in held(shop).values() if status == "disabled")
    assert "order.deleted" in off
    words = f"The shop had switched off our webhooks ({', '.join(off)}); they were created anew. Find out why deliveries failed."
    seen = watch(keeper, ours)
    assert (seen.created, sorted(seen.recreated), seen.words) == ((), off, words)
    assert sorted(held(shop).values()) == sorted(before.values())
    assert {hook["failure_count"] for id, hook in shop.webhooks.subscriptions().items() if id not in before} == {0}


def test_a_paused_one_is_replaced_and_a_second_one_goes(shop: Shop, keeper: Session, ours: str) -> None:
    watch(keeper, ours)
    first, second = list(held(shop))[:2]
    switch(shop, first, "paused")
    double = make(shop, TOPICS[1], ours)
    assert watch(keeper, ours).recreated == (TOPICS[0],)
    left = held(shop)
    assert not {first, double} & set(left)
    assert second in left
    assert sorted(left.values()) == sorted((topic, "active") for topic in TOPICS)


def test_those_of_others_are_let_be(shop: Shop, keeper: Session, ours: str) -> None:
    theirs = [make(shop, "order.created", "http://127.0.0.1:9/their-hook"), make(shop, "coupon.created", ours)]
    switch(shop, theirs[0], "disabled")
    assert watch(keeper, ours) == Watched(created=TOPICS)
    assert [held(shop)[id] for id in theirs] == [("order.created", "disabled"), ("coupon.created", "active")]


def test_many_webhooks_are_read_in_pages(shop: Shop, keeper: Session, ours: str) -> None:
    for _ in range(105):
        shop.store.put("webhooks", id := shop.store.next("webhook"), _old_hook(id))
    watch(keeper, ours)
    assert watch(keeper, ours) == Watched()


def _old_hook(id: int) -> dict[str, Any]:
    at = {"date_created_gmt": "2026-01-01T00:00:00", "date_modified_gmt": None}
    there = {
        "id": id,
        "name": "",
        "status": "disabled",
        "topic": "coupon.created",
        "delivery_url": "http://127.0.0.1:9/",
    }
    return {**there, **at, "secret": "x", "failure_count": 9}


def test_after_a_change_of_secret_ours_are_replaced_and_handmade_ones_kept(
    shop: Shop, keeper: Session, ours: str
) -> None:
    by_hand = make(shop, "order.created", ours, name="made by Anna")
    watch(keeper, ours)
    seen = watch(with_secret(shop, "s3cret-two", "s3cret-one"), ours)
    assert seen == Watched(recreated=TOPICS[1:])
    assert by_hand in held(shop)
    assert sorted(h["secret"] for h in shop.webhooks.subscriptions().values()) == ["s3cret-two"] * 9 + ["x"]


def test_without_our_address_it_only_looks(shop: Shop, keeper: Session) -> None:
    hook = make(shop, "order.created", "https://sync.example.com/hooks/shop/")
    assert watch(keeper, "/hooks/shop/") == Watched()
    switch(shop, hook, "disabled")
    words = "The shop had switched off our webhooks (order.created); they stay off until somebody acts. Find out why deliveries failed."
    assert watch(keeper, "/hooks/shop/") == Watched(words=words)
    assert held(shop) == {hook: ("order.created", "disabled")}


@pytest.mark.parametrize(("secrets", "words"), [((), "is not set"), (("a&b",), "a character shops mangle")])
def test_a_secret_that_cannot_work_is_told(shop: Shop, secrets: tuple[str, ...], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        watch(with_secret(shop, *secrets), "http://127.0.0.1:9/hooks/shop/")
    assert held(shop) == {}


def test_a_lost_answer_leaves_a_second_one_that_goes_with_the_next_look(shop: Shop, keeper: Session, ours: str) -> None:
    shop.faults.add(Fault(do="lose_response", method="POST", path="/webhooks", count=1))
    with pytest.raises(Retry):
        watch(keeper, ours)
    assert watch(keeper, ours).created == TOPICS[1:]
    assert sorted(held(shop).values()) == sorted((topic, "active") for topic in TOPICS)


def test_a_shop_without_webhooks_is_told(shop: Shop, keeper: Session, ours: str) -> None:
    shop.faults.add(
        Fault(do="answer", status=404, path="/webhooks", body={"code": "rest_no_route", "message": "No route"})
    )
    with pytest.raises(Misconfigured, match="has no webhooks"):
        watch(keeper, ours)
