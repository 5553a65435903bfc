"""How soon a partner answers what it is asked: one reckoning for the partner, the staff and whoever else asks."""

from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from canonical import sql
from canonical.models import System
from retailsync.partners import asks


class Numbers(NamedTuple):
    """What was asked in some time, and what became of it. What is open is in time until it is overdue."""

    asked: int
    in_time: int
    late: int
    open: int
    overdue: int
    median_minutes: int | None
    p95_minutes: int | None

    @property
    def breaches(self) -> int:
        """What was answered late, or is overdue."""
        return self.late + self.overdue


class Breach(NamedTuple):
    """One thing that was not answered in time. `asked`: request, or the kind of change."""

    id: int
    order_id: int
    reference: str
    asked: str
    change: int | None
    asked_at: datetime
    due_at: datetime
    answered_at: datetime | None
    minutes_late: int


class Day(NamedTuple):
    """What was asked on one day of the partner's, and how much of it was not answered in time."""

    day: date
    asked: int
    breaches: int


_NUMBERS = """SELECT count(*), count(*) FILTER (WHERE late = 0), count(*) FILTER (WHERE late > 0),
    count(*) FILTER (WHERE answered_at IS NULL AND due_at >= %(now)s), count(*) FILTER (WHERE answered_at IS NULL AND due_at < %(now)s),
    percentile_disc(0.5) WITHIN GROUP (ORDER BY minutes), percentile_disc(0.95) WITHIN GROUP (ORDER BY minutes)
  FROM partners_ask WHERE system_id = %(system)s AND asked_at >= %(since)s AND asked_at < %(until)s"""


def numbers(system_id: int, since: datetime, until: datetime, now: datetime) -> Numbers:
    """What this partner was asked since one instant and before another."""
    (row,) = sql.fetch(_NUMBERS, {"system": system_id, "since": since, "until": until, "now": now})
    return Numbers(*row)


_BREACHES = """SELECT a.id, f.order_id, f.reference, coalesce(c.kind, 'request'), c.number, a.asked_at, a.due_at, a.answered_at, a.late
  FROM partners_ask a JOIN canonical_fulfilmentrequest f ON f.id = a.request_id LEFT JOIN canonical_requestchange c ON c.id = a.change_id
  WHERE a.system_id = %(system)s AND (a.answered_at IS NULL OR a.late > 0) AND (a.late > 0 OR a.due_at < %(now)s)
    AND a.asked_at >= %(since)s AND a.asked_at < %(until)s AND {beyond} ORDER BY a.id {order} LIMIT %(limit)s"""
_OLDEST_FIRST = _BREACHES.format(beyond="a.id > %(from)s", order="")
_NEWEST_FIRST = _BREACHES.format(beyond="(%(from)s = 0 OR a.id < %(from)s)", order="DESC")


def breaches(
    system: System, since: datetime, until: datetime, now: datetime, start: int, limit: int, *, newest: bool = False
) -> list[Breach]:
    """What it did not answer in time, from behind `start` on; of what is still open, how late it is by now."""
    given = {"system": system.pk, "since": since, "until": until, "now": now, "from": start, "limit": limit}
    hours = asks.hours_of(system)
    return [
        Breach(*row, late if late is not None else asks.minutes_late(row[6], now, hours))
        for *row, late in sql.fetch(_NEWEST_FIRST if newest else _OLDEST_FIRST, given)
    ]


_DAYS = """SELECT (asked_at AT TIME ZONE %(zone)s)::date, count(*), count(*) FILTER (WHERE late > 0 OR (late IS NULL AND due_at < %(now)s))
  FROM partners_ask WHERE system_id = %(system)s AND asked_at >= %(since)s AND asked_at < %(until)s GROUP BY 1 ORDER BY 1"""


def days(system: System, since: datetime, until: datetime, now: datetime) -> list[Day]:
    """The same day by day, by the partner's calendar; days on which nothing was asked are left out."""
    zone = ZoneInfo(system.timezone or "UTC").key
    given = {"system": system.pk, "since": since, "until": until, "now": now, "zone": zone}
    return [Day(*row) for row in sql.fetch(_DAYS, given)]


def terms(system: System) -> dict[str, Any]:
    """What the numbers are reckoned by."""
    agreed = asks.terms_of(system)
    return {
        "timezone": system.timezone, "answer_within": agreed.answer_within, "opens_at": f"{agreed.opens_at:%H:%M}",
        "closes_at": f"{agreed.closes_at:%H:%M}", "cut_off": f"{agreed.cut_off:%H:%M}" if agreed.cut_off else None,
        "working_days": sorted(set(map(int, agreed.working_days))), "holidays": sorted(agreed.holidays),
    }  # fmt: skip
