"""Calls to Odoo: a model, a method, keyword arguments in the words of Odoo 19, and the result in a shape. Knows no command of ours.

Which API carries a call and in which release's words is found out by probing.py; answers.py says what the answers mean.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import msgspec

from connectors.base import Job, Session
from connectors.errors import Misconfigured, Refused, Retry
from connectors.odoo import probing
from connectors.odoo.releases import Release

T = TypeVar("T")

#: Odoo says false for what is empty.
Text = str | Literal[False]
Link = tuple[int, str]  # a many-to-one field: id and display name


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


def release(session: Session) -> Release:
    """The release that is spoken to."""
    with reading():
        return probing.spoken(session).release


def call(
    session: Session, model: str, method: str, shape: type[T], *, about: Iterable[Job] = (), **arguments: Any
) -> T:
    """Call one public method with keyword arguments; every call is one transaction of Odoo's. Raises the four errors."""
    arguments["context"] = {**_context(session.settings.company), **arguments.get("context", {})}
    with reading():
        api = probing.spoken(session)
    try:
        said = api.ask(session, model, method, api.release.told(model, arguments), about)
    except (Misconfigured, Refused) as error:
        if not _may_be_outdated(error) or not (now := probing.changed(session, api)):
            raise
        api = now
        said = api.ask(session, model, method, api.release.told(model, arguments), about)
    return decoded(api.release, model, method, arguments, said, shape)


def _may_be_outdated(error: Misconfigured | Refused) -> bool:
    """Whether another release, another user id or another address would explain it. Nothing was done: Odoo raised, or nobody was there."""
    return isinstance(error, Misconfigured) or error.reason == "not_understood"


def _context(company: int | None) -> dict[str, Any]:
    """English, so that what Odoo says does not depend on the user's language; one company, so that defaults are of that company."""
    return {"lang": "en_US", **({"allowed_company_ids": [company]} if company else {})}


def decoded(release: Release, model: str, method: str, arguments: Mapping[str, Any], said: bytes, shape: type[T]) -> T:
    """A result in its shape. Raises Refused for another shape than Odoo's so far, Misconfigured for what is not even JSON."""
    try:
        return msgspec.json.decode(release.heard(model, method, arguments, said), type=shape)
    except msgspec.ValidationError as error:
        raise Refused("Odoo's answer is not what was asked for.", reason="not_understood", detail=str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured("What answers at this address is not Odoo's API.", detail=str(error)) from error
