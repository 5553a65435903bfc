"""Goods on their way to a warehouse: what is announced, and what of it arrived. More than expected is recorded like everything else."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from canonical import ledger, sql
from canonical.facts import StockMoved
from canonical.recording import arrivals
from canonical.recording.work import Recorded, Stated, ours
from canonical.types import Bucket


class _Inbound(NamedTuple):
    """An inbound shipment, locked."""

    id: int
    location: int


def waiting_key(reference: str) -> str:
    """What a message waits for that names an inbound shipment nobody announced."""
    return f"inbound:{reference}"


# ---- announcements ----------------------------------------------------------------------------------------------------------
_ANNOUNCE = """INSERT INTO canonical_inboundshipment AS t (reference, location_id, supplier, expected_at, cancelled, state, stated_at)
  VALUES (%s, %s, %s, %s, %s, 'expected', %s) ON CONFLICT (reference) DO UPDATE SET supplier = excluded.supplier,
    expected_at = excluded.expected_at, cancelled = excluded.cancelled, stated_at = excluded.stated_at
  WHERE t.stated_at < excluded.stated_at RETURNING id, xmax = 0"""
_EXPECT = """INSERT INTO canonical_inboundline AS t (shipment_id, sku_id, expected)
  SELECT %s, v.sku, v.units FROM unnest(%s::bigint[], %s::integer[]) v(sku, units) ORDER BY v.sku
  ON CONFLICT (shipment_id, sku_id) DO UPDATE SET expected = excluded.expected"""


def announced(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply InboundAnnounced: the latest statement stands. People announce one at a time."""
    for s in sorted(stated, key=lambda s: (s.fact.reference, s.fact.occurred_at)):
        f = s.fact
        head = (f.reference, f.location_id, f.supplier, f.expected_at, f.cancelled, f.occurred_at)
        for id, new in sql.fetch(_ANNOUNCE, head):
            units = dict(f.lines)
            sql.fetch(
                "UPDATE canonical_inboundline SET expected = 0 WHERE shipment_id = %s AND NOT sku_id = ANY(%s)",
                (id, sorted(units)),
            )
            sql.fetch(_EXPECT, (id, list(units), list(units.values())))
            _settle([id])
            event = "announced" if new else "cancelled" if f.cancelled else "changed"
            recorded.entries += ledger.changed("inbound_shipment", [ours(None, s, id, event)])
            recorded.appeared.add(waiting_key(f.reference))
    return []


