"""Refunds become true: money, and perhaps units, an order's shop gave back. Keyed by the shop's id; deleted when no longer named."""

from collections.abc import Mapping, Sequence
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
    statement of an id stands."""
    orders = _orders(source, {s.fact.order_ref for s in stated})
    for s in stated:
        if s.fact.order_ref not in orders:
            recorded.missing[s.cause] = waiting_key(source, s.fact.order_ref)
    known = _known(source, {s.fact.ref for s in stated})
    fresh = {s.fact.ref: s for s in reversed(stated) if s.fact.order_ref in orders and s.fact.ref not in known}
    if not fresh:
        return []
    ids = dict(zip(sorted(fresh), sql.new_ids("canonical_refund", len(fresh)), strict=True))
    rows = [
        (id, orders[f.order_ref], source, ref, f.amount, f.reason, f.occurred_at, 1)
        for ref, id in ids.items() for f in (fresh[ref].fact,)
    ]  # fmt: skip
    sql.insert("canonical_refund", _REFUND, rows)
    sql.insert("canonical_refundline", _LINE, _line_rows(fresh, ids, orders))
    recorded.entries += ledger.opened("refund", [ours(source, fresh[ref], id, "refunded") for ref, id in ids.items()])
    _count(source, {orders[s.fact.order_ref]: s for s in fresh.values()}, recorded)
    return sorted({orders[s.fact.order_ref] for s in fresh.values()})


def _orders(source: int, refs: set[str]) -> dict[str, int]:
    return dict(
        sql.fetch(
            "SELECT external_id, id FROM canonical_order WHERE channel_id = %s AND external_id = ANY(%s) ORDER BY id FOR UPDATE",
            (source, sorted(refs)),
        )
    )


def _known(source: int, refs: set[str]) -> set[str]:
    rows = sql.fetch(
        "SELECT external_id FROM canonical_refund WHERE source_id = %s AND external_id = ANY(%s)",
        (source, sorted(refs)),
    )
    return {ref for (ref,) in rows}


def _line_rows(fresh: Mapping[str, Stated], ids: Mapping[str, int], orders: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Lines the order no longer has, or never had, carry no units of ours."""
    wanted = sorted({orders[s.fact.order_ref] for s in fresh.values()})
    lines = {
        (order, ref): id
        for order, ref, id in sql.fetch(
            "SELECT order_id, external_id, id FROM canonical_orderline WHERE order_id = ANY(%s)", (wanted,)
        )
    }
    totals: dict[tuple[int, int], list[Any]] = {}
    for ref, s in fresh.items():
        for x in s.fact.lines:
            if line := lines.get((orders[s.fact.order_ref], x.line)):
                row = totals.setdefault((ids[ref], line), [0, 0, 0])
                row[:] = [row[0] + x.units, row[1] + x.total, row[2] + x.tax]
    return [(*key, *totals[key]) for key in sorted(totals)]


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


def mentioned(source: int, stated: Mapping[int, Stated], recorded: Recorded) -> None:
    """What an order's newest statement says about its refunds: one we do not know is read, one it no longer names was deleted.

    `stated`: our order id → OrderStated. A refund younger than the statement is not judged by it.
    """
    rows = sql.fetch(
        "SELECT order_id, id, external_id, refunded_at, gone_at IS NOT NULL FROM canonical_refund WHERE order_id = ANY(%s) ORDER BY id",
        (sorted(stated),),
    )
    known = {(order, ref): (id, at, gone) for order, id, ref, at, gone in rows}
    for order, s in sorted(stated.items()):
        for mention in s.fact.refunds:
            if (order, mention.ref) not in known:
                recorded.ask(source, "refund", f"{s.fact.ref}:{mention.ref}", s.cause)
    deleted = [
        (order, id)
        for (order, ref), (id, at, gone) in known.items()
        if not gone and not _names(stated[order].fact, ref) and stated[order].fact.occurred_at > at
    ]
    back = [(order, id) for (order, ref), (id, _, gone) in known.items() if gone and _names(stated[order].fact, ref)]
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
