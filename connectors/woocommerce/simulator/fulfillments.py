"""The simulated shop's REST API for order fulfillments."""

from connectors.simulation import Answer, Request
from connectors.woocommerce.simulator.records import Records
from connectors.woocommerce.simulator.views import API, SITE, Record, failure, found, stamp


class Fulfillments(Records):
    """Fulfillments over REST: what the customer sees of each shipment."""

    def add_fulfillment_routes(self) -> None:
        """Routes."""
        add = self.routes.add
        add("GET", API + "/orders/<id>/fulfillments", self.list_fulfillments)
        add("POST", API + "/orders/<id>/fulfillments", self.post_fulfillment)
        add("PUT", API + "/orders/<id>/fulfillments/<fulfillment>", self.put_fulfillment)
        add("DELETE", API + "/orders/<id>/fulfillments/<fulfillment>", self.delete_fulfillment)

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

    def put_fulfillment(self, request: Request, id: str, fulfillment: str) -> Record:
        """PUT /orders/<id>/fulfillments/<id>: the meta keys it is given are updated, the others taken off."""
        order = self._fulfilled_order(id)
        record = found(self.fulfillments, fulfillment, "0", "Fulfillment not found.")
        said = {meta["key"]: meta["value"] for meta in request.json().get("meta_data", [])}
        kept = [m for m in record["meta_data"] if m["key"] in said or m["key"] == "_date_fulfilled"]
        holder = {"meta_data": kept}
        self._merge_meta(holder, [{"key": key, "value": value} for key, value in said.items()])
        record["meta_data"] = holder["meta_data"]
        record["date_updated"] = stamp(self.now().astimezone(SITE)).replace("T", " ")
        self.store.put("fulfillments", record["id"], record)
        self._touch("orders", order)
        self.webhooks.emit("order.updated", order["id"])
        return record

    def delete_fulfillment(self, request: Request, id: str, fulfillment: str) -> Record:
        """DELETE /orders/<id>/fulfillments/<id>: soft."""
        self._fulfilled_order(id)
        record = found(self.fulfillments, fulfillment, "0", "Fulfillment not found.")
        record["date_deleted"] = stamp(self.now().astimezone(SITE)).replace("T", " ")
        self.store.put("fulfillments", record["id"], record)
        return {"message": "Fulfillment deleted successfully."}
