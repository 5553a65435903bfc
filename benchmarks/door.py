"""P1: accepted, verified, durable webhooks per second through the product's door, beside a raw WSGI floor on the same server.

Both run under the command line `manage.py up` uses; only the application differs. Rows are counted afterwards.
"""

import tempfile
import time
from collections.abc import Callable
from statistics import median

import urllib3

from benchmarks import world
from benchmarks.house import programs, server
from benchmarks.report import Broken, Claim, Section, spread
from canonical import sql
from retailsync.platform import ports, processes

SECONDS = 8.0  # per measurement
GENERATORS, CONNECTIONS = 2, 8  # processes, kept connections in each
PREPARED = 4_000  # requests per second of measurement, more than a server answers
FLOOR = "benchmarks.floor_door:application"
_TABLE = """CREATE TABLE bench_floor (LIKE sync_message INCLUDING ALL);
    ALTER TABLE bench_floor ADD FOREIGN KEY (system_id) REFERENCES canonical_system DEFERRABLE INITIALLY DEFERRED"""


def run(seconds: float, repetitions: int, say: Callable[[str], None]) -> Section:
    """Measure and compare."""
    shop = world.build().shop
    sql.fetch(_TABLE)
    with tempfile.TemporaryDirectory() as static:
        port = free_port()
        command = list(processes.product("127.0.0.1", port, static)[0].command)
        floor = [*command[:-1], FLOOR]
        given = {"BENCH_SECRET": world.HOOK_SECRET, "BENCH_SYSTEM": str(shop)}
        rates: dict[str, list[float]] = {"product": [], "floor": []}
        for turn in range(repetitions):
            for name, program, table in (("product", command, "sync_message"), ("floor", floor, "bench_floor")):
                with server(program, given):
                    awake(port)
                    measured(port, 1.0, table)
                    rates[name].append(measured(port, seconds, table))
                say(f"P1 {turn + 1}/{repetitions} {name}: {rates[name][-1]:,.0f} webhooks/s")
    return _section(rates, seconds, command)


def free_port() -> int:
    """A port nobody listens on."""
    return next(port for port in range(18_000, 19_000) if ports.is_free(port, "127.0.0.1"))


def awake(port: int) -> None:
    """Wait until the server answers."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        try:
            urllib3.request("POST", f"http://127.0.0.1:{port}/hooks/shop/", body=b"", retries=False, timeout=5)
            return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    raise Broken("The web server does not answer.")


_first = 0


def measured(port: int, seconds: float, table: str) -> float:
    """Accepted webhooks per second. Each accepted one is a row, and there is no other row."""
    global _first
    before = world.scalar(f"SELECT count(*) FROM {table}")
    share = int(seconds * PREPARED / GENERATORS)
    commands = []
    for _ in range(GENERATORS):
        numbers = (port, "/hooks/shop/", world.HOOK_SECRET, _first, share, CONNECTIONS, seconds)
        commands.append(["benchmarks.load", *map(str, numbers)])
        _first += share
    with programs(*commands) as generators:
        for generator in generators:
            generator.tell("go")
        told = [generator.hear().split() for generator in generators]
    accepted, refused = (sum(int(words[n]) for words in told) for n in (0, 1))
    rows = world.scalar(f"SELECT count(*) FROM {table}") - before
    if refused or rows != accepted:
        raise Broken(f"{table}: {accepted} accepted, {refused} refused, {rows} rows.")
    return accepted / max(float(words[2]) for words in told)


def _section(rates: dict[str, list[float]], seconds: float, command: list[str]) -> Section:
    table = [f"| door | webhooks/s (median of {len(rates['floor'])}) | spread |", "|---|---|---|"]
    table += [f"| {name} | {median(found):,.0f} | {spread(found)} |" for name, found in rates.items()]
    flags = " ".join(command[command.index("--workers") : command.index("--static-path-route")])
    return Section(
        "P1 door",
        f"{seconds:g} s per measurement, orders of about 5.8 kB with distinct ids over {GENERATORS} × {CONNECTIONS} kept connections; "
        f"granian `{flags}` for both. The floor is HMAC, one INSERT into a table of the same shape and a commit. Accepted webhooks and "
        "rows are the same number.",
        "\n".join(table),
        [Claim("product ÷ raw WSGI and psycopg2", median(rates["product"]) / median(rates["floor"]), 0.75)],
    )
