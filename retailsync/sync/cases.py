"""Exceptions are opened and closed here, in sets, next to the row they point at and in its transaction."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from canonical import sql
from canonical.ledger import Written
from canonical.record import Recorded
from retailsync.sync.reasons import reason

_NUMBERS = re.compile(r"\d+")
_COLUMNS = {
    "target_kind": "text", "target_id": "bigint", "system_id": "bigint", "order_id": "bigint", "workflow": "text", "stage": "text",
    "reason": "text", "detail": "text", "cause": "text", "words": "text", "who": "text",
}  # fmt: skip


class Opening(NamedTuple):
    """An exception to be opened. `detail` is what makes equal causes equal, e.g. the SKU or the field."""

    target_kind: str
    target_id: int
    system_id: int | None
    order_id: int | None
    workflow: str
    stage: str
    reason: str
    detail: str
    words: str


def open_all(openings: Iterable[Opening]) -> None:
    """Open exceptions; a target that already has an open one keeps it, with the newer words."""
    rows = [
        _row(o._replace(detail=o.detail[:300])) for o in sorted(openings, key=lambda o: (o.target_kind, o.target_id))
    ]
    sql.insert(
        "sync_case", _COLUMNS, rows,
        "ON CONFLICT (target_kind, target_id) WHERE closed_at IS NULL DO UPDATE SET reason = excluded.reason, detail = excluded.detail,"
        " cause = excluded.cause, words = excluded.words, who = excluded.who, stage = excluded.stage",
    )  # fmt: skip


def _row(o: Opening) -> tuple[object, ...]:
    """In the order of _COLUMNS."""
    *head, words = o
    return (*head, _cause(o), words, reason(o.reason).who)


def _cause(o: Opening) -> str:
    """Equal for one workflow, system, stage, reason and detail; of a message not understood the numbers in it do not count."""
    detail = _NUMBERS.sub("#", o.detail) if o.reason == "malformed" else o.detail
    return hashlib.sha256("|".join((o.workflow, str(o.system_id), o.stage, o.reason, detail)).encode()).hexdigest()


def follow_stock(recorded: Recorded) -> None:
    """Open exceptions for figures nobody can believe; close those that were settled meanwhile."""
    open_all(
        Opening(t.kind, t.id, t.system_id, None, "inventory", "record", t.reason, t.detail, t.words)
        for t in recorded.troubles
    )
    for kind in {kind for kind, _ in recorded.settled}:
        close(kind, sorted(id for of, id in recorded.settled if of == kind))


def close(target_kind: str, target_ids: Sequence[int], by: str = "") -> None:
    """Close the open exceptions of these targets. `by` is a person, or empty when the cause went away."""
    sql.fetch(
        "UPDATE sync_case SET closed_at = clock_timestamp(), closed_by = %s"
        " WHERE target_kind = %s AND target_id = ANY(%s) AND closed_at IS NULL",
        (by, target_kind, list(target_ids)),
    )


def follow_holds(entries: Sequence[Written]) -> None:
    """Open an exception for each hold just placed; close those of holds just lifted."""
    placed = [e.subject_id for e in entries if e.subject_kind == "hold" and e.event == "placed"]
    lifted = [e.subject_id for e in entries if e.subject_kind == "hold" and e.event == "lifted"]
    if placed:
        rows = sql.fetch(
            "SELECT h.id, o.channel_id, o.id, h.reason, h.detail, h.words FROM canonical_hold h"
            " JOIN canonical_order o ON o.id = h.order_id WHERE h.id = ANY(%s) AND h.lifted_at IS NULL AND NOT h.quiet",
            (placed,),
        )
        open_all(
            Opening("hold", id, system, order, "order_to_fulfilment", "plan", *rest)
            for id, system, order, *rest in rows
        )
    if lifted:
        close("hold", lifted)
