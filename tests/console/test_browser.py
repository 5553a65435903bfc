"""One person, one browser, one exception."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, sync_playwright

from retailsync.sync.models import Case
from tests.console.scene import make

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{CHROMIUM} is missing: install Debian's chromium.")
    # Playwright's synchronous interface runs an event loop in this thread, which Django takes for ours.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield chromium.new_page(viewport={"width": 1366, "height": 768}, timezone_id="Europe/Amsterdam")
        chromium.close()


def test_releasing_an_exception(browser: Page, live_server: Any) -> None:
    scene = make()
    case = scene.parked(scene.order(1042))
    User.objects.create_superuser("olga", password="pw")
    troubles: list[str] = []
    browser.on("pageerror", lambda error: troubles.append(str(error)))

    browser.goto(f"{live_server.url}/admin/")
    browser.fill("[name=username]", "olga")
    browser.fill("[name=password]", "pw")
    browser.click("[type=submit]")
    browser.click("text=Refused by the system")
    browser.click("text=Odoo did not accept the order")
    assert browser.inner_text("time.rs-when .rs-exact").count(":") == 1
    browser.fill("[name=why] >> nth=0", "tax is back")
    browser.click("button:text-is('Release')")
    browser.wait_for_selector("text=1 exception released.")
    assert browser.locator("text=Odoo did not accept the order").count() == 0
    assert Case.objects.get(pk=case.pk).closed_by == "olga"
    assert troubles == []
