"""release: what a person puts right goes on. A message runs the corridor again, a hold is lifted and plans, a command waits again."""

from collections.abc import Sequence

from django.db import transaction

from canonical import sql
from canonical.facts import HoldLifted
from canonical.ledger import Cause
from canonical.models import Hold
from canonical.record import Stated
from retailsync.sync import bell, cases, clock, corridor, gates, inbox, outbox, sending, transient
from retailsync.sync.models import Action, Case


def release(case_ids: Sequence[int], who: str, why: str = "") -> int:
    """Release open exceptions. Each is locked first, so that two people releasing one cause one effect; both actions are kept."""
    return transient.repeat(lambda: _release(case_ids, who, why))


def _release(case_ids: Sequence[int], who: str, why: str) -> int:
    with transaction.atomic():
        chosen = list(Case.objects.select_for_update().filter(pk__in=sorted(case_ids)).order_by("pk"))
        Action.objects.bulk_create(
            Action(who=who, what="release", target_kind=c.target_kind, target_id=c.target_id, why=why) for c in chosen
        )
        opened = [c for c in chosen if c.closed_at is None]
        for kind, releaser in _RELEASERS.items():
            if group := [c for c in opened if c.target_kind == kind]:
                releaser(group, who)
    return len(opened)


def _messages(chosen: Sequence[Case], who: str) -> None:
    ids = [c.target_id for c in chosen]
    rows = sql.fetch(
        "UPDATE sync_message SET state = 'received', batch_id = NULL, alone = true, attempts = 0, received_at = received_at,"
        " not_before = %s WHERE id = ANY(%s) AND state = 'parked' RETURNING system_id",
        (clock.now(), ids),
    )
    cases.close("message", ids, who)
    _ring(inbox.TASK, rows)


def _commands(chosen: Sequence[Case], who: str) -> None:
    ids = [c.target_id for c in chosen]
    outbox.supersede(ids, None)
    rows = sql.fetch(
        "UPDATE sync_command SET state = 'waiting', attempts = 0, not_before = %s, waits_for = '', waiting_since = NULL,"
        " doubtful = (state <> 'in_doubt' AND doubtful) WHERE id = ANY(%s) AND state IN ('parked', 'in_doubt') RETURNING system_id",
        (clock.now(), ids),
    )
    cases.close("command", ids, who)
    _ring(sending.TASK, rows)


def _holds(chosen: Sequence[Case], who: str) -> None:
    now = clock.now()
    action = Action.objects.filter(who=who).order_by("-id").values_list("id", flat=True)[0]
    cause = Cause("action", action)
    holds = Hold.objects.filter(pk__in=[c.target_id for c in chosen], lifted_at=None).order_by("order_id", "pk")
    facts = [Stated(cause, HoldLifted(occurred_at=now, order_id=h.order_id, hold_id=h.pk, by=who)) for h in holds]
    cases.close("hold", [c.target_id for c in chosen], who)
    corridor.advance(0, facts, now)


def _systems(chosen: Sequence[Case], who: str) -> None:
    ids = [c.target_id for c in chosen]
    for id in ids:
        gates.reset(id)
    cases.close("system", ids, who)
    _ring(sending.TASK, [(id,) for id in ids])


def _ring(task: str, rows: Sequence[tuple[int, ...]]) -> None:
    for system in sorted({row[0] for row in rows}):
        transaction.on_commit(lambda system=system: bell.ring(task, system))


_RELEASERS = {"message": _messages, "hold": _holds, "command": _commands, "system": _systems}
