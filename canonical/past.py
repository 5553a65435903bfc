"""What rows were like at an instant, as we knew them then: read from the ledger, for many subjects at once.

The newest version recorded by an instant is looked for by halving: versions of a subject are 1..n, recorded in that order, so that a
subject with a hundred thousand versions costs seventeen look-ups more than one with a single version. What an order consists of has few
versions and many subjects: there, walking back from the newest is quicker.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from canonical import sql

RECENT = 2_000  # lines per SKU among which those open at a past instant are looked for, besides those open still
_COUNTS = (
    "on_hold",
    "processing",
    "completed",
)  # shop statuses in which the shop has taken its units off (sellable.DEMAND)


class Version(msgspec.Struct, frozen=True):
    """One entry of the ledger: the subject as it was after an event, who said so (`source`), and because of which row (`cause`)."""

    id: int
    subject: int
    version: int
    event: str
    source: int | None
    cause_kind: str
    cause_id: int
    occurred_at: datetime
    recorded_at: datetime
    state: dict[str, Any]


_VERSION = "e.id, e.subject_id, e.version, e.event, e.source_id, e.cause_kind, e.cause_id, e.occurred_at, e.recorded_at, e.state"
_HALVED = """WITH RECURSIVE search(subject, low, high) AS (
    SELECT s.id, 0, (SELECT max(e.version) FROM canonical_entry e WHERE e.subject_kind = %(kind)s AND e.subject_id = s.id)
      FROM unnest(%(ids)s::bigint[]) s(id)
    UNION ALL
    SELECT s.subject, CASE WHEN e.recorded_at <= %(at)s THEN e.version ELSE s.low END,
        CASE WHEN e.recorded_at <= %(at)s THEN s.high ELSE e.version - 1 END
      FROM search s JOIN canonical_entry e ON e.subject_kind = %(kind)s AND e.subject_id = s.subject
        AND e.version = (s.low + s.high + 1) / 2 WHERE s.low < s.high)"""
_AS_OF = f"""{_HALVED} SELECT {_VERSION} FROM search s JOIN canonical_entry e
  ON e.subject_kind = %(kind)s AND e.subject_id = s.subject AND e.version = s.low WHERE s.low = s.high"""
_FEW = frozenset({"order", "fulfilment_request"})  # kinds of subjects with few versions
_WALK = """unnest(%(ids)s::bigint[]) s(id) CROSS JOIN LATERAL (SELECT * FROM canonical_entry e
  WHERE e.subject_kind = %(kind)s AND e.subject_id = s.id AND e.recorded_at <= %(at)s ORDER BY e.version DESC LIMIT 1) e"""
_WALKED = f"SELECT {_VERSION} FROM {_WALK}"


def as_of(kind: str, ids: Iterable[int], at: datetime) -> dict[int, Version]:
    """Each subject as we knew it at that instant; those we knew nothing of are left out."""
    wanted = sorted(set(ids))
    statement = _WALKED if kind in _FEW else _AS_OF
    rows = sql.fetch(statement, {"kind": kind, "ids": wanted, "at": at}) if wanted else []
    return {version.subject: version for version in _versions(rows)}


def before(kind: str, last: Iterable[Version], count: int) -> dict[int, list[Version]]:
    """These versions and those just before them, the newest first; by subject."""
    given = [(v.subject, v.version) for v in last]
    rows = sql.fetch(
        f"""SELECT {_VERSION} FROM unnest(%s::bigint[], %s::integer[]) v(subject, version) JOIN canonical_entry e
            ON e.subject_kind = %s AND e.subject_id = v.subject AND e.version BETWEEN v.version - %s AND v.version
            ORDER BY e.subject_id, e.version DESC""",
        ([s for s, _ in given], [n for _, n in given], kind, count - 1),
    )
    found: dict[int, list[Version]] = {}
    for version in _versions(rows):
        found.setdefault(version.subject, []).append(version)
    return found


def between(kind: str, subject: int, since: datetime, until: datetime, most: int) -> list[Version]:
    """The version in force at `since` and those that followed by `until`, oldest first; where there are more than `most`, evenly
    chosen ones, and always the last."""
    first, last = (as_of(kind, [subject], at).get(subject) for at in (since, until))
    if last is None:
        return []
    low = first.version if first else 1
    step = max(1, -(-(last.version - low + 1) // most))
    chosen = sorted({*range(low, last.version + 1, step), last.version})
    rows = sql.fetch(
        f"SELECT {_VERSION} FROM canonical_entry e WHERE e.subject_kind = %s AND e.subject_id = %s AND e.version = ANY(%s)"
        " ORDER BY e.version",
        (kind, subject, chosen),
    )
    return _versions(rows)


def _versions(rows: Iterable[Sequence[Any]]) -> list[Version]:
    return [Version(*[*head, msgspec.json.decode(state)]) for *head, state in rows]


# ---- open orders ------------------------------------------------------------------------------------------------------------
class Open(msgspec.Struct, frozen=True):
    """Units an open order takes from stock: of which SKU (a part, where a kit was ordered), and from where; nowhere yet: `location`
    is empty. `counts`: the shop took them off its own stock, or we released the order."""

    order: int
    reference: str
    channel: int
    stage: str
    placed_at: datetime
    line: int
    sku: int
    location: int | None
    units: int


class _Line(msgspec.Struct, frozen=True):
    """A line that may have been open then, of one SKU it takes; `per` units of it for one of the line's."""

    line: int
    order: int
    sku: int
    per: int
    reduced: bool


