"""release: what a person puts right goes on. A message runs the corridor again, a hold is lifted and plans, a command waits again."""

from collections.abc import Mapping, Sequence

import msgspec
from django.db import transaction

from canonical import sql
from canonical.facts import HoldLifted, Posted
from canonical.ledger import Cause
from canonical.models import Hold
from canonical.record import Stated
from retailsync.partners.webhooks import subscribing
from retailsync.sync import bell, cases, clock, corridor, gates, inbox, outbox, sending, transient
from retailsync.sync.models import Action, Case, Command, Cursor

#: Commands a person may settle by hand, and the state that stands for "done" in their posting.
BY_HAND = {
    "ConfirmOrder": "confirmed", "RequestFulfilment": "sent", "SendTracking": "sent", "PostGoodsIssue": "done",
    "CompleteOrder": "done", "CancelOrder": "cancelled", "AmendOrder": "done", "AddRounding": "done", "ChangeRequest": "sent",
    "RemindPayment": "done", "CancelShopOrder": "done",
}  # fmt: skip


def release(case_ids: Sequence[int], who: str, why: str = "") -> int:
    """Release open exceptions. Each is locked first, so that two people releasing one cause one effect; both actions are kept."""
    return transient.atomically(lambda: within(case_ids, who, why))


def releases(target_kind: str) -> bool:
    """Whether releasing does anything to what an exception of this kind points at; stock is decided on its own pages."""
    return target_kind in _RELEASERS


def within(case_ids: Sequence[int], who: str, why: str) -> int:
    """Release in the caller's transaction, which may be rolled back: everything happens in it, and what is sent is sent after it."""
    if not case_ids:
        return 0
    chosen = list(Case.objects.select_for_update().filter(pk__in=sorted(case_ids)).order_by("pk"))
    noted = Action.objects.bulk_create(_action(c, "release", who, why) for c in chosen)
    actions = {c.pk: int(action.pk) for c, action in zip(chosen, noted, strict=True)}
    opened = [c for c in chosen if c.closed_at is None]
    for kind, releaser in _RELEASERS.items():
        if group := [c for c in opened if c.target_kind == kind]:
            releaser(group, who, actions)
    return len(opened)


def _action(case: Case, what: str, who: str, why: str) -> Action:
    """Who did what to the target of an exception, and why."""
    return Action(who=who, what=what, target_kind=case.target_kind, target_id=case.target_id, why=why)


def settle_by_hand(case_id: int, who: str, why: str, external_id: str = "") -> bool:
    """A person says that a command was carried out outside: it is confirmed on their word, and what follows is planned.

    False when the exception is no longer open, is about something else, or others need an id only the target can give (release it: it is
    looked for under our external id, and not created again).
    """
    return transient.atomically(lambda: _settle_by_hand(case_id, who, why, external_id))


def _settle_by_hand(case_id: int, who: str, why: str, external_id: str) -> bool:
    case = Case.objects.select_for_update().filter(pk=case_id, closed_at=None, target_kind="command").first()
    row = Command.objects.select_for_update().filter(pk=case.target_id).first() if case else None
    if case is None or row is None or row.kind not in BY_HAND or row.state not in ("parked", "in_doubt"):
        return False
    action = _action(case, "settle by hand", who, why)
    action.save()
    settle_rows([row], Cause("action", action.pk), who, why, external_id)
    return True


def settle_rows(rows: Sequence[Command], cause: Cause, who: str, why: str, external_id: str = "") -> None:
    """Commands count as carried out on a person's word, and what follows is planned. In the caller's transaction, which locked them."""
    for row in rows:
        Command.objects.filter(pk=row.pk).update(
            state="confirmed", settled_at=clock.now(), evidence=f"settled by {who}: {why}"
        )
        cases.close("command", [row.pk], who)
        corridor.advance(row.system_id, [Stated(cause, _posted(row, external_id))], clock.now())


def _posted(row: Command, external_id: str) -> Posted:
    """The receipt a person gives in the target's place."""
    command = msgspec.convert(row.payload, outbox.KINDS[row.kind])
    kind, subject = command.posts or ("", command.subject)
    return Posted(
        occurred_at=clock.now(), kind=kind, subject_kind=subject.entity, subject_id=subject.id, order_id=row.order_id,
        state=BY_HAND[row.kind], external_id=external_id,
    )  # fmt: skip


def _messages(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    """They run the corridor again, here and now; one that stopped its worker runs by itself, in a worker."""
    ids = [c.target_id for c in chosen]
    rows = sql.fetch(
        "UPDATE sync_message SET state = 'received', batch_id = NULL, alone = true, attempts = 0, not_before = %s"
        " WHERE id = ANY(%s) AND state = 'parked' RETURNING id, system_id, reason = 'poison'",
        (clock.now(), ids),
    )
    cases.close("message", ids, who)
    for system in sorted({system for _, system, _ in rows}):
        inbox.again(system, [id for id, of, deadly in sorted(rows) if of == system and not deadly])
    _ring(inbox.TASK, [(system,) for _, system, deadly in rows if deadly])


def _commands(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    ids = [c.target_id for c in chosen]
    outbox.supersede(ids, None)
    rows = sql.fetch(
        "UPDATE sync_command SET state = 'waiting', attempts = 0, not_before = %s, waits_for = '', waiting_since = NULL,"
        " cleared = true, doubtful = (state <> 'in_doubt' AND doubtful)"
        " WHERE id = ANY(%s) AND state IN ('parked', 'in_doubt') RETURNING system_id",
        (clock.now(), ids),
    )
    cases.close("command", ids, who)
    _ring(sending.TASK, rows)


def _holds(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    now = clock.now()
    action = {c.target_id: actions[c.pk] for c in chosen}
    holds = Hold.objects.filter(pk__in=list(action), lifted_at=None).order_by("order_id", "pk")
    facts = [
        Stated(Cause("action", action[h.pk]), HoldLifted(occurred_at=now, order_id=h.order_id, hold_id=h.pk, by=who))
        for h in holds
    ]
    cases.close("hold", list(action), who)
    corridor.advance(0, facts, now)


def _systems(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    ids = [c.target_id for c in chosen]
    for id in ids:
        gates.reset(id)
    cases.close("system", ids, who)
    _ring(sending.TASK, [(id,) for id in ids])


def _ring(task: str, rows: Sequence[tuple[int, ...]]) -> None:
    for system in sorted({row[0] for row in rows}):
        transaction.on_commit(lambda system=system: bell.ring(task, system))


def _cursors(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    ids = [c.target_id for c in chosen]
    Cursor.objects.filter(pk__in=ids).update(polled_at=None)
    cases.close("cursor", ids, who)


def _webhooks(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    """Taken note of; what is still wrong opens again at the next look."""
    cases.close("webhooks", [c.target_id for c in chosen], who)


def _subscriptions(chosen: Sequence[Case], who: str, actions: Mapping[int, int]) -> None:
    """Events go there again, from now on."""
    for case in chosen:
        if row := subscribing.locked(case.system_id, case.target_id):
            subscribing.enable(row, who)
    cases.close("subscription", [c.target_id for c in chosen], who)


_RELEASERS = {
    "message": _messages, "hold": _holds, "command": _commands, "system": _systems, "cursor": _cursors, "webhooks": _webhooks,
    "subscription": _subscriptions,
}  # fmt: skip
