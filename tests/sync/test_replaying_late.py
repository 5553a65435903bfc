"""A replay's worker that wakes late, is not alone, or ends badly: nothing is noted twice, nothing approved changes."""

from collections.abc import Collection, Sequence

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from canonical import sql
from canonical.models import Order
from retailsync.sync import approving, release, replaying
from retailsync.sync.models import Action, ApprovalLimit, Replay, ReplayItem
from tests.facts import line, order
from tests.sync.conftest import Scene
from tests.sync.side_by_side import both
from tests.sync.test_replaying import plain, previewed, requests, states, waiting, worked

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga")


def told(replay: Replay) -> list[tuple[str, str]]:
    return list(replay.items.order_by("position").values_list("state", "digest"))


def as_read(replay: Replay) -> tuple[Replay, list[ReplayItem]]:
    """What a worker has in its hands that read it now and stops."""
    return Replay.objects.select_related("by").get(pk=replay.pk), list(replay.items.order_by("position")[:2])


# ---- late -------------------------------------------------------------------------------------------------------------------
def test_who_carries_out_late_finds_it_done(scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "CHUNK", 2)
    replay = previewed(olga, waiting(scene, "1", "2", "3"))
    approving.go(replay.pk, olga)
    late = as_read(replay)
    replaying._step(replay.pk, plain)
    replaying._carefully(replaying._run, *late, None)
    assert states(replay) == ["done", "done", "previewed"] and requests() == 2
    assert Action.objects.filter(what="release").count() == 2
    assert (worked(replay).state, states(replay)) == ("done", ["done"] * 3)


def test_who_previews_late_changes_nothing_that_somebody_is_asked_about(scene: Scene, olga: User) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    replay = replaying.ask(replaying.Wish("Release", "", [c.pk for c in waiting(scene, "1", "2")]), olga)
    late = as_read(replay)
    approving.ask_second(worked(replay).pk, olga)
    seen = told(replay)
    scene.world.tell(order("1", version=2, total="99.00", lines=(line(units=5),)))
    replaying._carefully(replaying._preview, *late, None)
    assert told(replay) == seen


def test_who_previews_late_brings_nothing_back(scene: Scene, olga: User) -> None:
    replay = replaying.ask(replaying.Wish("Release", "", [c.pk for c in waiting(scene, "1", "2")]), olga)
    late = as_read(replay)
    approving.go(worked(replay).pk, olga)
    worked(replay)
    replaying._carefully(replaying._preview, *late, None)
    assert states(replay) == ["done", "done"]


@pytest.mark.django_db(transaction=True)
def test_what_is_carried_out_waits_for_nobody_either(scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "LOCK", 0.2)
    replay = previewed(olga, waiting(scene, "1", "2"))
    approving.go(replay.pk, olga)
    with transaction.atomic():
        Order.objects.select_for_update().get(external_id="1")
        both(lambda: replaying.work(replay.pk, plain), lambda: None)
    assert (worked(replay).state, states(replay)) == ("done", ["refused", "done"])


# ---- finishing --------------------------------------------------------------------------------------------------------------
class Breaking:
    """A fix that cannot let others go on."""

    def apply(self, orders: Sequence[int], who: str, why: str, *, first: bool) -> None:
        pass

    def finish(self, seen: Collection[int], who: str, why: str) -> None:
        Action.objects.create(who=who, what="half", target_kind="order", target_id=1)
        raise ZeroDivisionError("ours")


def test_a_fix_that_cannot_finish_leaves_no_replay_running_for_ever(scene: Scene, olga: User) -> None:
    wish = replaying.Wish("Release", "", [c.pk for c in waiting(scene, "1")], fix={"kind": "word"})
    replay = replaying.ask(wish, olga)
    for _ in range(2):
        replaying.work(replay.pk, lambda fix: Breaking())
        replay.refresh_from_db()
        if replay.state == "previewed":
            approving.go(replay.pk, olga)
    assert replay.state == "done" and not Action.objects.filter(what="half").exists()


def test_a_fix_lets_nobody_go_after_it_was_stopped(scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = replaying.Wish("Release", "", [c.pk for c in waiting(scene, "1")], fix={"kind": "word"})
    replay, finished = replaying.ask(wish, olga), []
    monkeypatch.setattr(Breaking, "finish", lambda *given: finished.append(given))
    replaying.work(replay.pk, lambda fix: Breaking())
    approving.go(replay.pk, olga)
    replaying._step(replay.pk, lambda fix: Breaking())
    late = Replay.objects.select_related("by").get(pk=replay.pk)
    approving.cancel(replay.pk, olga)
    replaying._over(late, lambda fix: Breaking())
    assert late.fixed and not finished and worked(replay).state == "cancelled"


def test_the_row_a_database_quotes_is_not_kept(scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        release, "within", lambda *given: sql.fetch("INSERT INTO sync_action (who) VALUES ('Testa Bezoeker')")
    )
    words = previewed(olga, waiting(scene, "1")).items.get().words
    assert words.startswith("Our own fault: IntegrityError: null value") and "Testa" not in words
