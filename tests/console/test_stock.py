"""Stock in the console: every page opens for who may see it, costs the same for three rows as for one, and decides with a reason."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.facts import CountsCompleted, CountsStated
from canonical.models import Listing, Offer, Order, Publication, StockLevel, StockSnapshot, StockSource, StockTouch
from canonical.types import Counted
from retailsync.sync import cases, clock
from retailsync.sync.models import Action, Case
from tests.canonical.stocked import count, move, offered, reckon, source
from tests.console.conftest import STOCK, person
from tests.facts import line, order
from tests.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """Mugs in one warehouse that counts, offered in a shop."""
    world = make_world()
    offered(world, "MUG", "TEA", "JAR", at=("W1", "W2"), quantity=10)
    source(world)
    count(world, MUG=10)
    reckon()
    return world


def listed(model: str, query: str = "") -> str:
    return reverse(f"admin:canonical_{model}_changelist") + query


def opened(model: str, pk: int) -> str:
    return reverse(f"admin:canonical_{model}_change", args=[pk])


def said(answer: Any) -> list[str]:
    """What the page tells after a button was pressed."""
    return [str(message) for message in answer.context["messages"]]


def press(client: Client, model: str, pk: int, what: str, why: str = "asked the warehouse") -> Any:
    return client.post(reverse(f"admin:canonical_{model}_{what}", args=[pk]), {"why": why}, follow=True)


def snapshot(world: World, run: str, parts: int = 1, rows: int | None = None, **figures: int) -> StockSnapshot:
    """A whole counting of W1."""
    at, them = clock.now(), world.partners["W1"]
    counted = tuple(Counted(sku=code, on_hand=units) for code, units in figures.items())
    world.tell(CountsStated(occurred_at=at, location="W1", run=run, part=1, rows=counted), source=them)
    done = CountsCompleted(
        occurred_at=at, location="W1", run=run, parts=parts, rows=len(counted) if rows is None else rows
    )
    world.tell(done, source=them)
    return StockSnapshot.objects.get(run=run)


# ---- who sees what ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", STOCK)
def test_who_may_see_a_list(
    model: str, client: Client, stranger: Client, onlooker: Client, boss: Client, db: None
) -> None:
    assert client.get(listed(model)).url.startswith("/admin/login/")
    assert [c.get(listed(model)).status_code for c in (stranger, onlooker, boss)] == [403, 200, 200]
    assert 'class="rs-empty"' in boss.get(listed(model)).content.decode()


@pytest.mark.parametrize("model", sorted({*STOCK} - {"stocksource", "availabilityrule"}))
def test_nobody_writes_what_only_the_corridor_writes(model: str, boss: Client, world: World) -> None:
    assert boss.post(reverse(f"admin:canonical_{model}_add"), {}).status_code == 403
    assert boss.post(opened(model, 1), {"post": "yes"}).status_code == 403


def test_every_row_has_a_page(world: World, boss: Client, stranger: Client) -> None:
    many(world, 1)
    for model in sorted({*STOCK} - {"availabilityrule", "oversell"}):
        rows = boss.get(listed(model)).context["cl"].result_list
        assert rows, model
        for row in rows:
            assert boss.get(opened(model, row.pk), follow=True).status_code == 200, model
            assert stranger.get(opened(model, row.pk)).status_code == 403, model


def many(world: World, rows: int) -> None:
    """So many rows of everything."""
    codes = ("MUG", "TEA", "JAR")[:rows]
    information = StockSource.objects.filter(authority="information")
    if not information.exists():
        source(world, system=world.erp, authority="information")
    for code in codes:
        count(world, **{code: 20})
        count(world, by=world.erp, **{code: 12})
        move(world, f"m-{code}", code, 2)
        snapshot(world, f"run-{code}", **{code: 20})
        world.tell(order(f"o-{code}", lines=(line(sku=code, units=3, reduced=3),), placed_at=clock.now()))
        Publication.objects.create(channel=world.shop, total=4, read=2, ended_at=clock.now())
    reckon()


def test_the_price_of_a_list_does_not_grow_with_its_rows(
    world: World, boss: Client, queries: Callable[[Client, str], int]
) -> None:
    many(world, 1)
    boss.get(listed("stocklevel"))
    one = {model: queries(boss, listed(model)) for model in STOCK}
    many(world, 3)
    assert {model: queries(boss, listed(model)) for model in STOCK} == one
    assert max(one.values()) <= 12


def test_levels_are_found_and_filtered(world: World, boss: Client) -> None:
    many(world, 3)

    def found(query: str) -> list[str]:
        return sorted(row.sku.code for row in boss.get(listed("stocklevel", query)).context["cl"].result_list)

    assert found("?q=MUG") == ["MUG"] and found("?q=u") == ["MUG"] and found("?q=nothing") == []
    StockSource.objects.filter(authority="levels").update(stale_since=clock.now())
    assert found("?what=stale") == ["JAR", "MUG", "TEA"] and found("?what=doubted") == found("?what=negative") == []
    assert "stale" in boss.get(listed("stocklevel")).content.decode()


def test_shops_that_show_something_else_are_found(world: World, boss: Client) -> None:
    def found(shows: str) -> list[str]:
        return sorted(row.sku.code for row in boss.get(listed("offer", f"?shows={shows}")).context["cl"].result_list)

    assert found("same") == ["MUG"] and found("unknown") == ["JAR", "TEA"]
    count(world, MUG=7)
    reckon()
    assert found("differs") == found("more") == ["MUG"]
    assert "3 too many" in boss.get(listed("offer")).content.decode()
    Listing.objects.filter(offers__sku__code="MUG").update(managed=False)
    assert found("unmanaged") == ["MUG"] and found("differs") == []
    row = Offer.objects.get(sku__code="MUG")
    assert boss.get(opened("offer", row.pk)).url == f"/admin/stock/why/{world.shop.slug}/MUG/"
    assert boss.get(opened("listing", row.listing_id)).status_code == 200


# ---- a SKU's page -----------------------------------------------------------------------------------------------------------
def test_a_skus_page_tells_its_stock(world: World, boss: Client, queries: Callable[[Client, str], int]) -> None:
    many(world, 1)
    level = StockLevel.objects.get(sku__code="MUG")
    url = opened("sku", level.sku_id)
    page = boss.get(url).content.decode()
    assert f"{world.erp.name} says 12, the level is 20" in page
    assert f"/admin/stock/why/{world.shop.slug}/MUG/" in page and "Made of" in page
    price = queries(boss, url)
    for number in range(3):
        move(world, f"more-{number}", "MUG", 1)
    assert queries(boss, url) == price
    assert "In the shops" not in person("narrow", "view_sku").get(url).content.decode()


def test_a_kit_is_made_on_a_skus_page(world: World, boss: Client) -> None:
    ids = {level.sku.code: level.sku_id for level in StockLevel.objects.select_related("sku")}
    jar, mug, tea = (Offer.objects.get(sku__code=code).sku for code in ("JAR", "MUG", "TEA"))
    assert ids

    def save(kit: Any, part: Any) -> Any:
        form = {"authority": "", "components-TOTAL_FORMS": "1", "components-INITIAL_FORMS": "0", "components-0-component": part.pk,
                "components-0-units": "2"}  # fmt: skip
        return boss.post(opened("sku", kit.pk), form)

    assert save(jar, mug).status_code == 302
    assert jar.components.values_list("component__code", "units").get() == ("MUG", 2)
    assert StockTouch.objects.filter(sku=jar, terms=True).exists()
    for kit, part, words in (
        (tea, jar, "is a kit itself"),
        (mug, tea, "It is a part of JAR"),
        (tea, tea, "not made of itself"),
    ):
        assert words in save(kit, part).content.decode()


# ---- what people decide -----------------------------------------------------------------------------------------------------
def doubted(world: World) -> StockLevel:
    """Somebody counted a dozen boxes instead of mugs."""
    StockSource.objects.update(jump_units=5, jump_percent=50)
    count(world, MUG=120)
    return StockLevel.objects.get(sku__code="MUG")


def test_a_doubted_count_is_accepted_with_a_reason(world: World, planner: Client) -> None:
    level = doubted(world)
    assert "A count of 120 is doubted" in planner.get(opened("stocklevel", level.pk)).content.decode()
    assert "say why" in said(press(planner, "stocklevel", level.pk, "accept", " "))[0]
    StockTouch.objects.all().delete()
    assert "accepted" in said(press(planner, "stocklevel", level.pk, "accept"))[0]
    level.refresh_from_db()
    assert (level.on_hand, level.doubted) == (120, None)
    action = Action.objects.get()
    assert (action.who, action.what, action.target_kind, action.why) == (
        "paula",
        "accept count",
        "stock_level",
        "asked the warehouse",
    )
    assert StockTouch.objects.values_list("sku", "cause_kind", "cause_id").get() == (level.sku_id, "action", action.pk)
    assert "no count of it waits" in said(press(planner, "stocklevel", level.pk, "accept"))[0]
    assert Action.objects.count() == 1


def test_whoever_has_a_long_name_may_accept_too(world: World) -> None:
    level = doubted(world)
    press(
        person("somebody.with.a.rather.long.name", "change_case", "view_stocklevel"), "stocklevel", level.pk, "accept"
    )
    level.refresh_from_db()
    assert level.on_hand == 120


def test_a_parked_snapshot_is_applied_or_discarded(world: World, planner: Client) -> None:
    count(world, TEA=5)
    first, second = (snapshot(world, run, rows=7, MUG=4) for run in ("cut-1", "cut-2"))
    assert (first.state, second.state) == ("parked", "parked")
    assert "cut off" in planner.get(opened("stocksnapshot", first.pk)).content.decode()
    assert "discarded" in said(press(planner, "stocksnapshot", first.pk, "discard"))[0]
    first.refresh_from_db()
    assert first.state == "discarded" and first.ended_at and not first.gathered.exists()
    assert "applied" in said(press(planner, "stocksnapshot", second.pk, "apply"))[0]
    assert dict(StockLevel.objects.values_list("sku__code", "on_hand")) == {"MUG": 4, "TEA": 0}
    assert set(Action.objects.values_list("what", flat=True)) == {"discard snapshot", "apply snapshot"}
    assert "does not wait" in said(press(planner, "stocksnapshot", first.pk, "apply"))[0]


def test_counts_are_adopted_as_the_opening(world: World, planner: Client) -> None:
    row = source(world, system=world.erp, authority="movements")
    StockSource.objects.filter(authority="levels").delete()
    assert "it never counted anything" in said(press(planner, "stocksource", row.pk, "adopt"))[0]
    count(world, by=world.erp, MUG=33)
    assert "Adopt its counts" in planner.get(opened("stocksource", row.pk)).content.decode()
    press(planner, "stocksource", row.pk, "adopt")
    assert StockLevel.objects.get(sku__code="MUG").on_hand == 33
    assert Action.objects.values_list("what", "target_kind").get() == ("adopt counts", "stock_source")


@pytest.mark.parametrize(
    ("model", "what"), [("stocklevel", "accept"), ("stocksnapshot", "apply"), ("stocksource", "adopt")]
)
def test_who_only_looks_decides_nothing(model: str, what: str, world: World, onlooker: Client) -> None:
    doubted(world)
    snapshot(world, "cut", rows=7, MUG=4)
    row = onlooker.get(listed(model)).context["cl"].result_list[0]
    assert press(onlooker, model, row.pk, what).status_code == 403
    assert 'name="why"' not in onlooker.get(opened(model, row.pk)).content.decode()
    assert not Action.objects.exists()


# ---- sources ----------------------------------------------------------------------------------------------------------------
def form(row: StockSource, **more: Any) -> dict[str, Any]:
    fields = (
        "system_id",
        "location_id",
        "external_id",
        "authority",
        "figure",
        "floor_percent",
        "jump_percent",
        "jump_units",
        "shrink_percent",
    )
    given = {name.removesuffix("_id") if name != "external_id" else name: getattr(row, name) for name in fields}
    return {**given, "stale_minutes": "", **more}


def test_a_sources_page_tells_where_it_differs(world: World, planner: Client) -> None:
    row = source(world, system=world.erp, authority="information")
    source(world, "W2")
    count(world, "W2", MUG=5)
    count(world, by=world.erp, MUG=12, TEA=3)
    answer = planner.get(opened("stocksource", row.pk))
    assert [(c.sku.code, c.on_hand, c.level) for c in answer.context["differing"]] == [("MUG", 12, 10)]


def test_a_source_is_edited_with_history(world: World, planner: Client) -> None:
    row, url = StockSource.objects.get(), opened("stocksource", StockSource.objects.get().pk)
    StockTouch.objects.all().delete()
    assert planner.post(url, form(row, figure="net_orders")).status_code == 302
    assert row.history.latest().figure == "net_orders"
    assert StockTouch.objects.get().cause_kind == "stock_source"
    assert "paula" in planner.get(reverse("admin:canonical_stocksource_history", args=[row.pk])).content.decode()
    wrong = planner.post(url, form(row, floor_percent="200", system=world.erp.pk, location=world.places["W1"].pk))
    assert "At most 100." in wrong.content.decode()


def test_two_sources_cannot_both_set_the_levels(world: World, planner: Client) -> None:
    second = form(StockSource.objects.get(), system=world.erp.pk, external_id="x")
    answer = planner.post(reverse("admin:canonical_stocksource_add"), second)
    assert "does that for W1 already" in answer.content.decode()
    assert StockSource.objects.count() == 1


# ---- exceptions -------------------------------------------------------------------------------------------------------------
def test_an_exception_about_stock_leads_to_its_page_and_is_settled_there(
    world: World, planner: Client, onlooker: Client
) -> None:
    level, cut = doubted(world), snapshot(world, "cut", rows=7, MUG=4)
    ids = {
        "stock_level": level.pk,
        "snapshot": cut.pk,
        "listing": Listing.objects.earliest("pk").pk,
        "stock_source": StockSource.objects.get().pk,
    }
    pages = {}
    for kind, id in ids.items():
        rest = ("inventory", "record", "implausible_count", kind, f"About a {kind}.")
        cases.open_all([cases.Opening(kind, id, world.shop.pk, None, *rest)])
        case = Case.objects.get(target_kind=kind, target_id=id)
        pages[kind] = planner.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
        assert opened(kind.replace("_", "").replace("snapshot", "stocksnapshot"), id) in pages[kind], kind
        assert ">Release</button>" not in pages[kind]
        assert ("Close without release" in pages[kind]) == (kind in ("listing", "stock_source"))
        assert 'name="why"' not in onlooker.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert (
        "Accept the count" in pages["stock_level"]
        and "apply it" in pages["snapshot"]
        and "discard it" in pages["snapshot"]
    )
    press(planner, "stocklevel", level.pk, "accept")
    press(planner, "stocksnapshot", cut.pk, "discard")
    assert set(Case.objects.filter(closed_by="paula").values_list("target_kind", flat=True)) == {
        "stock_level",
        "snapshot",
    }


def test_an_exception_about_something_gone_still_opens(world: World, planner: Client) -> None:
    case = Case.objects.create(target_kind="listing", target_id=999_999, system=world.shop, workflow="inventory", stage="record",
                               reason="product_gone", cause="x", words="Gone.", who="back_office")  # fmt: skip
    assert planner.get(reverse("admin:sync_case_change", args=[case.pk])).status_code == 200


# ---- an order ---------------------------------------------------------------------------------------------------------------
def test_an_orders_page_says_whether_it_should_have_sold(
    world: World, boss: Client, queries: Callable[[Client, str], int]
) -> None:
    world.tell(order("1", lines=(line(units=6, reduced=6),), placed_at=clock.now()))
    url = opened("order", Order.objects.get().pk)
    assert "Rightly: by what we know now 10 were there" in boss.get(url).content.decode()
    price = queries(boss, url)
    many(world, 3)
    assert queries(boss, url) == price


# ---- publications -----------------------------------------------------------------------------------------------------------
def test_a_run_is_started_by_whoever_works_on_exceptions(world: World, planner: Client, viewer: Client) -> None:
    from canonical.models import ShopPolicy

    start = reverse("admin:canonical_publication_start", args=[world.shop.pk])
    assert "Nothing was started" in planner.post(start, follow=True).content.decode()
    ShopPolicy.objects.create(channel=world.shop, publish_stock=True)
    assert world.shop.name in planner.get(listed("publication")).content.decode()
    assert viewer.post(start).status_code == 403
    assert planner.post(start).status_code == 302
    planner.post(start)
    (row,) = Publication.objects.all()
    assert (row.kind, row.total, row.ended_at) == ("full", 3, None)
    assert Action.objects.filter(what="start publication").count() == 1
    page = "".join(planner.get(listed("publication")).content.decode().split())
    assert re.findall(r"field-differed[^>]*>([^<]*)<", page) == ["–"]
