"""What lies in the warehouse, where somebody counts it: units on hand and promised per SKU, kept over a restart."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from connectors.partner.simulator.work import Work, units_by
from connectors.simulation import Store

NEVER_SHIPS = frozenset({"reject", "silent"})


class Shelves:
    """SKU → on_hand, allocated. Where no SKU was ever put in, there is no end to anything."""

    def __init__(self, store: Store, stock: Mapping[str, int]) -> None:
        self._store = store
        self.items: dict[str, dict[str, int]] = store.table("stock")
        for sku, units in stock.items():
            if sku not in self.items:
                self._change(sku, on_hand=units)

    def look(self, work: Work) -> None:
        """Before the first word about a request: what is not on the shelves will be short."""
        if not self.items or work.calls or work.behaviour in NEVER_SHIPS:
            return
        free = Counter({sku: max(0, item["on_hand"] - item["allocated"]) for sku, item in self.items.items()})
        for line in work.rest:
            there = min(line["units"], free[line["sku"]])
            free[line["sku"]] -= there
            if there < line["units"]:
                work.most[line["line"]] = there
                work.behaviour = "short"

    def follow(self, work: Work) -> None:
        """Promise what an accepted request is still to be sent, and take from the shelves what has left."""
        if not self.items:
            return
        promised = units_by("sku", work.rest) if work.is_accepted and not work.over else {}
        left: Counter[str] = Counter()
        for departure in work.left:
            left.update(departure.skus)
        for sku in {*promised, *work.promised, *left}:
            self._change(
                sku,
                on_hand=work.taken.get(sku, 0) - left[sku],
                allocated=promised.get(sku, 0) - work.promised.get(sku, 0),
            )
        work.promised, work.taken = promised, dict(left)

    def move(self, sku: str, units: int) -> None:
        """So many came, or left; there may be less than nothing."""
        self._change(sku, on_hand=units)

    def counted(self) -> list[dict[str, Any]]:
        """Every SKU with its figures, as the API takes them."""
        return [{"sku": sku, **item} for sku, item in sorted(self.items.items())]

    def _change(self, sku: str, on_hand: int = 0, allocated: int = 0) -> None:
        item = self.items.get(sku, {"on_hand": 0, "allocated": 0})
        changed = {"on_hand": item["on_hand"] + on_hand, "allocated": item["allocated"] + allocated}
        if changed != item or sku not in self.items:
            self._store.put("stock", sku, changed)
