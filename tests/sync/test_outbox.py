"""Commands: their order, their leases, levels that coalesce. Docstrings say what was seen without the protection."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.utils import IntegrityError

from canonical import sql
from canonical.commands import AddRounding, Command, ConfirmOrder, Ref, Refresh
from canonical.ledger import Cause
from connectors.base import Receipt
from connectors.errors import Missing, Refused, Retry
from retailsync.sync import calling, clock, confirming, gates, outbox, release, sending
from retailsync.sync.outbox import Order
from tests.facts import order
from tests.sync.conftest import Scene
from tests.sync.pretend import Killed
from tests.sync.side_by_side import Gate, Worker, blocked, both
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)
CAUSE = Cause("message", 1)
EXPIRE = "UPDATE sync_command SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'sending'"
FREE = "UPDATE sync_lease SET until = clock_timestamp() - interval '1 second'"
NOW = "UPDATE sync_command SET not_before = clock_timestamp() - interval '1 second' WHERE state = 'waiting'"


def put(system: int, *commands: Command) -> None:
    """Put commands out, in this order."""
    with transaction.atomic():
        outbox.put([Order(system, c, CAUSE) for c in commands], clock.now())


def claim(system: int) -> list[str]:
    """The purposes one claim gets."""
    return [c.purpose for c in outbox.claim(system, 10, 60, clock.now())[1]]


def placed(scene: Scene, count: int) -> list[int]:
    """Orders that nothing is planned for yet; their ids."""
    scene.world.tell(*[order(str(n), status="pending", email=f"{n}@example.com") for n in range(count)])
    return [id for (id,) in rows("SELECT id FROM canonical_order ORDER BY external_id")]


def rounding(order_id: int) -> Command:
    return AddRounding(order_id=order_id, booking_id=order_id, amount=Decimal("0.01"))


def refresh(ref: str = "1") -> Refresh:
    return Refresh(entity="order", external_id=ref)


def states() -> list[tuple[str, str]]:
    return rows("SELECT purpose, state FROM sync_command ORDER BY id")


# ---- one purpose, one subject, one order ------------------------------------------------------------------------------------
def test_two_planners_put_one_purpose_out_once(scene: Scene) -> None:
    """Without command_once_per_purpose (and with a plain INSERT) the second did not wait, and the confirmation was put out twice."""
    gate, erp = Gate(), scene.world.erp.pk

    def first() -> None:
        with transaction.atomic():
            outbox.put([Order(erp, ConfirmOrder(order_id=1, booking_id=1), CAUSE)], clock.now())
            gate.stop()

    one = Worker(first)
    gate.reached()
    two = Worker(lambda: put(erp, ConfirmOrder(order_id=1, booking_id=1)))
    waits = blocked(two)
    gate.open()
    one.result()
    two.result()
    assert states() == [("confirm:1", "waiting")]
    assert waits


@pytest.mark.parametrize("state", ["waiting", "sending", "parked", "in_doubt"])
def test_an_unsettled_command_blocks_the_later_ones_of_its_subject_only(scene: Scene, state: str) -> None:
    """Without the NOT EXISTS of outbox._CLAIM the order was confirmed before its rounding line was there."""
    erp = scene.world.erp.pk
    put(erp, rounding(1), ConfirmOrder(order_id=1, booking_id=1), ConfirmOrder(order_id=2, booking_id=2))
    put(scene.world.shop.pk, ConfirmOrder(order_id=1, booking_id=1))
    sql.fetch(
        "UPDATE sync_command SET state = %s, not_before = now() + interval '1 hour' WHERE kind = 'AddRounding'",
        (state,),
    )
    assert claim(erp) == ["confirm:2"]
    assert claim(scene.world.shop.pk) == ["confirm:1"]


@pytest.mark.parametrize("state", ["confirmed", "superseded"])
def test_a_settled_command_blocks_nothing(scene: Scene, state: str) -> None:
    erp = scene.world.erp.pk
    put(erp, rounding(1), ConfirmOrder(order_id=1, booking_id=1))
    sql.fetch("UPDATE sync_command SET state = %s WHERE kind = 'AddRounding'", (state,))
    assert claim(erp) == ["confirm:1"]


def test_one_claim_takes_one_command_per_subject(scene: Scene) -> None:
    """The earlier one blocks the later one: DISTINCT ON in outbox._CLAIM is not needed for it, see the next test."""
    erp = scene.world.erp.pk
    put(erp, rounding(1), ConfirmOrder(order_id=1, booking_id=1), rounding(2))
    assert claim(erp) == ["rounding:1:0", "rounding:2:0"]
    assert claim(erp) == []


def test_one_claim_takes_a_command_or_a_level_of_one_subject(scene: Scene) -> None:
    """By force, as no level of today shares its subject with a command: nothing earlier blocks a level. Without DISTINCT ON in
    outbox._CLAIM the claim took both, and command_one_in_flight_per_subject refused it: nothing could be claimed."""
    erp = scene.world.erp.pk
    put(erp, rounding(1), refresh())
    sql.fetch("UPDATE sync_command SET subject_kind = 'order', subject_key = '1'")
    assert claim(erp) == ["rounding:1:0"]
    assert claim(erp) == []


def test_two_commands_of_one_subject_are_never_in_flight_together(scene: Scene) -> None:
    """By force: the constraint says no. Without it nothing was raised."""
    put(scene.world.erp.pk, rounding(1), ConfirmOrder(order_id=1, booking_id=1))
    with pytest.raises(IntegrityError, match="command_one_in_flight_per_subject"):
        sql.fetch("UPDATE sync_command SET state = 'sending'")


def test_two_claims_at_once_share_nothing(scene: Scene) -> None:
    """Without FOR UPDATE SKIP LOCKED the second claim waited for the first instead of taking what is free."""
    erp, gate = scene.world.erp.pk, Gate()
    put(erp, rounding(1))

    def slow() -> list[str]:
        with transaction.atomic():
            got = claim(erp)
            gate.stop()
        return got

    one = Worker(slow)
    gate.reached()
    put(erp, rounding(2))
    two = Worker(lambda: claim(erp))
    assert not blocked(two)
    assert two.result() == ["rounding:2:0"]
    gate.open()
    assert one.result() == ["rounding:1:0"]


# ---- levels -----------------------------------------------------------------------------------------------------------------
def test_equal_levels_wait_as_one(scene: Scene) -> None:
    """Without ON CONFLICT the second one failed on command_one_waiting_level; without that as well, each of them waited."""
    shop = scene.world.shop.pk
    put(shop, refresh("1"))
    put(shop, refresh("1"), refresh("2"), refresh("2"))
    assert states() == [("refresh:order:1", "waiting"), ("refresh:order:2", "waiting")]


def test_a_sender_cannot_take_a_level_whose_newest_cause_is_not_committed(scene: Scene) -> None:
    """With DO NOTHING instead of DO UPDATE the sender took the waiting level while the change was not to be seen yet, and nothing was
    left waiting when it was: the change was missed."""
    shop, gate = scene.world.shop.pk, Gate()
    put(shop, refresh())

    def change() -> None:
        with transaction.atomic():
            sql.fetch("UPDATE canonical_system SET name = 'changed' WHERE id = %s", (shop,))
            outbox.put([Order(shop, refresh(), CAUSE)], clock.now())
            gate.stop()

    writer = Worker(change)
    gate.reached()
    assert claim(shop) == []
    gate.open()
    writer.result()
    assert claim(shop) == ["refresh:order:1"]
    assert rows("SELECT name FROM canonical_system WHERE id = %s", shop) == [("changed",)]


def test_a_change_after_the_claim_waits_as_a_level_of_its_own(scene: Scene) -> None:
    """The other way round: the claim comes first, the writer waits for it, then finds no waiting row any more and leaves a new one."""
    shop, gate = scene.world.shop.pk, Gate()
    put(shop, refresh())

    def take() -> None:
        with transaction.atomic():
            assert claim(shop) == ["refresh:order:1"]
            gate.stop()

    sender = Worker(take)
    gate.reached()
    writer = Worker(lambda: put(shop, refresh()))
    assert blocked(writer)
    gate.open()
    sender.result()
    writer.result()
    assert states() == [("refresh:order:1", "sending"), ("refresh:order:1", "waiting")]


def _lost_lease(scene: Scene) -> None:
    sql.fetch(EXPIRE)
    outbox.reclaim(scene.world.shop.pk, 5, clock.now())


def _retried(scene: Scene) -> None:
    """The worker's own completion with an error that passes."""
    gates.allow(scene.world.shop.pk, 0, clock.now())
    ((token,),) = rows("SELECT lease_token FROM sync_command WHERE state = 'sending'")
    ((id, since),) = rows("SELECT id, created_at FROM sync_command WHERE state = 'sending'")
    claimed = outbox.Claimed(id, "Refresh", "", refresh(), 0, False, since, CAUSE)
    confirming.settle(
        sending.systems.visit(scene.world.shop.pk), token, [calling.Outcome(claimed, error=Retry("later"))], []
    )


