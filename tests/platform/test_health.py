"""/health/: yes or no, and nothing else."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connections

from retailsync.platform import health
from retailsync.wsgi import application


def ask(path: str) -> tuple[str, bytes]:
    """Status and body, through the web server's own callable."""
    said: list[Any] = []
    body: Iterable[bytes] = application(
        {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_HOST": "10.0.0.7"}, lambda *args: said.append(args)
    )
    return said[0][0], b"".join(body)


def test_a_process_that_answers_lives() -> None:
    assert ask("/health/live") == ("200 OK", b"ok")


@pytest.mark.django_db(transaction=True)
def test_a_table_too_few_is_not_ready_and_one_too_many_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("/health/ready") == ("200 OK", b"ok")
    needed = health._needed()
    monkeypatch.setattr(health, "_needed", lambda: needed | {("sync", "9999_of_a_newer_program")})
    assert ask("/health/ready") == ("503 Service Unavailable", b"no")
    monkeypatch.setattr(health, "_needed", lambda: needed - {("sync", "0001_initial")})
    assert ask("/health/ready") == ("200 OK", b"ok")


@pytest.mark.django_db(transaction=True)
def test_without_a_database_it_lives_and_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].close()
    with monkeypatch.context() as away:
        away.setitem(connections["default"].settings_dict, "PORT", "1")
        assert ask("/health/ready") == ("503 Service Unavailable", b"no")
        assert ask("/health/live") == ("200 OK", b"ok")
    assert ask("/health/ready") == ("200 OK", b"ok")


@pytest.mark.parametrize("path", ["/health/", "/health/details", "/health/live/../ready"])
def test_there_is_nothing_else_to_ask(path: str) -> None:
    assert ask(path) == ("404 Not Found", b"no")
