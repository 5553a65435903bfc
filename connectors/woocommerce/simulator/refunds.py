"""The simulated shop's REST API for refunds. They are made and deleted, never edited."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from connectors.simulation import Answer, Request, Stop
from connectors.woocommerce.simulator.arithmetic import CURRENCIES
from connectors.woocommerce.simulator.orders import Orders
from connectors.woocommerce.simulator.payments import REFUNDING
from connectors.woocommerce.simulator.views import API, Record, failure, found, listed, shown

KINDS = ("line_items", "shipping_lines", "fee_lines")


class Refunds(Orders):
    """Refunds over REST, and what they do to their order."""

    def add_refund_routes(self) -> None:
        """Routes."""
        add = self.routes.add
        add("GET", API + "/refunds", lambda request: listed(request, self.refunds.values()))
        add("GET", API + "/orders/<id>/refunds", self.list_refunds)
        add("POST", API + "/orders/<id>/refunds", self.post_refund)
        add("GET", API + "/orders/<id>/refunds/<refund>", self.get_refund)
        add("DELETE", API + "/orders/<id>/refunds/<refund>", self.delete_refund)

    def refunds_of(self, order_id: int) -> list[Record]:
        """An order's refunds, oldest first."""
        return [refund for refund in self.refunds.values() if refund["parent_id"] == order_id]

    def list_refunds(self, request: Request, id: str) -> Answer:
        """GET /orders/<id>/refunds."""
        return listed(request, [_child(refund) for refund in self.refunds_of(self.order(id)["id"])])

    def get_refund(self, request: Request, id: str, refund: str) -> Record:
        """GET /orders/<id>/refunds/<id>."""
        return shown(_child(self._refund(self.order(id), refund)), request)

    def _refund(self, order: Record, given: str) -> Record:
        here = {refund["id"]: refund for refund in self.refunds_of(order["id"])}
        return found(here, given, "woocommerce_rest_invalid_order_refund_id", "Invalid order refund ID.")

    def post_refund(self, request: Request, id: str) -> Answer:
        """POST /orders/<id>/refunds. Both `api_refund` and `api_restock` are true unless said otherwise."""
        order, said = self.order(id), request.json()
        items = [self._refunded_item(order, row) for row in said.get("line_items", [])]
        stated = (
            Decimal(str(said["amount"]))
            if said.get("amount")
            else -sum((_worth(item) for _, item in items), Decimal(0))
        )
        unit = CURRENCIES[order["currency"]].unit
        amount = stated.quantize(unit)
        if amount < 0:
            raise failure(400, "woocommerce_rest_invalid_order_refund", "Refund amount must be greater than zero.")
        if amount > self._left(order):
            raise _cannot("Invalid refund amount.")
        by_gateway = bool(said.get("api_refund", True))
        if by_gateway and order["payment_method"] not in REFUNDING:
            raise _cannot("The payment gateway for this order does not support automatic refunds.")
        refund = self._new_refund(order, amount, items, str(said.get("reason", "")), by_gateway)
        if said.get("api_restock", True):
            self._restock(order, said.get("line_items", []))
        if not self._left(order):
            self._set_status(order, "refunded")
        self._touch("orders", order)
        self.webhooks.emit("order.updated", order["id"])
        return Answer(201, shown(_child(refund), request))

    def delete_refund(self, request: Request, id: str, refund: str) -> Record:
        """DELETE /orders/<id>/refunds/<id>?force=true: no webhook, and the order does not count as modified."""
        order = self.order(id)
        record = self._refund(order, refund)
        if request.query.get("force") != "true":
            raise failure(501, "woocommerce_rest_trash_not_supported", "Order refunds do not support trashing.")
        self.store.delete("refunds", record["id"])
        order["refunds"] = [mention for mention in order["refunds"] if mention["id"] != record["id"]]
        self.store.put("orders", order["id"], order)
        return shown(_child(record), request)

    # -- what a refund is
    def _left(self, order: Record) -> Decimal:
        """What is still to be refunded of the order's total."""
        return Decimal(order["total"]) - sum((Decimal(r["amount"]) for r in self.refunds_of(order["id"])), Decimal(0))

    def _set_status(self, order: Record, status: str) -> None:
        """Moving an order to `refunded` by hand refunds what is left, without naming a line."""
        moved = status != order["status"]
        super()._set_status(order, status)
        if moved and status == "refunded" and (left := self._left(order)):
            self._new_refund(order, left, [], "Order fully refunded.", False)

    def _refunded_item(self, order: Record, row: Record) -> tuple[str, Record]:
        """(kind, the negative item) for one item of a refund request."""
        kind, item = next(
            ((kind, item) for kind in KINDS for item in order[kind] if item["id"] == row.get("id")), (None, None)
        )
        if kind is None or item is None:
            raise failure(
                400, "woocommerce_rest_invalid_item_id", "Order item ID provided is not associated with order."
            )
        unit = CURRENCIES[order["currency"]].unit
        total = -Decimal(str(row.get("refund_total", 0))).quantize(unit)
        taxes = [(tax["id"], -Decimal(str(tax["refund_total"])).quantize(unit)) for tax in row.get("refund_tax", [])]
        tax = sum((amount for _, amount in taxes), Decimal(0).quantize(unit))
        negative = {
            **{key: value for key, value in item.items() if key != "_sim"},
            "id": self.store.next("item"),
            "total": str(total),
            "total_tax": str(tax),
            "taxes": [{"id": rate, "total": str(amount), "subtotal": str(amount)} for rate, amount in taxes],
            "meta_data": [self._item_meta("_refunded_item_id", str(item["id"]))],
        }
        if kind == "line_items":
            negative |= {"quantity": -int(row.get("quantity", 0)), "subtotal": str(total), "subtotal_tax": str(tax)}
        return kind, negative

    def _new_refund(
        self, order: Record, amount: Decimal, items: Sequence[tuple[str, Record]], reason: str, by_gateway: bool
    ) -> Record:
        number = self.store.next("post", 10)
        whole = amount == Decimal(order["total"])
        tax = sum((Decimal(item["total_tax"]) for _, item in items), Decimal(0)).quantize(
            CURRENCIES[order["currency"]].unit
        )
        refund: Record = {
            "id": number,
            "parent_id": order["id"],
            **self._moment("date_created", self.now()),
            "amount": str(amount),
            "reason": reason,
            "refunded_by": 1,
            "refunded_payment": by_gateway,
            "meta_data": [self._meta("_refund_type", "full" if whole else "partial")],
            **{kind: [item for at, item in items if at == kind] for kind in KINDS},
            "tax_lines": [],
        }
        self.store.put("refunds", number, refund)
        order["refunds"].append({"id": number, "reason": reason, "total": str(-amount), "total_tax": str(tax)})
        return refund


def _worth(item: Record) -> Decimal:
    return Decimal(item["total"]) + Decimal(item["total_tax"])


def _child(refund: Record) -> Record:
    """A refund as its order's collection shows it: without `parent_id`."""
    return {key: value for key, value in refund.items() if key != "parent_id"}


def _cannot(words: str) -> Stop:
    """A refusal in disguise: status 500 with the bare number as data."""
    body: dict[str, Any] = {"code": "woocommerce_rest_cannot_create_order_refund", "message": words, "data": 500}
    return Stop(500, body)
