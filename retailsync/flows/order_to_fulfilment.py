"""Order to fulfilment: check an order, release it, book it in the ERP, ask warehouses to ship it, and follow what becomes of it in the
shop. Knows no wire format."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from canonical.commands import CancelShopOrder, RemindPayment
from canonical.facts import (
    AlarmSet,
    ChangeRaised,
    Decision,
    HoldLifted,
    HoldPlaced,
    OrderReleased,
    RequestRaised,
    UnitsAbandoned,
)
from canonical.mappings import Unmapped
from retailsync.flows import booking, holds, negotiating, reckoning, releasing, wishes
from retailsync.flows.base import Flow, Step
from retailsync.flows.gathering import gather
from retailsync.flows.view import OrderView, RequestView


def plan(views: Iterable[OrderView], now: datetime) -> Iterator[Step]:
    """What each order needs next."""
    for order in views:
        yield from _plan(order, now)


def _plan(order: OrderView, now: datetime) -> Iterator[Step]:
    """Holds first; then what is taken back, which no hold stops; an order that may go on is released, booked and requested. A decision
    is recorded before the next step."""
    held = holds.changes(order, now)
    yield from _hold(order, held, now)
    yield from _alarm(order, held, now)
    if held.place or held.lift:
        return
    if order.released_at is not None:
        yield from _give_up(order, now)
        yield from _take_back(order, now)
    if order.stance == "stop":
        yield from (Step(order.cause, order.erp_id or 0, command) for command in booking.ending(order))
    elif order.released_at is None:
        yield from _release(order, held.blocked, now)
    elif (order.stance == "go" or _left_whole(order)) and not held.blocked:
        for what in booking.steps(order, now):
            yield Step(order.cause, order.channel_id if isinstance(what, Decision) else order.erp_id or 0, what)
        if releasing.warehouse_may_know(order, now):
            yield from _raise(order, now)
            yield from _request(order)


def _left_whole(order: OrderView) -> bool:
    """Paused in the shop after all of it left: nothing is to be kept back any more, and the ERP has to know."""
    return order.stance == "pause" and reckoning.fully_shipped(order) and any(line.shipped for line in order.lines)


def _hold(order: OrderView, held: holds.Changes, now: datetime) -> Iterator[Step]:
    for hold in held.lift:
        yield Step(order.cause, order.channel_id, HoldLifted(occurred_at=now, order_id=order.id, hold_id=hold.id))
    for c in held.place:
        placed = HoldPlaced(
            occurred_at=now, order_id=order.id, reason=c.reason, detail=c.detail[:300], words=c.words, line_id=c.line_id,
            blocks=c.blocks, quiet=c.quiet,
        )  # fmt: skip
        yield Step(order.cause, order.channel_id, placed)


# ---- release ----------------------------------------------------------------------------------------------------------------
def _release(order: OrderView, blocked: bool, now: datetime) -> Iterator[Step]:
    if not blocked and _may_go(order, now):
        yield Step(order.cause, order.channel_id, OrderReleased(occurred_at=now, order_id=order.id))
        if order.erp_id is not None and order.booking is None and not reckoning.nothing_left(order):
            yield Step(order.cause, order.channel_id, booking.raised(order, now))
        routes = reckoning.routes(order, now)
        if order.policy.erp_acceptance == "no" and not routes.stranded and not routes.waiting:
            yield from _raise(order, now)  # else the next round finds what no warehouse can ship, and holds the order
    elif order.shop_status == "on_hold" and not reckoning.paid(order):
        yield from _unpaid(order, now)


def _may_go(order: OrderView, now: datetime) -> bool:
    """Whether it may be released: by the rules of its payment method, or because a person overruled just what they wait for."""
    verdict = releasing.verdict(order, now)
    waiting = verdict.waiting
    return verdict.go or (waiting is not None and reckoning.overruled(order, None, waiting.reason, waiting.detail))


def _unpaid(order: OrderView, now: datetime) -> Iterator[Step]:
    """Nobody paid: the customer is reminded once, and in the end the shop's order is cancelled."""
    try:
        method = order.tables.payment(order.payment_method)
    except Unmapped:
        return
    remind, expires = releasing.reminder_at(order, method), releasing.expires_at(order, method)
    if expires is not None and now >= expires:
        words = f"Not paid within {method.expires_days} days."
        command = CancelShopOrder(order_id=order.id, status_text=order.shop_status_text, reason=words)
        if (order.channel_id, command.purpose) not in order.planned:
            yield Step(order.cause, order.channel_id, command)
    elif remind is not None and now >= remind:
        text = f"We have not received your payment for order {order.number} yet."
        if expires is not None:
            text += f" Without it the order will be cancelled on {expires:%Y-%m-%d}."
        reminder = RemindPayment(order_id=order.id, text=text, due_at=remind)
        if (order.channel_id, reminder.purpose) not in order.planned:
            yield Step(order.cause, order.channel_id, reminder)


