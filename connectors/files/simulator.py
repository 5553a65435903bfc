"""A warehouse that drops its stock into a folder, as files of a given profile, in good ways and in bad ones. No server: a writer.

writer = Writer(settings)
writer.drop("stock_20260131T0600.csv", {"A": 3, "B": -1})              whole and marked
writer.drop("stock_20260201T0600.csv", {"A": 3, "B": -1}, cut=40)      the rest never arrived
"""

import csv
import hashlib
import io
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from connectors.files.settings import Settings

Rows = Iterable[Mapping[str, object]]  # field of Columns → what is written


class Writer:
    """Writes into the folder of these settings. `aged`: how many seconds ago files were written, so that they count as settled."""

    def __init__(self, settings: Settings, *, aged: float = 600.0) -> None:
        self.settings, self.aged = settings, aged
        self.folder = Path(settings.folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def content(self, stock: Mapping[str, int] | Rows) -> bytes:
        """A whole file: headings, rows, and the trailer where the profile has one."""
        rows = [{"sku": k, "on_hand": v} for k, v in stock.items()] if isinstance(stock, Mapping) else list(stock)
        columns = self.settings.columns
        named = {name: getattr(columns, name) for name in columns.__struct_fields__ if getattr(columns, name)}
        text = io.StringIO()
        write = csv.writer(text, delimiter=self.settings.delimiter, lineterminator="\r\n").writerow
        write(named.values())
        for row in rows:
            write(row.get(name, "") for name in named)
        if self.settings.complete == "trailer":
            write(self._trailer(rows))
        return text.getvalue().encode(self.settings.encoding)

    def _trailer(self, rows: list[Mapping[str, object]] | list[dict[str, object]]) -> list[object]:
        trailer = self.settings.trailer
        cells: list[object] = [trailer.word, *[""] * (max(trailer.rows, trailer.total) - 1)]
        cells[trailer.rows - 1] = len(rows)
        if trailer.total:
            cells[trailer.total - 1] = sum(int(str(row["on_hand"])) for row in rows)
        return cells

    def drop(
        self, name: str, stock: Mapping[str, int] | Rows | bytes, *, cut: int | None = None, marked: bool = True
    ) -> Path:
        """Write a file under another name, give it its own, then put beside it what says that it is complete.

        `cut`: only so many bytes arrive, though what lies beside it speaks of all. `marked` False: nothing is put beside it yet.
        """
        raw = stock if isinstance(stock, bytes) else self.content(stock)
        path = self.put(name, raw[:cut])
        if marked:
            self.mark(name, raw)
        return path

    def put(self, name: str, raw: bytes) -> Path:
        """Only the file."""
        path, under_way = self.folder / name, self.folder / f".{name}.tmp"
        under_way.write_bytes(raw)
        written = time.time() - self.aged
        os.utime(under_way, (written, written))
        return under_way.rename(path)

    def mark(self, name: str, raw: bytes) -> None:
        """Only what lies beside it."""
        if self.settings.complete == "sha256":
            self.put(name + self.settings.marker, f"{hashlib.sha256(raw).hexdigest()}  {name}\n".encode())
        elif self.settings.complete == "done":
            self.put(name + self.settings.marker, b"")

    def held(self) -> dict[str, list[str]]:
        """What lies in the folder, in `archive` and in `error`, for an oracle."""
        return {
            place: sorted(p.name for p in (self.folder / place).glob("*") if p.is_file())
            for place in ("", "archive", "error")
        }
