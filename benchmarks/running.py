"""The whole product running: its own web server, workers and clock as `manage.py up` starts them, two stub targets and a load generator.

What was told is checked in the stubs' own logs: an order that one of them never heard of is lost, one heard of twice is doubled.
"""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import urllib3
from django.db import connections

from benchmarks import pace, world
from benchmarks.door import awake, free_port
from benchmarks.house import Program, programs, server
from benchmarks.pipeline import AWRY, SETTLED, target
from benchmarks.report import Broken
from canonical import sql
from retailsync.platform import processes

PATIENCE = 180.0  # seconds until a backlog that does not go away counts as stuck
SAMPLE = 0.5  # seconds between two looks at the backlog
TELL = 5.0  # seconds between two lines for whoever watches
#: Orders taken and not yet confirmed by both targets, by indexes that hold open rows only.
_BACKLOG = """SELECT (SELECT count(*) FROM sync_message WHERE state IN ('received', 'waiting', 'parked'))
    + (SELECT count(DISTINCT order_id) FROM sync_command WHERE state IN ('waiting', 'sending', 'parked', 'in_doubt'))"""


@dataclass
class Offer:
    """A stretch of load at one rate, and what became of it."""

    rate: float
    accepted: int
    late: float  # seconds the generator was behind at its end
    began: datetime
    stopped: datetime
    ended: datetime | None = None  # when the last order was confirmed by both

    @property
    def achieved(self) -> float:
        """Orders per second from the first one offered to the last one confirmed: the tail counts."""
        assert self.ended
        return self.accepted / (self.ended - self.began).total_seconds()

    @property
    def tail(self) -> float:
        """Seconds from the last order accepted to the last one confirmed."""
        assert self.ended
        return max(0.0, (self.ended - self.stopped).total_seconds())


@dataclass
class Watch:
    """Samples of the backlog: (seconds since it began, orders)."""

    began: float = field(default_factory=time.monotonic)
    samples: list[tuple[float, int]] = field(default_factory=list)

    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began


class Running:
    """The product under load. Use `product()`."""

    def __init__(self, port: int, shop: Program, urls: list[str], say: Callable[[str], None]) -> None:
        self.port, self.shop, self.urls, self.say = port, shop, urls, say
        self.accepted = 0

    def stretch(self, rate: float, seconds: float) -> Offer:
        """Offer so many orders per second for so long; returns when the last is answered."""
        began = _clock()
        self.shop.tell(f"{rate} {seconds}")
        accepted, refused, late = self.shop.hear().split()
        self.accepted += int(accepted)
        if int(refused):
            raise Broken(f"The door refused {refused} of {int(accepted) + int(refused)} orders at {rate:,.0f}/s.")
        return Offer(rate, int(accepted), float(late), began, _clock())

    def offer(self, rate: float, seconds: float, name: str) -> Offer:
        """A stretch, watched, until its last order is confirmed by both targets."""
        with self.watched(f"{name}: {rate:,.0f}/s for {seconds:g} s"):
            offer = self.stretch(rate, seconds)
            self.drained()
        offer.ended = sql.fetch("SELECT max(settled_at) FROM sync_command")[0][0]
        if offer.ended is None:
            held = sql.fetch("SELECT reason, count(*) FROM canonical_hold WHERE lifted_at IS NULL GROUP BY reason")
            raise Broken(f"None of {offer.accepted} orders left: {_words() or held}.")
        return offer

    @contextmanager
    def watched(self, what: str) -> Iterator[Watch]:
        """Sample the backlog while the block runs, and say how it stands."""
        watch, over = Watch(), threading.Event()
        thread = threading.Thread(target=self._sample, args=(watch, over, what), daemon=True)
        self.say(what)
        thread.start()
        try:
            yield watch
        finally:
            over.set()
            thread.join()

    def _sample(self, watch: Watch, over: threading.Event, what: str) -> None:
        said = 0.0
        while not over.wait(SAMPLE):
            watch.samples.append((watch.now(), backlog()))
            if watch.now() - said >= TELL:
                said = watch.now()
                self.say(f"  {said:4.0f} s  backlog {watch.samples[-1][1]:,}")
        connections.close_all()

    def drained(self) -> None:
        """Wait until no order is open."""
        ends = time.monotonic() + PATIENCE
        while waiting := backlog():
            if time.monotonic() > ends:
                raise Broken(f"{waiting} orders are stuck: {_words()}")
            time.sleep(0.1)

    def check(self) -> str:
        """Compare what was accepted with what the targets heard; raises Broken, or says so."""
        if awry := world.scalar(AWRY):
            raise Broken(f"{awry} exceptions in a benchmark without any: {_words()}")
        given = {f"WEB-{number}" for number in range(pace.FIRST, pace.FIRST + self.accepted)}
        erp, wms = (told(url) for url in self.urls)
        created, asked = (
            Counter(name for name, _ in log[kind]) for log, kind in ((erp, "CreateOrder"), (wms, "RequestFulfilment"))
        )
        confirmed = Counter(name for name, _ in erp["ConfirmOrder"])
        for where, names in (("ERP", created), ("warehouse", asked)):
            lost, doubled = given - names.keys(), [name for name, count in names.items() if count > 1]
            if lost or doubled or names.keys() - given:
                raise Broken(
                    f"{where}: {len(lost)} orders lost, {len(doubled)} doubled of {len(given)}: {sorted(lost)[:3]} {doubled[:3]}"
                )
        if len(confirmed) != len(given) or confirmed.total() != len(given):
            raise Broken(f"ERP: {len(given)} orders, {len(confirmed)} confirmed by {confirmed.total()} requests.")
        if (settled := world.scalar(SETTLED, 0)) != 2 * len(given):
            raise Broken(f"{len(given)} orders, {settled} of {2 * len(given)} commands settled.")
        return f"{len(given):,} orders offered in all; in the stubs' own logs each was created, confirmed and requested once."


