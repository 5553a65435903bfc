"""The first page counts honestly, and every number leads to its rows."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from canonical.models import System
from retailsync.console.numbers import Number
from retailsync.sync import clock, pulse
from retailsync.sync.models import Gate
from tests.console.busy import trouble
from tests.console.conftest import person
from tests.console.scene import Scene, morning


def test_nothing_needs_you(scene: Scene, boss: Client) -> None:
    assert "Nothing needs you." in boss.get("/admin/").content.decode()


def test_without_systems_it_says_what_to_do(boss: Client) -> None:
    assert "Add the shop" in boss.get("/admin/").content.decode()


def test_who_may_see_nothing_sees_nothing(scene: Scene, stranger: Client) -> None:
    page = stranger.get("/admin/").content.decode()
    assert "Ask an administrator" in page and "Odoo" not in page


def numbers(found: Any) -> Iterator[tuple[str, int]]:
    """(list, count) of every number in what a page shows."""
    if isinstance(found, Number):
        yield found.url, found.count
    elif isinstance(found, dict):
        if "url" in found:
            yield found["url"], found["count"]
        yield from numbers(list(found.values()))
    elif isinstance(found, list):
        for part in found:
            yield from numbers(part)


def test_figures_that_stand_still_say_so(scene: Scene, boss: Client, stranger: Client) -> None:
    still, now = "Figures stand still", clock.now()
    assert f"{still}</span> because nothing was counted yet" in boss.get("/admin/").content.decode()
    pulse.reckon(now - timedelta(minutes=2))
    assert still not in boss.get("/admin/").content.decode()
    pulse.reckon(now - timedelta(minutes=4))
    page = boss.get("/admin/").content.decode()
    assert f"{still}</span> since <time" in page and f"{now - timedelta(minutes=4):%H:%M:%S}" in page
    assert "is beat running?" in page and still not in stranger.get("/admin/").content.decode()


@pytest.mark.parametrize("span", ["24h", "7d"])
def test_every_number_leads_to_so_many_rows(boss: Client, db: None, span: str) -> None:
    trouble()
    context = boss.get(f"/admin/?span={span}").context
    parts = ("lead", "flows", "systems", "cases", "open_by", "stages", "charts")
    pairs = {pair for part in parts for pair in numbers(context[part])}
    pairs |= {(system["feeds_url"], 1) for system in context["systems"] if system["feeds"]}
    pairs |= {(system["broken_url"], 1) for system in context["systems"] if system["broken"]}
    assert {name: n.count for name, n in context["flows"][1]["kept"].items()} == {"blocked": 1, "held": 2}
    assert len(pairs) > 120 and sum(count > 0 for _, count in pairs) > 50
    for url, count in pairs:
        assert boss.get(url).context["cl"].result_count == count, url


def test_systems_say_how_they_are(boss: Client, db: None) -> None:
    scene = morning()
    System.objects.filter(pk=scene.erp.pk).update(mode="paused")
    states = {row["name"]: row["state"] for row in boss.get("/admin/").context["systems"]}
    assert states == {"Northpick": "does not answer", "Odoo": "paused", "Web shop": "up"}
    Gate.objects.all().delete()
    assert "not spoken to yet" in boss.get("/admin/").content.decode()


def test_a_feed_that_cannot_be_read_shows_at_its_system(scene: Scene, boss: Client, viewer: Client) -> None:
    scene.unread("stock")
    scene.unread("orders")
    answer = viewer.get("/admin/")
    (reason,) = answer.context["cases"]
    assert (reason["reason"].title, reason["who"], reason["count"]) == ("A feed cannot be read", "developer", 2)
    assert {s["name"]: s["feeds"] for s in answer.context["systems"]} == {
        "Northpick": "", "Odoo": "", "Web shop": "2 feeds cannot be read",
    }  # fmt: skip
    assert "2 feeds cannot be read" in answer.content.decode()
    page = person("narrow", "view_system").get("/admin/").content.decode()
    assert "2 feeds cannot be read" in page and "about=cursor" not in page


def test_a_zone_that_is_none_does_no_harm(scene: Scene, boss: Client) -> None:
    for zone in ("Europe/Amsterdam", "../../etc/passwd", "No/Where", "\x00"):
        boss.cookies["rs_zone"] = zone
        assert boss.get("/admin/").status_code == 200


def test_the_menu_names_what_one_may_open(viewer: Client, scene: Scene) -> None:
    page = unescape(viewer.get("/admin/").content.decode())
    titles = [
        t
        for t in ("Exceptions", "Orders", "Messages", "Systems", "Users", "Schedules")
        if re.search(rf">\s*{t}\s*<", page)
    ]
    assert titles == ["Exceptions", "Orders", "Messages", "Systems"]


def test_the_log_in_page_leads_to_the_first_page(client: Client, db: None) -> None:
    User.objects.create_superuser("olga", password="pw")
    page = client.get("/admin/login/").content.decode()
    assert '<input type="hidden" name="next" value="/admin/" form="login-form">' in page
    assert client.post("/admin/login/", {"username": "olga", "password": "pw", "next": "/admin/"}).url == "/admin/"
