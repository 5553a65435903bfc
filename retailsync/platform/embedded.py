"""Hands out a database and a Redis: those of the environment, else our own. Knows no Django.

Everyone who uses the embedded servers holds a shared lock, which the kernel drops even after kill -9.
Whoever leaves last stops them.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from retailsync.platform import account, addresses
from retailsync.platform.account import Account
from retailsync.platform.postgres import Postgres
from retailsync.platform.redis import Redis
from retailsync.platform.trouble import Trouble


@dataclass(frozen=True)
class Servers:
    """Where the two servers are."""

    database_url: str
    redis_url: str


@contextmanager
def servers(local: Path, environ: Mapping[str, str]) -> Iterator[Servers]:
    """Servers that answer, for as long as the block runs. Raises Trouble in one sentence."""
    database_url, redis_url = environ.get("DATABASE_URL"), environ.get("REDIS_URL")
    if database_url:
        addresses.require_database(database_url)
    if redis_url:
        addresses.require_redis(redis_url)
    if database_url and redis_url:
        yield Servers(database_url, redis_url)
        return
    with _in_use(local):
        with _alone(local):
            ours = ensure_servers(local, environ)
        yield Servers(database_url or ours.database_url, redis_url or ours.redis_url)


def ensure_servers(local: Path, environ: Mapping[str, str]) -> Servers:
    """Start what the environment does not name and does not run yet; the caller holds the start lock."""
    state = State.load(local)
    servers = Servers(environ.get("DATABASE_URL", ""), environ.get("REDIS_URL", ""))
    if not servers.database_url:
        state.postgres_port = state.postgres.ensure(environ, state.postgres_port)
        state.save()
        servers = Servers(state.postgres.url(state.postgres_port), servers.redis_url)
    if not servers.redis_url:
        servers = Servers(servers.database_url, state.redis.url(state.redis.ensure(environ)))
    return servers


def stop_servers(local: Path) -> None:
    """Stop both embedded servers, whoever uses them."""
    with _alone(local):
        _stop(local)


def delete_data(local: Path) -> None:
    """Stop the embedded servers and delete everything they stored, and the demo's simulated systems with it."""
    with _alone(local):
        _stop(local)
        shutil.rmtree(State.load(local).home, ignore_errors=True)
        shutil.rmtree(local / "demo", ignore_errors=True)
        (local / "servers.json").unlink(missing_ok=True)


def _stop(local: Path) -> None:
    if not (local / "servers.json").exists():
        return
    state = State.load(local)
    state.redis.stop()
    state.postgres.stop()


@dataclass
class State:
    """`.local/servers.json`: what the next start must know."""

    local: Path
    home: Path
    account: Account
    password: str
    postgres_port: int | None = None

    @classmethod
    def load(cls, local: Path) -> "State":
        """The recorded state, or a new one."""
        user = account.choose()
        try:
            known: dict[str, Any] = json.loads((local / "servers.json").read_text())
        except FileNotFoundError:
            known = {"home": account.home_for(user, local), "password": secrets.token_hex(24)}
        home = local.resolve() / known.pop("home")  # absolute only where it lies outside
        state = cls(local=local, home=home, account=user, **known)
        user.folder(home)
        state.save()
        return state

    def save(self) -> None:
        """Write it whole or not at all, readable by its owner only."""
        home = os.path.relpath(self.home, self.local.resolve())
        text = json.dumps(
            {
                "home": str(self.home) if home.startswith("..") else home,
                "password": self.password,
                "postgres_port": self.postgres_port,
            },
            indent=1,
        )
        fresh = self.local / "servers.json.new"
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        fresh.rename(self.local / "servers.json")

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.account, self.home, self.password)

    @property
    def redis(self) -> Redis:
        return Redis(self.account, self.home, self.password)


@contextmanager
def _alone(local: Path) -> Iterator[None]:
    """One starter or stopper at a time."""
    with _open(local / "start.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _in_use(local: Path) -> Iterator[None]:
    """Count as a user of the servers; the last one to leave stops them."""
    with _open(local / "users.lock") as users:
        with _alone(local):
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with _alone(local):
                if _is_last(users):
                    _stop(local)


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except PermissionError as error:
        raise Trouble(f"{path.parent} belongs to another user: use the user who made it.") from error
