"""The outbox: put commands out with the facts that caused them, claim them in order, settle them by compare-and-set.

Order: an unsettled earlier fact-command of the same system and subject blocks later ones. Levels coalesce and block nobody.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import transaction

from canonical import sql
from canonical.commands import KINDS, Command
from canonical.facts import Posted
from canonical.ledger import Cause
from canonical.record import Stated
from retailsync.sync import bell, cases

TASK = "sync.drain_outbox"
DEATHS = 5  # times a worker may die with a command in its hands
LEVELS = frozenset(name for name, kind in KINDS.items() if kind.level)
_COLUMNS = {
    "system_id": "bigint", "kind": "text", "subject_kind": "text", "subject_key": "text", "purpose": "text", "level": "boolean",
    "stoppable": "boolean", "notice_at": "timestamptz",
    "payload": "jsonb", "order_id": "bigint", "cause_kind": "text", "cause_id": "bigint",
}  # fmt: skip


class Order(NamedTuple):
    """One command for one system, and why."""

    system_id: int
    command: Command
    cause: Cause


#: A command that did nothing yet takes over what is wanted now, and one a person should look at is tried again with it; one that was
#: carried out, or may have been, stays what it was. What was let be with its order is wanted again with it.
_FOLD = """ON CONFLICT (system_id, purpose) WHERE NOT level DO UPDATE SET payload = excluded.payload, state = 'waiting', reason = '',
      words = '', waits_for = '', settled_at = NULL,
      not_before = CASE WHEN sync_command.state = 'waiting' THEN sync_command.not_before ELSE now() END
    WHERE (sync_command.stoppable AND sync_command.state IN ('waiting', 'parked') AND NOT sync_command.doubtful
      AND sync_command.payload <> excluded.payload) OR (NOT sync_command.stoppable AND sync_command.state = 'superseded')
    RETURNING id, xmax = 0"""


def put(orders: Sequence[Order], now: datetime) -> dict[int, list[Stated]]:
    """Put commands out in the caller's transaction. A purpose already put out stays, with the newer content while it is unsent; a
    waiting level is merged into. What undoes a create that never left is not put out: the create is superseded, and the receipts that
    say so are returned by system, to be recorded.

    Levels go last and sorted by key: their update locks the waiting row, so that a concurrent sender cannot miss the change.
    """
    undone = _undo([o for o in orders if o.command.undoes])
    _replace([o for o in orders if o.command.replaces])
    queued = list(
        {(o.system_id, o.command.purpose): o for o in orders if not o.command.level and o not in undone}.values()
    )
    levels = {(o.system_id, type(o.command).__name__, o.command.purpose): o for o in orders if o.command.level}
    written = sql.insert("sync_command", _COLUMNS, [_row(o) for o in queued], _FOLD)
    if folded := [id for id, new in written if not new]:
        cases.close("command", folded)
    sql.insert(
        "sync_command", _COLUMNS, [_row(levels[key]) for key in sorted(levels)],
        "ON CONFLICT (system_id, kind, subject_kind, subject_key) WHERE level AND state = 'waiting'"
        " DO UPDATE SET cause_kind = excluded.cause_kind, cause_id = excluded.cause_id",
    )  # fmt: skip
    for system in sorted({o.system_id for o in orders}):
        transaction.on_commit(lambda system=system: bell.ring(TASK, system))
    return {
        system: [_moot(o, now) for o in undone if o.system_id == system] for system in {o.system_id for o in undone}
    }


#: A create that never left: still waiting, or refused, and not in doubt. Locked, so that no sender claims it meanwhile.
_UNSENT = """SELECT c.id, v.n FROM sync_command c JOIN unnest(%s::bigint[], %s::text[], %s::integer[]) v(system, purpose, n)
  ON c.system_id = v.system AND c.purpose = v.purpose AND NOT c.level
  WHERE c.state IN ('waiting', 'parked') AND NOT c.doubtful ORDER BY c.id FOR UPDATE OF c"""

#: A create that was never put out, because a hold came before it. Its order's lock keeps others from putting it out meanwhile.
_NEVER_PUT = """SELECT v.n FROM unnest(%s::bigint[], %s::text[], %s::integer[]) v(system, purpose, n)
  WHERE NOT EXISTS (SELECT 1 FROM sync_command c WHERE c.system_id = v.system AND c.purpose = v.purpose AND NOT c.level)"""


def _undo(orders: Sequence[Order]) -> list[Order]:
    """Of commands that undo or change a create, those whose create never left. One that ends it supersedes it, and what else of its
    subject waits for it; one that changes it leaves it, and the next plan folds the change in."""
    if not orders:
        return []
    purposes = [o.command.undoes.format(o.command) for o in orders]
    named = [o.system_id for o in orders], purposes, list(range(len(orders)))
    rows = sql.fetch(_UNSENT, named)
    ended = [id for id, n in rows if orders[n].command.ends]
    sql.fetch(
        "UPDATE sync_command SET state = 'superseded', settled_at = clock_timestamp(), waits_for = '' WHERE id = ANY(%s)",
        (ended,),
    )
    cases.close("command", ended)
    _end_unsent([o for o in orders if o.command.ends])
    return [orders[n] for n in sorted({n for _, n in rows} | {n for (n,) in sql.fetch(_NEVER_PUT, named)})]


def _replace(orders: Sequence[Order]) -> None:
    """What says everything anew is put out instead of what it replaces, where that never left."""
    earlier = [(o.system_id, purpose) for o in orders for purpose in o.command.replaces]
    rows = sql.fetch(_UNSENT, ([s for s, _ in earlier], [p for _, p in earlier], [0] * len(earlier))) if earlier else []
    ids = [id for id, _ in rows]
    sql.fetch(
        "UPDATE sync_command SET state = 'superseded', settled_at = clock_timestamp(), waits_for = '' WHERE id = ANY(%s)",
        (ids,),
    )
    cases.close("command", ids)


def _end_unsent(orders: Sequence[Order]) -> None:
    """Commands that would move on what is being ended, and did not leave, do not leave any more: they would stand before its end."""
    keys = [(o.system_id, *o.command.subject_key) for o in orders]
    rows = sql.fetch(
        """UPDATE sync_command c SET state = 'superseded', settled_at = clock_timestamp(), waits_for = ''
           FROM unnest(%s::bigint[], %s::text[], %s::text[]) v(system, kind, key)
           WHERE c.system_id = v.system AND c.subject_kind = v.kind AND c.subject_key = v.key AND c.stoppable
             AND c.state IN ('waiting', 'parked') AND NOT c.doubtful RETURNING c.id""",
        ([k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys]),
    )
    cases.close("command", [id for (id,) in rows])


def let_be(system_id: int, order_ids: Sequence[int]) -> None:
    """A shop no longer has these orders: what it was still to be told of them has nobody to go to, and asks no person. That something
    shipped all the same, a hold says."""
    rows = sql.fetch(
        "UPDATE sync_command SET state = 'superseded', settled_at = clock_timestamp(), waits_for = ''"
        " WHERE system_id = %s AND order_id = ANY(%s) AND NOT level AND NOT stoppable AND state IN ('waiting', 'parked') RETURNING id",
        (system_id, list(order_ids)),
    )
    cases.close("command", [id for (id,) in rows])


def _moot(order: Order, now: datetime) -> Stated:
    """The receipt of a command that had nothing to do outside."""
    command = order.command
    kind, subject = command.posts or ("", command.subject)
    fact = Posted(
        occurred_at=now, kind=kind, subject_kind=subject.entity, subject_id=subject.id, order_id=getattr(command, "order_id", None),
        state=command.undone,
    )  # fmt: skip
    return Stated(order.cause, fact)


def _row(order: Order) -> tuple[Any, ...]:
    command = order.command
    kind, key = command.subject_key
    return (
        order.system_id, type(command).__name__, kind, key, command.purpose, command.level, command.stoppable,
        getattr(command, command.notice_of) if command.notice_of else None,
        msgspec.json.encode(command).decode(), getattr(command, "order_id", None), *order.cause,
    )  # fmt: skip


# ---- claim ------------------------------------------------------------------------------------------------------------------
class Claimed(NamedTuple):
    """A command in our hands until its lease ends. `tries` counts those before this one."""

    id: int
    kind: str
    purpose: str
    command: Command | None  # None: its payload cannot be read by this program
    tries: int
    doubtful: bool
    since: datetime
    cause: Cause


# A queue's statistics are always wrong: taken while it was empty, they made an anti-join of NOT EXISTS read the whole backlog for each
# row (290 ms for 200 of 2,000), and an order by id alone may walk the primary key through all that is settled. A scalar subquery can
# only be looked up by its subject, and only the index of waiting rows gives the order by system and id.
_CLAIM = """
WITH ready AS (
  SELECT c.id, c.subject_kind, c.subject_key FROM sync_command c
  WHERE c.system_id = ANY(ARRAY[%(system)s]::bigint[]) AND c.state = 'waiting' AND c.not_before <= %(now)s
    AND c.kind <> ALL(%(paused)s::text[])
    AND (SELECT true FROM sync_command e WHERE e.system_id = c.system_id AND e.subject_kind = c.subject_kind
        AND e.subject_key = c.subject_key AND e.state IN ('waiting', 'sending', 'parked', 'in_doubt')
        AND (e.state = 'sending' OR (e.id < c.id AND NOT e.level AND NOT c.level)) LIMIT 1) IS NOT TRUE
    AND (c.notice_at IS NULL OR c.cleared OR c.notice_at > %(now)s - interval '1 hour'
        * coalesce((SELECT notice_hours FROM canonical_shoppolicy p WHERE p.channel_id = c.system_id), 24))
    AND (NOT c.stoppable OR (SELECT true FROM canonical_hold h WHERE h.order_id = c.order_id AND h.lifted_at IS NULL
        AND h.blocks LIMIT 1) IS NOT TRUE OR (c.doubtful AND (SELECT true FROM sync_command n WHERE n.system_id = c.system_id
        AND n.subject_kind = c.subject_kind AND n.subject_key = c.subject_key AND n.state = 'waiting' AND n.id > c.id
        AND NOT n.level AND NOT n.stoppable LIMIT 1) IS TRUE))
  ORDER BY c.system_id, {order} c.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
heads AS (SELECT DISTINCT ON (subject_kind, subject_key) id FROM ready ORDER BY subject_kind, subject_key, id)
UPDATE sync_command c SET state = 'sending', lease_token = %(token)s, sent_at = NULL,
  lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
FROM heads WHERE c.id = heads.id
RETURNING c.id, c.kind, c.purpose, c.payload, c.attempts, c.doubtful, coalesce(c.waiting_since, %(now)s), c.cause_kind, c.cause_id
"""


def claim(
    system_id: int, limit: int, seconds: float, now: datetime, paused: Sequence[str] = ()
) -> tuple[uuid.UUID, list[Claimed]]:
    """Claim up to `limit` commands that may go out now, oldest first, one per subject; committed before anything is sent. A hold keeps
    back what moves an order on, but for what may have left before and has to be taken back: that is finished first. `paused`: kinds
    people stopped; they keep their place before what follows them.

    A single one is a probe of a system in trouble: the one tried least goes, lest one bad command is all the system ever sees.
    """
    token = uuid.uuid4()
    statement = _CLAIM.format(order="c.attempts," if limit == 1 else "")
    with transaction.atomic():
        rows = sql.fetch(
            statement,
            {
                "system": system_id,
                "now": now,
                "limit": limit,
                "token": token,
                "seconds": seconds,
                "paused": list(paused),
            },
        )
    return token, [_claimed(row) for row in sorted(rows)]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    id, kind, purpose, payload, tries, doubtful, since, cause_kind, cause_id = row
    return Claimed(id, kind, purpose, _readable(kind, payload), tries, doubtful, since, Cause(cause_kind, cause_id))


def _readable(kind: str, payload: str) -> Command | None:
    """The command, unless an older or newer program wrote something this one cannot read."""
    try:
        return msgspec.json.decode(payload, type=KINDS[kind])
    except (KeyError, msgspec.DecodeError):
        return None


def hold_on(ids: Sequence[int], token: uuid.UUID, seconds: float) -> set[int]:
    """Prolong the lease right before the request leaves; only the ids returned are still ours and may be sent."""
    rows = sql.fetch(
        "UPDATE sync_command SET lease_until = clock_timestamp() + %s * interval '1 second', sent_at = clock_timestamp()"
        " WHERE id = ANY(%s) AND lease_token = %s AND state = 'sending' AND lease_until > clock_timestamp() RETURNING id",
        (seconds, list(ids), token),
    )
    return {id for (id,) in rows}


def give_back(ids: Sequence[int], token: uuid.UUID) -> None:
    """Return commands that were claimed and not sent, in the caller's transaction."""
    supersede(ids, token)
    sql.fetch(
        "UPDATE sync_command SET state = 'waiting', lease_token = NULL, lease_until = NULL"
        " WHERE id = ANY(%s) AND lease_token = %s AND state = 'sending'",
        (list(ids), token),
    )


def reclaim(system_id: int, longest: float, now: datetime) -> int:
    """Take back commands whose lease ended with their worker. Those whose request may have left are doubtful: they are looked for
    first, and not before the target can have finished."""
    ended = sql.fetch(
        "SELECT id, lease_token FROM sync_command WHERE system_id = %s AND state = 'sending' AND lease_until < clock_timestamp()",
        (system_id,),
    )
    if not ended:
        return 0
    with transaction.atomic():
        return _reclaim(system_id, longest, now, ended)


def _reclaim(system_id: int, longest: float, now: datetime, ended: Sequence[tuple[int, uuid.UUID]]) -> int:
    for token in sorted({token for _, token in ended}):
        supersede([id for id, its in ended if its == token], token)
    rows = sql.fetch(
        """UPDATE sync_command SET state = 'waiting', lease_token = NULL, lease_until = NULL, attempts = attempts + 1,
             doubtful = doubtful OR sent_at IS NOT NULL,
             not_before = CASE WHEN sent_at IS NULL THEN %s ELSE %s + %s * interval '1 second' END
           WHERE system_id = %s AND state = 'sending' AND lease_until < clock_timestamp() RETURNING id, order_id, attempts""",
        (now, now, longest, system_id),
    )
    _bury(system_id, [(id, order) for id, order, attempts in rows if attempts >= DEATHS])
    return len(rows)


def _bury(system_id: int, rows: Sequence[tuple[int, int | None]]) -> None:
    """Commands whose worker died each time they were sent are put aside."""
    words = f"This command's worker stopped {DEATHS} times while sending it."
    sql.fetch(
        "UPDATE sync_command SET state = 'parked', reason = 'poison', words = %s WHERE id = ANY(%s)",
        (words, [id for id, _ in rows]),
    )
    cases.open_all(
        cases.Opening("command", id, system_id, order, "order_to_fulfilment", "send", "poison", "", words)
        for id, order in rows
    )


def supersede(ids: Sequence[int], token: uuid.UUID | None) -> None:
    """Of these level-commands, settle those for which a newer one already waits: it will do the same and more. `token` is the lease
    they are held under (None: nobody's, a person releases them); one that another worker sends by now is left to it."""
    sql.fetch(
        """UPDATE sync_command c SET state = 'superseded', lease_token = NULL, lease_until = NULL, settled_at = clock_timestamp()
           WHERE id = ANY(%s) AND level AND lease_token IS NOT DISTINCT FROM %s AND state IN ('sending', 'parked', 'in_doubt')
             AND EXISTS (SELECT 1 FROM sync_command n WHERE n.level AND n.state = 'waiting'
               AND (n.system_id, n.kind, n.subject_kind, n.subject_key) = (c.system_id, c.kind, c.subject_kind, c.subject_key))""",
        (list(ids), token),
    )
