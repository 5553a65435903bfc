"""Who may let a replay go: the one who asked for it, up to a limit; above it somebody else, who approves exactly what was seen."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from canonical import sql
from retailsync.sync import bell, clock
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Approval, ApprovalLimit, Replay, ReplayItem
from retailsync.sync.replaying import TASK

_State = Replay.State


def needs_second(exceptions: int, money: dict[str, str]) -> str:
    """Why this takes a second person, in words; empty where it does not. `money`: currency → amount."""
    limit = ApprovalLimit.current()
    if exceptions > limit.exceptions:
        return f"It is about {exceptions:,} exceptions; more than {limit.exceptions:,} take a second person."
    large = {currency: Decimal(amount) for currency, amount in money.items() if Decimal(amount) > limit.amount}
    for currency, amount in sorted(large.items()):
        return f"Its orders come to {amount:,.2f} {currency}; more than {limit.amount:,.2f} take a second person."
    return ""


def go(replay_id: int, by: User) -> None:
    """Carry out what was previewed. Raises NotPossible."""

    def do(replay: Replay) -> None:
        _must_be(replay, _State.PREVIEWED)
        if words := needs_second(replay.exceptions, replay.money):
            raise NotPossible(words)
        _begin(replay)

    _decide(replay_id, by, "start replay", "", do)


def ask_second(replay_id: int, by: User) -> None:
    """Ask a colleague to approve what was previewed. Raises NotPossible."""

    def do(replay: Replay) -> None:
        _must_be(replay, _State.PREVIEWED)
        Approval.objects.create(target_kind="replay", target_id=replay.pk, digest=_digest(replay), asked_by=by)
        _to(replay, _State.ASKED)

    _decide(replay_id, by, "ask a second person", "", do)


def decide(replay_id: int, by: User, *, granted: bool, why: str) -> None:
    """The second person's word. Raises NotPossible, also where it is the first person's own."""

    def do(replay: Replay) -> None:
        _must_be(replay, _State.ASKED)
        asked = Approval.objects.select_for_update().get(target_kind="replay", target_id=replay.pk, decided_at=None)
        if by.pk in (asked.asked_by_id, replay.by_id):
            raise NotPossible("it takes somebody else than who asked for it.")
        if granted and asked.digest != _digest(replay):
            raise NotPossible("it is not what was asked for any more.")
        asked.decided_by, asked.decided_at, asked.granted, asked.why = by, clock.now(), granted, why
        asked.save()
        _begin(replay) if granted else _to(replay, _State.PREVIEWED)

    _decide(replay_id, by, "approve replay" if granted else "refuse replay", why, do)


def look_again(replay_id: int, by: User) -> None:
    """See anew what it would do: what differed, or could not be tried. Nothing of it counts as approved. Raises NotPossible."""

    def do(replay: Replay) -> None:
        _must_be(replay, _State.PREVIEWED, _State.DIFFERS, _State.DONE)
        done = (ReplayItem.State.DONE, ReplayItem.State.SETTLED)
        again = replay.items.exclude(state__in=done).update(
            state=ReplayItem.State.WAITING, words="", effect=None, digest=""
        )
        if not again:
            raise NotPossible("nothing of it is left.")
        _to(replay, _State.PREVIEWING)

    _decide(replay_id, by, "preview again", "", do)


def cancel(replay_id: int, by: User) -> None:
    """Stop it. What is done stays done. Raises NotPossible."""

    def do(replay: Replay) -> None:
        _must_be(replay, _State.PREVIEWING, _State.PREVIEWED, _State.ASKED, _State.RUNNING, _State.DIFFERS)
        Approval.objects.filter(target_kind="replay", target_id=replay.pk, decided_at=None).delete()
        _to(replay, _State.CANCELLED, ended_at=clock.now())

    _decide(replay_id, by, "cancel replay", "", do)


def _decide(replay_id: int, by: User, what: str, why: str, do: Callable[[Replay], None]) -> None:
    """Under the replay's lock, with the action noted."""
    with transaction.atomic():
        replay = Replay.objects.select_for_update().get(pk=replay_id)
        do(replay)
        Action.objects.create(who=by.get_username(), what=what, target_kind="replay", target_id=replay_id, why=why)


def _must_be(replay: Replay, *states: str) -> None:
    if replay.state not in states:
        raise NotPossible(f"it is {replay.get_state_display()} by now.")


def _begin(replay: Replay) -> None:
    if not replay.items.filter(state=ReplayItem.State.PREVIEWED).exists():
        raise NotPossible("there is nothing in it that can be done.")
    _to(replay, _State.RUNNING, began_at=clock.now(), ended_at=None)


def _to(replay: Replay, state: str, **more: Any) -> None:
    Replay.objects.filter(pk=replay.pk).update(state=state, **more)
    transaction.on_commit(lambda: bell.ring(TASK, replay.pk))


def _digest(replay: Replay) -> str:
    """Of everything that is to be done."""
    ((digest,),) = sql.fetch(
        "SELECT encode(sha256(coalesce(string_agg(position || ':' || digest, '|' ORDER BY position), '')::bytea), 'hex')"
        " FROM sync_replayitem WHERE replay_id = %s AND state = 'previewed'",
        (replay.pk,),
    )
    return str(digest)
