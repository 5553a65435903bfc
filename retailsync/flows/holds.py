"""Why an order may not go on: every check, whether or not a hold for it is open, and what makes holds come and go. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from canonical.mappings import Unmapped
from retailsync.flows import booking, negotiating, preflight, reckoning, releasing
from retailsync.flows.view import HoldView, OrderView, RefundView

#: Looked at again each time: such a hold lifts itself when its cause is gone, and comes back when lifted while the cause remains.
RECHECKED = frozenset(
    {
        "sku_mapping", "totals", "unknown_status", "no_location", "rejected", "completed_in_shop", "stopped_in_shop", "payment",
        "payment_ended", "grace", "method_mapping", "tax_mapping", "line_mapping", "address", "paused_in_shop", "stock", "refund_due",
        "edited_after_release", "cancel_refused", "refunded_but_shipping", "short", "fraud", "erp_total",
    }
)  # fmt: skip
#: A person may overrule these: lifted by somebody, they are not placed again for the same detail.
OVERRULED = frozenset(
    {
        "totals", "completed_in_shop", "stopped_in_shop", "erp_total", "short", "over_shipped",  "unknown_article",
        "payment", "payment_ended", "grace", "address", "stock", "refund_due", "edited_after_release", "cancel_refused",
        "refunded_but_shipping", "shipped_after_cancel", "fraud",
    }
)  # fmt: skip
#: These tell of what cannot be changed any more; the rest of the order goes on.
TELLING = frozenset(
    {"refund_due", "over_shipped", "unknown_article", "shipped_after_cancel", "refunded_but_shipping", "cancel_refused"}
)


class Check(NamedTuple):
    """A reason found. `detail` says what exactly, so that equal causes are one group and an overruling covers just this."""

    reason: str
    detail: str
    words: str
    line_id: int | None = None
    quiet: bool = False
    tells: bool = False  # also where others of its reason block: the rest of this order goes on

    @property
    def blocks(self) -> bool:
        """Whether it keeps the order where it is."""
        return self.reason not in TELLING and not self.tells


class Changes(NamedTuple):
    """What to place, what to lift, and whether anything keeps the order where it is."""

    place: list[Check]
    lift: list[HoldView]
    blocked: bool


def changes(order: OrderView, now: datetime) -> Changes:
    """Compare the reasons found with the holds there are. A hold whose cause became another one is lifted and placed anew."""
    found = {(c.line_id, c.reason): c for c in checks(order, now)}
    opened = [h for h in order.holds if h.open]
    lift = [h for h in opened if h.reason in RECHECKED and not h.by and _is_over(h, found.get((h.line_id, h.reason)))]
    place = [c for c in found.values() if not _stands(order, c, lift)]
    blocking = any(c.blocks for c in place) or any(h.blocks for h in opened if h not in lift)
    return Changes(place, lift, blocking)


def _is_over(hold: HoldView, check: Check | None) -> bool:
    return check is None or (check.detail[:300], check.blocks) != (hold.detail, hold.blocks)


def _stands(order: OrderView, check: Check, lifted: list[HoldView]) -> bool:
    """Whether such a hold is open already, or was overruled by a person for exactly this."""
    if any(h.open and h not in lifted and (h.line_id, h.reason) == (check.line_id, check.reason) for h in order.holds):
        return True
    return check.reason in OVERRULED and reckoning.overruled(order, check.line_id, check.reason, check.detail)


def checks(order: OrderView, now: datetime) -> Iterator[Check]:
    """Every reason why this order may not go on."""
    stopped = order.stance == "stop"
    if not stopped:
        yield from _understood(order, now)
    if order.released_at is None:
        if not stopped:
            yield from _before_release(order, now)
        return
    if not stopped:
        yield from _paused(order)
        yield from _sourcing(order, now)
        yield from _short(order)
        yield from _erp(order)
    elif _shipped(order):
        for finding in preflight.unmapped(order):
            yield Check(*finding)  # the ERP's order is cut down to what was shipped
    yield from _against_the_wish(order)
    yield from _shipping(order)
    yield from _refund_due(order)
    yield from _reship(order)


# ---- before release ---------------------------------------------------------------------------------------------------------
def _understood(order: OrderView, now: datetime) -> Iterable[Check]:
    """What has to be known of an order before anybody is told of it, or of its edits."""
    if order.shop_status == "unknown":
        text = order.shop_status_text
        yield Check("unknown_status", text, f"The shop says “{text}”, a status we do not know.")
    for line in order.lines:
        if line.sku_id is None and line.ordered > line.cancelled:
            yield Check("sku_mapping", line.sku, f"SKU “{line.sku}” ({line.name}) is not known.", line.id)
    if reckoning.questionable(order, off := reckoning.difference(order)):
        words = f"The order's parts differ from its total by {off.normalize():f} {order.currency}."
        yield Check("totals", f"{off.normalize():f}", words)
    if (order.released_at is None or not reckoning.fully_shipped(order)) and not reckoning.nothing_left(order):
        for finding in (*preflight.unmapped(order), *preflight.refused(order, now)):
            yield Check(*finding)


def _before_release(order: OrderView, now: datetime) -> Iterable[Check]:
    if order.shop_status == "completed" and reckoning.open_units(order):
        yield Check("completed_in_shop", "", "The shop says completed, but no warehouse of ours has shipped it.")
    if fraud := order.tables.meta(order.meta).get("fraud"):
        yield Check("fraud", fraud, f"The shop suspects fraud: {fraud}.")
    try:
        waiting = releasing.verdict(order, now).waiting
    except Unmapped:
        return  # said above
    if waiting is not None:
        yield Check(waiting.reason, waiting.detail, waiting.words, quiet=not waiting.detail)


# ---- after release ----------------------------------------------------------------------------------------------------------
def _paused(order: OrderView) -> Iterable[Check]:
    """Put on hold in the shop after release: nothing new goes out; a warehouse that goes on all the same is told of."""
    if order.stance != "pause" or reckoning.fully_shipped(order):
        return
    status = order.shop_status.replace("_", " ")
    if refused := negotiating.hold_refused(order):
        words = f"The shop says “{status}”, but {refused.request.place.code} goes on: {refused.change.reason or 'no reason given'}."
        yield Check("stopped_in_shop", f"{status} {refused.request.reference}", words)
    elif order.shop_status != "unknown":
        yield Check(
            "paused_in_shop", status, f"The shop says “{status}” although the order was released. It waits.", quiet=True
        )


def _sourcing(order: OrderView, now: datetime) -> Iterable[Check]:
    routes = reckoning.routes(order, now)
    yield from _waiting(order, routes)
    stranded = set(routes.stranded)
    refusals = [
        f"{r.place.code} ({r.reason or 'no reason given'})" for r in reckoning.ordinary(order) if r.answer == "rejected"
    ]
    for line in (x for x in order.lines if x.id in stranded):
        missing = sum(r.short.get(line.id, 0) for r in reckoning.ordinary(order))
        if missing and order.policy.on_short == "ship_complete":
            words = f"“{line.sku}” is short everywhere, and this shop ships all together."
            yield Check("short", reckoning.stock_detail(order, line), words, line.id)
        elif missing:
            words = f"No warehouse has “{line.sku}” now. Release to ask again once there is stock."
            yield Check("stock", reckoning.stock_detail(order, line), words, line.id)
        elif refusals:
            yield Check(
                "rejected",
                line.sku,
                f"No warehouse is left for “{line.sku}”. Rejected by {', '.join(refusals)}.",
                line.id,
            )
        elif line.sources:
            words = "No one warehouse is set up to ship all of this order, and this shop does not split orders."
            yield Check("no_location", line.sku, words, line.id)
        else:
            yield Check("no_location", line.sku, f"No warehouse is set up to ship “{line.sku}”.", line.id)


def _waiting(order: OrderView, routes: reckoning.Routes) -> Iterable[Check]:
    """Units none of their warehouses has. What is there goes on where the shop's policy ships it, and keeps no other line waiting."""
    going = order.policy.on_short == "ship_available" and bool(routes.sent or any(x.routed for x in order.lines))
    for line in (x for x in order.lines if x.id in routes.waiting):
        units = routes.waiting[line.id]
        lacks = f"{units} × “{line.sku}” {'is' if units == 1 else 'are'} lacking"
        words = f"{lacks}: no warehouse it may come from has enough now."
        if order.policy.split == "never" and len(order.lines) > 1:
            words = f"{lacks} where most of this order lies: no warehouse has all of it, and this shop does not split orders."
        words += " It goes by itself once there is enough. Release to ask a warehouse all the same."
        yield Check("stock", reckoning.stock_detail(order, line), words, line.id, tells=going)


