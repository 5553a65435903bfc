"""What we do with the status of an order in a shop: complete it, cancel it, remind its customer. Knows what people there decided.

There is no compare-and-set in the shop's API: a status is read right before it is written, and one somebody else chose stays.
"""

import html
from collections.abc import Mapping, Sequence

import msgspec

from canonical.commands import CancelShopOrder, RemindPayment
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, Retry, SyncError
from connectors.woocommerce.client import MAX_PAGE, Problem, ask
from connectors.woocommerce.sending.common import NOTE, NOTES, ORDER, Note, Order, found, gone, order_id

#: What an order is completed from: paid, or accepted by the shop's own word (cash on delivery, terms). The rest somebody decided.
OPEN = frozenset({"processing", "on-hold"})
UNPAID = frozenset({"pending", "on-hold"})  # still waiting for the customer's money


class Updated(Order):
    """One item of a batch's answer: the order, or an error in its place. `message` is untranslated where the item failed."""

    error: Problem | None = None


class Batch(msgspec.Struct):
    """The answer to a batch: 200 whatever became of its items."""

    update: list[Updated] = []


_ORDERS = msgspec.json.Decoder(list[Order])
_BATCH = msgspec.json.Decoder(Batch)


# ---- CompleteOrder ----------------------------------------------------------------------------------------------------------
def complete_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Complete several orders in two requests: read them all, then complete those that are still open, each answered for by itself.

    A batch that breaks off half-way has completed some: setting a status again changes nothing, and the next try reads first.
    """
    statuses = _statuses(session, jobs)
    settled = [_settled(job, statuses) for job in jobs if statuses.get(order_id(job)) not in OPEN]
    return [*settled, *_completed(session, [job for job in jobs if statuses.get(order_id(job)) in OPEN])]


def _statuses(session: Session, jobs: Sequence[Job]) -> Mapping[str, str]:
    """The status of every order the shop still has. A list leaves out the trash, so what is missing there is asked for by itself."""
    wanted = sorted({order_id(job): job for job in jobs}.items())
    query = {
        "include": ",".join(ref for ref, _ in wanted),
        "status": "any",
        "per_page": str(MAX_PAGE),
        "_fields": "id,status",
    }
    answer = ask(session, "GET", "/orders", query, about=jobs)
    listed = {str(o.id): o.status for o in answer.decode(_ORDERS)} if answer.status == 200 else {}
    for ref, job in wanted:
        if ref not in listed:
            one = ask(session, "GET", f"/orders/{ref}", {"_fields": "id,status"}, about=(job,))
            if one.status == 200:
                listed[ref] = one.decode(ORDER).status
    return listed


def _settled(job: Job, statuses: Mapping[str, str]) -> Receipt:
    """What there is to say of an order that is not to be written."""
    ref = order_id(job)
    status = statuses.get(ref)
    if status is None:
        return Receipt(job.id, error=gone(ref, ""))
    if status == "completed":
        return _done(job)
    words = f"Order {ref} is “{status}” in the shop; it was shipped, so someone has to decide."
    return Receipt(job.id, error=Refused(words, reason="status_changed"))


def _completed(session: Session, jobs: Sequence[Job]) -> list[Receipt]:
    if not jobs:
        return []
    body = {"update": [{"id": int(order_id(job)), "status": "completed"} for job in jobs]}
    try:
        answers = {
            str(o.id): o for o in ask(session, "POST", "/orders/batch", body=body, about=jobs).decode(_BATCH).update
        }
    except SyncError as error:  # concerns these orders, not those that needed nothing
        return [Receipt(job.id, error=error) for job in jobs]
    return [_answered(job, answers.get(order_id(job))) for job in jobs]


def _answered(job: Job, said: Updated | None) -> Receipt:
    ref = order_id(job)
    if said is None:
        return Receipt(job.id, error=Retry(f"The shop's answer says nothing of order {ref}.", unknown=True))
    if said.error:
        code, words = said.error.code, f"The shop refused to complete order {ref}: {said.error.message}"
        error = gone(ref, code) if code.endswith("invalid_id") else Refused(words, reason=code or "refused")
        return Receipt(job.id, error=error)
    if said.status != "completed":
        return Receipt(job.id, error=Refused(f"The shop left order {ref} at “{said.status}”.", reason="status_kept"))
    return _done(job)


def _done(job: Job) -> Receipt:
    return Receipt(job.id, state="done", external_id=order_id(job), evidence=f"order {order_id(job)} is completed")


# ---- CancelShopOrder --------------------------------------------------------------------------------------------------------
def cancel_order(session: Session, job: Job) -> Receipt:
    """Cancel an order nobody paid, only while it has the status it had when we decided; then tell the shop's staff why, in a note."""
    command: CancelShopOrder = job.command
    path = f"/orders/{order_id(job)}"
    read = ask(session, "GET", path, {"_fields": "id,status"}, about=(job,))
    if read.status != 200:
        return _left(job, "the order is gone")
    if (status := read.decode(ORDER).status) != command.status_text:
        return _left(job, f"the shop says “{status}”")
    written = found(ask(session, "PUT", path, body={"status": "cancelled"}, about=(job,)), job)
    if (status := written.decode(ORDER).status) != "cancelled":
        raise Refused(f"The shop left order {order_id(job)} at “{status}”.", reason="status_kept")
    if command.reason:
        ask(session, "POST", f"{path}/notes", body={"note": command.reason, "customer_note": False}, about=(job,))
    return _left(job, f"order {order_id(job)} is cancelled")


def _left(job: Job, evidence: str) -> Receipt:
    """Nothing is left to do."""
    return Receipt(job.id, state="done", external_id=order_id(job), evidence=evidence)


# ---- RemindPayment ----------------------------------------------------------------------------------------------------------
def remind_payment(session: Session, job: Job) -> Receipt:
    """A note the shop mails to the customer, unless it is there already or the order waits for nothing any more."""
    if there := _note(session, job):
        return _reminded(job, there)
    path = f"/orders/{order_id(job)}"
    order = found(ask(session, "GET", path, {"_fields": "id,status,date_paid_gmt"}, about=(job,)), job).decode(ORDER)
    if order.date_paid_gmt or order.status not in UNPAID:
        return _left(job, f"the shop says “{order.status}”")
    body = {"note": job.command.text, "customer_note": True}
    answer = found(ask(session, "POST", f"{path}/notes", body=body, about=(job,)), job)
    return _reminded(job, answer.decode(NOTE))


def look_reminders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt | None]:
    """Our reminders among the orders' notes."""
    return [_reminded(job, there) if (there := _note(session, job)) else None for job in jobs]


def _note(session: Session, job: Job) -> Note | None:
    command: RemindPayment = job.command
    answer = found(ask(session, "GET", f"/orders/{order_id(job)}/notes", {"type": "customer"}, about=(job,)), job)
    notes = answer.decode(NOTES)
    return next((n for n in notes if n.customer_note and _bare(n.note) == _bare(command.text)), None)


def _bare(note: str) -> str:
    """A note without what a shop changes in it: entities, backslashes, white space."""
    return " ".join(html.unescape(note).replace("\\", "").split())


def _reminded(job: Job, note: Note) -> Receipt:
    return Receipt(
        job.id, state="sent", external_id=f"note:{note.id}", evidence=f"note {note.id} of order {order_id(job)}"
    )