def told(url: str) -> dict[str, list[tuple[str, float]]]:
    """What a stub logged: kind of command → (name, time)."""
    log: dict[str, list[tuple[str, float]]] = {"CreateOrder": [], "ConfirmOrder": [], "RequestFulfilment": []}
    for line in urllib3.request("GET", f"{url}log").data.decode().splitlines():
        path, at = line.rsplit(" ", 1)
        kind, _, name = path.partition("/")
        log.setdefault(kind, []).append((name, float(at)))
    return log


def backlog() -> int:
    """Orders that are not through."""
    return world.scalar(_BACKLOG)


def _words() -> list[tuple[str]]:
    return sql.fetch("SELECT words FROM sync_case LIMIT 3")


def _clock() -> datetime:
    at: datetime = sql.fetch("SELECT clock_timestamp()")[0][0]
    return at


@contextmanager
def product(say: Callable[[str], None]) -> Iterator[Running]:
    """Start everything, warm it up, stop everything."""
    with ExitStack() as stack:
        urls = [target(stack) for _ in range(2)]
        world.build(*urls)
        static, port = stack.enter_context(tempfile.TemporaryDirectory()), free_port()
        for program in processes.product("127.0.0.1", port, static):
            quiet = ["WARNING" if word == "INFO" else word for word in program.command]
            stack.enter_context(server(quiet, program.environ))
        awake(port)
        arguments = (str(port), "/hooks/shop/", world.HOOK_SECRET, str(pace.FIRST))
        (shop,) = stack.enter_context(programs(["benchmarks.pace", *arguments]))
        running = Running(port, shop, urls, say)
        running.offer(30, 5, "warming up")
        sql.fetch("ANALYZE")
        yield running


def workers() -> str:
    """The processes that share the cores, in words."""
    counted = []
    for program in processes.product("127.0.0.1", 0, ""):
        command = list(program.command)
        flag = next((flag for flag in ("--workers", "--concurrency") if flag in command), None)
        counted.append(f"{program.name} {command[command.index(flag) + 1] if flag else 1}")
    return f"processes: {', '.join(counted)}, two stub targets, one load generator over {pace.CONNECTIONS} kept connections"
