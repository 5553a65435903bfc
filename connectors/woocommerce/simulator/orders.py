"""The simulated shop's REST API for orders, their notes and their fulfillments."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from connectors.simulation import Answer, Request, Stop
from connectors.woocommerce.simulator import baskets
from connectors.woocommerce.simulator.records import Records
from connectors.woocommerce.simulator.views import API, SITE, Record, failure, found, invalid, listed, shown, stamp

STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
EDITABLE = (
    "billing",
    "shipping",
    "customer_note",
    "transaction_id",
    "payment_method",
    "payment_method_title",
    "customer_id",
)


class Orders(Records):
    """Orders over REST."""

    def add_order_routes(self, fulfillments: bool) -> None:
        """Routes; without `fulfillments` the shop has that feature switched off."""
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
        if fulfillments:
            add("GET", API + "/orders/<id>/fulfillments", self.list_fulfillments)
            add("POST", API + "/orders/<id>/fulfillments", self.post_fulfillment)
            add("DELETE", API + "/orders/<id>/fulfillments/<fulfillment>", self.delete_fulfillment)

    def order(self, given: str) -> Record:
        """One order; 404 when there is none."""
        return found(self.orders, given, "woocommerce_rest_shop_order_invalid_id")

    def list_orders(self, request: Request) -> Answer:
        """GET /orders. `any` is everything but the trash."""
        wanted = request.query.get("status", "any").split(",")
        for status in wanted:
            if status not in (*STATUSES, "any", "trash", "auto-draft"):
                raise invalid("status", f"status[0] is not one of any, trash, auto-draft, and {', '.join(STATUSES)}.")
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
        lines = [baskets.line_of(good, int(row.get("quantity", 1)), True, True, 0) for good, row in bought if good]
        draft: Record = {
            "prices_include_tax": True,
            "customer_id": said.get("customer_id", 0),
            "billing": said.get("billing", {}),
            "shipping": said.get("shipping", {}),
            "payment_method": said.get("payment_method", ""),
            "payment_method_title": said.get("payment_method_title", ""),
            "transaction_id": said.get("transaction_id", ""),
            "customer_note": said.get("customer_note", ""),
            "line_items": lines,
            "shipping_lines": [],
            "fee_lines": [],
            "coupon_lines": [],
            "tax_lines": [
                baskets.tax_line_of(rate) for rate in sorted({Decimal(x["_sim"]["rate"]) for x in lines}, reverse=True)
            ],
        }
        baskets.settle(draft)
        order = self._new_order(draft, said.get("status", "pending"), created_via="rest-api")
        self._merge_meta(order, said.get("meta_data", []))
        self.store.put("orders", order["id"], order)
        self.webhooks.emit("order.created", order["id"])
        self.webhooks.emit("order.updated", order["id"])
        return Answer(201, shown(order, request))

    def put_order(self, request: Request, id: str) -> Record:
        """PUT /orders/<id>: fires order.updated even when nothing changes. Restoring from the trash by PUT fires nothing else."""
        order, said = self.order(id), request.json()
        if (status := said.get("status", order["status"])) not in (*STATUSES, order["status"]):
            raise invalid("status", f"status is not one of {', '.join(STATUSES)}.")
        for field in EDITABLE:
            if field in said:
                order[field] = {**order[field], **said[field]} if isinstance(order[field], dict) else said[field]
        self._edit_lines(order, said.get("line_items", []))
        self._merge_meta(order, said.get("meta_data", []))
        self._set_status(order, status)
        self._touch("orders", order)
        self.webhooks.emit("order.updated", order["id"])
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
        """Units of a line by its id; 0 units or a null product remove it."""
        for row in said:
            line = next((x for x in order["line_items"] if x["id"] == row.get("id")), None)
            if line is None:
                raise failure(
                    400, "woocommerce_rest_invalid_item_id", "Order item ID provided is not associated with order."
                )
            if row.get("quantity") == 0 or row.get("product_id", 0) is None:
                order["line_items"].remove(line)
            elif "quantity" in row:
                line["quantity"] = int(row["quantity"])
                baskets.price_line(line, order["prices_include_tax"])
        if said:
            baskets.settle(order)

    def _set_status(self, order: Record, status: str) -> None:
        if status == order["status"]:
            return
        order["status"] = status
        now = self.now()
        if status == "completed":
            order["_sim"]["completed_at"] = now.timestamp()
            order.update(self._moment("date_completed", now))
        if status in ("processing", "completed") and not order["date_paid"]:
            order.update(self._moment("date_paid", now))
        self._move_stock(order)

    def delete_order(self, request: Request, id: str) -> Record:
        """DELETE /orders/<id>: to the trash with a webhook; with `force` for good and without one."""
        order = self.order(id)
        before = shown(order, request)
        if request.query.get("force") == "true":
            self.store.delete("orders", order["id"])
            return before
        if order["status"] == "trash":
            raise failure(410, "woocommerce_rest_already_trashed", "The shop_order has already been deleted.")
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

    # -- fulfillments
    def list_fulfillments(self, request: Request, id: str) -> list[Record]:
        """GET /orders/<id>/fulfillments."""
        return self.fulfillments_of(self._fulfilled_order(id)["id"])

    def _fulfilled_order(self, id: str) -> Record:
        return found(self.orders, id, "woocommerce_rest_order_invalid_id", "Invalid order ID.")

    def post_fulfillment(self, request: Request, id: str) -> Answer:
        """POST /orders/<id>/fulfillments: no idempotency; items are checked for shape, not against what was ordered."""
        order, said = self._fulfilled_order(id), request.json()
        metas = {meta["key"]: meta["value"] for meta in said.get("meta_data", [])}
        items = metas.get("_items")
        if not isinstance(items, list) or not items:
            raise failure(400, "0", "The fulfillment should contain at least one item.")
        if any(not isinstance(i, dict) or not i.get("item_id") or int(i.get("qty", 0)) < 1 for i in items):
            raise failure(400, "0", "Invalid item.")
        number = self.store.next("fulfillment")
        done = said.get("status") == "fulfilled"
        if done:
            metas["_date_fulfilled"] = stamp(self.now().astimezone(SITE)).replace("T", " ")
        record = {
            "id": number,
            "entity_type": "WC_Order",
            "entity_id": str(order["id"]),
            "status": "fulfilled" if done else "unfulfilled",
            "is_fulfilled": done,
            "date_updated": stamp(self.now().astimezone(SITE)).replace("T", " "),
            "date_deleted": None,
            "meta_data": [self._meta(key, value) for key, value in metas.items()],
        }
        self.store.put("fulfillments", number, record)
        order["_sim"].setdefault("tracking_at", self.now().timestamp())
        self._touch("orders", order)
        self.webhooks.emit("order.updated", order["id"])
        return Answer(201, record)

    def delete_fulfillment(self, request: Request, id: str, fulfillment: str) -> Record:
        """DELETE /orders/<id>/fulfillments/<id>: soft."""
        self._fulfilled_order(id)
        record = found(self.fulfillments, fulfillment, "0", "Fulfillment not found.")
        record["date_deleted"] = stamp(self.now().astimezone(SITE)).replace("T", " ")
        self.store.put("fulfillments", record["id"], record)
        return {"message": "Fulfillment deleted successfully."}
