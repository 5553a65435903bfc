"""Messages: batches that die, messages that fail, deadlocks, things missing. Docstrings say what was seen without the protection."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.utils import OperationalError

from canonical import sql
from canonical.facts import RequestAnswered
from canonical.ledger import Cause
from canonical.record import Stated
from connectors.base import Envelope
from retailsync.sync import clock, corridor, inbox, leases, tasks, transient
from retailsync.sync.leases import lease
from tests.facts import NOON, order
from tests.sync.conftest import Scene
from tests.sync.pretend import Killed, heard
from tests.sync.side_by_side import Gate, Worker, blocked, both, deadlocks_soon
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

STATES = "SELECT state, reason, alone, count(*) FROM sync_message GROUP BY 1, 2, 3 ORDER BY 1"


def _kill(*refs: str) -> Any:
    """A reader that kills its worker over the orders of these numbers."""

    def reading(envelope: Envelope) -> None:
        if any(f'"ref":"{ref}"'.encode() in envelope.body for ref in refs):
            raise Killed

    return reading


def test_one_delivery_said_twice_at_once_is_one_message(scene: Scene) -> None:
    """Without message_once_per_delivery (and with a plain INSERT) both were stored."""
    shop = scene.world.shop.pk
    said = both(*[lambda: inbox.receive(shop, [heard(order())], door="webhook")] * 2)
    assert sorted(said) == [[False], [True]]
    assert rows("SELECT count(*) FROM sync_message") == [(1,)]


def test_a_batch_is_committed_before_its_work_begins(scene: Scene) -> None:
    """With the claim inside the work's transaction no batch was there to see, and nothing told which messages killed the worker."""
    shop = scene.world.shop.pk
    inbox.receive(shop, [heard(order(str(n))) for n in range(3)], door="webhook")
    scene.shop.reading = _kill("1")
    with pytest.raises(Killed):
        inbox.drain(shop)
    ((ids,),) = rows("SELECT message_ids FROM sync_batch")
    assert [(i,) for i in ids] == rows("SELECT id FROM sync_message WHERE state = 'received' ORDER BY id")


def test_a_message_that_kills_its_worker_is_put_aside_and_its_neighbours_are_done(scene: Scene) -> None:
    """With `attempts` counted in the work's own transaction the message killed its worker for ever."""
    shop = scene.world.shop.pk
    inbox.receive(shop, [heard(order(str(n))) for n in range(4)], door="webhook")
    scene.shop.reading = _kill("2")
    deaths = 0
    for _ in range(12):
        try:
            inbox.drain(shop)
        except Killed:
            deaths += 1
    assert deaths == 1 + inbox.TRIES
    assert rows(STATES) == [("done", "", True, 3), ("parked", "poison", True, 1)]
    assert rows("SELECT target_kind, reason FROM sync_case WHERE closed_at IS NULL") == [("message", "poison")]
    assert rows("SELECT count(*) FROM sync_batch") == [(0,)]


def test_one_failing_message_does_not_harm_its_neighbours(scene: Scene) -> None:
    """Without `_singly` in work_batch the whole batch stayed undone."""
    shop = scene.world.shop.pk
    bad = order(
        "2", currency="no currency at all"
    )  # the column refuses it: an error of the database in the middle of the batch
    inbox.receive(shop, [heard(order("1")), heard(bad), heard(order("3"))], door="webhook")
    inbox.drain(shop)
    assert rows(STATES) == [("done", "", False, 2), ("parked", "bug", False, 1)]
    assert rows("SELECT external_id FROM canonical_order ORDER BY 1") == [("1",), ("3",)]
    ((trouble,),) = rows("SELECT trouble FROM sync_message WHERE state = 'parked'")
    assert "Traceback" in trouble


def test_a_message_nobody_can_read_does_not_even_repeat_the_batch(scene: Scene) -> None:
    shop = scene.world.shop.pk
    inbox.receive(shop, [heard(order("1"))], door="webhook")
    sql.fetch("UPDATE sync_message SET topic = 'weather'")
    inbox.receive(shop, [heard(order("2"))], door="webhook")
    inbox.drain(shop)
    assert rows(STATES) == [("done", "", False, 1), ("parked", "unknown_topic", False, 1)]


