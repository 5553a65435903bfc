"""What may be sold: the formula of the canonical model as one set-based statement over the SKUs that were touched.

own demand  = open units of our orders at a location, each once whatever its stage; a net figure lacks those its source knew of already
foreign     = what a gross source had allocated, less what of it was ours
free        = on hand − quality hold − damaged − foreign − own
network     = Σ max(0, free − safety) − Σ max(0, −free) − unrouted demand − pools of other shops still unsold
sellable    = max(0, min(network − threshold, cap, own pool left)); where backorders are allowed it may be negative
"""

#: Our open units per SKU: where they are routed (`location_id` null: nowhere yet), and since when the location's authority holds them
#: for us. A unit counts once the shop took it off its own stock, or we released the order. Reships come on top of what was ordered.
DEMAND = """WITH open AS (
    SELECT l.id AS line, l.order_id, l.sku_id AS sku, 1 AS per, l.ordered - l.cancelled - l.shipped AS units FROM canonical_orderline l
      WHERE l.sku_id = ANY(%(parts)s) AND l.requires_shipping AND l.ordered > l.cancelled + l.shipped
        AND NOT EXISTS (SELECT 1 FROM canonical_linecomponent c WHERE c.line_id = l.id)
    UNION ALL SELECT l.id, l.order_id, c.sku_id, c.units, l.ordered - l.cancelled - l.shipped FROM canonical_linecomponent c
      JOIN canonical_orderline l ON l.id = c.line_id
      WHERE c.sku_id = ANY(%(parts)s) AND l.requires_shipping AND l.ordered > l.cancelled + l.shipped),
  ours AS (SELECT o.*, d.channel_id, d.reference FROM open o JOIN canonical_order d ON d.id = o.order_id
    WHERE d.shop_status IN ('on_hold', 'processing', 'completed') OR d.released_at IS NOT NULL
      OR EXISTS (SELECT 1 FROM canonical_orderline x WHERE x.id = o.line AND x.reduced > 0)),
  routed AS (SELECT o.line, o.sku, o.per, o.order_id, o.channel_id, r.id AS request, r.location_id, r.system_id, r.answer, r.answered_at,
      greatest(q.units - q.short - q.shipped, 0) AS units
    FROM ours o JOIN canonical_requestline q ON q.line_id = o.line
    JOIN canonical_fulfilmentrequest r ON r.id = q.request_id AND r.answer NOT IN ('rejected', 'closed') AND r.purpose <> 'reship'),
  reshipped AS (SELECT q.line_id AS line, coalesce(c.sku_id, l.sku_id) AS sku, coalesce(c.units, 1) AS per, r.order_id, d.channel_id,
      r.id AS request, r.location_id, r.system_id, r.answer, r.answered_at, greatest(q.units - q.short - q.shipped, 0) AS units
    FROM canonical_fulfilmentrequest r JOIN canonical_requestline q ON q.request_id = r.id JOIN canonical_orderline l ON l.id = q.line_id
    JOIN canonical_order d ON d.id = r.order_id LEFT JOIN canonical_linecomponent c ON c.line_id = l.id
    WHERE r.purpose = 'reship' AND r.answer NOT IN ('rejected', 'closed') AND r.execution <> 'shipped'
      AND coalesce(c.sku_id, l.sku_id) = ANY(%(parts)s)),
  placed AS (SELECT * FROM routed WHERE units > 0 UNION ALL SELECT * FROM reshipped WHERE units > 0)
  SELECT p.line AS line_id, p.order_id, p.channel_id, p.sku AS sku_id, p.location_id, p.units * p.per AS units,
    CASE WHEN a.system_id IS DISTINCT FROM p.system_id AND a.id IS NOT NULL THEN (SELECT min(t.occurred_at) FROM canonical_posting t
           JOIN canonical_booking b ON b.id = t.subject_id WHERE t.system_id = a.system_id AND t.kind = 'sales_order'
             AND t.subject_kind = 'booking' AND t.state = 'confirmed' AND b.order_id = p.order_id)
         WHEN a.figure = 'net_orders' THEN (SELECT t.occurred_at FROM canonical_posting t WHERE t.system_id = p.system_id
             AND t.kind = 'fulfilment_request' AND t.subject_kind = 'fulfilment_request' AND t.subject_id = p.request)
         WHEN p.answer = 'accepted' THEN p.answered_at END AS held_since
  FROM placed p LEFT JOIN canonical_stocksource a ON a.location_id = p.location_id AND a.authority = 'levels'
  UNION ALL SELECT o.line, o.order_id, o.channel_id, o.sku, NULL, (o.units - coalesce(r.units, 0)) * o.per, NULL
  FROM ours o LEFT JOIN (SELECT line, sku, sum(units) AS units FROM routed GROUP BY 1, 2) r ON r.line = o.line AND r.sku = o.sku
  WHERE o.units > coalesce(r.units, 0)"""

