"""The only writer of Entry. After-images are taken by the database from the subject's own row, so they cannot disagree with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from canonical import sql
from canonical.models import Entry


class Cause(NamedTuple):
    """Why something was recorded: (kind, id) of a row a floor above (message, command, action) – no foreign key upwards."""

    kind: str
    id: int


class Change(NamedTuple):
    """One subject whose row was just written, and why."""

    subject_id: int
    event: str
    cause: Cause
    occurred_at: datetime
    source_id: int | None


class Why(NamedTuple):
    """Why rows a statement is about to write come about: as in `Change`."""

    cause: Cause
    occurred_at: datetime
    source_id: int | None


class Written(NamedTuple):
    """What flows see of an entry."""

    subject_kind: str
    subject_id: int
    event: str
    order_id: int | None
    cause: Cause


class Subject(NamedTuple):
    """Where a kind of subject lives, which columns make its after-image, and how it knows its order (t = its row). `parts` are small
    rows that belong to it and have no history of their own, as SQL expressions."""

    table: str
    image: tuple[str, ...]
    order: str
    parts: Mapping[str, str] = {}

    @property
    def after_image(self) -> str:
        """The SQL expression of the after-image."""
        columns = [f"'{column}', t.{column}" for column in self.image]
        parts = [f"'{name}', ({part})" for name, part in self.parts.items()]
        return f"jsonb_build_object({', '.join(columns + parts)})"


SUBJECTS: Mapping[str, Subject] = {
    "order": Subject(
        "canonical_order",
        ("number", "reference", "stage", "shop_status", "shop_status_text", "currency", "total", "total_tax", "customer_id",
         "billing_id", "shipping_id", "released_at", "gone_at"),
        "t.id",
    ),
    "order_line": Subject(
        "canonical_orderline",
        ("external_id", "sku_id", "sku_text", "requires_shipping", "ordered", "cancelled", "routed", "allocated", "picked",
         "shipped", "refunded", "refunded_amount", "abandoned", "subtotal", "total", "taxes"),
        "t.order_id",
    ),
    "hold": Subject(
        "canonical_hold", ("reason", "detail", "line_id", "blocks", "quiet", "placed_by", "lifted_at", "lifted_by"), "t.order_id",
    ),
    "payment": Subject("canonical_payment", ("method", "kind", "amount", "currency", "paid_at"), "t.order_id"),
    "refund": Subject(
        "canonical_refund", ("source_id", "external_id", "amount", "refunded_at", "gone_at"), "t.order_id",
        {"lines": "SELECT jsonb_object_agg(l.line_id, jsonb_build_object('units', l.units, 'total', l.total, 'tax', l.tax))"
                  " FROM canonical_refundline l WHERE l.refund_id = t.id"},
    ),
    "booking": Subject("canonical_booking", ("system_id", "attempt", "reference", "raised_at", "ended_at"), "t.order_id"),
    "request_change": Subject(
        "canonical_requestchange",
        ("request_id", "number", "kind", "lines", "ship_to_id", "answer", "reason", "asked_at", "answered_at"),
        "t.order_id",
    ),
    "fulfilment_request": Subject(
        "canonical_fulfilmentrequest",
        ("reference", "location_id", "system_id", "purpose", "attempt", "answer", "execution", "held", "ship_to_id", "reason",
         "answered_at"),
        "t.order_id",
        {"lines": "SELECT jsonb_object_agg(l.line_id, jsonb_build_object('units', l.units, 'short', l.short, 'shipped', l.shipped))"
                  " FROM canonical_requestline l WHERE l.request_id = t.id"},
    ),
    "shipment": Subject(
        "canonical_shipment", ("external_id", "request_id", "system_id", "carrier", "service", "shipped_at"), "t.order_id",
        {"packages": "SELECT jsonb_agg(jsonb_build_object('tracking', p.tracking, 'units', (SELECT jsonb_object_agg(l.line_id, l.units)"
                     " FROM canonical_packageline l WHERE l.package_id = p.id)) ORDER BY p.position)"
                     " FROM canonical_package p WHERE p.shipment_id = t.id"},
    ),
    "inbound_shipment": Subject(
        "canonical_inboundshipment", ("reference", "location_id", "supplier", "expected_at", "cancelled", "state"), "NULL::bigint",
        {"lines": "SELECT jsonb_object_agg(l.sku_id, jsonb_build_object('expected', l.expected, 'received', l.received,"
                  " 'damaged', l.damaged)) FROM canonical_inboundline l WHERE l.shipment_id = t.id"},
    ),
    "return": Subject(
        "canonical_return",
        ("reference", "location_id", "order_id", "order_reference", "announced", "expected_at", "cancelled", "state"),
        "NULL::bigint",
        {"lines": "SELECT jsonb_object_agg(l.sku_id, jsonb_build_object('expected', l.expected, 'received', l.received,"
                  " 'inspected', l.inspected, 'restocked', l.restocked)) FROM canonical_returnline l WHERE l.returned_id = t.id"},
    ),
    "posting": Subject(
        "canonical_posting",
        ("system_id", "kind", "subject_kind", "subject_id", "state", "external_id", "amount"),
        "t.order_id",
    ),
    "stock_level": Subject(
        "canonical_stocklevel",
        ("sku_id", "location_id", "on_hand", "allocated", "damaged", "quality_hold", "incoming", "in_transit", "counted",
         "counted_by_id", "doubted"),
        "NULL::bigint",
    ),
    "stock_movement": Subject(
        "canonical_stockmovement",
        ("source_id", "external_id", "sku_id", "location_id", "bucket", "units", "kind", "reason", "document", "occurred_at", "applies",
         "shipment_id"),
        "NULL::bigint",
    ),
    "offer": Subject(
        "canonical_offer", ("channel_id", "sku_id", "sellable", "terms"), "NULL::bigint",
    ),
    "listing": Subject(
        "canonical_listing",
        ("channel_id", "external_id", "target", "target_backorders", "expected", "quantity", "backorders", "managed", "confirmed",
         "gone_at"),
        "NULL::bigint",
    ),
    "sku": Subject("canonical_sku", ("code", "gtin", "product_id", "requires_shipping", "active", "authority_id"), "NULL::bigint"),
}  # fmt: skip

_WHY = {"cause_kind": "text", "cause_id": "bigint", "occurred_at": "timestamptz", "source_id": "bigint"}
_COLUMNS = {"id": "bigint", "event": "text", **_WHY}
_ENTRY = "subject_kind, subject_id, version, event, state, order_id, source_id, cause_kind, cause_id, occurred_at, recorded_at"


def opened(kind: str, changes: Sequence[Change]) -> list[Written]:
    """Write version 1 of subjects just inserted (with ledger_version = 1)."""
    return _each(kind, changes, "SELECT t.*, {why} FROM {table} t JOIN {rows} ON t.id = v.id")


def changed(kind: str, changes: Sequence[Change]) -> list[Written]:
    """Write the next version of subjects just updated. Their rows must be locked by this transaction (the update does)."""
    return _each(
        kind,
        changes,
        "UPDATE {table} t SET ledger_version = t.ledger_version + 1 FROM {rows} WHERE t.id = v.id RETURNING t.*, {why}",
    )


def inserted(
    kind: str,
    columns: Mapping[str, str],
    rows: sql.Rows,
    event: str,
    by: Mapping[str, str],
    why: Mapping[tuple[Any, ...], Why],
    tail: str = "",
) -> list[Written]:
    """Insert subjects and write their entries in one statement. See `updated`; a conflict's update counts t.ledger_version up."""
    if not rows:
        return []
    statement = sql.insertion(f"{SUBJECTS[kind].table} AS t", columns, tail)
    return updated(kind, statement, sql.arrays(columns, rows), event, by, why)


