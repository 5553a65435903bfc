"""What people decide about a whole order: let it go on, cancel the rest, send it elsewhere, or settle it outside. Each is one action, the
facts it makes, and their plan, under the order's lock; what flows do about facts, they do about these."""

from collections.abc import Collection, Sequence

import msgspec

from canonical.commands import CancelShopOrder
from canonical.facts import AddressChanged, Decision, HoldLifted, UnitsAbandoned
from canonical.models import Hold, Order, OrderLine, ShipTo
from canonical.recording.parties import address_digest
from canonical.rules.orders import stance
from canonical.types import Address
from retailsync.sync import cases, clock, deciding, outbox, release, systems, transient
from retailsync.sync.deciding import NotPossible, remaining
from retailsync.sync.models import Action, Case, Command

OUTSIDE = "handle outside"
_UNDONE = frozenset({"RequestFulfilment"})  # what giving up takes back without a word, where it never left


# ---- lift -------------------------------------------------------------------------------------------------------------------
def lift(order_id: int, hold_ids: Collection[int], who: str, why: str) -> list[str]:
    """Lift these holds of the order (all, where none is named). Returns the words of those that came back at once, because what caused
    them is still so. Raises NotPossible."""
    return transient.atomically(lambda: _lift(order_id, hold_ids, who, why))


def _lift(order_id: int, hold_ids: Collection[int], who: str, why: str) -> list[str]:
    lifted: list[Hold] = []

    def decide(order: Order) -> list[Decision]:
        opened = Hold.objects.filter(order=order, lifted_at=None).order_by("pk")
        lifted.extend(opened.filter(pk__in=hold_ids) if hold_ids else opened)
        if not lifted:
            raise NotPossible("this holds the order no longer.")
        return _lifts(order, lifted, who, why)

    deciding.take(order_id, "lift", who, why, decide)
    same = {(hold.line_id, hold.reason) for hold in lifted}
    opened = Hold.objects.filter(order=order_id, lifted_at=None, pk__gt=max(hold.pk for hold in lifted)).order_by("pk")
    return [hold.words for hold in opened if (hold.line_id, hold.reason) in same]


def _lifts(order: Order, holds: Sequence[Hold], who: str, why: str) -> list[Decision]:
    """Lift holds; those with an exception as if it had been released, and so that its page says who did."""
    ids = [hold.pk for hold in holds]
    opened = Case.objects.filter(target_kind="hold", target_id__in=ids, closed_at=None).values_list(
        "target_id", flat=True
    )
    Action.objects.bulk_create(
        Action(who=who, what="release", target_kind="hold", target_id=id, why=why) for id in sorted(opened)
    )
    cases.close("hold", ids, who)
    now = clock.now()
    return [HoldLifted(occurred_at=now, order_id=order.pk, hold_id=id, by=who) for id in ids]


# ---- cancel -----------------------------------------------------------------------------------------------------------------
def cancel(order_id: int, who: str, why: str) -> bool:
    """Cancel what is left of the order. Whether its shop is told: only of an order of which nothing left. Raises NotPossible."""
    return transient.atomically(lambda: _cancel(order_id, who, why))


def _cancel(order_id: int, who: str, why: str) -> bool:
    def decide(order: Order) -> list[Decision]:
        _wanted(order)
        given_up = _given_up(order, who, why)
        if not given_up:
            raise NotPossible("nothing of it is left to ship. What was shipped is returned, and refunded in the shop.")
        return given_up

    cause = deciding.take(order_id, "cancel order", who, why, decide)
    order = Order.objects.get(pk=order_id)
    if not (told := tells_shop(order)):
        return told
    attempt = (
        2 + Command.objects.filter(order_id=order.pk, kind="CancelShopOrder").count()
    )  # 1 is the flow's, for who never paid
    command = CancelShopOrder(order_id=order.pk, status_text=order.shop_status_text, reason=why, attempt=attempt)
    outbox.put([outbox.Order(order.channel_id, command, cause)], clock.now())
    return told


def tells_shop(order: Order) -> bool:
    """Whether cancelling the order cancels it in its shop: one of which something was shipped is not cancelled, only cut down."""
    able = CancelShopOrder in systems.sends(order.channel_id)
    return able and not OrderLine.objects.filter(order=order, shipped__gt=0).exists()


def _wanted(order: Order) -> None:
    if stance(order.shop_status, order.gone_at is not None, order.released_at is not None) == "stop":
        raise NotPossible("the shop does not want it any more, so that it ends by itself.")


def _given_up(order: Order, who: str, why: str) -> list[Decision]:
    """All that did not leave."""
    now = clock.now()
    return [
        UnitsAbandoned(occurred_at=now, order_id=order.pk, line_id=line.pk, units=units, why=why, by=who)
        for line in OrderLine.objects.filter(order=order).order_by("pk")
        if (units := remaining(line))
    ]


# ---- the address ------------------------------------------------------------------------------------------------------------
def change_address(order_id: int, address: Address, who: str, why: str) -> None:
    """Send what has not left to another address. Raises NotPossible."""

    def decide(order: Order) -> list[Decision]:
        _wanted(order)
        if not any(remaining(line) for line in OrderLine.objects.filter(order=order)):
            raise NotPossible("nothing of it is left to ship.")
        if bytes(order.shipping.digest) == address_digest(address):
            raise NotPossible("it goes to this address already.")
        before = ShipTo.objects.filter(order=order).first()
        stated = before.stated_id if before else order.shipping_id
        fact = AddressChanged(occurred_at=clock.now(), order_id=order.pk, address=address, instead_of_id=stated, by=who)
        return [fact]

    transient.atomically(lambda: deciding.take(order_id, "change address", who, why, decide))


def shipping_of(order: Order) -> Address:
    """Where it goes now."""
    return msgspec.convert(order.shipping.content, Address)


# ---- settled outside --------------------------------------------------------------------------------------------------------
def settle_outside(order_id: int, who: str, why: str) -> int:
    """A person says that the rest of the order is settled outside: units left are not wanted of warehouses any more, what holds it is
    lifted, and what a person should look at counts as done. Returns how many exceptions stay open all the same: what may exist once
    only has to be found out first. Raises NotPossible."""
    return transient.atomically(lambda: _settle_outside(order_id, who, why))


def _settle_outside(order_id: int, who: str, why: str) -> int:
    def decide(order: Order) -> list[Decision]:
        opened = list(Hold.objects.filter(order=order, lifted_at=None).order_by("pk"))
        facts = [*_given_up(order, who, why), *_lifts(order, opened, who, why)]
        if not facts and not Case.objects.filter(order_id=order.pk, closed_at=None).exists():
            raise NotPossible("nothing of it is open.")
        return facts

    cause = deciding.take(order_id, OUTSIDE, who, why, decide)
    release.settle_rows(_open_to_settle(order_id), cause, who, why)
    if follow := Hold.objects.filter(order=order_id, lifted_at=None, placed_by="").order_by("pk"):
        order = Order.objects.get(pk=order_id)
        deciding.record(
            cause, _lifts(order, list(follow), who, why)
        )  # what giving up asks for, e.g. a refund, is settled too
    return Case.objects.filter(order_id=order_id, closed_at=None).count()


def _open_to_settle(order_id: int) -> list[Command]:
    """Commands of the order a person would settle by hand. A request that never left is taken back without a word instead."""
    rows = Command.objects.select_for_update().filter(order_id=order_id, kind__in=release.BY_HAND).order_by("pk")
    stuck = rows.filter(state__in=("parked", "in_doubt"))
    return [row for row in stuck if row.kind not in _UNDONE or row.doubtful or row.state == "in_doubt"]
