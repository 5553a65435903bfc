"""Gathers what plans need to know of a batch of orders, in a fixed number of queries whatever their number."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from canonical import sql
from canonical.ledger import Cause, Written
from canonical.mappings import Limits, Tables
from canonical.rules.orders import STOPPED
from canonical.rules.routing import Calendar
from canonical.types import Address, Parcel, Tax, Units
from retailsync.flows import shelves
from retailsync.flows.view import (
    BookingView,
    ChangeView,
    ChargeView,
    Config,
    HoldView,
    LineView,
    OrderView,
    Place,
    Policy,
    PostingView,
    RefundView,
    RequestView,
    ShipmentView,
    SourceView,
)  # fmt: skip

_addresses = msgspec.json.Decoder(Address)
_taxes = msgspec.json.Decoder(tuple[Tax, ...])
_units = msgspec.json.Decoder(tuple[Units, ...])

_ORDERS = """SELECT o.id, o.channel_id, s.erp_id, o.external_id, o.number, o.reference, o.shop_status, o.shop_status_text, o.placed_at,
    o.released_at, o.restated_at, o.look_at, o.gone_at IS NOT NULL, o.currency, o.prices_include_tax, o.total, o.payment_method,
    o.payment_title, m.captured, m.captured_at, m.authorised, m.authorised_at, coalesce(m.tenders, 0),
    CASE WHEN o.restated_at IS NOT NULL THEN (SELECT jsonb_agg(jsonb_build_array(r.refunded_at,
        (SELECT coalesce(jsonb_object_agg(x.line_id, x.units), '{}') FROM canonical_refundline x WHERE x.refund_id = r.id AND x.units > 0))
        ORDER BY r.refunded_at, r.id) FROM canonical_refund r WHERE r.order_id = o.id AND r.gone_at IS NULL) END,
    o.meta, o.customer_id,
    (SELECT true FROM canonical_link k WHERE k.system_id = o.channel_id AND k.entity = 'customer' AND k.our_id = o.customer_id) IS TRUE
      OR (SELECT true FROM canonical_customer x JOIN canonical_link k ON k.our_id = x.id WHERE x.merged_into_id = o.customer_id
        AND k.system_id = o.channel_id AND k.entity = 'customer' LIMIT 1) IS TRUE,
    c.vat_id, c.terms, o.billing_id, b.content::text, o.shipping_id, d.content::text, o.note, c.email
  FROM canonical_order o JOIN canonical_system s ON s.id = o.channel_id JOIN canonical_customer c ON c.id = o.customer_id
  JOIN canonical_address b ON b.id = o.billing_id JOIN canonical_address d ON d.id = o.shipping_id
  LEFT JOIN LATERAL (SELECT sum(p.amount) FILTER (WHERE p.kind = 'capture') AS captured,
      min(p.paid_at) FILTER (WHERE p.kind = 'capture') AS captured_at,
      sum(p.amount) FILTER (WHERE p.kind = 'authorise') AS authorised,
      min(p.paid_at) FILTER (WHERE p.kind = 'authorise') AS authorised_at,
      sum(p.amount) FILTER (WHERE p.kind IN ('gift_card', 'store_credit')) AS tenders
    FROM canonical_payment p WHERE p.order_id = o.id AND p.amount <> 0) m ON true
  WHERE o.id = ANY(%s) ORDER BY o.id"""
_LINES = """SELECT l.order_id, l.id, l.external_id, l.sku_id, coalesce(k.code, l.sku_text), l.name, l.requires_shipping, l.ordered,
    l.cancelled, l.routed, l.shipped, l.refunded, l.abandoned,
    CASE WHEN l.abandoned + l.refunded > 0 THEN (SELECT jsonb_object_agg(a.why, a.units) FROM (SELECT why, sum(units) AS units
      FROM canonical_abandonment WHERE line_id = l.id GROUP BY why) a) END,
    CASE WHEN l.refunded > 0 THEN (SELECT coalesce(sum(x.total), 0)
      FROM canonical_refundline x JOIN canonical_refund r ON r.id = x.refund_id WHERE x.line_id = l.id AND x.units > 0
        AND r.gone_at IS NULL) ELSE 0 END,
    CASE WHEN l.refunded > 0 THEN (SELECT coalesce(sum(x.tax), 0)
      FROM canonical_refundline x JOIN canonical_refund r ON r.id = x.refund_id WHERE x.line_id = l.id AND x.units > 0
        AND r.gone_at IS NULL) ELSE 0 END,
    l.subtotal, l.total, l.taxes::text
  FROM canonical_orderline l LEFT JOIN canonical_sku k ON k.id = l.sku_id WHERE l.order_id = ANY(%s) ORDER BY l.id"""
_CHARGES = """SELECT order_id, id, external_id, kind, code, title, total, taxes::text FROM canonical_charge
  WHERE order_id = ANY(%s) ORDER BY id"""
_HOLDS = """SELECT order_id, id, line_id, reason, detail, lifted_at IS NULL,
    CASE WHEN lifted_at IS NULL THEN placed_by ELSE lifted_by END, blocks, words FROM canonical_hold
  WHERE order_id = ANY(%s) ORDER BY id"""
_REQUESTS = """SELECT r.order_id, r.id, r.reference, r.location_id, p.code, r.system_id, r.answer, r.execution, r.reason,
    r.short_reason, r.requested_at, r.purpose, r.attempt, r.held, r.ship_to_id, l.line_id, l.units, l.short, l.shipped
  FROM canonical_fulfilmentrequest r JOIN canonical_location p ON p.id = r.location_id
  JOIN canonical_requestline l ON l.request_id = r.id WHERE r.order_id = ANY(%s) ORDER BY r.id, l.line_id"""
#: A cancellation a warehouse refused is taken back when the shop wants the order again: entries of one order are written under its lock,
#: so their ids say what came after it was asked, whatever the clocks say.
_CHANGES = f"""SELECT c.request_id, c.id, c.number, c.kind, c.answer, c.reason, c.lines, c.ship_to_id, c.asked_at,
    CASE WHEN c.kind = 'cancel' AND c.answer IN ('rejected', 'moot') THEN EXISTS (SELECT 1 FROM canonical_entry e
      JOIN canonical_entry a ON a.subject_kind = 'request_change' AND a.subject_id = c.id AND a.version = 1
      WHERE e.order_id = c.order_id AND e.subject_kind = 'order' AND e.id > a.id AND e.state ->> 'gone_at' IS NULL
        AND e.state ->> 'shop_status' NOT IN ({", ".join(f"'{status}'" for status in sorted(STOPPED))})) ELSE false END
  FROM canonical_requestchange c WHERE c.order_id = ANY(%s) ORDER BY c.request_id, c.number"""
_SHIPMENTS = """SELECT s.order_id, s.id, s.external_id, r.location_id, r.id, s.carrier, s.shipped_at, s.ledger_version - 1,
    greatest(s.carrier_at, (SELECT max(tracked_at) FROM canonical_package WHERE shipment_id = s.id)), p.tracking, p.tracking_url,
    p.unknown::text, array(SELECT l.line_id FROM canonical_packageline l WHERE l.package_id = p.id ORDER BY l.line_id),
    array(SELECT l.units FROM canonical_packageline l WHERE l.package_id = p.id ORDER BY l.line_id)
  FROM canonical_shipment s JOIN canonical_fulfilmentrequest r ON r.id = s.request_id
  LEFT JOIN canonical_package p ON p.shipment_id = s.id WHERE s.order_id = ANY(%s) ORDER BY s.id, p.position"""
_BOOKINGS = """SELECT order_id, id, system_id, attempt, reference, ended_at IS NOT NULL FROM canonical_booking
  WHERE order_id = ANY(%s) ORDER BY attempt"""
_POSTINGS = """SELECT order_id, system_id, kind, subject_id, state, amount, occurred_at FROM canonical_posting
  WHERE order_id = ANY(%s)"""
_PLANNED = """SELECT order_id, system_id, purpose, state, state IN ('waiting', 'parked') AND NOT doubtful,
    CASE WHEN order_id = ANY(%s) AND kind = ANY(%s) THEN payload::text END
  FROM sync_command WHERE order_id = ANY(%s) ORDER BY id"""
#: What is planned to take the news over must not leave without it meanwhile: senders skip locked rows.
_KEPT = """SELECT 1 FROM sync_command WHERE order_id = ANY(%s) AND kind = ANY(%s) AND state IN ('waiting', 'parked')
  ORDER BY id FOR UPDATE"""
_SOURCES = """SELECT g.channel_id, g.sku_id, p.id, p.code, p.executor_id, g.rank, p.timezone, p.working_days, p.cut_off
  FROM canonical_sourcing g JOIN canonical_location p ON p.id = g.location_id
  WHERE p.active AND g.channel_id = ANY(%s) AND (g.sku_id IS NULL OR g.sku_id = ANY(%s)) ORDER BY g.rank, g.id"""
_CONFIG = """SELECT 'mapping', m.kind, m.channel_id, m.key, m.value FROM canonical_mapping m
    WHERE m.kind <> 'sku' AND (m.channel_id IS NULL OR m.channel_id = ANY(%(channels)s))
  UNION ALL SELECT 'policy', '', channel_id, '', jsonb_build_array(on_short, on_amendment_refused, erp_acceptance, erp_minutes, guests,
      split, tolerance::text) FROM canonical_shoppolicy WHERE channel_id = ANY(%(channels)s)
  UNION ALL SELECT 'limits', name, id, '', limits FROM canonical_system WHERE limits <> '{}'"""

#: What waits for the ERP's confirmation: an edit, a moment, a warehouse that may not know before, a hold, a parcel to be booked out. Not
#: EXISTS: on a young table it is planned as a scan of all of it.
_AWAITED = """SELECT o.id FROM canonical_order o LEFT JOIN canonical_shoppolicy p ON p.channel_id = o.channel_id
  WHERE o.id = ANY(%s) AND (o.restated_at IS NOT NULL OR o.gone_at IS NOT NULL OR o.look_at IS NOT NULL OR p.erp_acceptance <> 'no'
    OR (SELECT true FROM canonical_hold h WHERE h.order_id = o.id AND h.lifted_at IS NULL LIMIT 1)
    OR (SELECT true FROM canonical_shipment s WHERE s.order_id = o.id LIMIT 1))"""

#: Commands whose content an edit of the order may contradict.
_CONTENT = ("CreateOrder", "AmendOrder", "RequestFulfilment", "ChangeRequest")


def stirring(entries: Sequence[Written]) -> list[Written]:
    """Entries without confirmations of the ERP that nothing waits for: nearly all of them, and their orders would be gathered and planned
    with everything done."""
    confirmed = {e.order_id for e in entries if _is_confirmation(e)}
    if not confirmed:
        return list(entries)
    awaited = {id for (id,) in sql.fetch(_AWAITED, (sorted(confirmed),))}
    return [e for e in entries if not _is_confirmation(e) or e.order_id in awaited]


def _is_confirmation(entry: Written) -> bool:
    return (entry.subject_kind, entry.event) == ("posting", "sales_order confirmed") and entry.order_id is not None


def gather(entries: Sequence[Written]) -> list[OrderView]:
    """The orders these entries are about, oldest first; in a fixed number of queries."""
    causes = {e.order_id: e.cause for e in entries if e.order_id}
    ids = sorted(causes)
    if not ids:
        return []
    rows = sql.fetch(_ORDERS, (ids,))
    config = _config({row[1] for row in rows})
    orders = {id: _order(id, causes[id], rest, config) for id, *rest in rows}
    _add_lines(orders, ids)
    for id, *charge, taxes in sql.fetch(_CHARGES, (ids,)):
        orders[id].charges.append(ChargeView(*charge, _taxes.decode(taxes)))
    for id, *hold in sql.fetch(_HOLDS, (ids,)):
        orders[id].holds.append(HoldView(*hold))
    _add_requests(orders, ids)
    _add_shipments(orders, ids)
    for id, *booking in sql.fetch(_BOOKINGS, (ids,)):
        orders[id].bookings.append(BookingView(*booking))
    for id, system, kind, subject, *posting in sql.fetch(_POSTINGS, (ids,)):
        orders[id].postings[system, kind, subject] = PostingView(*posting)
    _add_planned(orders, ids)
    shelves.add(orders.values())
    return list(orders.values())


def _config(channels: set[int]) -> Config:
    """What people set up for these shops. A value as JSON text: how the driver hands over jsonb."""
    mappings: dict[int, list[tuple[str, int | None, str, Any]]] = {channel: [] for channel in channels}
    config = Config({}, {}, {})
    for sort, name, owner, key, text in sql.fetch(_CONFIG, {"channels": sorted(channels)}):
        value = json.loads(text)
        if sort == "mapping":
            for channel in channels if owner is None else (owner,):
                mappings[channel].append((name, owner, key, value))
        elif sort == "policy":
            *chosen, tolerance = value
            config.policies[owner] = Policy(*chosen, Decimal(tolerance))
        else:
            config.limits[owner] = name, _limits(value)
    config.tables.update({channel: Tables(rows) for channel, rows in mappings.items()})
    return config


def _limits(value: Any) -> Limits:
    """Limits nobody can read limit nothing; the form that stores them checks them."""
    try:
        return msgspec.convert(value, Limits)
    except msgspec.ValidationError:
        return Limits()


def _add_planned(orders: dict[int, OrderView], ids: Sequence[int]) -> None:
    """What was put out. Of an order about which something new was said, what has not left is wanted anew (and takes the news over), and
    what has left is shown with its content, to be compared."""
    anew = [o.id for o in orders.values() if o.restated_at]
    if anew:
        sql.fetch(_KEPT, (anew, list(_CONTENT)))
    for id, system, purpose, state, unsent, payload in sql.fetch(_PLANNED, (anew, list(_CONTENT), ids)):
        if payload is None or not unsent:
            orders[id].planned[system, purpose] = state
        if payload is not None and not unsent and state != "superseded":
            orders[id].told[system, purpose] = msgspec.json.decode(payload)


def _order(id: int, cause: Cause, row: list[Any], config: Config) -> OrderView:
    (
        *head,
        refunds,
        meta,
        customer_id,
        registered,
        vat,
        terms,
        billing_id,
        billing,
        shipping_id,
        shipping,
        note,
        email,
    ) = row
    return OrderView(
        id, cause, *head, _refunds(refunds), json.loads(meta), customer_id, registered, vat, terms, billing_id, _addresses.decode(billing),
        shipping_id, _addresses.decode(shipping), note, email, config.tables[head[0]],
        config.policies.get(head[0], Policy()), config.limits,
    )  # fmt: skip


def _refunds(text: str | None) -> list[RefundView]:
    found = json.loads(text) if text else []
    return [RefundView(datetime.fromisoformat(at), {int(line): n for line, n in units.items()}) for at, units in found]


def _add_lines(orders: dict[int, OrderView], ids: Sequence[int]) -> None:
    rows = sql.fetch(_LINES, (ids,))
    sources = _sources({o.channel_id for o in orders.values()}, {row[3] for row in rows if row[3]})
    for id, *line, given_up, net, tax, subtotal, total, taxes in rows:
        order, sku = orders[id], line[2]
        places = sources.get((order.channel_id, sku)) or sources.get((order.channel_id, None), [])
        order.lines.append(
            LineView(*line, json.loads(given_up or "{}"), (net, tax), subtotal, total, _taxes.decode(taxes), places)
        )


def _sources(channels: Iterable[int], skus: Iterable[int]) -> dict[tuple[int, int | None], list[SourceView]]:
    found: dict[tuple[int, int | None], list[SourceView]] = defaultdict(list)
    for channel, sku, *place, rank, zone, days, cut_off in sql.fetch(_SOURCES, (sorted(channels), sorted(skus))):
        found[channel, sku].append(SourceView(Place(*place), rank, Calendar(_zone(zone), days, cut_off)))
    return dict(found)


def _zone(name: str) -> tzinfo:
    """A time zone nobody knows counts as UTC; the form that stores it checks it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _add_requests(orders: dict[int, OrderView], ids: Sequence[int]) -> None:
    rows = sql.fetch(_REQUESTS, (ids,))
    changes = _changes(ids) if rows else {}
    for id, request, reference, at_id, at_code, system, *rest, line, units, short, shipped in rows:
        requests = orders[id].requests
        if not requests or requests[-1].id != request:
            place = Place(at_id, at_code, system)
            requests.append(RequestView(request, reference, place, *rest, tuple(changes.get(request, ())), {}, {}, {}))
        requests[-1].units[line] = units
        requests[-1].short[line] = short
        requests[-1].shipped[line] = shipped


def _changes(ids: Sequence[int]) -> dict[int, list[ChangeView]]:
    """Request id → what was asked of its warehouse."""
    found: dict[int, list[ChangeView]] = defaultdict(list)
    for request, id, number, kind, answer, reason, lines, ship_to, at, withdrawn in sql.fetch(_CHANGES, (ids,)):
        units = {int(line): n for line, n in json.loads(lines).items()}
        found[request].append(ChangeView(id, number, kind, answer, reason, units, ship_to, at, withdrawn))
    return found


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
