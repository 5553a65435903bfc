"""A seeded script of unclean life: what happens to orders in real shops after they were placed, one deed at a time.

Every deed is remembered in `deeds`, so that an oracle knows what was done; what it led to, the shop's own records say.
"""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from connectors.woocommerce.simulator.arithmetic import CURRENCIES
from connectors.woocommerce.simulator.baskets import person
from connectors.woocommerce.simulator.staff import UNPAID, Staff
from connectors.woocommerce.simulator.views import Record

Dice = random.Random
Said = dict[str, Any]
Deed = Callable[["Unsettled", int, Dice], Said]

#: Statuses in which staff still change what is on an order.
OPEN = frozenset({"pending", "on-hold", "processing"})


class Unsettled(Staff):
    """`unsettle` does something to an order."""

    @property
    def deeds(self) -> list[Said]:
        """What `unsettle` did, oldest first: order, deed and its particulars."""
        return list(self.store.table("deeds").values())

    def unsettle(self, order: int, dice: Dice, deed: str = "") -> Said:
        """Do one thing to an order, the dice choose which (of those possible now) unless it is named. An order that is gone, in the
        trash, or has nothing left to do is let be: the deed is `nothing`."""
        with self.lock:
            record = self.orders.get(order)
            name = deed or dice.choice(possible(record) or ["nothing"])
            done = {"order": order, "deed": name, **DEEDS[name](self, order, dice)}
            self.store.put("deeds", self.store.next("deed"), done)
            self.store.commit()
            return done


def possible(record: Record | None) -> list[str]:
    """What can be done to an order now, in a fixed order."""
    if record is None or record["status"] in ("trash", "checkout-draft"):
        return []
    chosen = ["note"]
    if record["status"] in OPEN:
        chosen += ["address", "fewer", "more", "swap", "cancel", "cancel_and_pay", "trash_and_restore", "force_delete"]
    if record["status"] == "processing":
        chosen += ["hold_and_back"]
    if record["status"] in UNPAID:
        chosen += ["pay"]
    if _refundable(record):
        chosen += ["refund_amount", *(["refund_line"] if _lines(record) else [])]
    return chosen


def _refundable(record: Record) -> bool:
    """Money can go back once it came: more than the smallest amount is left of a paid order."""
    left = Decimal(record["total"]) + sum((Decimal(r["total"]) for r in record["refunds"]), Decimal(0))
    return bool(record["date_paid"]) and record["status"] != "refunded" and left > CURRENCIES[record["currency"]].unit


def _lines(record: Record) -> list[Record]:
    """Lines a refund may name: only while none has, so that nobody refunds a line twice."""
    return [] if record["refunds"] else [line for line in record["line_items"] if line["quantity"] > 0]


# ---- the deeds --------------------------------------------------------------------------------------------------------------
def _nothing(shop: Unsettled, order: int, dice: Dice) -> Said:
    return {}


def _note(shop: Unsettled, order: int, dice: Dice) -> Said:
    shop.note(order, "The customer called; all is well.")
    return {}


def _address(shop: Unsettled, order: int, dice: Dice) -> Said:
    wanted = person(dice)
    moved = {field: wanted[field] for field in ("address_1", "address_2", "city", "postcode")}
    shop.edit(order, shipping=moved)
    return {"shipping": moved}


def _fewer(shop: Unsettled, order: int, dice: Dice) -> Said:
    """One unit less of a line; a line of one goes, the last line stays."""
    lines = shop.orders[order]["line_items"]
    line = dice.choice(lines)
    if line["quantity"] > 1:
        shop.set_quantity(order, line["sku"], line["quantity"] - 1)
    elif len(lines) > 1:
        shop.drop_line(order, line["sku"])
    return {"sku": line["sku"]}


def _more(shop: Unsettled, order: int, dice: Dice) -> Said:
    line, more = dice.choice(shop.orders[order]["line_items"]), dice.randint(1, 3)
    shop.set_quantity(order, line["sku"], line["quantity"] + more)
    return {"sku": line["sku"], "units": more}


def _swap(shop: Unsettled, order: int, dice: Dice) -> Said:
    """Something else the same warehouse has."""
    held = [line["sku"] for line in shop.orders[order]["line_items"]]
    old = dice.choice(held)
    new = dice.choice([good.sku for good in shop._goods() if good.sku[:3] == old[:3] and good.sku not in held])
    shop.swap_line(order, old, new)
    return {"old": old, "new": new}


def _hold_and_back(shop: Unsettled, order: int, dice: Dice) -> Said:
    shop.move(order, "on-hold")
    shop.move(order, "processing")
    return {}


def _cancel(shop: Unsettled, order: int, dice: Dice) -> Said:
    shop.cancel(order)
    return {}


def _cancel_and_pay(shop: Unsettled, order: int, dice: Dice) -> Said:
    """Given up, and then the money comes after all."""
    shop.cancel(order)
    shop.pay(order)
    return {}


def _pay(shop: Unsettled, order: int, dice: Dice) -> Said:
    shop.pay(order)
    return {}


def _refund_line(shop: Unsettled, order: int, dice: Dice) -> Said:
    """Some units of a line. Money that is not there any more (gift card, store credit) cannot go back: then only what is left."""
    record = shop.orders[order]
    line = dice.choice(_lines(record))
    units = dice.randint(1, line["quantity"])
    worth = (Decimal(line["total"]) + Decimal(line["total_tax"])) * units / line["quantity"]
    if worth > Decimal(record["total"]):
        return _refund_amount(shop, order, dice)
    return {"sku": line["sku"], "units": units, "refund": shop.refund(order, {line["sku"]: units})}


def _refund_amount(shop: Unsettled, order: int, dice: Dice) -> Said:
    """Some money, no line named: the shop says no tax."""
    record = shop.orders[order]
    left = Decimal(record["total"]) + sum((Decimal(r["total"]) for r in record["refunds"]), Decimal(0))
    unit = CURRENCIES[record["currency"]].unit
    amount = max(unit, (left * dice.randint(1, 50) / 100).quantize(unit))
    return {"amount": str(amount), "refund": shop.refund(order, amount=amount)}


def _trash_and_restore(shop: Unsettled, order: int, dice: Dice) -> Said:
    shop.trash(order)
    shop.restore(order)
    return {}


def _force_delete(shop: Unsettled, order: int, dice: Dice) -> Said:
    shop.force_delete(order)
    return {}


DEEDS: Mapping[str, Deed] = {
    "nothing": _nothing,
    "note": _note,
    "address": _address,
    "fewer": _fewer,
    "more": _more,
    "swap": _swap,
    "hold_and_back": _hold_and_back,
    "cancel": _cancel,
    "cancel_and_pay": _cancel_and_pay,
    "pay": _pay,
    "refund_line": _refund_line,
    "refund_amount": _refund_amount,
    "trash_and_restore": _trash_and_restore,
    "force_delete": _force_delete,
}
