"""What lies where, as Odoo keeps it: `stock.quant`, so much of a product in a place and so much of that reserved."""

from connectors.odoo.simulated.records import Record, Records


class Quants:
    """Quants over records: one per product and place, besides those a test makes for a lot or an owner. May be below zero, as there."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def counted(self, location: int) -> bool:
        """Whether a place holds goods of ours; of vendors, customers and losses Odoo counts too, but nobody asks."""
        return bool(self.records.get("stock.location", location)["usage"] == "internal")

    def free(self, product: int, location: int) -> float:
        """What can be reserved there."""
        quant = self._find(product, location)
        return max(0.0, quant["quantity"] - quant["reserved_quantity"]) if quant else 0.0

    def on_hand(self, product: int, location: int) -> float:
        """What lies there."""
        quant = self._find(product, location)
        return float(quant["quantity"]) if quant else 0.0

    def over(self, product: int, location: int) -> float:
        """What is reserved there beyond what lies there."""
        quant = self._find(product, location)
        return float(quant["reserved_quantity"] - max(0.0, quant["quantity"])) if quant else 0.0

    def change(self, product: int, location: int, *, quantity: float = 0.0, reserved: float = 0.0) -> None:
        """Units come and go, or are reserved and let go."""
        if not (quantity or reserved) or not self.counted(location):
            return
        quant = self._find(product, location)
        id = (
            quant["id"]
            if quant
            else self.records.create("stock.quant", {"product_id": product, "location_id": location})
        )
        now = self.records.get("stock.quant", id)
        values = {"quantity": now["quantity"] + quantity, "reserved_quantity": now["reserved_quantity"] + reserved}
        self.records.write("stock.quant", id, values)

    def tidy(self) -> None:
        """Quants of nothing are deleted when the next transfer is done, and leave no trace (`_unlink_zero_quants`)."""
        empty = [
            q["id"] for q in self.records.store.table("stock.quant").values() if not q["quantity"] and not q["reserved_quantity"]
        ]  # fmt: skip
        for id in empty:
            self.records.store.delete("stock.quant", id)

    def _find(self, product: int, location: int) -> Record | None:
        """The plain quant of a product in a place."""
        rows = self.records.store.table("stock.quant").values()
        same = (q for q in rows if q["product_id"] == product and q["location_id"] == location)
        return next((q for q in same if not q["owner_id"] and not q["lot_id"]), None)
