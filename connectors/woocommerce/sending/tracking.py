"""SendTracking: one shipment shown in the shop, as a fulfillment, or as a note where the shop has none.

Order fulfillments: REST routes of WooCommerce ≥ 10.1 where the feature is on
(plugins/woocommerce/src/Admin/Features/Fulfillments/OrderFulfillmentsRestController.php and the REST document beside it):
`GET|POST /orders/<id>/fulfillments[?notify_customer=true]` with `status`, `is_fulfilled` and `meta_data`, where `_items` is
`[{item_id, qty}]`, `_tracking_number`, `_shipping_provider` and `_tracking_url` are what the customer sees.
`PUT /orders/<id>/fulfillments/<id>` updates the meta keys it is given, and takes off those it is not.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from canonical.commands import SendTracking
from connectors.base import Job, Receipt, Session
from connectors.woocommerce.client import ask
from connectors.woocommerce.sending.common import NOTE, NOTES, ORDER, Meta, Note, found, order_id

SHIPMENT = "_retailsync_shipment"  # on a fulfillment: our shipment reference
REVISION = "_retailsync_revision"  # on a fulfillment: which revision of it is shown; none: the first
SHIPMENTS = "_retailsync_shipments"  # on an order: our shipments by reference, where the shop has no fulfillments


class Fulfillment(msgspec.Struct):
    """A fulfillment of an order, as far as we look at it."""

    id: int
    meta_data: list[Meta] = []


_FULFILLMENTS = msgspec.json.Decoder(list[Fulfillment])
_FULFILLMENT = msgspec.json.Decoder(Fulfillment)


def send_tracking(session: Session, job: Job) -> Receipt:
    """Show one shipment in the shop: found by our reference and brought up to date, else created. A shop without fulfillments gets a
    note."""
    shown = _fulfillments(session, job)
    if shown is None:
        return _note_shipment(session, job)
    there = next(iter(shown), None)
    if there and _is_shown(there, job.command):
        return _sent(job, f"fulfillment {there.id}")
    path = f"/orders/{order_id(job)}/fulfillments" + (f"/{there.id}" if there else "")
    notify = {"notify_customer": "true"} if session.settings.notify_customer else None
    answer = ask(session, "PUT" if there else "POST", path, notify, body=fulfillment(job.command), about=(job,))
    found(answer, job)
    return _sent(job, f"fulfillment {answer.decode(_FULFILLMENT).id}")


def look_tracking(session: Session, job: Job) -> Receipt | None:
    """The shop's record of our shipment as we say it now; None when it is not there. A record a person deleted there is not found: it is
    sent again."""
    shown = _fulfillments(session, job)
    if shown is None:
        note = _note_of(_notes(session, job), job.command)
        return _sent(job, f"note {note.id}") if note else None
    return next((_sent(job, f"fulfillment {one.id}") for one in shown if _is_shown(one, job.command)), None)


def _fulfillments(session: Session, job: Job) -> list[Fulfillment] | None:
    """The shop's records of our shipment; None where the shop has no fulfillments."""
    answer = ask(session, "GET", f"/orders/{order_id(job)}/fulfillments", about=(job,))
    if answer.status == 404 and answer.code == "rest_no_route":
        return None
    found(answer, job)
    reference = job.command.reference
    return [one for one in answer.decode(_FULFILLMENTS) if _metas(one).get(SHIPMENT) == reference]


def _metas(one: Fulfillment) -> dict[str, Any]:
    return {meta.key: meta.value for meta in one.meta_data}


def _is_shown(one: Fulfillment, command: SendTracking) -> bool:
    """Whether the record says this, or what was said later."""
    return int(_metas(one).get(REVISION) or 0) >= command.revision


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
        REVISION: str(command.revision) if command.revision else "",
    }
    return {
        "status": "fulfilled",
        "is_fulfilled": True,
        "meta_data": [{"key": key, "value": value} for key, value in metas.items() if value],
    }


def _sent(job: Job, evidence: str) -> Receipt:
    return Receipt(
        job.id, state="sent", external_id=evidence.replace(" ", ":"), evidence=f"{evidence} of order {order_id(job)}"
    )


# -- shops without fulfillments
def _note_shipment(session: Session, job: Job) -> Receipt:
    """First our record on the order (a merge: twice is once), then the note the customer is mailed, found by its reference, in place of
    the notes before: the shop's API cannot change one."""
    notes = _notes(session, job)
    if there := _note_of(notes, job.command):
        return _sent(job, f"note {there.id}")
    _record_shipment(session, job)
    for note in notes:
        ask(session, "DELETE", f"/orders/{order_id(job)}/notes/{note.id}", {"force": "true"}, about=(job,))
    body = {"note": note_text(job.command), "customer_note": session.settings.notify_customer}
    answer = ask(session, "POST", f"/orders/{order_id(job)}/notes", body=body, about=(job,))
    found(answer, job)
    return _sent(job, f"note {answer.decode(NOTE).id}")


def _record_shipment(session: Session, job: Job) -> None:
    command: SendTracking = job.command
    path = f"/orders/{order_id(job)}"
    read = ask(session, "GET", path, {"_fields": "id,status,meta_data"}, about=(job,))
    found(read, job)
    meta = next((m for m in read.decode(ORDER).meta_data if m.key == SHIPMENTS), Meta(SHIPMENTS))
    known = meta.value if isinstance(meta.value, dict) else {}
    before = known.get(command.reference)
    if before is not None and int(before.get("revision", 0)) >= command.revision:
        return
    numbers = [parcel.tracking for parcel in command.parcels if parcel.tracking]
    stated = {"carrier": command.carrier, "tracking": numbers, "shipped_at": command.shipped_at}
    stated |= {"revision": command.revision} if command.revision else {}
    entry: dict[str, Any] = {"key": SHIPMENTS, "value": {**known, command.reference: stated}}
    if meta.id is not None:
        entry["id"] = meta.id  # without it some shops add a second entry of the same key
    found(ask(session, "PUT", path, body={"meta_data": [entry]}, about=(job,)), job)


def _notes(session: Session, job: Job) -> list[Note]:
    """The order's notes about our shipment."""
    answer = ask(session, "GET", f"/orders/{order_id(job)}/notes", about=(job,))
    found(answer, job)
    return [note for note in answer.decode(NOTES) if _said(note, job.command) is not None]


def _note_of(notes: Sequence[Note], command: SendTracking) -> Note | None:
    """The one that says this, or what was said later."""
    return next((note for note in notes if (_said(note, command) or 0) >= command.revision), None)


def _said(note: Note, command: SendTracking) -> int | None:
    """Which revision of our shipment a note tells of; None where it tells of something else."""
    told = re.search(rf"\(shipment {re.escape(command.reference)}(?:, update (\d+))?\)", note.note)
    return int(told[1] or 0) if told else None


def _mark(command: SendTracking) -> str:
    return f"(shipment {command.reference}{f', update {command.revision}' if command.revision else ''})"


def note_text(command: SendTracking) -> str:
    """What the customer reads. Ends with our reference, by which the note is found again."""
    by = f" with {command.carrier}" if command.carrier else ""
    numbers = ", ".join(" ".join(filter(None, (p.tracking, p.tracking_url))) for p in command.parcels if p.tracking)
    track = f" Track it: {numbers}." if numbers else ""
    return f"Your order is on its way{by}.{track} {_mark(command)}"
