"""Orders whose time has come: each is planned again once, and one that cannot be planned keeps no other waiting."""

from datetime import timedelta

import pytest

from canonical.types import PaymentStatement
from retailsync import flows
from retailsync.sync import alarms, clock
from tests.facts import order
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db(transaction=True)

UNPAID = {"status": "on_hold", "payment": PaymentStatement(method="bacs", title="Bank transfer")}


@pytest.fixture
def world() -> World:
    """Three orders nobody paid, a week ago and more."""
    made = make_world()
    made.stock("MUG", at="W1")
    for ref in ("1", "2", "3"):
        made.tell(order(ref, placed_at=clock.now() - timedelta(days=1), **UNPAID))
    return made


def reminded() -> list[int]:
    return [o for (o,) in rows("SELECT order_id FROM sync_command WHERE kind = 'RemindPayment' ORDER BY order_id")]


def test_an_alarm_rings_once_and_sets_the_next(world: World) -> None:
    later = clock.now() + timedelta(days=4, minutes=1)
    assert alarms.ring(clock.now()) == 0
    assert alarms.ring(later) == 3
    assert len(reminded()) == 3
    assert alarms.ring(later) == 0
    assert rows("SELECT count(*) FROM canonical_order WHERE look_at > %s", later) == [(3,)]


def test_one_order_that_cannot_be_planned_keeps_no_other_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ((bad,),) = rows("SELECT id FROM canonical_order WHERE external_id = '2'")
    plan = flows.plan

    def breaks(entries, now):  # type: ignore[no-untyped-def]
        if any(e.order_id == bad for e in entries):
            raise ValueError("a rule nobody thought of")
        return plan(entries, now)

    monkeypatch.setattr(flows, "plan", breaks)
    later = clock.now() + timedelta(days=4, minutes=1)
    assert alarms.ring(later) == 3
    assert len(reminded()) == 2
    assert alarms.ring(later) == 0
    assert alarms.ring(later + alarms.AGAIN) == 1
