"""The feed `stock`: what lies in each warehouse and how much of it Odoo has promised, by product.

On hand is what `stock.quant` holds in all internal locations below a warehouse's own (`view_location_id`), not on its shelves alone:
goods at the input, picked or packed have not left the house, and an order of ours that is picked still counts as open. It is what
Odoo itself calls «On Hand» of a warehouse. Units in quality control count as held. Lots, packages and places are summed; goods that
belong to somebody else (consignment) are not ours to sell. `free_qty` is never asked: it is net of our own orders.

A sweep goes through the products that changed since the last one, by id, and asks the sums of each anew, because one quant that
changed is not the figure. A quant that is gone has left no date: Odoo deletes those of nothing when the next transfer is done. So
products with a changed *move* are asked as well, and every `stock_full_minutes` all of them, as one snapshot per warehouse.
Source: `_get_domain_locations` in addons/stock/models/product.py, `_unlink_zero_quants` in stock_quant.py, tried on Odoo 19.0.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from connectors.base import Heard, Page, Session
from connectors.errors import Refused
from connectors.odoo.orders import moment
from connectors.odoo.reading import STOCK_DONE, STOCK_PAGE, StockDone, StockPage, StockRow
from connectors.odoo.transport import Link, Text, search
from connectors.odoo.warehouses import Warehouse, read_warehouses

PAGE = 500


class Stocked(msgspec.Struct):
    """A product.product that may lie somewhere."""

    id: int
    default_code: Text


class Quant(msgspec.Struct):
    """So much of one product in one place, of one lot, package and owner."""

    id: int
    product_id: Link
    location_id: Link
    quantity: Decimal
    reserved_quantity: Decimal


class Cursor(msgspec.Struct, array_like=True):
    """One sweep over products by id, as of the products' feed. A full one has a `run`, and `told` parts and rows per warehouse."""

    since: str = ""
    began: str = ""
    last: int = 0
    full_at: datetime | None = None
    run: str = ""
    told: dict[str, tuple[int, int]] = {}


def poll_stock(session: Session, cursor: str) -> Page:
    """The next page of products whose stock may have changed, or of all: a message per warehouse."""
    at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
    warehouses = _warehouses(session)
    if not at.began:
        at = _begun(session, at, warehouses)
    products = _products(session, at)
    heard = [page for w in warehouses if w.code in at.told or not at.run for page in _told(session, at, w, products)]
    if more := len(products) == PAGE:
        at.last = products[-1].id
    else:
        heard += _closed(at, session.now())
        at = Cursor(since=at.began, full_at=at.full_at)
    return Page(heard, msgspec.json.encode(at).decode(), more)


def _warehouses(session: Session) -> list[Warehouse]:
    """Those the settings name, or all."""
    found = read_warehouses(session, session.settings.warehouses)
    if missing := set(session.settings.warehouses) - {w.code for w in found}:
        raise Refused(f"Odoo has no warehouse with the code {', '.join(sorted(missing))}.", reason="unknown_warehouse")
    return found


def _begun(session: Session, at: Cursor, warehouses: Iterable[Warehouse]) -> Cursor:
    """The next sweep: a full one when the last is long enough ago. `write_date` is when a transaction began, which may take minutes."""
    now, settings = session.now(), session.settings
    began = moment(now - timedelta(minutes=settings.stock_overlap_minutes))
    if at.full_at and now - at.full_at < timedelta(minutes=settings.stock_full_minutes):
        return Cursor(since=at.since, began=began, full_at=at.full_at)
    return Cursor(began=began, full_at=now, run=f"{now:%Y%m%dT%H%M%S%f}", told={w.code: (0, 0) for w in warehouses})


def _products(session: Session, at: Cursor) -> list[Stocked]:
    """The next products of a sweep, archived ones included: their goods lie there all the same."""
    domain: list[Any] = [["id", ">", at.last], ["type", "!=", "service"]]
    if not at.run:
        changed = (["stock_quant_ids.write_date", ">=", at.since], ["stock_move_ids.write_date", ">=", at.since])
        domain += ["|", *changed]
    context = {"active_test": False}
    return search(session, "product.product", Stocked, domain, order="id", limit=PAGE, context=context)


# ---- the figures --------------------------------------------------------------------------------------------------------------
def _told(session: Session, at: Cursor, warehouse: Warehouse, products: Sequence[Stocked]) -> list[Heard]:
    """One warehouse's figures of these products, if there are any. A full reading leaves out what is not there and counts its parts;
    otherwise nothing is said as 0."""
    asked_at = session.now()
    sums = _sums(session, warehouse, [product.id for product in products])
    rows = [_row(p, *sums.get(p.id, (Decimal(0),) * 3)) for p in products if p.id in sums or not at.run]
    if not rows:
        return []
    page = StockPage(location=warehouse.code, rows=rows)
    key = f"{warehouse.code} {asked_at.isoformat()}"
    if at.run:
        part, total = at.told[warehouse.code]
        at.told[warehouse.code] = (part + 1, total + len(rows))
        page.run, page.part = _run(at, warehouse.code), part + 1
        key = f"{page.run} {page.part}"
    return [_heard(STOCK_PAGE, key, page, asked_at)]


def _sums(
    session: Session, warehouse: Warehouse, products: Sequence[int]
) -> dict[int, tuple[Decimal, Decimal, Decimal]]:
    """Quantity, reserved and held in quality control, by product, of what lies in the warehouse and is the company's own."""
    domain: list[Any] = [
        ["product_id", "in", products], ["location_id", "child_of", warehouse.view_location_id[0]],
        ["location_id.usage", "=", "internal"],
        "|", ["owner_id", "=", False], ["owner_id.ref_company_ids", "in", [warehouse.company_id[0]]],
    ]  # fmt: skip
    quants = search(session, "stock.quant", Quant, domain, context={"active_test": False}) if products else []
    control = warehouse.wh_qc_stock_loc_id
    sums: dict[int, tuple[Decimal, Decimal, Decimal]] = {}
    for quant in quants:
        quantity, reserved, held = sums.get(quant.product_id[0], (Decimal(0),) * 3)
        checked = quant.quantity if control and quant.location_id[0] == control[0] else Decimal(0)
        sums[quant.product_id[0]] = (quantity + quant.quantity, reserved + quant.reserved_quantity, held + checked)
    return sums


def _row(product: Stocked, quantity: Decimal, reserved: Decimal, held: Decimal) -> StockRow:
    return StockRow(product.id, product.default_code or "", quantity, reserved, held)


# ---- the messages -------------------------------------------------------------------------------------------------------------
def _run(at: Cursor, code: str) -> str:
    """A full reading is one run per warehouse."""
    return f"{at.run}-{code}"


def _closed(at: Cursor, now: datetime) -> list[Heard]:
    """The end of a full reading, per warehouse. What it did not find was not there when it ended, rather than when it began: what
    came meanwhile is in the next sweep, what left meanwhile would be subtracted twice."""
    done = [StockDone(code, _run(at, code), parts, rows) for code, (parts, rows) in at.told.items()]
    return [_heard(STOCK_DONE, f"{d.run} done", d, now) for d in done]


def _heard(topic: str, key: str, said: StockPage | StockDone, asked_at: datetime) -> Heard:
    return Heard(topic, sha256(f"stock {key}".encode()).digest(), msgspec.json.encode(said), asked_at)
