"""The folder as the product polls it: pages and cursor in one transaction, and an exception for as long as there is a note."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from canonical.models import System
from retailsync.sync import polling
from retailsync.sync.models import Case, Cursor, Message

from .house import NAME, House

Make = Callable[..., House]
STOCK = {f"S{n:05}": n for n in range(7_500)}


@pytest.fixture
def acme(db: None, house: Make) -> House:
    acme = house()
    settings: Any = msgspec.to_builtins(acme.settings)
    system = System.objects.create(slug="acme", name="Acme", connector="files", roles=["3pl"], settings=settings)
    Cursor.objects.create(system=system, feed="stock")
    return acme


def poll() -> tuple[int, list[str]]:
    """One run: how many messages there are, and the words of open exceptions."""
    polling.poll(System.objects.get().pk, "stock")
    return Message.objects.count(), list(Case.objects.filter(closed_at=None).values_list("words", flat=True))


def test_good_files_are_stored_and_bad_ones_are_an_exception_until_they_are_settled(acme: House) -> None:
    acme.writer.drop("stock_20260130T0600.csv", STOCK, cut=50_000)
    acme.writer.drop(NAME, STOCK)
    count, words = poll()
    assert (count, len(words), "stock_20260130T0600.csv: The file is cut off" in words[0]) == (9, 1, True)
    assert poll() == (9, words)
    acme.writer.drop("stock_20260201T0600.csv", {"A": 1})
    assert poll() == (11, words)
    (acme.folder / "error" / "stock_20260130T0600.csv.why.txt").unlink()
    assert poll() == (11, [])
    assert Cursor.objects.get().value == ""


def test_a_folder_that_must_not_be_read_is_our_own_mistake(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAILSYNC_FILES", "/srv/elsewhere")
    acme.writer.drop(NAME, STOCK)
    assert poll() == (0, [])
    assert Cursor.objects.get().words == f"The folder {acme.folder} is not below /srv/elsewhere."
