"""Orders become true as their shop states them: header, lines, charges, payment; with the rounding their own total contains."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from canonical import ledger, sql
from canonical.facts import OrderStated
from canonical.ledger import Cause, Change, Why
from canonical.mappings import Tables
from canonical.recording import catalog, links, listings, parties, refunds, shipto
from canonical.recording.work import Recorded, Stated, by_ref, digest, latest
from canonical.rules import money
from canonical.rules.orders import STOPPED
from canonical.types import Charge, Line

_ORDER = {
    "id": "bigint", "channel_id": "bigint", "external_id": "text", "number": "text", "reference": "text", "stage": "text",
    "shop_status": "text", "shop_status_text": "text", "placed_at": "timestamptz", "currency": "text",
    "prices_include_tax": "boolean", "total": "numeric", "total_tax": "numeric", "customer_id": "bigint", "billing_id": "bigint",
    "shipping_id": "bigint", "coupons": "jsonb", "note": "text", "meta": "jsonb", "payment_method": "text", "payment_title": "text",
    "restated_at": "timestamptz", "gone_at": "timestamptz", "ledger_version": "integer",
}  # fmt: skip
_RESTATED = tuple(
    c for c in _ORDER if c not in {"id", "channel_id", "external_id", "reference", "stage", "ledger_version"}
)
_LINE = {
    "order_id": "bigint", "external_id": "text", "sku_id": "bigint", "sku_text": "text", "variant_ref": "text", "name": "text",
    "requires_shipping": "boolean", "ordered": "integer", "reduced": "integer", "subtotal": "numeric", "total": "numeric",
    "taxes": "jsonb", "ledger_version": "integer",
}  # fmt: skip
_CHARGE = {
    "order_id": "bigint", "kind": "text", "external_id": "text", "code": "text", "title": "text", "total": "numeric", "taxes": "jsonb",
}  # fmt: skip
_PAYMENT = {
    "order_id": "bigint", "source_id": "bigint", "kind": "text", "tender": "text", "method": "text", "transaction_id": "text",
    "amount": "numeric", "currency": "text", "paid_at": "timestamptz", "ledger_version": "integer",
}  # fmt: skip


class _Order(NamedTuple):
    """One snapshot to apply: our id, whether the order is new, and the fact with its cause and digest. `since`: what it says anew
    happened after this, by the shop's clock."""

    id: int
    new: bool
    cause: Cause
    fact: OrderStated
    digest: bytes
    since: datetime


class _Sku(NamedTuple):
    id: int
    requires_shipping: bool


