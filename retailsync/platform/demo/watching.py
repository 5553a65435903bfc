"""What became of the orders, read from the simulated systems' own stores. Our database is asked only what it still has to do."""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from canonical import sql
from retailsync.platform.demo.shopping import Basket, fetch
from retailsync.platform.demo.world import WAREHOUSES, World

T = TypeVar("T")
SUFFIX = re.compile(r"(?<=\d)(/\d+|-[BRX]?\d+)$")


# ---- what the systems say they hold -----------------------------------------------------------------------------------------
class ShopOrder(msgspec.Struct):
    """An order in the shop's store. Times are unix seconds."""

    id: int
    status: str
    total: str
    shape: str
    lines: dict[str, int]
    refunds: list[str]
    refunded_units: int
    date_created: float
    tracking: list[str]
    fulfillments: int
    completed_at: float | None


class Shown(msgspec.Struct):
    """What the shop shows of one SKU."""

    quantity: int | None
    managed: bool


class ShopState(msgspec.Struct):
    orders: list[ShopOrder]
    stock: dict[str, Shown]


class ErpLine(msgspec.Struct):
    sku: str
    quantity: float
    delivered: float


class ErpPicking(msgspec.Struct):
    """A delivery."""

    type: str
    state: str


class ErpOrder(msgspec.Struct):
    """An order in the ERP's store."""

    reference: str | bool
    state: str
    amount_total: Decimal
    created_at: float
    lines: list[ErpLine]
    pickings: list[ErpPicking]


class ErpState(msgspec.Struct):
    orders: list[ErpOrder]


class Request(msgspec.Struct):
    """What a warehouse was asked, and what it did."""

    order_reference: str
    received_at: float
    accepted: bool
    rejected: bool
    shipped_units: int
    shipments: list[str]
    doubled: bool = False


class Shelf(msgspec.Struct):
    """What lies in a warehouse of one SKU, and how much of it is promised to requests of ours."""

    on_hand: int
    allocated: int


class WarehouseState(msgspec.Struct):
    requests: dict[str, Request]
    doubles: list[str]
    stock: dict[str, Shelf]


# ---- one order, everywhere --------------------------------------------------------------------------------------------------
@dataclass
class Seen:
    """One order of this run as every system holds it. Nothing here comes from our database."""

    basket: Basket
    unclean: bool = False  # something happened to it, or it was bought in an unusual way
    excepted: bool = False  # a person was asked about it
    shop: ShopOrder | None = None
    erp: list[ErpOrder] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @property
    def shipments(self) -> int:
        """Shipments that left the warehouses."""
        return sum(len(request.shipments) for request in self.requests)

    @property
    def shipped(self) -> int:
        """Units that left the warehouses."""
        return sum(request.shipped_units for request in self.requests)

    @property
    def issued(self) -> int:
        """Deliveries booked out in the ERP."""
        return sum(p.type == "outgoing" and p.state == "done" for order in self.erp for p in order.pickings)


def look(here: World, baskets: Iterable[Basket], unclean: Container[int], asked: Container[str]) -> list[Seen]:
    """These orders, as the four systems hold them at this moment. `unclean`: ids of those that are; `asked`: references of those with
    an open exception."""
    by_reference = {
        basket.reference: Seen(basket, basket.id in unclean, basket.reference in asked) for basket in baskets
    }
    by_id = {seen.basket.id: seen for seen in by_reference.values()}
    for order in _state(here, "shop", ShopState).orders:
        if order.id in by_id:
            by_id[order.id].shop = order
    for booked in _state(here, "erp", ErpState).orders:
        if seen := _about(by_reference, str(booked.reference)):
            seen.erp.append(booked)
    for code in WAREHOUSES:
        held = _state(here, code.lower(), WarehouseState)
        for reference, request in held.requests.items():
            if seen := _about(by_reference, request.order_reference):
                request.doubled = reference in held.doubles
                seen.requests.append(request)
    return list(by_reference.values())


def _about(orders: Mapping[str, Seen], reference: str) -> Seen | None:
    """The order a document is about: further ones carry its reference with a suffix (WEB-17/2, WEB-17-R1)."""
    return orders.get(reference) or orders.get(SUFFIX.sub("", reference))


def _state(here: World, name: str, shape: type[T]) -> T:
    return msgspec.json.decode(fetch("GET", f"{here.urls[name]}/_sim/state"), type=shape)


# ---- what we still have to do -----------------------------------------------------------------------------------------------
def waiting() -> int:
    """Messages and commands of ours that are not settled and need no person."""
    ((messages, commands),) = sql.fetch(
        "SELECT (SELECT count(*) FROM sync_message WHERE state IN ('received', 'waiting')),"
        " (SELECT count(*) FROM sync_command WHERE state IN ('waiting', 'sending'))"
    )
    return int(messages + commands)


def exceptions(since_case: int) -> int:
    """Open exceptions younger than this one."""
    ((count,),) = sql.fetch("SELECT count(*) FROM sync_case WHERE closed_at IS NULL AND id > %s", (since_case,))
    return int(count)


def last_case() -> int:
    """The youngest exception there is."""
    ((last,),) = sql.fetch("SELECT coalesce(max(id), 0) FROM sync_case")
    return int(last)


def complaints(since_case: int) -> dict[str, list[str]]:
    """Order reference (empty: of no order) → what open exceptions say."""
    rows = sql.fetch(
        "SELECT coalesce(o.reference, ''), c.words FROM sync_case c LEFT JOIN canonical_order o ON o.id = c.order_id"
        " WHERE c.closed_at IS NULL AND c.id > %s ORDER BY c.id",
        (since_case,),
    )
    said: dict[str, list[str]] = {}
    for reference, words in rows:
        said.setdefault(reference, []).append(words)
    return said


# ---- stock ------------------------------------------------------------------------------------------------------------------
class Stock(NamedTuple):
    """How many SKUs the shop shows a figure of, in words where it is not what may be sold, and how many requests wrote figures."""

    figures: int
    wrong: list[str]
    writes: int


def stock(here: World) -> Stock:
    """The shop's figures beside ours and beside what lies in the warehouses, each from its own store."""
    shown = {sku: s.quantity for sku, s in _state(here, "shop", ShopState).stock.items() if s.managed}
    lies: dict[str, int] = {}
    for code in WAREHOUSES:
        for sku, shelf in _state(here, code.lower(), WarehouseState).stock.items():
            lies[sku] = lies.get(sku, 0) + shelf.on_hand - shelf.allocated
    ours = dict(
        sql.fetch(
            "SELECT s.code, o.sellable FROM canonical_offer o JOIN canonical_sku s ON s.id = o.sku_id WHERE o.channel_id = %s",
            (here.shop.pk,),
        )
    )
    wrong = [
        f"{sku}: the shop shows {n}, {ours.get(sku)} may be sold, {lies.get(sku, 0)} are free in the warehouses"
        for sku, n in shown.items()
        if n != ours.get(sku) or (n or 0) > lies.get(sku, 0)
    ]
    ((writes,),) = sql.fetch(
        "SELECT count(*) FROM sync_attempt WHERE system_id = %s AND method = 'POST' AND url LIKE '%%/products/%%batch%%'",
        (here.shop.pk,),
    )
    return Stock(len(shown), wrong, int(writes))
