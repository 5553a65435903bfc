"""A real Odoo in the place of the simulated one: what journeys ask of `s.erp`, read over its API, and what its staff may do there."""

import os
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Session
from connectors.catalogue import catalogue
from connectors.http import Http, Pool
from connectors.odoo.loading import load_once
from connectors.odoo.settings import Settings
from connectors.odoo.transport import call
from tests.journeys.stage import Stage

SKIP = pytest.mark.skipif(
    not (os.environ.get("ODOO_URL") and os.environ.get("ODOO_KEY")),
    reason="set ODOO_URL and ODOO_KEY (and ODOO_DB) to run against a real Odoo",
)
#: Our products there have the same external ids in every run: two products of one internal reference would not be told apart.
PRODUCTS = "retailsync_live"
Row = dict[str, Any]
_pool = Pool()


def some_name() -> str:
    """A name for a stage that no other run has; the references of its orders begin with it."""
    return f"l{uuid.uuid4().hex[:7]}"


class LiveErp:
    """One run's part of a real Odoo: the orders whose references begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.url, self.api_key = os.environ["ODOO_URL"], os.environ["ODOO_KEY"]
        self.database = os.environ.get("ODOO_DB", "odoo19")
        self.prefix = prefix
        self._sell()

    def _session(self) -> Session:
        settings = Settings(url=self.url, database=self.database, module=PRODUCTS, allow_loopback_http=True)
        http = Http(_pool, deadline=60, secrets=[self.api_key], allow_loopback_http=True)
        return Session("odoo", settings, {"api_key": [self.api_key]}, http, lambda: datetime.now(UTC))

    def _call(self, model: str, method: str, **arguments: Any) -> Any:
        return call(self._session(), model, method, Any, **arguments)  # type: ignore[arg-type]

    def _rows(self, model: str, domain: list[Any], *fields: str) -> list[Row]:
        found: list[Row] = self._call(model, "search_read", domain=domain, fields=list(fields), order="id")
        return found

    def _sell(self) -> None:
        """Know the shop's catalogue; a product that is there already stays as it is."""
        units = {}
        for item in catalogue():
            xid = f"{PRODUCTS}.p_{item.sku.replace('-', '_')}"
            kind = ["service", "False"] if item.virtual else ["consu", "True"]
            units[xid] = [[xid, item.name, item.sku, *kind]]
        load_once(self._session(), "product.product", ["id", "name", "default_code", "type", "is_storable"], units)

    # -- what it holds
    def state(self) -> dict[str, Any]:
        """This run's orders in the shape of the simulator's oracle."""
        domain = [["client_order_ref", "=like", f"{self.prefix}%"]]
        orders = self._rows("sale.order", domain, "name", "client_order_ref", "state", "locked", "amount_total")
        ids = [order["id"] for order in orders]
        lines = self._rows(
            "sale.order.line", [["order_id", "in", ids]], "order_id", "product_id", "product_uom_qty", "qty_delivered"
        )
        pickings = self._rows(
            "stock.picking", [["sale_id", "in", ids]], "sale_id", "state", "carrier_tracking_ref", "partner_id"
        )
        moves = self._rows(
            "stock.move", [["picking_id", "in", [p["id"] for p in pickings]]],
            "picking_id", "product_id", "quantity", "state",
        )  # fmt: skip
        codes = self._words("product.product", "default_code", [*lines, *moves], "product_id")
        cities = self._words("res.partner", "city", pickings, "partner_id")
        return {
            "orders": [
                {
                    "id": order["id"], "reference": order["client_order_ref"], "state": order["state"], "locked": order["locked"],
                    "amount_total": f"{Decimal(str(order['amount_total'])):.2f}",
                    "lines": [
                        {"sku": codes[line["product_id"][0]], "quantity": line["product_uom_qty"], "delivered": line["qty_delivered"]}
                        for line in lines if line["order_id"][0] == order["id"]
                    ],
                    "pickings": [
                        {
                            "id": picking["id"], "state": picking["state"], "tracking": picking["carrier_tracking_ref"] or "",
                            "city": cities[picking["partner_id"][0]],
                            "moves": [_move(move, codes) for move in moves if move["picking_id"][0] == picking["id"]],
                        }
                        for picking in pickings if picking["sale_id"][0] == order["id"]
                    ],
                }
                for order in orders
            ]
        }  # fmt: skip

    def _words(self, model: str, field: str, rows: Iterable[Mapping[str, Any]], link: str) -> dict[int, str]:
        """One text of every record these rows link to, by its id."""
        ids = sorted({row[link][0] for row in rows if row[link]})
        return {row["id"]: row[field] or "" for row in self._rows(model, [["id", "in", ids]], field)}

    # -- what its staff do
    def lock(self, id: int) -> None:
        """Somebody locks an order."""
        self._call("sale.order", "action_lock", ids=[id])

    def cancel(self, id: int) -> None:
        """Somebody cancels an order."""
        self._call("sale.order", "action_cancel", ids=[id], context={"disable_cancel_warning": True})


def _move(move: Row, codes: Mapping[int, str]) -> Row:
    """`quantity` is reserved or, once done, moved."""
    done = move["quantity"] if move["state"] == "done" else 0.0
    return {"sku": codes[move["product_id"][0]], "done": done, "state": move["state"]}


class LiveStage(Stage):
    """The whole stage with a real ERP."""

    def _open_erp(self, name: str, stack: ExitStack, erp: dict[str, Any]) -> LiveErp:
        return LiveErp(f"{name.upper()}-")
