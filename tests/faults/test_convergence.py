"""Killed anywhere, resumed: the same state in the end, and every purpose carried out exactly once in the targets' own stores.

A worker dies (a BaseException nobody catches stands for kill -9) at any of the corridor's steps, messages are lost and polled again,
answers get lost. Afterwards leases run out, the sweep rings, and the corridor is turned until nothing moves.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical import sql
from canonical.facts import Fact, RequestAnswered, ShipmentStated
from canonical.types import Parcel, Units
from connectors.errors import Retry
from connectors.registry import CONNECTORS
from retailsync.sync import bell, confirming, inbox, outbox, sending, systems, tasks
from tests.canonical.test_properties import explained
from tests.facts import NOON, line, order, sku
from tests.sync.pretend import Killed, Target, heard
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db(transaction=True)
steady = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

#: Where a worker may die, and whether what it did there has reached the target.
STEPS = ("read", "claimed", "held on", "arrived", "carried out", "confirming", "batch done", "answer lost")
#: The ERP keeps no key of ours: its creates must be looked for. The others refuse a second one.
PROTECTION = {"woocommerce": "idempotent", "odoo": "search_then_create", "partner": "native_unique"}


@dataclass
class Chaos:
    """When to die: at the nth time somebody comes to a step. Every death happens once."""

    deaths: set[tuple[str, int]] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    died: int = 0

    def at(self, step: str, *_: Any) -> None:
        """Somebody comes to this step."""
        self.seen[step] += 1
        if (step, self.seen[step]) in self.deaths:
            self.died += 1
            raise Retry("lost", unknown=True) if step == "answer lost" else Killed(step)


def around(chaos: Chaos, before: str, do: Callable[..., Any], after: str = "") -> Callable[..., Any]:
    """The function, with a place to die before it or after it."""

    def dangerous(*given: Any, **more: Any) -> Any:
        if before:
            chaos.at(before)
        value = do(*given, **more)
        if after:
            chaos.at(after)
        return value

    return dangerous


@dataclass
class Play:
    """One run: a world in memory, what its systems say, and the corridor between them."""

    world: World
    targets: dict[str, Target]
    chaos: Chaos
    said: set[str] = field(default_factory=set)

    @property
    def systems(self) -> list[int]:
        return [self.world.shop.pk, self.world.erp.pk, *(s.pk for s in self.world.partners.values())]

    def hear(self, system: int, *facts: Fact) -> None:
        """A message arrives; one that was stored already is absorbed."""
        inbox.receive(system, [heard(*facts)], door="webhook")

    def warehouse(self) -> None:
        """Every request that reached a warehouse is answered and shipped, from the warehouse's own store."""
        for reference, system in rows(
            "SELECT 'fulfilment_request:' || r.id, r.system_id FROM canonical_fulfilmentrequest r ORDER BY r.reference"
        ):
            if not self.targets["partner"].holds[reference] or reference in self.said:
                continue
            self.said.add(reference)
            ((ref, lines),) = rows(
                """SELECT r.reference, array_agg(l.line_id || ':' || l.units ORDER BY l.line_id) FROM canonical_fulfilmentrequest r
                   JOIN canonical_requestline l ON l.request_id = r.id WHERE 'fulfilment_request:' || r.id = %s GROUP BY 1""",
                reference,
            )
            units = tuple(Units(line=x.split(":")[0], units=int(x.split(":")[1])) for x in lines)
            self.hear(
                system,
                ShipmentStated(
                    ref=f"S-{ref}", occurred_at=NOON, request=ref, parcels=(Parcel(tracking=f"T-{ref}", lines=units),)
                ),
            )
            self.hear(system, RequestAnswered(occurred_at=NOON, request=ref, answer="accepted"))

    def turn(self) -> int:
        """One worker goes through all systems, and may die at it."""
        moved = 0
        for system in self.systems:
            for drain in (inbox.drain, sending.drain):
                try:
                    moved += drain(system)
                except Killed:
                    moved += 1
                    if connection.in_atomic_block:
                        raise
        self.warehouse()
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

    def settle(self) -> None:
        """Turn until nothing moves, twice in a row with time in between."""
        quiet = 0
        for _ in range(80):
            quiet = 0 if self.turn() else quiet + 1
            if quiet > 2:
                return
            self.later()
        raise AssertionError(trouble())


