"""Who is at work and what waits, for the page “Operate”. Reads only; a count goes no further than people read, and what is away says so."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError
from redis import RedisError

from canonical import sql
from retailsync.celery import app
from retailsync.console.schedules import task_word
from retailsync.console.systems import connection
from retailsync.sync import bell
from retailsync.sync.models import Gate, Lease, Pause
from retailsync.sync.pausing import WORKFLOWS

MOST = 1000  # waiting rows counted per system
ANSWERED = 1.0  # seconds workers have to answer
LATE = timedelta(minutes=10)  # the clock writes down what it rang only every few minutes
#: The work behind a lease, by what its name begins with.
WORK = {
    "send": "sending to it", "inbox": "reading what it said", "poll": "asking it for news", "webhooks": "looking after its webhooks",
    "publish": "writing its stock", "publish-run": "comparing its stock", "partner-webhook": "sending it events",
    "partner-ping": "trying its webhook",
}  # fmt: skip

# Only the index of waiting rows gives the order by system and id: without it, all that is settled would be read for a system that waits
# for nothing.
_SYSTEMS = f"""
SELECT s.id, s.name, s.mode, g.failures, g.open_until, g.paused_until, g.last_ok_at, coalesce(g.words, ''), m.count, c.count
FROM canonical_system s LEFT JOIN sync_gate g ON g.system_id = s.id
CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT 1 FROM sync_message
  WHERE system_id = ANY(ARRAY[s.id]) AND state = 'received' ORDER BY system_id, id LIMIT {MOST}) x) m
CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT 1 FROM sync_command
  WHERE system_id = ANY(ARRAY[s.id]) AND state = 'waiting' ORDER BY system_id, id LIMIT {MOST}) x) c
ORDER BY s.name
"""


# ---- systems and workflows --------------------------------------------------------------------------------------------------
def systems() -> list[dict[str, Any]]:
    """Every system: whether it may be spoken to, what waits, and who is at it."""
    held = leases()
    return [_system(held, *row) for row in sql.fetch(_SYSTEMS)]


def _system(
    held: dict[str, list[str]], id: int, name: str, mode: str, failures: int | None, *rest: Any
) -> dict[str, Any]:
    open_until, paused_until, ok, words, messages, commands = rest
    gate = (
        None
        if failures is None
        else Gate(failures=failures, open_until=open_until, paused_until=paused_until, last_ok_at=ok)
    )
    state, tone = connection(gate)
    return {
        "pk": id, "name": name, "paused": mode != "live", "state": state, "tone": tone, "ok": ok, "words": words,
        "messages": _many(messages), "commands": _many(commands), "work": held.get(str(id), []),
    }  # fmt: skip


def _many(count: int) -> str:
    return f"{MOST:,} or more" if count >= MOST else f"{count:,}"


def leases() -> dict[str, list[str]]:
    """System id → what is being done for it now; under the empty name what is done for all."""
    found: dict[str, list[str]] = {}
    for name in Lease.objects.filter(until__gt=timezone.now()).order_by("name").values_list("name", flat=True):
        work, _, rest = name.partition(":")
        system, _, feed = rest.partition(":")
        words = WORK.get(work, "reckoning stock" if work == "stock" else work)
        found.setdefault(system, []).append(f"{words} ({feed})" if feed else words)
    return found


def workflows() -> list[dict[str, Any]]:
    """Every workflow, and the pause it has."""
    paused = {row.workflow: row for row in Pause.objects.all()}
    return [{"name": name, "about": about, "pause": paused.get(name)} for name, about in WORKFLOWS.items()]


# ---- queues and workers -----------------------------------------------------------------------------------------------------
class Queue(NamedTuple):
    """One queue of tasks; `workers` is None where nobody was asked."""

    name: str
    waiting: int
    workers: list[str] | None


def queues(ask: bool) -> dict[str, Any]:
    """What waits in Redis, and, where `ask`, which workers answer within a second."""
    names = sorted({route["queue"] for route in settings.CELERY_TASK_ROUTES.values()})
    depths = bell.depths(names)
    if depths is None:
        return {"away": True}
    serving = _serving() if ask else {}
    rows = [Queue(name, depths[name], sorted(serving.get(name, [])) if ask else None) for name in names]
    return {"rows": rows, "in_hand": depths[""], "asked": ask, "silent": ask and not serving}


def _serving() -> dict[str, list[str]]:
    """Queue → the workers that take from it. One that is busy answers all the same: its main process does."""
    try:
        answers = app.control.inspect(timeout=ANSWERED).active_queues() or {}
    except (OSError, RedisError, OperationalError):  # Redis went away after it was asked for its depths
        return {}
    found: dict[str, list[str]] = {}
    for worker, taken in answers.items():
        for queue in taken:
            found.setdefault(queue["name"], []).append(worker)
    return found


# ---- the clock --------------------------------------------------------------------------------------------------------------
def clock(now: datetime) -> list[dict[str, Any]]:
    """Every schedule: when it last rang, and whether it should have since."""
    tasks = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked").order_by("name")
    return [{"task": t, "what": task_word(t.task), "late": t.enabled and late(t, now)} for t in tasks]


def late(task: PeriodicTask, now: datetime) -> bool:
    """Whether it was due for longer than the clock takes to write it down."""
    since = task.last_run_at or task.date_changed
    return since is not None and task.schedule.remaining_estimate(since) < -LATE and now - since > LATE
