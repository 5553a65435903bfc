"""Tallies for the first page: the newest buckets are reckoned anew from the corridor's rows each minute. Reads what is recent by indexes
that cost the corridor nothing, locks none of its rows, and is wrong about nothing for long: a row that came late is counted the next time.
"""

from datetime import datetime, timedelta

from canonical import sql
from retailsync.sync import workflows

BUCKET = timedelta(minutes=5)
AGAIN = 2 * BUCKET  # whole buckets before this one that are reckoned once more
LONGEST = timedelta(days=1)  # reckoned at once after nothing was for a while
KEPT = timedelta(days=8)

# The kind of an exchange's command is looked up by its id: joined, the planner might read all commands.
_RECKON = """
WITH kinds AS (SELECT * FROM unnest(%(kinds)s::text[], %(workflows)s::text[], %(levels)s::float8[]) k(kind, workflow, promised)),
parts AS (
  SELECT date_bin('5 minutes', received_at, 'epoch') AS bucket, 'intake' AS workflow, system_id,
    count(*) AS came, 0 AS handled, 0 AS in_time, 0 AS parked, NULL::float8 AS p50, NULL::float8 AS p95, 0 AS exchanges, 0 AS failed
  FROM sync_message WHERE received_at >= %(since)s GROUP BY 1, 3
  UNION ALL
  SELECT date_bin('5 minutes', done_at, 'epoch'), 'intake', system_id,
    0, count(*), count(*) FILTER (WHERE took <= %(intake)s), 0,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY took), percentile_cont(0.95) WITHIN GROUP (ORDER BY took), 0, 0
  FROM (SELECT done_at, system_id, extract(epoch FROM done_at - received_at)::float8 AS took
    FROM sync_message WHERE done_at >= %(since)s AND state = 'done') m GROUP BY 1, 3
  UNION ALL
  SELECT date_bin('5 minutes', c.created_at, 'epoch'), k.workflow, c.system_id, count(*), 0, 0, 0, NULL, NULL, 0, 0
  FROM sync_command c JOIN kinds k USING (kind) WHERE c.created_at >= %(since)s GROUP BY 1, 2, 3
  UNION ALL
  SELECT date_bin('5 minutes', c.settled_at, 'epoch'), c.workflow, c.system_id,
    0, count(*), count(*) FILTER (WHERE took <= promised), 0,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY took), percentile_cont(0.95) WITHIN GROUP (ORDER BY took), 0, 0
  FROM (SELECT settled_at, system_id, workflow, promised, extract(epoch FROM settled_at - created_at)::float8 AS took
    FROM sync_command JOIN kinds USING (kind) WHERE settled_at >= %(since)s AND state = 'confirmed') c GROUP BY 1, 2, 3
  UNION ALL
  SELECT date_bin('5 minutes', opened_at, 'epoch'), workflow, system_id, 0, 0, 0, count(*), NULL, NULL, 0, 0
  FROM sync_case WHERE opened_at >= %(since)s AND target_kind IN ('message', 'command') AND system_id IS NOT NULL GROUP BY 1, 2, 3
  UNION ALL
  SELECT a.bucket, coalesce(k.workflow, 'intake'), a.system_id, 0, 0, 0, 0, NULL, NULL, count(*), count(*) FILTER (WHERE bad)
  FROM (SELECT date_bin('5 minutes', started_at, 'epoch') AS bucket, system_id, status IS NULL OR status >= 400 AS bad,
      (SELECT kind FROM sync_command WHERE id = commands[1]) AS kind
    FROM sync_attempt WHERE started_at >= %(since)s) a LEFT JOIN kinds k USING (kind) GROUP BY 1, 2, 3)
INSERT INTO sync_pulse (bucket, workflow, system_id, came, handled, in_time, parked, p50, p95, exchanges, failed)
SELECT bucket, workflow, system_id, sum(came), sum(handled), sum(in_time), sum(parked), max(p50), max(p95), sum(exchanges), sum(failed)
FROM parts GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (bucket, workflow, system_id) DO UPDATE SET came = excluded.came, handled = excluded.handled, in_time = excluded.in_time,
  parked = excluded.parked, p50 = excluded.p50, p95 = excluded.p95, exchanges = excluded.exchanges, failed = excluded.failed
"""


def reckon(now: datetime) -> None:
    """Reckon the newest buckets, and those missed since somebody last did; drop the old ones."""
    sql.fetch(_RECKON, _params(_since(now)))
    sql.fetch("DELETE FROM sync_pulse WHERE bucket < %s", (now - KEPT,))
    sql.fetch(
        "INSERT INTO sync_pulserun (id, at) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET at = excluded.at", (now,)
    )


def reckoned() -> datetime | None:
    """When somebody last did; None: nobody ever."""
    return next((at for (at,) in sql.fetch("SELECT at FROM sync_pulserun")), None)


def floor(at: datetime) -> datetime:
    """When the bucket of a moment began."""
    return at - timedelta(seconds=at.timestamp() % BUCKET.total_seconds())


def _params(since: datetime) -> dict[str, object]:
    kinds, names, levels = workflows.table()
    intake = workflows.INTAKE.level.total_seconds()
    return {"since": since, "intake": intake, "kinds": kinds, "workflows": names, "levels": levels}


def _since(now: datetime) -> datetime:
    """The first bucket to reckon: the one before the last two, or where the last reckoning ended."""
    ((last,),) = sql.fetch("SELECT max(bucket) FROM sync_pulse WHERE bucket <= %s", (now,))
    recent = floor(now) - AGAIN
    return max(floor(now) - LONGEST, min(recent, last - AGAIN)) if last else floor(now) - LONGEST
