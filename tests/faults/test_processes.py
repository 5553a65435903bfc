"""Real processes, really killed: whatever dies, every order ends up exactly once in ERP and warehouse, and no one helps.

Only time is helped along: where a lease would end by itself after a minute, or a command is put off by one, the test turns the
database's records of it, as a test of the corridor would turn a clock.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from connectors.odoo.simulator import Odoo
from connectors.simulation import Simulator
from connectors.woocommerce.simulator.views import visible
from retailsync.platform.demo import world
from tests.faults.house import CALM, House, eventually

pytestmark = pytest.mark.slow


def told(simulator: Simulator, path: str) -> int:
    """How many POST requests to such a path a system has seen."""
    return sum(request.method == "POST" and path in request.path for request in list(simulator.seen))


def visits(shop: Simulator, ids: Sequence[int]) -> int:
    """How often the shop was asked or told of these orders' shipments."""
    paths = {f"/orders/{id}/fulfillments" for id in ids}
    return sum(any(request.path.endswith(path) for path in paths) for request in list(shop.seen))


def created(erp: Odoo) -> Counter[str]:
    """How often each order was sent to the ERP for creation, by the external id it was given; a load of ids alone only looks."""
    loads = [request.json() for request in list(erp.seen) if request.path.endswith("/sale.order/load")]
    columns = [(load["fields"].index("id"), load) for load in loads if load["fields"] != ["id"]]
    return Counter(row[column] for column, load in columns for row in load["data"] if row[column])


