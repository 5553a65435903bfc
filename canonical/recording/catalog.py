"""SKUs become known: linked by external id first, by code second; a code that two products of one system claim is ambiguous."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from canonical import ledger, sql
from canonical.facts import SkuStated
from canonical.ledger import Cause, Change
from canonical.recording import links
from canonical.recording.work import Recorded, Stated, by_ref, digest, latest, ours

_SKU = {
    "code": "text", "name": "text", "gtin": "text", "requires_shipping": "boolean", "active": "boolean", "category": "text",
    "authority_id": "bigint", "ledger_version": "integer",
}  # fmt: skip


_MEETING = 5_017_223  # any number no other advisory lock uses


class _Winner(NamedTuple):
    ref: str
    cause: Cause
    fact: SkuStated
    digest: bytes
    our_id: int | None


def record(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply SkuStated facts of one system."""
    winners = _winners(source, stated, recorded)
    if any(w.our_id is None for w in winners):
        meet(appearing=True)
    _create(source, winners, recorded)
    winners = _linked(source, winners, recorded)
    _describe(source, winners, recorded)
    _adopt_lines(source, winners, recorded)


def _winners(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[_Winner]:
    groups = by_ref(stated)
    known = links.known(source, "sku", groups)
    digests = {id(s.fact): digest(s.fact) for s in stated}
    winners = []
    for ref, items in groups.items():
        verdict = latest(known.get(ref), items, digests)
        if verdict.ask:
            recorded.ask(source, "sku", ref, items[0].cause)
        if verdict.winner and verdict.winner.fact.sku:
            cause, fact = verdict.winner
            winners.append(_Winner(ref, cause, fact, digests[id(fact)], known[ref].our_id if ref in known else None))
    return winners


def _create(source: int, winners: list[_Winner], recorded: Recorded) -> None:
    first = {w.fact.sku: w for w in reversed(winners) if w.our_id is None}
    rows = [
        (code, w.fact.name, w.fact.gtin, w.fact.requires_shipping, w.fact.active, w.fact.category[:100], source, 1)
        for code, w in sorted(first.items())
    ]
    made = sql.insert("canonical_sku", _SKU, rows, "ON CONFLICT (code) DO NOTHING RETURNING id, code")
    changes = [Change(id, "created", first[code].cause, first[code].fact.occurred_at, source) for id, code in made]
    recorded.entries += ledger.opened("sku", changes)


def _linked(source: int, winners: list[_Winner], recorded: Recorded) -> list[_Winner]:
    """The winners with their SKU's id; those whose code belongs to another product of the same system become conflicts."""
    by_code = codes([w.fact.sku for w in winners])
    fresh = [(source, "sku", w.ref, by_code[w.fact.sku], 0, None, None) for w in winners if w.our_id is None]
    made = links.claim(fresh, recorded)
    found: list[_Winner] = []
    for winner in winners:
        if winner.our_id is None and (source, "sku", winner.ref) not in made:
            recorded.conflicts[winner.cause] = (
                f"Product {winner.ref} uses the SKU “{winner.fact.sku}”, which another product of the same system already has. "
                "Give one of them another SKU."
            )
            continue
        found.append(winner._replace(our_id=winner.our_id or by_code[winner.fact.sku]))
    links.remember(
        [(source, "sku", w.ref, w.our_id or 0, w.fact.version, w.fact.read_at, w.digest) for w in found], recorded
    )
    return found


def meet(*, appearing: bool) -> None:
    """Of an order that lacks a SKU and a SKU that appears, whichever comes second waits here for the first to commit, and sees it.
    Orders do not wait for each other, nor does an order whose SKUs are all known."""
    sql.fetch(f"SELECT pg_advisory_xact_lock{'' if appearing else '_shared'}(%s)", (_MEETING,))


def codes(wanted: Sequence[str]) -> dict[str, int]:
    """SKU code → our id, for the codes we know."""
    return dict(sql.fetch("SELECT code, id FROM canonical_sku WHERE code = ANY(%s)", (sorted(set(wanted)),)))


_DESCRIBE = """UPDATE canonical_sku t SET name = v.name, gtin = v.gtin, requires_shipping = v.requires_shipping, active = v.active,
      category = v.category, authority_id = me.id, code = v.code
    FROM (SELECT v.*, CASE WHEN o.id IS NULL THEN v.stated ELSE c.code END AS code FROM {rows}
          JOIN canonical_sku c ON c.id = v.id LEFT JOIN canonical_sku o ON o.code = v.stated AND o.id <> v.id) v, canonical_system me
    WHERE t.id = v.id AND me.id = %s
      AND (t.code, t.name, t.gtin, t.requires_shipping, t.active, t.category, t.authority_id)
        IS DISTINCT FROM (v.code, v.name, v.gtin, v.requires_shipping, v.active, v.category, me.id)
      AND NOT EXISTS (SELECT 1 FROM canonical_system a WHERE a.id = t.authority_id AND a.id <> me.id
                      AND (NOT 'channel' = ANY(a.roles), a.id) < (NOT 'channel' = ANY(me.roles), me.id))
    RETURNING t.id"""


def _describe(source: int, winners: list[_Winner], recorded: Recorded) -> None:
    """Apply code, name and flags where the source is the SKU's authority: a channel before any other role, then the older system.
    A changed code that another SKU has is not taken over."""
    columns = {
        "id": "bigint",
        "stated": "text",
        "name": "text",
        "gtin": "text",
        "requires_shipping": "boolean",
        "active": "boolean",
        "category": "text",
    }
    rows = sorted(
        (w.our_id or 0, f.sku, f.name, f.gtin, f.requires_shipping, f.active, f.category[:100])
        for w, f in ((w, w.fact) for w in winners)
    )
    if not rows:
        return
    statement = _DESCRIBE.format(rows=sql.values(columns))
    changed = {id for (id,) in sql.fetch(statement, [*sql.arrays(columns, rows), source])}
    described = {w.our_id: w for w in winners if w.our_id in changed}
    changes = [Change(id, "described", w.cause, w.fact.occurred_at, source) for id, w in described.items() if id]
    recorded.entries += ledger.changed("sku", changes)
    _follow_shipping(source, described, recorded)


def _follow_shipping(source: int, described: Mapping[int | None, _Winner], recorded: Recorded) -> None:
    """Lines nobody was asked to ship yet follow what the SKU says about shipping."""
    ids = sorted(id for id in described if id)
    lines = """FROM canonical_orderline l JOIN canonical_sku s ON s.id = l.sku_id JOIN canonical_order o ON o.id = l.order_id
        WHERE l.sku_id = ANY(%s) AND l.routed = 0 AND l.shipped = 0 AND l.requires_shipping <> s.requires_shipping
          AND o.stage NOT IN ('completed', 'cancelled')"""
    orders = sql.fetch(f"SELECT DISTINCT l.order_id {lines}", (ids,))
    sql.fetch("SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", ([o for (o,) in orders],))
    rows = sql.fetch(
        f"UPDATE canonical_orderline t SET requires_shipping = s.requires_shipping FROM canonical_sku s"
        f" WHERE s.id = t.sku_id AND t.id IN (SELECT l.id {lines}) RETURNING t.id, t.sku_id",
        (ids,),
    )
    changes = [
        Change(id, "shipping known", described[sku].cause, described[sku].fact.occurred_at, source) for id, sku in rows
    ]
    recorded.entries += ledger.changed("order_line", changes)


def _adopt_lines(source: int, winners: list[_Winner], recorded: Recorded) -> None:
    """Order lines that waited for one of these SKUs get it: by the shop's own variant id, else by code."""
    if not winners:
        return
    by_id = {w.our_id: w for w in winners}
    waiting = """SELECT l.id, l.order_id, s.id AS sku_id, s.requires_shipping FROM canonical_sku s
          JOIN canonical_orderline l ON l.sku_text = s.code AND l.sku_id IS NULL AND l.sku_text <> '' WHERE s.id = ANY(%(ids)s)
        UNION SELECT l.id, l.order_id, s.id, s.requires_shipping FROM canonical_sku s
          JOIN canonical_link k ON k.entity = 'sku' AND k.our_id = s.id
          JOIN canonical_orderline l ON l.variant_ref = k.external_id AND l.sku_id IS NULL AND l.variant_ref <> ''
          JOIN canonical_order o ON o.id = l.order_id AND o.channel_id = k.system_id WHERE s.id = ANY(%(ids)s)"""
    ids = [w.our_id for w in winners]
    orders = sql.fetch(f"SELECT DISTINCT order_id FROM ({waiting}) w", {"ids": ids})
    sql.fetch("SELECT id FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", ([o for (o,) in orders],))
    adopted = sql.fetch(
        f"UPDATE canonical_orderline t SET sku_id = w.sku_id, requires_shipping = w.requires_shipping FROM ({waiting}) w"
        " WHERE t.id = w.id RETURNING t.id, t.sku_id",
        {"ids": ids},
    )
    explode([id for id, _ in adopted])
    changes = [Change(id, "sku known", by_id[sku].cause, by_id[sku].fact.occurred_at, source) for id, sku in adopted]
    recorded.entries += ledger.changed("order_line", changes)


def mapped(channel_id: int, texts: Sequence[str]) -> dict[str, int]:
    """A shop's SKU texts that people mapped → our id; the shop's own word before one for all shops. The words are those of
    canonical.mappings: found whatever their case, and a code nobody has stands for nothing."""
    rows = sql.fetch(
        """SELECT DISTINCT ON (v.text) v.text, s.id FROM unnest(%s::text[]) v(text)
           JOIN canonical_mapping m ON m.kind = 'sku' AND lower(btrim(m.key)) = lower(btrim(v.text))
             AND coalesce(m.channel_id, %s) = %s
           LEFT JOIN canonical_sku s ON s.code = m.value ->> 'sku' ORDER BY v.text, m.channel_id NULLS LAST""",
        (sorted({text for text in texts if text}), channel_id, channel_id),
    )
    return {text: id for text, id in rows if id}


def known(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Lines that lack an SKU get the one their text was mapped to; one that has an SKU keeps it."""
    facts = {(s.fact.order_id, s.fact.text): s for s in stated}
    rows = sql.fetch(
        """UPDATE canonical_orderline t SET sku_id = s.id, requires_shipping = s.requires_shipping
           FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) v(order_id, text, sku_id) JOIN canonical_sku s ON s.id = v.sku_id
           WHERE t.order_id = v.order_id AND lower(btrim(t.sku_text)) = lower(btrim(v.text)) AND t.sku_id IS NULL
           RETURNING t.id, v.order_id, v.text""",
        ([order for order, _ in facts], [text for _, text in facts], [s.fact.sku_id for s in facts.values()]),
    )
    explode([id for id, *_ in rows])
    recorded.entries += ledger.changed(
        "order_line", [ours(None, facts[order, text], id, "sku known") for id, order, text in rows]
    )
    return [order for _, order, _ in rows]


def explode(line_ids: Sequence[int]) -> None:
    """Note what lines of kits take from stock, as the kits are now: a kit that is made of something else tomorrow changes no order."""
    if line_ids:
        sql.fetch(
            """INSERT INTO canonical_linecomponent (line_id, sku_id, units) SELECT l.id, k.component_id, k.units
               FROM canonical_orderline l JOIN canonical_kitcomponent k ON k.kit_id = l.sku_id WHERE l.id = ANY(%s)
               ORDER BY 1, 2 ON CONFLICT (line_id, sku_id) DO NOTHING""",
            (sorted(line_ids),),
        )