# ---- deadlocks --------------------------------------------------------------------------------------------------------------
def _deadlock(scene: Scene, monkeypatch: pytest.MonkeyPatch, do: Any) -> list[str]:
    """Run `do` (which restates orders 1 and 2, in this order) against a transaction that records 2 and then 1: a real deadlock, of
    which `do` is the victim. Returns the error codes it got over."""
    seen: list[str] = []
    passes = transient.passes

    def told(error: BaseException) -> bool:
        seen.append(getattr(error.__cause__, "pgcode", ""))
        return passes(error)

    monkeypatch.setattr(transient, "passes", told)
    gate, shop = Gate(), scene.world.shop.pk

    def crosswise() -> None:
        with transaction.atomic():
            sql.fetch("SET LOCAL deadlock_timeout = '30s'")  # so that the other one notices first
            for ref in ("2", "1"):
                corridor.advance(
                    shop, [Stated(Cause("message", 99), order(ref, version=5, note="crosswise"))], clock.now()
                )
                gate.stop()

    def victim() -> Any:
        deadlocks_soon()
        return do()

    other = Worker(crosswise)
    gate.reached()
    mine = Worker(victim)
    assert blocked(mine)
    gate.open()
    mine.result()
    other.result()
    return seen


def test_a_deadlock_repeats_the_batch_and_parks_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without "40" in transient._PASSING the batch fell apart into single messages."""
    shop, together, turns = scene.world.shop.pk, inbox._together, []
    scene.world.tell(order("1"), order("2"))
    monkeypatch.setattr(
        inbox, "_together", lambda system, ids, batch=None: (turns.append(len(ids)), together(system, ids, batch))
    )
    inbox.receive(shop, [heard(order(ref, version=9, note="restated")) for ref in ("1", "2")], door="webhook")
    assert _deadlock(scene, monkeypatch, lambda: inbox.drain(shop)) == ["40P01"]
    assert turns == [2, 2]
    assert rows(STATES) == [("done", "", False, 2)]
    assert rows("SELECT note, count(*) FROM canonical_order GROUP BY 1") == [("restated", 2)]


def test_a_deadlock_does_not_park_a_message_that_runs_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without "40" in transient._PASSING it was parked as our own fault."""
    shop = scene.world.shop.pk
    scene.world.tell(order("1"), order("2"))
    inbox.receive(shop, [heard(order("1", version=9), order("2", version=9))], door="webhook")
    sql.fetch("UPDATE sync_message SET alone = true")
    assert "40P01" in _deadlock(scene, monkeypatch, lambda: inbox.drain(shop))
    assert rows(STATES) == [("done", "", True, 1)]


