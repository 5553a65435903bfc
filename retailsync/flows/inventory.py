"""Inventory: what a warehouse received or corrected is posted on to the ERP that is told of its location. Knows no wire format; what may be
sold is reckoned elsewhere (canonical.reckoning)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from canonical import sql
from canonical.commands import PostMovement, PostReceipt, PostStockAdjustment
from canonical.ledger import Cause, Written
from retailsync.flows.base import Flow, Step


class MovementView(NamedTuple):
    """Units that came to or left a location whose ERP does not know yet."""

    cause: Cause
    told_id: int
    id: int
    sku_id: int
    location_id: int
    units: int
    kind: str
    reason: str
    document: str
    occurred_at: datetime


def _receipt(m: MovementView, **given: Any) -> PostMovement:
    return PostReceipt(document=m.document, **given)


def _adjustment(m: MovementView, **given: Any) -> PostMovement:
    return PostStockAdjustment(**given)


#: Kind of movement → the command that books it; every other kind is a correction.
COMMANDS: Mapping[str, Callable[..., PostMovement]] = {"receipt": _receipt}
_MOVEMENTS = """SELECT m.id, l.told_id, m.sku_id, m.location_id, m.units, m.kind, m.reason, m.document, m.occurred_at
  FROM canonical_stockmovement m JOIN canonical_stocksource s ON s.id = m.source_id JOIN canonical_location l ON l.id = m.location_id
  WHERE m.id = ANY(%s) AND m.bucket = 'on_hand' AND l.told_id IS NOT NULL AND l.told_id <> s.system_id ORDER BY m.id"""


def gather(entries: Sequence[Written]) -> list[MovementView]:
    """The movements an ERP has to be told of: not those it told us, nor what our own orders shipped (goods issues say that)."""
    causes = {e.subject_id: e.cause for e in entries}
    return [MovementView(causes[id], told, id, *rest) for id, told, *rest in sql.fetch(_MOVEMENTS, (sorted(causes),))]


def plan(views: Iterable[MovementView], now: datetime) -> Iterator[Step]:
    """One command per movement."""
    for m in views:
        command = COMMANDS.get(m.kind, _adjustment)(
            m, movement_id=m.id, sku_id=m.sku_id, location_id=m.location_id, units=m.units, happened_at=m.occurred_at,
            reference=f"M{m.id}", reason=m.reason,
        )  # fmt: skip
        yield Step(m.cause, m.told_id, command)


FLOW = Flow(
    name="inventory",
    owner="stock planning",
    service_level=timedelta(minutes=2),
    runbook="docs/runbook.md#inventory",
    gather=gather,
    plan=plan,
    about="stock_movement",
)
