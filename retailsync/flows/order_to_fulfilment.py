"""Order to fulfilment: check an order, release it, book it in the ERP, ask warehouses to ship it. Knows no wire format."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from canonical.commands import AddRounding, ConfirmOrder, CreateOrder, UpsertCustomer
from canonical.facts import HoldLifted, HoldPlaced, OrderReleased, RequestRaised
from canonical.rules import orders
from retailsync.flows import holds, reckoning, wishes
from retailsync.flows.base import Flow, Step
from retailsync.flows.view import OrderView, RequestView, gather


def plan(views: Iterable[OrderView], now: datetime) -> Iterator[Step]:
    """What each order needs next."""
    for order in views:
        yield from _plan(order, now)


def _plan(order: OrderView, now: datetime) -> Iterator[Step]:
    """Holds first; an order that may go on is released, then booked and requested. A decision is recorded before the next step."""
    held = holds.changes(order)
    yield from _hold(order, held, now)
    if held.blocked or held.lift:
        return
    if order.released_at is not None:
        yield from _book(order)
        yield from _raise(order, now)
        yield from _request(order)
    elif orders.may_release(order.shop_status, order.gone):
        yield Step(order.cause, order.channel_id, OrderReleased(occurred_at=now, order_id=order.id))
        if not reckoning.routes(order)[1]:  # else the next round finds what no warehouse can ship, and holds the order
            yield from _raise(order, now)


def _hold(order: OrderView, held: holds.Changes, now: datetime) -> Iterator[Step]:
    for hold in held.lift:
        yield Step(order.cause, order.channel_id, HoldLifted(occurred_at=now, order_id=order.id, hold_id=hold.id))
    for c in held.place:
        placed = HoldPlaced(
            occurred_at=now, order_id=order.id, reason=c.reason, detail=c.detail[:300], words=c.words, line_id=c.line_id
        )
        yield Step(order.cause, order.channel_id, placed)


# ---- the ERP ----------------------------------------------------------------------------------------------------------------
def _book(order: OrderView) -> Iterator[Step]:
    """Customer, order, rounding, confirmation: each once, each after the receipt of the one before."""
    erp = order.erp_id
    if erp is None:
        return
    posting = order.posting(erp, "sales_order", order.id)
    if posting is None:
        yield from _once(order, erp, wishes.customer(order), wishes.sales_order(order))
    elif posting.state == "created":
        off = reckoning.erp_difference(order)
        rounded = order.posting(erp, "rounding", order.id) is not None
        if off and not rounded and reckoning.within_rounding(order, off):
            yield from _once(order, erp, AddRounding(order_id=order.id, amount=off))
        else:  # equal, or a person accepted the difference
            yield from _once(order, erp, ConfirmOrder(order_id=order.id))


def _once(
    order: OrderView, system: int, *commands: UpsertCustomer | CreateOrder | AddRounding | ConfirmOrder
) -> Iterator[Step]:
    for command in commands:
        if (system, command.purpose) not in order.planned:
            yield Step(order.cause, system, command)


# ---- the warehouses ---------------------------------------------------------------------------------------------------------
def _raise(order: OrderView, now: datetime) -> Iterator[Step]:
    """One request per location for the units not yet routed; after a rejection the next location of the list is asked."""
    for number, (place, units) in enumerate(reckoning.routes(order)[0].items(), len(order.requests) + 1):
        attempt = 1 + sum(r.place.id == place.id for r in order.requests)
        raised = RequestRaised(
            occurred_at=now, order_id=order.id, reference=f"F{order.id}-{number}", location_id=place.id, system_id=place.system_id,
            lines=tuple(units.items()), attempt=attempt,
        )  # fmt: skip
        yield Step(order.cause, order.channel_id, raised)


def _request(order: OrderView) -> Iterator[Step]:
    for request in order.requests:
        if request.answer == "unsubmitted" and (request.place.system_id, _purpose(request)) not in order.planned:
            yield Step(order.cause, request.place.system_id, wishes.fulfilment(order, request))


def _purpose(request: RequestView) -> str:
    return f"fulfilment_request:{request.id}"


FLOW = Flow(
    name="order_to_fulfilment",
    owner="back office",
    service_level=timedelta(minutes=5),
    runbook="docs/runbook.md#order-to-fulfilment",
    gather=gather,
    plan=plan,
    unmoved_by=frozenset(
        {
            ("posting", event)
            for event in (
                "customer done",
                "fulfilment_request sent",
                "sales_order confirmed",
                "tracking sent",
                "completion done",
                "goods_issue done",
            )
        }
        | {("fulfilment_request", "submitted"), ("payment", "stated"), ("payment", "restated")}
    ),
)
