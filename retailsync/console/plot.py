"""A small step plot as numbers for inline SVG: no library, no script. Each stretch of it leads to that moment."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from canonical.explaining import Curves, Point

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 170, 44, 8, 10, 22
COLUMNS = 96  # stretches that can be clicked


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class Column(NamedTuple):
    """One stretch that can be clicked: the moment at its end, and the figures then in words."""

    x: float
    width: float
    at: str
    words: str


class Plot(NamedTuple):
    """Everything the template draws. Lines are the points of polylines, one for each time a figure was known without a gap."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    sellable: list[str]
    shown: list[str]
    columns: list[Column]
    across: list[Tick]
    up: list[Tick]
    words: str


def plot(curves: Curves, where: tzinfo) -> Plot | None:
    """None where nothing was known in that time."""
    known = [p.units for p in (*curves.sellable, *curves.shown) if p.units is not None]
    if not known:
        return None
    low, high = min(0, *known), max(1, *known)
    span = (curves.until - curves.since).total_seconds()

    def x(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - curves.since).total_seconds() / span, 1)

    def y(units: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - units) / (high - low), 1)

    def lines(points: Sequence[Point]) -> list[str]:
        found: list[list[tuple[float, float]]] = []
        ends = [*[p.at for p in points[1:]], curves.until]
        for point, end in zip(points, ends, strict=True):
            if point.units is None:
                found.append([])
                continue
            if not found:
                found.append([])
            found[-1] += [(x(point.at), y(point.units)), (x(end), y(point.units))]
        return [" ".join(f"{a},{b}" for a, b in line) for line in found if line]

    return Plot(
        WIDTH, HEIGHT, LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM, lines(curves.sellable), lines(curves.shown), _columns(curves, where),
        _hours(curves, where, x), [Tick(y(units), f"{units:,}") for units in sorted({low, 0, high})], _words(curves),
    )  # fmt: skip


def _columns(curves: Curves, where: tzinfo) -> list[Column]:
    step, width = (curves.until - curves.since) / COLUMNS, (WIDTH - LEFT - RIGHT) / COLUMNS
    moments = [curves.since + step * (n + 1) for n in range(COLUMNS)]
    return [
        Column(
            round(LEFT + n * width, 1), round(width, 2), at.isoformat(timespec="seconds"), _moment(curves, at, where)
        )
        for n, at in enumerate(moments)
    ]


def _moment(curves: Curves, at: datetime, where: tzinfo) -> str:
    sold, shown = (
        "not known" if units is None else f"{units:,}"
        for units in (_then(curves.sellable, at), _then(curves.shown, at))
    )
    return f"{at.astimezone(where):%a %d %b, %H:%M}: sellable {sold}, shown {shown}"


def _then(points: Sequence[Point], at: datetime) -> int | None:
    return next((p.units for p in reversed(points) if p.at <= at), None)


def _hours(curves: Curves, where: tzinfo, x: Callable[[datetime], float]) -> list[Tick]:
    """Whole hours of a day, whole days of a week, in the reader's zone."""
    week = curves.until - curves.since > timedelta(days=2)
    step = timedelta(days=1) if week else timedelta(hours=4)
    first = curves.since.astimezone(where).replace(minute=0, second=0, microsecond=0)
    first = first.replace(hour=0) + step if week else first.replace(hour=first.hour // 4 * 4) + step
    found = []
    while first < curves.until - (curves.until - curves.since) / 24:  # no room for its words beyond
        found.append(Tick(x(first), f"{first:%a %d %b}" if week else f"{first:%H:%M}"))
        first += step
    return found


def _words(curves: Curves) -> str:
    """What the lines say, for who does not see them."""
    parts = [_range("could be sold", curves.sellable), _range("were shown in the shop", curves.shown)]
    more = sum((end - start for start, end in _too_many(curves)), timedelta())
    said = "; ".join(part for part in parts if part)
    return f"{said}. The shop showed more than could be sold for {_minutes(more)}." if more else f"{said}."


def _range(what: str, points: Sequence[Point]) -> str:
    known = [p.units for p in points if p.units is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return f"{low:,} {what} throughout" if low == high else f"between {low:,} and {high:,} {what}"


def _too_many(curves: Curves) -> list[tuple[datetime, datetime]]:
    """When the shop showed more than could be sold."""
    moments = sorted({p.at for p in (*curves.sellable, *curves.shown)} | {curves.until})
    pairs = pairwise(moments)
    return [
        (a, b)
        for a, b in pairs
        if (_then(curves.shown, a) or 0) > (_then(curves.sellable, a) or 0) >= 0 and _known(curves, a)
    ]


def _known(curves: Curves, at: datetime) -> bool:
    return _then(curves.shown, at) is not None and _then(curves.sellable, at) is not None


def _minutes(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
