"""Where units go, as a table: lists and what is free in, parcels out. Locations are 1, 2, 3 …, SKUs too; lines are named by letters."""

from collections import Counter
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.rules import routing
from canonical.rules.routing import Calendar, Need, Routes, Shelves, Source, leaves, route

Parcels = dict[int, dict[str, int]]


def need(units: int, *at: int | Source, of: int | dict[int, int] = 1, anyway: bool = False) -> Any:
    """Open units of a line, and where they may come from, nearest first."""
    sources = tuple(s if isinstance(s, Source) else Source(s, rank) for rank, s in enumerate(at, 1))
    return Need(units, sources, of if isinstance(of, dict) else {of: 1}, anyway)


def shelves(**free: int) -> Shelves:
    """What is free: `at1_2=5` are five of SKU 2 at location 1."""
    return Shelves({(int(key[4:]), int(key[2])): n for key, n in free.items()})


def told(routes: Routes) -> tuple[Parcels, list[str], dict[str, int]]:
    return routes.sent, routes.stranded, routes.waiting  # type: ignore[return-value]


def routed(needs: dict[str, Need], free: dict[str, int], **how: Any) -> tuple[Parcels, list[str], dict[str, int]]:
    return told(route(needs, shelves(**free), **how))  # type: ignore[arg-type]


# ---- nobody counts ----------------------------------------------------------------------------------------------------------
def test_without_figures_units_go_to_the_first_location_of_their_list() -> None:
    needs = {"a": need(2, 1, 2), "b": need(1, 2), "c": need(5)}
    assert routed(needs, {}) == ({1: {"a": 2}, 2: {"b": 1}}, ["c"], {})
    assert routed({"a": need(2, 2), "b": need(1, 2), "c": need(5)}, {}) == ({2: {"a": 2, "b": 1}}, ["c"], {})
    assert routed({}, {}) == ({}, [], {})


def test_nothing_is_drawn_to_a_location_nobody_counted_to_save_a_parcel() -> None:
    needs = {"a": need(1, 1, 2), "b": need(1, 2, 1, of=2)}
    assert routed(needs, {}) == ({1: {"a": 1}, 2: {"b": 1}}, [], {})
    assert routed(needs, {"at1_2": 9}) == ({1: {"a": 1, "b": 1}}, [], {})


def test_as_many_lists_as_there_are_lines_are_no_trouble() -> None:
    needs = {str(n): need(1, n, n + 1, of=n) for n in range(1, 40)}
    assert routed(needs, {})[0] == {n: {str(n): 1} for n in range(1, 40)}


# ---- one line ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("free", "goes_to"),
    [
        ({"at1_1": 3, "at2_1": 9}, 1),  # the nearest has it
        ({"at1_1": 2, "at2_1": 9}, 2),  # only the second has it
        ({"at1_1": -4, "at2_1": 3}, 2),  # less than nothing
        ({"at1_1": 0}, 2),  # nobody counted the second: it may have it
        ({"at2_1": 9}, 1),  # nobody counted the first: it comes first
        ({"at1_1": 0, "at2_1": 0, "at3_1": 3}, 3),
    ],
)
def test_a_line_goes_to_the_first_of_its_list_that_can_serve_it(free: dict[str, int], goes_to: int) -> None:
    assert routed({"a": need(3, 1, 2, 3)}, free) == ({goes_to: {"a": 3}}, [], {})


@pytest.mark.parametrize(
    ("split", "anyway", "expected"),
    [
        ("lines", False, ({}, [], {"a": 5})),
        ("lines", True, ({1: {"a": 5}}, [], {})),
        ("never", False, ({}, [], {"a": 3})),  # two lie where most of it does
        ("never", True, ({2: {"a": 5}}, [], {})),
        ("units", False, ({1: {"a": 1}, 2: {"a": 2}}, [], {"a": 2})),
        ("units", True, ({1: {"a": 3}, 2: {"a": 2}}, [], {})),
    ],
)
def test_units_nobody_has_wait_or_go_all_the_same(split: str, anyway: bool, expected: Any) -> None:
    assert routed({"a": need(5, 1, 2, anyway=anyway)}, {"at1_1": 1, "at2_1": 2}, split=split) == expected


