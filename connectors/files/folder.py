"""The folder of one warehouse: which files wait, opening one, putting it away. Knows nothing of what is in a file.

Nothing outside the folder is touched and nothing is deleted. The folder must lie below RETAILSYNC_FILES (by default
/srv/retailsync/files), which whoever runs the machine sets: people who edit settings cannot make us read anything else.
"""

import itertools
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from connectors.errors import Misconfigured
from connectors.files.settings import Settings
from connectors.files.table import Bad

ROOT = "/srv/retailsync/files"
LARGEST = 500_000_000  # bytes of one file
WHY = ".why.txt"
PROCESSED = "processed.txt"  # in archive/: sha256 and name of every file that was taken

Identity = tuple[int, int, int]  # inode, size, time of modification: the same file as before


class Entry(NamedTuple):
    """A file that waits."""

    name: str
    age: float  # seconds since it was changed
    marked: bool  # what says that it is complete lies beside it


class Folder:
    """One folder with its `archive/` and `error/`. Raises Misconfigured where it must not or cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        root = Path(os.environ.get("RETAILSYNC_FILES") or ROOT).resolve()
        self.path = Path(settings.folder).resolve()
        if root not in self.path.parents:
            raise Misconfigured(f"The folder {settings.folder} is not below {root}.")
        if not self.path.is_dir():
            raise Misconfigured(f"The folder {settings.folder} is not there.")
        self._archive, self._error = self._inside("archive"), self._inside("error")

    def _inside(self, name: str) -> Path:
        path = self.path / name
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"{name}/ cannot be made in {self.path}: {error.strerror}.") from error
        if path.is_symlink() or not os.access(path, os.W_OK | os.X_OK) or not os.access(self.path, os.W_OK | os.X_OK):
            raise Misconfigured(f"{path} must be a folder of its own that we may write to.")
        return path

    # -- what waits
    def waiting(self, now: datetime) -> list[Entry]:
        """The files that are ours by their name, the oldest first."""
        names = {entry.name for entry in os.scandir(self.path) if not entry.is_dir(follow_symlinks=False)}
        found = [self._entry(name, names, now) for name in names if self._is_ours(name)]
        return sorted(found, key=lambda entry: (-entry.age, entry.name))

    def _is_ours(self, name: str) -> bool:
        marker = self._settings.marker
        return bool(
            not name.startswith(".")
            and not (marker and name.endswith(marker))
            and self._settings.pattern.fullmatch(name)
        )

    def _entry(self, name: str, names: set[str], now: datetime) -> Entry:
        age = now.timestamp() - os.lstat(self.path / name).st_mtime
        return Entry(name, age, name + self._settings.marker in names)

    def open(self, name: str) -> BinaryIO:
        """A file of the folder itself, never what a link points to. Raises Bad."""
        if name != safe(name):
            raise Bad(0, "Its name has characters we do not write, or is too long.")
        return self._open(name)

    def _open(self, name: str) -> BinaryIO:
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if os.path.lexists(self.path / name):
                raise Bad(0, f"It is a link, or may not be read ({error.strerror}).") from error
            raise
        handle = os.fdopen(descriptor, "rb")
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            handle.close()
            raise Bad(0, f"It is no plain file, or larger than {LARGEST // 1_000_000} MB.")
        return handle

    def beside(self, name: str) -> str:
        """What the file that proves this one says; only its beginning."""
        with self._open(name + self._settings.marker) as handle:
            return handle.read(1_000).decode("ascii", "replace")

    # -- put away
    def was_processed(self, digest: str, name: str = "") -> bool:
        """A file with this hash was taken before; with a name, by this name too."""
        wanted = f"{digest} {name}\n" if name else f"{digest} "
        with self._processed() as lines:
            lines.seek(0)
            return any(line.startswith(wanted) for line in lines)

    def archive(self, name: str, digest: str) -> None:
        """It was taken: remember it, and put it away."""
        with self._processed() as lines:
            lines.write(f"{digest} {name}\n")
        self._move(name, self._archive, self._free(self._archive, name))

    def archive_duplicate(self, name: str) -> None:
        """It was taken before."""
        self._move(name, self._archive, self._free(self._archive, f"{name}.duplicate"))

    def refuse(self, name: str, words: str) -> None:
        """Put it aside, with a note that says why. The note comes first: nothing lies there without one."""
        target = self._free(self._error, safe(name))
        with (self._error / f"{target}{WHY}").open("x", encoding="utf-8") as note:
            note.write(f"{safe(name)}: {words}\n")
        self._move(name, self._error, target)

    def refused(self) -> Sequence[str]:
        """The notes that nobody has taken away yet, the oldest first."""
        found = [path for path in self._error.glob(f"*{WHY}") if path.is_file() and not path.is_symlink()]
        notes = sorted(found, key=lambda path: (path.lstat().st_mtime_ns, path.name))
        return [note.open(encoding="utf-8", errors="replace").read(1_000).strip() for note in notes]

    def _processed(self) -> TextIO:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        return os.fdopen(os.open(self._archive / PROCESSED, flags, 0o640), "a+", encoding="utf-8")

    def _move(self, name: str, into: Path, target: str) -> None:
        """Move a file and what lies beside it, that first: a marker alone would call the next file of this name complete.

        Not there any more: somebody was faster, or we were before we died.
        """
        for ending in dict.fromkeys((self._settings.marker, "")):
            if os.path.lexists(self.path / (name + ending)):
                os.rename(self.path / (name + ending), into / (target + ending))

    def _free(self, into: Path, name: str) -> str:
        """A name nothing has there: the wanted one, else with a number."""
        endings = ("", self._settings.marker, WHY)
        wanted = itertools.chain([name], (f"{name}.{n}" for n in itertools.count(2)))
        return next(w for w in wanted if not any(os.path.lexists(into / (w + ending)) for ending in endings))


def identity(handle: BinaryIO) -> Identity:
    """Tells whether it is the same file, unchanged."""
    found = os.fstat(handle.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


def safe(name: str) -> str:
    """The name as far as it can be written anywhere: printable, of bounded length, and no path."""
    plain = "".join(c if c.isprintable() and c not in "/\\" and not "\ud800" <= c <= "\udfff" else "_" for c in name)
    return plain.encode()[:150].decode(errors="ignore") if plain not in ("", ".", "..") else "_"
