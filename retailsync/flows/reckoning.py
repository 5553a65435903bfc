"""What is still open on an order, computed from its view: units wanted, routed and to be taken back; money to compare. Pure."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from canonical.rules import money, orders, routing
from canonical.types import Charge, Line, Tax
from retailsync.flows.view import ChargeView, LineView, OrderView, Place, RequestView


class Next(NamedTuple):
    """A request that would be raised now."""

    place: Place
    units: dict[int, int]
    purpose: str
    attempt: int


# ---- money ------------------------------------------------------------------------------------------------------------------
def stated_line(line: LineView) -> Line:
    """The line as the shop stated it."""
    return Line(
        ref=line.external_id, sku=line.sku, name=line.name, units=line.ordered, subtotal=line.subtotal, total=line.total,
        taxes=line.taxes,
    )  # fmt: skip


def stated_charge(charge: ChargeView) -> Charge:
    """The charge as the shop stated it."""
    return Charge(
        ref=charge.external_id, kind=charge.kind, code=charge.code, title=charge.title, total=charge.total, taxes=charge.taxes,
    )  # fmt: skip


def difference(order: OrderView) -> Decimal:
    """Total minus parts (the recorded rounding among them): zero on an honest order."""
    parts = money.parts_total([stated_line(line) for line in order.lines], [stated_charge(c) for c in order.charges])
    return money.kept(order.total - parts)


def remaining_line(line: LineView, currency: str) -> Line | None:
    """The line without the units that were cancelled: what was given back for exactly these units, else their share. None: nothing left.

    Taxes keep their proportions; the shop's own figures are kept where nothing was cancelled. Units that left although the shop does not
    state them any more are kept, at no price of their own: an ERP books out only what it has an order for.
    """
    stated, left = stated_line(line), max(line.ordered - line.cancelled, line.shipped)
    if left <= 0:
        return None
    if not line.cancelled:
        return msgspec.structs.replace(stated, units=left)
    net, tax = line.given_back
    if line.refunded != line.cancelled or not (net or tax):
        net = money.rounded(line.total * line.cancelled / line.ordered, currency)
        tax = money.rounded(stated.tax * line.cancelled / line.ordered, currency)
    total = line.total - net
    gone = money.rounded(line.subtotal * line.cancelled / line.ordered, currency)
    return Line(
        ref=stated.ref, sku=stated.sku, name=stated.name, units=left, subtotal=max(total, line.subtotal - gone), total=total,
        taxes=tuple(_reduced(line.taxes, tax, currency)),
    )  # fmt: skip


def _reduced(taxes: tuple[Tax, ...], by: Decimal, currency: str) -> Iterator[Tax]:
    """Taxes less an amount, spread by their amounts; the last takes what rounding leaves."""
    whole, left = sum((t.amount for t in taxes), Decimal(0)), by
    for n, tax in enumerate(taxes, 1):
        part = left if n == len(taxes) else money.rounded(by * tax.amount / whole, currency) if whole else Decimal(0)
        left -= part
        yield Tax(code=tax.code, rate=tax.rate, amount=tax.amount - part, erp=tax.erp)


_MAY_PAY = ("fee",)


def paying(order: OrderView, charge: ChargeView) -> bool:
    """Whether a fee is in truth money of another kind: a plugin's gift card shown as a negative fee. Raises Unmapped."""
    meaning = order.tables.line_kind(charge.title) if charge.kind in _MAY_PAY else None
    return meaning is not None and meaning.kind not in _MAY_PAY


def paid(order: OrderView) -> Decimal:
    """What was captured, gift cards and store credit among it."""
    return (order.captured or Decimal(0)) + order.tenders


def within_rounding(order: OrderView, amount: Decimal) -> bool:
    """Whether a difference may be put right by a rounding line."""
    return abs(amount) <= money.tolerance(order.currency, [stated_line(line) for line in order.lines])


