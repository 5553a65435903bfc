"""How many calls a partner may make: all its keys and all our processes together, counted in Redis by the minute.

Redis away means nobody counts: a partner is not kept out because we lost a counter.
"""

import logging
import threading
import time
from typing import Any, NamedTuple

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from retailsync.partners.authentication import Partner

WINDOW = 60  # seconds
AWAY = 5.0  # seconds Redis is not asked again after it did not answer
_log = logging.getLogger(__name__)
_away_until = 0.0


class Allowance(NamedTuple):
    """Where a partner stands in this window."""

    limit: int
    used: int
    resets: int  # seconds until the window ends

    @property
    def headers(self) -> dict[str, str]:
        """As every answer carries it."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(self.resets),
        }


class PartnerThrottle(BaseThrottle):
    """Counts the call; refuses it beyond the limit. Leaves the allowance on the request for the answer's headers."""

    def allow_request(self, request: Request, view: Any) -> bool:
        partner = request.user
        if not isinstance(partner, Partner):
            return True
        allowance = getattr(request._request, "allowance", None) or count(partner)
        request._request.allowance = allowance  # type: ignore[attr-defined]
        self._wait = float(allowance.resets)
        return allowance.used <= allowance.limit

    def wait(self) -> float:
        return self._wait


def count(partner: Partner) -> Allowance:
    """Count one call of this partner."""
    now = time.time()
    window, resets = int(now // WINDOW), WINDOW - int(now % WINDOW)
    return Allowance(partner.calls_per_minute, _counted(f"partner-calls:{partner.system_id}:{window}"), resets)


def _counted(name: str) -> int:
    global _away_until
    if time.monotonic() < _away_until:
        return 0
    try:
        with _redis().pipeline(transaction=False) as pipe:
            pipe.incr(name)
            pipe.expire(name, 2 * WINDOW)
            return int(pipe.execute()[0])
    except (
        redis.RedisError,
        OSError,
        ValueError,
    ):  # its parser answers a time-out in the middle of a line with a ValueError
        _away_until = time.monotonic() + AWAY
        _log.warning("calls of partners are not counted: Redis is away")
        return 0


_clients: list["redis.Redis"] = []
_making = threading.Lock()


def _redis() -> "redis.Redis":
    """The process's client. Made once: a second one that is thrown away closes its connection under whoever uses it."""
    if not _clients:
        with _making:
            if not _clients:
                _clients.append(
                    redis.Redis.from_url(settings.REDIS_URL, protocol=2, socket_timeout=0.5, socket_connect_timeout=0.5)
                )
    return _clients[0]
