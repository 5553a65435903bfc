"""/json/2: one method per address, keyword arguments only, real HTTP codes. Odoo 19 and later."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from connectors.base import Job, Response, Session
from connectors.errors import SyncError
from connectors.odoo.answers import Raised, foreign, trouble
from connectors.odoo.releases import Release


class Version(msgspec.Struct):
    """What /json/version says, without a key and without a database."""

    version: str


def release(session: Session) -> Release | None:
    """The release that answers, or None where /json/2 is not known: 18 takes the address for a page, older ones for none."""
    response = session.http.request("GET", f"{session.settings.url.rstrip('/')}/json/version", headers={})
    if response.status >= 500 or response.status == 429:
        raise foreign(response)
    try:
        return (
            Release.named(msgspec.json.decode(response.body, type=Version).version) if response.status == 200 else None
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def ask(session: Session, model: str, method: str, arguments: Mapping[str, Any], about: Iterable[Job]) -> bytes:
    """What a public method returns, as JSON."""
    settings = session.settings
    response = session.http.request(
        "POST",
        f"{settings.url.rstrip('/')}/json/2/{model}/{method}",
        headers={
            "Authorization": f"bearer {session.secret('api_key')}",
            "X-Odoo-Database": settings.database,
            "Content-Type": "application/json",
        },
        body=msgspec.json.encode(arguments),
        about=about,
    )
    if response.status != 200:
        raise _error(response)
    return response.body


def _error(response: Response) -> SyncError:
    """What an answer other than 200 means: an exception of Odoo's, or the words of something in front of it."""
    try:
        said = msgspec.json.decode(response.body, type=Raised)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return foreign(response)
    return trouble(said.name, said.message) if said.name else foreign(response)
