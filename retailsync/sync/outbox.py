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
from canonical.ledger import Cause
from retailsync.sync import bell, cases

TASK = "sync.drain_outbox"
DEATHS = 5  # times a worker may die with a command in its hands
LEVELS = frozenset(name for name, kind in KINDS.items() if kind.level)
_COLUMNS = {
    "system_id": "bigint", "kind": "text", "subject_kind": "text", "subject_key": "text", "purpose": "text", "level": "boolean",
    "stoppable": "boolean",
    "payload": "jsonb", "order_id": "bigint", "cause_kind": "text", "cause_id": "bigint",
}  # fmt: skip


class Order(NamedTuple):
    """One command for one system, and why."""

    system_id: int
    command: Command
    cause: Cause


#: A command not yet sent takes over what is wanted now; one that left, or may have left, stays what it was.
_FOLD = """ON CONFLICT (system_id, purpose) WHERE NOT level DO UPDATE SET payload = excluded.payload
    WHERE sync_command.stoppable AND sync_command.state = 'waiting' AND sync_command.sent_at IS NULL AND NOT sync_command.doubtful
      AND sync_command.payload <> excluded.payload"""


def put(orders: Sequence[Order]) -> None:
    """Put commands out in the caller's transaction. A purpose already put out stays, with the newer content while it is unsent; a
    waiting level is merged into.

    Levels go last and sorted by key: their update locks the waiting row, so that a concurrent sender cannot miss the change.
    """
    queued = list({(o.system_id, o.command.purpose): o for o in orders if not o.command.level}.values())
    levels = {(o.system_id, type(o.command).__name__, o.command.purpose): o for o in orders if o.command.level}
    sql.insert("sync_command", _COLUMNS, [_row(o) for o in queued], _FOLD)
    sql.insert(
        "sync_command", _COLUMNS, [_row(levels[key]) for key in sorted(levels)],
        "ON CONFLICT (system_id, kind, subject_kind, subject_key) WHERE level AND state = 'waiting'"
        " DO UPDATE SET cause_kind = excluded.cause_kind, cause_id = excluded.cause_id",
    )  # fmt: skip
    for system in sorted({o.system_id for o in orders}):
        transaction.on_commit(lambda system=system: bell.ring(TASK, system))


def _row(order: Order) -> tuple[Any, ...]:
    command = order.command
    kind, key = command.subject_key
    return (
        order.system_id, type(command).__name__, kind, key, command.purpose, command.level, command.stoppable,
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
    AND (SELECT true FROM sync_command e WHERE e.system_id = c.system_id AND e.subject_kind = c.subject_kind
        AND e.subject_key = c.subject_key AND e.state IN ('waiting', 'sending', 'parked', 'in_doubt')
        AND (e.state = 'sending' OR (e.id < c.id AND NOT e.level AND NOT c.level)) LIMIT 1) IS NOT TRUE
    AND (NOT c.stoppable OR (SELECT true FROM canonical_hold h WHERE h.order_id = c.order_id AND h.lifted_at IS NULL LIMIT 1) IS NOT TRUE)
  ORDER BY c.system_id, {order} c.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
heads AS (SELECT DISTINCT ON (subject_kind, subject_key) id FROM ready ORDER BY subject_kind, subject_key, id)
UPDATE sync_command c SET state = 'sending', lease_token = %(token)s, sent_at = NULL,
  lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
FROM heads WHERE c.id = heads.id
RETURNING c.id, c.kind, c.purpose, c.payload, c.attempts, c.doubtful, coalesce(c.waiting_since, %(now)s), c.cause_kind, c.cause_id
"""


def claim(system_id: int, limit: int, seconds: float, now: datetime) -> tuple[uuid.UUID, list[Claimed]]:
    """Claim up to `limit` commands that may go out now, oldest first, one per subject; committed before anything is sent.

    A single one is a probe of a system in trouble: the one tried least goes, lest one bad command is all the system ever sees.
    """
    token = uuid.uuid4()
    statement = _CLAIM.format(order="c.attempts," if limit == 1 else "")
    with transaction.atomic():
        rows = sql.fetch(
            statement, {"system": system_id, "now": now, "limit": limit, "token": token, "seconds": seconds}
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