def waits_for_stock(order: OrderView, held: Changes) -> bool:
    """Whether units wait until somebody counts enough of them."""
    opened = any(h.open and h.reason == "stock" and h not in held.lift for h in order.holds)
    return opened or any(c.reason == "stock" for c in held.place)


def _short(order: OrderView) -> Iterable[Check]:
    """A shortage is a question where the shop's policy does not answer it."""
    if order.policy.on_short != "ask":
        return
    for request in (r for r in reckoning.ordinary(order) if r.answer not in ("rejected", "closed")):
        for line_id, units in request.short.items():
            if units and not _given_up(order, line_id):
                words = f"{request.place.code} is short of {units} on request {request.reference}. {request.short_reason}".strip()
                yield Check("short", reckoning.short_detail(request, units), words, line_id)


def _given_up(order: OrderView, line_id: int) -> bool:
    """Whether a person or the shop decided that what is missing of the line is not wanted any more."""
    line = next(x for x in order.lines if x.id == line_id)
    missing = sum(r.short.get(line_id, 0) for r in reckoning.ordinary(order))
    return reckoning.wanted(order, line) <= line.routed and line.refunded + line.abandoned >= missing


def _erp(order: OrderView) -> Iterable[Check]:
    """The ERP's total, before it is confirmed: equal, or made equal by one rounding line, or a question for a person."""
    if (off := booking.open_difference(order)) and reckoning.questionable(order, off):
        yield Check(
            "erp_total",
            f"{off.normalize():f}",
            f"The ERP's total differs from the shop's by {off.normalize():f} {order.currency}.",
        )


