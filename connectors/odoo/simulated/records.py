"""Models, records and domains of the simulated Odoo, over a store. Knows no business rule."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.simulation import Store

Record = dict[str, Any]


class Trouble(Exception):
    """An exception of Odoo's, as json2.py words it: HTTP status, exception name, message."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


def user_error(message: str) -> Trouble:
    """A business rule said no."""
    return Trouble(422, "odoo.exceptions.UserError", message)


def value_error(message: str) -> Trouble:
    """A programmer's mistake: HTTP 500."""
    return Trouble(500, "builtins.ValueError", message)


@dataclass(frozen=True, slots=True)
class Model:
    """Fields by name: the kind, or for relations `kind:model`. `required` are checked by load and create."""

    label: str
    fields: Mapping[str, str]
    required: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def kind(self, name: str) -> str:
        """Kind of a field; ValueError as Odoo words it."""
        if name not in self.fields:
            raise value_error(f"Invalid field '{name}' in '{self.label}'")
        return self.fields[name].partition(":")[0]

    def relation(self, name: str) -> str:
        """The model a relational field points to."""
        return self.fields[name].partition(":")[2]


_ADDRESS = dict.fromkeys(("name", "email", "phone", "company_name", "type", "street", "street2", "zip", "city"), "char")

MODELS: Mapping[str, Model] = {
    "ir.module.module": Model("Module", {"name": "char", "latest_version": "char"}),
    "res.users": Model("User", {"name": "char", "login": "char"}),
    "res.currency": Model("Currency", {"name": "char", "rounding": "float"}),
    "res.company": Model("Companies", {"name": "char", "currency_id": "many2one:res.currency"}),
    "res.country": Model("Country", {"name": "char", "code": "char"}),
    "res.country.state": Model("State", {"name": "char", "code": "char", "country_id": "many2one:res.country"}),
    "account.tax": Model("Tax", {
        "name": "char", "amount": "float", "amount_type": "char", "type_tax_use": "char", "price_include": "boolean",
        "company_id": "many2one:res.company",
    }),
    "account.payment.term": Model("Payment Terms", {"name": "char"}),
    "product.pricelist": Model("Pricelist", {
        "name": "char", "currency_id": "many2one:res.currency", "company_id": "many2one:res.company",
    }),
    "uom.uom": Model("Unit", {"name": "char"}),
    "product.product": Model("Product Variant", {
        "name": "char", "default_code": "char", "barcode": "char", "type": "char", "active": "boolean", "list_price": "float",
        "uom_id": "many2one:uom.uom", "property_stock_inventory": "many2one:stock.location",
        "stock_quant_ids": "one2many:stock.quant", "stock_move_ids": "one2many:stock.move",
    }, ["name"], {"name": "Name"}),
    "res.partner": Model("Contact", {
        **_ADDRESS, "parent_id": "many2one:res.partner", "state_id": "many2one:res.country.state",
        "country_id": "many2one:res.country", "ref": "char", "vat": "char", "comment": "html", "is_company": "boolean",
        "property_payment_term_id": "many2one:account.payment.term", "ref_company_ids": "one2many:res.company",
    }, labels={"parent_id": "Related Company", "state_id": "State", "country_id": "Country"}),
    "sale.order": Model("Sales Order", {
        "name": "char", "partner_id": "many2one:res.partner", "partner_invoice_id": "many2one:res.partner",
        "partner_shipping_id": "many2one:res.partner", "client_order_ref": "char", "origin": "char", "date_order": "datetime",
        "note": "html", "pricelist_id": "many2one:product.pricelist", "company_id": "many2one:res.company",
        "currency_id": "many2one:res.currency", "state": "char", "amount_untaxed": "float", "amount_tax": "float",
        "amount_total": "float", "locked": "boolean",
        "payment_term_id": "many2one:account.payment.term",
        "order_line": "one2many:sale.order.line", "picking_ids": "one2many:stock.picking",
    }, ["partner_id"], {
        "partner_id": "Customer", "partner_invoice_id": "Invoice Address", "partner_shipping_id": "Delivery Address",
        "order_line": "Order Lines", "pricelist_id": "Pricelist", "date_order": "Order Date", "company_id": "Company",
    }),
    "sale.order.line": Model("Sales Order Line", {
        "order_id": "many2one:sale.order", "product_id": "many2one:product.product", "name": "text", "product_uom_qty": "float",
        "price_unit": "float", "discount": "float", "tax_ids": "many2many:account.tax", "price_subtotal": "float",
        "qty_delivered": "float", "qty_invoiced": "float", "untaxed_amount_invoiced": "float", "display_type": "char",
    }, ["order_id"], {
        "order_id": "Order Reference", "product_id": "Product", "product_uom_qty": "Quantity", "price_unit": "Unit Price",
        "tax_ids": "Taxes", "discount": "Discount (%)",
    }),
    "stock.location": Model("Inventory Locations", {
        "name": "char", "usage": "char", "location_id": "many2one:stock.location",
    }),
    "stock.picking.type": Model("Picking Type", {
        "name": "char", "code": "char", "sequence_code": "char", "warehouse_id": "many2one:stock.warehouse",
    }),
    "stock.warehouse": Model("Warehouse", {
        "name": "char", "code": "char", "company_id": "many2one:res.company", "view_location_id": "many2one:stock.location",
        "lot_stock_id": "many2one:stock.location", "wh_qc_stock_loc_id": "many2one:stock.location",
        "in_type_id": "many2one:stock.picking.type", "int_type_id": "many2one:stock.picking.type",
    }),
    "stock.quant": Model("Quants", {
        "product_id": "many2one:product.product", "location_id": "many2one:stock.location", "quantity": "float",
        "reserved_quantity": "float", "owner_id": "many2one:res.partner", "lot_id": "char",
    }),
    "stock.picking": Model("Transfer", {
        "name": "char", "state": "char", "picking_type_code": "char", "sale_id": "many2one:sale.order", "origin": "char",
        "partner_id": "many2one:res.partner",
        "location_id": "many2one:stock.location", "location_dest_id": "many2one:stock.location", "note": "html",
        "date_done": "datetime", "carrier_tracking_ref": "char", "backorder_id": "many2one:stock.picking",
        "move_ids": "one2many:stock.move", "step": "char", "picking_type_id": "many2one:stock.picking.type",
    }, ["picking_type_id"], {
        "picking_type_id": "Operation Type", "location_id": "Source Location", "location_dest_id": "Destination Location",
        "move_ids": "Stock Moves",
    }),
    "stock.move": Model("Stock Move", {
        "picking_id": "many2one:stock.picking", "product_id": "many2one:product.product",
        "sale_line_id": "many2one:sale.order.line", "product_uom_qty": "float", "quantity": "float", "picked": "boolean",
        "state": "char", "location_id": "many2one:stock.location", "location_dest_id": "many2one:stock.location",
        "product_uom": "many2one:uom.uom", "move_orig_ids": "many2many:stock.move",
    }, labels={"product_id": "Product", "location_id": "Source Location", "location_dest_id": "Destination Location"}),
}  # fmt: skip