@contextmanager
def meanwhile(do: Callable[[int], Any], pause: float) -> Iterator[list[Any]]:
    """Do something again and again beside the block; yields what it returned, complete after the block."""
    ended, answers = threading.Event(), []

    def work() -> None:
        while not ended.wait(pause):
            answers.append(do(len(answers)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


# ---- deploys ----------------------------------------------------------------------------------------------------------------
def test_a_deploy_under_load_loses_and_doubles_nothing(house: House) -> None:
    """Every service is replaced while customers buy. With workers stopped cold (REMAP_SIGTERM=SIGQUIT) orders and tracking were still
    `sending` 40 s later."""
    with meanwhile(lambda n: n < 80 and house.buy(1), pause=0.25) as bought:
        eventually(lambda: len(bought) > 5)
        for services in (("sweep", "polls", "inbox", "send"), ("web", "beat")):
            house.replace(*services)
            assert house.sql("SELECT kind, state FROM sync_command WHERE doubtful") == []
    failed = house.shop.webhooks.counts["failed"]
    print(f"{len(house.placed)} orders, {failed} webhooks not answered, quiet {house.settle():.1f} s after the deploy")
    assert house.trouble() == CALM


def test_a_worker_that_stops_gives_back_what_it_has_not_sent(house: House) -> None:
    """The shop takes its time; the worker was about to send it much. Without stopping.asked it sent all of it before it stopped."""
    with house.slow(house.shop, "/fulfillments", 0.5):
        house.buy(8)
        eventually(lambda: told(house.shop, "/fulfillments") >= 2)
        assert house.ask_to_stop("send") == 0
        sent = told(house.shop, "/fulfillments")
        left = house.sql(
            "SELECT state, attempts, doubtful FROM sync_command WHERE kind = 'SendTracking' AND state <> 'confirmed'"
        )
    assert left and set(left) == {("waiting", 0, False)}
    assert house.sql("SELECT name FROM sync_lease WHERE until > clock_timestamp() AND name ~ '^send:'") == []
    assert told(house.shop, "/fulfillments") == sent
    house.start("send")
    house.settle()
    assert house.trouble() == CALM


# ---- workers killed ---------------------------------------------------------------------------------------------------------
def test_a_send_worker_killed_after_its_request_left(house: House) -> None:
    """The order is created while nobody listens any more: it is looked for before it is created again. Without the doubtful branch of
    calling.carry_out it was sent for creation twice."""
    with house.slow(house.erp, "sale.order/load", 1.0):
        house.buy(3)
        eventually(lambda: told(house.erp, "sale.order/load"))
        house.kill("send")
    eventually(lambda: house.look()[0].erp)
    house.minutes_pass()
    house.start("send")
    eventually(
        lambda: house.sql("SELECT 1 FROM sync_command WHERE doubtful AND kind = 'CreateOrder' AND state = 'waiting'")
    )
    house.pauses_end()
    house.settle()
    assert set(created(house.erp).values()) == {1}
    assert house.trouble() == CALM


def test_an_inbox_worker_killed_in_the_middle_of_a_batch(house: House) -> None:
    """Its messages run alone afterwards. Without inbox._bury they stayed received for ever."""
    with house.connection() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE canonical_order IN EXCLUSIVE MODE")  # the batch stands here
        house.buy(10)
        eventually(lambda: house.sql("SELECT 1 FROM sync_batch"))
        house.kill("inbox")
    assert house.sql("SELECT 1 FROM sync_batch")
    house.minutes_pass()
    house.start("inbox")
    house.settle()
    assert house.trouble() == CALM


# ---- beat -------------------------------------------------------------------------------------------------------------------
def test_beat_killed_and_then_two_of_them(house: House) -> None:
    """Without beat the bells still ring; what no webhook told is found by the polls of either beat, once.
    Without tasks.poll the orders whose webhooks were lost never came."""
    house.kill("beat")
    house.buy(3)
    house.settle()
    house.shop.webhooks.set_mischief(drop=1.0)
    house.buy(6)
    eventually(lambda: not house.shop.webhooks.waiting())
    house.start("beat", "beat-2")
    house.settle()
    house.shop.webhooks.set_mischief(drop=0.0)
    assert house.trouble() == CALM


# ---- servers killed ---------------------------------------------------------------------------------------------------------
def test_redis_killed_and_restarted_empty(house: House) -> None:
    """Webhooks are accepted all the same; the sweep drains what no bell rang for. Without it the orders stayed where they were."""
    house.polls_every(3600)
    for _ in range(3):  # at work or idle, before a task or within one
        failed = house.shop.webhooks.counts["failed"]
        house.kill_redis()
        house.buy(6)
        eventually(lambda: not house.shop.webhooks.waiting())
        assert house.shop.webhooks.counts["failed"] == failed
        assert house.lacking()
        house.start_servers()
        print(f"quiet {house.settle():.1f} s after Redis came back")
    assert all(house.runs(name) for name in house.programs)
    assert house.trouble() == CALM


def test_postgres_killed_under_load(house: House) -> None:
    """While it is away nobody is told that anything was stored; what was, is there afterwards. A door made to say 200 without
    a database was found out by the first answer."""
    (order,) = house.buy(1)
    house.settle()

    def body(n: int) -> bytes:
        return msgspec.json.encode({**visible(house.shop.orders[order]), "nonce": f"{n}"})

    with meanwhile(lambda n: (n, house.post(body(n), f"delivery-{n}")), pause=0.01) as answers:
        eventually(lambda: len(answers) > 50)
        house.kill_postgres()
        down = len(answers) + 1  # one may have been on its way
        eventually(lambda: len(answers) > down + 20)
        up = len(answers) - 1
        house.start_servers()
        house.minutes_pass()
        eventually(lambda: answers[-1][1] == 200)
    while_down = {status for _, status in answers[down:up]}
    assert while_down == {503}
    stored = [body(n) for n, status in answers if status == 200]
    (found,) = house.sql("SELECT count(DISTINCT body) FROM sync_message WHERE body = ANY(%s)", stored)[0]
    assert found == len(stored) > 50
    house.buy(3)
    print(f"quiet {house.settle():.1f} s after PostgreSQL came back")
    assert house.trouble() == CALM


# ---- frozen -----------------------------------------------------------------------------------------------------------------
def test_a_worker_frozen_past_its_lease(house: House) -> None:
    """Somebody else does its work meanwhile; when it wakes, what it holds is no longer its own. Without the checks
    of Held.renew and outbox.hold_on it went back to the shop with orders that were done."""
    house.set_mode(world.SHOP, "paused")
    ids = house.buy(6, shape="plain")
    eventually(lambda: house.waits_only_for(world.SHOP, 6), 40)
    with house.slow(house.shop, "/fulfillments", 0.5):
        house.set_mode(world.SHOP, "live")
        eventually(lambda: told(house.shop, "/fulfillments"))
        house.freeze("send")
    eventually(lambda: any(house.shop.fulfillments_of(id) for id in house.placed))
    house.rename("send", "send-frozen")
    house.minutes_pass()
    house.start("send")
    eventually(lambda: not house.sql("SELECT 1 FROM sync_command WHERE state = 'sending'"))
    house.pauses_end()
    house.settle()
    asked = visits(house.shop, ids)
    house.thaw("send-frozen")
    house.buy(3)  # both are at work now
    house.settle()
    assert house.ask_to_stop("send-frozen") == 0
    assert visits(house.shop, ids) == asked
    assert house.trouble() == CALM
