"""Fulfilment requests: the list, one of them, and what is done with it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import BooleanField, Prefetch, QuerySet
from django.db.models.expressions import RawSQL
from django.http import Http404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from canonical.models import FulfilmentRequest, Package, PackageLine, RequestChange, RequestLine, Shipment
from connectors.partner import reading
from retailsync.partners import desk, feed, idempotency
from retailsync.partners.idempotency import Answer
from retailsync.partners.outlines import STATES, RequestDetail, RequestOutline, RequestPage, TakenOfRequest
from retailsync.partners.views.base import (
    AFTER,
    LIMIT,
    LONGEST_REFERENCE,
    PartnerView,
    Query,
    following,
    heard_before,
    number,
    stated,
    text,
)
from retailsync.sync.models import Command

EXECUTIONS = tuple(FulfilmentRequest.Execution.values)


def told() -> RawSQL:
    """What left for the partner."""
    return RawSQL(feed.told("canonical_fulfilmentrequest"), (), BooleanField())  # noqa: S611  no value of anybody's is in it


class RequestView(PartnerView):
    """Base: the caller's own requests. Another partner's reference is as unknown as one that never was."""

    scopes = {"GET": "requests:read", "POST": "requests:write"}

    def requests(self, request: Request) -> QuerySet[FulfilmentRequest]:
        lines = RequestLine.objects.select_related("line__sku").order_by("line_id")
        packages = Package.objects.order_by("position").prefetch_related(
            Prefetch("lines", PackageLine.objects.order_by("line_id"))
        )
        return (
            FulfilmentRequest.objects.filter(told(), system_id=self.partner(request).system_id)
            .select_related("order__shipping", "ship_to", "location")
            .prefetch_related(
                Prefetch("lines", lines),
                Prefetch("changes", RequestChange.objects.order_by("number")),
                Prefetch("shipments", Shipment.objects.order_by("id").prefetch_related(Prefetch("packages", packages))),
            )
        )

    def outlined(self, request: Request, found: list[FulfilmentRequest]) -> list[dict[str, Any]]:
        """As a partner sees them, with what it said since; what that moved out of the state that was asked for is left out."""
        standings = desk.standings(self.partner(request).system_id, [each.reference for each in found])
        outlined = RequestOutline(found, many=True, context={"standings": standings}).data
        asked = {name: request.query_params.get(name) for name in ("state", "execution")}
        return [each for each in outlined if all(not value or each[name] == value for name, value in asked.items())]


class RequestList(RequestView):
    """GET /fulfilment-requests: in the order they were raised, or with `since`, those that changed after an event, as they changed.

    A page of what changed may be empty though `next` moved on, where filters leave nothing of it: it ends when `next` stands still.
    """

    outlines = {"GET": (200, RequestPage)}
    titles = {"GET": "List requests"}
    queries = (
        Query("state", "Where your answer stands.", choices=STATES),
        Query("execution", "How far the work is.", choices=EXECUTIONS),
        Query("location", "The code of one of your locations."),
        Query("order", "The order's reference."),
        Query("since", "The position of an event: what changed after it, each once, by its latest change.", whole=True),
        AFTER,
        LIMIT,
    )

    def get(self, request: Request) -> Response:
        after, limit = self.page(request)
        found = self._filtered(request)
        if "since" in request.query_params:
            return self._changed(request, found, number(request, "since", 0), limit)
        page = list(found.filter(id__gt=after).order_by("id")[: limit + 1])
        return Response({"items": self.outlined(request, page[:limit]), "next": following(page, limit)})

    def _filtered(self, request: Request) -> QuerySet[FulfilmentRequest]:
        found = self.requests(request)
        if state := request.query_params.get("state"):
            found = found.filter(answer__in=("submitted", "unsubmitted") if state == "submitted" else (state,))
        if execution := request.query_params.get("execution"):
            found = found.filter(execution=execution)
        for name, field in (("location", "location__code"), ("order", "order__reference")):
            if value := request.query_params.get(name):
                found = found.filter(**{field: text(name, value, LONGEST_REFERENCE)})
        return found

    def _changed(self, request: Request, found: QuerySet[FulfilmentRequest], since: int, limit: int) -> Response:
        """Each once, by its latest change; `since` of the next page is the last one's."""
        changed, last = feed.subjects_since(self.partner(request).system_id, "fulfilment_request.", since, limit)
        rows = {each.reference: each for each in found.filter(reference__in=changed)}
        page = [rows[reference] for reference in changed if reference in rows]
        return Response({"items": self.outlined(request, page), "next": str(last)})


