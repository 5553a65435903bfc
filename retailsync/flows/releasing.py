"""When an order may go on: what its payment method asks for, the grace period, the ERP's acceptance. Pure; times in UTC."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from canonical.mappings import Payment
from canonical.rules import money, orders
from retailsync.flows import reckoning
from retailsync.flows.view import OrderView


class Waiting(NamedTuple):
    """Why an unreleased order does not go on yet: a hold's reason and words. `detail` names what a person has to judge; without one
    nobody has to act."""

    reason: str
    words: str
    detail: str = ""


class Verdict(NamedTuple):
    """Whether the order may be released; else perhaps why it waits, and when to look again."""

    go: bool
    waiting: Waiting | None = None
    look_at: datetime | None = None


_NOT_YET = Verdict(False)


def verdict(order: OrderView, now: datetime) -> Verdict:
    """May this order be released? Raises Unmapped for a payment method people have to name first."""
    if order.stance != "wait" or order.shop_status in ("pending", "draft", "unknown"):
        return _NOT_YET
    method = order.tables.payment(order.payment_method)
    waiting = _unpaid(order, method, now)
    if waiting is not None:
        return Verdict(False, waiting, _next(order, method, now))
    if order.shop_status not in orders.RELEASING and not (
        method.release == "authorised" and order.shop_status == "on_hold"
    ):
        words = f"The shop has the order on hold although it is paid ({order.payment_title or order.payment_method})."
        return Verdict(False, Waiting("payment", words))
    ready = (order.captured_at or order.authorised_at or order.placed_at) + timedelta(minutes=method.grace_minutes)
    if ready > now:
        words = f"Grace period of {method.grace_minutes} minutes, until {ready:%Y-%m-%d %H:%M} UTC."
        return Verdict(False, Waiting("grace", words), ready)
    return Verdict(True)


def _unpaid(order: OrderView, method: Payment, now: datetime) -> Waiting | None:
    """What keeps the money from being enough; None when it is."""
    due, title = order.total - reckoning.paid(order), order.payment_title or order.payment_method or "no payment method"
    if due <= 0 or (method.release == "accepted" and order.shop_status in orders.RELEASING):
        return None
    reserved = order.authorised if order.authorised is not None and order.captured is None else Decimal(0)
    ended = order.authorised_at is not None and now >= _authorised_until(order, method)
    if method.release == "authorised" and reserved >= due and not ended:
        return None
    if reserved and ended:
        return Waiting(
            "payment_ended",
            f"The reservation of {_shown(order, reserved)} by {title} ended before it was used.",
            "ended",
        )
    if order.captured is not None:
        words = f"Only {money.rounded(reckoning.paid(order), order.currency):f} of {_shown(order, order.total)} was paid by {title}."
        return Waiting("payment", words, "partly paid")
    if order.shop_status in orders.RELEASING:
        words = f"The shop says {order.shop_status}, but no payment of {_shown(order, due)} by {title} is recorded."
        return Waiting("payment", words, "not recorded")
    what = "the reserved money to be captured" if reserved else "payment"
    return Waiting("payment", f"Waits for {what} of {_shown(order, due)} by {title}.")


def _shown(order: OrderView, amount: Decimal) -> str:
    return f"{money.rounded(amount, order.currency):f} {order.currency}"


def _authorised_until(order: OrderView, method: Payment) -> datetime:
    began = order.authorised_at or order.placed_at
    return began + timedelta(days=method.authorised_days or 3650)


def reminder_at(order: OrderView, method: Payment) -> datetime | None:
    """When the customer is reminded of an unpaid order."""
    return order.placed_at + timedelta(days=method.remind_days) if method.remind_days else None


def expires_at(order: OrderView, method: Payment) -> datetime | None:
    """When an unpaid order is cancelled in the shop."""
    return order.placed_at + timedelta(days=method.expires_days) if method.expires_days else None


def _next(order: OrderView, method: Payment, now: datetime) -> datetime | None:
    """The next moment at which waiting for payment changes something."""
    moments = [reminder_at(order, method), expires_at(order, method)]
    if order.authorised_at:
        moments.append(_authorised_until(order, method))
    return min((m for m in moments if m is not None and m > now), default=None)


AGAIN = timedelta(
    minutes=15
)  # after which an order that waits for stock is looked at again, should nobody have woken it


def looked_at_again(order: OrderView, now: datetime) -> datetime:
    """The next time it is looked at whether there is stock by now: a count wakes the order, what others give up does not. The minute
    follows from the order, so that not all of them come at once."""
    at = now.replace(minute=0, second=0, microsecond=0) + timedelta(minutes=order.id % 15)
    return at + (max(timedelta(), now - at) // AGAIN + (now >= at)) * AGAIN


def warehouse_may_know(order: OrderView, now: datetime) -> bool:
    """Whether the ERP's acceptance, where the shop's policy asks for it, keeps the warehouse waiting no longer."""
    posting = order.booked("sales_order")
    if order.policy.erp_acceptance == "no" or order.erp_id is None or (posting and posting.state == "confirmed"):
        return True
    until = accepted_by(order)
    return until is not None and now >= until


def accepted_by(order: OrderView) -> datetime | None:
    """When the warehouse is told although the ERP did not confirm; None: never, or it need not."""
    if order.policy.erp_acceptance != "after" or order.released_at is None:
        return None
    return order.released_at + timedelta(minutes=order.policy.erp_minutes)
