"""GET /health/live and /health/ready, for whoever watches over the web server. A plain WSGI callable; never says more than yes or no.

live = this process answers. ready = it can serve: the database answers and has every table this program knows. Redis is not asked:
without it everything is accepted and done, only later.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.db import close_old_connections, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError

PREFIX = "/health/"
OK, NOT_NOW, UNKNOWN = "200 OK", "503 Service Unavailable", "404 Not Found"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI callable: 200 for yes, 503 for no."""
    question = QUESTIONS.get(environ.get("PATH_INFO", "").removeprefix(PREFIX).strip("/"))
    status = UNKNOWN if question is None else OK if question() else NOT_NOW
    text = b"ok" if status == OK else b"no"
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), ("Cache-Control", "no-store")]
    start_response(status, headers)
    return [text]


def _live() -> bool:
    return True


def _ready() -> bool:
    """One short query. A database that is newer than this program will do: it is migrated before programs are replaced."""
    close_old_connections()
    try:
        return _needed() <= set(MigrationRecorder(connections["default"]).applied_migrations())
    except DatabaseError:
        connections["default"].close()
        return False


@cache
def _needed() -> frozenset[tuple[str, str]]:
    """Every migration this program comes with, as (app, name); those files do not change while it runs."""
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    return frozenset(loader.disk_migrations or ())


QUESTIONS: dict[str, Callable[[], bool]] = {"live": _live, "ready": _ready}
