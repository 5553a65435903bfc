"""The shop's webhooks are created, kept single, and made anew where the shop switched them off."""

from connectors.base import Session
from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.watching import TOPICS, watch

HERE = "http://127.0.0.1:9/hooks/shop/"


def hooks(shop: Shop) -> list[tuple[str, str]]:
    return sorted(
        (h["topic"], h["status"]) for h in shop.webhooks.subscriptions().values() if h["delivery_url"] == HERE
    )


def test_all_are_created_once(shop: Shop, session: Session) -> None:
    assert watch(session, HERE).created == len(TOPICS)
    assert watch(session, HERE).created == 0
    assert hooks(shop) == sorted((topic, "active") for topic in TOPICS)


def test_what_was_switched_off_is_made_anew_and_duplicates_go(shop: Shop, session: Session) -> None:
    watch(session, HERE)
    by_topic = {h["topic"]: h for h in shop.webhooks.subscriptions().values()}
    by_topic["order.updated"]["status"] = "disabled"
    by_topic["product.updated"] |= {"topic": "order.created"}
    seen = watch(session, HERE)
    assert (seen.created, seen.remade) == (1, ("order.updated",))
    assert hooks(shop) == sorted((topic, "active") for topic in TOPICS)


def test_webhooks_of_others_are_left_alone(shop: Shop, session: Session) -> None:
    watch(session, "http://127.0.0.1:9/other/")
    watch(session, HERE)
    assert len(shop.webhooks.subscriptions()) == 2 * len(TOPICS)
