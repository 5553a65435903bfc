"""A system that is down, slow to let us in or without Redis: nothing is lost, nobody is told twice, and all goes on by itself."""

import pytest
import redis

from connectors.simulation import Fault
from retailsync.sync import bell, inbox, tasks
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

ERP = "SELECT DISTINCT state, attempts FROM sync_command c JOIN canonical_system s ON s.id = c.system_id WHERE 'erp' = ANY(s.roles)"


def test_ten_minutes_without_the_erp_cost_nothing_but_time(s: Stage, hands: Hands) -> None:
    s.erp.stop()
    s.shop.place(6, seed=5)
    s.settle_over(hands.turn, minutes=10)
    assert [reason for reason, _ in s.cases()] == ["unreachable"]
    assert rows("SELECT count(*) FROM sync_case") == [(1,)]
    assert rows(ERP) == [("waiting", 0)]
    assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ())}
    s.erp.start()
    s.settle_over(hands.turn)
    assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ("sale",))}
    assert s.trouble() == CALM


@pytest.mark.parametrize("status", [502, 503])
def test_a_proxy_that_says_not_now_burns_no_attempts(s: Stage, hands: Hands, status: int) -> None:
    s.erp.faults.add(Fault(do="answer", status=status, body="<html>Bad gateway</html>"))
    s.shop.place(2, seed=5)
    s.settle_over(hands.turn, minutes=6)
    assert [reason for reason, _ in s.cases()] == ["unreachable"]
    assert rows(ERP) == [("waiting", 0)]
    s.erp.faults.clear()
    s.settle_over(hands.turn)
    assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ("sale",))}
    assert s.trouble() == CALM


@pytest.mark.parametrize("who", ["erp", "shop"])
def test_nobody_who_asked_us_to_wait_is_called_before_the_time(s: Stage, hands: Hands, who: str) -> None:
    busy = getattr(s, who)
    fault = Fault(do="answer", path="/json/2/|/orders/", status=429, retry_after=120, count=1)
    busy.faults.add(fault)
    s.order()
    s.settle()
    assert fault.hits == 1
    calls = len(busy.seen)
    hands.turn(seconds=100)
    s.sweep()
    s.settle()
    assert len(busy.seen) == calls
    hands.turn(seconds=25)
    s.settle()
    assert [t[1:4] for t in s.whole()] == [("completed", "completed", ("sale",))]
    assert s.trouble() == CALM


def test_a_shop_that_is_away_does_not_keep_the_others_from_their_work(s: Stage, hands: Hands) -> None:
    order = s.order()
    s.settle(until=lambda: s.messages())
    s.shop.faults.add(Fault(do="answer", status=503, path="/wp-json/"))
    s.settle_over(hands.turn, minutes=5)
    assert [t[1:6] for t in s.whole()] == [("processing", "completed", ("sale",), ("done",), ("W1 accepted 2",))]
    assert [reason for reason, _ in s.cases()] == ["unreachable"]
    s.shop.faults.clear()
    s.settle_over(hands.turn)
    assert [t[:4] for t in s.whole()] == [(str(order), "completed", "completed", ("sale",))]
    assert s.trouble() == CALM


def test_a_flushed_redis_loses_only_bells(quiet: Stage) -> None:
    order = quiet.order()
    quiet.hear(order)
    inbox.drain(quiet.world.shop.pk)
    bell._client.flushdb()
    assert quiet.answer_bells() == 0
    assert {state for _, state in quiet.commands()} == {"waiting"}
    quiet.sweep_and_answer()
    assert [t[:4] for t in quiet.whole()] == [(str(order), "completed", "completed", ("sale",))]
    assert quiet.trouble() == CALM


def test_without_redis_the_doors_answer_and_the_sweep_finds_all(quiet: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    order = quiet.order()
    quiet.answer_bells()
    with monkeypatch.context() as away:
        away.setattr(bell, "_client", redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.5))
        assert quiet.hear(order) == 200
        tasks.sweep()
    bell._state["silent_until"] = 0.0
    quiet.answer_bells()
    assert quiet.messages() == [("order.updated", "received")]
    quiet.sweep_and_answer()
    assert [t[:4] for t in quiet.whole()] == [(str(order), "completed", "completed", ("sale",))]
    assert quiet.trouble() == CALM
