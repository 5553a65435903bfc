"""What warehouses answer and do: answers, execution, shipments. A word about a request we do not know yet waits for it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from canonical import ledger, sql
from canonical.facts import ShipmentStated
from canonical.recording import stock
from canonical.recording.work import Recorded, Stated, ours
from canonical.types import Parcel, Units

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: How far work can be. Units a warehouse is short of are counted beside it; "short" as a stage follows when nothing else is left. What
#: a warehouse that agreed to cancel still says of its work is no news; only a shipment is (derived.py).
_STAGES = {
    "open": 0,
    "picking": 1,
    "picked": 2,
    "packed": 3,
    "short": 4,
    "part_shipped": 5,
    "shipped": 6,
    "cancelled": 7,
}


class Request(NamedTuple):
    """A fulfilment request as it stands, its order locked."""

    id: int
    order_id: int
    answer: str
    execution: str
    answered_at: datetime | None
    reason: str


def waiting_key(reference: str) -> str:
    """What a message waits for when it names a request we do not know."""
    return f"fulfilment_request:{reference}"


def shipment_key(reference: str, system_id: int) -> str:
    """What a message waits for when it names a shipment we do not know."""
    return f"shipment:{reference}@{system_id}"


def requests(source: int, stated: Iterable[Stated], recorded: Recorded) -> dict[str, Request]:
    """Reference → request, of this partner only; orders are locked. Facts naming any other reference are noted as missing."""
    wanted = {s.fact.request: s.cause for s in stated}
    found = sql.fetch(
        "SELECT reference, order_id FROM canonical_fulfilmentrequest WHERE system_id = %s AND reference = ANY(%s)",
        (source, sorted(wanted)),
    )
    for s in stated:
        if s.fact.request not in {reference for reference, _ in found}:
            recorded.missing[s.cause] = waiting_key(s.fact.request)
    sql.fetch(
        "SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted({o for _, o in found}),)
    )
    rows = sql.fetch(
        "SELECT reference, id, order_id, answer, execution, answered_at, reason FROM canonical_fulfilmentrequest"
        " WHERE system_id = %s AND reference = ANY(%s)",
        (source, [reference for reference, _ in found]),
    )
    return {reference: Request(*rest) for reference, *rest in rows}


def answers(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply RequestAnswered: the latest answer by the partner's clock stands; at one instant a rejection does (it is the safer). A
    request that was closed by an agreed change stays closed, whenever the answer comes."""
    known = requests(source, stated, recorded)
    best: dict[str, Stated] = {}
    for s in sorted(stated, key=lambda s: (s.fact.occurred_at, s.fact.answer)):
        best[s.fact.request] = s
    news = [(known[r], s) for r, s in sorted(best.items()) if r in known and _newer(known[r], s)]
    sql.update(
        "canonical_fulfilmentrequest",
        {"id": "bigint", "answer": "text", "reason": "text", "partner_ref": "text", "answered_at": "timestamptz"},
        [
            (
                r.id,
                "closed" if r.answer == "closed" else s.fact.answer,
                s.fact.reason,
                s.fact.partner_ref,
                s.fact.occurred_at,
            )
            for r, s in news
        ],
    )
    recorded.entries += ledger.changed("fulfilment_request", [ours(source, s, r.id, s.fact.answer) for r, s in news])
    stock.heard_late({r.order_id: (s.cause, s.fact.occurred_at) for r, s in news}, recorded)
    return [r.order_id for r, _ in news]


def _newer(request: Request, stated: Stated) -> bool:
    fact = stated.fact
    if request.answer == "closed":
        return False  # both sides ended it: an answer that comes late says nothing new
    if request.answered_at is None:
        return True
    if request.answer == "closed":
        return bool(fact.occurred_at > request.answered_at)
    now, then = (fact.occurred_at, fact.answer), (request.answered_at, request.answer)
    return now > then


