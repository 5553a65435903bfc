"""Outgoing webhooks: where a partner wants to hear of its events, whether they arrive, and those it wants to hear of again."""

from collections.abc import Callable
from typing import Annotated, Any

from django.db import transaction
from django.http import Http404
from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from canonical.models import System
from connectors.partner.reading import Wrong
from connectors.partner.reading.shapes import Shape
from retailsync.partners import feed, idempotency
from retailsync.partners.idempotency import Answer
from retailsync.partners.models import Delivery, Subscription
from retailsync.partners.problems import Problem
from retailsync.partners.views.base import AFTER, LIMIT, MOST, USUAL, PartnerView, Query, body, number, page_of, shaped
from retailsync.partners.webhooks import fanning, posting, subscribing
from retailsync.partners.webhooks.outlines import (
    Deleted,
    DeliveryOutline,
    DeliveryPage,
    Redelivered,
    Tested,
    WebhookOutline,
    WebhookPage,
    WebhookWithSecret,
)
from retailsync.platform.secrets import unseal
from retailsync.sync import clock, confirming
from retailsync.sync.leases import lease

PATIENCE = 5.0  # seconds an address has to answer a ping: somebody waits for it, and one of our threads
Address = Annotated[str, Meta(min_length=1, max_length=500, description="https, and reachable from the internet.")]
Types = Annotated[list[Annotated[str, Meta(max_length=60)]], Meta(max_length=50, description=", ".join(feed.TYPES))]


# ---- what is said -----------------------------------------------------------------------------------------------------------
class NewWebhook(Shape, kw_only=True):
    """A new webhook."""

    url: Address
    types: Types = []


class WebhookChange(Shape, kw_only=True):
    """What is to be another way; what is left out stays."""

    url: Address | UnsetType = UNSET
    types: Types | UnsetType = UNSET


class SecretRotation(Shape, kw_only=True):
    """How many hours the secret so far goes on signing."""

    overlap_hours: Annotated[int, Meta(ge=0, le=168)] = subscribing.OVERLAP


class RedeliverAfter(Shape, kw_only=True):
    """The position after which events are sent again."""

    after: Annotated[int, Meta(ge=0, le=2**62)]


class Nothing(Shape):
    """An empty message."""


def _said(kind: type[Any], raw: bytes) -> Any:
    """The message, its shape and the types it names checked. Raises Wrong."""
    said = shaped(kind, raw)
    for place, type in enumerate(getattr(said, "types", UNSET) or ()):
        if type not in feed.TYPES:
            raise Wrong(f"types[{place}]", f"must be one of {', '.join(feed.TYPES)}")
    return said


# ---- webhooks ---------------------------------------------------------------------------------------------------------------
class WebhookView(PartnerView):
    """Base: the caller's own webhooks."""

    scopes = dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), "webhooks:write")

    def webhooks(self, request: Request) -> Any:
        own = Subscription.objects.filter(system_id=self.partner(request).system_id)
        return own.select_related("system").order_by("pk")

    def one(self, request: Request, webhook: int) -> Subscription:
        """As it stands."""
        if (row := self.webhooks(request).filter(pk=webhook).first()) is None:
            raise Http404
        return row

    def locked(self, request: Request, webhook: int) -> Subscription:
        """Until the transaction ends."""
        if (row := subscribing.locked(self.partner(request).system_id, webhook)) is None:
            raise Http404
        return row

    def before(self, request: Request) -> Response | None:
        """What this call was answered before, where it is a repetition: asked by whoever has to speak with the outside first."""
        asked = f"{request.method} {request.path}", body(request)
        key = idempotency.key_of(request.META)
        kept = idempotency.kept(self.partner(request).system_id, key, asked) if key else None
        return kept and self.once(request, lambda raw: kept)

    def with_secret(self, answer: Response) -> Response:
        """Open the secret in an answer: at rest, also in what is kept for repetitions, it is sealed."""
        answer.data = {**answer.data, "secret": unseal(answer.data["secret"])}
        return answer


