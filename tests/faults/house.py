"""The whole product as real processes, to be killed: its own PostgreSQL and Redis, web server, workers and beat, each with its pid.

Shop, ERP and warehouses are simulators with their own stores, in this process, so that they outlive whatever is killed. What they hold
in the end is compared with what was bought; our database is asked only what it still has to do.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
import redis
import urllib3
from celery import Celery

from connectors.odoo.simulator import Odoo
from connectors.partner.simulator import Warehouse
from connectors.signing import base64_of
from connectors.simulation import Fault, Simulator, wait_until
from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.simulator.views import visible
from retailsync.platform import addresses, embedded, ports, processes
from retailsync.platform.demo import table, watching, world
from retailsync.platform.demo.shopping import Basket
from retailsync.platform.launcher import die_with_parent

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds until all must have arrived everywhere; a healthy machine needs few
TOPICS = ("order.created", "order.updated", "order.deleted")
STOPPING = 60.0  # seconds a program may take to stop when asked; its targets answer at once
#: A transaction in which nothing happens ends after so long: the settings' own half a minute, shortened.
FROZEN = "options=-c%20idle_in_transaction_session_timeout%3D2s"
WAITING = """SELECT 'message ' || topic || ' ' || state || ' ' || words FROM sync_message WHERE state IN ('received', 'waiting')
    UNION ALL SELECT 'command ' || kind || ' ' || state || ' ' || words FROM sync_command WHERE state IN ('waiting', 'sending')"""


class House:
    """Everything, running. `programs` are the product's processes by name, `placed` the orders bought since `fresh` was called."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.log = folder, folder / "log.txt"
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.placed: list[int] = []
        self._started = 0
        self.state = embedded.State.load(folder / "local")
        stack.callback(self._close)
        self.port = ports.first_free(28000)
        self.url = f"http://{ports.LOOPBACK}:{self.port}"
        self.environ = self._environ(embedded.ensure_servers(self.state.local, {}))
        self.shop = stack.enter_context(Shop(seed=1))
        self.erp = stack.enter_context(Odoo(seed=1, database=world.DATABASE))
        self.warehouses = {
            code: stack.enter_context(Warehouse(api=f"{self.url}/api/v1", location=code, workers=2))
            for code in world.WAREHOUSES
        }
        self.secrets = self._furnish()
        self.commands = {p.name: p for p in processes.product(ports.LOOPBACK, self.port, folder / "local" / "static")}

    # -- setting up
    def _environ(self, servers: embedded.Servers) -> dict[str, str]:
        foreign = ("DATABASE_URL", "REDIS_URL")
        given = {name: value for name, value in os.environ.items() if name not in foreign}
        local = {"RETAILSYNC_LOCAL": str(self.state.local), "DJANGO_SETTINGS_MODULE": "retailsync.settings"}
        return {**given, **local, "DATABASE_URL": f"{servers.database_url}?{FROZEN}", "REDIS_URL": servers.redis_url}

    def _furnish(self) -> dict[str, str]:
        """Our records of the simulated systems, and their secrets given to them."""
        urls = {"shop": self.shop.url, "erp": self.erp.url, **{c.lower(): w.url for c, w in self.warehouses.items()}}
        command = [sys.executable, "-m", "tests.faults.furnish", str(self.folder / "demo"), json.dumps(urls)]
        with subprocess.Popen(
            command, cwd=ROOT, env=self.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as furnishing:
            assert furnishing.stdin and furnishing.stdout
            said = json.loads(furnishing.stdout.readline())
            secrets: dict[str, str] = said["secrets"]
            self.shop.key, self.shop.secret = secrets["consumer_key"], secrets["consumer_secret"]
            self.erp.api_key = secrets["api_key"]
            for code, warehouse in self.warehouses.items():
                warehouse.key, warehouse.secrets = said["keys"][code], [secrets[code]]
            furnishing.stdin.write(b"they listen\n")
            furnishing.stdin.flush()
            assert furnishing.wait(120) == 0
        return secrets

    def subscribe(self) -> None:
        """The shop tells us of its orders; a real one stops after seven failures in a row."""
        self.shop.webhooks.subscriptions().clear()
        headers = urllib3.make_headers(basic_auth=f"{self.shop.key}:{self.shop.secret}")
        for topic in TOPICS:
            hook = {"name": topic, "topic": topic, "delivery_url": self.door, "secret": self.secrets["webhook"]}
            url = f"{self.shop.url}/wp-json/wc/v3/webhooks"
            assert urllib3.request("POST", url, json=hook, headers=headers).status == 201

    def _close(self) -> None:
        for name in list(self.programs):
            self.kill(name)
        self.state.redis.stop()
        self.state.postgres.stop()

    @property
    def door(self) -> str:
        """Where the shop's webhooks go."""
        return f"{self.url}/hooks/{world.SHOP}/"

    # -- processes
    def start(self, *names: str) -> None:
        """Start programs of the product; a name like `beat-2` is a second one of its kind. Returns when they are at work."""
        nodes = []
        for name in names:
            self._started += 1
            program, node = self.commands[name.partition("-")[0]], f"{name}-{self._started}@house"
            command = [node if word.endswith("@%h") else word for word in program.command]
            nodes += [node] if command != program.command else []
            with self.log.open("ab") as log:
                self.programs[name] = subprocess.Popen(
                    command, cwd=ROOT, env={**self.environ, **program.environ}, stdout=log, stderr=log,
                    preexec_fn=die_with_parent,
                )  # fmt: skip
        if nodes:
            with Celery(broker=self.environ["REDIS_URL"], set_as_current=False) as bells:
                bells.conf.broker_pool_limit = 0  # a kept connection may be to a Redis that was killed
                wait_until(lambda: len(bells.control.ping(nodes, timeout=0.3)) == len(nodes), 60, 0.05)
        if "web" in names:
            wait_until(lambda: listens(self.programs["web"].pid) and self.ready(), 60, 0.05)

    def runs(self, name: str) -> bool:
        """Whether this program was started and has not ended."""
        return name in self.programs and self.programs[name].poll() is None

    def ready(self) -> bool:
        """Whether the web server says it can serve."""
        try:
            return urllib3.request("GET", f"{self.url}/health/ready", retries=False, timeout=5).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def replace(self, *names: str) -> None:
        """What a deploy does with services: start the new ones, then ask the old ones to stop and wait for them."""
        for name in names:
            self.rename(name, f"{name}-old")
        self.start(*names)
        for name in names:
            self.programs[f"{name}-old"].terminate()
        assert [self.programs.pop(f"{name}-old").wait(STOPPING) for name in names] == [0] * len(names)

    def ask_to_stop(self, name: str) -> int:
        """SIGTERM to its main process; returns its exit code."""
        program = self.programs.pop(name)
        program.terminate()
        return program.wait(STOPPING)

    def kill(self, name: str) -> None:
        """SIGKILL to the program and all its children at once, as when a machine fails."""
        program = self.programs.pop(name)
        for process in family(program.pid):
            _signal(process, signal.SIGKILL)
        program.wait()

    def rename(self, name: str, to: str) -> None:
        """From now on this program goes by another name."""
        self.programs[to] = self.programs.pop(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP to the program and its children."""
        for process in family(self.programs[name].pid):
            _signal(process, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT to the program and its children."""
        for process in family(self.programs[name].pid):
            _signal(process, signal.SIGCONT)

    def kill_redis(self) -> None:
        """Redis is gone, with everything in it: it saves nothing."""
        psutil.Process(int((self.state.home / "redis.pid").read_text())).kill()

    def kill_postgres(self) -> None:
        """PostgreSQL's immediate shutdown: every backend ends at once, nothing is written down first."""
        pid = int((self.state.postgres.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 20)

    def start_servers(self) -> None:
        """Start what was killed, at the same address: PostgreSQL recovers, Redis begins empty."""
        servers = embedded.ensure_servers(self.state.local, {})
        assert (f"{servers.database_url}?{FROZEN}", servers.redis_url) == (
            self.environ["DATABASE_URL"],
            self.environ["REDIS_URL"],
        )

    # -- our database
    def sql(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """One statement, on a connection of its own."""
        with self.connection() as connection, connection.cursor() as cursor:
            cursor.execute(query, params)
            return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection that commits at the end of the block; what waits long for a lock has failed."""
        ours = {"options": "-c statement_timeout=20s"}
        connection = addresses.connect(addresses.database(self.environ["DATABASE_URL"]) | {"OPTIONS": ours})
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def minutes_pass(self) -> None:
        """Every lease is over and every bell that nobody answered may ring again, as by themselves after a minute or two. Only while
        nobody is at work who must keep a lease."""
        over = "clock_timestamp() - interval '1 second'"
        self.sql(f"UPDATE sync_lease SET until = {over} WHERE until IS NOT NULL")
        self.sql(f"UPDATE sync_command SET lease_until = {over} WHERE state = 'sending'")
        with redis.Redis.from_url(self.environ["REDIS_URL"]) as bells:
            for bell in bells.scan_iter("retailsync:bell:*"):
                bells.delete(bell)

    def pauses_end(self) -> None:
        """The moment has come that every waiting command was put off to."""
        self.sql("UPDATE sync_command SET not_before = clock_timestamp() WHERE state = 'waiting'")

    def polls_every(self, seconds: int) -> None:
        """How often feeds are read from now on, as staff may set it."""
        self.sql("UPDATE sync_cursor SET every = %s, polled_at = clock_timestamp()", seconds)

    def set_mode(self, slug: str, mode: str) -> None:
        """Staff pause a system, or let it go on."""
        self.sql("UPDATE canonical_system SET mode = %s WHERE slug = %s", mode, slug)

    def waits_only_for(self, slug: str, commands: int) -> bool:
        """Whether at least so many commands wait for this system and nothing else is on its way anywhere."""
        theirs = self.shop.webhooks.waiting() or any(w.state()["open"] for w in self.warehouses.values())
        left = self.sql(
            "SELECT s.slug, c.state FROM sync_command c JOIN canonical_system s ON s.id = c.system_id"
            " WHERE c.state IN ('waiting', 'sending')"
        )
        unread = self.sql("SELECT 1 FROM sync_message WHERE state IN ('received', 'waiting')")
        return not theirs and not unread and set(left) == {(slug, "waiting")} and len(left) >= commands

    # -- the shop
    def buy(self, count: int, *, shape: str = "", seed: int = 7) -> list[int]:
        """So many customers buy at once; their orders."""
        ids = self.shop.place(count, seed=seed + len(self.placed), shape=shape)
        self.placed += ids
        return ids

    def post(self, body: bytes, delivery: str) -> int:
        """One signed webhook of the shop; the status of the answer, 0 when there was none."""
        headers = {
            "Content-Type": "application/json",
            "X-WC-Webhook-Topic": "order.updated",
            "X-WC-Webhook-Signature": base64_of(self.secrets["webhook"], body),
            "X-WC-Webhook-Delivery-ID": delivery,
        }
        try:
            return urllib3.request("POST", self.door, body=body, headers=headers, retries=False, timeout=10).status
        except urllib3.exceptions.HTTPError:
            return 0

    @contextmanager
    def slow(self, simulator: Simulator, path: str, seconds: float) -> Iterator[None]:
        """POST requests to such a path are handled only after a while; those under way at the end of the block still are."""
        simulator.faults.add(Fault(do="delay", method="POST", path=path, seconds=seconds))
        try:
            yield
        finally:
            simulator.faults.clear()

    # -- the oracle
    def look(self) -> list[watching.Seen]:
        """Every order bought, as the four systems hold it now."""
        baskets = [_basket(self.shop.orders[id]) for id in self.placed]
        seen = {basket.reference: watching.Seen(basket) for basket in baskets}
        by_id = {one.basket.id: one for one in seen.values()}
        for order in _shaped(self.shop, watching.ShopState).orders:
            if order.id in by_id:
                by_id[order.id].shop = order
        for booked in _shaped(self.erp, watching.ErpState).orders:
            if one := seen.get(str(booked.reference)):
                one.erp.append(booked)
        for warehouse in self.warehouses.values():
            held = _shaped(warehouse, watching.WarehouseState)
            for reference, request in held.requests.items():
                if one := seen.get(request.order_reference):
                    request.doubled = reference in held.doubles
                    one.requests.append(request)
        return list(seen.values())

    def lacking(self) -> dict[str, list[str]]:
        """Order → what has not happened to it yet."""
        return {one.basket.reference: lacks for one in self.look() if (lacks := table.lacks(one))}

    def doubled(self) -> dict[str, list[str]]:
        """Order → what exists twice of it."""
        return {one.basket.reference: twice for one in self.look() if (twice := list(table.doubles(one)))}

    def busy(self) -> bool:
        """Whether anything still moves or waits, on their side or ours."""
        theirs = self.shop.webhooks.waiting() or any(w.state()["open"] for w in self.warehouses.values())
        return bool(theirs or self.lacking() or self.sql(WAITING))

    def settle(self, seconds: float = PATIENCE) -> float:
        """Wait until every order has arrived everywhere and nothing moves; returns how long that took."""
        began = time.monotonic()
        try:
            wait_until(lambda: not self.busy(), seconds, 0.1)
        except TimeoutError:
            raise AssertionError({"lacking": self.lacking(), **self.trouble()}) from None
        return time.monotonic() - began

    def trouble(self) -> dict[str, Any]:
        """What is wrong: nothing may wait, be open, be leased, be missing from the ledger, stand in the log, or exist twice."""
        return {
            "waiting": self.sql(WAITING)[:10],
            "exceptions": self.sql("SELECT reason, words FROM sync_case WHERE closed_at IS NULL")[:10],
            "parked": self.sql("SELECT kind, state, words FROM sync_command WHERE state IN ('parked', 'in_doubt')")[
                :10
            ],
            "leases": self.sql(
                "SELECT name FROM sync_lease WHERE until > clock_timestamp() AND name !~ '^((inbox|send|poll|publish):|stock$)'"
            ),
            "batches": self.sql("SELECT id FROM sync_batch"),
            "ledger": self.sql(
                "SELECT subject_kind, subject_id FROM canonical_entry GROUP BY 1, 2"
                " HAVING max(version) <> count(*) OR min(version) <> 1"
            )[:10],
            "logged": self.leaked(),
            "doubled": self.doubled(),
        }

    def leaked(self) -> list[str]:
        """Names of secrets, and people, that a log line holds."""
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        people = {self.shop.orders[id]["billing"]["email"] for id in self.placed} - {""}
        return [name for name, value in self.secrets.items() if value in said] + [p for p in people if p in said]


CALM: Mapping[str, Any] = {
    "waiting": [], "exceptions": [], "parked": [], "leases": [], "batches": [], "ledger": [], "logged": [], "doubled": {},
}  # fmt: skip


def family(pid: int) -> list[psutil.Process]:
    """A process and everything it started, children first stopped last."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def listens(pid: int) -> bool:
    """Whether every worker of a web server listens, also beside another server on the same port."""
    sockets = [process.net_connections("tcp") for process in psutil.Process(pid).children()]
    return sum(any(socket.status == psutil.CONN_LISTEN for socket in each) for each in sockets) >= 2


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):  # it died with its parent
        process.send_signal(number)


def _basket(order: Mapping[str, Any]) -> Basket:
    return msgspec.json.decode(msgspec.json.encode(visible(dict(order))), type=Basket)


def _shaped(simulator: Any, shape: Any) -> Any:
    """A simulator's state as the demo's oracle reads it."""
    with simulator.lock:
        return msgspec.json.decode(msgspec.json.encode(simulator.state()), type=shape)


def eventually(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until something is true and return it."""
    return wait_until(true, seconds, 0.005)


__all__: Sequence[str] = ("CALM", "House", "eventually", "family")
