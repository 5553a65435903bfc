"""Two workers at once, each with a connection of its own, and the moments at which one waits for the other."""

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import connection, connections

from canonical import sql

T = TypeVar("T")
PATIENCE = 20.0  # seconds after which a test that hangs has failed


class Worker(Generic[T]):
    """A function in a thread with its own database connection; `result` waits for it and raises what it raised."""

    def __init__(self, do: Callable[[], T]) -> None:
        self._do = do
        self._value: T | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._do()
        except BaseException as error:  # noqa: BLE001  handed to whoever waits for the result
            self.error = error
        finally:
            connections.close_all()

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return not self._thread.is_alive()

    def result(self) -> T:
        """What it returned."""
        self._thread.join(PATIENCE)
        assert self.done, "the other worker hangs"
        if self.error:
            raise self.error
        return self._value  # type: ignore[return-value]


class Gate:
    """A place one worker stops at until the test lets it on."""

    def __init__(self) -> None:
        self._here, self._on = threading.Event(), threading.Event()

    def stop(self, *_: Any) -> None:
        """The worker waits here, the first time; afterwards the gate stands open."""
        self._here.set()
        assert self._on.wait(PATIENCE), "nobody opened the gate"

    def reached(self) -> None:
        """Wait until the worker stands here."""
        assert self._here.wait(PATIENCE), "nobody came to the gate"

    def open(self) -> None:
        """Let it on."""
        self._on.set()


def blocked(worker: Worker[Any], seconds: float = 1.5, waiting: int = 1) -> bool:
    """Whether the worker comes to wait for a lock somebody holds, and with it so many wait; False when it ended or ran on instead."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not worker.done:
        ((found,),) = sql.fetch(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND pid <> pg_backend_pid()"
        )
        if found >= waiting:
            return True
        time.sleep(0.01)
    return False


def both(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """Run two functions side by side; returns what they returned."""
    workers = Worker(first), Worker(second)
    return workers[0].result(), workers[1].result()


def deadlocks_soon() -> None:
    """This connection looks for deadlocks at once instead of after a second."""
    with connection.cursor() as cursor:
        cursor.execute("SET deadlock_timeout = '200ms'")
