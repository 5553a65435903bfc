"""Tracking numbers a warehouse gives later than the shipment, or anew: of each package the latest statement stands. One about a shipment
we do not know waits for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from canonical import ledger, sql
from canonical.recording.fulfilment import Request, requests, shipment_key
from canonical.recording.work import Recorded, Stated, ours


class _Shipment(NamedTuple):
    """A shipment as it stands, its order locked."""

    id: int
    request_id: int
    packages: int


def stated(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply TrackingStated. What a statement says is news where it differs from what is shown by now."""
    known = requests(source, stated, recorded)
    shipments = _shipments(source, stated)
    usable = [s for s in stated if s.fact.request in known and _fits(source, s, known, shipments, recorded)]
    latest: dict[int, Stated] = {}
    for s in sorted(usable, key=lambda s: s.fact.occurred_at):
        latest[shipments[s.fact.ref].id] = s
    news = _packages(usable, shipments) | _carriers(usable, shipments)
    changes = [ours(source, latest[id], id, "tracked") for id in sorted(news)]
    recorded.entries += ledger.changed("shipment", changes)


def _shipments(source: int, stated: Iterable[Stated]) -> dict[str, _Shipment]:
    rows = sql.fetch(
        """SELECT s.external_id, s.id, s.request_id, (SELECT count(*) FROM canonical_package p WHERE p.shipment_id = s.id)
           FROM canonical_shipment s WHERE s.system_id = %s AND s.external_id = ANY(%s)""",
        (source, sorted({s.fact.ref for s in stated})),
    )
    return {ref: _Shipment(*rest) for ref, *rest in rows}


def _fits(
    source: int, s: Stated, known: Mapping[str, Request], shipments: Mapping[str, _Shipment], recorded: Recorded
) -> bool:
    """Whether it speaks of packages there are."""
    shipment = shipments.get(s.fact.ref)
    if shipment is None or shipment.request_id != known[s.fact.request].id:
        recorded.missing[s.cause] = shipment_key(s.fact.ref, source)
        return False
    beyond = max((p.package for p in s.fact.packages), default=0)
    if beyond > shipment.packages:
        recorded.conflicts[s.cause] = (
            f"Shipment {s.fact.ref} has {shipment.packages} packages, and the warehouse gave a number for package {beyond}."
        )
        return False
    return True


#: What is shown is said to be news only where it differs: a repetition by a later clock writes no entry.
_PACKAGES = """UPDATE canonical_package t SET tracking = v.tracking, tracking_url = v.url, tracked_at = v.at
  FROM unnest(%s::bigint[], %s::integer[], %s::timestamptz[], %s::text[], %s::text[]) v(shipment, position, at, tracking, url)
  JOIN canonical_package o ON o.shipment_id = v.shipment AND o.position = v.position
  WHERE t.id = o.id AND (coalesce(o.tracked_at, '-infinity'), o.tracking COLLATE "C", o.tracking_url COLLATE "C")
    < (v.at, v.tracking, v.url) RETURNING t.shipment_id, (o.tracking, o.tracking_url) <> (v.tracking, v.url)"""
_CARRIERS = """UPDATE canonical_shipment t SET carrier = v.carrier, service = v.service, carrier_at = v.at
  FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[]) v(id, at, carrier, service)
  JOIN canonical_shipment o ON o.id = v.id
  WHERE t.id = o.id AND (coalesce(o.carrier_at, '-infinity'), o.carrier COLLATE "C", o.service COLLATE "C")
    < (v.at, v.carrier, v.service) RETURNING t.id, (o.carrier, o.service) <> (v.carrier, v.service)"""


def _packages(stated: Iterable[Stated], shipments: Mapping[str, _Shipment]) -> set[int]:
    """Make the latest numbers of each package true; returns the shipments of which something else is shown now."""
    best: dict[tuple[int, int], tuple[Any, ...]] = {}
    for s in stated:
        for p in s.fact.packages:
            key, said = (shipments[s.fact.ref].id, p.package), (s.fact.occurred_at, p.tracking, p.tracking_url)
            best[key] = max(said, best.get(key, said))
    return _written(_PACKAGES, [(*key, *said) for key, said in sorted(best.items())], 5)


def _carriers(stated: Iterable[Stated], shipments: Mapping[str, _Shipment]) -> set[int]:
    best: dict[int, tuple[Any, ...]] = {}
    for s in stated:
        if s.fact.carrier:
            id, said = shipments[s.fact.ref].id, (s.fact.occurred_at, s.fact.carrier, s.fact.service)
            best[id] = max(said, best.get(id, said))
    return _written(_CARRIERS, [(id, *said) for id, said in sorted(best.items())], 4)


def _written(statement: str, rows: sql.Rows, width: int) -> set[int]:
    columns = [[row[n] for row in rows] for n in range(width)]
    return {id for id, news in sql.fetch(statement, columns) if news}
