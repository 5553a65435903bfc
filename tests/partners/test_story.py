"""The whole conversation over real sockets: we ask by webhook, the warehouse works and answers through the API."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from canonical.commands import RequestFulfilment
from canonical.commands import RequestLine as AskedLine
from canonical.facts import ExecutionReported, Fact, RequestAnswered, ShipmentStated
from canonical.models import Address, Customer, FulfilmentRequest, Order, OrderLine, RequestLine, System
from canonical.types import Address as ShipTo
from canonical.types import Parcel, Units
from connectors import signing
from connectors.base import Envelope, Job, Session
from connectors.http import Http, Pool
from connectors.partner import connector
from connectors.partner.sending import Settings
from connectors.partner.simulator import Warehouse
from connectors.simulation import wait_until
from retailsync.sync.models import Message

from .conftest import AT, Partner, make_partner

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = signing.new_secret()


def job(number: int) -> Job:
    command = RequestFulfilment(
        request_id=number, order_id=number, reference=f"WEB-{number}-F1", order_reference=f"WEB-{number}", location_code="W1",
        ship_to=ShipTo(first_name="Ada"), lines=(AskedLine(line_id=number * 10, sku="A", name="Apple", units=3),),
        requested_at=datetime(2026, 5, 1, tzinfo=UTC),
    )  # fmt: skip
    return Job(number, command.purpose, command)


def ask(warehouse: Warehouse, *jobs: Job) -> None:
    session = Session(
        "w1",
        Settings(url=f"{warehouse.url}/events", allow_loopback_http=True),
        {"webhook": [SECRET]},
        Http(Pool(), deadline=10, allow_loopback_http=True),
        lambda: datetime.now(UTC),
    )
    receipts = connector.sends[RequestFulfilment].send(session, jobs)
    assert [r.state for r in receipts] == ["sent"] * len(jobs)


def known(partner: Partner, count: int) -> None:
    """The requests of these jobs, raised and told."""
    shop = System.objects.create(slug="shop", name="Shop", connector="woocommerce", roles=["channel"])
    customer = Customer.objects.create(key="a@example.org")
    address = Address.objects.create(customer=customer, digest=b"1", content={})
    for n in range(1, count + 1):
        order = Order.objects.create(
            channel=shop, external_id=str(n), number=str(n), reference=f"WEB-{n}", shop_status="processing", placed_at=AT, currency="EUR",
            total=10, total_tax=0, customer=customer, billing=address, shipping=address,
        )  # fmt: skip
        line = OrderLine.objects.create(
            pk=n * 10, order=order, external_id="1", sku_text="A", name="Apple", ordered=3, subtotal=10, total=10
        )
        request = FulfilmentRequest.objects.create(
            order=order, location=partner.location, system=partner.system, reference=f"WEB-{n}-F1", requested_at=AT, answer="submitted",
        )  # fmt: skip
        RequestLine.objects.create(request=request, line=line, units=3)


def facts(reference: str) -> list[Fact]:
    rows = [Envelope(m.topic, bytes(m.body), m.received_at, None) for m in Message.objects.order_by("id")]
    found: list[Any] = [fact for row in rows for fact in connector.reads[row.topic](row)]
    return [fact for fact in found if fact.request == reference]


def test_an_order_is_asked_for_and_comes_back_shipped(live_server: Any) -> None:
    partner = make_partner("w1")
    known(partner, 1)
    with Warehouse(api=f"{live_server.url}/api/v1", key=partner.text, secrets=[SECRET]) as warehouse:
        ask(warehouse, job(1))
        wait_until(lambda: not warehouse.state()["open"], 20)
    said = facts("WEB-1-F1")
    at = [fact.occurred_at for fact in said]
    parcel = Parcel(ref="WEB-1-F1-S1-P1", tracking="SIMWEB-1-F1-S1-1", lines=(Units(units=3, line="10"),))
    assert said == [
        RequestAnswered(occurred_at=at[0], request="WEB-1-F1", answer="accepted"),
        ExecutionReported(occurred_at=at[1], request="WEB-1-F1", stage="picking"),
        ExecutionReported(occurred_at=at[2], request="WEB-1-F1", stage="picked"),
        ExecutionReported(occurred_at=at[3], request="WEB-1-F1", stage="packed"),
        ShipmentStated(
            occurred_at=at[4],
            ref="WEB-1-F1-S1",
            request="WEB-1-F1",
            carrier="DHL",
            service="standard",
            parcels=(parcel,),
        ),
    ]
    assert at == sorted(at)


def test_repetitions_on_either_side_leave_each_word_stored_once(live_server: Any) -> None:
    partner = make_partner("w1")
    known(partner, 10)
    with Warehouse(
        api=f"{live_server.url}/api/v1", key=partner.text, secrets=[SECRET], behaviour=lambda data: "repeat"
    ) as warehouse:
        ask(warehouse, *[job(n) for n in range(1, 11)])
        ask(warehouse, *[job(n) for n in range(1, 11)])
        wait_until(lambda: not warehouse.state()["open"], 30)
        state = warehouse.state()
    assert (state["doubles"], {r["deliveries"] for r in state["requests"].values()}) == ([], {2})
    assert Counter(Message.objects.values_list("topic", flat=True)) == dict.fromkeys(
        ("request.accepted", "execution.picking", "execution.picked", "execution.packed", "shipment.shipped"), 10
    )
