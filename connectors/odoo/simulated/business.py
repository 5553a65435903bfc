"""What Odoo does by itself with contacts and sales orders: totals, default taxes, prices, confirmation, amendment, cancellation.

The rules of a confirmed order are those of sale_order.py and sale_order_line.py in addons/sale and addons/sale_stock of Odoo 19.0.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connectors.odoo.simulated.places import LOSS
from connectors.odoo.simulated.records import Record, Records, Trouble, user_error
from connectors.odoo.simulated.stock import CLOSED, Stock

CENT = Decimal("0.01")
Values = Mapping[str, Any]
#: Fields of a line that a locked order protects, with their labels.
PROTECTED = {
    "product_id": "Product",
    "name": "Description",
    "price_unit": "Unit Price",
    "product_uom_qty": "Quantity",
    "tax_ids": "Taxes",
}
NO_UNLINK = (
    "Once a sales order is confirmed, you can't remove one of its lines (we need to track if something gets invoiced or delivered).\n"
    "                Set the quantity to 0 instead."
)
BELOW_DELIVERED = (
    "The ordered quantity of a sale order line cannot be decreased below the amount already delivered. Instead, create a return in your"
    " inventory."
)
VAT, VAT_EXAMPLE = re.compile(r"[A-Z]{2}[0-9A-Z]{6,12}"), "NL123456782B90"


class Business:
    """Rules over records. `rounding` is the company's tax rounding (Odoo 19's default: globally), `steps` its warehouse's."""

    def __init__(self, records: Records, *, rounding: str, steps: str, default_tax: int) -> None:
        self.records, self.rounding, self.default_tax = records, rounding, default_tax
        self.stock = Stock(records, steps)
        self._unsettled: dict[int, None] = {}
        self._creates: Mapping[str, Callable[[Values], int]] = {
            "sale.order": self._create_order, "sale.order.line": self._create_line,
            "stock.picking": self.stock.create_picking, "stock.move": self.stock.create_move,
        }  # fmt: skip
        self._writes: Mapping[str, Callable[[int, Values, Values], None]] = {
            "sale.order": self._write_order, "sale.order.line": self._write_line,
            "stock.picking": lambda id, values, context: self.stock.write(id, values),
            "stock.move": lambda id, values, context: self.stock.set_move(id, values),
        }  # fmt: skip

    # -- any record
    def create(self, model: str, values: Values) -> int:
        """Create a record with Odoo's defaults."""
        if model == "product.product":
            values = {"active": True, "type": "consu", "uom_id": 1, "property_stock_inventory": LOSS, **values}
        return self._creates[model](values) if model in self._creates else self.records.create(model, values)

    def write(self, model: str, id: int, values: Values, context: Values | None = None) -> None:
        """Change a record and what is computed from it."""
        self.check(model, values)
        if model in self._writes:
            self._writes[model](id, values, context or {})
        else:
            self.records.write(model, id, values)

    def check(self, model: str, values: Values) -> None:
        """A VAT id of a wrong shape, as the module base_vat words it."""
        vat = values.get("vat")
        if model == "res.partner" and vat and not VAT.fullmatch(vat):
            words = f"The VAT number [{vat}] for partner [{values['name']}] does not seem to be valid. \n"
            words += f"Note: the expected format is {VAT_EXAMPLE}"
            raise Trouble(422, "odoo.exceptions.ValidationError", words)

    # -- orders
    def _create_order(self, values: Values) -> int:
        number = self.records.store.next("sale.order.name")
        company = self.records.get("res.company", values.get("company_id") or 1)
        made = {
            "name": f"S{number:05d}", "state": "draft", "date_order": self.records.clock(), "company_id": company["id"], "locked": False,
            "payment_term_id": self.records.get("res.partner", values["partner_id"])["property_payment_term_id"], **values,
        }  # fmt: skip
        return self.records.create("sale.order", {**made, "currency_id": self._currency(made)})

    def _currency(self, order: Values) -> int:
        """An order's currency is its pricelist's, else its company's."""
        model, name = (
            ("product.pricelist", "pricelist_id") if order.get("pricelist_id") else ("res.company", "company_id")
        )
        return int(self.records.get(model, order[name])["currency_id"])

    def _write_order(self, id: int, values: Values, context: Values) -> None:
        """Lines are commands: (0, 0, values) adds, (1, id, values) changes, (2, id) deletes."""
        values, order = dict(values), self.records.get("sale.order", id)
        if "pricelist_id" in values and order["state"] == "sale":
            raise user_error("You cannot change the pricelist of a confirmed order !")
        if "pricelist_id" in values:
            values["currency_id"] = self._currency({**order, **values})
        commands = values.pop("order_line", ())
        self.records.write("sale.order", id, values)
        if "partner_shipping_id" in values and context.get("update_delivery_shipping_partner"):
            for picking in order["picking_ids"]:
                self.records.write("stock.picking", picking, {"partner_id": values["partner_shipping_id"]})
        for command, line, *more in commands:
            match command:
                case 0:
                    self._create_line({**more[0], "order_id": id})
                case 1:
                    self._write_line(line, more[0], context)
                case 2:
                    self._delete_line(line)

    def confirm(self, ids: Sequence[int]) -> bool:
        """action_confirm: all or none."""
        orders = [self.records.get("sale.order", id) for id in ids]
        if any(order["state"] not in ("draft", "sent") for order in orders):
            raise user_error("Some orders are not in a state requiring confirmation.")
        for order in orders:
            self.records.write("sale.order", order["id"], {"state": "sale", "date_order": self.records.clock()})
            for line in self._lines(order):
                self.stock.follow(order["id"], line)
        return True

    def cancel_orders(self, ids: Sequence[int]) -> bool:
        """action_cancel: accepted in any state, even when shipped and invoiced; what is open of the deliveries goes with it."""
        orders = [self.records.get("sale.order", id) for id in ids]
        if any(order["locked"] for order in orders):
            raise user_error("You cannot cancel a locked order. Please unlock it first.")
        for order in orders:
            opened = [p for p in order["picking_ids"] if self.records.get("stock.picking", p)["state"] not in CLOSED]
            self.stock.cancel(opened)
            self.records.write("sale.order", order["id"], {"state": "cancel"})
        return True

    def lock(self, ids: Sequence[int], *, locked: bool) -> None:
        """action_lock and action_unlock."""
        for id in ids:
            self.records.write("sale.order", id, {"locked": locked})

    def invoice(self, id: int) -> None:
        """A posted invoice over everything ordered."""
        for line in self._lines(self.records.get("sale.order", id)):
            values = {"qty_invoiced": line["product_uom_qty"], "untaxed_amount_invoiced": float(_cents(_net(line)))}
            self.records.write("sale.order.line", line["id"], values)

    def delete(self, ids: Sequence[int]) -> bool:
        """unlink: only what never was confirmed, or is cancelled."""
        orders = [self.records.get("sale.order", id) for id in ids]
        if any(order["state"] not in ("draft", "cancel") for order in orders):
            raise user_error(
                "You can not delete a sent quotation or a confirmed sales order. You must first cancel it."
            )
        for order in orders:
            for line in order["order_line"]:
                self.records.store.delete("sale.order.line", line)
            self.records.store.delete("sale.order", order["id"])
        return True

    # -- lines
    def _lines(self, order: Record) -> list[Record]:
        return [self.records.get("sale.order.line", line) for line in order["order_line"]]

    def _create_line(self, values: Values) -> int:
        """A line stated without taxes gets the company's default one; an empty statement means none."""
        defaults = {"product_uom_qty": 1.0, "tax_ids": [self.default_tax] if self.default_tax else []}
        id = self.records.create("sale.order.line", {**defaults, **values})
        order = self.records.get("sale.order", values["order_id"])
        self.records.write("sale.order", order["id"], {"order_line": [*order["order_line"], id]})
        self._changed(order, id)
        return id

    def _write_line(self, id: int, values: Values, context: Values) -> None:
        """A quantity changed alone brings the product's list price back."""
        line, values = self.records.get("sale.order.line", id), dict(values)
        order = self.records.get("sale.order", line["order_id"])
        self._check_line(order, line, values)
        if "tax_ids" in values:
            values["tax_ids"] = [tax for command in values["tax_ids"] for tax in _set_to(command)]
        if (
            values.get("product_uom_qty", line["product_uom_qty"]) != line["product_uom_qty"]
            and "price_unit" not in values
        ):
            values["price_unit"] = self.records.get("product.product", line["product_id"])["list_price"]
        self.records.write("sale.order.line", id, values)
        self._changed(order, id)

    @staticmethod
    def _check_line(order: Record, line: Record, values: Values) -> None:
        units = values.get("product_uom_qty", line["product_uom_qty"])
        if order["locked"] and (named := [label for name, label in PROTECTED.items() if name in values]):
            raise user_error("It is forbidden to modify the following fields in a locked order:\n" + "\n".join(named))
        if order["state"] == "sale" and values.get("product_id", line["product_id"]) != line["product_id"]:
            raise user_error("You cannot modify the product of this order line.")
        if order["state"] == "sale" and units != line["product_uom_qty"] and units < line["qty_delivered"]:
            raise user_error(BELOW_DELIVERED)

    def _delete_line(self, id: int) -> None:
        line = self.records.get("sale.order.line", id)
        order = self.records.get("sale.order", line["order_id"])
        if order["state"] == "sale":
            raise user_error(NO_UNLINK)
        kept = [other for other in order["order_line"] if other != id]
        self.records.write("sale.order", order["id"], {"order_line": kept})
        self.records.store.delete("sale.order.line", id)
        self._unsettled[order["id"]] = None

    def _changed(self, order: Record, line: int) -> None:
        self._unsettled[order["id"]] = None
        if order["state"] == "sale" and not order["locked"]:
            self.stock.follow(order["id"], self.records.get("sale.order.line", line))

    # -- totals
    def settle(self) -> None:
        """Compute what depends on lines that changed, once per call, as Odoo does at its end."""
        for order in self._unsettled:
            if self.records.exists("sale.order", order):
                self._total(order)
        self._unsettled.clear()

    def _total(self, order: int) -> None:
        """Untaxed, tax and total. Globally: one rounding per tax over the order; per line: one per tax and line."""
        head = self.records.get("sale.order", order)
        unit = _decimal(self.records.get("res.currency", head["currency_id"])["rounding"] or float(CENT))
        untaxed, taxes = Decimal(0), dict[tuple[int, int], Decimal]()
        for row in self._lines(head):
            base = _net(row)
            untaxed += base if self.rounding == "round_globally" else _cents(base, unit)
            self.records.store.put("sale.order.line", row["id"], {**row, "price_subtotal": float(_cents(base, unit))})
            for tax in row["tax_ids"]:
                key = (tax, 0 if self.rounding == "round_globally" else row["id"])
                rate = _decimal(self.records.get("account.tax", tax)["amount"])
                taxes[key] = taxes.get(key, Decimal(0)) + base * rate / 100
        tax = sum((_cents(amount, unit) for amount in taxes.values()), Decimal(0))
        net = _cents(untaxed, unit)
        amounts = {"amount_untaxed": net, "amount_tax": tax, "amount_total": net + tax}
        self.records.write("sale.order", order, {name: float(amount) for name, amount in amounts.items()})


def _set_to(command: Any) -> list[int]:
    """Ids of a many-to-many value: plain ids as load makes them, or the command (6, 0, ids)."""
    return [command] if isinstance(command, int) else command[2]


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))


def _net(line: Record) -> Decimal:
    return _decimal(line["product_uom_qty"]) * _decimal(line["price_unit"]) * (1 - _decimal(line["discount"]) / 100)


def _cents(amount: Decimal, unit: Decimal = CENT) -> Decimal:
    """The amount in whole smallest units of its currency (res.currency.rounding)."""
    return amount.quantize(unit, ROUND_HALF_UP)
