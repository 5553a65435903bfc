"""A faithful WooCommerce for what the product uses: REST API v3, webhooks, customers who buy. Observed on WooCommerce 11.0.1.

    python -m connectors.woocommerce.simulator --port 8081 --store DIR --seed 7 [--orders 20] [--no-fulfillments]

Controls beside those every simulator has:
    POST /_sim/orders {"count": 10, "rate": 2.5, "seed": 1, "status": "processing", "shape": "split"}   customers buy
    POST /_sim/orders/<id> {"status": "cancelled"}      staff edit an order, with what PUT /orders/<id> takes
    DELETE /_sim/orders/<id>[?force=true]               staff trash or delete an order
    POST /_sim/webhooks {"drop": 0.05, "duplicate": 0.1, "shuffle": true, "hold": false}
    POST /_sim/redeliver {"last": 20, "times": 2, "reverse": true}      old deliveries again, byte for byte
    GET  /_sim/state                                    orders, webhooks and counts for an oracle
"""

import base64
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from connectors.catalogue import Item, catalogue
from connectors.simulation import Answer, Request, Simulator, Stop, arguments, serve
from connectors.woocommerce import simulator_orders as buying
from connectors.woocommerce.simulator_orders import Good
from connectors.woocommerce.simulator_webhooks import Webhooks

API = "/wp-json/wc/v3"
KEY, SECRET = "ck_simulated_shop", "cs_simulated_shop"
SITE = timezone(timedelta(hours=1))  # the site's clock; dates without `_gmt` are in it
STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
SOLD = frozenset({"processing", "on-hold", "completed"})  # statuses in which stock is reduced
EDITABLE = (
    "billing",
    "shipping",
    "customer_note",
    "transaction_id",
    "payment_method",
    "payment_method_title",
    "customer_id",
)
TOPICS = frozenset(
    f"{resource}.{event}"
    for resource in ("order", "product", "customer", "coupon")
    for event in ("created", "updated", "deleted", "restored")
)
Record = dict[str, Any]


def failure(status: int, code: str, message: str) -> Stop:
    """WordPress's error object."""
    return Stop(status, {"code": code, "message": message, "data": {"status": status}})


def invalid(parameter: str, words: str) -> Stop:
    """WordPress's answer to a parameter it does not accept."""
    body = {"code": "rest_invalid_param", "message": f"Invalid parameter(s): {parameter}"}
    return Stop(400, {**body, "data": {"status": 400, "params": {parameter: words}}})


