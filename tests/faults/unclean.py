"""A seeded life of a few orders: what people do in the shop, how warehouses behave and answer, what breaks meanwhile.

A script says what happens; faults are thrown over it by other dice, so that the same life can be led with and without them. Systems are
the simulators, spoken to over real HTTP; the corridor is turned by hand, and may die at its steps.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from canonical import sql
from connectors.simulation import Fault, Simulator
from retailsync.hooks import door
from retailsync.sync import bell, confirming, inbox, outbox, polling, sending, systems, tasks
from retailsync.sync.models import Case, Cursor
from tests.journeys.stage import Stage, stage
from tests.sync.pretend import Killed
from tests.world import rows

BEHAVIOURS = (
    "normal", "normal", "accepts", "picks", "picks", "packs", "ships_half", "two_shipments", "two_parcels", "ship_first", "sku_only",
    "repeat", "reject", "short",
)  # fmt: skip
ANSWERS = (
    "honest",
    "honest",
    "honest",
    "refuse_changes",
    "refuse_cancel",
    "late_answer",
    "ship_first",
    "accept_then_ship",
)
SHAPES = (
    "plain",
    "multi_unit",
    "split",
    "variation",
    "coupon",
    "fee",
    "multi_line",
    "virtual_line",
    "net_prices",
    "bacs",
    "card",
)
#: Where a worker may die. Each step is a function of the corridor, with death before or after it.
STEPS = ("claimed", "held on", "confirming", "confirmed", "batch done", "batch settled")


# ---- a world that begins anew -----------------------------------------------------------------------------------------------
@contextmanager
def anew(patch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage in an empty database: one test leads several lives and compares them."""
    tables = [t for (t,) in rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^(canonical|sync|partners)_'")]  # fmt: skip
    sql.fetch(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
    systems._names.clear()
    door._entrances.clear()
    with patch.context() as p, stage() as s:
        p.setattr(bell, "ring", lambda task, system: None)
        p.setattr(bell, "answered", lambda task, system: None)
        for feed in ("sweep", "refunds"):
            Cursor.objects.get_or_create(system=s.world.shop, feed=feed)
        yield s


# ---- deaths -----------------------------------------------------------------------------------------------------------------
@dataclass
class Chaos:
    """When to die: at the nth time somebody comes to a step. Every death happens once."""

    deaths: set[tuple[str, int]] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)

    def at(self, step: str) -> None:
        """Somebody comes to this step."""
        self.seen[step] += 1
        if (step, self.seen[step]) in self.deaths:
            raise Killed(step)

    def around(self, before: str, do: Callable[..., Any], after: str) -> Callable[..., Any]:
        """The function, with a place to die before it and after it."""

        def dangerous(*given: Any, **more: Any) -> Any:
            if before:
                self.at(before)
            value = do(*given, **more)
            if after:
                self.at(after)
            return value

        return dangerous

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Stand at the corridor's steps."""
        patch.setattr(outbox, "claim", self.around("", outbox.claim, "claimed"))
        patch.setattr(outbox, "hold_on", self.around("", outbox.hold_on, "held on"))
        patch.setattr(confirming, "_confirm", self.around("confirming", confirming._confirm, "confirmed"))
        patch.setattr(inbox, "_settle", self.around("batch settled", inbox._settle, "batch done"))


# ---- one life ---------------------------------------------------------------------------------------------------------------
class Life:
    """A stage, its orders, and what was done to them. `dice` choose what people do, `bad` what goes wrong (None: nothing)."""

    def __init__(self, s: Stage, seed: int, bad: random.Random | None) -> None:
        self.s, self.seed, self.bad = s, seed, bad
        self.dice = random.Random(seed)
        self.orders: list[int] = []
        self.early: dict[int, bool] = {}  # refund → whether the shop knew of no shipment of its order then
        self.log: list[Any] = []
        self.down: dict[str, int] = {}  # system that is down → steps left
        self.systems: dict[str, Simulator] = {"shop": s.shop, "erp": s.erp, **s.warehouses}
        for code, warehouse in s.warehouses.items():
            warehouse.behaviour = lambda data, code=code: self._chosen(code, BEHAVIOURS, data["order_reference"])
            warehouse.answers = lambda data, w=warehouse, code=code: self._chosen(
                code, ANSWERS, w._works[data["reference"]].order_reference
            )

    def _chosen(self, code: str, names: tuple[str, ...], about: str) -> str:
        return random.Random(f"{self.seed}:{code}:{names[0]}:{about}").choice(names)

    # -- what people do
    def buy(self) -> None:
        """One customer buys."""
        shape = self.dice.choice(SHAPES)
        order = self.s.order(shape, seed=self.dice.randrange(1000))
        self.orders.append(order)
        self.log.append((order, "buy", shape))

    def unsettle(self) -> None:
        """One of the shop's own deeds."""
        order = self.dice.choice(self.orders)
        self.log.append(self.s.shop.unsettle(order, self.dice))

    def staff(self) -> None:
        """One thing staff do, in halves that the shop's deeds do as a whole."""
        order = self.dice.choice(self.orders)
        record = self.s.shop.orders.get(order)
        if record is None:
            return
        if record["status"] == "trash":
            chosen = self.dice.choice(("restore", "restore", "delete"))
        elif record["status"] in ("pending", "on-hold", "failed", "cancelled"):
            chosen = self.dice.choice(("pay", "pay", "processing", "cancel", "trash"))
        else:
            chosen = self.dice.choice(("on-hold", "cancel", "trash", "failed", "unrefund", "refund", "add"))
        self.log.append((order, chosen, self._do(order, record, chosen)))

    def _do(self, order: int, record: dict[str, Any], chosen: str) -> Any:
        shop = self.s.shop
        match chosen:
            case "restore":
                shop.restore(order, by_put=self.dice.random() < 0.3)
            case "delete":
                shop.force_delete(order)
            case "pay":
                shop.pay(order)
            case "cancel" | "on-hold" | "failed" | "processing":
                shop.move(order, "cancelled" if chosen == "cancel" else chosen)
            case "trash":
                shop.trash(order)
            case "unrefund" if record["refunds"]:
                shop.unrefund(order, record["refunds"][0]["id"])
            case "refund" if not record["refunds"] and record["date_paid"] and record["status"] == "processing":
                return shop.refund(order, {line["sku"]: 1 for line in record["line_items"][:1]})
            case "add" if record["status"] == "processing":
                held = [line["sku"] for line in record["line_items"]]
                code = self.dice.choice(
                    [g.sku for g in shop._goods() if g.sku not in held and not g.sku.startswith("DL")]
                )
                shop.add_line(order, code)
                return code
        return None

    def go_on(self) -> None:
        """A warehouse goes on with what waits there."""
        code = self.dice.choice(("W1", "W2"))
        self.log.append((code, "go on", self.s.warehouses[code].go_on() if code not in self.down else None))

    def poll(self) -> None:
        """Beat polls, and perhaps sweeps."""
        self.s.poll()
        if self.dice.random() < 0.3:
            polling.poll(self.s.world.shop.pk, "sweep")
        self.log.append("poll")

    def step(self) -> None:
        """One thing happens."""
        if len(self.orders) < 2:
            self.buy()
        else:
            deeds = (
                self.unsettle,
                self.unsettle,
                self.unsettle,
                self.staff,
                self.staff,
                self.go_on,
                self.poll,
                self.buy,
            )
            self.dice.choice(deeds[: 7 if len(self.orders) > 3 else 8])()
        self._note_refunds()
        if self.bad is not None:
            self._trouble(self.bad)

    def _note_refunds(self) -> None:
        for refund in self.s.shop.refunds.values():
            order = refund["parent_id"]
            self.early.setdefault(refund["id"], order in self.s.shop.orders and not self.s.shop.fulfillments_of(order))

    # -- what goes wrong
    def _trouble(self, bad: random.Random) -> None:
        for name in [n for n, left in self.down.items() if left <= 0]:
            self.start(name)
        self.down = {name: left - 1 for name, left in self.down.items()}
        if bad.random() < 0.15 and len(self.down) < 2:
            name = bad.choice([n for n in self.systems if n not in self.down])
            self.systems[name].stop()
            self.down[name] = bad.randint(0, 2)
            self.log.append(("down", name))
        if bad.random() < 0.5:
            name = bad.choice(list(self.systems))
            rule = bad.choice(
                (
                    Fault(do="lose_response", count=bad.randint(1, 2), skip=bad.randint(0, 2)),
                    Fault(do="answer", status=bad.choice((500, 502, 503)), count=bad.randint(1, 3)),
                    Fault(do="answer", status=429, retry_after=1, count=1),
                    Fault(do="drop", count=bad.randint(1, 2)),
                )
            )
            self.systems[name].faults.add(rule)
            self.log.append((name, rule.do, rule.status))
        if bad.random() < 0.3:
            mischief = {
                "drop": bad.choice((0.0, 0.5, 1.0)),
                "duplicate": bad.choice((0.0, 0.5)),
                "shuffle": bad.random() < 0.5,
            }
            self.s.shop.webhooks.set_mischief(**mischief)
            self.log.append(mischief)
        if bad.random() < 0.1:
            self.s.shop.webhooks.redeliver(3)
            self.log.append("redelivered")

    def start(self, name: str) -> None:
        """A system is there again."""
        if self.down.pop(name, None) is not None:
            self.systems[name].start()
            self.log.append(("up", name))

    # -- the corridor
    def turn(self) -> int:
        """One worker goes through all systems, and may die at it."""
        moved = 0
        for system in self.s.systems:
            for drain in (inbox.drain, sending.drain):
                try:
                    moved += drain(system.pk)
                except Killed as death:
                    self.log.append(f"died: {death}")
                    moved += 1
                    assert not connection.in_atomic_block
        return moved

    def later(self) -> None:
        """Time passes: leases end, pauses are over, and the sweep looks at everything that waits."""
        sql.fetch(
            "UPDATE sync_command SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'sending'"
        )
        sql.fetch("UPDATE sync_lease SET until = clock_timestamp() - interval '1 second' WHERE until IS NOT NULL")
        sql.fetch("UPDATE sync_gate SET open_until = NULL, paused_until = NULL")
        for table in ("sync_command", "sync_message"):
            sql.fetch(
                f"UPDATE {table} SET not_before = clock_timestamp() - interval '1 second' WHERE state = 'waiting'"
            )
        tasks.sweep()

    def settle(self, seconds: float = 40.0) -> None:
        """Turn until nothing moves, a few times in a row with time in between."""
        quiet, ends = 0, time.monotonic() + seconds
        while quiet < 3:
            moved = self.turn()
            busy = any(w.state()["open"] for w in self.s.warehouses.values()) or (
                "shop" not in self.down and self.s.shop.webhooks.waiting()
            )
            quiet = 0 if moved or (busy and not self.down) else quiet + 1
            if not moved:
                self.later()
                time.sleep(0.02)
            if time.monotonic() > ends:
                raise AssertionError(f"not settled: {self.s.trouble()}")

    def release(self, *reasons: str) -> None:
        """A person releases what is open."""
        if Case.objects.filter(closed_at=None, **({"reason__in": reasons} if reasons else {})).exists():
            self.log.append(("released", self.s.cases()))
            self.s.release(*reasons)

    def calm(self) -> None:
        """All systems work again; what was lost is polled and swept; warehouses finish."""
        self.recover()
        self.s.order(seed=1, status="pending")  # a sweep finds nothing missing behind the newest order
        self.hear_all()
        for _ in range(8):
            if self.bad is not None:  # a look nobody could take for a person: was it carried out?
                self.release("in_doubt")
            self.settle()
            if not any(w.go_on() for w in self.s.warehouses.values()):
                return
        raise AssertionError("warehouses find no end")

    def recover(self) -> None:
        """Nothing goes wrong any more, and what waited for that goes on."""
        self.mend()
        self.settle()

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        for name in list(self.down):
            self.start(name)
        for system in self.systems.values():
            system.faults.clear()
        self.s.shop.webhooks.set_mischief(drop=0.0, duplicate=0.0, shuffle=False)
        for hook in self.s.shop.webhooks.subscriptions().values():
            hook.update(status="active", failure_count=0)

    def hear_all(self, rounds: int = 2) -> None:
        """Polls, and a whole round of the sweep."""
        for _ in range(rounds):
            self.later()
            sql.fetch(
                "UPDATE sync_cursor SET value = jsonb_set(value::jsonb, '{began}', '\"2020-01-01T00:00:00Z\"')::text"
                " WHERE feed = 'sweep' AND value LIKE '{%%'"
            )
            for feed in ("orders", "refunds", *["sweep"] * 3):
                polling.poll(self.s.world.shop.pk, feed)
            self.settle()
