"""The page of a replay: what it says, who may press what, and that nobody goes round it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from canonical.models import Mapping, Sourcing, System
from retailsync.console import fixes
from retailsync.sync import replaying
from retailsync.sync.models import Action, Approval, ApprovalLimit, Case, Group, Replay
from retailsync.sync.replaying import Wish
from tests.console.conftest import VIEWS, person
from tests.console.scene import Scene, _stated

LIST = "/admin/sync/replay/"
BUTTONS = ("go", "ask", "approve", "refuse", "again", "cancel")


@pytest.fixture
def approver(db: None) -> Client:
    return person("anna", "approve_replay", *(f"view_{name}" for name in VIEWS))


@pytest.fixture
def ready(scene: Scene) -> Scene:
    """Three orders that go on when they are released."""
    kept = list(Sourcing.objects.all())
    Sourcing.objects.all().delete()
    for number in (1, 2, 3):
        scene.order(number)
    Sourcing.objects.bulk_create(kept)
    return scene


def previewed(name: str = "olga") -> Replay:
    replay = replaying.ask(
        Wish("Three", "", list(Case.objects.values_list("pk", flat=True))), User.objects.get(username=name)
    )
    replaying.work(replay.pk, fixes.of)
    replay.refresh_from_db()
    return replay


def page(client: Client, replay: Replay, query: str = "") -> Any:
    return client.get(reverse("admin:sync_replay_change", args=[replay.pk]) + query)


def press(client: Client, button: str, replay: Replay, **data: str) -> Any:
    answer = client.post(reverse(f"admin:sync_replay_{button}", args=[replay.pk]), data, follow=True)
    replay.refresh_from_db()
    return answer


def said(answer: Any) -> str:
    return " ".join(str(m) for m in answer.context["messages"])


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_it_says_what_will_be_sent_what_follows_and_what_changes(ready: Scene, operator: Client) -> None:
    answer = page(operator, previewed())
    found = text(answer)
    for words in (
        "3 exceptions go on. Nothing was changed yet.", "together 85.50 EUR", "Request fulfilment", "Do exactly this",
        "Its total is compared", "on hold → <strong>released</strong>", "What will be sent",
    ):  # fmt: skip
        assert words in found, words
    sent = {(c["system"], c["kind"], c["count"]) for c in answer.context["calls"]}
    assert {("Odoo", "Create order", 3), ("Northpick", "Request fulfilment", 3)} <= sent


def test_doing_exactly_that(ready: Scene, operator: Client) -> None:
    replay = previewed()
    assert "Done." in text(press(operator, "go", replay)) and replay.state == "done"
    assert not Case.objects.filter(closed_at=None).exists()
    assert "by now" in said(press(operator, "go", replay))
    assert [a.what for a in page(operator, replay).context["actions"]] == ["start replay", "ask for replay"]


def test_names_and_addresses_are_kept_nowhere_else(ready: Scene, operator: Client) -> None:
    replay = previewed()
    assert "Straat 12" not in str([item.effect for item in replay.items.all()])
    assert "Straat 12" not in page(operator, replay).content.decode()


def test_who_may_press_what(
    ready: Scene, client: Client, stranger: Client, viewer: Client, operator: Client, approver: Client
) -> None:
    replay = previewed()
    for button in BUTTONS:
        assert client.post(reverse(f"admin:sync_replay_{button}", args=[replay.pk])).url.startswith("/admin/login/")
        assert [press(c, button, replay).status_code for c in (stranger, viewer)] == [403, 403]
    assert [press(operator, b, replay).status_code for b in ("approve", "refuse")] == [403, 403]
    assert [press(approver, b, replay).status_code for b in ("go", "ask", "again", "cancel")] == [403] * 4
    assert (replay.state, Action.objects.count()) == ("previewed", 1)
    assert stranger.get(LIST).status_code == 403 and "Do exactly this" not in text(page(viewer, replay))


def test_a_second_person_sees_it_on_her_list_and_approves(ready: Scene, operator: Client, approver: Client) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=2)
    replay = previewed()
    assert "more than 2 take a second person" in text(page(operator, replay))
    assert "take a second person" in said(press(operator, "go", replay))
    assert "Somebody else has to decide" in text(press(operator, "ask", replay))
    assert [r.pk for r in approver.get("/admin/sync/group/").context["asked"]] == [replay.pk]
    assert "Approve: do exactly this" in text(page(approver, replay))
    press(approver, "approve", replay, why="fine")
    assert replay.state == "done" and Approval.objects.get().why == "fine"
    assert "anna approved it" in text(page(operator, replay))


def test_nobody_approves_what_she_asked_for(ready: Scene, approver: Client) -> None:
    both = person("berta", "approve_replay", "change_case", *(f"view_{name}" for name in VIEWS))
    replay = previewed("berta")
    press(both, "ask", replay)
    assert "Approve" not in text(page(both, replay)) and "somebody else" in said(press(both, "approve", replay))
    assert "say why not" in said(press(approver, "refuse", replay)) and replay.state == "asked"
    press(approver, "refuse", replay, why="not today")
    assert replay.state == "previewed" and "anna refused it" in text(page(both, replay))


def test_many_are_paged_and_cost_as_much_as_few(
    ready: Scene, operator: Client, queries: Callable[[Client, str], int]
) -> None:
    url = reverse("admin:sync_replay_change", args=[previewed().pk])
    few = queries(operator, url)
    for number in range(10, 75):
        ready.order(number, sku="CAP")
    many = previewed()
    url = reverse("admin:sync_replay_change", args=[many.pk])
    assert queries(operator, url) == few
    first = page(operator, many).context
    second = page(operator, many, f"?after={first['next']}").context
    assert [i["row"].position for i in (*first["items"], *second["items"])] == list(range(1, 69)) and second[
        "next"
    ] is None


def test_a_fix_for_many_goes_no_way_round_the_second_person(scene: Scene, boss: Client) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    other = Mapping.objects.create(kind="payment_method", key="other", value={})
    scene.order(1), scene.order(2)
    form = {"channel": "", "key": "ideal", "means_release": "paid", "why": ""}
    answer = boss.post("/admin/canonical/mapping/add/?kind=payment_method", form, follow=True)
    assert "take a second person" in answer.content.decode()
    boss.post(reverse("admin:canonical_mapping_delete", args=[other.pk]), {"post": "yes"})
    assert Mapping.objects.get() == other and Case.objects.filter(closed_at=None).count() == 2
    group = Group.objects.get()
    answer = boss.post(
        reverse("admin:sync_group_fix", args=[group.pk]), {**form, "channel": scene.shop.pk}, follow=True
    )
    assert answer.context["goes"] == 2 and answer.context["second"] and "means" in answer.context["said"]


def test_a_word_for_all_shops_is_about_the_orders_of_all(scene: Scene, boss: Client) -> None:
    """Else a word said in the group of a shop with one order would let the hundreds of another go on that nobody saw."""
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    other = System.objects.create(slug="o", name="O", connector="woocommerce", roles=["channel"], prefix="O-")
    Mapping.objects.create(kind="payment_method", key="other", value={})
    scene.order(1)
    group = Group.objects.get()
    scene.tell(other, 1, _stated(2, "MUG-BLUE", "processing", "Ada"))
    form = {"channel": "", "key": "ideal", "means_release": "paid", "why": ""}
    answer = boss.post(reverse("admin:sync_group_fix", args=[group.pk]), form, follow=True)
    assert answer.context["row"].exceptions == 2 and "take a second person" in answer.context["second"]


def test_what_came_meanwhile_goes_on_too(scene: Scene, boss: Client) -> None:
    Mapping.objects.create(kind="payment_method", key="other", value={})
    scene.order(1)
    form = {"channel": scene.shop.pk, "key": "ideal", "means_release": "paid", "why": "agreed"}
    answer = boss.post(reverse("admin:sync_group_fix", args=[Group.objects.get().pk]), form, follow=True)
    scene.order(2)
    press(boss, "go", answer.context["row"])
    assert not Case.objects.filter(closed_at=None).exists()


def test_the_limit_is_one_row_with_a_history(boss: Client, db: None) -> None:
    add = reverse("admin:sync_approvallimit_add")
    boss.post(add, {"exceptions": 50, "amount": "500"})
    assert ApprovalLimit.current().exceptions == 50 and ApprovalLimit.history.count() == 1
    assert boss.get(add).url == reverse("admin:sync_approvallimit_change", args=[1])
    assert "more than 50 exceptions, or 500 in one currency" in text(
        boss.get(reverse("admin:sync_approvallimit_changelist"))
    )


def test_no_replay_yet(boss: Client, db: None) -> None:
    assert "Nobody released many exceptions at once yet" in boss.get(LIST).content.decode()
