"""Exceptions by cause: whose they are, when they are seen, what is pressed about all of them, and what people keep."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retailsync.sync import cases
from retailsync.sync.models import Action, ApprovalLimit, Case, Group, Message, Replay, SavedView
from tests.console.conftest import person
from tests.console.scene import HOSTILE, Scene, morning

LIST = "/admin/sync/group/"


def shown(client: Client, query: str = "") -> list[str]:
    return [row.detail for row in client.get(f"{LIST}?{query}").context["page"].rows]


def press(client: Client, button: str, row: Any = None, /, **data: Any) -> Any:
    url = reverse(f"admin:sync_group_{button}", args=[row.pk] if row else [])
    return client.post(url, data, follow=True)


def said(answer: Any) -> list[str]:
    return [str(m) for m in answer.context["messages"]]


@pytest.fixture
def groups(scene: Scene) -> dict[str, Group]:
    """Three unknown SKUs, held by one, two and three orders."""
    for number, code in enumerate(("CAP", "SOCKS", "SOCKS", "HAT", "HAT", "HAT"), 1):
        scene.order(number, sku=code)
    return {g.detail: g for g in Group.objects.all()}


# ---- the list ---------------------------------------------------------------------------------------------------------------
def test_one_row_per_cause_the_largest_first(groups: dict[str, Group], viewer: Client) -> None:
    answer = viewer.get(LIST)
    found = [(r.detail, r.open, r.orders, r.money) for r in answer.context["page"].rows]
    assert found == [("HAT", 3, 3, ["85.50 EUR"]), ("SOCKS", 2, 2, ["57.00 EUR"]), ("CAP", 1, 1, ["28.50 EUR"])]
    assert "Unknown SKU: HAT" in answer.content.decode()


def test_who_may_see_and_press(groups: dict[str, Group], client: Client, stranger: Client, viewer: Client) -> None:
    cap = groups["CAP"]
    assert client.get(LIST).url.startswith("/admin/login/") and stranger.get(LIST).status_code == 403
    for button in ("release", "fix", "assign", "snooze", "ignore", "show", "comment"):
        assert [press(c, button, cap, why="x").status_code for c in (stranger, viewer)] == [403, 403]
    assert press(viewer, "chosen", group=cap.pk, do="mine").status_code == 403
    assert not Action.objects.exists() and "Preview" not in viewer.get(LIST).content.decode()


def test_my_day_is_mine_and_nobodys(groups: dict[str, Group], operator: Client, boss: Client) -> None:
    olga, other = User.objects.get(username="olga"), User.objects.get(username="boss")
    press(operator, "assign", groups["CAP"], to=olga.pk)
    press(operator, "assign", groups["HAT"], to=other.pk)
    assert shown(operator) == ["CAP", "SOCKS"] and shown(operator, "view=open") == ["CAP", "HAT", "SOCKS"]
    assert shown(boss) == ["HAT", "SOCKS"]
    press(operator, "assign", groups["CAP"], to="")
    assert Group.objects.get(detail="CAP").assignee is None
    assert list(Action.objects.filter(what="assign").values_list("why", flat=True)) == ["nobody", "boss", "olga"]


def test_a_developers_trouble_is_not_on_an_operators_day(scene: Scene, operator: Client, boss: Client) -> None:
    scene.malformed()
    assert (shown(operator), shown(operator, "view=open"), shown(boss)) == ([], ["line_items"], ["line_items"])
    assert "Nothing waits for you" in operator.get(LIST).content.decode()


def test_snoozed_until_the_morning(groups: dict[str, Group], operator: Client) -> None:
    operator.cookies["rs_zone"] = "Europe/Amsterdam"
    press(operator, "snooze", groups["CAP"], days="1")
    until = Group.objects.get(detail="CAP").snoozed_until
    assert until.hour in (6, 7) and timedelta(0) < until - timezone.now() < timedelta(days=2)
    assert shown(operator) == ["HAT", "SOCKS"] and shown(operator, "view=snoozed") == ["CAP"]
    Group.objects.filter(detail="CAP").update(snoozed_until=timezone.now() - timedelta(minutes=1))
    assert shown(operator) == ["HAT", "SOCKS", "CAP"]


def test_ignored_needs_a_reason_and_is_shown_again(groups: dict[str, Group], operator: Client) -> None:
    assert "say why" in said(press(operator, "ignore", groups["CAP"], why=" "))[0]
    press(operator, "ignore", groups["CAP"], why="old stock")
    assert shown(operator, "view=open") == ["HAT", "SOCKS"] and shown(operator, "view=ignored") == ["CAP"]
    press(operator, "show", groups["CAP"])
    assert shown(operator, "view=open") == ["HAT", "SOCKS", "CAP"]


def test_resolved_and_come_back(scene: Scene, groups: dict[str, Group], operator: Client) -> None:
    case = Case.objects.get(detail="CAP")
    cases.close("hold", [case.target_id], "olga")
    assert shown(operator, "view=resolved") == ["CAP"] and "CAP" not in shown(operator, "view=open")
    scene.order(9, sku="CAP")
    assert shown(operator, "view=back") == ["CAP"] and shown(operator)[0] == "CAP", "what came back comes first"
    assert "came back" in operator.get(LIST).content.decode()


def test_what_is_ignored_stays_so_when_it_comes_back(scene: Scene, groups: dict[str, Group], operator: Client) -> None:
    press(operator, "ignore", groups["CAP"], why="old stock")
    cases.close("hold", [Case.objects.get(detail="CAP").target_id], "olga")
    url = reverse("admin:sync_group_change", args=[groups["CAP"].pk])
    assert "If it comes back, it stays ignored." in operator.get(url).content.decode()
    scene.order(9, sku="CAP")
    assert shown(operator, "view=ignored") == ["CAP"] and "CAP" not in shown(operator, "view=open")
    assert "until somebody shows it again" in operator.get(url).content.decode()
    cases.close("hold", [Case.objects.get(detail="CAP", closed_at=None).target_id], "olga")
    press(operator, "show", groups["CAP"])
    scene.order(10, sku="CAP")
    assert "CAP" in shown(operator, "view=open")


def test_filters_search_and_order(scene: Scene, groups: dict[str, Group], operator: Client) -> None:
    scene.parked(scene.order(9))
    assert shown(operator, "reason=refused") == ["Tax 21 % is archived"]
    assert shown(operator, f"system={scene.erp.pk}") == ["Tax 21 % is archived"]
    assert shown(operator, "workflow=intake") == shown(operator, "who=developer") == shown(operator, "q=100%25") == []
    assert shown(operator, "q=socks") == ["SOCKS"] and shown(operator, "q=WEB-1") == ["CAP"]
    assert (
        shown(operator, "sort=oldest")[0] == "CAP" and shown(operator, "sort=newest&p=x")[0] == "Tax 21 % is archived"
    )
    assert "Show everything" in operator.get(f"{LIST}?q=nothing-like-this").content.decode()


def test_tabs_count_what_they_show(boss: Client, db: None) -> None:
    morning()
    for view in boss.get(LIST).context["views"]:
        found = boss.get(f"{LIST}?view={view['name']}").context["page"]
        assert view["count"] in (None, len(found.rows)), view


def test_the_price_of_the_list_does_not_grow(
    scene: Scene, operator: Client, queries: Callable[[Client, str], int]
) -> None:
    scene.order(1, sku="CAP-1")
    one = queries(operator, LIST)
    scene.order(2, sku="CAP-2"), scene.order(3, sku="CAP-3")
    assert queries(operator, LIST) == one <= 14


def test_bodies_are_text(scene: Scene, boss: Client) -> None:
    scene.order(1, sku=HOSTILE[:60])
    for url in (LIST, reverse("admin:sync_group_change", args=[Group.objects.get().pk])):
        assert "<script>alert" not in boss.get(url).content.decode()


# ---- many at once -----------------------------------------------------------------------------------------------------------
def test_what_is_ticked(groups: dict[str, Group], operator: Client) -> None:
    chosen = [groups["CAP"].pk, groups["HAT"].pk]
    press(operator, "chosen", group=chosen, do="mine")
    assert set(Group.objects.filter(assignee__username="olga").values_list("detail", flat=True)) == {"CAP", "HAT"}
    press(operator, "chosen", group=chosen, do="snooze")
    assert shown(operator) == ["SOCKS"]
    assert said(press(operator, "chosen", do="mine")) == ["Nothing was chosen."]
    assert press(operator, "chosen", group=chosen, do="delete").status_code == 403
    page = press(operator, "chosen", group=chosen, do="release")
    assert (page.context["row"].exceptions, page.context["stays"]) == (4, 4)


def test_the_release_of_a_group_is_seen_first(groups: dict[str, Group], operator: Client) -> None:
    page = press(operator, "release", groups["HAT"], why="product is there")
    assert page.context["row"].title == "Unknown SKU: HAT" and page.context["row"].group == groups["HAT"]
    assert "None of the 3 would go on" in " ".join(page.content.decode().split()) and page.context["stays"] == 3
    assert Case.objects.filter(closed_at=None).count() == 6
    page = operator.get(reverse("admin:sync_group_change", args=[groups["HAT"].pk]))
    assert [r.title for r in page.context["replays"]] == ["Unknown SKU: HAT"]


def test_the_limit_holds_for_one_order_too(scene: Scene, operator: Client) -> None:

    ApprovalLimit.objects.create(pk=1, amount=20)
    case = scene.parked(scene.order(1))
    page = operator.post(reverse("admin:sync_case_release", args=[case.pk]), {"why": "x"}, follow=True)
    assert "more than 20.00 take a second person" in said(page)[0] and page.context["row"].state == "previewed"
    assert Case.objects.get(pk=case.pk).closed_at is None


# ---- words for each other ---------------------------------------------------------------------------------------------------
def test_comments_stay_in_their_order(groups: dict[str, Group], operator: Client) -> None:
    for text in ("asked the shop", " ", HOSTILE):
        press(operator, "comment", groups["CAP"], text=text)
    page = operator.get(reverse("admin:sync_group_change", args=[groups["CAP"].pk]))
    assert [(c.who, c.text) for c in page.context["comments"]] == [("olga", "asked the shop"), ("olga", HOSTILE)]
    assert "<script>alert" not in page.content.decode()


def test_views_are_kept_by_who_kept_them(groups: dict[str, Group], operator: Client, viewer: Client) -> None:
    answer = press(operator, "keep_view", name="Refused", query="view=open&reason=refused")
    assert answer.redirect_chain == [(f"{LIST}?view=open&reason=refused", 302)] and "Refused" in answer.content.decode()
    press(operator, "keep_view", name="Refused", query="view=open")
    kept = SavedView.objects.get()
    assert kept.query == "view=open" and "Refused" not in viewer.get(f"{LIST}").context["saved"]
    assert press(viewer, "drop_view", kept).status_code == 404
    press(operator, "drop_view", kept)
    assert not SavedView.objects.exists()


# ---- a message is corrected -------------------------------------------------------------------------------------------------
def correct(client: Client, case: Case, body: str, why: str = "the shop said so") -> Any:
    return client.post(reverse("admin:sync_case_correct", args=[case.pk]), {"body": body, "why": why}, follow=True)


def test_a_corrected_message_takes_the_place_of_the_one_that_is_kept(scene: Scene, operator: Client) -> None:
    case = scene.malformed(b'{"id": "seven"}')
    Message.objects.filter(pk=case.target_id).update(topic="order.deleted")
    assert "was understood" in said(correct(operator, case, '{"id": 7}'))[0]
    old = Message.objects.get(pk=case.target_id)
    new = Message.objects.get(corrects=old)
    assert (bytes(old.body), old.state, old.words) == (
        b'{"id": "seven"}',
        "done",
        f"Corrected by olga: see message #{new.pk}.",
    )
    assert (bytes(new.body), new.state, new.door) == (b'{"id": 7}', "done", "person")
    assert not Case.objects.filter(closed_at=None).exists()
    assert Action.objects.values_list("what", "why").get() == ("correct", "the shop said so")
    assert (
        reverse("admin:sync_message_change", args=[old.pk])
        in operator.get(reverse("admin:sync_message_change", args=[new.pk])).content.decode()
    )


@pytest.mark.parametrize(
    ("body", "why", "words"),
    [
        ("{", "x", "not JSON"),
        ('{"id": 1}', " ", "say what is wrong"),
        ('{"id": 7, "line_items": null, "total": 10.10}', "x", "nothing in it"),
    ],
)
def test_a_correction_that_is_none(body: str, why: str, words: str, scene: Scene, operator: Client) -> None:
    answer = correct(operator, scene.malformed(), body, why)
    assert words in said(answer)[0] and Message.objects.count() == 1
    assert Case.objects.get().closed_at is None


def test_a_correction_that_is_not_understood_either(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    assert "took its place" in said(correct(operator, case, '{"id": 7, "line_items": 5}'))[0]
    (opened,) = Case.objects.filter(closed_at=None)
    assert Message.objects.get(pk=opened.target_id).corrects_id == case.target_id


def test_who_may_not_see_messages_corrects_none(scene: Scene) -> None:
    case = scene.malformed()
    narrow = person("narrow", "view_case", "change_case")
    assert correct(narrow, case, "{}").status_code == 403 and Message.objects.count() == 1
    assert not Replay.objects.exists()
