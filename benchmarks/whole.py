"""P3: a signed webhook over HTTP → ERP and warehouse confirmed, at the highest rate that is sustained, by the whole product.

Sustained means: everything offered was accepted, and the last order was confirmed at most so many seconds after it was accepted. The
rate that counts is orders ÷ the time from the first offered to the last confirmed, so that no backlog left at the end flatters it.
"""

from dataclasses import dataclass

from benchmarks.report import Broken, Claim, Section
from benchmarks.running import Offer, Running, workers

SECONDS = 60.0
PROBE, PROBE_SECONDS = 800.0, 3.0  # more than is sustained: how fast its backlog goes is the first guess
STEP_SECONDS, STEPS, FACTOR = 10.0, 4, 1.1
STEP_TAIL, TAIL = 1.5, 3.0  # seconds after which nothing may be open any more, for a step and for the whole stretch
HOLDS = 3
TARGET = 600.0


@dataclass
class Sustained:
    """The stretch that was sustained, and what was tried before it."""

    offer: Offer
    tried: list[Offer]


def find(running: Running, seconds: float) -> Sustained:
    """Search in steps, then hold. A stretch that is not sustained says by its tail what is, so few are needed."""
    tried: list[Offer] = []
    rate = _search(running, min(STEP_SECONDS, seconds), tried)
    for turn in range(HOLDS):
        offer = running.offer(rate, seconds, f"holding, try {turn + 1}")
        tried.append(offer)
        if _is_sustained(offer, TAIL):
            return Sustained(offer, tried)
        rate = min(rate * 0.95, offer.achieved * 0.97)
    raise Broken(f"No rate was sustained for {seconds:g} s: {', '.join(f'{o.rate:,.0f}/s' for o in tried)} were not.")


def _search(running: Running, seconds: float, tried: list[Offer]) -> float:
    """The highest rate of a few short steps that was sustained, or the lowest tried."""
    tried.append(running.offer(PROBE, min(PROBE_SECONDS, seconds), "probing"))
    rate, best = tried[-1].achieved * 0.9, 0.0
    for step in range(STEPS):
        offer = running.offer(rate, seconds, f"searching, step {step + 1}")
        tried.append(offer)
        if not _is_sustained(offer, STEP_TAIL):
            if best:
                break
            rate = min(rate / FACTOR, offer.achieved)
        elif step and not best:  # sustained after one that was not
            return rate
        else:
            best, rate = rate, rate * FACTOR
    return best or rate


def _is_sustained(offer: Offer, tail: float) -> bool:
    return offer.tail <= tail and offer.late <= tail


def section(running: Running, found: Sustained, seconds: float, naive: float) -> Section:
    """The result in words."""
    offer, verdict = found.offer, running.check()
    rows = [
        f"| {o.rate:,.0f} | {(o.stopped - o.began).total_seconds():.0f} | {o.accepted:,} | {o.tail:.1f} | {o.achieved:,.0f} |"
        for o in found.tried
    ]
    table = [
        "| offered, orders/s | for, s | accepted | last one confirmed after, s | achieved, orders/s |",
        "|---|---|---|---|---|",
        *rows,
    ]
    text = (
        f"The last stretch is the one that counts: **{offer.achieved:,.0f} orders/s sustained for {seconds:g} s**. {verdict} The naive "
        f"design, without a door in front and with its rows given to it at once, did {naive:,.0f} orders/s before it in the same run."
    )
    return Section(
        "P3 whole path",
        f"Signed `order.created` webhooks of about 5.8 kB over HTTP, through granian, Celery, PostgreSQL and Redis as `manage.py up` runs "
        f"them, to both stub targets; on the same cores: {workers()}. A short step counts as sustained when nothing is open "
        f"{STEP_TAIL:g} s after it, the stretch when nothing is open {TAIL:g} s after it.",
        "\n".join([*table, "", text]),
        [
            Claim("sustained, orders/s", offer.achieved, TARGET),
            Claim("product with door ÷ naive design without, orders/s", offer.achieved / naive),
        ],
    )
