"""What shops show of their own stock, and what they took off it for their sales. Knows who reads and writes it, not when."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from canonical import ledger, sql
from canonical.ledger import Cause, Change, Written
from canonical.recording import links
from canonical.recording.work import Recorded, Stated, rank

_NEW = {"channel_id": "bigint", "external_id": "text", "managed": "boolean", "ledger_version": "integer"}
_SAID = {
    "id": "bigint", "quantity": "integer", "backorders": "text", "managed": "boolean", "read_at": "timestamptz",
    "shop_since": "timestamptz", "shop_at": "timestamptz",
}  # fmt: skip
#: A reading says what the shop shows. Where one of its sales we know of came while it was read, or may have come later and was counted
#: already, nobody can tell whether the figure contains it: then what to expect is not known for sure.
_READ = """UPDATE canonical_listing t SET quantity = v.quantity, backorders = v.backorders, managed = v.managed, read_at = v.read_at,
      shop_since = v.shop_since, shop_at = v.shop_at, hint = NULL, hint_at = NULL, gone_at = NULL,
      expected = CASE WHEN NOT v.managed OR t.sold_at >= v.shop_since THEN NULL ELSE v.quantity END,
      tries = CASE WHEN t.sold_at >= v.shop_since THEN least(t.tries + 1, 100) ELSE 0 END,
      confirmed = CASE WHEN v.read_at >= t.told_at AND v.quantity = t.told THEN t.told ELSE t.confirmed END,
      confirmed_at = CASE WHEN v.read_at >= t.told_at AND v.quantity = t.told THEN v.read_at ELSE t.confirmed_at END
    FROM (SELECT v.*, (SELECT ROW(o.quantity, o.backorders, o.managed, o.gone_at, o.expected, o.confirmed)
        FROM canonical_listing o WHERE o.id = v.id) AS old FROM {rows}) v
    WHERE t.id = v.id AND (t.read_at IS NULL OR t.read_at < v.read_at)
    RETURNING t.id, ROW(t.quantity, t.backorders, t.managed, t.gone_at, t.expected, t.confirmed) IS DISTINCT FROM v.old"""
#: A push, or a reading that does not say when the shop answered, tells of no instant: a reason to look, and whether stock is kept at all.
_HINT = """UPDATE canonical_listing t SET hint = CASE WHEN v.managed THEN v.quantity END, hint_at = clock_timestamp(), managed = v.managed
    FROM {rows} WHERE t.id = v.id"""


def stated(source: int, said: Sequence[Stated], recorded: Recorded) -> None:
    """Apply ListingStated: readings by when they were asked for; what is of unknown age are hints only."""
    best: dict[str, Stated] = {}
    for s in sorted(said, key=lambda s: (s.fact.shop_at is not None, rank(0, s.fact.read_at), s.fact.version)):
        best[s.fact.holder] = s
    if not best:
        return
    ids = _known(source, said, best, recorded)
    recorded.listed = True
    _read(source, {ids[holder]: s for holder, s in best.items() if s.fact.shop_at}, recorded)
    later = _later([s for s in said if not s.fact.shop_at], best)
    hints = [(ids[h], s.fact.quantity, "", s.fact.managed, None, None, None) for h, s in later.items()]
    if hints:
        _hint(source, hints, {ids[h]: s for h, s in later.items()}, recorded)
    _offers(source, said, ids, recorded)


def _later(pushed: Sequence[Stated], best: Mapping[str, Stated]) -> dict[str, Stated]:
    """Address → the newest push of those we were told after what is applied of it, or that is all there is."""
    ordered = sorted(pushed, key=lambda s: (rank(0, s.fact.read_at), s.fact.version))
    return {
        s.fact.holder: s for s in ordered if not best[s.fact.holder].fact.shop_at or s.cause > best[s.fact.holder].cause
    }


def _hint(source: int, hints: Sequence[tuple[object, ...]], said: Mapping[int, Stated], recorded: Recorded) -> None:
    rows = sql.fetch(
        f"WITH old AS (SELECT id, managed FROM canonical_listing WHERE id = ANY(%s)), new AS ({_HINT.format(rows=sql.values(_SAID))}"
        " RETURNING t.id, t.managed) SELECT new.id FROM new JOIN old ON old.id = new.id AND old.managed <> new.managed",
        [sorted(said), *sql.arrays(_SAID, sorted(hints))],
    )
    changes = [Change(id, "read", said[id].cause, said[id].fact.occurred_at, source) for (id,) in sorted(rows)]
    recorded.entries += ledger.changed("listing", changes)


_LOCK = """SELECT external_id, id FROM canonical_listing WHERE id IN (
    SELECT id FROM canonical_listing WHERE channel_id = %(source)s AND external_id = ANY(%(holders)s)
    UNION SELECT o.listing_id FROM canonical_link k JOIN canonical_offer o ON o.channel_id = k.system_id AND o.sku_id = k.our_id
      WHERE k.system_id = %(source)s AND k.entity = 'sku' AND k.external_id = ANY(%(refs)s)) ORDER BY id FOR UPDATE"""


def _known(source: int, said: Sequence[Stated], best: Mapping[str, Stated], recorded: Recorded) -> dict[str, int]:
    """Address → listing, locked; a new one is opened. Also those under which what is stated was sold before."""
    rows = [(source, holder, s.fact.managed, 1) for holder, s in sorted(best.items())]
    made = sql.insert(
        "canonical_listing", _NEW, rows, "ON CONFLICT (channel_id, external_id) DO NOTHING RETURNING id, external_id"
    )
    changes = [Change(id, "listed", best[h].cause, best[h].fact.occurred_at, source) for id, h in made]
    recorded.entries += ledger.opened("listing", changes)
    found = sql.fetch(_LOCK, {"source": source, "holders": sorted(best), "refs": sorted({s.fact.ref for s in said})})
    return dict(found)


def _read(source: int, readings: Mapping[int, Stated], recorded: Recorded) -> None:
    rows = [
        (
            id,
            s.fact.quantity,
            s.fact.backorders,
            s.fact.managed,
            s.fact.read_at,
            s.fact.shop_since or s.fact.shop_at,
            s.fact.shop_at,
        )
        for id, s in sorted(readings.items())
    ]
    if not rows:
        return
    changed = [id for id, news in sql.fetch(_READ.format(rows=sql.values(_SAID)), sql.arrays(_SAID, rows)) if news]
    recorded.entries += ledger.changed(
        "listing", [Change(id, "read", readings[id].cause, readings[id].fact.occurred_at, source) for id in changed]
    )


def _offers(source: int, said: Sequence[Stated], ids: Mapping[str, int], recorded: Recorded) -> None:
    """Each SKU a listing is about is an offer of this shop; a new one, or one that moved to another listing, is reckoned anew."""
    holders = {s.fact.ref: s for s in said}
    skus = links.known(source, "sku", holders)
    rows = sorted((source, skus[ref].our_id, ids[s.fact.holder], 1) for ref, s in holders.items() if ref in skus)
    by_sku = {skus[ref].our_id: s for ref, s in holders.items() if ref in skus}
    changed = sql.insert(
        "canonical_offer",
        {"channel_id": "bigint", "sku_id": "bigint", "listing_id": "bigint", "ledger_version": "integer"}, rows,
        "ON CONFLICT (channel_id, sku_id) DO UPDATE SET listing_id = excluded.listing_id"
        " WHERE canonical_offer.listing_id IS DISTINCT FROM excluded.listing_id RETURNING id, sku_id, xmax = 0",
    )  # fmt: skip
    fresh = [
        Change(id, "offered", by_sku[x].cause, by_sku[x].fact.occurred_at, source) for id, x, new in changed if new
    ]
    recorded.entries += ledger.opened("offer", fresh)
    cause = next((s.cause for s in said), Cause("", 0))
    touch([(sku, True) for _, sku, _ in changed], cause)
    _left(source, [id for holder, id in ids.items() if holder not in {s.fact.holder for s in said}], cause, recorded)


def _left(source: int, ids: Sequence[int], cause: Cause, recorded: Recorded) -> None:
    """A listing under which nothing is sold any more, because all of it sells from another's stock now, should show nothing in
    particular: the shop tells nothing of it, so nobody would ever know that it does."""
    rows = sql.fetch(
        """UPDATE canonical_listing t SET target = NULL, expected = NULL, verify = false, hint = NULL, hint_at = NULL
           WHERE t.id = ANY(%s) AND NOT EXISTS (SELECT 1 FROM canonical_offer o WHERE o.listing_id = t.id)
             AND (t.target IS NOT NULL OR t.expected IS NOT NULL) RETURNING t.id""",
        (sorted(ids),),
    )
    recorded.entries += ledger.changed("listing", [Change(id, "left", cause, recorded.now, source) for (id,) in rows])


def gone(source: int, said: Sequence[Stated], recorded: Recorded) -> None:
    """A reading found no such listing: nothing is written to it until one finds it again."""
    facts = {s.fact.ref: s for s in said if s.fact.entity == "listing"}
    sql.fetch(
        "SELECT 1 FROM canonical_listing WHERE channel_id = %s AND external_id = ANY(%s) ORDER BY id FOR UPDATE",
        (source, sorted(facts)),
    )
    rows = sql.fetch(
        """UPDATE canonical_listing t SET gone_at = v.at, expected = NULL, read_at = v.at
             FROM unnest(%s::text[], %s::timestamptz[]) v(ref, at)
           WHERE t.channel_id = %s AND t.external_id = v.ref AND t.gone_at IS NULL AND (t.read_at IS NULL OR t.read_at < v.at)
           RETURNING t.id, t.external_id""",
        (list(facts), [s.fact.read_at or s.fact.occurred_at for s in facts.values()], source),
    )
    recorded.entries += ledger.changed(
        "listing", [Change(id, "gone", facts[ref].cause, facts[ref].fact.occurred_at, source) for id, ref in rows]
    )


# ---- what has to be reckoned again --------------------------------------------------------------------------------------------
Reduction = tuple[int, int, int, datetime, datetime]  # SKU, channel, units, after, until
_TOUCH = {
    "sku_id": "bigint", "terms": "boolean", "channel_id": "bigint", "reduced": "integer", "after": "timestamptz", "until": "timestamptz",
    "cause_kind": "text", "cause_id": "bigint",
}  # fmt: skip


def touch(skus: Sequence[tuple[int, bool]], cause: Cause) -> None:
    """Have the figures of these SKUs reckoned again; with their effective terms, where that is said."""
    sql.insert("canonical_stocktouch", _TOUCH, [(sku, terms, None, 0, None, None, *cause) for sku, terms in skus])


def sold(reductions: Sequence[tuple[Reduction, Cause]]) -> None:
    """A shop took units off its own stock for a sale, or gave them back (negative). Only where it is known to show such a figure."""
    known = {
        (channel, sku)
        for channel, sku in sql.fetch(
            "SELECT channel_id, sku_id FROM canonical_offer WHERE sku_id = ANY(%s)",
            (sorted({r[0] for r, _ in reductions}),),
        )
    }
    rows = [
        (sku, False, channel, units, after, until, *cause)
        for (sku, channel, units, after, until), cause in reductions
        if (channel, sku) in known
    ]
    sql.insert("canonical_stocktouch", _TOUCH, rows)


#: Without anything offered this looks at nothing.
_OF_ORDERS = """WITH made AS (INSERT INTO canonical_stocktouch (sku_id, cause_kind, cause_id)
    SELECT DISTINCT ON (x.sku) x.sku, x.kind, x.cause FROM (
      SELECT coalesce(c.sku_id, l.sku_id) AS sku, v.kind, v.cause
      FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) v(order_id, kind, cause)
      JOIN canonical_orderline l ON l.order_id = v.order_id AND l.sku_id IS NOT NULL AND l.requires_shipping
      LEFT JOIN canonical_linecomponent c ON c.line_id = l.id) x
    WHERE (SELECT EXISTS (SELECT 1 FROM canonical_eligibility))
      AND EXISTS (SELECT 1 FROM canonical_eligibility e WHERE e.sku_id = x.sku) ORDER BY x.sku, x.cause DESC RETURNING 1)
  SELECT count(*) FROM made"""


#: Entries after which what an order takes from stock may be another.
_TAKING = frozenset({"order", "order_line", "fulfilment_request", "request_change"})


def follow(entries: Sequence[Written], skus: Collection[int]) -> bool:
    """Have the sellable figures reckoned again of what was counted, moved, ordered or taken back (`skus`: whose levels changed). Whether
    there is anything to reckon. Locks nothing."""
    orders = {e.order_id: e.cause for e in entries if e.order_id and e.subject_kind in _TAKING}
    if skus:
        cause = next((e.cause for e in entries if e.subject_kind.startswith("stock_")), Cause("", 0))
        touch([(sku, False) for sku in sorted(skus)], cause)
    return bool(orders and touch_orders(orders)) or bool(skus)


def touch_orders(causes: Mapping[int, Cause]) -> bool:
    """Have the figures of what is on these orders reckoned again; whether anything on them is offered with a figure."""
    ids = sorted(causes)
    ((count,),) = sql.fetch(_OF_ORDERS, (ids, [causes[id].kind for id in ids], [causes[id].id for id in ids]))
    return bool(count)
