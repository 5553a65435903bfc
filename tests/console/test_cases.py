"""Exceptions are released and closed from the console: who may, what happens, what is kept."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Hold, Posting
from retailsync.console import cases as console_cases
from retailsync.console import stock_cases
from retailsync.sync.models import Action, Case, Command, Cursor, Message
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


@pytest.mark.parametrize("button", ["release", "preview", "correct", "settle", "close"])
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
    first, second = scene.readable(7), scene.readable(8)
    page = release_selected(operator, first, second)
    assert page.context["goes"] == 2 and Case.objects.filter(closed_at=None).count() == 2
    operator.post(reverse("admin:sync_replay_go", args=[page.context["row"].pk]))
    assert set(Message.objects.filter(pk__in=[first.target_id, second.target_id]).values_list("state", flat=True)) == {
        "done"
    }
    assert not Case.objects.filter(closed_at=None).exists()
    assert set(Case.objects.values_list("closed_by", flat=True)) == {"olga"}
    released = Action.objects.filter(what="release").values_list("who", "target_kind")
    assert list(released) == [("olga", "message")] * 2


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
    assert answer == ["It was released and came back at once, because what caused it is still so."]
    assert Case.objects.filter(closed_at=None).count() == 1


def test_a_list_narrowed_by_a_link_says_so(scene: Scene, viewer: Client) -> None:
    case = scene.malformed()
    assert "Only what the link" in viewer.get(f"{LIST}?cause={case.cause}").content.decode()
    assert "Only what the link" not in viewer.get(f"{LIST}?state=all&q=x").content.decode()


def test_releasing_twice_is_said_so(scene: Scene, operator: Client) -> None:
    case = scene.readable(7)
    press(operator, case, "release")
    assert said(press(operator, case, "release")) == ["It is not open any more; nothing was released."]


def test_an_unknown_outcome_is_released_only_by_who_looked(scene: Scene, operator: Client) -> None:
    case = scene.parked(scene.order(1), "in_doubt", "in_doubt")
    assert "one by one" in said(release_selected(operator, case))[-1]
    assert "one by one" in said(press(operator, case, "preview"))[-1]
    press(operator, case, "release")
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


def test_closing_twice_is_said_so(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    press(operator, case, "close", why="one")
    assert "nothing was changed" in said(press(operator, case, "close", why="two"))[0]
    assert Action.objects.count() == 1


def close_selected(client: Client, *chosen: Case, **more: str) -> Any:
    form = {"action": "close_selected", "_selected_action": [c.pk for c in chosen], **more}
    return client.post(LIST, form, follow=True)


def test_what_still_blocks_is_never_closed_without_release(scene: Scene, operator: Client) -> None:
    scene.order(1, sku="CAP-RED")
    held, sent = Case.objects.get(), scene.confirming(scene.order(2))
    for case in (held, sent):
        page = operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
        assert "Close without release" not in page and "Release" in page
        assert "holds are released" in said(press(operator, case, "close", why="away with it"))[0]
    assert said(close_selected(operator, held, sent, why="x")) == [
        "None of these could be closed; nothing was changed.",
        f"2 left alone: {console_cases.KEPT_OPEN}",
    ]
    assert Case.objects.filter(closed_at=None).count() == 2 and not Action.objects.exists()


def test_closing_from_the_list_asks_why_and_leaves_alone_what_blocks(scene: Scene, operator: Client) -> None:
    chosen = [scene.malformed(), scene.unread(), scene.down(), scene.confirming(scene.order(1))]
    page = close_selected(operator, *chosen).content.decode()
    assert "3 exceptions leave the list" in page and "1 of those you ticked is left alone" in page
    assert [page.count(f'name="_selected_action" value="{c.pk}"') for c in chosen] == [1] * 4
    assert "Say why" in said(close_selected(operator, *chosen, why=" "))[0]
    assert Case.objects.filter(closed_at=None).count() == 4
    answer = said(close_selected(operator, *chosen, why="known\0"))
    assert answer == ["3 exceptions closed without release.", f"1 left alone: {console_cases.KEPT_OPEN}"]
    assert Case.objects.get(closed_at=None) == chosen[-1]
    assert set(Action.objects.values_list("who", "what", "target_kind", "why")) == {
        ("olga", "close", kind, "known") for kind in ("message", "cursor", "system")
    }


def test_a_viewer_closes_nothing_from_the_list(scene: Scene, viewer: Client) -> None:
    close_selected(viewer, scene.malformed(), why="x")
    assert Case.objects.get().closed_at is None


@pytest.mark.parametrize("state", ["parked", "in_doubt"])
def test_what_was_done_outside_is_settled_by_hand(state: str, scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    case = scene.confirming(order, state, "in_doubt" if state == "in_doubt" else "refused")
    assert "It was done" in operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert said(press(operator, case, "settle", why=" ")) == ["Say how you know that it was done; nothing was changed."]
    assert Command.objects.get(pk=case.target_id).state == state
    (text,) = said(press(operator, case, "settle", why="seen in Odoo", external_id=" S00042 "))
    assert text.startswith(f"Confirm order #{case.target_id} counts as done in Odoo on your word")
    row = Command.objects.get(pk=case.target_id)
    assert (row.state, row.evidence) == ("confirmed", "settled by olga: seen in Odoo")
    held = Posting.objects.get(system=scene.erp, kind="sales_order", subject_id=order.pk)
    assert (held.state, held.external_id) == ("confirmed", "S00042")
    assert Case.objects.get(pk=case.pk).closed_by == "olga"
    assert Action.objects.values_list("what", "why").get() == ("settle by hand", "seen in Odoo")
    assert "Nothing was changed" in said(press(operator, case, "settle", why="again"))[0]


def test_a_command_whose_content_cannot_be_read_is_not_settled(scene: Scene, operator: Client) -> None:
    case = scene.confirming(scene.order(1))
    Command.objects.filter(pk=case.target_id).update(payload={"type": "ConfirmOrder"})
    assert "cannot be read" in said(press(operator, case, "settle", why="x"))[0]
    assert Case.objects.get(pk=case.pk).closed_at is None and not Action.objects.exists()


def test_what_needs_the_targets_id_is_not_settled_by_hand(scene: Scene, operator: Client) -> None:
    case = scene.parked(scene.order(1))
    page = operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert "It was done" not in page and "the id only the target can give" in page
    assert "Nothing was changed" in said(press(operator, case, "settle", why="x"))[0]
    Command.objects.filter(pk=case.target_id).update(kind="Refresh", level=True)
    page = operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert "A read cannot be settled by hand" in page
    other = scene.malformed()
    assert "Nothing was changed" in said(press(operator, other, "settle", why="x"))[0]


def test_a_feed_is_shown_released_and_found(scene: Scene, operator: Client) -> None:
    case, other = scene.unread(), scene.malformed()
    page = operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    for text in ("KeyError: &#x27;items&#x27;", "2026-11-23T06:00:00|page=7", "A feed cannot be read", ">stock<"):
        assert text in page
    assert page.count(reverse("admin:canonical_system_change", args=[scene.shop.pk])) >= 2
    found = [
        operator.get(LIST + q).context["cl"].result_list
        for q in ("?about=cursor", "?reason=feed_failed", "?about=message")
    ]
    assert [[r.pk for r in rows] for rows in found] == [[case.pk], [case.pk], [other.pk]]
    assert said(press(operator, case, "release")) == ["1 exception released."]
    assert Cursor.objects.get(pk=case.target_id).polled_at is None


@pytest.mark.parametrize("kind", sorted({*Case.Target.values} - {*stock_cases.KINDS}))
def test_every_kind_of_exception_has_a_page(
    kind: str, scene: Scene, viewer: Client, operator: Client, boss: Client
) -> None:
    scene.order(1, sku="CAP-RED")
    scene.malformed(), scene.unread(), scene.down(), scene.unheard(), scene.confirming(scene.order(2))
    scene.unanswered(scene.order(3))
    case = Case.objects.get(target_kind=kind)
    url = reverse("admin:sync_case_change", args=[case.pk])
    assert [c.get(url).status_code for c in (viewer, operator, boss)] == [200] * 3
    press(operator, case, "release")
    assert "sync_case_release" not in operator.get(url).content.decode()
    Case.objects.filter(pk=case.pk).update(target_id=999_999)  # what it pointed at is gone
    assert boss.get(url).status_code == 200


def test_people_return_to_the_list_they_came_from(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    url = reverse("admin:sync_case_release", args=[case.pk]) + "?_changelist_filters=reason%3Dmalformed"
    assert operator.post(url).url == LIST + "?reason=malformed"
