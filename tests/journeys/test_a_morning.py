"""Nine o'clock: three hundred orders are held for one unknown SKU. Two people put it right in the browser, without a developer.

With SCREENS=DIRECTORY in the environment, what they see is kept there.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, connections
from playwright.sync_api import Page

from canonical.models import Mapping
from retailsync.console import fixes, mapping
from retailsync.sync import replaying
from retailsync.sync.models import Approval, Case, Group, Replay
from tests.console.test_browser import CHROMIUM, visit
from tests.journeys.stage import CALM, Stage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ORDERS = 300
KNOWN, UNKNOWN = "W1-MUG-BLUE", "W1-MUG-BLUE-OLD"


class Hand:
    """A person's hand: counts what it presses, waits for what the eyes wait for, keeps pictures."""

    def __init__(self) -> None:
        self.presses, self.began = 0, time.monotonic()

    def press(self, page: Page, what: str) -> None:
        """One click."""
        self.presses += 1
        page.click(what)

    def look(self, page: Page, name: str) -> None:
        """Keep what is seen, where somebody asked for it."""
        if directory := os.environ.get("SCREENS"):
            page.wait_for_timeout(300)
            page.screenshot(path=str(Path(directory) / f"{name}.png"))


@contextmanager
def worker() -> Iterator[None]:
    """What a worker of the replay queue does, as long as somebody sits at the screen."""
    over = threading.Event()

    def turn() -> None:
        while not over.wait(0.05):
            for pk in Replay.objects.filter(state__in=Replay.BUSY).values_list("pk", flat=True):
                replaying.work(pk, fixes.of)
        connections.close_all()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def sit_down(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[Page], None]], None]:
    """A person sits down at the console and does what the steps say, while workers work."""
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{CHROMIUM} is missing: install Debian's chromium.")
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)

    def sit(name: str, steps: Callable[[Page], None]) -> None:
        with worker(), ThreadPoolExecutor(1) as pool:
            assert pool.submit(visit, live_server.url, steps, name).result() == []

    return sit


def hire(name: str, *more: str) -> None:
    """Somebody who sees everything and may do this."""
    user = User.objects.create_user(name, password="pw", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_") | Permission.objects.filter(codename__in=more)
    )


def test_three_hundred_orders_go_on(s: Stage, sit_down: Callable[[str, Callable[[Page], None]], None]) -> None:
    hire("olga", "change_case", "add_mapping", "change_mapping")
    hire("piet", "change_case", "approve_replay")
    s.launch(UNKNOWN)
    for _ in range(ORDERS):
        s.buy(UNKNOWN)
    s.settle(seconds=240)  # three hundred of them
    assert Group.objects.get().detail == UNKNOWN and Case.objects.filter(closed_at=None).count() == ORDERS
    hand = Hand()
    sit_down("olga", lambda page: put_right(page, hand))
    assert {t.ours for t in s.whole()} == {"on_hold"} and not Mapping.objects.exists()
    sit_down("piet", lambda page: approve(page, hand))
    print(
        f"\n{ORDERS} orders: {hand.presses} clicks, {time.monotonic() - hand.began:.1f} s for two people and both runs"
    )
    s.settle(seconds=240)  # three hundred of them
    assert {t[1:6] for t in s.whole()} == {("completed", "completed", ("sale",), ("done",), ("W1 accepted 1",))}
    assert s.trouble() == CALM and Group.objects.get().resolved_at is not None
    assert Approval.objects.values_list("asked_by__username", "decided_by__username", "granted").get() == (
        "olga",
        "piet",
        True,
    )

    mapping.drop(Mapping.objects.get(), "kim", "the old one is another one after all")
    s.buy(UNKNOWN)
    s.settle()
    assert (Group.objects.get().resolved_at, Group.objects.get().returns) == (None, 1)
    sit_down("olga", lambda page: (look_back(page, hand), see_it_back(page, hand)))


def put_right(page: Page, hand: Hand) -> None:
    """Olga finds the group, says which SKU it is, sees what that does, and asks a colleague."""
    hand.look(page, "home")
    hand.press(page, "nav >> text=Exceptions")
    hand.look(page, "exceptions")
    hand.press(page, f"text=Unknown SKU: {UNKNOWN}")
    assert f"{ORDERS} about {ORDERS} orders" in page.inner_text("dl.rs-facts")
    page.fill("[name=means_sku]", KNOWN)
    hand.look(page, "group")
    hand.press(page, f"text=Preview what that does to all {ORDERS}")
    page.wait_for_selector(f"text={ORDERS} exceptions go on", timeout=60_000)
    table = page.inner_text("section:has-text('What will be sent') table >> nth=0")
    assert all(f"{kind}\t{ORDERS}" in table for kind in ("Create order", "Request fulfilment")), table
    page.click("details summary >> nth=0")
    hand.look(page, "preview")
    hand.press(page, "text=Ask a second person")
    page.wait_for_selector("text=Somebody else has to decide")


def approve(page: Page, hand: Hand) -> None:
    """Piet sees on his list that he is asked, looks, and approves; it is done while he watches."""
    hand.press(page, "nav >> text=Exceptions")
    hand.press(page, f"text=Unknown SKU: {UNKNOWN} >> nth=0")
    hand.press(page, "text=Approve: do exactly this")
    page.wait_for_selector("p:text-is('Done.')", timeout=60_000)
    hand.look(page, "done")


def look_back(page: Page, hand: Hand) -> None:
    """What became of one of them: what its customer is told, and where the time went."""
    page.fill("[data-rs-search]", "ONE-56")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Your order was sent on")
    hand.look(page, "order")
    page.click("text=What happened →")
    assert "shipped → shown to the customer" in page.inner_text("ol.rs-stretches")
    hand.look(page, "timeline")


def see_it_back(page: Page, hand: Hand) -> None:
    """The next one brings the group back, and it stands first."""
    page.click("nav >> text=Exceptions")
    assert "came back" in page.inner_text("table tbody tr >> nth=0")
    hand.look(page, "came-back")
