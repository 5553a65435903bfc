"""Long lists are paged by key: every row once, whatever comes meanwhile, and the last page costs what the first one does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from canonical.models import Customer
from retailsync.console import paging
from retailsync.console.people import CustomerAdmin
from retailsync.console.traffic import MessageAdmin
from retailsync.sync.models import Message
from tests.console.scene import Scene

LIST = "/admin/sync/message/"


@pytest.fixture
def many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ten messages, shown four at a time; the newest first."""
    monkeypatch.setattr(MessageAdmin, "list_per_page", 4)
    return [scene.message("x", b"{}").pk for _ in range(10)][::-1]


def look(client: Client, query: str = "") -> Any:
    return client.get(LIST + query).context["cl"]


def keys(page: Any) -> list[int]:
    return [row.pk for row in page.result_list]


def test_every_row_once_there_and_back(many: list[int], viewer: Client) -> None:
    first = look(viewer)
    second = look(viewer, first.older)
    third = look(viewer, second.older)
    assert keys(first) + keys(second) + keys(third) == many and (first.newer, third.older) == ("", "")
    back = look(viewer, third.newer)
    assert keys(back) == keys(second) and keys(look(viewer, back.newer)) == keys(first)
    assert look(viewer, back.newer).newer == ""


def test_what_comes_meanwhile_moves_nothing(scene: Scene, many: list[int], viewer: Client) -> None:
    first = look(viewer)
    scene.message("x", b"{}")
    assert keys(look(viewer, first.older)) == many[4:8]


def test_filters_and_searches_stay(scene: Scene, many: list[int], viewer: Client) -> None:
    Message.objects.filter(pk__in=many[:6]).update(state="parked")
    first = look(viewer, "?state__exact=parked")
    assert keys(first) + keys(look(viewer, first.older)) == many[:6] and "state__exact=parked" in first.older


def test_whoever_filters_or_searches_on_a_later_page_begins_anew(many: list[int], viewer: Client) -> None:
    later = viewer.get(LIST + look(viewer).older)
    assert later.context["cl"].newer
    choices = [
        choice["query_string"]
        for spec in later.context["cl"].filter_specs
        for choice in spec.choices(later.context["cl"])
    ]
    assert choices and not any("after=" in choice for choice in choices)
    assert 'name="after"' not in later.content.decode()


def test_all_that_may_be_chosen_are_counted(scene: Scene, viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """“Select all 10,000” would act on all of more."""
    monkeypatch.setattr(paging.Bounded, "LIMIT", 1)
    for _ in range(3):
        scene.malformed()
    assert viewer.get("/admin/sync/case/").context["cl"].result_count == 3


def test_no_sense_is_the_first_page(many: list[int], viewer: Client) -> None:
    for query in ("?after=x", "?before=-1", "?after=" + "9" * 40, "?after="):
        assert keys(look(viewer, query)) == many[:4], query
    assert keys(look(viewer, "?after=1")) == [] or look(viewer, "?after=1").newer


def test_counts_are_as_exact_as_they_are_cheap(
    scene: Scene, many: list[int], viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look(viewer).count_words == "10"
    monkeypatch.setattr(paging.Bounded, "LIMIT", 5)
    assert look(viewer, "?door=webhook").count_words == "more than 5"
    assert look(viewer).count_words.startswith("about ")


def test_the_last_page_costs_what_the_first_does(
    many: list[int], viewer: Client, queries: Callable[[Client, str], int]
) -> None:
    first = look(viewer)
    assert queries(viewer, LIST + look(viewer, first.older).older) == queries(viewer, LIST)


def test_a_long_list_is_not_sorted_otherwise(scene: Scene, viewer: Client) -> None:
    assert CustomerAdmin.keyed and Customer.objects.count() == 0
    assert "?o=" not in viewer.get(LIST).content.decode()
