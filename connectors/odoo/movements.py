"""PostReceipt and PostStockAdjustment: units that came or left, as a transfer of Odoo's that is done.

The transfer is created once, under an external id of our movement (loading.py), with the quantity it moves: without one Odoo would
move no more than what it holds. Validating one that is done does nothing (`button_validate`), so a lost answer is no second booking.
A receipt comes from the vendors, onto the shelves: how a warehouse brings goods there is its own affair, they are there. An
adjustment is an internal transfer from or to the product's own inventory loss. One document for both signs, with an origin people
find and a value in the books; a count (`action_apply_inventory`) would be absolute, and a scrap knows only one sign and asks when
stock is short. Source: stock_picking.py and stock_move.py in addons/stock/models, tried on Odoo 19.0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from canonical.commands import PostMovement, PostReceipt, Ref
from connectors.base import Job, Receipt, Session
from connectors.errors import Misconfigured, Refused, SyncError
from connectors.odoo.loading import Loaded, Row, find, load_once
from connectors.odoo.orders import moment, rich
from connectors.odoo.transport import Link, Text, call, release, search
from connectors.odoo.warehouses import Warehouse, read_warehouses

MOVE = ("id", "product_id/.id", "product_uom/.id", "product_uom_qty", "quantity")
ENDS = ("location_id/.id", "location_dest_id/.id")
HEAD = ("id", "picking_type_id/.id", "origin", "note", *ENDS)
FIELDS = (*HEAD, *(f"move_ids/{field}" for field in (*MOVE, *ENDS)))


class Thing(msgspec.Struct):
    """What a movement must know of a product: its unit, and where that goes which is lost of it."""

    id: int
    uom_id: Link
    property_stock_inventory: Link


class Place(msgspec.Struct):
    """A stock.location."""

    id: int


class Transfer(msgspec.Struct):
    """A transfer of ours."""

    id: int
    name: str
    state: str
    date_done: Text


@dataclass(frozen=True, slots=True)
class View:
    """What wording a batch takes: warehouses by code, products by id, where vendors' goods come from, whether moves want a name."""

    warehouses: Mapping[str, Warehouse]
    things: Mapping[str, Thing]
    vendors: int
    named: bool


def movement_needs(command: PostMovement) -> Sequence[Ref]:
    """The product, and the warehouse (its code)."""
    return [Ref("sku", command.sku_id), Ref("location", command.location_id)]


# ---- what a transfer says -----------------------------------------------------------------------------------------------------
def _view(session: Session, jobs: Sequence[Job]) -> View:
    ids = sorted({int(job.resolved[Ref("sku", job.command.sku_id)]) for job in jobs})
    context = {"active_test": False}
    things = search(session, "product.product", Thing, [["id", "in", ids]], about=jobs, context=context)
    codes = {job.resolved[Ref("location", job.command.location_id)] for job in jobs}
    warehouses = {w.code: w for w in read_warehouses(session, codes, jobs)}
    vendors = search(session, "stock.location", Place, [["usage", "=", "supplier"]], about=jobs, order="id", limit=1)
    if not vendors:
        raise Misconfigured("Odoo has no location for vendors, which receipts come from.")
    return View(warehouses, {str(t.id): t for t in things}, vendors[0].id, release(session).moves_named)


def _row(session: Session, job: Job, view: View) -> Row:
    """One transfer with its one move. What comes goes from outside onto the shelves, what left the other way."""
    command: PostMovement = job.command
    warehouse, thing = _warehouse(job, view), _thing(job, view)
    receipt = isinstance(command, PostReceipt)
    way = (view.vendors if receipt else thing.property_stock_inventory[0], warehouse.lot_stock_id[0])
    ends = [str(place) for place in (way if command.units > 0 else way[::-1])]
    kind = warehouse.in_type_id if receipt else warehouse.int_type_id
    units = str(abs(command.units))
    head = [_xid(session, job), str(kind[0]), command.reference, rich(_note(command)), *ends]
    move = [f"{_xid(session, job)}_move", str(thing.id), str(thing.uom_id[0]), units, units, *ends]
    return [*head, *move, *([command.reference] if view.named else [])]


def _xid(session: Session, job: Job) -> str:
    """External id of the transfer of a movement."""
    return str(session.settings.xid("stock_movement", job.command.movement_id))


def _note(command: PostMovement) -> str:
    """What people should read on the transfer."""
    return "\n".join(part for part in (getattr(command, "document", ""), command.reason) if part)


