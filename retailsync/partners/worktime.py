"""Working time: when an answer is due, and how long one took, by a partner's hours in its own time zone. Pure.

Minutes are elapsed ones, whatever a clock on the wall does: where it is put forward or back within the hours, the day is shorter or
longer. A time that the wall clock leaves out is the moment of the change; of a time that comes twice the day begins with the first and
ends with the second.
"""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_WEEK = frozenset(range(1, 8))
_SHORTEST = timedelta(microseconds=1)


class Hours(NamedTuple):
    """When a partner works: from `opens` to `closes` on these days of the week (1 is Monday). What is asked after `cut_off` counts from the
    next working day; None: until it closes."""

    opens: time
    closes: time
    cut_off: time | None
    days: frozenset[int]
    holidays: frozenset[date]
    zone: ZoneInfo


class Shift(NamedTuple):
    """One working day as instants."""

    day: date
    opens: datetime
    closes: datetime
    cut_off: datetime


def begins(asked_at: datetime, hours: Hours) -> datetime:
    """Since when what was asked counts: at once, or from the next opening."""
    return max(asked_at, _counted_in(asked_at, hours).opens)


def due(asked_at: datetime, minutes: int, hours: Hours) -> datetime:
    """When so many working minutes have passed."""
    first, left = _counted_in(asked_at, hours), timedelta(minutes=minutes)
    shifts = _shifts(first.day, hours)
    while True:
        shift = next(shifts)
        start = max(asked_at, shift.opens)
        if start + left <= shift.closes:
            return start + left
        left -= max(shift.closes - start, timedelta())


def worked(since: datetime, until: datetime, hours: Hours) -> timedelta:
    """The working time between two instants."""
    together = timedelta()
    for shift in _shifts(_day_before(since, hours), hours):
        if shift.opens >= until:
            break
        together += max(min(until, shift.closes) - max(since, shift.opens), timedelta())
    return together


def minutes(span: timedelta) -> int:
    """Whole minutes, of which the last may only have begun."""
    return math.ceil(span / timedelta(minutes=1))


def _counted_in(asked_at: datetime, hours: Hours) -> Shift:
    """The working day in which it begins to count."""
    return next(
        s for s in _shifts(_day_before(asked_at, hours), hours) if asked_at <= s.cut_off and asked_at < s.closes
    )


# ---- days -------------------------------------------------------------------------------------------------------------------
def _shifts(first: date, hours: Hours) -> Iterator[Shift]:
    """The working days from this date on, without end."""
    if not hours.days & _WEEK:
        raise ValueError("a partner that never works can never answer")
    for day in (first + n * _DAY for n in count()):
        if day.isoweekday() in hours.days and day not in hours.holidays:
            opens, closes = _instant(day, hours.opens, hours.zone), _instant(day, hours.closes, hours.zone, last=True)
            yield Shift(day, opens, closes, _instant(day, hours.cut_off or hours.closes, hours.zone, last=True))


def _day_before(at: datetime, hours: Hours) -> date:
    """Where to begin to look: a clock put back at midnight may lead into the day before."""
    return at.astimezone(hours.zone).date() - _DAY


def _instant(day: date, wall: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """When the wall clock shows this; of a time that comes twice the first, or the `last`."""
    local = datetime.combine(day, wall, zone)
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # left out: both are on the wrong side of the change
        return _change(second, first, zone)
    return second if last else first


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between these two at which the zone's offset changes."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SHORTEST:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
