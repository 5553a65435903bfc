"""However much lies behind, the tallies read what is recent and the first page what stands, and they stand in nobody's way. Asks the
database for its plans, on many rows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from canonical import sql
from retailsync.sync import pulse
from tests.console.conftest import person
from tests.world import make_world, rows

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MANY = 250_000
#: A month of traffic; some of it waits for a person.
FILL = (
    "INSERT INTO sync_message (system_id, topic, dedup_key, door, body, state, received_at, done_at)"
    " SELECT %(system)s, 't', int8send(n), 'poll', '{}', CASE WHEN n %% 50 = 0 THEN 'parked' ELSE 'done' END, at, at + interval '9 s'"
    " FROM moments",
    "INSERT INTO sync_command (system_id, kind, subject_kind, subject_key, purpose, level, stoppable, payload, state, cause_kind,"
    " cause_id, created_at, settled_at) SELECT %(system)s, 'CreateOrder', 'order', n, n, false, true, '{}',"
    " CASE WHEN n %% 50 = 0 THEN 'parked' ELSE 'confirmed' END, 'message', n, at, at + interval '9 s' FROM moments",
    "INSERT INTO sync_attempt (system_id, method, url, status, request, response, commands, error, started_at, seconds)"
    " SELECT %(system)s, 'GET', '', 200, '', '', ARRAY[n], '', at, 0.1 FROM moments",
    "INSERT INTO sync_case (target_kind, target_id, system_id, workflow, stage, reason, detail, cause, words, who, opened_at, closed_at)"
    " SELECT 'command', n, %(system)s, 'shipments', 'send', 'refused', '', '', '', 'back_office', at,"
    " CASE WHEN n %% 10 > 0 THEN at END FROM moments",
)
_MOMENTS = (
    "WITH moments AS (SELECT n, %(now)s - (%(many)s - n) * interval '10 s' AS at FROM generate_series(1, %(many)s) n) "
)
_TABLES = ("sync_message", "sync_command", "sync_attempt", "sync_case")


@pytest.fixture
def boss(db: None) -> Client:
    return person("boss", superuser=True)


def fill(now: datetime) -> None:
    """Many rows of each kind, the newest of them a moment ago."""
    system = make_world().shop.pk
    for statement in FILL:
        given = {"system": system, "now": now, "many": MANY}
        head, _, tail = statement.partition(" SELECT ")
        sql.fetch(f"{head} {_MOMENTS} SELECT {tail}", given)
    for table in _TABLES:
        sql.fetch(f"ANALYZE {table}")


def scans(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, way of reading it) of a plan."""
    if "Relation Name" in node:
        yield node["Relation Name"], node["Node Type"]
    for child in node.get("Plans", ()):
        yield from scans(child)


def ways(statement: str) -> set[tuple[str, str]]:
    """How a statement reads the large tables."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        ((found,),) = cursor.fetchall()
    plan = json.loads(found) if isinstance(found, str) else found
    return {pair for pair in scans(plan[0]["Plan"]) if pair[0] in _TABLES}


def test_nothing_reads_a_large_table_as_a_whole(boss: Client) -> None:
    now = datetime.now(UTC)
    fill(now)
    with CaptureQueriesContext(connection) as caught:
        pulse.reckon(now)
        boss.get("/admin/?span=7d")
        boss.get("/admin/sync/message/?late=yes")
    stated = [q["sql"] for q in caught if q["sql"].lstrip().startswith(("WITH", "SELECT"))]
    seen = set().union(*map(ways, stated))
    assert {table for table, _ in seen} == set(_TABLES)
    assert {way for _, way in seen} <= {"Bitmap Heap Scan", "Index Scan", "Index Only Scan"}


def test_it_stands_in_nobodys_way(db: None) -> None:
    """Every lock it holds on the corridor's tables lets them be read and written."""
    make_world()
    pulse.reckon(datetime.now(UTC))
    held = rows("SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
                " WHERE l.pid = pg_backend_pid() AND c.relname = ANY(%s)", (["sync_message", "sync_attempt", "sync_case"],))  # fmt: skip
    assert held == [("AccessShareLock",)]
