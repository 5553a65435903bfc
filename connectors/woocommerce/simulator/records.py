"""The simulated shop's records: what it sells, who buys, its orders, and its stock. Knows no request."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.catalogue import Item, catalogue
from connectors.simulation import Simulator
from connectors.woocommerce.simulator.arithmetic import CURRENCIES, RATES, entered_price
from connectors.woocommerce.simulator.baskets import Good, person
from connectors.woocommerce.simulator.views import SITE, Record, stamp
from connectors.woocommerce.simulator.webhooks import Webhooks

STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
SOLD = frozenset({"processing", "on-hold", "completed"})  # statuses in which stock is reduced


class Records(Simulator):
    """Everything the shop keeps, and how records come about. Its parts add the REST API."""

    name = "woocommerce"
    webhooks: Webhooks
    currency: str
    rate: Decimal | None  # of everything, instead of what the catalogue says

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
    def refunds(self) -> dict[int, Record]:
        """Refunds by id, with `parent_id`, their order's."""
        return self.store.table("refunds")

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses an order may have here: WooCommerce's and those of plugins."""
        return (*STATUSES, *self.store.table("statuses"))

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
        price = str(entered_price(item.price, item.rate, True))
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
                "tax_class": RATES[item.rate][2],
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
        billing = person(rng)
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
            good(p, self.rate)
            for p in self.products.values()
            if p["sku"] and p["status"] == "publish" and p["type"] != "variable"
        ]

    # -- orders come about
    def _new_order(self, draft: Record, status: str, created_via: str, *, paid: bool) -> Record:
        """Number, date and keep a draft; `paid` = the money is there."""
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
        self._move_stock(order)
        return order

    def _number_items(self, order: Record) -> None:
        """Give what is new on an order its id."""
        for kind in ("line_items", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines"):
            for item in order[kind]:
                item["id"] = item["id"] or self.store.next("item")

    def _move_stock(self, order: Record) -> None:
        """Reduce stock once per line when an order becomes a sale, give it back when it is none any more."""
        sold = order["status"] in SOLD
        if sold == order["_sim"]["reduced"] or order["status"] in ("refunded", "failed", "trash"):
            return
        order["_sim"]["reduced"] = sold
        for line in order["line_items"]:
            self._take(line, line["quantity"] if sold else 0)

    def _take(self, line: Record, units: int) -> None:
        """Have exactly so many units of a line taken from stock; `_reduced_stock` on the line remembers how many are."""
        taken = sum(int(m["value"]) for m in line["meta_data"] if m["key"] == "_reduced_stock")
        product = self.products.get(line["variation_id"] or line["product_id"])
        if product and product["manage_stock"]:
            product["stock_quantity"] -= units - taken
            self.store.put("products", product["id"], product)
        line["meta_data"] = [m for m in line["meta_data"] if m["key"] != "_reduced_stock"]
        if units:
            line["meta_data"].append(self._meta("_reduced_stock", str(units)))

    # -- small things
    def _dates(self, moment: datetime) -> Record:
        return {**self._moment("date_created", moment), **self._moment("date_modified", moment)}

    def _moment(self, field: str, moment: datetime | None) -> Record:
        """A date twice, as the API shows it: the site's time and GMT, whole seconds, no offset."""
        if moment is None:
            return {field: None, f"{field}_gmt": None}
        return {field: stamp(moment.astimezone(SITE)), f"{field}_gmt": stamp(moment.astimezone(UTC))}

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


def good(product: Record, rate: Decimal | None) -> Good:
    hidden, parent = product["_sim"], product["parent_id"]
    net = Decimal(hidden["net"])
    return Good(
        product_id=parent or product["id"],
        variation_id=product["id"] if parent else 0,
        sku=product["sku"],
        name=product["name"],
        net=net,
        rate=Decimal(hidden["rate"]) if rate is None else rate,
        gtin=product["global_unique_id"],
        virtual=product["virtual"],
    )
