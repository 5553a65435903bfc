"""Everything everybody has at one moment of a life, under names that mean the same in any other life of its seed.

Our own ids are none of it: a transaction that was taken back uses some up. Requests are called by their order's number, warehouse and
attempt, lines by the shop's id, and of the digests that make a hold's cause only that there is one (they hold our ids of the lines).
Clocks and ids of the targets are left out as well, how often something was tried, and reads: what made us look again is no state.

How often the ERP was told anew is left out too: an order that changes (a warehouse is short) before the ERP heard of it is created as it
is then; later, it is created and amended. What the ERP holds in the end is compared, without the lines and deliveries of nothing that an
amendment leaves behind.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.faults.unclean import Life
from tests.world import rows

Whole = dict[str, list[Any]]


def whole(life: Life) -> Whole:
    """What we, the shop, the ERP and the warehouses hold."""
    named = _names()
    found = {name: [tuple(map(named, row)) for row in rows(query)] for name, query in _OURS.items()}
    found |= {
        "shop": [_sold(life, order, named) for order in life.s.shop.orders.values()],
        "erp": [_booked(order, named) for order in life.s.erp.state()["orders"]],
        "erp's contacts": [life.s.erp.state()["contacts"]],
        **{code: [_worked(work, named) for work in w._works.values()] for code, w in life.s.warehouses.items()},
    }
    return {name: sorted(parts, key=repr) for name, parts in found.items()}


def differences(one: Whole, other: Whole) -> list[str]:
    """What only one of them has."""
    return [
        f"{name}: {mark} {part}"
        for name in one
        for mark, mine, theirs in (("-", one[name], other[name]), ("+", other[name], one[name]))
        for part in mine
        if part not in theirs or mine.count(part) > theirs.count(part)
    ]


# ---- ours -------------------------------------------------------------------------------------------------------------------
#: A request by names that mean the same in every life.
_REQUEST = "(SELECT o.number || '@' || p.code || ' ' || r.purpose || ' ' || r.attempt FROM canonical_location p WHERE p.id = r.location_id)"
_CASE_ORDER = "(SELECT number FROM canonical_order o WHERE o.id = c.order_id)"

_OURS = {
    "orders": """SELECT o.number, o.stage, o.shop_status, o.shop_status_text, o.released_at IS NOT NULL, o.gone_at IS NOT NULL,
        o.total, o.total_tax, o.currency, o.note, o.payment_method, c.email, b.content::text, d.content::text, o.look_at IS NOT NULL
      FROM canonical_order o JOIN canonical_customer c ON c.id = o.customer_id JOIN canonical_address b ON b.id = o.billing_id
      JOIN canonical_address d ON d.id = o.shipping_id""",
    "lines": """SELECT o.number, l.external_id, l.sku_text, l.requires_shipping, l.ordered, l.cancelled, l.routed, l.allocated, l.picked,
        l.shipped, l.refunded, l.refunded_amount, l.abandoned, l.subtotal, l.total, l.taxes::text
      FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id""",
    "given up": """SELECT o.number, l.external_id, a.units, a.why, a.by, a.refunded FROM canonical_abandonment a
      JOIN canonical_orderline l ON l.id = a.line_id JOIN canonical_order o ON o.id = l.order_id""",
    "charges": """SELECT o.number, g.kind, g.external_id, g.code, g.title, g.total, g.taxes::text
      FROM canonical_charge g JOIN canonical_order o ON o.id = g.order_id""",
    "payments": """SELECT o.number, p.kind, p.tender, p.method, p.transaction_id, p.amount
      FROM canonical_payment p JOIN canonical_order o ON o.id = p.order_id""",
    "refunds": """SELECT o.number, r.external_id, r.amount, r.reason, r.gone_at IS NOT NULL,
        (SELECT jsonb_agg(jsonb_build_array(l.external_id, x.units, x.total, x.tax) ORDER BY l.external_id)::text
         FROM canonical_refundline x JOIN canonical_orderline l ON l.id = x.line_id WHERE x.refund_id = r.id)
      FROM canonical_refund r JOIN canonical_order o ON o.id = r.order_id""",
    "requests": f"""SELECT {_REQUEST}, r.answer, r.execution, r.reason, r.short_reason, r.held,
        (SELECT content::text FROM canonical_address a WHERE a.id = r.ship_to_id),
        (SELECT jsonb_agg(jsonb_build_array(l.external_id, x.units, x.short, x.shipped) ORDER BY l.external_id)::text
         FROM canonical_requestline x JOIN canonical_orderline l ON l.id = x.line_id WHERE x.request_id = r.id)
      FROM canonical_fulfilmentrequest r JOIN canonical_order o ON o.id = r.order_id""",
    "changes": f"""SELECT {_REQUEST}, c.number, c.kind, c.answer, c.reason,
        (SELECT jsonb_agg(jsonb_build_array(l.external_id, x.value::text) ORDER BY l.external_id)::text
         FROM jsonb_each(c.lines) x JOIN canonical_orderline l ON l.id = x.key::bigint)
      FROM canonical_requestchange c JOIN canonical_fulfilmentrequest r ON r.id = c.request_id
      JOIN canonical_order o ON o.id = r.order_id""",
    "shipments": f"""SELECT {_REQUEST}, s.external_id, s.carrier, s.service,
        (SELECT jsonb_agg(jsonb_build_array(g.tracking, l.external_id, x.units) ORDER BY g.position, l.external_id)::text
         FROM canonical_package g JOIN canonical_packageline x ON x.package_id = g.id
         JOIN canonical_orderline l ON l.id = x.line_id WHERE g.shipment_id = s.id)
      FROM canonical_shipment s JOIN canonical_fulfilmentrequest r ON r.id = s.request_id
      JOIN canonical_order o ON o.id = r.order_id""",
    "bookings": """SELECT o.number, s.slug, b.attempt, b.reference, b.ended_at IS NOT NULL
      FROM canonical_booking b JOIN canonical_order o ON o.id = b.order_id JOIN canonical_system s ON s.id = b.system_id""",
    "postings": """SELECT o.number, s.slug, p.kind, p.state
      FROM canonical_posting p JOIN canonical_order o ON o.id = p.order_id JOIN canonical_system s ON s.id = p.system_id
      WHERE p.kind NOT IN ('amendment', 'rounding')""",
    "holds": """SELECT o.number, l.external_id, h.reason, h.detail, h.words, h.blocks, h.quiet, h.lifted_by
      FROM canonical_hold h JOIN canonical_order o ON o.id = h.order_id LEFT JOIN canonical_orderline l ON l.id = h.line_id
      WHERE h.lifted_at IS NULL OR h.lifted_by <> ''""",
    "exceptions": f"""SELECT {_CASE_ORDER}, c.reason, c.target_kind FROM sync_case c WHERE c.closed_at IS NULL""",
    "commands": """SELECT s.slug, c.kind, o.number, c.state FROM sync_command c JOIN canonical_system s ON s.id = c.system_id
      JOIN canonical_order o ON o.id = c.order_id
      WHERE c.kind NOT IN ('Refresh', 'AmendOrder', 'AddRounding')""",
    "customers": "SELECT email, name FROM canonical_customer",
    "links": "SELECT s.slug, k.entity, count(*) FROM canonical_link k JOIN canonical_system s ON s.id = k.system_id GROUP BY 1, 2",
}  # fmt: skip


def _names() -> Callable[[Any], Any]:
    """Puts requests' names in place of our references, wherever they are written."""
    known = dict(rows(_NAMES))

    def named(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return _DIGEST.sub("…", _REFERENCE.sub(lambda found: f"<{known.get(found[0], found[0])}>", value))

    return named


_NAMES = (
    f"SELECT r.reference, {_REQUEST} FROM canonical_fulfilmentrequest r JOIN canonical_order o ON o.id = r.order_id"
)
_REFERENCE = re.compile(r"F\d+-\d+")
_DIGEST = re.compile(r"\b[0-9a-f]{12}\b")


# ---- theirs -----------------------------------------------------------------------------------------------------------------
def _sold(life: Life, order: dict[str, Any], named: Callable[[Any], Any]) -> Any:
    """An order in the shop: what its customer sees of it."""
    shown = [
        {m["key"]: m["value"] for m in f["meta_data"] if not m["key"].startswith(("_date_fulfilled", "_retailsync"))}
        for f in life.s.shop.fulfillments_of(order["id"])
        if not f["date_deleted"]
    ]
    notes = [(n["note"], n["customer_note"]) for n in life.s.shop.notes.get(order["id"], [])]
    return (
        order["number"], order["status"], order["total"], order["_sim"]["completions"],
        sorted(named(json.dumps(one, sort_keys=True)) for one in shown), sorted((named(text), told) for text, told in notes),
    )  # fmt: skip


def _booked(order: dict[str, Any], named: Callable[[Any], Any]) -> Any:
    """An order in the ERP, with what was delivered of it."""
    lines = sorted(
        (x["sku"], x["quantity"], x["price_unit"], x["delivered"], x["taxes"])
        for x in order["lines"]
        if x["quantity"] or x["delivered"]
    )
    pickings = sorted(
        (p["state"], p["type"], named(p["tracking"]), p["location"], p["ship_to"], p["city"],
         sorted((m["sku"], m["demand"], m["done"], m["state"]) for m in p["moves"]))
        for p in order["pickings"]
        if any(m["demand"] or m["done"] for m in p["moves"])
    )  # fmt: skip
    head = ("reference", "state", "locked", "amount_total", "amount_tax", "terms", "customer", "note")
    return (*(order[name] for name in head), lines, pickings)


def _worked(work: Any, named: Callable[[Any], Any]) -> Any:
    """A request in a warehouse: what it will ship, what left, and what it was asked meanwhile."""
    skus = {x["line"]: x["sku"] for x in work.lines}
    return (
        work.order_reference, named(work.reference), sorted((x["sku"], x["units"]) for x in work.lines), work.ship_to,
        [(named(d.shipment), sorted((skus.get(line, "?"), n) for line, n in d.lines.items()), d.ship_to) for d in work.left],
        {number: (c.kind, c.answer, len(c.events)) for number, c in work.changes.items()}, len(work.events),
        work.cancelled, work.held, work.waiting, work.over,
    )  # fmt: skip
