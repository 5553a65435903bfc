"""Effective terms: which locations may serve a SKU in a shop, and what the rules keep back. Resolved here once, kept in tables, and read
by everything that reckons what may be sold."""

from collections.abc import Sequence
from datetime import datetime

from canonical import sql

#: A field's rules in the order they decide: SKU > category > all, location > any, channel > any, priority, the older rule.
_FIRST = (
    "ORDER BY r.sku_id IS NULL, r.category = '', r.location_id IS NULL, r.channel_id IS NULL, r.priority DESC, r.id"
)


def _decides(field: str, where: str = "true") -> str:
    """SQL of [value, rule] of the rule that decides a field; null where none states it."""
    stated = f"r.{field} <> ''" if field == "backorders" else f"r.{field} IS NOT NULL"
    return f"(array_agg(jsonb_build_array(r.{field}, r.id) {_FIRST}) FILTER (WHERE {stated} AND {where}))[1]"


#: SKUs a shop offers, and what its kits are made of: a component is served from somewhere too.
_SOLD = """SELECT DISTINCT x.channel_id, x.sku_id FROM (
    SELECT o.channel_id, o.sku_id FROM canonical_offer o
    UNION ALL SELECT o.channel_id, k.component_id FROM canonical_offer o JOIN canonical_kitcomponent k ON k.kit_id = o.sku_id) x
  WHERE %(skus)s::bigint[] IS NULL OR x.sku_id = ANY(%(skus)s)"""
#: A SKU's own list of locations in a shop comes before the shop's list for everything else.
_SERVED = f"""SELECT s.channel_id, s.sku_id, g.location_id, min(g.rank) AS rank FROM ({_SOLD}) s
  JOIN canonical_sku k ON k.id = s.sku_id AND k.requires_shipping
  JOIN canonical_sourcing g ON g.channel_id = s.channel_id AND (g.sku_id = s.sku_id OR (g.sku_id IS NULL AND NOT EXISTS
    (SELECT 1 FROM canonical_sourcing own WHERE own.channel_id = s.channel_id AND own.sku_id = s.sku_id)))
  JOIN canonical_location l ON l.id = g.location_id AND l.active GROUP BY 1, 2, 3"""
_MATCHES = """LEFT JOIN canonical_availabilityrule r ON r.in_force AND (r.sku_id IS NULL OR r.sku_id = s.sku_id)
    AND (r.category = '' OR r.category = k.category) AND (r.channel_id IS NULL OR r.channel_id = s.channel_id)"""
_ELIGIBLE = f"""SELECT s.channel_id, s.sku_id, s.location_id, s.rank, {_decides("safety_units")} AS units,
    {_decides("safety_percent")} AS percent FROM ({_SERVED}) s JOIN canonical_sku k ON k.id = s.sku_id
  {_MATCHES} AND (r.location_id IS NULL OR r.location_id = s.location_id) GROUP BY 1, 2, 3, 4"""
_WRITE_ELIGIBLE = f"""INSERT INTO canonical_eligibility (channel_id, sku_id, location_id, rank, safety_units, safety_percent, rules)
  SELECT e.channel_id, e.sku_id, e.location_id, e.rank, coalesce((e.units->>0)::int, 0), coalesce((e.percent->>0)::int, 0),
    jsonb_strip_nulls(jsonb_build_object('safety_units', e.units->1, 'safety_percent', e.percent->1)) FROM ({_ELIGIBLE}) e ORDER BY 2, 1, 3
  ON CONFLICT (sku_id, channel_id, location_id) DO UPDATE SET rank = excluded.rank, safety_units = excluded.safety_units,
    safety_percent = excluded.safety_percent, rules = excluded.rules
  WHERE (canonical_eligibility.rank, canonical_eligibility.safety_units, canonical_eligibility.safety_percent, canonical_eligibility.rules)
    IS DISTINCT FROM (excluded.rank, excluded.safety_units, excluded.safety_percent, excluded.rules)"""
_DROP_ELIGIBLE = f"""DELETE FROM canonical_eligibility t WHERE (%(skus)s::bigint[] IS NULL OR t.sku_id = ANY(%(skus)s))
  AND NOT EXISTS (SELECT 1 FROM ({_SERVED}) s
    WHERE (s.channel_id, s.sku_id, s.location_id) = (t.channel_id, t.sku_id, t.location_id))"""
_FIELDS = ("threshold", "cap", "pool", "backorders", "backorder_limit")
_OFFERED = f"""SELECT s.id, {", ".join(f"{_decides(field, 'r.location_id IS NULL')} AS {field}" for field in _FIELDS)}
  FROM canonical_offer s JOIN canonical_sku k ON k.id = s.sku_id {_MATCHES}
  WHERE %(skus)s::bigint[] IS NULL OR s.sku_id = ANY(%(skus)s) GROUP BY s.id"""
_WRITE_OFFERED = f"""UPDATE canonical_offer t SET threshold = v.threshold, cap = v.cap, pool = v.pool, pool_since = v.since,
    backorder_limit = v.backorder_limit, backorders = v.backorders, rules = v.rules
  FROM (SELECT e.id, coalesce((e.threshold->>0)::int, 0) AS threshold, (e.cap->>0)::int AS cap, (e.pool->>0)::int AS pool,
      (SELECT coalesce(p.valid_from, p.created_at) FROM canonical_availabilityrule p WHERE p.id = (e.pool->>1)::bigint) AS since,
      (e.backorder_limit->>0)::int AS backorder_limit, coalesce(e.backorders->>0, 'no') AS backorders,
      jsonb_strip_nulls(jsonb_build_object({", ".join(f"'{field}', e.{field}->1" for field in _FIELDS)})) AS rules FROM ({_OFFERED}) e) v
  WHERE v.id = t.id AND (t.threshold, t.cap, t.pool, t.pool_since, t.backorder_limit, t.backorders, t.rules)
    IS DISTINCT FROM (v.threshold, v.cap, v.pool, v.since, v.backorder_limit, v.backorders, v.rules)"""


def resolve(skus: Sequence[int] | None) -> None:
    """Bring the effective terms of these SKUs (None: of all) up to date, in the caller's transaction."""
    given = {"skus": None if skus is None else sorted(set(skus))}
    sql.fetch(_DROP_ELIGIBLE, given)
    sql.fetch(_WRITE_ELIGIBLE, given)
    sql.fetch(_WRITE_OFFERED, given)


def pass_boundaries(now: datetime) -> None:
    """Rules that begin or end to be valid by now: note it, and have everything they may concern reckoned again."""
    sql.fetch(
        """WITH passed AS (UPDATE canonical_availabilityrule r SET in_force = NOT r.in_force WHERE r.in_force <>
               ((r.valid_from IS NULL OR r.valid_from <= %s) AND (r.valid_until IS NULL OR r.valid_until > %s))
             RETURNING r.id, r.sku_id)
           INSERT INTO canonical_stocktouch (sku_id, terms, cause_kind, cause_id) SELECT sku_id, true, 'rule', id FROM passed""",
        (now, now),
    )
