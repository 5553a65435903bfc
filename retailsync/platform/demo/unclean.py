"""Judges orders to which something happened: each ends completed, cancelled, waiting for payment, or as an open exception. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from retailsync.platform.demo.shopping import WAREHOUSE
from retailsync.platform.demo.watching import ErpOrder, Seen, ShopOrder

OVER = frozenset(
    {"cancelled", "trash", "refunded", "deleted"}
)  # what the shop says of an order it does not want any more
UNPAID = frozenset({"on-hold", "pending", "failed"})
OTHER_MONEY = (
    "gift_card",
    "gift_card_only",
    "store_credit",
)  # shapes whose total the shop states without what a tender paid

EXCEPTION = "with an open exception"
ENDS = (
    "completed",
    "cancelled",
    "refunded before shipping",
    "refunded after shipping",
    "waiting for payment",
    EXCEPTION,
)


def end(seen: Seen) -> str:
    """How this order ended, one of ENDS; empty while it has not, or where the systems disagree."""
    if seen.excepted:
        return EXCEPTION
    status = seen.shop.status if seen.shop else "deleted"
    booked = live(seen)
    if status in OVER:
        gone = not booked and not seen.shipped
        return "cancelled" if gone else "refunded after shipping" if status == "refunded" and seen.shipped else ""
    if status in UNPAID:
        return "waiting for payment" if not seen.shipped and not booked else ""
    if seen.shop and not seen.shipped and seen.shop.refunded_units >= wanted(seen.shop) > 0:
        return "refunded before shipping" if len(booked) <= 1 else ""  # its postage was not: the shop keeps it open
    return "completed" if seen.shop and status == "completed" and _agrees(seen, seen.shop, booked) else ""


def live(seen: Seen) -> list[ErpOrder]:
    """The ERP's orders for it that are not cancelled."""
    return [order for order in seen.erp if order.state != "cancel"]


def _agrees(seen: Seen, shop: ShopOrder, booked: Sequence[ErpOrder]) -> bool:
    """One confirmed order in the ERP with the shop's total, everything that is still wanted shipped and booked out, tracking shown."""
    goods = wanted(shop)
    shipped = goods - shop.refunded_units <= seen.shipped <= goods
    confirmed = len(booked) == 1 and booked[0].state in ("sale", "done")
    told = (
        bool(shop.refunds) or shop.shape in OTHER_MONEY or (confirmed and booked[0].amount_total == Decimal(shop.total))
    )
    return shipped and confirmed and told and seen.issued == seen.shipments and len(shop.tracking) >= seen.shipments


def wanted(shop: ShopOrder) -> int:
    """Units of the shop's final lines that a warehouse ships."""
    return sum(units for sku, units in shop.lines.items() if WAREHOUSE.get(sku))


def doubles(seen: Seen) -> Iterator[str]:
    """Whatever exists twice in a target, in words."""
    if len(live(seen)) > 1:
        yield f"{len(live(seen))} live orders in the ERP"
    if any(request.doubled for request in seen.requests):
        yield "requested twice of one warehouse"
    if seen.issued > seen.shipments:
        yield f"{seen.issued} deliveries in the ERP for {seen.shipments} shipments"
    if seen.shop and seen.shipped > max(wanted(seen.shop), seen.basket.goods) and not seen.excepted:
        yield f"{seen.shipped} units shipped of {wanted(seen.shop)} ordered"


def said(seen: Seen) -> str:
    """What is wrong with an order that did not end, in words."""
    status = seen.shop.status if seen.shop else "deleted"
    states = ", ".join(order.state for order in seen.erp) or "nothing"
    return f"shop says {status}, ERP has {states}, {seen.shipped} units shipped"


def counted(orders: Sequence[Seen]) -> list[tuple[str, int]]:
    """How many ended how, in the order of ENDS; those that did not, last."""
    ends = Counter(end(seen) for seen in orders)
    return [(name, ends[name]) for name in (*ENDS, "") if ends[name]]
