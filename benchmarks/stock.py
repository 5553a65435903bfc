"""P6: what may be sold of a whole catalogue reckoned again, beside one bare statement; and how often a shop is written to.

The bare statement has the same joins and terms: levels, what the source had allocated beside ours, our open units where they are routed and
where not, safety stock per place, kits by their scarcest part per place, threshold, cap and backorders. It leaves out: since when a source
knew of our units (it takes an accepted request as known), pools, reships, stale and doubted figures, split shipments, the explanation kept
with each figure, the ledger, what the shop should show, and looking whether anything changed: it writes every row. Both must agree.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from math import ceil
from statistics import median
from unittest import mock

import msgspec
from django.db import transaction
from django.db.models import F

from benchmarks import shelves, world
from benchmarks.report import Broken, Claim, Section, spread
from canonical import sql
from canonical.facts import CountsStated
from canonical.ledger import Cause
from canonical.models import Listing, Location, ShopPolicy, StockSource, System
from canonical.record import Stated
from canonical.types import Counted
from connectors.files.settings import Settings
from connectors.files.simulator import Writer
from connectors.woocommerce.simulator import KEY, SECRET, Shop
from connectors.woocommerce.simulator.records import Stocked
from retailsync.platform.secrets import seal
from retailsync.sync import clock, corridor, inbox, polling, publishing, sending, stock
from retailsync.sync.models import Cursor

SKUS, QUICK = 100_000, 5_000
FEW = 100  # one SKU in so many changes
CHANGED, SALES = 1_250, 1_000

BARE = """WITH open AS (SELECT l.id, coalesce(c.sku_id, l.sku_id) AS sku, coalesce(c.units, 1) AS per,
      l.ordered - l.cancelled - l.shipped AS units
    FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id LEFT JOIN canonical_linecomponent c ON c.line_id = l.id
    WHERE l.requires_shipping AND l.ordered > l.cancelled + l.shipped AND o.shop_status IN ('on_hold', 'processing', 'completed')),
  routed AS (SELECT o.id, o.sku, r.location_id, sum((q.units - q.short - q.shipped) * o.per) AS units FROM open o
    JOIN canonical_requestline q ON q.line_id = o.id JOIN canonical_fulfilmentrequest r ON r.id = q.request_id
    WHERE r.answer NOT IN ('rejected', 'closed') GROUP BY 1, 2, 3),
  own AS (SELECT sku, location_id, sum(units) AS units FROM routed GROUP BY 1, 2),
  unrouted AS (SELECT o.sku, sum(o.units * o.per - coalesce(r.units, 0)) AS units FROM open o
    LEFT JOIN (SELECT id, sku, sum(units) AS units FROM routed GROUP BY 1, 2) r ON r.id = o.id AND r.sku = o.sku GROUP BY 1),
  free AS (SELECT v.sku_id, v.location_id, v.on_hand - v.damaged - v.quality_hold - greatest(v.allocated, coalesce(w.units, 0)) AS units
    FROM canonical_stocklevel v LEFT JOIN own w ON w.sku = v.sku_id AND w.location_id = v.location_id),
  gives AS (SELECT e.channel_id, e.sku_id, p.sku_id AS part, coalesce(k.units, 1) AS per, e.location_id, f.units,
      greatest(p.safety_units, ceil(p.safety_percent * greatest(f.units, 0) / 100.0)) AS safety
    FROM canonical_eligibility e LEFT JOIN canonical_kitcomponent k ON k.kit_id = e.sku_id
    JOIN canonical_eligibility p ON p.channel_id = e.channel_id AND p.sku_id = coalesce(k.component_id, e.sku_id)
      AND p.location_id = e.location_id
    JOIN free f ON f.sku_id = p.sku_id AND f.location_id = e.location_id),
  whole AS (SELECT channel_id, sku_id, sum(units) AS units FROM (SELECT channel_id, sku_id, location_id,
      min(floor(greatest(0, units - safety) / per)) AS units FROM gives GROUP BY 1, 2, 3) x GROUP BY 1, 2),
  owed AS (SELECT g.channel_id, g.sku_id, max(ceil((g.owes + coalesce(u.units, 0)) / g.per)) AS units
    FROM (SELECT channel_id, sku_id, part, per, sum(greatest(0, -units)) AS owes FROM gives GROUP BY 1, 2, 3, 4) g
    LEFT JOIN unrouted u ON u.sku = g.part GROUP BY 1, 2),
  network AS (SELECT w.channel_id, w.sku_id, w.units - o.units AS units FROM whole w
    JOIN owed o ON o.channel_id = w.channel_id AND o.sku_id = w.sku_id)
