"""send and confirm: claimed commands go out under a lease, outside any transaction; receipts go through record and plan in the
transaction that settles the command."""

import logging
import time
import traceback
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from django.db import transaction

from canonical import sql
from canonical.commands import Ref
from canonical.facts import Posted
from canonical.ledger import Cause
from canonical.record import Stated
from canonical.recording.links import key as link_key
from connectors.base import Job, Receipt, Send
from connectors.errors import Misconfigured, Missing, Refused, Retry, SyncError
from connectors.http import Exchange
from retailsync.sync import bell, cases, clock, corridor, gates, inbox, outbox, systems, transient, work
from retailsync.sync.leases import Held, lease
from retailsync.sync.outbox import TASK, Claimed

CLAIM = 200
SECONDS = 10.0  # one drain claims for at most this long, so that one slow target cannot take all workers
MARGIN = 15.0  # seconds a lease outlives the deadline of the request it covers
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of one claimed command: a receipt, or an error with its traceback when it was our own fault."""

    claimed: Claimed
    receipt: Receipt | None = None
    error: BaseException | None = None
    trouble: str = ""
    exchanges: list[int] = field(default_factory=list)


# ---- drain ------------------------------------------------------------------------------------------------------------------
def drain(system_id: int) -> int:
    """Send what waits for this system until nothing may go out or the time is up. Returns how many commands were worked on."""
    bell.answered(TASK, system_id)
    with lease(f"send:{system_id}", SECONDS + MARGIN) as held:
        if held is None:
            return 0
        count, more = _drain(system_id, held)
    if held.wanted or more:
        bell.ring(TASK, system_id)
    return count


def _drain(system_id: int, held: Held) -> tuple[int, bool]:
    """How many commands were worked on, and whether more may follow at once."""
    count, ends, visit = 0, time.monotonic() + SECONDS, None
    while time.monotonic() < ends:
        allowed = gates.allow(system_id, CLAIM, clock.now())
        if not allowed:
            return count, False
        visit = visit or _visit(system_id)
        if visit is None:
            return count, False
        token, claimed = outbox.claim(system_id, allowed, SECONDS + MARGIN, clock.now())
        gates.spare(system_id, allowed - len(claimed))
        if not claimed:
            return count, False
        count += len(claimed)
        if not _work(visit, token, claimed, held, ends):
            return count, time.monotonic() > ends
    return count, True


def _visit(system_id: int) -> systems.Visit | None:
    """Get ready to speak with the system, and take back what a dead worker left; None when its set-up does not allow it."""
    try:
        visit = systems.visit(system_id)
    except Misconfigured as error:
        gates.failed(system_id, clock.now(), error.words, "misconfigured", whole=True)
        return None
    longest = max((s.longest for s in visit.connector.sends.values()), default=0.0)
    transient.repeat(lambda: _reclaim(system_id, longest))
    return visit


def _reclaim(system_id: int, longest: float) -> None:
    with transaction.atomic():
        outbox.reclaim(system_id, longest, clock.now())


def _work(visit: systems.Visit, token: uuid.UUID, claimed: Sequence[Claimed], held: Held, ends: float) -> bool:
    """Send the claimed commands kind by kind, in chunks as large as the target takes. Once the time is up, the lease is lost or the
    system stops serving us, the rest is given back and the drain ends: False."""
    unreadable = [Outcome(c, error=Unreadable(c.kind)) for c in claimed if c.command is None]
    if unreadable:
        _settle(visit, token, unreadable, [])
    stopped = False
    for chunk, send in _chunks(visit, [c for c in claimed if c.command is not None]):
        deadline = send.deadline if send else 0.0
        stopped = stopped or time.monotonic() > ends or not held.renew(deadline + SECONDS + MARGIN)
        if stopped:
            transient.repeat(partial(_give_back, chunk, token))
        else:
            stopped = not _chunk(visit, token, chunk, send)
    return not stopped


class Unreadable(Exception):
    """Another version of this program wrote a command this one cannot read."""


def _give_back(chunk: Sequence[Claimed], token: uuid.UUID) -> None:
    with transaction.atomic():
        outbox.give_back([c.id for c in chunk], token)


def _chunks(visit: systems.Visit, claimed: Sequence[Claimed]) -> Iterator[tuple[list[Claimed], Send | None]]:
    """In the order the connector declares them, what others refer to first: a claim often begins with an order whose customer was
    in the claim before, and by age all its orders would go out before their customers and come back as missing."""
    place = {kind.__name__: n for n, kind in enumerate(visit.connector.sends)}
    ordered = sorted(claimed, key=lambda c: (place.get(c.kind, len(place)), c.kind, c.id))
    for kind, group in groupby(ordered, key=lambda c: c.kind):
        send = visit.connector.sends.get(outbox.KINDS[kind])
        rows = list(group)
        size = send.batch if send else len(rows)
        for start in range(0, len(rows), size):
            yield rows[start : start + size], send


# ---- one chunk --------------------------------------------------------------------------------------------------------------
def _chunk(visit: systems.Visit, token: uuid.UUID, chunk: Sequence[Claimed], send: Send | None) -> bool:
    """Carry out one chunk. False when the system did not serve us, so that nothing more should be sent now."""
    if send is None:
        words = f"{visit.connector.title} cannot carry out this kind of command."
        _settle(visit, token, [Outcome(c, error=Refused(words, reason="unsupported")) for c in chunk], [])
        return True
    jobs, outcomes = _resolve(visit.system.pk, chunk, send)
    ready = [c for c in chunk if c.id in jobs]
    ours = outbox.hold_on([c.id for c in ready], token, send.deadline + MARGIN) if ready else set()
    session, http = visit.session(send.deadline, list(jobs.values()))
    outcomes += _send(session, send, [(c, jobs[c.id]) for c in ready if c.id in ours])
    _settle(visit, token, outcomes, http.exchanges)
    return _served(outcomes) or not _troubles(outcomes)


def _served(outcomes: Sequence[Outcome]) -> bool:
    """Whether the system answered at least one command, be it with a refusal."""
    return any(isinstance(o.error, Refused) or (o.receipt is not None and o.error is None) for o in outcomes)


def _troubles(outcomes: Sequence[Outcome]) -> list[Retry | Misconfigured]:
    return [o.error for o in outcomes if isinstance(o.error, Retry | Misconfigured)]


def _resolve(system_id: int, chunk: Sequence[Claimed], send: Send) -> tuple[dict[int, Job], list[Outcome]]:
    """Jobs with every needed reference turned into the target's ids, in one query; an outcome for each that lacks one."""
    needs: dict[int, tuple[Sequence[Ref], Sequence[Ref]]] = {}
    outcomes = []
    for c in chunk:
        try:
            needs[c.id] = tuple(send.needs(c.command)), tuple(send.optional(c.command))
        except Exception as error:  # noqa: BLE001  the work state machine: our own fault, for this command alone
            outcomes.append(Outcome(c, error=error, trouble=traceback.format_exc()))
    known = _links(system_id, {ref for both in needs.values() for refs in both for ref in refs})
    jobs: dict[int, Job] = {}
    for c in (c for c in chunk if c.id in needs):
        required, optional = needs[c.id]
        lacking = next((ref for ref in required if ref not in known), None)
        if lacking:
            outcomes.append(Outcome(c, error=_missing(lacking, system_id)))
            continue
        resolved = {ref: known[ref] for ref in (*required, *optional) if ref in known}
        jobs[c.id] = Job(c.id, c.purpose, c.command, resolved, c.doubtful)
    return jobs, outcomes


