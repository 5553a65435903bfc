"""Fulfilment requests and changes of them → signed webhooks to a warehouse partner, and the check that it listens. Knows nothing of
what it answers later: that comes through our API.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from canonical.commands import ChangeRequest, Command, RequestFulfilment, RequestLine
from canonical.types import Address, ChangeKind
from connectors import signing
from connectors.base import Job, Receipt, Response, Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.http import retry_after

#: The request was not begun there: 429 throttled, 503 closed, 425 too early, 408 gave up waiting for it.
NOT_BEGUN = frozenset({408, 425, 429, 503})
#: Nothing is there. Usually our address is wrong; said in words, a partner means the request that is to be changed.
GONE = frozenset({404, 410})


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the partner listens. Empty: nowhere, it reads what it is asked through the API. `allow_loopback_http` is for development."""

    url: str = ""
    allow_loopback_http: bool = False


# ---- sending ----------------------------------------------------------------------------------------------------------------
def tell(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """One signed webhook per job, its id the purpose key: a partner that hears it twice knows it. A failure stays with its job,
    unless it says that all the others would fail alike."""
    receipts: list[Receipt] = []
    hopeless: SyncError | None = None
    for job in jobs:
        if hopeless is not None:
            receipts.append(Receipt(job.id, error=hopeless))
            continue
        try:
            receipts.append(_told(session, job))
        except SyncError as error:
            receipts.append(Receipt(job.id, error=error))
            hopeless = _for_the_rest(error)
    return receipts


def _told(session: Session, job: Job) -> Receipt:
    telling = TELLINGS[type(job.command)]
    if not session.settings.url:
        return Receipt(
            job.id, state="sent", external_id=telling.called(job.command), evidence="to be read through the API"
        )
    answer = _post(session, job.key, event(job.command), (job,), gone_is_ours=telling.gone_is_ours)
    return Receipt(job.id, state="sent", external_id=telling.called(job.command), evidence=f"answered {answer.status}")


def _for_the_rest(error: SyncError) -> SyncError | None:
    """What one failure means for jobs not yet tried: they never left, so it is never in doubt for them."""
    if isinstance(error, Misconfigured):
        return error
    if isinstance(error, Retry) and (error.down or error.after is not None):
        return Retry(error.words, after=error.after, down=error.down, detail=error.detail)
    return None


def probe(session: Session) -> str:
    """A signed ping."""
    if not session.settings.url:
        return "The partner has no address for events: it reads what it is asked through the API."
    now = session.now()
    body = msgspec.json.encode({"type": "ping", "timestamp": stamp(now), "data": {}})
    answer = _post(session, f"ping-{int(now.timestamp() * 1000)}", body, ())
    return f"The partner took a signed test event and answered {answer.status}."


def _post(session: Session, key: str, body: bytes, about: Sequence[Job], *, gone_is_ours: bool = True) -> Response:
    """One signed event. Raises one of the four unless it was taken (2xx)."""
    headers = signing.webhook_headers(key, body, session.secrets.get("webhook", ()), session.now())
    headers["Content-Type"] = "application/json"
    answer = session.http.request("POST", session.settings.url, headers=headers, body=body, about=about)
    judge(answer, session.now(), gone_is_ours=gone_is_ours)
    return answer


def judge(answer: Response, now: datetime, *, gone_is_ours: bool = True) -> None:
    """Standard Webhooks: 2xx is taken, 410 and the like mean the endpoint is gone, everything else is tried again or refused.

    Where `gone_is_ours` is not given, a 404 or 410 with a sentence in JSON speaks of what the event was about, not of our address.
    """
    status, said = answer.status, answer.body[:500].decode("utf-8", "replace").strip()
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise Misconfigured(
            f"The partner does not accept our signature ({status}). Compare the webhook secret.", detail=said
        )
    ours = gone_is_ours or not (said.startswith("{") and _words(said))
    if (status in GONE and ours) or 300 <= status < 400:
        raise Misconfigured(f"The partner's address for events is not there ({status}). Check the URL.", detail=said)
    if status in NOT_BEGUN or status >= 500:
        raise Retry(
            f"The partner cannot take events now ({status}).", after=retry_after(answer, now),
            unknown=status not in NOT_BEGUN, detail=said,
        )  # fmt: skip
    raise Refused(f"The partner refused the request: {_words(said) or status}.", reason=f"status_{status}", detail=said)


def _words(said: str) -> str:
    """The partner's own sentence out of an error answer: problem+json (RFC 9457), the usual keys, or short plain text."""
    try:
        problem = msgspec.json.decode(said)
    except msgspec.DecodeError:
        return said.rstrip(".") if len(said) <= 200 and not said.startswith("<") else ""
    found = (problem.get(k) for k in ("detail", "message", "error", "title")) if isinstance(problem, dict) else ()
    return next((w.rstrip(".") for w in found if isinstance(w, str) and w), "")


# ---- the event --------------------------------------------------------------------------------------------------------------
class Event(NamedTuple):
    """What is told: the last word of its type, since when it is so, and its data."""

    kind: str
    at: datetime
    data: dict[str, Any]


def event(command: Command) -> bytes:
    """The event of a command. Built from the command alone, so that a repetition is the same to the byte."""
    kind, at, data = TELLINGS[type(command)].event(command)
    return msgspec.json.encode({"type": f"fulfilment_request.{kind}", "timestamp": stamp(at), "data": data})


def _created(command: RequestFulfilment) -> Event:
    return Event(
        "created",
        command.requested_at,
        {
            "reference": command.reference,
            "order_reference": command.order_reference,
            "location": command.location_code,
            "purpose": command.purpose_text,
            **_content(command),
            "requested_at": stamp(command.requested_at),
        },
    )


#: The kind of a change → the last word of its event.
ASKED: Mapping[ChangeKind, str] = {
    "amend": "amendment_requested",
    "cancel": "cancellation_requested",
    "hold": "hold_requested",
    "resume": "resume_requested",
}


def _change(command: ChangeRequest) -> Event:
    return Event(
        ASKED[command.kind],
        command.asked_at,
        {
            "reference": command.reference,
            "change": command.number,
            "reason": command.reason,
            **_content(command),
            "asked_at": stamp(command.asked_at),
        },
    )


def _content(command: RequestFulfilment | ChangeRequest) -> dict[str, Any]:
    """What is to be shipped, whole: a change says everything again, not what is different."""
    return {
        "ship_to": _address(command.ship_to),
        "lines": [_line(line) for line in command.lines],
        "shipping_method": command.shipping_method,
        "carrier": command.carrier,
        "service": command.service,
        "note": command.note,
    }


def _address(address: Address) -> dict[str, str]:
    """Every field, also the empty ones: a partner should not have to guess which exist."""
    return {name: getattr(address, name) for name in address.__struct_fields__}


def _line(line: RequestLine) -> dict[str, Any]:
    return {"line": str(line.line_id), "sku": line.sku, "name": line.name, "units": line.units}


def stamp(instant: datetime) -> str:
    """UTC, ISO 8601 with Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Telling(NamedTuple):
    """How one command is told: its event, what the partner holds then, and whose fault "not there" is."""

    event: Callable[[Any], Event]
    called: Callable[[Any], str]
    gone_is_ours: bool


TELLINGS: Mapping[type[Command], Telling] = {
    RequestFulfilment: Telling(_created, lambda c: str(c.reference), gone_is_ours=True),
    ChangeRequest: Telling(_change, lambda c: f"{c.reference}/changes/{c.number}", gone_is_ours=False),
}
