"""A simulated shop, and a visit to it through the real way out."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivery, Session
from connectors.http import Http, Pool
from connectors.woocommerce.client import Settings
from connectors.woocommerce.simulator import Shop

SAMPLES = Path(__file__).parent / "samples"


def recorded(name: str) -> bytes:
    """The body of a recorded answer of a real shop."""
    return json.dumps(json.loads((SAMPLES / f"{name}.json").read_text())["response"]["body"]).encode()


def delivered(name: str) -> tuple[Delivery, str]:
    """A recorded webhook of a real shop and the secret it was signed with."""
    said = json.loads((SAMPLES / "webhooks" / f"{name}.json").read_text())
    headers = {key.lower(): value for key, value in said["headers"]}
    return Delivery(headers, b64decode(said["body_base64"])), said.get("secret") or ""


def visit(shop: Shop, **settings: Any) -> Session:
    """A visit with 10 s."""
    plain = Settings(url=shop.url, allow_loopback_http=True, **settings)
    secrets = {"consumer_key": [shop.key], "consumer_secret": [shop.secret]}
    http = Http(Pool(), deadline=10, secrets=[shop.secret], allow_loopback_http=True)
    return Session("shop", plain, secrets, http, lambda: datetime.now(UTC))


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(seed=1) as shop:
        yield shop


@pytest.fixture
def session(shop: Shop) -> Session:
    return visit(shop)