def _links(system_id: int, wanted: set[Ref]) -> dict[Ref, str]:
    """Reference of ours → the target's id, for those it knows."""
    refs = sorted(wanted)
    rows = sql.fetch(
        "SELECT l.entity, l.our_id, l.external_id FROM canonical_link l JOIN unnest(%s::text[], %s::bigint[]) v(e, i)"
        " ON l.entity = v.e AND l.our_id = v.i WHERE l.system_id = %s",
        ([r.entity for r in refs], [r.id for r in refs], system_id),
    )
    return {Ref(entity, our): external for entity, our, external in rows}


def _missing(ref: Ref, system_id: int) -> Missing:
    names = sql.fetch("SELECT code FROM canonical_sku WHERE id = %s", (ref.id,)) if ref.entity == "sku" else []
    thing = f"SKU “{names[0][0]}”" if names else f"{ref.entity.replace('_', ' ').capitalize()} {ref.id}"
    return Missing(f"{thing} is not known in this system yet.", key=link_key(ref.entity, ref.id, system_id))


def _send(session: object, send: Send, work_: Sequence[tuple[Claimed, Job]]) -> list[Outcome]:
    """Look for what may already be there, send the rest. Whatever goes wrong becomes an outcome of every job it concerns."""
    doubtful = [(c, j) for c, j in work_ if j.doubtful]
    fresh = [(c, j) for c, j in work_ if not j.doubtful]
    outcomes: list[Outcome] = []
    if doubtful:
        found, absent = _look(session, send, doubtful)
        outcomes += found
        fresh += absent
    if fresh:
        outcomes += _call(send.send, session, fresh)
    return outcomes


