"""Which API a database is spoken to by, and in the words of which release. Asked once, remembered for a while.

The memory belongs to the process: it holds nothing a shop entered, only what Odoo said of itself, and it mends itself. An upgrade is
noticed when the memory is old, and at once when Odoo no longer understands us (transport.call).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.base import Job, Session
from connectors.errors import SyncError
from connectors.odoo import json2, jsonrpc
from connectors.odoo.releases import NEWEST, Release

KEPT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Api:
    """How one database is spoken to. `uid` is the user's id, which only /jsonrpc wants."""

    by: Literal["json2", "jsonrpc"]
    release: Release
    uid: int = 0

    def ask(
        self, session: Session, model: str, method: str, arguments: Mapping[str, Any], about: Iterable[Job]
    ) -> bytes:
        """Call a public method; `arguments` are in this release's words."""
        if self.by == "json2":
            return json2.ask(session, model, method, arguments, about)
        return jsonrpc.ask(session, self.uid, model, method, arguments, about)


_Key = tuple[str, str, str, str]
_known: dict[_Key, tuple[Api, datetime]] = {}


def spoken(session: Session) -> Api:
    """The way remembered, or found out. Raises what came of the asking."""
    api, until = _known.get(_key(session), (None, session.now()))
    return api if api and session.now() < until else probe(session)


def probe(session: Session) -> Api:
    """Find out, and remember it."""
    api = _found(session)
    _known[_key(session)] = (api, session.now() + KEPT)
    return api


def changed(session: Session, before: Api) -> Api | None:
    """Ask again, because we were not understood: another way than before, or None."""
    try:
        api = probe(session)
    except SyncError:
        return None  # what went wrong before says more
    return api if api != before else None


def _key(session: Session) -> _Key:
    settings = session.settings
    return settings.url, settings.database, settings.login, settings.api


def _found(session: Session) -> Api:
    """/json/2 where it answers and nothing else is wished: what /jsonrpc does there is on its way out."""
    wish = session.settings.api
    release = json2.release(session) if wish == "auto" else Release() if wish == "json2" else None
    if release is None:
        release = jsonrpc.release(session)
        if wish == "jsonrpc" or release.number < NEWEST:
            return Api("jsonrpc", release, jsonrpc.login(session, release.number))
    return Api("json2", release)