def record(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply OrderStated facts of one channel; returns our ids of the orders that changed."""
    orders, seen = _winners(source, stated, recorded)
    _header(source, orders, recorded)
    _remember(source, orders, recorded)
    grown = _lines(source, orders, recorded)
    _charges(orders)
    _payments(source, orders, recorded)
    refunds.mentioned(source, {o.id: Stated(o.cause, o.fact) for o in (*orders, *seen)}, grown, recorded)
    recorded.born.update(o.id for o in orders if o.new)
    recorded.recount.update(o.id for o in orders if not o.new or o.fact.status in STOPPED)
    return [o.id for o in orders]


def _winners(source: int, stated: Sequence[Stated], recorded: Recorded) -> tuple[list[_Order], list[_Order]]:
    """The snapshots to apply, and those that are newer and say nothing else than what was applied."""
    groups = by_ref(stated)
    known = links.known(source, "order", groups)
    digests = {id(s.fact): digest(s.fact) for s in stated}
    fresh = iter(sql.new_ids("canonical_order", sum(ref not in known for ref in groups)))
    orders: list[_Order] = []
    seen: list[_Order] = []
    for ref, items in groups.items():
        before = known.get(ref)
        winner, ask = latest(before, items, digests)
        if ask:
            recorded.ask(source, "order", ref, items[0].cause)
        if winner is None:
            continue
        mark = digests[id(winner.fact)]
        since = datetime.fromtimestamp(before.version, UTC) if before else winner.fact.placed_at
        group = seen if before and before.digest == mark else orders
        our_id = before.our_id if before else next(fresh)
        group.append(_Order(our_id, before is None, winner.cause, winner.fact, mark, since))
    _remember(source, seen, recorded)
    return orders, seen


def _remember(source: int, orders: Sequence[_Order], recorded: Recorded) -> None:
    links.remember(
        [(source, "order", o.fact.ref, o.id, o.fact.version, o.fact.read_at, o.digest) for o in orders], recorded
    )


def _header(source: int, orders: Sequence[_Order], recorded: Recorded) -> None:
    prefix, alone = sql.fetch(
        "SELECT s.prefix, coalesce(p.guests = 'per_order', false) FROM canonical_system s"
        " LEFT JOIN canonical_shoppolicy p ON p.channel_id = s.id WHERE s.id = %s",
        (source,),
    )[0]
    buyer = {o.id: parties.buyer(source, o.fact, guests_alone=alone) for o in orders}
    buyers = parties.customers(source, buyer.values(), recorded)
    customer = {id: buyers[who] for id, who in buyer.items()}
    places = parties.addresses(
        (customer[o.id], address) for o in orders for address in (o.fact.billing, o.fact.shipping)
    )
    words = _statuses(source, {o.fact.status_text for o in orders if o.fact.status == "unknown"})
    rows = {o.id: _row(source, prefix, o, customer[o.id], places, words) for o in orders}
    fresh = [o for o in orders if o.new]
    known = [o for o in orders if not o.new]
    recorded.entries += ledger.inserted(
        "order",
        _ORDER,
        [tuple(rows[o.id].values()) for o in fresh],
        "'received'",
        {"id": "bigint"},
        _why(source, fresh),
    )
    sql.fetch("SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted(o.id for o in known),))
    for id, address in shipto.stated({o.id: rows[o.id]["shipping_id"] for o in known}).items():
        rows[id]["shipping_id"] = address
    sql.update(
        "canonical_order",
        {c: _ORDER[c] for c in ("id", *_RESTATED)},
        [(o.id, *(rows[o.id][c] for c in _RESTATED)) for o in known],
    )
    recorded.appeared.update(refunds.waiting_key(source, o.fact.ref) for o in fresh)
    recorded.entries += ledger.changed("order", [_change(source, o, "restated") for o in known])


def _statuses(source: int, texts: set[str]) -> dict[str, str]:
    """A shop's own status words that people mapped to ours."""
    if not texts:
        return {}
    rows = sql.fetch(
        "SELECT kind, channel_id, key, value FROM canonical_mapping WHERE kind = 'shop_status' AND coalesce(channel_id, %s) = %s",
        (source, source),
    )
    tables = Tables((kind, channel, key, json.loads(value)) for kind, channel, key, value in rows)
    return {text: known.status for text in texts if (known := tables.status(text))}


def _change(source: int, order: _Order, event: str, subject_id: int | None = None) -> Change:
    return Change(subject_id or order.id, event, order.cause, order.fact.occurred_at, source)


def _why(source: int, orders: Sequence[_Order]) -> dict[tuple[int], Why]:
    """By our ids of the orders."""
    return {(o.id,): Why(o.cause, o.fact.occurred_at, source) for o in orders}


#: The event of rows an order's statement brings: SQL about the row t.
_STATED = "CASE WHEN t.ledger_version = 1 THEN 'stated' ELSE 'restated' END"


def _row(
    source: int,
    prefix: str,
    order: _Order,
    customer: int,
    places: Mapping[tuple[int, bytes], int],
    words: Mapping[str, str],
) -> dict[str, Any]:
    fact = order.fact
    return {
        "id": order.id, "channel_id": source, "external_id": fact.ref, "number": fact.number,
        "reference": prefix + fact.number, "stage": "received",
        "shop_status": words.get(fact.status_text, fact.status) if fact.status == "unknown" else fact.status,
        "shop_status_text": fact.status_text, "placed_at": fact.placed_at, "currency": fact.currency,
        "prices_include_tax": fact.prices_include_tax, "total": fact.total, "total_tax": fact.total_tax,
        "customer_id": customer, "billing_id": places[customer, parties.address_digest(fact.billing)],
        "shipping_id": places[customer, parties.address_digest(fact.shipping)],
        "coupons": _json(fact.coupons), "note": fact.note, "meta": _json({m.key: m.value for m in fact.meta}),
        "payment_method": fact.payment.method, "payment_title": fact.payment.title,
        "restated_at": None if order.new else fact.occurred_at, "gone_at": None, "ledger_version": 1,
    }  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _lines(source: int, orders: Sequence[_Order], recorded: Recorded) -> set[int]:
    """Write the lines; returns the orders known before that have new ones."""
    skus = _skus(source, orders)
    rows = sorted(
        (_line_row(o.id, line, skus.get((o.id, line.ref))) for o in orders for line in o.fact.lines),
        key=lambda row: row[:2],
    )
    _reductions(source, orders, skus)
    entries = ledger.inserted(
        "order_line", _LINE, rows, _STATED, {"order_id": "bigint"}, _why(source, orders),
        """ON CONFLICT (order_id, external_id) DO UPDATE SET sku_id = excluded.sku_id, sku_text = excluded.sku_text,
             variant_ref = excluded.variant_ref, name = excluded.name, requires_shipping = excluded.requires_shipping,
             ordered = excluded.ordered, reduced = excluded.reduced, subtotal = excluded.subtotal, total = excluded.total,
             taxes = excluded.taxes, ledger_version = t.ledger_version + 1
           WHERE (t.sku_id, t.sku_text, t.ordered, t.reduced, t.subtotal, t.total, t.taxes, t.name, t.requires_shipping)
             IS DISTINCT FROM (excluded.sku_id, excluded.sku_text, excluded.ordered, excluded.reduced, excluded.subtotal, excluded.total,
                  excluded.taxes, excluded.name, excluded.requires_shipping)""",
    )  # fmt: skip
    catalog.explode([e.subject_id for e in entries if e.event == "stated"])
    recorded.entries += entries
    _dropped_lines(source, [o for o in orders if not o.new], recorded)
    known = {o.id for o in orders if not o.new}
    return {e.order_id for e in entries if e.event == "stated" and e.order_id in known}


def _reductions(source: int, orders: Sequence[_Order], skus: Mapping[tuple[int, str], _Sku]) -> None:
    """What the shop took off its own stock for these orders' lines, or gave back, since it spoke of them last."""
    query = "SELECT order_id, external_id, sku_id, reduced FROM canonical_orderline WHERE order_id = ANY(%s) AND reduced <> 0"
    known = [o.id for o in orders if not o.new]
    before = {(order, ref): (sku, n) for order, ref, sku, n in (sql.fetch(query, (known,)) if known else ())}
    moves: list[tuple[listings.Reduction, Cause]] = []
    for o in orders:
        now = {
            (o.id, x.ref): (sku.id, x.reduced) for x in o.fact.lines if x.reduced and (sku := skus.get((o.id, x.ref)))
        }
        for key in {*now, *(key for key in before if key[0] == o.id)}:
            sku, taken = now.get(key, before.get(key, (0, 0)))
            taken = taken if key in now else 0
            if sku and (more := taken - before.get(key, (0, 0))[1]):
                moves.append(((sku, source, more, o.since, o.fact.occurred_at), o.cause))
    if moves:
        listings.sold(moves)


def _dropped_lines(source: int, orders: Sequence[_Order], recorded: Recorded) -> None:
    """A line the shop no longer states is kept with nothing ordered: units may already have been routed or shipped."""
    stated = sorted((o.id, line.ref) for o in orders for line in o.fact.lines)
    owner = {o.id: o for o in orders}
    if not owner:
        return
    dropped = sql.fetch(
        """UPDATE canonical_orderline t SET ordered = 0, reduced = 0, subtotal = 0, total = 0, taxes = '[]'
           WHERE order_id = ANY(%s) AND (ordered, reduced) <> (0, 0)
             AND NOT EXISTS (SELECT 1 FROM unnest(%s::bigint[], %s::text[]) v(o, r) WHERE v.o = t.order_id AND v.r = t.external_id)
           RETURNING id, order_id""",
        (sorted(owner), [o for o, _ in stated], [r for _, r in stated]),
    )
    recorded.entries += ledger.changed("order_line", [_change(source, owner[o], "dropped", id) for id, o in dropped])


def _line_row(order_id: int, line: Line, sku: _Sku | None) -> tuple[Any, ...]:
    return (
        order_id, line.ref, sku.id if sku else None, line.sku, line.variant_ref, line.name, sku.requires_shipping if sku else True,
        line.units, line.reduced, line.subtotal, line.total, _json(line.taxes), 1,
    )  # fmt: skip


def _skus(source: int, orders: Sequence[_Order]) -> dict[tuple[int, str], _Sku]:
    """(order, line ref) → SKU: the shop's own variant id first, the code second (a code is not unique in every shop), what people say
    its text stands for last."""
    lines = [line for o in orders for line in o.fact.lines]
    found = _found(source, lines)
    if lacking := [line for line in lines if not found[line.variant_ref, line.sku]]:
        mapped = catalog.mapped(source, [line.sku for line in lacking])
        if not all(line.sku in mapped for line in lacking):
            catalog.meet(appearing=False)
            found, mapped = _found(source, lines), catalog.mapped(source, [line.sku for line in lacking])
        return _flagged(_with_mapped(orders, found, mapped))
    return _flagged({(o.id, line.ref): found[line.variant_ref, line.sku] for o in orders for line in o.fact.lines})


def _with_mapped(
    orders: Sequence[_Order], found: Mapping[tuple[str, str], int | None], mapped: Mapping[str, int]
) -> dict[tuple[int, str], int | None]:
    """A line whose text says what it said before keeps the SKU it has, whatever its word means by now: others were told of it."""
    known = [o.id for o in orders if not o.new]
    query = (
        "SELECT order_id, external_id, sku_text, variant_ref, sku_id FROM canonical_orderline"
        " WHERE order_id = ANY(%s) AND sku_id IS NOT NULL"
    )
    kept = {tuple(row): sku for *row, sku in (sql.fetch(query, (known,)) if known else ())}
    return {
        (o.id, x.ref): found[x.variant_ref, x.sku] or kept.get((o.id, x.ref, x.sku, x.variant_ref)) or mapped.get(x.sku)
        for o in orders
        for x in o.fact.lines
    }


def _flagged(found: Mapping[tuple[int, str], int | None]) -> dict[tuple[int, str], _Sku]:
    ids = sorted({id for id in found.values() if id})
    flags = dict(sql.fetch("SELECT id, requires_shipping FROM canonical_sku WHERE id = ANY(%s)", (ids,)))
    return {line: _Sku(id, flags[id]) for line, id in found.items() if id}


def _found(source: int, lines: Sequence[Line]) -> dict[tuple[str, str], int | None]:
    linked = _links(source, {line.variant_ref for line in lines})
    coded = catalog.codes([line.sku for line in lines if line.sku])
    return {(line.variant_ref, line.sku): linked.get(line.variant_ref) or coded.get(line.sku) for line in lines}


def _links(source: int, refs: set[str]) -> dict[str, int]:
    """External variant id → our SKU, read without a lock: recording an order never locks a SKU."""
    rows = sql.fetch(
        "SELECT external_id, our_id FROM canonical_link WHERE system_id = %s AND entity = 'sku' AND external_id = ANY(%s)",
        (source, sorted(refs)),
    )
    return dict(rows)


def _charges(orders: Sequence[_Order]) -> None:
    rows = sorted(
        (_charge_row(o.id, charge) for o in orders for charge in _all_charges(o.fact)), key=lambda row: row[:3]
    )
    sql.insert(
        "canonical_charge", _CHARGE, rows,
        "ON CONFLICT (order_id, kind, external_id) DO UPDATE SET code = excluded.code, title = excluded.title,"
        " total = excluded.total, taxes = excluded.taxes",
    )  # fmt: skip
    known = [o.id for o in orders if not o.new]
    sql.fetch(
        """DELETE FROM canonical_charge c WHERE order_id = ANY(%s) AND NOT EXISTS (
             SELECT 1 FROM unnest(%s::bigint[], %s::text[], %s::text[]) v(o, k, r)
             WHERE v.o = c.order_id AND v.k = c.kind AND v.r = c.external_id)""",
        (known, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]),
    )