# OFFSET 0: what is foreign is reckoned once per level; the planner would write it out wherever it is used, three times.
#: Free units per SKU and location, of what was ever counted there. Figures older than their source may be are believed to a part only,
#: and of a doubted count and the one before the lower.
FREE = """SELECT v.id AS level_id, v.sku_id, v.location_id, v.on_hand, v.damaged, v.quality_hold, v.allocated, v.counted_at, v.doubted,
    coalesce(a.stale_since IS NOT NULL, false) AS stale, a.figure, d.own, f.units AS foreign_units,
    CASE WHEN n.free > 0 AND a.stale_since IS NOT NULL THEN n.free * a.floor_percent / 100 ELSE n.free END AS free
  FROM canonical_stocklevel v LEFT JOIN canonical_stocksource a ON a.id = v.counted_by_id
  LEFT JOIN (SELECT sku_id, location_id, array_agg(units) AS units, array_agg(held_since) AS since FROM demand
    WHERE location_id IS NOT NULL GROUP BY 1, 2) g ON g.sku_id = v.sku_id AND g.location_id = v.location_id
  CROSS JOIN LATERAL (SELECT coalesce(sum(x.units) FILTER (WHERE coalesce(a.figure, 'gross') = 'gross' OR x.since IS NULL
      OR x.since > v.counted_at), 0)::int AS own, coalesce(sum(x.units) FILTER (WHERE x.since <= v.counted_at), 0)::int AS held
    FROM unnest(g.units, g.since) x(units, since)) d
  CROSS JOIN LATERAL (SELECT CASE WHEN coalesce(a.figure, 'gross') <> 'gross' OR v.allocated = 0 THEN 0 ELSE greatest(0,
      v.allocated - d.held + coalesce((SELECT sum(m.units) FROM canonical_stockmovement m WHERE m.sku_id = v.sku_id
        AND m.location_id = v.location_id AND m.kind = 'shipment' AND m.held_since <= v.counted_at
        AND (m.counted_since IS NULL OR m.counted_since > v.counted_at)), 0))::int END AS units OFFSET 0) f
  CROSS JOIN LATERAL (SELECT least(v.on_hand, v.doubted) - v.quality_hold - v.damaged - f.units - d.own AS free) n
  WHERE v.sku_id = ANY(%(parts)s) AND v.counted IS NOT NULL"""

#: Units each shop with a pool of its own sold of it since the pool began.
POOLS = """SELECT o.channel_id, o.sku_id, o.pool, greatest(0, o.pool - coalesce(sum(l.ordered - l.cancelled), 0))::int AS unsold
  FROM canonical_offer o LEFT JOIN (canonical_orderline l JOIN canonical_order d ON d.id = l.order_id)
    ON l.sku_id = o.sku_id AND d.channel_id = o.channel_id AND d.placed_at >= o.pool_since
      AND (d.shop_status IN ('on_hold', 'processing', 'completed') OR d.released_at IS NOT NULL OR l.reduced > 0)
  WHERE o.pool IS NOT NULL AND o.sku_id = ANY(%(parts)s) GROUP BY o.id"""

