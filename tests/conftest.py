"""The test database and broker: private to this run, on the servers the launcher started."""

import fcntl
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

SLOTS = 15  # Redis has databases 1..15 besides the product's own 0


@pytest.fixture(scope="session")
def slot() -> Iterator[int]:
    """A number no other test run on this checkout has at this moment."""
    settings.LOCAL.mkdir(mode=0o711, parents=True, exist_ok=True)
    for number in range(1, SLOTS + 1):
        with (settings.LOCAL / f"tests-{number}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    pytest.exit(f"{SLOTS} test runs are already using this checkout.")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(slot: int) -> None:
    """Two test runs side by side must not share a database."""
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_retailsync_{slot}"


@pytest.fixture(scope="session")
def redis_url(slot: int) -> str:
    """A Redis database of this run's own."""
    return f"{settings.REDIS_URL.rsplit('/', 1)[0]}/{slot}"


@pytest.fixture(scope="session", autouse=True)
def own_broker(redis_url: str) -> None:
    """No test rings a bell in a running product."""
    from retailsync.celery import app  # imported late: they need configured settings
    from retailsync.sync import bell

    app.conf.broker_url = redis_url
    bell._client = redis.Redis.from_url(redis_url, socket_timeout=0.5)