def trouble() -> dict[str, Any]:
    return {
        "commands": rows(
            "SELECT purpose, state, reason, words, doubtful, left(trouble, 1500) FROM sync_command WHERE state <> 'confirmed'"
        ),
        "messages": rows(
            "SELECT state, reason, words, waits_for, left(trouble, 1500) FROM sync_message WHERE state <> 'done'"
        ),
    }


# ---- one run ----------------------------------------------------------------------------------------------------------------
TABLES = (
    "sync_message, sync_batch, sync_command, sync_attempt, sync_case, sync_action, sync_lease, sync_gate, sync_cursor, canonical_entry,"
    " canonical_posting, canonical_payment, canonical_packageline, canonical_package, canonical_shipment, canonical_requestline,"
    " canonical_fulfilmentrequest, canonical_hold, canonical_charge, canonical_orderline, canonical_order, canonical_address,"
    " canonical_customer, canonical_link, canonical_sourcing, canonical_sku, canonical_location, canonical_secret, canonical_system"
)


def play(
    patch: pytest.MonkeyPatch, messages: Sequence[Fact], deaths: set[tuple[str, int]], dropped: set[int] = frozenset()
) -> dict[str, Any]:  # type: ignore[assignment]
    """Tell these messages with these deaths; returns what everybody has in the end, by names that mean the same in every run."""
    sql.fetch(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
    systems._names.clear()
    chaos, targets = Chaos(deaths), {name: Target() for name in PROTECTION}
    with patch.context() as p:
        p.setattr(bell, "ring", lambda task, system: None)
        p.setattr(bell, "answered", lambda task, system: None)
        for name, target in targets.items():
            protected = target.connector(name, PROTECTION[name], longest=0.0)  # type: ignore[arg-type]
            p.setitem(CONNECTORS, name, protected)  # type: ignore[arg-type]
            target.reading = lambda envelope: chaos.at("read")
            target.before = lambda jobs: chaos.at("arrived") if name_is_safe(jobs) else None
            target.after = lambda jobs: (chaos.at("carried out"), chaos.at("answer lost"))
        p.setattr(outbox, "claim", around(chaos, "", outbox.claim, "claimed"))
        p.setattr(outbox, "hold_on", around(chaos, "held on", outbox.hold_on))
        p.setattr(confirming, "_confirm", around(chaos, "confirming", confirming._confirm))
        p.setattr(inbox, "_settle", around(chaos, "", inbox._settle, "batch done"))
        world = make_world()
        world.stock("MUG")
        run = Play(world, targets, chaos)
        for number, fact in enumerate(messages):
            if number not in dropped:
                run.hear(world.shop.pk, fact)
            run.turn()
        for fact in messages:
            run.hear(
                world.shop.pk, fact
            )  # the poller reads everything again: what was dropped comes now, the rest is absorbed
        run.settle()
        explained()
        assert trouble() == {"commands": [], "messages": []}
        return {"canonical": outcome(), **{name: stored(t) for name, t in targets.items()}}


def name_is_safe(jobs: Sequence[Any]) -> bool:
    """A request that arrived and was not carried out: a target without protection cannot tell that from one still at work, so it ends
    in doubt, for a person (tests/sync/test_outbox.py). Here everything must come right by itself."""
    return type(jobs[0].command).__name__ in ("RequestFulfilment", "SendTracking", "CompleteOrder")


def stored(target: Target) -> dict[str, int]:
    """What the target holds, under names that do not depend on our ids."""
    names = {
        **{f"complete:{id}": f"complete of {ref}" for id, ref in rows("SELECT id, external_id FROM canonical_order")},
        **{f"{kind}:{id}{end}": f"{kind} of {ref}" for id, ref in rows(
            "SELECT b.id, o.external_id FROM canonical_booking b JOIN canonical_order o ON o.id = b.order_id")
           for kind, end in (("sales_order", ""), ("confirm", ""), ("rounding", ":0"))},
        **{f"fulfilment_request:{id}": f"request of {ref}" for id, ref in rows(
            "SELECT r.id, o.external_id || '/' || r.attempt FROM canonical_fulfilmentrequest r"
            " JOIN canonical_order o ON o.id = r.order_id")},
        **{f"{kind}:{id}": f"{kind} of {ref}" for id, ref in rows(
            "SELECT s.id, o.external_id FROM canonical_shipment s JOIN canonical_order o ON o.id = s.order_id")
           for kind in ("tracking", "goods_issue")},
        **{f"customer:{c}:{b}:{s}:per_email": f"customer of {ref}" for c, b, s, ref in rows(
            "SELECT customer_id, billing_id, shipping_id, external_id FROM canonical_order")},
    }  # fmt: skip
    return {names[key]: count for key, count in target.holds.items()}


def outcome() -> dict[str, list[tuple[Any, ...]]]:
    """Canonical state and commands, without ids and clocks."""
    return {
        "orders": rows("SELECT external_id, stage, shop_status, total FROM canonical_order ORDER BY 1"),
        "lines": rows("""SELECT o.external_id, l.external_id, s.code, l.ordered, l.routed, l.allocated, l.shipped FROM canonical_orderline l
            JOIN canonical_order o ON o.id = l.order_id LEFT JOIN canonical_sku s ON s.id = l.sku_id ORDER BY 1, 2"""),
        "requests": rows("""SELECT o.external_id, r.attempt, r.answer, r.execution FROM canonical_fulfilmentrequest r
            JOIN canonical_order o ON o.id = r.order_id ORDER BY 1, 2"""),
        "postings": rows("""SELECT s.slug, p.kind, o.external_id, p.state FROM canonical_posting p
            JOIN canonical_order o ON o.id = p.order_id JOIN canonical_system s ON s.id = p.system_id ORDER BY 1, 2, 3"""),
        "commands": rows("""SELECT s.slug, c.kind, o.external_id, c.state FROM sync_command c JOIN canonical_order o ON o.id = c.order_id
            JOIN canonical_system s ON s.id = c.system_id ORDER BY 1, 2, 3"""),
        "open": rows("SELECT target_kind, reason FROM sync_case WHERE closed_at IS NULL"),
    }  # fmt: skip


def story() -> list[Fact]:
    """Three customers, one of whom orders a product that becomes known late."""
    return [
        order("1", email="a@example.com"),
        order("2", email="b@example.com", lines=(line(units=1, total="10.00", tax="2.10"), line("2", "JAR"))),
        order("3", email="c@example.com", status="pending"),
        sku("JAR"),
        order("3", version=5, email="c@example.com"),
    ]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """Filled by the first run: what everybody has when nothing goes wrong."""
    return {}


def expected(undisturbed: dict[str, Any], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    if not undisturbed:
        undisturbed.update(play(patch, story(), set()))
    return undisturbed


def test_an_undisturbed_run_completes_every_order_once(monkeypatch: pytest.MonkeyPatch) -> None:
    end = play(monkeypatch, story(), set())
    assert {stage for _, stage, *_ in end["canonical"]["orders"]} <= {"completed", "on_hold"}
    assert end["partner"] == {"request of 1/1": 1, "request of 3/1": 1} | {k: 1 for k in end["partner"] if "of 2" in k}
    assert {count for name in PROTECTION for count in end[name].values()} == {1}


@pytest.mark.parametrize("step", STEPS)
def test_a_death_at_any_step_changes_nothing_in_the_end(
    step: str, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    """Without `doubtful` in calling.carry_out a customer was created twice (carried out, confirming, answer lost); without inbox._bury a
    message stayed received for ever (read, batch done)."""
    wanted = expected(undisturbed, monkeypatch)
    for moment in (1, 2):
        assert play(monkeypatch, story(), {(step, moment)}) == wanted


@steady
@given(
    deaths=st.sets(st.tuples(st.sampled_from(STEPS), st.integers(1, 8)), max_size=5),
    dropped=st.sets(st.integers(0, 4), max_size=3),
    seed=st.permutations(range(5)),
)
def test_deaths_losses_and_disorder_converge(
    deaths: set[tuple[str, int]],
    dropped: set[int],
    seed: list[int],
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, Any],
) -> None:
    wanted = expected(undisturbed, monkeypatch)
    told = story()
    end = play(monkeypatch, [told[n] for n in seed], deaths, dropped)
    assert end == wanted
