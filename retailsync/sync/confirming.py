"""confirm: outcomes settle commands by compare-and-set, exchanges are stored, and receipts go through record and plan, all in one
transaction. What cannot be recorded parks one command, not its neighbours."""

import logging
import traceback
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from canonical import sql
from canonical.commands import Command
from canonical.facts import Posted
from canonical.ledger import Cause
from canonical.record import Stated
from connectors.errors import Retry
from connectors.http import Exchange
from retailsync.sync import calling, cases, clock, corridor, gates, inbox, outbox, systems, transient, work
from retailsync.sync.calling import InDoubt, Outcome

_log = logging.getLogger(__name__)


def settle(visit: systems.Visit, token: uuid.UUID, outcomes: Sequence[Outcome], exchanges: Sequence[Exchange]) -> None:
    """Confirm together; where our own part fails, one by one, so that one receipt we cannot record parks one command."""
    system = visit.system.pk
    try:
        transient.repeat(lambda: _confirm(system, token, outcomes, exchanges))
    except Exception:  # noqa: BLE001  the work state machine
        _log.warning("receipts recorded one by one", exc_info=True, extra={"system": system})
        for outcome in outcomes:
            _settle_alone(system, token, outcome, exchanges)


def _settle_alone(system: int, token: uuid.UUID, outcome: Outcome, exchanges: Sequence[Exchange]) -> None:
    about = [e for e in exchanges if outcome.claimed.id in e.jobs]
    try:
        transient.repeat(lambda: _confirm(system, token, [outcome], about))
    except Exception as error:
        if transient.passes(error):  # says nothing about the command: its lease ends, and it is looked for
            raise
        found = outcome.receipt.external_id if outcome.receipt else ""
        trouble = f"{traceback.format_exc()}\nThe system answered: {found or 'nothing'}"
        failed = Outcome(outcome.claimed, error=error, trouble=trouble)
        transient.repeat(lambda: _confirm(system, token, [failed], about))


def _confirm(system_id: int, token: uuid.UUID, outcomes: Sequence[Outcome], exchanges: Sequence[Exchange]) -> None:
    """Settle commands, store exchanges, record receipts and plan what follows: one transaction."""
    now = clock.now()
    with transaction.atomic():
        _lock(outcomes)
        _store(system_id, outcomes, exchanges)
        tripped = not calling.served(outcomes) and gates.tripped(system_id)
        steps = {o.claimed.id: _next(system_id, o, now, tripped) for o in outcomes}
        ours = _write(token, outcomes, steps, now)
        settled = [o for o in outcomes if o.claimed.id in ours]
        _hear(system_id, settled)
        corridor.advance(system_id, [s for o in settled if (s := _fact(o, now))], now)
        _cases(system_id, settled, steps)
        _gate(system_id, outcomes, now)


