"""Units a shop sold that are not there: which lines they are on, and why, as far as the ledger tells. Looked at only where the formula says
that more is promised than there is; what is kept back (safety stock, pools) is there, and no oversell.

What takes units away happened at one moment and was known to us at another. A sale between the two could not be prevented: it is in flight
where that took as long as it usually does, and stale where it took longer.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from canonical import sellable, sql

USUAL = timedelta(seconds=120)  # a change may be on its way from its source to a shop for so long
SECOND = timedelta(seconds=1)  # a shop says the second of an order
MARGIN = timedelta(seconds=15)  # what was recorded so shortly before a figure was reckoned may not be in it yet


class Lacking(NamedTuple):
    """Units of one line that are not there. `sold`: of what the shop sells, which may be a kit."""

    sku: int
    line: int
    order: int
    channel: int
    listing: int | None
    code: str
    sold: int
    units: int
    placed_at: datetime


class Cut(NamedTuple):
    """Something that changed how many there are: `units` fewer (negative: more), from when on, and when we knew."""

    entry: int
    who: str
    units: int
    happened_at: datetime
    known_at: datetime
    level: bool = False  # of what lies there, not of what others bought

    @property
    def delay(self) -> float:
        """Seconds until we knew."""
        return max(0.0, (self.known_at - self.happened_at).total_seconds())


class Shown(NamedTuple):
    """What a shop may have shown at a moment: the most it can have been, the least we wanted, when both were one, and whether it sold more
    than it showed."""

    most: int | None = None
    target: int | None = None
    right_at: datetime | None = None
    below: bool = False
    raised: int | None = None  # what a push says it shows by now, where that is more than we know of


class Verdict(NamedTuple):
    """Why, in a word, in words, and in numbers."""

    verdict: str
    words: str
    facts: dict[str, Any]


def judge(skus: Sequence[int], parts: Sequence[int], now: datetime) -> list[Lacking]:
    """Note what was oversold of these offered SKUs and what they are made of, each line once; returns what is new."""
    lacking = [Lacking(*row) for row in sql.fetch(_LACKING, {"skus": list(skus), "parts": list(parts)})]
    if not lacking:
        return []
    shown, cuts = _shown(lacking), _cuts(lacking, now)
    judged = [(one, verdict(one, shown.get((one.line, one.sku), Shown()), cuts[one.line, one.sku])) for one in lacking]
    sql.insert(
        "canonical_oversell", _OVERSELL,
        [(o.order, o.line, o.sku, o.channel, o.units, *v[:2], sql.encoded(v.facts), now) for o, v in judged],
        "ON CONFLICT (line_id, sku_id) DO UPDATE SET units = excluded.units WHERE excluded.units > canonical_oversell.units",
    )  # fmt: skip
    return lacking


# ---- which lines ------------------------------------------------------------------------------------------------------------
_OVERSELL = {
    "order_id": "bigint", "line_id": "bigint", "sku_id": "bigint", "channel_id": "bigint", "units": "integer", "verdict": "text",
    "words": "text", "facts": "jsonb", "found_at": "timestamptz",
}  # fmt: skip
#: What lies at the places that serve it, less all that is promised. Whoever bought last goes without.
_LACKING = f"""WITH short AS (SELECT DISTINCT o.channel_id, (p->>'sku')::bigint AS sku_id, (p->>'location')::bigint AS location_id
      FROM canonical_offer o CROSS JOIN LATERAL jsonb_array_elements(o.terms->'places') p
      WHERE o.sku_id = ANY(%(skus)s) AND o.backorders = 'no' AND (o.terms->>'network')::int < 0),
    demand AS MATERIALIZED ({sellable.DEMAND}), free AS MATERIALIZED ({sellable.FREE}),
    missing AS (SELECT s.channel_id, s.sku_id,
        coalesce((SELECT sum(d.units) FROM demand d WHERE d.sku_id = s.sku_id AND d.location_id IS NULL AND (d.channel_id = s.channel_id
          OR EXISTS (SELECT 1 FROM canonical_eligibility e JOIN short x ON x.location_id = e.location_id AND x.channel_id = s.channel_id
            AND x.sku_id = s.sku_id WHERE e.channel_id = d.channel_id AND e.sku_id = d.sku_id))), 0)
        - sum(f.on_hand - f.quality_hold - f.damaged - f.foreign_units - f.own) AS units
      FROM short s JOIN free f ON f.sku_id = s.sku_id AND f.location_id = s.location_id GROUP BY 1, 2),
    most AS (SELECT sku_id, max(units) AS units FROM missing GROUP BY 1 HAVING max(units) > 0),
    bought AS (SELECT d.sku_id, d.line_id, d.order_id, d.channel_id, f.listing_id, k.code, l.ordered, sum(d.units)::int AS units,
        o.placed_at, sum(sum(d.units)) OVER (PARTITION BY d.sku_id ORDER BY o.placed_at DESC, o.id DESC, d.line_id DESC) AS upto
      FROM demand d JOIN most m ON m.sku_id = d.sku_id JOIN canonical_order o ON o.id = d.order_id
      JOIN canonical_orderline l ON l.id = d.line_id JOIN canonical_sku k ON k.id = d.sku_id
      JOIN canonical_offer f ON f.channel_id = d.channel_id AND f.sku_id = l.sku_id AND f.backorders = 'no'
      GROUP BY d.sku_id, d.line_id, d.order_id, d.channel_id, f.listing_id, k.code, l.ordered, o.placed_at, o.id)
  SELECT b.sku_id, b.line_id, b.order_id, b.channel_id, b.listing_id, b.code, b.ordered, x.units, b.placed_at
  FROM bought b JOIN most m ON m.sku_id = b.sku_id
  CROSS JOIN LATERAL (SELECT least(b.units, m.units - (b.upto - b.units))::int AS units) x
  WHERE x.units > 0 AND NOT EXISTS (SELECT 1 FROM canonical_oversell v
    WHERE v.line_id = b.line_id AND v.sku_id = b.sku_id AND v.units >= x.units)
  ORDER BY b.line_id, b.sku_id"""


# ---- what the ledger tells --------------------------------------------------------------------------------------------------
_MOMENTS = """unnest(%(lines)s::bigint[], %(skus)s::bigint[], %(listings)s::bigint[], %(orders)s::bigint[], %(placed)s::timestamptz[])
    m(line, sku, listing, order_id, placed)"""
#: Around the sale: a figure that was read, believed or wanted then may have been shown; the last one before was.
_SHOWN = f"""SELECT m.line, m.sku, max(greatest((e.state->>'quantity')::int, (e.state->>'expected')::int, (e.state->>'target')::int)),
      min((e.state->>'target')::int), (SELECT max(r.recorded_at) FROM canonical_entry r WHERE r.subject_kind = 'listing'
        AND r.subject_id = m.listing AND r.recorded_at < m.placed + interval '1 second' AND r.state->>'expected' = r.state->>'target'),
      bool_or(l.expected < 0 AND (l.told_at IS NULL OR l.read_at >= l.told_at)),
      max(l.hint) FILTER (WHERE l.hint > greatest(l.expected, l.target))
    FROM {_MOMENTS} JOIN canonical_listing l ON l.id = m.listing
    JOIN canonical_entry e ON e.subject_kind = 'listing' AND e.subject_id = m.listing
      AND e.recorded_at < m.placed + interval '1 second' AND e.version >= coalesce((SELECT max(b.version) FROM canonical_entry b
        WHERE b.subject_kind = 'listing' AND b.subject_id = m.listing AND b.recorded_at < m.placed - interval '10 seconds'), 1)
    GROUP BY m.line, m.sku, m.listing, m.placed"""


def _shown(lacking: Sequence[Lacking]) -> dict[tuple[int, int], Shown]:
    return {(line, sku): Shown(*rest) for line, sku, *rest in sql.fetch(_SHOWN, _moments(lacking))}


def _moments(lacking: Sequence[Lacking]) -> dict[str, list[Any]]:
    return {
        "lines": [o.line for o in lacking], "skus": [o.sku for o in lacking], "listings": [o.listing for o in lacking],
        "orders": [o.order for o in lacking], "placed": [o.placed_at for o in lacking],
    }  # fmt: skip


#: How levels changed but for what our own orders shipped, of which what was open of them changes as much.
_LEVELS = """SELECT x.sku, x.id, x.who, x.before - x.after, x.occurred_at, x.recorded_at FROM (
    SELECT l.sku_id AS sku, e.id, e.event, e.occurred_at, e.recorded_at, coalesce(s.name, 'A person') || ' (' || p.code || ')' AS who,
      (e.state->>'on_hand')::int - (e.state->>'damaged')::int - (e.state->>'quality_hold')::int AS after,
      lag((e.state->>'on_hand')::int - (e.state->>'damaged')::int - (e.state->>'quality_hold')::int)
        OVER (PARTITION BY l.id ORDER BY e.version) AS before
    FROM canonical_stocklevel l JOIN canonical_entry e ON e.subject_kind = 'stock_level' AND e.subject_id = l.id
    JOIN canonical_location p ON p.id = l.location_id LEFT JOIN canonical_system s ON s.id = e.source_id WHERE l.sku_id = ANY(%s)) x
  WHERE x.event NOT IN ('shipped', 'booked') AND x.before <> x.after AND x.recorded_at > %s"""
#: What others bought of it no later, and when we heard.
_OTHERS = f"""SELECT m.line, m.sku, e.id, s.name || ', order ' || o.number, d.units, o.placed_at, e.recorded_at FROM {_MOMENTS}
    JOIN (SELECT l.order_id, coalesce(c.sku_id, l.sku_id) AS sku_id, sum((l.ordered - l.cancelled) * coalesce(c.units, 1))::int AS units
      FROM canonical_orderline l LEFT JOIN canonical_linecomponent c ON c.line_id = l.id
      WHERE l.sku_id = ANY(%(skus)s) OR c.sku_id = ANY(%(skus)s) GROUP BY 1, 2) d ON d.sku_id = m.sku AND d.order_id <> m.order_id
    JOIN canonical_order o ON o.id = d.order_id AND o.placed_at <= m.placed AND o.placed_at > m.placed - interval '1 day'
    JOIN canonical_system s ON s.id = o.channel_id
    JOIN canonical_entry e ON e.subject_kind = 'order' AND e.subject_id = o.id AND e.version = 1 WHERE d.units > 0"""


def _cuts(lacking: Sequence[Lacking], now: datetime) -> Mapping[tuple[int, int], list[Cut]]:
    """What took units away, by line and SKU."""
    found: dict[tuple[int, int], list[Cut]] = defaultdict(list)
    for line, sku, *rest in sql.fetch(_OTHERS, _moments(lacking)):
        found[line, sku].append(Cut(*rest))
    oldest = min(o.placed_at for o in lacking) - timedelta(days=1)
    levels = sql.fetch(_LEVELS, (sorted({o.sku for o in lacking}), oldest))
    for sku, *rest in levels:
        for one in (o for o in lacking if o.sku == sku):
            found[one.line, sku].append(Cut(*rest)._replace(level=True))
    return found


# ---- why --------------------------------------------------------------------------------------------------------------------
def verdict(one: Lacking, shown: Shown, cuts: Sequence[Cut]) -> Verdict:
    """What explains it, the plainest first. Pure."""
    facts: dict[str, Any] = {"lacking": one.units, "shown": shown.most, "target": shown.target}
    sold_at = one.placed_at + SECOND
    after = [c for c in cuts if c.level and c.happened_at > sold_at]
    if shown.below or (shown.most is not None and shown.most < one.sold):
        words = f"The shop showed {shown.most} of {one.code} and sold {one.sold} all the same, as it does for orders staff make."
        return Verdict("shop", words, facts)
    if (gone := sum(c.units for c in after)) >= one.units:
        last = max(after, key=lambda c: (c.units > 0, c.happened_at))
        words = f"When this was ordered it was there. Afterwards {gone} of {one.code} went away, as {last.who} told."
        return Verdict("later", words, facts | _told(after))
    since = (shown.right_at or one.placed_at - USUAL) - MARGIN
    missed = [c for c in cuts if c.units > 0 and c.happened_at <= sold_at and c.known_at > since]
    slowest = max(missed, key=lambda c: c.delay, default=None)
    if slowest and slowest.delay > USUAL.total_seconds() and slowest.known_at > one.placed_at:
        words = f"{slowest.who} told us {slowest.delay:.0f} seconds late that {slowest.units} of {one.code} had gone."
        return Verdict("stale", words, facts | _told(missed))
    if slowest:
        words = f"{slowest.who} took {slowest.units} of {one.code} shortly before, and the shop's new figure was still on its way."
        return Verdict("in_flight", words, facts | _told(missed))
    if shown.target is not None and shown.most is not None and shown.target < shown.most:
        words = f"The shop still showed {shown.most} of {one.code} when this was ordered; that it should be {shown.target} was on its way."
        return Verdict("in_flight", words, facts)
    if shown.raised is not None:
        words = f"The shop shows {shown.raised} of {one.code}, more than it was told: somebody raised the figure there."
        return Verdict("shop", words, facts | {"shown": shown.raised})
    words = f"Our own figure of {one.code} was too high when this was ordered, and nothing we recorded says why."
    return Verdict("rules", words, facts | _told(cuts))


def _told(cuts: Sequence[Cut]) -> dict[str, Any]:
    """The entries a verdict rests on, the newest twenty."""
    newest = sorted(cuts, key=lambda c: c.known_at)[-20:]
    return {
        "delay": round(max((c.delay for c in newest), default=0.0), 1),
        "entries": [{"entry": c.entry, "who": c.who, "units": c.units, "delay": round(c.delay, 1)} for c in newest],
    }
