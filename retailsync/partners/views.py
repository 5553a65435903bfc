"""The partner API: what a warehouse may ask and say. Thin: check the shape, store the words, answer. Decides nothing.

Everything a partner says ends in the inbox; a reference we do not know (yet) is stored like any other and waits there.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from django.db.models import Prefetch, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from canonical.models import FulfilmentRequest, Location, RequestChange, RequestLine
from connectors.base import Heard
from connectors.partner import reading
from retailsync.partners import problems
from retailsync.partners.authentication import KeyAuthentication, Partner
from retailsync.partners.outlines import RequestDetail, RequestOutline
from retailsync.sync import inbox

PAGE = 100
LARGEST = 1_000_000  # bytes of one message
LONGEST_REFERENCE = 140
LONGEST_RUN = 100
MOST_PARTS = 32_767
LONGEST_KEY = 255


class PartnerView(APIView):
    """Base: a valid key, problems as problem+json, and only the caller's own rows."""

    authentication_classes = [KeyAuthentication]

    def get_exception_handler(self) -> Any:
        return problems.handler

    def requests(self, request: Request) -> QuerySet[FulfilmentRequest]:
        """The caller's requests. Another partner's reference is as unknown as one that never was."""
        partner: Partner = request.user
        return (
            FulfilmentRequest.objects.filter(system_id=partner.system_id)
            .select_related("order__shipping", "ship_to", "location")
            .prefetch_related(
                Prefetch("lines", RequestLine.objects.select_related("line__sku").order_by("line_id")),
                Prefetch("changes", RequestChange.objects.order_by("number")),
            )
        )


class RequestList(PartnerView):
    """GET /fulfilment-requests/?state=&after=: in the order they were raised. `after` pages through one listing; it is no
    change feed, because states change later. To see what is still to be answered ask for state=submitted."""

    def get(self, request: Request) -> Response:
        found = self.requests(request).order_by("id")
        if state := request.query_params.get("state"):
            found = found.filter(answer=_state(state))
        if after := request.query_params.get("after"):
            found = found.filter(id__gt=self._position(request, after))
        page = list(found[: PAGE + 1])
        following = page[PAGE - 1].reference if len(page) > PAGE else None
        return Response({"items": RequestOutline(page[:PAGE], many=True).data, "next": following})

    def _position(self, request: Request, after: str) -> int:
        own = FulfilmentRequest.objects.filter(system_id=request.user.system_id)
        found = None if "\x00" in after else own.filter(reference=after).values_list("id", flat=True).first()
        if found is None:
            raise reading.Wrong("after", "is not a reference of an earlier page")
        return found


class RequestOne(PartnerView):
    """GET /fulfilment-requests/{reference}/"""

    def get(self, request: Request, reference: str) -> Response:
        found = self.requests(request).filter(reference=reference.replace("\x00", "\ufffd"))
        return Response(RequestDetail(get_object_or_404(found)).data)


class Say(PartnerView):
    """POST /fulfilment-requests/{reference}/…: something happened. 202 means stored for good, not yet acted upon."""

    topic = ""

    def post(self, request: Request, reference: str) -> Response:
        _check("reference", reference, LONGEST_REFERENCE)
        return self.store(request, {"request": reference})

    def store(self, request: Request, address: Mapping[str, str | int]) -> Response:
        """Check the words, put in what the URL says they are about, and store them."""
        said = reading.stated(self.topic, _body(request), timezone.now())
        self.check(request, said)
        heard = _heard(self.topic, said, address, _key(request))
        (fresh,) = inbox.receive(request.user.system_id, [heard], door="partner")
        return Response({"received": True, "duplicate": not fresh}, status=202)

    def check(self, request: Request, said: reading.Statement) -> None:
        """What the words name must be the caller's; a request is not asked for, it may be on its way."""


class SayOfChange(Say):
    """POST /fulfilment-requests/{reference}/changes/{number}/…: the answer to one change. A change is known here before any partner
    hears of it, so one that is not known never will be: 404, not stored to wait for it."""

    def post(self, request: Request, reference: str, change: int) -> Response:
        _check("reference", reference, LONGEST_REFERENCE)
        asked = RequestChange.objects.filter(request__system_id=request.user.system_id, request__reference=reference)
        if not asked.filter(number=change).exists():
            raise Http404
        return self.store(request, {"request": reference, "change": change})


class SayOfStock(Say):
    """POST /inventory/levels, /inventory/adjustments: figures and movements of one of the caller's locations.

    A location is set up here before a partner can speak of it: another one is 404, whether or not somebody else has it.
    """

    def post(self, request: Request) -> Response:
        return self.store(request, {})

    def check(self, request: Request, said: reading.OfLocation) -> None:
        if not Location.objects.filter(executor_id=request.user.system_id, code=said.location).exists():
            raise NotFound(f"You have no location {said.location}.")


class SayOfSnapshot(SayOfStock):
    """POST /inventory/snapshots/{run}/parts/{part} and …/complete: a whole count. The partner names it; parts come in any order."""

    def post(self, request: Request, run: str, part: int | None = None) -> Response:
        _check("run", run, LONGEST_RUN)
        if part is None:
            return self.store(request, {"run": run})
        if not 1 <= part <= MOST_PARTS:
            raise reading.Wrong("part", f"must be between 1 and {MOST_PARTS}")
        return self.store(request, {"run": run, "part": part})


def _body(request: Request) -> bytes:
    """The raw message, bounded. An empty one says: nothing to add."""
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        raise problems.LengthRequired
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
        raise problems.TooLarge
    return request._request.body or b"{}"


def _key(request: Request) -> str:
    key: str = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if len(key) > LONGEST_KEY:
        raise reading.Wrong("Idempotency-Key", f"must not be longer than {LONGEST_KEY} characters")
    return key


def _heard(topic: str, said: reading.Statement, address: Mapping[str, str | int], key: str) -> Heard:
    """The message as the inbox stores it: canonical JSON with what it is about inside. Raises reading.Wrong."""
    for name, value in address.items():
        if getattr(said, name) not in ("", 0, value):
            raise reading.Wrong(name, f"names another {name} than the address")
        setattr(said, name, value)
    stored = msgspec.json.encode(said)
    about = next(iter(address.values()), "")
    return Heard(topic, _delivery(key or str(about), topic, stored), stored)


def _check(name: str, text: str, longest: int) -> None:
    if len(text) > longest or "\x00" in text:
        raise reading.Wrong(name, f"must have at most {longest} characters and no NUL")


def _delivery(*parts: str | bytes) -> bytes:
    """The dedup key: each part with its length before it, so that no two splits look alike."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        whole.update(b"%d:" % len(raw) + raw)
    return whole.digest()


def _state(word: str) -> str:
    if word not in FulfilmentRequest.Answer.values:
        raise reading.Wrong("state", f"must be one of {', '.join(FulfilmentRequest.Answer.values)}")
    return word
