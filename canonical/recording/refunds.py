"""Refunds become true: money, and perhaps units, an order's shop gave back. Keyed by the shop's id; deleted when no longer named."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from canonical import ledger, sql
from canonical.facts import OrderStated
from canonical.ledger import Change
from canonical.recording import derived
from canonical.recording.work import Recorded, Stated, ours

_REFUND = {
    "id": "bigint", "order_id": "bigint", "source_id": "bigint", "external_id": "text", "amount": "numeric", "reason": "text",
    "refunded_at": "timestamptz", "ledger_version": "integer",
}  # fmt: skip
_LINE = {"refund_id": "bigint", "line_id": "bigint", "units": "integer", "total": "numeric", "tax": "numeric"}


def waiting_key(source: int, order_ref: str) -> str:
    """What a refund waits for when its order is not known yet."""
    return f"order-of:{source}:{order_ref}"


def record(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply RefundStated facts of one channel; returns our ids of the orders concerned. A refund is never edited: the first
    statement of an id stands, but lines of its order that were not known then are added when it is said again."""
    orders = _orders(source, {s.fact.order_ref for s in stated})
    for s in stated:
        if s.fact.order_ref not in orders:
            recorded.missing[s.cause] = waiting_key(source, s.fact.order_ref)
    said = {s.fact.ref: s for s in reversed(stated) if s.fact.order_ref in orders}
    known = _known(source, said)
    fresh = {ref: s for ref, s in said.items() if ref not in known}
    ids = dict(zip(sorted(fresh), sql.new_ids("canonical_refund", len(fresh)), strict=True))
    rows = [
        (id, orders[f.order_ref], source, ref, f.amount, f.reason, f.occurred_at, 1)
        for ref, id in ids.items() for f in (fresh[ref].fact,)
    ]  # fmt: skip
    sql.insert("canonical_refund", _REFUND, rows)
    lines = _order_lines(sorted({orders[s.fact.order_ref] for s in said.values()}))
    added = _add_lines(said, {**known, **ids}, orders, lines)
    recorded.entries += ledger.opened("refund", [ours(source, fresh[ref], id, "refunded") for ref, id in ids.items()])
    grown = {ref: s for ref, s in said.items() if ref in known and known[ref] in added}
    changes = [ours(source, s, known[ref], "lines known") for ref, s in sorted(grown.items())]
    recorded.entries += ledger.changed("refund", changes)
    _ask_orders(source, fresh, orders, lines, recorded)
    causes = {orders[s.fact.order_ref]: s for s in (*fresh.values(), *grown.values())}
    if causes:
        _count(source, causes, recorded)
    return sorted(causes)


def _orders(source: int, refs: set[str]) -> dict[str, int]:
    return dict(
        sql.fetch(
            "SELECT external_id, id FROM canonical_order WHERE channel_id = %s AND external_id = ANY(%s) ORDER BY id FOR UPDATE",
            (source, sorted(refs)),
        )
    )


def _known(source: int, refs: Iterable[str]) -> dict[str, int]:
    return dict(
        sql.fetch(
            "SELECT external_id, id FROM canonical_refund WHERE source_id = %s AND external_id = ANY(%s)",
            (source, sorted(refs)),
        )
    )


