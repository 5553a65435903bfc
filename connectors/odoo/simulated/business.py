"""What Odoo does by itself: totals, default taxes, confirmation, transfers step by step. Stock is plentiful."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connectors.odoo.simulated.records import Record, Records, user_error

CENT = Decimal("0.01")
LOCATIONS = ("WH/Stock", "WH/Packing", "WH/Output", "Customers", "WEST/Stock")
STOCK, PACKING, OUTPUT, CUSTOMERS = 1, 2, 3, 4  # their ids
#: Steps of a delivery: name, kind of transfer, from where, to where.
CHAINS: Mapping[str, Sequence[tuple[str, str, int, int]]] = {
    "ship_only": [("OUT", "outgoing", STOCK, CUSTOMERS)],
    "pick_pack_ship": [
        ("PICK", "internal", STOCK, PACKING), ("PACK", "internal", PACKING, OUTPUT), ("OUT", "outgoing", OUTPUT, CUSTOMERS),
    ],
}  # fmt: skip
CLOSED = ("done", "cancel")


class Business:
    """Rules over records. `rounding` is the company's tax rounding (Odoo 19's default: globally), `steps` its warehouse's."""

    def __init__(self, records: Records, *, rounding: str, steps: str, default_tax: int) -> None:
        self.records = records
        self._unsettled: dict[int, None] = {}
        self.rounding, self.chain, self.default_tax = rounding, CHAINS[steps], default_tax

    # -- sales
    def create(self, model: str, values: Mapping[str, Any]) -> int:
        """Create a record with Odoo's defaults."""
        if model == "sale.order":
            return self._create_order(values)
        if model == "sale.order.line":
            return self._create_line(values)
        if model == "product.product":
            values = {"active": True, "type": "consu", **values}
        return self.records.create(model, values)

    def write(self, model: str, id: int, values: Mapping[str, Any]) -> None:
        """Change a record and what is computed from it. One-to-many values are commands (1, id, values)."""
        values = dict(values)
        for name, commands in list(values.items()):
            if self._lines(model, name):
                for _, line, changes in values.pop(name) and commands:
                    self.write(self._lines(model, name), line, changes)
        if model == "stock.picking" and "location_id" in values:
            for move in self.records.get(model, id)["move_ids"]:
                self.records.write("stock.move", move, {"location_id": values["location_id"]})
        self.records.write(model, id, values)
        if model == "sale.order.line":
            self._unsettled[self.records.get(model, id)["order_id"]] = None

    @staticmethod
    def _lines(model: str, name: str) -> str:
        return {("stock.picking", "move_ids"): "stock.move", ("sale.order", "order_line"): "sale.order.line"}.get(
            (model, name), ""
        )

    def _create_order(self, values: Mapping[str, Any]) -> int:
        number = self.records.store.next("sale.order.name")
        company = self.records.get("res.company", values.get("company_id") or 1)
        pricelist = values.get("pricelist_id")
        currency = (
            self.records.get("product.pricelist", pricelist)["currency_id"] if pricelist else company["currency_id"]
        )
        return self.records.create("sale.order", {
            "name": f"S{number:05d}", "state": "draft", "date_order": self.records.clock(), "company_id": company["id"],
            **values, "currency_id": currency,
        })  # fmt: skip

    def _create_line(self, values: Mapping[str, Any]) -> int:
        """A line stated without taxes gets the company's default one; an empty statement means none."""
        defaults = {"product_uom_qty": 1.0, "tax_ids": [self.default_tax] if self.default_tax else []}
        id = self.records.create("sale.order.line", {**defaults, **values})
        order = self.records.get("sale.order", values["order_id"])
        self.records.write("sale.order", order["id"], {"order_line": [*order["order_line"], id]})
        self._unsettled[order["id"]] = None
        return id

    def settle(self) -> None:
        """Compute what depends on lines that changed, once per call, as Odoo does at its end."""
        for order in self._unsettled:
            self._total(order)
        self._unsettled.clear()

    def _total(self, order: int) -> None:
        """Untaxed, tax and total. Globally: one rounding per tax over the order; per line: one per tax and line."""
        untaxed, taxes = Decimal(0), dict[tuple[int, int], Decimal]()
        for line in self.records.get("sale.order", order)["order_line"]:
            row = self.records.get("sale.order.line", line)
            base = _net(row)
            untaxed += base if self.rounding == "round_globally" else _cents(base)
            self.records.store.put("sale.order.line", line, {**row, "price_subtotal": float(_cents(base))})
            for tax in row["tax_ids"]:
                key = (tax, 0 if self.rounding == "round_globally" else line)
                taxes[key] = (
                    taxes.get(key, Decimal(0)) + base * _decimal(self.records.get("account.tax", tax)["amount"]) / 100
                )
        tax = sum((_cents(amount) for amount in taxes.values()), Decimal(0))
        amounts = {"amount_untaxed": _cents(untaxed), "amount_tax": tax, "amount_total": _cents(untaxed) + tax}
        self.records.write("sale.order", order, {name: float(amount) for name, amount in amounts.items()})

    def confirm(self, ids: Sequence[int]) -> bool:
        """action_confirm: all or none."""
        orders = [self.records.get("sale.order", id) for id in ids]
        if any(order["state"] not in ("draft", "sent") for order in orders):
            raise user_error("Some orders are not in a state requiring confirmation.")
        for order in orders:
            self.records.write("sale.order", order["id"], {"state": "sale", "date_order": self.records.clock()})
            self._deliver(order)
        return True

    def _deliver(self, order: Record) -> None:
        lines = [self.records.get("sale.order.line", line) for line in order["order_line"]]
        goods = [r for r in lines if self.records.get("product.product", r["product_id"])["type"] != "service"]
        wanted: list[tuple[int, int, float, list[int]]]
        wanted = [(r["product_id"], r["id"], r["product_uom_qty"], []) for r in goods if r["product_uom_qty"] > 0]
        if wanted:
            self._transfer(order, 0, wanted)

    # -- stock
    def _transfer(self, order: Record, step: int, wanted: Sequence[tuple[int, int, float, list[int]]]) -> None:
        """A transfer with a move per (product, sale line, quantity, origin moves), everything reserved."""
        code, kind, source, goal = self.chain[step]
        number = self.records.store.next(f"stock.picking.{code}")
        picking = self.records.create("stock.picking", {
            "name": f"WH/{code}/{number:05d}", "state": "assigned", "picking_type_code": kind, "sale_id": order["id"],
            "origin": order["name"], "location_id": source, "location_dest_id": goal, "step": str(step),
        })  # fmt: skip
        self.records.write("sale.order", order["id"], {"picking_ids": [*order["picking_ids"], picking]})
        for product, line, quantity, origins in wanted:
            self._move(picking, {
                "product_id": product, "sale_line_id": line, "product_uom_qty": quantity, "quantity": quantity,
                "state": "assigned", "location_id": source, "move_orig_ids": origins,
            })  # fmt: skip

    def _move(self, picking: int, values: Mapping[str, Any]) -> int:
        id = self.records.create("stock.move", {**values, "picking_id": picking})
        held = self.records.get("stock.picking", picking)["move_ids"]
        self.records.write("stock.picking", picking, {"move_ids": [*held, id]})
        return id

    def moves(self, picking: Record, *, opened: bool = True) -> list[Record]:
        """The moves of a transfer."""
        rows = [self.records.get("stock.move", id) for id in picking["move_ids"]]
        return [row for row in rows if not opened or row["state"] not in CLOSED]

    def validate(self, ids: Sequence[int], context: Mapping[str, Any]) -> Any:
        """button_validate: true, or the question about a backorder when something is short and nobody answered it in advance."""
        pickings = [p for p in (self.records.get("stock.picking", id) for id in ids) if p["state"] != "done"]
        for picking in pickings:
            self._pick(picking)
        short = [p["id"] for p in pickings if any(_is_short(m) for m in self.moves(p))]
        if short and not context.get("skip_backorder"):
            return _question(ids, short)
        for picking in pickings:
            self._do(picking, keep=picking["id"] not in context.get("picking_ids_not_to_backorder", ()))
        return True

    def _pick(self, picking: Record) -> None:
        """Nothing picked explicitly means everything with a quantity is; nothing at all is an error."""
        moves = self.moves(picking)
        if not any(m["quantity"] for m in moves):
            raise user_error("Transfer trouble alert! Validating a zero quantity transfer?")
        if not any(m["picked"] for m in moves):
            for move in moves:
                self.records.write("stock.move", move["id"], {"picked": True})

    def _do(self, picking: Record, *, keep: bool) -> None:
        """Move what was picked; the rest goes on a backorder, or is cancelled."""
        done = [m for m in self.moves(picking) if m["picked"] and m["quantity"] > 0]
        rest = [m for m in self.moves(picking) if m not in done]
        over = [(m, m["product_uom_qty"] - m["quantity"]) for m in done if m["quantity"] < m["product_uom_qty"]]
        for move in done:
            self.records.write("stock.move", move["id"], {"state": "done", "product_uom_qty": move["quantity"]})
        if keep and (rest or over):
            self._backorder(picking, rest, over)
        for move in () if keep else rest:
            self.records.write("stock.move", move["id"], {"state": "cancel", "quantity": 0.0})
        self.records.write("stock.picking", picking["id"], {"state": "done", "date_done": self.records.clock()})
        self._arrived(picking, done)

    def _backorder(self, picking: Record, rest: Sequence[Record], over: Sequence[tuple[Record, float]]) -> None:
        """A transfer for what is left. It inherits the note, not the tracking number."""
        order = self.records.get("sale.order", picking["sale_id"])
        number = self.records.store.next(f"stock.picking.{picking['name'].split('/')[1]}")
        copied = {
            name: picking[name]
            for name in ("picking_type_code", "sale_id", "origin", "location_dest_id", "note", "step")
        }
        location = self.records.get("stock.picking", picking["id"])["location_id"]
        backorder = self.records.create("stock.picking", {
            **copied, "name": f"{picking['name'].rpartition('/')[0]}/{number:05d}", "state": "assigned",
            "location_id": location, "backorder_id": picking["id"],
        })  # fmt: skip
        self.records.write("sale.order", order["id"], {"picking_ids": [*order["picking_ids"], backorder]})
        for move in rest:
            self.records.write("stock.move", move["id"], {"picking_id": backorder, "picked": False})
        kept = [m["id"] for m in self.moves(picking, opened=False) if m not in rest]
        self.records.write("stock.picking", picking["id"], {"move_ids": kept})
        self.records.write("stock.picking", backorder, {"move_ids": [m["id"] for m in rest]})
        for move, quantity in over:
            same = {name: move[name] for name in ("product_id", "sale_line_id", "location_id", "move_orig_ids")}
            self._move(backorder, {**same, "product_uom_qty": quantity, "quantity": quantity, "state": "assigned"})

    def _arrived(self, picking: Record, done: Sequence[Record]) -> None:
        """Goods that reached the customer are delivered; others wait in the next transfer of the chain."""
        if picking["picking_type_code"] != "outgoing":
            wanted = [(m["product_id"], m["sale_line_id"], m["quantity"], [m["id"]]) for m in done]
            self._transfer(self.records.get("sale.order", picking["sale_id"]), int(picking["step"]) + 1, wanted)
            return
        for move in done:
            line = self.records.get("sale.order.line", move["sale_line_id"])
            self.records.write(
                "sale.order.line", line["id"], {"qty_delivered": line["qty_delivered"] + move["quantity"]}
            )

    def unreserve(self, ids: Sequence[int]) -> None:
        """do_unreserve."""
        for id in ids:
            for move in self.moves(self.records.get("stock.picking", id)):
                self.records.write("stock.move", move["id"], {"quantity": 0.0, "picked": False, "state": "confirmed"})

    def cancel_transfers(self, ids: Sequence[int]) -> bool:
        """action_cancel on transfers."""
        for id in ids:
            picking = self.records.get("stock.picking", id)
            for move in self.moves(picking):
                self.records.write("stock.move", move["id"], {"state": "cancel", "quantity": 0.0})
            self.records.write("stock.picking", id, {"state": "cancel"})
        return True

    def cancel_orders(self, ids: Sequence[int]) -> bool:
        """action_cancel on orders: accepted in any state, even when shipped."""
        for id in ids:
            order = self.records.get("sale.order", id)
            opened = [p for p in order["picking_ids"] if self.records.get("stock.picking", p)["state"] not in CLOSED]
            self.cancel_transfers(opened)
            self.records.write("sale.order", id, {"state": "cancel"})
        return True


def _is_short(move: Record) -> bool:
    return bool(not move["picked"] or move["quantity"] < move["product_uom_qty"])


def _question(ids: Sequence[int], short: Sequence[int]) -> dict[str, Any]:
    return {
        "name": "Create Backorder?", "type": "ir.actions.act_window", "view_mode": "form",
        "res_model": "stock.backorder.confirmation", "target": "new",
        "context": {"button_validate_picking_ids": list(ids), "default_pick_ids": [[4, id] for id in short]},
    }  # fmt: skip


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))


def _net(line: Record) -> Decimal:
    return _decimal(line["product_uom_qty"]) * _decimal(line["price_unit"]) * (1 - _decimal(line["discount"]) / 100)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