UPDATE canonical_offer t SET sellable = CASE WHEN t.backorders <> 'no' AND (t.backorder_limit IS NULL
      OR n.units - t.threshold > -t.backorder_limit) THEN least(n.units - t.threshold, t.cap)
    ELSE greatest(0, least(n.units - t.threshold, t.cap)) END
  FROM network n WHERE n.channel_id = t.channel_id AND n.sku_id = t.sku_id"""


def run(skus: int, repetitions: int, say: Callable[[str], None]) -> Section:
    """Measure both, then count requests."""
    built = world.build()
    ids = shelves.fill(built.shop, built.wms, skus)
    say(f"P6: {skus:,} SKUs at {shelves.PLACES} places are there")
    few, every, bare = [], [], []
    for turn in range(repetitions):
        few.append(_reckoned(ids, ids[turn::FEW]))
        bare.append(_bare())
        every.append(_reckoned(ids, ids))
        say(
            f"P6 {turn + 1}/{repetitions}: {few[-1]:.2f} s with one in {FEW} changed, {every[-1]:.2f} s with all, bare {bare[-1]:.2f} s"
        )
    first, later = _files(skus, say)
    writes, sales = _requests(say)
    table = [
        "| recompute | s |", "|---|---|",
        f"| one SKU in {FEW} changed | {spread(few, 2)} |", f"| every SKU changed | {spread(every, 2)} |",
        f"| bare statement | {spread(bare, 2)} |",
        "", "| a CSV file of every SKU, from its drop until every level is what it says | s |", "|---|---|",
        f"| the first, of a warehouse not heard before | {first:.1f} |", f"| the next, every figure changed | {later:.1f} |",
    ]  # fmt: skip
    share = [b / f for b, f in zip(bare, few, strict=True)]
    return Section(
        "P6 stock",
        f"{skus:,} SKUs × {shelves.PLACES} places, one in {shelves.KITS} a kit of two parts, one in {shelves.OPEN} with open units, rules "
        f"for all, categories, a place and one SKU in a hundred; {repetitions} repetitions in turns, every SKU touched. The bare statement "
        "has the same joins and terms; it leaves out since when a source knew of our units, pools, reships, stale and doubted figures, the "
        "explanation of each figure, the ledger, what shops should show, and looking whether anything changed. Both gave the same figures.",
        "\n".join(table),
        [
            Claim("bare statement ÷ recompute, one in a hundred changed", median(share), 0.5),
            Claim(
                "bare statement ÷ recompute, everything changed",
                median(b / a for b, a in zip(bare, every, strict=True)),
            ),
            Claim(f"write requests for {CHANGED:,} changed figures", writes, ceil(CHANGED / 100), at_most=True),
            Claim(f"stock writes caused by {SALES:,} plain sales", sales, 0, at_most=True),
        ],
    )


def _reckoned(ids: list[int], changed: list[int]) -> float:
    """Seconds to reckon every SKU again after the levels of some changed."""
    sql.fetch("UPDATE canonical_stocklevel SET on_hand = on_hand + 1 WHERE sku_id = ANY(%s)", (changed,))
    sql.fetch("INSERT INTO canonical_stocktouch (sku_id) SELECT unnest(%s::bigint[])", (ids,))
    sql.fetch("VACUUM ANALYZE canonical_offer, canonical_listing, canonical_stocklevel")
    began = time.perf_counter()
    stock.drain()
    return time.perf_counter() - began


def _bare() -> float:
    """Seconds of the bare statement, which must find what was reckoned."""
    mark = "SELECT md5(string_agg(id || ':' || sellable, ',' ORDER BY id)) FROM canonical_offer"
    before = sql.fetch(mark)
    sql.fetch("VACUUM ANALYZE canonical_offer")
    began = time.perf_counter()
    sql.fetch(BARE)
    took = time.perf_counter() - began
    if sql.fetch(mark) != before:
        raise Broken("The bare statement and the product do not agree on what may be sold.")
    return took


def _files(skus: int, say: Callable[[str], None]) -> tuple[float, float]:
    """Seconds from a warehouse's file of its whole stock until the levels say so: its first one, and one in which every figure changed."""
    found = []
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, RETAILSYNC_FILES=folder):
        settings = {"folder": f"{folder}/w4", "files": "stock_{time}.csv", "complete": "sha256", "location": "W4",
                    "columns": {"sku": "SKU", "on_hand": "Units"}}  # fmt: skip
        system = System.objects.create(slug="w4", name="W4", connector="files", roles=["3pl"], settings=settings)
        place = Location.objects.create(code="W4", name="Warehouse 4", executor=system)
        StockSource.objects.create(system=system, location=place, external_id=place.code, jump_units=1_000_000)
        Cursor.objects.create(system=system, feed="stock")
        writer = Writer(msgspec.convert(settings, Settings))
        for more in range(2):
            figures = {f"B{n:06}": n % 90 + more for n in range(1, skus + 1)}
            began = time.perf_counter()
            writer.drop(f"stock_2026010{more + 1}T0600.csv", figures)
            polling.poll(system.pk, "stock")
            told = time.perf_counter() - began
            while inbox.drain(system.pk):
                pass
            found.append(time.perf_counter() - began)
            say(
                f"P6: {skus:,} rows of a file: {told:.1f} s read and stored, {found[-1]:.1f} s until every level says so"
            )
            are = dict(sql.fetch("SELECT s.code, l.on_hand FROM canonical_stocklevel l JOIN canonical_sku s ON s.id = l.sku_id"
                                 " WHERE l.location_id = %s", (place.pk,)))  # fmt: skip
            if are != figures:
                raise Broken(
                    f"Of {skus:,} levels {len(set(are.items()) ^ set(figures.items()))} are not what the file said."
                )
    return found[0], found[1]


