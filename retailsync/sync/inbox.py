"""The inbox: store what systems say, byte for byte, then carry it along the corridor in batches.

A failing message never harms its neighbours: the batch is repeated one message at a time, each in its own savepoint.
"""

import logging
import os
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.db.utils import Error as DatabaseError

from canonical import sql
from canonical.ledger import Cause
from canonical.record import Recorded, Stated
from connectors.base import Envelope, Heard, Malformed
from connectors.errors import Missing, Refused
from retailsync.platform import stopping
from retailsync.sync import bell, cases, clock, corridor, systems, transient, work
from retailsync.sync.leases import Held, lease

TASK = "sync.drain_inbox"
BATCH = 100
LEASE = 60.0  # seconds; renewed before every batch
SECONDS = 1.0  # how long one drain works before other systems get the worker: they wait that long where workers are few
TRIES = 3  # of a message whose batch died with its worker
_log = logging.getLogger(__name__)
_WORKER = f"{socket.gethostname()}:{os.getpid()}"[:100]
_COLUMNS = {
    "system_id": "bigint", "topic": "text", "dedup_key": "bytea", "door": "text", "body": "bytea", "asked_at": "timestamptz",
    "about": "text",
}  # fmt: skip


# ---- receive ----------------------------------------------------------------------------------------------------------------
def receive(
    system_id: int, heard: Sequence[Heard], *, door: str, ring: Callable[[str, int], None] = bell.ring
) -> list[bool]:
    """Store what was said and commit (unless the caller holds a transaction open), then ring. True per item that was not here before."""
    rows = [(system_id, h.topic, h.key, door, h.body, h.asked_at, h.about) for h in sorted(heard, key=lambda h: h.key)]
    fresh = sql.insert(
        "sync_message", _COLUMNS, rows, "ON CONFLICT (system_id, dedup_key) DO NOTHING RETURNING dedup_key"
    )
    transaction.on_commit(lambda: ring(TASK, system_id))
    keys = {bytes(key) for (key,) in fresh}
    return [h.key in keys for h in heard]


# ---- drain ------------------------------------------------------------------------------------------------------------------
class Row(NamedTuple):
    """A claimed message."""

    id: int
    topic: str
    body: bytes
    attempts: int
    received_at: datetime
    asked_at: datetime | None


def drain(system_id: int) -> int:
    """Carry this system's messages along the corridor until there are none or the time is up. Returns how many were worked on.

    Only one drain per system works at a time; one that comes too late leaves word, and the holder rings for it again.
    """
    with lease(f"inbox:{system_id}", LEASE) as held:
        if held is None:
            return 0
        _bury(system_id)
        count, more = _drain(system_id, held)
    if held.wanted or more:
        bell.again(TASK, system_id)
    return count


def _drain(system_id: int, held: Held) -> tuple[int, bool]:
    """Works batches; says how many messages that were, and whether time ran out, or the worker shall stop, before the messages did."""
    count, last, ends = 0, False, time.monotonic() + SECONDS
    while held.renew(LEASE):
        if time.monotonic() > ends or stopping.asked():
            return count, True
        worked = _turn(system_id)
        if not worked and last:
            return count, False
        if not worked:
            bell.answered(TASK, system_id)
        count, last = count + worked, not worked
    return count, False


def _turn(system_id: int) -> int:
    """Work one message by itself, or one batch; how many messages that were."""
    alone = _next_alone(system_id)
    if alone is not None:
        _work_alone(system_id, alone)
        return 1
    batch, ids = _claim(system_id)
    if ids:
        work_batch(system_id, batch, ids)
    return len(ids)


def _claim(system_id: int) -> tuple[int, list[int]]:
    """Claim up to BATCH messages: the batch is committed before the work begins, so that a dead worker leaves a trace."""
    with transaction.atomic():
        rows = sql.fetch(
            "SELECT id FROM sync_message WHERE system_id = %s AND state = 'received' AND batch_id IS NULL AND NOT alone"
            " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
            (system_id, BATCH),
        )
        ids = [id for (id,) in rows]
        if not ids:
            return 0, []
        ((batch,),) = sql.fetch(
            "INSERT INTO sync_batch (system_id, worker, message_ids) VALUES (%s, %s, %s) RETURNING id",
            (system_id, _WORKER, ids),
        )
        sql.fetch("UPDATE sync_message SET batch_id = %s WHERE id = ANY(%s)", (batch, ids))
    return batch, ids