# A place gives what is free there and not kept back; what it owes takes from the others. Of a kit, the scarcest part decides at each place,
# and what is owed or not routed of any part costs whole kits.
_GIVES = """SELECT w.channel_id, w.sku_id, w.part, w.per, e.location_id, e.rank, f.level_id, f.on_hand, f.damaged, f.quality_hold,
    f.allocated, f.counted_at, f.doubted, f.stale, f.own, f.foreign_units, f.free, s.safety, greatest(0, f.free - s.safety) AS gives,
    greatest(0, -f.free) AS owes, CASE WHEN w.part = w.sku_id THEN e.rules ELSE coalesce(p.rules, '{}') END AS rules
  FROM wanted w JOIN canonical_eligibility e ON e.channel_id = w.channel_id AND e.sku_id = w.sku_id
  LEFT JOIN free f ON f.sku_id = w.part AND f.location_id = e.location_id
  LEFT JOIN canonical_eligibility p ON w.part <> w.sku_id AND p.channel_id = w.channel_id AND p.sku_id = w.part
    AND p.location_id = e.location_id
  CROSS JOIN LATERAL (SELECT CASE WHEN w.part = w.sku_id THEN greatest(e.safety_units, ceil(e.safety_percent * greatest(f.free, 0) / 100.0))
      ELSE greatest(coalesce(p.safety_units, 0), ceil(coalesce(p.safety_percent, 0) * greatest(f.free, 0) / 100.0)) END::int AS safety) s"""
_UNROUTED = """SELECT w.channel_id, w.sku_id, w.part, w.per, coalesce(sum(d.units), 0)::int AS units FROM wanted w
  JOIN demand d ON d.sku_id = w.part AND d.location_id IS NULL AND (d.channel_id = w.channel_id OR EXISTS (
    SELECT 1 FROM canonical_eligibility mine JOIN canonical_eligibility theirs ON theirs.sku_id = mine.sku_id
      AND theirs.location_id = mine.location_id AND theirs.channel_id = d.channel_id
    WHERE mine.channel_id = w.channel_id AND mine.sku_id = w.part)) GROUP BY 1, 2, 3, 4"""
# Per place, then per part, each by one pass: the same said as subqueries of each offer read everything again for each.
_NETWORK = """SELECT x.channel_id, x.sku_id, x.kit,
    CASE WHEN x.kit AND coalesce(p.split, 'lines') = 'never' THEN x.most ELSE x.units END - o.owes AS units, o.unrouted, o.pools
  FROM (SELECT x.channel_id, x.sku_id, bool_or(x.kit) AS kit, max(x.units) AS most, sum(x.units) AS units
      FROM (SELECT channel_id, sku_id, location_id, bool_or(part <> sku_id) AS kit, min(floor(coalesce(gives, 0)::numeric / per)) AS units
        FROM gives GROUP BY 1, 2, 3) x GROUP BY 1, 2) x
  JOIN (SELECT o.channel_id, o.sku_id, max(ceil((o.owes + coalesce(u.units, 0) + coalesce(q.units, 0))::numeric / o.per)) AS owes,
        sum(coalesce(u.units, 0)) AS unrouted, sum(coalesce(q.units, 0)) AS pools, bool_and(o.known) AS known
      FROM (SELECT channel_id, sku_id, part, per, coalesce(sum(owes), 0) AS owes, bool_or(level_id IS NOT NULL) AS known
        FROM gives GROUP BY 1, 2, 3, 4) o
      LEFT JOIN unrouted u ON u.channel_id = o.channel_id AND u.sku_id = o.sku_id AND u.part = o.part
      LEFT JOIN LATERAL (SELECT sum(p.unsold) AS units FROM pools p WHERE p.sku_id = o.part AND p.channel_id <> o.channel_id) q ON true
      GROUP BY 1, 2) o ON o.channel_id = x.channel_id AND o.sku_id = x.sku_id AND o.known
  LEFT JOIN canonical_shoppolicy p ON p.channel_id = x.channel_id"""

_PLACE = """jsonb_build_object('location', g.location_id, 'sku', g.part, 'per', g.per, 'level', g.level_id, 'on_hand', g.on_hand,
    'damaged', g.damaged, 'quality_hold', g.quality_hold, 'allocated', g.allocated, 'foreign', g.foreign_units, 'own', g.own,
    'free', g.free, 'safety', g.safety, 'gives', g.gives, 'stale', g.stale, 'doubted', g.doubted, 'rules', g.rules)"""
