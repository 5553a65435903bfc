"""An answer that comes while the sweep finds it overdue: no exception stays open for what was answered, whoever comes first."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from canonical.facts import Posted, RequestAnswered
from canonical.models import FulfilmentRequest
from retailsync.partners import asks
from retailsync.partners.models import Ask
from retailsync.sync import clock
from retailsync.sync.models import Case
from tests.facts import NOON, line, order
from tests.sync.side_by_side import Gate, Worker, blocked
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """One request that nobody told yet."""
    monkeypatch.setattr("retailsync.sync.bell.ring", lambda task, system: None)
    made = make_world()
    made.stock("MUG")
    made.tell(order(lines=(line(),)))
    return made


def take(world: World) -> None:
    """The partner took it four weeks ago."""
    request = FulfilmentRequest.objects.get()
    taken: dict[str, Any] = {"kind": "fulfilment_request", "subject_kind": "fulfilment_request", "state": "sent"}
    fact = Posted(occurred_at=NOON - timedelta(days=28), subject_id=request.pk, order_id=request.order_id, **taken)
    world.tell(fact, source=world.partners["W1"])


def answer(world: World) -> None:
    fact = RequestAnswered(occurred_at=NOON, request=FulfilmentRequest.objects.get().reference, answer="accepted")
    world.tell(fact, source=world.partners["W1"])


def state() -> tuple[bool, int]:
    """Whether it is answered, and how many exceptions are open."""
    return Ask.objects.get().answered_at is not None, Case.objects.filter(closed_at=None).count()


def test_an_answer_waits_for_the_sweep_and_closes_what_it_opened(world: World) -> None:
    take(world)
    gate = Gate()

    def sweep() -> None:
        with transaction.atomic():
            assert asks.raise_overdue(clock.now()) == 1
            gate.stop()

    sweeping = Worker(sweep)
    gate.reached()
    answering = Worker(lambda: answer(world))
    assert blocked(answering)
    gate.open()
    sweeping.result(), answering.result()
    assert state() == (True, 0) and Case.objects.count() == 1


def test_a_receipt_waits_for_the_answer_that_is_being_recorded_and_finds_it(world: World) -> None:
    gate = Gate()

    def hear() -> None:
        with transaction.atomic():
            answer(world)
            gate.stop()

    hearing = Worker(hear)
    gate.reached()
    telling = Worker(lambda: take(world))
    assert blocked(telling)
    gate.open()
    hearing.result(), telling.result()
    assert state() == (True, 0)


def test_the_sweep_passes_over_what_is_being_answered(world: World) -> None:
    take(world)
    gate = Gate()

    def hear() -> None:
        with transaction.atomic():
            answer(world)
            gate.stop()

    hearing = Worker(hear)
    gate.reached()
    assert Worker(lambda: asks.raise_overdue(clock.now())).result() == 0
    gate.open()
    hearing.result()
    assert asks.raise_overdue(clock.now()) == 0 and state() == (True, 0) and not Case.objects.exists()


def test_two_sweeps_open_one_exception(world: World) -> None:
    take(world)
    gate = Gate()

    def sweep() -> int:
        with transaction.atomic():
            found = asks.raise_overdue(clock.now())
            gate.stop()
            return found

    first = Worker(sweep)
    gate.reached()
    assert Worker(lambda: asks.raise_overdue(clock.now())).result() == 0
    gate.open()
    assert first.result() == 1 and state() == (False, 1)
