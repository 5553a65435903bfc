"""Reckons again what was touched: sales are taken off what a shop should show, terms and sellable figures follow, and what each listing
should show. One at a time, in the caller's transaction; recording never waits for it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from canonical import ledger, sellable, sql, terms
from canonical.ledger import Cause, Change

LIMIT = 50_000  # touches taken at once; each pass reads whole tables, and keeps listings locked for some seconds where all change


class Touch(NamedTuple):
    """One reason to reckon a SKU (none: everything) again."""

    id: int
    sku: int | None
    terms: bool
    channel: int | None
    reduced: int
    after: datetime | None
    until: datetime | None
    cause: Cause


class Reckoned(NamedTuple):
    """What came of it: how many touches were taken, the shops some figure of which changed, and the SKUs of which more is promised than
    may be sold."""

    touches: int
    channels: list[int]
    short: list[int] = []


def reckon(now: datetime) -> Reckoned:
    """Take what was touched and reckon it. A touch is gone once this commits, so that none is lost with its worker."""
    terms.pass_boundaries(now)
    touches = _take()
    if not touches:
        return Reckoned(0, [])
    skus = _affected(touches)
    _lock(skus)
    if dirty := [t for t in touches if t.terms]:
        terms.resolve(None if any(t.sku is None for t in dirty) else [t.sku for t in dirty if t.sku])
    sold = _sales(touches, now)
    changed, short = figures(skus, {t.sku: t.cause for t in touches}, now)
    aimed = _aim(skus, now)
    return Reckoned(len(touches), sorted({*sold, *changed, *aimed}), sorted(short))


def _take() -> list[Touch]:
    rows = sql.fetch(
        """DELETE FROM canonical_stocktouch WHERE id IN (SELECT id FROM canonical_stocktouch ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
           RETURNING id, sku_id, terms, channel_id, reduced, after, until, cause_kind, cause_id""",
        (LIMIT,),
    )
    touches = [
        Touch(id, sku, dirty, channel, reduced, after, until, Cause(kind, cause))
        for id, sku, dirty, channel, reduced, after, until, kind, cause in rows
    ]
    return sorted(touches, key=lambda touch: touch.id)


def _affected(touches: Iterable[Touch]) -> list[int]:
    """The offered SKUs touched, the kits made of them, and what their terms are shared with."""
    skus = None if any(t.sku is None for t in touches) else sorted({t.sku for t in touches if t.sku})
    rows = sql.fetch(
        """SELECT DISTINCT o.sku_id FROM canonical_offer o WHERE %(skus)s::bigint[] IS NULL OR o.sku_id = ANY(%(skus)s)
             OR o.sku_id IN (SELECT k.kit_id FROM canonical_kitcomponent k WHERE k.component_id = ANY(%(skus)s))""",
        {"skus": skus},
    )
    return sorted(sku for (sku,) in rows)


def _lock(skus: Sequence[int]) -> None:
    """Listings before offers, as whoever records a reading has them."""
    sql.fetch(
        """SELECT 1 FROM canonical_listing l WHERE l.id IN (SELECT o.listing_id FROM canonical_offer o WHERE o.sku_id = ANY(%s))
           ORDER BY l.id FOR UPDATE""",
        (list(skus),),
    )


#: A sale before the last reading is in it, one after it is not; of one that may have come while it was read nobody can tell.
_SALES = """UPDATE canonical_listing t SET sold_at = greatest(t.sold_at, v.until),
      expected = CASE WHEN v.unsure THEN NULL ELSE t.expected - v.units END
    FROM (SELECT l.id, max(v.until) AS until, coalesce(sum(v.units) FILTER (WHERE v.after > l.shop_at), 0)::int AS units,
        bool_or(v.after <= l.shop_at AND v.until >= l.shop_since) AS unsure
      FROM unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::timestamptz[], %s::timestamptz[]) v(channel, sku, units, after, until)
      JOIN canonical_offer o ON o.channel_id = v.channel AND o.sku_id = v.sku JOIN canonical_listing l ON l.id = o.listing_id
      GROUP BY l.id) v
    WHERE t.id = v.id RETURNING t.id, t.channel_id"""


def _sales(touches: Iterable[Touch], now: datetime) -> set[int]:
    """Take sales off what shops should show by now."""
    sales = [t for t in touches if t.reduced]
    columns = ([getattr(t, name) for t in sales] for name in ("channel", "sku", "reduced", "after", "until"))
    rows = sql.fetch(_SALES, list(columns)) if sales else []
    cause = max((t.cause for t in sales), default=Cause("", 0))
    ledger.changed("listing", [Change(id, "sold", cause, now, channel) for id, channel in rows])
    return {channel for _, channel in rows}


MANY = 500  # of so many it is worth the while to ask first which changed

_WRITE = f"""UPDATE canonical_offer t SET sellable = v.sellable, terms = v.terms, mark = v.mark FROM ({sellable.RECKONED}) v
    WHERE v.id = t.id AND t.mark IS DISTINCT FROM v.mark
    RETURNING t.id, t.channel_id, t.sku_id, t.backorders = 'no' AND (v.terms->>'network')::int < 0"""


def figures(skus: Sequence[int], causes: dict[int | None, Cause], now: datetime) -> tuple[set[int], set[int]]:
    """Reckon what may be sold of these SKUs; returns the shops where a figure, or why it is what it is, changed, and the SKUs of which more
    is promised than may be sold though none may be on backorder."""
    if len(skus) > MANY:
        # What is gathered then stays in memory; with the server's 4 MB it went to disk.
        sql.fetch("SET LOCAL work_mem = '64MB'")
        skus = [sku for (sku,) in sql.fetch(sellable.CHANGED, given(skus))]
    rows = sql.fetch(_WRITE, given(skus)) if skus else []
    anything = next(iter(causes.values()), Cause("", 0))
    ledger.changed(
        "offer", [Change(id, "reckoned", causes.get(sku, anything), now, channel) for id, channel, sku, _ in rows]
    )
    return {channel for _, channel, *_ in rows}, {sku for _, _, sku, short in rows if short}


def given(skus: Sequence[int]) -> dict[str, list[int]]:
    """The parameters of the formula: the SKUs, and everything they are made of."""
    parts = sql.fetch("SELECT component_id FROM canonical_kitcomponent WHERE kit_id = ANY(%s)", (list(skus),))
    return {"skus": list(skus), "parts": sorted({*skus, *(part for (part,) in parts)})}


#: What shares a listing shares its figure: the lowest of what its members may sell. One nobody ever counted is not known, not nothing.
_AIM = """UPDATE canonical_listing t SET target = v.target, target_backorders = v.backorders
    FROM (SELECT o.listing_id AS id, min(o.sellable) AS target, min(coalesce(o.terms->>'published', 'no')) AS backorders
      FROM canonical_offer o WHERE o.listing_id IN (SELECT x.listing_id FROM canonical_offer x WHERE x.sku_id = ANY(%s)) GROUP BY 1) v
    WHERE v.id = t.id AND (t.target, t.target_backorders) IS DISTINCT FROM (v.target, v.backorders) RETURNING t.id, t.channel_id"""


def _aim(skus: Sequence[int], now: datetime) -> set[int]:
    rows = sql.fetch(_AIM, (list(skus),)) if skus else []
    ledger.changed("listing", [Change(id, "aimed", Cause("", 0), now, channel) for id, channel in rows])
    return {channel for _, channel in rows}
