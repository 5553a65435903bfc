"""WooCommerce as a channel: the declaration and the door. REST API v3 over https with HTTP Basic, or over
plain http with OAuth 1.0a where a person allowed it; webhooks signed by HMAC."""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from connectors.base import Connector, Delivery, Heard, Session
from connectors.errors import Misconfigured
from connectors.signing import check_base64
from connectors.woocommerce.client import OPEN_LINE, Settings, ask
from connectors.woocommerce.looking import look_up
from connectors.woocommerce.polling import POLLS
from connectors.woocommerce.reading import READS
from connectors.woocommerce.sending import SENDS
from connectors.woocommerce.watching import watch

_PING = re.compile(rb"webhook_id=\d{1,20}")
_TOPIC = re.compile(r"[a-z_]{1,40}\.[a-z0-9_.\-]{1,100}")


def door(delivery: Delivery, secrets: Sequence[str]) -> Heard | None:
    """Check one webhook. Its signature is over the raw body only; its delivery id (webhook id + unix second) is not unique.

    The ping on creation is unsigned and form-encoded and must get exactly 200: nothing is stored.
    """
    headers = delivery.headers
    signature = headers.get("x-wc-webhook-signature", "")
    if not signature and _PING.fullmatch(delivery.body):
        return None
    check_base64(signature, delivery.body, secrets)
    topic = headers.get("x-wc-webhook-topic", "")
    told = "\0".join((headers.get("x-wc-webhook-delivery-id", ""), topic)).encode("utf-8", "replace")
    return Heard(_named(topic), hashlib.sha256(told + b"\0" + delivery.body).digest(), delivery.body)


def _named(topic: str) -> str:
    """The topic as it is stored. `action.<any hook>` is one topic; a missing or odd one is `unknown`, which nobody reads."""
    if topic.startswith("action."):
        return "action"
    return topic if _TOPIC.fullmatch(topic) else "unknown"


class _Environment(msgspec.Struct):
    version: str = ""


class _Status(msgspec.Struct):
    environment: _Environment = msgspec.field(default_factory=_Environment)


_STATUS = msgspec.json.Decoder(_Status)


def probe(session: Session) -> str:
    """One round trip that needs the same rights as our work."""
    answer = ask(session, "GET", "/system_status", {"_fields": "environment"})
    version = answer.decode(_STATUS).environment.version if answer.status == 200 else ""
    if not version:
        raise Misconfigured("There is no WooCommerce at this address.", detail=answer.code)
    settings: Settings = session.settings
    warning = f" {OPEN_LINE}" if settings.allow_http and settings.url.startswith("http:") else ""
    return f"WooCommerce {version} answers at {settings.url}.{warning}"


connector = Connector(
    name="woocommerce",
    title="WooCommerce",
    roles=frozenset({"channel"}),
    settings=Settings,
    secrets=("consumer_key", "consumer_secret", "webhook"),
    door=door,
    reads=READS,
    sends=SENDS,
    polls=POLLS,
    looks_up={"listing": look_up},
    watch=watch,
    probe=probe,
)