# ---- against the wish -------------------------------------------------------------------------------------------------------
def _against_the_wish(order: OrderView) -> Iterable[Check]:
    """Units that ship, or shipped, although the shop took them back: never silently."""
    told: set[str] = set()
    for refusal in negotiating.refusals(order):
        place, reason = refusal.request.place.code, refusal.change.reason or "no reason given"
        check = _refusal(order, refusal, place, reason)
        if check.reason not in told:
            told.add(check.reason)
            yield check
    if "edited_after_release" not in told and order.stance == "go" and (kept := negotiating.resume_refused(order)):
        words = f"The shop lets the order go on, but {kept.request.place.code} keeps holding it: {kept.change.reason or 'no reason given'}."
        yield Check("edited_after_release", f"{kept.request.reference} resume {kept.change.number}", words)
    if "cancel_refused" not in told and order.stance == "stop" and order.shop_status != "refunded" and _shipped(order):
        status = "deleted" if order.gone else order.shop_status
        words = f"{_counted(_shipped(order))} shipped although the shop says “{status}”."
        yield Check("cancel_refused", f"{status}: {_shipped(order)} shipped", words)
    if order.stance == "stop" and _shipped(order) and booking.refused(order):
        words = "The ERP does not let its order be cut down to what was shipped."
        yield Check("edited_after_release", "erp", words)
    if "refunded_but_shipping" not in told and (units := _refunded_and_shipped(order)):
        words = f"{_counted(units)} shipped although refunded before."
        yield Check("refunded_but_shipping", f"{units} shipped", words)


def _refusal(order: OrderView, refusal: negotiating.Refused, place: str, reason: str) -> Check:
    mark = f"{refusal.request.reference} {_mark(order, refusal)}"
    if order.stance == "stop" and order.shop_status != "refunded":
        return Check(
            "cancel_refused", mark, f"The shop cancelled the order, but {place} ships it all the same: {reason}."
        )
    if (
        any(
            line.refunded and refusal.lines.get(line.id, 0) < refusal.request.units.get(line.id, 0)
            for line in order.lines
        )
        or order.stance == "stop"
    ):
        return Check(
            "refunded_but_shipping", mark, f"The shop refunded units that {place} ships all the same: {reason}."
        )
    return Check("edited_after_release", mark, f"The shop changed the order, but {place} refused the change: {reason}.")


