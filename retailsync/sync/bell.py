"""The bell: tells a worker that rows wait. Only ever a hint: rows are the truth, and a sweep finds what no bell rang for."""

import logging
import threading
import time
from collections.abc import Sequence

import redis
from django.conf import settings
from kombu.exceptions import OperationalError

from retailsync.celery import app
from retailsync.platform import addresses

_PENDING = 5  # seconds after which a bell that nobody answered, or whose drain is still at work, may ring again
_QUIET = 2.0  # seconds not to try again after Redis did not answer: a door must not wait for it
_log = logging.getLogger(__name__)
_state: dict[str, float] = {"silent_until": 0.0}
# Once: by itself the client tries for seconds, and whoever commits waits for it.
_client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, retry=addresses.ONCE)


def ring(task: str, system_id: int) -> None:
    """Ask for one drain, unless one is already asked for that has not looked for the last time. Never raises: a bell may fail."""
    if time.monotonic() < _state["silent_until"]:
        return
    try:
        if _client.set(_key(task, system_id), 1, nx=True, ex=_PENDING):
            app.send_task(task, (system_id,), retry=False)
    except (redis.RedisError, OperationalError) as error:
        _state["silent_until"] = time.monotonic() + _QUIET
        _log.warning("bell silent", extra={"task": task, "error": type(error).__name__})


class Ringer:
    """Rings from a thread of its own, for a door that must not wait for Redis (170 µs a delivery): each bell at most once per pause,
    and always once after the last call."""

    PAUSE = 0.02  # seconds

    def __init__(self) -> None:
        self._wanted: set[tuple[str, int]] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.idle = threading.Event()
        self.idle.set()

    def soon(self, task: str, system_id: int) -> None:
        """Ring within the next pause."""
        with self._changed:
            self.idle.clear()
            self._wanted.add((task, system_id))
            if self._thread is None or not self._thread.is_alive():  # none yet, or left behind by a fork
                self._thread = threading.Thread(target=self._run, daemon=True, name="bell")
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._wanted:
                    self.idle.set()
                    self._changed.wait()
                wanted, self._wanted = self._wanted, set()  # taken before ringing: who comes now is rung for again
            for task, system_id in sorted(wanted):
                ring(task, system_id)
            time.sleep(self.PAUSE)


ringer = Ringer()


def answered(task: str, system_id: int) -> None:
    """Whatever is committed from now on needs a new bell: a drain says so before it looks for the last time. While it works the bell is
    silent: it finds what comes, and each bell would only call a worker that finds the lease taken."""
    try:
        _client.delete(_key(task, system_id))
    except redis.RedisError as error:
        _log.warning("bell silent", extra={"task": task, "error": type(error).__name__})


def again(task: str, system_id: int) -> None:
    """A drain ends before the work does."""
    answered(task, system_id)
    ring(task, system_id)


def depths(queues: Sequence[str]) -> dict[str, int] | None:
    """How many tasks wait in each queue, and under `""` how many workers have in hand; None while Redis does not answer."""
    try:
        pipe = _client.pipeline(transaction=False)
        for queue in queues:
            pipe.llen(queue)
        return dict(zip([*queues, ""], pipe.hlen("unacked").execute(), strict=True))
    except redis.RedisError:
        return None


def _key(task: str, system_id: int) -> str:
    return f"retailsync:bell:{task}:{system_id}"