# ---- requests ---------------------------------------------------------------------------------------------------------------
def _requests(say: Callable[[str], None]) -> tuple[int, int]:
    """Write requests for figures that changed, and for plain sales, to a simulated shop."""
    goods, rng = [Stocked(f"G{n:04d}", 0) for n in range(2 * CHANGED)], random.Random(1)
    with Shop(seed=1, goods=goods) as shop:
        built = world.build()
        System.objects.filter(pk=built.shop).update(erp=None)
        connect(built, shop.url)
        count(built, [x.sku for x in goods], 500)
        turn(built.shop)
        before = _writes()
        count(built, [x.sku for x in goods[:CHANGED]], 400)
        turn(built.shop)
        changed, before = _writes() - before, _writes()
        for _ in range(10):
            for _ in range(SALES // 10):
                shop.checkout({rng.choice(goods).sku: 1}, status="processing")
            polling.poll(built.shop, "orders")
            turn(built.shop)
        say(f"P6: {changed} requests for {CHANGED:,} changed figures, {_writes() - before} for {SALES:,} sales")
        if wrong := Listing.objects.filter(target__isnull=False).exclude(target=F("expected")).count():
            raise Broken(f"{wrong} listings are not known to show what they should.")
        return changed, _writes() - before


def connect(built: world.World, url: str) -> None:
    """The shop is this one; the warehouse counts it."""
    System.objects.filter(pk=built.shop).update(settings={"url": url, "allow_loopback_http": True})
    shop = System.objects.get(pk=built.shop)
    for name, plain in (("consumer_key", KEY), ("consumer_secret", SECRET)):
        shop.secrets.create(name=name, sealed=seal(plain))
    ShopPolicy.objects.create(channel=shop, publish_stock=True)
    StockSource.objects.create(
        system_id=built.wms, location=Location.objects.get(code="W1"), external_id="W1", jump_units=10_000
    )
    for feed, value in (("products", ""), ("orders", clock.now().isoformat())):
        Cursor.objects.create(system=shop, feed=feed, value=value)
    polling.poll(built.shop, "products")
    turn(built.shop)


def count(built: world.World, skus: list[str], units: int) -> None:
    """The warehouse counts so many of each."""
    fact = CountsStated(
        occurred_at=clock.now(), location="W1", rows=tuple(Counted(on_hand=units, sku=code) for code in skus)
    )
    with transaction.atomic():
        corridor.advance(built.wms, [Stated(Cause("bench", 1), fact)], clock.now())


def turn(shop: int) -> None:
    """The shop's messages and commands, until nothing moves."""
    while inbox.drain(shop) + stock.drain() + publishing.publish(shop) + sending.drain(shop):
        pass


def _writes() -> int:
    return world.scalar("SELECT count(*) FROM sync_attempt WHERE method = 'POST' AND url LIKE %s", "%products%batch%")
