"""What an oracle sees of the simulated Odoo: every order with its lines and transfers, other transfers, and what lies where, in a shape
that can be compared whole."""

from collections import Counter
from typing import Any

from connectors.odoo.simulated.records import Record, Records
from connectors.odoo.simulated.stock import Stock
from connectors.odoo.simulated.storekeeper import Storekeeper


class Oracle:
    """Reads records; changes nothing."""

    def __init__(self, records: Records, stock: Stock) -> None:
        self.records, self.stock = records, stock

    def state(self) -> dict[str, Any]:
        """Every order, references used twice among those not cancelled, and how many contacts and products there are."""
        table = self.records.store.table
        orders = list(table("sale.order").values())
        xids = {(known["model"], known["id"]): xid.partition(".")[2] for xid, known in table("xid").items()}
        live = [
            order["client_order_ref"] for order in orders if order["state"] != "cancel" and order["client_order_ref"]
        ]
        return {
            "orders": [self._order(order, xids) for order in orders],
            "duplicates": {reference: count for reference, count in Counter(live).items() if count > 1},
            "contacts": len(table("res.partner")),
            "products": len(table("product.product")),
            "transfers": [
                self._transfer(picking, xids) for picking in table("stock.picking").values() if not picking["sale_id"]
            ],
            "stock": Storekeeper(self.records, self.stock).figures(),
        }

    def _order(self, order: Record, xids: dict[tuple[str, int], str]) -> dict[str, Any]:
        lines = [self.records.get("sale.order.line", id) for id in order["order_line"]]
        pickings = [self.records.get("stock.picking", id) for id in order["picking_ids"]]
        return {
            "id": order["id"], "xid": xids.get(("sale.order", order["id"]), ""), "name": order["name"],
            "reference": order["client_order_ref"], "state": order["state"], "locked": order["locked"],
            "amount_total": _amount(order["amount_total"]), "amount_tax": _amount(order["amount_tax"]),
            "currency": self._name("res.currency", order["currency_id"]), "created_at": order["created_at"],
            "terms": self._name("account.payment.term", order["payment_term_id"]),
            "customer": self._name("res.partner", order["partner_id"]), "note": order["note"] or "",
            "lines": [self._line(line, xids) for line in lines], "pickings": [self._picking(picking) for picking in pickings],
        }  # fmt: skip

    def _line(self, line: Record, xids: dict[tuple[str, int], str]) -> dict[str, Any]:
        return {
            "xid": xids.get(("sale.order.line", line["id"]), ""), "sku": self._sku(line["product_id"]), "name": line["name"],
            "quantity": line["product_uom_qty"], "price_unit": line["price_unit"], "delivered": line["qty_delivered"],
            "taxes": [self.records.get("account.tax", tax)["amount"] for tax in line["tax_ids"]],
        }  # fmt: skip

    def _picking(self, picking: Record) -> dict[str, Any]:
        return {
            "id": picking["id"], "name": picking["name"], "state": picking["state"], "type": picking["picking_type_code"],
            "tracking": picking["carrier_tracking_ref"] or "", "note": picking["note"] or "", "date_done": picking["date_done"] or "",
            "location": self._name("stock.location", picking["location_id"]),
            "ship_to": self._name("res.partner", picking["partner_id"]), "city": self._city(picking["partner_id"]),
            "moves": [self._move(move) for move in self.stock.moves(picking, opened=False)],
        }  # fmt: skip

    def _transfer(self, picking: Record, xids: dict[tuple[str, int], str]) -> dict[str, Any]:
        """A transfer that delivers no order."""
        return {
            "xid": xids.get(("stock.picking", picking["id"]), ""), "origin": picking["origin"] or "", **self._picking(picking),
            "to": self._name("stock.location", picking["location_dest_id"]),
        }  # fmt: skip

    def _move(self, move: Record) -> dict[str, Any]:
        """`quantity` is reserved or, once done, moved."""
        done = move["quantity"] if move["state"] == "done" else 0.0
        return {
            "sku": self._sku(move["product_id"]), "demand": move["product_uom_qty"], "quantity": move["quantity"], "done": done,
            "state": move["state"],
        }  # fmt: skip

    def _sku(self, product: int) -> str:
        """The article; empty for a heading or a note."""
        if not product:
            return ""
        row = self.records.get("product.product", product)
        return str(row["default_code"] or row["name"])

    def _city(self, partner: int) -> str:
        return str(self.records.get("res.partner", partner)["city"] or "") if partner else ""

    def _name(self, model: str, id: int) -> str:
        return str(self.records.get(model, id)["name"] or "") if id else ""


def _amount(value: float) -> str:
    """Money with at least two decimals, and three where a currency has them."""
    return f"{value:.2f}" if round(value, 2) == round(value, 3) else f"{value:.3f}"
