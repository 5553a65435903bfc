"""What all views share: a valid key with the right scope, the partner's own rows, problems as problem+json, and how words are stored.

Everything a partner says ends in the inbox. What is answered is where its subject stands with these words, not what was done about them.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from django.utils import timezone
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from canonical import sql
from canonical.models import Location
from connectors.base import Heard
from connectors.partner import reading
from connectors.partner.reading import Wrong
from retailsync.partners import certifying, idempotency, problems
from retailsync.partners.authentication import KeyAuthentication, MayDoThis, Partner
from retailsync.partners.idempotency import Answer
from retailsync.partners.throttling import PartnerThrottle
from retailsync.sync import inbox

T = TypeVar("T")
LARGEST = 1_000_000  # bytes of one message
MOST, USUAL = 200, 50  # items of a page
LONGEST_REFERENCE = 140


class Query(NamedTuple):
    """One parameter of the query string, as the contract states it."""

    name: str
    words: str
    whole: bool = False  # a whole number
    choices: Sequence[str] = ()


AFTER = Query("after", "`next` of the page before", whole=True)
LIMIT = Query("limit", f"Items of a page: {USUAL} unless told, {MOST} at most.", whole=True)


class PartnerView(APIView):
    """Base of all. What the contract says of a view stands on it:

    `scopes` what a key needs, `outlines` (status, what is answered), `shapes` what is said (a msgspec type, none: no body) and `titles` a
    few words where the docstring's first clause will not do, each by method; `queries` what a GET may be asked with; any other parameter
    is refused by name: a misspelt filter would show everything. The docstring's first line is the address, the rest is for whoever
    integrates.
    """

    authentication_classes = [KeyAuthentication]
    permission_classes = [MayDoThis]
    throttle_classes = [PartnerThrottle]
    scopes: Mapping[str, str] = {}
    outlines: Mapping[str, tuple[int, type[Serializer[Any]]]] = {}
    shapes: Mapping[str, type[Any]] = {}
    titles: Mapping[str, str] = {}
    queries: Sequence[Query] = ()

    def get_exception_handler(self) -> Any:
        return problems.handler

    def check_permissions(self, request: Request) -> None:
        """What a key may not do counts as a call like any other."""
        self.check_throttles(request)
        super().check_permissions(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        known = {query.name: query for query in self.queries} if request.method in ("GET", "HEAD") else {}
        for name, value in request.query_params.items():
            if name not in known:
                raise Wrong(name, "is not a field of this message")
            if known[name].choices and value not in known[name].choices:
                raise Wrong(name, f"must be one of {', '.join(known[name].choices)}")
            if "\x00" in value:
                raise Wrong(name, "must not contain NUL characters")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Every answer says how much is left."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        allowance = getattr(getattr(request, "_request", request), "allowance", None)
        for name, value in (allowance.headers if allowance else {}).items():
            answer[name] = value
        answer["Cache-Control"] = "no-store"
        partner = getattr(request, "_user", None)  # none where it was refused before it was asked who it is
        if isinstance(partner, Partner) and partner.sandbox:
            certifying.follow(partner.system_id, request, answer)
        return answer

    def partner(self, request: Request) -> Partner:
        """Who is asking."""
        partner: Partner = request.user
        return partner

    # -- what is asked
    def page(self, request: Request) -> tuple[int, int]:
        """(after, limit) of a keyset page. Raises Wrong."""
        return number(request, "after", 0), number(request, "limit", USUAL, 1, MOST)

    # -- what is said
    def once(self, request: Request, do: Callable[[bytes], Answer]) -> Response:
        """Answer a POST, once per idempotency key. `do` is given the raw message and runs in one transaction."""
        raw = body(request)
        key = idempotency.key_of(request.META)
        asked = f"{request.method} {request.path}", raw
        answer = idempotency.once(self.partner(request).system_id, key, asked, lambda: do(raw))
        headers = {"Idempotency-Replayed": "true"} if answer.replayed else {}
        return Response(answer.body, status=answer.status, headers=headers)

    def store(
        self, request: Request, topic: str, said: reading.Statement, address: Mapping[str, str | int], about: str = ""
    ) -> bool:
        """Put what the URL says the words are about into them, and store them. True where they were not stored before."""
        heard = _heard(topic, said, address, idempotency.key_of(request.META), about)
        (fresh,) = inbox.receive(self.partner(request).system_id, [heard], door="partner")
        return fresh


def stated(topic: str, raw: bytes) -> Any:
    """The message, its shape checked. Raises Wrong."""
    return reading.stated(topic, raw, timezone.now())


def shaped(shape: type[T], raw: bytes) -> T:
    """A message that is no word about goods, its shape checked. Raises Wrong."""
    return reading.understood(msgspec.json.Decoder(shape), raw)


def page_of(rows: Sequence[Any], limit: int, outline: type[Serializer[Any]]) -> Response:
    """One row more than asked for was read: it says whether another page follows."""
    return Response({"items": outline(rows[:limit], many=True).data, "next": following(rows, limit)})


def following(rows: Sequence[Any], limit: int) -> str | None:
    """`next` of a page, of which one row more than asked for was read."""
    return str(rows[limit - 1].pk) if len(rows) > limit else None


def own_location(partner: Partner, code: str) -> None:
    """Whether somebody else has the location or nobody makes no difference. Raises NotFound."""
    if not Location.objects.filter(executor_id=partner.system_id, code=code).exists():
        raise NotFound(f"You have no location {code}.")


def number(request: Request, name: str, usual: int, least: int = 0, most: int = 2**62) -> int:
    """A whole number of the query string. Raises Wrong."""
    if name not in request.query_params:
        return usual
    text = request.query_params[name]
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise Wrong(name, f"must be a whole number from {least}" + (f" to {most}" if most < 2**62 else ""))
    return int(text)


def body(request: Request) -> bytes:
    """The raw message, bounded. An empty one says: nothing to add."""
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        raise problems.Problem("length_required", "The message has no Content-Length.")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        raise problems.Problem("length_required", "The Content-Length is not a number.")
    if int(length) > LARGEST:
        raise problems.Problem("too_large", f"The message is larger than {LARGEST:,} bytes.")
    raw: bytes = request._request.body
    if raw and request._request.content_type != "application/json":
        raise problems.Problem("unsupported_media_type", "The message is not said to be application/json.")
    return raw or b"{}"


def text(name: str, value: str, longest: int) -> str:
    """A piece of the address. Raises Wrong."""
    if len(value) > longest or "\x00" in value:
        raise Wrong(name, f"must have at most {longest} characters and no NUL")
    return value


def _heard(topic: str, said: reading.Statement, address: Mapping[str, str | int], key: str, about: str) -> Heard:
    """The message as the inbox stores it: canonical JSON with what it is about inside. Raises Wrong."""
    for name, value in address.items():
        if getattr(said, name) not in ("", 0, value):
            raise Wrong(name, f"names another {name} than the address")
        setattr(said, name, value)
    stored = msgspec.json.encode(said)
    subject = next(iter(address.values()), "")
    return Heard(topic, _delivery(key or str(subject), topic, stored), stored, about=about)


def heard_before(system_id: int, topic: str, said: reading.Statement, address: Mapping[str, str | int]) -> bool:
    """Whether these very words, without an idempotency key, were stored before."""
    key = _heard(topic, said, address, "", "").key
    return bool(sql.fetch("SELECT 1 FROM sync_message WHERE system_id = %s AND dedup_key = %s", (system_id, key)))


def _delivery(*parts: str | bytes) -> bytes:
    """The dedup key: each part with its length before it, so that no two splits look alike."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        whole.update(b"%d:" % len(raw) + raw)
    return whole.digest()
