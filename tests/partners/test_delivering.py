"""Events reach a partner's webhooks: signed, each until it is taken, in the order of their subject, and never to what is dead."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import msgspec
import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from canonical.ledger import Cause, Written
from canonical.models import System
from connectors.simulation import Answer, Fault, Request
from retailsync.celery import app
from retailsync.partners import feed, tasks
from retailsync.partners.models import Delivery, Event, Subscription
from retailsync.partners.webhooks import delivering, fanning, subscribing
from retailsync.platform.secrets import unseal
from retailsync.sync import bell, clock, inbox
from retailsync.sync.models import Attempt, Case
from tests.sync.side_by_side import Gate, Worker, both

from .conftest import Partner, change
from .receiver import Receiver, call, happens, later, listening, send, states, told_of, verified

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(bell, "ring", lambda task, id: rung.append((task, id)))
    return rung


@pytest.fixture
def row(partner: Partner, receiver: Receiver, bells: list[Any]) -> Subscription:
    return listening(partner, receiver)


def fresh(row: Subscription) -> Subscription:
    return Subscription.objects.get(pk=row.pk)


# ---- what arrives -----------------------------------------------------------------------------------------------------------
def test_an_event_arrives_signed_as_the_feed_tells_it(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    (event,) = happens(partner, "F1")
    assert send(row) == 1
    (heard,) = receiver.seen
    (told,) = feed.after(partner.system.pk, 0, 10)
    at = told.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert heard.json() == {
        "type": "fulfilment_request.created", "timestamp": at,
        "data": {"position": 1, "subject": "F1", "reference": "F1", "held": False},
    }  # fmt: skip
    assert heard.headers["webhook-id"] == str(event.pk) and verified(heard, unseal(row.secret))
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status, delivery.words, delivery.lease_token) == ("delivered", 200, "", None)
    assert fresh(row).delivered_at == delivery.settled_at
    exchange = Attempt.objects.get(pk=delivery.exchanges[0])
    assert (exchange.status, exchange.system_id) == (200, partner.system.pk)
    assert "webhook-signature" not in exchange.request and "F1" in exchange.request


def test_recording_rings_and_what_was_recorded_arrives(
    partner: Partner, receiver: Receiver, row: Subscription, bells: list[Any], ask: Any
) -> None:
    request = change(ask(partner)).request
    entry = Written("request_change", request.changes.get().pk, "asked", request.order_id, Cause("message", 1))
    with transaction.atomic():
        feed.follow([entry])
        assert bells == []
    assert bells == [(feed.TASK, partner.system.pk)]
    fanning.fan_out(partner.system.pk)
    assert bells[1:] == [(subscribing.TASK, row.pk)]
    send(row)
    assert receiver.seen[0].json()["type"] == "fulfilment_request.cancellation_requested"


def test_what_a_partner_says_comes_back_as_an_event(
    partner: Partner, receiver: Receiver, row: Subscription, bells: list[Any], ask: Any
) -> None:
    """From the door along the corridor to the webhook, by the tasks that were rung for and nothing else."""
    reference = ask(partner).reference
    assert partner.post(f"{reference}/accept").status_code == 202
    inbox.drain(partner.system.pk)
    for task in (tasks.fan_out, tasks.deliver):
        ((_, id),) = {rung for rung in bells if rung[0] == task.name}
        task(id)
    (heard,) = receiver.seen
    assert heard.json()["type"] == "fulfilment_request.accepted"
    assert (heard.json()["data"]["reference"], heard.json()["data"]["state"]) == (reference, "accepted")


def test_who_did_not_subscribe_is_not_rung_for(partner: Partner, bells: list[Any], ask: Any) -> None:
    request = ask(partner)
    feed.follow([Written("fulfilment_request", request.pk, "submitted", request.order_id, Cause("message", 1))])
    assert bells == [] and Event.objects.count() == 1


def test_only_the_types_that_were_asked_for(partner: Partner, receiver: Receiver, bells: list[Any]) -> None:
    row = listening(partner, receiver, types=("fulfilment_request.shipped",))
    happens(partner, "F1")
    happens(partner, "F2", type="fulfilment_request.shipped")
    send(row)
    assert receiver.subjects == ["F2"] and fresh(row).position == 2


def test_only_what_happens_from_then_on_and_to_its_own_partner(
    partner: Partner, other: Partner, receiver: Receiver, bells: list[Any]
) -> None:
    happens(partner, "F1")
    row = listening(partner, receiver)
    happens(other, "F2")
    happens(partner, "F3")
    assert states(row) == [(2, "waiting", 0)]


def test_an_event_committed_late_is_not_skipped(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    """Without positions given after the commit, the later id went out and the earlier one never did."""
    gate = Gate()

    def slowly() -> None:
        with transaction.atomic():
            Event.objects.create(system=partner.system, type="fulfilment_request.created", subject="late", data={})
            gate.stop()

    worker = Worker(slowly)
    gate.reached()
    happens(partner, "early")
    send(row)
    gate.open()
    worker.result()
    fanning.fan_out(partner.system.pk)
    send(row)
    assert receiver.subjects == ["early", "late"] and receiver.positions == [1, 2]


def test_two_who_put_out_at_once_put_out_once(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    for subject in "ABCDE":
        Event.objects.create(system=partner.system, type="fulfilment_request.created", subject=subject, data={})
    both(lambda: fanning.fan_out(partner.system.pk), lambda: fanning.fan_out(partner.system.pk))
    assert states(row) == [(position, "waiting", 0) for position in range(1, 6)]


# ---- trying again -----------------------------------------------------------------------------------------------------------
def test_what_is_not_taken_is_tried_by_the_schedule_and_given_up(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    receiver.answer = lambda request: 500
    happens(partner, "F1")
    waits = []
    for attempt in range(1, delivering.TRIES + 1):
        assert send(row) == 1
        delivery = Delivery.objects.get()
        assert (delivery.attempts, delivery.status, delivery.words) == (attempt, 500, "It answered 500.")
        assert send(row) == 0, "not before its time"
        waits.append((delivery.next_at - delivery.tried_at).total_seconds())
        later(row)
    assert Delivery.objects.get().state == "given_up"
    for wait, usual in zip(waits, delivering.WAITS, strict=False):
        assert 0.9 * usual <= wait <= 1.1 * usual + 10
    assert len({(one.headers["webhook-id"], one.body) for one in receiver.seen}) == 1
    assert len(receiver.seen) == len(Delivery.objects.get().exchanges) == delivering.TRIES == 8


def test_who_asks_us_to_wait_is_left_alone_as_long(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    receiver.answer = lambda request: Answer(429, None, {"Retry-After": "600"})
    happens(partner, "F1", "F2")
    send(row)
    least = timezone.now() + timedelta(seconds=580)
    assert all(next_at > least for next_at in Delivery.objects.values_list("next_at", flat=True))
    assert fresh(row).not_before > least


@pytest.mark.parametrize("fault", [Fault(do="drop"), Fault(do="lose_response")], ids=["drop", "lose_response"])
def test_an_answer_that_is_lost_is_a_try_that_failed(
    partner: Partner, receiver: Receiver, row: Subscription, fault: Fault
) -> None:
    receiver.faults.add(fault)
    happens(partner, "F1")
    send(row)
    assert states(row) == [(1, "waiting", 1)]
    receiver.faults.clear()
    later(row)
    send(row)
    assert states(row) == [(1, "delivered", 2)] and fresh(row).failing_since is None


def test_an_address_that_became_internal_is_not_called(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    System.objects.filter(pk=partner.system.pk).update(settings={"url": receiver.url})
    happens(partner, "F1")
    send(row)
    assert not receiver.seen and states(row) == [(1, "waiting", 1)]
    assert Delivery.objects.get().words == "The address must begin with https://."


# ---- order ------------------------------------------------------------------------------------------------------------------
def test_a_later_event_of_a_subject_waits_for_the_earlier_one_and_others_do_not(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    """Without the look at earlier ones in delivering._READY the second event of A arrived before the first."""
    refuses = [1]
    receiver.answer = lambda request: 500 if request.json()["data"]["position"] in refuses else 200
    happens(partner, "A", "A", "B")
    send(row)
    assert sorted(states(row)) == [(1, "waiting", 1), (2, "waiting", 0), (3, "delivered", 1)]
    refuses.clear()
    later(row)
    send(row)
    assert receiver.positions[-2:] == [1, 2]
    assert {state for _, state, _ in states(row)} == {"delivered"}


def test_the_next_of_a_subject_goes_once_the_earlier_one_is_given_up(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    receiver.answer = lambda request: 500 if request.json()["data"]["position"] == 1 else 200
    happens(partner, "A", "A")
    Delivery.objects.filter(position=1).update(attempts=delivering.TRIES - 1)
    send(row)
    assert states(row)[0] == (1, "given_up", 8)
    later(row)
    send(row)
    assert states(row)[1] == (2, "delivered", 1)


def test_a_subject_or_a_webhook_that_hangs_keeps_no_other_waiting(
    partner: Partner, receiver: Receiver, bells: list[Any]
) -> None:
    """Sent one after the other, B waited until A was answered. The receiver answers A only once it has heard of B elsewhere."""
    heard_b = threading.Event()

    class Slow(Receiver):
        def handle(self, request: Request) -> Answer:  # beside its lock: several at a time
            (heard_b.wait if request.json()["data"]["subject"] == "A" else heard_b.set)()
            return Answer(200)

    with Slow() as slow:
        row, beside = listening(partner, slow), listening(partner, receiver)
        happens(partner, "A", "B")
        send(row)
        send(beside)
    assert {state for _, state, _ in [*states(row), *states(beside)]} == {"delivered"}
    assert sorted(slow.subjects) == ["A", "B"]


def test_one_of_a_subject_is_under_way_at_most(partner: Partner, row: Subscription) -> None:
    happens(partner, "A", "A")
    with pytest.raises(IntegrityError, match="delivery_one_in_flight_per_subject"):
        Delivery.objects.update(state="sending", lease_token=uuid.uuid4(), lease_until=timezone.now())


# ---- workers ----------------------------------------------------------------------------------------------------------------
def test_two_drains_at_once_send_each_event_once(
    partner: Partner, receiver: Receiver, row: Subscription, bells: list[Any]
) -> None:
    """Without the lease the second went to work beside the first, and there were twice as many requests at a time."""
    gate = Gate()
    receiver.answer = lambda request: gate.stop() or 200
    happens(partner, *[f"F{n}" for n in range(30)])
    holder = Worker(lambda: send(row))
    gate.reached()
    bells.clear()
    assert Worker(lambda: send(row)).result() == 0
    gate.open()
    assert holder.result() == 30
    assert (subscribing.TASK, row.pk) in bells, "who came meanwhile is not forgotten"
    assert sorted(receiver.positions) == list(range(1, 31))


def test_two_claims_at_once_take_each_delivery_once(partner: Partner, row: Subscription) -> None:
    """Without FOR UPDATE SKIP LOCKED in delivering._CLAIM the second waited for the first, and then took the same."""
    happens(partner, *[f"F{n}" for n in range(12)])
    gate = Gate()

    def slowly() -> list[int]:
        with transaction.atomic():
            claimed, _ = delivering.claim(row.pk, 0)
            gate.stop()
        return [one.id for one in claimed]

    first = Worker(slowly)
    gate.reached()
    second = Worker(lambda: [one.id for one in delivering.claim(row.pk, 0)[0]])
    taken = second.result()
    gate.open()
    assert len(taken) == 4 and len({*taken, *first.result()}) == 12


def test_whose_worker_died_is_sent_again_and_a_late_answer_changes_nothing(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    happens(partner, "F1")
    (dead,), _ = delivering.claim(row.pk, 0)
    assert send(row) == 0
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    delivering.reclaim(row.pk, clock.now())
    (alive,), where = delivering.claim(row.pk, 0)
    delivering.settle(dead, delivering.Sent(500, "It answered 500.", 1.0), clock.now())
    assert states(row) == [(1, "sending", 2)] and fresh(row).failing_since is None
    delivering.settle(alive, delivering._send(where, alive), clock.now())
    assert states(row) == [(1, "delivered", 2)]


def test_a_worker_that_wakes_after_its_lease_sends_nothing(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    happens(partner, "F1")
    (one,), where = delivering.claim(row.pk, 0)
    assert delivering._send(where, one._replace(until=0.0)) is None and not receiver.seen


def test_a_webhook_deleted_while_its_event_is_under_way(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    happens(partner, "F1")
    (one,), where = delivering.claim(row.pk, 0)
    sent = delivering._send(where, one)
    Subscription.objects.get().delete()
    delivering.settle(one, sent, clock.now())
    assert Attempt.objects.count() == 1


def test_the_sweep_rings_for_what_no_bell_rang_for(
    partner: Partner, receiver: Receiver, row: Subscription, bells: list[Any]
) -> None:
    def rung() -> list[Any]:
        bells.clear()
        delivering.sweep(clock.now())
        return list(bells)

    assert rung() == []
    Event.objects.create(system=partner.system, type="fulfilment_request.created", subject="A", data={})
    assert rung() == [(feed.TASK, partner.system.pk)]
    feed.number(partner.system.pk)
    assert rung() == [(feed.TASK, partner.system.pk)], "numbered by a reader of the feed, and not put out"
    fanning.fan_out(partner.system.pk)
    assert rung() == [(subscribing.TASK, row.pk)]
    receiver.answer = lambda request: 500
    send(row)
    assert rung() == [], "it is left alone for a while"
    later(row)
    assert rung() == [(subscribing.TASK, row.pk)]
    System.objects.update(mode="paused")
    assert rung() == [] and send(row) == 0, "a paused system hears nothing"
    System.objects.update(mode="live")
    delivering.claim(row.pk, 0)
    assert rung() == []
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert rung() == [(subscribing.TASK, row.pk)]


def test_whatever_goes_wrong_each_event_arrives_unchanged_and_its_subject_in_order(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    """A receiver that fails, hangs up and loses its answers, workers that die with events in their hands, and two drains at a time."""
    kinds = (Fault(do="answer", status=503), Fault(do="drop"), Fault(do="lose_response"))
    receiver.faults.add(*(msgspec.structs.replace(fault, probability=0.1) for fault in kinds))
    heard: list[Request] = []
    receiver.answer = lambda request: heard.append(request) or 200
    for turn in range(12):
        happens(partner, *[f"F{(turn + n) % 4}" for n in range(5)])
        if turn % 3 == 0:
            delivering.claim(row.pk, 6)
            Delivery.objects.update(lease_until=F("lease_until") - timedelta(minutes=1))
        both(lambda: send(row), lambda: send(row))
        later(row)
    receiver.faults.clear()
    while send(row):
        later(row)
    assert {state for _, state, _ in states(row)} == {"delivered"}
    assert {one.json()["data"]["position"] for one in heard} == set(range(1, 61))
    for subject in ("F0", "F1", "F2", "F3"):
        order = [one.json()["data"]["position"] for one in heard if one.json()["data"]["subject"] == subject]
        assert order == sorted(order), "a later one never arrives before the earlier one was taken"
    assert len({(one.headers["webhook-id"], one.body) for one in heard}) == 60


# ---- an address that is dead ------------------------------------------------------------------------------------------------
def test_a_dead_address_gets_one_request_at_a_time_however_many_events_there_are(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    """Without `not_before` each new event was one more request to it."""
    receiver.answer = lambda request: 500
    happens(partner, "F0")
    send(row)
    happens(partner, *[f"F{n}" for n in range(1, 51)])
    assert send(row) == 0
    Subscription.objects.update(not_before=None)
    assert send(row) == 1 and receiver.subjects == ["F0", "F1"], "what was tried least is the probe"
    receiver.answer = lambda request: 200
    Subscription.objects.update(not_before=None)
    assert send(row) == 49, "and once it is taken, all that is due goes"
    assert fresh(row).failing_since is None


def test_the_longer_it_is_dead_the_more_rarely_it_is_tried(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    receiver.answer = lambda request: 503
    pauses = []
    for minutes in (0, 2, 60 * 24):
        happens(partner, f"F{minutes}")
        Subscription.objects.update(failing_since=timezone.now() - timedelta(minutes=minutes), not_before=None)
        Delivery.objects.filter(state="waiting", attempts__gt=0).update(next_at=timezone.now() + timedelta(hours=1))
        began = timezone.now()
        send(row)
        pauses.append(round((fresh(row).not_before - began).total_seconds()))
    assert pauses[0] <= 2 and 60 <= pauses[1] <= 90 and 300 <= pauses[2] <= 302


def test_after_five_days_without_success_it_is_switched_off(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    receiver.answer = lambda request: 500
    beside = listening(partner, receiver, "other")
    happens(partner, "A", "A", "B")
    Subscription.objects.filter(pk=row.pk).update(failing_since=timezone.now() - timedelta(days=4, hours=23))
    send(row)
    assert fresh(row).state == "on"
    Subscription.objects.filter(pk=row.pk).update(failing_since=timezone.now() - timedelta(days=5))
    later(row)
    send(row)
    assert {state for _, state, _ in states(row)} == {"cancelled"}
    seen = call(partner, "get", str(row.pk)).json()
    assert (seen["state"], seen["disabled_because"], seen["trouble"]) == ("off", "failing", "It answered 500.")
    assert seen["disabled_at"] and seen["failing_since"]
    case = Case.objects.get(target_kind="subscription", target_id=row.pk, closed_at=None)
    assert (case.reason, case.who, case.system_id) == ("endpoint_off", "partner", partner.system.pk)
    assert case.words == (
        f"Nothing was delivered to the webhook {row.url} of w1 for five days, so it was switched off: It answered 500."
    )
    assert told_of(partner)[-1] == ("webhook.disabled", str(row.pk))
    happens(partner, "C")
    assert send(row) == 0 and {state for _, state, _ in states(row)} == {"cancelled"}
    assert "webhook.disabled" in {d.event.type for d in Delivery.objects.filter(subscription=beside)}


def test_gone_switches_it_off_at_once(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    receiver.answer = lambda request: 410
    happens(partner, "A", "A")
    send(row)
    assert states(row) == [(1, "cancelled", 1), (2, "cancelled", 0)] and len(receiver.seen) == 1
    assert call(partner, "get", str(row.pk)).json()["disabled_because"] == "gone"
    assert Case.objects.get().words == f"w1 answers that its webhook {row.url} is gone (410), so it was switched off."


def test_one_success_begins_the_five_days_anew(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    Subscription.objects.update(failing_since=timezone.now() - timedelta(days=6))
    happens(partner, "A")
    send(row)
    assert (fresh(row).state, fresh(row).failing_since) == ("on", None)


def test_enabled_again_it_hears_of_what_happens_from_then_on_and_of_the_rest_on_request(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    receiver.answer = lambda request: 410
    happens(partner, "A", "B")
    send(row)
    happens(partner, "C")
    receiver.answer = lambda request: 200
    receiver.seen.clear()
    assert call(partner, "post", f"{row.pk}/redeliver", {"after": 0}).json()["code"] == "webhook_off"
    on = call(partner, "post", f"{row.pk}/enable", {}).json()
    assert (on["state"], on["disabled_at"], on["disabled_because"], on["failing_since"]) == ("on", None, "", None)
    assert Case.objects.get().closed_by == "the partner"
    assert told_of(partner)[-1] == ("webhook.enabled", str(row.pk))
    happens(partner, "D")
    send(row)
    assert sorted(receiver.subjects) == [str(row.pk), "D"]
    receiver.seen.clear()
    answer = call(partner, "post", f"{row.pk}/redeliver", {"after": 1}).json()
    assert answer == {"deliveries": 5, "next": None}
    send(row)
    assert sorted(receiver.positions) == [2, 3, 4, 5, 6]
    assert call(partner, "post", f"{row.pk}/enable", {}).json()["state"] == "on" and Case.objects.count() == 1


# ---- the log, and once more -------------------------------------------------------------------------------------------------
def test_the_log_tells_of_each_event_the_newest_first(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    receiver.answer = lambda request: 500 if request.json()["data"]["subject"] == "B" else 200
    a, b, c = happens(partner, "A", "B", "C")
    send(row)
    first = call(partner, "get", f"{row.pk}/deliveries", limit="2").json()
    second = call(partner, "get", f"{row.pk}/deliveries", after=first["next"]).json()
    assert [item["event"] for item in first["items"] + second["items"]] == [str(c.pk), str(b.pk), str(a.pk)]
    assert second["next"] is None
    (failed,) = call(partner, "get", f"{row.pk}/deliveries", state="waiting").json()["items"]
    delivery = Delivery.objects.get(event=b)
    assert failed == {
        "id": str(delivery.pk), "event": str(b.pk), "position": 2, "type": "fulfilment_request.created", "subject": "B",
        "state": "waiting", "attempts": 1, "next_attempt_at": failed["next_attempt_at"], "attempted_at": failed["attempted_at"],
        "settled_at": None, "status": 500, "milliseconds": failed["milliseconds"], "words": "It answered 500.",
    }  # fmt: skip
    assert call(partner, "get", f"{row.pk}/deliveries", state="lost").json()["field"] == "state"


def test_an_event_is_sent_again_as_it_was(partner: Partner, receiver: Receiver, row: Subscription) -> None:
    happens(partner, "A")
    send(row)
    delivery = Delivery.objects.get().pk
    again = call(partner, "post", f"{row.pk}/deliveries/{delivery}/redeliver", {}).json()
    assert (again["state"], again["attempts"]) == ("waiting", 0)
    send(row)
    assert len({(one.headers["webhook-id"], one.body) for one in receiver.seen}) == 1 and len(receiver.seen) == 2
    assert states(row) == [(1, "delivered", 1)]


def test_what_is_under_way_is_not_asked_for_twice(partner: Partner, row: Subscription) -> None:
    happens(partner, "A")
    delivering.claim(row.pk, 0)
    delivery = Delivery.objects.get().pk
    assert call(partner, "post", f"{row.pk}/deliveries/{delivery}/redeliver", {}).json()["state"] == "sending"
    assert call(partner, "post", f"{row.pk}/redeliver", {"after": 0}).json() == {"deliveries": 0, "next": None}


def test_many_are_sent_again_part_by_part(
    partner: Partner, receiver: Receiver, row: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanning, "AT_ONCE", 2)
    happens(partner, "A", "B", "C")
    send(row)
    first = call(partner, "post", f"{row.pk}/redeliver", {"after": 0}).json()
    assert first == {"deliveries": 2, "next": "2"}
    assert call(partner, "post", f"{row.pk}/redeliver", {"after": 2}).json() == {"deliveries": 1, "next": None}


def test_the_log_goes_back_thirty_days_and_what_left_it_can_be_sent_again(
    partner: Partner, receiver: Receiver, row: Subscription
) -> None:
    happens(partner, "A", "B", "C")
    Delivery.objects.filter(subject="C").update(next_at=timezone.now() + timedelta(days=1))
    send(row)
    Delivery.objects.filter(subject="A").update(settled_at=timezone.now() - timedelta(days=31))
    assert fanning.forget_old() == 1
    assert states(row) == [(2, "delivered", 1), (3, "waiting", 0)]
    assert call(partner, "post", f"{row.pk}/redeliver", {"after": 0}).json() == {"deliveries": 2, "next": None}
    assert states(row) == [(1, "waiting", 0), (2, "waiting", 0), (3, "waiting", 0)]


def test_the_task_names_are_routed() -> None:
    app.loader.import_default_modules()
    assert {feed.TASK, subscribing.TASK} <= set(app.tasks)
