"""Working time over weekends, holidays, cut-offs and clocks that are put forward and back; compared with counting minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailsync.partners.worktime import Hours, begins, due, minutes, worked

BERLIN, SANTIAGO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Santiago")
USUAL = Hours(time(8), time(17), None, frozenset({1, 2, 3, 4, 5}), frozenset(), BERLIN)
NIGHT = USUAL._replace(opens=time(1), closes=time(5), days=frozenset({7}))  # Sundays, over both changes of the clock


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    """An instant by a clock on the wall there."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


# ---- ordinary weeks ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("2026-05-05T09:00", "2026-05-05T11:00"),
        ("2026-05-05T15:00", "2026-05-05T17:00"),  # the last moment of the day is in time
        ("2026-05-05T16:30", "2026-05-06T09:30"),
        ("2026-05-05T06:00", "2026-05-05T10:00"),  # before it opens
        ("2026-05-05T17:00", "2026-05-06T10:00"),  # at closing time nobody is there any more
        ("2026-05-08T16:00", "2026-05-11T09:00"),  # over a weekend
        ("2026-05-09T12:00", "2026-05-11T10:00"),  # on a Saturday
    ],
)
def test_two_hours_of_work(asked: str, until: str) -> None:
    assert due(at(asked), 120, USUAL) == at(until)
    assert worked(begins(at(asked), USUAL), at(until), USUAL) == timedelta(hours=2)


def test_holidays_are_no_working_days() -> None:
    hours = USUAL._replace(holidays=frozenset({date(2026, 5, 14), date(2026, 5, 15)}))
    assert due(at("2026-05-13T16:00"), 120, hours) == at("2026-05-18T09:00")
    assert due(at("2026-05-14T10:00"), 120, hours) == at("2026-05-18T10:00")


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("2026-05-05T14:59:59", "2026-05-05T16:59:59"),
        ("2026-05-05T15:00:00", "2026-05-05T17:00"),  # at the cut-off is in time for it
        ("2026-05-05T15:00:00.000001", "2026-05-06T10:00"),
        ("2026-05-08T15:01", "2026-05-11T10:00"),
    ],
)
def test_what_is_asked_after_the_cut_off_counts_from_the_next_working_day(asked: str, until: str) -> None:
    assert due(at(asked), 120, USUAL._replace(cut_off=time(15))) == at(until)


def test_a_cut_off_before_it_opens_is_about_what_came_in_the_night() -> None:
    hours = USUAL._replace(cut_off=time(6))
    assert due(at("2026-05-05T05:59"), 60, hours) == at("2026-05-05T09:00")
    assert due(at("2026-05-05T06:01"), 60, hours) == at("2026-05-06T09:00")


def test_who_never_works_is_refused() -> None:
    with pytest.raises(ValueError, match="never works"):
        due(at("2026-05-05T09:00"), 60, USUAL._replace(days=frozenset()))


def test_the_minute_that_has_begun_is_one() -> None:
    spans = [timedelta(), timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=1, microseconds=1)]
    assert [minutes(span) for span in spans] == [0, 1, 1, 2]


# ---- clocks that are put forward and back -----------------------------------------------------------------------------------
def test_hours_that_do_not_span_the_change_are_as_long_as_ever() -> None:
    """Sunday 29 March and 25 October 2026: the night was an hour shorter and longer, working time was not."""
    for friday, monday in (("2026-03-27", "2026-03-30"), ("2026-10-23", "2026-10-26")):
        assert due(at(f"{friday}T16:00"), 120, USUAL) == at(f"{monday}T09:00")
        assert worked(at(f"{friday}T08:00"), at(f"{monday}T17:00"), USUAL) == timedelta(hours=18)


def test_a_shift_in_which_the_clock_is_put_forward_is_an_hour_shorter() -> None:
    assert due(at("2026-03-29T01:00"), 60, NIGHT) == datetime(2026, 3, 29, 1, tzinfo=UTC) == at("2026-03-29T03:00")
    assert due(at("2026-03-29T01:30"), 60, NIGHT) == at("2026-03-29T03:30")
    assert worked(at("2026-03-29T00:00"), at("2026-03-29T12:00"), NIGHT) == timedelta(hours=3)
    assert due(at("2026-03-29T01:00"), 240, NIGHT) == at("2026-04-05T02:00"), "the fourth hour is next Sunday's"


def test_a_shift_in_which_the_clock_is_put_back_is_an_hour_longer() -> None:
    assert due(at("2026-10-25T01:00"), 180, NIGHT) == datetime(2026, 10, 25, 2, tzinfo=UTC) == at("2026-10-25T03:00")
    assert worked(at("2026-10-25T00:00"), at("2026-10-25T12:00"), NIGHT) == timedelta(hours=5)


def test_a_day_that_opens_at_a_time_that_is_left_out_opens_when_the_clock_is_put_forward() -> None:
    hours = NIGHT._replace(opens=time(2, 30))
    assert due(at("2026-03-29T00:00"), 60, hours) == at("2026-03-29T04:00")


