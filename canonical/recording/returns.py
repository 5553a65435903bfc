"""What comes back: what is announced, what a warehouse received of it, and what it found. Decides nothing about money: units that are put
back on the shelf become stock, and nothing else follows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from canonical import ledger, sql
from canonical.facts import ReturnReported, StockMoved
from canonical.ledger import Change
from canonical.recording import arrivals
from canonical.recording.work import Recorded, Stated, ours


class _Return(NamedTuple):
    """A return, locked."""

    id: int
    location: int


def waiting_key(reference: str) -> str:
    """What a message waits for that names a return we do not know."""
    return f"return:{reference}"


def reference_of(slug: str, ref: str) -> str:
    """What a parcel nobody announced is called: by the warehouse's slug and its own name of it."""
    return f"{slug}-{ref}"


# ---- announcements ----------------------------------------------------------------------------------------------------------
#: The order is the one of that reference, where there is exactly one.
_ORDER = (
    "(SELECT CASE WHEN count(*) = 1 THEN max(o.id) END FROM canonical_order o WHERE o.reference = {0} AND {0} <> '')"
)
_ANNOUNCE = f"""INSERT INTO canonical_return AS t (reference, location_id, order_reference, tracking, expected_at, cancelled, state,
    announced, stated_at, order_id)
  SELECT v.reference, v.location, v.order_reference, v.tracking, v.expected, v.cancelled, 'expected', true, v.at,
    {_ORDER.format("v.order_reference")}
  FROM (VALUES (%s, %s::bigint, %s, %s, %s::timestamptz, %s, %s::timestamptz))
    v(reference, location, order_reference, tracking, expected, cancelled, at)
  ON CONFLICT (reference) DO UPDATE SET order_reference = excluded.order_reference, tracking = excluded.tracking,
    expected_at = excluded.expected_at, cancelled = excluded.cancelled, stated_at = excluded.stated_at, order_id = excluded.order_id
  WHERE t.stated_at < excluded.stated_at RETURNING id, xmax = 0"""
_EXPECT = """INSERT INTO canonical_returnline AS t (returned_id, sku_id, expected)
  SELECT %s, v.sku, v.units FROM unnest(%s::bigint[], %s::integer[]) v(sku, units) ORDER BY v.sku
  ON CONFLICT (returned_id, sku_id) DO UPDATE SET expected = excluded.expected"""


def announced(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply ReturnAnnounced: the latest statement stands. People announce one at a time."""
    for s in sorted(stated, key=lambda s: (s.fact.reference, s.fact.occurred_at)):
        f = s.fact
        head = (f.reference, f.location_id, f.order_reference, f.tracking, f.expected_at, f.cancelled, f.occurred_at)
        for id, new in sql.fetch(_ANNOUNCE, head):
            units = dict(f.lines)
            sql.fetch(
                "UPDATE canonical_returnline SET expected = 0 WHERE returned_id = %s AND NOT sku_id = ANY(%s)",
                (id, sorted(units)),
            )
            sql.fetch(_EXPECT, (id, list(units), list(units.values())))
            _settle([id])
            event = "announced" if new else "cancelled" if f.cancelled else "changed"
            recorded.entries += ledger.changed("return", [ours(None, s, id, event)])
            recorded.appeared.add(waiting_key(f.reference))
    return []


_ARRIVED = f"""INSERT INTO canonical_return (reference, location_id, order_reference, tracking, cancelled, state, announced, stated_at,
    order_id)
  SELECT v.reference, l.id, v.order_reference, v.tracking, false, 'expected', false, v.at, {_ORDER.format("v.order_reference")}
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) v(reference, location, order_reference, tracking, at)
  JOIN canonical_location l ON l.code = v.location AND l.executor_id = %s ORDER BY 1
  ON CONFLICT (reference) DO NOTHING RETURNING id, reference"""


def arrived(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply ReturnArrived: the return comes about, and is received at once."""
    ((slug,),) = sql.fetch("SELECT slug FROM canonical_system WHERE id = %s", (source,))
    arrivals.known_skus(stated, recorded)
    usable = [s for s in stated if s.cause not in recorded.conflicts]
    first: dict[str, Stated] = {}
    for s in sorted(usable, key=lambda s: (s.fact.occurred_at, arrivals.digest(s.fact))):
        first.setdefault(reference_of(slug, s.fact.ref), s)
    facts = [s.fact for s in first.values()]
    made = sql.fetch(_ARRIVED, (
        list(first), [f.location for f in facts], [f.order_reference for f in facts], [f.tracking for f in facts],
        [f.occurred_at for f in facts], source,
    ))  # fmt: skip
    changes = [ours(source, first[reference], id, "arrived") for id, reference in sorted(made)]
    recorded.entries += ledger.changed("return", changes)
    recorded.appeared.update(waiting_key(reference) for _, reference in made)
    reported(source, [Stated(s.cause, _as_report(s, slug)) for s in usable], recorded)


