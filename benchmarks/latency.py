"""P5: how long an order takes from the door to the ERP, at half of what is sustained. One machine, one clock."""

from statistics import median

from benchmarks.report import Broken, Claim, Section, percentile
from benchmarks.running import Running, told, workers
from canonical import sql

SECONDS = 30.0
HALF, WORST = 0.3, 1.0  # targets in seconds
#: Order number → when the door had it; bodies begin with the order's id.
_TAKEN = """SELECT 'WEB-' || substring(encode(substring(body FROM 1 FOR 30), 'escape') FROM '[0-9]+'),
    extract(epoch FROM received_at)::float8 FROM sync_message WHERE received_at >= %s"""


def run(running: Running, sustained: float, seconds: float) -> Section:
    """Offer half, then compare the door's clock with the ERP's."""
    offer = running.offer(sustained / 2, seconds, "latency")
    taken = dict(sql.fetch(_TAKEN, (offer.began,)))
    sent = dict(told(running.urls[0])["CreateOrder"])
    if len(taken) != offer.accepted:
        raise Broken(f"{offer.accepted} orders accepted, {len(taken)} messages.")
    took = [sent[name] - at for name, at in taken.items()]
    table = [
        "| webhook at the door → `CreateOrder` at the ERP | s |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in (("fastest", min(took)), ("p50", median(took)), ("p90", percentile(took, 0.9)),
                                                         ("p99", percentile(took, 0.99)), ("slowest", max(took)))),
    ]  # fmt: skip
    return Section(
        "P5 latency at half of P3",
        f"{offer.rate:,.0f} orders/s for {seconds:g} s ({len(took):,} orders). From the moment the door's row says it was received, before "
        f"its commit, to the moment the stub ERP has read the request that creates the order, which goes out after the one for its "
        f"customer; {workers()}. The stock part (stock change → shop write) is not built yet.",
        "\n".join([*table, "", running.check()]),
        [
            Claim("accepted → ERP request sent, p50, s", median(took), HALF, at_most=True),
            Claim("accepted → ERP request sent, p99, s", percentile(took, 0.99), WORST, at_most=True),
        ],
    )
