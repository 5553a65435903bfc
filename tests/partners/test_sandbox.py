"""What is played in a sandbox takes the way of every order, and touches nothing that is real."""

from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from canonical.models import FulfilmentRequest, Offer, Order, Sourcing, StockLevel, System
from retailsync.partners import sandbox
from retailsync.partners.examples import EXAMPLES
from retailsync.partners.models import PartnerKey
from retailsync.partners.sandbox_models import Certification, SimulatedOrder
from retailsync.sync import stock
from retailsync.sync.models import Attempt, Case, Command, Message
from tests.journeys.stage import at_once, unexplained

from .conftest import Partner, make_partner
from .playing import Player, player
from .test_isolation import CALLS, Call

LINE = {"lines": [{"sku": "SBX-APPLE", "units": 2}]}


@pytest.fixture
def at_play(partner: Partner) -> Player:
    return player(partner)


def test_a_sandbox_is_made_once(partner: Partner) -> None:
    first, second = sandbox.ensure(partner.system), sandbox.ensure(partner.system)
    assert first == second == sandbox.ensure(first.twin)
    assert (first.twin.slug, first.twin.name, first.location.code, first.shop.slug) == (
        "w1-sbx", "w1 (sandbox)", "W1-SBX", "w1-sbx-shop",
    )  # fmt: skip
    assert {s.sandbox_of_id for s in (first.twin, first.shop)} == {partner.system.pk}


def test_two_partners_have_two(partner: Partner, other: Partner) -> None:
    one, two = player(partner), player(other)
    reference = one.buy(("SBX-APPLE", 1))
    assert two.get("fulfilment-requests").json()["items"] == []
    assert two.get(f"fulfilment-requests/{reference}").status_code == 404
    order = one.asked(one.one(reference)["order_reference"])["order_reference"]
    assert two.post("sandbox/simulate/cancellations", {"order": order}).status_code == 404


def test_an_order_is_played_and_asked_for(at_play: Player, partner: Partner) -> None:
    reference = at_play.buy(("SBX-APPLE", 2), ("SBX-SOAP", 1))
    seen = at_play.one(reference)
    assert (seen["location"], seen["state"], [(x["sku"], x["name"], x["units"]) for x in seen["lines"]]) == (
        "W1-SBX", "submitted", [("SBX-APPLE", "Apples, one bag", 2), ("SBX-SOAP", "Soap, one bar", 1)],
    )  # fmt: skip
    assert (seen["ship_to"]["first_name"], seen["ship_to"]["country"]) == ("Sam", "NL")
    assert partner.get("").json()["items"] == []  # a live key sees nothing of it
    assert at_play.get("events").json()["items"][0]["type"] == "fulfilment_request.created"


def test_it_is_shipped_and_its_shop_is_told_without_a_call(at_play: Player) -> None:
    reference = at_play.buy(("SBX-APPLE", 2))
    parcel = {"tracking_number": "T1", "lines": [{"sku": "SBX-APPLE", "units": 2}]}
    for verb, body in (("accept", {}), ("ship", {"shipment": "S1", "carrier": "DHL", "packages": [parcel]})):
        assert at_play.post(f"fulfilment-requests/{reference}/{verb}", body).status_code == 202
    at_play.settle()
    assert at_play.one(reference)["execution"] == "shipped"
    assert set(Command.objects.values_list("kind", "state")) == {
        (kind, "confirmed") for kind in ("RequestFulfilment", "SendTracking", "CompleteOrder")
    }
    assert (Attempt.objects.count(), Order.objects.get().stage, unexplained()) == (0, "completed", [])


@pytest.mark.parametrize(
    ("what", "more", "kind"),
    [
        ("cancellations", {}, "cancel"),
        ("holds", {}, "hold"),
        ("amendments", {"lines": [{"sku": "SBX-APPLE", "units": 1}]}, "amend"),
        ("addresses", {"ship_to": {"first_name": "Bea", "country": "AT"}}, "amend"),
    ],
)
def test_what_happens_to_an_order_is_asked_of_who_knows_it(
    at_play: Player, what: str, more: dict[str, Any], kind: str
) -> None:
    reference = at_play.buy(("SBX-APPLE", 2))
    at_play.post(f"fulfilment-requests/{reference}/accept")
    order = at_play.one(reference)["order_reference"]
    answer = at_play.post(f"sandbox/simulate/{what}", {"order": order, **more})
    assert (answer.status_code, answer.json()["order"]) == (202, order)
    at_play.settle()
    assert [(c["kind"], c["answer"]) for c in at_play.one(reference)["changes"]] == [(kind, "asked")]
    assert "changes/1/accept" in at_play.one(reference)["actions"]