def questionable(order: OrderView, amount: Decimal) -> bool:
    """Whether a person has to judge a difference of an order's totals."""
    return not money.accepted(amount, order.policy.tolerance)


# ---- units ------------------------------------------------------------------------------------------------------------------
def wanted(order: OrderView, line: LineView) -> int:
    """Units of a line the shop (and nobody's decision against it) wants shipped."""
    if order.stance == "stop":
        return 0
    return max(0, line.ordered - line.refunded - line.abandoned)


def ordinary(order: OrderView) -> list[RequestView]:
    """The requests that count against what was ordered: a reship replaces what was lost."""
    return [r for r in order.requests if r.purpose != "reship"]


def open_units(order: OrderView) -> dict[int, int]:
    """Line id → units that ship, are wanted and not routed. Units a warehouse is short of count as open where the shop's policy looks
    for them elsewhere, or once a person released the hold that says so. What ships all together is first taken back as a whole."""
    if order.policy.on_short == "ship_complete" and any(live(r) and any(r.short.values()) for r in ordinary(order)):
        return {}
    waiting: dict[int, int] = {}
    for request in ordinary(order):
        for line in (x for x in order.lines if x.id in request.short):
            if not _short_is_open(order, request, line.id, request.short[line.id]):
                waiting[line.id] = waiting.get(line.id, 0) + missing(request, line)
    left = {x.id: wanted(order, x) - x.routed - waiting.get(x.id, 0) for x in order.lines if x.ships}
    return {line: units for line, units in left.items() if units > 0}


def _short_is_open(order: OrderView, request: RequestView, line: int, units: int) -> bool:
    looked_for = request.answer in ("rejected", "closed") or order.policy.on_short in (
        "ship_available",
        "ship_complete",
    )
    return looked_for or overruled(order, line, "short", short_detail(request, units))


def short_of(request: RequestView) -> str:
    """Why units are given up that a warehouse is short of."""
    return f"short: {request.reference}"


def missing(request: RequestView, line: LineView) -> int:
    """Units of a line a warehouse is short of and nobody gave up."""
    return max(0, request.short.get(line.id, 0) - line.abandoned_for.get(short_of(request), 0))


def short_detail(request: RequestView, units: int) -> str:
    """What exactly a hold for a shortage is about."""
    return f"{request.reference}: {units}"


def overruled(order: OrderView, line_id: int | None, reason: str, detail: str) -> bool:
    """Whether a person lifted such a hold for exactly this detail."""
    return any(
        not h.open and h.by and (h.line_id, h.reason, h.detail) == (line_id, reason, detail[:300]) for h in order.holds
    )


class Routes(NamedTuple):
    """Where the open units go (place → line → units), the lines no location is left for, and the units nobody has."""

    sent: dict[Place, dict[int, int]]
    stranded: list[int]
    waiting: dict[int, int]


def routes(order: OrderView, now: datetime) -> Routes:
    """Where the open units go by what is free: who rejected the order or is short of the line is not asked again."""
    left = open_units(order)
    if not left:
        return Routes({}, [], {})
    needs = {line.id: _need(order, line, left[line.id], now) for line in order.lines if line.id in left}
    begun = {r.place.id for r in ordinary(order) if live(r) or any(r.shipped.values())}
    found = routing.route(needs, order.shelves, order.policy.split, begun)
    places = {s.place.id: s.place for line in order.lines for s in line.sources}
    return Routes({places[location]: units for location, units in found.sent.items()}, found.stranded, found.waiting)


def take(order: OrderView, sent: dict[Place, dict[int, int]]) -> None:
    """What this order gets, no other of the batch does."""
    for place, lines in sent.items():
        for line, units in lines.items():
            order.shelves.give(order.parts.get(line, {}), place.id, units)


