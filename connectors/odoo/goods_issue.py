"""PostGoodsIssue: book a shipment out of stock by validating the order's delivery, step by step where the warehouse has steps.

Every round reads where the order's transfers stand and takes the next step, so a retry goes on where the last try ended. The
delivery carries our shipment's mark in its note; a delivery that is done and carries it is the answer.
Source: button_validate and its hooks in addons/stock/models/stock_picking.py, tried on Odoo 19.0 with one and three steps.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from canonical.commands import PostGoodsIssue, Ref
from connectors.base import Job, Receipt, Session
from connectors.errors import Misconfigured, Missing, Refused, Retry, SyncError
from connectors.odoo.orders import moment, theirs
from connectors.odoo.transfers import CLOSED, Move, Picking, View, has_tracking, line_ids, read_moves, read_pickings
from connectors.odoo.transport import call
from connectors.odoo.warehouses import no_such_place, shelves

ROUNDS = 5  # pick, pack, ship, one more for a step of the shop's own, and the look at the end


def issue_needs(command: PostGoodsIssue) -> Sequence[Ref]:
    """The booking and the products."""
    return [Ref("booking", command.booking_id), *dict.fromkeys(Ref("sku", line.sku_id) for line in command.lines)]


def issue_optional(command: PostGoodsIssue) -> Sequence[Ref]:
    """The location, as the code of a warehouse (or the id of a stock location): without a link the order's own warehouse delivers."""
    return [Ref("location", command.location_id)]


@dataclass(frozen=True, slots=True)
class Step:
    """The next thing to do for one job: these units on these moves of these transfers of one level of the chain."""

    job: Job
    pickings: Sequence[Picking]
    units: Mapping[int, int]  # by stock.move id
    moves: Sequence[Move]
    last: bool  # this delivers; else it only moves goods on inside the warehouse


# ---- the rounds ---------------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Round:
    """How far a call is: receipts so far, and jobs whose delivery was validated and must be done when read again."""

    receipts: dict[int, Receipt] = field(default_factory=dict)
    refused: dict[int, SyncError] = field(default_factory=dict)
    validated: set[int] = field(default_factory=set)