def test_what_was_held_goes_on(at_play: Player) -> None:
    reference = at_play.buy(("SBX-APPLE", 2))
    order = {"order": at_play.one(reference)["order_reference"]}
    at_play.post(f"fulfilment-requests/{reference}/accept")
    at_play.post("sandbox/simulate/holds", order)
    at_play.settle()
    at_play.post(f"fulfilment-requests/{reference}/changes/1/accept")
    at_play.settle()
    assert at_play.one(reference)["actions"] == ["reject"]
    at_play.post("sandbox/simulate/resumes", order)
    at_play.settle()
    assert [(c["kind"], c["answer"]) for c in at_play.one(reference)["changes"]] == [
        ("hold", "accepted"),
        ("resume", "asked"),
    ]


def test_a_cancelled_order_stays_cancelled(at_play: Player) -> None:
    order = {"order": at_play.one(at_play.buy(("SBX-APPLE", 2)))["order_reference"]}
    assert at_play.post("sandbox/simulate/cancellations", order).json()["status"] == "cancelled"
    answer = at_play.post("sandbox/simulate/resumes", order)
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "wrong_state", "cancelled")


def test_one_key_is_one_order(at_play: Player) -> None:
    answers = [at_play.post("sandbox/simulate/orders", LINE, key="k").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert Message.objects.filter(topic="order").count() == 1


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("orders", {"lines": []}, "lines"),
        ("orders", {"lines": [{"sku": "A", "units": 1}]}, "lines[0].sku"),
        ("orders", {"lines": [{"sku": "SBX-APPLE", "units": 0}]}, "lines[0].units"),
        ("orders", {**LINE, "sku": "A"}, "sku"),
        ("cancellations", {}, "order"),
    ],
)
def test_what_cannot_be_played_is_named(at_play: Player, what: str, body: dict[str, Any], field: str) -> None:
    answer = at_play.post(f"sandbox/simulate/{what}", body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_a_live_key_finds_nothing_there(partner: Partner, at_play: Player) -> None:
    at_play.text = partner.text
    answers = [at_play.get("sandbox/certifications"), at_play.post("sandbox/simulate/orders", LINE)]
    answers += [at_play.post("sandbox/certifications"), at_play.get("sandbox/certifications/1")]
    assert [answer.status_code for answer in answers] == [404] * 4


def test_a_key_needs_the_scope(at_play: Player) -> None:
    _, at_play.text = PartnerKey.issue(at_play.sandbox.twin, "narrow", scopes=["requests:read"])
    answer = at_play.post("sandbox/simulate/orders", LINE)
    assert (answer.status_code, answer.json()["scope"]) == (403, "sandbox:write")


def test_nobody_is_asked_about_what_is_played(at_play: Player) -> None:
    """It was rejected by its only warehouse: of a real order, a person would be asked."""
    reference = at_play.buy(("SBX-APPLE", 2))
    at_play.post(f"fulfilment-requests/{reference}/reject", {"reason": "full"})
    at_play.settle()
    assert FulfilmentRequest.objects.get().answer == "rejected"
    assert (Case.objects.count(), Order.objects.get().stage) == (0, "on_hold")


def test_what_is_counted_there_is_kept_and_keeps_no_order_back(at_play: Player) -> None:
    """No figure of it is anybody else's, and nobody is asked to believe it."""
    for on_hand in (2, 2_000_000):
        count = {
            "location": "W1-SBX",
            "observed_at": timezone.now().isoformat(),
            "items": [{"sku": "SBX-PEAR", "on_hand": on_hand}],
        }
        assert at_play.post("inventory/levels", count).status_code == 202
        at_play.settle()
        at_play.buy(("SBX-PEAR", 5))
    assert list(StockLevel.objects.values_list("location__code", "on_hand")) == [("W1-SBX", 2_000_000)]
    assert set(Order.objects.values_list("stage", flat=True)) == {"released"}
    assert not Message.objects.exclude(state="done").exists() and not Case.objects.exists()


def test_what_is_played_with_is_sold_nowhere_else(at_play: Player, order: Order, other: Partner) -> None:
    """No real shop sells it, no figure of it is published, and no real demand is reckoned with it."""
    player(other).buy(("SBX-APPLE", 1))
    at_play.buy(("SBX-APPLE", 2))
    stock.drain()
    shops = set(Sourcing.objects.filter(sku__code__in=sandbox.GOODS).values_list("channel__sandbox_of", flat=True))
    assert shops == {at_play.sandbox.shop.sandbox_of_id, other.system.pk}
    assert not Offer.objects.filter(channel__sandbox_of=None, sku__code__in=sandbox.GOODS).exists()
    assert not Command.objects.filter(kind="PublishStock").exists()


@pytest.mark.parametrize("call", [call for call in CALLS if call.path.startswith("sandbox/")], ids=str)
def test_no_address_shows_or_moves_what_another_partner_plays(at_play: Player, other: Partner, call: Call) -> None:
    """Built from the table of addresses: their run in the address, their order in the body."""
    them = player(other)
    run = them.post("sandbox/certifications").json()
    order = run["scenarios"][0]["order"]
    before = list(SimulatedOrder.objects.filter(system=them.sandbox.twin).order_by("pk").values())
    path = call.path.replace("<int:number>", str(run["certification"]))
    shape = call.view.shapes.get(call.method)
    body = EXAMPLES[shape.__name__] if shape else {}
    named = "<" in call.path or "order" in body
    body = {**body, "order": order} if "order" in body else body
    answer = at_play.get(path) if call.method == "GET" else at_play.post(path, body)
    assert (answer.status_code == 404) == named
    assert [mark for mark in (order, them.sandbox.location.code) if mark in answer.content.decode()] == []
    assert list(SimulatedOrder.objects.filter(system=them.sandbox.twin).order_by("pk").values()) == before
    assert Certification.objects.get(system=them.sandbox.twin).state == "running"


# ---- at the same moment -----------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_whoever_opens_a_sandbox_at_the_same_moment_opens_the_same() -> None:
    system = make_partner("w1").system

    def opened() -> int:
        try:
            return sandbox.ensure(system).twin.pk
        finally:
            connections.close_all()

    assert len(set(at_once(4, opened))) == 1
    assert System.objects.filter(sandbox_of=system).count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_runs_begun_at_the_same_moment_one_begins() -> None:
    at_play = player(make_partner("w1"))

    def begun() -> int:
        try:
            return int(at_play.post("sandbox/certifications").status_code)
        finally:
            connections.close_all()

    assert at_once(4, begun) == [201, 409, 409, 409]
    assert Certification.objects.count() == 1


# ---- what comes back --------------------------------------------------------------------------------------------------------
def test_a_return_is_played_from_being_announced_to_being_restocked(at_play: Player) -> None:
    order = at_play.post("sandbox/simulate/orders", LINE).json()["order"]
    lines = [{"sku": "SBX-APPLE", "units": 2}, {"sku": "SBX-APPLE", "units": 1}]
    reference = at_play.post("sandbox/simulate/returns", {"lines": lines, "order": order}).json()["return"]
    seen = at_play.get(f"returns/{reference}").json()
    assert (seen["state"], seen["order_reference"], seen["lines"][0]["expected"]) == ("expected", order, 3)
    received = {"receipt": "R1", "lines": [{"sku": "SBX-APPLE", "units": 3}]}
    inspected = {
        "inspection": "I1", "lines": [{"sku": "SBX-APPLE", "units": 3, "condition": "new", "disposition": "restock"}],
    }  # fmt: skip
    assert at_play.post(f"returns/{reference}/receive", received).status_code == 202
    assert at_play.post(f"returns/{reference}/inspect", inspected).status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"lines": [{"sku": "REAL", "units": 1}]}, 400),
        ({"lines": []}, 400),
        ({"lines": [{"sku": "SBX-APPLE", "units": 1}], "order": "WEB-1"}, 404),
    ],
)
def test_only_what_is_played_comes_back(at_play: Player, body: Any, status: int) -> None:
    assert at_play.post("sandbox/simulate/returns", body).status_code == status


def test_what_is_not_done_that_way_is_said_to_a_live_key_too(partner: Partner) -> None:
    answer = Client().generic("TRACE", "/api/v1/sandbox/simulate/orders", headers=partner.headers())
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
