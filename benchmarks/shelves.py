"""A catalogue with stock, put into the database as rows: SKUs at three locations, kits, rules, and open orders. Needs Django."""

from datetime import timedelta
from decimal import Decimal

from canonical import sql
from canonical.models import (
    Address,
    AvailabilityRule,
    Customer,
    FulfilmentRequest,
    Location,
    Order,
    OrderLine,
    RequestLine,
    ShopPolicy,
    Sku,
    Sourcing,
    StockSource,
    System,
)
from retailsync.sync import clock, stock

PLACES = 3
KITS = 20  # every so manieth SKU is a kit of the two before it
OPEN = 5  # every so manieth SKU has open units
LINES = 10  # of each order

_SKUS = """INSERT INTO canonical_sku (code, name, gtin, category, authority_id, requires_shipping, active, created_at)
  SELECT 'B' || lpad(n::text, 6, '0'), 'Thing', '', 'c' || n %% 20, %s, true, true, now() FROM generate_series(1, %s) n"""
_LISTINGS = """INSERT INTO canonical_listing
    (channel_id, external_id, managed, quantity, expected, backorders, target_backorders, read_at, shop_at)
  SELECT %s, s.id::text, true, 0, 0, 'no', 'no', h.ago, h.ago
  FROM canonical_sku s, (SELECT now() - interval '1 hour' AS ago) h WHERE s.code ~ '^B'"""
_OFFERS = """INSERT INTO canonical_offer (channel_id, sku_id, listing_id)
  SELECT l.channel_id, l.external_id::bigint, l.id FROM canonical_listing l WHERE l.channel_id = %s"""
_KITS = """INSERT INTO canonical_kitcomponent (kit_id, component_id, units) SELECT k.id, c.id, 1 + x
  FROM canonical_sku k CROSS JOIN generate_series(0, 1) x JOIN canonical_sku c ON c.id = k.id - 1 - x
  WHERE k.code ~ '^B' AND substr(k.code, 2)::int %% %s = 0"""
_COUNTS = """INSERT INTO canonical_stockcount (source_id, sku_id, accepted, on_hand, allocated, damaged, observed_at, cause_kind, cause_id)
  SELECT o.id, s.id, true, (s.id * 7 + o.id) %% 40, s.id %% 3, s.id %% 7 / 6, now() - interval '1 hour', 'seed', 0
  FROM canonical_stocksource o CROSS JOIN canonical_sku s WHERE s.code ~ '^B'"""
_LEVELS = """INSERT INTO canonical_stocklevel
    (sku_id, location_id, on_hand, allocated, damaged, quality_hold, counted, counted_at, counted_by_id)
  SELECT c.sku_id, o.location_id, c.on_hand, c.allocated, c.damaged, 0, c.on_hand, c.observed_at, o.id
  FROM canonical_stockcount c JOIN canonical_stocksource o ON o.id = c.source_id"""


def fill(shop: int, wms: int, skus: int) -> list[int]:
    """Put it there and reckon it once; returns the SKUs."""
    ShopPolicy.objects.update_or_create(channel_id=shop, defaults={"publish_stock": True})
    _places(shop, wms)
    for statement, given in (
        (_SKUS, (shop, skus)), (_LISTINGS, (shop,)), (_OFFERS, (shop,)), (_KITS, (KITS,)), (_COUNTS, ()), (_LEVELS, ()),
    ):  # fmt: skip
        sql.fetch(statement, given)
    ids = list(Sku.objects.filter(code__startswith="B").order_by("id").values_list("id", flat=True))
    _orders(shop, wms, ids)
    _rules(shop, ids)
    sql.fetch("ANALYZE")
    sql.fetch("INSERT INTO canonical_stocktouch (terms) VALUES (true)")
    stock.drain()
    sql.fetch("UPDATE canonical_listing SET expected = target, quantity = target WHERE target IS NOT NULL")
    sql.fetch("VACUUM ANALYZE")
    return ids


def _places(shop: int, wms: int) -> None:
    """Three warehouses that count gross figures and show what they have allocated."""
    Sourcing.objects.filter(channel_id=shop).delete()
    for n in range(1, PLACES + 1):
        place, _ = Location.objects.get_or_create(code=f"W{n}", defaults={"name": f"Warehouse {n}", "executor_id": wms})
        counter = (
            System.objects.get(pk=wms)
            if n == 1
            else System.objects.create(slug=f"wms-{n}", name=f"wms-{n}", connector="bench_wms")
        )
        StockSource.objects.create(system=counter, location=place, external_id=place.code, jump_units=1_000_000)
        Sourcing.objects.create(channel_id=shop, location=place, rank=n)


def _rules(shop: int, skus: list[int]) -> None:
    """Something for everything, for some categories, for one place, and for one SKU in a hundred."""
    AvailabilityRule.objects.create(safety_units=1)
    for n in range(5):
        AvailabilityRule.objects.create(category=f"c{n}", safety_percent=10, threshold=2)
    AvailabilityRule.objects.create(location=Location.objects.get(code="W2"), safety_units=2)
    AvailabilityRule.objects.create(channel_id=shop, cap=99)
    one_in_a_hundred = [AvailabilityRule(sku_id=sku, backorders="notify", backorder_limit=5) for sku in skus[::100]]
    AvailabilityRule.objects.bulk_create(one_in_a_hundred)


def _orders(shop: int, wms: int, skus: list[int]) -> None:
    """Orders of ten lines; every other one is routed, to a warehouse that accepted it."""
    now, place = clock.now(), Location.objects.get(code="W1")
    buyer = Customer.objects.create(key="bench", email="", name="")
    home = Address.objects.create(customer=buyer, digest=b"bench", content={})
    wanted = skus[::OPEN]
    chunks = [wanted[n : n + LINES] for n in range(0, len(wanted), LINES)]
    orders = Order.objects.bulk_create(
        Order(channel_id=shop, external_id=f"S{n}", number=f"S{n}", reference=f"S{n}", shop_status="processing", currency="EUR",
              placed_at=now - timedelta(hours=2), total=Decimal(10), total_tax=Decimal(0), customer=buyer, billing=home, shipping=home)
        for n in range(len(chunks))
    )  # fmt: skip
    lines = OrderLine.objects.bulk_create(
        OrderLine(order=order, external_id=str(n), sku_id=sku, ordered=2, reduced=2, subtotal=Decimal(1), total=Decimal(1))
        for order, chunk in zip(orders, chunks, strict=True) for n, sku in enumerate(chunk)
    )  # fmt: skip
    requests = FulfilmentRequest.objects.bulk_create(
        FulfilmentRequest(order=order, location=place, system_id=wms, reference=f"{order.reference}/1", answer="accepted",
                          requested_at=now - timedelta(hours=2), answered_at=now - timedelta(hours=2))
        for order in orders[::2]
    )  # fmt: skip
    asked = {request.order_id: request for request in requests}
    RequestLine.objects.bulk_create(
        RequestLine(request=asked[x.order_id], line=x, units=2) for x in lines if x.order_id in asked
    )
