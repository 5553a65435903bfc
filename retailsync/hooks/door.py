"""POST /hooks/<system>/: verify, store, answer. A plain WSGI callable in front of Django, because it must stay fast at the peak.

Unknown system and bad signature answer alike; body and signature are never logged.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.db import close_old_connections, connections, reset_queries
from django.db.utils import Error as DatabaseError

from canonical.models import System
from connectors.base import BadSignature, Delivery, Door
from connectors.errors import Misconfigured
from connectors.registry import CONNECTORS
from retailsync.sync import bell, inbox, systems

PREFIX = "/hooks/"
LIMIT = 5_000_000  # bytes; the largest order seen with 1,000 lines is under 2 MB
_SLUG = re.compile(
    r"[-\w]{1,50}", re.ASCII
)  # anything else is no system's name, and may be no text for the database (NUL)
_TRUST = 5.0  # seconds a system's secrets are kept in memory, so that rotating one takes effect soon

StartResponse = Callable[..., Any]


class _Entrance(NamedTuple):
    """One system's door with its active secrets, as read at `at`."""

    system_id: int
    door: Door
    secrets: list[str]
    at: float


_entrances: dict[str, _Entrance] = {}


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """The WSGI callable. 200 only after the delivery is committed (or needs no storing); 503 while the database is away."""
    close_old_connections()
    connections["default"].health_check_done = True  # a question per delivery is dear: _stored finds out by storing
    reset_queries()
    try:
        status, text = _answer(environ)
    except DatabaseError:
        connections["default"].close()
        status, text = "503 Service Unavailable", b"try again"
    except Misconfigured:
        status, text = "503 Service Unavailable", b"not set up"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def _answer(environ: dict[str, Any]) -> tuple[str, bytes]:
    if environ["REQUEST_METHOD"] != "POST":
        return "405 Method Not Allowed", b"only POST"
    body = _body(environ)
    if body is None:
        return "413 Content Too Large", b"too large"
    slug, delivery = environ["PATH_INFO"][len(PREFIX) :].strip("/"), Delivery(_headers(environ), body)
    try:
        return _stored(slug, delivery)
    except DatabaseError:
        # The kept connection may have died: once more on a fresh one. A delivery stored before is known by its key.
        connections["default"].close()
        return _stored(slug, delivery)


def _stored(slug: str, delivery: Delivery) -> tuple[str, bytes]:
    entrance = _entrance(slug)
    try:
        if entrance is None:
            raise BadSignature
        heard = entrance.door(delivery, entrance.secrets)
    except BadSignature:
        return "401 Unauthorized", b"not signed by a system known here"
    if heard is not None:
        inbox.receive(entrance.system_id, [heard], door="webhook", ring=bell.ringer.soon)
    return "200 OK", b"received"


def _body(environ: dict[str, Any]) -> bytes | None:
    """The whole body, or None when it is larger than the limit; memory stays bounded with chunked transfer too."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdigit() and int(length) > LIMIT:
        return None
    body: bytes = environ["wsgi.input"].read(int(length) if length.isdigit() else LIMIT + 1)
    return body if len(body) <= LIMIT else None


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    named = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    return {**named, "content-type": environ.get("CONTENT_TYPE", "")}


def _entrance(slug: str) -> _Entrance | None:
    known = _entrances.get(slug)
    if known is None or time.monotonic() - known.at > _TRUST:
        known = _look_up(slug)
    return known


def _look_up(slug: str) -> _Entrance | None:
    """Read a system's door and secrets. A paused system is still listened to: only sending stops."""
    _entrances.pop(slug, None)
    system = System.objects.filter(slug=slug).first() if _SLUG.fullmatch(slug) else None
    connector = CONNECTORS.get(system.connector) if system else None
    if system is None or connector is None or connector.door is None:
        return None
    entrance = _Entrance(system.pk, connector.door, systems.secrets(system.pk).get("webhook", []), time.monotonic())
    _entrances[slug] = entrance
    return entrance
