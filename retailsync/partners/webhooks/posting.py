"""One signed request to a partner's address, by Standard Webhooks, and whether such an address may be called. Knows no row.

An address is typed by a partner and could point at our own network: https to public addresses only, no redirects, little time, a small
answer. Loopback is there for development alone, where the system's own settings allow it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from connectors import guard, signing
from connectors.base import Response
from connectors.errors import Misconfigured, Retry, SyncError
from connectors.http import Exchange, Http, Pool, retry_after
from connectors.partner.reading import Wrong
from connectors.partner.sending import stamp
from retailsync.platform.secrets import unseal
from retailsync.platform.trouble import Trouble
from retailsync.sync import clock

DEADLINE = 10.0  # seconds for one request, the name's look-up included
LIMIT = 65_536  # bytes of an answer, which nobody reads
LOOKING = 2.0  # seconds to look up the name of an address that is being set up
GONE = 410
_ABOUT = "The address of this system "  # how the guard begins, where it speaks of systems
_pool = Pool()
_log = logging.getLogger(__name__)


class Where(NamedTuple):
    """An address, the sealed secrets that sign for it, newest first, and whether it may be our own machine."""

    url: str
    sealed: Sequence[str]
    loopback: bool


class Sent(NamedTuple):
    """What became of one request: `status` where an answer came, `words` where it was not taken, `after` seconds it asked us to wait."""

    status: int | None
    words: str
    seconds: float
    after: float | None = None
    exchanges: Sequence[Exchange] = ()

    @property
    def taken(self) -> bool:
        """2xx."""
        return not self.words

    @property
    def gone(self) -> bool:
        """It does not want to hear from us any more."""
        return self.status == GONE


def check(url: str, *, loopback: bool) -> None:
    """Whether we would call this address now. Raises Wrong, naming the field."""
    try:
        goal = guard.target(url, allow_loopback_http=loopback)
        guard.places(goal, allow_loopback_http=loopback, seconds=LOOKING)
    except (Misconfigured, Retry) as error:
        raise Wrong("url", error.words.removeprefix(_ABOUT).removesuffix(".")) from error


def body(type: str, at: datetime, data: dict[str, Any]) -> bytes:
    """What is sent: the same to the byte whenever it is made of the same."""
    return msgspec.json.encode({"type": type, "timestamp": stamp(at), "data": data})


def post(where: Where, id: str, raw: bytes, deadline: float = DEADLINE) -> Sent:
    """Send it. Never raises for what is wrong with the address, its answer or a secret of ours."""
    started = clock.now()
    try:
        secrets = [unseal(sealed) for sealed in where.sealed]
    except Trouble as trouble:
        _log.error("a webhook's secret does not open", extra={"words": str(trouble)})
        return Sent(None, "It could not be signed, which is our own fault.", 0.0)
    http = Http(_pool, deadline=deadline, secrets=secrets, allow_loopback_http=where.loopback, limit=LIMIT)
    try:
        headers = signing.webhook_headers(id, raw, secrets, started) | {"Content-Type": "application/json"}
        answer = http.request("POST", where.url, headers=headers, body=raw)
    except SyncError as error:
        return Sent(None, error.words.replace(_ABOUT, "The address "), _since(started), exchanges=http.exchanges)
    after = retry_after(answer, clock.now())
    return Sent(answer.status, _words(answer), _since(started), after, http.exchanges)


def _words(answer: Response) -> str:
    """Why it does not count as delivered; empty where it does."""
    if 200 <= answer.status < 300:
        return ""
    if 300 <= answer.status < 400:
        return f"It answered with a redirect ({answer.status}), which is not followed."
    if answer.status == GONE:
        return f"It answered that it is gone ({GONE})."
    return f"It answered {answer.status}."


def _since(started: datetime) -> float:
    return (clock.now() - started).total_seconds()