def _given_back(scene: Scene) -> None:
    ((id, token),) = rows("SELECT id, lease_token FROM sync_command WHERE state = 'sending'")
    outbox.give_back([id], token)


@pytest.mark.parametrize("ends", [_lost_lease, _retried, _given_back])
def test_an_old_level_yields_to_a_newer_one_that_waits(scene: Scene, ends: Callable[[Scene], None]) -> None:
    """Without outbox.supersede the old one could not wait again: command_one_waiting_level refused it, and it stayed in flight."""
    shop = scene.world.shop.pk
    put(shop, refresh())
    assert claim(shop) == ["refresh:order:1"]
    put(shop, refresh())
    ends(scene)
    assert states() == [("refresh:order:1", "superseded"), ("refresh:order:1", "waiting")]


def test_a_late_completion_does_not_settle_the_level_another_worker_sends(scene: Scene) -> None:
    """Without the token in outbox.supersede the frozen worker superseded the command under its new sender."""
    shop = scene.world.shop.pk
    put(shop, refresh())
    token, (claimed,) = outbox.claim(shop, 10, 60, clock.now())
    sql.fetch(EXPIRE)
    outbox.reclaim(shop, 0, clock.now())
    sql.fetch(NOW)
    assert claim(shop) == ["refresh:order:1"]
    put(shop, refresh())
    visit = sending.systems.visit(shop)
    confirming.settle(visit, token, [calling.Outcome(claimed, error=Retry("late"))], [])
    assert states() == [("refresh:order:1", "sending"), ("refresh:order:1", "waiting")]


