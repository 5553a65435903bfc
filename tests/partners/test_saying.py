"""What a warehouse says is checked for its shape, stored for good, and answered. Nothing else happens at the door."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test import Client

from canonical.models import FulfilmentRequest
from connectors.base import Envelope
from connectors.partner import connector
from retailsync.partners.urls import SAID, SAID_OF_CHANGE
from retailsync.sync.models import Message

from .conftest import Partner, change, make_partner

PARCEL = {"tracking_number": "T1", "lines": [{"sku": "A", "units": 1}]}
BODIES: dict[str, Any] = {
    "reject": {"reason": "full"},
    "short": {"lines": [{"line": "1", "units": 1}]},
    "shipments": {"shipment": "S1", "carrier": "DHL", "packages": [PARCEL]},
}


def stored(partner: Partner) -> list[tuple[str, str, Any]]:
    rows = Message.objects.filter(system=partner.system).order_by("id")
    return [(row.door, row.topic, msgspec.json.decode(bytes(row.body))) for row in rows]


@pytest.mark.parametrize("verb", SAID)
def test_everything_said_is_stored_as_a_message_that_can_be_read(partner: Partner, verb: str) -> None:
    answer = partner.post(f"F-1/{verb}", BODIES.get(verb, {"occurred_at": "2026-05-01T12:00:00Z"}))
    assert (answer.status_code, answer.json()) == (202, {"received": True, "duplicate": False})
    row = Message.objects.get()
    assert (row.system_id, row.door, row.topic) == (partner.system.id, "partner", SAID[verb])
    (fact,) = connector.reads[row.topic](Envelope(row.topic, bytes(row.body), row.received_at, None))
    assert fact.request == "F-1"  # type: ignore[attr-defined]


def test_the_message_is_canonical(partner: Partner) -> None:
    partner.post(
        "F-1/shipments", b' { "packages": [{"lines": [{"units":1, "sku":"A"}]}], "shipment":"S1", "carrier": "" } '
    )
    assert bytes(Message.objects.get().body) == (
        b'{"request":"F-1","shipment":"S1","packages":[{"lines":[{"units":1,"sku":"A"}]}]}'
    )


def test_an_unknown_reference_is_taken_like_any_other(
    partner: Partner, other: Partner, ask: Callable[..., FulfilmentRequest]
) -> None:
    theirs = ask(other)
    answers = [partner.post(f"{ref}/accept") for ref in ("never-heard-of", theirs.reference)]
    assert [(a.status_code, a.json()) for a in answers] == [(202, {"received": True, "duplicate": False})] * 2
    assert not Message.objects.filter(system=other.system).exists()


@pytest.mark.parametrize("key", ["", "k1"])
def test_the_same_delivery_twice_is_one_message(partner: Partner, key: str) -> None:
    answers = [partner.post("F-1/reject", {"reason": "full"}, key).json()["duplicate"] for _ in range(2)]
    assert (answers, stored(partner)) == (
        [False, True],
        [("partner", "request.rejected", {"request": "F-1", "reason": "full"})],
    )


def test_other_words_other_keys_or_another_partner_are_other_messages(partner: Partner, other: Partner) -> None:
    said = [
        partner.post("F-1/reject", {"reason": "full"}),
        partner.post("F-1/reject", {"reason": "fire"}),
        partner.post("F-2/reject", {"reason": "full"}),
        partner.post("F-1/reject", {"reason": "full"}, "k1"),
        partner.post("F-1/reject", {"reason": "fire"}, "k1"),
        partner.post("F-2/reject", {"reason": "fire"}, "k1"),
        partner.post("F-1/reject", {"reason": "full"}, "k2"),
        other.post("F-1/reject", {"reason": "full"}),
        partner.post("F-1/picking"),
        partner.post("F-1/picked"),
    ]
    assert [a.json()["duplicate"] for a in said] == [False] * 10


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_are_one_message() -> None:
    partner, answers = make_partner("w1"), []

    def post() -> None:
        answers.append(partner.post("F-1/accept", {}, "k1").json()["duplicate"])
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(answers), Message.objects.count()) == ([False] + [True] * 9, 1)


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("F-1/reject", {}, "reason", "is missing"),
        ("F-1/accept", {"refrence": 1}, "refrence", "is not a field of this message"),
        ("F-1/short", {"lines": [{"units": 0, "sku": "A"}]}, "lines[0].units", "must be at least 1"),
        ("F-1/accept", {"request": "F-2"}, "request", "names another request than the address"),
        ("F-1/accept", b"[]", "", "must be an object, not a list"),
        ("F-1/accept", b"\xff", "", "The message is not valid JSON (byte 0)."),
        ("x" * 141 + "/accept", {}, "reference", "must have at most 140 characters and no NUL"),
        ("F%00/accept", {}, "reference", "must have at most 140 characters and no NUL"),
    ],
)
def test_a_wrong_shape_is_a_problem_with_its_field(
    partner: Partner, path: str, body: Any, field: str, words: str
) -> None:
    answer = partner.post(path, body)
    problem = {"type": "about:blank", "title": "The message is not understood.", "status": 400, "detail": words}
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json() == (problem | {"field": field} if field else problem)
    assert not Message.objects.exists()


# ---- answers to changes -----------------------------------------------------------------------------------------------------
Ask = Callable[..., FulfilmentRequest]


@pytest.mark.parametrize("verb", SAID_OF_CHANGE)
def test_the_answer_to_a_change_is_stored_with_what_it_answers(partner: Partner, ask: Ask, verb: str) -> None:
    request = change(ask(partner), 1).request
    body = {"reason": "packed", "occurred_at": "2026-05-01T12:00:00Z"}
    answers = [partner.post(f"{request.reference}/changes/1/{verb}", body).json() for _ in range(2)]
    assert [a["duplicate"] for a in answers] == [False, True]
    assert stored(partner) == [("partner", SAID_OF_CHANGE[verb], {"request": request.reference, "change": 1, **body})]
    row = Message.objects.get()
    (fact,) = connector.reads[row.topic](Envelope(row.topic, bytes(row.body), row.received_at, None))
    assert (fact.request, fact.number, fact.answer) == (request.reference, 1, f"{verb}ed")  # type: ignore[attr-defined]


def test_answers_to_two_changes_are_two_messages(partner: Partner, ask: Ask) -> None:
    request = change(ask(partner), 1, answer="rejected").request
    change(request, 2)
    answers = [partner.post(f"{request.reference}/changes/{n}/accept", {}, "k1").json() for n in (1, 2)]
    assert [a["duplicate"] for a in answers] == [False, False]


def test_a_change_nobody_asked_this_partner_for_is_not_there(partner: Partner, other: Partner, ask: Ask) -> None:
    own, theirs = change(ask(partner)).request, change(ask(other)).request
    paths = [f"{own.reference}/changes/{n}" for n in (0, 2, 10**30)] + [
        f"{theirs.reference}/changes/1",
        "F-9/changes/1",
    ]
    answers = [partner.post(f"{path}/accept") for path in paths]
    assert {(a.status_code, a["Content-Type"], a.json()["detail"]) for a in answers} == {
        (404, "application/problem+json", "There is nothing here by that reference.")
    }
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("verb", "body", "field", "words"),
    [
        ("reject", {}, "reason", "is missing"),
        ("accept", {"note": "yes"}, "note", "is not a field of this message"),
        ("accept", {"change": 2}, "change", "names another change than the address"),
        ("accept", {"request": "F-2"}, "request", "names another request than the address"),
    ],
)
def test_a_wrong_answer_to_a_change_is_a_problem(
    partner: Partner, ask: Ask, verb: str, body: Any, field: str, words: str
) -> None:
    request = change(ask(partner)).request
    answer = partner.post(f"{request.reference}/changes/1/{verb}", body)
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, field, words)
    assert not Message.objects.exists()


def test_too_much_is_a_problem(partner: Partner) -> None:
    answer = partner.post("F-1/accept", b'{"note":"' + b"x" * 1_000_000 + b'"}')
    assert (answer.status_code, answer["Content-Type"], answer.json()["detail"]) == (
        413, "application/problem+json", "The message is too large.",
    )  # fmt: skip


def test_a_message_of_unknown_length_is_not_taken_for_an_empty_one(partner: Partner) -> None:
    """Chunked, without a length: it was read as nothing and stored as "accepted"."""
    headers = {**partner.headers(), "Transfer-Encoding": "chunked"}
    answer = Client().generic("POST", "/api/v1/fulfilment-requests/F-1/accept", b"", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (411, "Send the message with a Content-Length.")
    assert not Message.objects.exists()