#: Where the ids behind a many-to-one condition are kept, so that a search need not read every record.
INVERSE = {
    ("sale.order.line", "order_id"): ("sale.order", "order_line"),
    ("stock.picking", "sale_id"): ("sale.order", "picking_ids"),
    ("stock.move", "picking_id"): ("stock.picking", "move_ids"),
}
#: Records that are only searched through: where the other side of the link is kept.
BEHIND = {
    ("product.product", "stock_quant_ids"): ("stock.quant", "product_id"),
    ("product.product", "stock_move_ids"): ("stock.move", "product_id"),
}

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
    "in": lambda value, among: value in among, "not in": lambda value, among: value not in among,
}  # fmt: skip


def model_of(name: str) -> Model:
    """A model; 404 as Odoo words it."""
    if name not in MODELS:
        raise Trouble(404, "werkzeug.exceptions.NotFound", f"the model {name!r} does not exist")
    return MODELS[name]


class Records:
    """Every model's records. Many-to-one values are ids or False, texts are strings or False, as in Odoo."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self.store = store
        self._now = now

    # -- one record
    def get(self, model: str, id: int) -> Record:
        """One record; MissingError when there is none."""
        row = self.store.table(model).get(id)
        if row is None:
            message = f"Record does not exist or has been deleted.\n(Record: {model}({id},), User: 5)"
            raise Trouble(404, "odoo.exceptions.MissingError", message)
        return row  # type: ignore[no-any-return]

    def exists(self, model: str, id: int) -> bool:
        """Whether there is such a record."""
        return id in self.store.table(model)

    def create(self, model: str, values: Mapping[str, Any]) -> int:
        """A new record with every field at least empty."""
        id = self.store.next(model)
        empty = {name: _empty(kind) for name, kind in MODELS[model].fields.items()}
        self.store.put(
            model, id, {**empty, **values, "id": id, "write_date": self.clock(), "created_at": self._now().timestamp()}
        )
        return id

    def write(self, model: str, id: int, values: Mapping[str, Any]) -> None:
        """Change fields of one record."""
        row = self.get(model, id)
        for name in values:
            MODELS[model].kind(name)
        row |= {**values, "write_date": self.clock()}
        self.store.put(model, id, row)

    def clock(self) -> str:
        """Now, as Odoo writes it."""
        return self._now().strftime("%Y-%m-%d %H:%M:%S")

    # -- many
    def search(
        self,
        model: str,
        domain: Sequence[Any],
        *,
        order: str = "",
        limit: int | None = None,
        context: Mapping[str, Any],
    ) -> list[Record]:
        """Records a domain selects. Archived ones only when asked for (active_test)."""
        domain = [self._through(model, term) for term in domain]
        rows = [r for r in self._candidates(model, domain) if self._holds(domain, model, r)]
        if "active" in MODELS[model].fields and context.get("active_test", True):
            rows = [r for r in rows if r["active"]]
        rows.sort(key=lambda r: r["id"], reverse="desc" in order)
        return rows[:limit] if limit else rows

    def _through(self, model: str, term: Any) -> Any:
        """A condition on records behind this one, as the ids of those that have one which fulfils it."""
        name, _, rest = term[0].partition(".")
        if isinstance(term, str) or (model, name) not in BEHIND:
            return term
        behind, link = BEHIND[model, name]
        holds, wanted = _COMPARE[term[1]], term[2]
        rows = self.store.table(behind).values()
        return ["id", "in", {row[link] for row in rows if holds(self._value(behind, row, rest), wanted)}]

    def _below(self, model: str, id: int, root: int) -> bool:
        """Whether a record is, or lies below, another one of the tree its `location_id` makes."""
        while id and id != root:
            id = self.get(model, id)["location_id"]
        return bool(id)

    def _holds(self, domain: Sequence[Any], model: str, row: Record) -> bool:
        """Whether a record fulfils a domain in Odoo's prefix notation; conditions side by side mean «and»."""
        stack: list[bool] = []
        for term in reversed(domain):
            if term == "!":
                stack.append(not stack.pop())
            elif term in ("&", "|"):
                first, second = stack.pop(), stack.pop()
                stack.append(first and second if term == "&" else first or second)
            elif term[1] == "child_of":
                stack.append(self._below(MODELS[model].relation(term[0]), self._value(model, row, term[0]), term[2]))
            else:
                stack.append(_fulfils(term[1], self._value(model, row, term[0]), term[2]))
        return all(stack)

    def _value(self, model: str, row: Record, path: str) -> Any:
        """A field's value; a dotted path follows many-to-one fields."""
        name, _, rest = path.partition(".")
        if name not in ("id", "write_date"):
            MODELS[model].kind(name)
        if not rest or not row[name]:
            return row[name]
        relation = MODELS[model].relation(name)
        return self._value(relation, self.get(relation, row[name]), rest)

    def _candidates(self, model: str, domain: Sequence[Any]) -> Iterable[Record]:
        """Records a search need look at: of conditions that all must hold, the first that names ids selects them."""
        table = self.store.table(model)
        for leaf in domain if all(isinstance(leaf, list) for leaf in domain) else ():
            if leaf[1] not in ("in", "="):
                continue
            wanted = leaf[2] if leaf[1] == "in" else [leaf[2]]
            if leaf[0] == "id":
                return [table[id] for id in wanted if id in table]
            if (model, leaf[0]) in INVERSE:
                parent, field = INVERSE[model, leaf[0]]
                parents = [self.store.table(parent)[id] for id in wanted if self.exists(parent, id)]
                return [table[id] for row in parents for id in row[field]]
        return list(table.values())

    def show(self, model: str, row: Record, fields: Sequence[str]) -> Record:
        """One record as `search_read` answers it: many-to-one as [id, name], no field that was not named."""
        return {"id": row["id"], **{name: self._shown(model, row, name) for name in fields}}

    def _shown(self, model: str, row: Record, name: str) -> Any:
        if name in ("id", "write_date"):
            return row[name]
        kind = MODELS[model].kind(name)
        if kind == "many2one" and row[name]:
            return [row[name], self.get(MODELS[model].relation(name), row[name]).get("name") or ""]
        return row[name]


def _fulfils(how: str, value: Any, wanted: Any) -> bool:
    """Whether a value fulfils a condition; of several linked records one is enough."""
    values = value if isinstance(value, list) else [value]
    return any(_COMPARE[how](one, wanted) for one in values)


def _empty(kind: str) -> Any:
    kind = kind.partition(":")[0]
    return [] if kind in ("one2many", "many2many") else 0.0 if kind == "float" else False