def test_releasing_an_old_level_while_a_newer_one_waits_does_no_harm(scene: Scene) -> None:
    """Without a thought for the waiting one, command_one_waiting_level refused the release: an error page for the operator."""
    shop = scene.world.shop.pk
    put(shop, refresh())
    scene.shop.before = _raising(Refused("not today"))
    sending.drain(shop)
    put(shop, refresh())
    assert states() == [("refresh:order:1", "parked"), ("refresh:order:1", "waiting")]
    ((case,),) = rows("SELECT id FROM sync_case WHERE closed_at IS NULL")
    assert release.release([case], "anna") == 1
    assert states() == [("refresh:order:1", "superseded"), ("refresh:order:1", "waiting")]


# ---- leases -----------------------------------------------------------------------------------------------------------------
def _raising(error: BaseException) -> Callable[..., None]:
    def raise_(*_: object) -> None:
        raise error

    return raise_


def test_hold_on_refuses_once_the_lease_has_ended(scene: Scene) -> None:
    """Without `lease_until > clock_timestamp()` in outbox.hold_on a worker that slept past its lease sent its request."""
    put(scene.world.erp.pk, rounding(1))
    token, (claimed,) = outbox.claim(scene.world.erp.pk, 10, 60, clock.now())
    assert outbox.hold_on([claimed.id], token, 60) == {claimed.id}
    sql.fetch(EXPIRE)
    assert outbox.hold_on([claimed.id], token, 60) == set()


