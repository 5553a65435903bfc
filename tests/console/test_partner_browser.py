"""An administrator in a browser: agrees on terms, issues a key and changes it over, by the keyboard where people would."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Page

from retailsync.partners.models import PartnerKey, PartnerTerms
from tests.console.scene import make
from tests.console.test_browser import CHROMIUM, visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_terms_and_keys(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{CHROMIUM} is missing: install Debian's chromium.")
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    User.objects.create_superuser("olga", password="pw")
    system = make().warehouse
    start = reverse("admin:canonical_system_change", args=[system.pk])
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(visit, live_server.url, lambda page: agree(page, start)).result() == []
    terms, (new, old) = PartnerTerms.objects.get(), PartnerKey.objects.all()
    assert (terms.answer_within, terms.cut_off, terms.working_days) == (45, time(15, 30), "123456")
    assert new.scopes == old.scopes == ["requests:read", "requests:write"] and old.expires_at and not new.expires_at


def agree(page: Page, start: str) -> None:
    """From the system's page to its page as a partner; terms, a key, a second one."""
    page.goto(start)
    page.click("text=How soon it answers, its terms and its API keys")
    page.wait_for_selector("text=Nothing was asked of Northpick in 30 days.")
    page.fill("[name=answer_within]", "45")
    page.fill("[name=cut_off]", "15:30")
    page.focus("[name=working_days][value='6']")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The terms were changed.")
    page.fill("[name=name]", "Northpick WMS")
    for box in page.locator("[name=scopes]:not([value^='requests:'])").all():
        box.uncheck()
    page.keyboard.press("Enter")
    text = page.inner_text("pre")
    assert text.startswith("rsk_live_")
    page.click("text=Back to Northpick as a partner")
    page.focus("summary:text-is('Rotate')")
    page.keyboard.press("Enter")
    page.fill("[name=hours]", "24")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=both are accepted until then")
    assert page.inner_text("pre") != text
