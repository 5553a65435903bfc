"""Shipments: what left a warehouse is shown to the customer in the shop and booked out of the ERP's stock; then the order completes."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from canonical.commands import Command, CompleteOrder, IssueLine, PostGoodsIssue, SendTracking
from canonical.types import Units
from retailsync.flows import reckoning
from retailsync.flows.base import Flow, Step
from retailsync.flows.view import OrderView, ShipmentView, gather

#: Shop statuses an order must not be moved away from: somebody or something newer decided otherwise.
_FINAL = frozenset({"completed", "cancelled", "refunded", "failed", "trashed"})


def plan(views: Iterable[OrderView], now: datetime) -> Iterator[Step]:
    """Tracking and goods issue per shipment, completion once all is shipped and shown. Holds stop none of it: it has happened."""
    for order in views:
        for system, command in _commands(order):
            if (system, command.purpose) not in order.planned:
                yield Step(order.cause, system, command)


def _commands(order: OrderView) -> Iterator[tuple[int, Command]]:
    for shipment in order.shipments:
        yield order.channel_id, _tracking(order, shipment)
    posting = order.posting(order.erp_id, "sales_order", order.id)
    if order.erp_id is not None and posting is not None and posting.state == "confirmed":
        for shipment in order.shipments:
            yield order.erp_id, _issue(order, shipment)
    if _done(order):
        yield order.channel_id, CompleteOrder(order_id=order.id)


def _done(order: OrderView) -> bool:
    """Released, nothing left to ship, every shipment shown in the shop, and the shop not already further."""
    shown = all(order.posting(order.channel_id, "tracking", s.id) for s in order.shipments)
    return (
        order.released_at is not None and shown and order.shop_status not in _FINAL and reckoning.fully_shipped(order)
    )


def _tracking(order: OrderView, shipment: ShipmentView) -> SendTracking:
    shop_line = {line.id: line.external_id for line in order.lines}
    return SendTracking(
        shipment_id=shipment.id, order_id=order.id, reference=f"S{shipment.id}", carrier=shipment.carrier, parcels=shipment.parcels,
        lines=tuple(Units(line=shop_line[line], units=units) for line, units in sorted(shipment.units.items())),
        shipped_at=shipment.shipped_at,
    )  # fmt: skip


def _issue(order: OrderView, shipment: ShipmentView) -> PostGoodsIssue:
    skus = {line.id: line.sku_id or 0 for line in order.lines}
    last = shipment is order.shipments[-1]
    return PostGoodsIssue(
        shipment_id=shipment.id, order_id=order.id, location_id=shipment.location_id,
        lines=tuple(IssueLine(line_id=line, sku_id=skus[line], units=n) for line, n in sorted(shipment.units.items())),
        shipped_at=shipment.shipped_at, tracking=", ".join(p.tracking for p in shipment.parcels if p.tracking),
        carrier=shipment.carrier, final=last and reckoning.fully_shipped(order),
    )  # fmt: skip


FLOW = Flow(
    name="shipments",
    owner="warehouse desk",
    service_level=timedelta(minutes=5),
    runbook="docs/runbook.md#shipments",
    gather=gather,
    plan=plan,
    unmoved_by=frozenset(
        {
            ("posting", event)
            for event in (
                "customer done",
                "fulfilment_request sent",
                "sales_order created",
                "rounding done",
                "completion done",
                "goods_issue done",
            )
        }
        | {
            ("fulfilment_request", event)
            for event in ("raised", "submitted", "accepted", "picking", "picked", "packed")
        }
        | {("order_line", "stated"), ("payment", "stated"), ("payment", "restated"), ("hold", "placed")}
    ),
)
