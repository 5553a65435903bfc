"""Every order of the load generator is one of its own, and the shop's door takes it."""

from datetime import UTC, datetime

import pytest

from benchmarks import pace
from connectors.base import Delivery, Envelope
from connectors.woocommerce import door
from connectors.woocommerce.reading import read_order

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_basket_becomes_an_order_with_its_own_number_lines_and_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "VARIETY", 4)
    shop = pace.Shop("/hooks/shop/", "secret")
    facts = [_read(shop.request(pace.FIRST + n)) for n in range(12)]
    assert [f.ref for f in facts] == [str(pace.FIRST + n) for n in range(12)]
    assert len({line.ref for f in facts for line in f.lines}) == sum(len(f.lines) for f in facts)
    guests = [f for f in facts if not f.customer_ref]
    assert len({f.billing.email for f in guests}) == len(guests) > 0


def _read(request: bytes):  # type: ignore[no-untyped-def]
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    signature = next(line.split(": ", 1)[1] for line in head.decode().split("\r\n") if "Signature" in line)
    heard = door(Delivery({**headers, "x-wc-webhook-signature": signature}, body), ["secret"])
    assert heard
    return read_order(Envelope(heard.topic, heard.body, NOW, None))[0]
