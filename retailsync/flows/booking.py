"""The order in the ERP: created, made equal to the cent, confirmed, amended, cancelled; each once, each after the receipt before. Pure."""

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from canonical.commands import AddRounding, CancelOrder, Command, ConfirmOrder
from canonical.facts import BookingRaised, Decision
from canonical.mappings import Unmapped
from retailsync.flows import negotiating, reckoning, wishes
from retailsync.flows.view import BookingView, OrderView, PostingView

#: What a person has to settle before anything else of this kind is planned.
_UNSETTLED = ("waiting", "sending", "parked", "in_doubt")


def steps(order: OrderView, now: datetime) -> Iterator[Command | Decision]:
    """What the ERP has to be told next of an order that may go on."""
    erp, live = order.erp_id, order.booking
    if erp is None:
        return
    if reckoning.nothing_left(order):
        yield from ending(order)
        return
    if live is None:
        yield raised(order, now)
        return
    if (erp, _cancel(order, live).purpose) in order.planned:
        return  # the shop changed its mind: this document ends first
    posting = order.booked("sales_order")
    if posting is None:
        yield from _once(order, erp, wishes.customer(order), wishes.sales_order(order, live))
        return
    yield from _carried(order, live, posting)


def _carried(order: OrderView, live: BookingView, posting: PostingView) -> Iterator[Command]:
    """An order the ERP has: amended where the shop changed it, then its total compared, then confirmed."""
    if _waits(order, live):
        return
    revision = amendments(order, live)
    if refused(order):
        yield _cancel(order, live)
        return
    if edited(order, live):
        yield from _once(order, live.system_id, wishes.customer(order), wishes.amendment(order, live, revision + 1))
        return
    off = difference(order)
    rounding = AddRounding(order_id=order.id, booking_id=live.id, amount=off or Decimal(0), revision=revision)
    if off and reckoning.within_rounding(order, off) and (live.system_id, rounding.purpose) not in order.planned:
        yield rounding
    elif posting.state == "created":  # equal, or a person accepted the difference
        yield from _once(order, live.system_id, ConfirmOrder(order_id=order.id, booking_id=live.id))


def _once(order: OrderView, system: int, *commands: Command) -> Iterator[Command]:
    yield from (command for command in commands if (system, command.purpose) not in order.planned)


def raised(order: OrderView, now: datetime) -> BookingRaised:
    """One more sales order for this order of ours."""
    attempt = 1 + sum(b.system_id == order.erp_id for b in order.bookings)
    reference = order.reference if attempt == 1 else f"{order.reference}/{attempt}"
    return BookingRaised(
        occurred_at=now, order_id=order.id, system_id=order.erp_id or 0, attempt=attempt, reference=reference
    )


# ---- what the ERP was told --------------------------------------------------------------------------------------------------
def amendments(order: OrderView, live: BookingView) -> int:
    """How many amendments of this booking were put out and left."""
    stem = f"amend_order:{live.id}:"
    return sum(system == live.system_id and purpose.startswith(stem) for system, purpose in order.planned)


def _waits(order: OrderView, live: BookingView) -> bool:
    """Whether an amendment is on its way, or waits for a person."""
    stem = f"amend_order:{live.id}:"
    return any(
        p.startswith(stem) and state in _UNSETTLED for (s, p), state in order.planned.items() if s == live.system_id
    )


def edited(order: OrderView, live: BookingView) -> bool:
    """Whether the order says something else than the ERP was told last. Known only of orders about which something new was said. Of one
    that is shipped whole, words are left to its invoice; money counts."""
    told = _told(order, live)
    if told is None:
        return False
    wish = wishes.encoded(wishes.sales_order(order, live))
    untouched = not any(line.cancelled or line.shipped > line.ordered for line in order.lines)
    if untouched and reckoning.fully_shipped(order):
        return any(wish.get(part) != told.get(part) for part in ("lines", "charges"))
    return wishes.material(wish) != wishes.material(told)


