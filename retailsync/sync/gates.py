"""May we speak with this system now? Pause, circuit and rate limit, as columns of one row per system."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from canonical import sql
from connectors.errors import Misconfigured, Retry
from retailsync.sync import cases

TRIP = 3  # failures in a row that open the circuit
_LONGEST = 300.0
_BURST = 2.0  # seconds of allowance a rate limit may save up


_GATE = """SELECT s.mode, s.rate_limit, g.failures, g.open_until, g.paused_until
    FROM sync_gate g JOIN canonical_system s ON s.id = g.system_id WHERE g.system_id = %s"""


def allow(system_id: int, wanted: int, now: datetime) -> int:
    """How many commands may go out now, at most `wanted`. After failures one goes first, as a probe. Takes them off the allowance."""
    if not (rows := sql.fetch(_GATE, (system_id,))):
        sql.fetch("INSERT INTO sync_gate (system_id) VALUES (%s) ON CONFLICT DO NOTHING", (system_id,))
        rows = sql.fetch(_GATE, (system_id,))
    ((mode, rate, failures, *until),) = rows
    if _shut(mode, until, now):
        return 0
    count = 1 if failures >= TRIP else wanted
    return _rationed(system_id, count, rate, now) if rate else count


def shut(system_id: int, now: datetime) -> bool:
    """Whether nothing may go out for a while, which is not worth waiting for; a used-up allowance is. Takes nothing."""
    return any(_shut(mode, until, now) for mode, _, _, *until in sql.fetch(_GATE, (system_id,)))


def _shut(mode: str, until: Sequence[datetime | None], now: datetime) -> bool:
    return mode != "live" or any(moment and moment > now for moment in until)


def _rationed(system_id: int, wanted: int, rate: float, now: datetime) -> int:
    """Take at most so many off the allowance, under its lock: only a system with a rate limit costs a commit for being asked about."""
    with transaction.atomic():
        ((allowance, at),) = sql.fetch(
            "SELECT allowance, allowance_at FROM sync_gate WHERE system_id = %s FOR UPDATE", (system_id,)
        )
        most = max(1.0, rate * _BURST)
        saved = most if at is None else min(most, allowance + rate * max(0.0, (now - at).total_seconds()))
        count = min(wanted, int(saved))
        sql.fetch(
            "UPDATE sync_gate SET allowance = %s, allowance_at = %s WHERE system_id = %s",
            (saved - count, now, system_id),
        )
        return count


def spare(system_id: int, count: int) -> None:
    """Put back what was allowed and not used."""
    if count > 0:
        sql.fetch(
            "UPDATE sync_gate SET allowance = allowance + %s WHERE system_id = %s AND allowance_at IS NOT NULL",
            (count, system_id),
        )


def passed(system_id: int, now: datetime) -> None:
    """The system answered: close the circuit, and the exception with it. A pause it asked for goes on."""
    was = sql.fetch(
        "UPDATE sync_gate g SET failures = 0, open_until = NULL, last_ok_at = %s, words = ''"
        " FROM (SELECT failures FROM sync_gate WHERE system_id = %s FOR UPDATE) o WHERE g.system_id = %s RETURNING o.failures",
        (now, system_id, system_id),
    )
    if was and was[0][0] > 0:
        cases.close("system", [system_id])


def tripped(system_id: int) -> bool:
    """Whether the system as a whole is in trouble: then a failed try says nothing about the command that was tried."""
    rows = sql.fetch("SELECT failures FROM sync_gate WHERE system_id = %s", (system_id,))
    return bool(rows) and rows[0][0] >= TRIP


def pause(system_id: int, seconds: float, now: datetime) -> None:
    """The system asked us to wait."""
    sql.fetch(
        "UPDATE sync_gate SET paused_until = greatest(paused_until, %s) WHERE system_id = %s",
        (now + timedelta(seconds=seconds), system_id),
    )


def unserved(system_id: int, error: Retry | Misconfigured, now: datetime) -> None:
    """A call ended in trouble of the system, not of what was asked: wait as long as it wants us to, and count the failure."""
    if isinstance(error, Retry) and error.after:
        pause(system_id, error.after, now)
    if isinstance(error, Misconfigured):
        failed(system_id, now, error.words, "locked_out", whole=True)
    else:
        failed(system_id, now, error.words, "unreachable", whole=error.down)


def failed(system_id: int, now: datetime, words: str, reason: str, *, whole: bool) -> None:
    """A call was not served. `whole` = by its nature the whole system's trouble (unreachable, not accepted): nothing is sent for a
    while at once. Otherwise, and for the exception, only the third failure in a row counts as one."""
    sql.fetch("INSERT INTO sync_gate (system_id) VALUES (%s) ON CONFLICT DO NOTHING", (system_id,))
    ((failures,),) = sql.fetch(
        "UPDATE sync_gate SET failures = failures + 1, words = %s WHERE system_id = %s RETURNING failures",
        (words, system_id),
    )
    if whole or failures >= TRIP:
        seconds = min(_LONGEST, 2.0 ** min(failures, 20)) * random.uniform(0.5, 1.0)
        sql.fetch(
            "UPDATE sync_gate SET open_until = %s WHERE system_id = %s", (now + timedelta(seconds=seconds), system_id)
        )
    if failures >= TRIP:
        cases.open_all([cases.Opening("system", system_id, system_id, None, "connection", "send", reason, "", words)])


def reset(system_id: int) -> None:
    """A person says: try again now."""
    sql.fetch(
        "UPDATE sync_gate SET failures = 0, open_until = NULL, paused_until = NULL, words = '' WHERE system_id = %s",
        (system_id,),
    )
