"""Customers of the simulated shop at its checkout. Knows no request; what is in a basket and how it is paid, others say."""

import random
from collections.abc import Mapping, Sequence

from connectors.woocommerce.simulator import baskets, payments
from connectors.woocommerce.simulator.arithmetic import STANDARD
from connectors.woocommerce.simulator.records import good
from connectors.woocommerce.simulator.unsettled import Unsettled
from connectors.woocommerce.simulator.views import Record

TRIES = 5  # baskets a customer fills before going away


class Till(Unsettled):
    """`place` lets customers buy what they like, `checkout` one customer exactly this."""

    _placed: int  # baskets so far: shapes come in turn

    def place(
        self, count: int = 1, seed: int | None = None, *, status: str = "", shape: str = "", unclean: float = 0.0
    ) -> list[int]:
        """`count` storefront checkouts; returns the order ids. Shapes come in turn unless one is named; `unclean` = the part of them
        (0 to 1) that has one of the less tidy shapes instead. The status is what the payment leads to unless one is named.

        With the same seed, the same baskets. Who finds something sold out chooses something else, and goes away in the end: then there
        are fewer orders. As observed, `order.updated` leaves before `order.created`.
        """
        with self.lock:
            rng = self.random if seed is None else random.Random(seed)
            goods = self._goods()
            placed = []
            for _ in range(count):
                chosen = shape or baskets.SHAPES[self._placed % len(baskets.SHAPES)]
                if unclean and rng.random() < unclean:
                    chosen = rng.choice(baskets.UNCLEAN)
                buyer = self._buyer(rng, chosen)
                baskets_ = (self._composed(rng, chosen, goods, buyer) for _ in range(TRIES))
                orders = (self._check_out(basket, status, chosen) for basket in baskets_)
                placed += [order] if (order := next(filter(None, orders), None)) else []
                self._placed += 1
            self.store.commit()
            return placed

    def _composed(
        self,
        rng: random.Random,
        shape: str,
        goods: Sequence[baskets.Good],
        buyer: Record | None,
        bought: Sequence[tuple[baskets.Good, int]] = (),
    ) -> Record:
        rate = STANDARD if self.rate is None else self.rate
        return baskets.composed(rng, shape, goods, buyer, currency=self.currency, rate=rate, bought=bought)

    def _buyer(self, rng: random.Random, shape: str) -> Record | None:
        """An account customer, the same one for every `returning` order; guests otherwise two times out of three."""
        known = list(self.customers.values())
        if shape == "returning":
            return known[0]
        return rng.choice(known) if shape == "account" or rng.random() < 1 / 3 else None

    def checkout(self, items: Mapping[str, int], *, status: str = "", seed: int | None = None) -> int | None:
        """One customer buys exactly this, units by SKU: the order's id, or None where the shop turns it down because it has not so many.
        May be called from many threads; what one is sold, no other is."""
        with self.lock:
            rng = self.random if seed is None else random.Random(seed)
            bought = [(good(self._by_sku(sku), self.rate), units) for sku, units in items.items()]
            order = self._check_out(self._composed(rng, "plain", (), None, bought), status, "plain")
            self.store.commit()
            return order

    def _check_out(self, draft: Record, status: str, shape: str) -> int | None:
        """None where something of it is sold out."""
        if self._sold_out(draft["line_items"]):
            return None
        manner = payments.begun(draft, shape)
        status = status or manner.status
        paid = status == "completed" or (status == "processing" and manner.paid)
        order = self._new_order(draft, status, "store-api", paid=paid)
        order["_sim"] |= {"shape": shape}
        self.store.put("orders", order["id"], order)
        self.webhooks.emit("order.updated", order["id"])
        self.webhooks.emit("order.created", order["id"])
        self._move_stock(order)
        self._keep(order)
        self.store.put("orders", order["id"], order)
        return int(order["id"])
