"""Why an order may not go on: every check, whether or not a hold for it is open, and what makes holds come and go. Pure."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from canonical.commands import Command
from canonical.rules import orders
from retailsync.flows import reckoning, wishes
from retailsync.flows.view import HoldView, OrderView, RequestView

#: Looked at again each time: such a hold lifts itself when its cause is gone, and comes back when lifted while the cause remains.
RECHECKED = frozenset(
    {"sku_mapping", "totals", "unknown_status", "no_location", "rejected", "completed_in_shop", "stopped_in_shop"}
)
#: A person may overrule these: lifted by somebody, they are not placed again for the same detail.
OVERRULED = frozenset(
    {
        "totals",
        "completed_in_shop",
        "stopped_in_shop",
        "erp_total",
        "short",
        "over_shipped",
        "over_routed",
        "unknown_article",
    }
)


class Check(NamedTuple):
    """A reason found. `detail` says what exactly, so that equal causes are one group and an overruling covers just this."""

    reason: str
    detail: str
    words: str
    line_id: int | None = None


class Changes(NamedTuple):
    """What to place, what to lift, and whether anything keeps the order where it is."""

    place: list[Check]
    lift: list[HoldView]
    blocked: bool


def changes(order: OrderView) -> Changes:
    """Compare the reasons found with the holds there are."""
    found = {(c.line_id, c.reason): c for c in checks(order)}
    opened = [h for h in order.holds if h.open]
    lift = [h for h in opened if h.reason in RECHECKED and (h.line_id, h.reason) not in found]
    place = [c for c in found.values() if not _stands(order, c)]
    return Changes(place, lift, bool(place) or len(opened) > len(lift))


def _stands(order: OrderView, check: Check) -> bool:
    """Whether such a hold is open already, or was overruled by a person for exactly this."""
    if any(h.open and (h.line_id, h.reason) == (check.line_id, check.reason) for h in order.holds):
        return True
    return check.reason in OVERRULED and reckoning.overruled(order, check.line_id, check.reason, check.detail)


def checks(order: OrderView) -> Iterator[Check]:
    """Every reason why this order may not go on."""
    yield from _before_release(order)
    if order.released_at is not None:
        yield from _stopped(order)
        yield from _edited(order)
        yield from _sourcing(order)
        yield from _shipping(order)
        yield from _unasked(order)
        yield from _erp(order)


def _before_release(order: OrderView) -> Iterable[Check]:
    if order.shop_status == "unknown":
        text = order.shop_status_text
        yield Check("unknown_status", text, f"The shop says “{text}”, a status we do not know.")
    for line in order.lines:
        if line.sku_id is None and line.ordered:
            yield Check("sku_mapping", line.sku, f"SKU “{line.sku}” ({line.name}) is not known.", line.id)
    if off := reckoning.difference(order):
        words = f"The order's parts differ from its total by {off.normalize():f} {order.currency}."
        yield Check("totals", f"{off.normalize():f}", words)
    if order.released_at is None and order.shop_status == "completed" and reckoning.open_units(order):
        yield Check("completed_in_shop", "", "The shop says completed, but no warehouse of ours has shipped it.")


def _stopped(order: OrderView) -> Iterable[Check]:
    """Cancelled, refunded, put on hold or deleted in the shop after release: nothing new goes out until a person decides."""
    status = "deleted" if order.gone else order.shop_status
    if not orders.may_release(order.shop_status, order.gone) and not reckoning.fully_shipped(order):
        yield Check(
            "stopped_in_shop", status, f"The shop says “{status.replace('_', ' ')}” although the order was released."
        )


def _edited(order: OrderView) -> Iterable[Check]:
    """The shop changed what ERP or warehouse were already told: a person carries the change over, or lets it be."""
    wanted: list[tuple[int | None, Command, str]] = (
        [(order.erp_id, wishes.sales_order(order), "the ERP")] if order.told else []
    )
    wanted += [
        (r.place.system_id, wishes.fulfilment(order, r), r.place.code)
        for r in order.requests
        if order.told and _open(r)
    ]
    for system, command, who in wanted:
        told, now = order.told.get((system or 0, command.purpose)), msgspec.json.decode(msgspec.json.encode(command))
        if told is not None and told != now:
            fields = ", ".join(sorted(k.replace("_", " ") for k in {**told, **now} if told.get(k) != now.get(k)))
            detail = hashlib.sha256(msgspec.json.encode(command)).hexdigest()[:12]
            words = f"The shop changed the order after {who} was told ({fields})."
            yield Check("edited_after_release", f"{command.purpose} {detail}", words)


def _open(request: RequestView) -> bool:
    """Whether the warehouse may still be told something about it."""
    return request.answer != "rejected" and request.execution not in ("shipped", "short")


def _sourcing(order: OrderView) -> Iterable[Check]:
    stranded = set(reckoning.routes(order)[1])
    refusals = [f"{r.place.code} ({r.reason or 'no reason given'})" for r in order.requests if r.answer == "rejected"]
    for line in order.lines:
        if line.id in stranded and refusals:
            words = f"No warehouse is left for “{line.sku}”. Rejected by {', '.join(refusals)}."
            yield Check("rejected", line.sku, words, line.id)
        elif line.id in stranded:
            yield Check("no_location", line.sku, f"No warehouse is set up to ship “{line.sku}”.", line.id)


def _shipping(order: OrderView) -> Iterable[Check]:
    for request in order.requests:
        for line_id, units in request.short.items():
            if units:
                words = f"{request.place.code} is short of {units} on request {request.reference}. {request.short_reason}".strip()
                yield Check("short", reckoning.short_detail(request, units), words, line_id)
    for line in order.lines:
        due = line.ordered - line.cancelled
        if line.shipped <= due < line.routed:
            words = f"Warehouses were asked for {line.routed} of “{line.sku}”, {due} ordered."
            yield Check("over_routed", f"{line.sku}: {line.routed} of {due}", words, line.id)
        if line.shipped > due:
            words = f"{line.shipped} of “{line.sku}” shipped, {due} ordered."
            yield Check("over_shipped", f"{line.sku}: {line.shipped} of {due}", words, line.id)


def _unasked(order: OrderView) -> Iterable[Check]:
    for shipment in order.shipments:
        for item in shipment.unknown:
            name = item.sku or f"line {item.line}"
            words = f"Shipment {shipment.external_id} holds {item.units} × {name}, which was not asked for."
            yield Check("unknown_article", f"{shipment.external_id}: {name}", words)


def _erp(order: OrderView) -> Iterable[Check]:
    """The ERP's total, before it is confirmed: equal, or made equal by one rounding line, or a question for a person."""
    posting = order.posting(order.erp_id, "sales_order", order.id)
    off = reckoning.erp_difference(order)
    if posting is None or posting.state != "created" or not off:
        return
    if reckoning.overruled(order, None, "totals", f"{off.normalize():f}"):
        return  # somebody accepted this very difference already
    rounded = order.posting(order.erp_id, "rounding", order.id) is not None
    if rounded or not reckoning.within_rounding(order, off):
        words = f"The ERP's total differs from the shop's by {off.normalize():f} {order.currency}."
        yield Check("erp_total", f"{off.normalize():f}", words)
