"""The tallies say what the corridor's rows say, however often and late they are reckoned, and read only what is recent."""

from datetime import UTC, datetime, timedelta

import pytest

from canonical import sql
from canonical.models import System
from retailsync import settings
from retailsync.sync import pulse, tasks, workflows
from retailsync.sync.models import Command
from tests.sync.conftest import Scene
from tests.world import rows

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, 3, tzinfo=UTC)
FIGURES = "SELECT workflow, came, handled, in_time, parked, p50, p95, exchanges, failed FROM sync_pulse WHERE bucket = %s ORDER BY 1"


def heard(system: System, at: datetime, took: float | None = 1.0) -> None:
    """A message that arrived then, and was done so many seconds later."""
    done = None if took is None else at + timedelta(seconds=took)
    sql.fetch(
        "INSERT INTO sync_message (system_id, topic, dedup_key, door, body, state, received_at, done_at)"
        " VALUES (%s, 'order.updated', uuid_send(gen_random_uuid()), 'webhook', '{}', %s, %s, %s)",
        (system.pk, "done" if done else "received", at, done),
    )


def told(system: System, at: datetime, took: float | None = 1.0, kind: str = "CreateOrder") -> int:
    """A command that was put out then, and confirmed so many seconds later."""
    settled = None if took is None else at + timedelta(seconds=took)
    command = Command.objects.create(
        system=system, kind=kind, subject_kind="order", subject_key=f"{at}{took}", purpose=f"{kind}{at}{took}", payload={},
        state="confirmed" if settled else "parked", created_at=at, settled_at=settled, cause_kind="message", cause_id=1,
    )  # fmt: skip
    return command.pk


def exchanged(system: System, at: datetime, status: int | None = 200, *commands: int) -> None:
    """One request."""
    sql.fetch(
        "INSERT INTO sync_attempt (system_id, method, url, status, request, response, commands, error, started_at, seconds)"
        " VALUES (%s, 'GET', 'https://x.example.com', %s, '', '', %s, '', %s, 0.1)",
        (system.pk, status, list(commands), at),
    )


def parked(system: System, at: datetime, kind: str = "command", workflow: str = "shipments") -> None:
    """An exception opened then."""
    sql.fetch(
        "INSERT INTO sync_case (target_kind, target_id, system_id, workflow, stage, reason, detail, cause, words, who, opened_at)"
        " VALUES (%s, (random() * 1e9)::bigint, %s, %s, 'send', 'refused', '', '', '', 'back_office', %s)",
        (kind, system.pk, workflow, at),
    )


def test_what_five_minutes_say(scene: Scene) -> None:
    shop, erp = scene.world.shop, scene.world.erp
    for took in (1, 3, 200):
        heard(shop, NOON - timedelta(seconds=200), took)
    heard(shop, NOON, None)
    created = told(erp, NOON, 10)
    told(erp, NOON, 30)
    told(erp, NOON - timedelta(hours=2), 7200)
    told(shop, NOON, 20, "SendTracking")
    told(shop, NOON, None, "SendTracking")
    parked(shop, NOON)
    parked(shop, NOON, "hold")
    exchanged(erp, NOON, 200, created)
    exchanged(erp, NOON, 500, created)
    exchanged(shop, NOON, None)
    pulse.reckon(NOON + timedelta(minutes=1))
    assert rows(FIGURES, (pulse.floor(NOON),)) == [
        ("intake", 1, 1, 0, 0, 200.0, 200.0, 1, 1),
        ("order_to_fulfilment", 2, 3, 2, 0, 30.0, pytest.approx(6483.0), 2, 1),
        ("shipments", 2, 1, 1, 1, 20.0, 20.0, 0, 0),
    ]
    assert rows(FIGURES, (pulse.floor(NOON) - pulse.BUCKET,)) == [("intake", 3, 2, 2, 0, 2.0, pytest.approx(2.9), 0, 0)]


def test_again_and_again_nothing_counts_twice_and_what_came_late_counts(scene: Scene) -> None:
    for minutes in (0, 6, 11):
        heard(scene.world.shop, NOON - timedelta(minutes=minutes))
    pulse.reckon(NOON)
    before = rows("SELECT bucket, came FROM sync_pulse ORDER BY 1")
    pulse.reckon(NOON)
    assert rows("SELECT bucket, came FROM sync_pulse ORDER BY 1") == before and [n for _, n in before] == [1, 1, 1]
    heard(scene.world.shop, NOON - timedelta(minutes=11))
    pulse.reckon(NOON + timedelta(seconds=60))
    assert rows("SELECT came FROM sync_pulse ORDER BY bucket") == [(2,), (1,), (1,)]


def test_a_pause_of_the_worker_leaves_no_gap_and_eight_days_are_kept(scene: Scene) -> None:
    heard(scene.world.shop, NOON)
    pulse.reckon(NOON)
    heard(scene.world.shop, NOON + timedelta(minutes=30))
    pulse.reckon(NOON + timedelta(hours=3))
    assert rows("SELECT bucket, came FROM sync_pulse ORDER BY 1") == [
        (pulse.floor(NOON), 1), (pulse.floor(NOON) + timedelta(minutes=30), 1),
    ]  # fmt: skip
    pulse.reckon(NOON + pulse.KEPT + timedelta(minutes=10))
    assert rows("SELECT bucket FROM sync_pulse") == [(pulse.floor(NOON) + timedelta(minutes=30),)]


def test_every_kind_of_command_has_a_promise() -> None:
    assert {w.name for w in workflows.OF_KIND.values()} | {"intake"} == set(workflows.WORKFLOWS)


def test_beat_asks_for_it(scene: Scene) -> None:
    heard(scene.world.shop, datetime.now(UTC))
    tasks.reckon_pulse()
    assert rows("SELECT came FROM sync_pulse") == [(1,)]
    assert settings.CELERY_BEAT_SCHEDULE["pulse"]["task"] == tasks.reckon_pulse.name
    assert settings.CELERY_TASK_ROUTES[tasks.reckon_pulse.name] == {"queue": "sweep"}
