"""What follows from rows and is stored for reading: line counters, request progress, order stage. Recomputed, never added up."""

from collections.abc import Sequence
from datetime import datetime

from canonical import ledger, sql
from canonical.ledger import Cause, Change
from canonical.recording.work import Recorded

_SHIPPED = """UPDATE canonical_requestline t SET shipped = s.units FROM (
    SELECT r.request_id, p.line_id, sum(p.units) AS units FROM canonical_packageline p JOIN canonical_package g ON g.id = p.package_id
    JOIN canonical_shipment r ON r.id = g.shipment_id WHERE r.order_id = ANY(%s) GROUP BY 1, 2) s
    WHERE s.request_id = t.request_id AND s.line_id = t.line_id AND t.shipped <> s.units
    RETURNING t.request_id, (SELECT order_id FROM canonical_fulfilmentrequest f WHERE f.id = t.request_id)"""

_PROGRESS = """UPDATE canonical_fulfilmentrequest t SET execution = s.execution, answer = s.answer FROM (
    SELECT r.id, CASE WHEN sum(l.shipped) = 0 THEN 'short' WHEN sum(l.shipped) >= sum(l.units) - sum(l.short) THEN 'shipped'
                     ELSE 'part_shipped' END AS execution,
           CASE WHEN r.answer IN ('unsubmitted', 'submitted') THEN 'accepted' ELSE r.answer END AS answer
    FROM canonical_fulfilmentrequest r JOIN canonical_requestline l ON l.request_id = r.id
    WHERE r.order_id = ANY(%s) GROUP BY r.id HAVING sum(l.shipped) > 0 OR sum(l.short) >= sum(l.units)) s
    WHERE s.id = t.id AND (t.execution, t.answer) IS DISTINCT FROM (s.execution, s.answer) RETURNING t.id, t.order_id"""

_COUNTERS = """UPDATE canonical_orderline t SET routed = c.routed, allocated = c.allocated, picked = c.picked, shipped = c.shipped FROM (
    SELECT l.id,
      coalesce(sum(CASE WHEN f.answer = 'rejected' THEN r.shipped ELSE greatest(r.units - r.short, r.shipped) END), 0) AS routed,
      coalesce(sum(r.units - r.short) FILTER (WHERE f.answer = 'accepted'), 0) AS allocated,
      coalesce(sum(r.units - r.short) FILTER (WHERE f.answer <> 'rejected'
        AND f.execution IN ('picked', 'packed', 'part_shipped', 'shipped')), 0) AS picked,
      coalesce(sum(r.shipped), 0) AS shipped
    FROM canonical_orderline l JOIN canonical_requestline r ON r.line_id = l.id
    JOIN canonical_fulfilmentrequest f ON f.id = r.request_id WHERE l.order_id = ANY(%s) GROUP BY l.id) c
    WHERE c.id = t.id AND (t.routed, t.allocated, t.picked, t.shipped) IS DISTINCT FROM (c.routed, c.allocated, c.picked, c.shipped)
    RETURNING t.id, t.order_id"""

#: The order's stage (canonical model, state machines). One place: this expression.
_STAGE = """UPDATE canonical_order t SET stage = s.stage FROM (
    SELECT o.id, CASE
      WHEN o.shop_status IN ('cancelled', 'trashed') OR o.gone_at IS NOT NULL THEN 'cancelled'
      WHEN EXISTS (SELECT 1 FROM canonical_hold h WHERE h.order_id = o.id AND h.lifted_at IS NULL) THEN 'on_hold'
      WHEN o.released_at IS NULL THEN 'received'
      WHEN NOT EXISTS (SELECT 1 FROM canonical_orderline l WHERE l.order_id = o.id AND l.requires_shipping
                       AND l.shipped < l.ordered - l.cancelled) THEN 'completed'
      WHEN EXISTS (SELECT 1 FROM canonical_fulfilmentrequest f WHERE f.order_id = o.id AND f.answer = 'accepted') THEN 'in_fulfilment'
      ELSE 'released' END AS stage
    FROM canonical_order o WHERE o.id = ANY(%s)) s
    WHERE s.id = t.id AND t.stage <> s.stage RETURNING t.id, t.stage"""


def refresh(
    order_ids: Sequence[int], causes: dict[int, Cause], at: datetime, recorded: Recorded, counters: bool
) -> None:
    """Bring the derived columns of these orders up to date and write what changed to the ledger.

    `causes` says, per order, which row made us look; `counters` is False where nothing was routed or shipped.
    """
    ids = sorted(set(order_ids))
    if not ids:
        return
    if counters:
        moved = {*sql.fetch(_SHIPPED, (ids,)), *sql.fetch(_PROGRESS, (ids,))}
        _note("fulfilment_request", "progress", sorted(moved), causes, at, recorded)
        _note("order_line", "counted", sql.fetch(_COUNTERS, (ids,)), causes, at, recorded)
    stages = sql.fetch(_STAGE, (ids,))
    recorded.entries += ledger.changed("order", [Change(id, stage, causes[id], at, None) for id, stage in stages])


def _note(
    kind: str, event: str, rows: Sequence[tuple[int, int]], causes: dict[int, Cause], at: datetime, recorded: Recorded
) -> None:
    recorded.entries += ledger.changed(kind, [Change(id, event, causes[order], at, None) for id, order in rows])