def test_nothing_is_sent_by_a_worker_whose_lease_ended_before_the_request_left(scene: Scene) -> None:
    """Without `lease_until > clock_timestamp()` in outbox.hold_on the request left."""
    erp, resolve = scene.world.erp.pk, sending._resolve
    put(erp, rounding(1))

    def overslept(*given: object) -> object:
        sql.fetch(EXPIRE)
        return resolve(*given)  # type: ignore[arg-type]

    scene.patch.setattr(sending, "_resolve", overslept)
    scene.patch.setattr(sending, "SECONDS", 0.0)
    token, claimed = outbox.claim(erp, 10, 60, clock.now())
    visit = sending.systems.visit(erp)
    with sending.Unsettled(visit, token) as unsettled:
        sending._chunk(visit, token, claimed, _send(scene), unsettled)
    assert scene.erp.requests == []
    assert rows("SELECT state FROM sync_command") == [("sending",)]


def _send(scene: Scene) -> object:
    return sending.systems.connector(scene.world.erp.pk).sends[AddRounding]


def test_what_never_left_is_taken_back_at_once_and_is_not_doubtful(scene: Scene) -> None:
    erp = scene.world.erp.pk
    put(erp, rounding(1))
    assert claim(erp) == ["rounding:1:0"]
    outbox.reclaim(erp, 60, clock.now())
    assert states() == [("rounding:1:0", "sending")]  # its lease still runs
    sql.fetch(EXPIRE)
    outbox.reclaim(erp, 60, clock.now())
    assert rows("SELECT state, doubtful, attempts, not_before <= clock_timestamp() FROM sync_command") == [
        ("waiting", False, 1, True)
    ]


def test_what_may_have_left_is_doubtful_and_not_looked_for_before_the_target_can_be_done(scene: Scene) -> None:
    """Without `longest` in outbox.reclaim it was looked for at once, not found (the target was still at it) and put in doubt."""
    erp = scene.world.erp.pk
    put(erp, rounding(1))
    token, (claimed,) = outbox.claim(erp, 10, 60, clock.now())
    outbox.hold_on([claimed.id], token, 60)
    sql.fetch(EXPIRE)
    outbox.reclaim(erp, 60, clock.now())
    ((state, doubtful, wait),) = rows("SELECT state, doubtful, not_before - clock_timestamp() FROM sync_command")
    assert (state, doubtful) == ("waiting", True)
    assert timedelta(seconds=55) < wait <= timedelta(seconds=60)
    assert claim(erp) == []


@pytest.mark.parametrize("protection", ["native_unique", "search_then_create"])
def test_a_frozen_worker_completes_too_late(scene: Scene, protection: str) -> None:
    """The worker freezes while its request is under way; its lease ends; another one looks first, finds the effect and confirms. The
    late completion is refused. Without the token in confirming._write the late answer settled the command again and was recorded."""
    scene.protect(protection, longest=0.0)  # type: ignore[arg-type]
    erp, gate = scene.world.erp.pk, Gate()
    scene.world.tell(order())
    scene.erp.after = gate.stop
    frozen = Worker(lambda: sending.drain(erp))
    gate.reached()
    sql.fetch(EXPIRE)
    sql.fetch(FREE)
    scene.erp.after = lambda jobs: None
    sending.drain(erp)
    before = rows(
        "SELECT purpose, state, settled_at, exchanges FROM sync_command WHERE system_id = %s ORDER BY id", erp
    )
    entries = rows("SELECT count(*) FROM canonical_entry")
    gate.open()
    frozen.result()
    assert set(scene.erp.holds.values()) == {1}
    assert len(scene.erp.looks) >= 1
    assert (
        rows("SELECT purpose, state, settled_at, exchanges FROM sync_command WHERE system_id = %s ORDER BY id", erp)
        == before
    )
    assert rows("SELECT count(*) FROM canonical_entry") == entries
    assert {state for _, state, *_ in before} == {"confirmed"}


