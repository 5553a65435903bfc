"""The simulated shop's REST API for products and variations."""

import re
import time
from collections.abc import Iterable
from typing import Any

from connectors.simulation import Answer, Request, Stop
from connectors.woocommerce.simulator.stock import Stock
from connectors.woocommerce.simulator.views import API, Record, failure, found, invalid, listed, shown

EDITABLE = ("name", "sku", "status", "virtual", "global_unique_id", "backorders", "stock_status", "categories")
BATCH = re.compile(API + r"/products/(?:([0-9]+)/variations/)?batch")
MOST = 100  # items of one batch


class Products(Stock):
    """Products and variations over REST. `pace`: seconds a batch takes for each item."""

    pace = 0.0

    def add_product_routes(self) -> None:
        """Routes; batches are answered by `write_batch`."""
        add = self.routes.add
        for method in ("PUT", "POST", "PATCH"):
            add(method, API + "/products/<id>", self.put_product)
            add(method, API + "/products/<parent>/variations/<id>", self.put_variation)
        add("GET", API + "/products", self.list_products)
        add("GET", API + "/products/<id>", lambda request, id: shown(self.as_shown(self.product(id)), request))
        add("DELETE", API + "/products/<id>", self.delete_product)
        add("GET", API + "/products/<id>/variations", self.list_variations)
        add("GET", API + "/products/<parent>/variations/<id>", self.get_variation)

    def product(self, given: str) -> Record:
        """One product; 404 when there is none."""
        return found(self.products, given, "woocommerce_rest_product_invalid_id")

    def variation(self, parent: str, given: str) -> Record:
        """One variation of this parent; 404 when it has none such."""
        product = found(self.products, given, "woocommerce_rest_product_variation_invalid_id")
        if str(product["parent_id"]) != parent:
            raise failure(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        return product

    # -- reading
    def list_products(self, request: Request) -> Answer:
        """GET /products: no variations, except when asked by SKU."""
        if sku := request.query.get("sku"):
            return self._listed(request, (p for p in self.products.values() if p["sku"] in sku.split(",")))
        wanted = request.query.get("status", "any")
        rows = (p for p in self.products.values() if not p["parent_id"])
        return self._listed(
            request, (p for p in rows if p["status"] == wanted or (wanted == "any" and p["status"] != "trash"))
        )

    def list_variations(self, request: Request, id: str) -> Answer:
        """GET /products/<id>/variations."""
        parent = self.product(id)["id"]
        rows = (p for p in self.products.values() if p["parent_id"] == parent and p["status"] != "trash")
        return self._listed(request, rows)

    def _listed(self, request: Request, rows: Iterable[Record]) -> Answer:
        return listed(request, rows, see=self.as_shown)

    def get_variation(self, request: Request, parent: str, id: str) -> Record:
        """GET /products/<parent>/variations/<id>."""
        return shown(self.as_shown(self.variation(parent, id)), request)

    # -- writing
    def put_product(self, request: Request, id: str) -> Record:
        """PUT /products/<id>; a variation is not found here."""
        self.product(id)
        said = _validated(request.json())
        return shown(self.as_shown(self._write("", id, said)), request)

    def put_variation(self, request: Request, parent: str, id: str) -> Record:
        """PUT /products/<parent>/variations/<id>."""
        self.variation(parent, id)
        said = _validated(request.json())
        return shown(self.as_shown(self._write(parent, id, said)), request)

    def write_batch(self, request: Request) -> Answer | None:
        """POST …/batch of products, or of a product's variations: updates only; None for any other request.

        Nothing is validated, what failed has an error in its place, and the answer is a 200 all the same; `_fields` empties it. Items are
        written one after the other: what else happens in the shop happens between them.
        """
        match = BATCH.fullmatch(request.path)
        if match is None or request.method not in ("POST", "PUT", "PATCH"):
            return None
        try:
            said = request.json()
        except Stop as stop:
            return stop.answer
        if sum(len(said.get(kind, ())) for kind in ("create", "update", "delete")) > MOST:
            words = f"Unable to accept more than {MOST} items for this request."
            return failure(413, "woocommerce_rest_request_entity_too_large", words).answer
        rows = [self._write_one(match[1] or "", row) for row in said.get("update", ())]
        return Answer(200, [] if "_fields" in request.query else {"update": rows})

    def _write_one(self, parent: str, row: Record) -> Record:
        if self.pace:
            time.sleep(self.pace)
        with self.lock:
            try:
                return shown(self.as_shown(self._write(parent, str(row.get("id", "")), row)), _PLAIN)
            except Stop as stop:
                return {"id": row.get("id"), "error": stop.answer.body}
            finally:
                self.store.commit()

    def _write(self, parent: str, id: str, said: Record) -> Record:
        """What an update does to a product, or to a variation of this parent."""
        if parent:
            product = self.variation(parent, id)
        else:
            product = found(self.products, id, "woocommerce_rest_product_invalid_id", status=400)
            if product["parent_id"]:
                raise failure(404, "woocommerce_rest_invalid_product_id", _VARIATION)
        self._refuse_sku(product, said)
        was = product["status"]
        product.update({key: said[key] for key in EDITABLE if key in said})
        if "manage_stock" in said:
            product["manage_stock"] = said["manage_stock"] in (True, "true", "yes", "1", 1)
        if product["manage_stock"] and "stock_quantity" in said:
            product["stock_quantity"] = intval(said["stock_quantity"])
        self.save_product(product)
        if was == "trash" != product["status"]:
            self._with_variations(product, product["status"])
        return product

    def _refuse_sku(self, product: Record, said: Record) -> None:
        sku = said.get("sku") or ""
        other = next((p["id"] for p in self.products.values() if sku and p["sku"] == sku and p is not product), 0)
        if other:
            data = {"status": 400, "resource_id": other, "unique_sku": f"{sku}-1"}
            raise Stop(400, {"code": "product_invalid_sku", "message": "Invalid or duplicated SKU.", "data": data})

    def delete_product(self, request: Request, id: str) -> Record:
        """DELETE /products/<id>: to the trash with a webhook; with `force` for good and without one. Variations go along."""
        product = self.product(id)
        before = shown(self.as_shown(product), request)
        if request.query.get("force") == "true":
            for number in (product["id"], *product["variations"]):
                self.store.delete("products", number)
            return before
        product["status"] = "trash"
        self._touch("products", product)
        self._with_variations(product, "trash")
        self.webhooks.emit("product.deleted", product["id"])
        return before

    def _with_variations(self, product: Record, status: str) -> None:
        """What goes to the trash, or comes back, does so with its variations."""
        for number in product["variations"]:
            if variation := self.products.get(number):
                variation["status"] = status
                self._touch("products", variation)


_PLAIN = Request("GET", "", "", {})
_VARIATION = (
    "To manipulate product variations you should use the /products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint."
)


def intval(value: Any) -> int:
    """A figure as PHP makes one of anything: what a batch writes."""
    if isinstance(value, int | float):
        return int(value)
    match = re.match(r"\s*([+-]?[0-9]+)", value) if isinstance(value, str) else None
    return int(match[1]) if match else 0


def _validated(said: Record) -> Record:
    """A single write is validated. Null is taken, as 0."""
    quantity = said.get("stock_quantity")
    whole = quantity is None or re.fullmatch(r"[+-]?[0-9]+(\.0+)?", str(quantity))
    if not whole:
        words = "stock_quantity is not of type integer."
        detail = {"code": "rest_invalid_type", "message": words, "data": {"param": "stock_quantity"}}
        raise invalid("stock_quantity", words, detail)
    if said.get("backorders", "no") not in ("no", "notify", "yes"):
        raise invalid("backorders", "backorders is not one of no, notify, and yes.")
    return said
