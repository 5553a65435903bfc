"""At most one drain per system; whoever comes too late leaves word. Each docstring says what happened without the protection."""

import pytest

from connectors.registry import CONNECTORS
from retailsync.platform import stopping
from retailsync.sync import bell, inbox, leases, outbox, sending
from retailsync.sync.leases import lease
from tests.facts import order
from tests.sync.conftest import Scene
from tests.sync.pretend import heard
from tests.sync.side_by_side import Gate, Worker, both
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_drains_of_one_inbox_work_each_message_once(scene: Scene, bells: list[tuple[str, int]]) -> None:
    """Without the WHERE of leases._TAKE the second drain took the lease too, began to bury the first one's living batch, and hung."""
    shop, gate, read = scene.world.shop.pk, Gate(), []
    scene.shop.reading = lambda envelope: (read.append(envelope.body), gate.stop())
    inbox.receive(shop, [heard(order(str(n))) for n in range(5)], door="webhook")
    holder = Worker(lambda: inbox.drain(shop))
    gate.reached()
    assert Worker(lambda: inbox.drain(shop)).result() == 0
    bells.clear()
    gate.open()
    assert holder.result() == 5
    assert len(read) == len(set(read)) == 5
    assert (inbox.TASK, shop) in bells
    assert rows("SELECT state, alone, count(*) FROM sync_message GROUP BY 1, 2") == [("done", False, 5)]


def test_two_drains_of_one_outbox_send_each_command_once(scene: Scene, bells: list[tuple[str, int]]) -> None:
    """Without the WHERE of leases._TAKE the second drain went to work as well, and the first one's end was never reached."""
    scene.world.stock("JAR")
    partner, gate = scene.world.partners["W1"].pk, Gate()
    scene.world.tell(order("1"), order("2"))
    scene.partner.before = gate.stop
    holder = Worker(lambda: sending.drain(partner))
    gate.reached()
    scene.world.tell(order("3"))
    bells.clear()
    assert Worker(lambda: sending.drain(partner)).result() == 0
    assert len(scene.partner.requests) == 2
    gate.open()
    assert holder.result() == 3
    assert (sending.TASK, partner) in bells
    assert set(scene.partner.holds.values()) == {1}
    assert len(scene.partner.requests) == 3


def test_a_worker_that_shall_stop_gives_back_what_has_not_left(
    scene: Scene, bells: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without stopping.asked in sending._work all three requests were made before the worker could stop."""
    scene.patch.setitem(CONNECTORS, "partner", scene.partner.connector("partner", batch=1))
    partner = scene.world.partners["W1"].pk
    scene.world.tell(order("1"), order("2"), order("3"))
    scene.partner.before = lambda jobs: monkeypatch.setattr(stopping, "asked", lambda: True)
    bells.clear()
    sending.drain(partner)
    assert len(scene.partner.requests) == 1
    assert rows("SELECT state, attempts, lease_until FROM sync_command WHERE system_id = %s AND state <> 'confirmed'", partner) == [
        ("waiting", 0, None)
    ] * 2  # fmt: skip
    assert rows("SELECT until FROM sync_lease") == [(None,)]
    assert bells[-1] == (sending.TASK, partner)


def test_what_came_while_the_bell_was_silent_is_found_by_the_last_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look after bell.answered it waited for the sweep."""
    shop, late = scene.world.shop.pk, [heard("late")]
    monkeypatch.setattr(bell, "answered", lambda *_: late and inbox.receive(shop, [late.pop()], door="webhook"))
    assert inbox.drain(shop) == 1


def test_a_lease_is_had_by_one_of_many() -> None:
    """Without the WHERE of leases._TAKE both had it."""
    gate = Gate()

    def hold() -> bool:
        with lease("x", 30) as held:
            if held:
                gate.stop()
            return held is not None

    holder = Worker(hold)
    gate.reached()
    assert Worker(hold).result() is False
    gate.open()
    assert holder.result() is True


def test_word_left_at_the_last_moment_is_not_missed() -> None:
    """Who finds a lease taken either leaves word that the holder sees, or gets the lease. Without `wanted = true` nobody would know."""
    for _ in range(30):
        seen: list[bool] = []

        def visit(seen: list[bool] = seen) -> bool:
            with lease("y", 30) as held:
                pass
            if held is not None and held.wanted:
                seen.append(True)
            return held is not None

        had = both(visit, visit)
        assert sum(had) + len(seen) >= 2


def test_a_lost_lease_is_not_given_back_for_its_new_holder() -> None:
    """Without `l.token = %s` in leases._RELEASE the late holder freed the lease under its successor."""
    with lease("z", 30) as late:
        assert late is not None
        rows("UPDATE sync_lease SET until = clock_timestamp() - interval '1 second'")
        successor = lease("z", 30)
        held = successor.__enter__()
        assert held is not None
        assert late.renew(30) is False
    assert Worker(lambda: lease("z", 30).__enter__()).result() is None
    successor.__exit__(None, None, None)


def test_a_drain_that_lost_its_lease_sends_nothing_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `held.renew` in sending._work it sent everything else too: six requests instead of one."""
    monkeypatch.setattr(leases, "SPARE", 0.0)  # only time ends a lease, and none passes here
    scene.protect("native_unique", batch=1)
    scene.world.tell(order("1"), order("2", email="b@example.com"))
    erp = scene.world.erp.pk
    scene.erp.before = lambda jobs: rows("UPDATE sync_lease SET until = clock_timestamp() - interval '1 second'")
    sending.drain(erp)
    assert len(scene.erp.requests) == 1
    assert rows("SELECT count(*) FROM sync_command WHERE state = 'sending'") == [(0,)]
    assert outbox.TASK == sending.TASK