def test_a_lost_answer_of_an_unprotected_target_is_found_and_not_created_again(scene: Scene) -> None:
    """Without `doubtful` the order was created twice."""
    scene.protect("search_then_create", longest=0.0)
    erp = scene.world.erp.pk
    (id,) = placed(scene, 1)
    put(erp, rounding(id))
    scene.erp.after = _raising(Retry("lost", unknown=True))
    sending.drain(erp)
    scene.erp.after = lambda jobs: None
    sql.fetch(NOW)
    sql.fetch("UPDATE sync_gate SET open_until = NULL")
    sending.drain(erp)
    assert states() == [(f"rounding:{id}:0", "confirmed")]
    assert scene.erp.holds == {f"rounding:{id}:0": 1}


def test_what_cannot_be_found_in_an_unprotected_target_is_in_doubt_and_never_repeated(scene: Scene) -> None:
    """Without the `safe` of calling._look it was sent again."""
    scene.protect("search_then_create", longest=0.0)
    erp = scene.world.erp.pk
    put(erp, rounding(1))
    scene.erp.before = _raising(Killed())
    with pytest.raises(Killed):
        sending.drain(erp)
    scene.erp.before = lambda jobs: None
    sql.fetch(EXPIRE)
    sending.drain(erp)
    sql.fetch(NOW)
    sending.drain(erp)
    assert scene.erp.requests == ["rounding:1:0"]
    assert states() == [("rounding:1:0", "in_doubt")]
    assert rows("SELECT target_kind, reason FROM sync_case WHERE closed_at IS NULL") == [("command", "in_doubt")]


def test_after_a_lost_answer_nobody_looks_before_the_target_can_be_done(scene: Scene) -> None:
    """Without `longest` in confirming._next it was looked for a second later, not found and put in doubt."""
    scene.protect("search_then_create", longest=60.0)
    erp = scene.world.erp.pk
    put(erp, rounding(1))
    scene.erp.before = _raising(Retry("lost", unknown=True))
    sending.drain(erp)
    ((doubtful, wait),) = rows("SELECT doubtful, not_before - clock_timestamp() FROM sync_command")
    assert doubtful
    assert wait > timedelta(seconds=50)


def test_doubt_outlives_something_missing(scene: Scene) -> None:
    """A doubtful command that then lacks a reference is still doubtful: forgetting it would create twice."""
    scene.protect("search_then_create", longest=0.0)
    erp = scene.world.erp.pk
    put(erp, rounding(1))
    scene.erp.after = _raising(Retry("lost", unknown=True))
    sending.drain(erp)
    sql.fetch(NOW)
    sql.fetch("UPDATE sync_gate SET open_until = NULL")
    scene.erp.needs = lambda command: [Ref("customer", 7)]
    sending.drain(erp)
    assert rows("SELECT state, doubtful FROM sync_command") == [("waiting", True)]


def test_a_command_waits_for_a_link_and_a_missed_wake_up_is_made_good(scene: Scene) -> None:
    """The link commits while the command's own transaction still says "missing". Without the re-check (RECHECK of a year) it waited
    for ever."""
    erp, gate, write = scene.world.erp.pk, Gate(), confirming._write
    (id,) = placed(scene, 1)
    put(erp, rounding(id))
    scene.erp.needs = lambda command: [Ref("customer", 7)]
    scene.patch.setattr(confirming, "_write", lambda *given: (write(*given), gate.stop())[0])
    looking = Worker(lambda: sending.drain(erp))
    gate.reached()
    sql.fetch(
        "INSERT INTO canonical_link (system_id, entity, external_id, our_id) VALUES (%s, 'customer', 'c7', 7)", (erp,)
    )
    with transaction.atomic():
        confirming.corridor._wake({f"customer:7@{erp}"}, clock.now())
    gate.open()
    looking.result()
    assert rows("SELECT state, waits_for FROM sync_command") == [("waiting", f"customer:7@{erp}")]
    ((wait,),) = rows("SELECT not_before - clock_timestamp() FROM sync_command")
    assert wait < timedelta(minutes=2)
    assert rows("SELECT attempts FROM sync_command") == [(0,)]
    sql.fetch(NOW)
    sending.drain(erp)
    assert states() == [(f"rounding:{id}:0", "confirmed")]


