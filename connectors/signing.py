"""Signatures over raw bytes: HMAC-SHA256 in the two usual spellings, and Standard Webhooks both ways. Knows no system.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import secrets as random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from connectors.base import BadSignature
from connectors.errors import Misconfigured

TOLERANCE = 300  # seconds a webhook's timestamp may lie before or after our clock
PREFIX = "whsec_"


def sha256(secret: str | bytes, body: bytes) -> bytes:
    """HMAC-SHA256 of the body; a text secret counts as its UTF-8 bytes."""
    return hmac.digest(secret.encode() if isinstance(secret, str) else secret, body, hashlib.sha256)


def base64_of(secret: str | bytes, body: bytes) -> str:
    """As WooCommerce's X-WC-Webhook-Signature spells it."""
    return base64.b64encode(sha256(secret, body)).decode()


def hex_of(secret: str | bytes, body: bytes) -> str:
    """As GitHub, Shopify apps and many ERPs spell it."""
    return sha256(secret, body).hex()


def matches(given: str, expected: Iterable[str]) -> bool:
    """Whether one of several expected signatures is the given one. Looks at all of them, each in constant time."""
    right = given.encode("utf-8", "surrogateescape")
    found = [hmac.compare_digest(right, one.encode()) for one in expected]
    return any(found)


def check_base64(given: str, body: bytes, secrets: Sequence[str]) -> None:
    """Raise BadSignature unless one active secret made this base64 signature. No secret at all refuses everything."""
    if not matches(given, [base64_of(secret, body) for secret in secrets if secret]):
        raise BadSignature


def check_hex(given: str, body: bytes, secrets: Sequence[str]) -> None:
    """Raise BadSignature unless one active secret made this hexadecimal signature."""
    if not matches(given.lower(), [hex_of(secret, body) for secret in secrets if secret]):
        raise BadSignature


# ---- Standard Webhooks ------------------------------------------------------------------------------------------------------
def new_secret() -> str:
    """A fresh secret of 32 random bytes, as the specification wants them (24 to 64)."""
    return PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def webhook_key(secret: str) -> bytes:
    """The bytes inside `whsec_<base64>`. Raises Misconfigured, without showing the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise Misconfigured(f"The webhook secret must be {PREFIX} followed by 24 to 64 bytes in base64.")
    return key


def webhook_headers(event: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Headers of a signed event, one signature per active secret, so that the receiver may rotate when it likes."""
    if not secrets:
        raise Misconfigured("There is no webhook secret to sign with.")
    stamp = str(int(now.timestamp()))
    return {
        "webhook-id": event,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_signature(event, stamp, body, secret) for secret in secrets),
    }


def verify_webhook(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """The event's id, once its signature and timestamp are checked. Header names lower-case. Raises BadSignature."""
    event, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event or not stamp.isdecimal() or len(stamp) > 12 or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise BadSignature
    expected = [_signature(event, stamp, body, secret) for secret in secrets]
    given = headers.get("webhook-signature", "").split()[:16]
    if not any(matches(one, expected) for one in given):
        raise BadSignature
    return event


def _signature(event: str, stamp: str, body: bytes, secret: str) -> str:
    signed = b".".join((event.encode("utf-8", "surrogateescape"), stamp.encode("utf-8", "replace"), body))
    return f"v1,{base64_of(webhook_key(secret), signed)}"
