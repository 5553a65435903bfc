import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.errors import Misconfigured, Retry
from connectors.simulation import Answer, Fault
from connectors.woocommerce import connector, oauth
from connectors.woocommerce.simulator import Shop
from tests.connectors.woocommerce.conftest import SAMPLES, visit

SECRET = "cs_lab0000000000000000000000000000000000rw"  # of the laboratory's shop, which is no more
ADDRESS = "http://127.0.0.1:8082/wp-json/wc/v3/orders"


@pytest.fixture
def plain() -> Iterator[Shop]:
    """A shop on plain http, which takes no password."""
    with Shop(seed=1, plain_http=True) as shop:
        yield shop


def sent(name: str) -> tuple[str, dict[str, str]]:
    """Method and parameters of a recorded request."""
    said = json.loads((SAMPLES / f"{name}.json").read_text())["request"]
    return said["method"], dict(parse_qsl(said["path"].partition("?")[2]))


@pytest.mark.parametrize(
    ("name", "good"),
    [("oauth1_plain_http_ok", True), ("oauth1_old_timestamp_401", True), ("oauth1_bad_signature_401", False)],
)
def test_a_real_shop_and_we_agree_on_signatures(name: str, good: bool) -> None:
    method, params = sent(name)
    assert oauth.verify(method, ADDRESS, params, SECRET) is good


def test_we_sign_as_the_recorded_client_did() -> None:
    method, params = sent("oauth1_plain_http_ok")
    url = oauth.signed(
        method, f"{ADDRESS}?per_page=1", params["oauth_consumer_key"], SECRET,
        timestamp=int(params["oauth_timestamp"]), nonce=params["oauth_nonce"],
    )  # fmt: skip
    assert dict(parse_qsl(url.partition("?")[2])) == params


def test_a_changed_parameter_breaks_the_signature() -> None:
    method, params = sent("oauth1_plain_http_ok")
    assert not oauth.verify(method, ADDRESS, {**params, "per_page": "2"}, SECRET)
    assert not oauth.verify("POST", ADDRESS, params, SECRET)
    assert not oauth.verify(method, ADDRESS, {**params, "oauth_signature_method": "PLAINTEXT"}, SECRET)
    assert not oauth.verify(method, ADDRESS, {}, SECRET)


def test_odd_characters_are_signed_as_they_are_sent(plain: Shop) -> None:
    url = oauth.signed(
        "GET", f"{plain.url}/wp-json/wc/v3/orders?search=a%20b%2Bc%26d~%C3%A9&include=", plain.key, plain.secret
    )
    address, _, query = url.partition("?")
    assert oauth.verify("GET", address, dict(parse_qsl(query, keep_blank_values=True)), plain.secret)


def test_a_shop_on_plain_http_is_spoken_to_with_signatures(plain: Shop) -> None:
    plain.place(2)
    page = connector.polls["orders"](visit(plain), "2020-01-01T00:00:00+00:00")
    assert len(page.heard) == 2
    assert all("authorization" not in request.headers for request in plain.seen)


def test_whoever_allows_plain_http_is_warned(plain: Shop) -> None:
    assert connector.probe
    said = connector.probe(visit(plain, allow_http=True))
    assert said.startswith(
        f"WooCommerce 11.0.1 answers at {plain.url}. Without https, orders, names and addresses can be read"
    )


def test_the_secret_never_leaves_and_no_two_requests_are_alike(plain: Shop) -> None:
    session = visit(plain)
    assert connector.probe
    for _ in range(2):
        connector.probe(session)
    asked = [request.query_string for request in plain.seen]
    assert len(set(asked)) == 2
    assert not [query for query in asked if plain.secret in query]


def answer(shop: Shop, **changes: str) -> Any:
    """What the shop says to a signed request some of whose parameters were changed."""
    url = oauth.signed("GET", f"{shop.url}/wp-json/wc/v3/orders", shop.key, shop.secret, nonce="n-1")
    session = visit(shop)
    query = "&".join(f"{name}={value}" for name, value in {**dict(parse_qsl(url.partition("?")[2])), **changes}.items())
    response = session.http.request("GET", f"{shop.url}/wp-json/wc/v3/orders?{query.replace('+', '%2B')}")
    return response.status, json.loads(response.body)


def recorded_refusal(name: str) -> Any:
    said = json.loads((SAMPLES / f"{name}.json").read_text())["response"]
    return said["status"], said["body"]


def test_the_simulated_shop_refuses_as_the_real_one_did(plain: Shop) -> None:
    assert answer(plain)[0] == 200
    assert answer(plain) == recorded_refusal("oauth1_replayed_nonce_401")
    assert answer(plain, oauth_nonce="n-2") == recorded_refusal("oauth1_bad_signature_401")
    old = oauth.signed("GET", f"{plain.url}/wp-json/wc/v3/orders", plain.key, plain.secret, timestamp=1_700_000_000)
    said = visit(plain).http.request("GET", old)
    assert (said.status, json.loads(said.body)) == recorded_refusal("oauth1_old_timestamp_401")
    basic = {"Authorization": "Basic " + "Y2tfc2ltdWxhdGVkX3Nob3A6Y3Nfc2ltdWxhdGVkX3Nob3A="}
    said = visit(plain).http.request("GET", f"{plain.url}/wp-json/wc/v3/orders", headers=basic)
    assert (said.status, json.loads(said.body)) == recorded_refusal("auth_basic_over_plain_http_401")


def test_clocks_that_differ_too_much_are_told_in_words(plain: Shop) -> None:
    said = {"code": "woocommerce_rest_authentication_error", "message": "Invalid timestamp.", "data": {"status": 401}}
    plain.handle = lambda request: Answer(401, said)  # type: ignore[method-assign]
    assert connector.probe
    with pytest.raises(Misconfigured, match="The shop rejects our key: Invalid timestamp"):
        connector.probe(visit(plain))


def test_a_nonce_that_was_seen_is_only_an_answer_that_got_lost(plain: Shop) -> None:
    """A read whose connection broke is asked again as it was; that says nothing about our key."""
    body = {"code": "woocommerce_rest_authentication_error", "message": "Invalid nonce - nonce has already been used."}
    plain.faults.add(Fault(do="answer", status=401, body=body, count=1))
    assert connector.probe
    with pytest.raises(Retry) as caught:
        connector.probe(visit(plain))
    assert not caught.value.down
