"""The stock drain: reckons what was touched, one drain at a time; and looks at what only time changes: rules that begin or end, sources
that fell silent, snapshots that never became whole."""

from datetime import datetime, timedelta

from django.db import transaction

from canonical import reckoning, sql, terms, verdicts
from canonical.ledger import Cause
from canonical.recording import levels
from retailsync.sync import bell, cases, clock, corridor, transient, waiting
from retailsync.sync.leases import lease

TASK, RUN = corridor.RECKON, "sync.publish_run"
#: Seconds: figures wait no longer for a worker that died. Two drains at once would be slower and no less right.
LEASE = 15.0
LINGER = 0.15  # seconds; what comes meanwhile is reckoned together, and a shop hears of it long before its customers do
HALF = timedelta(minutes=30)  # after which a snapshot that is not whole is told


def drain(*, linger: bool = False) -> int:
    """Reckon until nothing is touched; ring for the shops whose figures changed. Returns how many touches were taken."""
    bell.answered(TASK, 0)
    count, channels = 0, set[int]()
    with lease("stock", LEASE) as held:
        if held is None:
            return 0
        if linger:
            waiting.pause(LINGER)
        while held.renew(LEASE) and (done := transient.repeat(_reckon)).touches:
            count += done.touches
            channels |= set(done.channels)
    for channel in sorted(channels):
        bell.ring(corridor.PUBLISH, channel)
    if held.wanted:
        bell.ring(TASK, 0)
    return count


def drained(patience: float) -> bool:
    """Have everything reckoned that is touched by now, by whoever is at it; False where that is not done within so many seconds."""
    ((newest,),) = sql.fetch("SELECT coalesce(max(id), 0) FROM canonical_stocktouch")

    def done() -> bool:
        drain()
        return not sql.fetch("SELECT 1 FROM canonical_stocktouch WHERE id <= %s LIMIT 1", (newest,))

    return waiting.until(done, patience)


def _reckon() -> reckoning.Reckoned:
    with transaction.atomic():
        done = reckoning.reckon(clock.now())
        if done.short:
            verdicts.judge(**reckoning.given(done.short), now=clock.now())
        return done


# ---- what time changes ------------------------------------------------------------------------------------------------------
def watch(now: datetime) -> None:
    """Look at what no message tells, and ring for what is touched."""
    transient.repeat(lambda: _pass(now))
    if sql.fetch("SELECT 1 FROM canonical_stocktouch LIMIT 1"):
        bell.ring(TASK, 0)
    for (channel,) in sql.fetch(_WAITING, {"now": now}):
        bell.ring(corridor.PUBLISH, channel)
    for (channel,) in sql.fetch("SELECT channel_id FROM canonical_publication WHERE ended_at IS NULL"):
        bell.ring(RUN, channel)


#: Listings (l) that are not known to show what they should; the index of migration 0006 holds just these. What a push said may be a sale
#: whose order is on its way: it is given a moment.
UNSETTLED = """l.gone_at IS NULL AND l.managed AND l.target IS NOT NULL AND (l.expected IS NULL OR l.verify OR l.target <> l.expected
    OR l.backorders <> l.target_backorders OR (l.hint <> l.expected AND l.hint_at < %(now)s - interval '3 seconds'))"""
_WAITING = f"""SELECT p.channel_id FROM canonical_shoppolicy p
  WHERE p.publish_stock AND EXISTS (SELECT 1 FROM canonical_listing l WHERE l.channel_id = p.channel_id AND {UNSETTLED})"""


def _pass(now: datetime) -> None:
    with transaction.atomic():
        terms.pass_boundaries(now)
        _stale(now)
        _fresh(now)
        _half(now)


_TOUCH = """INSERT INTO canonical_stocktouch (sku_id, cause_kind, cause_id)
  SELECT l.sku_id, 'clock', %s FROM canonical_stocklevel l WHERE l.counted_by_id = ANY(%s)"""


def _stale(now: datetime) -> None:
    """Sources nobody heard of for too long: their figures fall to the floor, and somebody is told."""
    rows = sql.fetch(
        """UPDATE canonical_stocksource s SET stale_since = s.heard_at + s.stale_minutes * interval '1 minute' FROM canonical_location l
           WHERE l.id = s.location_id AND s.stale_since IS NULL AND s.heard_at + s.stale_minutes * interval '1 minute' < %s
           RETURNING s.id, s.system_id, l.code, s.heard_at, s.floor_percent, s.authority""",
        (now,),
    )
    sql.fetch(_TOUCH, (int(now.timestamp()), [row[0] for row in rows]))
    cases.open_all(
        cases.Opening(
            "stock_source", id, system, None, "inventory", "receive", "stale_source", code,
            f"Nobody told us about the stock of {code} since {heard:%Y-%m-%d %H:%M} UTC."
            f" Until somebody does, {floor} % of what is free there is offered.",
        )
        for id, system, code, heard, floor, authority in rows if authority == "levels"
    )  # fmt: skip


def _fresh(now: datetime) -> None:
    """Sources that were heard of again are believed again."""
    rows = sql.fetch(
        """UPDATE canonical_stocksource s SET stale_since = NULL WHERE s.stale_since IS NOT NULL
             AND (s.stale_minutes IS NULL OR s.heard_at + s.stale_minutes * interval '1 minute' >= %s) RETURNING s.id""",
        (now,),
    )
    ids = [id for (id,) in rows]
    sql.fetch(_TOUCH, (int(now.timestamp()), ids))
    cases.close("stock_source", ids)


def _half(now: datetime) -> None:
    """Snapshots that are still not whole: parts were lost, or its sender broke off. A later one that was applied makes them moot."""
    sql.fetch(
        """UPDATE canonical_stocksnapshot s SET state = 'discarded', ended_at = %s, words = 'A later one was applied.'
           WHERE s.state = 'open' AND s.began_at < %s AND EXISTS (SELECT 1 FROM canonical_stocksnapshot n
             WHERE n.source_id = s.source_id AND n.state = 'applied' AND n.observed_at > s.observed_at)""",
        (now, now - HALF),
    )
    rows = sql.fetch(
        """UPDATE canonical_stocksnapshot s SET state = 'parked', words = 'It never became whole.' FROM canonical_stocksource o
           JOIN canonical_location l ON l.id = o.location_id WHERE o.id = s.source_id AND s.state = 'open' AND s.began_at < %s
           RETURNING s.id, o.system_id, l.code, s.run, s.parts_got, s.parts""",
        (now - HALF,),
    )
    cases.open_all(
        cases.Opening(
            "snapshot", id, system, None, "inventory", "receive", "half_snapshot", code,
            f"The stock snapshot “{run}” of {code} never became whole: {got} of {parts or 'an unknown number of'} parts arrived.",
        )
        for id, system, code, run, got, parts in rows
    )  # fmt: skip


# ---- the nightly proof ------------------------------------------------------------------------------------------------------
def prove(now: datetime) -> int:
    """Compare every level with the fold of its counts and movements, and fold again where they differ, which only a fault of ours or a
    hand in the database can have caused. Returns how many differed."""
    differing = levels.differing()
    for start in range(0, len(differing), 1000):
        _mend([id for id, _, _ in differing[start : start + 1000]], now)
    return len(differing)


def _mend(ids: list[int], now: datetime) -> None:
    with transaction.atomic():
        rows = sql.fetch("SELECT sku_id, location_id FROM canonical_stocklevel WHERE id = ANY(%s)", (ids,))
        corridor.refold([levels.Place(*row) for row in rows], Cause("clock", int(now.timestamp())), now)
