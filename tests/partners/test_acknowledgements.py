"""A partner asks how soon it answers: numbers, what they are reckoned by, and what was not in time."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.test import Client

from canonical.models import FulfilmentRequest, System
from retailsync.partners.models import Ask, PartnerKey, PartnerTerms
from retailsync.sync import clock

from .conftest import Partner, change

NOW = datetime(2026, 5, 8, 12, tzinfo=UTC)  # a Friday


@pytest.fixture(autouse=True)
def on_friday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def told(
    request: FulfilmentRequest, asked: str, due: str, answered: str = "", took: int = 0, late: int = 0, **more: Any
) -> Ask:
    """One thing a partner was told, and perhaps answered, in May 2026, by UTC."""
    done: dict[str, Any] = {"answered_at": f"2026-05-{answered}Z", "minutes": took, "late": late} if answered else {}
    return Ask.objects.create(
        system=request.system, request=request, asked_at=f"2026-05-{asked}Z", due_at=f"2026-05-{due}Z", **done, **more
    )


@pytest.fixture
def week(partner: Partner, ask: Any) -> None:
    """Two in time, one late, one open, two overdue: a request and a cancellation."""
    told(ask(partner, 1), "04T09:00", "04T11:00", "04T09:30", 30)
    told(ask(partner, 2), "05T09:00", "05T11:00", "05T11:00", 120)
    told(ask(partner, 3), "06T09:00", "06T11:00", "07T08:20", 380, 260)
    told(ask(partner, 4), "08T11:30", "08T13:30")
    told(ask(partner, 5), "07T16:00", "08T09:00")
    first = FulfilmentRequest.objects.get(attempt=1)
    told(first, "08T08:00", "08T10:00", change=change(first))


def get(partner: Partner, path: str = "", **query: str) -> Any:
    return Client().get(f"/api/v1/acknowledgements{path}", query, headers=partner.headers())


def test_the_numbers_and_what_they_are_reckoned_by(partner: Partner, week: None) -> None:
    System.objects.update(timezone="Europe/Berlin")
    PartnerTerms.objects.create(system=partner.system, cut_off=time(15), holidays=["2026-12-25"])
    answer = get(partner)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "asked_from": "2026-04-08T12:00:00Z", "asked_until": "2026-05-08T12:00:00Z",
            "asked": 6, "in_time": 2, "late": 1, "open": 1, "overdue": 2, "median_minutes": 120, "p95_minutes": 380,
            "terms": {
                "timezone": "Europe/Berlin", "answer_within": 120, "opens_at": "08:00", "closes_at": "17:00", "cut_off": "15:00",
                "working_days": [1, 2, 3, 4, 5], "holidays": ["2026-12-25"],
            },
        },
    )  # fmt: skip


def test_who_was_asked_nothing_has_no_median(partner: Partner) -> None:
    said = get(partner).json()
    assert (said["asked"], said["median_minutes"], said["p95_minutes"]) == (0, None, None)
    assert said["terms"]["cut_off"] is None and said["terms"]["answer_within"] == 120


def test_the_time_begins_with_from_and_ends_before_until(partner: Partner, week: None) -> None:
    said = get(partner, **{"from": "2026-05-05T09:00:00Z", "until": "2026-05-06T11:00:00+02:00"}).json()
    assert (said["asked"], said["asked_from"], said["asked_until"]) == (
        1,
        "2026-05-05T09:00:00Z",
        "2026-05-06T09:00:00Z",
    )


def test_what_was_not_in_time_page_by_page(partner: Partner, week: None) -> None:
    first = get(partner, "/breaches", limit="2").json()
    second = get(partner, "/breaches", limit="2", after=first["next"]).json()
    items = [*first["items"], *second["items"]]
    assert second["next"] is None
    assert [(i["reference"], i["asked"], i["change"], i["answered_at"], i["minutes_late"]) for i in items] == [
        ("WEB-1-W1-3", "request", None, "2026-05-07T08:20:00Z", 260),
        ("WEB-1-W1-5", "request", None, None, 180),
        ("WEB-1-W1-1", "cancel", 1, None, 120),
    ]
    assert (items[0]["asked_at"], items[0]["due_at"]) == ("2026-05-06T09:00:00Z", "2026-05-06T11:00:00Z")


def test_the_list_is_as_long_as_the_numbers_say(partner: Partner, week: None) -> None:
    for since in ("2026-05-01", "2026-05-06", "2026-05-07", "2026-05-08"):
        query = {"from": f"{since}T00:00:00Z"}
        said, listed = get(partner, **query).json(), get(partner, "/breaches", **query).json()
        assert len(listed["items"]) == said["late"] + said["overdue"]
        assert said["asked"] == said["in_time"] + said["late"] + said["open"] + said["overdue"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"from": "yesterday"}, "from", "must be an instant with its offset, like 2026-05-01T08:00:00Z"),
        ({"until": "2026-05-01T08:00:00"}, "until", "must be an instant with its offset, like 2026-05-01T08:00:00Z"),
        (
            {"until": "0001-01-01T00:00:00+14:00"},
            "until",
            "must be an instant with its offset, like 2026-05-01T08:00:00Z",
        ),
        ({"from": "2026-06-01T08:00:00Z"}, "from", "must lie before until, by at most 92 days"),
        ({"from": "2026-01-01T08:00:00Z"}, "from", "must lie before until, by at most 92 days"),
        ({"since": "3"}, "since", "is not a field of this message"),
    ],
)
@pytest.mark.parametrize("path", ["", "/breaches"])
def test_a_wrong_time_is_a_problem_with_its_field(
    partner: Partner, path: str, query: dict[str, str], field: str, words: str
) -> None:
    answer = get(partner, path, **query)
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, field, f"{field}: {words}")


@pytest.mark.parametrize("path", ["", "/breaches"])
def test_nobody_sees_anothers(partner: Partner, other: Partner, week: None, path: str) -> None:
    said = get(other, path).json()
    assert said.get("items", []) == [] and said.get("asked", 0) == 0


@pytest.mark.parametrize("path", ["", "/breaches"])
def test_it_needs_the_scope_to_read_requests(partner: Partner, path: str) -> None:
    _, text = PartnerKey.issue(partner.system, "stock only", scopes=["inventory:read"])
    answer = get(Partner(partner.system, partner.location, partner.key, text), path)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_a_page_takes_as_many_queries_however_much_is_late(
    partner: Partner, ask: Any, django_assert_num_queries: Any
) -> None:
    get(partner)
    for number in range(1, 8):
        told(ask(partner, number), "04T09:00", "04T11:00")
        with django_assert_num_queries(2):  # the system, the rows; the key is remembered
            assert len(get(partner, "/breaches").json()["items"]) == number
