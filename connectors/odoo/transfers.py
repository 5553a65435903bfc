"""What Odoo holds of the transfers that deliver sales orders, read for a batch of shipments. Changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec

from connectors.base import Job, Session
from connectors.odoo.loading import find
from connectors.odoo.orders import line_xid, theirs
from connectors.odoo.transport import Link, Text, call, reading, search

CLOSED = ("done", "cancel")
OurLine = tuple[int, int, int]  # our booking, line and SKU id


class Picking(msgspec.Struct):
    """A transfer: one step of a delivery."""

    id: int
    name: str
    state: str
    picking_type_code: str
    sale_id: Link
    location_id: Link
    location_dest_id: Link
    note: Text
    date_done: Text


class Move(msgspec.Struct):
    """One article of a transfer: how much is asked for, and whether it was picked."""

    id: int
    picking_id: Link
    product_id: Link
    sale_line_id: Link | Literal[False]
    product_uom_qty: Decimal
    picked: bool
    state: str
    move_orig_ids: list[int]


@dataclass(frozen=True, slots=True)
class View:
    """Transfers of a batch's orders and their open moves, with what is needed to match and mark them."""

    pickings: Mapping[int, Sequence[Picking]]  # by sale.order id
    moves: Mapping[int, Sequence[Move]]  # open ones, by stock.picking id
    lines: Mapping[OurLine, int]  # sale.order.line id
    tracking_field: bool  # only with the module stock_delivery
    places: Mapping[str, int]  # stock.location id by the link of a location of ours


def read_pickings(session: Session, jobs: Sequence[Job]) -> dict[int, list[Picking]]:
    """Transfers that bring the jobs' orders to their customers, in the order they came to be."""
    domain = [["sale_id", "in", sorted({theirs(job) for job in jobs})]]
    groups: dict[int, list[Picking]] = {}
    for picking in search(session, "stock.picking", Picking, domain, about=jobs, order="id"):
        groups.setdefault(picking.sale_id[0], []).append(picking)
    return {order: [p for p in pickings if not _goes_back(p, pickings)] for order, pickings in groups.items()}


def _goes_back(picking: Picking, pickings: Iterable[Picking]) -> bool:
    """Whether a transfer takes goods back: from the customer, or to the shelf what was picked before its quantity was lowered."""
    way_back = picking.location_dest_id[0], picking.location_id[0]
    return picking.picking_type_code == "incoming" or any(
        p.id < picking.id and (p.location_id[0], p.location_dest_id[0]) == way_back for p in pickings
    )


def read_moves(session: Session, pickings: Iterable[Picking], jobs: Sequence[Job]) -> dict[int, list[Move]]:
    """Open moves of the open ones among these transfers."""
    ids = [p.id for p in pickings if p.state not in CLOSED]
    domain = [["picking_id", "in", ids], ["state", "not in", CLOSED]]
    groups: dict[int, list[Move]] = {}
    for move in search(session, "stock.move", Move, domain, about=jobs, order="id") if ids else ():
        groups.setdefault(move.picking_id[0], []).append(move)
    return groups


def line_ids(session: Session, jobs: Sequence[Job]) -> dict[OurLine, int]:
    """Odoo's ids of the order lines; a line somebody made anew by hand is missing and matched by product."""
    xids = {
        (ours := (job.command.booking_id, line.line_id, line.sku_id)): line_xid(session, *ours)
        for job in jobs
        for line in job.command.lines
    }
    found = find(session, "sale.order.line", xids.values(), jobs)
    return {ours: found[xid] for ours, xid in xids.items() if xid in found}


def has_tracking(session: Session) -> bool:
    """Whether transfers have a field for the tracking number."""
    shape = dict[str, Any]
    with reading():
        said = call(
            session, "stock.picking", "fields_get", shape, allfields=["carrier_tracking_ref"], attributes=["type"]
        )
    return "carrier_tracking_ref" in said
