"""A folder below an allowed root, a warehouse that writes into it, and a poll that reads it as the product does."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from canonical.facts import Fact
from connectors.base import Envelope, Heard, Page, Session
from connectors.errors import Refused
from connectors.files import connector
from connectors.files.settings import Settings
from connectors.files.simulator import Writer

PROFILE: dict[str, Any] = {
    "files": "stock_{time}.csv",
    "complete": "trailer",
    "trailer": {"word": "END", "rows": 2, "total": 3},
    "columns": {"sku": "SKU", "on_hand": "Units"},
    "location": "W1",
}
NAME = "stock_20260131T0600.csv"
AT = datetime(2026, 1, 31, 6, tzinfo=UTC)


class House:
    """One system. `heard` holds every delivery once, as the inbox keeps it; `cursor` is what the last page said."""

    def __init__(self, root: Path, **profile: Any) -> None:
        self.folder = root / "acme"
        self.settings = msgspec.convert({**PROFILE, "folder": str(self.folder), **profile}, Settings)
        self.writer = Writer(self.settings)
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.heard: dict[bytes, Heard] = {}
        self.cursor = ""

    def step(self) -> Page:
        session = Session("acme", self.settings, {}, None, self.clock)  # type: ignore[arg-type]
        page = connector.polls["stock"](session, self.cursor)
        self.heard.update({h.key: h for h in page.heard if h.key not in self.heard})
        self.cursor = page.cursor
        return page

    def pages(self) -> Iterator[Page]:
        """One run of the poll, page by page."""
        for _ in range(500):
            yield (page := self.step())
            if not page.more:
                return
        raise AssertionError("it never ends")

    def poll(self) -> str:
        """One run; the words it ends with, empty when all went well."""
        try:
            for _ in self.pages():
                pass
        except Refused as error:
            return error.words.replace(f" Take the notes out of {self.folder}/error/ when it is settled.", "")
        return ""

    def facts(self) -> list[Fact]:
        said = sorted(self.heard.values(), key=lambda h: h.topic)
        now = self.clock()
        return [f for h in reversed(said) for f in connector.reads[h.topic](Envelope(h.topic, h.body, now, None))]

    def held(self) -> dict[str, list[str]]:
        return self.writer.held()

    def notes(self) -> list[str]:
        return [path.read_text() for path in sorted((self.folder / "error").glob("*.why.txt"))]

    def settle(self, name: str) -> None:
        """It was written a while ago."""
        self.age(name, timedelta(minutes=10))

    def age(self, name: str, by: timedelta) -> None:
        """Written so long ago."""
        then = (self.clock() - by).timestamp()
        os.utime(self.folder / name, (then, then))
