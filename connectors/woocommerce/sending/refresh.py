"""Refresh → one read. A 404 is an answer too: `<word>.missing`, with the shop's clock."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from canonical.commands import Refresh
from canonical.types import Entity
from connectors.base import Heard, Job, Receipt, Session
from connectors.errors import Refused
from connectors.woocommerce.client import Answer, ask
from connectors.woocommerce.looking import look_up
from connectors.woocommerce.reading import TOPICS
from connectors.woocommerce.wire import refund_of


class Place(NamedTuple):
    """Where one subject is read: its address, its own id there, and how the answer is stored."""

    path: str
    ref: str
    stored: Callable[[bytes], bytes]


def _plain(collection: str) -> Callable[[str], Place | None]:
    """Subjects with an address of their own. Variations are found as products."""

    def place(external_id: str) -> Place | None:
        known = external_id.isascii() and external_id.isdigit()
        return Place(f"/{collection}/{external_id}", external_id, bytes) if known else None

    return place


def _refund(external_id: str) -> Place | None:
    """`ORDER:REFUND`. The shop's answer does not name the order, so it is stored with it."""
    if not (match := re.fullmatch(r"([0-9]{1,20}):([0-9]{1,20})", external_id)):
        return None
    order, refund = match.groups()
    return Place(f"/orders/{order}/refunds/{refund}", refund, lambda body: refund_of(order, body))


PLACES: Mapping[Entity, Callable[[str], Place | None]] = {
    "order": _plain("orders"),
    "sku": _plain("products"),
    "product": _plain("products"),
    "customer": _plain("customers"),
    "refund": _refund,
}


def refresh(session: Session, job: Job) -> Receipt:
    """Read one subject."""
    command: Refresh = job.command
    if command.entity == "listing":
        heard = tuple(look_up(session, [command.external_id], about=(job,)))
        return Receipt(job.id, external_id=command.external_id, heard=heard)
    place = PLACES[command.entity](command.external_id) if command.entity in PLACES else None
    if place is None:
        raise Refused(f"A shop has no {command.entity} “{command.external_id}”.", reason="not_readable")
    answer = ask(session, "GET", place.path, about=(job,))
    return Receipt(job.id, external_id=command.external_id, heard=(_heard(TOPICS[command.entity], place, answer),))


def _heard(word: str, place: Place, answer: Answer) -> Heard:
    key = hashlib.sha256(f"refresh\0{word}\0{place.ref}\0{answer.asked_at.isoformat()}".encode()).digest()
    if answer.status == 200:
        return Heard(f"{word}.read", key, place.stored(answer.body), answer.asked_at)
    body = msgspec.json.encode({"id": place.ref, "at": int(answer.shop_time.timestamp()), "code": answer.code})
    return Heard(f"{word}.missing", key, body, answer.asked_at)
