"""Products as Odoo states them: page by page, again when changed, gone when deleted."""

from datetime import UTC, datetime, timedelta

import pytest

from canonical.commands import Refresh
from canonical.facts import Fact, Gone, SkuStated
from connectors.base import Envelope, Heard
from connectors.errors import Refused
from connectors.odoo import asking, connector
from tests.connectors.odoo.conftest import Desk


def facts(heard: Heard) -> list[Fact]:
    envelope = Envelope(heard.topic, heard.body, datetime.now(UTC), heard.asked_at)
    return list(connector.reads[heard.topic](envelope))


def sweep(desk: Desk, cursor: str = "") -> tuple[list[Heard], str]:
    heard: list[Heard] = []
    more = True
    while more:
        page = connector.polls["products"](desk.session(), cursor)
        heard, cursor, more = [*heard, *page.heard], page.cursor, page.more
    return heard, cursor


def test_the_whole_catalogue_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAGE", 7)
    heard, _ = sweep(desk)
    stated = [fact for h in heard for fact in facts(h) if isinstance(fact, SkuStated)]
    assert [s.ref for s in stated] == [str(n) for n in range(1, 41)]
    assert (stated[0].sku, stated[0].gtin, stated[0].requires_shipping) == ("W1-MUG-BLUE", "8712345000011", True)
    assert [s.sku for s in stated if not s.requires_shipping] == ["DL-PATTERN", "DL-COURSE", "DL-RECIPES", "DL-GIFT"]


def test_the_overlap_repeats_itself_under_the_same_keys(desk: Desk) -> None:
    first, cursor = sweep(desk)
    second, _ = sweep(desk, cursor)
    assert {h.key for h in first} == {h.key for h in second}


def test_after_the_overlap_only_what_changed(desk: Desk) -> None:
    _, cursor = sweep(desk)
    desk.odoo.skew = timedelta(hours=1)
    desk.odoo.records.write("product.product", 3, {"active": False})
    later = desk.session()
    later.now = lambda: datetime.now(UTC) + timedelta(hours=1)
    cursor = connector.polls["products"](later, cursor).cursor
    [heard] = connector.polls["products"](later, cursor).heard
    [fact] = facts(heard)
    assert isinstance(fact, SkuStated)
    assert (fact.ref, fact.active) == ("3", False)


def test_a_product_without_a_code_is_none_of_ours(desk: Desk) -> None:
    desk.odoo.records.write("product.product", 1, {"default_code": False})
    heard, _ = sweep(desk)
    assert facts(heard[0]) == []


def test_a_refresh_reads_again_or_finds_it_gone(desk: Desk) -> None:
    desk.odoo.store.delete("product.product", 2)
    there, gone, other = desk.send(
        Refresh(entity="sku", external_id="1"),
        Refresh(entity="sku", external_id="2"),
        Refresh(entity="order", external_id="1"),
    )
    assert isinstance(facts(there.heard[0])[0], SkuStated)
    [absent] = facts(gone.heard[0])
    assert isinstance(absent, Gone)
    assert (absent.entity, absent.ref) == ("sku", "2")
    assert isinstance(other.error, Refused)


def test_the_probe_says_which_odoo_it_is(desk: Desk) -> None:
    assert connector.probe
    assert connector.probe(desk.session()) == "Odoo 19.0.1.3 accepts our key over /json/2."