def _alarm(order: OrderView, held: holds.Changes, now: datetime) -> Iterator[Step]:
    """When only time can change something, the order is looked at again then."""
    try:
        at = releasing.verdict(order, now).look_at if order.released_at is None else None
    except Unmapped:
        at = None
    if order.stance == "go" and order.booking and not releasing.warehouse_may_know(order, now):
        at = releasing.accepted_by(order)
    if holds.waits_for_stock(order, held):
        at = min(again for again in (at, releasing.looked_at_again(order, now)) if again is not None)
    if at != order.look_at:
        yield Step(order.cause, order.channel_id, AlarmSet(occurred_at=now, order_id=order.id, at=at))


# ---- the warehouses ---------------------------------------------------------------------------------------------------------
def _give_up(order: OrderView, now: datetime) -> Iterator[Step]:
    """Where the shop's policy cancels what is missing, units a warehouse is short of are not waited for."""
    if order.policy.on_short != "cancel_remainder" or order.stance == "stop":
        return
    unrouted = {x.id: reckoning.wanted(order, x) - x.routed for x in order.lines}  # what was given back is not missed
    for request in (r for r in reckoning.ordinary(order) if r.answer not in ("rejected", "closed")):
        for line in (x for x in order.lines if x.id in request.short):
            units = min(reckoning.missing(request, line), unrouted[line.id])
            if units > 0:
                unrouted[line.id] -= units
                why = reckoning.short_of(request)
                fact = UnitsAbandoned(occurred_at=now, order_id=order.id, line_id=line.id, units=units, why=why)
                yield Step(order.cause, order.channel_id, fact)


def _take_back(order: OrderView, now: datetime) -> Iterator[Step]:
    """Raise the changes warehouses have to be asked for, and ask for those that were raised."""
    for ask in negotiating.asks(order):
        raised = ChangeRaised(
            occurred_at=now, order_id=order.id, request_id=ask.request.id, number=len(ask.request.changes) + 1, kind=ask.kind,
            lines=tuple(sorted(ask.lines.items())), ship_to_id=order.shipping_id if ask.kind == "amend" else None,
        )  # fmt: skip
        yield Step(order.cause, order.channel_id, raised)
    for request in order.requests:
        change = request.asked
        if change and (request.place.system_id, f"request_change:{change.id}") not in order.planned:
            try:
                yield Step(order.cause, request.place.system_id, wishes.change(order, request, change))
            except Unmapped:
                continue  # a hold says so; asked once the word has a meaning


def _raise(order: OrderView, now: datetime) -> Iterator[Step]:
    asked = reckoning.next_requests(order, now)
    reckoning.take(order, {what.place: what.units for what in asked})
    for number, what in enumerate(asked, len(order.requests) + 1):
        raised = RequestRaised(
            occurred_at=now, order_id=order.id, reference=f"F{order.id}-{number}", location_id=what.place.id,
            system_id=what.place.system_id, lines=tuple(what.units.items()), purpose=what.purpose, attempt=what.attempt,
            ship_to_id=order.shipping_id,
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
                "request_change sent",
                "tracking sent",
                "completion done",
                "reminder done",
                "shop_cancellation done",
                "goods_issue done",
            )
        }
        | {("fulfilment_request", "submitted"), ("payment", "stated"), ("payment", "restated")}
    ),
)
