"""The simulated shop's stock, kept as WooCommerce keeps it (plugins/woocommerce/includes/wc-stock-functions.php). Knows no request.

Stock is taken once per line when an order becomes a sale; the line notes how much (`_reduced_stock`). It is given back when the order is
cancelled or pending again, and by refunds that say so; never for refunded, failed or trashed orders. A variation that is not counted
itself sells from its parent's stock where that is counted. Nothing but the checkout looks whether there is enough.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from connectors.woocommerce.simulator.records import Records
from connectors.woocommerce.simulator.views import Record

SOLD = frozenset({"processing", "on-hold", "completed"})  # statuses in which stock is taken
GIVING_BACK = frozenset({"cancelled", "pending"})
AWAITING = frozenset({"pending", "checkout-draft"})
HOLD = timedelta(
    minutes=60
)  # woocommerce_hold_stock_minutes: the checkout keeps units for an order that is not paid yet
REDUCED, RESTOCKED = "_reduced_stock", "_restock_refunded_items"


class Stock(Records):
    """How stock is counted, taken and given back; and the shop's staff who count and decide what is counted."""

    # -- what counts
    def holder(self, product: Record) -> Record | None:
        """The product whose figure counts for this one: itself, its parent, or none."""
        if product["manage_stock"]:
            return product
        parent = self.products.get(product["parent_id"])
        return parent if parent and parent["manage_stock"] else None

    def as_shown(self, product: Record) -> Record:
        """A product as the API shows it: a variation that sells from its parent's stock has the parent's figures."""
        holder = self.holder(product)
        counts = holder or product
        allowed = counts["backorders"] != "no"
        below = holder is not None and holder["stock_quantity"] < 0
        return {
            **product,
            "manage_stock": "parent" if holder and holder is not product else bool(holder),
            "stock_quantity": holder["stock_quantity"] if holder else None,
            "stock_status": counts["stock_status"],
            "backorders": counts["backorders"],
            "backorders_allowed": allowed,
            "backordered": counts["stock_status"] == "onbackorder" or (allowed and below),
        }

    def stock(self) -> dict[str, Record]:
        """By SKU: quantity, whether it is counted at all, and backorders."""
        told = {}
        for product in self.products.values():
            if product["sku"]:
                holder = self.holder(product)
                told[product["sku"]] = {
                    "quantity": holder["stock_quantity"] if holder else None,
                    "managed": holder is not None,
                    "backorders": holder["backorders"] if holder else "no",
                }
        return told

    def save_product(self, product: Record) -> None:
        """Save a product: its stock fields are put in line with each other, it counts as modified, and the change is told."""
        if product["manage_stock"]:
            product["stock_quantity"] = product["stock_quantity"] or 0
            short = "outofstock" if product["backorders"] == "no" else "onbackorder"
            product["stock_status"] = "instock" if product["stock_quantity"] > 0 else short
        else:
            product.update(stock_quantity=None, backorders="no")
        self._touch("products", product)
        self.webhooks.emit("product.updated", product["id"])

    # -- orders move it
    def _move_stock(self, order: Record) -> None:
        """What a status does to stock. Any other status leaves it as it is."""
        hidden, status = order["_sim"], order["status"]
        if status in SOLD or status == "cancelled":
            self.store.delete("held", order["id"])
        if status in SOLD and not hidden["reduced"]:
            hidden["reduced"] = True
            for line in order["line_items"]:
                if not _noted(line, REDUCED) and self._shift(line, line["quantity"]):
                    self._note_on(line, REDUCED, line["quantity"])
        elif status in GIVING_BACK and hidden["reduced"]:
            hidden["reduced"] = False
            for line in order["line_items"]:
                if (taken := _noted(line, REDUCED)) and self._shift(line, -taken):
                    line["meta_data"] = [meta for meta in line["meta_data"] if meta["key"] != REDUCED]

    def _adjust_stock(self, order: Record, line: Record, units: int) -> None:
        """A line was edited, over the API or by hand: stock follows while the order is a sale. A line that goes (no units) gives back
        what is taken for it."""
        taken, restocked = _noted(line, REDUCED), _noted(line, RESTOCKED)
        if not units:
            self._shift(line, -taken)
        elif order["status"] in SOLD and (more := units - restocked - taken) and self._shift(line, more):
            self._note_on(line, REDUCED, units - restocked)
            order["_sim"]["reduced"] = True

    def _restock(self, order: Record, said: Iterable[Record]) -> None:
        """Put refunded units back; the line notes both that and what is left taken."""
        refunded = {row.get("id"): int(row.get("quantity", 0)) for row in said}
        for line in order["line_items"]:
            units, taken = refunded.get(line["id"], 0), _noted(line, REDUCED)
            if units and taken and self._shift(line, -units):
                self._note_on(line, REDUCED, taken - units)
                self._note_on(line, RESTOCKED, _noted(line, RESTOCKED) + units)

    def _shift(self, line: Record, units: int) -> bool:
        """Take units of what a line sells (fewer than none: give back); False where nobody counts it, or it is gone."""
        product = self._sold_as(line)
        holder = self.holder(product) if product else None
        if holder is None:
            return False
        if units:
            holder["stock_quantity"] -= units
            self.save_product(holder)
        return True

    def _sold_as(self, line: Record) -> Record | None:
        return self.products.get(line["variation_id"] or line["product_id"])

    def _note_on(self, line: Record, key: str, units: int) -> None:
        kept = next((meta for meta in line["meta_data"] if meta["key"] == key), None)
        if kept is None:
            line["meta_data"].append(self._item_meta(key, str(units)))
        else:
            kept.update(value=str(units), display_value=str(units))

    # -- the checkout looks before it sells
    def _sold_out(self, lines: Iterable[Record]) -> bool:
        """Whether the checkout turns these lines down: less is there than wanted, without what is kept for others; or not for sale."""
        wanted: Counter[int] = Counter()
        for line in lines:
            product = self._sold_as(line)
            if product is None or product["status"] != "publish":
                return True
            holder = self.holder(product)
            if (holder or product)["stock_status"] == "outofstock":
                return True
            if holder and holder["backorders"] == "no":
                wanted[holder["id"]] += line["quantity"]
        kept = self._kept()
        return any(self.products[id]["stock_quantity"] - kept[id] < units for id, units in wanted.items())

    def _kept(self) -> Counter[int]:
        """Units kept for orders that are not paid yet, by what counts them. They are in `stock_quantity` all the same."""
        kept: Counter[int] = Counter()
        now = self.now().timestamp()
        for order, row in self.store.table("held").items():
            if row["until"] > now and self.orders.get(order, {}).get("status") in AWAITING:
                kept.update(dict(row["units"]))
        return kept

    def _keep(self, order: Record) -> None:
        """Keep the units of an order that the checkout made and nobody has paid."""
        wanted: Counter[int] = Counter()
        for line in order["line_items"] if order["status"] in AWAITING else ():
            product = self._sold_as(line)
            if product and (holder := self.holder(product)) and holder["backorders"] == "no":
                wanted[holder["id"]] += line["quantity"]
        if wanted:
            row = {"until": (self.now() + HOLD).timestamp(), "units": [[id, units] for id, units in wanted.items()]}
            self.store.put("held", order["id"], row)

    # -- staff
    def set_stock(self, sku: str, quantity: float) -> None:
        """Set a figure by hand: of what counts this SKU, which may be its parent. Shops with a plugin for it have fractions."""
        self._keep_books(sku, stock_quantity=quantity)

    def set_backorders(self, sku: str, backorders: Literal["no", "notify", "yes"]) -> None:
        """Decide whether more may be sold than there is."""
        self._keep_books(sku, backorders=backorders)

    def _keep_books(self, sku: str, **changes: Any) -> None:
        with self.lock:
            if (holder := self.holder(self._by_sku(sku))) is None:
                raise ValueError(f"nobody counts {sku}")
            holder.update(changes)
            self.save_product(holder)
            self.store.commit()

    def manage_stock(self, sku: str, how: Literal["on", "off", "parent"], quantity: int | None = None) -> None:
        """Count a product by itself, not at all (its parent is not counted either then), or a variation by its parent. The figure is
        `quantity`, or the one shown before."""
        with self.lock:
            product = self._by_sku(sku)
            parent = self.products.get(product["parent_id"])
            if how == "parent" and parent is None:
                raise ValueError(f"{sku} has no parent")
            before = self.holder(product)
            figure = quantity if quantity is not None else before["stock_quantity"] if before else 0
            product["manage_stock"] = how == "on"
            if parent and how != "on":
                parent["manage_stock"] = how == "parent"
            if holder := self.holder(product):
                holder["stock_quantity"] = figure
            for record in (product, *([parent] if parent and how != "on" else [])):
                self.save_product(record)
            self.store.commit()

    def _by_sku(self, sku: str) -> Record:
        return next(product for product in self.products.values() if product["sku"] == sku)


def _noted(line: Mapping[str, Any], key: str) -> int:
    return next((int(meta["value"]) for meta in line["meta_data"] if meta["key"] == key), 0)
