"""manage.py demo: the product with a simulated shop, ERP and two warehouses that speak real HTTP. Knows the order of things only."""

import os
import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import urllib3
from django.conf import settings

from retailsync.celery import app
from retailsync.platform import ports, processes
from retailsync.platform.demo import places, shopping, world
from retailsync.platform.demo.background import Running, running
from retailsync.platform.demo.play import Play, Wishes
from retailsync.platform.demo.screen import Screen
from retailsync.platform.management.commands import up
from retailsync.platform.trouble import Trouble

WEB = 8000
CLIENT = "python3 docs/partner-guide/client.py"
START_SECONDS = 60.0
RATE = {True: 3.0, False: 20.0}  # orders per second: without end, and for a given number


class Command(up.Command):
    """`up` with somebody to talk to."""

    help = (
        "Run the product with a simulated shop, ERP and two warehouses, and let people buy until Ctrl-C.\n\n"
        "With --orders N --exit: place N varied orders, a part of them unclean, wait until they have arrived everywhere (or are\n"
        "cancelled, wait for payment, or a person was asked), print what the simulated systems hold, and fail when anything is missing\n"
        "or doubled.\n\n"
        "Ports: RETAILSYNC_BIND (web, host:port) and RETAILSYNC_DEMO_PORT (simulated systems, four in a row); free ones where unset."
    )

    # Whoever types --help wants to know what the demo can do.
    suppressed_base_arguments = {
        *(
            "--version",
            "--verbosity",
            "--settings",
            "--pythonpath",
            "--traceback",
            "--no-color",
            "--force-color",
            "--skip-checks",
        ),
    }

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.usage = 'make demo ARGS="[--orders N [--exit]] [--rate R] [--deadline S] [--seed K] [--unclean U]"'
        parser.add_argument(
            "--orders", type=_count, metavar="N", help="place so many and no more (without it: until Ctrl-C)"
        )
        parser.add_argument("--exit", action="store_true", help="stop when they have arrived, or at the deadline")
        parser.add_argument("--rate", type=_positive, metavar="R", help="orders per second (3; with --orders 20)")
        parser.add_argument(
            "--deadline", type=_positive, default=300.0, help="seconds to wait after the last order (300)"
        )
        parser.add_argument(
            "--unclean", type=_share, default=0.2, metavar="U",
            help="the part of the orders that are edited, cancelled, refunded, paid late or bought in an unusual way (0.2)",
        )  # fmt: skip
        parser.add_argument(
            "--seed", type=int, metavar="K", help="the same seed, the same baskets; without it, always others"
        )

    def address(self) -> tuple[str, int]:
        """RETAILSYNC_BIND, else the first free port."""
        if settings.PRODUCTION:
            raise Trouble(
                "The demo fills the database with made-up orders: it does not run with RETAILSYNC_ENV=production."
            )
        free = f"{ports.LOOPBACK}:{ports.first_free(WEB)}"
        return processes.bind_address({processes.BIND_VARIABLE: free, **os.environ})

    def run(self, host: str, port: int, options: dict[str, Any]) -> int:
        """Simulated systems first, then the product, then customers; stopped in reverse."""
        if options["exit"] and not options["orders"]:
            raise Trouble("--exit needs --orders.")
        screen = Screen(sys.stdout)
        with _interruptible(), ExitStack() as stack:
            try:
                play = self._set_up(stack, host, port, options, screen)
                return self._play(play, screen, options)
            except KeyboardInterrupt:
                screen.say("Stopping …")
                return 0 if options["orders"] is None else 128 + signal.SIGINT

    def _set_up(self, stack: ExitStack, host: str, port: int, options: dict[str, Any], screen: Screen) -> Play:
        """Everything runs and knows each other when this returns."""
        folder = Path(settings.LOCAL) / "demo"
        ours = f"http://{_reachable(host)}:{port}"
        here = world.ensure(folder, places.choose(os.environ, port))
        log = folder / "log.txt"
        log.unlink(missing_ok=True)
        screen.say(f"Simulated shop, ERP and two warehouses start; everybody's log is {log}")
        simulated = stack.enter_context(running(world.simulators(here, f"{ours}/api/v1"), log))
        _wait(simulated, lambda: all(_answers(f"{url}/_sim/faults") for url in here.urls.values()))
        world.learn(here)
        product = self.product(host, port)
        runs = stack.enter_context(running(product, log))
        _wait(runs, lambda: _answers(f"{ours}/admin/login/") and _workers_ready(product))
        shopping.subscribe(here, ours)
        screen.say(
            f"Be a warehouse, in the sandbox of W1: {CLIENT} --url {ours}/api/v1 --key {world.sandbox_key(here)} --certify"
        )

        def check() -> None:
            simulated.check()
            runs.check()

        rate = options["rate"] or RATE[options["orders"] is None]
        wishes = Wishes(options["orders"], rate, options["seed"], options["deadline"], options["unclean"])
        return Play(here, wishes, screen, check)

    def _play(self, play: Play, screen: Screen, options: dict[str, Any]) -> int:
        much = "Customers buy until you press Ctrl-C:" if options["orders"] is None else f"{options['orders']} orders:"
        screen.say(much)
        arrived = play.run()
        text, fine = play.report()
        screen.say(text if arrived else f"Not everything arrived within {options['deadline']:g} s.\n{text}")
        if not options["exit"]:
            screen.say("Everything keeps running until you press Ctrl-C.")
            play.idle()
        return 0 if fine else 1


# ---- waiting ----------------------------------------------------------------------------------------------------------------
def _wait(programs: Running, ready: Callable[[], bool]) -> None:
    ends = time.monotonic() + START_SECONDS
    while not ready():
        programs.check()
        if time.monotonic() > ends:
            raise Trouble(f"The programs of the demo were not ready within {START_SECONDS:g} s; see the log.")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return shopping.http.request("GET", url).status < 500
    except urllib3.exceptions.HTTPError:
        return False


def _workers_ready(product: Sequence[processes.Program]) -> bool:
    return len(app.control.ping(timeout=0.5)) >= sum("--queues" in program.command for program in product)


def _reachable(host: str) -> str:
    """An address under which programs on this machine reach what listens on `host`."""
    return {"0.0.0.0": ports.LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


@contextmanager
def _interruptible() -> Iterator[None]:
    """The first signal to stop raises KeyboardInterrupt; further ones are ignored, so that stopping is never cut short."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(signum: int, frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, stop)
    yield


# ---- options ----------------------------------------------------------------------------------------------------------------
def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ArgumentTypeError("must be a number of orders, at least 1")
    return int(text)


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise ArgumentTypeError("must be a number from 0 to 1")
    return number


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e6:
        raise ArgumentTypeError("must be a number greater than 0")
    return number
