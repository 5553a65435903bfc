"""What is asked of warehouses that know a request already: take units back, ship elsewhere, hold, go on. Pure.

A change is asked once for a wish; while it is unanswered nothing else is asked of that request. An amendment that was refused is
followed by a cancellation (and a new request for what is then open), or by a hold, as the shop's policy says.
"""

from typing import Any, NamedTuple

from canonical.mappings import Unmapped
from canonical.types import ChangeKind
from retailsync.flows import reckoning, wishes
from retailsync.flows.view import ChangeView, OrderView, RequestView


class Ask(NamedTuple):
    """A change to be raised."""

    request: RequestView
    kind: ChangeKind
    lines: dict[int, int]


class Refused(NamedTuple):
    """A warehouse goes on although it was asked not to, or nobody asks it any more: a person has to know."""

    request: RequestView
    change: ChangeView
    lines: dict[int, int]  # what was wanted


def asks(order: OrderView) -> list[Ask]:
    """The changes to raise now."""
    wanted = reckoning.desired(order)
    return [ask for r in order.requests if r.id in wanted and r.asked is None and (ask := _ask(order, r, wanted[r.id]))]


def _ask(order: OrderView, request: RequestView, lines: dict[int, int]) -> Ask | None:
    if _settled(order, request, lines):
        return _hold_or_go_on(order, request)
    cancelling = all(lines[x] - request.short[x] <= request.shipped[x] for x in lines)
    kind: ChangeKind = "cancel" if cancelling else "amend"
    refused = _refused(order, request, lines)
    if refused is None:
        return Ask(request, kind, lines) if cancelling or _content(order, request) else None
    if (
        refused.kind == "amend"
        and order.policy.on_amendment_refused == "recreate"
        and not _cancel_refused(request, refused)
    ):
        return Ask(request, "cancel", {x: request.shipped[x] for x in request.units})
    return None


def _settled(order: OrderView, request: RequestView, lines: dict[int, int]) -> bool:
    """Whether the warehouse was told all that is wanted of this request."""
    if lines != request.units:
        return False
    return order.stance != "go" or not _edited(order, request)


#: What of a request's content the warehouse has to know again. Names of articles are none of it.
_MATERIAL = ("ship_to", "shipping_method", "carrier", "service", "note")


def _edited(order: OrderView, request: RequestView) -> bool:
    """Whether address, method or note differ from what the warehouse agreed to last. Only known of orders that were restated."""
    told = _agreed(order, request)
    if told is None:
        return False
    wish = _content(order, request)
    return wish is not None and _differs(told, wish)


def _differs(told: dict[str, Any], wish: dict[str, Any]) -> bool:
    return any(told.get(name) != wish.get(name) for name in _MATERIAL)


def _content(order: OrderView, request: RequestView) -> dict[str, Any] | None:
    """What the warehouse should know; None while a word of it has no meaning, which is a hold of its own."""
    try:
        return wishes.encoded(wishes.fulfilment(order, request))
    except Unmapped:
        return None


def _agreed(order: OrderView, request: RequestView) -> dict[str, Any] | None:
    """The content of the last accepted amendment, else of the request itself; None while that never left."""
    told = order.told.get((request.place.system_id, f"fulfilment_request:{request.id}"))
    for change in request.changes:
        if change.kind == "amend" and change.answer == "accepted":
            told = order.told.get((request.place.system_id, f"request_change:{change.id}"), told)
    return told


def _refused(order: OrderView, request: RequestView, lines: dict[int, int]) -> ChangeView | None:
    """The change that asked for just this and was refused, or overtaken. A refused cancellation the shop took back since answers nothing:
    who cancels again asks again."""
    for change in reversed(request.changes):
        if change.withdrawn and order.stance == "stop":
            continue
        if change.answer in ("rejected", "moot") and change.kind in ("amend", "cancel") and change.lines == lines:
            told = order.told.get((request.place.system_id, f"request_change:{change.id}"))
            wish = _content(order, request)
            if change.kind == "cancel" or told is None or wish is None or not _differs(told, wish):
                return change
    return None


def _cancel_refused(request: RequestView, after: ChangeView) -> bool:
    return any(
        c.kind == "cancel" and c.answer in ("rejected", "moot") and c.number > after.number for c in request.changes
    )


def _hold_or_go_on(order: OrderView, request: RequestView) -> Ask | None:
    """A shop that puts an order on hold after release wants nothing shipped for now."""
    last = next((c for c in reversed(request.changes) if c.kind in ("hold", "resume")), None)
    if (
        order.stance == "pause"
        and not request.held
        and not (last and last.kind == "hold" and last.answer != "accepted")
    ):
        return Ask(request, "hold", dict(request.units))
    if order.stance == "go" and request.held and not (last and last.kind == "resume" and last.answer != "accepted"):
        return Ask(request, "resume", dict(request.units))
    return None


def refusals(order: OrderView) -> list[Refused]:
    """Wishes warehouses refused for good, while they are still wishes."""
    wanted = reckoning.desired(order)
    found = []
    for request in order.requests:
        lines = wanted.get(request.id)
        if lines is None or request.asked is not None or _settled(order, request, lines) or _ask(order, request, lines):
            continue
        change = _refused(order, request, lines)
        if change is not None:
            found.append(Refused(request, change, lines))
    return found


def hold_refused(order: OrderView) -> Refused | None:
    """A warehouse that goes on although the shop put the order on hold."""
    for request in order.requests:
        last = next((c for c in reversed(request.changes) if c.kind in ("hold", "resume")), None)
        if reckoning.live(request) and last and last.kind == "hold" and last.answer == "rejected":
            return Refused(request, last, dict(request.units))
    return None


def resume_refused(order: OrderView) -> Refused | None:
    """A warehouse that keeps holding although the shop lets the order go on."""
    for request in order.requests:
        last = next((c for c in reversed(request.changes) if c.kind in ("hold", "resume")), None)
        if reckoning.live(request) and request.held and last and last.kind == "resume" and last.answer == "rejected":
            return Refused(request, last, dict(request.units))
    return None


def at_rest(order: OrderView) -> bool:
    """Whether no warehouse still has units to ship or a question to answer."""
    return not any(reckoning.live(r) or r.asked is not None for r in order.requests if r.purpose != "reship")
