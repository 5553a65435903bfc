"""What reports about goods that arrive share: each has the warehouse's own name and counts once, with the content it had first; and what
it means for stock. Knows neither inbound shipments nor returns."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from canonical import sql
from canonical.facts import Fact, StockMoved
from canonical.recording import catalog, stock
from canonical.recording.work import Recorded, Stated

_K = TypeVar("_K", bound=Hashable)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def digest(fact: Fact) -> bytes:
    """Hash of what a report says, without when."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(fact, occurred_at=_LONG_AGO))).digest()


def once(
    stated: Iterable[Stated], key: Callable[[Stated], _K], stored: Mapping[_K, bytes], recorded: Recorded
) -> list[Stated]:
    """Reports whose content is the one their name had first; another content is a contradiction for a person."""
    marks = dict(stored)
    kept = []
    for s in sorted(stated, key=lambda s: (s.fact.ref, s.fact.occurred_at, digest(s.fact))):
        mark = digest(s.fact)
        if marks.setdefault(key(s), mark) == mark:
            kept.append(s)
        else:
            recorded.conflicts[s.cause] = (
                f"{s.fact.ref} was already reported with other contents. Ask the warehouse which report is right."
            )
    return kept


def known_skus(stated: Sequence[Stated], recorded: Recorded) -> dict[str, int]:
    """Code → SKU of everything these reports name; one that names what is no SKU here waits for a person."""
    skus = catalog.codes([item.sku for s in stated for item in s.fact.lines if item.sku])
    for s in stated:
        if unknown := next((item.sku for item in s.fact.lines if item.sku and item.sku not in skus), None):
            recorded.conflicts[s.cause] = f"“{unknown}” arrived, which is no SKU here. Create it, then release this."
    return skus


def move(source: int, moves: Sequence[tuple[Stated, int, StockMoved]], recorded: Recorded) -> None:
    """Let what arrived (its report, our location, the movement) count as stock, where the warehouse's word about the location's stock was
    set up. Said again it is the same movement."""
    places: dict[int, str] = dict(
        sql.fetch(
            "SELECT location_id, external_id FROM canonical_stocksource WHERE system_id = %s AND location_id = ANY(%s)",
            (source, sorted({place for _, place, _ in moves})),
        )
    )
    told: list[Any] = [
        Stated(s.cause, msgspec.structs.replace(fact, location=places[place]))
        for s, place, fact in moves
        if place in places
    ]
    if told:
        stock.moved(source, told, recorded)
