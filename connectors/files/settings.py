"""How one warehouse writes its files: every warehouse has another way."""

import re
from datetime import date, datetime
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

TIME = "{time}"  # in a file's name


class Columns(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The headings of the columns we read. Empty: the file has none. Columns not named here are passed over.

    With `units_per_pack` the figures count packs. `observed_at` must be the same in all rows.
    """

    sku: str
    on_hand: str
    location: str = ""
    observed_at: str = ""
    units_per_pack: str = ""
    allocated: str = ""
    damaged: str = ""
    quality_hold: str = ""
    incoming: str = ""
    in_transit: str = ""


class Trailer(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The last row: `word` in its first column, in column `rows` how many rows came before, in column `total` the sum of all on hand
    as written (0: it is not said). Columns count from 1."""

    word: str = "TRAILER"
    rows: int = 2
    total: int = 0

    def __post_init__(self) -> None:
        if not self.word or self.rows < 2 or (self.total != 0 and self.total < 2):
            raise ValueError("a trailer has a word in its first column and its figures in later ones")


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, dict=True):
    """A folder and the profile of the files in it.

    `files`: which names, e.g. `stock_{time}.csv`; `*` is anything, `{time}` says when the figures were so. Else the column
    `observed_at` says it, else the time of modification. `complete`: what proves that a file is whole. `done`: the ending of the file
    that is put beside it then. `settle`: seconds a file must not have changed. `patience`: minutes it may lie there unproven.
    """

    folder: str
    files: str
    columns: Columns
    complete: Literal["done", "trailer", "sha256"]
    done: str = ".done"
    trailer: Trailer = Trailer()
    location: str = ""
    full: bool = True
    delimiter: Literal[",", ";", "\t", "|"] = ";"
    encoding: Literal["utf-8", "cp1252", "latin-1"] = "utf-8"
    decimal: Literal[",", "."] = "."
    timezone: str = "UTC"
    time_format: str = ""  # as in Python's strptime, e.g. %d.%m.%Y %H:%M; empty: ISO 8601
    settle: int = 60
    patience: int = 60

    def __post_init__(self) -> None:
        for words, is_so in (
            ("folder must be a path that begins with /", not self.folder.startswith("/") or "\0" in self.folder),
            ("files must be a name, not a path", not self.files or "/" in self.files or "\0" in self.files),
            ("files may say {time} once", self.files.count(TIME) > 1),
            ("the time is in the name or in a column, not in both", TIME in self.files and bool(self.columns.observed_at)),
            ("name either a location or the column that names it", bool(self.location) == bool(self.columns.location)),
            ("location must not be longer than 100 characters", len(self.location) > 100 or "\0" in self.location),
            ("done must be an ending like .done", len(self.done) < 2 or "/" in self.done or "\0" in self.done),
            ("time_format must say the time of day too (%H)", bool(self.time_format) and "%H" not in self.time_format),
            ("settle and patience must not be negative", self.settle < 0 or self.patience < 0),
        ):  # fmt: skip
            if is_so:
                raise ValueError(words)
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("timezone must be one like Europe/Amsterdam") from error

    @property
    def marker(self) -> str:
        """The ending of what lies beside a complete file; empty where the file itself says it."""
        return {"done": self.done, "sha256": ".sha256", "trailer": ""}[self.complete]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Names of files that are ours."""
        parts = re.split(r"(\{time\}|\*)", self.files)
        meant = {TIME: "(?P<time>.+?)", "*": ".*"}
        return re.compile("".join(meant.get(part) or re.escape(part) for part in parts), re.DOTALL)

    def time(self, text: str) -> datetime:
        """A time as they write it, with its zone. Raises ValueError."""
        if self.time_format:
            found = datetime.strptime(text, self.time_format)  # noqa: DTZ007 – the zone comes below
        else:
            found = datetime.fromisoformat(text)
            if _is_day(text):
                raise ValueError("a day without a time")  # a day's movements would be taken for later than its count
        return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.timezone))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
