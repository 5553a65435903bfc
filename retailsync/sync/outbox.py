"""The outbox: put commands out with the facts that caused them, claim them in order, settle them by compare-and-set.

Order: an unsettled earlier fact-command of the same system and subject blocks later ones. Levels coalesce and block nobody.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import transaction

from canonical import commands, sql
from canonical.commands import Command
from canonical.ledger import Cause
from retailsync.sync import bell

TASK = "sync.drain_outbox"
KINDS: dict[str, type[Command]] = {c.__name__: c for c in commands.Command.__subclasses__()}
_COLUMNS = {
    "system_id": "bigint", "kind": "text", "subject_kind": "text", "subject_key": "text", "purpose": "text", "level": "boolean",
    "payload": "jsonb", "order_id": "bigint", "cause_kind": "text", "cause_id": "bigint",
}  # fmt: skip


class Order(NamedTuple):
    """One command for one system, and why."""

    system_id: int
    command: Command
    cause: Cause


def put(orders: Sequence[Order]) -> None:
    """Put commands out in the caller's transaction. A purpose already put out stays as it is; a waiting level is merged into.

    Levels go last and sorted by key: their update locks the waiting row, so that a concurrent sender cannot miss the change.
    """
    queued = [o for o in orders if not o.command.level]
    levels = {(o.system_id, type(o.command).__name__, o.command.purpose): o for o in orders if o.command.level}
    sql.insert(
        "sync_command",
        _COLUMNS,
        [_row(o) for o in queued],
        "ON CONFLICT (system_id, purpose) WHERE NOT level DO NOTHING",
    )
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
        order.system_id, type(command).__name__, kind, key, command.purpose, command.level,
        msgspec.json.encode(command).decode(), getattr(command, "order_id", None), *order.cause,
    )  # fmt: skip


# ---- claim ------------------------------------------------------------------------------------------------------------------
class Claimed(NamedTuple):
    """A command in our hands until its lease ends. `tries` counts those before this one."""

    id: int
    kind: str
    purpose: str
    command: Command
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
  ORDER BY c.system_id, c.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
heads AS (SELECT DISTINCT ON (subject_kind, subject_key) id FROM ready ORDER BY subject_kind, subject_key, id)
UPDATE sync_command c SET state = 'sending', lease_token = %(token)s, sent_at = NULL,
  lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
FROM heads WHERE c.id = heads.id
RETURNING c.id, c.kind, c.purpose, c.payload, c.attempts, c.doubtful, coalesce(c.waiting_since, %(now)s), c.cause_kind, c.cause_id
"""


def claim(system_id: int, limit: int, seconds: float, now: datetime) -> tuple[uuid.UUID, list[Claimed]]:
    """Claim up to `limit` commands that may go out now, oldest first, one per subject; committed before anything is sent."""
    token = uuid.uuid4()
    with transaction.atomic():
        rows = sql.fetch(_CLAIM, {"system": system_id, "now": now, "limit": limit, "token": token, "seconds": seconds})
    return token, [_claimed(row) for row in sorted(rows)]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    id, kind, purpose, payload, tries, doubtful, since, cause_kind, cause_id = row
    command = msgspec.json.decode(payload, type=KINDS[kind])
    return Claimed(id, kind, purpose, command, tries, doubtful, since, Cause(cause_kind, cause_id))


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
           WHERE system_id = %s AND state = 'sending' AND lease_until < clock_timestamp() RETURNING id""",
        (now, now, longest, system_id),
    )
    return len(rows)


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
