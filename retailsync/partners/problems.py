"""Errors as `application/problem+json` (RFC 9457): one shape for everything that goes wrong in the partner API, each with a stable code."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db.utils import Error as DatabaseError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from connectors.partner.reading import Wrong
from retailsync.sync import transient

#: Where codes are explained; a problem's `type` is this with the code behind it.
EXPLAINED = "/api/v1/docs/problems#"
KEPT = ("WWW-Authenticate", "Retry-After", "Allow")
_log = logging.getLogger(__name__)


class Code(NamedTuple):
    """One stable code: its status, its title, and what a partner should do about it."""

    status: int
    title: str
    advice: str


CODES: Mapping[str, Code] = {
    "invalid": Code(
        400,
        "The message is not understood.",
        "Correct the field that is named, and send it again. The same message will be answered alike.",
    ),
    "unknown_field": Code(
        400,
        "A field is not known.",
        "A misspelt field would be lost in silence, so it is refused. Compare its name with the reference.",
    ),
    "invalid_key": Code(
        401,
        "The key is not valid.",
        "Send `Authorization: Bearer rsk_…`. The key may have expired or been revoked: ask the retailer for a "
        "new one.",
    ),
    "missing_scope": Code(
        403,
        "The key may not do this.",
        "The key lacks the scope that is named. Ask the retailer for a key that has it.",
    ),
    "not_found": Code(
        404,
        "There is nothing here by that reference.",
        "What belongs to somebody else is answered like what never was. Look in the list of what is yours.",
    ),
    "method_not_allowed": Code(
        405,
        "This is not done that way.",
        "See the `Allow` header.",
    ),
    "not_acceptable": Code(
        406,
        "Only JSON is spoken here.",
        "Ask for `application/json`.",
    ),
    "wrong_state": Code(
        409,
        "Its state does not allow this now.",
        "`state`, `execution` and `actions` say where it stands and what may be done. Do not repeat the call. "
        "If goods have left all the same, say so as a correction.",
    ),
    "said_otherwise": Code(
        409,
        "This was said before, with other contents.",
        "A name of yours (`receipt`, `inspection`, `parcel`) stands for one thing for ever. Give what is new a name of its own; correct a "
        "mistake in stock by an adjustment.",
    ),
    "shipment_known": Code(
        409,
        "There is a shipment of this id.",
        "Shipments are known by your id of them, over all requests. If it is another shipment, send it with an id of its own; if the "
        "one you reported held something else, say so as a correction.",
    ),
    "in_progress": Code(
        409,
        "The same key is being worked on.",
        "An earlier call with this Idempotency-Key has not been answered yet. Wait as long as `Retry-After` "
        "says, then repeat it.",
    ),
    "webhook_off": Code(
        409,
        "The webhook is switched off.",
        "Put its address right, try it with `test`, and enable it; then events can be sent there again.",
    ),
    "length_required": Code(
        411,
        "Send the message with a Content-Length.",
        "Chunked bodies are not taken.",
    ),
    "too_large": Code(
        413,
        "The message is too large.",
        "Send it in parts of at most 1,000,000 bytes.",
    ),
    "unsupported_media_type": Code(
        415,
        "Only JSON is spoken here.",
        "Send `Content-Type: application/json`.",
    ),
    "key_reused": Code(
        422,
        "The key was used for something else.",
        "An Idempotency-Key belongs to one address and one body for seven days. Make a new one for a new "
        "call.",
    ),
    "not_on_request": Code(
        422,
        "This is not on the request.",
        "Name lines by the `line` we gave, or SKUs that are on the request.",
    ),
    "limit_reached": Code(
        422,
        "There are as many as there may be.",
        "Delete one you no longer need first.",
    ),
    "rate_limited": Code(
        429,
        "Too many calls.",
        "Wait as long as `Retry-After` says. The `RateLimit-…` headers tell how much is left.",
    ),
    "unavailable": Code(
        503,
        "Try again in a moment.",
        "Nothing was stored. Repeat the call with the same Idempotency-Key.",
    ),
}  # fmt: skip

#: DRF's own errors, by status.
_BY_STATUS = {
    400: "invalid", 401: "invalid_key", 403: "missing_scope", 404: "not_found", 405: "method_not_allowed", 406: "not_acceptable",
    415: "unsupported_media_type", 429: "rate_limited",
}  # fmt: skip


class Problem(exceptions.APIException):
    """A problem of ours: a code, words for this one case, and members beside the usual ones."""

    def __init__(self, code: str, detail: str, *, after: int | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.code, self.words, self.members = code, detail, members
        self.headers = {"Retry-After": str(after)} if after is not None else {}
        self.status_code = CODES[code].status


class MissingScope(Problem):
    """A valid key without the scope that is needed."""

    def __init__(self, scope: str) -> None:
        super().__init__("missing_scope", f"The key lacks the scope {scope}.", scope=scope)


def handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's hook. What it does not know stays an error of ours and becomes a 500."""
    match error:
        case Problem():
            return problem(error.code, error.words, headers=error.headers, **error.members)
        case Wrong():
            code = "unknown_field" if error.words == "is not a field of this message" else "invalid"
            return problem(code, str(error), **({"field": error.field} if error.field else {}))
        case RequestDataTooBig():
            return problem("too_large", CODES["too_large"].title)
        case TooManyFieldsSent():
            return problem("invalid", "There are too many parameters.")
        case Http404() | exceptions.NotFound():
            return problem("not_found", _detail(error) or CODES["not_found"].title)
        case DatabaseError() if transient.passes(error):
            _log.warning("the partner API could not reach the database", exc_info=error)
            return problem("unavailable", "We cannot store anything just now.", headers={"Retry-After": "5"})
        case exceptions.APIException():
            code = _BY_STATUS.get(error.status_code, "invalid")
            return problem(code, _detail(error), headers=_headers(error, context))
    return None


def problem(code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """One problem; `members` beside the standard ones, e.g. `field`, the path of what is wrong in the message."""
    kind = CODES[code]
    data = {"type": EXPLAINED + code, "title": kind.title, "status": kind.status, "detail": detail, "code": code}
    return Response(
        data | members, status=kind.status, headers=dict(headers or {}), content_type="application/problem+json"
    )


def _headers(error: exceptions.APIException, context: Mapping[str, Any]) -> dict[str, str]:
    """What the status promises beside the body."""
    found: dict[str, str] = {}
    if header := getattr(error, "auth_header", None):
        found["WWW-Authenticate"] = header
    if (wait := getattr(error, "wait", None)) is not None:
        found["Retry-After"] = str(int(wait) + 1)
    if error.status_code == 405 and (view := context.get("view")) is not None:
        found["Allow"] = ", ".join(view.allowed_methods)
    return found


def _detail(error: Exception) -> str:
    detail: Any = getattr(error, "detail", "")
    return str(detail) if isinstance(detail, str | Sequence) and not isinstance(detail, list) else str(detail or "")
