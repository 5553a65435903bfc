"""deciding: what people decide about orders and customers. Each decision is an action and the facts it makes, planned at once."""

from collections.abc import Callable, Mapping, Sequence

from django.db import transaction

from canonical.facts import (
    AlarmSet,
    CustomersMerged,
    Decision,
    HoldPlaced,
    RequestRaised,
    SkuKnown,
    StatusKnown,
    UnitsAbandoned,
)
from canonical.ledger import Cause
from canonical.models import Customer, FulfilmentRequest, Hold, Location, Order, OrderLine
from canonical.record import Stated
from canonical.rules.orders import stance
from canonical.types import ShopStatus
from retailsync.sync import clock, corridor, transient
from retailsync.sync.models import Action

#: Reasons for which a person may hold an order.
BY_PEOPLE = (Hold.Reason.OPERATOR, Hold.Reason.FRAUD, Hold.Reason.ADDRESS)
AT_ONCE = 1_000  # orders planned while somebody waits for the page (some two seconds); the sweep plans the rest


class NotPossible(Exception):
    """What was decided cannot be done; says why, to the person who decided."""


# ---- one order --------------------------------------------------------------------------------------------------------------
def hold(order_id: int, reason: str, words: str, who: str) -> None:
    """Keep an order where it is until somebody releases it. Raises NotPossible."""

    def decide(order: Order) -> list[Decision]:
        if Hold.objects.filter(order=order, line=None, reason=reason, lifted_at=None).exists():
            raise NotPossible("it is held for this reason already.")
        return [HoldPlaced(occurred_at=clock.now(), order_id=order.pk, reason=reason, words=words, by=who)]

    _decide(order_id, "hold", who, f"{Hold.Reason(reason).label}: {words}", decide)


def abandon(order_id: int, lines: Mapping[int, int], who: str, why: str) -> None:
    """These units (line id → units) will not be shipped. Raises NotPossible."""

    def decide(order: Order) -> list[Decision]:
        chosen = _chosen(order, lines, remaining, "left to ship")
        now = clock.now()
        return [
            UnitsAbandoned(occurred_at=now, order_id=order.pk, line_id=line.pk, units=units, why=why, by=who)
            for line, units in chosen
        ]

    _decide(order_id, "cancel units", who, why, decide)


def reship(order_id: int, location_id: int, lines: Mapping[int, int], who: str, why: str) -> None:
    """Ask a location to ship these units (line id → units) once more, because what was shipped was lost or broken. Raises NotPossible."""

    def decide(order: Order) -> list[Decision]:
        if stance(order.shop_status, order.gone_at is not None, released=True) == "stop":
            raise NotPossible("the shop does not want it any more, so that it would be taken back at once.")
        chosen = _chosen(order, lines, lambda line: line.shipped, "shipped")
        place = Location.objects.filter(pk=location_id, active=True).first()
        if place is None:
            raise NotPossible("this location ships nothing any more.")
        asked = list(FulfilmentRequest.objects.filter(order=order).values_list("location_id", "purpose"))
        raised = RequestRaised(
            occurred_at=clock.now(), order_id=order.pk, reference=f"F{order.pk}-{len(asked) + 1}", location_id=place.pk,
            system_id=place.executor_id, lines=tuple((line.pk, units) for line, units in chosen), purpose="reship",
            attempt=1 + asked.count((place.pk, "reship")), ship_to_id=order.shipping_id,
        )  # fmt: skip
        return [raised]

    _decide(order_id, "reship", who, why, decide)


def remaining(line: OrderLine) -> int:
    """Units of a line that are still wanted and did not leave."""
    wanted = line.ordered - max(line.cancelled, line.refunded + line.abandoned)
    return max(0, wanted - line.shipped) if line.requires_shipping else 0


def _chosen(
    order: Order, lines: Mapping[int, int], most: Callable[[OrderLine], int], what: str
) -> list[tuple[OrderLine, int]]:
    """The lines somebody chose, with units that are there."""
    wanted = {id: units for id, units in lines.items() if units > 0}
    rows = {line.pk: line for line in OrderLine.objects.filter(order=order, pk__in=wanted).select_related("sku")}
    if not wanted or len(rows) != len(wanted):
        raise NotPossible("choose units of at least one line.")
    for id, units in sorted(wanted.items()):
        if units > most(rows[id]):
            raise NotPossible(f"only {most(rows[id])} of “{rows[id].sku_text or rows[id].name}” are {what}.")
    return [(rows[id], units) for id, units in sorted(wanted.items())]


