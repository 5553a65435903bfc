"""Sales orders on their way to being binding: add a rounding line, confirm, cancel what is not delivered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.odoo import mapping
from connectors.odoo.loading import load_once
from connectors.odoo.orders import LINE, OrderRow, deleted, held_orders, theirs
from connectors.odoo.transport import Link, call, search


# ---- rounding -----------------------------------------------------------------------------------------------------------------
def add_roundings(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """One untaxed line per order and revision; a line that is there already stays as it is."""
    product = mapping.services(session, ["rounding"]).id("rounding")
    xids = {j.id: session.settings.xid("booking", j.command.booking_id, "rounding", j.command.revision) for j in jobs}
    rows = {
        xids[j.id]: [[xids[j.id], product, "Rounding", "1", f"{j.command.amount:f}", "0", "", str(theirs(j))]]
        for j in jobs
    }
    lines = load_once(session, "sale.order.line", [*LINE, "order_id/.id"], rows, jobs)
    held = held_orders(session, map(theirs, jobs), jobs)
    return [_rounded(job, lines[xids[job.id]], held) for job in jobs]


def _rounded(job: Job, line: int | SyncError, held: Mapping[int, OrderRow]) -> Receipt:
    if theirs(job) not in held:
        return Receipt(job.id, error=deleted())
    if isinstance(line, SyncError):
        return Receipt(job.id, error=line)
    return Receipt(job.id, state="done", external_id=str(line), amount=held[theirs(job)].amount_total)


# ---- confirm ------------------------------------------------------------------------------------------------------------------
def confirm_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Confirm what is not confirmed yet. Odoo refuses a batch as a whole when one of it is confirmed already: read first."""
    held = held_orders(session, map(theirs, jobs), jobs)
    waiting = [job for job in jobs if _waits(held.get(theirs(job)))]
    trouble = _together(session, waiting, _confirm)
    held = held_orders(session, map(theirs, jobs), jobs) if waiting else held
    return [_confirmed(job, held.get(theirs(job)), trouble.get(job.id)) for job in jobs]


def _waits(order: OrderRow | None) -> bool:
    return order is not None and order.state in ("draft", "sent")


def _confirm(session: Session, jobs: Sequence[Job]) -> None:
    call(session, "sale.order", "action_confirm", object, about=jobs, ids=_ids(jobs))


def _ids(jobs: Iterable[Job]) -> list[int]:
    return sorted({theirs(job) for job in jobs})


def _together(
    session: Session, jobs: Sequence[Job], act: Callable[[Session, Sequence[Job]], None]
) -> dict[int, SyncError]:
    """Do all in one call; where Odoo refuses the call, each alone. What was refused, by job: whether somebody else was faster shows
    when the states are read again."""
    if not jobs:
        return {}
    try:
        act(session, jobs)
    except Refused as error:
        if len(jobs) == 1:
            return {jobs[0].id: error}
        return {id: why for job in jobs for id, why in _together(session, [job], act).items()}
    return {}


def _confirmed(job: Job, order: OrderRow | None, trouble: SyncError | None) -> Receipt:
    if order is None:
        return Receipt(job.id, error=deleted())
    if order.state in ("sale", "done"):
        return Receipt(job.id, state="confirmed", external_id=str(order.id), amount=order.amount_total)
    if order.state == "cancel":
        return Receipt(job.id, error=Refused(f"{order.name} was cancelled in Odoo.", reason="cancelled"))
    return Receipt(job.id, error=trouble or Refused(f"Odoo did not confirm {order.name}.", reason="not_confirmed"))


# ---- cancel -------------------------------------------------------------------------------------------------------------------
class BookedRow(msgspec.Struct):
    """What is delivered and invoiced of a line. `untaxed_amount_invoiced` counts posted invoices less posted credit notes."""

    id: int
    order_id: Link
    qty_delivered: Decimal
    untaxed_amount_invoiced: Decimal


def cancel_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Cancel what is neither delivered nor invoiced. Odoo itself would cancel anything that is not locked, so we look first.

    A delivery booked between the look and the call is not seen; Odoo keeps it as it is.
    """
    held = held_orders(session, map(theirs, jobs), jobs)
    refused = _booked(session, held, jobs)
    waiting = [j for j in jobs if theirs(j) in held and held[theirs(j)].state != "cancel" and theirs(j) not in refused]
    trouble = _together(session, waiting, _cancel)
    held = held_orders(session, map(theirs, jobs), jobs) if waiting else held
    return [_cancelled(job, held.get(theirs(job)), refused.get(theirs(job)) or trouble.get(job.id)) for job in jobs]


def _booked(session: Session, held: Mapping[int, OrderRow], jobs: Sequence[Job]) -> dict[int, Refused]:
    """Why orders must not be cancelled, by sale.order id."""
    open_ids = [id for id, order in held.items() if order.state != "cancel"]
    domain = [["order_id", "in", open_ids], "|", ["qty_delivered", ">", 0], ["untaxed_amount_invoiced", "!=", 0]]
    refused: dict[int, Refused] = {}
    for line in search(session, "sale.order.line", BookedRow, domain, about=jobs, order="id") if open_ids else ():
        name = held[line.order_id[0]].name
        if line.qty_delivered > 0:
            words = f"Goods of {name} are delivered in Odoo. Take them back there (return), then cancel it."
            refused[line.order_id[0]] = Refused(words, reason="delivered")
        else:
            words = f"{name} is invoiced in Odoo. Reverse the invoice there (credit note), then cancel it."
            refused.setdefault(line.order_id[0], Refused(words, reason="invoiced"))
    return refused


def _cancel(session: Session, jobs: Sequence[Job]) -> None:
    """Odoo 18 and older ask before they cancel a confirmed order; the context answers that question in advance."""
    context = {"disable_cancel_warning": True}
    call(session, "sale.order", "action_cancel", object, about=jobs, ids=_ids(jobs), context=context)


def _cancelled(job: Job, order: OrderRow | None, trouble: SyncError | None) -> Receipt:
    if order is None:
        words = "It was not there any more: somebody deleted it in Odoo."
        return Receipt(job.id, state="cancelled", external_id=str(theirs(job)), evidence=words)
    if order.state == "cancel":
        return Receipt(job.id, state="cancelled", external_id=str(order.id), evidence=f"{order.name} (cancel)")
    return Receipt(job.id, error=trouble or Refused(f"Odoo did not cancel {order.name}.", reason="not_cancelled"))