def test_one_failing_item_of_a_chunk_is_retried_alone(scene: Scene) -> None:
    erp = scene.world.erp.pk
    a, b, c = placed(scene, 3)
    put(erp, rounding(a), rounding(b), rounding(c))
    carry_out = scene.erp.carry_out

    def partly(session: object, jobs: list, native: bool) -> list:  # type: ignore[type-arg]
        bad = [j for j in jobs if j.key == f"rounding:{b}:0"]
        good = carry_out(session, [j for j in jobs if j not in bad], native)  # type: ignore[arg-type]
        return good + [Receipt(job=j.id, error=Retry("busy", after=0.0)) for j in bad]

    scene.patch.setattr(scene.erp, "carry_out", partly)
    sending.drain(erp)
    assert [s for s in states() if s[1] == "confirmed"] == [
        (f"rounding:{a}:0", "confirmed"),
        (f"rounding:{c}:0", "confirmed"),
    ]
    scene.patch.setattr(scene.erp, "carry_out", carry_out)
    sql.fetch(NOW)
    sending.drain(erp)
    assert {state for _, state in states()} == {"confirmed"}
    assert scene.erp.holds == {f"rounding:{a}:0": 1, f"rounding:{b}:0": 1, f"rounding:{c}:0": 1}


def test_a_receipt_nobody_can_record_parks_one_command_and_keeps_its_answer(scene: Scene) -> None:
    """Its neighbour in the chunk is confirmed. Without _settle_alone the error ended the drain before either was settled."""
    erp = scene.world.erp.pk
    (id,) = placed(scene, 1)
    put(
        erp, ConfirmOrder(order_id=404, booking_id=404), ConfirmOrder(order_id=id, booking_id=id)
    )  # no order has the number 404
    sending.drain(erp)
    assert states() == [("confirm:404", "parked"), (f"confirm:{id}", "confirmed")]
    ((trouble, doubtful),) = rows("SELECT trouble, doubtful FROM sync_command WHERE state = 'parked'")
    assert "The system answered: x-confirm:404" in trouble
    assert doubtful


# ---- people -----------------------------------------------------------------------------------------------------------------
def test_two_operators_release_one_case_once(scene: Scene) -> None:
    """Without the lock on the case both found it open, and both said they had released it."""
    erp, gate = scene.world.erp.pk, Gate()
    put(erp, rounding(1))
    scene.erp.before = _raising(Refused("no"))
    sending.drain(erp)
    ((case,),) = rows("SELECT id FROM sync_case WHERE closed_at IS NULL")
    commands = release._RELEASERS["command"]
    scene.patch.setitem(release._RELEASERS, "command", lambda *given: (gate.stop(), commands(*given)))
    anna = Worker(lambda: release.release([case], "anna", "looked into it"))
    gate.reached()
    ben = Worker(lambda: release.release([case], "ben"))
    blocked(ben)
    gate.open()
    assert sorted([anna.result(), ben.result()]) == [0, 1]
    assert rows("SELECT who, target_kind FROM sync_action ORDER BY who") == [("anna", "command"), ("ben", "command")]
    assert states() == [("rounding:1:0", "waiting")]
    assert rows("SELECT closed_by FROM sync_case") == [("anna",)]


def test_two_operators_press_at_the_same_moment(scene: Scene) -> None:
    erp = scene.world.erp.pk
    put(erp, rounding(1))
    scene.erp.before = _raising(Missing("gone", key="x"))
    sql.fetch("UPDATE sync_command SET waiting_since = now() - interval '1 day'")
    sending.drain(erp)
    ((case,),) = rows("SELECT id FROM sync_case WHERE closed_at IS NULL")
    assert sorted(both(*[lambda: release.release([case], "x")] * 2)) == [0, 1]
    assert rows("SELECT count(*) FROM sync_action") == [(2,)]