def _decide(order_id: int, what: str, who: str, why: str, decide: Callable[[Order], Sequence[Decision]]) -> None:
    """One decision in a transaction of its own."""
    transient.atomically(lambda: take(order_id, what, who, why, decide))


def take(order_id: int, what: str, who: str, why: str, decide: Callable[[Order], Sequence[Decision]]) -> Cause:
    """Look at the order under its lock, note the action, record what was decided and plan. In the caller's transaction."""
    order = Order.objects.select_for_update().get(pk=order_id)
    facts = decide(order)
    action = Action.objects.create(who=who, what=what, target_kind="order", target_id=order_id, why=why)
    cause = Cause("action", action.pk)
    record(cause, facts)
    return cause


def record(cause: Cause, facts: Sequence[Decision]) -> None:
    """Record what was decided, and plan. In the caller's transaction."""
    corridor.advance(0, [Stated(cause, fact) for fact in facts], clock.now())


# ---- many orders ------------------------------------------------------------------------------------------------------------
def look_again(order_ids: Sequence[int], cause: Cause) -> None:
    """Plan orders again for which people set up what was missing: some now, the rest as soon as the sweep gets to them. Runs inside the
    caller's transaction."""
    now = clock.now()
    ids = sorted(order_ids)
    corridor.replan(ids[:AT_ONCE], cause, now)
    later = [Stated(cause, AlarmSet(occurred_at=now, order_id=id, at=now)) for id in ids[AT_ONCE:]]
    if later:
        corridor.advance(0, later, now)


def statuses_known(order_ids: Sequence[int], status: ShopStatus, cause: Cause) -> None:
    """A shop status nobody knew stands for one of ours on these orders. Runs inside the caller's transaction."""
    now = clock.now()
    corridor.advance(
        0, [Stated(cause, StatusKnown(occurred_at=now, order_id=id, status=status)) for id in order_ids], now
    )


def sku_known(order_ids: Sequence[int], text: str, sku_id: int, cause: Cause) -> None:
    """A shop's SKU text stands for one of our SKUs: lines that wait for it get it, and as many orders as one may wait for go on at once.
    Runs inside the caller's transaction."""
    now = clock.now()
    facts = [
        Stated(cause, SkuKnown(occurred_at=now, order_id=id, text=text, sku_id=sku_id)) for id in sorted(order_ids)
    ]
    corridor.note(facts[AT_ONCE:], now)
    corridor.advance(0, facts[:AT_ONCE], now)


# ---- customers --------------------------------------------------------------------------------------------------------------
def merge(kept_id: int, merged_id: int, who: str, why: str) -> None:
    """Two customers are one person: the orders of one become the other's. Never taken back. Raises NotPossible."""

    def do() -> None:
        rows = {c.pk: c for c in Customer.objects.filter(pk__in=(kept_id, merged_id))}
        if len(rows) != 2 or any(c.merged_into_id for c in rows.values()):
            raise NotPossible("choose two customers that are not merged yet.")
        text = f"customer {merged_id} into {kept_id}. {why}"
        action = Action.objects.create(who=who, what="merge", target_kind="customer", target_id=kept_id, why=text)
        fact = CustomersMerged(occurred_at=clock.now(), kept_id=kept_id, merged_id=merged_id, by=who)
        corridor.advance(0, [Stated(Cause("action", action.pk), fact)], clock.now())

    transient.atomically(do)


def set_terms(customer_id: int, vat_id: str, terms: str, who: str, why: str) -> bool:
    """What staff know of a customer; False where nothing is new. The action names no VAT id: it may be a person's, and is never erased."""
    with transaction.atomic():
        row = Customer.objects.select_for_update().get(pk=customer_id)
        said = [f"VAT id {'set' if vat_id else 'taken away'}"] if row.vat_id != vat_id else []
        said += [f"terms: {row.terms or 'none'} → {terms or 'none'}"] if row.terms != terms else []
        if said:
            Customer.objects.filter(pk=row.pk).update(vat_id=vat_id, terms=terms)
            text = f"{', '.join(said)}. {why}".strip()
            Action.objects.create(who=who, what="set terms", target_kind="customer", target_id=row.pk, why=text)
    return bool(said)
