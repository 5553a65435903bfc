"""What a partner might send by mistake or on purpose, and what it must not get by it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from canonical import sql
from canonical.ledger import Cause, Written
from canonical.models import FulfilmentRequest, Order, OrderLine
from retailsync.partners import desk, dock, feed
from retailsync.partners.models import PartnerKey
from retailsync.sync import inbox
from retailsync.sync.models import Command

from .conftest import ROOT, Partner, change, left_for
from .test_desk import SHIP, at_once

Ask = Callable[..., FulfilmentRequest]


# ---- what is said counts as it is answered ----------------------------------------------------------------------------------
@pytest.fixture
def two_lines(order: Order) -> list[str]:
    """The order's two lines of one SKU, 3 and 2 units."""
    line = order.lines.get()
    second = OrderLine.objects.create(
        order=order, external_id="2", sku=line.sku, sku_text="a", name="Apple", ordered=2, subtotal=10, total=10
    )
    return [str(line.pk), str(second.pk)]


@pytest.mark.parametrize("recorded", [False, True])
def test_units_missing_of_a_sku_may_be_said_again(
    partner: Partner, two_lines: list[str], ask: Ask, recorded: bool
) -> None:
    reference = ask(partner).reference
    for key in ("k1", "k2"):
        partner.post(f"{reference}/short", {"lines": [{"sku": "A", "units": 3}]}, key)
        if recorded:
            inbox.drain(partner.system.pk)
    assert [line["short"] for line in partner.get(reference).json()["lines"]] == [3, 0]


@pytest.mark.parametrize("recorded", [False, True])
def test_too_many_of_one_line_do_not_make_up_for_another(
    partner: Partner, two_lines: list[str], ask: Ask, recorded: bool
) -> None:
    reference = ask(partner).reference
    partner.post(f"{reference}/ship", {**SHIP, "packages": [{"lines": [{"line": two_lines[0], "units": 5}]}]})
    if recorded:
        inbox.drain(partner.system.pk)
    seen = partner.get(reference).json()
    assert (seen["execution"], "ship" in seen["actions"]) == ("part_shipped", True)


def test_words_of_one_batch_count_in_their_order(partner: Partner, two_lines: list[str], ask: Ask) -> None:
    """Missing units said after a shipment are of what did not leave, also where both are recorded together."""
    reference = ask(partner).reference
    partner.post(f"{reference}/ship", SHIP)
    partner.post(f"{reference}/short", {"lines": [{"sku": "A", "units": 2}]})
    inbox.drain(partner.system.pk)
    seen = partner.get(reference).json()
    assert ([line["short"] for line in seen["lines"]], seen["execution"]) == ([0, 2], "shipped")


# ---- what would not count is refused ----------------------------------------------------------------------------------------
def minutes_ago(count: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=count)).isoformat()


@pytest.mark.parametrize("recorded", [False, True])
def test_an_answer_that_would_not_count_is_refused(partner: Partner, ask: Ask, recorded: bool) -> None:
    """The later answer by the partner's clock stands: a rejection dated before the acceptance would be lost in silence."""
    request = ask(partner)
    partner.post(f"{request.reference}/accept", {"occurred_at": minutes_ago(5)})
    if recorded:
        inbox.drain(partner.system.pk)
    late = partner.post(f"{request.reference}/reject", {"reason": "full", "occurred_at": minutes_ago(9)})
    assert (late.status_code, late.json()["field"]) == (400, "occurred_at")
    assert partner.post(f"{request.reference}/reject", {"reason": "full"}).status_code == 202
    inbox.drain(partner.system.pk)
    request.refresh_from_db()
    assert request.answer == "rejected"


@pytest.mark.parametrize("recorded", [False, True])
def test_a_shipment_has_an_id_of_its_own(partner: Partner, ask: Ask, recorded: bool) -> None:
    first, second = ask(partner).reference, ask(partner, 2).reference
    part = {"shipment": 'No "1"', "packages": [{"lines": [{"sku": "A", "units": 1}]}]}
    assert partner.post(f"{first}/ship", part, "k1").status_code == 202
    if recorded:
        inbox.drain(partner.system.pk)
    again = partner.post(f"{first}/ship", {**part, "carrier": "DHL"}, "k2")
    elsewhere = partner.post(f"{second}/ship", part, "k3")
    assert [(a.status_code, a.json()["code"]) for a in (again, elsewhere)] == [(409, "shipment_known")] * 2
    assert first in elsewhere.json()["detail"]
    assert partner.post(f"{second}/ship", {**part, "shipment": 'No "'}).status_code == 202
    assert partner.post(f"{first}/corrections", {**part, "reason": "two"}).status_code == 202


def test_another_partners_shipments_are_none_of_its_business(partner: Partner, other: Partner, ask: Ask) -> None:
    partner.post(f"{ask(partner).reference}/ship", SHIP)
    assert other.post(f"{ask(other).reference}/ship", SHIP).status_code == 202


