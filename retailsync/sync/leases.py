"""Leases on names: at most one drain per name at a time. Database time; the token makes a late holder harmless."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from canonical import sql

_TAKE = """INSERT INTO sync_lease (name, token, until) VALUES (%s, %s, clock_timestamp() + %s * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET token = excluded.token, until = excluded.until, wanted = false
    WHERE sync_lease.until IS NULL OR sync_lease.until < clock_timestamp() RETURNING 1"""
_WANT = "UPDATE sync_lease SET wanted = true WHERE name = %s AND until > clock_timestamp() RETURNING 1"
_RENEW = """UPDATE sync_lease SET until = clock_timestamp() + %s * interval '1 second'
    WHERE name = %s AND token = %s AND until > clock_timestamp() RETURNING 1"""
_RELEASE = """UPDATE sync_lease l SET until = NULL, wanted = false FROM (SELECT id, wanted FROM sync_lease WHERE name = %s FOR UPDATE) o
    WHERE l.id = o.id AND l.token = %s RETURNING o.wanted"""


SPARE = 2.0  # seconds a lease is taken for beyond what was asked, so that not every renewal costs a commit


class Held:
    """A lease in hand. After it was given back, `wanted` tells that somebody came meanwhile and went away again."""

    def __init__(self, name: str, token: uuid.UUID) -> None:
        self.name, self.token, self.wanted = name, token, False
        self._ends = 0.0  # of the monotonic clock; never later than in the database

    def renew(self, seconds: float) -> bool:
        """Keep it for so many seconds from now at least; False when it was lost meanwhile (another holder may be at work)."""
        now = time.monotonic()
        if self._ends >= now + seconds:
            return True
        renewed = bool(sql.fetch(_RENEW, (seconds + SPARE, self.name, self.token)))
        self._ends = now + seconds + SPARE if renewed else 0.0
        return renewed


@contextmanager
def lease(name: str, seconds: float) -> Iterator[Held | None]:
    """Hold the lease on `name`, or yield None while another has it. Must be called outside a transaction."""
    held = _take(name, seconds)
    if held is None:
        yield None
        return
    try:
        yield held
    finally:
        released = sql.fetch(_RELEASE, (name, held.token))
        held.wanted = bool(released and released[0][0])


def _take(name: str, seconds: float) -> Held | None:
    """Take it, or tell the holder that it is wanted; the two must not miss each other."""
    token = uuid.uuid4()
    while not sql.fetch(_TAKE, (name, token, seconds)):
        if sql.fetch(_WANT, (name,)):
            return None
    return Held(name, token)
