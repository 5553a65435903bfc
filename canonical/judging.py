"""Whether an order should have been sold: what its shop showed when it was placed, what was true by all we know now, and who told us too
late. Reads only.

True at that instant = what we reckoned then, corrected by counts and movements of before that were recorded later, less sales of before
that were recorded later. What was counted after the sale proves nothing about the instant of the sale.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from canonical import past, sql
from canonical.past import Version

LATER = timedelta(days=1)  # sales told later than this are not looked for
VERSIONS = 500  # of one level after the sale, among which a count told late is looked for

#: rightly: enough was there · backorder: more than was there might be sold · shop: it sold more than it showed · in_flight: our figure
#: was lower already, the shop's not yet · stale: somebody told us too late · rules: our figure was too high · unknown: none was reckoned.
Verdict = Literal["rightly", "backorder", "shop", "in_flight", "stale", "rules", "unknown"]


class Late(msgspec.Struct, frozen=True):
    """Something that was so before the sale and that we were told after it: by how many units what could be sold was less (negative)."""

    what: Literal["count", "movement", "sale"]
    who: str
    where: str
    units: int
    happened_at: datetime
    told_at: datetime
    cause_kind: str = ""
    cause_id: int = 0


class Sold(msgspec.Struct, frozen=True):
    """One order line and what was known of its SKU when it was placed (`at`). Figures are empty where nothing was known.

    `shown`: what the shop showed, as far as we knew; `figure`: what we reckoned; `figure_at`: since when; `truth`: what was there by all
    we know now; `late`: what we were told afterwards, the gravest first.
    """

    line: int
    sku: int
    units: int
    at: datetime
    shown: int | None
    figure: int | None
    figure_at: datetime | None
    truth: int | None
    verdict: Verdict
    late: list[Late]

    @property
    def rightly(self) -> bool:
        """Whether it should have sold."""
        return self.verdict in ("rightly", "backorder")


def sold_rightly(line_id: int) -> Sold | None:
    """The judgement of one line; None where it names no SKU that is shipped."""
    rows = sql.fetch("SELECT order_id FROM canonical_orderline WHERE id = %s", (line_id,))
    return judge(rows[0][0]).get(line_id) if rows else None


def judge(order_id: int) -> dict[int, Sold]:
    """The judgement of each line of an order that is shipped from stock, in a fixed number of queries."""
    lines = sql.fetch(
        """SELECT l.id, l.sku_id, l.ordered, o.channel_id, least(o.placed_at, o.created_at) FROM canonical_orderline l
           JOIN canonical_order o ON o.id = l.order_id WHERE o.id = %s AND l.sku_id IS NOT NULL AND l.requires_shipping ORDER BY 1""",
        (order_id,),
    )
    if not lines:
        return {}
    channel, at = lines[0][3], lines[0][4]
    offers = _offers(channel, {sku for _, sku, *_ in lines}, at)
    parts = {(p["sku"], p["location"]): p for offer in offers.values() for p in offer.places if p["level"]}
    late = _late(list(parts.values()), at) if parts else {}
    sales = _sales(order_id, {sku for sku, _ in parts}, at) if parts else {}
    return {line: _judged(line, sku, units, at, offers.get(sku), late, sales) for line, sku, units, *_ in lines}


class _Offer(NamedTuple):
    """What was reckoned of one SKU, and what the shop showed of it."""

    sellable: int | None
    since: datetime
    network: int | None
    published: str
    places: list[dict[str, Any]]
    shown: int | None


def _offers(channel: int, skus: Iterable[int], at: datetime) -> dict[int, _Offer]:
    rows = sql.fetch(
        "SELECT id, sku_id, listing_id FROM canonical_offer WHERE channel_id = %s AND sku_id = ANY(%s)",
        (channel, sorted(skus)),
    )
    known = past.as_of("offer", (id for id, *_ in rows), at)
    shown = past.as_of("listing", (listing for *_, listing in rows if listing), at)
    return {sku: _offer(known[id], shown.get(listing)) for id, sku, listing in rows if id in known}


def _offer(offer: Version, listing: Version | None) -> _Offer:
    terms = offer.state["terms"] or {}
    state = listing.state if listing else {}
    shown = state.get("quantity") if state.get("expected") is None else state["expected"]
    return _Offer(
        offer.state["sellable"], offer.recorded_at, terms.get("network"), terms.get("published") or "no", terms.get("places") or [],
        shown,
    )  # fmt: skip


def _judged(
    line: int,
    sku: int,
    units: int,
    at: datetime,
    offer: _Offer | None,
    late: Mapping[int, list[Late]],
    sales: Mapping[int, list[Late]],
) -> Sold:
    if offer is None or offer.network is None or offer.sellable is None:
        return Sold(line, sku, units, at, offer.shown if offer else None, None, None, None, "unknown", [])
    per = {place["sku"]: place["per"] for place in offer.places}
    told = [(part, x) for part in per for x in (*late.get(part, ()), *sales.get(part, ()))]
    less = {part: sum(x.units for p, x in told if p == part) // per[part] for part in per}
    change = min(less.values(), default=0) if len(less) < 2 else min(0, *less.values())
    truth = offer.network + change
    gravest = sorted((x for _, x in told), key=lambda x: x.units)
    verdict = _verdict(offer, units, truth, any(x.units < 0 for x in gravest))
    return Sold(line, sku, units, at, offer.shown, offer.sellable, offer.since, truth, verdict, gravest)


def _verdict(offer: _Offer, units: int, truth: int, told_late: bool) -> Verdict:
    if truth >= units:
        return "rightly"
    if offer.published != "no":
        return "backorder"
    if offer.shown is not None and offer.shown < units:
        return "shop"
    if offer.sellable is not None and offer.sellable < units:
        return "in_flight"
    return "stale" if told_late else "rules"


# ---- what was told late -----------------------------------------------------------------------------------------------------
#: Per level: when the count was made that we knew at the time of the sale; one that changed no figure left no entry.
_KNOWN = """SELECT v.level, c.occurred_at FROM unnest(%(levels)s::bigint[], %(versions)s::integer[]) v(level, version)
  LEFT JOIN LATERAL (SELECT e.occurred_at FROM canonical_entry e WHERE e.subject_kind = 'stock_level' AND e.subject_id = v.level
    AND e.version <= v.version AND e.version > v.version - %(most)s AND e.event = 'counted' ORDER BY e.version DESC LIMIT 1) c ON true"""
#: Per level: the newest count of before the sale that was recorded after it.
_COUNTS = """SELECT DISTINCT ON (e.subject_id) e.subject_id, (e.state->>'counted')::int, e.occurred_at, e.recorded_at, coalesce(s.name, ''),
    e.cause_kind, e.cause_id
  FROM unnest(%(levels)s::bigint[], %(versions)s::integer[], %(counted)s::timestamptz[]) v(level, version, counted_at)
  JOIN canonical_entry e ON e.subject_kind = 'stock_level' AND e.subject_id = v.level
    AND e.version > v.version AND e.version <= v.version + %(most)s AND e.event = 'counted'
  LEFT JOIN canonical_system s ON s.id = e.source_id
  WHERE e.occurred_at <= %(at)s AND (v.counted_at IS NULL OR e.occurred_at > v.counted_at)
  ORDER BY e.subject_id, e.occurred_at DESC, e.version"""
#: Movements of before the sale that the count we knew then does not contain.
_MOVED = """SELECT v.level, m.units, m.kind = 'shipment', m.occurred_at, m.recorded_at, coalesce(s.name, ''), e.cause_kind, e.cause_id
  FROM unnest(%(levels)s::bigint[], %(skus)s::bigint[], %(places)s::bigint[], %(counted)s::timestamptz[])
    v(level, sku, location, counted_at)
  JOIN canonical_stockmovement m ON m.sku_id = v.sku AND m.location_id = v.location AND m.applies AND m.bucket = 'on_hand'
    AND (m.counted_since IS NULL OR v.counted_at IS NULL OR m.counted_since > v.counted_at) AND m.occurred_at <= %(at)s
  JOIN canonical_entry e ON e.subject_kind = 'stock_movement' AND e.subject_id = m.id AND e.version = 1
  LEFT JOIN canonical_stocksource t ON t.id = m.source_id LEFT JOIN canonical_system s ON s.id = t.system_id ORDER BY m.id"""


class _Moved(NamedTuple):
    """One movement of before the sale."""

    level: int
    units: int
    shipment: bool
    happened: datetime
    told: datetime
    who: str
    cause_kind: str
    cause_id: int


def _late(places: Sequence[Mapping[str, Any]], at: datetime) -> dict[int, list[Late]]:
    """SKU → what lay there less or more than we knew."""
    where = {p["level"]: p for p in places}
    known = past.as_of("stock_level", where, at)
    ids = sorted(known)
    given: dict[str, Any] = {"levels": ids, "versions": [known[id].version for id in ids], "at": at, "most": VERSIONS}
    counted = dict(sql.fetch(_KNOWN, given))
    given |= {"counted": [counted[id] for id in ids], "skus": [where[id]["sku"] for id in ids]}
    given |= {"places": [where[id]["location"] for id in ids]}
    told = {id: rest for id, *rest in sql.fetch(_COUNTS, given)}
    moved = [_Moved(*row) for row in sql.fetch(_MOVED, given)]
    codes = dict(sql.fetch("SELECT id, code FROM canonical_location"))
    found: dict[int, list[Late]] = {}
    for id in ids:
        mine, name = [m for m in moved if m.level == id], codes[where[id]["location"]]
        more = [_counted(told[id], known[id], mine, name, at)] if id in told else _moved(mine, name, at)
        found.setdefault(where[id]["sku"], []).extend(x for x in more if x.units)
    return found


def _counted(told: Sequence[Any], known: Version, moved: Sequence[_Moved], where: str, at: datetime) -> Late:
    """A count told late. Our own shipments take from stock what our own orders had taken: only those known at the time count."""
    units, counted_at, recorded, who, *cause = told
    since = sum(m.units for m in moved if m.happened > counted_at and not (m.shipment and m.told > at))
    within = sum(m.units for m in moved if m.happened <= counted_at and m.shipment and m.told > at)
    return Late(
        "count", who or "", where, units + since - within - known.state["on_hand"], counted_at, recorded, *cause
    )


def _moved(moved: Sequence[_Moved], where: str, at: datetime) -> list[Late]:
    return [
        Late("movement", m.who, where, m.units, m.happened, m.told, m.cause_kind, m.cause_id)
        for m in moved
        if m.told > at and not m.shipment
    ]


#: Sales of before this one, in any shop, that we were told after it.
_SALES = """SELECT x.sku, x.units, s.name, o.reference, o.placed_at, o.created_at, o.id FROM (
    SELECT l.order_id, l.sku_id AS sku, l.ordered AS units FROM canonical_orderline l WHERE l.sku_id = ANY(%(skus)s)
      AND l.order_id > %(first)s AND l.order_id <= %(last)s AND NOT EXISTS (SELECT 1 FROM canonical_linecomponent c WHERE c.line_id = l.id)
    UNION ALL SELECT l.order_id, c.sku_id, l.ordered * c.units FROM canonical_linecomponent c JOIN canonical_orderline l ON l.id = c.line_id
      WHERE c.sku_id = ANY(%(skus)s) AND l.order_id > %(first)s AND l.order_id <= %(last)s) x
  JOIN canonical_order o ON o.id = x.order_id JOIN canonical_system s ON s.id = o.channel_id
  WHERE o.id <> %(order)s AND o.placed_at < %(at)s AND o.created_at > %(at)s ORDER BY x.units DESC, o.id LIMIT 100"""


def _sales(order: int, skus: Iterable[int], at: datetime) -> dict[int, list[Late]]:
    """SKU → sales we did not know of."""
    first, last = past.newest_order(at - timedelta(minutes=1)), past.newest_order(at + LATER)
    given = {"skus": sorted(skus), "first": first, "last": last, "order": order, "at": at}
    found: dict[int, list[Late]] = {}
    for sku, units, who, reference, placed, told, id in sql.fetch(_SALES, given):
        found.setdefault(sku, []).append(Late("sale", who, reference, -units, placed, told, "order", id))
    return found