def execution(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply ExecutionReported: work only goes forward, so a late "picking" after "packed" says nothing new. A shortage counts
    whenever it is reported, also after a shipment."""
    known = requests(source, stated, recorded)
    ordered = sorted((s for s in stated if s.fact.request in known), key=lambda s: s.fact.occurred_at)
    furthest: dict[int, Stated] = {}
    for s in ordered:
        request = known[s.fact.request]
        reached = furthest[request.id].fact.stage if request.id in furthest else request.execution
        if s.fact.stage != "short" and _STAGES[s.fact.stage] > _STAGES[reached]:
            furthest[request.id] = s
    sql.update(
        "canonical_fulfilmentrequest",
        {"id": "bigint", "execution": "text", "executed_at": "timestamptz"},
        [(id, s.fact.stage, s.fact.occurred_at) for id, s in sorted(furthest.items())],
    )
    short = _short(known, [s for s in ordered if s.fact.stage == "short"], recorded)
    changes = {id: ours(source, s, id, s.fact.stage) for id, s in {**furthest, **short}.items()}
    recorded.entries += ledger.changed("fulfilment_request", [changes[id] for id in sorted(changes)])
    return [r.order_id for r in known.values()]


def _short(known: Mapping[str, Request], stated: Sequence[Stated], recorded: Recorded) -> dict[int, Stated]:
    """Units the warehouse will not ship, per line; the largest figure reported stands (a shortage is not taken back here). A SKU's is of
    all that did not leave: said again it lands on the same lines. Returns the requests where this changed something."""
    contents = _contents([known[s.fact.request].id for s in stated])
    rows: dict[tuple[int, int], tuple[int, Stated]] = {}
    for s in stated:
        request = known[s.fact.request].id
        try:
            room = {line: c._replace(left=c.unshipped) for line, c in contents.get(request, {}).items()}
            spread = _spread(s.fact.lines, room)
        except Unknown as error:
            recorded.conflicts[s.cause] = (
                f"The warehouse is short of {error}, which is not on request {s.fact.request}."
            )
            continue
        for line, units in spread.items():
            rows[request, line] = max((units, s), rows.get((request, line), (0, s)), key=lambda row: row[0])
    changed = sql.fetch(
        "UPDATE canonical_requestline t SET short = v.n FROM unnest(%s::bigint[], %s::bigint[], %s::integer[]) v(r, l, n)"
        " WHERE t.request_id = v.r AND t.line_id = v.l AND t.short < v.n RETURNING t.request_id, t.line_id",
        ([r for r, _ in rows], [line for _, line in rows], [n for n, _ in rows.values()]),
    )
    _reasons({known[s.fact.request].id: s for s in stated})
    return {request: rows[request, line][1] for request, line in changed}


def _reasons(last: Mapping[int, Stated]) -> None:
    """Why units are missing, as the warehouse said last by its own clock (`last`: request id → its latest report)."""
    sql.fetch(
        "UPDATE canonical_fulfilmentrequest t SET short_reason = v.reason, short_at = v.at"
        " FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) v(id, reason, at)"
        " WHERE t.id = v.id AND (t.short_at IS NULL OR (t.short_at, t.short_reason) < (v.at, v.reason))",
        (list(last), [s.fact.reason for s in last.values()], [s.fact.occurred_at for s in last.values()]),
    )


class _Content(NamedTuple):
    """One line of a request: its SKU code, the units that may still be shipped, and those that did not leave yet."""

    sku: str
    left: int
    unshipped: int


def _contents(request_ids: Iterable[int]) -> dict[int, dict[int, _Content]]:
    rows = sql.fetch(
        """SELECT r.request_id, r.line_id, coalesce(s.code, l.sku_text), r.units - r.short - r.shipped, r.units - r.shipped
           FROM canonical_requestline r
           JOIN canonical_orderline l ON l.id = r.line_id LEFT JOIN canonical_sku s ON s.id = l.sku_id
           WHERE r.request_id = ANY(%s) ORDER BY r.line_id""",
        (sorted(set(request_ids)),),
    )
    contents: dict[int, dict[int, _Content]] = {}
    for request, line, *content in rows:
        contents.setdefault(request, {})[line] = _Content(*content)
    return contents


class Unknown(Exception):
    """A partner names a line or SKU that is not on its request."""


def _spread(units: Iterable[Units], content: Mapping[int, _Content]) -> dict[int, int]:
    """Units per order line. A partner that names only SKUs has them spread over the request's lines of that SKU, in order; what
    does not fit goes on the last one (over-shipment is recorded, never refused)."""
    spread: dict[int, int] = {}
    for item in units:
        for line, count in _placed(item, content, spread):
            spread[line] = spread.get(line, 0) + count
    return spread


def _placed(item: Units, content: Mapping[int, _Content], spread: Mapping[int, int]) -> list[tuple[int, int]]:
    if item.line:
        if not item.line.isdigit() or int(item.line) not in content:
            raise Unknown(f"line {item.line}")
        return [(int(item.line), item.units)]
    lines = [line for line, c in content.items() if c.sku == item.sku]
    if not lines:
        raise Unknown(f"SKU {item.sku}")
    rest, placed = item.units, []
    for line in lines:
        count = rest if line == lines[-1] else min(rest, max(0, content[line].left - spread.get(line, 0)))
        placed.append((line, count))
        rest -= count
    return [(line, count) for line, count in placed if count]


def shipments(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply ShipmentStated: one row per partner shipment id. The same id with other content is a contradiction for a person."""
    known = requests(source, stated, recorded)
    marks = _stored(source, [s.fact.ref for s in stated])
    fresh: dict[str, Stated] = {}
    for s in sorted(stated, key=lambda s: (s.fact.ref, s.fact.occurred_at, _digest(s.fact))):
        if s.fact.request not in known:
            continue
        mark = _digest(s.fact)
        if marks.get(s.fact.ref, mark) != mark:
            recorded.conflicts[s.cause] = (
                f"Shipment {s.fact.ref} was already reported with other contents. Ask the warehouse which report is right."
            )
        elif s.fact.ref not in marks:
            fresh[s.fact.ref] = s
        marks.setdefault(s.fact.ref, mark)
    placed = [p for p in _parcels(sorted(fresh.values(), key=lambda s: s.cause.id), known) if _asked_for(p, recorded)]
    _insert(source, placed, known, recorded)
    return [known[p.stated.fact.request].order_id for p in placed]


def _stored(source: int, refs: Sequence[str]) -> dict[str, bytes]:
    rows = sql.fetch(
        "SELECT external_id, digest FROM canonical_shipment WHERE system_id = %s AND external_id = ANY(%s)",
        (source, list(refs)),
    )
    return {ref: bytes(mark) for ref, mark in rows}


def _digest(fact: ShipmentStated) -> bytes:
    bare = msgspec.structs.replace(fact, occurred_at=_LONG_AGO)
    return hashlib.sha256(msgspec.json.encode(bare)).digest()


class _Packed(NamedTuple):
    """A parcel with its units per order line, and what it holds that was not asked for."""

    parcel: Parcel
    units: dict[int, int]
    unknown: list[Units]


class _Placed(NamedTuple):
    """A new shipment with its parcels."""

    stated: Stated
    parcels: list[_Packed]


def _parcels(fresh: Iterable[Stated], known: Mapping[str, Request]) -> list[_Placed]:
    fresh = list(fresh)
    contents = _contents(known[s.fact.request].id for s in fresh)
    return [
        _Placed(s, [_take(parcel, contents.get(known[s.fact.request].id, {})) for parcel in s.fact.parcels])
        for s in fresh
    ]


def _asked_for(placed: _Placed, recorded: Recorded) -> bool:
    """A shipment with nothing in it that was asked for is no shipment of this request."""
    if any(packed.units for packed in placed.parcels):
        return True
    named = next((u.sku or f"line {u.line}" for packed in placed.parcels for u in packed.unknown), "nothing")
    recorded.conflicts[placed.stated.cause] = (
        f"The warehouse says it shipped {named}, which is not on request {placed.stated.fact.request}. Ask the warehouse what it sent."
    )
    return False


def _take(parcel: Parcel, content: dict[int, _Content]) -> _Packed:
    """The parcel's units per line, taken off what is left of the request; what is not on the request is kept as it was named."""
    spread: dict[int, int] = {}
    unknown = []
    for item in parcel.lines:
        try:
            placed = _placed(item, content, {})
        except Unknown:
            unknown.append(item)
            continue
        for line, units in placed:
            spread[line] = spread.get(line, 0) + units
            content[line] = content[line]._replace(left=content[line].left - units)
    return _Packed(parcel, spread, unknown)


def _insert(source: int, placed: Sequence[_Placed], known: Mapping[str, Request], recorded: Recorded) -> None:
    ids = sql.new_ids("canonical_shipment", len(placed))
    rows = [
        (id, source, p.stated.fact.ref, known[p.stated.fact.request].order_id, known[p.stated.fact.request].id,
         p.stated.fact.carrier, p.stated.fact.service, p.stated.fact.occurred_at, _digest(p.stated.fact), 1)
        for id, p in zip(ids, placed, strict=True)
    ]  # fmt: skip
    columns = {
        "id": "bigint", "system_id": "bigint", "external_id": "text", "order_id": "bigint", "request_id": "bigint", "carrier": "text",
        "service": "text", "shipped_at": "timestamptz", "digest": "bytea", "ledger_version": "integer",
    }  # fmt: skip
    sql.insert("canonical_shipment", columns, rows)
    parcels = [(id, n, packed) for id, p in zip(ids, placed, strict=True) for n, packed in enumerate(p.parcels, 1)]
    package_ids = sql.new_ids("canonical_package", len(parcels))
    sql.insert(
        "canonical_package",
        {
            "id": "bigint", "shipment_id": "bigint", "position": "integer", "tracking": "text", "tracking_url": "text",
            "unknown": "jsonb",
        },
        [
            (pid, id, n, q.parcel.tracking, q.parcel.tracking_url, msgspec.json.encode(q.unknown).decode())
            for pid, (id, n, q) in zip(package_ids, parcels, strict=True)
        ],
    )  # fmt: skip
    sql.insert(
        "canonical_packageline",
        {"package_id": "bigint", "line_id": "bigint", "units": "integer"},
        [
            (pid, line, n)
            for pid, (*_, q) in zip(package_ids, parcels, strict=True)
            for line, n in sorted(q.units.items())
        ],
    )
    changes = [ours(source, p.stated, id, "shipped") for id, p in zip(ids, placed, strict=True)]
    recorded.entries += ledger.opened("shipment", changes)
    recorded.appeared.update(shipment_key(p.stated.fact.ref, source) for p in placed)
    stock.shipped({c.subject_id: (c.cause, c.occurred_at) for c in changes}, recorded)
