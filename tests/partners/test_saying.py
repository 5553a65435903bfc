"""What a warehouse says is checked for its shape, stored for good, and answered. Nothing else happens at the door."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.test import Client

from canonical.models import FulfilmentRequest
from connectors.base import Envelope
from connectors.partner import connector
from retailsync.partners.desk import ACTIONS
from retailsync.partners.problems import CODES
from retailsync.partners.urls import SAID_OF_CHANGE
from retailsync.sync.models import Message

from .conftest import Partner, change

PARCEL = {"tracking_number": "T1", "lines": [{"sku": "A", "units": 1}]}
BODIES: dict[str, Any] = {
    "reject": {"reason": "full"},
    "short": {"lines": [{"sku": "A", "units": 1}]},
    "ship": {"shipment": "S1", "carrier": "DHL", "packages": [PARCEL]},
}
Ask = Callable[..., FulfilmentRequest]


def stored(partner: Partner) -> list[tuple[str, str, Any]]:
    rows = Message.objects.filter(system=partner.system).order_by("id")
    return [(row.door, row.topic, msgspec.json.decode(bytes(row.body))) for row in rows]


@pytest.mark.parametrize("action", ACTIONS)
def test_everything_said_is_stored_as_a_message_that_can_be_read(partner: Partner, ask: Ask, action: str) -> None:
    reference = ask(partner).reference
    answer = partner.post(f"{reference}/{action}", BODIES.get(action, {"occurred_at": "2026-05-01T12:00:00Z"}))
    assert (answer.status_code, answer.json()["received"], answer.json()["duplicate"]) == (202, True, False)
    row = Message.objects.get()
    assert (row.system_id, row.door, row.topic, row.about) == (partner.system.id, "partner", ACTIONS[action], reference)
    (fact,) = connector.reads[row.topic](Envelope(row.topic, bytes(row.body), row.received_at, None))
    assert fact.request == reference  # type: ignore[attr-defined]


def test_the_message_is_canonical(partner: Partner, ask: Ask) -> None:
    reference = ask(partner).reference
    partner.post(
        f"{reference}/ship",
        b' { "packages": [{"lines": [{"units":1, "sku":"A"}]}], "shipment":"S1", "carrier": "" } ',
    )
    assert bytes(Message.objects.get().body) == (
        b'{"request":"%b","shipment":"S1","packages":[{"lines":[{"units":1,"sku":"A"}]}]}' % reference.encode()
    )


def test_what_is_not_the_callers_is_as_unknown_as_what_never_was(partner: Partner, other: Partner, ask: Ask) -> None:
    unsent = ask(partner, answer="unsubmitted")
    answers = [partner.post(f"{ref}/accept") for ref in ("never-heard-of", ask(other).reference, unsent.reference)]
    assert {(a.status_code, a.content) for a in answers} == {(404, answers[0].content)}
    assert not Message.objects.exists()


@pytest.mark.parametrize("key", ["", "k1"])
def test_the_same_delivery_twice_is_one_message(partner: Partner, ask: Ask, key: str) -> None:
    reference = ask(partner).reference
    answers = [partner.post(f"{reference}/reject", {"reason": "full"}, key) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[1].headers.get("Idempotency-Replayed") == ("true" if key else None)
    assert stored(partner) == [("partner", "request.rejected", {"request": reference, "reason": "full"})]


def test_other_words_or_another_request_are_other_messages(partner: Partner, other: Partner, ask: Ask) -> None:
    first, second, theirs = ask(partner).reference, ask(partner, 2).reference, ask(other).reference
    said = [
        partner.post(f"{first}/start"),
        partner.post(f"{first}/pick", key="k1"),
        partner.post(f"{first}/short", BODIES["short"], "k2"),
        partner.post(f"{second}/reject", {"reason": "full"}),
        other.post(f"{theirs}/reject", {"reason": "full"}, "k1"),
    ]
    assert [a.json()["duplicate"] for a in said] == [False] * 5


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/reject", {}, "reason", "is missing"),
        ("/accept", {"refrence": 1}, "refrence", "is not a field of this message"),
        ("/short", {"lines": [{"units": 0, "sku": "A"}]}, "lines[0].units", "must be at least 1"),
        ("/accept", {"request": "F-2"}, "request", "names another request than the address"),
        ("/accept", b"[]", "", "must be an object, not a list"),
        ("/accept", b"\xff", "", "The message is not valid JSON (byte 0)."),
        ("x" * 141 + "/accept", {}, "reference", "must have at most 140 characters and no NUL"),
        ("%00/accept", {}, "reference", "must have at most 140 characters and no NUL"),
    ],
)
def test_a_wrong_shape_is_a_problem_with_its_field(
    partner: Partner, ask: Ask, path: str, body: Any, field: str, words: str
) -> None:
    answer = partner.post(ask(partner).reference + path, body)
    code = "unknown_field" if words.startswith("is not a field") else "invalid"
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json() == {
        "type": f"/api/v1/docs/problems#{code}", "title": CODES[code].title, "status": 400, "code": code,
        "detail": f"{field}: {words}" if field else words, **({"field": field} if field else {}),
    }  # fmt: skip
    assert not Message.objects.exists()


# ---- answers to changes -----------------------------------------------------------------------------------------------------
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
    request = change(ask(partner), 1, answer="moot").request
    change(request, 2)
    answers = [partner.post(f"{request.reference}/changes/{n}/accept", {}, f"k{n}").json() for n in (1, 2)]
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
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, field, f"{field}: {words}")
    assert not Message.objects.exists()


def test_too_much_is_a_problem(partner: Partner) -> None:
    answer = partner.post("F-1/accept", b'{"note":"' + b"x" * 1_000_000 + b'"}')
    assert (answer.status_code, answer["Content-Type"], answer.json()["detail"]) == (
        413, "application/problem+json", "The message is larger than 1,000,000 bytes.",
    )  # fmt: skip


def test_a_message_of_unknown_length_is_not_taken_for_an_empty_one(partner: Partner) -> None:
    """Chunked, without a length: it was read as nothing and stored as "accepted"."""
    headers = {**partner.headers(), "Transfer-Encoding": "chunked"}
    answer = Client().generic("POST", "/api/v1/fulfilment-requests/F-1/accept", b"", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (411, "The message has no Content-Length.")
    assert not Message.objects.exists()
