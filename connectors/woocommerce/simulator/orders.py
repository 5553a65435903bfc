"""The simulated shop's REST API for orders and their notes."""

from collections.abc import Sequence

import msgspec

from connectors.simulation import Answer, Request, Stop
from connectors.woocommerce.simulator import arithmetic, baskets
from connectors.woocommerce.simulator.arithmetic import CURRENCIES
from connectors.woocommerce.simulator.stock import Stock
from connectors.woocommerce.simulator.views import API, Record, failure, found, invalid, listed, shown

EDITABLE = (
    "billing",
    "shipping",
    "customer_note",
    "transaction_id",
    "payment_method",
    "payment_method_title",
    "customer_id",
)


class Orders(Stock):
    """Orders over REST."""

    def add_order_routes(self) -> None:
        """Routes."""
        add = self.routes.add
        for method in ("PUT", "POST", "PATCH"):
            add(method, API + "/orders/batch", self.batch_orders)
            add(method, API + "/orders/<id>", self.put_order)
        add("GET", API + "/orders", self.list_orders)
        add("POST", API + "/orders", self.post_order)
        add("GET", API + "/orders/<id>", lambda request, id: shown(self.order(id), request))
        add("DELETE", API + "/orders/<id>", self.delete_order)
        add("GET", API + "/orders/<id>/notes", self.list_notes)
        add("POST", API + "/orders/<id>/notes", self.post_note)
        add("DELETE", API + "/orders/<id>/notes/<note>", self.delete_note)

    def order(self, given: str) -> Record:
        """One order; 404 when there is none."""
        return found(self.orders, given, "woocommerce_rest_shop_order_invalid_id")

    def list_orders(self, request: Request) -> Answer:
        """GET /orders. `any` is everything but the trash."""
        wanted = request.query.get("status", "any").split(",")
        for status in wanted:
            if status not in (*self.statuses, "any", "trash", "auto-draft"):
                known = ", ".join(self.statuses)
                raise invalid("status", f"status[0] is not one of any, trash, auto-draft, and {known}.")
        if "any" in wanted:
            rows = [o for o in self.orders.values() if o["status"] not in ("trash", "checkout-draft", "auto-draft")]
        else:
            rows = [o for o in self.orders.values() if o["status"] in wanted]
        if customer := request.query.get("customer"):
            rows = [o for o in rows if str(o["customer_id"]) == customer]
        return listed(request, rows)

    def post_order(self, request: Request) -> Answer:
        """POST /orders: no idempotency, unknown products become empty lines."""
        said = request.json()
        goods = {g.variation_id or g.product_id: g for g in self._goods()}
        bought = [
            (goods.get(row.get("variation_id") or row.get("product_id")), row) for row in said.get("line_items", [])
        ]
        lines = [
            baskets.line_of(good, int(row.get("quantity", 1)), True, True, 0, self.currency)
            for good, row in bought
            if good
        ]
        draft: Record = {
            "currency": self.currency,
            "prices_include_tax": True,
            "customer_id": said.get("customer_id", 0),
            "billing": said.get("billing", {}),
            "shipping": said.get("shipping", {}),
            "payment_method": said.get("payment_method", ""),
            "payment_method_title": said.get("payment_method_title", ""),
            "transaction_id": said.get("transaction_id", ""),
            "customer_note": said.get("customer_note", ""),
            "meta_data": said.get("meta_data", []),
            "line_items": lines,
            "shipping_lines": [],
            "fee_lines": [],
            "coupon_lines": [],
        }
        arithmetic.settle(draft)
        status = said.get("status", "pending")
        order = self._new_order(draft, status, "rest-api", paid=_takes_money(draft, status))
        self.webhooks.emit("order.created", order["id"])
        self.webhooks.emit("order.updated", order["id"])
        self._move_stock(order)
        self.store.put("orders", order["id"], order)
        return Answer(201, shown(order, request))

    def put_order(self, request: Request, id: str) -> Record:
        """PUT /orders/<id>: fires order.updated even when nothing changes; restoring from the trash by PUT fires nothing at all."""
        order, said = self.order(id), request.json()
        restored = order["status"] == "trash"
        if (status := said.get("status", order["status"])) not in (*self.statuses, order["status"]):
            raise invalid("status", f"status is not one of {', '.join(self.statuses)}.")
        for field in EDITABLE:
            if field in said:
                order[field] = {**order[field], **said[field]} if isinstance(order[field], dict) else said[field]
        self._edit_lines(order, said.get("line_items", []))
        self._merge_meta(order, said.get("meta_data", []))
        if not restored:
            self.webhooks.emit("order.updated", order["id"])
        self._set_status(order, status)
        self._touch("orders", order)
        return shown(order, request)

    def batch_orders(self, request: Request) -> Record:
        """POST /orders/batch, updates only: what failed has an error in its place, and the answer is a 200 all the same."""
        return {"update": [self._update_one(row) for row in request.json().get("update", [])]}

    def _update_one(self, row: Record) -> Record:
        try:
            return self.put_order(Request("PUT", "", "", {}, msgspec.json.encode(row)), str(row.get("id", "")))
        except Stop as stop:
            return {"id": row.get("id", 0), "error": stop.answer.body}

    def _edit_lines(self, order: Record, said: Sequence[Record]) -> None:
        """As observed: a line without an id is new, 0 units or a null product remove one, and other units leave its total as it is."""
        for row in said:
            if "id" not in row:
                self._add_posted(order, row)
                continue
            line = next((x for x in order["line_items"] if x["id"] == row["id"]), None)
            if line is None:
                raise failure(
                    400, "woocommerce_rest_invalid_item_id", "Order item ID provided is not associated with order."
                )
            if row.get("quantity") == 0 or row.get("product_id", 0) is None:
                self._remove_line(order, line)
            else:
                line.update({key: row[key] for key in ("name", "quantity", "total", "subtotal") if key in row})
                self._adjust_stock(order, line, line["quantity"])
                arithmetic.show_price(line)
        if said:
            self._settle(order)

    def _add_posted(self, order: Record, row: Record) -> None:
        wanted = row.get("variation_id") or row.get("product_id")
        good = next((g for g in self._goods() if (g.variation_id or g.product_id) == wanted), None)
        if good is None:
            raise failure(400, "woocommerce_rest_required_product_reference", "Product ID or SKU is required.")
        self._add_line(order, good, int(row.get("quantity", 1)))

    # -- orders come about
    def _new_order(self, draft: Record, status: str, created_via: str, *, paid: bool) -> Record:
        """Number, date and keep a draft; `paid` = the money is there. What it takes of the stock, the caller says."""
        number = self.store.next("post", 10)
        now = self.now()
        order: Record = {
            "id": number,
            "parent_id": 0,
            "status": status,
            "currency": self.currency,
            "version": "11.0.1",
            **self._dates(now),
            "order_key": f"wc_order_{self.seed}x{number}",
            "customer_ip_address": "127.0.0.1",
            "customer_user_agent": "simulated",
            "created_via": created_via,
            **self._moment("date_completed", now if status == "completed" else None),
            **self._moment("date_paid", now if paid else None),
            "cart_hash": "",
            "number": str(number),
            "refunds": [],
            "currency_symbol": CURRENCIES[self.currency].sign,
            **draft,
            "meta_data": [self._meta(meta["key"], meta["value"]) for meta in draft.get("meta_data", ())],
            "_sim": {"placed_at": now.timestamp(), "completed_at": None, "completions": 0, "reduced": False},
        }
        self._number_items(order)
        self.store.put("orders", number, order)
        return order

    def _number_items(self, order: Record) -> None:
        """Give what is new on an order its id."""
        for kind in ("line_items", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines"):
            for item in order[kind]:
                item["id"] = item["id"] or self.store.next("item")

    # -- lines, as staff and API change them
    def _add_line(self, order: Record, good: baskets.Good, units: int) -> None:
        """One more line, at today's price; taxed unless the order's other lines are not."""
        lines = order["line_items"]
        taxed = not lines or any(line["_sim"]["rate"] is not None for line in lines)
        line = baskets.line_of(good, units, order["prices_include_tax"], taxed, 0, order["currency"])
        line["id"] = self.store.next("item")
        lines.append(line)
        self._adjust_stock(order, line, line["quantity"])

    def _remove_line(self, order: Record, line: Record) -> None:
        """Drop a line; what was taken from stock for it goes back."""
        self._adjust_stock(order, line, 0)
        order["line_items"].remove(line)

    def _settle(self, order: Record) -> None:
        arithmetic.settle(order)
        self._number_items(order)

    # -- statuses
    def _set_status(self, order: Record, status: str) -> None:
        """Move an order with what WooCommerce does along: dates, stock."""
        if status == order["status"]:
            return
        if order["status"] == "trash":
            order["meta_data"] = [m for m in order["meta_data"] if not m["key"].startswith("_wp_trash_meta_")]
        order["status"] = status
        now = self.now()
        if status == "completed":
            order["_sim"]["completed_at"] = now.timestamp()
            order["_sim"]["completions"] += 1
            order.update(self._moment("date_completed", now))
        if _takes_money(order, status) and not order["date_paid"]:
            order.update(self._moment("date_paid", now))
        self._move_stock(order)

    def delete_order(self, request: Request, id: str) -> Record:
        """DELETE /orders/<id>: to the trash with a webhook; with `force` for good and without one."""
        order = self.order(id)
        before = shown(order, request)
        if request.query.get("force") == "true":
            self.store.delete("orders", order["id"])
            for refund in [r["id"] for r in self.refunds.values() if r["parent_id"] == order["id"]]:
                self.store.delete("refunds", refund)
            return before
        if order["status"] == "trash":
            raise failure(410, "woocommerce_rest_already_trashed", "The shop_order has already been deleted.")
        self._merge_meta(order, [{"key": "_wp_trash_meta_status", "value": f"wc-{order['status']}"}])
        order["status"] = "trash"
        self._touch("orders", order)
        self.webhooks.emit("order.deleted", order["id"])
        return before

    def list_notes(self, request: Request, id: str) -> list[Record]:
        """GET /orders/<id>/notes."""
        return self.notes.get(self.order(id)["id"], [])

    def post_note(self, request: Request, id: str) -> Answer:
        """POST /orders/<id>/notes: does not touch the order and fires no webhook."""
        order, said = self.order(id), request.json()
        note = {
            "id": self.store.next("note"),
            "author": "WooCommerce",
            **self._moment("date_created", self.now()),
            "note": said.get("note", ""),
            "customer_note": bool(said.get("customer_note")),
        }
        if note["customer_note"]:
            order["_sim"].setdefault("tracking_at", self.now().timestamp())
            self.store.put("orders", order["id"], order)
        self.store.put("notes", order["id"], [*self.notes.get(order["id"], []), note])
        return Answer(201, note)

    def delete_note(self, request: Request, id: str, note: str) -> Record:
        """DELETE /orders/<id>/notes/<id>: notes cannot be trashed."""
        order = self.order(id)
        gone = next((n for n in self.notes.get(order["id"], []) if str(n["id"]) == note), None)
        if gone is None:
            raise failure(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
        if request.query.get("force") != "true":
            raise failure(501, "woocommerce_rest_trash_not_supported", "Order notes do not support trashing.")
        self.store.put("notes", order["id"], [n for n in self.notes[order["id"]] if n is not gone])
        return gone


def _takes_money(order: Record, status: str) -> bool:
    """Whether this status says that the order was paid: for cash on delivery only `completed` does."""
    return status == "completed" or (status == "processing" and order["payment_method"] != "cod")
