"""The product's own web server on a free port, in front of this run's test database."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
import redis
from django.db import connection

from canonical.models import System
from connectors.signing import base64_of
from connectors.simulation import wait_until
from retailsync.platform import processes
from retailsync.platform.launcher import die_with_parent
from retailsync.platform.secrets import seal
from retailsync.sync import bell

Answer = tuple[int, bytes]


@pytest.fixture(autouse=True)
def own_bell(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bells ring in this run's own Redis database."""
    monkeypatch.setattr(bell, "_client", redis.Redis.from_url(redis_url, socket_timeout=0.5))


@pytest.fixture(scope="session")
def port(django_db_setup: None, redis_url: str) -> Iterator[int]:
    """Where granian serves retailsync.wsgi, as `up` starts it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    web = processes.product("127.0.0.1", number, ".")[0]
    command = [sys.executable, *web.command[1:]]
    command[command.index("--workers") + 1] = "1"
    environ = {**os.environ, "DATABASE_URL": url, "REDIS_URL": redis_url, "RETAILSYNC_LOG_LEVEL": "ERROR"}
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        command, env=environ, stdout=quiet, stderr=quiet, preexec_fn=partial(die_with_parent, signal.SIGKILL)
    )
    try:
        wait_until(lambda: _listens(number), seconds=60, step=0.1)
        yield number
    finally:
        child.terminate()
        child.wait(20)


def _listens(port: int) -> bool:
    try:
        return ask(port, "GET", "/hooks/nobody/")[0] == 405
    except OSError:
        return False


def ask(port: int, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = b"") -> Answer:
    """One request with exactly these headers (and a Host); with a body of None the caller's Content-Length is a mere promise."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {name.lower() for name, _ in headers}
    client.putrequest(method, path, skip_host="host" in named, skip_accept_encoding=True)
    for name, value in headers:
        client.putheader(name, value)
    if body and "content-length" not in named:
        client.putheader("Content-Length", str(len(body)))
    with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has heard all
        client.endheaders(body)
    answer = client.getresponse()
    said = answer.status, answer.read()
    client.close()
    return said


@pytest.fixture
def shop(transactional_db: None) -> Callable[..., System]:
    """Makes a shop with these webhook secrets. Its name is new each time: doors remember systems for a while."""

    def make(*secrets: str) -> System:
        slug = f"shop-{uuid.uuid4().hex[:8]}"
        system = System.objects.create(slug=slug, name=slug, connector="woocommerce", roles=["channel"], prefix="REC-")
        for secret in secrets:
            system.secrets.create(name="webhook", sealed=seal(secret))
        return system

    return make


def signed(body: bytes, secret: str, topic: str = "order.updated") -> list[tuple[str, str]]:
    """Headers of a correctly signed delivery."""
    return [
        ("Content-Type", "application/json"),
        ("X-WC-Webhook-Topic", topic),
        ("X-WC-Webhook-Signature", base64_of(secret, body)),
        ("X-WC-Webhook-Delivery-ID", "1"),
    ]