def _all_charges(fact: OrderStated) -> list[Charge]:
    """The stated charges, and one for the rounding the shop's total contains (canonical model: lines + … + rounding = total)."""
    difference = money.rounding(fact.total, fact.lines, fact.charges, fact.currency)
    if not difference:
        return list(fact.charges)
    return [*fact.charges, Charge(ref="rounding", kind="rounding", title="Rounding", total=difference)]


def _charge_row(order_id: int, charge: Charge) -> tuple[Any, ...]:
    return (order_id, charge.kind, charge.ref, charge.code, charge.title, charge.total, _json(charge.taxes))


def _payments(source: int, orders: Sequence[_Order], recorded: Recorded) -> None:
    rows = sorted(row for o in orders for row in _payment_rows(source, o))
    recorded.entries += ledger.inserted(
        "payment", _PAYMENT, rows, _STATED, {"order_id": "bigint"}, _why(source, orders),
        """ON CONFLICT (order_id, source_id, kind, tender) DO UPDATE SET amount = excluded.amount, paid_at = excluded.paid_at,
             method = excluded.method, transaction_id = excluded.transaction_id, ledger_version = t.ledger_version + 1
           WHERE (t.amount, t.paid_at, t.method, t.transaction_id)
             IS DISTINCT FROM (excluded.amount, excluded.paid_at, excluded.method, excluded.transaction_id)""",
    )  # fmt: skip
    _withdrawn(source, {o.id: o for o in orders if not o.new}, rows, recorded)