# ---- what never left is nothing a partner may see ---------------------------------------------------------------------------
@pytest.mark.parametrize("put_out", [False, True])
def test_a_request_that_was_ended_before_it_left_is_not_seen(partner: Partner, ask: Ask, put_out: bool) -> None:
    request = change(ask(partner, answer="closed", execution="cancelled"), answer="accepted").request
    if put_out:
        left_for(partner, request, state="superseded")
    said = [Written("request_change", request.changes.get().pk, "accepted", request.order_id, Cause("action", 1))]
    feed.follow(said)
    assert (partner.get(request.reference).status_code, partner.get("").json()["items"]) == (404, [])
    assert desk.standings(partner.system.pk, [request.reference]) == {}
    assert feed.after(partner.system.pk, 0, 10) == []
    Command.objects.all().delete()
    left_for(partner, request, state="superseded", sent_at=datetime.now(UTC))
    feed.follow(said)
    assert (partner.get(request.reference).status_code, len(feed.after(partner.system.pk, 0, 10))) == (200, 1)


# ---- nobody harms another ---------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_another_partners_call(partner: Partner, other: Partner, ask: Ask) -> None:
    reference = ask(partner).reference
    with transaction.atomic():
        desk.take(partner.system.pk, reference)

        def ask_of_it(_: int) -> Any:
            sql.fetch("SET statement_timeout = '2s'")
            return other.post(f"{reference}/accept", {})

        (answer,) = at_once(1, ask_of_it)
    assert answer.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_another_partners_report_of_what_arrives(partner: Partner, other: Partner) -> None:
    report = {"receipt": "R1", "lines": [{"sku": "A", "units": 1}]}
    with transaction.atomic():
        dock.returned(partner.system.pk, "RETURN-1")

        def report_it(_: int) -> Any:
            sql.fetch("SET statement_timeout = '2s'")
            return Client().post(
                "/api/v1/returns/RETURN-1/receive", report, content_type="application/json", headers=other.headers()
            )

        (answer,) = at_once(1, report_it)
    assert answer.status_code == 404


def test_what_a_key_may_not_do_counts_as_a_call(partner: Partner) -> None:
    _, narrow = PartnerKey.issue(partner.system, "narrow", scopes=["events:read"])
    first, second = (Client().get(ROOT, headers={"Authorization": f"Bearer {narrow}"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (403, 403)
    assert int(first["RateLimit-Remaining"]) - int(second["RateLimit-Remaining"]) in (1, -1199)
    one, two = partner.get(""), partner.get("")
    assert int(one["RateLimit-Remaining"]) - int(two["RateLimit-Remaining"]) in (1, -1199)


# ---- odd messages -----------------------------------------------------------------------------------------------------------
def send(partner: Partner, path: str, raw: bytes, kind: str = "application/json", **extra: str) -> Any:
    client = Client(raise_request_exception=False)
    return client.post(f"{ROOT}/{path}", raw, content_type=kind, headers=partner.headers() | extra)


DEEP = b'{"items":[{"reference":"F","action":"accept","body":{"a":%b%b}}]}' % (b"[" * 100_000, b"]" * 100_000)


@pytest.mark.parametrize(
    "raw", [DEEP, b'{"items":[{"reference":"\xff","action":"accept"}]}', b'{"items":' + b"[" * 9_999]
)
def test_odd_messages_are_refused_and_break_nothing(partner: Partner, raw: bytes) -> None:
    answer = send(partner, "bulk", raw)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_only_json_is_taken(partner: Partner, ask: Ask, kind: str) -> None:
    path = f"{ask(partner).reference}/accept"
    assert send(partner, path, b"{}", kind).json()["code"] == "unsupported_media_type"
    assert send(partner, path, b"", kind).status_code == 202
    assert send(partner, path, b"{}", "application/json; charset=utf-8").status_code == 202


def test_a_length_that_is_no_number_is_refused(partner: Partner, ask: Ask) -> None:
    answer = Client(raise_request_exception=False).post(
        f"{ROOT}/{ask(partner).reference}/accept", b"{}", content_type="application/json", headers=partner.headers(),
        CONTENT_LENGTH="abc",
    )  # fmt: skip
    assert answer.status_code == 411


def test_too_many_parameters_are_a_problem(partner: Partner) -> None:
    query = "&".join(f"a{n}=1" for n in range(2_000))
    answer = Client().get(f"{ROOT}?{query}", headers=partner.headers())
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_an_empty_key_is_none(partner: Partner, ask: Ask) -> None:
    path = f"{ask(partner).reference}/accept"
    answers = [send(partner, path, b"{}", **{"Idempotency-Key": ""}) for _ in range(2)]
    assert [(a.status_code, a.json()["duplicate"]) for a in answers] == [(202, False), (202, True)]


def test_a_message_of_thousands_of_entries_takes_no_time(partner: Partner, order: Order, ask: Ask) -> None:
    """It took 13 seconds on a request of a hundred lines, and each look at the request five, until it was recorded."""
    sku = order.lines.get().sku
    more = [
        OrderLine(order=order, external_id=str(n), sku=sku, sku_text="a", name="Apple", ordered=2, subtotal=1, total=1)
        for n in range(2, 101)
    ]
    OrderLine.objects.bulk_create(more)
    path = ask(partner).reference
    packages = [{"lines": [{"units": 1, "sku": "A"}] * 150}] * 199
    begun = time.thread_time()
    assert partner.post(f"{path}/ship", {"shipment": "S1", "packages": packages}).status_code == 202
    assert sum(line["shipped"] for line in partner.get(path).json()["lines"]) == 199 * 150
    assert time.thread_time() - begun < 3