def _mark(order: OrderView, refusal: negotiating.Refused) -> str:
    """What was wanted. Once more after it was taken back is another wish: who overruled the first refusal knows nothing of this one."""
    wanted = (sorted(refusal.lines.items()), order.shipping, order.note)
    mark = hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()[:12]
    again = sum(c.withdrawn for c in refusal.request.changes if c.number < refusal.change.number)
    return f"{mark} {again + 1}" if again else mark


def _counted(units: int) -> str:
    return "1 unit was" if units == 1 else f"{units} units were"


def _shipped(order: OrderView) -> int:
    return sum(line.shipped for line in order.lines)


def _refunded_and_shipped(order: OrderView) -> int:
    """Units given back before the shop knew that they had shipped. A refund after that is a return."""
    if not order.refunds or not _shipped(order):
        return 0
    if order.stance == "stop" and order.shop_status == "refunded":
        return _shipped(order) - sum(_known(order, order.refunds[-1].at).values())
    return max(_against(order, order.refunds[: n + 1]) for n in range(len(order.refunds)))


def _against(order: OrderView, refunds: Sequence[RefundView]) -> int:
    """Units shipped against the last of these refunds: more than what it left of its lines, and than what the shop knew by then."""
    known = _known(order, refunds[-1].at)
    found = 0
    for line in (x for x in order.lines if x.id in refunds[-1].units):
        left = line.ordered - sum(r.units.get(line.id, 0) for r in refunds)
        found += max(0, line.shipped - max(left, known[line.id], 0))
    return found


def _known(order: OrderView, at: datetime) -> Counter[int]:
    """Units per line of which the shop knew at that moment that they had shipped."""
    known: Counter[int] = Counter()
    ordinary = {r.id for r in reckoning.ordinary(order)}
    for shipment in (s for s in order.shipments if s.request_id in ordinary):
        shown = order.posting(order.channel_id, "tracking", shipment.id)
        if shown is not None and shown.at <= at:
            known.update(shipment.units)
    return known


def _shipping(order: OrderView) -> Iterable[Check]:
    for line in order.lines:
        agreed = sum(r.units.get(line.id, 0) for r in order.requests if r.purpose != "reship")
        taken_back = any(
            c.answer == "accepted" and c.kind in ("amend", "cancel") for r in order.requests for c in r.changes
        )
        if taken_back and line.shipped > agreed:
            words = f"{line.shipped} of “{line.sku}” shipped although the warehouse had agreed to {agreed}."
            yield Check("shipped_after_cancel", f"{line.sku}: {line.shipped} of {agreed}", words, line.id)
        elif line.shipped > line.ordered:
            words = f"{line.shipped} of “{line.sku}” shipped, {line.ordered} ordered."
            yield Check("over_shipped", f"{line.sku}: {line.shipped} of {line.ordered}", words, line.id)
    for shipment in order.shipments:
        for item in shipment.unknown:
            name = item.sku or f"line {item.line}"
            words = f"Shipment {shipment.external_id} holds {item.units} × {name}, which was not asked for."
            yield Check("unknown_article", f"{shipment.external_id}: {name}", words)


def _refund_due(order: OrderView) -> Iterable[Check]:
    """Units somebody decided not to ship are paid for: the customer gets the money back in the shop."""
    if order.stance == "stop":
        return
    for line in order.lines:
        due = line.abandoned
        if due > 0 and reckoning.paid(order):
            words = f"{due} × “{line.sku}” will not be shipped: refund them to the customer in the shop."
            yield Check("refund_due", f"{line.sku}: {due}", words, line.id)


def _reship(order: OrderView) -> Iterable[Check]:
    """What a person asked to be shipped again and will not be: only a person knows what to do instead."""
    for request in (r for r in order.requests if r.purpose == "reship"):
        for line_id, units in request.units.items():
            lacks = units if request.answer == "rejected" else request.short[line_id]
            if lacks:
                why = request.reason if request.answer == "rejected" else request.short_reason
                words = (
                    f"{request.place.code} does not ship {lacks} again on request {request.reference}. {why}".strip()
                )
                yield Check("short", reckoning.short_detail(request, lacks), words, line_id)