#: The newest order recorded by an instant: ids and times of orders grow together, but for those recorded at the same time.
_NEWEST_ORDER = """WITH RECURSIVE search(low, high) AS (
    SELECT 0::bigint, coalesce((SELECT max(id) FROM canonical_order), 0)
    UNION ALL
    SELECT CASE WHEN o.created_at <= %(at)s THEN o.id ELSE s.low END,
        CASE WHEN o.created_at <= %(at)s THEN s.high ELSE (s.low + s.high + 1) / 2 - 1 END
      FROM search s CROSS JOIN LATERAL (SELECT o.id, o.created_at FROM canonical_order o WHERE o.id >= (s.low + s.high + 1) / 2
        ORDER BY o.id LIMIT 1) o WHERE s.low < s.high)
  SELECT low FROM search WHERE low >= high"""
_LINES = """WITH wanted AS (SELECT unnest(%(skus)s::bigint[]) AS sku), near AS (
    SELECT l.id, l.order_id, l.sku_id AS sku, 1 AS per, l.reduced > 0 AS reduced, true AS whole FROM canonical_orderline l
      WHERE l.sku_id = ANY(%(skus)s) AND l.requires_shipping AND l.ordered > l.cancelled + l.shipped
    UNION SELECT l.id, l.order_id, w.sku, 1, l.reduced, true FROM wanted w CROSS JOIN LATERAL (
      SELECT l.id, l.order_id, l.reduced > 0 AS reduced FROM canonical_orderline l
      WHERE l.sku_id = w.sku AND l.order_id <= %(newest)s ORDER BY l.id DESC LIMIT %(recent)s) l
    UNION SELECT l.id, l.order_id, w.sku, l.per, l.reduced, false FROM wanted w CROSS JOIN LATERAL (
      SELECT l.id, l.order_id, c.units AS per, l.reduced > 0 AS reduced FROM canonical_linecomponent c
      JOIN canonical_orderline l ON l.id = c.line_id
      WHERE c.sku_id = w.sku AND l.order_id <= %(newest)s ORDER BY c.line_id DESC LIMIT %(recent)s) l)
  SELECT n.id, n.order_id, n.sku, n.per, n.reduced FROM near n
  WHERE n.order_id <= %(newest)s AND NOT (n.whole AND EXISTS (SELECT 1 FROM canonical_linecomponent c WHERE c.line_id = n.id))"""

