"""Availability rules: who plans stock sees what a rule changes in the shops before saving it; nothing is written by looking."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from canonical.models import AvailabilityRule, Entry, KitComponent, Offer, Sku, Sourcing, StockTouch, System
from retailsync.sync import clock, previewing
from tests.canonical.stocked import count, offered, reckon, source
from tests.console.test_stock import listed, opened
from tests.world import World, make_world, rows

ADD = "/admin/canonical/availabilityrule/add/"
EMPTY: dict[str, Any] = {
    **dict.fromkeys(("sku", "category", "location", "channel", "safety_units", "safety_percent", "threshold", "cap", "pool"), ""),
    **dict.fromkeys(("backorders", "backorder_limit", "valid_from_0", "valid_from_1", "valid_until_0", "valid_until_1", "note"), ""),
    "priority": "0",
}  # fmt: skip


@pytest.fixture
def world(db: None) -> World:
    """Ten mugs and six bags of tea, in one shop."""
    world = make_world()
    offered(world, "MUG", "TEA", quantity=10)
    source(world)
    count(world, MUG=10, TEA=6)
    reckon()
    return world


@contextmanager
def untouched() -> Iterator[None]:
    """Nothing of what may be sold, why, and what is to be reckoned changes in here."""

    def state() -> list[Any]:
        names = ("offer", "eligibility", "availabilityrule", "historicalavailabilityrule", "listing")
        kept = [rows(f"SELECT * FROM canonical_{name} ORDER BY 1") for name in names]
        return [*kept, Entry.objects.count(), StockTouch.objects.count()]

    before = state()
    yield
    assert state() == before


def previewed(client: Client, url: str = ADD, **given: Any) -> Any:
    with untouched():
        answer = client.post(url, {**EMPTY, **given, "_preview": "1"})
    assert answer.status_code == 200
    return answer


def seen(answer: Any) -> list[tuple[str, int | None, int | None]]:
    return [(r["difference"].sku, r["difference"].before, r["difference"].after) for r in answer.context["rows"]]


# ---- the preview ------------------------------------------------------------------------------------------------------------
def test_what_a_rule_would_change_is_shown_and_not_done(world: World, planner: Client) -> None:
    answer = previewed(planner, cap="4", note="a small shop")
    assert seen(answer) == [("MUG", 10, 4), ("TEA", 6, 4)]
    page = answer.content.decode()
    assert "2 of 2 figures" in page and "everything, all shops" in page and "this rule" in page
    preview = answer.context["preview"]
    assert (preview.down, preview.up, preview.otherwise, preview.decides) == (2, 0, 0, 2)


def test_saving_from_the_preview_saves_what_was_previewed(world: World, planner: Client) -> None:
    answer = previewed(planner, sku=str(Sku.objects.get(code="MUG").pk), threshold="3")
    kept = dict(answer.context["kept"])
    assert planner.post(ADD, {**kept, "_save": "1"}).status_code == 302
    rule = AvailabilityRule.objects.get()
    assert (rule.sku.code, rule.threshold, rule.cap, rule.history.get().history_user.username) == (
        "MUG",
        3,
        None,
        "paula",
    )
    reckon()
    assert Offer.objects.get(sku__code="MUG").sellable == seen(answer)[0][2] == 7


def test_a_change_and_a_deletion_are_previewed(world: World, planner: Client) -> None:
    rule = AvailabilityRule.objects.create(cap=2)
    reckon()
    url = opened("availabilityrule", rule.pk)
    assert seen(previewed(planner, url, cap="5")) == [("MUG", 2, 5), ("TEA", 2, 5)]
    gone = previewed(planner, reverse("admin:canonical_availabilityrule_delete", args=[rule.pk]))
    assert seen(gone) == [("MUG", 2, 10), ("TEA", 2, 6)] and "Delete it" in gone.content.decode()
    narrowed = previewed(planner, url, cap="2", sku=str(Sku.objects.get(code="TEA").pk))
    assert seen(narrowed) == [("MUG", 2, 10)], "what it was about is looked at too"
    assert (
        planner.post(reverse("admin:canonical_availabilityrule_delete", args=[rule.pk]), {"post": "yes"}).status_code
        == 302
    )
    assert not AvailabilityRule.objects.exists()


def test_what_waits_to_be_reckoned_is_no_difference_of_the_rule(world: World, planner: Client) -> None:
    count(world, MUG=3)
    assert seen(previewed(planner, cap="8")) == []
    assert seen(previewed(planner, cap="2")) == [("TEA", 6, 2), ("MUG", 3, 2)]


def test_a_rule_nobody_hears_of_says_so(world: World, planner: Client) -> None:
    AvailabilityRule.objects.create(sku=Sku.objects.get(code="MUG"), cap=3)
    AvailabilityRule.objects.create(sku=Sku.objects.get(code="TEA"), cap=3)
    reckon()
    page = previewed(planner, cap="1").content.decode()
    assert "nothing changes in any shop: it is not valid now, or rules that come before it decide" in page
    later = (clock.now() + timedelta(days=2)).date().isoformat()
    page = previewed(planner, cap="1", priority="9", valid_from_0=later, valid_from_1="00:00:00").content.decode()
    assert "nothing changes" in page


def test_a_kits_parts_change_the_kit(world: World, planner: Client) -> None:
    offered(world, "SET")
    kit = Sku.objects.get(code="SET")
    for code in ("MUG", "TEA"):
        KitComponent.objects.create(kit=kit, component=Sku.objects.get(code=code), units=2)
    reckon()
    answer = previewed(planner, sku=str(Sku.objects.get(code="TEA").pk), safety_units="4")
    assert seen(answer) == [("TEA", 6, 2), ("SET", 3, 1)]
    assert "kept back per location in W1" in answer.content.decode()


def test_a_shops_own_units_are_taken_from_the_others(world: World, planner: Client) -> None:
    other = System.objects.create(slug="other", name="Other", connector="woocommerce", roles=["channel"])
    mug, listing = Sku.objects.get(code="MUG"), Offer.objects.get(sku__code="MUG").listing
    Offer.objects.create(channel=other, sku=mug, listing=listing)
    Sourcing.objects.create(channel=other, location=world.places["W1"], rank=1)
    reckon()
    answer = previewed(planner, sku=str(mug.pk), channel=str(other.pk), pool="4")
    assert {(r["difference"].shop, r["difference"].after) for r in answer.context["rows"]} == {
        ("Other", 4),
        (world.shop.name, 6),
    }


@pytest.mark.django_db(transaction=True)
def test_who_is_in_the_way_is_not_waited_for(planner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    offered(world, "MUG", quantity=10)
    reckon()
    monkeypatch.setattr(previewing, "PATIENCE", 0.01)
    monkeypatch.setattr(previewing, "_FIGURES", f"SELECT pg_sleep(1) FROM ({previewing._FIGURES}) f")
    answer = previewed(planner, cap="1")
    assert "There is no preview: it concerns so many figures" in str(next(iter(answer.context["messages"])))
    assert connection.in_atomic_block is False and transaction.get_connection().needs_rollback is False
    assert "Save it" in answer.content.decode()


# ---- the form ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "It says nothing yet"),
        ({"pool": "3"}, "Say whose units these are"),
        ({"category": "hats", "cap": "1"}, "No SKU has this category"),
        ({"location": "W1", "cap": "1"}, "This cannot be said of one location: Shown at most"),
        ({"safety_percent": "101"}, "At most 100."),
        (
            {
                "cap": "1",
                "valid_from_0": "2026-01-02",
                "valid_from_1": "00:00",
                "valid_until_0": "2026-01-01",
                "valid_until_1": "00:00",
            },
            "It ends before",
        ),
    ],
)
@pytest.mark.parametrize("button", ["_preview", "_save"])
def test_what_is_wrong_is_said_in_the_form(
    button: str, given: dict[str, str], words: str, world: World, planner: Client
) -> None:
    if "location" in given:
        given = {**given, "location": str(world.places["W1"].pk)}
    answer = planner.post(ADD, {**EMPTY, **given, button: "1"})
    assert words in answer.content.decode() and not AvailabilityRule.objects.exists()


def test_the_list_says_scope_statement_and_validity(world: World, onlooker: Client) -> None:
    AvailabilityRule.objects.create(cap=3, valid_until=clock.now() - timedelta(days=1))
    AvailabilityRule.objects.create(channel=world.shop, backorders="notify", backorder_limit=5)
    AvailabilityRule.objects.create(sku=Sku.objects.get(code="MUG"), location=world.places["W1"], safety_units=2)
    reckon()
    page = onlooker.get(listed("availabilityrule")).content.decode()
    for words in (
        "MUG in W1, all shops",
        "everything, shop-one",
        "kept back per location: 2",
        "backorders: notify, most on backorder: 5",
        ">over<",
    ):
        assert words in page, words
    for query, found in (
        ("?valid=now", 2),
        ("?valid=over", 1),
        ("?valid=later", 0),
        ("?about=sku", 1),
        ("?says=cap", 1),
        ("?says=backorders", 1),
    ):
        assert len(onlooker.get(listed("availabilityrule", query)).context["cl"].result_list) == found, query


def test_who_only_looks_changes_and_previews_nothing(world: World, onlooker: Client, stranger: Client) -> None:
    rule = AvailabilityRule.objects.create(cap=3)
    url = opened("availabilityrule", rule.pk)
    assert 'name="_preview"' not in onlooker.get(url).content.decode()
    for client in (onlooker, stranger):
        for where in (ADD, url, reverse("admin:canonical_availabilityrule_delete", args=[rule.pk])):
            assert client.post(where, {**EMPTY, "cap": "1", "_preview": "1"}).status_code == 403
