"""Tracking numbers that are known only later: taken once the shipment was said, whether or not it is recorded yet."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from canonical.facts import TrackingStated
from canonical.models import FulfilmentRequest, Package, Shipment
from canonical.types import Tracked
from connectors.base import Envelope
from connectors.partner import connector
from retailsync.partners import feed
from retailsync.partners.models import Event
from retailsync.sync import inbox
from retailsync.sync.models import Message

from .conftest import AT, Partner

Ask = Callable[..., FulfilmentRequest]
NUMBER = {"packages": [{"package": 1, "tracking_number": "T9"}]}
SHIPPED = {
    "shipment": "S 1",
    "packages": [{"lines": [{"sku": "A", "units": 1}]}, {"lines": [{"sku": "A", "units": 2}]}],
}


def shipped(request: FulfilmentRequest, ref: str = "S 1", packages: int = 2) -> Shipment:
    shipment = Shipment.objects.create(
        system=request.system, external_id=ref, order=request.order, request=request, shipped_at=AT, digest=b"",
        ledger_version=1,
    )  # fmt: skip
    for position in range(1, packages + 1):
        Package.objects.create(shipment=shipment, position=position)
    return shipment


def test_a_number_is_stored_as_a_word_about_its_shipment(partner: Partner, ask: Ask) -> None:
    request = shipped(ask(partner, answer="accepted", execution="shipped")).request
    body = {**NUMBER, "carrier": "DHL", "service": "express", "occurred_at": "2026-05-01T12:00:00Z"}
    answer = partner.post(f"{request.reference}/shipments/S%201/tracking", body)
    assert (answer.status_code, answer.json()["duplicate"], answer.json()["execution"]) == (202, False, "shipped")
    row = Message.objects.get()
    assert (row.topic, row.about) == ("shipment.tracked", request.reference)
    (fact,) = connector.reads[row.topic](Envelope(row.topic, bytes(row.body), row.received_at, None))
    assert fact == TrackingStated(
        occurred_at=AT, ref="S 1", request=request.reference, packages=(Tracked(package=1, tracking="T9"),),
        carrier="DHL", service="express",
    )  # fmt: skip


def test_a_shipment_that_was_said_a_moment_ago_is_known(partner: Partner, ask: Ask) -> None:
    request = ask(partner)
    assert partner.post(f"{request.reference}/shipments/S%201/tracking", NUMBER).status_code == 404
    assert partner.post(f"{request.reference}/ship", SHIPPED).status_code == 202
    assert partner.post(f"{request.reference}/shipments/S%201/tracking", NUMBER).status_code == 202
    beyond = {"packages": [{"package": 2, "tracking_number": "T"}, {"package": 3, "tracking_number": "T"}]}
    answer = partner.post(f"{request.reference}/shipments/S%201/tracking", beyond)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"], answer.json()["detail"]) == (
        422, "not_on_request", "packages[1].package", "packages[1].package: S 1 has 2 packages.",
    )  # fmt: skip


def test_saying_it_twice_is_saying_it_once(partner: Partner, ask: Ask) -> None:
    path = f"{shipped(ask(partner)).request.reference}/shipments/S%201/tracking"
    plain = [partner.post(path, NUMBER).json()["duplicate"] for _ in range(2)]
    first, again = (partner.post(path, NUMBER, key="k") for _ in range(2))
    assert (plain, again.json(), again["Idempotency-Replayed"]) == ([False, True], first.json(), "true")
    assert Message.objects.count() == 2


def test_shipments_of_others_and_of_other_requests_are_not_there(partner: Partner, other: Partner, ask: Ask) -> None:
    mine, second = ask(partner), ask(partner, 2)
    theirs = shipped(ask(other)).request
    shipped(second)
    paths = (
        f"{mine.reference}/shipments/S%201",
        f"{theirs.reference}/shipments/S%201",
        f"{second.reference}/shipments/X",
    )
    assert [partner.post(f"{path}/tracking", NUMBER).status_code for path in paths] == [404] * 3
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "packages", "is missing"),
        ({"packages": []}, "packages", "must have at least one entry"),
        ({"packages": [{"package": 0, "tracking_number": "T"}]}, "packages[0].package", "must be at least 1"),
        ({"packages": [{"package": 1}]}, "packages[0].tracking_number", "is missing"),
        ({"packages": [{"package": 1, "tracking_number": ""}]}, "packages[0].tracking_number", "must not be empty"),
        ({"packages": [*NUMBER["packages"], *NUMBER["packages"]]}, "packages[1].package", "is there twice"),
        ({**NUMBER, "service": "x"}, "carrier", "is missing: a service is one of its carrier"),
        ({**NUMBER, "shipment": "S2"}, "shipment", "names another shipment than the address"),
        ({**NUMBER, "tracking": "T"}, "tracking", "is not a field of this message"),
    ],
)
def test_a_wrong_word_is_a_problem(partner: Partner, ask: Ask, body: Any, field: str, words: str) -> None:
    request = shipped(ask(partner)).request
    answer = partner.post(f"{request.reference}/shipments/S%201/tracking", body)
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, field, f"{field}: {words}")
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_recorded_it_is_shown_and_told_in_the_feed(partner: Partner, ask: Ask) -> None:
    request = shipped(ask(partner)).request
    partner.post(f"{request.reference}/shipments/S%201/tracking", {**NUMBER, "carrier": "UPS"})
    inbox.drain(partner.system.pk)
    (seen,) = partner.get(request.reference).json()["shipments"]
    assert (seen["carrier"], [p["tracking_number"] for p in seen["packages"]]) == ("UPS", ["T9", ""])
    event = Event.objects.get()
    assert (event.type, event.subject, event.data["shipment"]) == (
        "fulfilment_request.tracked", request.reference, "S 1",
    )  # fmt: skip
    assert event.type in feed.TYPES
    assert msgspec.json.decode(bytes(Message.objects.get().body))["shipment"] == "S 1"
