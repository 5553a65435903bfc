"""What a worker's connection to the broker does when it is lost."""

import uuid

import pytest
from django.conf import settings
from kombu import Connection

from retailsync.platform import broker


def test_a_connection_closed_twice_with_a_task_in_hand() -> None:
    """Celery closes a lost connection twice; without our channel the second time ended the worker with an AttributeError."""
    broker.install()
    with Connection(settings.REDIS_URL) as connection:
        queue = connection.SimpleQueue(f"test-{uuid.uuid4()}")
        queue.put({"id": 1})
        message = queue.get(timeout=5)
        assert type(queue.channel) is broker.Channel
        channel, connection.transport.client = queue.channel, None  # what the first of the two leaves behind
        channel._disconnect_pools()
        with pytest.raises(connection.connection_errors):
            message.ack()
        with pytest.raises(connection.connection_errors):
            channel.close()
