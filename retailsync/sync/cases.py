"""Exceptions are opened and closed here, in sets, next to the row they point at and in its transaction."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction

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


#: What a group takes over from the first of its exceptions.
_GROUP = {
    name: _COLUMNS[name] for name in ("cause", "system_id", "workflow", "stage", "reason", "detail", "who", "words")
}


def open_all(openings: Iterable[Opening]) -> None:
    """Open exceptions; a target that already has an open one keeps it, with the newer words. A group that was resolved comes back.

    None for what is played in a sandbox: nobody has to act on it, and the partner sees it itself."""
    ordered = sorted(openings, key=lambda o: (o.target_kind, o.target_id))
    played = _played({o.system_id for o in ordered if o.system_id is not None}) if ordered else set()
    rows = [_row(o._replace(detail=o.detail[:300])) for o in ordered if o.system_id not in played]
    _gather([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    sql.insert(
        "sync_case", _COLUMNS, rows,
        "ON CONFLICT (target_kind, target_id) WHERE closed_at IS NULL DO UPDATE SET reason = excluded.reason, detail = excluded.detail,"
        " cause = excluded.cause, words = excluded.words, who = excluded.who, stage = excluded.stage",
    )  # fmt: skip


def _played(systems: set[int]) -> set[int]:
    """Those of these systems that are a sandbox's."""
    found = sql.fetch(
        "SELECT id FROM canonical_system WHERE id = ANY(%s) AND sandbox_of_id IS NOT NULL", (sorted(systems),)
    )
    return {id for (id,) in found}


#: Who opens one of a known group takes no lock on it, unless it comes back: many open and close at the same time.
_COME_BACK = """UPDATE sync_group SET resolved_at = NULL, returned_at = clock_timestamp(), returns = returns + 1, snoozed_until = NULL
  WHERE id IN (SELECT id FROM sync_group WHERE cause = ANY(%s) AND resolved_at IS NOT NULL ORDER BY id FOR UPDATE)
    AND resolved_at IS NOT NULL"""


def _gather(rows: Sequence[dict[str, object]]) -> None:
    """See that every cause has its group, and that none of these counts as resolved."""
    firsts = {row["cause"]: row for row in reversed(rows)}
    if not firsts:
        return
    causes = sorted(map(str, firsts))
    known = {cause for (cause,) in sql.fetch("SELECT cause FROM sync_group WHERE cause = ANY(%s)", (causes,))}
    fresh = [tuple(firsts[cause][name] for name in _GROUP) for cause in causes if cause not in known]
    sql.insert("sync_group", _GROUP, fresh, "ON CONFLICT (cause) DO NOTHING")
    sql.fetch(_COME_BACK, (causes,))


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
    closed = sql.fetch(
        "UPDATE sync_case SET closed_at = clock_timestamp(), closed_by = %s"
        " WHERE target_kind = %s AND target_id = ANY(%s) AND closed_at IS NULL RETURNING cause",
        (by, target_kind, list(target_ids)),
    )
    if closed:
        sql.fetch(_RESOLVE.format("AND g.cause = ANY(%s)"), (sorted({cause for (cause,) in closed}),))


#: Two who close the last two of a group at once do not see each other's, nor does one who closes the last see another who opens one:
#: the sweep finds what they left. Locked by id, as by people who decide about many.
_RESOLVE = """UPDATE sync_group SET resolved_at = clock_timestamp(), assignee_id = NULL, snoozed_until = NULL
  WHERE id IN (SELECT g.id FROM sync_group g WHERE g.resolved_at IS NULL {} AND NOT EXISTS (
    SELECT 1 FROM sync_case c WHERE c.cause = g.cause AND c.closed_at IS NULL) ORDER BY g.id FOR UPDATE OF g)
    AND resolved_at IS NULL"""
#: From each open cause to the next by the index, so that how many are open of one, and what was resolved long ago, cost nothing.
_STILL_OPEN = """WITH RECURSIVE opened AS ((SELECT cause FROM sync_case WHERE closed_at IS NULL ORDER BY cause LIMIT 1) UNION ALL
    SELECT (SELECT c.cause FROM sync_case c WHERE c.closed_at IS NULL AND c.cause > o.cause ORDER BY c.cause LIMIT 1)
    FROM opened o WHERE o.cause IS NOT NULL)
  SELECT g.cause FROM opened JOIN sync_group g USING (cause) WHERE g.resolved_at IS NOT NULL"""


def settle_groups() -> None:
    """What transactions that did not see each other left: groups with none open are resolved, those with one are not."""
    with transaction.atomic():
        sql.fetch(_RESOLVE.format(""))
        sql.fetch(_COME_BACK, ([cause for (cause,) in sql.fetch(_STILL_OPEN)],))


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