# ---- several lines ----------------------------------------------------------------------------------------------------------
BOTH = {"a": need(1, 1, 2, of=1), "b": need(1, 1, 2, of=2)}


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"at1_1": 1, "at1_2": 1, "at2_1": 1, "at2_2": 1}, ({1: {"a": 1, "b": 1}}, [], {})),
        (
            {"at1_1": 1, "at1_2": 0, "at2_1": 1, "at2_2": 1},
            ({2: {"a": 1, "b": 1}}, [], {}),
        ),  # one parcel before the list
        ({"at1_1": 1, "at1_2": 0, "at2_1": 0, "at2_2": 1}, ({1: {"a": 1}, 2: {"b": 1}}, [], {})),  # split by line
        ({"at1_1": 1, "at1_2": 0, "at2_1": 0, "at2_2": 0}, ({1: {"a": 1}}, [], {"b": 1})),
    ],
)
def test_few_parcels_come_before_the_list(free: dict[str, int], expected: Any) -> None:
    assert routed(BOTH, free) == expected


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"at1_1": 1, "at1_2": 0, "at2_1": 1, "at2_2": 1}, ({2: {"a": 1, "b": 1}}, [], {})),
        ({"at1_1": 1, "at1_2": 0, "at2_1": 0, "at2_2": 1}, ({}, [], {"b": 1})),
        ({"at1_1": 0, "at1_2": 0, "at2_1": 0, "at2_2": 1}, ({}, [], {"a": 1})),  # most of it lies at 2
        ({}, ({1: {"a": 1, "b": 1}}, [], {})),
    ],
)
def test_who_never_splits_ships_all_from_one_location_or_waits(free: dict[str, int], expected: Any) -> None:
    assert routed(BOTH, free, split="never") == expected


def test_who_never_splits_stays_where_the_order_began() -> None:
    free = {"at1_1": 1, "at1_2": 1, "at2_1": 1, "at2_2": 1}
    assert routed(BOTH, free, split="never", begun=[2])[0] == {2: {"a": 1, "b": 1}}
    assert routed(BOTH, free, split="never", begun=[7])[0] == {1: {"a": 1, "b": 1}}


def test_who_never_splits_needs_a_location_all_lists_have() -> None:
    assert routed({"a": need(1, 1), "b": need(1, 2)}, {}, split="never") == ({}, ["a", "b"], {})
    assert routed({"a": need(1, 1, 2), "b": need(1, 2)}, {}, split="never") == ({2: {"a": 1, "b": 1}}, [], {})


def test_two_parcels_are_found_where_taking_the_fullest_first_needs_three() -> None:
    needs = {x: need(1, 1, 2, 3, of=n) for n, x in enumerate("abcd", 1)}
    free = {"at1_2": 1, "at1_3": 1, "at2_1": 1, "at2_2": 1, "at3_3": 1, "at3_4": 1}
    free |= {f"at{at}_{of}": 0 for at in (1, 2, 3) for of in (1, 2, 3, 4) if f"at{at}_{of}" not in free}
    assert routed(needs, free)[0] == {2: {"a": 1, "b": 1}, 3: {"c": 1, "d": 1}}


def test_two_lines_of_one_sku_share_what_is_there() -> None:
    needs = {"a": need(3, 1, 2), "b": need(5, 1, 2)}
    assert routed(needs, {"at1_1": 5, "at2_1": 3}) == ({2: {"a": 3}, 1: {"b": 5}}, [], {})
    assert routed(needs, {"at1_1": 5, "at2_1": 2}) == ({1: {"b": 5}}, [], {"a": 3})
    assert routed(needs, {"at1_1": 6, "at2_1": 2}, split="never") == ({}, [], {"b": 2})


def test_what_waits_keeps_nothing_from_the_others() -> None:
    needs = {"a": need(9, 1, 2, of=1), "b": need(1, 1, 2, of=2)}
    assert routed(needs, {"at1_1": 1, "at2_1": 2, "at1_2": 0, "at2_2": 5}) == ({2: {"b": 1}}, [], {"a": 9})


# ---- units of one line ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"at1_1": 2, "at2_1": 2, "at3_1": 5}, {3: {"a": 5}}),  # whole before split
        ({"at1_1": 3, "at2_1": 2, "at3_1": 4}, {1: {"a": 3}, 2: {"a": 2}}),  # nearest of those that suffice
        ({"at1_1": 1, "at2_1": 2, "at3_1": 4}, {1: {"a": 1}, 3: {"a": 4}}),
        ({"at1_1": 1, "at2_1": 1, "at3_1": 3}, {1: {"a": 1}, 2: {"a": 1}, 3: {"a": 3}}),
    ],
)
def test_units_of_one_line_come_from_as_few_locations_as_hold_enough(free: dict[str, int], expected: Parcels) -> None:
    assert routed({"a": need(5, 1, 2, 3)}, free, split="units") == (expected, [], {})


