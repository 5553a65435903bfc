"""P10: calls of the partner API per second, beside the hooks door on the same server in the same run, and how long they take at half of it.

A call is authenticated, throttled, checked against where its request stands, stored and committed with its idempotency key; a webhook
of the door is verified, stored and committed.
"""

import tempfile
from collections.abc import Callable, Sequence
from statistics import median

from django.utils import timezone

from benchmarks import door, world
from benchmarks.house import Program, programs, server
from benchmarks.report import Broken, Claim, Section, spread
from canonical import sql
from canonical.models import Address, Customer, FulfilmentRequest, Location, Order, OrderLine, RequestLine, System
from retailsync.partners.models import PartnerKey, PartnerTerms
from retailsync.platform import processes

SECONDS = 8.0  # per measurement
GENERATORS, CONNECTIONS = 2, 4  # processes, kept connections in each
REQUESTS = 12_000  # more than are worked through
LONGEST = 100.0  # milliseconds at half of the rate


def run(seconds: float, repetitions: int, say: Callable[[str], None]) -> Section:
    """Measure and compare."""
    shop = world.build().shop
    key = _prepare(shop)
    calls: list[float] = []
    hooks: list[float] = []
    with tempfile.TemporaryDirectory() as static:
        port = door.free_port()
        command = list(processes.product("127.0.0.1", port, static)[0].command)
        share = REQUESTS // GENERATORS
        numbers = [(1 + n * share, share) for n in range(GENERATORS)]
        asked = [["benchmarks.caller", str(port), key, str(a), str(b), str(CONNECTIONS)] for a, b in numbers]
        with server(command, {"BENCH_SECRET": world.HOOK_SECRET}):
            door.awake(port)
            with programs(*asked) as generators:
                _calls(generators, 0, 1.0)
                for turn in range(repetitions):
                    calls.append(_calls(generators, 0, seconds)[0])
                    hooks.append(door.measured(port, seconds, "sync_message"))
                    say(f"P10 {turn + 1}/{repetitions}: {calls[-1]:,.0f} calls/s, {hooks[-1]:,.0f} webhooks/s")
                rate = median(calls) / 2
                _, p50, p95, p99 = _calls(generators, rate, 2 * seconds)
    say(f"P10 at {rate:,.0f} calls/s: {p50:.1f}, {p95:.1f}, {p99:.1f} ms")
    return _section(calls, hooks, (rate, p50, p95, p99), seconds)


def _prepare(shop: int) -> str:
    """A partner with many requests to work on; its key."""
    system = System.objects.create(slug="bench-partner", name="Partner", connector="partner", roles=["3pl"])
    PartnerTerms.objects.create(system=system, calls_per_minute=10_000_000)
    location = Location.objects.create(code="BENCH", name="Bench", executor=system)
    customer = Customer.objects.create(key="bench@example.org")
    address = Address.objects.create(customer=customer, digest=b"b", content={})
    now = timezone.now()
    orders = Order.objects.bulk_create(
        Order(
            channel_id=shop, external_id=f"B{n}", number=f"B{n}", reference=f"BENCH-{n}", shop_status="processing", placed_at=now,
            currency="EUR", total=10, total_tax=0, customer=customer, billing=address, shipping=address,
        )
        for n in range(1, REQUESTS + 1)
    )  # fmt: skip
    lines = OrderLine.objects.bulk_create(
        OrderLine(order=o, external_id="1", sku_text="BENCH", name="Bench", ordered=2, subtotal=10, total=10)
        for o in orders
    )
    requests = FulfilmentRequest.objects.bulk_create(
        FulfilmentRequest(
            order=o, location=location, system=system, reference=o.number, answer="submitted", requested_at=now
        )
        for o in orders
    )
    RequestLine.objects.bulk_create(
        RequestLine(request=r, line=o, units=2) for r, o in zip(requests, lines, strict=True)
    )
    sql.fetch("ANALYZE")
    return PartnerKey.issue(system, "benchmark")[1]


def _calls(generators: Sequence[Program], rate: float, seconds: float) -> tuple[float, float, float, float]:
    """Calls per second, and the middle, 95 and 99 in a hundred of their milliseconds (the slower generator's)."""
    for generator in generators:
        generator.tell(f"{rate / len(generators)} {seconds}")
    told = [[float(word) for word in generator.hear().split()] for generator in generators]
    if any(refused for _, refused, *_ in told):
        raise Broken(f"{sum(words[1] for words in told):.0f} calls of the partner API were not answered well.")
    p50, p95, p99 = (max(words[n] for words in told) for n in (3, 4, 5))
    return sum(words[0] / words[2] for words in told), p50, p95, p99


def _section(calls: list[float], hooks: list[float], half: tuple[float, ...], seconds: float) -> Section:
    rate, p50, p95, p99 = half
    table = [
        f"| | per second (median of {len(calls)}) | spread |", "|---|---|---|",
        f"| calls of the partner API | {median(calls):,.0f} | {spread(calls)} |",
        f"| webhooks of the door | {median(hooks):,.0f} | {spread(hooks)} |", "",
        f"At {rate:,.0f} calls/s, from the moment each was due: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms.",
    ]  # fmt: skip
    return Section(
        "P10 partner API",
        f"{seconds:g} s per measurement over {GENERATORS} × {CONNECTIONS} kept connections. Each request's life is six calls: read "
        "it, accept, start, pick, pack, ship; each POST with an Idempotency-Key. Nothing is recorded meanwhile, so every call folds "
        "all that was said before.",
        "\n".join(table),
        [
            Claim("calls ÷ webhooks of the door", median(calls) / median(hooks)),
            Claim("p95 at half of the rate, ms", p95, LONGEST, at_most=True),
        ],
    )  # fmt: skip
