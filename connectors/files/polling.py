"""The feed `stock`: take complete files one by one, check each from beginning to end, then hand it out page by page.

One call does one step, and the cursor says which is next: check a file, hand out some thousand rows, put the file away. What a file
says is stored before it is put away, and is not true before all of it was handed out. A file that cannot be taken goes to `error/` with
a note, and the others go on; when nothing else is left to do the notes are raised, until somebody has taken them away.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from connectors.base import Heard, Page, Session
from connectors.errors import Refused, Retry
from connectors.files.folder import Entry, Folder, Identity, identity
from connectors.files.reading import PART, Done, Part, Row
from connectors.files.settings import TIME, Settings
from connectors.files.table import Bad, Counts, Record, Table, whole

ROWS = 5_000  # of one page
MOST_ROWS = 1_000_000  # of one file
MOST_LOCATIONS = 100  # of one file
AHEAD = timedelta(days=1)  # a warehouse's clock may be wrong, but not by more


class Place(msgspec.Struct, kw_only=True):
    """The cursor: a file that was checked, and how far it was handed out. `parts` and `rows` count by location."""

    name: str
    identity: Identity
    digest: str
    at: datetime
    offset: int
    line: int
    parts: dict[str, int] = {}
    rows: dict[str, int] = {}
    done: bool = False

    @property
    def run(self) -> str:
        """The same file has the same run, whenever it is read."""
        return f"{self.name[:60]} {self.digest[:32]}"

    def page(self, heard: Sequence[Heard] = ()) -> Page:
        return Page(heard, msgspec.json.encode(self).decode(), more=True)


AGAIN = Page((), "", more=True)  # look for the next file


def stock(session: Session, cursor: str) -> Page:
    """One step. Raises one of the four errors."""
    folder = Folder(session.settings)
    try:
        place = _place(cursor)
        if place is None:
            return _next(session, folder)
        if place.done:
            folder.archive(place.name, place.digest)
            return AGAIN
        return _handed_out(session.settings, folder, place)
    except OSError as error:
        raise Retry(f"The folder {folder.path} cannot be read: {error}.", down=True) from error


def probe(session: Session) -> str:
    """Looks into the folder."""
    folder = Folder(session.settings)
    try:
        waiting, refused = len(folder.waiting(session.now())), len(folder.refused())
    except OSError as error:
        raise Retry(f"The folder {folder.path} cannot be read: {error}.", down=True) from error
    return f"{folder.path} is there: {waiting} waiting, {refused} with errors."


def _place(cursor: str) -> Place | None:
    """Where we are. A cursor somebody wrote by hand means: look again what is there."""
    try:
        place = msgspec.json.decode(cursor, type=Place)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return place if "/" not in place.name and "\0" not in place.name and place.name not in ("", ".", "..") else None


# ---- the next file ----------------------------------------------------------------------------------------------------------
def _next(session: Session, folder: Folder) -> Page:
    """Check the oldest file that is complete; raise what is in the way when there is none."""
    settings: Settings = session.settings
    waiting = folder.waiting(session.now())
    for entry in waiting:
        if entry.marked and entry.age >= settings.settle:
            return _checked(session, folder, entry)
    troubles = [*folder.refused(), *_forgotten(settings, waiting)]
    if troubles:
        more = f" And {len(troubles) - 3} more." if len(troubles) > 3 else ""
        raise Refused(
            f"{' '.join(troubles[:3])}{more} Take the notes out of {folder.path}/error/ when it is settled.",
            reason="bad_file",
        )
    return Page((), "", more=False)


def _forgotten(settings: Settings, waiting: Sequence[Entry]) -> Iterator[str]:
    for entry in waiting:
        if not entry.marked and entry.age >= settings.patience * 60:
            yield f"{entry.name}: It has been there for {entry.age / 60:.0f} minutes without {entry.name}{settings.marker}."


def _checked(session: Session, folder: Folder, entry: Entry) -> Page:
    """Read the whole file, and hand out nothing yet."""
    try:
        with folder.open(entry.name) as handle:
            before = identity(handle)
            table = Table(handle, session.settings)
            offset, line = table.lines.offset, table.lines.number
            when = _check(session.settings, table)
            digest = table.lines.hash.hexdigest()
            if session.settings.complete == "sha256":
                _compare(digest, folder.beside(entry.name))
            if identity(handle) != before:
                return AGAIN
        at = _observed(session, entry.name, when, datetime.fromtimestamp(before[2] / 1e9, UTC))
    except Bad as error:
        folder.refuse(entry.name, str(error))
        return AGAIN
    except FileNotFoundError:  # taken away under our hands
        return AGAIN
    if folder.was_processed(digest, entry.name if TIME in session.settings.files else ""):
        folder.archive_duplicate(entry.name)
        return AGAIN
    return Place(name=entry.name, identity=before, digest=digest, at=at, offset=offset, line=line).page()


def _check(settings: Settings, table: Table) -> str:
    """Every row can be understood, none is there twice, and nothing is missing at the end. Returns when they say it was so.
    Raises Bad."""
    seen: set[int] = set()  # hashes, because a million names would be too much
    locations: set[str] = set()
    total, when, trailer = 0, "", None
    for record in table.rows():
        if trailer:
            raise Bad(record.line, f"comes after the trailer in line {trailer.line}.")
        if table.is_trailer(record):
            trailer = record
            continue
        said = _understood(table, record)
        named = hash((said.location, said.row.sku))
        if named in seen:
            raise Bad(record.line, f"names {said.row.sku} again; add up what lies in several places.")
        seen.add(named)
        locations.add(said.location)
        if said.when != when and len(seen) > 1:
            raise Bad(record.line, f"is of {said.when}, the rows before it of {when}.")
        when, total = said.when, total + said.written
        if len(seen) > MOST_ROWS or len(locations) > MOST_LOCATIONS:
            raise Bad(record.line, f"is too much: {MOST_ROWS} rows of {MOST_LOCATIONS} locations are the most.")
    if not seen:
        raise Bad(0, "It has no rows. An empty warehouse lists its SKUs with 0.")
    _whole(settings, table, trailer, len(seen), total)
    return when


def _understood(table: Table, record: Record) -> Counts:
    try:
        return table.counts(record)
    except Bad as error:
        if table.lines.ended:
            raise
        raise Bad(0, f"{error} The file ends in the middle of this line.") from error


def _whole(settings: Settings, table: Table, trailer: Record | None, rows: int, total: int) -> None:
    if settings.complete == "done" and not table.lines.ended:
        raise Bad(table.lines.number, "has no line end: the file is cut off.")
    if settings.complete == "trailer":
        if trailer is None:
            word = settings.trailer.word
            raise Bad(0, f"The file is cut off: its last row does not begin with “{word}” (line {table.lines.number}).")
        for position, found, what in (
            (settings.trailer.rows, rows, "rows"),
            (settings.trailer.total, total, "units in total"),
        ):
            if position and _said(settings, trailer, position) != found:
                raise Bad(trailer.line, f"says {trailer.cells[position - 1]} {what}, but there are {found}.")


def _said(settings: Settings, trailer: Record, position: int) -> int | None:
    if len(trailer.cells) < position:
        raise Bad(trailer.line, f"is the trailer and has {len(trailer.cells)} columns, not {position}.")
    return whole(trailer.cells[position - 1].strip(), settings.decimal)


def _compare(digest: str, said: str) -> None:
    """`sha256sum` writes the hash first, then the name."""
    expected = (said.split() or [""])[0].lower()
    if expected != digest:
        raise Bad(0, f"Its sha256 is {digest}, not “{expected[:64]}”: it is cut off or was changed.")


def _observed(session: Session, name: str, when: str, modified: datetime) -> datetime:
    """When the figures were so: the name says it, or a column, or the time the file was written. Raises Bad."""
    settings: Settings = session.settings
    named = settings.pattern.fullmatch(name)
    text = named["time"] if named and TIME in settings.files else when
    try:
        at = settings.time(text) if text else modified
    except (ValueError, OverflowError) as error:
        raise Bad(0, f"“{text[:40]}” is not a time with day and hour as the settings expect it.") from error
    if not 2000 <= at.year <= 9000 or at > session.now() + AHEAD:
        raise Bad(0, f"It is of {at.isoformat(' ', 'minutes')}, which lies in the future or before the year 2000.")
    return at.astimezone(UTC)


# ---- hand out ---------------------------------------------------------------------------------------------------------------
def _handed_out(settings: Settings, folder: Folder, place: Place) -> Page:
    """The next rows. A file that is not what was checked is looked at anew; of what was handed out before nothing becomes true."""
    try:
        with folder.open(place.name) as handle:
            heard = list(_parts(Table(handle, settings), place))
            if identity(handle) != place.identity:
                return AGAIN
    except (Bad, FileNotFoundError):
        return AGAIN
    if place.done:
        heard.extend(_done(place, location, settings.full) for location in place.parts)
    return place.page(heard)


def _parts(table: Table, place: Place) -> Iterator[Heard]:
    """The rows of one page in parts of one location each; moves the place on."""
    table.lines.skip(place.offset, place.line)
    open_: dict[str, list[Row]] = {}
    count = 0
    for record in table.rows():
        if table.is_trailer(record):
            continue
        said = table.counts(record)
        rows = open_.setdefault(said.location, [])
        rows.append(said.row)
        if len(rows) == PART:
            yield _part(place, said.location, open_.pop(said.location))
        count += 1
        if count == ROWS:
            break
    else:
        place.done = True
    place.offset, place.line = table.lines.offset, table.lines.number
    for location, rows in open_.items():
        yield _part(place, location, rows)


def _part(place: Place, location: str, rows: list[Row]) -> Heard:
    place.parts[location] = part = place.parts.get(location, 0) + 1
    place.rows[location] = place.rows.get(location, 0) + len(rows)
    said = Part(run=place.run, location=location, at=place.at, part=part, rows=rows)
    return _heard("counts.part", place, f"{location}\0{part}", said)


def _done(place: Place, location: str, full: bool) -> Heard:
    said = Done(
        run=place.run, location=location, at=place.at, parts=place.parts[location], rows=place.rows[location], full=full
    )
    return _heard("counts.done", place, f"{location}\0done", said)


def _heard(topic: str, place: Place, what: str, said: Any) -> Heard:
    """The same file handed out again is the same delivery."""
    key = sha256(f"{place.name}\0{place.digest}\0{what}".encode()).digest()
    return Heard(topic, key, msgspec.json.encode(said))
