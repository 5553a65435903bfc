"""“Why is sellable 7?” answered on a page, for people and machines, now and at any past instant."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from canonical.explaining import Curves, Point, Why, why
from canonical.models import AvailabilityRule, KitComponent, Sku
from retailsync.console import stockwords
from retailsync.console.plot import plot
from retailsync.console.why import address
from retailsync.sync import clock
from tests.canonical.stocked import count, offered, reckon, source
from tests.console.conftest import person
from tests.facts import NOON, line, order
from tests.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """Ten mugs counted in W1, three of them sold."""
    world = make_world()
    offered(world, "MUG", "TEA", at=("W1", "W2"), quantity=10)
    source(world)
    count(world, MUG=10)
    reckon()
    world.tell(order("137", lines=(line(units=3, reduced=3),)))
    reckon()
    return world


def told(world: World, code: str = "MUG") -> Why:
    found = why(world.shop.slug, code)
    assert found is not None
    return found


def page(client: Client, world: World, code: str = "MUG", **query: str) -> str:
    answer = client.get(address(world.shop.slug, code, **query))
    assert answer.status_code == 200
    return str(answer.content.decode())


# ---- the sentence -----------------------------------------------------------------------------------------------------------
def test_the_figure_is_told_in_one_sentence(world: World) -> None:
    said = "7 may be sold in shop-one: 10 lie in Warehouse W1, 3 are promised to open orders."
    assert stockwords.sentence(told(world)) == said


def test_rules_and_oddities_are_in_the_sentence(world: World) -> None:
    AvailabilityRule.objects.create(safety_units=2, threshold=1)
    AvailabilityRule.objects.create(channel=world.shop, cap=1)
    count(world, MUG={"on_hand": 13, "damaged": 1, "quality_hold": 2, "allocated": 2})
    reckon()
    assert stockwords.sentence(told(world)) == (
        "1 may be sold in shop-one: 13 lie in Warehouse W1, 1 is damaged, 2 are held for quality, 2 are allocated to others,"
        " 3 are promised to open orders, 2 are kept back for safety, 1 is kept back in all, and no more than 1 may be shown."
    )


def test_what_is_short_or_unknown_is_said(world: World) -> None:
    count(world, MUG=1)
    reckon()
    assert stockwords.sentence(told(world)).endswith("3 are promised to open orders, which is more than there is.")
    assert stockwords.sentence(told(world, "TEA")).startswith("How many may be sold in shop-one is not known")


def test_a_kit_names_its_scarcest_part(world: World) -> None:
    offered(world, "SET")
    for code, units in (("MUG", 1), ("TEA", 2)):
        KitComponent.objects.create(kit=Sku.objects.get(code="SET"), component=Sku.objects.get(code=code), units=units)
    count(world, TEA=9)
    reckon()
    said = "4 may be sold in shop-one: it is a kit, and 4 can be made (of TEA, its scarcest part, 9 are free, and each takes 2)."
    assert stockwords.sentence(told(world, "SET")) == said


def test_the_steps_lead_to_the_figure(world: World) -> None:
    AvailabilityRule.objects.create(threshold=2, backorders="notify", backorder_limit=5)
    reckon()
    steps = {step.label: (step.text, step.rule.value if step.rule else None) for step in stockwords.steps(told(world))}
    assert steps == {
        "Locations give": ("7", None), "Not routed yet": ("− 0", None), "Other shops' own": ("− 0", None), "Network": ("= 7", None),
        "Kept back in all": ("− 2", 2), "Shown at most": ("no limit", None), "The shop's own units": ("none of its own", None),
        "Backorders": ("yes, the customer is told, at most 5", "notify"), "May be sold": ("= 5", None),
    }  # fmt: skip


# ---- the page ---------------------------------------------------------------------------------------------------------------
def test_who_may_ask(world: World, client: Client, stranger: Client, onlooker: Client) -> None:
    for url in (address(world.shop.slug, "MUG"), "/admin/stock/why/"):
        assert client.get(url).url.startswith("/admin/login/")
        assert [c.get(url).status_code for c in (stranger, onlooker)] == [403, 200]
    assert onlooker.get(address(world.shop.slug, "NONE")).status_code == 404
    assert person("narrow", "view_offer").get(address(world.shop.slug, "MUG")).status_code == 200


def test_the_page_shows_figure_orders_counts_and_the_shop(world: World, onlooker: Client) -> None:
    AvailabilityRule.objects.create(cap=9, note="small window")
    reckon()
    text = page(onlooker, world)
    for words in (
        "7 may be sold in shop-one", "ONE-137", "counted by w1-one", "message #1", "As it is now", "never counted here",
        "small window", "It is to show", "3 too many", "The changes as a list",
    ):  # fmt: skip
        assert words in text, words
    assert "being reckoned again" not in text
    count(world, MUG=8)
    assert "being reckoned again" in page(onlooker, world)


def test_a_past_moment_is_shown_as_it_was_known(world: World, onlooker: Client) -> None:
    then = clock.now()
    count(world, MUG=20)
    reckon()
    assert "17 may be sold" in page(onlooker, world)
    text = page(onlooker, world, at=then.isoformat())
    assert "7 might be sold in shop-one" in text and "As we knew it" in text and "the past" in text
    assert "Nothing was reckoned of it then" in page(onlooker, world, at=(then - timedelta(days=1)).isoformat())
    ahead = page(onlooker, world, at=(then + timedelta(days=1)).isoformat())
    assert "As it is now" in ahead
    wrong = onlooker.get(address(world.shop.slug, "MUG", at="yesterday"))
    assert "is no time" in str(next(iter(wrong.context["messages"])))


def test_what_is_typed_without_a_zone_is_meant_where_the_reader_is(world: World, onlooker: Client) -> None:
    onlooker.cookies["rs_zone"] = "Asia/Tokyo"
    answer = onlooker.get(address(world.shop.slug, "MUG", at="2026-03-01T09:00"))
    assert answer.context["why"].at.isoformat() == "2026-03-01T00:00:00+00:00"
    assert 'value="2026-03-01T09:00:00"' in answer.content.decode()


def test_machines_get_the_same_as_json(world: World, onlooker: Client) -> None:
    answer = onlooker.get(address(world.shop.slug, "MUG", format="json"))
    body = answer.json()
    assert answer["Content-Type"] == "application/json"
    assert (body["sellable"], body["network"], body["sku_code"], body["at"]) == (7, 7, "MUG", None)
    assert body["sentence"].startswith("7 may be sold")
    assert body["places"][0]["orders"][0]["reference"] == "ONE-137"
    assert body["places"][0]["level"]["rows"][0]["cause_kind"] == "message"
    assert body["shown"]["target"] == 7
    then = onlooker.get(
        address(world.shop.slug, "MUG", format="json", at=(NOON - timedelta(days=9)).isoformat())
    ).json()
    assert then["sellable"] is None and then["since"] is None
    assert onlooker.get(address(world.shop.slug, "MUG", format="json", at="x")).status_code == 400


def test_the_price_of_the_page_does_not_grow(
    world: World, onlooker: Client, queries: Callable[[Client, str], int]
) -> None:
    url = address(world.shop.slug, "MUG")
    price = queries(onlooker, url)
    for number in (1, 2, 3):
        world.tell(order(f"o{number}", lines=(line(units=1, reduced=1),)))
        count(world, MUG=10 + number)
        reckon()
    assert queries(onlooker, url) == price <= 32


def test_a_part_of_a_code_finds_what_is_like_it(world: World, onlooker: Client) -> None:
    assert onlooker.get("/admin/stock/why/", {"shop": world.shop.slug, "sku": "MUG"}).url == address(
        world.shop.slug, "MUG"
    )
    assert (
        address(world.shop.slug, "TEA") in onlooker.get("/admin/stock/why/", {"shop": "x", "sku": "e"}).content.decode()
    )
    none = onlooker.get("/admin/stock/why/", {"shop": "x", "sku": "nothing"})
    assert "No shop offers" in str(next(iter(none.context["messages"])))


def test_codes_with_slashes_and_markup_have_pages(world: World, onlooker: Client) -> None:
    code = "A/B <i>&?"
    Sku.objects.filter(code="TEA").update(code=code, name="<script>alert(1)</script>")
    text = page(onlooker, world, code)
    assert "<script>alert" not in text and "A/B &lt;i&gt;" in text


# ---- the plot ---------------------------------------------------------------------------------------------------------------
def test_a_plot_is_steps_with_words() -> None:
    began = NOON
    points = [Point(began, 7), Point(began + timedelta(hours=12), None), Point(began + timedelta(hours=18), 3)]
    shown = [Point(began, 7), Point(began + timedelta(hours=20), 5)]
    drawn = plot(Curves(began, began + timedelta(hours=24), points, shown), began.tzinfo)
    assert drawn is not None and len(drawn.sellable) == 2 and len(drawn.columns) == 96
    assert drawn.sellable[0].split()[0].split(",")[1] == drawn.sellable[0].split()[1].split(",")[1]
    assert drawn.words == (
        "between 3 and 7 could be sold; between 5 and 7 were shown in the shop. The shop showed more than could be sold for 6 h 0 min."
    )
    assert drawn.columns[0].words.endswith("sellable 7, shown 7") and drawn.columns[-1].words.endswith(
        "sellable 3, shown 5"
    )
    assert plot(Curves(began, began + timedelta(hours=1), [], []), began.tzinfo) is None