class Webhooks(WebhookView):
    """GET, POST /webhooks: all of them, or a new one."""

    titles = {"GET": "All webhooks", "POST": "A new webhook"}
    outlines = {"GET": (200, WebhookPage), "POST": (201, WebhookWithSecret)}
    shapes = {"POST": NewWebhook}
    queries = (AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        """Your webhooks, in the order they were made, with whether events arrive there."""
        after, limit = self.page(request)
        page = list(self.webhooks(request).filter(pk__gt=after)[: limit + 1])
        return page_of(page, limit, WebhookOutline)

    def post(self, request: Request) -> Response:
        """Say where you want to hear of events. The secret is shown in this answer only; there may be ten webhooks.

        Events that happen from now on are sent to `url` by Standard Webhooks: a POST of `{"type", "timestamp", "data"}` with `webhook-id`
        (the event's `id`, the same whenever it is sent again), `webhook-timestamp` and `webhook-signature`. `data` holds `position`,
        `subject` and what the event says in the feed. Answer 2xx within ten seconds and do the work afterwards.

        What is not taken is tried again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h; events of one subject arrive in their order.
        410 switches the webhook off at once, and so do five days without one success.
        """
        if done := self.before(request):
            return self.with_secret(done)
        said, system = _said(NewWebhook, body(request)), self.partner(request).system_id
        posting.check(said.url, loopback=subscribing.loopback(System.objects.get(pk=system)))
        return self.with_secret(self.once(request, lambda raw: self.created(system, said)))

    def created(self, system: int, said: NewWebhook) -> Answer:
        row = subscribing.create(system, said.url, said.types)
        row.refresh_from_db()
        return Answer(201, _sealed(row))


class Webhook(WebhookView):
    """GET, PATCH, DELETE /webhooks/{id}: one of them."""

    titles = {"GET": "One webhook", "PATCH": "Change a webhook", "DELETE": "Delete a webhook"}
    outlines = {"GET": (200, WebhookOutline), "PATCH": (200, WebhookOutline), "DELETE": (200, Deleted)}
    shapes = {"PATCH": WebhookChange}

    def get(self, request: Request, webhook: int) -> Response:
        """Where it goes, whether events arrive, and where they do not, why and since when."""
        return Response(WebhookOutline(self.one(request, webhook)).data)

    def patch(self, request: Request, webhook: int) -> Response:
        """Another `url` or other `types`, for what happens from then on. One that is switched off stays off until it is enabled."""
        said = _said(WebhookChange, body(request))
        if said.url is not UNSET:
            posting.check(said.url, loopback=subscribing.loopback(self.one(request, webhook).system))
        with transaction.atomic():
            row = self.locked(request, webhook)
            url, types = (old if new is UNSET else new for old, new in ((row.url, said.url), (row.types, said.types)))
            subscribing.change(row, url, types)
        return Response(WebhookOutline(row).data)

    def delete(self, request: Request, webhook: int) -> Response:
        """Nothing is sent there any more, and its deliveries are forgotten."""
        with transaction.atomic():
            subscribing.remove(self.locked(request, webhook))
        return Response({"id": str(webhook), "deleted": True})


class Ping(WebhookView):
    """POST /webhooks/{id}/test: send a signed `ping` now and say what came back.

    It says nothing of events and changes nothing: a webhook that is switched off can be tried before it is enabled. One at a time.
    """

    titles = {"POST": "Send a test event"}
    outlines = {"POST": (200, Tested)}

    def post(self, request: Request, webhook: int) -> Response:
        if done := self.before(request):
            return done
        _said(Nothing, body(request))
        row = self.one(request, webhook)
        with lease(f"partner-ping:{row.system_id}", PATIENCE * 2) as held:
            if held is None:
                raise Problem("in_progress", "Another test of yours is under way.", after=1)
            sent = _ping(row)
        answer = {
            "delivered": sent.taken, "status": sent.status, "milliseconds": round(sent.seconds * 1000), "words": sent.words,
        }  # fmt: skip
        return self.once(request, lambda raw: Answer(200, answer))


class Act(WebhookView):
    """Base: something is done to one webhook of the caller's, under its lock."""

    outlines = {"POST": (200, WebhookOutline)}

    def post(self, request: Request, webhook: int, **more: int) -> Response:
        return self.once(request, lambda raw: self.done(self.locked(request, webhook), raw, **more))

    def done(self, row: Subscription, raw: bytes) -> Answer:
        raise NotImplementedError


class Rotate(Act):
    """POST /webhooks/{id}/rotate: a new secret, shown in this answer only.

    For `overlap_hours` (24 unless told, at most 168) each request carries two signatures, by the new secret and by the one before. 0: the
    one before ends now, for instance because somebody else knows it. An older one than that ends in any case.
    """

    titles = {"POST": "A new secret"}
    outlines = {"POST": (200, WebhookWithSecret)}
    shapes = {"POST": SecretRotation}

    def post(self, request: Request, webhook: int, **more: int) -> Response:
        return self.with_secret(super().post(request, webhook, **more))

    def done(self, row: Subscription, raw: bytes) -> Answer:
        subscribing.rotate(row, _said(SecretRotation, raw).overlap_hours, clock.now())
        return Answer(200, _sealed(row))


class Enable(Act):
    """POST /webhooks/{id}/enable: send events again, from now on.

    What happened while it was switched off is not sent by itself: ask for it with `redeliver` after the last position you know.
    """

    titles = {"POST": "Enable a webhook"}

    def done(self, row: Subscription, raw: bytes) -> Answer:
        _said(Nothing, raw)
        subscribing.enable(row)
        return Answer(200, WebhookOutline(row).data)


# ---- deliveries -------------------------------------------------------------------------------------------------------------
class Deliveries(WebhookView):
    """GET /webhooks/{id}/deliveries: each event on its way, the newest first, 30 days back."""

    titles = {"GET": "The delivery log"}
    outlines = {"GET": (200, DeliveryPage)}
    queries = (
        Query("state", "Only those that stand so.", choices=Delivery.State.values),
        Query("after", "`next` of the page before: what is older than that", whole=True),
        LIMIT,
    )

    def get(self, request: Request, webhook: int) -> Response:
        before, limit = number(request, "after", 2**62), number(request, "limit", USUAL, 1, MOST)
        found = Delivery.objects.filter(subscription=self.one(request, webhook), pk__lt=before).select_related("event")
        if state := request.query_params.get("state"):
            found = found.filter(state=state)
        page = list(found.order_by("-pk")[: limit + 1])
        return page_of(page, limit, DeliveryOutline)


class Redeliver(Act):
    """POST /webhooks/{id}/deliveries/{delivery}/redeliver: send this event again, beginning with its first try.

    Its `webhook-id` and its body are the same as before. One that waits or is under way is left as it is.
    """

    titles = {"POST": "Send one event again"}
    outlines = {"POST": (200, DeliveryOutline)}

    def done(self, row: Subscription, raw: bytes, delivery: int = 0) -> Answer:  # type: ignore[override]
        _said(Nothing, raw)
        found = Delivery.objects.filter(subscription=row, pk=delivery).select_related("event")
        if not found.exists():
            raise Http404
        fanning.redeliver(row, delivery, clock.now())
        return Answer(200, DeliveryOutline(found.get()).data)


class RedeliverSince(Act):
    """POST /webhooks/{id}/redeliver: send again every event after a position, also those it missed while it was switched off.

    At most 10,000 at once; where there are more, `next` is the position to go on from.
    """

    titles = {"POST": "Send everything since a position again"}
    outlines = {"POST": (200, Redelivered)}
    shapes = {"POST": RedeliverAfter}

    def done(self, row: Subscription, raw: bytes) -> Answer:
        count, last = fanning.redeliver_since(row, _said(RedeliverAfter, raw).after, clock.now())
        return Answer(200, {"deliveries": count, "next": None if last is None else str(last)})


def _sealed(row: Subscription) -> dict[str, Any]:
    """The webhook with its secret, as it may be kept."""
    return {**WebhookOutline(row).data, "secret": row.secret}


def _ping(row: Subscription) -> posting.Sent:
    """One ping, and the exchange for people."""
    now = clock.now()
    id = f"ping-{row.pk}-{int(now.timestamp() * 1000)}"
    sent = posting.post(subscribing.where(row, now), id, posting.body("ping", now, {}), PATIENCE)
    confirming.store_exchanges(row.system_id, sent.exchanges)
    return sent


ACTS: dict[str, Callable[..., Any]] = {
    "test": Ping.as_view(), "rotate": Rotate.as_view(), "enable": Enable.as_view(), "redeliver": RedeliverSince.as_view(),
}  # fmt: skip
