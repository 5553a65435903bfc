"""Two partners with keys, and requests for them."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from canonical.models import (
    Address,
    Customer,
    FulfilmentRequest,
    Location,
    Order,
    OrderLine,
    RequestChange,
    RequestLine,
    Sku,
    System,
)
from connectors import guard
from retailsync.partners import authentication
from retailsync.partners.models import PartnerKey
from retailsync.sync.models import Command

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROOT = "/api/v1/fulfilment-requests"


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    authentication.forget()


@pytest.fixture
def no_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in examples are nobody's."""
    place = guard.Place(socket.AF_INET, ("93.184.215.14", 443))
    monkeypatch.setattr(guard, "resolve", lambda host, port, seconds: [place])


@dataclass
class Partner:
    """A partner system with its key and a client that uses it."""

    system: System
    location: Location
    key: PartnerKey
    text: str

    def get(self, path: str, **query: str) -> Any:
        return Client().get(f"{ROOT}/{path}" if path else ROOT, query, headers=self.headers())

    def post(self, path: str, body: Any = None, key: str = "") -> Any:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        extra = {"Idempotency-Key": key} if key else {}
        return Client().post(f"{ROOT}/{path}", raw, content_type="application/json", headers=self.headers() | extra)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


def make_partner(slug: str) -> Partner:
    system = System.objects.create(slug=slug, name=slug, connector="partner", roles=["3pl"])
    location = Location.objects.create(code=slug.upper(), name=slug, executor=system)
    return Partner(system, location, *PartnerKey.issue(system, "warehouse software"))


@pytest.fixture
def partner(db: None) -> Partner:
    return make_partner("w1")


@pytest.fixture
def other(db: None) -> Partner:
    return make_partner("w2")


@pytest.fixture
def order(db: None) -> Order:
    shop = System.objects.create(slug="shop", name="Shop", connector="woocommerce", roles=["channel"])
    customer = Customer.objects.create(key="a@example.org")
    address = Address.objects.create(customer=customer, digest=b"1", content={"first_name": "Ada", "country": "DE"})
    order = Order.objects.create(
        channel=shop, external_id="1", number="1", reference="WEB-1", shop_status="processing", placed_at=AT, currency="EUR",
        total=10, total_tax=0, customer=customer, billing=address, shipping=address,
    )  # fmt: skip
    sku = Sku.objects.create(code="A")
    OrderLine.objects.create(
        order=order, external_id="1", sku=sku, sku_text="a", name="Apple", ordered=3, subtotal=10, total=10
    )
    return order


@pytest.fixture
def ask(order: Order) -> Callable[..., FulfilmentRequest]:
    """Raise the n-th request of the order at a partner."""

    def raise_request(partner: Partner, number: int = 1, **state: Any) -> FulfilmentRequest:
        request = FulfilmentRequest.objects.create(
            order=order, location=partner.location, system=partner.system, reference=f"WEB-1-{partner.location.code}-{number}",
            attempt=number, requested_at=AT, **{"answer": "submitted", **state},
        )  # fmt: skip
        for line in order.lines.all():
            RequestLine.objects.create(request=request, line=line, units=line.ordered)
        return request

    return raise_request


def change(request: FulfilmentRequest, number: int = 1, kind: str = "cancel", **state: Any) -> RequestChange:
    """Ask for the n-th change of a request."""
    return RequestChange.objects.create(
        request=request, order=request.order, number=number, kind=kind, asked_at=AT, **state
    )


def left_for(partner: Partner, request: FulfilmentRequest, **state: Any) -> Command:
    """The command that tells the partner of a request."""
    return Command.objects.create(
        system=partner.system, kind="RequestFulfilment", subject_kind="fulfilment_request", subject_key=str(request.pk),
        purpose=f"fulfilment_request:{request.pk}", payload={}, cause_kind="x", cause_id=1, **state,
    )  # fmt: skip
