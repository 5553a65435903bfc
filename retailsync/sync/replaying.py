"""replay: many exceptions released at once, seen before it is done. A preview is the real thing, rolled back; what is carried out is
compared with it subject by subject, and only what is equal stays."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import msgspec
from django.contrib.auth.models import User
from django.db import transaction
from django.db.utils import Error as DatabaseError

from canonical import sql
from retailsync.sync import bell, clock, effects, release, transient
from retailsync.sync.deciding import NotPossible
from retailsync.sync.effects import Effect, Subject
from retailsync.sync.leases import lease
from retailsync.sync.models import Action, Case, Group, Replay, ReplayItem

TASK = "sync.replay"
CHUNK = 200  # subjects tried in one transaction
LOCK, PATIENCE = 2.0, 20.0  # seconds: waited for a lock, and one statement takes at most
SECONDS = 60.0  # one worker works on one replay for so long; then others get their turn
_LEASE = PATIENCE * 3
_log = logging.getLogger(__name__)


class Fix(Protocol):
    """What puts a cause right before its exceptions are looked at again. Works in the caller's transaction, which may be rolled back."""

    def apply(self, orders: Sequence[int], who: str, why: str, *, first: bool) -> None:
        """Put it right (`first`: nobody did so before), and have these orders go on."""

    def finish(self, seen: Collection[int], who: str, why: str) -> None:
        """Have everything else go on that waited for it, or came meanwhile: not the orders that were seen, and no more than one person may
        let go."""


#: The fix a replay's row describes; None for a plain release.
Fixes = Callable[[Mapping[str, Any] | None], Fix | None]


# ---- asked for --------------------------------------------------------------------------------------------------------------
class Wish(NamedTuple):
    """What somebody wants to be released, and why. `looked`: also what is unknown, because they looked in the target."""

    title: str
    why: str
    cases: Sequence[int]
    group: Group | None = None
    fix: Mapping[str, Any] | None = None
    looked: bool = False


def ask(wish: Wish, by: User) -> Replay:
    """Note what is wanted, subject by subject; nothing is tried yet. Raises NotPossible where nothing of it can be released.

    An unknown outcome is left out, unless somebody looked in the target: that is done one by one.
    """
    kinds = [kind for kind, *_ in Case.Target.choices if release.releases(kind)]
    found = sql.fetch(_RELEASABLE, (list(wish.cases), kinds))
    rows = [(order, id) for order, id, unknown in found if wish.looked or not unknown]
    unsure = len(found) - len(rows)
    if not rows:
        raise NotPossible(_UNSURE if unsure else "none of these is open any more, or can be released from here.")
    with transaction.atomic():
        replay = Replay.objects.create(
            title=wish.title[:300], why=wish.why, fix=wish.fix, group=wish.group, by=by,
            left_out=unsure, exceptions=len(rows), **worth({order for order, _ in rows if order}),
        )  # fmt: skip
        sql.insert("sync_replayitem", _ITEM, _items(replay.pk, rows))
        Action.objects.create(
            who=by.get_username(), what="ask for replay", target_kind="replay", target_id=replay.pk, why=wish.why
        )
        transaction.on_commit(lambda: bell.ring(TASK, replay.pk))
    return replay


#: Ids and items travel as arrays: 60,000 of them one by one took 6 s.
_RELEASABLE = """SELECT order_id, id, reason = 'in_doubt' FROM sync_case
  WHERE id = ANY(%s) AND closed_at IS NULL AND target_kind = ANY(%s)"""
_ITEM = {"replay_id": "bigint", "position": "integer", "order_id": "bigint", "case_ids": "bigint[]"}
_UNSURE = "what is unknown is released one by one: open it, look in the target, then release it there."


def worth(orders: Collection[int]) -> dict[str, Any]:
    """How many orders, and what they come to: currency → amount."""
    rows = sql.fetch(
        "SELECT currency, sum(total)::text FROM canonical_order WHERE id = ANY(%s) GROUP BY 1 ORDER BY 1",
        (sorted(orders),),
    )
    return {"orders": len(orders), "money": dict(rows)}


def _items(replay_id: int, rows: Sequence[tuple[int | None, int]]) -> list[tuple[Any, ...]]:
    """An order's exceptions together; each exception that has no order by itself."""
    ordered = sorted((order or 0, pk) for order, pk in rows)
    wholes = [list(group) for _, group in groupby(ordered, key=lambda row: (row[0], 0 if row[0] else row[1]))]
    return [(replay_id, n, whole[0][0] or None, [pk for _, pk in whole]) for n, whole in enumerate(wholes, 1)]


# ---- the work ---------------------------------------------------------------------------------------------------------------
def work(replay_id: int, fixes: Fixes) -> None:
    """Preview or carry out, chunk by chunk, until there is nothing more to do or the time is up. One worker at a time."""
    ends, more = time.monotonic() + SECONDS, True
    with lease(f"replay:{replay_id}", _LEASE) as held:
        if held is None:
            return
        while more and time.monotonic() < ends and held.renew(_LEASE):
            more = _step(replay_id, fixes)
    if more or held.wanted:
        bell.again(TASK, replay_id)
    else:
        bell.answered(TASK, replay_id)