def _told(order: OrderView, live: BookingView) -> dict[str, Any] | None:
    last = order.told.get((live.system_id, f"sales_order:{live.id}"))
    for revision in range(1, amendments(order, live) + 1):
        last = order.told.get((live.system_id, f"amend_order:{live.id}:{revision}"), last)
    return last


def lacks(order: OrderView, live: BookingView, lines: Collection[int]) -> bool:
    """Whether the ERP has to be told first of what left of these lines: it books out only what it has an order for, and an amendment
    would wait behind a goods issue that was refused. One it does not let be amended any more is not waited for."""
    told = _told(order, live)
    if told is None or refused(order):
        return False
    known = {line["line_id"]: line["stated"]["units"] for line in told["lines"]}
    return any(line.shipped > known.get(line.id, 0) for line in order.lines if line.id in lines)


def refused(order: OrderView) -> bool:
    """Whether the ERP does not let this booking be amended any more."""
    posting = order.booked("amendment")
    return posting is not None and posting.state == "refused"


# ---- totals -----------------------------------------------------------------------------------------------------------------
def difference(order: OrderView) -> Decimal | None:
    """What the ERP's total lacks; None while it has not said."""
    posted = [p for kind in ("amendment", "rounding") if (p := order.booked(kind)) and p.amount is not None]
    first = order.booked("sales_order")  # its moment is that of the confirmation, its amount that of the creation
    said = posted or [p for p in (first,) if p and p.amount is not None]
    if not said or order.booking is None:
        return None
    latest = max(said, key=lambda posting: posting.at)
    return wishes.expected_total(order, order.booking) - (latest.amount or Decimal(0))


def open_difference(order: OrderView) -> Decimal | None:
    """A difference a person has to judge: more than rounding, or still there after a rounding line."""
    live, posting = order.booking, order.booked("sales_order")
    if live is None or posting is None or posting.state not in ("created", "confirmed") or _waits(order, live):
        return None
    if order.stance == "go" and refused(order):
        return None  # this document ends, and the next one says all
    try:
        off = difference(order)
        if not off or edited(order, live):
            return None
    except Unmapped:
        return None  # a hold of its own
    if posting.state == "confirmed" and not amendments(order, live):
        return None  # judged before it was confirmed
    rounding = AddRounding(order_id=order.id, booking_id=live.id, amount=off, revision=amendments(order, live))
    state = order.planned.get((live.system_id, rounding.purpose))
    if reckoning.within_rounding(order, off) and state in (None, *_UNSETTLED):
        return None
    return off


# ---- the end of it ----------------------------------------------------------------------------------------------------------
def ending(order: OrderView) -> Iterator[Command]:
    """An order the shop stopped, or of which nothing is left: once no warehouse has anything open, it is cancelled in the ERP, or cut
    down to what was shipped and confirmed, so that this can be booked out."""
    live = order.booking
    if live is None or not negotiating.at_rest(order):
        return
    if not any(line.shipped for line in order.lines):
        if _delivered_at_once(order):
            return  # nothing to ship: delivered when it was confirmed, and given back by a credit memo
        yield from _once(order, live.system_id, _cancel(order, live))
    elif not refused(order) and (posting := order.booked("sales_order")):
        try:
            yield from _carried(order, live, posting)
        except Unmapped:
            return  # a hold says so; cut down once the word has a meaning


def _delivered_at_once(order: OrderView) -> bool:
    posting = order.booked("sales_order")
    confirmed = posting is not None and posting.state == "confirmed"
    return order.shop_status == "refunded" and confirmed and not any(line.ships for line in order.lines)


def _cancel(order: OrderView, live: BookingView) -> CancelOrder:
    status = "deleted" if order.gone else order.shop_status.replace("_", " ")
    words = f"The shop says {status}." if order.stance == "stop" else "Nothing of it is left."
    return CancelOrder(order_id=order.id, booking_id=live.id, reason=words)
