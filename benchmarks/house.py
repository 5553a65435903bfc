"""A database and a Redis database of the run's own, and programs that end with it. Knows no benchmark and no product table."""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import redis

from retailsync.platform import addresses
from retailsync.platform.launcher import die_with_parent

SLOTS = range(15, 0, -1)  # the product has Redis database 0; test runs take theirs from the other end
SAFE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True)
class Machine:
    """What the numbers were measured on."""

    cores: int
    postgres: str
    python: str
    load: str


class Unsafe(Exception):
    """The server does not make commits durable: its numbers would mean nothing."""


@contextlib.contextmanager
def own(local: Path) -> Iterator[Machine]:
    """Point DATABASE_URL and REDIS_URL of this process and its children at fresh databases; both are gone afterwards."""
    product = os.environ["DATABASE_URL"]
    name = f"retailsync_bench_{os.getpid()}"
    with _slot(local) as number:
        broker = f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/{number}"
        machine = _create(product, name)
        os.environ.update(DATABASE_URL=f"{product.rsplit('/', 1)[0]}/{name}", REDIS_URL=broker)
        try:
            _flush(broker)
            yield machine
        finally:
            _flush(broker)
            _run(product, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def _slot(local: Path) -> Iterator[int]:
    """The number of a Redis database nobody else on this checkout uses, by the same locks as the tests."""
    for number in SLOTS:
        with (local / f"tests-{number}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise SystemExit("Every Redis database of this checkout is in use.")


def _create(product: str, name: str) -> Machine:
    found = {key: _run(product, f"SHOW {key}")[0][0] for key in (*SAFE, "server_version")}
    if off := [key for key in SAFE if found[key] != "on"]:
        raise Unsafe(f"{', '.join(off)} must be on.")
    _run(product, f'CREATE DATABASE "{name}"')
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return Machine(os.cpu_count() or 1, found["server_version"], sys.version.split()[0], load)


def _run(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = addresses.connect(addresses.database(url))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def _flush(broker: str) -> None:
    with redis.Redis.from_url(broker) as client:
        client.flushdb()


# ---- programs ---------------------------------------------------------------------------------------------------------------
class Program:
    """A child that says one line when it is ready, takes lines as orders and ends when its input closes."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, preexec_fn=die_with_parent,
        )  # fmt: skip

    def tell(self, line: str) -> None:
        """Give it one order."""
        _pipe(self.process.stdin).write(f"{line}\n")

    def hear(self) -> str:
        """Its next line; RuntimeError when it ended instead."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}.")
        return line.strip()

    def close(self) -> None:
        """Let it end."""
        _pipe(self.process.stdin).close()
        _end(self.process)

    def ended(self) -> bool:
        """Whether it is gone, which it should not be by itself."""
        return self.process.poll() is not None


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@contextlib.contextmanager
def programs(*commands: Sequence[str]) -> Iterator[list[Program]]:
    """Run them until the block ends; all are ready when it begins."""
    started = [Program(*command) for command in commands]
    try:
        for program in started:
            program.hear()
        yield started
    finally:
        for program in started:
            program.close()


@contextlib.contextmanager
def server(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server that takes no orders; its output goes nowhere unless it is an error."""
    process = subprocess.Popen(
        command, env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
    )
    try:
        yield
    finally:
        process.terminate()
        _end(process)


def _end(process: "subprocess.Popen[Any]") -> None:
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