def post_goods_issues(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Carry every job's goods through what is left of its chain."""
    lines, tracking = line_ids(session, jobs), has_tracking(session)
    places = shelves(session, filter(None, map(_place, jobs)), jobs)
    so_far = Round()
    for _ in range(ROUNDS):
        pending = _one_per_order([job for job in jobs if job.id not in so_far.receipts])
        if not pending:
            break
        pickings = read_pickings(session, pending)
        moves = read_moves(session, (p for order in pickings.values() for p in order), pending)
        _advance(session, pending, View(pickings, moves, lines, tracking, places), so_far)
    return [so_far.receipts.get(job.id) or _unfinished(job, so_far) for job in jobs]


def look_issues(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt | None]:
    """Deliveries that are done and carry our mark."""
    pickings = read_pickings(session, jobs)
    done = [_done(session, job, pickings.get(theirs(job), ())) for job in jobs]
    return [_finish(session, job, d, pickings[theirs(job)]) if d else None for job, d in zip(jobs, done, strict=True)]


def _one_per_order(jobs: Sequence[Job]) -> list[Job]:
    """The first job of each order: two shipments of one order compete for the same moves."""
    return list({theirs(job): job for job in reversed(jobs)}.values())[::-1]


def _advance(session: Session, jobs: Sequence[Job], view: View, so_far: Round) -> None:
    """Take the next step of every job: a receipt, a refusal or a validated transfer."""
    steps: list[Step] = []
    for job in jobs:
        pickings = view.pickings.get(theirs(job), ())
        if done := _done(session, job, pickings):
            so_far.receipts[job.id] = _finish(session, job, done, pickings)
        elif job.id in so_far.validated or job.id in so_far.refused:
            so_far.receipts[job.id] = _unfinished(job, so_far)
        else:
            _try(session, job, view, steps, so_far)
    _validate(session, steps, so_far)


def _try(session: Session, job: Job, view: View, steps: list[Step], so_far: Round) -> None:
    """Prepare one job's next step; only its own refusal stops it."""
    try:
        step = next_step(session, job, view)
        _prepare(session, step, view)
        steps.append(step)
    except (Refused, Missing, Misconfigured) as error:
        so_far.receipts[job.id] = Receipt(job.id, error=error)


def _unfinished(job: Job, so_far: Round) -> Receipt:
    """Refused, asked a question nobody answered, or out of rounds: then a later call goes on from here."""
    if job.id in so_far.refused:
        return Receipt(job.id, error=so_far.refused[job.id])
    if job.id in so_far.validated:
        words = "Odoo did not finish the delivery. Look at it in Odoo: it may be waiting for an answer."
        return Receipt(job.id, error=Refused(words, reason="not_finished"))
    return Receipt(job.id, error=Retry("The delivery is on its way through the warehouse's steps in Odoo.", after=1.0))


# ---- planning (pure) ----------------------------------------------------------------------------------------------------------
def next_step(session: Session, job: Job, view: View) -> Step:
    """The level of the chain nearest the customer that holds the shipment's units; Missing or Refused when there is none."""
    pickings = view.pickings.get(theirs(job), ())
    opened = [p for p in pickings if p.state not in CLOSED]
    if not opened:
        raise _nothing_open(session, job, pickings)
    levels = [_level(job, view, [p for p in opened if _rank(p, view) == rank], rank) for rank in (2, 1, 0)]
    found = [step for step in levels if step]
    if not found:
        raise Refused(
            "The open delivery in Odoo does not have the articles of this shipment.", reason="no_open_quantity"
        )
    return next((step for step in found if _covers(step)), found[0])


def _rank(picking: Picking, view: View) -> int:
    """2 delivers to the customer, 1 moves on what an earlier step brought, 0 takes from the shelf."""
    if picking.picking_type_code == "outgoing":
        return 2
    return int(any(move.move_orig_ids for move in view.moves.get(picking.id, ())))


def _level(job: Job, view: View, pickings: Sequence[Picking], rank: int) -> Step | None:
    """The shipment's units laid on the moves of one level; None when a line has no move there."""
    moves = [m for p in _nearest(job, view, pickings) for m in view.moves.get(p.id, ()) if m.state != "waiting"]
    units: dict[int, int] = {}
    for line in job.command.lines:
        product = int(job.resolved[Ref("sku", line.sku_id)])
        if not (
            matching := _matching(moves, view.lines.get((job.command.booking_id, line.line_id, line.sku_id)), product)
        ):
            return None
        _lay(line.units, matching, units)
    touched = [p for p in pickings if any(m.picking_id[0] == p.id for m in moves if m.id in units)]
    ids = {p.id for p in touched}
    return Step(job, touched, units, [m for m in moves if m.picking_id[0] in ids], rank == 2)


def _nearest(job: Job, view: View, pickings: Sequence[Picking]) -> list[Picking]:
    """Transfers from the location the goods left first."""
    location = view.places.get(_place(job))
    return sorted(pickings, key=lambda p: p.location_id[0] != location)


def _place(job: Job) -> str:
    """The link of the location the goods left; empty where there is none."""
    return job.resolved.get(Ref("location", job.command.location_id), "")


def _matching(moves: Sequence[Move], line: int | None, product: int) -> list[Move]:
    """Moves of this order line, else moves of this product that belong to no other line of ours."""
    exact = [m for m in moves if line and m.sale_line_id and m.sale_line_id[0] == line]
    return exact or [m for m in moves if m.product_id[0] == product]


def _lay(units: int, moves: Sequence[Move], onto: dict[int, int]) -> None:
    """Fill the moves in order up to what they ask for; what is left goes on the first: it did leave the house."""
    left = units
    for move in moves:
        takes = min(left, max(0, int(move.product_uom_qty) - onto.get(move.id, 0)))
        if takes:
            onto[move.id] = onto.get(move.id, 0) + takes
            left -= takes
    if left:
        onto[moves[0].id] = onto.get(moves[0].id, 0) + left


def _covers(step: Step) -> bool:
    asked = {m.id: m.product_uom_qty for m in step.moves}
    return all(units <= asked[move] for move, units in step.units.items())


def _nothing_open(session: Session, job: Job, pickings: Sequence[Picking]) -> SyncError:
    if not pickings:
        key = f"delivery:{job.command.order_id}@{session.system}"
        return Missing("Odoo has no delivery for this order yet: it is not confirmed there.", key=key)
    return Refused(
        "Every delivery of this order is closed in Odoo already. Perhaps somebody booked this shipment by hand.",
        reason="nothing_open",
    )


# ---- doing --------------------------------------------------------------------------------------------------------------------
def _prepare(session: Session, step: Step, view: View) -> None:
    """Set quantities, place and mark; repeating it changes nothing."""
    for picking in step.pickings:
        _relocate(session, step, picking, view)
        values: dict[str, Any] = {"move_ids": _quantities(step, picking)}
        if step.last:
            values |= _marked(session, step.job, picking, tracking_field=view.tracking_field)
        call(session, "stock.picking", "write", object, about=[step.job], ids=[picking.id], vals=values)


def _relocate(session: Session, step: Step, picking: Picking, view: View) -> None:
    """Take the goods from where they really left, when this transfer takes them from the shelf. Reserved stock is let go first."""
    link = _place(step.job)
    if not link or any(m.move_orig_ids for m in step.moves):
        return
    if link not in view.places:
        raise no_such_place(link)
    if picking.location_id[0] == view.places[link]:
        return
    call(session, "stock.picking", "do_unreserve", object, about=[step.job], ids=[picking.id])
    call(
        session,
        "stock.picking",
        "write",
        object,
        about=[step.job],
        ids=[picking.id],
        vals={"location_id": view.places[link]},
    )


def _quantities(step: Step, picking: Picking) -> list[Any]:
    """Update commands (1, id, values) for the moves: shipped ones picked with their units, all others not picked."""
    own = [m for m in step.moves if m.picking_id[0] == picking.id]
    shipped = [[1, m.id, {"quantity": step.units[m.id], "picked": True}] for m in own if m.id in step.units]
    return shipped + [[1, m.id, {"picked": False}] for m in own if m.id not in step.units and m.picked]


def _marked(session: Session, job: Job, picking: Picking, *, tracking_field: bool) -> dict[str, Any]:
    """Our mark at the end of the note; a backorder inherits its delivery's note, so an older mark is taken out."""
    command: PostGoodsIssue = job.command
    told = ", ".join(part for part in (command.carrier, command.tracking, f"{moment(command.shipped_at)} UTC") if part)
    kept = re.sub(
        rf"<p>{re.escape(session.settings.module)}\.shipment_\d+: .*?</p>", "", picking.note or "", flags=re.DOTALL
    )
    note = f"{kept}<p>{_mark(session, job)}: {escape(told, quote=False)}</p>"
    return {"note": note, **({"carrier_tracking_ref": command.tracking} if tracking_field and command.tracking else {})}


def _mark(session: Session, job: Job) -> str:
    return str(session.settings.xid("shipment", job.command.shipment_id))


def _validate(session: Session, steps: Sequence[Step], so_far: Round) -> None:
    """Validate all prepared transfers in one call; when Odoo refuses the call, each job's alone."""
    if not steps:
        return
    try:
        _button(session, steps)
    except Refused as error:
        if len(steps) == 1:
            so_far.refused[steps[0].job.id] = error
            return
        for step in steps:
            _validate(session, [step], so_far)
        return
    so_far.validated |= {step.job.id for step in steps if step.last}


def _button(session: Session, steps: Sequence[Step]) -> None:
    """`skip_backorder` answers the question in advance: what is short becomes a backorder, except where nothing more will ship.

    The answer may be true, a question (not done) or a report to print (done): what counts is the state read afterwards.
    """
    ids = [p.id for step in steps for p in step.pickings]
    closing = [p.id for step in steps for p in step.pickings if step.job.command.final]
    context = {"skip_backorder": True, "skip_sms": True, "picking_ids_not_to_backorder": closing}
    call(session, "stock.picking", "button_validate", object, about=[s.job for s in steps], ids=ids, context=context)


# ---- finishing ----------------------------------------------------------------------------------------------------------------
def _done(session: Session, job: Job, pickings: Sequence[Picking]) -> Picking | None:
    """The delivery of this shipment, if it is done."""
    mark = re.compile(rf"(?<![\w.]){re.escape(_mark(session, job))}(?!\d)")
    return next((p for p in pickings if p.state == "done" and mark.search(p.note or "")), None)


def _finish(session: Session, job: Job, done: Picking, pickings: Sequence[Picking]) -> Receipt:
    """Set the day the goods really left (validating sets the present) and close what will never ship; then it is done."""
    command: PostGoodsIssue = job.command
    if done.date_done != (shipped := moment(command.shipped_at)):
        call(session, "stock.picking", "write", object, about=[job], ids=[done.id], vals={"date_done": shipped})
    left = [p.id for p in pickings if p.state not in CLOSED]
    if command.final and left:
        call(session, "stock.picking", "action_cancel", object, about=[job], ids=left)
    return Receipt(job.id, state="done", external_id=str(done.id), evidence=done.name)
