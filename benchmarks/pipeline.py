"""P2: an inbox row → canonical order, ledger, commands → ERP and warehouse confirmed, beside the naive design and the bare drain.

Three worker processes each, the same two stub targets, one design at a time, in turns. Lost or doubled rows are an error.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

import urllib3

from benchmarks import bodies
from benchmarks.house import Program, programs
from benchmarks.report import Broken, Claim, Section, spread
from benchmarks.world import HOOK_SECRET, World, build, scalar
from canonical import sql
from connectors.base import Delivery
from connectors.signing import base64_of
from connectors.woocommerce import door
from retailsync.sync import inbox

WORKERS = 3  # processes per design: the product's are one for the inbox and one for each target
NAIVE = 20  # the naive design gets this many times fewer orders, or it would take all day
PATIENCE = 300.0  # seconds until a run counts as stuck
SETTLED = "SELECT count(*) FROM sync_command WHERE kind IN ('ConfirmOrder', 'RequestFulfilment') AND state = 'confirmed' AND id > %s"
AWRY = "SELECT (SELECT count(*) FROM sync_command WHERE state IN ('parked', 'in_doubt')) + (SELECT count(*) FROM sync_case)"


@dataclass
class Design:
    """One way of doing it: how to give it work, how many orders are finished, and when the last one was."""

    name: str
    workers: Sequence[Program]
    give: Callable[[list[bytes]], None]
    finished: Callable[[], int]
    last: str
    orders: int = 0
    rates: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)  # per order


def run(orders: int, repetitions: int, say: Callable[[str], None]) -> Section:
    """Measure and compare."""
    with ExitStack() as stack:
        urls = [target(stack) for _ in range(2)]
        world = build(*urls)
        product = _product(stack, world)
        bare, naive = (_plain(stack, name, urls) for name in ("bare", "naive"))
        designs = ((product, orders), (bare, orders), (naive, max(WORKERS * 10, orders // NAIVE)))
        for design, _ in designs:  # connections, plans and caches
            _measure(design, 200 if design is not naive else 20, urls)
        sql.fetch("ANALYZE")
        for design in (product, bare, naive):
            design.rates.clear()
            design.requests.clear()
        for turn in range(repetitions):
            for design, count in designs:
                _measure(design, count, urls)
                say(f"P2 {turn + 1}/{repetitions} {design.name}: {design.rates[-1]:,.0f} orders/s")
    return _section(product, bare, naive, orders)


def target(stack: ExitStack) -> str:
    """Start a stub target; its address."""
    program = Program("benchmarks.targets")
    stack.callback(program.close)
    return f"http://127.0.0.1:{program.hear()}/"


def _product(stack: ExitStack, world: World) -> Design:
    workers = stack.enter_context(
        programs(
            ["benchmarks.worker", "inbox", str(world.shop)],
            ["benchmarks.worker", "send", str(world.erp)],
            ["benchmarks.worker", "send", str(world.wms)],
        )
    )

    mark, before = 0, 0  # what earlier measurements left is not counted again: looking must cost no more as tables grow

    def give(fresh: list[bytes]) -> None:
        nonlocal mark, before
        before, mark = finished(), scalar("SELECT coalesce(max(id), 0) FROM sync_command")
        heard = [door(_signed(body), [HOOK_SECRET]) for body in fresh]
        inbox.receive(world.shop, [h for h in heard if h], door="webhook")

    def finished() -> int:
        if awry := scalar(AWRY):
            raise Broken(
                f"{awry} exceptions in a benchmark without any: {sql.fetch('SELECT words FROM sync_case LIMIT 3')}"
            )
        return before + sql.fetch(SETTLED, (mark,))[0][0] // 2

    return Design("product", workers, give, finished, "SELECT max(settled_at) FROM sync_command")


def _signed(body: bytes) -> Delivery:
    headers = {
        "x-wc-webhook-signature": base64_of(HOOK_SECRET, body),
        "x-wc-webhook-topic": "order.created",
        "x-wc-webhook-delivery-id": "1",
    }
    return Delivery(headers, body)


def _plain(stack: ExitStack, name: str, urls: Sequence[str]) -> Design:
    workers = stack.enter_context(programs(*[[f"benchmarks.{name}", *urls]] * WORKERS))

    def give(fresh: list[bytes]) -> None:
        sql.insert("bench_message", {"body": "bytea", "state": "text"}, [(body, "received") for body in fresh])

    def finished() -> int:
        return scalar("SELECT count(*) FROM bench_message WHERE state = 'done'")

    return Design(name, workers, give, finished, "SELECT max(done_at) FROM bench_message")


def naive_rate(orders: int) -> float:
    """Orders per second of the naive design alone."""
    with ExitStack() as stack:
        urls = [target(stack) for _ in range(2)]
        naive = _plain(stack, "naive", urls)
        for count in (20, orders):
            _measure(naive, count, urls)
    return naive.rates[-1]


# ---- one measurement --------------------------------------------------------------------------------------------------------
_given = 0


def _measure(design: Design, count: int, urls: Sequence[str]) -> None:
    """Give a design so many orders, let it work, count what the targets saw."""
    global _given
    fresh = bodies.orders(_given + 1, count)
    _given += count
    done = design.finished() + count
    for url in urls:
        urllib3.request("DELETE", url)
    design.give(fresh)
    began = sql.fetch("SELECT clock_timestamp()")[0][0]
    for worker in design.workers:
        worker.tell("go")
    _wait(design, done)
    for worker in design.workers:
        worker.tell("halt")
    ended = sql.fetch(design.last)[0][0]
    design.rates.append(count / (ended - began).total_seconds())
    design.requests.append(_requests(design, urls, count) / count)


def _wait(design: Design, done: int) -> None:
    ends = time.monotonic() + PATIENCE
    while (now := design.finished()) < done:
        if time.monotonic() > ends or any(worker.ended() for worker in design.workers):
            raise Broken(f"{design.name} stopped at {now} of {done} orders.")
        time.sleep(0.2)


def _requests(design: Design, urls: Sequence[str], count: int) -> int:
    """How many requests the targets got. Every order must have reached the warehouse once, no key may have come twice."""
    erp, wms = (urllib3.request("GET", url).json() for url in urls)
    if wms["keys"] != count or erp["keys"] < count:
        raise Broken(f"{design.name} lost orders: {count} given, ERP {erp}, warehouse {wms}.")
    if any(seen["requests"] != seen["keys"] for seen in (erp, wms)):
        raise Broken(f"{design.name} told a target twice: ERP {erp}, warehouse {wms}.")
    return int(erp["requests"] + wms["requests"])


def _section(product: Design, bare: Design, naive: Design, orders: int) -> Section:
    rate = {d.name: median(d.rates) for d in (product, bare, naive)}
    each = {d.name: median(d.requests) for d in (product, bare, naive)}
    lines = [
        f"| design | orders/s (median of {len(product.rates)}) | spread | requests per order |",
        "|---|---|---|---|",
    ]
    for d in (product, bare, naive):
        lines.append(f"| {d.name} | {rate[d.name]:,.0f} | {spread(d.rates)} | {each[d.name]:.2f} |")
    per_request = {name: rate[name] * each[name] for name in rate}
    lines += [
        "",
        f"Per request the product makes {per_request['product'] / per_request['naive']:.1f} times the naive design's and "
        f"{per_request['product'] / per_request['bare']:.2f} of the bare drain's: an ERP is told customer, order and confirmation, where "
        "the two others push an order once.",
    ]
    return Section(
        "P2 pipeline",
        f"{orders:,} orders per measurement ({NAIVE} times fewer for the naive design), {WORKERS} worker processes per design, two stub "
        "targets in processes of their own.",
        "\n".join(lines),
        [
            Claim("product ÷ naive design, orders/s", rate["product"] / rate["naive"], 30.0),
            Claim("product ÷ bare drain of 100, orders/s", rate["product"] / rate["bare"], 0.5),
        ],
    )
