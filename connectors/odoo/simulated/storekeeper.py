"""What people do with stock in the simulated Odoo, by SKU and warehouse code: count, receive, and promise it to somebody else."""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.odoo.simulated.places import CUSTOMERS, LOSS, VENDORS
from connectors.odoo.simulated.records import Record, Records, user_error
from connectors.odoo.simulated.stock import Stock


class Storekeeper:
    """Every deed is a `stock.move`, as there."""

    def __init__(self, records: Records, stock: Stock) -> None:
        self.records, self.stock = records, stock

    def set_stock(self, sku: str, warehouse: str, quantity: float) -> None:
        """A count of the shelves: the difference comes from, or goes to, the inventory loss."""
        product, shelves = self._product(sku), self._warehouse(warehouse)["lot_stock_id"]
        difference = quantity - self.stock.quants.on_hand(product, shelves)
        if difference:
            ends = (LOSS, shelves) if difference > 0 else (shelves, LOSS)
            self._moved(product, abs(difference), *ends)

    def receive(self, sku: str, warehouse: str, units: float) -> None:
        """Goods from a vendor, on the shelves."""
        self._moved(self._product(sku), units, VENDORS, self._warehouse(warehouse)["lot_stock_id"])

    def reserve_for_somebody_else(self, sku: str, warehouse: str, units: float) -> int:
        """Promise units to what is no order of ours (production, another channel). The number is that of the promise."""
        shelves = self._warehouse(warehouse)["lot_stock_id"]
        return self._move(self._product(sku), units, shelves, CUSTOMERS)

    def let_go(self, promise: int) -> None:
        """Take such a promise back."""
        self.stock.set_move(promise, {"state": "cancel", "quantity": 0.0})

    def figures(self) -> dict[str, dict[str, tuple[float, float]]]:
        """On hand and reserved, by warehouse and SKU, of everything that lies in one."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        codes = {w["view_location_id"]: w["code"] for w in self.records.store.table("stock.warehouse").values()}
        for quant in self.records.store.table("stock.quant").values():
            place = self.records.get("stock.location", quant["location_id"])
            sku = self.records.get("product.product", quant["product_id"])["default_code"] or ""
            held = found.setdefault(codes[place["location_id"]], {})
            on_hand, reserved = held.get(sku, (0.0, 0.0))
            held[sku] = (on_hand + quant["quantity"], reserved + quant["reserved_quantity"])
        return found

    def _moved(self, product: int, units: float, source: int, goal: int) -> None:
        """A move that is done at once."""
        self.stock.carry(self.records.get("stock.move", self._move(product, units, source, goal)))
        self.stock.quants.tidy()

    def _move(self, product: int, units: float, source: int, goal: int) -> int:
        """A move of no transfer, with what it wants reserved."""
        ends = {"location_id": source, "location_dest_id": goal}
        values = {"product_id": product, "product_uom_qty": units, "state": "draft", **ends}
        id = self.records.create("stock.move", values)
        self.stock.set_move(id, {"quantity": units, "state": "assigned"})
        return id

    def _product(self, sku: str) -> int:
        return int(self._only("product.product", {"default_code": sku})["id"])

    def _warehouse(self, code: str) -> Record:
        return self._only("stock.warehouse", {"code": code})

    def _only(self, model: str, values: Mapping[str, Any]) -> Record:
        rows: Iterable[Record] = self.records.store.table(model).values()
        found = [row for row in rows if all(row[name] == value for name, value in values.items())]
        if len(found) != 1:
            raise user_error(f"There is not one {model} with {dict(values)}.")
        return found[0]