#: Of these lines, those that had units still to leave, and how many: most had none, so their states stay in the database.
_OPEN = f"""SELECT id, units FROM (SELECT s.id, (e.state->'requires_shipping')::boolean AS ships,
      (e.state->'ordered')::integer - (e.state->'cancelled')::integer - (e.state->'shipped')::integer AS units
    FROM {_WALK}) x WHERE ships AND units > 0"""


def newest_order(at: datetime) -> int:
    """The id of the newest order recorded by an instant; 0 where there was none."""
    rows = sql.fetch(_NEWEST_ORDER, {"at": at})
    return max((id for (id,) in rows), default=0)


def demand(skus: Sequence[int], at: datetime) -> list[Open]:
    """Open orders that took units of these SKUs at that instant, as we knew them then; the oldest first. Of a SKU sold very often, lines
    that were open then, have been settled since, and are older than the RECENT newest are not found."""
    newest = newest_order(at + timedelta(minutes=1))
    rows = sql.fetch(_LINES, {"skus": sorted(set(skus)), "newest": newest, "recent": RECENT})
    lines = [_Line(*row) for row in rows]
    opened = dict(sql.fetch(_OPEN, {"kind": "order_line", "ids": sorted({line.line for line in lines}), "at": at}))
    asked = _requests({line.order for line in lines}, {line.order for line in lines if line.line in opened}, at)
    orders = as_of("order", {line.order for line in lines if line.line in opened or line.line in asked}, at)
    rows = sql.fetch("SELECT id, channel_id, placed_at FROM canonical_order WHERE id = ANY(%s)", (sorted(orders),))
    fixed = {id: (channel, placed) for id, channel, placed in rows}
    found = []
    for line in sorted(lines, key=lambda x: (x.order, x.line, x.sku)):
        if (order := orders.get(line.order)) is None:
            continue
        takes = _takes(line, order.state, opened.get(line.line, 0), asked.get(line.line, []))
        channel, placed = fixed[line.order]
        head = (line.order, order.state["reference"], channel, order.state["stage"], placed, line.line, line.sku)
        found += [Open(*head, place, units * line.per) for place, units in takes.items() if units > 0]
    return found


class _Asked(msgspec.Struct, frozen=True):
    """Units of a line a location was asked for and has not shipped."""

    location: int
    units: int
    reship: bool


def _requests(orders: set[int], opened: set[int], at: datetime) -> dict[int, list[_Asked]]:
    """Line → what locations were asked for of it, and still had to ship; reships also of lines that had been shipped."""
    ids = sql.fetch(
        "SELECT id FROM canonical_fulfilmentrequest WHERE order_id = ANY(%s) AND (purpose = 'reship' OR order_id = ANY(%s))",
        (sorted(orders), sorted(opened)),
    )
    found: dict[int, list[_Asked]] = {}
    for version in as_of("fulfilment_request", (id for (id,) in ids), at).values():
        state, reship = version.state, version.state["purpose"] == "reship"
        if state["answer"] in ("rejected", "closed") or (reship and state["execution"] == "shipped"):
            continue
        for line, said in (state["lines"] or {}).items():
            left = said["units"] - said["short"] - said["shipped"]
            if left > 0:
                found.setdefault(int(line), []).append(_Asked(state["location_id"], left, reship))
    return found


def _takes(line: _Line, order: Mapping[str, Any], left: int, asked: Sequence[_Asked]) -> dict[int | None, int]:
    """Location (None: nowhere yet) → units of a line that are to come from there."""
    found: dict[int | None, int] = {}
    counts = order["shop_status"] in _COUNTS or order["released_at"] is not None or line.reduced
    routed = [a for a in asked if a.reship or (counts and left > 0)]
    for ask in routed:
        found[ask.location] = found.get(ask.location, 0) + ask.units
    if counts:
        found[None] = left - sum(a.units for a in routed if not a.reship)
    return found
