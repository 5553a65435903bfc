"""Orders as flows see them: everything a plan needs to know of one order, gathered for a batch in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from canonical import sql
from canonical.ledger import Cause, Written
from canonical.types import Address, Parcel, Tax, Units


class Place(NamedTuple):
    """A location that may ship, and who is asked to."""

    id: int
    code: str
    system_id: int


class LineView(NamedTuple):
    """One order line."""

    id: int
    external_id: str
    sku_id: int | None
    sku: str
    name: str
    ships: bool
    ordered: int
    cancelled: int
    routed: int
    shipped: int
    subtotal: Decimal
    total: Decimal
    taxes: tuple[Tax, ...]
    sources: Sequence[Place]


class ChargeView(NamedTuple):
    """One charge."""

    id: int
    external_id: str
    kind: str
    code: str
    title: str
    total: Decimal
    taxes: tuple[Tax, ...]


class HoldView(NamedTuple):
    """One hold, open or lifted."""

    id: int
    line_id: int | None
    reason: str
    detail: str
    open: bool
    by: str


class RequestView(NamedTuple):
    """One fulfilment request; `units` and `short` per line id."""

    id: int
    reference: str
    place: Place
    answer: str
    execution: str
    reason: str
    short_reason: str
    requested_at: datetime
    units: dict[int, int]
    short: dict[int, int]


class ShipmentView(NamedTuple):
    """One shipment; `units` per line id over all parcels."""

    id: int
    external_id: str
    location_id: int
    carrier: str
    shipped_at: datetime
    parcels: tuple[Parcel, ...]
    units: dict[int, int]
    unknown: tuple[Units, ...]


class PostingView(NamedTuple):
    """What a system confirmed it holds."""

    state: str
    amount: Decimal | None


@dataclass(slots=True)
class OrderView:
    """One order with everything a plan may ask about it. `planned` holds the purposes already put out for it."""

    id: int
    cause: Cause
    channel_id: int
    erp_id: int | None
    external_id: str
    reference: str
    shop_status: str
    shop_status_text: str
    placed_at: datetime
    released_at: datetime | None
    gone: bool
    currency: str
    prices_include_tax: bool
    total: Decimal
    customer_id: int
    billing_id: int
    billing: Address
    shipping_id: int
    shipping: Address
    note: str
    email: str
    lines: list[LineView] = field(default_factory=list)
    charges: list[ChargeView] = field(default_factory=list)
    holds: list[HoldView] = field(default_factory=list)
    requests: list[RequestView] = field(default_factory=list)
    shipments: list[ShipmentView] = field(default_factory=list)
    postings: dict[tuple[int, str, int], PostingView] = field(default_factory=dict)  # (system, kind, subject id)
    planned: set[tuple[int, str]] = field(default_factory=set)  # (system, purpose)
    told: dict[tuple[int, str], Any] = field(
        default_factory=dict
    )  # (system, purpose) → content; only when the shop just restated it

    def posting(self, system_id: int | None, kind: str, subject_id: int) -> PostingView | None:
        """What a system confirmed it holds of one subject, if anything."""
        return self.postings.get((system_id or 0, kind, subject_id))


#: Events by which a shop changes what it stated before.
_EDITS = frozenset({"restated", "dropped"})
_addresses = msgspec.json.Decoder(Address)
_taxes = msgspec.json.Decoder(tuple[Tax, ...])
_units = msgspec.json.Decoder(tuple[Units, ...])

_ORDERS = """SELECT o.id, o.channel_id, s.erp_id, o.external_id, o.reference, o.shop_status, o.shop_status_text, o.placed_at,
    o.released_at, o.gone_at IS NOT NULL, o.currency, o.prices_include_tax, o.total, o.customer_id, o.billing_id, b.content::text,
    o.shipping_id, d.content::text, o.note, c.email
  FROM canonical_order o JOIN canonical_system s ON s.id = o.channel_id JOIN canonical_customer c ON c.id = o.customer_id
  JOIN canonical_address b ON b.id = o.billing_id JOIN canonical_address d ON d.id = o.shipping_id
  WHERE o.id = ANY(%s) ORDER BY o.id"""
_LINES = """SELECT l.order_id, l.id, l.external_id, l.sku_id, coalesce(k.code, l.sku_text), l.name, l.requires_shipping, l.ordered,
    l.cancelled, l.routed, l.shipped, l.subtotal, l.total, l.taxes::text
  FROM canonical_orderline l LEFT JOIN canonical_sku k ON k.id = l.sku_id WHERE l.order_id = ANY(%s) ORDER BY l.id"""
_CHARGES = """SELECT order_id, id, external_id, kind, code, title, total, taxes::text FROM canonical_charge
  WHERE order_id = ANY(%s) ORDER BY id"""
_HOLDS = """SELECT order_id, id, line_id, reason, detail, lifted_at IS NULL, lifted_by FROM canonical_hold
  WHERE order_id = ANY(%s) ORDER BY id"""
_REQUESTS = """SELECT r.order_id, r.id, r.reference, r.location_id, p.code, r.system_id, r.answer, r.execution, r.reason,
    r.short_reason, r.requested_at, l.line_id, l.units, l.short
  FROM canonical_fulfilmentrequest r JOIN canonical_location p ON p.id = r.location_id
  JOIN canonical_requestline l ON l.request_id = r.id WHERE r.order_id = ANY(%s) ORDER BY r.id, l.line_id"""
_SHIPMENTS = """SELECT s.order_id, s.id, s.external_id, r.location_id, s.carrier, s.shipped_at, p.tracking, p.tracking_url,
    p.unknown::text, array(SELECT l.line_id FROM canonical_packageline l WHERE l.package_id = p.id ORDER BY l.line_id),
    array(SELECT l.units FROM canonical_packageline l WHERE l.package_id = p.id ORDER BY l.line_id)
  FROM canonical_shipment s JOIN canonical_fulfilmentrequest r ON r.id = s.request_id
  LEFT JOIN canonical_package p ON p.shipment_id = s.id WHERE s.order_id = ANY(%s) ORDER BY s.id, p.position"""
_POSTINGS = (
    "SELECT order_id, system_id, kind, subject_id, state, amount FROM canonical_posting WHERE order_id = ANY(%s)"
)
_PLANNED = """SELECT order_id, system_id, purpose, stoppable AND state = 'waiting' AND sent_at IS NULL AND NOT doubtful,
    CASE WHEN stoppable AND order_id = ANY(%s) THEN payload::text END FROM sync_command WHERE order_id = ANY(%s)"""
_SOURCES = """SELECT g.channel_id, g.sku_id, p.id, p.code, p.executor_id FROM canonical_sourcing g
  JOIN canonical_location p ON p.id = g.location_id
  WHERE p.active AND g.channel_id = ANY(%s) AND (g.sku_id IS NULL OR g.sku_id = ANY(%s)) ORDER BY g.rank, g.id"""


def gather(entries: Sequence[Written]) -> list[OrderView]:
    """The orders these entries are about, oldest first; ten queries whatever their number."""
    causes = {e.order_id: e.cause for e in entries if e.order_id}
    ids = sorted(causes)
    if not ids:
        return []
    orders = {id: _order(id, causes[id], rest) for id, *rest in sql.fetch(_ORDERS, (ids,))}
    _add_lines(orders, ids)
    for id, *charge, taxes in sql.fetch(_CHARGES, (ids,)):
        orders[id].charges.append(ChargeView(*charge, _taxes.decode(taxes)))
    for id, *hold in sql.fetch(_HOLDS, (ids,)):
        orders[id].holds.append(HoldView(*hold))
    _add_requests(orders, ids)
    _add_shipments(orders, ids)
    for id, system, kind, subject, state, amount in sql.fetch(_POSTINGS, (ids,)):
        orders[id].postings[system, kind, subject] = PostingView(state, amount)
    _add_planned(orders, ids, {e.order_id for e in entries if e.event in _EDITS})
    return list(orders.values())


def _add_planned(orders: dict[int, OrderView], ids: Sequence[int], restated: set[int | None]) -> None:
    """What was put out. Of an order the shop restated, what has not left is wanted anew (and takes over the edit), and what has left is
    shown with its content, to be compared."""
    for id, system, purpose, unsent, payload in sql.fetch(_PLANNED, (sorted(i for i in restated if i), ids)):
        if payload is None or not unsent:
            orders[id].planned.add((system, purpose))
        if payload is not None and not unsent:
            orders[id].told[system, purpose] = msgspec.json.decode(payload)


def _order(id: int, cause: Cause, row: list) -> OrderView:  # type: ignore[type-arg]
    *head, billing_id, billing, shipping_id, shipping, note, email = row
    return OrderView(
        id, cause, *head, billing_id, _addresses.decode(billing), shipping_id, _addresses.decode(shipping), note, email
    )


def _add_lines(orders: dict[int, OrderView], ids: Sequence[int]) -> None:
    rows = sql.fetch(_LINES, (ids,))
    sources = _sources({o.channel_id for o in orders.values()}, {row[3] for row in rows if row[3]})
    for id, *line, taxes in rows:
        order, sku = orders[id], line[2]
        places = sources.get((order.channel_id, sku)) or sources.get((order.channel_id, None), [])
        order.lines.append(LineView(*line, _taxes.decode(taxes), places))


def _sources(channels: Iterable[int], skus: Iterable[int]) -> dict[tuple[int, int | None], list[Place]]:
    found: dict[tuple[int, int | None], list[Place]] = defaultdict(list)
    for channel, sku, *place in sql.fetch(_SOURCES, (sorted(channels), sorted(skus))):
        found[channel, sku].append(Place(*place))
    return dict(found)


def _add_requests(orders: dict[int, OrderView], ids: Sequence[int]) -> None:
    for id, request, reference, *place, answer, execution, reason, missing, at, line, units, short in sql.fetch(
        _REQUESTS, (ids,)
    ):
        requests = orders[id].requests
        if not requests or requests[-1].id != request:
            where = Place(*place)
            requests.append(RequestView(request, reference, where, answer, execution, reason, missing, at, {}, {}))
        requests[-1].units[line] = units
        requests[-1].short[line] = short


def _add_shipments(orders: dict[int, OrderView], ids: Sequence[int]) -> None:
    for id, shipment, *head, tracking, url, unknown, lines, units in sql.fetch(_SHIPMENTS, (ids,)):
        shipments = orders[id].shipments
        if not shipments or shipments[-1].id != shipment:
            shipments.append(ShipmentView(shipment, *head, (), {}, ()))
        if unknown is not None:
            contents = dict(zip(lines, units, strict=True))
            shipments[-1] = _with_parcel(shipments[-1], tracking, url, contents, _units.decode(unknown))


def _with_parcel(
    shipment: ShipmentView, tracking: str, url: str, contents: dict[int, int], unknown: tuple[Units, ...]
) -> ShipmentView:
    lines = tuple(Units(units=n, line=str(line)) for line, n in contents.items())
    units = {line: shipment.units.get(line, 0) + contents.get(line, 0) for line in {**shipment.units, **contents}}
    parcel = Parcel(tracking=tracking, tracking_url=url, lines=lines)
    return shipment._replace(parcels=(*shipment.parcels, parcel), units=units, unknown=(*shipment.unknown, *unknown))