# ---- receipts ---------------------------------------------------------------------------------------------------------------
def received(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply GoodsReceived: one receipt per shipment and name. What arrived that was not announced gets a line of its own."""
    known = _known(source, stated, recorded)
    skus = arrivals.known_skus(stated, recorded)
    usable = [s for s in stated if s.fact.inbound in known and s.cause not in recorded.conflicts]
    stored = _stored([known[s.fact.inbound].id for s in usable])
    kept = arrivals.once(
        usable,
        lambda s: (known[s.fact.inbound].id, s.fact.ref),
        {key: mark for key, (_, mark) in stored.items()},
        recorded,
    )
    fresh = {key: s for s in reversed(kept) if (key := (known[s.fact.inbound].id, s.fact.ref)) not in stored}
    _keep(dict(sorted(fresh.items())), skus)
    _count(sorted({id for id, _ in fresh}))
    changes = {id: ours(source, s, id, "received") for (id, _), s in fresh.items()}
    recorded.entries += ledger.changed("inbound_shipment", [changes[id] for id in sorted(changes)])
    _move(source, [(s, known[s.fact.inbound]) for s in kept], skus, recorded)


def _known(source: int, stated: Iterable[Stated], recorded: Recorded) -> dict[str, _Inbound]:
    """Reference → shipment, of this warehouse only; locked. Facts naming any other are noted as missing."""
    rows = sql.fetch(
        """SELECT t.reference, t.id, t.location_id FROM canonical_inboundshipment t JOIN canonical_location l ON l.id = t.location_id
           WHERE l.executor_id = %s AND t.reference = ANY(%s) ORDER BY t.id FOR UPDATE OF t""",
        (source, sorted({s.fact.inbound for s in stated})),
    )
    known = {reference: _Inbound(*rest) for reference, *rest in rows}
    for s in stated:
        if s.fact.inbound not in known:
            recorded.missing[s.cause] = waiting_key(s.fact.inbound)
    return known


def _stored(shipments: Sequence[int]) -> dict[tuple[int, str], tuple[int, bytes]]:
    """(shipment, name) → (receipt, digest)."""
    rows = sql.fetch(
        "SELECT shipment_id, external_id, id, digest FROM canonical_inboundreceipt WHERE shipment_id = ANY(%s)",
        (sorted(set(shipments)),),
    )
    return {(shipment, ref): (id, bytes(mark)) for shipment, ref, id, mark in rows}


def _keep(fresh: dict[tuple[int, str], Stated], skus: dict[str, int]) -> None:
    ids = sql.new_ids("canonical_inboundreceipt", len(fresh))
    sql.insert(
        "canonical_inboundreceipt",
        {"id": "bigint", "shipment_id": "bigint", "external_id": "text", "occurred_at": "timestamptz", "digest": "bytea"},
        [(id, *key, s.fact.occurred_at, arrivals.digest(s.fact)) for id, (key, s) in zip(ids, fresh.items(), strict=True)],
    )  # fmt: skip
    rows = [
        (id, shipment, skus[item.sku], item.units, item.damaged)
        for id, ((shipment, _), s) in zip(ids, fresh.items(), strict=True)
        for item in s.fact.lines
    ]
    columns = {"receipt": "bigint", "shipment": "bigint", "sku": "bigint", "units": "integer", "damaged": "integer"}
    given = sql.arrays(columns, rows) if rows else [[]] * 5
    sql.fetch(
        f"""INSERT INTO canonical_inboundline (shipment_id, sku_id, expected) SELECT DISTINCT v.shipment, v.sku, 0
            FROM {sql.values(columns)} ORDER BY 1, 2 ON CONFLICT (shipment_id, sku_id) DO NOTHING""",
        given,
    )
    sql.fetch(
        f"""INSERT INTO canonical_inboundreceiptline (receipt_id, line_id, units, damaged)
            SELECT v.receipt, l.id, sum(v.units), sum(v.damaged) FROM {sql.values(columns)}
            JOIN canonical_inboundline l ON l.shipment_id = v.shipment AND l.sku_id = v.sku GROUP BY 1, 2 ORDER BY 1, 2""",
        given,
    )


def _count(shipments: Sequence[int]) -> None:
    """Count what arrived again; never added up."""
    sql.fetch(
        """UPDATE canonical_inboundline t SET received = c.units, damaged = c.damaged FROM (SELECT r.line_id, sum(r.units) AS units,
             sum(r.damaged) AS damaged FROM canonical_inboundreceiptline r JOIN canonical_inboundline l ON l.id = r.line_id
             WHERE l.shipment_id = ANY(%s) GROUP BY 1) c WHERE c.line_id = t.id""",
        (shipments,),
    )
    _settle(shipments)


def _settle(shipments: Sequence[int]) -> None:
    """The state follows from the lines. What arrived of a cancelled one did arrive."""
    sql.fetch(
        """UPDATE canonical_inboundshipment t SET state = CASE WHEN c.received = 0 THEN CASE WHEN t.cancelled THEN 'cancelled'
             ELSE 'expected' END WHEN c.all_there THEN 'received' ELSE 'part_received' END
           FROM (SELECT s.id, coalesce(sum(l.received), 0) AS received, bool_and(l.received >= l.expected) AS all_there
             FROM canonical_inboundshipment s LEFT JOIN canonical_inboundline l ON l.shipment_id = s.id WHERE s.id = ANY(%s) GROUP BY 1) c
           WHERE c.id = t.id""",
        (shipments,),
    )


_BUCKETS: tuple[Bucket, Bucket] = ("on_hand", "damaged")


def _move(source: int, kept: Sequence[tuple[Stated, _Inbound]], skus: dict[str, int], recorded: Recorded) -> None:
    """What arrived lies there from then on: all of it on hand, the damaged ones marked as such."""
    stored = _stored([inbound.id for _, inbound in kept])
    moves = []
    for s, inbound in kept:
        ref = f"receipt:{stored[inbound.id, s.fact.ref][0]}"
        units: dict[tuple[str, Bucket], int] = {}
        for item in s.fact.lines:
            for bucket, count in zip(_BUCKETS, (item.units, item.damaged), strict=True):
                units[item.sku, bucket] = units.get((item.sku, bucket), 0) + count
        for (code, bucket), count in units.items():
            if count:
                fact = StockMoved(
                    occurred_at=s.fact.occurred_at, ref=f"{ref}:{skus[code]}:{bucket}", location="", units=count, kind="receipt",
                    sku=code, bucket=bucket, document=s.fact.inbound,
                )  # fmt: skip
                moves.append((s, inbound.location, fact))
    arrivals.move(source, moves, recorded)
