"""A fast target's chunks are settled together; nothing else changes: what a worker's death, an error or a slow target leaves behind."""

from decimal import Decimal

import pytest
from django.db import transaction

from canonical import sql
from canonical.commands import AddRounding, Command, ConfirmOrder
from canonical.ledger import Cause
from connectors.base import Job, Protection
from connectors.errors import Retry
from retailsync.sync import clock, outbox, sending
from retailsync.sync.outbox import Order
from tests.facts import order
from tests.sync.conftest import Scene
from tests.sync.pretend import Killed
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)
EXPIRE = "UPDATE sync_command SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'sending'"
FREE = "UPDATE sync_lease SET until = clock_timestamp() - interval '1 second'"
NOW = "UPDATE sync_command SET not_before = clock_timestamp() - interval '1 second' WHERE state = 'waiting'"


@pytest.fixture
def erp(scene: Scene) -> int:
    """A target that takes two commands a call, with time enough to settle its chunks together."""
    scene.patch.setattr(sending, "AWHILE", 60.0)
    scene.protect("native_unique", batch=2, longest=0.0)
    return scene.world.erp.pk


def put(system: int, *commands: Command) -> None:
    with transaction.atomic():
        outbox.put([Order(system, c, Cause("message", 1)) for c in commands], clock.now())


def roundings(scene: Scene, count: int) -> list[Command]:
    """One command for each of so many orders that nothing else is planned for."""
    scene.world.tell(*[order(str(n), status="pending", email=f"{n}@example.com") for n in range(count)])
    ids = [id for (id,) in rows("SELECT id FROM canonical_order ORDER BY id")]
    return [AddRounding(order_id=id, booking_id=id, amount=Decimal("0.01")) for id in ids]


def at(scene: Scene, call: int, error: BaseException) -> None:
    """Let the ERP's nth call end like this, before it is carried out."""
    calls: list[int] = []

    def before(jobs: list[Job]) -> None:
        calls.append(len(jobs))
        if len(calls) == call:
            raise error

    scene.erp.before = before  # type: ignore[assignment]


def states() -> list[tuple[str, ...]]:
    return [state for (state,) in rows("SELECT state FROM sync_command ORDER BY id")]


def together() -> list[int]:
    """How many commands each transaction that wrote them had, oldest first."""
    return [n for (n,) in rows("SELECT count(*) FROM sync_command GROUP BY xmin ORDER BY min(id)")]


def test_chunks_of_one_kind_are_settled_together_and_kinds_one_after_the_other(scene: Scene, erp: int) -> None:
    """A kind may need the links of the one before it, so that one is settled first."""
    added = roundings(scene, 5)
    put(erp, *added[:4], *(ConfirmOrder(order_id=c.order_id, booking_id=c.booking_id) for c in added[4:]))  # type: ignore[attr-defined]
    sending.drain(erp)
    assert states() == ["confirmed"] * 5
    assert together() == [4, 1]


def test_a_slow_target_is_settled_chunk_by_chunk(scene: Scene, erp: int) -> None:
    scene.patch.setattr(sending, "AWHILE", 0.0)
    put(erp, *roundings(scene, 5))
    sending.drain(erp)
    assert states() == ["confirmed"] * 5
    assert together() == [2, 2, 1]


def test_what_a_target_does_not_keep_from_happening_twice_is_settled_at_once(scene: Scene, erp: int) -> None:
    scene.protect("search_then_create", batch=2)
    put(erp, *roundings(scene, 5))
    sending.drain(erp)
    assert together() == [2, 2, 1]


@pytest.mark.parametrize("protection", ["native_unique", "native_upsert", "idempotent", "search_then_create"])
def test_a_worker_that_dies_before_settling_leaves_doubt_and_nothing_twice(
    scene: Scene, erp: int, protection: Protection
) -> None:
    """The chunks answered before are looked for as well, found, and confirmed without being sent again."""
    scene.protect(protection, batch=2, longest=0.0)
    put(erp, *roundings(scene, 6))
    at(scene, 3, Killed())
    with pytest.raises(Killed):
        sending.drain(erp)
    scene.erp.before = lambda jobs: None
    for statement in (EXPIRE, FREE):
        sql.fetch(statement)
    sending.drain(erp)
    sql.fetch(NOW)
    sending.drain(erp)
    keeps = protection != "search_then_create"
    assert states() == ["confirmed"] * 4 + ["confirmed" if keeps else "in_doubt"] * 2
    assert set(scene.erp.holds.values()) == {1}
    assert not set(scene.erp.requests[6:]) & set(scene.erp.requests[:4])


def test_an_error_of_ours_does_not_cost_the_answers_already_had(scene: Scene, erp: int) -> None:
    """Without the settling in Unsettled.__exit__ they were sent, and doubtful."""
    hold_on, calls = outbox.hold_on, []

    def breaking(*given: object) -> set[int]:
        calls.append(given)
        if len(calls) == 3:
            raise RuntimeError("ours")
        return hold_on(*given)  # type: ignore[arg-type]

    scene.patch.setattr(outbox, "hold_on", breaking)
    put(erp, *roundings(scene, 6))
    with pytest.raises(RuntimeError):
        sending.drain(erp)
    assert states() == ["confirmed"] * 4 + ["sending"] * 2


def test_a_chunk_in_trouble_is_settled_by_itself_and_counts_for_the_gate(scene: Scene, erp: int) -> None:
    """Among those that went well its failed call would not be one: no failure was counted."""
    put(erp, *roundings(scene, 6))
    at(scene, 2, Retry("busy", after=0.0))
    sending.drain(erp)
    assert states() == ["confirmed"] * 2 + ["waiting"] * 4
    assert rows("SELECT failures FROM sync_gate WHERE system_id = %s", (erp,)) == [(1,)]