def _need(order: OrderView, line: LineView, units: int, now: datetime) -> routing.Need:
    """What nobody has is asked for all the same where the shop sells it on backorder, or gives up only what a warehouse says it lacks;
    and once a person says so, also of who refused."""
    told = overruled(order, line.id, "stock", stock_detail(order, line))
    refused = {r.place.id for r in ordinary(order) if r.answer == "rejected"} | _short_at(order, line.id)
    sources = tuple(
        routing.Source(s.place.id, s.rank, routing.leaves(s.calendar, now))
        for s in line.sources
        if told or s.place.id not in refused
    )
    anyway = told or line.id in order.backordered or order.policy.on_short == "cancel_remainder"
    return routing.Need(units, sources, order.parts.get(line.id, {}), anyway)


def next_requests(order: OrderView, now: datetime) -> list[Next]:
    """What the warehouses would be asked now: one request per location for the units not yet routed; after a rejection another location
    of the list."""
    found = []
    for place, units in routes(order, now).sent.items():
        purpose = "backorder" if any(_missed(order, line) for line in units) else "original"
        attempt = 1 + sum(r.purpose == purpose for r in order.requests if r.place.id == place.id)
        found.append(Next(place, units, purpose, attempt))
    return found


def _missed(order: OrderView, line: int) -> bool:
    """Whether a part of the line was shipped, and this is the rest that was missing."""
    return any(r.short.get(line, 0) and any(r.shipped.values()) for r in ordinary(order))


def stock_detail(order: OrderView, line: LineView) -> str:
    """What exactly a hold for missing stock is about: one more try is another detail."""
    return f"{line.sku}: {sum(r.short.get(line.id, 0) for r in ordinary(order))}"


def _short_at(order: OrderView, line_id: int) -> set[int]:
    """Where this line is short; with orders that ship all together, where any line is."""
    if order.policy.on_short == "ship_complete":
        return {r.place.id for r in ordinary(order) if any(r.short.values())}
    return {r.place.id for r in ordinary(order) if r.short.get(line_id)}


def fully_shipped(order: OrderView) -> bool:
    """Whether nothing is left to ship."""
    return orders.complete((line.ordered, line.cancelled, line.shipped) for line in order.lines if line.ships)


def nothing_left(order: OrderView) -> bool:
    """Whether all of it was given up or taken back before anything left."""
    return bool(order.lines) and not any(line.shipped or line.ordered > line.cancelled for line in order.lines)


def live(request: RequestView) -> bool:
    """Whether a warehouse may still ship something of a request."""
    return request.answer not in ("rejected", "closed") and any(request.left(line) for line in request.units)


def desired(order: OrderView) -> dict[int, dict[int, int]]:
    """Request id → line id → units as they should be, of live requests: what is not wanted any more is taken back, from the newest
    request first. An order that ships all together takes back whole requests that fell short."""
    asked = {r.id: dict(r.units) for r in order.requests if live(r)}
    for line in order.lines:
        counted = [r for r in ordinary(order) if line.id in r.units]
        routed = sum(
            max(r.units[line.id] - r.short[line.id], r.shipped[line.id]) for r in counted if r.answer != "rejected"
        )
        excess = routed - max(wanted(order, line), line.shipped)
        for request in (r for r in reversed(counted) if r.id in asked):
            back = min(max(excess, 0), request.left(line.id))
            asked[request.id][line.id] -= back
            excess -= back
    if order.stance == "stop":
        for request in (r for r in order.requests if r.id in asked and r.purpose == "reship"):
            asked[request.id] = {line: request.shipped[line] for line in request.units}
    if order.policy.on_short == "ship_complete":
        for request in (
            r for r in ordinary(order) if r.id in asked and any(r.short.values()) and not any(r.shipped.values())
        ):
            asked[request.id] = dict.fromkeys(request.units, 0)
    return {r.id: _ended(r, asked[r.id]) for r in order.requests if r.id in asked}


def _ended(request: RequestView, units: dict[int, int]) -> dict[int, int]:
    """A request of which nothing more is wanted says what was shipped: units a warehouse is short of may turn up again."""
    ended = all(n - request.short[line] <= request.shipped[line] for line, n in units.items())
    return dict(request.shipped) if ended else units
