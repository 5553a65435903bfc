"""No address, whatever is put into it, shows or moves anything of another partner. Built from the table of addresses: a new one with a
name in it that nobody speaks of here fails."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.test import Client

from canonical.models import (
    FulfilmentRequest,
    InboundShipment,
    Package,
    Return,
    Shipment,
    Sku,
    Sourcing,
    StockCount,
    StockLevel,
    StockSnapshot,
    StockSource,
    System,
)
from retailsync.partners.contract import ROOT, _shapes_of
from retailsync.partners.examples import EXAMPLES
from retailsync.partners.models import Delivery, Event, Subscription
from retailsync.partners.urls import urlpatterns
from retailsync.partners.views.base import PartnerView
from retailsync.partners.webhooks import subscribing
from retailsync.sync.models import Message

from .conftest import AT, Partner, change

pytestmark = pytest.mark.usefixtures("no_look_ups")
Ask = Callable[..., FulfilmentRequest]


class Theirs(NamedTuple):
    """What another partner has, by the names addresses give it. `marks` are texts nobody else may ever read."""

    names: dict[str, str]
    marks: list[str]


@pytest.fixture
def theirs(other: Partner, ask: Ask) -> Theirs:
    """One of everything, of the other partner."""
    request = change(ask(other, partner_ref="THEIR-OWN-REF"), kind="cancel").request
    shipment = Shipment.objects.create(
        system=other.system,
        external_id="THEIR-SHIPMENT",
        order=request.order,
        request=request,
        shipped_at=AT,
        digest=b"",
    )
    Package.objects.create(shipment=shipment, position=1, tracking="THEIR-TRACKING")
    Event.objects.create(system=other.system, type="fulfilment_request.created", subject=request.reference, data={})
    webhook = subscribing.create(other.system.pk, "https://their.example/hook", [])
    delivery = Delivery.objects.create(
        subscription=webhook, event=Event.objects.get(), position=1, subject=request.reference
    )
    stock_of(other)
    said: dict[str, Any] = {"reference": request.reference, "location": other.location, "stated_at": AT}
    InboundShipment.objects.create(supplier="THEIR-SUPPLIER", **said)
    Return.objects.create(tracking="THEIR-PARCEL", **said)
    names = {
        "reference": request.reference,
        "change": "1",
        "shipment": "THEIR-SHIPMENT",
        "run": "THEIR-RUN",
        "number": "1",
    }
    names |= {"webhook": str(webhook.pk), "delivery": str(delivery.pk)}
    marks = [
        "THEIR-OWN-REF",
        "THEIR-SHIPMENT",
        "THEIR-TRACKING",
        "THEIR-SKU",
        "THEIR-RUN",
        "THEIR-SUPPLIER",
        "their.example",
    ]
    return Theirs(names, [request.reference, "THEIR-PARCEL", *marks, other.location.code])


def stock_of(other: Partner) -> None:
    """A SKU it may be asked for, what lies there of it, what is doubted of that, and a count that is not whole."""
    sku = Sku.objects.create(code="THEIR-SKU")
    shop = System.objects.get(slug="shop")
    Sourcing.objects.create(channel=shop, sku=sku, location=other.location)
    StockLevel.objects.create(sku=sku, location=other.location, on_hand=3)
    source = StockSource.objects.create(system=other.system, location=other.location, external_id="W2")
    said: dict[str, Any] = {"cause_kind": "message", "cause_id": 1, "observed_at": AT}
    StockCount.objects.create(source=source, sku=sku, on_hand=300, doubt="far", accepted=False, **said)
    StockSnapshot.objects.create(source=source, run="THEIR-RUN", **said)


class Call(NamedTuple):
    """One address and method."""

    method: str
    path: str
    view: type[PartnerView]
    topic: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def calls() -> Iterator[Call]:
    for pattern in urlpatterns:
        view = getattr(pattern.callback, "cls", None)
        if view is not None:
            topic = getattr(pattern.callback, "initkwargs", {}).get("topic", "")
            for method in view.outlines:
                yield Call(method, str(pattern.pattern), view, topic)


CALLS = list(calls())
#: Names in addresses that are not anybody's: a snapshot is called as its partner likes, and speaks of a location in its body.
FREE = {"run": "R", "part": "1"}


def body(call: Call, location: str, reference: str) -> Any:
    shape = _shapes_of(call.view, {"topic": call.topic}).get(call.method)
    example = dict(EXAMPLES[shape.__name__]) if shape else {}
    if call.path.endswith("/bulk"):
        example["items"] = [{**item, "reference": reference} for item in example["items"]]
    return {**example, "location": location} if "location" in example else example


def ask_for(partner: Partner, call: Call, names: dict[str, str], location: str) -> Any:
    path = re.sub(r"<\w+:(\w+)>", lambda found: names[found[1]], call.path)
    send = getattr(Client(), call.method.lower())
    more = (
        {}
        if call.method == "GET"
        else {"data": body(call, location, names["reference"]), "content_type": "application/json"}
    )
    return send(f"{ROOT}/{path}", headers=partner.headers(), **more)


def kept(other: Partner) -> list[Any]:
    """All rows of what another partner has."""
    of_system = [
        list(m.objects.filter(system=other.system).order_by("pk").values())
        for m in (FulfilmentRequest, Shipment, Subscription)
    ]
    return [*of_system, list(Delivery.objects.filter(subscription__system=other.system).values())]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_nothing_of_another_partner_is_there(partner: Partner, other: Partner, theirs: Theirs, call: Call) -> None:
    before = kept(other)
    answer = ask_for(partner, call, {**FREE, **theirs.names}, other.location.code)
    named = set(re.findall(r"<\w+:(\w+)>", call.path)) - (set(FREE) if call.method == "POST" else set())
    located = call.path.startswith(("inventory/", "returns")) and call.method == "POST"
    if named or located or call.path.startswith("sandbox/"):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    else:
        assert answer.status_code in (200, 201)
    text = answer.content.decode().replace(f"You have no location {other.location.code}.", "")
    if call.path.endswith("/bulk"):
        assert {item["status"] for item in answer.json()["items"]} == {404}
        text = text.replace(f'"reference":"{theirs.names["reference"]}"', "")  # what was asked is said again
    assert [mark for mark in theirs.marks if mark in text] == []
    assert kept(other) == before and not Message.objects.exists()


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_nobody_asks_without_a_key_or_without_its_scope(partner: Partner, theirs: Theirs, call: Call) -> None:
    own = {**FREE, **theirs.names}
    path = re.sub(r"<\w+:(\w+)>", lambda found: own[found[1]], call.path)
    send = getattr(Client(), call.method.lower())
    assert send(f"{ROOT}/{path}").status_code == 401
    needed = call.view.scopes[call.method]
    partner.key.scopes = [scope for scope in partner.key.scopes if scope != needed]
    partner.key.save()
    answer = ask_for(partner, call, own, partner.location.code)
    assert (answer.status_code, answer.json()["code"], answer.json()["scope"]) == (403, "missing_scope", needed)


def test_filters_find_nothing_of_another_partner(partner: Partner, other: Partner, theirs: Theirs) -> None:
    for query in ({"location": other.location.code}, {"order": "WEB-1"}, {"since": "0"}, {"state": "submitted"}):
        assert partner.get("", **query).json()["items"] == []
