"""Shipments: what left a warehouse is shown to the customer in the shop and booked out of the ERP's stock; then the order completes."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from canonical.commands import Command, CompleteOrder, IssueLine, PostGoodsIssue, SendTracking
from canonical.types import Units
from retailsync.flows import booking, reckoning
from retailsync.flows.base import Flow, Step
from retailsync.flows.gathering import gather
from retailsync.flows.view import BookingView, OrderView, ShipmentView

#: Shop statuses an order must not be moved away from: somebody or something newer decided otherwise.
_FINAL = frozenset({"completed", "cancelled", "refunded", "failed", "trashed"})


def plan(views: Iterable[OrderView], now: datetime) -> Iterator[Step]:
    """Tracking (as it was said last) and goods issue per shipment, completion once all is shipped and shown. Holds stop none of it: it has
    happened. A shop that no longer has the order is shown nothing, until it has it again."""
    for order in views:
        for system, command in _commands(order):
            if order.planned.get((system, command.purpose), "superseded") == "superseded":
                yield Step(order.cause, system, command)


def _commands(order: OrderView) -> Iterator[tuple[int, Command]]:
    for shipment in order.shipments if not order.gone else ():
        yield order.channel_id, _tracking(order, shipment)
    posting = order.booked("sales_order")
    if order.booking is not None and posting is not None and posting.state == "confirmed":
        booked = [s for s in order.shipments if not _replaces(order, s)]
        for shipment in (s for s in booked if not booking.lacks(order, order.booking, s.units)):
            yield order.booking.system_id, _issue(order, order.booking, shipment, last=shipment is booked[-1])
    if _done(order):
        when = max((s.shipped_at for s in order.shipments), default=order.released_at or order.placed_at)
        yield order.channel_id, CompleteOrder(order_id=order.id, happened_at=when)


def _replaces(order: OrderView, shipment: ShipmentView) -> bool:
    """A reship is goods the ERP has no open order for."""
    return any(r.id == shipment.request_id and r.purpose == "reship" for r in order.requests)


def _done(order: OrderView) -> bool:
    """Released and wanted, nothing left to ship, something shipped (or nothing to ship), every shipment shown in the shop, and the shop
    not already further."""
    if (
        order.released_at is None
        or order.stance != "go"
        or order.shop_status in _FINAL
        or not reckoning.fully_shipped(order)
    ):
        return False
    goods = [line for line in order.lines if line.ships and line.ordered]
    shown = all(order.posting(order.channel_id, "tracking", s.id) for s in order.shipments)
    return shown and (not goods or any(line.shipped for line in goods))


def _tracking(order: OrderView, shipment: ShipmentView) -> SendTracking:
    shop_line = {line.id: line.external_id for line in order.lines}
    return SendTracking(
        shipment_id=shipment.id, order_id=order.id, reference=f"S{shipment.id}", carrier=shipment.carrier, parcels=shipment.parcels,
        lines=tuple(Units(line=shop_line[line], units=units) for line, units in sorted(shipment.units.items())),
        shipped_at=shipment.shipped_at, revision=shipment.revision, stated_at=shipment.tracked_at if shipment.revision else None,
    )  # fmt: skip


def _issue(order: OrderView, live: BookingView, shipment: ShipmentView, *, last: bool) -> PostGoodsIssue:
    skus = {line.id: line.sku_id or 0 for line in order.lines}
    return PostGoodsIssue(
        shipment_id=shipment.id, order_id=order.id, booking_id=live.id, location_id=shipment.location_id,
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
                "reminder done",
                "shop_cancellation done",
                "request_change sent",
                "goods_issue done",
            )
        }
        | {
            ("fulfilment_request", event)
            for event in ("raised", "submitted", "accepted", "picking", "picked", "packed")
        }
        | {
            ("order_line", "stated"),
            ("payment", "stated"),
            ("payment", "restated"),
            ("hold", "placed"),
            ("booking", "raised"),
        }
    ),
)
