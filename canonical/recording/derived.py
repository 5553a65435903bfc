"""What follows from rows and is stored for reading: line counters, request progress, order stage. Recomputed, never added up."""

from collections.abc import Sequence
from datetime import datetime

from canonical import ledger, sql
from canonical.ledger import Cause, Change, Why
from canonical.recording import changes
from canonical.recording.work import Recorded

_SHIPPED = """UPDATE canonical_requestline t SET shipped = s.units FROM (
    SELECT r.request_id, p.line_id, sum(p.units) AS units FROM canonical_packageline p JOIN canonical_package g ON g.id = p.package_id
    JOIN canonical_shipment r ON r.id = g.shipment_id WHERE r.order_id = ANY(%s) GROUP BY 1, 2) s
    WHERE s.request_id = t.request_id AND s.line_id = t.line_id AND t.shipped <> s.units
    RETURNING t.request_id, (SELECT order_id FROM canonical_fulfilmentrequest f WHERE f.id = t.request_id)"""

# Line by line: more than was asked for of one does not make up for another.
_PROGRESS = """UPDATE canonical_fulfilmentrequest t SET execution = s.execution, answer = s.answer FROM (
    SELECT r.id, CASE WHEN sum(l.shipped) = 0 THEN CASE WHEN r.execution = 'cancelled' THEN r.execution ELSE 'short' END
                     WHEN bool_and(l.shipped >= l.units - l.short) THEN 'shipped' ELSE 'part_shipped' END AS execution,
           CASE WHEN bool_and(l.shipped >= l.units) AND EXISTS (SELECT 1 FROM canonical_requestchange c WHERE c.request_id = r.id
                  AND c.answer = 'accepted' AND c.kind IN ('amend', 'cancel')) THEN 'closed'
                WHEN r.answer IN ('unsubmitted', 'submitted') THEN 'accepted' ELSE r.answer END AS answer
    FROM canonical_fulfilmentrequest r JOIN canonical_requestline l ON l.request_id = r.id
    WHERE r.order_id = ANY(%s) GROUP BY r.id
    HAVING sum(l.shipped) > 0 OR (sum(l.short) > 0 AND bool_and(l.short >= l.units))) s
    WHERE s.id = t.id AND (t.execution, t.answer) IS DISTINCT FROM (s.execution, s.answer) RETURNING t.id, t.order_id"""

#: The shop does not want the order any more (canonical.rules.orders.STOPPED); o = its row.
_STOPPED = "(o.gone_at IS NOT NULL OR o.shop_status IN ('cancelled', 'trashed', 'failed', 'refunded'))"

# What warehouses are committed to ship counts against the order, but for reships, which replace what was lost. Cancelled is what is not
# wanted any more and nobody is committed to. A thing that is not shipped was delivered with the ERP's confirmation: a refund of it is
# no cancellation.
_COUNTERS = f"""UPDATE canonical_orderline t SET routed = c.routed, allocated = c.allocated, picked = c.picked, shipped = c.shipped,
      cancelled = greatest(0, t.ordered - greatest(c.wanted, c.routed, c.shipped)), ledger_version = t.ledger_version + 1 FROM (
    SELECT l.id,
      CASE WHEN {_STOPPED} AND (l.requires_shipping OR o.shop_status <> 'refunded') THEN 0
           WHEN l.requires_shipping THEN greatest(0, l.ordered - l.refunded - l.abandoned) ELSE l.ordered END AS wanted,
      coalesce(sum(CASE WHEN f.answer = 'rejected' THEN r.shipped ELSE greatest(r.units - r.short, r.shipped) END), 0) AS routed,
      coalesce(sum(r.units - r.short) FILTER (WHERE f.answer = 'accepted'), 0) AS allocated,
      coalesce(sum(r.units - r.short) FILTER (WHERE f.answer <> 'rejected'
        AND f.execution IN ('picked', 'packed', 'part_shipped', 'shipped')), 0) AS picked,
      coalesce(sum(r.shipped), 0) AS shipped
    FROM canonical_order o JOIN canonical_orderline l ON l.order_id = o.id
    LEFT JOIN (canonical_requestline r JOIN canonical_fulfilmentrequest f ON f.id = r.request_id AND f.purpose <> 'reship')
      ON r.line_id = l.id
    WHERE o.id = ANY(%s) GROUP BY l.id, o.id) c
    WHERE c.id = t.id AND (t.routed, t.allocated, t.picked, t.shipped, t.cancelled)
      IS DISTINCT FROM (c.routed, c.allocated, c.picked, c.shipped, greatest(0, t.ordered - greatest(c.wanted, c.routed, c.shipped)))"""

