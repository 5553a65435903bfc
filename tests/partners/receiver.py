"""A partner's end of webhooks: it listens, checks signatures, keeps what it heard, and misbehaves when told to."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from django.test import Client
from django.utils import timezone

from canonical.models import System
from connectors import signing
from connectors.simulation import Answer, Request, Simulator
from retailsync.partners import feed
from retailsync.partners.models import Delivery, Event, Subscription
from retailsync.partners.webhooks import delivering, fanning, subscribing

from .conftest import Partner

ROOT = "/api/v1/webhooks"


class Receiver(Simulator):
    """Takes POSTs under any path of one part. `answer` says what is answered to one; `before` is called when it has arrived."""

    name = "receiver"

    def __init__(self) -> None:
        super().__init__()
        self.secrets: list[str] = []
        self.answer: Callable[[Request], int | Answer] = lambda request: 200
        self.routes.add("POST", "/<path>", self._heard)

    def _heard(self, request: Request, path: str) -> Answer:
        said = self.answer(request)
        return said if isinstance(said, Answer) else Answer(said)

    @property
    def positions(self) -> list[int]:
        """Of everything that arrived, in order."""
        return [one.json()["data"]["position"] for one in self.seen]

    @property
    def subjects(self) -> list[str]:
        return [one.json()["data"]["subject"] for one in self.seen]


def verified(request: Request, *secrets: str) -> bool:
    """Whether each of these secrets by itself proves the request."""
    return all(
        signing.verify_webhook(request.headers, request.body, [secret], timezone.now()) == request.headers["webhook-id"]
        for secret in secrets
    )


def listening(partner: Partner, receiver: Receiver, path: str = "hook", types: tuple[str, ...] = ()) -> Subscription:
    """A subscription to it, by our own hands."""
    System.objects.filter(pk=partner.system.pk).update(settings={"url": receiver.url, "allow_loopback_http": True})
    return subscribing.create(partner.system.pk, f"{receiver.url}/{path}", types)


def happens(partner: Partner, *subjects: str, type: str = "fulfilment_request.created") -> list[Event]:
    """Something happens to each of these, and is put out."""
    made = [
        Event.objects.create(
            system=partner.system, type=type, subject=subject, data={"reference": subject, "held": False}
        )
        for subject in subjects
    ]
    fanning.fan_out(partner.system.pk)
    return made


def send(row: Subscription) -> int:
    """One drain."""
    return delivering.drain(row.pk)


def later(row: Subscription) -> None:
    """The time of everything that waits has come."""
    Delivery.objects.filter(subscription=row, state="waiting").update(next_at=timezone.now())
    Subscription.objects.filter(pk=row.pk).update(not_before=None)


def states(row: Subscription) -> list[tuple[int, str, int]]:
    """(position, state, attempts) of its deliveries."""
    rows = Delivery.objects.filter(subscription=row).order_by("position")
    return list(rows.values_list("position", "state", "attempts"))


def call(partner: Partner, method: str, path: str = "", body: Any = None, key: str = "", **query: str) -> Any:
    """One call of the API about webhooks."""
    raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    headers: Mapping[str, str] = partner.headers() | ({"Idempotency-Key": key} if key else {})
    url = f"{ROOT}/{path}" if path else ROOT
    if method == "get":
        return Client().get(url, query, headers=headers)
    return getattr(Client(), method)(url, raw, content_type="application/json", headers=headers)


def told_of(partner: Partner) -> list[tuple[str, str]]:
    """(type, subject) of the partner's feed."""
    return [(event.type, event.subject) for event in feed.after(partner.system.pk, 0, 100)]