def _warehouse(job: Job, view: View) -> Warehouse:
    link = job.resolved[Ref("location", job.command.location_id)]
    if link not in view.warehouses:
        raise Misconfigured("The location's link must be the code of a warehouse in Odoo.", detail=link)
    return view.warehouses[link]


def _thing(job: Job, view: View) -> Thing:
    link = job.resolved[Ref("sku", job.command.sku_id)]
    if link not in view.things:
        raise Refused("Odoo no longer has this article.", reason="deleted", detail=link)
    return view.things[link]


# ---- booking ------------------------------------------------------------------------------------------------------------------
def post_movements(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Create what is not there, validate what is not done, and answer with what is."""
    view, rows, refused = _view(session, jobs), dict[str, Sequence[Row]](), Loaded()
    for job in jobs:
        try:
            rows[_xid(session, job)] = [_row(session, job, view)]
        except (Refused, Misconfigured) as error:
            refused[_xid(session, job)] = error
    fields = [*FIELDS, *(["move_ids/name"] if view.named else [])]
    loaded = refused | load_once(session, "stock.picking", fields, rows, jobs)
    errors = _validate(session, jobs, _transfers(session, loaded, jobs))
    held = _transfers(session, loaded, jobs)
    return [_receipt(session, job, loaded[_xid(session, job)], held, errors) for job in jobs]


def look_movements(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt | None]:
    """Transfers that are done. One that was created and no more is gone on with by sending again."""
    found = find(session, "stock.picking", {_xid(session, job) for job in jobs}, jobs)
    held = _transfers(session, found, jobs)
    return [
        _done(session, job, transfer) if transfer and transfer.state == "done" else None
        for job in jobs
        for transfer in [held.get(found.get(_xid(session, job), 0))]
    ]


def _transfers(session: Session, loaded: Mapping[str, int | SyncError], jobs: Sequence[Job]) -> dict[int, Transfer]:
    """How far the transfers are that exist."""
    ids = [id for id in loaded.values() if isinstance(id, int)]
    found = search(session, "stock.picking", Transfer, [["id", "in", ids]], about=jobs) if ids else []
    return {transfer.id: transfer for transfer in found}


def _validate(session: Session, jobs: Sequence[Job], transfers: Mapping[int, Transfer]) -> dict[int, Refused]:
    """Validate what is open, all in one call; when Odoo refuses that, each alone. Answers why not, by transfer."""
    return _button(session, jobs, [t.id for t in transfers.values() if t.state not in ("done", "cancel")])


def _button(session: Session, jobs: Sequence[Job], ids: Sequence[int]) -> dict[int, Refused]:
    if not ids:
        return {}
    context = {"skip_backorder": True, "skip_sms": True, "picking_ids_not_to_backorder": list(ids)}
    try:
        call(session, "stock.picking", "button_validate", object, about=jobs, ids=list(ids), context=context)
    except Refused as error:
        if len(ids) == 1:
            return {ids[0]: error}
        return {id: why for one in ids for id, why in _button(session, jobs, [one]).items()}
    return {}


def _receipt(
    session: Session, job: Job, outcome: int | SyncError, held: Mapping[int, Transfer], errors: Mapping[int, Refused]
) -> Receipt:
    """Done, or why it is not. The answer to validating may be a question or a report: what counts is the state read afterwards."""
    if not isinstance(outcome, int):
        return Receipt(job.id, error=outcome)
    transfer = held.get(outcome)
    if transfer and transfer.state == "done":
        return _done(session, job, transfer)
    return Receipt(job.id, error=errors.get(outcome) or _not_done(transfer))


def _not_done(transfer: Transfer | None) -> Refused:
    if transfer and transfer.state == "cancel":
        words = f"Somebody cancelled the transfer {transfer.name} in Odoo that books this."
        return Refused(words, reason="cancelled_there")
    words = "Odoo did not finish the transfer. Look at it in Odoo: it may be waiting for an answer."
    return Refused(words, reason="not_finished", detail=transfer.name if transfer else "")


def _done(session: Session, job: Job, transfer: Transfer) -> Receipt:
    """Set the day it really happened: validating sets the present."""
    if transfer.date_done != (happened := moment(job.command.happened_at)):
        call(session, "stock.picking", "write", object, about=[job], ids=[transfer.id], vals={"date_done": happened})
    return Receipt(job.id, state="done", external_id=str(transfer.id), evidence=transfer.name)