def _step(replay_id: int, fixes: Fixes) -> bool:
    """One chunk of whatever the replay is at; False where it is at nothing."""
    replay = Replay.objects.select_related("by").get(pk=replay_id)
    step = {"previewing": _preview, "running": _run}.get(replay.state)
    if step is None:
        return False
    chunk = list(replay.items.filter(state=_FROM[replay.state]).order_by("position")[:CHUNK])
    if not chunk:
        _over(replay, fixes)
        return False
    _carefully(step, replay, chunk, fixes(replay.fix))
    return True


def _carefully(step: Callable[..., None], replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> None:
    """Take the step with all of them; where that fails, with each by itself, so that one subject is refused, and not its neighbours."""
    try:
        step(replay, chunk, fix)
    except Exception as error:
        if isinstance(error, DatabaseError) and transient.passes(error):
            raise
        if len(chunk) == 1:
            _set_aside(replay, chunk[0], error)
            return
        _log.warning("replay repeated one by one", exc_info=True, extra={"replay": replay.pk})
        for item in replay.items.filter(pk__in=[i.pk for i in chunk], state=_FROM[replay.state]).order_by("position"):
            _carefully(step, replay, [item], fix)


#: Which items a replay in this state works on.
_FROM = {"previewing": ReplayItem.State.WAITING, "running": ReplayItem.State.PREVIEWED}


def _ours(replay: Replay, ids: Collection[int]) -> tuple[Replay, list[ReplayItem]]:
    """The replay, locked, and those of these items whose turn it still is: a lease may end before its worker does, and people press."""
    row = Replay.objects.select_for_update().get(pk=replay.pk)
    if row.state != replay.state:
        return row, []
    return row, list(row.items.filter(pk__in=ids, state=_FROM[row.state]).order_by("position"))


def _over(replay: Replay, fixes: Fixes) -> None:
    """Every item had its turn."""
    if replay.state == Replay.State.PREVIEWING:
        _move(replay, Replay.State.PREVIEWED, summary=_summary(replay))
        return
    differs = replay.items.filter(state=ReplayItem.State.DIFFERS).exists()
    with transaction.atomic():
        moved = _move(replay, Replay.State.DIFFERS if differs else Replay.State.DONE, ended_at=clock.now())
        if moved and replay.fixed and (fix := fixes(replay.fix)):
            _finish(replay, fix)


def _finish(replay: Replay, fix: Fix) -> None:
    """Let the others go. Where that fails they wait on, each with its exception; the replay is over all the same."""
    seen = set(replay.items.exclude(order_id=None).values_list("order_id", flat=True))
    try:
        with transaction.atomic():
            fix.finish(seen, replay.by.get_username(), replay.why)
    except Exception as error:
        if isinstance(error, DatabaseError) and transient.passes(error):
            raise
        _log.exception("others wait on", extra={"replay": replay.pk})


_CALLS = """SELECT c->>'system', c->>'kind', c->>'how', (c->>'held')::boolean, count(*)
  FROM sync_replayitem i CROSS JOIN jsonb_array_elements(i.effect->'calls') c WHERE i.replay_id = %s AND i.state = 'previewed'
  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
_DONE_BEFORE = """SELECT d->>0, d->>1, count(*) FROM sync_replayitem i CROSS JOIN jsonb_array_elements(i.effect->'done') d
  WHERE i.replay_id = %s AND i.state = 'previewed' GROUP BY 1, 2 ORDER BY 1, 2"""
_OUTCOMES = """SELECT count(*) FILTER (WHERE o->>'closed' = 'true'), count(*) FILTER (WHERE o->>'closed' = 'false')
  FROM sync_replayitem i CROSS JOIN jsonb_array_elements(i.effect->'outcomes') o WHERE i.replay_id = %s AND i.state = 'previewed'"""


def _summary(replay: Replay) -> dict[str, Any]:
    """calls: (system, kind, how, held, count); done: (system, kind, count); exceptions that go, and that stay."""
    ((goes, stays),) = sql.fetch(_OUTCOMES, (replay.pk,))
    return {
        "calls": sql.fetch(_CALLS, (replay.pk,)),
        "done": sql.fetch(_DONE_BEFORE, (replay.pk,)),
        "goes": goes,
        "stays": stays,
    }


def _move(replay: Replay, state: str, **more: Any) -> bool:
    """On to the next state; False where somebody cancelled it meanwhile."""
    return bool(Replay.objects.filter(pk=replay.pk, state=replay.state).update(state=state, **more))


# ---- preview ----------------------------------------------------------------------------------------------------------------
class _RolledBack(Exception):
    """Ends a preview's transaction; nothing of it stays."""


def _preview(replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> None:
    """See what each of them would do."""
    found = transient.repeat(lambda: _tried(replay, chunk, fix))
    _keep(replay, {i.pk: e for i, e in zip(chunk, found, strict=True)}, ReplayItem.State.PREVIEWED)


_BUSY = "Somebody works on it at this moment; try it again."


def _set_aside(replay: Replay, item: ReplayItem, error: Exception) -> None:
    replay.items.filter(pk=item.pk, state=_FROM[replay.state]).update(
        state=ReplayItem.State.REFUSED, words=_trouble(error)
    )


def _trouble(error: Exception) -> str:
    """Why one could not be tried, in words that are kept. A database's second line quotes the row, which may be a person's."""
    if isinstance(error, NotPossible):
        return str(error)
    if isinstance(error, DatabaseError) and transient.waited(error):
        return _BUSY
    return f"Our own fault: {type(error).__name__}: {error}".splitlines()[0]


def _tried(replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> list[Effect]:
    found: list[Effect] = []
    try:
        with transaction.atomic():
            _impatient()
            found += _carry_out(replay, chunk, fix)
            raise _RolledBack
    except _RolledBack:
        return found


def _impatient() -> None:
    """Wait for nobody for long, in this transaction."""
    sql.fetch(f"SET LOCAL lock_timeout = '{LOCK}s'")
    sql.fetch(f"SET LOCAL statement_timeout = '{PATIENCE}s'")


def _keep(replay: Replay, found: Mapping[int, Effect], state: str) -> None:
    columns = {"id": "bigint", "state": "text", "effect": "jsonb", "digest": "text"}
    with transaction.atomic():
        _, ours = _ours(replay, found)
        told = [(i.pk, state, msgspec.json.encode(found[i.pk]).decode(), found[i.pk].digest) for i in ours]
        sql.update("sync_replayitem", columns, told)


# ---- carry out --------------------------------------------------------------------------------------------------------------
class _Differs(Exception):
    """Some subjects do something else than was seen: these, each with what it would do now."""

    def __init__(self, items: Mapping[int, Effect]) -> None:
        self.items = items


def _run(replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> None:
    """Do what was previewed. What would do something else by now is set aside, and the others are done without it."""
    try:
        transient.repeat(lambda: _done(replay, chunk, fix))
    except _Differs as differing:
        _keep(replay, differing.items, ReplayItem.State.DIFFERS)
        if rest := [i for i in chunk if i.pk not in differing.items]:
            _run(replay, rest, fix)


def _done(replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> None:
    """One chunk in one transaction: all of it as previewed, or nothing."""
    with transaction.atomic():
        _impatient()
        row, chunk = _ours(replay, [i.pk for i in chunk])
        _lock([Subject((i.order_id,), ()) for i in chunk if i.order_id])
        opened = _open(chunk)
        rest = [i for i in chunk if opened & {*i.case_ids}]
        gone = [i for i in chunk if not opened & {*i.case_ids}]
        found = _carry_out(row, rest, fix) if rest else []
        differing = {i.pk: e for i, e in zip(rest, found, strict=True) if e.digest != i.digest}
        if differing:
            raise _Differs(differing)
        _settled(row, gone)
        ReplayItem.objects.filter(pk__in=[i.pk for i in rest]).update(state=ReplayItem.State.DONE)
        if fix and rest and not row.fixed:
            Replay.objects.filter(pk=row.pk).update(fixed=True)


def _open(chunk: Sequence[ReplayItem]) -> set[int]:
    ids = [id for item in chunk for id in item.case_ids]
    opened = Case.objects.select_for_update().filter(pk__in=ids, closed_at=None).order_by("pk")
    return set(opened.values_list("pk", flat=True))


def _settled(replay: Replay, gone: Sequence[ReplayItem]) -> None:
    """Somebody else was quicker with these: nothing happens twice, and that this person wanted it too is noted all the same."""
    release.within([id for item in gone for id in item.case_ids], replay.by.get_username(), replay.why)
    ReplayItem.objects.filter(pk__in=[i.pk for i in gone]).update(state=ReplayItem.State.SETTLED)


def _carry_out(replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> list[Effect]:
    """The real thing, in the caller's transaction; what it did to each subject. Orders are locked first, as by all who plan."""
    subjects = [Subject((i.order_id,) if i.order_id else (), tuple(i.case_ids)) for i in chunk]
    subjects = _whole(subjects, lambda: _do(replay, chunk, fix))
    was = effects.before(subjects)
    _do(replay, chunk, fix)
    return effects.seen(subjects, was)


def _whole(subjects: Sequence[Subject], do: Callable[[], None]) -> list[Subject]:
    """The subjects with the orders they are about, locked. Which one a message is about shows when it is read: it is tried, and undone."""
    _lock(subjects)
    if all(subject.orders for subject in subjects):
        return list(subjects)
    was = effects.before(subjects)
    with transaction.atomic():
        do()
        found = effects.touched(subjects, was)
        transaction.set_rollback(True)
    _lock(found)
    return found


def _lock(subjects: Sequence[Subject]) -> None:
    ids = sorted({order for s in subjects for order in s.orders})
    sql.fetch("SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (ids,))


def _do(replay: Replay, chunk: Sequence[ReplayItem], fix: Fix | None) -> None:
    who = replay.by.get_username()
    if fix:
        fix.apply([i.order_id for i in chunk if i.order_id], who, replay.why, first=not replay.fixed)
    else:
        release.within([id for item in chunk for id in item.case_ids], who, replay.why)