def test_units_are_split_over_who_ships_of_the_order_anyhow() -> None:
    needs = {"a": need(2, 1, 2, 3, of=1), "b": need(1, 3, of=2)}
    free = {"at1_1": 1, "at2_1": 1, "at3_1": 1, "at3_2": 1}
    assert routed(needs, free, split="units")[0] == {1: {"a": 1}, 3: {"a": 1, "b": 1}}


# ---- kits -------------------------------------------------------------------------------------------------------------------
KIT = {1: 2, 2: 1}  # two glasses and a bottle


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"at1_1": 6, "at1_2": 3, "at2_1": 9, "at2_2": 9}, ({1: {"a": 3}}, [], {})),
        ({"at1_1": 5, "at1_2": 9, "at2_1": 6, "at2_2": 3}, ({2: {"a": 3}}, [], {})),  # five glasses make two
        ({"at1_1": 9, "at1_2": 0, "at2_1": 0, "at2_2": 9}, ({}, [], {"a": 3})),  # its parts lie apart
        ({"at1_1": 9, "at1_2": 2}, ({2: {"a": 3}}, [], {})),
        ({"at1_1": 6, "at2_1": 0}, ({1: {"a": 3}}, [], {})),  # nobody counts bottles
    ],
)
def test_a_kit_comes_from_where_all_its_parts_are(free: dict[str, int], expected: Any) -> None:
    assert routed({"a": need(3, 1, 2, of=KIT)}, free) == expected


def test_kits_are_split_by_kits() -> None:
    free = {"at1_1": 5, "at1_2": 9, "at2_1": 9, "at2_2": 1}
    assert routed({"a": need(3, 1, 2, of=KIT)}, free, split="units") == ({1: {"a": 2}, 2: {"a": 1}}, [], {})


# ---- equals -----------------------------------------------------------------------------------------------------------------
FRIDAY, MONDAY = date(2026, 11, 27), date(2026, 11, 30)


@pytest.mark.parametrize(
    ("first", "second", "free", "goes_to"),
    [
        (Source(1, 1, MONDAY), Source(2, 2, FRIDAY), {"at1_1": 1, "at2_1": 1}, 1),  # the list is the staff's word
        (Source(1, 1, MONDAY), Source(2, 1, FRIDAY), {"at1_1": 1, "at2_1": 1}, 2),
        (Source(1, 1, MONDAY), Source(2, 1, FRIDAY), {}, 2),
        (Source(1, 1, FRIDAY), Source(2, 1, FRIDAY), {"at1_1": 3, "at2_1": 4}, 2),  # more is left there
        (Source(1, 1, FRIDAY), Source(2, 1, MONDAY), {"at1_1": 3, "at2_1": 4}, 1),
        (Source(1, 1, FRIDAY), Source(2, 1, FRIDAY), {"at1_1": 4, "at2_1": 4}, 1),
        (Source(1, 1, FRIDAY), Source(2, 1, FRIDAY), {}, 1),
    ],
)
@pytest.mark.parametrize("split", ["lines", "never"])
def test_among_equals_the_earlier_day_then_more_stock_then_the_list(
    first: Source, second: Source, free: dict[str, int], goes_to: int, split: str
) -> None:
    assert routed({"a": need(1, first, second)}, free, split=split)[0] == {goes_to: {"a": 1}}


def test_where_too_many_ways_would_have_to_be_compared_each_line_goes_by_its_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routing, "TRIES", 1)
    free = {"at1_1": 1, "at1_2": 0, "at2_1": 1, "at2_2": 1, "at3_1": 1, "at3_2": 1}
    needs = {"a": need(1, 1, 2, 3, of=1), "b": need(1, 1, 3, 2, of=2)}
    assert routed(needs, free)[0] == {1: {"a": 1}, 3: {"b": 1}}


def test_what_one_order_was_given_the_next_does_not_get() -> None:
    free = shelves(at1_1=5, at2_1=5)
    for expected in (1, 2, 2):
        (location,) = route({1: need(2 if expected == 2 else 4, 1, 2)}, free).sent
        free.give({1: 1}, location, 2 if expected == 2 else 4)
        assert location == expected
    assert free.given == Counter({(1, 1): 4, (1, 2): 4})


PLACES = (1, 2, 3)
NEEDS = st.lists(
    st.builds(
        lambda units, at, of: need(units, *at, of=of),
        st.integers(1, 4),
        st.permutations(PLACES).flatmap(lambda order: st.integers(0, 3).map(lambda n: order[:n])),
        st.dictionaries(st.sampled_from([1, 2]), st.integers(1, 2), min_size=1),
    ),
    max_size=4,
)
FREE = st.dictionaries(st.tuples(st.sampled_from([1, 2]), st.sampled_from(PLACES)), st.integers(-1, 9))