#: The order's stage (canonical model, state machines). One place: this expression.
_STAGE = f"""UPDATE canonical_order t SET stage = s.stage, ledger_version = t.ledger_version + 1 FROM (
    SELECT o.id, CASE
      WHEN {_STOPPED} AND o.released_at IS NOT NULL THEN CASE
        WHEN n.ships AND n.open > 0 AND EXISTS (SELECT 1 FROM canonical_requestchange c
          WHERE c.order_id = o.id AND c.kind = 'cancel' AND c.answer IN ('rejected', 'moot')) THEN 'cancel_refused'
        WHEN n.ships AND n.open > 0 THEN 'cancel_requested'
        WHEN n.shipped > 0 AND n.shipped >= n.ordered THEN 'completed'
        WHEN n.shipped > 0 THEN 'partially_cancelled'
        WHEN NOT n.ships AND o.shop_status = 'refunded' THEN 'completed'
        ELSE 'cancelled' END
      WHEN {_STOPPED} AND NOT (o.gone_at IS NULL AND o.shop_status = 'failed') THEN 'cancelled'
      WHEN EXISTS (SELECT 1 FROM canonical_hold h WHERE h.order_id = o.id AND h.lifted_at IS NULL AND h.blocks) THEN 'on_hold'
      WHEN o.released_at IS NULL THEN 'received'
      WHEN n.left = 0 THEN 'completed'
      WHEN EXISTS (SELECT 1 FROM canonical_fulfilmentrequest f WHERE f.order_id = o.id AND f.answer = 'accepted') THEN 'in_fulfilment'
      ELSE 'released' END AS stage
    FROM canonical_order o, LATERAL (SELECT coalesce(bool_or(l.requires_shipping), false) AS ships, coalesce(sum(l.ordered), 0) AS ordered,
        coalesce(sum(l.shipped), 0) AS shipped,
        coalesce(sum(greatest(l.routed - l.shipped, 0)), 0) AS open,
        coalesce(sum(greatest(l.ordered - l.cancelled - l.shipped, 0)) FILTER (WHERE l.requires_shipping), 0) AS left
      FROM canonical_orderline l WHERE l.order_id = o.id) n WHERE o.id = ANY(%s)) s
    WHERE s.id = t.id AND t.stage <> s.stage"""


#: Units given up and not given back yet. A refund gives back first what was given up before it: those are the same units, counted once.
_ABANDONED = """UPDATE canonical_orderline t SET abandoned = s.due FROM (
    SELECT l.id, greatest(0, max(least(a.refunded, l.refunded) + (SELECT sum(b.units) FROM canonical_abandonment b
      WHERE b.line_id = l.id AND b.id >= a.id)) - l.refunded) AS due
    FROM canonical_orderline l JOIN canonical_abandonment a ON a.line_id = l.id WHERE l.id = ANY(%s) GROUP BY l.id) s
    WHERE s.id = t.id AND t.abandoned <> s.due"""


def count_abandoned(line_ids: Sequence[int]) -> None:
    """Bring these lines' counters of given up units up to date; the caller writes the entries."""
    sql.fetch(_ABANDONED, (list(line_ids),))


def refresh(
    order_ids: Sequence[int], causes: dict[int, Cause], at: datetime, recorded: Recorded, counted: Sequence[int]
) -> None:
    """Bring the derived columns of these orders up to date and write what changed to the ledger.

    `causes` says, per order, which row made us look; `counted` are those of which units were ordered, routed, shipped or given back.
    """
    ids = sorted(set(order_ids))
    if not ids:
        return
    why = {(id,): Why(causes[id], at, None) for id in ids}
    if again := sorted(set(counted)):
        moved = sorted({*sql.fetch(_SHIPPED, (again,)), *sql.fetch(_PROGRESS, (again,))})
        recorded.entries += ledger.changed(
            "fulfilment_request", [Change(id, "progress", causes[order], at, None) for id, order in moved]
        )
        changes.overtaken(again, causes, at, recorded)
        recorded.entries += ledger.updated("order_line", _COUNTERS, [again], "'counted'", {"order_id": "bigint"}, why)
    recorded.entries += ledger.updated("order", _STAGE, [ids], "t.stage", {"id": "bigint"}, why)
