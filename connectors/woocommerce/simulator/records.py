"""The simulated shop's records: what it sells, who buys, its orders. Knows no request."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from connectors.catalogue import Item, catalogue
from connectors.simulation import Simulator
from connectors.woocommerce.simulator.arithmetic import RATES, STANDARD, entered_price
from connectors.woocommerce.simulator.baskets import Good, person
from connectors.woocommerce.simulator.views import SITE, Record, stamp
from connectors.woocommerce.simulator.webhooks import Webhooks

STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
STOCK = 1_000  # of everything, unless somebody says otherwise


class Stocked(NamedTuple):
    """One thing of a catalogue of one's own, and how many of it there are (None: nobody counts). Things of one `family` are variations of
    one product; where they are `shared` the first of them says how many the family has for all."""

    sku: str
    quantity: int | None = STOCK
    family: str = ""
    shared: bool = False
    backorders: str = "no"
    price: Decimal = Decimal("10.00")
    item: Item | None = None

    @classmethod
    def of(cls, item: Item) -> Self:
        """Something of the catalogue, of which there is plenty."""
        return cls(item.sku, family=item.family, item=item)


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
    def _stock_up(self, goods: Sequence[Stocked] | None = None) -> None:
        """Put goods on the shelves, the catalogue's where none are named; and some customers in the books."""
        families: dict[str, int] = {}
        for one in map(Stocked.of, catalogue()) if goods is None else goods:
            item = one.item or Item(one.sku, one.sku.title(), one.price, STANDARD, "", one.family)
            parent = families.get(item.family, 0)
            if item.family and not parent:
                counted = one.quantity if one.shared else None
                parent = self._new_product(item, frame=True, quantity=counted, backorders=one.backorders)
                families[item.family] = parent
            own = None if one.shared else one.quantity
            self._new_product(item, parent=parent, quantity=own, backorders=one.backorders)
        rng = random.Random(self.seed)
        for _ in range(12):
            self._new_customer(rng)
        self.store.commit()

    def _new_product(
        self, item: Item, *, parent: int = 0, frame: bool = False, quantity: int | None = STOCK, backorders: str = "no"
    ) -> int:
        """`quantity` None: nobody counts it, as nobody counts what is virtual."""
        number = self.store.next("post", 10)
        kind = "variable" if frame else "variation" if parent else "simple"
        price = str(entered_price(item.price, item.rate, True))
        counted = quantity is not None and not item.virtual
        short = "outofstock" if backorders == "no" else "onbackorder"
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
                "manage_stock": counted,
                "stock_quantity": quantity if counted else None,
                "stock_status": short if counted and not quantity else "instock",
                "backorders": backorders if counted else "no",
                "low_stock_amount": None,
                "parent_id": parent,
                "categories": [] if parent else [_category(item)],
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

    def _item_meta(self, key: str, value: str) -> Record:
        """Of an order's item: shown twice."""
        return {**self._meta(key, value), "display_key": key, "display_value": value}

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


def _category(item: Item) -> Record:
    """Variations have none of their own: theirs are their parent's."""
    number, name = (17, "Downloads") if item.virtual else (16, "Pantry") if item.rate < STANDARD else (15, "Household")
    return {"id": number, "name": name, "slug": name.lower()}


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