class Shop(Simulator):
    """The shop. `place` makes customers buy; `orders`, `notes`, `fulfillments` are its records, to be looked at by tests."""

    name = "woocommerce"

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        store: Path | str | None = None,
        seed: int = 0,
        key: str = KEY,
        secret: str = SECRET,
        fulfillments: bool = True,
    ) -> None:
        super().__init__(port=port, host=host, store=store, seed=seed)
        self.key, self.secret = key, secret
        self.has_fulfillments = fulfillments
        self.webhooks = Webhooks(self.store, self.lock, self._payload, lambda: self.url, self.now, seed)
        self._placed = len(self.orders)
        if not self.products:
            self._stock_up()
        self._add_routes()

    # -- records
    @property
    def orders(self) -> dict[int, Record]:
        """Orders by id, as the REST API shows them plus `_sim`."""
        return self.store.table("orders")

    @property
    def products(self) -> dict[int, Record]:
        """Products and variations by id."""
        return self.store.table("products")

    @property
    def customers(self) -> dict[int, Record]:
        """Registered customers by id."""
        return self.store.table("customers")

    @property
    def notes(self) -> dict[int, list[Record]]:
        """Order notes by order id, oldest first."""
        return self.store.table("notes")

    @property
    def fulfillments(self) -> dict[int, Record]:
        """Fulfillments by id, deleted ones included."""
        return self.store.table("fulfillments")

    def fulfillments_of(self, order_id: int) -> list[Record]:
        """An order's fulfillments that were not deleted."""
        return [f for f in self.fulfillments.values() if f["entity_id"] == str(order_id) and not f["date_deleted"]]

    def start(self) -> Self:
        """Listen and deliver webhooks."""
        super().start()
        self.webhooks.start()
        return self

    def stop(self) -> None:
        """Stop delivering and listening."""
        self.webhooks.stop()
        super().stop()

    # -- what the shop sells
    def _stock_up(self) -> None:
        families: dict[str, int] = {}
        for item in catalogue():
            parent = families.get(item.family, 0)
            if item.family and not parent:
                parent = families[item.family] = self._new_product(item, frame=True)
            self._new_product(item, parent=parent)
        rng = random.Random(self.seed)
        for _ in range(12):
            self._new_customer(rng)
        self.store.commit()

    def _new_product(self, item: Item, *, parent: int = 0, frame: bool = False) -> int:
        number = self.store.next("post", 10)
        kind = "variable" if frame else "variation" if parent else "simple"
        price = str(buying.entered_price(item.price, item.rate, True))
        self.store.put(
            "products",
            number,
            {
                "id": number,
                "name": item.family if frame else item.name,
                "slug": item.sku.lower(),
                **self._dates(self.now()),
                "type": kind,
                "status": "publish",
                "sku": "" if frame else item.sku,
                "price": price,
                "regular_price": "" if frame else price,
                "sale_price": "",
                "purchasable": True,
                "virtual": item.virtual,
                "downloadable": item.virtual,
                "tax_status": "taxable",
                "tax_class": buying.RATES[item.rate][2],
                "manage_stock": not frame and not item.virtual,
                "stock_quantity": None if frame or item.virtual else 1_000,
                "stock_status": "instock",
                "backorders": "no",
                "parent_id": parent,
                "attributes": [{"id": 0, "name": label, "option": value} for label, value in item.options],
                "variations": [],
                "meta_data": [],
                "global_unique_id": "" if frame else item.gtin,
                "_sim": {"net": str(item.price), "rate": str(item.rate)},
            },
        )
        if parent:
            family = self.products[parent]
            family["variations"].append(number)
            self.store.put("products", parent, family)
        return number

    def _new_customer(self, rng: random.Random) -> None:
        number = self.store.next("user", 2)
        billing = buying.person(rng)
        record = {
            "id": number,
            **self._dates(self.now()),
            "email": billing["email"],
            "first_name": billing["first_name"],
            "last_name": billing["last_name"],
            "role": "customer",
            "username": f"customer{number}",
            "billing": billing,
            "shipping": {k: v for k, v in billing.items() if k != "email"},
            "is_paying_customer": False,
            "meta_data": [],
        }
        self.store.put("customers", number, record)

    def _goods(self) -> list[Good]:
        return [
            _good(p)
            for p in self.products.values()
            if p["sku"] and p["status"] == "publish" and p["type"] != "variable"
        ]

    # -- customers buy
    def place(
        self, count: int = 1, seed: int | None = None, *, status: str = "processing", shape: str = ""
    ) -> list[int]:
        """`count` storefront checkouts; returns the order ids. Shapes come in turn unless one is named.

        With the same seed, the same baskets. As observed, `order.updated` leaves before `order.created`.
        """
        with self.lock:
            rng = self.random if seed is None else random.Random(seed)
            goods = self._goods()
            placed = []
            for _ in range(count):
                chosen = shape or buying.SHAPES[self._placed % len(buying.SHAPES)]
                buyer = self._buyer(rng, chosen)
                placed.append(self._check_out(buying.composed(rng, chosen, goods, buyer), status, chosen))
                self._placed += 1
            self.store.commit()
            return placed

    def _buyer(self, rng: random.Random, shape: str) -> Record | None:
        """An account customer, the same one for every `returning` order; guests otherwise two times out of three."""
        known = list(self.customers.values())
        if shape == "returning":
            return known[0]
        return rng.choice(known) if shape == "account" or rng.random() < 1 / 3 else None

    def _check_out(self, draft: Record, status: str, shape: str) -> int:
        order = self._new_order(draft, status, created_via="store-api")
        order["_sim"] |= {"shape": shape}
        self.store.put("orders", order["id"], order)
        self.webhooks.emit("order.updated", order["id"])
        self.webhooks.emit("order.created", order["id"])
        for line in order["line_items"] if status in SOLD else ():
            self.webhooks.emit("product.updated", line["variation_id"] or line["product_id"])
        return int(order["id"])

    def _new_order(self, draft: Record, status: str, created_via: str) -> Record:
        number = self.store.next("post", 10)
        now = self.now()
        paid = status in ("processing", "completed") and draft["payment_method"] != "cod"
        order: Record = {
            "id": number,
            "parent_id": 0,
            "status": status,
            "currency": "EUR",
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
            "meta_data": [],
            "refunds": [],
            "currency_symbol": "€",
            **draft,
            "_sim": {"placed_at": now.timestamp(), "completed_at": None, "reduced": False},
        }
        for kind in ("line_items", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines"):
            for item in order[kind]:
                item["id"] = item["id"] or self.store.next("item")
        self.store.put("orders", number, order)
        self._move_stock(order)
        return order

    def _move_stock(self, order: Record) -> None:
        """Reduce stock once per line when an order becomes a sale, give it back when it is none any more."""
        sold = order["status"] in SOLD
        if sold == order["_sim"]["reduced"] or order["status"] in ("refunded", "failed", "trash"):
            return
        order["_sim"]["reduced"] = sold
        for line in order["line_items"]:
            self._move_line(line, sold)

    def _move_line(self, line: Record, sold: bool) -> None:
        """`_reduced_stock` on the line remembers how many units were taken; exactly those are given back."""
        taken = next((m for m in line["meta_data"] if m["key"] == "_reduced_stock"), None)
        product = self.products.get(line["variation_id"] or line["product_id"])
        units = line["quantity"] if sold else -int(taken["value"]) if taken else 0
        if product and product["manage_stock"]:
            product["stock_quantity"] -= units
            self.store.put("products", product["id"], product)
        line["meta_data"] = [m for m in line["meta_data"] if m["key"] != "_reduced_stock"]
        if sold:
            line["meta_data"].append(self._meta("_reduced_stock", str(units)))

    # -- staff work in the shop
    def edit(self, order_id: int, **changes: Any) -> Record:
        """Staff change an order, with what PUT /orders/<id> takes: status, billing, line_items, meta_data, …"""
        return self._by_staff("PUT", order_id, changes)

    def trash(self, order_id: int, *, force: bool = False) -> Record:
        """Staff put an order in the trash, or with `force` delete it for good (no webhook then)."""
        return self._by_staff("DELETE", order_id, {}, "force=true" if force else "")

    def _by_staff(self, method: str, order_id: int, said: Record, query: str = "") -> Record:
        body = msgspec.json.encode(said)
        answer = super().handle(Request(method, f"{API}/orders/{order_id}", query, {}, body))
        if answer.status != 200:
            raise ValueError(answer.body)
        return dict(answer.body)

    # -- small things
    def _dates(self, moment: datetime) -> Record:
        return {**self._moment("date_created", moment), **self._moment("date_modified", moment)}

    def _moment(self, field: str, moment: datetime | None) -> Record:
        """A date twice, as the API shows it: the site's time and GMT, whole seconds, no offset."""
        if moment is None:
            return {field: None, f"{field}_gmt": None}
        return {field: _stamp(moment.astimezone(SITE)), f"{field}_gmt": _stamp(moment.astimezone(UTC))}

    def _meta(self, key: str, value: Any) -> Record:
        return {"id": self.store.next("meta"), "key": key, "value": value}

    def _touch(self, table: str, record: Record) -> None:
        record.update(self._moment("date_modified", self.now()))
        self.store.put(table, record["id"], record)

    def _merge_meta(self, record: Record, said: Iterable[Record]) -> None:
        """By id, else by key, else a new entry."""
        for entry in said:
            same = [
                m
                for m in record["meta_data"]
                if m["id"] == entry.get("id") or ("id" not in entry and m["key"] == entry["key"])
            ]
            if same:
                same[0]["value"] = entry["value"]
            else:
                record["meta_data"].append(self._meta(entry["key"], entry["value"]))

    # -- the web server's part
    def handle(self, request: Request) -> Answer:
        """Authenticate, route, and date the answer by the shop's clock."""
        if request.path.startswith("/wp-json/wc/") and (refused := self._unauthorised(request)):
            answer = refused
        else:
            answer = super().handle(request)
        return Answer(answer.status, answer.body, {"Date": format_datetime(self.now(), usegmt=True), **answer.headers})

    def missing(self, request: Request) -> Answer | None:
        """A path the API does not have."""
        if not request.path.startswith("/wp-json/"):
            return Answer(
                404, b"<!DOCTYPE html><title>Page not found</title>", {"Content-Type": "text/html; charset=UTF-8"}
            )
        return failure(404, "rest_no_route", "No route was found matching the URL and request method.").answer

    def _unauthorised(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        key, _, secret = (
            base64.b64decode(given[6:]).decode("utf-8", "replace").partition(":")
            if given[:6] == "Basic "
            else ("", "", "")
        )
        if key != self.key:
            return failure(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.").answer
        if secret != self.secret:
            return failure(401, "woocommerce_rest_authentication_error", "Consumer secret is invalid.").answer
        return None

    def _add_routes(self) -> None:
        add = self.routes.add
        for method in ("PUT", "POST", "PATCH"):
            add(method, API + "/orders/<id>", self.put_order)
            add(method, API + "/products/<id>", self.put_product)
            add(method, API + "/webhooks/<id>", self.put_webhook)
        add("GET", API + "/orders", self.list_orders)
        add("POST", API + "/orders", self.post_order)
        add("GET", API + "/orders/<id>", lambda request, id: _shown(self._order(id), request))
        add("DELETE", API + "/orders/<id>", self.delete_order)
        add("GET", API + "/orders/<id>/notes", self.list_notes)
        add("POST", API + "/orders/<id>/notes", self.post_note)
        if self.has_fulfillments:
            add("GET", API + "/orders/<id>/fulfillments", self.list_fulfillments)
            add("POST", API + "/orders/<id>/fulfillments", self.post_fulfillment)
            add("DELETE", API + "/orders/<id>/fulfillments/<fulfillment>", self.delete_fulfillment)
        add("GET", API + "/products", self.list_products)
        add("GET", API + "/products/<id>", lambda request, id: _shown(self._product(id), request))
        add("DELETE", API + "/products/<id>", self.delete_product)
        add("GET", API + "/products/<id>/variations", self.list_variations)
        add("PUT", API + "/products/<parent>/variations/<id>", self.put_variation)
        add("GET", API + "/customers", lambda request: _listed(request, self.customers.values()))
        add("GET", API + "/customers/<id>", lambda request, id: _shown(self._customer(id), request))
        add("GET", API + "/webhooks", lambda request: _listed(request, self.webhooks.subscriptions().values()))
        add("POST", API + "/webhooks", self.post_webhook)
        add("GET", API + "/webhooks/<id>", lambda request, id: _shown(self._webhook(id), request))
        add("DELETE", API + "/webhooks/<id>", self.delete_webhook)
        add("GET", API + "/system_status", lambda request: {"environment": {"version": "11.0.1", "wp_version": "7.1"}})
        add(
            "GET",
            "/wp-json",
            lambda request: {"name": "Simulated shop", "url": self.url, "gmt_offset": 1, "namespaces": ["wc/v3"]},
        )
        add("POST", "/_sim/orders", self.control_place)
        add("POST", "/_sim/orders/<id>", self.put_order)
        add("DELETE", "/_sim/orders/<id>", self.delete_order)
        add("POST", "/_sim/webhooks", lambda request: self.webhooks.set_mischief(**request.json()))
        add("POST", "/_sim/redeliver", self.control_redeliver)

    # -- orders
    def _order(self, given: str) -> Record:
        return _found(self.orders, given, "woocommerce_rest_shop_order_invalid_id")

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
        return _listed(request, rows)

    def post_order(self, request: Request) -> Answer:
        """POST /orders: no idempotency, unknown products become empty lines."""
        said = request.json()
        goods = {g.variation_id or g.product_id: g for g in self._goods()}
        bought = [
            (goods.get(row.get("variation_id") or row.get("product_id")), row) for row in said.get("line_items", [])
        ]
        lines = [buying.line_of(good, int(row.get("quantity", 1)), True, True, 0) for good, row in bought if good]
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
                buying.tax_line_of(rate) for rate in sorted({Decimal(x["_sim"]["rate"]) for x in lines}, reverse=True)
            ],
        }
        buying.settle(draft)
        order = self._new_order(draft, said.get("status", "pending"), created_via="rest-api")
        self._merge_meta(order, said.get("meta_data", []))
        self.store.put("orders", order["id"], order)
        self.webhooks.emit("order.created", order["id"])
        self.webhooks.emit("order.updated", order["id"])
        return Answer(201, _shown(order, request))

    def put_order(self, request: Request, id: str) -> Record:
        """PUT /orders/<id>: fires order.updated even when nothing changes. Restoring from the trash by PUT fires nothing else."""
        order, said = self._order(id), request.json()
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
        return _shown(order, request)

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
                buying.price_line(line, order["prices_include_tax"])
        if said:
            buying.settle(order)

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
        order = self._order(id)
        before = _shown(order, request)
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
        return self.notes.get(self._order(id)["id"], [])

    def post_note(self, request: Request, id: str) -> Answer:
        """POST /orders/<id>/notes: does not touch the order and fires no webhook."""
        order, said = self._order(id), request.json()
        note = {
            "id": self.store.next("note"),
            "author": "WooCommerce",
            **self._moment("date_created", self.now()),
            "note": said.get("note", ""),
            "customer_note": bool(said.get("customer_note")),
        }
        self.store.put("notes", order["id"], [*self.notes.get(order["id"], []), note])
        return Answer(201, note)

    # -- fulfillments
    def list_fulfillments(self, request: Request, id: str) -> list[Record]:
        """GET /orders/<id>/fulfillments."""
        return self.fulfillments_of(self._fulfilled_order(id)["id"])

    def _fulfilled_order(self, id: str) -> Record:
        return _found(self.orders, id, "woocommerce_rest_order_invalid_id", "Invalid order ID.")

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
            metas["_date_fulfilled"] = _stamp(self.now().astimezone(SITE)).replace("T", " ")
        record = {
            "id": number,
            "entity_type": "WC_Order",
            "entity_id": str(order["id"]),
            "status": "fulfilled" if done else "unfulfilled",
            "is_fulfilled": done,
            "date_updated": _stamp(self.now().astimezone(SITE)).replace("T", " "),
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
        record = _found(self.fulfillments, fulfillment, "0", "Fulfillment not found.")
        record["date_deleted"] = _stamp(self.now().astimezone(SITE)).replace("T", " ")
        self.store.put("fulfillments", record["id"], record)
        return {"message": "Fulfillment deleted successfully."}

    # -- products, customers
    def _product(self, given: str) -> Record:
        return _found(self.products, given, "woocommerce_rest_product_invalid_id")

    def _customer(self, given: str) -> Record:
        return _found(self.customers, given, "woocommerce_rest_invalid_id", "Invalid resource ID.")

    def list_products(self, request: Request) -> Answer:
        """GET /products: no variations, except when asked by SKU."""
        if sku := request.query.get("sku"):
            return _listed(request, [p for p in self.products.values() if p["sku"] in sku.split(",")])
        wanted = request.query.get("status", "any")
        rows = [p for p in self.products.values() if not p["parent_id"]]
        return _listed(
            request, [p for p in rows if p["status"] == wanted or (wanted == "any" and p["status"] != "trash")]
        )

    def list_variations(self, request: Request, id: str) -> Answer:
        """GET /products/<id>/variations."""
        parent = self._product(id)["id"]
        return _listed(
            request, [p for p in self.products.values() if p["parent_id"] == parent and p["status"] != "trash"]
        )

    def put_product(self, request: Request, id: str) -> Record:
        """PUT /products/<id>; a variation is not found here."""
        product = self._product(id)
        if product["parent_id"]:
            raise failure(
                404, "woocommerce_rest_invalid_product_id", "To manipulate product variations you should use …"
            )
        return self._put_product(product, request)

    def put_variation(self, request: Request, parent: str, id: str) -> Record:
        """PUT /products/<parent>/variations/<id>."""
        product = self._product(id)
        if str(product["parent_id"]) != parent:
            raise failure(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        return self._put_product(product, request)

    def _put_product(self, product: Record, request: Request) -> Record:
        said = request.json()
        product.update(
            {key: said[key] for key in ("name", "sku", "status", "virtual", "global_unique_id") if key in said}
        )
        if product["manage_stock"] and "stock_quantity" in said:
            product["stock_quantity"] = int(said["stock_quantity"] or 0)
        self._touch("products", product)
        self.webhooks.emit("product.updated", product["id"])
        return _shown(product, request)

    def delete_product(self, request: Request, id: str) -> Record:
        """DELETE /products/<id>: to the trash with a webhook; with `force` for good and without one."""
        product = self._product(id)
        before = _shown(product, request)
        if request.query.get("force") == "true":
            self.store.delete("products", product["id"])
            return before
        product["status"] = "trash"
        self._touch("products", product)
        self.webhooks.emit("product.deleted", product["id"])
        return before

    # -- webhooks
    def _webhook(self, given: str) -> Record:
        return _found(self.webhooks.subscriptions(), given, "woocommerce_rest_shop_webhook_invalid_id")

    def post_webhook(self, request: Request) -> Answer:
        """POST /webhooks: 201 and active even where nothing listens. The ping follows; the secret is never shown."""
        said = request.json()
        topic, url = said.get("topic", ""), said.get("delivery_url", "")
        if topic not in TOPICS and not topic.startswith("action."):
            raise failure(
                400, "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic is required and must be valid."
            )
        if not url.startswith(("http://", "https://")):
            words = "Webhook delivery URL must be a valid URL starting with http:// or https://."
            raise failure(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", words)
        number = self.store.next("webhook")
        hook = {
            "id": number,
            "name": said.get("name", ""),
            "status": said.get("status", "active"),
            "topic": topic,
            "resource": topic.partition(".")[0],
            "event": topic.partition(".")[2],
            "delivery_url": url,
            **self._moment("date_created", self.now()),
            **self._moment("date_modified", None),
            "secret": said.get("secret") or f"generated-{self.seed}-{number}",
            "failure_count": 0,
        }
        self.store.put("webhooks", number, hook)
        threading.Thread(target=self.webhooks.ping, args=(hook,), daemon=True).start()
        return Answer(201, _shown(hook, request))

    def put_webhook(self, request: Request, id: str) -> Record:
        """PUT /webhooks/<id>. Enabling again does not reset the failure count."""
        hook, said = self._webhook(id), request.json()
        hook.update({key: said[key] for key in ("name", "status", "delivery_url", "secret") if key in said})
        self._touch("webhooks", hook)
        return _shown(hook, request)

    def delete_webhook(self, request: Request, id: str) -> Record:
        """DELETE /webhooks/<id>?force=true."""
        hook = self._webhook(id)
        if request.query.get("force") != "true":
            raise failure(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        self.store.delete("webhooks", hook["id"])
        return _shown(hook, request)

    def _payload(self, topic: str, subject: int) -> Any:
        """What a delivery carries: the record as it is now, `{"id": …}` for deletions, an error object when it is gone."""
        resource, _, event = topic.partition(".")
        if event == "deleted":
            return {"id": subject}
        find: Mapping[str, Callable[[str], Record]] = {
            "order": self._order,
            "product": self._product,
            "customer": self._customer,
        }
        try:
            return _visible(find[resource](str(subject)))
        except Stop as stop:
            return stop.answer.body

    # -- controls
    def control_place(self, request: Request) -> Any:
        """Place orders now, or at a rate per second from now on."""
        said = request.json()
        count, rate, seed = int(said.get("count", 1)), float(said.get("rate", 0)), said.get("seed")
        more = {"status": said.get("status", "processing"), "shape": said.get("shape", "")}
        if not rate:
            return {"placed": self.place(count, seed, **more)}
        rng = random.Random(self.seed if seed is None else seed)
        threading.Thread(target=self._place_slowly, args=(count, rate, rng, more), daemon=True).start()
        return {"placing": count, "rate": rate}

    def _place_slowly(self, count: int, rate: float, rng: random.Random, more: dict[str, Any]) -> None:
        begun = time.monotonic()
        for number in range(count):
            if self.stopping.wait(max(0.0, begun + number / rate - time.monotonic())):
                return
            self.place(1, rng.getrandbits(32), **more)

    def control_redeliver(self, request: Request) -> Any:
        """Send recorded deliveries again, without holding up the shop."""
        said = {"last": 20, "times": 1, "reverse": True, **request.json()}
        last = int(said.pop("last"))
        threading.Thread(target=self.webhooks.redeliver, args=(last,), kwargs=said, daemon=True).start()
        return {"redelivering": min(last, len(self.webhooks.sent)) * said["times"]}

    def state(self) -> Any:
        """What this shop holds, for an oracle."""
        hooks = [
            _visible(hook) | {"failure_count": hook["failure_count"]} for hook in self.webhooks.subscriptions().values()
        ]
        tracking: dict[int, list[str]] = {}
        counts: dict[int, int] = {}
        for one in self.fulfillments.values():
            if not one["date_deleted"]:
                order = int(one["entity_id"])
                counts[order] = counts.get(order, 0) + 1
                tracking.setdefault(order, []).extend(
                    m["value"] for m in one["meta_data"] if m["key"] == "_tracking_number"
                )
        return {
            "now": self.now(),
            "orders": [self._summary(order, counts, tracking) for order in self.orders.values()],
            "webhooks": hooks,
            "deliveries": {
                **self.webhooks.counts,
                "waiting": self.webhooks.waiting(),
                **asdict(self.webhooks.mischief),
            },
            "answered": {str(status): count for status, count in self.answered.items()},
        }

    def _summary(self, order: Record, counts: Mapping[int, int], tracking: Mapping[int, Sequence[str]]) -> Record:
        hidden, notes = order["_sim"], self.notes.get(order["id"], [])
        return {
            "id": order["id"],
            "number": order["number"],
            "status": order["status"],
            "total": order["total"],
            "shape": hidden.get("shape", ""),
            "date_created": hidden["placed_at"],
            "tracking": [*tracking.get(order["id"], ()), *(n["note"] for n in notes if n["customer_note"])],
            "tracking_at": hidden.get("tracking_at"),
            "fulfillments": counts.get(order["id"], 0),
            "notes": len(notes),
            "completed_at": hidden["completed_at"],
        }


# ---- lists and views --------------------------------------------------------------------------------------------------------
def _good(product: Record) -> Good:
    hidden, parent = product["_sim"], product["parent_id"]
    net, rate = Decimal(hidden["net"]), Decimal(hidden["rate"])
    return Good(
        product_id=parent or product["id"],
        variation_id=product["id"] if parent else 0,
        sku=product["sku"],
        name=product["name"],
        net=net,
        rate=rate,
        gtin=product["global_unique_id"],
        virtual=product["virtual"],
    )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _found(table: dict[int, Record], given: str, code: str, words: str = "Invalid ID.") -> Record:
    record = table.get(int(given)) if given.isdigit() else None
    if record is None:
        raise failure(404, code, words)
    return record


def _visible(record: Record) -> Record:
    """A record without what is not the API's to show."""
    shown = {key: value for key, value in record.items() if key not in ("_sim", "secret", "failure_count")}
    for kind in ("line_items", "shipping_lines", "fee_lines"):
        if kind in shown:
            shown[kind] = [{key: value for key, value in item.items() if key != "_sim"} for item in shown[kind]]
    return shown


def _shown(record: Record, request: Request) -> Record:
    """A record as this request wants it: `_fields` names the top-level fields."""
    shown = _visible(record)
    if fields := request.query.get("_fields"):
        wanted = {field.split(".")[0] for field in fields.split(",")}
        return {key: value for key, value in shown.items() if key in wanted}
    return shown


def _listed(request: Request, rows: Iterable[Record]) -> Answer:
    """One page of a collection with WordPress's filters, order and headers. Newest first unless asked otherwise."""
    query = request.query
    chosen = [row for row in rows if _passes(row, query)]
    field = {"id": "id", "modified": "date_modified_gmt"}.get(query.get("orderby", ""), "date_created_gmt")
    chosen.sort(
        key=lambda row: (row[field] or "", row["id"]) if field != "id" else row["id"],
        reverse=query.get("order") != "asc",
    )
    size = _number(query, "per_page", 10)
    if not 1 <= size <= 100:
        raise invalid("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    begin = _number(query, "offset", 0) or (_number(query, "page", 1) - 1) * size
    page = chosen[begin : begin + size]
    total = len(chosen) if page or begin == 0 else 0  # an orders page past the end reports 0
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(-(-total // size))}
    return Answer(200, [_shown(row, request) for row in page], headers)


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    given = query.get(name, str(otherwise))
    if not given.isdigit():
        raise invalid(name, f"{name} is not of type integer.")
    return int(given)


def _passes(row: Record, query: Mapping[str, str]) -> bool:
    """modified_after and _before (both exclusive, 1 s), include, exclude."""
    modified = row.get("date_modified_gmt") or ""
    if (after := query.get("modified_after")) and modified <= _bound(after, query, "modified_after"):
        return False
    if (before := query.get("modified_before")) and modified >= _bound(before, query, "modified_before"):
        return False
    if (exclude := query.get("exclude")) and str(row["id"]) in exclude.split(","):
        return False
    return not (include := query.get("include")) or str(row["id"]) in include.split(",")


def _bound(given: str, query: Mapping[str, str], name: str) -> str:
    """A date parameter as GMT text: the site's time unless it has an offset or `dates_are_gmt=true`."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise invalid(name, "Invalid date.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC if query.get("dates_are_gmt") == "true" else SITE)
    return _stamp(moment.astimezone(UTC))


def main() -> None:
    """Run the shop as a process."""
    parser = arguments("A simulated WooCommerce shop.")
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--secret", default=SECRET)
    parser.add_argument("--orders", type=int, default=0, help="place so many orders at the start")
    parser.add_argument("--no-fulfillments", action="store_true", help="a shop without the order fulfillments feature")
    said = parser.parse_args()
    shop = Shop(
        port=said.port,
        host=said.host,
        store=said.store,
        seed=said.seed,
        key=said.key,
        secret=said.secret,
        fulfillments=not said.no_fulfillments,
    )
    shop.place(said.orders)
    serve(shop)


if __name__ == "__main__":
    main()
