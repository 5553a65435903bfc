"""What do I tell the customer? One sentence or two from what is recorded: nothing invented, nothing promised, no inner workings."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple

from canonical.models import FulfilmentRequest, Hold, Order, OrderLine, Shipment
from canonical.rules.orders import stance
from retailsync.console import words
from retailsync.console.life import Money

#: Holds a customer can do something about, or may know of. Of any other, only that something is looked into.
_MAY_KNOW = {
    "payment": "We are waiting for your payment.",
    "payment_ended": "The payment that was reserved for your order has expired: please pay once more.",
    "address": "We cannot use the delivery address of your order: please give us the right one.",
    "stock": "Something in your order is not in stock at the moment; we have not sent it yet.",
    "short": "Something in your order turned out to be missing in our warehouse; we are looking into it.",
    "grace": "We received your order; it is not being worked on yet.",
    "paused_in_shop": "Your order is on hold; it is not being worked on at the moment.",
    "completed_in_shop": "We are checking how your order was sent.",
    "refund_due": "Something in your order is not sent; its price is due to be given back.",
}
#: What a request ends with: nothing more leaves by it.
_ENDED = ("shipped", "short", "cancelled")
#: What a warehouse is at, as far as it said so.
_AT = {"picking": "it is being put together", "picked": "it has been put together", "packed": "it is packed"}


class Parcel(NamedTuple):
    """One shipment, as a customer knows it."""

    carrier: str
    tracking: tuple[str, ...]
    at: datetime


class Known(NamedTuple):
    """What is recorded of an order, as far as a customer is concerned. `wanted`: units that are still wanted or left; `holds`: open ones
    that keep it back, by reason; `asked`, `accepted`: when a warehouse was told of what has not left, and agreed; `at`: how far it is."""

    stance: str
    placed: datetime
    released: bool
    paid: str
    holds: tuple[str, ...]
    wanted: int
    left: int
    parcels: tuple[Parcel, ...]
    asked: datetime | None
    accepted: datetime | None
    at: str
    given_back: Decimal
    currency: str


def tell(known: Known, where: tzinfo) -> str:
    """The words for the customer."""
    said = [_sent(known, where), _rest(known, where), _money(known)]
    return " ".join(part for part in said if part)


def _sent(known: Known, where: tzinfo) -> str:
    """What has left."""
    if not known.parcels:
        return ""
    whole = known.left >= known.wanted and known.stance != "stop"
    what = "Your order was sent" if whole else f"{known.left} piece{'s were' if known.left != 1 else ' was'} sent"
    return f"{what} {'; '.join(_parcel(p, where) for p in known.parcels)}."


def _parcel(parcel: Parcel, where: tzinfo) -> str:
    by = f" by {parcel.carrier}" if parcel.carrier else ""
    number = f", tracking number {', '.join(parcel.tracking)}" if parcel.tracking else ", without a tracking number"
    return f"on {_day(parcel.at, where)}{by}{number}"


def _rest(known: Known, where: tzinfo) -> str:
    """What becomes of what has not left."""
    if known.stance == "stop":
        return _stopped(known)
    if known.left >= known.wanted and (known.parcels or known.wanted == 0):
        return "" if known.parcels else _nothing_to_send(known)
    if known.holds:
        return _MAY_KNOW.get(known.holds[0], _checking(known))
    if known.stance == "pause":
        return _MAY_KNOW["paused_in_shop"]
    return _under_way(known, where)


def _stopped(known: Known) -> str:
    """A warehouse that was told may ship all the same, until it says that it does not."""
    said = "The order is cancelled" if known.parcels else "Your order is cancelled"
    if known.asked:
        return f"{said}; our warehouse has it already and has not confirmed yet that nothing {'more ' if known.parcels else ''}leaves."
    return f"{said}; nothing {'more ' if known.parcels else ''}has left."


def _checking(known: Known) -> str:
    """Of whatever it is that a customer need not know."""
    what = "the rest of your order" if known.parcels else "your order"
    left = "; it has not left yet" if known.wanted > known.left else ""
    return f"We are checking something about {what}{left}."


def _nothing_to_send(known: Known) -> str:
    if known.holds:
        return _MAY_KNOW.get(known.holds[0], _checking(known))
    return "Nothing of your order has to be sent." if known.released else "We received your order."


def _under_way(known: Known, where: tzinfo) -> str:
    what = "The rest" if known.parcels else "Your order"
    if known.accepted:
        at = f"; {_AT[known.at]}" if known.at in _AT else ""
        return f"{what} is in the hands of our warehouse since {_day(known.accepted, where)}{at}; it has not left yet."
    if known.asked:
        return f"{what} was passed on to our warehouse on {_day(known.asked, where)}; it has not left yet."
    if known.released:
        return f"{what} is confirmed; it has not been passed on to our warehouse yet."
    unpaid = "no payment was recorded and " if known.paid == "unpaid" else ""
    return f"We received your order on {_day(known.placed, where)}; {unpaid}it is not being worked on yet."


def _money(known: Known) -> str:
    if not known.given_back:
        return ""
    return f"{words.money(known.given_back, known.currency)} {'were' if known.given_back != 1 else 'was'} given back."


def _day(at: datetime, where: tzinfo) -> str:
    at = at.astimezone(where)
    return f"{at.day} {at:%B}"


# ---- from what a page has gathered ------------------------------------------------------------------------------------------
def known(
    order: Order, lines: Sequence[OrderLine], holds: Sequence[Hold], requests: Sequence[FulfilmentRequest],
    shipments: Sequence[Shipment], money: Money,
) -> Known:  # fmt: skip
    """Asks the database nothing."""
    ships = [line for line in lines if line.requires_shipping]
    told = [r for r in requests if r.answer in ("submitted", "accepted") and r.execution not in _ENDED]
    agreed = [r for r in told if r.answer == "accepted"]
    return Known(
        stance(order.shop_status, order.gone_at is not None, released=order.released_at is not None), order.placed_at,
        order.released_at is not None, money.state, _reasons(holds),
        sum(max(line.ordered - line.cancelled, line.shipped) for line in ships), sum(line.shipped for line in ships),
        tuple(map(_shipped, shipments)), min((r.requested_at for r in told), default=None),
        min((r.answered_at for r in agreed if r.answered_at), default=None), agreed[0].execution if agreed else "",
        money.refunded, order.currency,
    )  # fmt: skip


def _reasons(holds: Sequence[Hold]) -> tuple[str, ...]:
    """Open reasons that keep the order back, those a customer may know of first."""
    opened = {hold.reason for hold in holds if hold.lifted_at is None and hold.blocks}
    return tuple(
        sorted(opened, key=lambda reason: (list(_MAY_KNOW).index(reason) if reason in _MAY_KNOW else 99, reason))
    )


def _shipped(shipment: Shipment) -> Parcel:
    numbers = (package.tracking for package in shipment.packages.all() if package.tracking)
    return Parcel(shipment.carrier, tuple(numbers), shipment.shipped_at)
