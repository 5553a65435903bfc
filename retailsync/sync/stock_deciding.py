"""stock_deciding: what people decide about counts and snapshots. Each decision is an action and what it makes true, in one transaction;
what may be sold then is reckoned by the stock drain."""

from collections.abc import Callable
from functools import partial

from django.db import transaction

from canonical.ledger import Cause
from canonical.models import SnapshotPart, StockCount, StockLevel, StockSnapshot, StockSource
from canonical.record import Recorded
from canonical.recording import levels, listings, stock
from retailsync.sync import bell, cases, clock, corridor, transient
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action


def accept(level_id: int, who: str, why: str) -> None:
    """The doubted count of a level is right: it sets the level. Raises NotPossible."""

    def decide(cause: Cause, recorded: Recorded) -> None:
        level = StockLevel.objects.select_for_update().filter(pk=level_id).first()
        if level is None or level.doubted is None:
            raise NotPossible("no count of it waits for anybody any more.")
        stock.accept([level_id], cause, who, recorded)

    _decide("accept count", "stock_level", level_id, who, why, decide)


def apply_snapshot(snapshot_id: int, who: str, why: str) -> None:
    """A parked snapshot is right: its counts are applied, as of the instant it was made. Raises NotPossible."""

    def decide(cause: Cause, recorded: Recorded) -> None:
        row = _parked(snapshot_id)
        source = StockSource.objects.select_related("location").get(pk=row.source_id)
        terms = (source.authority, source.jump_percent, source.jump_units, source.shrink_percent, source.location.code)
        whole = stock.Whole(
            row.pk, stock.Source(source.pk, source.location_id, *terms), row.run, row.observed_at, row.lists_all,
            row.parts or row.parts_got, row.rows_got, row.rows_got,
        )  # fmt: skip
        stock.apply_snapshot(source.system_id, whole, cause, recorded)

    _decide("apply snapshot", "snapshot", snapshot_id, who, why, decide)


def discard_snapshot(snapshot_id: int, who: str, why: str) -> None:
    """A parked snapshot is wrong: nothing of it is applied. Raises NotPossible."""

    def decide(cause: Cause, recorded: Recorded) -> None:
        row = _parked(snapshot_id)
        StockSnapshot.objects.filter(pk=row.pk).update(state=StockSnapshot.State.DISCARDED, ended_at=clock.now())
        SnapshotPart.objects.filter(snapshot=row).delete()
        recorded.settled.add(("snapshot", row.pk))

    _decide("discard snapshot", "snapshot", snapshot_id, who, why, decide)


def _parked(snapshot_id: int) -> StockSnapshot:
    row = StockSnapshot.objects.select_for_update().filter(pk=snapshot_id).first()
    if row is None or row.state != StockSnapshot.State.PARKED:
        raise NotPossible("it does not wait for anybody any more.")
    return row


def adopt(source_id: int, who: str, why: str) -> None:
    """What a source counted last is what lies there: levels go on from it. Raises NotPossible."""

    def decide(cause: Cause, recorded: Recorded) -> None:
        # Levels before the source and its counts, as whoever records counts and movements locks them.
        counted = StockCount.objects.filter(source=source_id, accepted=False).values_list("sku", "source__location")
        levels.lock(levels.Place(*place) for place in counted)
        source = StockSource.objects.select_for_update().filter(pk=source_id).first()
        if source is None or source.authority == StockSource.Authority.LEVELS:
            raise NotPossible("its counts set the levels already.")
        if not source.counts.filter(accepted=False).exists():
            raise NotPossible("it never counted anything.")
        stock.adopt(source_id, cause, recorded)

    _decide("adopt counts", "stock_source", source_id, who, why, decide)


def _decide(what: str, kind: str, id: int, who: str, why: str, decide: Callable[[Cause, Recorded], None]) -> None:
    """Note the action, do it under its locks, have what it touched reckoned again, and open or close what follows from it."""

    def do() -> None:
        action = Action.objects.create(who=who, what=what, target_kind=kind, target_id=id, why=why)
        cause, recorded = Cause("action", action.pk), Recorded(now=clock.now())
        decide(cause, recorded)
        listings.touch([(sku, False) for sku in sorted(recorded.touched)], cause)
        for settled, target in sorted(recorded.settled):
            cases.close(settled, [target], who)
        cases.follow_stock(recorded)
        transaction.on_commit(partial(bell.ring, corridor.RECKON, 0))

    transient.atomically(do)
