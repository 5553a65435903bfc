"""The shop's webhooks: created where they are missing, made anew where the shop switched them off. Knows no table and no schedule.

A webhook is disabled after the 7th failed delivery in a row, and re-enabling it over REST does not reset that count (one more failure
disables it again): so a new one is made and the old one deleted. The secret is never shown, so it cannot be compared.
"""

from collections.abc import Sequence

import msgspec

from connectors.base import Session, Watched
from connectors.errors import Misconfigured
from connectors.woocommerce.client import MAX_PAGE, ask

TOPICS = (
    "order.created", "order.updated", "order.deleted", "order.restored", "product.created", "product.updated", "product.deleted",
    "product.restored", "customer.created", "customer.updated", "customer.deleted",
)  # fmt: skip


class Hook(msgspec.Struct):
    """A webhook as the shop lists it."""

    id: int
    topic: str = ""
    status: str = ""
    delivery_url: str = ""


_HOOKS = msgspec.json.Decoder(list[Hook])


def watch(session: Session, address: str) -> Watched:
    """See to it that each topic has one active webhook that delivers to `address`. One that delivers elsewhere is none of ours."""
    ours = [hook for hook in _listed(session) if hook.delivery_url == address]
    missing, dead = [], []
    for topic in TOPICS:
        active = [hook.id for hook in ours if hook.topic == topic and hook.status == "active"]
        off = [hook.id for hook in ours if hook.topic == topic and hook.status != "active"]
        if not active:
            missing.append(topic)
        dead += [*off, *active[1:]]
    for topic in missing:  # first the new ones: what happens meanwhile is told twice rather than not at all
        _create(session, topic, address)
    for id in dead:
        ask(session, "DELETE", f"/webhooks/{id}", {"force": "true"})
    off_before = {hook.topic for hook in ours if hook.status != "active"}
    remade = [topic for topic in missing if topic in off_before]
    return Watched(created=len(missing) - len(remade), remade=tuple(remade))


def _listed(session: Session) -> Sequence[Hook]:
    hooks: list[Hook] = []
    page = 1
    while True:
        answer = ask(session, "GET", "/webhooks", {"per_page": MAX_PAGE, "page": page, "status": "all"})
        found = answer.decode(_HOOKS)
        hooks += found
        if len(found) < MAX_PAGE:
            return hooks
        page += 1


def _create(session: Session, topic: str, address: str) -> None:
    secret = session.secret("webhook")
    if not secret:
        raise Misconfigured(
            "The secret “webhook” is not set: without it nobody could tell the shop's messages from others."
        )
    wanted = {
        "name": f"retailsync {topic}",
        "topic": topic,
        "delivery_url": address,
        "secret": secret,
        "status": "active",
    }
    ask(session, "POST", "/webhooks", body=wanted)
