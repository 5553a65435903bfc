"""The pages for whoever integrates, in a browser: they stand by themselves, and their scripts have nothing to complain of."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.console.test_browser import browse  # noqa: F401  a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = os.environ.get("SCREENS")


def test_the_reference_shows_every_call_and_leads_to_the_problems(browse: Callable[..., list[str]]) -> None:  # noqa: F811
    asked: list[str] = []

    def look(page: Page) -> None:
        page.on("requestfinished", lambda request: asked.append(request.url))
        page.goto("/api/v1/docs")
        page.get_by_text("{reference}/ship").first.wait_for(state="attached", timeout=15_000)
        page.get_by_text("Idempotency-Key").first.wait_for(state="attached")
        _keep(page, "partner-reference")
        page.goto("/api/v1/docs#tag/fulfilment-requests/operation/post_fulfilment_requests_ship")
        page.get_by_text("A shipment left.").first.wait_for()
        _keep(page, "partner-reference-ship")
        page.goto("/api/v1/docs/problems#wrong_state")
        page.wait_for_selector("tr#wrong_state")
        _keep(page, "partner-problems")

    assert browse(look) == []
    assert [url for url in asked if "localhost" not in url and not url.startswith(("data:", "blob:"))] == []


def _keep(page: Page, name: str) -> None:
    if SCREENS:
        page.screenshot(path=str(Path(SCREENS) / f"{name}.png"))
