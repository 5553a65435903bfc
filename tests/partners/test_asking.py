"""What a warehouse sees: its own requests, whole, in order, page by page; nothing of anybody else's."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from canonical.models import Address, FulfilmentRequest, Package, PackageLine, Shipment
from retailsync.sync.models import Command

from .conftest import AT, ROOT, Partner, change

Ask = Callable[..., FulfilmentRequest]


def outline(request: FulfilmentRequest) -> dict[str, Any]:
    return {
        "reference": request.reference,
        "order_reference": "WEB-1",
        "location": request.location.code,
        "purpose": "original",
        "state": "submitted",
        "execution": "open",
        "held": False,
        "reason": "",
        "partner_reference": "",
        "requested_at": "2026-05-01T12:00:00Z",
        "answered_at": None,
        "lines": [
            {
                "line": str(request.lines.get().line_id),
                "sku": "A",
                "name": "Apple",
                "gtin": "",
                "units": 3,
                "short": 0,
                "shipped": 0,
            }
        ],
        "changes": [],
        "shipments": [],
        "actions": ["accept", "reject", "start", "pick", "pack", "short", "ship"],
    }


def test_a_partner_sees_its_own_requests_only(partner: Partner, other: Partner, ask: Ask) -> None:
    own, _ = ask(partner, answer="submitted"), ask(other)
    assert partner.get("").json() == {"items": [outline(own)], "next": None}


def test_one_request_says_where_it_goes(partner: Partner, ask: Ask) -> None:
    own = ask(partner, answer="submitted")
    ship_to = dict.fromkeys(
        (
            "first_name",
            "last_name",
            "company",
            "line1",
            "line2",
            "postcode",
            "city",
            "state",
            "country",
            "phone",
            "email",
        ),
        "",
    )
    assert partner.get(f"{own.reference}").json() == outline(own) | {
        "ship_to": ship_to | {"first_name": "Ada", "country": "DE"},
        **dict.fromkeys(("shipping_method", "carrier", "service", "note"), ""),
    }


def test_one_request_says_how_it_goes_as_was_agreed_last(partner: Partner, ask: Ask) -> None:
    own = ask(partner, answer="accepted")
    amended = change(own, 1, kind="amend", answer="accepted")
    refused = change(own, 2, kind="amend", answer="rejected")
    for purpose, carrier in (
        (f"fulfilment_request:{own.pk}", "DHL"),
        (f"request_change:{amended.pk}", "UPS"),
        (f"request_change:{refused.pk}", "GLS"),
    ):
        Command.objects.create(
            system=partner.system, kind="x", subject_kind="x", subject_key=purpose, purpose=purpose, payload={"carrier": carrier},
            cause_kind="x", cause_id=1,
        )  # fmt: skip
    assert partner.get(own.reference).json()["carrier"] == "UPS"


def test_what_was_asked_to_be_changed_is_shown_with_its_answers(partner: Partner, ask: Ask) -> None:
    own = ask(partner, answer="accepted", held=True, purpose="reship")
    line = own.lines.get().line_id
    change(own, 2, kind="hold")
    change(own, 1, kind="amend", lines={line: 2}, answer="accepted", answered_at=AT)
    seen = partner.get(f"{own.reference}").json()
    assert (seen["held"], seen["purpose"], seen["changes"]) == (
        True,
        "reship",
        [
            {
                "number": 1, "kind": "amend", "answer": "accepted", "lines": [{"line": str(line), "units": 2}],
                "asked_at": "2026-05-01T12:00:00Z", "answered_at": "2026-05-01T12:00:00Z",
            },
            {
                "number": 2, "kind": "hold", "answer": "asked", "lines": [],
                "asked_at": "2026-05-01T12:00:00Z", "answered_at": None,
            },
        ],
    )  # fmt: skip
    assert partner.get("").json()["items"][0]["changes"] == seen["changes"]


def test_a_request_goes_where_it_was_asked_to_go(partner: Partner, ask: Ask) -> None:
    """Not where the order goes by now: the warehouse has not agreed to that yet."""
    own = ask(partner)
    own.ship_to = Address.objects.create(
        customer=own.order.customer, digest=b"2", content={"first_name": "Bea", "country": "AT"}
    )
    own.save()
    seen = partner.get(f"{own.reference}").json()["ship_to"]
    assert (seen["first_name"], seen["country"]) == ("Bea", "AT")


def test_another_partners_request_is_as_unknown_as_none(partner: Partner, other: Partner, ask: Ask) -> None:
    theirs, none = partner.get(f"{ask(other).reference}"), partner.get("nothing")
    assert (theirs.status_code, theirs.content, theirs["Content-Type"]) == (
        404,
        none.content,
        "application/problem+json",
    )


def test_pages_follow_each_other(partner: Partner, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:

    raised = [ask(partner, number).reference for number in range(1, 6)]
    seen: list[list[str]] = []
    after = ""
    while after is not None:
        page = partner.get("", limit="2", **({"after": after} if after else {})).json()
        seen.append([item["reference"] for item in page["items"]])
        after = page["next"]
    assert seen == [raised[:2], raised[2:4], raised[4:]]


def test_a_state_selects(partner: Partner, ask: Ask) -> None:
    ask(partner, 1, answer="accepted")
    wanted = ask(partner, 2, answer="submitted")
    assert [item["reference"] for item in partner.get("", state="submitted").json()["items"]] == [wanted.reference]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "lost"),
        ("after", "nothing"),
        ("after", "\x00"),
        ("limit", "0"),
        ("limit", ""),
        ("since", ""),
        ("stat", "x"),
    ],
)
def test_a_senseless_question_is_a_problem(partner: Partner, field: str, value: str) -> None:
    answer = partner.get("", **{field: value})
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize("count", [1, 3])
def test_a_page_costs_the_same_queries_whatever_it_holds(
    partner: Partner, ask: Ask, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(1, count + 1):
        request = change(ask(partner, number), 1, kind="hold").request
        shipment = Shipment.objects.create(
            system=partner.system,
            external_id=f"S{number}",
            order=request.order,
            request=request,
            shipped_at=AT,
            digest=b"",
        )
        package = Package.objects.create(shipment=shipment, position=1)
        PackageLine.objects.create(package=package, line=request.lines.get().line, units=1)
    partner.get("nothing")  # the key is known from here on
    with django_assert_num_queries(7):
        partner.get("")


def test_only_what_is_offered_is_answered(partner: Partner) -> None:
    answer = Client().delete(ROOT, headers=partner.headers())
    assert (answer.status_code, answer["Content-Type"], answer["Allow"]) == (
        405,
        "application/problem+json",
        "GET, HEAD, OPTIONS",
    )


def test_what_was_answered_just_now_is_not_listed_as_unanswered(partner: Partner, ask: Ask) -> None:
    """A partner reads what it wrote, though it is not recorded yet."""
    first, second = ask(partner).reference, ask(partner, 2).reference
    partner.post(f"{first}/accept", {})
    assert [item["reference"] for item in partner.get("", state="submitted").json()["items"]] == [second]
