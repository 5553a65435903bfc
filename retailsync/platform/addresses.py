"""Reads DATABASE_URL and REDIS_URL and says clearly what is wrong with them. Knows no Django."""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from retailsync.platform.trouble import Trouble

CONNECT_SECONDS = 5
ONCE = Retry(NoBackoff(), 0)  # by default the client tries for seconds before it says no


def database(url: str) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?option=value` as Django's NAME, USER, … OPTIONS."""
    parts = _split("DATABASE_URL", url, ("postgres", "postgresql"))
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise Trouble("DATABASE_URL names no database: end it with /name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def database_url(user: str, password: str, port: int, name: str) -> str:
    """The inverse of `database` for a server on this machine."""
    return f"postgresql://{quote(user)}:{quote(password, safe='')}@127.0.0.1:{port}/{quote(name)}"


def redis_url(password: str, port: int) -> str:
    """The address of a Redis on this machine."""
    return f"redis://:{quote(password, safe='')}@127.0.0.1:{port}/0"


def require_database(url: str) -> None:
    """Raise Trouble unless something answers at DATABASE_URL and lets us in."""
    parsed = database(url)
    try:
        connect(parsed).close()
    except psycopg2.Error as error:
        # ProgrammingError is how the driver reports an unknown option in the query part.
        where = f"{parsed['HOST'] or 'the local socket'}:{parsed['PORT'] or 5432}/{parsed['NAME']}"
        raise Trouble(f"DATABASE_URL: cannot use {where}: {_reason(error)}") from error


def require_redis(url: str) -> None:
    """Raise Trouble unless something answers at REDIS_URL and lets us in."""
    parts = _split("REDIS_URL", url, ("redis", "rediss"))
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS, retry=ONCE
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        where = f"{parts.hostname}:{parts.port or 6379}"
        raise Trouble(f"REDIS_URL: cannot use {where}: {_reason(error)}") from error


def connect(parsed: dict[str, Any]) -> Any:
    """A psycopg2 connection to what `database` returned."""
    return psycopg2.connect(
        dbname=parsed["NAME"],
        user=parsed["USER"] or None,
        password=parsed["PASSWORD"] or None,
        host=parsed["HOST"] or None,
        port=parsed["PORT"] or None,
        **{"connect_timeout": CONNECT_SECONDS, **parsed["OPTIONS"]},
    )


def _split(variable: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # parsed late: a bad port raises only here
    except ValueError as error:
        raise Trouble(f"{variable} is malformed: {error}.") from error
    if parts.scheme not in schemes or not parts.netloc:
        raise Trouble(f"{variable} must look like {schemes[0]}://user:password@host:port/name.")
    return parts


def _reason(error: BaseException) -> str:
    # Drivers add hints in further lines, and say first what we say ourselves: where they failed.
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rpartition("failed: ")[2].strip()