_TERMS = """jsonb_build_object('network', n.units, 'unrouted', n.unrouted, 'pools', n.pools, 'threshold', o.threshold, 'cap', o.cap,
    'pool', o.pool, 'pool_left', m.unsold, 'backorders', o.backorders, 'backorder_limit', o.backorder_limit,
    'published', CASE WHEN x.backorders THEN o.backorders ELSE 'no' END, 'kit', n.kit, 'rules', o.rules, 'places', h.places)"""
_PLACES = f"SELECT g.channel_id, g.sku_id, jsonb_agg({_PLACE} ORDER BY g.rank, g.location_id, g.part) AS places FROM gives g GROUP BY 1, 2"

_GATHERED = f"""WITH wanted AS (SELECT o.channel_id, o.sku_id, coalesce(k.component_id, o.sku_id) AS part, coalesce(k.units, 1) AS per
      FROM canonical_offer o LEFT JOIN canonical_kitcomponent k ON k.kit_id = o.sku_id WHERE o.sku_id = ANY(%(skus)s)),
    demand AS MATERIALIZED ({DEMAND}), free AS MATERIALIZED ({FREE}), pools AS MATERIALIZED ({POOLS}), gives AS MATERIALIZED ({_GIVES}),
    unrouted AS MATERIALIZED ({_UNROUTED}), network AS ({_NETWORK}),
    marks AS (SELECT g.channel_id, g.sku_id, bit_xor(hash_record_extended(ROW(g.location_id, g.part, g.per, g.rank, g.level_id, g.on_hand,
      g.damaged, g.quality_hold, g.allocated, g.foreign_units, g.own, g.free, g.safety, g.stale, g.doubted, g.rules), 0)) AS mark
      FROM gives g GROUP BY 1, 2)"""
#: What had a figure and is served from nowhere any more (its last location was closed) is sold out; what never had one is not known.
_UNSERVED = """CASE WHEN o.sellable IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM canonical_eligibility e WHERE e.sku_id = o.sku_id AND e.channel_id = o.channel_id)
    AND EXISTS (SELECT 1 FROM canonical_sku s WHERE s.id = o.sku_id AND s.requires_shipping) THEN 0 END"""
_FROM = f"""canonical_offer o LEFT JOIN network n ON n.channel_id = o.channel_id AND n.sku_id = o.sku_id
  LEFT JOIN marks k ON k.channel_id = o.channel_id AND k.sku_id = o.sku_id
  LEFT JOIN pools m ON m.channel_id = o.channel_id AND m.sku_id = o.sku_id
  CROSS JOIN LATERAL (SELECT least(n.units - o.threshold, o.cap, m.unsold) AS most,
      o.backorders <> 'no' AND (o.backorder_limit IS NULL OR n.units - o.threshold > -o.backorder_limit) AS backorders) y
  CROSS JOIN LATERAL (SELECT (CASE WHEN n.units IS NULL THEN {_UNSERVED} WHEN y.backorders THEN y.most ELSE greatest(0, y.most) END)::int
      AS sellable, coalesce(y.backorders, false) AS backorders) x
  CROSS JOIN LATERAL (SELECT hash_record_extended(ROW(x.sellable, n.units, n.unrouted, n.pools, n.kit, o.threshold, o.cap, o.pool, m.unsold,
      o.backorders, o.backorder_limit, x.backorders, o.rules, k.mark), 0) AS mark) z"""

#: offer, channel, SKU, sellable (null: never counted anywhere), the terms it follows from, and a mark of them all.
RECKONED = f"""{_GATHERED}, places AS ({_PLACES})
  SELECT o.id, o.channel_id, o.sku_id, x.sellable, CASE WHEN n.units IS NULL THEN '{{}}'::jsonb ELSE {_TERMS} END AS terms, z.mark
  FROM {_FROM} LEFT JOIN places h ON h.channel_id = o.channel_id AND h.sku_id = o.sku_id WHERE o.sku_id = ANY(%(skus)s)"""

#: SKUs whose figure, or why it is what it is, is another by now: by the marks, for which no terms have to be written out.
CHANGED = f"""{_GATHERED} SELECT DISTINCT o.sku_id FROM {_FROM} WHERE o.sku_id = ANY(%(skus)s) AND o.mark IS DISTINCT FROM z.mark"""
