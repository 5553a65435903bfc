"""Bookings: one sales order in an ERP for one order of ours. What became of it is its posting; a cancelled one has ended."""

from collections.abc import Mapping, Sequence

from canonical import ledger, sql
from canonical.ledger import Change, Why
from canonical.recording.work import Recorded, Stated, ours

_COLUMNS = {
    "order_id": "bigint", "system_id": "bigint", "attempt": "integer", "reference": "text", "raised_at": "timestamptz",
    "ledger_version": "integer",
}  # fmt: skip


def raised(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Raise bookings. While one of an order is not ended there is no other: a plan that raises one forgot what it knows."""
    facts = {(s.fact.order_id, s.fact.system_id): s for s in stated}
    rows = [
        (*key, facts[key].fact.attempt, facts[key].fact.reference, facts[key].fact.occurred_at, 1)
        for key in sorted(facts)
    ]
    why = {key: Why(s.cause, s.fact.occurred_at, None) for key, s in facts.items()}
    by = {"order_id": "bigint", "system_id": "bigint"}
    made = ledger.inserted("booking", _COLUMNS, rows, "'raised'", by, why, "ON CONFLICT DO NOTHING")
    if len(made) != len(rows):
        raise RuntimeError(f"an order was booked twice: {sorted(facts)}")
    recorded.entries += made
    return [s.fact.order_id for s in stated]


def ended(source: int, cancelled: Mapping[int, Stated], recorded: Recorded) -> None:
    """The ERP confirmed that these bookings (id → receipt) are cancelled there."""
    if not cancelled:
        return
    rows = sql.fetch(
        "UPDATE canonical_booking t SET ended_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at)"
        " WHERE t.id = v.id AND t.ended_at IS NULL RETURNING t.id",
        (sorted(cancelled), [cancelled[id].fact.occurred_at for id in sorted(cancelled)]),
    )
    changes: list[Change] = [ours(source, cancelled[id], id, "ended") for (id,) in rows]
    recorded.entries += ledger.changed("booking", changes)