def _withdrawn(source: int, owner: Mapping[int, _Order], rows: Sequence[tuple[Any, ...]], recorded: Recorded) -> None:
    """Money the shop no longer states (a gift card taken off, a reservation let go) pays nothing."""
    if not owner:
        return
    gone = sql.fetch(
        """UPDATE canonical_payment t SET amount = 0 WHERE order_id = ANY(%s) AND source_id = %s AND amount <> 0
             AND NOT EXISTS (SELECT 1 FROM unnest(%s::bigint[], %s::text[], %s::text[]) v(o, k, t2)
               WHERE v.o = t.order_id AND v.k = t.kind AND v.t2 = t.tender) RETURNING id, order_id""",
        (sorted(owner), source, [r[0] for r in rows], [r[2] for r in rows], [r[3] for r in rows]),
    )
    recorded.entries += ledger.changed("payment", [_change(source, owner[o], "withdrawn", id) for id, o in gone])


def _payment_rows(source: int, order: _Order) -> list[tuple[Any, ...]]:
    """What pays the order, as its shop states it: the tenders, and what the gateway reserved or captured of the rest."""
    fact, pay = order.fact, order.fact.payment
    due = fact.total - sum((t.amount for t in fact.tenders), Decimal(0))
    moves: list[tuple[str, str, str, Decimal, datetime]] = [
        (t.kind, t.ref, "", t.amount, fact.placed_at) for t in fact.tenders
    ]
    if pay.authorised_at:
        moves.append(("authorise", "", pay.transaction_id, due, pay.authorised_at))
    if pay.paid_at:
        captured = due if pay.captured is None else pay.captured
        moves.append(("capture", "", pay.transaction_id, captured, pay.paid_at))
    return [
        (order.id, source, kind, tender, pay.method, transaction, amount, fact.currency, at, 1)
        for kind, tender, transaction, amount, at in moves
    ]


