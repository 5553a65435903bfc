"""How single clauses judge, where a whole run would take too long to show it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retailsync.partners import clauses
from retailsync.partners.clauses import Call, Seen
from retailsync.partners.desk import Asked, Item, Standing

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PARCEL = {"tracking_number": "T", "lines": [{"sku": "A", "units": 3}]}


def standing(**more: Any) -> Standing:
    given = {
        "reference": "F1-1", "state": "accepted", "execution": "open", "held": False, "lines": {"1": Item("A", 3, 0, 0)},
        "changes": {}, "shipments": set(),
    }  # fmt: skip
    return Standing(**{**given, **more})


def call(number: int, action: str, *, status: int = 202, key: str = "k", minutes: int = 0, **said: Any) -> Call:
    code = "wrong_state" if status == 409 else ""
    return Call(number, "F1-1", action, f"{key}{number}", said, status, code, False, NOON + timedelta(minutes=minutes))


def seen(at: Standing | None, *calls: Call) -> Seen:
    return Seen({at.reference: at}, {at.reference: NOON}, calls) if at else Seen({}, {}, calls)


@pytest.mark.parametrize(("minutes", "verdict"), [(120, "pass"), (121, "fail")])
def test_an_answer_has_its_time(minutes: int, verdict: str) -> None:
    judge = clauses.in_time(timedelta(hours=2))
    assert judge(seen(standing(), call(1, "accept", minutes=minutes))).verdict == verdict
    assert judge(seen(standing())).verdict == judge(seen(None)).verdict == "waiting"


def test_what_is_tried_while_on_hold_is_found_whatever_it_was_answered() -> None:
    held = standing(held=True, changes={"1": Asked("hold", "accepted", {})})
    answer = call(1, "changes/1/accept")
    assert clauses.kept_back(seen(held, answer)).verdict == "waiting"
    for tried in (call(2, "ship", status=409), call(2, "corrections", packages=[PARCEL])):
        verdict = clauses.kept_back(seen(held, answer, tried))
        assert (verdict.verdict, verdict.evidence) == ("fail", (str(tried),))
    ended = standing(changes={"1": Asked("hold", "accepted", {}), "2": Asked("resume", "accepted", {})})
    assert clauses.kept_back(seen(ended, answer, call(2, "changes/2/accept"), call(3, "ship"))).verdict == "pass"


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        (Item("A", 3, 0, 3), "pass"),
        (Item("A", 3, 0, 2), "waiting"),
        (Item("A", 3, 1, 2), "fail"),  # nothing was missing
        (Item("A", 3, 0, 4), "fail"),
        (Item("A", 0, 0, 1), "fail"),  # nothing of it is asked for any more
        (Item("A", 0, 0, 0), "pass"),
    ],
)
def test_all_units_leave_each_once(item: Item, verdict: str) -> None:
    assert clauses.all_left(seen(standing(lines={"1": item}))).verdict == verdict


def test_what_was_rejected_was_not_shipped() -> None:
    at = standing(state="rejected")
    assert clauses.all_left(seen(at, call(1, "reject"))).verdict == "fail"
    assert clauses.accepted(seen(at, call(1, "reject"))).verdict == "fail"


def test_the_same_words_with_one_key_are_no_second_report() -> None:
    first = call(1, "ship", shipment="S1")
    again = first._replace(id=2, replayed=True)
    assert clauses.said_twice(seen(standing(), first, again)).verdict == "waiting"
    assert clauses.said_twice(seen(standing(), first, call(3, "ship", status=409, shipment="S1"))).verdict == "pass"
    assert clauses.said_twice(seen(standing(), first, call(3, "ship", status=409, shipment="S2"))).verdict == "waiting"


def test_names_of_clauses_are_stable() -> None:
    """Partners and their programs refer to them: one that is gone, or means something else, is a new contract."""
    assert list(clauses.DEMANDS) == [
        *("ACK-1", "WORK-1", "SHIP-1", "SHIP-2", "SPLIT-1", "SPLIT-2", "SHORT-1", "SHORT-2", "CANCEL-1", "CANCEL-2"),
        *(
            "CHANGE-1",
            "CHANGE-2",
            "HOLD-1",
            "HOLD-2",
            "HOLD-3",
            "DUP-1",
            "DUP-2",
            "ORDER-1",
            "ORDER-2",
            "KEY-1",
            "KEY-2",
        ),
        *("SKU-1", "SKU-2", "TERMS-1", "TRACK-1", "KEY-3", "ONCE-1", "STATE-1"),
    ]
