"""P5: how long an order takes from the door to the ERP, and a changed figure from its count to the shop, at half of what is sustained. One
machine, one clock."""

import threading
import time
from statistics import median

from django.db import connections

from benchmarks import stock, world
from benchmarks.report import Broken, Claim, Section, percentile
from benchmarks.running import PATIENCE, Running, told, workers
from canonical import sql
from canonical.models import Listing, System
from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.simulator.records import Stocked

SECONDS = 30.0
HALF, WORST, WRITTEN = 0.3, 1.0, 2.0  # targets in seconds
EVERY = 0.4  # seconds between two counts of one SKU each
#: Order number → when the door had it; bodies begin with the order's id.
_TAKEN = """SELECT 'WEB-' || substring(encode(substring(body FROM 1 FOR 30), 'escape') FROM '[0-9]+'),
    extract(epoch FROM received_at)::float8 FROM sync_message WHERE received_at >= %s AND door = 'webhook'"""


def run(running: Running, sustained: float, seconds: float) -> Section:
    """Offer half, and count one thing after the other meanwhile; then compare the door's clock with the ERP's, and the counts' with the
    writes'."""
    with Shop(seed=1, goods=[Stocked(f"G{n:04d}", 0) for n in range(int(seconds / EVERY))]) as shop:
        counting = Counting(shop)
        offer = running.offer(sustained / 2, seconds, "latency")
        written = counting.end()
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
        f"customer; {workers()}. Beside it {len(written)} counts of one SKU each, from their commit until right before the request "
        "that writes the figure left, with the shop's figure read and its orders heard in between.",
        "\n".join([*table, "", running.check()]),
        [
            Claim("accepted → ERP request sent, p50, s", median(took), HALF, at_most=True),
            Claim("accepted → ERP request sent, p99, s", percentile(took, 0.99), WORST, at_most=True),
            Claim("stock counted → shop write sent, p50, s", median(written)),
            Claim("stock counted → shop write sent, p95, s", percentile(written, 0.95), WRITTEN, at_most=True),
        ],
    )


class Counting:
    """A warehouse that counts one thing after the other, in a thread of its own, and a shop that shows the figures."""

    def __init__(self, shop: Shop) -> None:
        self._built = world.World(*(System.objects.get(slug=slug).pk for slug in ("shop", "erp", "wms")))
        stock.connect(self._built, shop.url)
        self._codes = [code for code in shop.stock() if code]
        stock.count(self._built, self._codes, 100)
        self._settled()
        self._at: dict[str, float] = {}
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        for code in self._codes:
            stock.count(self._built, [code], 70)
            self._at[code] = time.time()
            time.sleep(EVERY)
        connections.close_all()

    def end(self) -> list[float]:
        """Seconds each figure took until it left."""
        self._thread.join()
        self._settled()
        told = dict(Listing.objects.filter(told=70).values_list("offers__sku__code", "told_at"))
        if len(told) != len(self._at):
            raise Broken(f"{len(self._at)} figures changed, {len(told)} were written.")
        return [told[code].timestamp() - at for code, at in self._at.items()]

    def _settled(self) -> None:
        """Wait until the shop shows what it should."""
        ends = time.monotonic() + PATIENCE
        query = (
            "SELECT count(*) FROM canonical_listing WHERE target IS NULL OR target IS DISTINCT FROM expected OR verify"
        )
        while world.scalar(query):
            if time.monotonic() > ends:
                raise Broken("The shop's figures are stuck.")
            time.sleep(0.1)
