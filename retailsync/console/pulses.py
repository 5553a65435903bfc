"""The tallies as the first page needs them: the last hour, a day, a week. Whole buckets only, so that a number does not change while
somebody looks at its rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from canonical import sql
from retailsync.sync import pulse, workflows

STILL = timedelta(minutes=3)  # tallies are reckoned each minute; later than this they stand still


class Span(NamedTuple):
    """What a plot covers, in stretches of `step`; a line of the table tells of `lines` stretches."""

    title: str
    whole: timedelta
    step: timedelta
    lines: int


SPANS = {
    "24h": Span("24 hours", timedelta(days=1), timedelta(minutes=15), 8),
    "7d": Span("7 days", timedelta(days=7), timedelta(hours=2), 12),
}

_HOUR = """SELECT workflow, system_id, sum(handled), sum(in_time), max(p95), sum(exchanges), sum(failed)
  FROM sync_pulse WHERE bucket >= %s AND bucket < %s GROUP BY 1, 2"""
_SPAN = """SELECT floor(extract(epoch FROM bucket - %(since)s) / %(step)s)::int, workflow, sum(handled), max(p95), sum(parked),
    sum(exchanges), sum(failed)
  FROM sync_pulse WHERE bucket >= %(since)s AND bucket < %(until)s GROUP BY 1, 2"""


class Hour(NamedTuple):
    """What one workflow did with one system in the last hour. `p95` is that of the slowest five minutes."""

    workflow: str
    system_id: int
    handled: int
    in_time: int
    p95: float | None
    exchanges: int
    failed: int


class Window(NamedTuple):
    """From when until when, as query parameters of lists know it."""

    since: datetime
    until: datetime

    def of(self, field: str) -> dict[str, str]:
        """This time, as a list's filter by a field."""
        return {f"{field}__gte": self.since.isoformat(), f"{field}__lt": self.until.isoformat()}


@dataclass
class Column:
    """One stretch of one workflow."""

    handled: int = 0
    p95: float | None = None
    parked: int = 0
    exchanges: int = 0
    failed: int = 0


@dataclass
class Series:
    """One workflow (or all exchanges) over the span."""

    columns: list[Column] = field(default_factory=list)

    def total(self, name: str) -> int:
        """All of it."""
        return sum(getattr(column, name) for column in self.columns)


def standing_still(now: datetime) -> dict[str, datetime | None] | None:
    """Since when the tallies stand still (None: for ever); nothing where they do not."""
    at = pulse.reckoned()
    return {"since": at} if at is None or now - at > STILL else None


def last_hour(now: datetime) -> tuple[Window, list[Hour]]:
    """The last twelve whole buckets."""
    until = pulse.floor(now)
    window = Window(until - timedelta(hours=1), until)
    return window, [Hour(*row) for row in sql.fetch(_HOUR, window)]


def over(span: Span, now: datetime) -> tuple[Window, dict[str, Series]]:
    """Workflow → its columns, from the oldest; "" are the exchanges of all."""
    until = pulse.floor(now)
    window = Window(until - span.whole, until)
    count = int(span.whole / span.step)
    found = {name: Series([Column() for _ in range(count)]) for name in ("", *workflows.WORKFLOWS)}
    given = {"since": window.since, "until": until, "step": span.step.total_seconds()}
    for at, workflow, handled, p95, parked, exchanges, failed in sql.fetch(_SPAN, given):
        if workflow in found:
            column = found[workflow].columns[at]
            column.handled, column.p95, column.parked = handled, p95, parked
        found[""].columns[at].exchanges += exchanges
        found[""].columns[at].failed += failed
    return window, found


def lines(window: Window, series: Series, span: Span) -> Iterator[tuple[Window, Column]]:
    """The same in fewer, longer stretches, the newest first: the lines of a table."""
    for first in reversed(range(0, len(series.columns), span.lines)):
        some = series.columns[first : first + span.lines]
        since = window.since + first * span.step
        yield Window(since, since + len(some) * span.step), _together(some)


def _together(some: list[Column]) -> Column:
    longest = max((c.p95 for c in some if c.p95 is not None), default=None)
    total = Series(some).total
    return Column(total("handled"), longest, total("parked"), total("exchanges"), total("failed"))
