"""Errors decide what becomes of a row: a table, no database."""

from datetime import timedelta

import psycopg2
import pytest
import redis
from django.db.utils import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from connectors.base import Malformed
from connectors.errors import Misconfigured, Missing, Refused, Retry
from retailsync.celery import app
from retailsync.console import tasks as console_tasks
from retailsync.settings import CELERY_TASK_ROUTES
from retailsync.sync import bell, tasks, transient, work
from tests.facts import NOON


@pytest.mark.parametrize(
    ("error", "tries", "state", "reason", "doubtful", "burns"),
    [
        (Retry("busy"), 0, "waiting", "", False, True),
        (Retry("lost", unknown=True), 0, "waiting", "", True, True),
        (Retry("down", down=True), 99, "waiting", "", False, False),
        (Retry("busy"), work.TRIES - 1, "parked", "retries_exhausted", False, True),
        (Refused("no", reason="tax_mapping"), 0, "parked", "tax_mapping", False, True),
        (Misconfigured("key"), 0, "waiting", "", False, True),
        (Misconfigured("key"), work.MISCONFIGURED - 1, "parked", "misconfigured", False, True),
        (Malformed("field x"), 0, "parked", "malformed", False, True),
        (ZeroDivisionError("oops"), 0, "parked", "bug", True, True),
    ],
)
def test_an_error_decides_the_next_state(
    error: Exception, tries: int, state: str, reason: str, doubtful: bool, burns: bool
) -> None:
    step = work.after(error, tries, NOON, NOON)
    assert (step.state, step.reason, step.doubtful, step.burns) == (state, reason, doubtful, burns)


@pytest.mark.parametrize("error", [Retry("busy"), Misconfigured("key")])
def test_no_try_counts_while_the_whole_system_is_in_trouble(error: Exception) -> None:
    step = work.after(error, 99, NOON, NOON, tripped=True)
    assert (step.state, step.burns) == ("waiting", False)


def test_what_is_missing_waits_and_is_looked_for_again_until_its_bound() -> None:
    error = Missing("SKU “A” is not known.", key="sku:1@2")
    early = work.after(error, 0, NOON, NOON + work.MISSING_BOUND)
    assert (early.state, early.waits_for, early.not_before) == (
        "waiting",
        "sku:1@2",
        NOON + work.MISSING_BOUND + work.RECHECK,
    )
    late = work.after(error, 0, NOON, NOON + work.MISSING_BOUND + timedelta(seconds=1))
    assert (late.state, late.reason) == ("parked", "missing")


def test_a_target_that_names_a_time_is_taken_at_its_word() -> None:
    assert work.after(Retry("429", after=77), 3, NOON, NOON).not_before == NOON + timedelta(seconds=77)


def test_backoff_doubles_with_jitter_and_ends_at_five_minutes() -> None:
    for tries, most in ((0, 1), (1, 2), (5, 32), (9, 300), (10_000, 300)):
        waits = {work.backoff(tries) for _ in range(50)}
        assert most / 2 <= min(waits) <= max(waits) <= most
        assert len(waits) > 1


# ---- passing errors ---------------------------------------------------------------------------------------------------------
class _Coded(psycopg2.Error):
    """An error of the driver with a code, which the real one sets in C."""

    pgcode: str | None = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("kind", "code", "passes"),
    [
        (OperationalError, "40P01", True),
        (OperationalError, "40001", True),
        (OperationalError, "57P01", True),
        (OperationalError, "08006", True),
        (OperationalError, None, True),
        (InterfaceError, None, True),
        (IntegrityError, "23505", True),
        (IntegrityError, "23503", False),
        (ProgrammingError, "42601", False),
        (ValueError, None, False),
    ],
)
def test_only_errors_that_say_nothing_about_the_work_pass(
    kind: type[Exception], code: str | None, passes: bool
) -> None:
    error, cause = kind("x"), _Coded()
    cause.pgcode = code
    error.__cause__ = cause
    assert transient.passes(error) is passes


# ---- the bell ---------------------------------------------------------------------------------------------------------------
class _Away:
    """A Redis that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    def set(self, *_: object, **__: object) -> None:
        self.asked += 1
        raise redis.ConnectionError("away")

    delete = set


@pytest.fixture
def real_bell(monkeypatch: pytest.MonkeyPatch) -> _Away:
    """The bell itself, with a Redis that is away."""
    monkeypatch.undo()  # the written-down bell of the other tests
    away = _Away()
    monkeypatch.setattr(bell, "_client", away)
    monkeypatch.setitem(bell._state, "silent_until", 0.0)
    return away


def test_a_bell_that_fails_raises_nothing_and_is_left_alone_for_a_while(real_bell: _Away) -> None:
    for _ in range(5):
        bell.ring("sync.drain_inbox", 1)
    assert real_bell.asked == 1
    bell.answered("sync.drain_inbox", 1)
    assert real_bell.asked == 2


# ---- Celery -----------------------------------------------------------------------------------------------------------------
assert console_tasks.replay.name in app.tasks  # the console brings one, too
OURS = sorted(name for name in app.tasks if name.startswith("sync."))


def test_a_bell_carries_one_id_and_nothing_else(monkeypatch: pytest.MonkeyPatch, real_bell: _Away) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(real_bell, "set", lambda *a, **k: True)
    monkeypatch.setattr(app, "send_task", lambda *a, **k: sent.append((*a, k)))
    bell.ring("sync.drain_inbox", 7)
    assert sent == [("sync.drain_inbox", (7,), {"retry": False})]


def test_every_task_takes_ids_only_and_has_its_queue() -> None:
    assert {"sync.drain_inbox", "sync.drain_outbox", "sync.poll", "sync.sweep", "sync.replay"} <= set(OURS)
    for name in OURS:
        kinds = {k: v for k, v in app.tasks[name].run.__annotations__.items() if k != "return"}
        assert set(kinds.values()) <= {int, list[int], str}, name
        assert name in CELERY_TASK_ROUTES
    assert tasks.drain_outbox.name in OURS


def test_a_task_is_acknowledged_late_and_given_back_when_its_worker_dies() -> None:
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost, app.conf.task_ignore_result) == (
        True,
        True,
        True,
    )
    assert len({CELERY_TASK_ROUTES[name]["queue"] for name in OURS}) > 3
