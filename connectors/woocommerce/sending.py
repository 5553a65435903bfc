"""Our commands → requests to a shop → receipts. Knows what each command is to the shop; status codes belong to the client.

Order fulfillments: REST routes of WooCommerce ≥ 10.1 where the feature is on
(plugins/woocommerce/src/Admin/Features/Fulfillments/OrderFulfillmentsRestController.php and the REST document beside it):
`GET|POST /orders/<id>/fulfillments[?notify_customer=true]` with `status`, `is_fulfilled` and `meta_data`, where `_items` is
`[{item_id, qty}]`, `_tracking_number`, `_shipping_provider` and `_tracking_url` are what the customer sees.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from canonical.commands import Command, CompleteOrder, Ref, Refresh, SendTracking
from connectors.base import Heard, Job, Receipt, Send, Session
from connectors.errors import Refused, SyncError
from connectors.woocommerce.client import Answer, ask
from connectors.woocommerce.reading import TOPICS

SHIPMENT = "_retailsync_shipment"  # on a fulfillment: our shipment reference
SHIPMENTS = "_retailsync_shipments"  # on an order: our shipments by reference, where the shop has no fulfillments
FINAL = frozenset({"cancelled", "refunded", "failed", "trash", "pending", "checkout-draft", "auto-draft"})


class Meta(msgspec.Struct):
    """One entry of `meta_data`."""

    key: str = ""
    value: Any = None
    id: int | None = None


class Fulfillment(msgspec.Struct):
    """A fulfillment of an order, as far as we look at it."""

    id: int
    meta_data: list[Meta] = []


class Order(msgspec.Struct):
    """An order, as far as we look at it before writing."""

    status: str = ""
    meta_data: list[Meta] = []


class Note(msgspec.Struct):
    """An order note."""

    id: int
    note: str = ""


_FULFILLMENTS = msgspec.json.Decoder(list[Fulfillment])
_FULFILLMENT = msgspec.json.Decoder(Fulfillment)
_ORDER = msgspec.json.Decoder(Order)
_NOTES = msgspec.json.Decoder(list[Note])
_NOTE = msgspec.json.Decoder(Note)


def _each(one: Callable[[Session, Job], Receipt]) -> Callable[[Session, Sequence[Job]], Sequence[Receipt]]:
    """Carry out jobs one after the other; an error concerns its own job only."""

    def send(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
        return [receipt for job in jobs for receipt in _tried(one, session, job)]

    return send


def _tried(one: Callable[[Session, Job], Receipt], session: Session, job: Job) -> Iterator[Receipt]:
    try:
        yield one(session, job)
    except SyncError as error:
        yield Receipt(job.id, error=error)


def order_of(command: SendTracking | CompleteOrder) -> Sequence[Ref]:
    """Both speak of an order the shop must know."""
    return (Ref("order", command.order_id),)


def _order_id(job: Job) -> str:
    return job.resolved[Ref("order", job.command.order_id)]


# ---- Refresh ----------------------------------------------------------------------------------------------------------------
_PATHS: Mapping[str, str] = {"order": "orders", "sku": "products", "product": "products", "customer": "customers"}


def refresh(session: Session, job: Job) -> Receipt:
    """Read one subject. A 404 is an answer too: `<word>.missing`, with the shop's clock. Variations are found as products."""
    command: Refresh = job.command
    if command.entity not in _PATHS or not command.external_id.isdigit():
        raise Refused(f"A shop has no {command.entity} “{command.external_id}”.", reason="not_readable")
    answer = ask(session, "GET", f"/{_PATHS[command.entity]}/{command.external_id}", about=(job,))
    return Receipt(job.id, external_id=command.external_id, heard=(_answered(command, answer),))


def _answered(command: Refresh, answer: Answer) -> Heard:
    word, ref = TOPICS[command.entity], command.external_id
    key = hashlib.sha256(f"refresh\0{word}\0{ref}\0{answer.asked_at.isoformat()}".encode()).digest()
    if answer.status == 200:
        return Heard(f"{word}.read", key, answer.body, answer.asked_at)
    body = msgspec.json.encode({"id": ref, "at": int(answer.shop_time.timestamp()), "code": answer.code})
    return Heard(f"{word}.missing", key, body, answer.asked_at)


# ---- SendTracking -----------------------------------------------------------------------------------------------------------
def send_tracking(session: Session, job: Job) -> Receipt:
    """Show one shipment in the shop: found by our reference, else created. A shop without fulfillments gets a note."""
    if found := look_tracking(session, job):
        return found
    path = f"/orders/{_order_id(job)}/fulfillments"
    notify = {"notify_customer": "true"} if session.settings.notify_customer else None
    answer = ask(session, "POST", path, notify, body=fulfillment(job.command), about=(job,))
    if answer.status == 404 and answer.code == "rest_no_route":
        return _note_shipment(session, job)
    _found_order(answer, job)
    return _sent(job, f"fulfillment {answer.decode(_FULFILLMENT).id}")


def look_tracking(session: Session, job: Job) -> Receipt | None:
    """The shop's record of our shipment; None when it is not there. A record a person deleted there is not found: it is sent again."""
    order, reference = _order_id(job), job.command.reference
    answer = ask(session, "GET", f"/orders/{order}/fulfillments", about=(job,))
    if answer.status == 404 and answer.code == "rest_no_route":
        note = _note_of(session, job)
        return _sent(job, f"note {note.id}") if note else None
    _found_order(answer, job)
    for one in answer.decode(_FULFILLMENTS):
        if any(meta.key == SHIPMENT and meta.value == reference for meta in one.meta_data):
            return _sent(job, f"fulfillment {one.id}")
    return None


