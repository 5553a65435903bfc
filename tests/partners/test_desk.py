"""What may be done is what the state allows, counting what was said and is not recorded yet."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from canonical.models import FulfilmentRequest, OrderLine, RequestLine
from retailsync.partners import desk
from retailsync.partners.models import Answered
from retailsync.sync import inbox
from retailsync.sync.models import Message

from .conftest import Partner, change

Ask = Callable[..., FulfilmentRequest]
SHIP = {"shipment": "S1", "packages": [{"tracking_number": "T1", "lines": [{"sku": "A", "units": 3}]}]}


def said(partner: Partner, reference: str, *words: tuple[str, Any]) -> list[int]:
    return [partner.post(f"{reference}/{action}", body).status_code for action, body in words]


def test_work_goes_forward_only(partner: Partner, ask: Ask) -> None:
    reference = ask(partner).reference
    answers = [
        partner.post(f"{reference}/{action}", body, f"k{n}")
        for n, (action, body) in enumerate(
            [
                ("accept", {}),
                ("accept", {}),
                ("pick", {}),
                ("start", {}),
                ("ship", SHIP),
                ("pack", {}),
                ("reject", {"reason": "no"}),
            ]
        )
    ]
    assert [a.status_code for a in answers] == [202, 409, 202, 409, 202, 409, 409]
    assert answers[2].json()["actions"] == ["reject", "pack", "short", "ship"]
    assert answers[5].json() == {
        "type": "/api/v1/docs/problems#wrong_state", "title": "Its state does not allow this now.", "status": 409,
        "detail": f"{reference} is shipped: it cannot be packed now.", "code": "wrong_state", "state": "accepted",
        "execution": "shipped", "held": False, "actions": [],
    }  # fmt: skip
    assert Message.objects.count() == 3


def test_what_was_said_and_is_not_recorded_yet_is_shown(partner: Partner, ask: Ask) -> None:
    request = ask(partner)
    said(partner, request.reference, ("accept", {}), ("short", {"lines": [{"sku": "A", "units": 1}]}))
    seen = partner.get(request.reference).json()
    assert (seen["state"], seen["execution"], seen["lines"][0]["short"]) == ("accepted", "open", 1)
    assert FulfilmentRequest.objects.get().answer == "submitted"


@pytest.mark.parametrize("parked", [False, True])
def test_what_waits_for_a_person_counts_too(partner: Partner, ask: Ask, parked: bool) -> None:
    reference = ask(partner).reference
    said(partner, reference, ("ship", SHIP))
    Message.objects.update(state="parked" if parked else "done")
    assert partner.get(reference).json()["execution"] == ("shipped" if parked else "open")


def test_units_of_a_sku_are_spread_over_its_lines(partner: Partner, ask: Ask) -> None:
    request = ask(partner)
    line = request.lines.get().line
    second = OrderLine.objects.create(
        order=request.order, external_id="2", sku=line.sku, sku_text="a", name="Apple", ordered=2, subtotal=10, total=10
    )
    RequestLine.objects.create(request=request, line=second, units=2)
    said(partner, request.reference, ("ship", {**SHIP, "packages": [{"lines": [{"sku": "A", "units": 4}]}]}))
    seen = partner.get(request.reference).json()
    assert ([item["shipped"] for item in seen["lines"]], seen["execution"]) == ([3, 1], "part_shipped")


def test_a_part_may_be_declined(partner: Partner, ask: Ask) -> None:
    request = ask(partner)
    answer = partner.post(
        f"{request.reference}/accept", {"declined": [{"sku": "A", "units": 1}], "note": "One is broken."}
    )
    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    inbox.drain(partner.system.pk)
    request.refresh_from_db()
    assert (request.answer, request.short_reason, request.lines.get().short) == ("accepted", "One is broken.", 1)


@pytest.mark.parametrize(
    ("lines", "status", "about"),
    [
        ([{"line": "999999", "units": 1}], 422, "packages[0].lines[0].line"),
        ([{"sku": "ZZZ", "units": 1}], 422, "packages[0].lines[0].sku"),
        ([{"sku": "A", "units": 3}, {"sku": "ZZZ", "units": 1}], 202, "ZZZ is not on this request."),
        ([{"sku": "A", "units": 5}], 202, "2 more of line"),
    ],
)
def test_what_is_not_on_the_request_is_refused_or_remarked(
    partner: Partner, ask: Ask, lines: Any, status: int, about: str
) -> None:
    answer = partner.post(f"{ask(partner).reference}/ship", {"shipment": "S1", "packages": [{"lines": lines}]})
    words = answer.json().get("field") or answer.json()["warnings"][0]
    assert (answer.status_code, about in words) == (status, True)


def test_a_hold_that_was_accepted_keeps_it_until_it_is_resumed(partner: Partner, ask: Ask) -> None:
    request = change(ask(partner, answer="accepted"), kind="hold").request
    path = request.reference
    assert partner.get(path).json()["actions"][-2:] == ["changes/1/accept", "changes/1/reject"]
    assert said(partner, path, ("changes/1/accept", {}), ("ship", SHIP), ("changes/1/reject", {"reason": "no"})) == [
        202,
        409,
        409,
    ]
    inbox.drain(partner.system.pk)
    change(request, 2, kind="resume")
    assert said(partner, path, ("changes/2/accept", {}), ("ship", SHIP)) == [202, 202]


def test_what_left_after_a_cancellation_is_told_as_a_correction(partner: Partner, ask: Ask) -> None:
    request = change(ask(partner, answer="accepted"), kind="cancel").request
    path = request.reference
    refused = said(partner, path, ("changes/1/accept", {}), ("ship", SHIP))
    answer = partner.post(f"{path}/corrections", {**SHIP, "reason": "It was on the van."})
    assert (refused, answer.status_code) == ([202, 409], 202)
    assert partner.get(path).json()["state"] == "closed"
    inbox.drain(partner.system.pk)
    assert request.order.shipments.get().external_id == "S1"


def test_a_change_that_was_overtaken_may_still_be_answered(partner: Partner, ask: Ask) -> None:
    request = change(ask(partner, answer="accepted"), kind="cancel", answer="moot").request
    assert said(partner, request.reference, ("changes/1/reject", {"reason": "late"})) == [202]


def test_who_shipped_everything_cannot_agree_to_a_cancellation(partner: Partner, ask: Ask) -> None:
    request = change(ask(partner, answer="accepted"), kind="cancel").request
    path = request.reference
    assert said(partner, path, ("ship", SHIP), ("changes/1/accept", {}), ("changes/1/reject", {"reason": "left"})) == [
        202,
        409,
        202,
    ]


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """The answers of so many calls that begin together, each on a connection of its own."""
    answers: list[Any] = []
    gate = threading.Barrier(count)

    def run(n: int) -> None:
        gate.wait()
        try:
            answers.append(call(n))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_fifty_equal_calls_with_one_key_are_one_shipment(partner: Partner, ask: Ask) -> None:
    request = ask(partner)
    answers = at_once(50, lambda _: partner.post(f"{request.reference}/ship", SHIP, "one-key"))
    taken = [a for a in answers if a.status_code == 202]
    busy = [a.json()["code"] for a in answers if a.status_code != 202]
    assert len(taken) >= 1
    assert set(busy) <= {"in_progress"}
    assert len({a.content for a in taken}) == 1
    assert sorted("Idempotency-Replayed" in a.headers for a in taken) == [False] + [True] * (len(taken) - 1)
    assert (Message.objects.count(), Answered.objects.count()) == (1, 1)
    inbox.drain(partner.system.pk)
    assert [s.external_id for s in request.order.shipments.all()] == ["S1"]
    late = partner.post(f"{request.reference}/ship", SHIP, "one-key")
    assert (late.status_code, late.content, late["Idempotency-Replayed"]) == (202, taken[0].content, "true")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("while_recording", [False, True])
def test_fifty_calls_with_keys_of_their_own_are_one_shipment_and_49_clear_refusals(
    partner: Partner, ask: Ask, while_recording: bool
) -> None:
    request = ask(partner)
    over = threading.Event()

    def record() -> None:
        while not over.is_set():
            inbox.drain(partner.system.pk)
        connection.close()

    recorder = threading.Thread(target=record)
    if while_recording:
        recorder.start()
    answers = at_once(
        50, lambda n: partner.post(f"{request.reference}/ship", {**SHIP, "shipment": f"S{n}"}, f"key-{n}")
    )
    over.set()
    if while_recording:
        recorder.join()
    inbox.drain(partner.system.pk)
    assert sorted(a.status_code for a in answers) == [202] + [409] * 49
    assert {(a.json()["code"], a.json()["execution"]) for a in answers if a.status_code == 409} == {
        ("wrong_state", "shipped")
    }
    assert (Message.objects.count(), request.order.shipments.count()) == (1, 1)


def test_folding_a_word_twice_changes_nothing(partner: Partner, ask: Ask) -> None:
    """However far the recording is: a word may be seen where it was stored and where it was recorded."""
    request = ask(partner)
    said(
        partner,
        request.reference,
        ("accept", {}),
        ("short", {"lines": [{"sku": "A", "units": 1}]}),
        ("ship", {**SHIP, "packages": [{"lines": [{"sku": "A", "units": 1}]}]}),
    )
    stored = desk.standings(partner.system.pk, [request.reference])[request.reference]
    inbox.drain(partner.system.pk)
    recorded = desk.standings(partner.system.pk, [request.reference])[request.reference]
    Message.objects.update(state="parked")
    both = desk.standings(partner.system.pk, [request.reference])[request.reference]
    assert stored == recorded == both
