"""One call of a connector: look for what may already be there, send the rest, and make an outcome of whatever comes back.

Knows no table: what an outcome means for the command is settled in confirming.py.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.base import Job, Receipt, Send
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from retailsync.sync.outbox import Claimed


@dataclass(slots=True)
class Outcome:
    """What became of one claimed command: a receipt, or an error with its traceback when it was our own fault."""

    claimed: Claimed
    receipt: Receipt | None = None
    error: BaseException | None = None
    trouble: str = ""
    exchanges: list[int] = field(default_factory=list)


def served(outcomes: Sequence[Outcome]) -> bool:
    """Whether the system answered at least one command, be it with a refusal."""
    return any(isinstance(o.error, Refused) or (o.receipt is not None and o.error is None) for o in outcomes)


def troubles(outcomes: Sequence[Outcome]) -> list[Retry | Misconfigured]:
    """What may concern the whole system rather than one command."""
    return [o.error for o in outcomes if isinstance(o.error, Retry | Misconfigured)]


def carry_out(session: object, send: Send, work_: Sequence[tuple[Claimed, Job]]) -> list[Outcome]:
    """Look for what may already be there, send the rest. Whatever goes wrong becomes an outcome of every job it concerns."""
    doubtful = [(c, j) for c, j in work_ if j.doubtful]
    fresh = [(c, j) for c, j in work_ if not j.doubtful]
    outcomes: list[Outcome] = []
    if doubtful:
        found, absent = _look(session, send, doubtful)
        outcomes += found
        fresh += absent
    if fresh:
        outcomes += [
            _answered(o.claimed, o.receipt) if o.error is None else o for o in _call(send.send, session, fresh)
        ]
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