class RequestOne(RequestView):
    """GET /fulfilment-requests/{reference}: one of them, with where it goes and what may be done."""

    outlines = {"GET": (200, RequestDetail)}
    titles = {"GET": "Read a request"}

    def get(self, request: Request, reference: str) -> Response:
        found = self.requests(request).filter(reference=text("reference", reference, LONGEST_REFERENCE)).first()
        if found is None:
            raise Http404
        standings = desk.standings(self.partner(request).system_id, [reference])
        return Response(RequestDetail(found, context={"standings": standings, "told": last_told(found)}).data)


def last_told(found: FulfilmentRequest) -> Mapping[str, Any]:
    """What its warehouse was told last and agreed to: the content of the request, or of the last amendment that was accepted."""
    agreed = [c.pk for c in found.changes.all() if c.kind == "amend" and c.answer == "accepted"]
    purposes = [f"fulfilment_request:{found.pk}", *(f"request_change:{id}" for id in agreed)]
    told = Command.objects.filter(system_id=found.system_id, purpose__in=purposes, level=False)
    return told.order_by("-pk").values_list("payload", flat=True).first() or {}


class Say(RequestView):
    """POST /fulfilment-requests/{reference}/{action}: something happened. 202 means stored for good, and soon acted upon."""

    outlines = {"POST": (202, TakenOfRequest)}
    action = ""
    topic = ""

    def post(self, request: Request, reference: str, **more: int | str) -> Response:
        return self.once(request, lambda raw: self.said(request, reference, raw, **more))

    def said(self, request: Request, reference: str, raw: bytes, **more: int | str) -> Answer:
        """Check the words against where the request stands, and store them."""
        text("reference", reference, LONGEST_REFERENCE)
        said, now = stated(self.topic, raw), timezone.now()
        address: dict[str, str | int] = {"request": reference, **more}
        at = self._standing(request, reference)
        if not idempotency.key_of(request.META) and heard_before(
            self.partner(request).system_id, self.topic, said, address
        ):
            return Answer(202, _answer(at, [], fresh=False))
        self.check(at, said, **more)
        desk.dated(at, said, now)
        desk.unused(self.partner(request).system_id, at, said)
        remarks = desk.named(at, said)
        fresh = self.store(request, self.topic, said, address, about=reference)
        desk.fold(at, self.topic, said, now)
        return Answer(202, _answer(at, remarks, fresh=fresh))

    def check(self, at: desk.Standing, said: reading.Statement) -> None:
        """Raises Problem unless this may be done now."""
        desk.check(at, self.action)

    def _standing(self, request: Request, reference: str) -> desk.Standing:
        at = desk.take(self.partner(request).system_id, reference)
        if at is None:
            raise Http404
        return at


class SayOfChange(Say):
    """POST /fulfilment-requests/{reference}/changes/{number}/{answer}: the answer to one change that was asked for."""

    def check(self, at: desk.Standing, said: reading.Statement, change: int = 0) -> None:  # type: ignore[override]
        if str(change) not in at.changes:
            raise Http404
        desk.check(at, f"changes/{change}/{self.action}")


class Correct(Say):
    """POST /fulfilment-requests/{reference}/corrections: what really left, whatever the state says. Never refused for its state: it is
    recorded, or a person at the retailer compares it with what was reported before."""

    titles = {"POST": "Correct what left"}

    def check(self, at: desk.Standing, said: reading.Statement) -> None:
        return None


def _answer(at: desk.Standing, remarks: list[str], *, fresh: bool) -> Mapping[str, Any]:
    return {
        "received": True, "duplicate": not fresh, "reference": at.reference, "state": at.state, "execution": at.execution,
        "held": at.held, "actions": at.actions, "warnings": remarks,
    }  # fmt: skip
