"""The embedded servers: started for whoever needs them, stopped by the last, safe from crashes."""

import json
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest
import redis

from retailsync.platform import addresses, embedded, postgres
from retailsync.platform.trouble import Trouble

NOTHING: dict[str, str] = {}  # an environment that names no servers
ORDINARY = 65534


@pytest.fixture(scope="module")
def local(open_folder: Path) -> Iterator[Path]:
    """A checkout's `.local` with one row in its database."""
    local = open_folder / ".local"
    with embedded.servers(local, NOTHING) as servers:
        ask(servers, "CREATE TABLE kept AS SELECT 17 AS number")
    yield local
    embedded.delete_data(local)
    assert not (local / "servers").exists()


def ask(servers: embedded.Servers, sql: str) -> list[tuple[object, ...]]:
    connection = addresses.connect(addresses.database(servers.database_url))
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def kept(local: Path) -> list[tuple[object, ...]]:
    with embedded.servers(local, NOTHING) as servers:
        return ask(servers, "SELECT number FROM kept")


def test_both_servers_answer_and_stop_with_their_last_user(local: Path) -> None:
    with embedded.servers(local, NOTHING) as servers:
        assert ask(servers, "SHOW fsync") == [("on",)]
        assert redis.Redis.from_url(servers.redis_url).ping()
    with pytest.raises(psycopg2.OperationalError):
        ask(servers, "SELECT 1")
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(servers.redis_url).ping()


def test_a_second_start_finds_its_data(local: Path) -> None:
    assert kept(local) == [(17,)]
    assert kept(local) == [(17,)]


def test_a_second_user_shares_and_may_leave_first(local: Path) -> None:
    with embedded.servers(local, NOTHING) as first:
        with embedded.servers(local, NOTHING) as second:
            assert second == first
        assert ask(first, "SELECT 1") == [(1,)]


def test_users_who_come_at_once_share_one_server(local: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(kept, [local] * 4)) == [[(17,)]] * 4


def test_a_pid_file_that_names_a_stranger_does_not_prevent_a_start(local: Path) -> None:
    data = local / "servers" / "postgres"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n{int(time.time())}\n1\n\n\n0\n")
    assert kept(local) == [(17,)]


def test_a_killed_server_recovers(local: Path) -> None:
    with embedded.servers(local, NOTHING) as servers:
        ask(servers, "SELECT 1")
        data = local / "servers" / "postgres"
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        wait_until(lambda: not postgres.is_alive(data))
    assert kept(local) == [(17,)]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert true()


def test_the_password_is_readable_by_its_owner_only(local: Path) -> None:
    assert (local / "servers.json").stat().st_mode & 0o777 == 0o600
    assert (local / "servers").stat().st_mode & 0o777 == 0o700


def test_a_named_server_is_used_instead_of_ours(local: Path) -> None:
    with embedded.servers(local, NOTHING) as ours:
        named = {"DATABASE_URL": ours.database_url, "REDIS_URL": ours.redis_url}
        with embedded.servers(local / "elsewhere", named) as servers:
            assert servers == ours
    assert not (local / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps its data outside a closed folder")
def test_root_keeps_the_data_outside_a_closed_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    local = tmp_path / ".local"
    try:
        with embedded.servers(local, NOTHING) as servers:
            assert ask(servers, "SELECT 1") == [(1,)]
        home = Path(json.loads((local / "servers.json").read_text())["home"])
        assert home.is_absolute()
        assert not home.is_relative_to(tmp_path)
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.delete_data(local)
    assert not home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="already an ordinary user: the tests above are this one")
def test_an_ordinary_user_runs_its_own(open_folder: Path) -> None:
    folder = open_folder / "theirs"
    folder.mkdir()
    os.chown(folder, ORDINARY, ORDINARY)
    process = multiprocessing.get_context("fork").Process(target=_ordinary, args=(folder,))
    process.start()
    process.join(60)
    if process.exitcode == 77:
        pytest.skip("root cannot become a user who may read this checkout")
    assert process.exitcode == 0, (folder / "error").read_text()
    assert (folder / ".local" / "servers").stat().st_uid == ORDINARY


def _ordinary(folder: Path) -> None:
    try:
        os.setgroups([])
        os.setgid(ORDINARY)
        os.setuid(ORDINARY)
        postgres.wheel().stat()
    except (PermissionError, Trouble):
        os._exit(77)
    try:
        with embedded.servers(folder / ".local", NOTHING) as servers:
            ask(servers, "CREATE TABLE kept AS SELECT 17 AS number")
        assert kept(folder / ".local") == [(17,)]
    except BaseException:
        (folder / "error").write_text(traceback.format_exc())
        raise
    os._exit(0)
