"""AmendOrder: make a sales order say exactly what is wanted, draft or confirmed, and let its deliveries follow.

Everything is read first and only what differs is written, so doing it again changes nothing. Lines are added before others are taken
out: that keeps a confirmed order's open delivery, which Odoo closes with its last article. Odoo 19 lets a confirmed order's quantities
go up and down to what is delivered (the open transfers follow at once, step by step), but deletes none of its lines: what is no longer
wanted stays with quantity 0. A changed quantity alone resets the price, so the two always go together. Tried on Odoo 19.0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from canonical.commands import AmendOrder, Ref
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.odoo.amendment import Amendment, HeadRow, LineRow, head, line_commands, obstacle
from connectors.odoo.loading import Loaded, find, load_once
from connectors.odoo.orders import (
    LINE,
    Book,
    Wanted,
    book,
    check_head,
    deleted,
    held_orders,
    order_needs,
    order_ref,
    theirs,
    wanted_lines,
)
from connectors.odoo.transport import call, search


def amend_needs(command: AmendOrder) -> Sequence[Ref]:
    """What creating needs, and the order itself."""
    return [*order_ref(command), *order_needs(command)]


class PickingRow(msgspec.Struct):
    """A transfer of an order."""

    id: int
    state: str


# ---- all of a batch -----------------------------------------------------------------------------------------------------------
def amend_orders(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Amend each order; what is wrong with one stops only that one."""
    said = book(session, jobs)
    domain = [["id", "in", sorted({theirs(job) for job in jobs})]]
    held = {row.id: row for row in search(session, "sale.order", HeadRow, domain, about=jobs)}
    wanted, outcomes = _wanted(session, jobs, said, held)
    amendments = _amendments(session, [job for job in jobs if job.id in wanted], wanted, held)
    outcomes |= {a.job.id: _refused(a.job, why) for a in amendments if (why := obstacle(a))}
    possible = [a for a in amendments if a.job.id not in outcomes]
    added = _add(session, possible)
    outcomes |= {a.job.id: _amend(session, a, said, added) for a in possible}
    return _with_totals(session, jobs, outcomes)


def _wanted(
    session: Session, jobs: Sequence[Job], said: Book, held: Mapping[int, HeadRow]
) -> tuple[dict[int, list[Wanted]], dict[int, Receipt]]:
    """The lines each order should have, by job; and the answers of those that cannot be stated or are not there."""
    wanted: dict[int, list[Wanted]] = {}
    outcomes: dict[int, Receipt] = {}
    for job in jobs:
        if theirs(job) not in held:
            outcomes[job.id] = _refused(job, deleted().words)
            continue
        try:
            wanted[job.id] = wanted_lines(session, job, said)
            check_head(job.command, said)
        except SyncError as error:
            wanted.pop(job.id, None)
            outcomes[job.id] = Receipt(job.id, error=error)
    return wanted, outcomes


def _amendments(
    session: Session, jobs: Sequence[Job], wanted: Mapping[int, Sequence[Wanted]], held: Mapping[int, HeadRow]
) -> list[Amendment]:
    """What is there and what should be, order by order."""
    rows = _lines(session, jobs)
    known = find(session, "sale.order.line", [line.xid for job in jobs for line in wanted[job.id]], jobs)
    found = []
    for job in jobs:
        lines = {line.id: line for line in rows.get(theirs(job), ())}
        there = {w.xid: lines[known[w.xid]] for w in wanted[job.id] if known.get(w.xid) in lines}
        found.append(Amendment(job, held[theirs(job)], list(lines.values()), wanted[job.id], there))
    return found


def _lines(session: Session, jobs: Sequence[Job]) -> dict[int, list[LineRow]]:
    groups: dict[int, list[LineRow]] = {}
    domain = [["order_id", "in", sorted({theirs(job) for job in jobs})]]
    for line in search(session, "sale.order.line", LineRow, domain, about=jobs, order="id") if jobs else ():
        groups.setdefault(line.order_id[0], []).append(line)
    return groups


def _refused(job: Job, why: str) -> Receipt:
    return Receipt(job.id, state="refused", external_id=str(theirs(job)), evidence=why)


# ---- one of it ----------------------------------------------------------------------------------------------------------------
def _add(session: Session, amendments: Iterable[Amendment]) -> Loaded:
    """Create the lines that are missing, of all orders together."""
    rows = {w.xid: [[*w.cells, str(a.order.id)]] for a in amendments for w in a.missing}
    return load_once(session, "sale.order.line", [*LINE, "order_id/.id"], rows, [a.job for a in amendments])


def _amend(session: Session, amendment: Amendment, said: Book, added: Loaded) -> Receipt:
    """Write the rest of one order in one transaction. What Odoo's rules do not allow for a confirmed one is answered, not an error."""
    job, order = amendment.job, amendment.order
    outcomes = [added[wanted.xid] for wanted in amendment.missing]
    if wrong := next((outcome for outcome in outcomes if isinstance(outcome, SyncError)), None):
        return Receipt(job.id, error=wrong)
    try:
        _write(session, amendment, {**head(amendment, said), **line_commands(amendment)})
    except Refused as error:
        if order.confirmed and error.reason == "refused":
            return _refused(job, f"{order.name}: {error.words}")
        return Receipt(job.id, error=error)
    return Receipt(job.id, state="done", external_id=str(order.id), evidence=f"{order.name} ({order.state})")


def _write(session: Session, amendment: Amendment, values: Mapping[str, Any]) -> None:
    """Write one order. A new delivery address reaches its open transfers; those that left keep theirs."""
    if not values:
        return
    job, order = amendment.job, amendment.order
    moved = order.confirmed and "partner_shipping_id" in values
    transfers = search(session, "stock.picking", PickingRow, [["sale_id", "=", order.id]], about=[job]) if moved else []
    left = any(t.state == "done" for t in transfers)
    context = {"update_delivery_shipping_partner": True} if moved and not left else {}
    call(session, "sale.order", "write", object, about=[job], ids=[order.id], vals=values, context=context)
    opened = [t.id for t in transfers if t.state not in ("done", "cancel")]
    if left and opened:  # the context would have changed all of them
        vals = {"partner_id": values["partner_shipping_id"]}
        call(session, "stock.picking", "write", object, about=[job], ids=opened, vals=vals)


def _with_totals(session: Session, jobs: Sequence[Job], outcomes: Mapping[int, Receipt]) -> list[Receipt]:
    """The receipts, with what each amended order amounts to now."""
    done = [job for job in jobs if outcomes[job.id].state == "done"]
    held = held_orders(session, map(theirs, done), done)
    totals = {job.id: held[theirs(job)].amount_total for job in done if theirs(job) in held}
    return [replace(outcomes[job.id], amount=totals.get(job.id)) for job in jobs]