def _bury(system_id: int) -> None:
    """We hold the lease, so every batch still open is a dead one: its messages run by themselves from now on."""
    with transaction.atomic():
        dead = [id for (id,) in sql.fetch("DELETE FROM sync_batch WHERE system_id = %s RETURNING id", (system_id,))]
        sql.fetch(
            "UPDATE sync_message SET batch_id = NULL, alone = true WHERE batch_id = ANY(%s) AND state = 'received'",
            (dead,),
        )


def _next_alone(system_id: int) -> int | None:
    rows = sql.fetch(
        "SELECT id FROM sync_message WHERE system_id = %s AND state = 'received' AND batch_id IS NULL AND alone ORDER BY id LIMIT 1",
        (system_id,),
    )
    return rows[0][0] if rows else None


def _work_alone(system_id: int, id: int) -> None:
    """A message whose batch died: count the try before trying, so that one that kills its worker is found out."""
    ((attempts,),) = sql.fetch(
        "UPDATE sync_message SET attempts = attempts + 1 WHERE id = %s RETURNING attempts", (id,)
    )
    if attempts > TRIES:
        words = f"This message stopped its worker {TRIES} times and was put aside."
        _park(system_id, id, work.Next("parked", clock.now(), "poison", words), "")
        return
    try:
        _singly(system_id, [id])
    except DatabaseError:  # it passes and says nothing about the message: the try does not count
        sql.fetch("UPDATE sync_message SET attempts = attempts - 1 WHERE id = %s", (id,))
        raise


def work_batch(system_id: int, batch: int, ids: Sequence[int]) -> None:
    """One batch in one transaction; where it fails, message by message."""
    try:
        transient.repeat(lambda: _together(system_id, ids, batch))
    except Exception:  # noqa: BLE001  the work state machine: whatever it was is found out message by message
        _log.warning("batch repeated one by one", exc_info=True, extra={"system": system_id, "messages": len(ids)})
        _singly(system_id, ids)
    sql.fetch("DELETE FROM sync_batch WHERE id = %s", (batch,))
    sql.fetch(
        "UPDATE sync_message SET batch_id = NULL WHERE id = ANY(%s) AND batch_id = %s AND state = 'received'",
        (list(ids), batch),
    )


def _together(system_id: int, ids: Sequence[int], batch: int | None = None) -> None:
    with transaction.atomic():
        _carry(system_id, _rows(ids, batch))


def _singly(system_id: int, ids: Sequence[int]) -> None:
    """Each message in its own transaction; a failure parks that message with its traceback."""
    for id in ids:
        try:
            transient.repeat(lambda id=id: _together(system_id, [id]))
        except DatabaseError as error:
            if transient.passes(error):
                raise
            _park_bug(system_id, id, error)
        except Exception as error:  # noqa: BLE001  the work state machine
            _park_bug(system_id, id, error)


def again(system_id: int, ids: Sequence[int]) -> None:
    """Carry these messages along the corridor in the caller's transaction: together, or, where one fails, each in its own savepoint."""
    try:
        _in_savepoint(system_id, ids)
    except Exception as error:  # whatever it was is found out message by message
        if _stops(error):
            raise
        for id in ids:
            _again_alone(system_id, id)


def _again_alone(system_id: int, id: int) -> None:
    try:
        _in_savepoint(system_id, [id])
    except Exception as error:
        if _stops(error):
            raise
        trouble = "".join(traceback.format_exception(error))
        _settle(system_id, {id: work.after(error, 0, clock.now(), clock.now())}, {id: trouble})


def _stops(error: Exception) -> bool:
    """Whether it says nothing about a message: it passes, or somebody else holds what is needed."""
    return isinstance(error, DatabaseError) and (transient.passes(error) or transient.waited(error))


def _in_savepoint(system_id: int, ids: Sequence[int]) -> None:
    with transaction.atomic():
        _carry(system_id, _rows(ids, None))


def _park_bug(system_id: int, id: int, error: Exception) -> None:
    if connection.needs_rollback:
        connection.rollback()
    trouble = "".join(traceback.format_exception(error))
    _park(system_id, id, work.after(error, 0, clock.now(), clock.now()), trouble)


def _park(system_id: int, id: int, step: work.Next, trouble: str) -> None:
    with transaction.atomic():
        _settle(system_id, {id: step}, {id: trouble})


def _rows(ids: Sequence[int], batch: int | None) -> list[Row]:
    """The messages, locked. With a batch only those still in it: a frozen worker that wakes late finds none."""
    rows = sql.fetch(
        "SELECT id, topic, body, attempts, received_at, asked_at FROM sync_message WHERE id = ANY(%s) AND state = 'received'"
        " AND (%s::bigint IS NULL OR batch_id = %s) ORDER BY id FOR UPDATE",
        (list(ids), batch, batch),
    )
    return [Row(id, topic, bytes(body), *rest) for id, topic, body, *rest in rows]


