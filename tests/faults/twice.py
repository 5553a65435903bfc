"""A life whose deeds happen one at a time: people do something, systems fail while the corridor turns, all recover, all is heard; then
the next deed. Led with faults and without, it comes to the same whole state after every deed.

That is only so where faults cannot legitimately decide what happens, and so these lives are narrower than `Life`:

- A deed finds everybody at rest. Whether a cancellation came before the parcel left is decided by the script, never by an outage.
- No deed is two in one breath (cancelled and paid, trashed and restored, held and let go): a shop's webhook carries the order as it is
  when it is delivered, so whether anybody ever heard of the first half is up to the shop.
- Of one order at most one warehouse refuses or is short. Where both refuse, the one that answers first decides whether the other is
  still asked. And who is short stops there for a while: whether the rest had left before another warehouse was asked for what is missing
  makes that one an original request or a backorder.
- The clocks of shop and product go on by two seconds with every deed: a shop writes whole seconds, and a refund of the second in which a
  parcel became known counts as made before (the safe side).
- Who deletes a refund also writes to the order. A deleted refund leaves no trace in the shop's lists, so it is only found when the order
  is next read, for whatever reason.
- A deleted order is followed by a newer one: that the newest is gone cannot be told from its never having been seen.
"""

import random
from typing import Any

from canonical.models import ShopPolicy
from connectors.simulation import Fault
from connectors.woocommerce.simulator.unsettled import possible
from tests.faults.unclean import BEHAVIOURS, SHAPES, STEPS, Chaos, Life
from tests.faults.whole import Whole, whole
from tests.journeys.conftest import Hands
from tests.journeys.stage import Stage

#: Deeds of the shop that are two in one.
_DOUBLE = {"cancel_and_pay", "trash_and_restore", "hold_and_back"}
#: What stops a request at a warehouse; of one order at most one warehouse does so.
_ODD = {"reject", "short"}
#: What only faults bring about. A person looks, and lets it go on.
_OF_FAULTS = ("in_doubt", "retries_exhausted")


#: Requests that change something, by method and path.
_CHANGES = {
    "shop": ("POST|PUT|DELETE", ".*"),
    "erp": ("POST", r"/(load|create|write|action_\w+|button_\w+)"),
    "warehouse": ("POST", ".*"),
}


class DeedByDeed(Life):
    """The same seed does the same deeds, whatever `bad` does to them. `chaos` says where workers die."""

    def __init__(self, s: Stage, seed: int, bad: random.Random | None, chaos: Chaos, hands: Hands) -> None:
        super().__init__(s, seed, bad)
        self.chaos, self.hands = chaos, hands
        self.policy = random.Random(f"policy {seed}")
        ShopPolicy.objects.create(
            channel=s.world.shop,
            on_short=self.policy.choice(("ask", "ship_available", "cancel_remainder")),
            on_amendment_refused=self.policy.choice(("recreate", "ask")),
        )

    def _chosen(self, code: str, names: tuple[str, ...], about: str) -> str:
        if names is BEHAVIOURS:
            order = "-".join(about.split("-")[:2])
            if code != random.Random(f"{self.seed}:{order}").choice(("W1", "W2")):
                names = tuple(name for name in names if name not in _ODD)
        chosen = super()._chosen(code, names, about)
        return "stops_short" if chosen == "short" else chosen

    def lead(self, deeds: int) -> list[Whole]:
        """So many deeds, then what waits in the warehouses goes on; what everybody had after each."""
        states = []
        for number in range(deeds + 1):
            self.dice = random.Random(f"{self.seed}:{number}")  # one deed's dice do not depend on another's
            self.hands.turn(seconds=2)
            self.s.shop.skew = self.hands.ahead
            if self.bad is not None:
                self._trouble(self.bad)
            self.last() if number == deeds else self.deed()
            self._note_refunds()
            self._rage()
            self.rest()
            states.append(whole(self))
        return states

    # -- what people do
    def deed(self) -> None:
        """One thing happens, to everybody's knowledge."""
        if len(self.orders) < 2:
            self.buy()
            return
        deeds = (self._shop, self._shop, self._shop, self._staff, self._staff, self._warehouse, self._person, self.buy)
        self.dice.choice(deeds[: 7 if len(self.orders) > 3 else 8])()

    def last(self) -> None:
        """What waits in the warehouses goes on."""
        for code in ("W1", "W2"):
            self.log.append((code, "go on", self.s.warehouses[code].go_on()))

    def buy(self) -> None:
        shape = self.dice.choice(SHAPES)
        self.orders.append(self.s.order(shape, seed=self.dice.randrange(1000)))
        self.log.append((self.orders[-1], "buy", shape))

    def _shop(self) -> None:
        order = self.dice.choice(self.orders)
        names = [name for name in possible(self.s.shop.orders.get(order)) if name not in _DOUBLE]
        done = self.s.shop.unsettle(order, self.dice, self.dice.choice(names) if names else "nothing")
        self.log.append(done)
        if done["deed"] == "force_delete":
            self._another()

    def _do(self, order: int, record: dict[str, Any], chosen: str) -> Any:
        done = super()._do(order, record, chosen)
        if chosen == "unrefund":
            self.s.shop.edit(order, note=f"Refund taken back, {self.dice.randrange(1000)}.")
        elif chosen == "delete":
            self._another()
        return done

    def _another(self) -> None:
        self.s.order(seed=1, status="pending")

    def _warehouse(self) -> None:
        code = self.dice.choice(("W1", "W2"))
        self.log.append((code, "go on", self.s.warehouses[code].go_on()))

    def _person(self) -> None:
        """The back office releases what is open."""
        self.release()

    def _staff(self) -> None:
        self.staff()

    # -- what goes wrong, and how it ends
    def _lose(self, bad: random.Random) -> None:
        """Answers to what changes something get lost: it was carried out, and we do not know."""
        for name, system in self.systems.items():
            if bad.random() < 0.6:
                method, path = _CHANGES[name if name in _CHANGES else "warehouse"]
                count, skip = bad.randint(1, 2), bad.choice((0, 0, 1))
                system.faults.add(Fault(do="lose_response", method=method, path=path, count=count, skip=skip))
                self.log.append((name, "answers to changes are lost"))

    def _rage(self) -> None:
        """Workers die, systems fail and come back while the corridor turns."""
        if (bad := self.bad) is None:
            return
        if bad.random() < 0.5:
            step = bad.choice(STEPS)
            self.chaos.deaths.add((step, self.chaos.seen[step] + bad.randint(1, 4)))
        for _ in range(bad.randint(1, 3)):
            for _ in range(bad.randint(0, 3)):
                self.turn()
            if bad.random() < 0.4:
                self.later()
            self._trouble(bad)

    def rest(self) -> None:
        """All systems work again, but for a few answers that are lost yet; and all that can be heard is heard."""
        self.chaos.deaths.clear()
        self.mend()
        if self.bad is not None:
            self._lose(self.bad)
        self.hear_all(rounds=1)
        while self.bad is not None and self.s.release(*_OF_FAULTS):
            self.settle()
