"""The simulated shop's REST API for products and variations."""

from connectors.simulation import Answer, Request
from connectors.woocommerce.simulator.records import Records
from connectors.woocommerce.simulator.views import API, Record, failure, found, listed, shown


class Products(Records):
    """Products and variations over REST."""

    def add_product_routes(self) -> None:
        """Routes."""
        add = self.routes.add
        for method in ("PUT", "POST", "PATCH"):
            add(method, API + "/products/<id>", self.put_product)
        add("GET", API + "/products", self.list_products)
        add("GET", API + "/products/<id>", lambda request, id: shown(self.product(id), request))
        add("DELETE", API + "/products/<id>", self.delete_product)
        add("GET", API + "/products/<id>/variations", self.list_variations)
        add("PUT", API + "/products/<parent>/variations/<id>", self.put_variation)

    def product(self, given: str) -> Record:
        """One product; 404 when there is none."""
        return found(self.products, given, "woocommerce_rest_product_invalid_id")

    def list_products(self, request: Request) -> Answer:
        """GET /products: no variations, except when asked by SKU."""
        if sku := request.query.get("sku"):
            return listed(request, [p for p in self.products.values() if p["sku"] in sku.split(",")])
        wanted = request.query.get("status", "any")
        rows = [p for p in self.products.values() if not p["parent_id"]]
        return listed(
            request, [p for p in rows if p["status"] == wanted or (wanted == "any" and p["status"] != "trash")]
        )

    def list_variations(self, request: Request, id: str) -> Answer:
        """GET /products/<id>/variations."""
        parent = self.product(id)["id"]
        return listed(
            request, [p for p in self.products.values() if p["parent_id"] == parent and p["status"] != "trash"]
        )

    def put_product(self, request: Request, id: str) -> Record:
        """PUT /products/<id>; a variation is not found here."""
        product = self.product(id)
        if product["parent_id"]:
            raise failure(
                404, "woocommerce_rest_invalid_product_id", "To manipulate product variations you should use …"
            )
        return self._put_product(product, request)

    def put_variation(self, request: Request, parent: str, id: str) -> Record:
        """PUT /products/<parent>/variations/<id>."""
        product = self.product(id)
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
        return shown(product, request)

    def delete_product(self, request: Request, id: str) -> Record:
        """DELETE /products/<id>: to the trash with a webhook; with `force` for good and without one."""
        product = self.product(id)
        before = shown(product, request)
        if request.query.get("force") == "true":
            self.store.delete("products", product["id"])
            return before
        product["status"] = "trash"
        self._touch("products", product)
        self.webhooks.emit("product.deleted", product["id"])
        return before