def _look(
    session: object, send: Send, doubtful: Sequence[tuple[Claimed, Job]]
) -> tuple[list[Outcome], list[tuple[Claimed, Job]]]:
    """Doubtful jobs: those found are confirmed; those not there are sent where the target keeps a repetition harmless, else in doubt."""
    safe = send.protection != "search_then_create"
    if send.look is None:
        return ([], list(doubtful)) if safe else ([Outcome(c, error=_in_doubt()) for c, _ in doubtful], [])
    outcomes = _call(send.look, session, doubtful)
    absent = [
        (o.claimed, j) for o, (_, j) in zip(outcomes, doubtful, strict=True) if o.receipt is None and o.error is None
    ]
    settled = [o for o in outcomes if o.receipt or o.error]
    if safe:
        return settled, absent
    return settled + [Outcome(c, error=_in_doubt()) for c, _ in absent], []


class InDoubt(Exception):
    """It may have been carried out, and looking did not tell."""


def _in_doubt() -> InDoubt:
    return InDoubt(
        "It is not known whether the system carried this out: the answer was lost and it cannot be found there."
    )


def _call(function: object, session: object, pairs: Sequence[tuple[Claimed, Job]]) -> list[Outcome]:
    """One call of a connector; one outcome per job, in the order of the jobs."""
    try:
        receipts = list(function(session, [job for _, job in pairs]))  # type: ignore[operator]
    except SyncError as error:
        return [Outcome(c, error=error) for c, _ in pairs]
    except Exception as error:  # noqa: BLE001  the work state machine: our own fault, and the request may have left
        return [Outcome(c, error=error, trouble=traceback.format_exc()) for c, _ in pairs]
    by_job = {r.job: r for r in receipts if r is not None}
    if len(receipts) == len(pairs) and any(r is None for r in receipts):
        return [Outcome(c, by_job.get(c.id), by_job[c.id].error if c.id in by_job else None) for c, _ in pairs]
    return [_answered(c, by_job.get(c.id)) for c, _ in pairs]


def _answered(claimed: Claimed, receipt: Receipt | None) -> Outcome:
    if receipt is None:
        return Outcome(claimed, error=Refused("The connector gave no receipt for this command.", reason="no_receipt"))
    return Outcome(claimed, receipt, receipt.error)


# ---- confirm ----------------------------------------------------------------------------------------------------------------
def _settle(visit: systems.Visit, token: uuid.UUID, outcomes: Sequence[Outcome], exchanges: Sequence[Exchange]) -> None:
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
        tripped = not _served(outcomes) and gates.tripped(system_id)
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
        "trouble": "text", "evidence": "text", "doubtful": "boolean", "burns": "integer", "exchanges": "text", "settled": "boolean",
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
        "{" + ",".join(str(i) for i in outcome.exchanges) + "}", step.state == "confirmed",
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
        "response": "text", "error": "text", "started_at": "timestamptz", "seconds": "double precision",
    }  # fmt: skip
    ids = sql.new_ids("sync_attempt", len(exchanges))
    rows = [
        (id, system_id, e.method, e.url, e.status, e.request, e.response, e.error, e.started_at, e.duration)
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
        cases.Opening("command", c.id, system_id, getattr(c.command, "order_id", None), "order_to_fulfilment", "send", s.reason,
                      s.words.splitlines()[0] if s.words else "", s.words)
        for c, s in parked
    )  # fmt: skip
    cases.close("command", [o.claimed.id for o in outcomes if steps[o.claimed.id].state == "confirmed"])


def _gate(system_id: int, outcomes: Sequence[Outcome], now: datetime) -> None:
    """One call says one thing about the system: it served us, or it did not. Where it asked us to wait, we do in any case."""
    troubles = _troubles(outcomes)
    waits = [t.after for t in troubles if isinstance(t, Retry) and t.after]
    if waits:
        gates.pause(system_id, max(waits), now)
    if _served(outcomes):
        gates.passed(system_id, now)
    elif troubles:
        first = troubles[0]
        reason = "locked_out" if isinstance(first, Misconfigured) else "unreachable"
        gates.failed(system_id, now, first.words, reason, whole=isinstance(first, Misconfigured) or first.down)
