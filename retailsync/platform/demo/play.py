"""The demo's course: customers buy at their pace, progress is shown, and in the end everything must have arrived. Starts no program."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from retailsync.platform.demo import shopping, table, watching
from retailsync.platform.demo.screen import Screen
from retailsync.platform.demo.shopping import Basket
from retailsync.platform.demo.watching import Seen
from retailsync.platform.demo.world import World

GENTLE = 8  # looking may take one part in so many of our time: the simulated systems share the machine
MEDDLE_SECONDS = 8.0  # after which something has happened to an unclean order
LEFT_ALONE = 3  # the last orders nothing happens to: a sweep sees what was deleted before the youngest order
COUNT_SECONDS = 6.0  # between two counts of the warehouses, one after the other
QUIET_SECONDS = 5.0  # how long to keep looking, when all has arrived, for what arrives twice


@dataclass(frozen=True)
class Wishes:
    """What was asked for. `orders` None: without end. `deadline` = seconds from the last order placed."""

    orders: int | None
    rate: float
    seed: int | None
    deadline: float
    unclean: float  # the part of the orders (0 to 1) that is not bought cleanly and left alone


class Play:
    """One run; only its own orders are counted. `check` raises when a program has stopped."""

    def __init__(self, here: World, wishes: Wishes, screen: Screen, check: Callable[[], None]) -> None:
        self._here, self._wishes, self._screen, self._check = here, wishes, screen, check
        self._dice = random.Random(wishes.seed)
        self._since = watching.last_case()
        self._ids: list[int] = []
        self._unclean: set[int] = set()
        self._deeds: list[tuple[float, int]] = []  # when something happens to which order
        self._baskets: dict[int, Basket] = {}
        self._next_order = self._next_look = self._next_count = time.monotonic()
        self._counts = 0

    def run(self) -> bool:
        """Place the orders and wait for them; True when all arrived in time. Without end where no number was asked for."""
        while self._wants_more() or self._deeds:
            if self._wants_more():
                self._order_when_due()
            self._meddle_when_due()
            self._count_when_due()
            self._look_when_due()
            self._pause()
        return self._converge()

    def report(self) -> tuple[str, bool]:
        """The table, and whether nothing is missing or doubled."""
        orders = self._look()
        return table.result(orders, watching.complaints(self._since), watching.stock(self._here))

    def idle(self) -> None:
        """Nothing more is bought; whoever looks around may go on looking."""
        while True:
            self._check()
            time.sleep(1.0)

    # -- buying
    def _wants_more(self) -> bool:
        return self._wishes.orders is None or len(self._ids) < self._wishes.orders

    def _order_when_due(self) -> None:
        """People do not buy in step: each pause is between half and one and a half of the mean."""
        if time.monotonic() >= self._next_order:
            unclean = self._dice.random() < self._wishes.unclean
            id = shopping.buy(self._here, self._dice, unclean=unclean and self._dice.random() < 0.5)
            self._ids.append(id)
            self._next_order += self._dice.uniform(0.5, 1.5) / self._wishes.rate
            if unclean:
                self._unclean.add(id)
                self._deeds.append((time.monotonic() + self._dice.uniform(0, MEDDLE_SECONDS), id))

    def _meddle_when_due(self) -> None:
        """Something happens to orders that were placed a while ago; not to the last ones of all."""
        now = time.monotonic()
        for due, id in [deed for deed in self._deeds if deed[0] <= now]:
            self._deeds.remove((due, id))
            if self._wishes.orders is None or id in self._ids[: self._wishes.orders - LEFT_ALONE]:
                shopping.meddle(self._here, id, self._dice)

    # -- the warehouses
    def _count_when_due(self) -> None:
        """Warehouses count in turn; now and then one has received something before."""
        if time.monotonic() < self._next_count:
            return
        code = sorted(self._here.warehouses)[self._counts % len(self._here.warehouses)]
        if self._counts >= len(self._here.warehouses):
            sku = self._dice.choice([sku for sku, at in shopping.WAREHOUSE.items() if at == code])
            shopping.receive(self._here, code, sku, self._dice.randint(5, 40), f"PO-{self._counts}")
        shopping.count(self._here, code)
        self._counts += 1
        self._next_count = time.monotonic() + (COUNT_SECONDS if self._counts >= len(self._here.warehouses) else 0.0)

    def _pause(self) -> None:
        self._check()
        due = [
            self._next_look,
            self._next_count,
            *(at for at, _ in self._deeds),
            *([self._next_order] if self._wants_more() else []),
        ]
        time.sleep(min(1.0, max(0.0, min(due) - time.monotonic())))

    # -- watching
    def _look_when_due(self) -> list[Seen]:
        """Look and show, or nothing when it is not time yet."""
        began = time.monotonic()
        if began < self._next_look:
            return []
        orders = self._look()
        self._screen.show(table.progress(orders, watching.exceptions(self._since), watching.waiting()))
        self._next_look = time.monotonic() + max(1.0, GENTLE * (time.monotonic() - began))
        return orders

    def _look(self) -> list[Seen]:
        new = [id for id in self._ids if id not in self._baskets]
        self._baskets |= {basket.id: basket for basket in shopping.baskets(self._here, new)}
        for id in self._unclean - self._baskets.keys():  # trashed or deleted before we looked
            self._baskets[id] = Basket(id, str(id), Decimal(0), [])
        asked = watching.complaints(self._since).keys()
        return watching.look(self._here, self._baskets.values(), self._unclean, asked)

    def _converge(self) -> bool:
        ends = time.monotonic() + self._wishes.deadline
        arrived_at: float | None = None
        while time.monotonic() < ends:
            if orders := self._look_when_due():
                arrived = not any(map(table.lacks, orders)) and not watching.stock(self._here).wrong
                arrived_at = (arrived_at or time.monotonic()) if arrived else None
            if arrived_at and time.monotonic() > arrived_at + QUIET_SECONDS:
                return True
            self._pause()
        return False
