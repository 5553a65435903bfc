"""Counts, snapshots and movements become true. What a source says counts as far as its authority about the location goes; the rest is
kept as information. Figures nobody can believe wait for a person."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from canonical import ledger, sql
from canonical.facts import CountsCompleted, CountsStated
from canonical.ledger import Cause
from canonical.recording import catalog, levels
from canonical.recording.levels import Place
from canonical.recording.work import Recorded, Stated, Trouble, ours
from canonical.types import Counted

FEW = 10  # units that come or go in a day
AHEAD = timedelta(minutes=5)  # a source's clock may be so far ahead of ours
_ROWS = msgspec.json.Decoder(tuple[Counted, ...])


class Source(NamedTuple):
    """What one system's figures about one location are worth."""

    id: int
    location: int
    authority: str
    jump_percent: int
    jump_units: int
    shrink_percent: int
    name: str


def source_key(reference: str, system_id: int) -> str:
    """What a message waits for that names a location of its source nobody told us about."""
    return f"stock_source:{reference}@{system_id}"


def _sources(system_id: int, stated: Sequence[Stated], recorded: Recorded) -> dict[str, Source]:
    """Location reference → source, for those set up; facts naming another one are noted as missing, those of the future as wrong."""
    wanted = sorted({s.fact.location for s in stated})
    rows = sql.fetch(
        """SELECT s.external_id, s.id, s.location_id, s.authority, s.jump_percent, s.jump_units, s.shrink_percent, l.code
           FROM canonical_stocksource s JOIN canonical_location l ON l.id = s.location_id
           WHERE s.system_id = %s AND s.external_id = ANY(%s)""",
        (system_id, wanted),
    )
    known = {reference: Source(*rest) for reference, *rest in rows}
    for s in stated:
        if s.fact.location not in known:
            recorded.missing[s.cause] = source_key(s.fact.location, system_id)
        elif s.fact.occurred_at > recorded.now + AHEAD:
            ahead = round((s.fact.occurred_at - recorded.now).total_seconds() / 60)
            recorded.conflicts[s.cause] = (
                f"This figure is of {s.fact.occurred_at:%Y-%m-%d %H:%M} UTC, {ahead} minutes from now: the clock of its sender is wrong."
            )
    return known


def _usable(stated: Sequence[Stated], known: Mapping[str, Source], recorded: Recorded) -> list[Stated]:
    return [s for s in stated if s.fact.location in known and s.cause not in recorded.conflicts]


# ---- counts -----------------------------------------------------------------------------------------------------------------
class _Row(NamedTuple):
    """Figures of one SKU by one source at one instant."""

    source: Source
    sku: int
    at: datetime
    cause: Cause
    figures: Counted


