"""Creating records exactly once: Odoo's import `load()` with an external id of ours per record. Knows no order and no customer.

`ir_model_data` is unique by (module, name), so of two parallel loads of one external id exactly one creates and the other is told
«could not serialize access». With the context `mode=update, noupdate=True` (what a module upgrade uses for its own data) a record
that exists already is left as it is and its id is returned: nothing a person changed is ever overwritten, and a load of nothing
but external ids is a read by external id. Source: `load` and `_load_records` in odoo/orm/models.py, tried on Odoo 19.0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from connectors.base import Job, Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.odoo.transport import call, reading

Row = Sequence[str]
Units = Mapping[str, Sequence[Row]]  # external id → the rows of that one record (its lines are further rows)
Loaded = dict[str, int | SyncError]  # external id → the record's id, or why it is not there


class Span(msgspec.Struct):
    """Numbers of the rows of one record."""

    start: int = msgspec.field(name="from")


class Message(msgspec.Struct):
    """One thing load() has to say, about the record in these rows if it says so."""

    message: str = ""
    rows: Span | None = None


class Answered(msgspec.Struct):
    """What load() answers, with HTTP 200 also when it loaded nothing."""

    ids: list[int] | Literal[False]
    messages: list[Message] = []


KEEP = {"mode": "update", "noupdate": True}


def load_once(session: Session, model: str, fields: Sequence[str], units: Units, about: Iterable[Job] = ()) -> Loaded:
    """Create what does not exist; leave alone what does."""
    return _load(session, model, fields, units, KEEP, about)


def upsert(session: Session, model: str, fields: Sequence[str], units: Units, about: Iterable[Job] = ()) -> Loaded:
    """Create what does not exist; set every field named on what does."""
    return _load(session, model, fields, units, {}, about)


def find(session: Session, model: str, xids: Iterable[str], about: Iterable[Job] = ()) -> dict[str, int]:
    """Ids of the records that exist, by external id. The model must have a required field, or missing ones would be created."""
    with reading():
        loaded = load_once(session, model, ["id"], {xid: [[xid]] for xid in xids}, about)
    for outcome in loaded.values():
        if isinstance(outcome, Retry | Misconfigured):
            raise outcome
    return {xid: outcome for xid, outcome in loaded.items() if isinstance(outcome, int)}


def _load(
    session: Session, model: str, fields: Sequence[str], units: Units, context: Mapping[str, Any], about: Iterable[Job]
) -> Loaded:
    """Load all; where Odoo objects, those it names go alone and the others together again.

    A load is all or nothing. Its messages stop after ten, and when creating as a batch failed, the first of them blames the first
    record for what another one did: so nobody is refused before it was sent alone.
    """
    if not units:
        return {}
    rows = [row for unit in units.values() for row in unit]
    try:
        said = call(
            session, model, "load", Answered, about=about, context=dict(context), fields=list(fields), data=rows
        )
    except Refused as error:
        said = Answered(ids=False, messages=[Message(error.words)])
    if said.ids and len(said.ids) == len(units):
        return dict(zip(units, said.ids, strict=True))
    if any("could not serialize access" in m.message for m in said.messages):
        return dict.fromkeys(units, Retry("Somebody else is writing the same records in Odoo.", detail=_words(said)))
    if len(units) == 1:
        return dict.fromkeys(units, _verdict(_words(said)))
    named = _named(said, units)
    loaded = _load(session, model, fields, {x: u for x, u in units.items() if x not in named}, context, about)
    for xid in named:
        loaded |= _load(session, model, fields, {xid: units[xid]}, context, about)
    return loaded


def _named(said: Answered, units: Units) -> set[str]:
    """External ids of the records the messages are about, by row number; all when they name none."""
    owner = [xid for xid, rows in units.items() for _ in rows]
    named = {m.rows.start for m in said.messages if m.rows}
    return {xid for row, xid in enumerate(owner) if row in named} or set(units)


def _words(said: Answered) -> str:
    """Everything Odoo said about one record, each thing once."""
    return (
        " ".join(dict.fromkeys(m.message.strip() for m in said.messages))
        or "Odoo did not load this and did not say why."
    )


def _verdict(words: str) -> SyncError:
    """Missing rights come as a message like any other (HTTP 200), but no other record would fare better."""
    if words.startswith("You are not allowed to"):
        return Misconfigured(f"The Odoo user may not do this: {words.partition(chr(10))[0]}", detail=words)
    return Refused(words)
