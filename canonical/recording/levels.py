"""level = the latest accepted count + what moved later. Always folded anew from both, never added up; written under the level's lock."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from canonical import ledger, sql
from canonical.ledger import Cause, Change
from canonical.recording.work import Recorded


class Place(NamedTuple):
    """One SKU at one location."""

    sku: int
    location: int


_MISSING = """INSERT INTO canonical_stocklevel (sku_id, location_id, on_hand, ledger_version)
  SELECT v.sku, v.location, 0, 0 FROM unnest(%s::bigint[], %s::bigint[]) v(sku, location)
  WHERE NOT EXISTS (SELECT 1 FROM canonical_stocklevel l WHERE l.sku_id = v.sku AND l.location_id = v.location)
  ORDER BY 1, 2 ON CONFLICT DO NOTHING"""
_LOCK = """SELECT l.id FROM canonical_stocklevel l JOIN unnest(%s::bigint[], %s::bigint[]) v(sku, location)
  ON l.sku_id = v.sku AND l.location_id = v.location ORDER BY l.id FOR UPDATE OF l"""

#: The fold. A movement is later than the count unless the count's source had it counted by then (a tie belongs to the count).
FOLD = """SELECT l.id, c.on_hand AS counted, c.observed_at AS counted_at, c.source_id AS counted_by,
      (coalesce(c.on_hand, 0) + m.on_hand)::int AS on_hand, (coalesce(c.damaged, 0) + m.damaged)::int AS damaged,
      (coalesce(c.quality_hold, 0) + m.quality_hold)::int AS quality_hold, coalesce(c.allocated, 0) AS allocated,
      coalesce(c.incoming, 0) AS incoming, coalesce(c.in_transit, 0) AS in_transit, d.on_hand AS doubted
    FROM canonical_stocklevel l
    LEFT JOIN LATERAL (SELECT c.* FROM canonical_stockcount c JOIN canonical_stocksource s ON s.id = c.source_id
      WHERE c.sku_id = l.sku_id AND s.location_id = l.location_id AND c.accepted
      ORDER BY c.observed_at DESC, c.on_hand, c.source_id LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT d.on_hand FROM canonical_stockcount d JOIN canonical_stocksource s ON s.id = d.source_id
      WHERE d.sku_id = l.sku_id AND s.location_id = l.location_id AND NOT d.accepted AND d.doubt <> ''
        AND (c.observed_at IS NULL OR d.observed_at > c.observed_at) ORDER BY d.on_hand LIMIT 1) d ON true
    CROSS JOIN LATERAL (SELECT coalesce(sum(m.units) FILTER (WHERE m.bucket = 'on_hand'), 0) AS on_hand,
        coalesce(sum(m.units) FILTER (WHERE m.bucket = 'damaged'), 0) AS damaged,
        coalesce(sum(m.units) FILTER (WHERE m.bucket = 'quality_hold'), 0) AS quality_hold
      FROM canonical_stockmovement m WHERE m.sku_id = l.sku_id AND m.location_id = l.location_id AND m.applies
        AND (c.observed_at IS NULL OR m.counted_since IS NULL OR m.counted_since > c.observed_at)) m"""
_FIGURES = "on_hand, damaged, quality_hold, allocated, incoming, in_transit, counted, doubted"
#: `news`: a figure changed, not only the instant it was counted at.
_WRITE = f"""UPDATE canonical_stocklevel t SET on_hand = f.on_hand, damaged = f.damaged, quality_hold = f.quality_hold,
      allocated = f.allocated, incoming = f.incoming, in_transit = f.in_transit, counted = f.counted, counted_at = f.counted_at,
      counted_by_id = f.counted_by, doubted = f.doubted
    FROM (SELECT f.*, (SELECT ROW({_FIGURES}, counted_by_id) FROM canonical_stocklevel o WHERE o.id = f.id)
            IS DISTINCT FROM ROW({_FIGURES}, counted_by) AS news FROM ({FOLD} WHERE l.id = ANY(%s)) f) f
    WHERE f.id = t.id AND (f.news OR t.counted_at IS DISTINCT FROM f.counted_at OR t.ledger_version = 0)
    RETURNING t.id, t.sku_id, t.location_id, f.news OR t.ledger_version = 0"""


def lock(places: Iterable[Place]) -> list[int]:
    """Make sure these levels exist and lock them; their ids. Orders are locked before levels, everywhere."""
    ordered = sorted(set(places))
    given = [p.sku for p in ordered], [p.location for p in ordered]
    if not ordered:
        return []
    sql.fetch(_MISSING, given)
    return [id for (id,) in sql.fetch(_LOCK, given)]


def refold(causes: Mapping[Place, Cause], event: str, at: datetime, recorded: Recorded, source: int | None) -> None:
    """Fold the levels of these places anew, and write to the ledger what changed. `causes`: which row made us look."""
    ids = lock(causes)
    rows = sql.fetch(_WRITE, (ids,)) if ids else []
    changes = [Change(id, event, causes[Place(sku, place)], at, source) for id, sku, place, news in rows if news]
    recorded.entries += ledger.changed("stock_level", changes)
    recorded.touched.update(sku for _, sku, *_ in rows)


def differing() -> list[tuple[int, int, int]]:
    """(level, what it says, what the fold says) where the two are not equal: never, unless somebody wrote past `record`."""
    query = f"SELECT l.id, l.on_hand, f.on_hand FROM canonical_stocklevel l JOIN ({FOLD}) f ON f.id = l.id WHERE l.on_hand <> f.on_hand"
    return [(id, is_, folds) for id, is_, folds in sql.fetch(query)]
