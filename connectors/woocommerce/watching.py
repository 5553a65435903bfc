"""The webhooks a shop keeps for us: created where they are missing, created anew where the shop switched them off. Knows no order.

A shop switches a webhook off for good after too many failed deliveries, and enabling it again over REST does not reset its count: one
more failure ends it again. So a dead one is replaced, the new one first. The secret cannot be read, so the name of every webhook made
here ends with a mark of the secret it was made with: after the secret was changed it is replaced too. One made by hand, with another
name, keeps whatever secret it has.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

from connectors.base import Session, Watched
from connectors.errors import Misconfigured
from connectors.woocommerce.client import MAX_PAGE, ask

TOPICS = (
    "order.created", "order.updated", "order.deleted", "order.restored", "product.created", "product.updated", "product.deleted",
    "customer.created", "customer.updated", "customer.deleted",
)  # fmt: skip
OURS = re.compile(r"retailsync \S+ #([0-9a-f]{8})")


class Webhook(msgspec.Struct):
    """A webhook as the shop lists it. `status` is active, paused (by a person) or disabled (by the shop)."""

    id: int
    name: str = ""
    status: str = ""
    topic: str = ""
    delivery_url: str = ""


_WEBHOOKS = msgspec.json.Decoder(list[Webhook])


def watch(session: Session, wanted: str) -> Watched:
    """See that one live webhook per topic leads to `wanted`; with only the path of an address, look and change nothing.

    Raises Misconfigured where there is no secret, or one that shops mangle.
    """
    ours = [hook for hook in _all(session) if hook.delivery_url.rstrip("/").endswith(wanted.rstrip("/"))]
    off = sorted({hook.topic for hook in ours if hook.status != "active"})
    if wanted.startswith("/"):
        return Watched(words=_words(off, "they stay off until somebody acts"))
    mark = _mark(_secret(session))
    created: list[str] = []
    recreated: list[str] = []
    for topic in TOPICS:
        here = [hook for hook in ours if hook.topic == topic]
        live = [hook for hook in here if hook.status == "active" and _made_with(hook, mark)]
        if not live:
            _create(session, topic, wanted, mark)
            (recreated if here else created).append(topic)
        for hook in here:
            if hook not in live[:1]:
                _delete(session, hook)
    return Watched(tuple(created), tuple(recreated), _words(off, "they were created anew"))


def _words(off: Sequence[str], then: str) -> str:
    if not off:
        return ""
    return f"The shop had switched off our webhooks ({', '.join(off)}); {then}. Find out why deliveries failed."


def _all(session: Session) -> Iterable[Webhook]:
    """Every webhook of the shop, in pages by id."""
    page = 1
    while True:
        query: dict[str, str | int] = {"per_page": MAX_PAGE, "page": page, "orderby": "id", "order": "asc"}
        answer = ask(session, "GET", "/webhooks", query)
        if answer.status != 200:
            raise Misconfigured(
                "The shop's WooCommerce API has no webhooks; is WooCommerce active?", detail=answer.code
            )
        hooks = answer.decode(_WEBHOOKS)
        yield from hooks
        if len(hooks) < MAX_PAGE and page >= answer.pages:
            return
        page += 1


def _create(session: Session, topic: str, address: str, mark: str) -> None:
    """Make one. The shop pings the address while we wait, and says `active` whatever the address answers."""
    hook = {
        "name": f"retailsync {topic} #{mark}",
        "status": "active",
        "topic": topic,
        "delivery_url": address,
        "secret": _secret(session),
    }
    ask(session, "POST", "/webhooks", body=hook)


def _delete(session: Session, hook: Webhook) -> None:
    """Remove one; that it is gone already is fine."""
    ask(session, "DELETE", f"/webhooks/{hook.id}", {"force": "true"})


def _secret(session: Session) -> str:
    secret = session.secret("webhook")
    if not secret:
        raise Misconfigured("The shop's webhook secret is not set.")
    if set(secret) & set("&<>\"'"):
        raise Misconfigured(
            "The shop's webhook secret has a character shops mangle: & < > \" or '. Choose another one."
        )
    return secret


def _mark(secret: str) -> str:
    """Tells secrets apart without telling them."""
    return hashlib.sha256(f"retailsync webhook\0{secret}".encode()).hexdigest()[:8]


def _made_with(hook: Webhook, mark: str) -> bool:
    named = OURS.fullmatch(hook.name)
    return named is None or named[1] == mark