def test_a_database_that_stays_away_counts_against_no_message(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that runs alone while every transaction fails in passing is not taken for poison."""
    shop, carry = scene.world.shop.pk, inbox._carry
    inbox.receive(shop, [heard(order())], door="webhook")
    sql.fetch("UPDATE sync_message SET alone = true")
    monkeypatch.setattr(transient.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(
        inbox, "_carry", lambda system, found: sql.fetch("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
    )
    for _ in range(inbox.TRIES + 2):
        with pytest.raises(OperationalError) as failed:
            inbox.drain(shop)
        assert transient.passes(failed.value)
    monkeypatch.setattr(inbox, "_carry", carry)
    inbox.drain(shop)
    assert rows(STATES) == [("done", "", True, 1)]


# ---- something missing ------------------------------------------------------------------------------------------------------
def _answer(reference: str) -> RequestAnswered:
    return RequestAnswered(occurred_at=NOON, request=reference, answer="accepted")


def test_a_message_waits_for_what_it_names_and_is_woken(scene: Scene, bells: list[tuple[str, int]]) -> None:
    partner = scene.world.partners["W1"].pk
    ((next_order,),) = rows("SELECT nextval(pg_get_serial_sequence('canonical_order', 'id'))")
    inbox.receive(partner, [heard(_answer(f"F{next_order + 1}-1"))], door="partner")
    inbox.drain(partner)
    assert rows("SELECT state, waits_for FROM sync_message") == [("waiting", f"fulfilment_request:F{next_order + 1}-1")]
    bells.clear()
    scene.world.tell(order())
    assert (inbox.TASK, partner) in bells
    inbox.drain(partner)
    assert rows("SELECT state FROM sync_message") == [("done",)]
    assert rows("SELECT answer FROM canonical_fulfilmentrequest") == [("accepted",)]


def test_a_wake_up_that_was_missed_is_made_good_by_looking_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request appears while the message's own transaction still says "not known": nobody is there to be woken. Without the
    re-check (RECHECK of a year) the message waited for ever."""
    partner, gate, settle = scene.world.partners["W1"].pk, Gate(), inbox._settle
    ((last,),) = rows("SELECT nextval(pg_get_serial_sequence('canonical_order', 'id'))")
    inbox.receive(partner, [heard(_answer(f"F{last + 1}-1"))], door="partner")
    monkeypatch.setattr(inbox, "_settle", lambda *given: (settle(*given), gate.stop()))
    looking = Worker(lambda: inbox.drain(partner))
    gate.reached()
    scene.world.tell(order())
    gate.open()
    looking.result()
    assert rows("SELECT state FROM sync_message") == [("waiting",)]
    ((due,),) = rows("SELECT not_before FROM sync_message")
    assert due < datetime.now(UTC) + timedelta(minutes=2)
    sql.fetch("UPDATE sync_message SET not_before = clock_timestamp() - interval '1 second'")
    tasks.sweep()
    inbox.drain(partner)
    assert rows("SELECT state FROM sync_message") == [("done",)]


def test_something_that_never_comes_is_told_to_a_person(scene: Scene) -> None:
    partner = scene.world.partners["W1"].pk
    inbox.receive(partner, [heard(_answer("F-never"))], door="partner")
    sql.fetch("UPDATE sync_message SET received_at = clock_timestamp() - interval '31 minutes'")
    inbox.drain(partner)
    assert rows("SELECT state, reason FROM sync_message") == [("parked", "missing")]
    assert rows("SELECT words FROM sync_case") == [("Fulfilment request “F-never” is not known here.",)]


@pytest.mark.parametrize("alone", [False, True])
def test_a_frozen_worker_that_wakes_late_does_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """The message was worked meanwhile. Without `state = 'received'` in inbox._rows the one that ran alone was read twice, without the
    batch there as well the other one too."""
    shop, gate, together, read = scene.world.shop.pk, Gate(), inbox._together, []
    scene.shop.reading = lambda envelope: read.append(envelope.body)
    inbox.receive(shop, [heard(order(total=Decimal("31")))], door="webhook")
    sql.fetch("UPDATE sync_message SET alone = %s", (alone,))
    monkeypatch.setattr(inbox, "_together", lambda *given: (gate.stop(), together(*given)))
    frozen = Worker(lambda: inbox.drain(shop))
    gate.reached()
    monkeypatch.setattr(inbox, "_together", together)
    sql.fetch("UPDATE sync_lease SET until = clock_timestamp() - interval '1 second'")
    assert inbox.drain(shop) == 1
    gate.open()
    frozen.result()
    assert len(read) == 1
    assert rows(STATES) == [("done", "", True, 1)]


def test_a_frozen_worker_leaves_a_buried_message_to_the_new_holder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was buried, and its message is still to be worked, alone. Without the batch in inbox._rows the frozen worker read it."""
    monkeypatch.setattr(leases, "SPARE", 0.0)  # only time ends a lease, and none passes here
    shop, gate, together, read = scene.world.shop.pk, Gate(), inbox._together, []
    scene.shop.reading = lambda envelope: read.append(envelope.body)
    inbox.receive(shop, [heard(order())], door="webhook")
    monkeypatch.setattr(inbox, "_together", lambda *given: (gate.stop(), together(*given)))
    frozen = Worker(lambda: inbox.drain(shop))
    gate.reached()
    sql.fetch("UPDATE sync_lease SET until = clock_timestamp() - interval '1 second'")
    with lease(f"inbox:{shop}", 30):
        inbox._bury(shop)
        gate.open()
        frozen.result()
    assert read == []
    assert rows(STATES) == [("received", "", True, 1)]
