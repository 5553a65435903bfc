"""Redis as Celery's broker, except that a lost connection never ends a worker. Knows no task."""

from typing import Any

import redis
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.redis import Transport as RedisTransport


class Channel(RedisChannel):
    """A channel whose connection was closed says so. Celery 5.7 closes a lost connection twice: the first time ends half-way where the
    channel was waiting for a task, the second then wants to give back what was not acknowledged, through an address that is gone, and
    the worker ended with an AttributeError ('NoneType' object has no attribute 'hostname'). As a lost connection it is survived: the task
    was a bell, and the sweep rings for what lies there."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise redis.ConnectionError("This connection to the broker was closed.")
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]


class Transport(RedisTransport):
    """Kombu's, with the channel above."""

    Channel = Channel


def install() -> None:
    """From now on redis:// and rediss:// mean this."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
