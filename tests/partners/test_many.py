"""Many words in one call: each is taken or refused by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from canonical.models import FulfilmentRequest
from retailsync.partners.desk import ACTIONS
from retailsync.partners.views.many import Action
from retailsync.sync.models import Message

from .conftest import Partner
from .test_desk import SHIP, at_once

Ask = Callable[..., FulfilmentRequest]


def word(reference: str, action: str, body: Any = None) -> dict[str, Any]:
    return {"reference": reference, "action": action, **({"body": body} if body is not None else {})}


def test_each_is_answered_by_itself_in_its_place(partner: Partner, other: Partner, ask: Ask) -> None:
    first, second, theirs = ask(partner, 1).reference, ask(partner, 2).reference, ask(other).reference
    items = [
        word(second, "accept"), word(first, "ship", SHIP), word(theirs, "accept"), word(second, "start"), word(first, "pack"),
        word(second, "reject", {"raison": "x"}), word("nothing", "pick"),
    ]  # fmt: skip
    answer = partner.post("bulk", {"items": items})
    said = answer.json()["items"]
    assert (answer.status_code, [i["status"] for i in said]) == (200, [202, 202, 404, 202, 409, 400, 404])
    assert [i["reference"] for i in said] == [i["reference"] for i in items]
    assert (said[3]["answer"]["execution"], said[4]["problem"]["execution"], said[5]["problem"]["code"]) == (
        "picking", "shipped", "unknown_field",
    )  # fmt: skip
    assert list(Message.objects.order_by("id").values_list("topic", flat=True)) == [
        "shipment.shipped", "request.accepted", "execution.picking",
    ]  # fmt: skip


def test_the_whole_call_is_repeated_with_its_key(partner: Partner, ask: Ask) -> None:
    body = {"items": [word(ask(partner).reference, "accept")]}
    answers = [partner.post("bulk", body, "k") for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert (answers[1]["Idempotency-Replayed"], Message.objects.count()) == ("true", 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [({"items": []}, "items"), ({"items": [{"reference": "F", "action": "fly"}]}, "items[0].action"), ({}, "items")],
)
def test_a_call_that_is_not_understood_is_refused_whole(partner: Partner, body: Any, field: str) -> None:
    answer = partner.post("bulk", body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_every_action_may_be_said_in_bulk() -> None:
    assert set(Action.__args__) == set(ACTIONS)  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_calls_about_the_same_requests_do_not_wait_for_each_other_in_a_circle(partner: Partner, ask: Ask) -> None:
    references = [ask(partner, n).reference for n in range(1, 9)]
    orders = [references, references[::-1]] * 4
    answers = at_once(
        8, lambda n: partner.post("bulk", {"items": [word(r, "accept", {"note": str(n)}) for r in orders[n]]})
    )
    taken = [item["reference"] for a in answers for item in a.json()["items"] if item["status"] == 202]
    assert sorted(taken) == sorted(references)
