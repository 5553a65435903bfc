"""P4: one sixth of what is sustained, then all of it, then a sixth again: how the backlog comes and goes, and the console meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import urllib3
from django.db import connections

from benchmarks import plots, world
from benchmarks.report import Broken, Claim, Section, percentile
from benchmarks.running import Running, Watch, workers

FACTOR = 6
SECONDS = 60.0
BEFORE, AFTER, LONGEST = 15.0, 10.0, 120.0
TARGET = 60.0
PAUSE = 0.2  # seconds between two pages one person looks at
PAGES = {
    "start page": "/admin/",
    "exceptions": "/admin/sync/case/",
    "orders": "/admin/canonical/order/",
    "one order": "/admin/canonical/order/{order}/change/",
    "messages": "/admin/sync/message/",
    "commands": "/admin/sync/command/",
}
Looks = list[tuple[float, str, float]]  # seconds since the watch began, page, seconds it took


def run(running: Running, sustained: float, seconds: float, plot: Path | None) -> Section:
    """Base, spike, base; `plot` is where the picture goes."""
    base = sustained / FACTOR
    with running.watched(f"base {base:,.0f}/s, spike {sustained:,.0f}/s for {seconds:g} s, base again") as watch:
        with _reader(running, watch) as looks:
            running.stretch(base, min(BEFORE, seconds))
            rise = watch.now()
            running.stretch(sustained, seconds)
            fall = watch.now()
            calm = max((count for at, count in watch.samples if 2 < at < rise), default=0) + base
            gone = _until_calm(running, watch, base, fall, calm)
        running.drained()
    if plot:
        plots.write(
            plot, watch.samples, rise, fall, f"Backlog in orders: {base:,.0f}/s, {sustained:,.0f}/s, {base:,.0f}/s"
        )
    return _section(running, watch, looks, (base, sustained, rise, fall, gone, calm), plot)


def _until_calm(running: Running, watch: Watch, base: float, fall: float, calm: float) -> float:
    """Go on at the base until the backlog is as before; seconds from the end of the spike until then."""
    while watch.now() < fall + LONGEST:
        running.stretch(base, AFTER)
        for at, count in watch.samples:
            if at > fall and count <= calm:
                return at - fall
    raise Broken(f"{LONGEST:g} s after the spike the backlog was still {watch.samples[-1][1]:,}.")


# ---- somebody at the console ------------------------------------------------------------------------------------------------
@contextmanager
def _reader(running: Running, watch: Watch) -> Iterator[Looks]:
    """One person going through the console's pages, logged in."""
    cookie, over, looks = _log_in(), threading.Event(), Looks()
    paths = {
        name: path.format(order=world.scalar("SELECT max(id) FROM canonical_order")) for name, path in PAGES.items()
    }
    thread = threading.Thread(target=_read, args=(running.port, cookie, paths, watch, looks, over), daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()
    if not looks:
        raise Broken("The console answered nothing.")


def _log_in() -> str:
    """A session of an administrator, as the Cookie header says it."""
    client = world.person()
    return f"sessionid={client.cookies['sessionid'].value}"


def _read(port: int, cookie: str, paths: dict[str, str], watch: Watch, looks: Looks, over: threading.Event) -> None:
    pool = urllib3.PoolManager(retries=False, timeout=60)
    while True:
        for name, path in paths.items():
            if over.wait(PAUSE):
                connections.close_all()
                return
            at, began = watch.now(), time.monotonic()
            answer = pool.request("GET", f"http://127.0.0.1:{port}{path}", headers={"Cookie": cookie}, redirect=False)
            if answer.status != 200:
                raise Broken(f"{path} answered {answer.status}.")
            looks.append((at, name, time.monotonic() - began))


# ---- in words ---------------------------------------------------------------------------------------------------------------
def _section(running: Running, watch: Watch, looks: Looks, shape: tuple[float, ...], plot: Path | None) -> Section:
    base, sustained, rise, fall, gone, calm = shape
    most = max(count for _, count in watch.samples)
    rows = ["| page | before, ms: median, p95 | during the spike, ms: median, p95 |", "|---|---|---|"]
    rows += [
        f"| {name} | {_spread(_took(looks, name, 0, rise))} | {_spread(_took(looks, name, rise, fall))} |"
        for name in PAGES
    ]
    picture = f"![backlog over time]({plot.parent.name}/{plot.name})" if plot else ""
    drawn = "```\n" + plots.text(watch.samples, rise, fall) + "\n```"
    words = (
        f"{most:,} orders were open at most. Backlog gone (at most {calm:,.0f} orders open: what was open before, and a second's worth) "
        f"{gone:.1f} s after the spike. {running.check()}"
    )
    return Section(
        "P4 spike",
        f"{base:,.0f} orders/s, then {sustained:,.0f} for {fall - rise:.0f} s, then {base:,.0f} again, while one person reads the "
        f"console over HTTP, a page every {PAUSE:g} s; {workers()}.",
        "\n\n".join(part for part in (drawn, picture, words, "\n".join(rows)) if part),
        [Claim("backlog gone after the spike, s", gone, TARGET, at_most=True)],
    )


def _took(looks: Looks, page: str, after: float, before: float) -> list[float]:
    return [1000 * took for at, name, took in looks if name == page and after <= at < before]


def _spread(found: list[float]) -> str:
    return f"{median(found):,.0f}, {percentile(found, 0.95):,.0f}" if found else "–"
