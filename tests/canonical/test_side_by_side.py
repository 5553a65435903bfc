"""Two transactions record at once, each on a connection of its own. Docstrings say what was seen without the protection."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.db.utils import DatabaseError, IntegrityError

from canonical import sql
from canonical.facts import Fact, HoldPlaced
from canonical.ledger import Cause
from canonical.record import Recorded, Stated, record
from canonical.recording import links
from retailsync.sync import transient
from tests.facts import NOON, order, sku
from tests.sync.side_by_side import Gate, Worker, blocked, both
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bell reaches a broker."""
    from retailsync.sync import bell  # late: it needs configured settings

    monkeypatch.setattr(bell, "ring", lambda task, system: None)


def told(world: World, *facts: Fact, then: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """Record facts of the shop in one transaction that does `then` before it commits."""

    def do() -> None:
        with transaction.atomic():
            record(world.shop.pk, [Stated(Cause("message", 1), f) for f in facts], NOON)
            then()

    return do


def gapless() -> None:
    """Versions run 1..n, and the last after-image is the row."""
    assert (
        rows("SELECT subject_kind, subject_id FROM canonical_entry GROUP BY 1, 2 HAVING max(version) <> count(*)") == []
    )
    assert (
        rows(
            """SELECT e.id FROM canonical_entry e JOIN canonical_order o ON e.subject_kind = 'order' AND o.id = e.subject_id
               AND o.ledger_version = e.version WHERE (e.state->>'shop_status') <> o.shop_status"""
        )
        == []
    )


def test_recording_an_order_waits_for_nobody_who_changes_a_sku() -> None:
    """With a foreign key in the database the order waited at commit: its key-share lock on the SKU's row."""
    world = make_world()
    world.stock("MUG", "JAR")
    gate = Gate()

    def change() -> None:
        with transaction.atomic():
            sql.fetch("SELECT 1 FROM canonical_sku FOR UPDATE")
            gate.stop()

    holder = Worker(change)
    gate.reached()
    recording = Worker(told(world, order("1"), order("2", lines=order().lines), order("3", version=2)))
    waits = blocked(recording)
    gate.open()
    holder.result()
    recording.result()
    assert not waits
    assert rows("SELECT count(*) FROM canonical_orderline WHERE sku_id IS NOT NULL") == [(3,)]


def test_a_sku_is_renamed_while_its_orders_are_recorded() -> None:
    """The other way round: an order being recorded does not hold up whoever changes its SKU."""
    world = make_world()
    world.stock("MUG")
    gate = Gate()
    recording = Worker(told(world, order(), then=gate.stop))
    gate.reached()
    renaming = Worker(lambda: sql.fetch("UPDATE canonical_sku SET code = 'CUP'"))
    waits = blocked(renaming)
    gate.open()
    recording.result()
    renaming.result()
    assert not waits


def test_the_newest_snapshot_wins_between_two_writers() -> None:
    """Without FOR UPDATE in links.known the older snapshot had looked before the newer was committed, and was applied after it."""
    world = make_world()
    told(world, order(version=1, status="pending"))()
    gate = Gate()
    newer = Worker(told(world, order(version=3, status="on_hold"), then=gate.stop))
    gate.reached()
    older = Worker(told(world, order(version=2, status="processing")))
    assert blocked(older)
    gate.open()
    newer.result()
    older.result()
    assert rows("SELECT shop_status FROM canonical_order") == [("on_hold",)]
    gapless()


def test_one_new_order_said_to_two_writers_is_one_order() -> None:
    """Without order_once_per_channel there were two. The one that comes second repeats and finds it (23505 passes)."""
    world = make_world()
    gate = Gate()
    first = Worker(told(world, order(version=1), then=gate.stop))
    gate.reached()
    second = Worker(lambda: transient.repeat(told(world, order(version=2, status="on_hold"))))
    blocked(second)
    gate.open()
    first.result()
    second.result()
    assert rows("SELECT shop_status FROM canonical_order") == [("on_hold",)]
    gapless()


def test_versions_run_from_one_to_n_under_four_writers() -> None:
    world = make_world()
    told(world, order(version=1))()

    def many(start: int) -> Callable[[], None]:
        def do() -> None:
            for version in range(start, 40, 4):
                transient.repeat(
                    told(
                        world, order(version=version, status=("on_hold", "processing")[version % 2], note=str(version))
                    )
                )

        return do

    workers = [Worker(many(n)) for n in range(2, 6)]
    for worker in workers:
        worker.result()
    assert rows("SELECT note FROM canonical_order") == [("39",)]
    gapless()


def test_an_entry_version_exists_once() -> None:
    """By force: the constraint says no. Without it nothing was raised."""
    told(make_world(), order())()
    columns = "subject_kind, subject_id, version, event, state, cause_kind, cause_id, occurred_at, recorded_at"
    with pytest.raises(IntegrityError, match="entry_versions_once_per_subject"):
        sql.fetch(f"INSERT INTO canonical_entry ({columns}) SELECT {columns} FROM canonical_entry LIMIT 1")


@pytest.mark.parametrize(
    ("mine", "yours"), [(("X", 1), ("X", 2)), (("X", 1), ("Y", 1))], ids=["one external id", "one of ours"]
)
def test_a_link_is_unique_both_ways(mine: tuple[str, int], yours: tuple[str, int]) -> None:
    """Two writers claim it at once: one gets it. Without link_one_ours_per_external (one external id) or
    link_one_external_per_ours (one of ours) both did."""
    shop = make_world().shop.pk

    def claim(link: tuple[str, int]) -> Callable[[], int]:
        def do() -> int:
            with transaction.atomic():
                return len(links.claim([(shop, "sku", *link, 0, None, None)], Recorded()))

        return do

    assert sorted(both(claim(mine), claim(yours))) == [0, 1]
    assert rows("SELECT count(*) FROM canonical_link") == [(1,)]


def test_one_hold_is_open_per_reason() -> None:
    """Two planners place the same hold at once. Without hold_one_open_per_reason both were placed."""
    world = make_world()
    told(world, order(status="pending"))()
    ((id,),) = rows("SELECT id FROM canonical_order")
    placed = HoldPlaced(occurred_at=NOON, order_id=id, reason="operator", words="wait")
    both(told(world, placed), told(world, placed))
    assert rows("SELECT count(*) FROM canonical_hold WHERE lifted_at IS NULL") == [(1,)]


def test_two_writers_of_many_subjects_never_wait_in_a_circle() -> None:
    """Facts in opposite order. Whether two such writers meet is chance: the next test sees to it that they do."""
    world = make_world()
    told(world, *[order(str(n)) for n in range(20)])()

    def restate(version: int, step: int) -> Callable[[], None]:
        return told(world, *[order(str(n), version=version, note=str(version)) for n in range(20)][::step])

    for version in range(2, 22, 2):
        both(restate(version, 1), restate(version + 1, -1))
    assert rows("SELECT DISTINCT note FROM canonical_order") == [("21",)]
    gapless()


def _orders(world: World, refs: str) -> None:
    record(world.shop.pk, [Stated(Cause("message", 1), order(ref)) for ref in refs], NOON)


def _restated(world: World, refs: str) -> None:
    record(world.shop.pk, [Stated(Cause("message", 1), order(ref, version=9, note=refs)) for ref in refs], NOON)


def _claimed(world: World, refs: str) -> None:
    links.claim([(world.shop.pk, "sku", ref, int(ref), 0, None, None) for ref in refs], Recorded())


def _remembered(world: World, refs: str) -> None:
    links.remember([(world.shop.pk, "sku", ref, int(ref), 0, None, None) for ref in refs], Recorded())


@pytest.mark.parametrize(("known", "bring"), [("0", _orders), ("123", _restated), ("0", _claimed), ("0", _remembered)])
def test_rows_are_taken_in_one_order(known: str, bring: Callable[[World, str], None]) -> None:
    """Two writers bring the same three in opposite order, and both come to the one in the middle, which a third has and gives up.
    Without the sorting in work.by_ref (new orders), in links.claim and in links.remember the two deadlocked (40P01); over known
    orders they did once links.known, too, locked them in the order given."""
    world, gate = make_world(), Gate()
    told(world, *[order(ref) for ref in known])()  # whose customer is everybody's

    def do(refs: str, then: Callable[[], object] = lambda: None) -> Callable[[], str]:
        def bringing() -> str:
            try:
                with transaction.atomic():
                    bring(world, refs)
                    then()
            except DatabaseError as error:
                return getattr(error.__cause__, "pgcode", "")
            return ""

        return bringing

    def give_up() -> None:
        gate.stop()
        transaction.set_rollback(True)

    third = Worker(do("2", give_up))
    gate.reached()
    one = Worker(do("123"))
    assert blocked(one)
    two = Worker(do("321"))
    assert blocked(two, waiting=2)
    gate.open()
    third.result()
    assert {one.result(), two.result()} <= {"", "23505"}  # 23505 passes: who repeats it finds the rows
    assert rows("SELECT count(*) FROM canonical_link WHERE external_id IN ('1', '2', '3')") == [(3,)]


def test_skus_and_orders_recorded_at_once_find_each_other() -> None:
    """A SKU appears while an order that needs it is being recorded: the line gets it now, or when either is told again."""
    world = make_world()
    gate = Gate()
    recording = Worker(told(world, order(), then=gate.stop))
    gate.reached()
    appearing = Worker(told(world, sku("MUG")))
    blocked(appearing, 0.5)
    gate.open()
    recording.result()
    appearing.result()
    assert rows("SELECT sku_id IS NOT NULL FROM canonical_orderline") == [(True,)]
