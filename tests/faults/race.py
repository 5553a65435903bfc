"""A shop whose customers buy faster than there is stock, three warehouses with shelves of their own, and everything at once in threads."""

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from django.db import connections

from canonical.models import KitComponent, Listing, Location, ShopPolicy, Sku, Sourcing, StockSource, System
from connectors.partner.simulator import Warehouse
from connectors.partner.simulator.shelves import NEVER_SHIPS, Shelves
from connectors.partner.simulator.work import Work, units_by
from connectors.simulation import Fault
from connectors.woocommerce.simulator.records import Stocked
from connectors.woocommerce.simulator.webhooks import Mischief
from retailsync.sync import inbox, polling, publishing, sending, stock
from tests.facts import sku as sku_stated
from tests.journeys.stage import HOOK_SECRET, Stage, door, stage

PLACES = ("W1", "W2", "W3")  # two 3PLs, and W3 is the retailer's own
POLL = 0.5  # seconds between two polls of the shop's orders


class Goods(NamedTuple):
    """What is sold, and what each is made of. Plain SKUs lie in the warehouses; so do pools, which are sold as variations only."""

    plain: list[str]
    kits: dict[str, dict[str, int]]
    variations: dict[str, str]  # variation → the pool it is sold from

    @classmethod
    def of(cls, count: int) -> "Goods":
        """One in ten is a kit, one in ten a variation, two of which share a pool."""
        few = max(2, count // 10)
        plain = [f"P{n:03d}" for n in range(count - 2 * few)]
        kits = {f"K{n:03d}": {plain[n]: 1 + n % 2, plain[-1 - n]: 1} for n in range(few)}
        return cls(plain, kits, {f"V{n:03d}": f"POOL{n // 2:03d}" for n in range(few)})

    @property
    def sold(self) -> list[str]:
        return [*self.plain, *self.kits, *self.variations]

    @property
    def kept(self) -> list[str]:
        """What lies on shelves."""
        return [*self.plain, *sorted(set(self.variations.values()))]

    def parts(self, sku: str) -> dict[str, int]:
        """What one of it takes from the shelves."""
        return self.kits.get(sku) or {self.variations.get(sku, sku): 1}

    def stocked(self) -> list[Stocked]:
        """For the shop, which is told nothing yet."""
        alone = [Stocked(sku, 0) for sku in (*self.plain, *self.kits)]
        return alone + [Stocked(sku, 0, family=pool, shared=True) for sku, pool in self.variations.items()]


class Packing(Shelves):
    """Shelves of a warehouse that packs kits and variations from what they are made of."""

    goods: Goods

    def look(self, work: Work) -> None:
        if work.calls or work.behaviour in NEVER_SHIPS:
            return
        free = Counter({sku: max(0, item["on_hand"] - item["allocated"]) for sku, item in self.items.items()})
        for line in work.rest:
            parts = self.goods.parts(line["sku"])
            there = min([line["units"], *(free[part] // per for part, per in parts.items())])
            free.subtract({part: per * there for part, per in parts.items()})
            if there < line["units"]:
                work.most[line["line"]] = there
                work.behaviour = "short"

    def follow(self, work: Work) -> None:
        promised = self._apart(units_by("sku", work.rest)) if work.is_accepted and not work.over else {}
        left: Counter[str] = Counter()
        for departure in work.left:
            left.update(self._apart(departure.skus))
        for sku in {*promised, *work.promised, *left}:
            self._change(
                sku,
                on_hand=work.taken.get(sku, 0) - left[sku],
                allocated=promised.get(sku, 0) - work.promised.get(sku, 0),
            )
        work.promised, work.taken = dict(promised), dict(left)

    def _apart(self, units: dict[str, int]) -> Counter[str]:
        apart: Counter[str] = Counter()
        for sku, count in units.items():
            apart.update({part: per * count for part, per in self.goods.parts(sku).items()})
        return apart


class ThreePlaces(Stage):
    """A stage with a third warehouse."""

    def _warehouse(self, code: str, stack: ExitStack, mix: dict[str, float]) -> Warehouse:
        self._stack = stack
        return super()._warehouse(code, stack, mix)

    def _learn(self) -> None:
        system = System.objects.create(slug="w3-one", name="w3-one", connector="partner", roles=["wms"])
        self.world.partners["W3"] = system
        self.world.places["W3"] = Location.objects.create(code="W3", name="Warehouse W3", executor=system)
        self.warehouses["W3"] = self._warehouse("W3", self._stack, {})
        super()._learn()


class Race:
    """Everything, and what went wrong in its threads."""

    def __init__(self, s: Stage, goods: Goods, seed: int, pause: float) -> None:
        self.s, self.goods, self.random = s, goods, random.Random(seed)
        self.shop, self.channel = s.shop, s.world.shop
        self.pause = pause  # seconds, about, between two baskets of one customer
        self.over = threading.Event()
        self.troubles: list[str] = []
        self.sold: Counter[str] = Counter()
        self.refused = 0
        self._lock = threading.Lock()

    # -- what others do
    def customer(self, orders: Iterator[int]) -> None:
        """Buys until all orders were tried; hot things more often."""
        rng = random.Random(threading.get_ident())
        sold = self.goods.sold
        for n in orders:
            chosen = (
                sold[min(int(rng.expovariate(4) * len(sold)), len(sold) - 1)] for _ in range(rng.choice((1, 1, 2)))
            )
            items = {sku: rng.choice((1, 1, 1, 2, 3)) for sku in chosen}
            order = self.shop.checkout(items, status="processing", seed=n)
            with self._lock:
                self.refused += order is None
                self.sold.update(items if order else {})
            self.over.wait(rng.expovariate(1 / self.pause))

    def warehouse(self, code: str) -> None:
        """Goods arrive and break, and everything is counted now and then."""
        warehouse, rng = self.s.warehouses[code], random.Random(code)
        while not self.over.wait(0.2):
            sku = rng.choice(sorted(warehouse.shelves.items))
            if rng.random() < 0.7:
                warehouse.receive(sku, rng.randint(1, 6), f"D{rng.randint(1, 99)}")
            else:
                warehouse.adjust(sku, -rng.randint(1, 2), "Broken.")
            if rng.random() < 0.25:
                warehouse.send_snapshot()

    # -- our part
    def work(self, systems: list[System]) -> None:
        """A worker for the messages and commands of these systems."""
        while not self.over.is_set():
            if not sum(inbox.drain(x.pk) + sending.drain(x.pk) for x in systems):
                time.sleep(0.02)

    def reckon(self) -> None:
        while not self.over.is_set():
            stock.drain(linger=True)
            time.sleep(0.02)

    def publish(self) -> None:
        while not self.over.is_set():
            publishing.publish(self.channel.pk)
            time.sleep(0.05)

    def poll(self) -> None:
        while not self.over.wait(POLL):
            polling.poll(self.channel.pk, "orders")

    def run(self, orders: int, customers: int = 8) -> None:
        """So many baskets are filled while everybody is at work."""
        partners = [*self.s.world.partners.values()]
        ours = [self.reckon, self.publish, self.poll, lambda: self.work([self.channel]), lambda: self.work(partners)]
        theirs = [lambda code=code: self.warehouse(code) for code in PLACES]
        working = [self._thread(do) for do in (*ours, *theirs)]
        baskets = _each(orders)
        buying = [self._thread(lambda: self.customer(baskets)) for _ in range(customers)]
        for thread in buying:
            thread.join()
        self.over.set()
        for thread in working:
            thread.join()

    def _thread(self, do: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                do()
            except Exception:  # noqa: BLE001  told at the end
                self.troubles.append(traceback.format_exc())
            finally:
                connections.close_all()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def calm_down(self) -> None:
        """All that is under way arrives; then everybody counts once more, and everything that was short is looked for elsewhere."""
        self.s.settle(seconds=900)
        for warehouse in self.s.warehouses.values():
            warehouse.send_snapshot()
        self.s.settle(seconds=120)
        publishing.run(self.channel.pk, by="a test")
        self.s.settle(seconds=120)

    # -- the oracle
    def should(self) -> dict[str, int]:
        """What the shop should show of each, by the warehouses' own books and what was bought and not sent."""
        owed = self._owed()
        return {sku: max(0, self._network(self.goods.parts(sku), owed)) for sku in self.goods.sold}

    def _owed(self) -> Counter[str]:
        """Units bought that no warehouse sent or still promises."""
        owed: Counter[str] = Counter()
        for sku, units in self.sold.items():
            owed.update({part: per * units for part, per in self.goods.parts(sku).items()})
        for warehouse in self.s.warehouses.values():
            for request in warehouse._works.values():
                for departure in request.left:
                    owed.subtract(warehouse.shelves._apart(departure.skus))
                owed.subtract(request.promised)
        return owed

    def _network(self, parts: dict[str, int], owed: Counter[str]) -> int:
        shelves = [w.shelves.items for w in self.s.warehouses.values()]
        nothing = {"on_hand": 0, "allocated": 0}
        free = {part: [x.get(part, nothing) for x in shelves] for part in parts}
        units = {part: [each["on_hand"] - each["allocated"] for each in places] for part, places in free.items()}
        whole = sum(
            min(max(0, units[part][place]) // per for part, per in parts.items()) for place in range(len(shelves))
        )
        debts = {part: sum(max(0, -each) for each in places) + owed[part] for part, places in units.items()}
        return whole - max(-(-debts[part] // per) for part, per in parts.items())

    def shown(self) -> dict[str, int]:
        return {sku: told["quantity"] for sku, told in self.shop.stock().items()}

    def aimed(self) -> dict[str, int]:
        found = Listing.objects.exclude(target=None).values_list("offers__sku__code", "target")
        return {sku: target for sku, target in found if sku}

    def oversold(self) -> Counter[str]:
        """Units bought and not sent that lie nowhere, by what lies on shelves."""
        owed = self._owed()
        for warehouse in self.s.warehouses.values():
            for work in warehouse._works.values():
                owed.update(work.promised)
        lacking = {part: -self._network({part: 1}, self._owed()) for part in self.goods.kept}
        return Counter({part: min(units, owed[part]) for part, units in lacking.items() if min(units, owed[part]) > 0})


def _each(count: int) -> Iterator[int]:
    """Numbers that many threads share."""
    lock, numbers = threading.Lock(), iter(range(count))

    def following() -> Iterator[int]:
        while True:
            with lock:
                n = next(numbers, None)
            if n is None:
                return
            yield n

    class Shared:
        def __iter__(self) -> Iterator[int]:
            return following()

    return Shared()  # type: ignore[return-value]


@contextmanager
def race(skus: int, seed: int = 1, pause: float = 0.1) -> Iterator[Race]:
    """The shop knows its goods, the warehouses have some of each, and the shop was told."""
    goods = Goods.of(skus)
    with stage("one", shop={"goods": goods.stocked()}, kind=ThreePlaces) as s:
        System.objects.filter(pk=s.world.shop.pk).update(erp=None)
        ShopPolicy.objects.create(channel=s.world.shop, publish_stock=True, on_short="ship_available")
        _made_of(s, goods)
        made = Race(s, goods, seed, pause)
        _put_on_shelves(made)
        told = {
            "topic": "product.updated",
            "secret": HOOK_SECRET,
            "delivery_url": f"{s.url}{door.PREFIX}{s.world.shop.slug}/",
        }
        s._ask("POST", "/webhooks", {"name": "products", **told})
        s.settle()
        s.shop.webhooks.mischief = Mischief(drop=0.1, duplicate=0.1, shuffle=True)
        s.shop.faults.add(Fault(do="delay", method="GET", path="/products", seconds=0.2, probability=0.3))
        s.shop.faults.add(Fault(do="delay", method="POST", path="products.*batch", seconds=0.3, probability=0.5))
        yield made


def _made_of(s: Stage, goods: Goods) -> None:
    for pool in sorted(set(goods.variations.values())):
        s.world.tell(sku_stated(pool))
    known = {sku.code: sku for sku in Sku.objects.all()}
    for sku in (*goods.kits, *goods.variations):
        for part, per in goods.parts(sku).items():
            KitComponent.objects.create(kit=known[sku], component=known[part], units=per)
    Sourcing.objects.all().delete()
    for rank, code in enumerate(PLACES):
        Sourcing.objects.create(channel=s.world.shop, location=s.world.places[code], rank=rank)


def _put_on_shelves(race: Race) -> None:
    """Little of most things, somewhere."""
    s, rng = race.s, race.random
    for code, warehouse in s.warehouses.items():
        warehouse.shelves.__class__ = Packing
        warehouse.shelves.goods = race.goods  # type: ignore[attr-defined]
        StockSource.objects.create(
            system=s.world.partners[code], location=s.world.places[code], external_id=code, jump_units=10_000
        )
        for sku in race.goods.kept:
            warehouse.shelves.move(sku, rng.choice((0, 0, 2, 5, 12)))
        warehouse.send_snapshot()
