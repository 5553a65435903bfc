"""The floor of P1: a raw WSGI program that verifies, inserts and commits, with one kept connection per thread. Knows no Django."""

import base64
import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2

from retailsync.platform import addresses

_SECRET = os.environ.get("BENCH_SECRET", "").encode()
_SYSTEM = int(os.environ.get("BENCH_SYSTEM", "0"))
_INSERT = "INSERT INTO bench_floor (system_id, topic, dedup_key, door, body) VALUES (%s, %s, %s, 'webhook', %s)"
_kept = threading.local()


def _connection() -> Any:
    if not hasattr(_kept, "connection"):
        _kept.connection = addresses.connect(addresses.database(os.environ["DATABASE_URL"]))
    return _kept.connection


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer 200 once the delivery is committed, 401 when it is not signed."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    expected = base64.b64encode(hmac.digest(_SECRET, body, "sha256")).decode()
    if not hmac.compare_digest(expected, environ.get("HTTP_X_WC_WEBHOOK_SIGNATURE", "")):
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return [b""]
    connection = _connection()
    delivery = environ.get("HTTP_X_WC_WEBHOOK_DELIVERY_ID", "").encode()
    with connection, connection.cursor() as cursor:
        topic = environ.get("HTTP_X_WC_WEBHOOK_TOPIC", "")
        cursor.execute(_INSERT, (_SYSTEM, topic, hashlib.sha256(delivery + body).digest(), psycopg2.Binary(body)))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
    return [b"received"]
