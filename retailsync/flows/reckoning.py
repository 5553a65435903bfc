"""What is still open on an order, computed from its view: units to route, money to compare. Pure."""

from decimal import Decimal

from canonical.rules import money, orders
from canonical.types import Charge, Line
from retailsync.flows.view import ChargeView, LineView, OrderView, Place, RequestView


def stated_line(line: LineView) -> Line:
    """The line as the shop stated it."""
    return Line(
        ref=line.external_id, sku=line.sku, name=line.name, units=line.ordered, subtotal=line.subtotal, total=line.total,
        taxes=line.taxes,
    )  # fmt: skip


def stated_charge(charge: ChargeView) -> Charge:
    """The charge as the shop stated it."""
    return Charge(
        ref=charge.external_id,
        kind=charge.kind,
        code=charge.code,
        title=charge.title,
        total=charge.total,
        taxes=charge.taxes,
    )


def difference(order: OrderView) -> Decimal:
    """Total minus parts (the recorded rounding among them): zero on an honest order."""
    parts = money.parts_total([stated_line(line) for line in order.lines], [stated_charge(c) for c in order.charges])
    return money.kept(order.total - parts)


def erp_difference(order: OrderView) -> Decimal | None:
    """The shop's total minus what the ERP computed last; None while the ERP has not said."""
    rounding = order.posting(order.erp_id, "rounding", order.id)
    posting = rounding or order.posting(order.erp_id, "sales_order", order.id)
    return None if posting is None or posting.amount is None else order.total - posting.amount


def within_rounding(order: OrderView, amount: Decimal) -> bool:
    """Whether a difference may be put right by a rounding line."""
    return abs(amount) <= money.tolerance(order.currency, [stated_line(line) for line in order.lines])


def open_units(order: OrderView) -> dict[int, int]:
    """Line id → units that ship and were neither cancelled nor routed. Units a warehouse is short of count as open only once a person
    released the hold that says so."""
    short: dict[int, int] = {}
    for request in order.requests:
        for line, units in request.short.items():
            waits = request.answer != "rejected" and not overruled(order, line, "short", short_detail(request, units))
            short[line] = short.get(line, 0) + (units if waits else 0)
    left = {
        line.id: line.ordered - line.cancelled - line.routed - short.get(line.id, 0)
        for line in order.lines
        if line.ships
    }
    return {line: units for line, units in left.items() if units > 0}


def short_detail(request: RequestView, units: int) -> str:
    """What exactly a hold for a shortage is about."""
    return f"{request.reference}: {units}"


def overruled(order: OrderView, line_id: int | None, reason: str, detail: str) -> bool:
    """Whether a person lifted such a hold for exactly this detail."""
    return any(
        not h.open and h.by and (h.line_id, h.reason, h.detail) == (line_id, reason, detail[:300]) for h in order.holds
    )


def routes(order: OrderView) -> tuple[dict[Place, dict[int, int]], list[int]]:
    """Where the open units go, and the lines for which no location is left: who rejected the order or is short of the line is not
    asked again."""
    refused = {r.place.id for r in order.requests if r.answer == "rejected"}
    sources = {
        line.id: [p for p in line.sources if p.id not in refused | _short_at(order, line.id)] for line in order.lines
    }
    return orders.route(open_units(order), sources)


def _short_at(order: OrderView, line_id: int) -> set[int]:
    return {r.place.id for r in order.requests if r.short.get(line_id)}


def fully_shipped(order: OrderView) -> bool:
    """Whether nothing is left to ship."""
    return orders.complete((line.ordered, line.cancelled, line.shipped) for line in order.lines if line.ships)