def updated(
    kind: str,
    statement: str,
    params: Sequence[Any],
    event: str,
    by: Mapping[str, str],
    why: Mapping[tuple[Any, ...], Why],
) -> list[Written]:
    """Write subjects (called t in the statement, which counts their ledger_version up) and their entries in one statement: the rows
    are neither written nor read a second time.

    `event` is SQL about the written row t. `by` (column → type) are the columns by which `why` tells what made a row.
    """
    columns = {**by, **_WHY}
    match = " AND ".join(f"t.{column} = v.{column}" for column in by)
    source = (
        f"written AS ({statement} RETURNING t.*), t AS (SELECT t.*, {event} AS event, {_SAID} FROM written t"
        f" JOIN {sql.values(columns)} ON {match})"
    )
    said = [(*key, *w.cause, w.occurred_at, w.source_id) for key, w in why.items()]
    return _write(kind, source, [*params, *sql.arrays(columns, said)])


_SAID = "v.cause_kind, v.cause_id, v.occurred_at AS at, v.source_id AS src"


def _each(kind: str, changes: Sequence[Change], rows: str) -> list[Written]:
    if not changes:
        return []
    source = rows.format(table=SUBJECTS[kind].table, rows=sql.values(_COLUMNS), why=f"v.event, {_SAID}")
    unique = {change.subject_id: change for change in changes}.values()
    said = [(c.subject_id, c.event, *c.cause, c.occurred_at, c.source_id) for c in unique]
    return _write(kind, f"t AS ({source})", sql.arrays(_COLUMNS, said))


def _write(kind: str, source: str, params: Sequence[Any]) -> list[Written]:
    """Insert the entries of the rows t."""
    subject = SUBJECTS[kind]
    statement = (
        f"WITH {source} INSERT INTO canonical_entry ({_ENTRY}) "
        f"SELECT %s, t.id, t.ledger_version, t.event, {subject.after_image}, {subject.order}, t.src, t.cause_kind, "
        f"t.cause_id, t.at, clock_timestamp() FROM t ORDER BY t.id RETURNING subject_id, event, order_id, cause_kind, cause_id"
    )
    return [
        Written(kind, id, event, order, Cause(why, which))
        for id, event, order, why, which in sql.fetch(statement, [*params, kind])
    ]


def history(kind: str, subject_id: int) -> list[Entry]:
    """All versions of one subject, oldest first."""
    return list(Entry.objects.filter(subject_kind=kind, subject_id=subject_id).order_by("version"))


def as_of(kind: str, subject_id: int, instant: datetime) -> dict[str, Any] | None:
    """The subject as we knew it at that instant: the last version recorded at or before it; None if there was none."""
    entries = Entry.objects.filter(subject_kind=kind, subject_id=subject_id, recorded_at__lte=instant)
    entry = entries.order_by("-version").first()
    return entry.state if entry else None
