"""Exceptions are released and closed from the console: who may, what happens, what is kept."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from canonical.models import Hold
from retailsync.console import cases as console_cases
from retailsync.sync.models import Action, Case, Command, Message
from tests.console.scene import Scene

LIST = "/admin/sync/case/"


def press(client: Client, case: Case, button: str, **data: str) -> Any:
    return client.post(reverse(f"admin:sync_case_{button}", args=[case.pk]), data, follow=True)


def said(answer: Any) -> list[str]:
    return [str(m) for m in answer.context["messages"]]


def release_selected(client: Client, *chosen: Case) -> Any:
    return client.post(LIST, {"action": "release_selected", "_selected_action": [c.pk for c in chosen]}, follow=True)


def test_the_list_opens_with_what_is_open(scene: Scene, viewer: Client) -> None:
    gone, stays = scene.malformed(), scene.malformed()
    console_cases.cases.close("message", [gone.target_id])
    rows = [viewer.get(LIST + query).context["cl"].result_list for query in ("", "?state=closed", "?state=all")]
    assert [[r.pk for r in page] for page in rows] == [[stays.pk], [gone.pk], [stays.pk, gone.pk]]


def test_the_list_says_how_many_are_alike(scene: Scene, viewer: Client) -> None:
    for number in (1, 2, 3):
        scene.order(number, sku="CAP-RED")
    assert {row.group_size for row in viewer.get(LIST).context["cl"].result_list} == {3}
    assert viewer.get(LIST).content.decode().count("3 alike") == 3


@pytest.mark.parametrize("button", ["release", "release_group", "close"])
def test_who_may_press_what(button: str, scene: Scene, client: Client, stranger: Client, viewer: Client) -> None:
    case = scene.malformed()
    assert client.post(reverse(f"admin:sync_case_{button}", args=[case.pk])).url.startswith("/admin/login/")
    assert [press(c, case, button, why="x").status_code for c in (stranger, viewer)] == [403, 403]
    assert Case.objects.get().closed_at is None and not Action.objects.exists()


def test_buttons_need_a_post_and_a_token(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    assert operator.get(reverse("admin:sync_case_release", args=[case.pk])).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert press(strict, case, "release").status_code == 403
    assert Case.objects.get().closed_at is None


def test_a_viewer_has_no_list_action(scene: Scene, viewer: Client) -> None:
    case = scene.malformed()
    assert "release_selected" not in viewer.get(LIST).content.decode()
    release_selected(viewer, case)
    assert Case.objects.get().closed_at is None


def test_releasing_a_message_from_the_list(scene: Scene, operator: Client) -> None:
    first, second = scene.malformed(), scene.malformed()
    assert said(release_selected(operator, first, second)) == ["2 exceptions released."]
    assert set(Message.objects.filter(pk__in=[first.target_id, second.target_id]).values_list("state", flat=True)) == {
        "received"
    }
    assert not Case.objects.filter(closed_at=None).exists()
    assert set(Case.objects.values_list("closed_by", flat=True)) == {"olga"}
    assert list(Action.objects.values_list("who", "what", "target_kind")) == [("olga", "release", "message")] * 2


def test_releasing_a_command_from_its_page(scene: Scene, operator: Client) -> None:
    case = scene.parked(scene.order(1))
    assert said(press(operator, case, "release", why="tax is back")) == ["1 exception released."]
    assert Command.objects.get(pk=case.target_id).state == "waiting"
    assert Case.objects.get(pk=case.pk).closed_by == "olga"
    assert Action.objects.get().why == "tax is back"
    page = operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert "tax is back" in page and "sync_case_release" not in page


def test_releasing_a_hold_lifts_it(scene: Scene, operator: Client) -> None:
    scene.order(1, status="completed")
    case = Case.objects.get(reason="completed_in_shop")
    press(operator, case, "release", why="not shipped by hand")
    assert Hold.objects.get(pk=case.target_id).lifted_by == "olga"
    assert Case.objects.get(pk=case.pk).closed_at is not None


def test_a_hold_whose_cause_remains_comes_back_and_is_said_so(scene: Scene, operator: Client) -> None:
    scene.order(1, sku="CAP-RED")
    answer = said(press(operator, Case.objects.get(), "release"))
    assert answer == ["1 exception released.", "1 came back at once, because what caused it is still so."]
    assert Case.objects.filter(closed_at=None).count() == 1


def test_a_list_narrowed_by_a_link_says_so(scene: Scene, viewer: Client) -> None:
    case = scene.malformed()
    assert "Only what the link" in viewer.get(f"{LIST}?cause={case.cause}").content.decode()
    assert "Only what the link" not in viewer.get(f"{LIST}?state=all&q=x").content.decode()


def test_releasing_twice_is_said_so(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    press(operator, case, "release")
    assert said(press(operator, case, "release")) == ["None of these was open any more; nothing was released."]


def test_releasing_the_whole_group(scene: Scene, operator: Client) -> None:
    group = [scene.malformed() for _ in range(3)]
    other = scene.parked(scene.order(1))
    assert said(press(operator, group[0], "release_group")) == ["3 exceptions released."]
    assert list(Case.objects.filter(closed_at=None)) == [other]


def test_a_large_group_goes_to_a_worker(scene: Scene, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(console_cases, "AT_ONCE", 1)
    monkeypatch.setattr(console_cases.app, "send_task", lambda *args: sent.append(args))
    group = [scene.malformed() for _ in range(2)]
    press(operator, group[0], "release_group", why="sender corrected")
    assert sent == [("sync.release", ([c.pk for c in group], "olga", "sender corrected"))]


def test_a_broker_that_is_away_is_said_so(scene: Scene, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(console_cases, "AT_ONCE", 0)
    monkeypatch.setattr(console_cases.app, "send_task", away)
    assert "nothing was released" in said(press(operator, scene.malformed(), "release"))[0]
    assert Case.objects.get().closed_at is None


def test_an_unknown_outcome_is_released_only_by_who_looked(scene: Scene, operator: Client) -> None:
    case = scene.parked(scene.order(1), "in_doubt", "in_doubt")
    assert "left alone" in said(release_selected(operator, case))[-1]
    press(operator, case, "release")
    assert press(operator, case, "release_group").status_code == 403
    assert Command.objects.get(pk=case.target_id).state == "in_doubt"
    press(operator, case, "release", looked="on")
    assert Command.objects.get(pk=case.target_id).state == "waiting"


def test_closing_without_release_needs_a_why(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    assert said(press(operator, case, "close", why=" ")) == ["Say why it can be closed; nothing was changed."]
    assert Case.objects.get().closed_at is None
    press(operator, case, "close", why="sent again by hand")
    assert Case.objects.get().closed_by == "olga"
    assert Message.objects.get(pk=case.target_id).state == "parked"
    assert Action.objects.values_list("what", "why").get() == ("close", "sent again by hand")


def test_people_return_to_the_list_they_came_from(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    url = reverse("admin:sync_case_release", args=[case.pk]) + "?_changelist_filters=reason%3Dmalformed"
    assert operator.post(url).url == LIST + "?reason=malformed"