def _lock(outcomes: Sequence[Outcome]) -> None:
    """Orders before commands, as everyone who plans has them: two orders may want the same command, of one customer for instance."""
    orders = {getattr(o.claimed.command, "order_id", None) for o in outcomes} - {None}
    sql.fetch("SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted(orders),))


def _next(system_id: int, outcome: Outcome, now: datetime, tripped: bool) -> work.Next:
    if outcome.error is None:
        return work.Next("confirmed", now)
    if isinstance(outcome.error, InDoubt):
        return work.Next("in_doubt", now, "in_doubt", str(outcome.error), doubtful=True)
    step = work.after(outcome.error, outcome.claimed.tries, outcome.claimed.since, now, tripped=tripped)
    return step._replace(not_before=max(step.not_before, now + _longest(system_id, outcome))) if step.doubtful else step


def _longest(system_id: int, outcome: Outcome) -> timedelta:
    """How long the target may still be at work on a request whose answer was lost: nobody looks for it before."""
    send = systems.connector(system_id).sends.get(type(outcome.claimed.command))
    return timedelta(seconds=send.longest if send else 0)


def _write(token: uuid.UUID, outcomes: Sequence[Outcome], steps: dict[int, work.Next], now: datetime) -> set[int]:
    """Compare-and-set on the lease token: a late completion changes nothing. Returns the ids that were still ours."""
    again = [
        o.claimed.id for o in outcomes if steps[o.claimed.id].state == "waiting" and o.claimed.kind in outbox.LEVELS
    ]
    if again:
        outbox.supersede(again, token)
    columns = {
        "id": "bigint", "state": "text", "not_before": "timestamptz", "waits_for": "text", "reason": "text", "words": "text",
        "trouble": "text", "evidence": "text", "doubtful": "boolean", "burns": "integer", "exchanges": "bigint[]", "settled": "boolean",
        "waiting_since": "timestamptz",
    }  # fmt: skip
    rows = [_row(o, steps[o.claimed.id], now) for o in sorted(outcomes, key=lambda o: o.claimed.id)]
    if not rows:
        return set()
    written = sql.fetch(
        f"""UPDATE sync_command t SET state = v.state, not_before = v.not_before, waits_for = v.waits_for, reason = v.reason,
              words = v.words, trouble = v.trouble, evidence = v.evidence, doubtful = v.doubtful, attempts = t.attempts + v.burns,
              exchanges = t.exchanges || v.exchanges::bigint[], lease_token = NULL, lease_until = NULL,
              waiting_since = v.waiting_since, settled_at = CASE WHEN v.settled THEN clock_timestamp() END
            FROM {sql.values(columns)} WHERE t.id = v.id AND t.lease_token = %s AND t.state = 'sending' RETURNING t.id""",
        [*sql.arrays(columns, rows), token],
    )
    return {id for (id,) in written}


def _row(outcome: Outcome, step: work.Next, now: datetime) -> tuple[object, ...]:
    receipt, claimed = outcome.receipt, outcome.claimed
    doubtful = step.doubtful or (claimed.doubtful and step.state != "confirmed")
    return (
        claimed.id, step.state, step.not_before, step.waits_for, step.reason, step.words, outcome.trouble,
        receipt.evidence if receipt else "", doubtful, int(step.burns and not step.waits_for),
        outcome.exchanges, step.state == "confirmed",
        claimed.since if step.waits_for else None,
    )  # fmt: skip


def _store(system_id: int, outcomes: Sequence[Outcome], exchanges: Sequence[Exchange]) -> None:
    by_job: dict[int, list[int]] = {}
    for id, exchange in zip(store_exchanges(system_id, exchanges), exchanges, strict=True):
        for job in exchange.jobs:
            by_job.setdefault(job, []).append(id)
    for outcome in outcomes:
        outcome.exchanges = by_job.get(outcome.claimed.id, [])


def store_exchanges(system_id: int, exchanges: Sequence[Exchange]) -> list[int]:
    """Store exchanges as attempts; returns their ids in order."""
    columns = {
        "id": "bigint", "system_id": "bigint", "method": "text", "url": "text", "status": "integer", "request": "text",
        "response": "text", "commands": "bigint[]", "error": "text", "started_at": "timestamptz", "seconds": "double precision",
    }  # fmt: skip
    ids = sql.new_ids("sync_attempt", len(exchanges))
    rows = [
        (id, system_id, e.method, e.url, e.status, e.request, e.response, e.jobs, e.error, e.started_at, e.duration)
        for id, e in zip(ids, exchanges, strict=True)
    ]
    sql.insert("sync_attempt", columns, rows)
    return ids


def _hear(system_id: int, outcomes: Sequence[Outcome]) -> None:
    """What a Refresh read enters by the inbox, like everything a system says."""
    heard = [h for o in outcomes if o.receipt and not o.error for h in o.receipt.heard]
    if heard:
        inbox.receive(system_id, heard, door="refresh")


def _fact(outcome: Outcome, now: datetime) -> Stated | None:
    """A receipt as a fact."""
    receipt, command = outcome.receipt, outcome.claimed.command
    if receipt is None or outcome.error or command.posts is None:
        return None
    kind, subject = command.posts
    fact = Posted(
        occurred_at=now, kind=kind, subject_kind=subject.entity, subject_id=subject.id, order_id=getattr(command, "order_id", None),
        state=receipt.state, external_id=receipt.external_id, amount=receipt.amount, links=tuple(receipt.links),
    )  # fmt: skip
    return Stated(Cause("command", outcome.claimed.id), fact)


def _cases(system_id: int, outcomes: Sequence[Outcome], steps: dict[int, work.Next]) -> None:
    parked = [(o.claimed, steps[o.claimed.id]) for o in outcomes if steps[o.claimed.id].state in ("parked", "in_doubt")]
    cases.open_all(
        cases.Opening("command", c.id, system_id, getattr(c.command, "order_id", None), _workflow(c), "send", s.reason,
                      s.words.splitlines()[0] if s.words else "", s.words)
        for c, s in parked
    )  # fmt: skip
    cases.close("command", [o.claimed.id for o in outcomes if steps[o.claimed.id].state == "confirmed"])


def _workflow(claimed: outbox.Claimed) -> str:
    return outbox.KINDS.get(claimed.kind, Command).workflow


def _gate(system_id: int, outcomes: Sequence[Outcome], now: datetime) -> None:
    """One call says one thing about the system: it served us, or it did not. Where it asked us to wait, we do in any case."""
    trouble = calling.troubles(outcomes)
    waits = [t.after for t in trouble if isinstance(t, Retry) and t.after]
    if waits:
        gates.pause(system_id, max(waits), now)
    if calling.served(outcomes):
        gates.passed(system_id, now)
    elif trouble:
        gates.unserved(system_id, trouble[0], now)
