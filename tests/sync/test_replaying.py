"""A replay takes two people above a limit, does nothing twice, sets aside what changed, and can be stopped."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from canonical.models import Order
from retailsync.sync import approving, clock, deciding, release, replaying
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Approval, ApprovalLimit, Case, Command, Group, Replay
from retailsync.sync.replaying import Wish
from tests.facts import line, order
from tests.sync.conftest import Scene
from tests.sync.side_by_side import both

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga")


@pytest.fixture
def piet(db: None) -> User:
    return User.objects.create_user("piet")


def plain(_: Any) -> None:
    """No fix comes first."""


def waiting(scene: Scene, *refs: str) -> list[Case]:
    """Orders whose totals do not add up: released, they go on."""
    for ref in refs:
        scene.world.tell(order(ref, total="99.00"))
    return list(Case.objects.order_by("pk"))


def previewed(by: User, cases: list[Case]) -> Replay:
    return worked(replaying.ask(Wish("Release", "they may go", [c.pk for c in cases]), by))


def worked(replay: Replay) -> Replay:
    replaying.work(replay.pk, plain)
    replay.refresh_from_db()
    return replay


def states(replay: Replay) -> list[str]:
    return list(replay.items.order_by("position").values_list("state", flat=True))


def requests() -> int:
    return Command.objects.filter(kind="RequestFulfilment").count()


# ---- one and the other ------------------------------------------------------------------------------------------------------
def test_looking_changes_nothing_and_going_does(scene: Scene, olga: User) -> None:
    replay = previewed(olga, waiting(scene, "1", "2", "3"))
    assert (replay.state, states(replay), requests()) == ("previewed", ["previewed"] * 3, 0)
    assert replay.summary["goes"] == 3 and ["w1-one", "RequestFulfilment", "new", False, 3] in replay.summary["calls"]
    approving.go(replay.pk, olga)
    assert (worked(replay).state, states(replay), requests()) == ("done", ["done"] * 3, 3)
    assert not Case.objects.filter(closed_at=None).exists() and Group.objects.get().resolved_at is not None
    assert set(Action.objects.filter(what="release").values_list("who", "why")) == {("olga", "they may go")}


def test_a_group_that_was_resolved_comes_back(scene: Scene, olga: User) -> None:
    for ref in ("1", "2"):
        scene.world.tell(order(ref, lines=(line(sku="CAP"),)))
        group = Group.objects.get()
        assert group.resolved_at is None and group.returns == int(ref) - 1
        scene.world.tell(order(ref, version=2, status="cancelled", lines=(line(sku="CAP"),)))
        assert Group.objects.get().resolved_at is not None


def test_above_the_limit_it_takes_somebody_else(scene: Scene, olga: User, piet: User) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=2)
    replay = previewed(olga, waiting(scene, "1", "2", "3"))
    with pytest.raises(NotPossible, match="more than 2 take a second person"):
        approving.go(replay.pk, olga)
    approving.ask_second(replay.pk, olga)
    with pytest.raises(NotPossible, match="somebody else"):
        approving.decide(replay.pk, olga, granted=True, why="")
    assert worked(replay).state == "asked" and requests() == 0
    approving.decide(replay.pk, piet, granted=True, why="fine")
    assert worked(replay).state == "done" and requests() == 3
    assert Approval.objects.values_list("asked_by__username", "decided_by__username", "granted").get() == (
        "olga",
        "piet",
        True,
    )


def test_much_money_takes_somebody_else(scene: Scene, olga: User) -> None:
    ApprovalLimit.objects.create(pk=1, amount=60)
    replay = previewed(olga, waiting(scene, "1", "2"))
    with pytest.raises(NotPossible, match=r"198\.00 EUR; more than 60\.00"):
        approving.go(replay.pk, olga)


def test_what_is_refused_is_not_done(scene: Scene, olga: User, piet: User) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    replay = previewed(olga, waiting(scene, "1", "2"))
    approving.ask_second(replay.pk, olga)
    approving.decide(replay.pk, piet, granted=False, why="not today")
    assert worked(replay).state == "previewed" and requests() == 0
    approving.ask_second(replay.pk, olga)
    approving.cancel(replay.pk, olga)
    with pytest.raises(NotPossible, match="cancelled by now"):
        approving.decide(replay.pk, piet, granted=True, why="")
    assert (
        worked(replay).state == "cancelled"
        and requests() == 0
        and not Approval.objects.filter(decided_at=None).exists()
    )


def test_an_approval_is_for_what_was_seen(scene: Scene, olga: User, piet: User) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    replay = previewed(olga, waiting(scene, "1", "2"))
    approving.ask_second(replay.pk, olga)
    replay.items.filter(position=1).update(digest="something else")
    with pytest.raises(NotPossible, match="not what was asked for"):
        approving.decide(replay.pk, piet, granted=True, why="")


def test_the_database_knows_that_it_takes_two(olga: User) -> None:
    for fields in ({"decided_by": olga, "decided_at": clock.now(), "granted": True}, {"decided_at": clock.now()}):
        with pytest.raises(IntegrityError, match="approval_"), transaction.atomic():
            Approval.objects.create(target_kind="replay", target_id=1, digest="x", asked_by=olga, **fields)
    Approval.objects.create(target_kind="replay", target_id=1, digest="x", asked_by=olga)
    with pytest.raises(IntegrityError, match="approval_one_open_per_target"), transaction.atomic():
        Approval.objects.create(target_kind="replay", target_id=1, digest="x", asked_by=olga)


# ---- something changed ------------------------------------------------------------------------------------------------------
def test_what_changed_meanwhile_is_left_alone_shown_and_asked_for_again(scene: Scene, olga: User) -> None:
    replay = previewed(olga, waiting(scene, "1", "2", "3"))
    scene.world.tell(order("2", version=2, total="99.00", lines=(line(units=5),)))
    approving.go(replay.pk, olga)
    assert (worked(replay).state, states(replay), requests()) == ("differs", ["done", "differs", "done"], 2)
    (raised,) = (c for c in replay.items.get(position=2).effect["changes"] if c["kind"] == "fulfilment_request")
    ((_, _, units),) = (field for field in raised["fields"] if field[0] == "lines")
    assert [line["units"] for line in units.values()] == [5], "what it would do now"
    approving.look_again(replay.pk, olga)
    assert worked(replay).state == "previewed"
    approving.go(replay.pk, olga)
    assert (worked(replay).state, states(replay), requests()) == ("done", ["done"] * 3, 3)


def test_what_others_settled_is_not_done_again(scene: Scene, olga: User) -> None:
    cases = waiting(scene, "1", "2")
    replay = previewed(olga, cases)
    release.release([cases[0].pk], "piet", "mine")
    approving.go(replay.pk, olga)
    assert (worked(replay).state, states(replay), requests()) == ("done", ["settled", "done"], 2)
    assert set(Action.objects.filter(what="release", target_id=cases[0].target_id).values_list("who", flat=True)) == {
        "olga",
        "piet",
    }


def test_one_that_cannot_be_done_harms_no_other(scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = waiting(scene, "1", "2", "3")
    real = release.within

    def fails(ids: Any, who: str, why: str) -> int:
        if cases[1].pk in ids:
            raise ZeroDivisionError("ours")
        return real(ids, who, why)

    monkeypatch.setattr(release, "within", fails)
    replay = previewed(olga, cases)
    assert states(replay) == ["previewed", "refused", "previewed"]
    assert replay.items.get(position=2).words == "Our own fault: ZeroDivisionError: ours"
    approving.go(replay.pk, olga)
    assert (worked(replay).state, states(replay), requests()) == ("done", ["done", "refused", "done"], 2)


def test_it_stops_where_somebody_cancels(scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "CHUNK", 1)
    replay = previewed(olga, waiting(scene, "1", "2", "3"))
    approving.go(replay.pk, olga)
    replaying._step(replay.pk, plain)
    approving.cancel(replay.pk, olga)
    assert (worked(replay).state, states(replay), requests()) == ("cancelled", ["done", "previewed", "previewed"], 1)


def test_an_order_is_one_subject_with_all_its_exceptions(scene: Scene, olga: User) -> None:
    waiting(scene, "1")
    deciding.hold(Order.objects.get().pk, "operator", "look", "anna")
    replay = previewed(olga, list(Case.objects.all()))
    (item,) = replay.items.all()
    assert len(item.case_ids) == 2 and [o["closed"] for o in item.effect["outcomes"]] == [True, True]


def test_nothing_open_is_nothing_to_ask_for(scene: Scene, olga: User) -> None:
    cases = waiting(scene, "1")
    release.release([c.pk for c in cases], "piet")
    with pytest.raises(NotPossible, match="none of these is open"):
        previewed(olga, cases)
    assert not Replay.objects.exists()


# ---- two at once ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_two_people_release_the_same_at_once(scene: Scene, olga: User, piet: User) -> None:
    cases = waiting(scene, *(str(n) for n in range(40)))
    replays = [previewed(by, cases) for by in (olga, piet)]
    for replay in replays:
        approving.go(replay.pk, replay.by)
    both(*(lambda replay=replay: replaying.work(replay.pk, plain) for replay in replays))
    assert [worked(replay).state for replay in replays] == ["done", "done"]
    assert sorted(state for replay in replays for state in states(replay)) == ["done"] * 40 + ["settled"] * 40
    assert requests() == 40, "one effect"
    wanted = Action.objects.filter(what="release").values_list("who", flat=True)
    assert {who: list(wanted).count(who) for who in ("olga", "piet")} == {"olga": 40, "piet": 40}, "both recorded"


@pytest.mark.django_db(transaction=True)
def test_one_goes_while_two_press(scene: Scene, olga: User) -> None:
    replay = previewed(olga, waiting(scene, "1"))

    def press() -> bool:
        try:
            approving.go(replay.pk, olga)
        except NotPossible:
            return False
        return True

    assert sorted(both(press, press)) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_somebody_at_work_on_an_order_is_not_waited_for(
    scene: Scene, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "LOCK", 0.2)
    cases = waiting(scene, "1", "2")
    replay = replaying.ask(Wish("Release", "", [c.pk for c in cases]), olga)

    def look() -> None:
        replaying.work(replay.pk, plain)

    with transaction.atomic():
        Order.objects.select_for_update().get(external_id="1")
        both(look, lambda: None)
    assert states(replay) == ["refused", "previewed"]
    assert "Somebody works on it" in replay.items.get(position=1).words
