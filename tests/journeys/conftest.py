"""What every journey needs: fresh memories between tests, a broker of its own, and a clock to turn."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from retailsync.hooks import door
from retailsync.sync import bell, clock
from tests.journeys.stage import Stage, stage


@pytest.fixture(autouse=True)
def forgetful(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No door remembers a system of an earlier test, and bells ring in this run's own Redis database."""
    door._entrances.clear()
    client = redis.Redis.from_url(redis_url, socket_timeout=0.5, socket_connect_timeout=0.5)
    client.flushdb()
    monkeypatch.setattr(bell, "_client", client)
    monkeypatch.setitem(bell._state, "silent_until", 0.0)


class Hands:
    """The product's clock, to be turned ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def turn(self, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass for the product (the database, and so every lease, keeps its own)."""
        self.ahead += timedelta(minutes=minutes, seconds=seconds)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(clock, "now", hands)
    return hands


@pytest.fixture
def s() -> Iterator[Stage]:
    """A stage whose shop sends its webhooks."""
    with stage() as ready:
        yield ready


@pytest.fixture
def quiet() -> Iterator[Stage]:
    """A stage whose shop sends nothing by itself: the test says what we hear."""
    with stage(subscribed=False) as ready:
        yield ready
