"""Ways round the second person, each tried and closed."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Mapping
from retailsync.console import fixes
from retailsync.sync import approving, replaying
from retailsync.sync.models import ApprovalLimit, Case, Group, Replay
from tests.console.scene import Scene

pytestmark = pytest.mark.django_db
ADD = "/admin/canonical/mapping/add/?kind=sku"


@pytest.fixture
def alone(scene: Scene) -> Scene:
    """One person may let one exception go."""
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    return scene


def still() -> set[str]:
    """SKUs orders wait for."""
    return set(Case.objects.filter(closed_at=None).values_list("detail", flat=True))


def fix(client: Client, detail: str, **form: str) -> Any:
    """Give a word its meaning in the group of this detail, and press go."""
    group = Group.objects.get(detail=detail)
    page = client.post(reverse("admin:sync_group_fix", args=[group.pk]), form, follow=True)
    return client.post(reverse("admin:sync_replay_go", args=[page.context["row"].pk]), follow=True)


def test_a_new_word_on_its_own_page_takes_a_second_person_for_many(alone: Scene, boss: Client) -> None:
    for number in (1, 2):
        alone.order(number, sku="CAP")
    page = boss.post(ADD, {"channel": "", "key": "CAP", "means_sku": "MUG-BLUE", "why": ""}, follow=True)
    assert "take a second person" in page.content.decode() and not Mapping.objects.exists() and still() == {"CAP"}


def test_a_new_word_on_its_own_page_for_few(alone: Scene, boss: Client) -> None:
    alone.order(1, sku="CAP"), alone.order(2, sku="HAT"), alone.order(3, sku="HAT")
    boss.post(ADD, {"channel": alone.shop.pk, "key": "cap ", "means_sku": "MUG-BLUE", "why": ""}, follow=True)
    assert Mapping.objects.get().key == "cap" and still() == {"HAT"}


def test_another_word_than_was_seen_lets_no_more_go_than_one_person_may(alone: Scene, boss: Client) -> None:
    alone.order(1, sku="CAP"), alone.order(2, sku="HAT"), alone.order(3, sku="HAT")
    fix(boss, "CAP", channel=str(alone.shop.pk), key="HAT", means_sku="MUG-BLUE", why="")
    assert Case.objects.filter(closed_at=None, detail="HAT").count() == 2


def test_many_who_came_meanwhile_wait_for_a_second_person(alone: Scene, boss: Client) -> None:
    alone.order(1, sku="CAP")
    page = boss.post(
        reverse("admin:sync_group_fix", args=[Group.objects.get().pk]),
        {"channel": str(alone.shop.pk), "key": "CAP", "means_sku": "MUG-BLUE", "why": ""},
        follow=True,
    )
    Mapping.objects.all().delete()
    alone.order(2, sku="CAP"), alone.order(3, sku="CAP")
    boss.post(reverse("admin:sync_replay_go", args=[page.context["row"].pk]))
    assert Replay.objects.get().state == "done" and Mapping.objects.exists()
    assert set(Case.objects.filter(closed_at=None).values_list("order_id", flat=True)) == {
        o.pk for o in alone.orders[1:]
    }


def test_what_differs_stays_also_where_its_word_is_known_by_then(scene: Scene, boss: Client) -> None:
    for number in (1, 2, 3):
        scene.order(number, sku="CAP")
    form = {"channel": str(scene.shop.pk), "key": "CAP", "means_sku": "MUG-BLUE", "why": ""}
    page = boss.post(reverse("admin:sync_group_fix", args=[Group.objects.get().pk]), form, follow=True)
    replay = page.context["row"]
    replay.items.filter(position=2).update(digest="of something else")
    boss.post(reverse("admin:sync_replay_go", args=[replay.pk]))
    replay.refresh_from_db()
    states = list(replay.items.order_by("position").values_list("state", flat=True))
    assert (replay.state, states) == ("differs", ["done", "differs", "done"])
    assert set(Case.objects.filter(closed_at=None).values_list("order_id", flat=True)) == {scene.orders[1].pk}


def test_what_is_unknown_is_released_one_by_one_also_where_it_is_worth_much(scene: Scene, operator: Client) -> None:
    ApprovalLimit.objects.create(pk=1, amount=20)
    case = scene.parked(scene.order(1), "in_doubt", "in_doubt")
    page = operator.post(reverse("admin:sync_case_release", args=[case.pk]), {"looked": "on", "why": "x"}, follow=True)
    replay = page.context["row"]
    assert isinstance(replay, Replay) and (replay.state, replay.exceptions) == ("previewed", 1)


def test_a_word_taken_away_meanwhile_is_said_and_not_given_again(
    scene: Scene, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "CHUNK", 1)
    scene.order(1, sku="CAP"), scene.order(2, sku="CAP")
    form = {"channel": str(scene.shop.pk), "key": "CAP", "means_sku": "MUG-BLUE", "why": ""}
    boss.post(reverse("admin:sync_group_fix", args=[Group.objects.get().pk]), form)
    replay = Replay.objects.get()
    replaying.work(replay.pk, fixes.of)
    approving.go(replay.pk, replay.by)
    replaying._step(replay.pk, fixes.of)
    Mapping.objects.get().delete()
    replaying.work(replay.pk, fixes.of)
    replay.refresh_from_db()
    told = list(replay.items.order_by("position").values_list("state", "words"))
    assert (replay.state, told) == ("done", [("done", ""), ("refused", "“CAP” was taken away meanwhile.")])
    assert not Mapping.objects.exists() and still() == {"CAP"}
