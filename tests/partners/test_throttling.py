"""How many calls a partner may make: counted for all its keys together, told with every answer."""

import time
from typing import Any

import pytest
import redis

from retailsync.partners import authentication, throttling
from retailsync.partners.models import PartnerKey, PartnerTerms

from .conftest import Partner
from .test_desk import at_once


@pytest.fixture(autouse=True)
def nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "_away_until", 0.0)
    for name in throttling._redis().scan_iter("partner-calls:*"):
        throttling._redis().delete(name)


def limited(partner: Partner, calls: int) -> None:
    PartnerTerms.objects.create(system=partner.system, calls_per_minute=calls)
    authentication.forget()


def test_every_answer_says_what_is_left(partner: Partner) -> None:
    answers = [partner.get(""), partner.get("nothing")]
    assert [(a["RateLimit-Limit"], a["RateLimit-Remaining"]) for a in answers] == [("1200", "1199"), ("1200", "1198")]
    assert 0 < int(answers[0]["RateLimit-Reset"]) <= 60


def test_beyond_the_limit_it_waits(partner: Partner, other: Partner) -> None:
    limited(partner, 3)
    _, second = PartnerKey.issue(partner.system, "another key")
    answers = [partner.get("") for _ in range(3)]
    partner.text = second
    refused: Any = partner.get("")
    assert [a.status_code for a in answers] == [200, 200, 200]
    assert (refused.status_code, refused.json()["code"], refused["RateLimit-Remaining"]) == (429, "rate_limited", "0")
    assert 0 < int(refused["Retry-After"]) <= 61
    assert other.get("").status_code == 200


def test_nobody_is_kept_out_because_we_lost_the_counter(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(partner, 1)
    monkeypatch.setattr(throttling, "_redis", lambda: redis.Redis(port=1, socket_connect_timeout=0.1))
    assert [partner.get("").status_code for _ in range(3)] == [200, 200, 200]


def test_a_process_makes_its_client_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that another thread made meanwhile would be thrown away, and close its connection under its user."""
    made: list[str] = []

    def slowly(url: str, **more: Any) -> Any:
        made.append(url)
        time.sleep(0.05)
        return redis.Redis(port=1)

    monkeypatch.setattr(throttling, "_clients", [])
    monkeypatch.setattr(redis.Redis, "from_url", slowly)
    at_once(8, lambda _: throttling._redis())
    assert len(made) == 1


def test_a_client_that_breaks_in_a_way_of_its_own_keeps_nobody_out(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ValueError("I/O operation on closed file.")

    monkeypatch.setattr(throttling, "_redis", broken)
    assert partner.get("").status_code == 200
