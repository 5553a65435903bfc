"""Where the units of an order are sent: by the lists staff keep, by what is free, in as few parcels as the shop wants. Pure.

Of the ways to serve the open lines that need the fewest locations the one with the lowest ranks is taken, then the one whose goods leave on
the earlier day, then the one with more on the shelf, then the order of the list. A location nobody counted is believed to serve what its
list sends there, but nothing is drawn to it to save a parcel: so without any figures each line goes to the first of its list.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import combinations
from typing import Any, Literal, NamedTuple, TypeVar

Split = Literal["never", "lines", "units"]
Thing = TypeVar("Thing")

TRIES = 1_000  # combinations of locations that are compared; where there are more, each line goes by its own list


# ---- when goods leave -------------------------------------------------------------------------------------------------------
class Calendar(NamedTuple):
    """The days goods leave a location (1 is Monday), and until when what is routed leaves the same day; both by its own clock."""

    zone: tzinfo = UTC
    days: str = "12345"
    cut_off: time | None = None


def leaves(calendar: Calendar, now: datetime) -> date:
    """The day on which what is routed now leaves the location. Moments are compared, so that a clock put back or forward harms nothing."""
    day = now.astimezone(calendar.zone).date()
    if calendar.cut_off is not None and now >= datetime.combine(day, calendar.cut_off, calendar.zone).astimezone(UTC):
        day += timedelta(days=1)
    week = (day + timedelta(days=n) for n in range(7))
    return next((d for d in week if str(d.isoweekday()) in calendar.days), date.max)


# ---- what is asked, and what is there ---------------------------------------------------------------------------------------
class Source(NamedTuple):
    """A location that may ship a line: the rank of its step in the list, and the day goods would leave it."""

    location: int
    rank: int = 1
    day: date = date.min


class Need(NamedTuple):
    """Open units of one line. `parts`: SKU → how many of it one unit takes, of what is counted. `anyway`: what nobody has is asked for all
    the same: it may be sold without being there, or a person says so."""

    units: int
    sources: Sequence[Source]
    parts: Mapping[int, int] = {}
    anyway: bool = False


@dataclass(slots=True)
class Shelves:
    """Free units per (SKU, location); what is not in it nobody counted. `given`: what was given away since they were read."""

    free: Mapping[tuple[int, int], int] = field(default_factory=dict)
    given: Counter[tuple[int, int]] = field(default_factory=Counter)

    def room(self, parts: Mapping[int, int], location: int) -> int | None:
        """How many of these are there: as many as of the scarcest part. None: nobody counted."""
        known = [(sku, location) for sku in parts if (sku, location) in self.free]
        rooms = [max(0, self.free[key] - self.given[key]) // parts[key[0]] for key in known]
        return min(rooms) if rooms else None

    def give(self, parts: Mapping[int, int], location: int, units: int) -> None:
        """So many are given away from there."""
        for sku, per in parts.items():
            self.given[sku, location] += units * per

    def serves(self, need: Need, location: int) -> bool:
        """Whether a line can be shipped whole from there, as far as anybody knows."""
        room = self.room(need.parts, location)
        return room is None or room >= need.units

    def copy(self) -> "Shelves":
        """The same shelves, to try something on."""
        return Shelves(self.free, Counter(self.given))


Units = dict[int, int]  # line → units


class Routes(NamedTuple):
    """Where units go (location → line → units), the lines no location is left for, and the units nobody has."""

    sent: dict[int, Units]
    stranded: list[int]
    waiting: Units


def route(needs: Mapping[int, Need], shelves: Shelves, split: Split = "lines", begun: Iterable[int] = ()) -> Routes:
    """Route the open lines of one order. `begun`: locations that ship of it already; who never splits stays with them."""
    stranded = [line for line, need in needs.items() if not need.sources]
    served = {line: need for line, need in needs.items() if need.sources}
    if split == "never":
        return _from_one(served, shelves, set(begun), stranded)
    left, sent, waiting = shelves.copy(), _whole(served, shelves), {}
    for line, location in sent.items():
        left.give(needs[line].parts, location, needs[line].units)
    shares = {line: {location: needs[line].units} for line, location in sent.items()}
    for line, need in served.items():
        if line not in sent:
            used = {location for share in shares.values() for location in share}
            shares[line], lacking = _short(need, left, used if split == "units" else None)
            if lacking:
                waiting[line] = lacking
    return Routes(_by_location(needs, shares), stranded, waiting)


def _by_location(needs: Iterable[int], shares: Mapping[int, Mapping[int, int]]) -> dict[int, Units]:
    sent: dict[int, Units] = {}
    for line in needs:
        for location, units in shares.get(line, {}).items():
            sent.setdefault(location, {})[line] = units
    return sent


def _liking(shelves: Shelves, need: Need) -> Callable[[Source], tuple[Any, ...]]:
    """What comes first among sources that serve a line; of equal ones the first of the list does."""
    return lambda s: (s.rank, s.day, -(shelves.room(need.parts, s.location) or 0))


def _smallest(things: Sequence[Thing], score: Callable[[tuple[Thing, ...]], Any]) -> tuple[Thing, ...] | None:
    """The best among the smallest combinations that have a score at all; None: there is none, or too many would have to be tried."""
    tries = 0
    for size in range(len(things) + 1):
        found: list[tuple[Any, tuple[Thing, ...]]] = []
        for combination in combinations(things, size):
            tries += 1
            if tries > TRIES:
                return None
            if (mark := score(combination)) is not None:
                found.append((mark, combination))
        if found:
            return min(found, key=lambda f: f[0])[1]
    return None


# ---- whole lines ------------------------------------------------------------------------------------------------------------
def _whole(needs: Mapping[int, Need], shelves: Shelves) -> Units:
    """Line → the one location it goes to, of the lines somebody can serve whole; from as few locations as possible."""
    able = {line: options for line, need in needs.items() if (options := _options(need, shelves))}
    if len(able) < 2 or not shelves.free:
        return {line: min(options, key=_liking(shelves, needs[line])).location for line, options in able.items()}
    places = [{s.location for s in options} for options in able.values()]
    forced = {options[0].location for options in able.values() if len(options) == 1}
    others = list(dict.fromkeys(s.location for options in able.values() for s in options if s.location not in forced))

    def score(chosen: tuple[int, ...]) -> Any:
        if any(served.isdisjoint(chosen) and served.isdisjoint(forced) for served in places):
            return None
        way = _spread(needs, able, shelves, forced.union(chosen))
        return way.mark if len(way.sent) == len(able) else None

    chosen = _smallest(others, score)
    return _spread(needs, able, shelves, forced.union(others if chosen is None else chosen)).sent


def _options(need: Need, shelves: Shelves) -> list[Source]:
    """Who may serve a line: the first that can, and whoever is known to."""
    able = [s for s in need.sources if shelves.serves(need, s.location)]
    first = min(able, key=_liking(shelves, need), default=None)
    return [s for s in able if s == first or shelves.room(need.parts, s.location) is not None]


class _Way(NamedTuple):
    sent: Units
    mark: tuple[Any, ...]  # lower is better


def _spread(
    needs: Mapping[int, Need], able: Mapping[int, Sequence[Source]], shelves: Shelves, chosen: set[int]
) -> _Way:
    """The lines over these locations, those with the least choice first; lines that are not served whole are left out."""
    left, sent, ranks, room, day = shelves.copy(), {}, 0, 0, date.min
    for line in sorted(able, key=lambda x: (len(able[x]), -needs[x].units)):
        need = needs[line]
        options = [s for s in able[line] if s.location in chosen and left.serves(need, s.location)]
        if options:
            best = min(options, key=_liking(left, need))
            ranks, room, day = ranks + best.rank, room + (left.room(need.parts, best.location) or 0), max(day, best.day)
            left.give(need.parts, best.location, need.units)
            sent[line] = best.location
    return _Way(sent, (ranks, day, -room))


# ---- lines nobody can serve whole -------------------------------------------------------------------------------------------
def _short(need: Need, left: Shelves, used: set[int] | None) -> tuple[Units, int]:
    """(location → units, units nobody has) of a line; in parts where units may be split (`used`: who ships of the order anyhow)."""
    share = {} if used is None else _divided(need, left, used)
    lacking = need.units - sum(share.values())
    if lacking and need.anyway:
        first = min(need.sources, key=lambda s: (s.rank, s.day)).location
        share[first] = share.get(first, 0) + lacking
        lacking = 0
    for location, units in share.items():
        left.give(need.parts, location, units)
    return share, lacking


def _divided(need: Need, left: Shelves, used: set[int]) -> Units:
    """The units of one line over as few locations as hold enough of it; over all that hold any, where they are too few."""
    rooms = {s: room for s in need.sources if (room := left.room(need.parts, s.location))}

    def score(chosen: tuple[Source, ...]) -> Any:
        room = sum(rooms[s] for s in chosen)
        more = sum(s.location not in used for s in chosen)
        return None if room < need.units else (more, sum(s.rank for s in chosen), max(s.day for s in chosen), -room)

    share: Units = {}
    for s in sorted(_smallest(list(rooms), score) or rooms, key=_liking(left, need)):
        if units := min(rooms[s], need.units - sum(share.values())):
            share[s.location] = units
    return share


# ---- all from one place -----------------------------------------------------------------------------------------------------
def _from_one(needs: Mapping[int, Need], shelves: Shelves, begun: set[int], stranded: list[int]) -> Routes:
    """All lines from the one location that has most of them; what may not be missing there keeps all of them waiting."""
    lists = [{s.location: s for s in need.sources} for need in needs.values()]
    common = [location for location in lists[0] if all(location in others for others in lists)] if lists else []
    if not common:
        return Routes({}, [*stranded, *needs], {})
    lacking = {location: _lacking(needs, shelves, location) for location in common}

    def liking(location: int) -> tuple[Any, ...]:
        late = {line: n for line, n in lacking[location].items() if not needs[line].anyway}
        sources = [others[location] for others in lists]
        room = sum(shelves.room(need.parts, location) or 0 for need in needs.values())
        day = max(s.day for s in sources)
        return sum(late.values()), sum(lacking[location].values()), sum(s.rank for s in sources), day, -room

    best = min([location for location in common if location in begun] or common, key=liking)
    waiting = {line: units for line, units in lacking[best].items() if not needs[line].anyway}
    return Routes({} if waiting else {best: {x: need.units for x, need in needs.items()}}, stranded, waiting)


def _lacking(needs: Mapping[int, Need], shelves: Shelves, location: int) -> Units:
    """Line → units that are not there."""
    left, lacking = shelves.copy(), {}
    for line, need in needs.items():
        room = left.room(need.parts, location)
        if room is not None and room < need.units:
            lacking[line] = need.units - room
        left.give(need.parts, location, need.units)
    return lacking
