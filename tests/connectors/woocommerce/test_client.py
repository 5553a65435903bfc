import json
from datetime import UTC, datetime

import msgspec
import pytest

from connectors.base import Response, Session
from connectors.errors import Misconfigured
from connectors.woocommerce.client import Settings, ask
from tests.connectors.contract import Canned
from tests.connectors.woocommerce.conftest import SAMPLES


class Kept(Canned):
    """Keeps what it was asked with."""

    def request(self, method: str, url: str, **more: object) -> Response:
        self.last = (url, dict(more["headers"]))  # type: ignore[call-overload]
        return super().request(method, url, **more)


def session(http: Canned, url: str) -> Session:
    secrets = {"consumer_key": ["ck_1"], "consumer_secret": ["cs_1"]}
    return Session("shop", Settings(url=url), secrets, http, lambda: datetime(2026, 1, 31, tzinfo=UTC))


def test_over_https_the_key_is_the_password() -> None:
    http = Kept(200, b"[]")
    ask(session(http, "https://shop.example/"), "GET", "/orders", {"page": 1})
    assert http.last == (
        "https://shop.example/wp-json/wc/v3/orders?page=1",
        {"Accept": "application/json", "Authorization": "Basic Y2tfMTpjc18x"},
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("auth_bad_key_401", "The shop does not know our consumer key, or it may not do this."),
        ("auth_bad_secret_401", "The shop rejects our key: Consumer secret is invalid."),
        ("auth_readonly_write_401", "The shop rejects our key: The API key provided does not have write permissions."),
        ("auth_basic_over_plain_http_401", "The shop does not know our consumer key, or it may not do this."),
    ],
)
def test_keys_that_do_not_fit_are_told_apart(name: str, words: str) -> None:
    said = json.loads((SAMPLES / f"{name}.json").read_text())["response"]
    with pytest.raises(Misconfigured) as caught:
        ask(
            session(Canned(said["status"], msgspec.json.encode(said["body"])), "https://shop.example"), "GET", "/orders"
        )
    assert caught.value.words == words
