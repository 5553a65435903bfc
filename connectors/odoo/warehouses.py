"""Odoo's warehouses: where their goods lie, and which of them a location of ours is linked to. Changes nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from connectors.base import Job, Session
from connectors.errors import Misconfigured, Refused
from connectors.odoo.transport import Link, search


class Warehouse(msgspec.Struct):
    """A stock.warehouse. Its `code` is what our locations are linked by: unique in a company, and the word people know it by."""

    id: int
    code: str
    company_id: Link
    view_location_id: Link  # everything inside it lies below this
    lot_stock_id: Link  # the shelves
    wh_qc_stock_loc_id: Link | Literal[False]  # quality control, in use where goods come in by three steps
    in_type_id: Link  # how receipts are called and numbered
    int_type_id: Link  # the same of transfers inside


def read_warehouses(session: Session, codes: Iterable[str] = (), about: Iterable[Job] = ()) -> list[Warehouse]:
    """Those with these codes, or all where none is named. A code that two companies use says nothing."""
    company = session.settings.company
    domain: list[Any] = [["company_id", "=", company]] if company else []
    domain += [["code", "in", sorted(codes)]] if codes else []
    found = search(session, "stock.warehouse", Warehouse, domain, about=about, order="id")
    if twice := [code for code, count in Counter(w.code for w in found).items() if count > 1]:
        words = f"Two companies in Odoo have a warehouse {twice[0]}: name the company in the settings."
        raise Refused(words, reason="unknown_warehouse")
    return found


def shelves(session: Session, links: Iterable[str], jobs: Iterable[Job]) -> Mapping[str, int]:
    """The stock location behind the link of a location of ours: a warehouse's code, or the id of a stock location."""
    wanted = set(links)
    codes = {w.code: w.lot_stock_id[0] for w in read_warehouses(session, wanted, jobs)} if wanted else {}
    return {link: codes.get(link) or int(link) for link in wanted if link in codes or link.isdecimal()}


def no_such_place(link: str) -> Misconfigured:
    """A link that leads nowhere."""
    words = "The location's link must be the code of a warehouse in Odoo, or the id of a stock location there."
    return Misconfigured(words, detail=link)
