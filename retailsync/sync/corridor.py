"""The middle of the corridor, in one transaction: facts are recorded, flows plan, commands are put out, waiters are woken."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction

from canonical import sql
from canonical.commands import Refresh
from canonical.facts import AlarmSet, Decision
from canonical.ledger import Cause, Written
from canonical.record import Recorded, Stated, record
from canonical.recording import levels, listings
from retailsync import flows
from retailsync.partners import asks, feed
from retailsync.sync import bell, cases, outbox

RECKON, PUBLISH = "sync.reckon_stock", "sync.publish_stock"  # tasks
_ROUNDS = 8  # a decision plans the next step; more rounds than this mean that two rules undo each other


class Restless(Exception):
    """Flows kept deciding. Our bug: two rules undo each other."""


def advance(source: int, stated: Iterable[Stated], now: datetime) -> Recorded:
    """Record facts of one source, plan what follows and put the commands out. Runs inside the caller's transaction."""
    recorded = record(source, stated, now)
    if gone := [e.subject_id for e in recorded.entries if (e.subject_kind, e.event) == ("order", "gone")]:
        outbox.let_be(source, gone)
    entries = recorded.entries + _plan(source, recorded.entries, now, recorded)
    _follow(entries, recorded, now)
    if recorded.listed:
        transaction.on_commit(partial(bell.ring, PUBLISH, source))
    _look_for_stock(recorded.entries, now)
    return recorded


def note(stated: Sequence[Stated], now: datetime) -> None:
    """Record decisions about orders, and leave it to the sweep to plan these. Runs inside the caller's transaction."""
    later = [Stated(s.cause, AlarmSet(occurred_at=now, order_id=s.fact.order_id, at=now)) for s in stated]
    recorded = record(0, [*stated, *later], now)
    _follow(recorded.entries, recorded, now)


def replan(order_ids: Sequence[int], cause: Cause, now: datetime) -> None:
    """Plan orders again about which nothing new was said: time passed, or people set up what was missing. In the caller's transaction."""
    ids = sorted(order_ids)
    sql.fetch("SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (ids,))
    recorded = Recorded()
    moved = [Written("order", id, "looked at", id, cause) for id in ids]
    _follow(_plan(0, moved, now, recorded), recorded, now)


def _follow(entries: Sequence[Written], recorded: Recorded, now: datetime) -> None:
    """What follows from what was recorded and planned: questions, exceptions, figures to reckon, and whoever waited."""
    _ask(recorded, now)
    cases.follow_holds(entries)
    cases.follow_stock(recorded)
    feed.follow(entries)
    asks.follow(entries)
    if listings.follow(entries, recorded.touched) or recorded.listed:
        transaction.on_commit(partial(bell.ring, RECKON, 0))
    _wake(recorded.appeared, now)


def refold(places: Sequence[levels.Place], cause: Cause, now: datetime) -> None:
    """Fold these levels anew from what is recorded, and have what follows reckoned. In the caller's transaction."""
    recorded = Recorded(now=now)
    levels.refold(dict.fromkeys(places, cause), "folded anew", now, recorded, None)
    listings.touch([(place.sku, False) for place in places], cause)
    transaction.on_commit(partial(bell.ring, RECKON, 0))


def _plan(source: int, entries: Sequence[Written], now: datetime, recorded: Recorded) -> list[Written]:
    """Plan until nothing more is decided; returns the entries the decisions made."""
    made: list[Written] = []
    for _ in range(_ROUNDS):
        steps = flows.plan(entries, now)
        commands = [outbox.Order(s.system_id, s.what, s.cause) for s in steps if not isinstance(s.what, Decision)]
        undone = outbox.put(commands, now)
        decisions = [Stated(s.cause, s.what) for s in steps if isinstance(s.what, Decision)]
        if not decisions and not undone:
            return made
        more = [record(source, decisions, now), *(record(system, facts, now) for system, facts in undone.items())]
        entries = [entry for each in more for entry in each.entries]
        made += entries
        recorded.appeared |= set().union(*(each.appeared for each in more))
        recorded.touched |= set().union(*(each.touched for each in more))
    raise Restless(f"flows kept deciding after {_ROUNDS} rounds: {[type(s.what).__name__ for s in steps][:5]}")


def _ask(recorded: Recorded, now: datetime) -> None:
    questions = [
        (q.system_id, Refresh(entity=q.entity, external_id=q.external_id), q.cause) for q in recorded.questions
    ]
    outbox.put([outbox.Order(*question) for question in questions], now)


def _wake(keys: set[str], now: datetime) -> None:
    """Whoever waits for one of these gets its turn now, also those a person was already told about."""
    if not keys:
        return
    _wake_rows("message", "sync_message", "received", "sync.drain_inbox", keys, now)
    _wake_rows("command", "sync_command", "waiting", "sync.drain_outbox", keys, now)


#: Whoever is being changed by somebody else is passed over, not waited for (orders are locked before levels): it is planned just now, and
#: looked at again by itself.
_WAITING_FOR_STOCK = """UPDATE canonical_order t SET look_at = %(now)s FROM (SELECT o.id FROM canonical_order o
    WHERE (o.look_at IS NULL OR o.look_at > %(now)s) AND o.id IN (SELECT h.order_id FROM canonical_hold h
      JOIN canonical_orderline l ON l.order_id = h.order_id LEFT JOIN canonical_linecomponent c ON c.line_id = l.id
      JOIN canonical_stocklevel v ON v.sku_id = coalesce(c.sku_id, l.sku_id)
      WHERE h.reason = 'stock' AND h.lifted_at IS NULL AND v.id = ANY(%(levels)s))
    ORDER BY o.id FOR UPDATE SKIP LOCKED) w WHERE t.id = w.id"""
#: What our own orders shipped left with the demand for it: nothing more is free than before.
_NO_RISE = frozenset({"shipped", "booked"})


def _look_for_stock(entries: Iterable[Written], now: datetime) -> None:
    """Orders that wait for stock of a level that changed have their time come now: the sweep plans them in batches, the oldest first."""
    risen = {e.subject_id for e in entries if e.subject_kind == "stock_level" and e.event not in _NO_RISE}
    if risen:
        sql.fetch(_WAITING_FOR_STOCK, {"now": now, "levels": sorted(risen)})


def _wake_rows(kind: str, table: str, state: str, task: str, keys: set[str], now: datetime) -> None:
    rows = sql.fetch(
        f"UPDATE {table} SET state = %s, waits_for = '', not_before = %s"
        " WHERE waits_for = ANY(%s) AND waits_for <> '' AND state IN ('waiting', 'parked') RETURNING id, system_id",
        (state, now, sorted(keys)),
    )
    if rows:
        cases.close(kind, [id for id, _ in rows])
    for system in sorted({system for _, system in rows}):
        transaction.on_commit(partial(bell.ring, task, system))