def vanished(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """A push says a subject is gone without saying how: ask its source."""
    for cause, fact in stated:
        recorded.ask(source, fact.entity, fact.ref, cause)


def gone(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """A read found no such order: the latest snapshot of it says so, until a later one finds it again. What follows is decided by
    people (nothing here undoes an order). One we never heard of leaves nothing to remember."""
    groups = by_ref(s for s in stated if s.fact.entity == "order")
    known = links.known(source, "order", groups)
    digests = {id(s.fact): digest(s.fact) for s in stated}
    winners = {
        ref: w for ref, items in groups.items() if ref in known and (w := latest(known[ref], items, digests).winner)
    }
    links.remember(
        [
            (source, "order", ref, known[ref].our_id, s.fact.version, s.fact.read_at, digests[id(s.fact)])
            for ref, s in winners.items()
        ],
        recorded,
    )
    facts = {known[ref].our_id: s for ref, s in winners.items()}
    rows = sql.fetch(
        """UPDATE canonical_order t SET gone_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at)
           WHERE t.id = v.id AND gone_at IS NULL RETURNING t.id""",
        (sorted(facts), [facts[id].fact.occurred_at for id in sorted(facts)]),
    )
    changes = [Change(id, "gone", facts[id].cause, facts[id].fact.occurred_at, source) for (id,) in rows]
    recorded.entries += ledger.changed("order", changes)
    recorded.recount.update(id for (id,) in rows)
    return [id for (id,) in rows]


def listed(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """A sweep listed a range of orders: what we know there and was not listed, or was listed with another status or total, is read
    again; so is an order never heard of that is younger than the first one we know. A listing changes nothing by itself."""
    for cause, fact in stated:
        rows = sql.fetch(_LISTED, {
            "source": source, "first": fact.first, "last": fact.last, "refs": [x.ref for x in fact.listed],
            "texts": [x.status_text for x in fact.listed], "totals": [x.total for x in fact.listed],
        })  # fmt: skip
        for (ref,) in rows:
            recorded.ask(source, "order", ref, cause)


_LISTED = """WITH said AS (SELECT * FROM unnest(%(refs)s::text[], %(texts)s::text[], %(totals)s::numeric[]) v(ref, text, total)),
  ours AS (SELECT o.external_id AS ref, o.shop_status_text AS text, o.gone_at,
      o.total - coalesce((SELECT sum(p.amount) FROM canonical_payment p WHERE p.order_id = o.id
                          AND p.kind IN ('gift_card', 'store_credit')), 0) AS total
    FROM canonical_order o WHERE o.channel_id = %(source)s AND o.external_id ~ '^[0-9]{1,18}$'
      AND o.external_id::bigint BETWEEN %(first)s AND %(last)s),
  oldest AS (SELECT min(external_id::bigint) AS id FROM canonical_order
    WHERE channel_id = %(source)s AND external_id ~ '^[0-9]{1,18}$')
  SELECT o.ref FROM ours o LEFT JOIN said s ON s.ref = o.ref
    WHERE (s.ref IS NULL AND o.gone_at IS NULL) OR (s.ref IS NOT NULL AND (o.gone_at IS NOT NULL OR s.text <> o.text
      OR (s.total IS NOT NULL AND s.total <> o.total)))
  UNION SELECT s.ref FROM said s, oldest WHERE s.ref ~ '^[0-9]{1,18}$' AND s.ref::bigint > oldest.id
    AND NOT EXISTS (SELECT 1 FROM ours o WHERE o.ref = s.ref)"""
