"""/jsonrpc: one address for every method, and every error a 200. The only API until Odoo 18; 19 still has it.

Source: odoo/service/common.py, odoo/service/model.py and odoo/api.py (call_kw) of 14.0 to 19.0, and answers recorded from 19.0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from connectors.base import Job, Response, Session
from connectors.errors import Misconfigured
from connectors.odoo.answers import Raised, foreign, trouble
from connectors.odoo.releases import Release

#: What goes first and without a name: the records of a method of records, and what `create` and the searches call differently by release.
FIRST = ("ids", "domain", "vals_list")


class Problem(msgspec.Struct):
    """An error: Odoo's exception, or only words."""

    message: str = ""
    data: Raised = msgspec.field(default_factory=Raised)


class Answered(msgspec.Struct):
    """An answer. Before 16 a result of nothing is left out."""

    jsonrpc: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Problem | None = None


class Version(msgspec.Struct):
    """What the service `common` says of itself, to anybody."""

    server_serie: str


def release(session: Session) -> Release:
    """The release that answers."""
    response, said = _ask(session, "common", "version", [], ())
    try:
        return Release.named(msgspec.json.decode(said, type=Version).server_serie)
    except msgspec.DecodeError as error:
        raise foreign(response) from error


def login(session: Session, number: int) -> int:
    """The id of the user the key belongs to, which every call repeats. Misconfigured when Odoo does not accept the two together."""
    settings = session.settings
    if not settings.login:
        raise Misconfigured(f"Odoo {number} wants the user's login beside the API key: name it in the settings.")
    _, said = _ask(
        session, "common", "authenticate", [settings.database, settings.login, session.secret("api_key"), {}], ()
    )
    if not said.isdigit() or said == b"0":
        raise Misconfigured(
            "Odoo does not accept this login with this API key: one of them is wrong, or the key expired."
        )
    return int(said)


def ask(
    session: Session, uid: int, model: str, method: str, arguments: Mapping[str, Any], about: Iterable[Job]
) -> bytes:
    """What a public method returns, as JSON."""
    named = dict(arguments)
    first = [named.pop(name) for name in FIRST if name in named][:1]
    args = [session.settings.database, uid, session.secret("api_key"), model, method, first, named]
    return _ask(session, "object", "execute_kw", args, about)[1]


def _ask(
    session: Session, service: str, method: str, args: Sequence[Any], about: Iterable[Job]
) -> tuple[Response, bytes]:
    """One call of a service: the answer, and the result in it as JSON."""
    params = {"service": service, "method": method, "args": args}
    response = session.http.request(
        "POST",
        f"{session.settings.url.rstrip('/')}/jsonrpc",
        headers={"Content-Type": "application/json"},
        body=msgspec.json.encode({"jsonrpc": "2.0", "method": "call", "params": params, "id": 1}),
        about=about,
    )
    if response.status != 200:
        raise foreign(response)
    try:
        said = msgspec.json.decode(response.body, type=Answered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise foreign(response) from error
    if said.error:
        raise trouble(said.error.data.name, said.error.data.message or said.error.message)
    return response, bytes(said.result)
