"""What the buttons of an order's page offer, and what they will do, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canonical.models import FulfilmentRequest, Hold, Order, OrderLine
from retailsync.console import addresses, life
from retailsync.console.base import Request
from retailsync.sync import deciding, order_deciding, resending
from retailsync.sync.models import Action, Command

#: Requests a warehouse may still be at work on.
_AT_WORK = ("unsubmitted", "submitted", "accepted")


def offered(
    request: Request, order: Order, lines: Sequence[OrderLine], holds: Sequence[Hold], commands: Sequence[Command]
) -> dict[str, Any]:
    """What may be decided about this order now."""
    found: Mapping[str, Any] = life.choices(order, lines)
    wanted = bool(found["left"]) and not found["ended"] and order.gone_at is None
    may_see = wanted and request.user.has_perm("canonical.view_customer")
    opened = [hold for hold in holds if hold.lifted_at is None]
    return {
        **found, "holds": opened, "cancelling": list(_cancelling(order, lines)) if wanted else [],
        "again": resending.offered(commands), "address": addresses.filled(order_deciding.shipping_of(order)) if may_see else None,
        "settle": bool(opened or found["left"] or any(c.state in ("parked", "in_doubt") for c in commands)),
    }  # fmt: skip


def _cancelling(order: Order, lines: Sequence[OrderLine]) -> Iterator[str]:
    """What cancelling the rest will do, one sentence each."""
    units, shipped = sum(deciding.remaining(line) for line in lines), any(line.shipped for line in lines)
    yield f"{units} unit{'s' if units > 1 else ''} will not be shipped any more."
    asked = FulfilmentRequest.objects.filter(order=order, answer__in=_AT_WORK).exclude(
        execution__in=("shipped", "cancelled")
    )
    if places := sorted(set(asked.values_list("location__code", flat=True))):
        yield f"{', '.join(places)} {'is' if len(places) == 1 else 'are'} asked to stop; what ships all the same becomes an exception."
    if order.channel.erp_id and order.released_at:
        yield "The ERP's order is cut down to what was shipped." if shipped else "The ERP's order is cancelled."
    if order_deciding.tells_shop(order):
        yield f"{order.channel.name} is told to set it to cancelled, unless somebody changes its status there first."
    else:
        why = "because a part of it was shipped" if shipped else "because it cannot be told this by us"
        yield f"{order.channel.name} is not told, {why}."
    yield "Money is given back in the shop, not here."


def settled_outside(order: Order) -> Action | None:
    """Who said last that the rest of the order is settled outside."""
    return Action.objects.filter(target_kind="order", target_id=order.pk, what=order_deciding.OUTSIDE).first()
