"""The hooks door as the web server serves it: who is let in, how much, and what becomes of bytes that are no JSON."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.utils import timezone

from canonical.models import System
from retailsync.hooks.door import LIMIT
from retailsync.sync import inbox
from tests.hooks.conftest import ask, signed
from tests.world import rows

Shop = Callable[..., System]
ORDER = b'{"id":7}'
STORED = "SELECT topic, body FROM sync_message ORDER BY id"


def stored() -> list[tuple[str, bytes]]:
    return [(topic, bytes(body)) for topic, body in rows(STORED)]


def test_a_signed_delivery_is_stored_byte_for_byte(port: int, shop: Shop) -> None:
    body = b'  {"id" : 7, "x":"\xe2\x82\xac"}\r\n'
    assert ask(port, "POST", f"/hooks/{shop('s1').slug}/", signed(body, "s1"), body) == (200, b"received")
    assert stored() == [("order.updated", body)]


def test_an_unknown_system_answers_like_a_bad_signature(port: int, shop: Shop) -> None:
    known = shop("s1").slug
    wrong = ask(port, "POST", f"/hooks/{known}/", signed(ORDER, "guessed"), ORDER)
    assert wrong == (401, b"not signed by a system known here")
    for slug in ("nobody", f"{known}/x", "", "a%00b", "%F0%9F%A6%84"):
        assert ask(port, "POST", f"/hooks/{slug}/", signed(ORDER, "s1"), ORDER) == wrong
    assert stored() == []


def test_a_shop_without_a_secret_lets_nobody_in(port: int, shop: Shop) -> None:
    assert ask(port, "POST", f"/hooks/{shop().slug}/", signed(ORDER, ""), ORDER)[0] == 401
    assert stored() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post_is_a_delivery(port: int, shop: Shop, method: str) -> None:
    assert ask(port, method, f"/hooks/{shop('s1').slug}/", signed(ORDER, "s1"), ORDER)[0] == 405
    assert stored() == []


def test_the_largest_body_is_let_in_and_one_byte_more_is_not(port: int, shop: Shop) -> None:
    path = f"/hooks/{shop('s1').slug}/"
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        body = b'"' + b"x" * (size - 2) + b'"'
        assert ask(port, "POST", path, signed(body, "s1"), body)[0] == status
    assert rows("SELECT length(body) FROM sync_message") == [(LIMIT,)]


def test_a_body_that_hides_its_size_is_refused_too(port: int, shop: Shop) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(2 * LIMIT // 100_000):
            yield b"x" * 100_000

    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with suppress(BrokenPipeError, ConnectionResetError):  # it answers before it has heard all
        client.request(
            "POST", f"/hooks/{shop('s1').slug}/", chunks(), {"Transfer-Encoding": "chunked"}, encode_chunked=True
        )
    assert client.getresponse().status == 413
    assert stored() == []


def test_a_small_body_in_chunks_is_let_in(port: int, shop: Shop) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {**dict(signed(ORDER, "s1")), "Transfer-Encoding": "chunked"}
    client.request("POST", f"/hooks/{shop('s1').slug}/", iter([ORDER[:3], ORDER[3:]]), headers, encode_chunked=True)
    assert client.getresponse().status == 200
    assert stored() == [("order.updated", ORDER)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"id":7,"number":"\xff\xfe"}', "The shop's order is not readable JSON:"),
        (b'{"id":7,\x00"number":"7"}', "The shop's order is not readable JSON:"),
        (b"\x00\x01\x02", "The shop's order is not readable JSON:"),
        (b"", "The shop's order is not readable JSON:"),
        (b'{"id":7,"line_items":"none"}', "The shop's order is not as expected:"),
        (b"[" * 20_000, "The shop's order is"),
        (b'{"id":7,"line_items":[],"status":"pending","total":1e400}', ""),
    ],
)
def test_what_is_signed_is_kept_raw_and_put_aside_with_words(port: int, shop: Shop, body: bytes, words: str) -> None:
    system = shop("s1")
    assert ask(port, "POST", f"/hooks/{system.slug}/", signed(body, "s1"), body) == (200, b"received")
    assert stored() == [("order.updated", body)]
    inbox.drain(system.pk)
    ((state, reason, said),) = rows("SELECT state, reason, words FROM sync_message")
    assert (state, reason, said[: len(words)]) == ("parked", "malformed", words)
    assert rows("SELECT reason, words FROM sync_case WHERE closed_at IS NULL") == [(reason, said)]


def test_while_rotating_both_secrets_are_good_and_a_retired_one_is_not(port: int, shop: Shop) -> None:
    system = shop("retired", "old", "new")
    oldest = system.secrets.earliest("id")
    system.secrets.filter(pk=oldest.pk).update(retired_at=timezone.now())
    path = f"/hooks/{system.slug}/"
    statuses = [
        ask(port, "POST", path, signed(ORDER, secret, "order.created"), ORDER)[0]
        for secret in ("old", "new", "retired")
    ]
    assert statuses == [200, 200, 401]
    assert stored() == [("order.created", ORDER)]


def test_a_topic_nobody_reads_is_kept_and_put_aside(port: int, shop: Shop) -> None:
    system = shop("s1")
    assert ask(port, "POST", f"/hooks/{system.slug}/", signed(ORDER, "s1", "subscription.renewed"), ORDER)[0] == 200
    inbox.drain(system.pk)
    assert rows("SELECT topic, state, reason FROM sync_message") == [
        ("subscription.renewed", "parked", "unknown_topic")
    ]
