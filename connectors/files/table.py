"""The bytes of a file → its rows, one at a time, each with its line. Knows no folders. Everything wrong is said with its line."""

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from connectors.files.reading import LARGEST, Row
from connectors.files.settings import Settings

LONGEST_LINE = 65_536  # bytes
LONGEST_TEXT = 100
FIGURES = tuple(name for name in Row.__struct_fields__ if name != "sku")
_WHOLE = {mark: re.compile(rf"[+-]?[0-9]{{1,18}}(?:{re.escape(mark)}0+)?") for mark in ",."}


class Bad(Exception):
    """A file that cannot be taken: in which line (0: the whole), and what was expected."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(f"line {line}: {words}" if line else words)


class Lines:
    """The lines of an open file, decoded. Knows where the next one begins (`offset`), how many there were, and their hash."""

    def __init__(self, handle: BinaryIO, encoding: str) -> None:
        self._handle, self._encoding = handle, encoding
        self.hash = hashlib.sha256()
        self.offset = self.number = 0
        self.ended = True  # the last one ended with a line end

    def skip(self, offset: int, number: int) -> None:
        """Go on there; so many lines came before."""
        self._handle.seek(offset)
        self.offset, self.number = offset, number

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._handle.readline(LONGEST_LINE)
        if not raw:
            raise StopIteration
        self.hash.update(raw)
        self.offset, self.number = self.offset + len(raw), self.number + 1
        self.ended = raw.endswith(b"\n")
        if len(raw) == LONGEST_LINE and not self.ended:
            raise Bad(self.number, f"is longer than {LONGEST_LINE} bytes.")
        if b"\0" in raw:
            raise Bad(self.number, "has a NUL byte.")
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise Bad(self.number, f"is not {self._encoding} (byte {error.start + 1} of the line).") from error
        return text.removeprefix("\ufeff") if self.number == 1 else text


class Record(NamedTuple):
    """One row as it was written: the line it begins in, and its cells."""

    line: int
    cells: Sequence[str]


def records(lines: Lines, delimiter: str) -> Iterator[Record]:
    """The rows that have anything in them. Reads no line further than the row it gives."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Bad(line, f"is not CSV: {error}.") from error
        if cells is None:
            return
        if cells:
            yield Record(line, cells)


class Counts(NamedTuple):
    """What one row says."""

    location: str
    when: str
    written: int  # on hand as written: in packs, where the file counts packs
    row: Row


class Table:
    """A file read by its profile: the headings first, then row after row, from an offset on."""

    def __init__(self, handle: BinaryIO, settings: Settings) -> None:
        self.lines = Lines(handle, settings.encoding)
        self._settings = settings
        first = next(records(self.lines, settings.delimiter), None)
        if first is None:
            raise Bad(0, "The file is empty.")
        headings = [cell.strip() for cell in first.cells]
        self._width = len(headings)
        columns = settings.columns
        named = {name: getattr(columns, name) for name in columns.__struct_fields__ if getattr(columns, name)}
        for heading in named.values():
            if headings.count(heading) != 1:
                how = "twice" if heading in headings else "not there"
                raise Bad(first.line, f"the column “{heading}” is {how}; the headings are {', '.join(headings)[:500]}.")
        self._at = {name: headings.index(heading) for name, heading in named.items()}

    def rows(self) -> Iterator[Record]:
        """The rows below the headings, or below where `lines` was sent to; the trailer is one of them."""
        return records(self.lines, self._settings.delimiter)

    def is_trailer(self, record: Record) -> bool:
        """The row that says what came before it."""
        return self._settings.complete == "trailer" and record.cells[0].strip() == self._settings.trailer.word

    def counts(self, record: Record) -> Counts:
        """One row understood. Raises Bad."""
        if len(record.cells) != self._width:
            raise Bad(record.line, f"has {len(record.cells)} columns, not {self._width}.")
        pack = self._figure(record, "units_per_pack") if "units_per_pack" in self._at else 1
        if pack < 1:
            raise Bad(record.line, f"“{self._settings.columns.units_per_pack}” must be at least 1.")
        figures = [self._figure(record, name) if name in self._at else 0 for name in FIGURES]
        units = [figure * pack for figure in figures]
        for name, figure in zip(FIGURES, units, strict=True):
            if abs(figure) > LARGEST or (figure < 0 and name != "on_hand"):
                raise Bad(record.line, f"“{getattr(self._settings.columns, name)}” cannot be {figure}.")
        location = self._text(record, "location") if "location" in self._at else self._settings.location
        when = self._text(record, "observed_at") if "observed_at" in self._at else ""
        return Counts(location, when, figures[0], Row(self._text(record, "sku"), *units))

    def _text(self, record: Record, name: str) -> str:
        text = record.cells[self._at[name]].strip()
        if not text or len(text) > LONGEST_TEXT:
            how = "is empty" if not text else f"is longer than {LONGEST_TEXT} characters"
            raise Bad(record.line, f"“{getattr(self._settings.columns, name)}” {how}.")
        return text

    def _figure(self, record: Record, name: str) -> int:
        text = record.cells[self._at[name]].strip()
        if not text and name not in ("on_hand", "units_per_pack"):
            return 0
        found = whole(text, self._settings.decimal)
        if found is None:
            heading = getattr(self._settings.columns, name)
            raise Bad(record.line, f"“{heading}” must be a whole number, not “{text[:40]}”.")
        return found


def whole(text: str, decimal: str) -> int | None:
    """A whole number, perhaps with zeros behind the decimal mark. A mark between thousands is nothing we guess at."""
    return int(text.split(decimal)[0]) if _WHOLE[decimal].fullmatch(text) else None