def counted(system_id: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply CountsStated: single figures at once, parts of a snapshot once it is whole."""
    known = _sources(system_id, stated, recorded)
    usable = _usable(stated, known, recorded)
    _apply(system_id, _rows(system_id, [s for s in usable if not s.fact.run], known), "counted", recorded)
    parts = [s for s in usable if s.fact.run]
    _gather(system_id, parts, known, recorded)


def completed(system_id: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply CountsCompleted: what a snapshot consists of. It may come before its parts."""
    known = _sources(system_id, stated, recorded)
    _gather(system_id, _usable(stated, known, recorded), known, recorded)


def _rows(system_id: int, stated: Iterable[Stated], known: Mapping[str, Source]) -> list[_Row]:
    """The rows about things we know."""
    stated = list(stated)
    skus = _skus(system_id, [row for s in stated for row in s.fact.rows])
    return [
        _Row(known[s.fact.location], sku, s.fact.occurred_at, s.cause, row)
        for s in stated
        for row in s.fact.rows
        if (sku := skus.get((row.ref, row.sku)))
    ]


def _skus(system_id: int, rows: Iterable[Counted]) -> dict[tuple[str, str], int]:
    """(the source's id, code) → SKU: by the source's own id first, by code second."""
    wanted = {(row.ref, row.sku) for row in rows}
    refs, codes = sorted({ref for ref, _ in wanted if ref}), [code for _, code in wanted if code]
    linked = dict(
        sql.fetch(
            "SELECT external_id, our_id FROM canonical_link WHERE system_id = %s AND entity = 'sku' AND external_id = ANY(%s)",
            (system_id, refs),
        )
    )
    coded = catalog.codes(codes)
    found = {(ref, code): linked.get(ref) or coded.get(code) for ref, code in wanted}
    return {key: sku for key, sku in found.items() if sku}


_COUNT = {
    "source_id": "bigint", "sku_id": "bigint", "accepted": "boolean", "on_hand": "integer", "allocated": "integer", "damaged": "integer",
    "quality_hold": "integer", "incoming": "integer", "in_transit": "integer", "observed_at": "timestamptz", "cause_kind": "text",
    "cause_id": "bigint", "doubt": "text",
}  # fmt: skip
#: The latest count of a SKU by one source stands; of two at one instant the one with less to sell, whichever came first.
_LATER = """ON CONFLICT (source_id, sku_id, accepted) DO UPDATE SET on_hand = excluded.on_hand, allocated = excluded.allocated,
      damaged = excluded.damaged, quality_hold = excluded.quality_hold, incoming = excluded.incoming, in_transit = excluded.in_transit,
      observed_at = excluded.observed_at, cause_kind = excluded.cause_kind, cause_id = excluded.cause_id, doubt = excluded.doubt
    WHERE (excluded.observed_at, -excluded.on_hand, excluded.allocated, excluded.damaged, excluded.quality_hold, -excluded.incoming,
        -excluded.in_transit)
      > (canonical_stockcount.observed_at, -canonical_stockcount.on_hand, canonical_stockcount.allocated, canonical_stockcount.damaged,
        canonical_stockcount.quality_hold, -canonical_stockcount.incoming, -canonical_stockcount.in_transit)
    RETURNING source_id, sku_id, accepted"""


def _rank(row: _Row) -> tuple[object, ...]:
    """The order of counts, as the statement above has it."""
    f = row.figures
    return row.at, -f.on_hand, f.allocated, f.damaged, f.quality_hold, -f.incoming, -f.in_transit


#: The newest whole counting of each source, and what of these SKUs it knew, or what is newer than it.
_SWEPT = """SELECT w.source_id, w.at, array(SELECT c.sku_id FROM canonical_stockcount c
      WHERE c.source_id = w.source_id AND c.sku_id = ANY(%s) AND c.observed_at >= w.at)
    FROM (SELECT source_id, max(observed_at) AS at FROM canonical_stocksnapshot
      WHERE source_id = ANY(%s) AND state = 'applied' AND lists_all GROUP BY 1) w"""


def _settled(rows: Sequence[_Row]) -> list[_Row]:
    """A count heard late, of a thing a whole counting no later than it did not list: by then it was not there any more."""
    swept = {
        source: (at, set(known))
        for source, at, known in sql.fetch(_SWEPT, (sorted({r.sku for r in rows}), sorted({r.source.id for r in rows})))
    }

    def is_swept(row: _Row) -> bool:
        at, known = swept.get(row.source.id, (None, ()))
        return at is not None and row.at <= at and row.sku not in known

    return [r._replace(at=swept[r.source.id][0], figures=Counted(on_hand=0)) if is_swept(r) else r for r in rows]


def _apply(system_id: int, rows: Sequence[_Row], event: str, recorded: Recorded) -> None:
    """Make counts true and fold the levels they are about."""
    if not rows:
        return
    levels.lock(Place(r.sku, r.source.location) for r in rows if r.source.authority == "levels")
    best = {(r.source.id, r.sku): r for r in sorted(_settled(rows), key=_rank)}
    doubts = _doubts(list(best.values()))
    values = [_values(row, doubts.get(key, "")) for key, row in sorted(best.items())]
    written = sql.insert("canonical_stockcount", _COUNT, values, _LATER)
    _heard(best.values())
    moved = [best[source, sku] for source, sku, accepted in written if accepted or (source, sku) in doubts]
    causes = {Place(r.sku, r.source.location): r.cause for r in moved}
    if moved:
        at = max(r.at for r in moved)
        levels.refold(causes, event, at, recorded, system_id)
    _tell_doubts(system_id, [best[source, sku] for source, sku, _ in written], doubts, recorded)


def _values(row: _Row, doubt: str) -> tuple[object, ...]:
    f = row.figures
    return (
        row.source.id, row.sku, row.source.authority == "levels" and not doubt, f.on_hand, f.allocated, f.damaged, f.quality_hold,
        f.incoming, f.in_transit, row.at, *row.cause, doubt,
    )  # fmt: skip


def _heard(rows: Iterable[_Row]) -> None:
    """The newest instant each source told us about: figures are fresh from here on."""
    newest: dict[int, datetime] = {}
    for row in rows:
        newest[row.source.id] = max(row.at, newest.get(row.source.id, row.at))
    heard(newest)


def heard(newest: Mapping[int, datetime]) -> None:
    """Note that sources (by id) told us how things are at these instants."""
    ids = sorted(newest)
    sql.fetch(
        "UPDATE canonical_stocksource t SET heard_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at)"
        " WHERE t.id = v.id AND (t.heard_at IS NULL OR t.heard_at < v.at)",
        (ids, [newest[id] for id in ids]),
    )


_KNOWN = """SELECT v.source, l.sku_id, l.on_hand, array(SELECT k.units FROM canonical_kitcomponent k
      WHERE k.component_id = l.sku_id AND k.units > 2)
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) v(source, sku, location)
    JOIN canonical_stocklevel l ON l.sku_id = v.sku AND l.location_id = v.location WHERE l.counted IS NOT NULL"""


def _doubts(rows: Sequence[_Row]) -> dict[tuple[int, int], str]:
    """Which counts are not believed without a person, and why: a jump by a pack's units, or a far one. A first count is believed."""
    judged = [r for r in rows if r.source.authority == "levels"]
    given = [r.source.id for r in judged], [r.sku for r in judged], [r.source.location for r in judged]
    known = {(source, sku): (is_, packs) for source, sku, is_, packs in sql.fetch(_KNOWN, given)}
    found = {}
    for row in judged:
        key = row.source.id, row.sku
        if key in known and (why := doubt(row.source, *known[key], row.figures.on_hand)):
            found[key] = why
    return found


def doubt(source: Source, is_: int, packs: Sequence[int], says: int) -> str:
    """Why a figure cannot be believed after the one we hold; empty: it can. Few units become half or a third as many every day."""
    far = abs(says - is_)
    for pack in packs:
        if min(is_, says) > 1 and far >= FEW and pack in (says / is_, is_ / says):
            return f"{says} after {is_} is exactly a pack of {pack}: a unit of measure was mixed up."
    if far > source.jump_units and far * 100 > source.jump_percent * abs(is_):
        return f"{says} after {is_} is a jump of {far} units."
    return ""


def _tell_doubts(
    system_id: int, rows: Sequence[_Row], doubts: Mapping[tuple[int, int], str], recorded: Recorded
) -> None:
    """Open or close the trouble of each level a count was heard of."""
    given = [r.sku for r in rows], [r.source.location for r in rows]
    found = sql.fetch(
        """SELECT l.id, l.sku_id, l.location_id, s.code FROM canonical_stocklevel l
           JOIN unnest(%s::bigint[], %s::bigint[]) v(sku, location) ON v.sku = l.sku_id AND v.location = l.location_id
           JOIN canonical_sku s ON s.id = l.sku_id""",
        given,
    )
    ids = {(sku, location): (id, code) for id, sku, location, code in found}
    for row in rows:
        if (row.sku, row.source.location) not in ids:
            continue
        id, code = ids[row.sku, row.source.location]
        if why := doubts.get((row.source.id, row.sku)):
            words = f"{code} at {row.source.name}: {why} Until somebody accepts it, the lower figure is sold."
            recorded.troubles.append(Trouble("stock_level", id, system_id, "implausible_count", row.source.name, words))
        elif row.source.authority == "levels":
            recorded.settled.add(("stock_level", id))


# ---- snapshots --------------------------------------------------------------------------------------------------------------
_SNAPSHOT = {
    "source_id": "bigint", "run": "text", "observed_at": "timestamptz", "cause_kind": "text", "cause_id": "bigint",
}  # fmt: skip


def _gather(system_id: int, stated: Sequence[Stated], known: Mapping[str, Source], recorded: Recorded) -> None:
    """Keep parts until their snapshot is whole, then apply it; a snapshot nobody can believe parks."""
    if not stated:
        return
    ids = _open(stated, known)
    stated = [s for s in stated if (known[s.fact.location].id, s.fact.run) in ids]  # of one that is over nothing is new
    _keep(ids, [s for s in stated if isinstance(s.fact, CountsStated)], known)
    _note_completions(ids, [s for s in stated if isinstance(s.fact, CountsCompleted)], known)
    by_id = {source.id: source for source in known.values()}
    for snapshot, source, run, observed, full, parts, rows, got in sql.fetch(
        """SELECT id, source_id, run, observed_at, lists_all, parts, rows, rows_got FROM canonical_stocksnapshot
           WHERE id = ANY(%s) AND state = 'open' AND parts_got >= parts ORDER BY observed_at, id""",
        (sorted(ids.values()),),
    ):
        cause = max(s.cause for s in stated if (known[s.fact.location].id, s.fact.run) == (source, run))
        whole = Whole(snapshot, by_id[source], run, observed, full, parts, rows, got)
        if why := _wrong(whole):
            _park(system_id, whole, why, recorded)
        else:
            apply_snapshot(system_id, whole, cause, recorded)


def _open(stated: Sequence[Stated], known: Mapping[str, Source]) -> dict[tuple[int, str], int]:
    """(source, run) → the id of its snapshot that is still open, locked."""
    first = {(known[s.fact.location].id, s.fact.run): s for s in reversed(stated)}
    rows = [(source, run, s.fact.occurred_at, *s.cause) for (source, run), s in sorted(first.items())]
    sql.insert("canonical_stocksnapshot", _SNAPSHOT, rows, "ON CONFLICT (source_id, run) DO NOTHING")
    found = sql.fetch(
        """SELECT t.id, t.source_id, t.run FROM canonical_stocksnapshot t JOIN unnest(%s::bigint[], %s::text[]) v(source, run)
           ON t.source_id = v.source AND t.run = v.run WHERE t.state = 'open' ORDER BY t.id FOR UPDATE OF t""",
        ([source for source, _ in first], [run for _, run in first]),
    )
    return {(source, run): id for id, source, run in found}


def _keep(ids: Mapping[tuple[int, str], int], parts: Sequence[Stated], known: Mapping[str, Source]) -> None:
    """Keep parts; one that was kept before says nothing new."""
    rows = sorted(
        {(ids[known[s.fact.location].id, s.fact.run], s.fact.part): s for s in parts}.items(), key=lambda kept: kept[0]
    )
    columns = {"snapshot_id": "bigint", "part": "integer", "observed_at": "timestamptz", "rows": "jsonb"}
    sql.insert(
        "canonical_snapshotpart", columns,
        [(snapshot, part, s.fact.occurred_at, msgspec.json.encode(s.fact.rows).decode()) for (snapshot, part), s in rows],
        "ON CONFLICT (snapshot_id, part) DO NOTHING",
    )  # fmt: skip
    sql.fetch(
        """UPDATE canonical_stocksnapshot t SET parts_got = p.parts, rows_got = p.rows FROM (SELECT snapshot_id, count(*) AS parts,
             sum(jsonb_array_length(rows)) AS rows FROM canonical_snapshotpart WHERE snapshot_id = ANY(%s) GROUP BY 1) p
           WHERE t.id = p.snapshot_id AND t.state = 'open'""",
        (sorted(ids.values()),),
    )


def _note_completions(ids: Mapping[tuple[int, str], int], done: Sequence[Stated], known: Mapping[str, Source]) -> None:
    columns = {
        "id": "bigint",
        "parts": "integer",
        "rows": "integer",
        "lists_all": "boolean",
        "observed_at": "timestamptz",
    }
    rows = {
        ids[known[s.fact.location].id, s.fact.run]: (s.fact.parts, s.fact.rows, s.fact.full, s.fact.occurred_at)
        for s in done
    }
    sql.update("canonical_stocksnapshot", columns, [(id, *rest) for id, rest in sorted(rows.items())])


class Whole(NamedTuple):
    """A snapshot all of whose parts are there."""

    id: int
    source: Source
    run: str
    observed_at: datetime
    full: bool
    parts: int
    rows: int
    rows_got: int


def _wrong(whole: Whole) -> str:
    """Why a snapshot is not believed without a person; empty: it is."""
    if whole.rows != whole.rows_got:
        return f"It says it has {whole.rows} rows, and {whole.rows_got} arrived: it was cut off or changed on the way."
    before = sql.fetch(
        "SELECT rows FROM canonical_stocksnapshot WHERE source_id = %s AND state = 'applied' AND lists_all"
        " ORDER BY observed_at DESC LIMIT 1",
        (whole.source.id,),
    )
    least = (before[0][0] if before else 0) * (100 - whole.source.shrink_percent) / 100
    if whole.full and whole.rows < least:
        return f"It lists {whole.rows} things, the one before listed {before[0][0]}: more than {whole.source.shrink_percent} % are missing."
    return ""


def _park(system_id: int, whole: Whole, why: str, recorded: Recorded) -> None:
    sql.fetch("UPDATE canonical_stocksnapshot SET state = 'parked', words = %s WHERE id = %s", (why, whole.id))
    words = f"The stock snapshot “{whole.run}” of {whole.source.name} was not applied. {why}"
    recorded.troubles.append(Trouble("snapshot", whole.id, system_id, "implausible_snapshot", whole.source.name, words))


def apply_snapshot(system_id: int, whole: Whole, cause: Cause, recorded: Recorded) -> None:
    """Apply a whole snapshot, and end it: every part at the instant it was counted. What a full one does not list was not there when it
    began: what came since was perhaps only behind it."""
    parts = sql.fetch(
        "SELECT observed_at, rows::text FROM canonical_snapshotpart WHERE snapshot_id = %s ORDER BY part", (whole.id,)
    )
    rows = [(at, row) for at, text in parts for row in _ROWS.decode(text)]
    skus = _skus(system_id, [row for _, row in rows])
    applied = [
        _Row(whole.source, skus[row.ref, row.sku], at, cause, row) for at, row in rows if (row.ref, row.sku) in skus
    ]
    began = min([whole.observed_at, *(at for at, _ in parts)])
    if whole.full:
        listed = sorted({row.sku for row in applied})
        sets = whole.source.authority == "levels"  # also what another source set before it was given the word
        gone = sql.fetch(
            """SELECT DISTINCT c.sku_id FROM canonical_stockcount c JOIN canonical_stocksource s ON s.id = c.source_id
               WHERE (s.id = %s OR (%s AND s.location_id = %s)) AND c.accepted = %s AND c.observed_at <= %s AND NOT c.sku_id = ANY(%s)""",
            (whole.source.id, sets, whole.source.location, sets, began, listed),
        )
        nothing = Counted(on_hand=0)
        applied += [_Row(whole.source, sku, began, cause, nothing) for (sku,) in gone]
    _apply(system_id, applied, "counted", recorded)
    heard({whole.source.id: max([whole.observed_at, *(at for at, _ in parts)])})
    unknown = sum((row.ref, row.sku) not in skus for _, row in rows)
    sql.fetch(
        "UPDATE canonical_stocksnapshot SET state = 'applied', observed_at = %s, unknown = %s, words = '', ended_at = clock_timestamp()"
        " WHERE id = %s",
        (began, unknown, whole.id),
    )
    sql.fetch("DELETE FROM canonical_snapshotpart WHERE snapshot_id = %s", (whole.id,))
    recorded.settled.add(("snapshot", whole.id))


# ---- movements --------------------------------------------------------------------------------------------------------------
_MOVEMENT = {
    "source_id": "bigint", "external_id": "text", "sku_id": "bigint", "location_id": "bigint", "bucket": "text", "units": "integer",
    "kind": "text", "reason": "text", "document": "text", "occurred_at": "timestamptz", "counted_since": "timestamptz",
    "applies": "boolean", "ledger_version": "integer",
}  # fmt: skip


def moved(system_id: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply StockMoved: one row per source and its id. One about a thing we do not know waits for a person."""
    known = _sources(system_id, stated, recorded)
    usable = _usable(stated, known, recorded)
    skus = _skus(system_id, [Counted(on_hand=0, ref=s.fact.item, sku=s.fact.sku) for s in usable])
    facts: dict[tuple[int, str], Stated] = {}
    for s in usable:
        if (s.fact.item, s.fact.sku) not in skus:
            name = s.fact.sku or s.fact.item
            recorded.conflicts[s.cause] = (
                f"Stock of “{name}” moved, which is no SKU here. Create it, then release this."
            )
            continue
        facts.setdefault((known[s.fact.location].id, s.fact.ref), s)
    places = {key: Place(skus[s.fact.item, s.fact.sku], known[s.fact.location].location) for key, s in facts.items()}
    levels.lock(places.values())
    rows = [_movement(key, s, known[s.fact.location], places[key].sku) for key, s in sorted(facts.items())]
    made = sql.insert(
        "canonical_stockmovement", _MOVEMENT, rows,
        "ON CONFLICT (source_id, external_id) DO NOTHING RETURNING id, source_id, external_id",
    )  # fmt: skip
    fresh = {(source, ref): id for id, source, ref in made}
    changes = [ours(system_id, facts[key], id, facts[key].fact.kind) for key, id in sorted(fresh.items())]
    recorded.entries += ledger.opened("stock_movement", changes)
    if fresh:
        causes = {places[key]: facts[key].cause for key in sorted(fresh)}
        levels.refold(causes, "moved", max(facts[key].fact.occurred_at for key in fresh), recorded, system_id)


def _movement(key: tuple[int, str], s: Stated, source: Source, sku: int) -> tuple[object, ...]:
    f = s.fact
    return (
        *key, sku, source.location, f.bucket, f.units, f.kind, f.reason[:300], f.document[:200], f.occurred_at, f.occurred_at,
        source.authority == "movements", 1,
    )  # fmt: skip


# ---- what our own orders ship -----------------------------------------------------------------------------------------------
#: A shipment takes its units off the location it left. A count of the system that ships contains it from then on, one of an ERP once the
#: goods issue is booked there, and a net figure contained it all the time the units were held for us.
_SHIPPED = """INSERT INTO canonical_stockmovement (external_id, sku_id, location_id, bucket, units, kind, occurred_at, counted_since,
      held_since, applies, shipment_id, line_id, ledger_version, reason, document)
    SELECT 'shipment:' || s.id || ':' || x.line_id || ':' || x.sku, x.sku, r.location_id, 'on_hand', -sum(x.units), 'shipment',
      s.shipped_at,
      CASE WHEN a.system_id IS DISTINCT FROM s.system_id AND a.id IS NOT NULL THEN b.booked_at
           WHEN a.figure = 'net_orders' THEN coalesce(t.at, s.shipped_at)
           WHEN a.figure = 'net_allocated' AND r.answer <> 'rejected' THEN coalesce(r.answered_at, s.shipped_at) ELSE s.shipped_at END,
      CASE WHEN a.system_id IS DISTINCT FROM s.system_id AND a.id IS NOT NULL THEN h.at
           WHEN a.figure = 'net_orders' THEN t.at WHEN r.answer <> 'rejected' THEN r.answered_at END,
      true, s.id, x.line_id, 1, '', s.external_id
    FROM canonical_shipment s JOIN canonical_fulfilmentrequest r ON r.id = s.request_id
    JOIN canonical_package g ON g.shipment_id = s.id
    CROSS JOIN LATERAL (SELECT p.line_id, coalesce(c.sku_id, l.sku_id) AS sku, p.units * coalesce(c.units, 1) AS units
      FROM canonical_packageline p JOIN canonical_orderline l ON l.id = p.line_id LEFT JOIN canonical_linecomponent c ON c.line_id = l.id
      WHERE p.package_id = g.id) x
    LEFT JOIN canonical_stocksource a ON a.location_id = r.location_id AND a.authority = 'levels'
    LEFT JOIN LATERAL (SELECT p.occurred_at AS at FROM canonical_posting p WHERE p.kind = 'fulfilment_request'
      AND p.subject_kind = 'fulfilment_request' AND p.subject_id = r.id AND p.system_id = r.system_id) t ON true
    LEFT JOIN LATERAL (SELECT min(p.occurred_at) AS at FROM canonical_posting p JOIN canonical_booking k ON k.id = p.subject_id
      WHERE p.kind = 'sales_order' AND p.subject_kind = 'booking' AND p.system_id = a.system_id AND k.order_id = s.order_id
        AND p.state = 'confirmed') h ON true
    LEFT JOIN LATERAL (SELECT p.occurred_at AS booked_at FROM canonical_posting p WHERE p.kind = 'goods_issue'
      AND p.subject_kind = 'shipment' AND p.subject_id = s.id AND p.system_id = a.system_id AND p.state = 'done') b ON true
    WHERE s.id = ANY(%s) AND x.sku IS NOT NULL
      AND EXISTS (SELECT 1 FROM canonical_stocksource o WHERE o.location_id = r.location_id)
    GROUP BY s.id, x.line_id, x.sku, r.id, a.id, t.at, h.at, b.booked_at ORDER BY 1
    ON CONFLICT (source_id, external_id) DO UPDATE SET counted_since = excluded.counted_since, held_since = excluded.held_since
      WHERE (canonical_stockmovement.counted_since, canonical_stockmovement.held_since)
        IS DISTINCT FROM (excluded.counted_since, excluded.held_since)
    RETURNING id, sku_id, location_id, shipment_id, xmax = 0"""


def shipped(causes: Mapping[int, tuple[Cause, datetime]], recorded: Recorded) -> None:
    """Shipments (id → cause and when) take their units off the level: those just recorded, and those of which we learn only now since when
    the location's source had them out of its figures."""
    made = sql.fetch(_SHIPPED, (sorted(causes),))
    changes = [ledger.Change(id, "shipment", *causes[shipment], None) for id, _, _, shipment, new in made if new]
    recorded.entries += ledger.opened("stock_movement", changes)
    places = {Place(sku, location): causes[shipment][0] for _, sku, location, shipment, _ in made}
    if places:
        levels.refold(places, "shipped", max(at for _, at in causes.values()), recorded, None)


def heard_late(orders: Mapping[int, tuple[Cause, datetime]], recorded: Recorded) -> None:
    """A word came about these orders (id → cause and when) which may say since when their shipments are out of a source's figures: a
    warehouse's answer, its receipt of the request, an ERP's of the booking or the goods issue."""
    rows = sql.fetch("SELECT id, order_id FROM canonical_shipment WHERE order_id = ANY(%s)", (sorted(orders),))
    if rows:
        shipped({id: orders[order] for id, order in rows}, recorded)


def accept(level_ids: Sequence[int], cause: Cause, by: str, recorded: Recorded) -> None:
    """A person believes the doubted counts of these levels."""
    doubted = """SELECT c.id, l.id AS level, l.sku_id, l.location_id FROM canonical_stocklevel l
        JOIN canonical_stocksource s ON s.location_id = l.location_id
        JOIN canonical_stockcount c ON c.source_id = s.id AND c.sku_id = l.sku_id AND c.doubt <> '' WHERE l.id = ANY(%s)"""
    rows = [(sku, location, level) for _, level, sku, location in sql.fetch(doubted, (sorted(level_ids),))]
    levels.lock(Place(sku, location) for sku, location, _ in rows)
    sql.fetch(
        f"""WITH gone AS (DELETE FROM canonical_stockcount WHERE id IN (SELECT id FROM ({doubted}) d) RETURNING *)
            INSERT INTO canonical_stockcount ({", ".join(_COUNT)})
            SELECT source_id, sku_id, true, on_hand, allocated, damaged, quality_hold, incoming, in_transit, observed_at, %s, %s, ''
            FROM gone ORDER BY source_id, sku_id {_LATER}""",
        (sorted(level_ids), *cause),
    )
    places = {Place(sku, location): cause for sku, location, _ in rows}
    levels.refold(places, f"accepted by {by}"[:30], recorded.now, recorded, None)
    recorded.settled |= {("stock_level", id) for _, _, id in rows}


def adopt(source_id: int, cause: Cause, recorded: Recorded) -> None:
    """Take what a source counted last, of everything, as the count to go on from: how a location whose source only tells movements
    begins, or begins anew."""
    rows = sql.fetch(
        f"""INSERT INTO canonical_stockcount ({", ".join(_COUNT)})
            SELECT source_id, sku_id, true, on_hand, allocated, damaged, quality_hold, incoming, in_transit, observed_at, %s, %s, ''
            FROM canonical_stockcount WHERE source_id = %s AND NOT accepted AND doubt = '' ORDER BY source_id, sku_id {_LATER}""",
        (*cause, source_id),
    )
    ((location,),) = sql.fetch("SELECT location_id FROM canonical_stocksource WHERE id = %s", (source_id,))
    levels.refold({Place(sku, location): cause for _, sku, _ in rows}, "adopted", recorded.now, recorded, None)
