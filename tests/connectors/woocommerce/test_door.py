from dataclasses import replace

import pytest

from connectors.base import BadSignature, Delivery
from connectors.woocommerce import door
from tests.connectors.woocommerce.conftest import SAMPLES, delivered

PUSHES = sorted(path.stem for path in (SAMPLES / "webhooks").glob("*.json") if "ping" not in path.name)


@pytest.mark.parametrize("name", PUSHES)
def test_recorded_webhooks_are_let_in(name: str) -> None:
    delivery, secret = delivered(name)
    heard = door(delivery, [secret])
    assert heard
    assert (heard.topic, heard.body, heard.asked_at) == (name[5:], delivery.body, None)


@pytest.mark.parametrize("name", PUSHES)
def test_one_flipped_bit_is_refused(name: str) -> None:
    delivery, secret = delivered(name)
    flipped = replace(delivery, body=delivery.body[:-1] + bytes([delivery.body[-1] ^ 1]))
    with pytest.raises(BadSignature):
        door(flipped, [secret])


@pytest.mark.parametrize("name", ["0001_ping", "0002_ping"])
def test_the_unsigned_ping_is_answered_and_not_stored(name: str) -> None:
    assert door(delivered(name)[0], ["whatever"]) is None


def test_what_only_looks_like_a_ping_is_refused() -> None:
    for body in (b"webhook_id=1&x=2", b"webhook_id=", b'{"id":1}', b""):
        with pytest.raises(BadSignature):
            door(Delivery({}, body), ["secret"])


def test_any_active_secret_will_do_while_rotating() -> None:
    delivery, secret = delivered("0022_order.created")
    assert door(delivery, ["newer", secret]) == door(delivery, [secret])


def test_a_wrong_or_no_secret_is_refused() -> None:
    delivery, _ = delivered("0022_order.created")
    for secrets in ([], [""], ["other"]):
        with pytest.raises(BadSignature):
            door(delivery, secrets)


def test_the_same_delivery_twice_has_one_key() -> None:
    delivery, secret = delivered("0022_order.created")
    assert door(delivery, [secret]) == door(delivery, [secret])


def test_two_orders_with_one_delivery_id_have_two_keys() -> None:
    first, secret = delivered("0018_order.created")
    second, _ = delivered("0022_order.created")
    shared = {**second.headers, "x-wc-webhook-delivery-id": first.headers["x-wc-webhook-delivery-id"]}
    one, other = door(first, [secret]), door(replace(second, headers=shared), [secret])
    assert one and other and one.key != other.key


def test_one_body_under_two_topics_has_two_keys() -> None:
    created, secret = delivered("0018_order.created")
    updated = replace(created, headers={**created.headers, "x-wc-webhook-topic": "order.updated"})
    one, other = door(created, [secret]), door(updated, [secret])
    assert one and other and one.key != other.key


@pytest.mark.parametrize(
    ("topic", "stored"), [("action.woocommerce_add_to_cart", "action"), ("", "unknown"), ("Order Created\n", "unknown")]
)
def test_odd_topics_are_stored_all_the_same(topic: str, stored: str) -> None:
    delivery, secret = delivered("0022_order.created")
    heard = door(replace(delivery, headers={**delivery.headers, "x-wc-webhook-topic": topic}), [secret])
    assert heard and heard.topic == stored