def look(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt | None]:
    """Look for several shipments; asked before a doubtful job is sent again."""
    return [look_tracking(session, job) for job in jobs]


def fulfillment(command: SendTracking) -> dict[str, Any]:
    """One fulfillment for the whole shipment. The shop shows one tracking number, so several are written into one text."""
    numbers = ", ".join(parcel.tracking for parcel in command.parcels if parcel.tracking)
    links = [parcel.tracking_url for parcel in command.parcels if parcel.tracking_url]
    metas = {
        "_items": [{"item_id": int(line.line), "qty": line.units} for line in command.lines],
        "_tracking_number": numbers,
        "_shipping_provider": "other" if command.carrier else "",
        "_provider_name": command.carrier,
        "_tracking_url": links[0] if links else "",
        SHIPMENT: command.reference,
    }
    return {
        "status": "fulfilled",
        "is_fulfilled": True,
        "meta_data": [{"key": key, "value": value} for key, value in metas.items() if value],
    }


def _sent(job: Job, evidence: str) -> Receipt:
    return Receipt(
        job.id, state="sent", external_id=evidence.replace(" ", ":"), evidence=f"{evidence} of order {_order_id(job)}"
    )


def _found_order(answer: Answer, job: Job) -> None:
    if answer.status in (404, 410):
        raise Refused(f"The shop no longer has order {_order_id(job)}.", reason="order_gone", detail=answer.code)


# -- shops without fulfillments
def _note_shipment(session: Session, job: Job) -> Receipt:
    """First our record on the order (a merge: twice is once), then the note the customer is mailed, found by its reference."""
    _record_shipment(session, job)
    body = {"note": note_text(job.command), "customer_note": session.settings.notify_customer}
    answer = ask(session, "POST", f"/orders/{_order_id(job)}/notes", body=body, about=(job,))
    _found_order(answer, job)
    return _sent(job, f"note {answer.decode(_NOTE).id}")


def _record_shipment(session: Session, job: Job) -> None:
    command: SendTracking = job.command
    path = f"/orders/{_order_id(job)}"
    read = ask(session, "GET", path, {"_fields": "id,status,meta_data"}, about=(job,))
    _found_order(read, job)
    meta = next((m for m in read.decode(_ORDER).meta_data if m.key == SHIPMENTS), Meta(SHIPMENTS))
    known = meta.value if isinstance(meta.value, dict) else {}
    if command.reference in known:
        return
    numbers = [parcel.tracking for parcel in command.parcels if parcel.tracking]
    stated = {"carrier": command.carrier, "tracking": numbers, "shipped_at": command.shipped_at}
    entry: dict[str, Any] = {"key": SHIPMENTS, "value": {**known, command.reference: stated}}
    if meta.id is not None:
        entry["id"] = meta.id  # without it some shops add a second entry of the same key
    _found_order(ask(session, "PUT", path, body={"meta_data": [entry]}, about=(job,)), job)


def _note_of(session: Session, job: Job) -> Note | None:
    answer = ask(session, "GET", f"/orders/{_order_id(job)}/notes", about=(job,))
    _found_order(answer, job)
    return next((note for note in answer.decode(_NOTES) if _mark(job.command) in note.note), None)


def _mark(command: SendTracking) -> str:
    return f"(shipment {command.reference})"


def note_text(command: SendTracking) -> str:
    """What the customer reads. Ends with our reference, by which the note is found again."""
    by = f" with {command.carrier}" if command.carrier else ""
    numbers = ", ".join(" ".join(filter(None, (p.tracking, p.tracking_url))) for p in command.parcels if p.tracking)
    track = f" Track it: {numbers}." if numbers else ""
    return f"Your order is on its way{by}.{track} {_mark(command)}"


# ---- CompleteOrder ----------------------------------------------------------------------------------------------------------
def complete_order(session: Session, job: Job) -> Receipt:
    """Set the order to completed unless someone in the shop decided otherwise meanwhile: read first, never overwrite that.

    A plugin's own status is completed too: such statuses lie between processing and completed.
    """
    path = f"/orders/{_order_id(job)}"
    read = ask(session, "GET", path, {"_fields": "id,status"}, about=(job,))
    _found_order(read, job)
    status = read.decode(_ORDER).status
    if status in FINAL:
        words = f"Order {_order_id(job)} is “{status}” in the shop; it was shipped, so someone has to decide."
        raise Refused(words, reason=f"order_{status.replace('-', '_')}")
    if status != "completed":
        answer = ask(session, "PUT", path, body={"status": "completed"}, about=(job,))
        _found_order(answer, job)
        status = answer.decode(_ORDER).status
    if status != "completed":
        raise Refused(f"The shop left order {_order_id(job)} at “{status}”.", reason="status_kept")
    return Receipt(job.id, state="done", external_id=_order_id(job), evidence=f"order {_order_id(job)} is completed")


SENDS: Mapping[type[Command], Send] = {
    Refresh: Send(_each(refresh), "idempotent", batch=10, deadline=60.0),
    SendTracking: Send(
        _each(send_tracking), "search_then_create", needs=order_of, look=look, deadline=60.0, longest=60.0
    ),
    CompleteOrder: Send(_each(complete_order), "idempotent", needs=order_of),
}
