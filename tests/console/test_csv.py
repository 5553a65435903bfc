"""Lists as files: what is shown, as narrowed, in the reader's zone, and nothing a spreadsheet carries out."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import format_html

from canonical.models import Order, Product
from retailsync.console import csvfile, words
from retailsync.sync.models import Case, Message
from tests.console.scene import HOSTILE, Scene
from tests.console.test_pages import LISTS


def file(client: Client, model: str, query: str = "") -> list[list[str]]:
    answer = client.get(reverse(f"admin:{model}_csv") + query)
    assert answer["Content-Type"] == "text/csv; charset=utf-8" and "attachment" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"), ("+49 30", "'+49 30"), ("-2", "-2"), ("-2.5", "-2.5"), ("-cmd", "'-cmd"), ("@a", "'@a"), ("\tx", "'\tx"),
        ("\r=x", "'\r=x"), ("\n=x", "'\n=x"), (" =x", "' =x"), ("＝x", "'＝x"),
        (-3, "-3"), ("1,200", "1,200"), ("–", ""), (None, ""), ("a=b", "a=b"),
        (words.badge("done"), "done"),
        (format_html("<b>{}</b>", "=x"), "'=x"), (words.link("order", 1, HOSTILE), HOSTILE),
        (datetime(2026, 11, 28, 12, tzinfo=UTC), "2026-11-28T13:00:00+01:00"),
        (words.when(datetime(2026, 11, 28, 12, tzinfo=UTC), relative=True), "2026-11-28T13:00:00+01:00"),
    ],
)  # fmt: skip
def test_a_cell(value: Any, shown: str) -> None:
    assert csvfile.cell(value, ZoneInfo("Europe/Amsterdam")) == shown


def test_what_the_list_shows_as_it_is_narrowed(scene: Scene, viewer: Client) -> None:
    scene.order(1), scene.order(2, sku="CAP-RED"), scene.order(3)
    viewer.cookies["rs_zone"] = "Europe/Amsterdam"
    header, *rows = file(viewer, "canonical_order")
    assert header[:5] == ["Reference", "Channel", "Stage", "Shop status", "Total"] and [r[0] for r in rows] == [
        "WEB-3",
        "WEB-2",
        "WEB-1",
    ]
    assert rows[0][4] == "28.50 EUR" and rows[0][5].endswith(("+01:00", "+02:00"))
    assert [r[0] for r in file(viewer, "canonical_order", "?stage__exact=on_hold")[1:]] == ["WEB-2"]
    assert [r[0] for r in file(viewer, "canonical_order", "?q=WEB-3")[1:]] == ["WEB-3"]


def test_the_groups(scene: Scene, viewer: Client) -> None:
    scene.order(1, sku="=CMD()")
    header, row = file(viewer, "sync_group")
    assert (header[0], row[0], row[2], row[4]) == ("Cause", "Unknown SKU: =CMD()", "1", "28.50 EUR")


@pytest.mark.parametrize("model", [*LISTS, "sync_group", "sync_replay"])
def test_who_may(model: str, client: Client, stranger: Client, viewer: Client, scene: Scene) -> None:
    url = reverse(f"admin:{model}_csv")
    assert client.get(url).url.startswith("/admin/login/") and stranger.get(url).status_code == 403
    assert viewer.get(url).status_code == 200 and viewer.post(url).status_code == 405


def test_every_list_is_a_file(scene: Scene, boss: Client) -> None:
    scene.shipped(scene.order(1)), scene.malformed(), scene.parked(scene.order(2))
    for model in LISTS:
        header, *rows = file(boss, model)
        assert header and all(len(row) == len(header) for row in rows), model
        assert not any("<" in cell for row in rows for cell in row if HOSTILE not in cell), model


def test_batches_cost_the_same_each(scene: Scene, viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "BATCH", 2)

    def price() -> int:
        with CaptureQueriesContext(connection) as caught:
            file(viewer, "sync_case")
        return len(caught)

    for _ in range(2):
        scene.malformed()
    one = price()
    for _ in range(2):
        scene.malformed()
    two = price()
    for _ in range(2):
        scene.malformed()
    assert price() - two == two - one > 0 and Case.objects.count() == 6


def test_a_file_that_is_cut_says_so(scene: Scene, viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "MOST", 2)
    for number in (1, 2, 3):
        scene.order(number)
    rows = file(viewer, "canonical_order")
    assert [row[0] for row in rows[1:]] == [
        "WEB-3",
        "WEB-2",
        "Only the newest 2 rows are here: narrow the list to see others.",
    ]


def test_the_link_keeps_what_is_chosen(scene: Scene, viewer: Client) -> None:
    scene.order(1)
    page = viewer.get(reverse("admin:canonical_order_changelist") + "?stage__exact=released").content.decode()
    assert 'href="csv/?stage__exact=released"' in page
    assert Order.objects.exists() and Message.objects.exists() and Product.objects.exists()
