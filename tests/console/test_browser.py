"""One person, one browser, one exception."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Page, sync_playwright

from retailsync.sync.models import Case
from tests.console.scene import make

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_releasing_an_exception(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{CHROMIUM} is missing: install Debian's chromium.")
    # The server's threads must not outlive the test with a connection to its database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    scene = make()
    case = scene.parked(scene.order(1042))
    User.objects.create_superuser("olga", password="pw")
    # Playwright runs an event loop, in which Django refuses to query: it gets a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(visit, f"{live_server.url}/admin/login/").result() == []
    assert Case.objects.get(pk=case.pk).closed_by == "olga"


def visit(url: str) -> list[str]:
    """Log in, find the exception, release it, see it gone. Returns what the pages' scripts complained of."""
    troubles: list[str] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        page = chromium.new_page(viewport={"width": 1366, "height": 768}, timezone_id="Europe/Amsterdam")
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(url)
        release(page)
        chromium.close()
    return troubles


def release(page: Page) -> None:
    """What the person does."""
    page.fill("[name=username]", "olga")
    page.fill("[name=password]", "pw")
    page.click("[type=submit]")
    page.click("text=Refused by the system")
    page.click("text=Odoo did not accept the order")
    assert page.locator("time.rs-when .rs-exact").count() > 1
    page.fill("[name=why] >> nth=0", "tax is back")
    page.click("button:text-is('Release')")
    page.wait_for_selector("text=1 exception released.")
    assert page.locator("text=Odoo did not accept the order").count() == 0
