"""What is free where of what orders still have to be sent for. Three queries at most, and one where nobody counts stock."""

from collections.abc import Iterable

from canonical import sql
from canonical.rules.routing import Shelves
from canonical.sellable import DEMAND, FREE
from retailsync.flows.view import OrderView

#: What lines take of what is counted anywhere, and whether the shop may sell them without having them.
_COUNTED = """SELECT l.order_id, l.id, p.sku, p.units, coalesce(f.backorders, 'no') <> 'no' FROM canonical_orderline l
  JOIN canonical_order o ON o.id = l.order_id LEFT JOIN canonical_linecomponent c ON c.line_id = l.id
  LEFT JOIN canonical_offer f ON f.channel_id = o.channel_id AND f.sku_id = l.sku_id
  CROSS JOIN LATERAL (SELECT coalesce(c.sku_id, l.sku_id) AS sku, coalesce(c.units, 1) AS units) p
  WHERE l.id = ANY(%s) AND EXISTS (SELECT 1 FROM canonical_stocklevel v WHERE v.sku_id = p.sku AND v.counted IS NOT NULL)"""
#: Figures too old to be believed, and those of a location nobody speaks for any more, say nothing about where an order goes.
_FREE = f"""WITH demand AS MATERIALIZED ({DEMAND}) SELECT f.sku_id, f.location_id, f.free FROM ({FREE}) f
  WHERE NOT f.stale AND EXISTS (SELECT 1 FROM canonical_stocksource s WHERE s.location_id = f.location_id)"""


def add(orders: Iterable[OrderView]) -> None:
    """Let orders with units that go nowhere yet see what is free. All see the same shelves, so that none is sent to what another got."""
    by_id = {o.id: o for o in orders}
    lines = [x.id for o in by_id.values() for x in o.lines if x.ships and x.ordered - x.cancelled > x.routed]
    rows = sql.fetch(_COUNTED, (lines,)) if lines else []
    if not rows:
        return
    for id, line, sku, units, backordered in rows:
        by_id[id].parts.setdefault(line, {})[sku] = units
        if backordered:
            by_id[id].backordered.add(line)
    found = sql.fetch(_FREE, {"parts": sorted({row[2] for row in rows})})
    shelves = Shelves({(sku, location): free for sku, location, free in found})
    for order in by_id.values():
        order.shelves = shelves