def test_a_day_that_opens_at_a_time_that_comes_twice_opens_with_the_first() -> None:
    hours = NIGHT._replace(opens=time(2, 30))
    assert due(at("2026-10-25T00:00"), 60, hours) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_a_cut_off_that_comes_twice_is_the_second() -> None:
    hours = NIGHT._replace(cut_off=time(2, 30))
    assert due(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), 60, hours) == datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    assert due(datetime(2026, 10, 25, 1, 31, tzinfo=UTC), 60, hours) == at("2026-11-01T02:00")


def test_south_of_the_equator_the_clock_goes_the_other_way_at_midnight() -> None:
    """Chile: the first Saturday of April ends twice, and the first Sunday of September begins at one o'clock."""
    late = NIGHT._replace(opens=time(22), closes=time(23, 59), days=frozenset({6}), zone=SANTIAGO)
    assert worked(at("2026-04-04T20:00", SANTIAGO), at("2026-04-05T12:00", SANTIAGO), late) == timedelta(minutes=179)
    early = NIGHT._replace(opens=time(0, 15), closes=time(6), zone=SANTIAGO)
    assert due(at("2026-09-05T23:30", SANTIAGO), 60, early) == at("2026-09-06T02:00", SANTIAGO)
    usual = USUAL._replace(zone=SANTIAGO)
    assert due(at("2026-04-03T16:00", SANTIAGO), 120, usual) == at("2026-04-06T09:00", SANTIAGO)


# ---- minute by minute -------------------------------------------------------------------------------------------------------
ZONES = ("Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "America/New_York", "Asia/Kolkata", "UTC")
CHANGES = [
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 9, 6),
    date(2026, 10, 4),
    date(2026, 10, 25),
]
MINUTE = timedelta(minutes=1)
WEEKS = 4 * 7 * 24 * 60  # minutes the naive way looks at


@cache
def wall(zone: str, around: date) -> list[datetime]:
    """Every minute of four weeks around a day, as the wall clock shows it."""
    first = datetime.combine(around, time(), UTC) - timedelta(days=7)
    return [(first + n * MINUTE).astimezone(ZoneInfo(zone)) for n in range(WEEKS)]


def at_work(hours: Hours, around: date) -> tuple[list[bool], dict[int, date], dict[date, int]]:
    """The naive way: look at the wall clock each minute. A day lasts from the first minute at or after opening to the last before
    closing. Also the day of each minute, and the last minute of each day that is not after the cut-off."""
    clock = wall(hours.zone.key, around)
    first: dict[date, int] = {}
    last: dict[date, int] = {}
    cut: dict[date, int] = {}
    for n, shown in enumerate(clock):
        day = shown.date()
        if day.isoweekday() not in hours.days or day in hours.holidays:
            continue
        if shown.time() >= hours.opens:
            first.setdefault(day, n)
        if shown.time() < hours.closes:
            last[day] = n
        if shown.time() <= (hours.cut_off or hours.closes):
            cut[day] = n
    working, days = [False] * WEEKS, {}
    for day, start in first.items():
        for n in range(start, last.get(day, start - 1) + 1):
            working[n], days[n] = True, day
    return working, days, cut


def counted(asked: int, wanted: int, hours: Hours, around: date) -> int:
    """The minute by whose end so many were worked, one by one."""
    working, days, cut = at_work(hours, around)
    n, began, left = asked, False, wanted
    while left:
        if working[n] and (began or asked <= cut[days[n]]):
            began, left = True, left - 1
        n += 1
    return n


def hours_of(zone: str) -> st.SearchStrategy[Hours]:
    quarter = st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))
    pairs = st.tuples(quarter, quarter).filter(lambda pair: pair[0] < pair[1])
    holidays = st.frozensets(
        st.sampled_from([day + timedelta(days=n) for day in CHANGES for n in (-1, 0, 1)]), max_size=3
    )
    days = st.frozensets(st.integers(1, 7), min_size=4)
    cut_off = st.none() | quarter
    return st.builds(
        lambda pair, cut, days, free: Hours(pair[0], pair[1], cut, days, free, ZoneInfo(zone)),
        pairs, cut_off, days, holidays,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_is_what_counting_minute_by_minute_gives(data: st.DataObject) -> None:
    hours = data.draw(st.sampled_from(ZONES).flatmap(hours_of))
    around = data.draw(st.sampled_from(CHANGES))
    asked = data.draw(st.integers(5 * 24 * 60, 9 * 24 * 60))
    first = wall(hours.zone.key, around)[0].astimezone(UTC)
    wanted = data.draw(st.integers(1, 200))
    working, _, _ = at_work(hours, around)
    when = first + asked * MINUTE
    try:
        naive = counted(asked, wanted, hours, around)
    except IndexError:  # beyond the four weeks
        return
    assert due(when, wanted, hours) == first + naive * MINUTE
    until = data.draw(st.integers(asked, 16 * 24 * 60))
    assert worked(when, first + until * MINUTE, hours) == sum(working[asked:until]) * MINUTE
    assert worked(begins(when, hours), due(when, wanted, hours), hours) == wanted * MINUTE
