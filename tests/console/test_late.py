"""The sentence the first page begins with: is anything late, of which shop, since when, and who acts."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from canonical.models import Hold, System
from retailsync.console import home, late
from retailsync.sync import clock
from retailsync.sync.models import Case, Command, Message
from tests.console.busy import quiet
from tests.console.conftest import person
from tests.console.scene import Scene


def sentence(client: Client) -> str:
    """What the page says first, as one reads it."""
    page = client.get("/admin/").content.decode()
    found = re.search(r'<p class="rs-words">(.*?)</p>', page, re.S)
    assert found
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", found[1]))).strip()


def said(client: Client) -> str:
    """The sentence without its time."""
    return re.sub(r"since .*?;", "since …;", sentence(client))


def age(minutes: float = 10) -> None:
    """Everything that stands was put out so long ago."""
    Command.objects.update(created_at=clock.now() - timedelta(minutes=minutes))
    Message.objects.update(received_at=clock.now() - timedelta(minutes=minutes))


def test_a_quiet_morning(boss: Client, db: None) -> None:
    quiet()
    assert sentence(boss) == "Nothing is late."


def test_what_is_within_its_promise_is_not_late(scene: Scene, boss: Client) -> None:
    scene.order(1)
    age(4.9)
    assert sentence(boss) == "Nothing is late."
    age(5.1)
    assert sentence(boss).startswith("1 order of Web shop is late, the oldest since 5 min ago")


def test_what_is_merely_slow_is_tried_again(scene: Scene, boss: Client) -> None:
    scene.order(1)
    scene.order(2)
    age()
    assert said(boss) == "2 orders of Web shop are late, the oldest since …; nobody has to act yet on 2 orders."


def test_who_has_an_exception_of_it_acts(scene: Scene, boss: Client) -> None:
    scene.parked(scene.order(1))
    scene.order(2)
    scene.malformed()
    age()
    assert said(boss) == (
        "2 orders and 1 message of Web shop are late, the oldest since …; the back office acts on 1 order, a developer acts on 1 message,"
        " and nobody has to act yet on 1 order."
    )


def test_a_system_that_does_not_answer_is_an_administrators(scene: Scene, boss: Client) -> None:
    scene.order(1)
    scene.down()
    age()
    assert said(boss) == "1 order of Web shop is late, the oldest since …; an administrator acts on 1 order."


def test_so_is_one_somebody_paused_and_a_message_nobody_took_up(scene: Scene, boss: Client) -> None:
    System.objects.filter(pk=scene.erp.pk).update(mode="paused")
    scene.order(1)
    scene.message("order.updated", b"{}", "received")
    age()
    assert said(boss).endswith("an administrator acts on 1 order and 1 message.")


def test_an_order_that_waits_for_several_is_counted_once(scene: Scene, boss: Client) -> None:
    case = scene.parked(scene.order(1))
    scene.down()
    age()
    assert said(boss) == "1 order of Web shop is late, the oldest since …; the back office acts on 1 order."
    Case.objects.filter(pk=case.pk).update(who="partner")
    assert said(boss).endswith("the warehouse acts on 1 order.")


@pytest.mark.parametrize(("quiet", "expected"), [(True, "Nothing is late."), (False, "1 order of Web shop is late")])
def test_paused_on_purpose_is_not_late(scene: Scene, boss: Client, quiet: bool, expected: str) -> None:
    Hold.objects.create(order=scene.order(1), reason="paused_in_shop", words="On hold in the shop.", quiet=quiet)
    Command.objects.filter(kind="UpsertCustomer").update(state="confirmed")
    age()
    assert sentence(boss).startswith(expected)


def test_what_is_about_no_order_is_an_update(scene: Scene, boss: Client) -> None:
    Command.objects.create(
        system=scene.shop, kind="PublishStock", subject_kind="listing", subject_key="1", purpose="stock:1", level=True, payload={},
        cause_kind="message", cause_id=1,
    )  # fmt: skip
    age(2.1)
    assert said(boss).startswith("1 other update of Web shop is late")


def test_many_shops_are_not_all_named() -> None:
    assert home._named(["A"]) == "A"
    assert home._named(["A", "B"]) == "A and B"
    assert home._named(list("ABCDE")) == "A, B, C and 2 more"


def test_more_than_are_looked_at(scene: Scene, boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "MOST", 2)
    for number in (1, 2, 3):
        scene.order(number)
    age()
    assert re.match(r"[12]\+ orders? of Web shop", sentence(boss))


def test_who_may_not_see_orders_gets_no_links_to_them(scene: Scene, boss: Client) -> None:
    scene.order(1)
    age()
    narrow = person("narrow", "view_command", "view_message")
    assert "canonical/order/?late" not in narrow.get("/admin/").content.decode()
    assert sentence(narrow) == sentence(boss)
    assert "rs-words" not in person("half", "view_command", "view_system").get("/admin/").content.decode()
