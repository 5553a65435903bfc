"""One bad message harms none of its neighbours: it is put aside with words, and goes on once its cause is gone."""

from collections.abc import Callable, Sequence

import pytest

from canonical.facts import Fact
from connectors.base import Envelope, Heard
from connectors.woocommerce.reading import READS
from retailsync.sync import inbox
from retailsync.sync.release import release
from tests.journeys.stage import Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

PARKED = "SELECT reason, words, trouble <> '' FROM sync_message WHERE state = 'parked' ORDER BY id"
STATES = "SELECT state, count(*) FROM sync_message WHERE door = 'webhook' GROUP BY 1 ORDER BY 1"


class Killed(BaseException):
    """The worker's process is gone: nothing of ours runs after this."""


def stumble(monkeypatch: pytest.MonkeyPatch, over: int, error: BaseException) -> None:
    """Reading this order's updates goes wrong."""
    read: Callable[[Envelope], Sequence[Fact]] = READS["order.updated"]

    def broken(envelope: Envelope) -> Sequence[Fact]:
        if b'"id":%d,"parent_id"' % over in envelope.body:
            raise error
        return read(envelope)

    monkeypatch.setitem(READS, "order.updated", broken)  # type: ignore[arg-type]


def told(s: Stage, count: int, *more: bytes) -> list[int]:
    """So many messages in one batch: these in the middle, and orders; the orders' ids."""
    orders = s.shop.place(count - len(more), seed=11, status="on-hold")
    bodies = [s.body(order) for order in orders]
    bodies[count // 2 : count // 2] = more
    inbox.receive(s.world.shop.pk, [Heard("order.updated", b"%d" % n, b) for n, b in enumerate(bodies)], door="webhook")
    return orders


def deaths(s: Stage) -> int:
    """How many workers die before all messages are dealt with."""
    count, moved = 0, 1
    while moved:
        try:
            moved = inbox.drain(s.world.shop.pk)
        except Killed:
            count += 1
    return count


def recorded() -> int:
    return int(rows("SELECT count(*) FROM canonical_order")[0][0])


def test_a_message_that_cannot_be_read_parks_alone(quiet: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = told(quiet, 100, b'{"id": "many"}')
    with monkeypatch.context() as wrong:
        stumble(wrong, orders[60], ZeroDivisionError("our mistake"))
        quiet.settle()
    assert recorded() == 98
    assert rows(STATES) == [("done", 98), ("parked", 2)]
    assert rows(PARKED) == [
        ("malformed", "The order's id should be a number, but is “many”.", False),
        ("bug", "Our own fault: ZeroDivisionError: our mistake", True),
    ]
    assert sorted(quiet.cases()) == sorted((reason, words) for reason, words, _ in rows(PARKED))
    quiet.release("bug")
    quiet.settle()
    assert (recorded(), rows(STATES)) == (99, [("done", 99), ("parked", 1)])
    assert [reason for reason, _ in quiet.cases()] == ["malformed"]


def test_a_message_that_kills_its_worker_is_found_out(quiet: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = told(quiet, 30)
    with monkeypatch.context() as wrong:
        stumble(wrong, orders[20], Killed())
        assert deaths(quiet) == 4
        quiet.settle()
    assert (recorded(), rows(STATES)) == (29, [("done", 29), ("parked", 1)])
    assert quiet.cases() == [("poison", "This message stopped its worker 3 times and was put aside.")]
    quiet.release("poison")
    quiet.settle()
    assert (recorded(), rows(STATES), quiet.cases()) == (30, [("done", 30)], [])


def test_two_people_releasing_one_exception_cause_one_effect(quiet: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    order = quiet.order()
    with monkeypatch.context() as wrong:
        stumble(wrong, order, ZeroDivisionError("our mistake"))
        quiet.hear(order)
        quiet.settle()
    case = rows("SELECT id FROM sync_case")[0]
    for who in ("anna", "bram"):
        release(list(case), who)
    quiet.settle()
    assert rows("SELECT who, what FROM sync_action ORDER BY who") == [("anna", "release"), ("bram", "release")]
    assert [t[:4] for t in quiet.whole()] == [(str(order), "completed", "completed", ("sale",))]