def _order_lines(order_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """(order, the shop's line id) → our line."""
    rows = sql.fetch(
        "SELECT order_id, external_id, id FROM canonical_orderline WHERE order_id = ANY(%s)", (list(order_ids),)
    )
    return {(order, ref): id for order, ref, id in rows}


def _add_lines(
    said: Mapping[str, Stated],
    ids: Mapping[str, int],
    orders: Mapping[str, int],
    lines: Mapping[tuple[int, str], int],
) -> set[int]:
    """Write what refunds say of lines their orders have; a line that is not known carries no units yet. Returns the refunds that got
    lines."""
    totals: dict[tuple[int, int], list[Any]] = {}
    for ref, s in said.items():
        for x in s.fact.lines:
            if line := lines.get((orders[s.fact.order_ref], x.line)):
                row = totals.setdefault((ids[ref], line), [0, 0, 0])
                row[:] = [row[0] + x.units, row[1] + x.total, row[2] + x.tax]
    rows = [(*key, *totals[key]) for key in sorted(totals)]
    written = sql.insert("canonical_refundline", _LINE, rows, "ON CONFLICT DO NOTHING RETURNING refund_id")
    return {id for (id,) in written}


def _ask_orders(
    source: int,
    fresh: Mapping[str, Stated],
    orders: Mapping[str, int],
    lines: Mapping[tuple[int, str], int],
    recorded: Recorded,
) -> None:
    """A new refund and what we know of its order may not fit: it names a line not heard of yet, or it is older than the order's last
    statement, which may not have named it because it was deleted. The order is read again, and says."""
    if not fresh:
        return
    said_at = dict(
        sql.fetch(
            "SELECT subject_id, max(occurred_at) FROM canonical_entry WHERE order_id = ANY(%s) AND subject_kind = 'order'"
            " AND event IN ('received', 'restated') GROUP BY 1",
            (sorted({orders[s.fact.order_ref] for s in fresh.values()}),),
        )
    )
    for s in fresh.values():
        order = orders[s.fact.order_ref]
        unheard = any((order, x.line) not in lines for x in s.fact.lines)
        if unheard or said_at.get(order, s.fact.occurred_at) > s.fact.occurred_at:
            recorded.ask(source, "order", s.fact.order_ref, s.cause)


_COUNT = """UPDATE canonical_orderline t SET refunded = s.units, refunded_amount = s.amount FROM (
    SELECT l.id, coalesce(sum(x.units) FILTER (WHERE r.gone_at IS NULL), 0) AS units,
      coalesce(sum(x.total + x.tax) FILTER (WHERE r.gone_at IS NULL), 0) AS amount
    FROM canonical_orderline l JOIN canonical_refundline x ON x.line_id = l.id JOIN canonical_refund r ON r.id = x.refund_id
    WHERE l.order_id = ANY(%s) GROUP BY l.id) s
    WHERE s.id = t.id AND (t.refunded, t.refunded_amount) IS DISTINCT FROM (s.units, s.amount) RETURNING t.id, t.order_id"""


def _count(source: int, causes: Mapping[int, Stated], recorded: Recorded) -> None:
    """Bring the lines' counters up to date, and note that what others were told of these orders may have to change."""
    ids = sorted(causes)
    changed = sql.fetch(_COUNT, (ids,))
    derived.count_abandoned(sorted(id for id, _ in changed))
    recorded.entries += ledger.changed(
        "order_line", [ours(source, causes[order], id, "refunded") for id, order in changed]
    )
    sql.fetch(
        "UPDATE canonical_order t SET restated_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at) WHERE t.id = v.id",
        (ids, [causes[id].fact.occurred_at for id in ids]),
    )
    recorded.recount.update(ids)


def mentioned(source: int, stated: Mapping[int, Stated], grown: Collection[int], recorded: Recorded) -> None:
    """What an order's newest statement says about its refunds: one we do not know is read, one it no longer names was deleted.

    `stated`: our order id → OrderStated, also where it says nothing else than the one before: a refund may have been recorded in between.
    `grown`: orders with new lines, which refunds recorded before may be about: they are read again. A refund younger than the statement
    is not judged by it.
    """
    rows = sql.fetch(
        "SELECT order_id, id, external_id, refunded_at, gone_at IS NOT NULL FROM canonical_refund WHERE order_id = ANY(%s) ORDER BY id",
        (sorted(stated),),
    )
    known = {(order, ref): (id, at, gone) for order, id, ref, at, gone in rows}
    for order, s in sorted(stated.items()):
        for mention in s.fact.refunds:
            if (order, mention.ref) not in known or order in grown:
                recorded.ask(source, "refund", f"{s.fact.ref}:{mention.ref}", s.cause)
    deleted = [
        (order, id)
        for (order, ref), (id, at, gone) in known.items()
        if not gone and not _names(stated[order].fact, ref) and stated[order].fact.occurred_at > at
    ]
    back = [(order, id) for (order, ref), (id, _, gone) in known.items() if gone and _names(stated[order].fact, ref)]
    sql.fetch(
        "SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
        (sorted({o for o, _ in deleted + back}),),
    )
    _mark("deleted", deleted, source, stated, recorded)
    _mark("restored", back, source, stated, recorded)


def _names(fact: OrderStated, ref: str) -> bool:
    return any(mention.ref == ref for mention in fact.refunds)


def _mark(
    event: str, rows: Sequence[tuple[int, int]], source: int, causes: Mapping[int, Stated], recorded: Recorded
) -> None:
    if not rows:
        return
    at = [causes[order].fact.occurred_at if event == "deleted" else None for order, _ in rows]
    sql.fetch(
        "UPDATE canonical_refund t SET gone_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at) WHERE t.id = v.id",
        ([id for _, id in rows], at),
    )
    changes = [
        Change(id, event, causes[order].cause, causes[order].fact.occurred_at, source) for order, id in sorted(rows)
    ]
    recorded.entries += ledger.changed("refund", changes)
    _count(source, {order: causes[order] for order, _ in rows}, recorded)


def gone(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """A read found no such refund."""
    facts = {s.fact.ref.rpartition(":")[2]: s for s in stated if s.fact.entity == "refund"}
    rows = sql.fetch(
        "SELECT order_id, id, external_id FROM canonical_refund WHERE source_id = %s AND external_id = ANY(%s) AND gone_at IS NULL",
        (source, sorted(facts)),
    )
    sql.fetch(
        "SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted(o for o, _, _ in rows),)
    )
    causes = {order: facts[ref] for order, _, ref in rows}
    _mark("deleted", [(order, id) for order, id, _ in rows], source, causes, recorded)
    return sorted(causes)
