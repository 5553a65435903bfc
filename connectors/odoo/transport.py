"""Calls to Odoo over /json/2 (19.0 and later) and what its answers mean. Knows no model and no command of ours.

A transport is `call(session, model, method, shape, **arguments) -> result of that shape`; another one (/jsonrpc for older
releases) only has to hand Odoo's own exception name to `trouble`.
Source: odoo/addons/rpc/controllers/json2.py, odoo/http.py and answers recorded from Odoo 19.0.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import msgspec

from connectors.base import Job, Response, Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError

T = TypeVar("T")

#: Odoo says false for what is empty.
Text = str | Literal[False]
Link = tuple[int, str]  # a many-to-one field: id and display name


class Raised(msgspec.Struct):
    """An exception as json2.py words it. Its `debug` holds a traceback and is never read."""

    name: str
    message: str = ""


DENIED = frozenset({"odoo.exceptions.AccessDenied", "werkzeug.exceptions.Unauthorized"})
FORBIDDEN = frozenset({"odoo.exceptions.AccessError", "werkzeug.exceptions.Forbidden"})
BUSY = frozenset({
    "psycopg2.errors.SerializationFailure", "psycopg2.errors.DeadlockDetected", "psycopg2.errors.LockNotAvailable",
    "psycopg2.errors.InFailedSqlTransaction", "psycopg2.errors.QueryCanceled", "psycopg2.OperationalError",
    "psycopg2.InterfaceError", "odoo.exceptions.LockError", "odoo.exceptions.ConcurrencyError",
})  # fmt: skip
RULES = frozenset({"odoo.exceptions.UserError", "odoo.exceptions.ValidationError", "odoo.exceptions.RedirectWarning"})


def search(
    session: Session, model: str, row: type[T], domain: Sequence[Any], *, about: Iterable[Job] = (), **more: Any
) -> list[T]:
    """Records a domain selects, as structs of type `row`, whose fields are what is asked for: never all, they need more rights."""
    fields = [name for name in row.__struct_fields__ if name != "id"]  # type: ignore[attr-defined]
    with reading():
        return call(session, model, "search_read", list[row], about=about, domain=domain, fields=fields, **more)  # type: ignore[valid-type]


@contextmanager
def reading() -> Iterator[None]:
    """Inside, a request only asks, though it is a POST: without an answer it changed nothing, and its outcome is not unknown."""
    try:
        yield
    except Retry as error:
        raise Retry(error.words, after=error.after, down=error.down, detail=error.detail) from error


def call(
    session: Session, model: str, method: str, shape: type[T], *, about: Iterable[Job] = (), **arguments: Any
) -> T:
    """Call one public method with keyword arguments; every call is one transaction of Odoo's. Raises the four errors."""
    settings = session.settings
    arguments["context"] = {**_context(settings.company), **arguments.get("context", {})}
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
    return judge(response, shape)


def _context(company: int | None) -> dict[str, Any]:
    """English, so that what Odoo says does not depend on the user's language; one company, so that defaults are of that company."""
    return {"lang": "en_US", **({"allowed_company_ids": [company]} if company else {})}


def judge(response: Response, shape: type[T]) -> T:
    """The result of an answer, or the error it means. Raises Refused when Odoo answers in another shape than it did so far."""
    if response.status != 200:
        raise _error(response)
    try:
        return msgspec.json.decode(response.body, type=shape)
    except msgspec.ValidationError as error:
        raise Refused("Odoo's answer is not what was asked for.", reason="not_understood", detail=str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(response) from error


def _error(response: Response) -> SyncError:
    """What an answer other than 200 means: an exception of Odoo's, or the words of something in front of it."""
    try:
        said = msgspec.json.decode(response.body, type=Raised)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _foreign(response)
    return trouble(said.name, said.message)


def trouble(name: str, message: str) -> SyncError:
    """One of the four for an exception Odoo names. The name decides: 404 is also an unknown partner, 500 also a bad field."""
    if "could not serialize access" in message or (name in BUSY and "does not exist" not in message):
        return Retry("Odoo is busy with the same records.", detail=f"{name}: {message}")
    if name == "psycopg2.OperationalError":
        return Misconfigured("Odoo does not have this database.", detail=message)
    if name in DENIED:
        return Misconfigured(
            "Odoo does not accept the API key: it is wrong, has expired or was revoked.", detail=message
        )
    if name in FORBIDDEN:
        return Misconfigured(f"The Odoo user may not do this: {first_line(message)}", detail=message)
    if name == "odoo.exceptions.MissingError":
        return Refused("Odoo no longer has a record this needs.", reason="deleted", detail=message)
    if name == "werkzeug.exceptions.NotFound":
        return Misconfigured(f"Odoo lacks a feature this needs: {first_line(message)}", detail=message)
    if name in RULES:
        return Refused(message.strip() or "Odoo refused this and did not say why.", detail=name)
    return Refused(
        f"Odoo did not understand us: {first_line(message)}", reason="not_understood", detail=f"{name}: {message}"
    )


def _foreign(response: Response) -> SyncError:
    """An answer that is not from Odoo's API: a proxy, a login page, a server without this database."""
    detail = f"HTTP {response.status} {response.headers.get('content-type', '')}"
    if response.status in (401, 403):
        return Misconfigured("Something in front of Odoo does not let us in.", detail=detail)
    if response.status == 429:
        after = response.headers.get("retry-after", "")
        return Retry("Odoo asks us to slow down.", after=float(after) if after.isdecimal() else None, detail=detail)
    if response.status >= 500:
        return Retry("Odoo is not available.", unknown=True, down=response.status in (502, 503, 504), detail=detail)
    if response.status == 404:
        return Misconfigured(
            "There is no such database, or no API (/json/2, Odoo 19 and later) at this address.", detail=detail
        )
    return Misconfigured("What answers at this address is not Odoo's API.", detail=detail)


def first_line(message: str) -> str:
    """The first sentence of a message; the rest names groups and field definitions."""
    return message.strip().partition("\n")[0]
