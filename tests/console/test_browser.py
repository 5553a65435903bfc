"""One person, one browser: an exception, a figure, a rule."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Page, sync_playwright

from canonical.models import AvailabilityRule
from retailsync.sync.models import Case
from tests.canonical.stocked import count, offered, reckon, source
from tests.console.scene import make
from tests.facts import line, order
from tests.world import World, make_world

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browse(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Page], None]], list[str]]:
    """Does what the person does, logged in; returns what the pages' scripts complained of."""
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{CHROMIUM} is missing: install Debian's chromium.")
    # The server's threads must not outlive the test with a connection to its database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    User.objects.create_superuser("olga", password="pw")

    def run(steps: Callable[[Page], None]) -> list[str]:
        # Playwright runs an event loop, in which Django refuses to query: it gets a thread of its own.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(visit, live_server.url, steps).result()

    return run


def visit(url: str, steps: Callable[[Page], None], name: str = "olga") -> list[str]:
    """Log in, and do it; returns what the pages' scripts complained of."""
    troubles: list[str] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        page = chromium.new_page(base_url=url, viewport={"width": 1366, "height": 768}, timezone_id="Europe/Amsterdam")
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto("/admin/login/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", "pw")
        page.click("[type=submit]")
        steps(page)
        chromium.close()
    return troubles


# ---- an exception -----------------------------------------------------------------------------------------------------------
def test_releasing_an_exception(browse: Callable[[Callable[[Page], None]], list[str]]) -> None:
    scene = make()
    case = scene.parked(scene.order(1042))
    assert browse(release) == []
    assert Case.objects.get(pk=case.pk).closed_by == "olga"


def release(page: Page) -> None:
    """Find the exception, release it, see it gone."""
    page.click("text=Refused by the system")
    page.click("text=Odoo did not accept the order")
    assert page.locator("time.rs-when .rs-exact").count() > 1
    page.fill("[name=why] >> nth=0", "tax is back")
    page.click("button:text-is('Release')")
    page.wait_for_selector("text=1 exception released.")
    assert page.locator("text=Odoo did not accept the order").count() == 0


# ---- a figure ---------------------------------------------------------------------------------------------------------------
def stocked_world() -> World:
    """Ten mugs and six bags of tea; three mugs sold."""
    world = make_world()
    offered(world, "MUG", "TEA", quantity=10)
    source(world)
    count(world, MUG=10, TEA=6)
    reckon()
    world.tell(order("137", lines=(line(units=3, reduced=3),)))
    reckon()
    return world


def test_asking_why(browse: Callable[[Callable[[Page], None]], list[str]]) -> None:
    stocked_world()
    assert browse(ask) == []


def ask(page: Page) -> None:
    """Look for a SKU, read why, look at a moment before it was known, and come back."""
    page.click("nav >> text=Why so many?")
    page.fill("[name=sku]", "MU")
    page.click("text=Why so many? >> nth=-1")
    page.click("table >> text=MUG")
    assert "7 may be sold in shop-one: 10 lie in Warehouse W1, 3 are promised" in page.inner_text("#rs-sentence")
    assert page.locator("text=ONE-137").count() == 1
    typed = page.input_value("[name=at]")
    page.locator(".rs-plot a").nth(10).click()
    page.wait_for_selector("text=Nothing was reckoned of it then")
    page.click("a.rs-button:text-is('Now')")
    page.wait_for_selector("text=As it is now")
    page.fill("[name=at]", typed)
    page.click("text=Show that moment")
    page.wait_for_selector("text=7 might be sold in shop-one")
    assert page.input_value("[name=at]") == typed, "read where it was written: in the reader's zone"


# ---- a rule -----------------------------------------------------------------------------------------------------------------
def test_trying_a_rule_out(browse: Callable[[Callable[[Page], None]], list[str]]) -> None:
    stocked_world()
    assert browse(try_out) == []
    assert AvailabilityRule.objects.values_list("cap", "note").get() == (4, "for the sale")


def try_out(page: Page) -> None:
    """Write a rule, see what it would change, correct it, and save what was seen."""
    page.goto("/admin/canonical/availabilityrule/add/")
    page.fill("[name=cap]", "5")
    page.fill("[name=note]", "for the sale")
    page.click("[name=_preview]")
    page.wait_for_selector("text=2 of 2 figures")
    page.click("[data-rs-back]")
    page.wait_for_selector("[name=cap]")
    assert page.input_value("[name=cap]") == "5"
    page.fill("[name=cap]", "4")
    page.click("[name=_preview]")
    page.wait_for_selector("text=this rule")
    assert page.locator("table tbody tr").all_inner_texts()[0].split()[:5] == ["MUG", "shop-one", "7", "4", "-3"]
    page.click("text=Save it")
    page.wait_for_selector("text=was added successfully")