def _carry(system_id: int, rows: Sequence[Row]) -> None:
    """read → record → plan → outbox → done, in the caller's transaction."""
    now = clock.now()
    steps: dict[int, work.Next] = {}
    troubles: dict[int, str] = {}
    stated: list[Stated] = []
    for row in rows:
        try:
            stated += _read(system_id, row)
        except Exception as error:  # noqa: BLE001  the work state machine: Malformed and our own faults alike become a state
            steps[row.id] = work.after(error, row.attempts, row.received_at, now)
            troubles[row.id] = "" if isinstance(error, Malformed | Refused) else traceback.format_exc()
    recorded = corridor.advance(system_id, stated, now)
    for row in rows:
        steps.setdefault(row.id, _outcome(row, recorded, now))
    _settle(system_id, steps, troubles)


def _read(system_id: int, row: Row) -> list[Stated]:
    reader = systems.connector(system_id).reads.get(row.topic)
    if reader is None:
        raise Refused(f"Nothing here reads messages of the kind “{row.topic}”.", reason="unknown_topic")
    facts = reader(Envelope(row.topic, row.body, row.received_at, row.asked_at))
    return [Stated(Cause("message", row.id), fact) for fact in facts]


def _outcome(row: Row, recorded: Recorded, now: datetime) -> work.Next:
    cause = Cause("message", row.id)
    if cause in recorded.conflicts:
        return work.Next("parked", now, "conflict", recorded.conflicts[cause])
    if cause in recorded.missing:
        key = recorded.missing[cause]
        return work.after(Missing(f"{_thing(key)} is not known here.", key=key), row.attempts, row.received_at, now)
    return work.Next("done", now)


def _thing(key: str) -> str:
    entity, _, name = key.partition(":")
    return f"{entity.replace('_', ' ').capitalize()} “{name}”"


def _settle(system_id: int, steps: dict[int, work.Next], troubles: dict[int, str]) -> None:
    """Give messages their next states, and open or close their exceptions. They leave their batch: one that waits can be claimed again."""
    steps = _once(steps)
    columns = {
        "id": "bigint", "batch_id": "bigint", "state": "text", "not_before": "timestamptz", "waits_for": "text", "reason": "text",
        "words": "text", "trouble": "text", "done_at": "timestamptz", "attempts": "integer",
    }  # fmt: skip
    rows = [
        (
            id,
            None,
            s.state,
            s.not_before,
            s.waits_for,
            s.reason,
            s.words,
            troubles.get(id, ""),
            s.not_before if s.state == "done" else None,
            0,  # the try came back: only tries that took their worker along are counted
        )
        for id, s in sorted(steps.items())
    ]
    sql.update("sync_message", columns, rows)
    parked = {id: s for id, s in steps.items() if s.state == "parked"}
    cases.open_all(
        cases.Opening("message", id, system_id, None, "intake", "read" if s.reason == "malformed" else "record", s.reason,
                      _detail(s), s.words)
        for id, s in parked.items()
    )  # fmt: skip
    settled = [id for id, s in steps.items() if s.state == "done"]
    cases.close("message", settled)


#: We look again and again at what we do not know for sure. What nobody can read of it is parked once, and not at every look.
_SAID_BEFORE = """SELECT n.id, min(o.id) FROM unnest(%s::bigint[], %s::text[]) v(id, words)
    JOIN sync_message n ON n.id = v.id AND n.door = 'look'
    JOIN sync_message o ON o.state = 'parked' AND o.door = 'look' AND o.system_id = n.system_id AND o.topic = n.topic
      AND o.words = v.words AND o.id < n.id
  GROUP BY n.id"""


def _once(steps: dict[int, work.Next]) -> dict[int, work.Next]:
    """The steps, but that a look which says in vain what an earlier one said is done: that one is parked and has the exception."""
    parked = {id: s.words for id, s in steps.items() if s.state == "parked"}
    if not parked:
        return steps
    now = clock.now()
    said = sql.fetch(_SAID_BEFORE, (list(parked), list(parked.values())))
    return {
        **steps,
        **{id: work.Next("done", now, "", f"The same as in message {first}, which is parked.") for id, first in said},
    }


def _detail(step: work.Next) -> str:
    return step.words.splitlines()[0][:300] if step.words else ""
