"""Circuit, pause and rate limit are columns: two senders share them."""

from datetime import timedelta

import pytest
from django.db import transaction

from canonical import sql
from canonical.models import System
from retailsync.sync import clock, gates
from tests.facts import NOON
from tests.sync.conftest import Scene
from tests.sync.side_by_side import Gate, Worker, blocked
from tests.world import make_world, rows

pytestmark = pytest.mark.django_db(transaction=True)


def _system(rate: float | None = None) -> int:
    shop = make_world().shop
    System.objects.filter(pk=shop.pk).update(rate_limit=rate)
    gates.allow(shop.pk, 0, NOON - timedelta(hours=1))
    return shop.pk


def test_two_senders_share_one_allowance() -> None:
    """Without FOR UPDATE in gates.allow both read the same allowance: 30 commands went out where 20 were allowed."""
    system, gate = _system(rate=10), Gate()

    def hold() -> None:
        with transaction.atomic():
            sql.fetch("SELECT 1 FROM sync_gate FOR UPDATE")
            gate.stop()

    holder = Worker(hold)
    gate.reached()
    senders = [Worker(lambda: gates.allow(system, 15, NOON)) for _ in range(2)]
    assert blocked(senders[0])
    assert blocked(senders[1])
    gate.open()
    holder.result()
    assert sum(s.result() for s in senders) == 20


def test_the_allowance_fills_again_with_time() -> None:
    system = _system(rate=10)
    assert gates.allow(system, 100, NOON) == 20
    assert gates.allow(system, 100, NOON) == 0
    assert gates.allow(system, 100, NOON + timedelta(seconds=1)) == 10
    assert gates.allow(system, 100, NOON + timedelta(hours=1)) == 20


def test_a_rate_below_one_in_two_seconds_still_lets_one_through() -> None:
    """A burst of less than one command never let anything out."""
    system = _system(rate=0.1)
    assert gates.allow(system, 5, NOON) == 1
    assert gates.allow(system, 5, NOON + timedelta(seconds=5)) == 0
    assert gates.allow(system, 5, NOON + timedelta(seconds=11)) == 1


def test_what_was_allowed_and_not_used_is_not_lost(scene: Scene) -> None:
    """A drain that finds nothing to send leaves the allowance for the next one."""
    from retailsync.sync import sending

    erp = scene.world.erp
    System.objects.filter(pk=erp.pk).update(rate_limit=1)
    sending.drain(erp.pk)
    assert gates.allow(erp.pk, 1, clock.now()) == 1


def test_two_failures_at_once_count_as_two() -> None:
    """Read and written in one statement. Read first and written later, one was lost and the circuit opened late."""
    system, gate = _system(), Gate()

    def fail() -> None:
        with transaction.atomic():
            gates.failed(system, NOON, "down", "unreachable", whole=True)
            gate.stop()

    one = Worker(fail)
    gate.reached()
    two = Worker(lambda: gates.failed(system, NOON, "down", "unreachable", whole=True))
    assert blocked(two)
    gate.open()
    one.result()
    two.result()
    assert rows("SELECT failures FROM sync_gate") == [(2,)]


def test_the_third_failure_opens_the_circuit_and_one_exception() -> None:
    """Without case_one_open_per_target (and with a plain INSERT) three exceptions were open."""
    system = _system()
    for _ in range(5):
        gates.failed(system, NOON, "It does not answer.", "unreachable", whole=True)
    assert gates.allow(system, 10, NOON) == 0
    assert rows("SELECT reason, words FROM sync_case WHERE closed_at IS NULL") == [
        ("unreachable", "It does not answer.")
    ]
    assert gates.allow(system, 10, NOON + timedelta(hours=1)) == 1  # a probe
    gates.passed(system, NOON)
    assert gates.allow(system, 10, NOON) == 10
    assert rows("SELECT count(*) FROM sync_case WHERE closed_at IS NULL") == [(0,)]


def test_a_pause_the_system_asked_for_is_kept_to_the_second() -> None:
    system = _system()
    gates.allow(system, 1, NOON)
    gates.pause(system, 120, NOON)
    assert gates.allow(system, 1, NOON + timedelta(seconds=119)) == 0
    assert gates.allow(system, 1, NOON + timedelta(seconds=121)) == 1


def test_an_answer_does_not_end_the_pause_the_system_asked_for() -> None:
    """An answer to what was already under way used to wipe the pause."""
    system = _system()
    gates.allow(system, 1, NOON)
    gates.pause(system, 120, NOON)
    gates.passed(system, NOON)
    assert gates.allow(system, 1, NOON + timedelta(seconds=119)) == 0


def test_one_bad_answer_stops_nobody_else() -> None:
    """Only what concerns the whole system by its nature closes the gate before the third time."""
    system = _system()
    gates.allow(system, 1, NOON)
    gates.failed(system, NOON, "500 for one order", "unreachable", whole=False)
    assert gates.allow(system, 10, NOON) == 10


def test_years_of_failures_overflow_nothing() -> None:
    system = _system()
    gates.allow(system, 1, NOON)
    rows("UPDATE sync_gate SET failures = 5000 RETURNING 1")
    gates.failed(system, NOON, "down", "unreachable", whole=True)
    assert gates.allow(system, 1, NOON + timedelta(seconds=301)) == 1


def test_a_paused_system_is_not_spoken_to() -> None:
    system = _system()
    System.objects.filter(pk=system).update(mode="paused")
    assert gates.allow(system, 10, NOON) == 0


def test_a_person_may_reset_it() -> None:
    system = _system()
    gates.allow(system, 1, NOON)
    gates.pause(system, 120, NOON)
    gates.reset(system)
    assert gates.allow(system, 10, NOON) == 10
