"""The only way out: one process-wide pool of kept connections and, per call, a total deadline, a byte limit and a record.

Knows no system and judges no status code. urllib3 opens connections (TLS, certificates); what is said on them is `wire`, step by
step, because the difference between "never left" and "left, outcome unknown" lies between those steps.
"""

import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import NamedTuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.wait import wait_for_read

from connectors import guard, wire
from connectors.base import Job, Response
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.masking import Mask

LIMIT = 20_000_000  # bytes of one answer, decompressed
CONNECT = 5.0  # seconds for one address; the deadline may be shorter
IDLE = 4.0  # seconds until a kept connection is dropped: Apache closes after 5, and a race lost is an unknown outcome
KEPT = 16  # idle connections per target
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 §9.2.1: asking twice changes nothing


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back, masked, for people. `jobs` are the ids it is about; `error` is empty after an answer."""

    method: str
    url: str
    started_at: datetime
    duration: float  # seconds
    status: int | None
    error: str
    request: str
    response: str
    jobs: tuple[int, ...] = ()


class Permits(NamedTuple):
    """What may be called beyond public addresses over https."""

    allow_loopback_http: bool = False
    allow_http: bool = False


# ---- connections ------------------------------------------------------------------------------------------------------------
class _Steps(HTTPConnection):
    """A connection to pinned addresses: urllib3 opens it, `exchange` speaks on it."""

    places: Sequence[guard.Place] = ()
    ends = 0.0
    used_at = 0.0

    def _new_conn(self) -> socket.socket:
        """urllib3's hook for opening the socket: no look-up here, the guard has done it."""
        trouble: OSError = OSError("no address")
        for place in self.places:
            sock = socket.socket(place.family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(min(CONNECT, wire.left(self.ends)))
                sock.connect(place.sockaddr)
            except OSError as error:
                sock.close()
                trouble = error
            else:
                sock.settimeout(wire.left(self.ends))  # bounds the TLS handshake as a whole
                return sock
        raise trouble

    def exchange(self, method: str, request: bytes, ends: float, limit: int) -> Response:
        """One request, one whole answer. Raises what wire raises, and what the socket did."""
        line = wire.Wire(self.sock, ends)
        line.send(request)
        response, kept = line.receive(method, limit)
        if not kept:
            self.close()
        return response


class _Plain(_Steps):
    """http, to loopback only."""


class _Tls(_Steps, HTTPSConnection):
    """https with the certificate checked against the name, although the address is pinned."""


# ---- the pool ---------------------------------------------------------------------------------------------------------------
class Pool:
    """Kept connections of one process, for all systems. Safe for threads; a forked child starts with none of its parent's.

    `tls` replaces the system's trust store (tests, private authorities).
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._pid = os.getpid()
        self._idle: dict[tuple[str, str, int, Permits], deque[_Steps]] = {}

    def take(self, goal: guard.Target, permits: Permits, ends: float, *, fresh: bool = False) -> tuple[_Steps, bool]:
        """An open connection, and whether it was used before. What may be called is part of the key: no borrowed permits."""
        idle = self._idle_for(goal, permits)
        while not fresh and idle:
            conn = idle.pop()
            if time.monotonic() - conn.used_at < IDLE and not wait_for_read(conn.sock, timeout=0.0):
                return conn, True
            conn.close()
        return self._open(goal, permits, ends), False

    def give(self, conn: _Steps, goal: guard.Target, permits: Permits) -> None:
        """Take a connection back for its next use; the oldest goes when there are too many."""
        if conn.sock is None:
            return
        conn.used_at = time.monotonic()
        idle = self._idle_for(goal, permits)
        idle.append(conn)
        if len(idle) > KEPT:
            idle.popleft().close()

    def close(self) -> None:
        """Close everything that is idle."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _idle_for(self, goal: guard.Target, permits: Permits) -> deque[_Steps]:
        if self._pid != os.getpid():  # a socket shared by two processes mixes their answers
            self._pid, self._idle = os.getpid(), {}
        key = (goal.scheme, goal.host, goal.port, permits)
        idle = self._idle.get(key)
        return idle if idle is not None else self._idle.setdefault(key, deque())

    def _open(self, goal: guard.Target, permits: Permits, ends: float) -> _Steps:
        """Resolve, guard, connect. Every failure here means that the request never left."""
        found = guard.places(goal, seconds=ends - time.monotonic(), **permits._asdict())
        conn: _Steps = _Plain(goal.host, goal.port)
        if goal.scheme == "https":
            self._tls = self._tls or ssl.create_default_context()
            conn = _Tls(goal.host, goal.port, ssl_context=self._tls)
        conn.places, conn.ends = found, ends
        try:
            conn.connect()
        except ssl.SSLCertVerificationError as error:
            conn.close()
            raise Misconfigured(f"The certificate of {goal.host} is not valid: {error.verify_message}.") from error
        except (OSError, HTTPError) as error:
            conn.close()
            raise Retry(f"{goal.host} cannot be reached: {_words(error)}.", down=True, detail=str(error)) from error
        return conn


# ---- one call ---------------------------------------------------------------------------------------------------------------
class Http:
    """The way out for one call (base.Http): `deadline` seconds from now for all its requests together.

    `jobs` are those the call carries out; `secrets` every decrypted value of the system, for masking. `exchanges` grows with
    each request, also with those that failed.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        deadline: float,
        jobs: Sequence[Job] = (),
        secrets: Iterable[str] = (),
        allow_loopback_http: bool = False,
        allow_http: bool = False,
        limit: int = LIMIT,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self._pool = pool
        self._ends = time.monotonic() + deadline
        self._jobs = tuple(job.id for job in jobs)
        self._mask = Mask(secrets)
        self._permits = Permits(allow_loopback_http, allow_http)
        self._limit = limit

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | None = None,
        about: Iterable[Job] = (),
    ) -> Response:
        """Send one request and read the whole answer, whatever its status. Raises as base.Http says."""
        started = time.time()
        headers = {"User-Agent": "retailsync", "Accept-Encoding": "gzip", **headers}
        response: Response | None = None
        failure = ""
        try:
            goal = guard.target(url, **self._permits._asdict())
            response = self._exchange(method, goal, headers, body)
            return response
        except SyncError as error:
            failure = f"{error.words} {error.detail}".strip()
            raise
        finally:
            jobs = tuple(job.id for job in about) or self._jobs
            self._note(method, url, started, headers, body, response, failure, jobs)

    def _exchange(self, method: str, goal: guard.Target, headers: Mapping[str, str], body: bytes | None) -> Response:
        """Try on a kept connection; where that one was dead and nothing can have happened, once more on a fresh one."""
        if self._ends <= time.monotonic():
            raise Retry("There was no time left for this request.")
        try:
            request = wire.request(method, _host(goal), goal.path, headers, body)
        except wire.Unfit as error:
            raise Misconfigured(
                f"The request to {goal.host} has a character that is not allowed in {error}."
            ) from error
        conn, used = self._pool.take(goal, self._permits, self._ends)
        try:
            return self._on(conn, method, goal, request)
        except wire.Unsent as error:
            if not used:
                raise Retry(f"{goal.host} closed the connection at once.", down=True, detail=str(error)) from error
        except ConnectionError as error:
            if not used or method not in SAFE:
                raise _unknown(goal, error) from error
        conn, _ = self._pool.take(goal, self._permits, self._ends, fresh=True)
        try:
            return self._on(conn, method, goal, request)
        except wire.Unsent as error:
            raise Retry(f"{goal.host} closed the connection at once.", down=True, detail=str(error)) from error
        except ConnectionError as error:
            raise _unknown(goal, error) from error

    def _on(self, conn: _Steps, method: str, goal: guard.Target, request: bytes) -> Response:
        """One try on one connection, which is kept only after a complete answer."""
        complete = False
        try:
            response = conn.exchange(method, request, self._ends, self._limit)
            complete = True
            return response
        except wire.TooLarge as error:
            raise Refused(f"{goal.host} answered with too much: {error}.", reason="too_large") from error
        except ConnectionError:
            raise
        except (OSError, wire.Broken) as error:
            raise _unknown(goal, error) from error
        finally:
            if complete:
                self._pool.give(conn, goal, self._permits)
            else:
                conn.close()

    def _note(
        self,
        method: str,
        url: str,
        started: float,
        headers: Mapping[str, str],
        body: bytes | None,
        response: Response | None,
        failure: str,
        jobs: tuple[int, ...],
    ) -> None:
        """Record the exchange, masked before anybody can read it."""
        self.exchanges.append(
            Exchange(
                method=method,
                url=self._mask.url(url),
                started_at=datetime.fromtimestamp(started, UTC),
                duration=time.time() - started,
                status=response.status if response else None,
                error=self._mask.text(failure) if failure else "",
                request=self._mask.message(headers, body or b""),
                response=self._mask.message(response.headers, response.body) if response else "",
                jobs=jobs,
            )
        )


def _host(goal: guard.Target) -> str:
    """The Host header: an IPv6 address in brackets, the port where it is not the usual one."""
    host = goal.host.rstrip(".")
    host = f"[{host}]" if ":" in host else host
    return host if goal.port == guard.PORTS[goal.scheme] else f"{host}:{goal.port}"


def _unknown(goal: guard.Target, error: Exception) -> Retry:
    return Retry(f"{goal.host} gave no complete answer: {_words(error)}.", unknown=True, detail=str(error))


def _words(error: BaseException) -> str:
    """What happened, for a shop owner."""
    if isinstance(error, TimeoutError) or "timed out" in str(error) or "deadline" in str(error):
        return "it took too long"
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there"
    if isinstance(error, ssl.SSLError):
        return "no secure connection could be agreed"
    return "the connection broke"


def retry_after(response: Response, now: datetime) -> float | None:
    """Seconds from a Retry-After header, given as seconds or as a date (RFC 9110 §10.2.3); None where absent or unreadable."""
    given = response.headers.get("retry-after", "").strip()
    if given.isdecimal() and len(given) < 10:
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - now).total_seconds())
    except (ValueError, TypeError):
        return None
