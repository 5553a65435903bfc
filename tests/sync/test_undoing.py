"""Edits and cancellations against senders that claim at the same moment: one outcome, whoever comes first."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from retailsync.sync import clock, corridor, outbox
from tests.facts import order
from tests.sync.side_by_side import Gate, Worker, blocked
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    """An order of which nothing has left."""
    made = make_world()
    made.stock("MUG")
    made.tell(order())
    return made


def stopping_at(gate: Gate, function: Callable[..., Any]) -> Callable[..., Any]:
    def do(*args: Any) -> Any:
        gate.stop()
        return function(*args)

    return do


def notes(world: World) -> list[str]:
    """What leaves for the warehouse now."""
    return [getattr(c.command, "note", "") for c in outbox.claim(world.partners["W1"].pk, 10, 60, clock.now())[1]]


def test_what_is_planned_to_take_an_edit_over_does_not_leave_without_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock in gathering the request left between plan and fold, and nobody asked the warehouse for the edit."""
    gate = Gate()
    monkeypatch.setattr(corridor.outbox, "put", stopping_at(gate, outbox.put))
    edit = Worker(lambda: world.tell(order(version=2, note="Ring twice.")))
    gate.reached()
    assert notes(world) == []
    gate.open()
    edit.result()
    assert notes(world) == ["Ring twice."]


def test_a_request_that_is_claimed_meanwhile_is_cancelled_and_not_undone(world: World) -> None:
    """The sender holds the row when the cancellation comes: that waits, and finds it gone."""
    gate = Gate()

    def claim() -> int:
        with transaction.atomic():
            count = len(outbox.claim(world.partners["W1"].pk, 10, 60, clock.now())[1])
            gate.stop()
        return count

    sender = Worker(claim)
    gate.reached()
    cancel = Worker(lambda: world.tell(order(version=2, status="cancelled")))
    assert blocked(cancel)
    gate.open()
    assert sender.result() == 1
    cancel.result()
    assert rows("SELECT kind, state FROM sync_command WHERE system_id = %s ORDER BY id", world.partners["W1"].pk) == [
        ("RequestFulfilment", "sending"), ("ChangeRequest", "waiting")
    ]  # fmt: skip


def test_a_request_that_is_undone_meanwhile_is_not_claimed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(corridor.cases, "follow_holds", stopping_at(gate, corridor.cases.follow_holds))
    cancel = Worker(lambda: world.tell(order(version=2, status="cancelled")))
    gate.reached()
    assert notes(world) == []
    gate.open()
    cancel.result()
    assert notes(world) == []
    assert rows("SELECT answer FROM canonical_fulfilmentrequest") == [("closed",)]