@given(NEEDS, FREE, st.sampled_from(["never", "lines", "units"]))
def test_whatever_lies_where_no_unit_is_lost_doubled_or_taken_from_an_empty_shelf(
    needs: Any, free: Any, split: Any
) -> None:
    asked = dict(enumerate(needs))
    sent, stranded, waiting = route(asked, Shelves(free), split)
    for line, want in asked.items():
        shares = {at: units[line] for at, units in sent.items() if line in units}
        assert set(shares) <= {s.location for s in want.sources}
        assert len(shares) < 2 or split == "units"
        if line in stranded:
            assert not shares
            assert not want.sources or split == "never"
        elif split != "never" or sent:
            assert sum(shares.values()) + waiting.get(line, 0) == want.units
    assert split != "never" or len(sent) + bool(waiting) <= 1
    taken: Counter[Any] = Counter()
    for at, units in sent.items():
        for line, n in units.items():
            taken.update({(sku, at): n * per for sku, per in asked[line].parts.items()})
    assert all(n <= max(0, free[key]) for key, n in taken.items() if key in free)
    assert len(sent) <= 1 or split == "never" or waiting or not _one_has_all(asked, free)


def _one_has_all(asked: Any, free: Any) -> bool:
    """Whether one location is known to have all that is asked for."""
    total: Counter[int] = Counter()
    for want in asked.values():
        total.update({sku: per * want.units for sku, per in want.parts.items()})
    common = [at for at in PLACES if all(at in [s.location for s in want.sources] for want in asked.values())]
    return any(all(free.get((sku, at), -1) >= n for sku, n in total.items()) for at in common)


# ---- when goods leave -------------------------------------------------------------------------------------------------------
AMSTERDAM, NEW_YORK = ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/New_York")
ALL_DAYS = "1234567"


@pytest.mark.parametrize(
    ("now", "calendar", "expected"),
    [
        ("2026-11-27 14:59", Calendar(UTC, cut_off=time(15)), "2026-11-27"),
        ("2026-11-27 15:00", Calendar(UTC, cut_off=time(15)), "2026-11-30"),  # Friday, too late: Monday
        ("2026-11-28 09:00", Calendar(UTC), "2026-11-30"),
        ("2026-11-28 09:00", Calendar(UTC, "123456"), "2026-11-28"),
        ("2026-11-27 23:59", Calendar(UTC), "2026-11-27"),  # no cut-off: always the same day
        ("2026-11-27 23:30", Calendar(AMSTERDAM), "2026-11-30"),  # Saturday there
        ("2026-11-28 02:00", Calendar(NEW_YORK, cut_off=time(22)), "2026-11-27"),  # Friday, nine in the evening there
        ("2026-11-28 02:00", Calendar(UTC, ""), "9999-12-31"),
        # Clocks are put forward on 29 March and back on 25 October 2026.
        ("2026-03-27 13:59", Calendar(AMSTERDAM, cut_off=time(15)), "2026-03-27"),
        ("2026-03-27 14:00", Calendar(AMSTERDAM, cut_off=time(15)), "2026-03-30"),
        ("2026-03-30 12:59", Calendar(AMSTERDAM, cut_off=time(15)), "2026-03-30"),
        ("2026-03-30 13:00", Calendar(AMSTERDAM, cut_off=time(15)), "2026-03-31"),
        ("2026-03-29 01:29", Calendar(AMSTERDAM, ALL_DAYS, time(2, 30)), "2026-03-29"),  # 02:30 is skipped: it is 03:29
        ("2026-03-29 01:30", Calendar(AMSTERDAM, ALL_DAYS, time(2, 30)), "2026-03-30"),
        ("2026-10-23 12:59", Calendar(AMSTERDAM, cut_off=time(15)), "2026-10-23"),
        ("2026-10-23 13:00", Calendar(AMSTERDAM, cut_off=time(15)), "2026-10-26"),
        ("2026-10-26 13:59", Calendar(AMSTERDAM, cut_off=time(15)), "2026-10-26"),
        ("2026-10-25 00:29", Calendar(AMSTERDAM, ALL_DAYS, time(2, 30)), "2026-10-25"),  # the first 02:29
        (
            "2026-10-25 01:15",
            Calendar(AMSTERDAM, ALL_DAYS, time(2, 30)),
            "2026-10-26",
        ),  # 02:15 again, after the first 02:30
    ],
)
def test_goods_leave_on_working_days_before_the_cut_off_by_the_locations_own_clock(
    now: str, calendar: Calendar, expected: str
) -> None:
    assert leaves(calendar, datetime.fromisoformat(now).replace(tzinfo=UTC)) == date.fromisoformat(expected)