def _as_report(s: Stated, slug: str) -> ReturnReported:
    f = s.fact
    return ReturnReported(
        occurred_at=f.occurred_at, ref=f.ref, returned=reference_of(slug, f.ref), stage="received", lines=f.lines
    )


# ---- reports ----------------------------------------------------------------------------------------------------------------
_Key = tuple[int, str, str]  # return, stage, the warehouse's name


def reported(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply ReturnReported: one report per return, stage and name. What came that was not announced gets a line of its own."""
    known = _known(source, stated, recorded)
    skus = arrivals.known_skus(stated, recorded)
    lines = _lines([r.id for r in known.values()])
    usable = [
        s
        for s in stated
        if s.fact.returned in known and s.cause not in recorded.conflicts and _fits(s, lines, known, recorded)
    ]

    def key(s: Stated) -> _Key:
        return known[s.fact.returned].id, s.fact.stage, s.fact.ref

    stored = _stored([r.id for r in known.values()])
    kept = arrivals.once(usable, key, {k: mark for k, (_, mark) in stored.items()}, recorded)
    fresh = {key(s): s for s in reversed(kept) if key(s) not in stored}
    _keep(dict(sorted(fresh.items())), skus, lines)
    _count(sorted({id for id, *_ in fresh}))
    changes: dict[int, Change] = {}
    for (id, stage, _), s in sorted(fresh.items(), key=lambda f: (f[0][1], f[1].fact.occurred_at), reverse=True):
        changes.setdefault(id, ours(source, s, id, stage))
    recorded.entries += ledger.changed("return", [changes[id] for id in sorted(changes)])
    _restock(source, [(s, key(s), known[s.fact.returned]) for s in kept], recorded)


def _known(source: int, stated: Iterable[Stated], recorded: Recorded) -> dict[str, _Return]:
    """Reference → return, of this warehouse only; locked. Facts naming any other are noted as missing."""
    rows = sql.fetch(
        """SELECT t.reference, t.id, t.location_id FROM canonical_return t JOIN canonical_location l ON l.id = t.location_id
           WHERE l.executor_id = %s AND t.reference = ANY(%s) ORDER BY t.id FOR UPDATE OF t""",
        (source, sorted({s.fact.returned for s in stated})),
    )
    known = {reference: _Return(*rest) for reference, *rest in rows}
    for s in stated:
        if s.fact.returned not in known:
            recorded.missing[s.cause] = waiting_key(s.fact.returned)
    return known


def _lines(returns: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return → line (as text) → SKU."""
    rows = sql.fetch("SELECT returned_id, id, sku_id FROM canonical_returnline WHERE returned_id = ANY(%s)", (returns,))
    lines: dict[int, dict[str, int]] = {}
    for returned, id, sku in rows:
        lines.setdefault(returned, {})[str(id)] = sku
    return lines


def _fits(s: Stated, lines: Mapping[int, Mapping[str, int]], known: Mapping[str, _Return], recorded: Recorded) -> bool:
    """Whether the lines it names are this return's."""
    mine = lines.get(known[s.fact.returned].id, {})
    if strange := next((item.line for item in s.fact.lines if item.line and item.line not in mine), None):
        recorded.conflicts[s.cause] = (
            f"Line {strange} is not on return {s.fact.returned}. Ask the warehouse what it means."
        )
        return False
    return True


def _stored(returns: Sequence[int]) -> dict[_Key, tuple[int, bytes]]:
    rows = sql.fetch(
        "SELECT returned_id, stage, external_id, id, digest FROM canonical_returnreport WHERE returned_id = ANY(%s)",
        (returns,),
    )
    return {(returned, stage, ref): (id, bytes(mark)) for returned, stage, ref, id, mark in rows}


def _keep(fresh: Mapping[_Key, Stated], skus: Mapping[str, int], lines: Mapping[int, Mapping[str, int]]) -> None:
    ids = sql.new_ids("canonical_returnreport", len(fresh))
    columns = {
        "id": "bigint", "returned_id": "bigint", "stage": "text", "external_id": "text", "occurred_at": "timestamptz",
        "digest": "bytea",
    }  # fmt: skip
    sql.insert(
        "canonical_returnreport", columns,
        [(id, *key, s.fact.occurred_at, arrivals.digest(s.fact)) for id, (key, s) in zip(ids, fresh.items(), strict=True)],
    )  # fmt: skip
    rows = [
        (
            id,
            key[0],
            lines[key[0]][item.line] if item.line else skus[item.sku],
            item.units,
            item.condition,
            item.disposition,
        )
        for id, (key, s) in zip(ids, fresh.items(), strict=True)
        for item in s.fact.lines
    ]
    columns = {
        "report": "bigint", "returned": "bigint", "sku": "bigint", "units": "integer", "condition": "text", "disposition": "text",
    }  # fmt: skip
    given = sql.arrays(columns, rows) if rows else [[]] * 6
    sql.fetch(
        f"""INSERT INTO canonical_returnline (returned_id, sku_id, expected) SELECT DISTINCT v.returned, v.sku, 0
            FROM {sql.values(columns)} ORDER BY 1, 2 ON CONFLICT (returned_id, sku_id) DO NOTHING""",
        given,
    )
    sql.fetch(
        f"""INSERT INTO canonical_returnedunits (report_id, line_id, units, condition, disposition)
            SELECT v.report, l.id, sum(v.units), v.condition, v.disposition FROM {sql.values(columns)}
            JOIN canonical_returnline l ON l.returned_id = v.returned AND l.sku_id = v.sku GROUP BY 1, 2, 4, 5 ORDER BY 1, 2, 4, 5""",
        given,
    )


def _count(returns: Sequence[int]) -> None:
    """Count what was reported again; never added up."""
    sql.fetch(
        """UPDATE canonical_returnline t SET received = c.received, inspected = c.inspected, restocked = c.restocked FROM (
             SELECT u.line_id, coalesce(sum(u.units) FILTER (WHERE r.stage = 'received'), 0) AS received,
               coalesce(sum(u.units) FILTER (WHERE r.stage = 'inspected'), 0) AS inspected,
               coalesce(sum(u.units) FILTER (WHERE u.disposition = 'restock'), 0) AS restocked
             FROM canonical_returnedunits u JOIN canonical_returnreport r ON r.id = u.report_id
             WHERE r.returned_id = ANY(%s) GROUP BY 1) c WHERE c.line_id = t.id""",
        (returns,),
    )
    _settle(returns)


def _settle(returns: Sequence[int]) -> None:
    """The state follows from the lines. What came back of a cancelled one did come back; what was inspected was there, or is missing."""
    sql.fetch(
        """UPDATE canonical_return t SET state = CASE WHEN c.units = 0 THEN CASE WHEN t.cancelled THEN 'cancelled' ELSE 'expected' END
             WHEN c.inspected THEN 'inspected' WHEN c.received THEN 'received' ELSE 'part_received' END
           FROM (SELECT s.id, coalesce(sum(l.received + l.inspected), 0) AS units,
               bool_and(l.inspected >= greatest(l.received, l.expected)) AS inspected,
               bool_and(greatest(l.received, l.inspected) >= l.expected) AS received
             FROM canonical_return s LEFT JOIN canonical_returnline l ON l.returned_id = s.id WHERE s.id = ANY(%s) GROUP BY 1) c
           WHERE c.id = t.id""",
        (returns,),
    )


_RESTOCKED = """SELECT u.report_id, k.code, k.id, sum(u.units)::int FROM canonical_returnedunits u
  JOIN canonical_returnline l ON l.id = u.line_id JOIN canonical_sku k ON k.id = l.sku_id
  WHERE u.report_id = ANY(%s) AND u.disposition = 'restock' GROUP BY 1, 2, 3 ORDER BY 1, 3"""


def _restock(source: int, kept: Sequence[tuple[Stated, _Key, _Return]], recorded: Recorded) -> None:
    """Units that are put back on the shelf lie there from then on; whatever becomes of the others, they do not."""
    stored = _stored([key[0] for _, key, _ in kept])
    by_report = {stored[key][0]: (s, returned) for s, key, returned in kept}
    moves = [
        (
            by_report[report][0],
            by_report[report][1].location,
            StockMoved(
                occurred_at=by_report[report][0].fact.occurred_at, ref=f"return:{report}:{sku}", location="", units=units,
                kind="return", sku=code, document=by_report[report][0].fact.returned,
            ),
        )
        for report, code, sku, units in sql.fetch(_RESTOCKED, (sorted(by_report),))
    ]  # fmt: skip
    arrivals.move(source, moves, recorded)
