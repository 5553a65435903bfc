"""The checks every connector must pass, and what the sandbox's shop says and takes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from canonical.commands import CancelShopOrder, CompleteOrder, SendTracking
from canonical.facts import OrderStated
from connectors.base import Envelope, Job, Malformed, Session
from connectors.sandbox import Settings, connector, read
from tests.connectors.contract import NOW, Canned, ConnectorContract

ORDER = (
    b'{"number":"0A1B","version":2,"status":"processing","placed_at":"2026-01-31T10:00:00Z","stated_at":"2026-01-31T10:05:00Z",'
    b'"lines":[{"ref":"1","sku":"SBX-APPLE","name":"Apples","units":2},{"ref":"2","sku":"SBX-APPLE","name":"Apples","units":1}],'
    b'"ship_to":{"first_name":"Ada","country":"DE"},"note":"ring twice"}'
)
COMMANDS = (
    SendTracking(shipment_id=1, order_id=1, reference="S1", carrier="DHL", parcels=(), lines=(), shipped_at=NOW),
    CompleteOrder(order_id=1, happened_at=NOW),
    CancelShopOrder(order_id=1, status_text="processing", reason="staff"),
)


class TestContract(ConnectorContract):
    connector = connector
    settings = {}
    samples = {"order": ORDER}
    commands = COMMANDS


def envelope(body: bytes) -> Envelope:
    return Envelope("order", body, NOW, None)


def test_an_order_is_paid_and_adds_up() -> None:
    (fact,) = read(envelope(ORDER))
    assert isinstance(fact, OrderStated)
    assert (fact.total, sum(line.total for line in fact.lines), [line.ref for line in fact.lines]) == (
        Decimal("30.00"),
        Decimal("30.00"),
        ["1", "2"],
    )
    assert fact.payment.paid_at == fact.placed_at == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert fact.billing.email == "0a1b@sandbox.invalid"  # whatever address is given, no real customer is meant


@pytest.mark.parametrize(
    "wrong", [(b"2026-01-31T10:05:00Z", b"0001-01-01T00:00:00+14:00"), (b'"units":2', b'"units":0')]
)
def test_what_cannot_be_meant_is_not_understood(wrong: tuple[bytes, bytes]) -> None:
    with pytest.raises(Malformed):
        read(envelope(ORDER.replace(*wrong)))


def test_what_it_is_told_is_taken_and_nobody_is_called() -> None:
    way_out = Canned()
    session = Session("sandbox", Settings(), {}, way_out, lambda: NOW)
    for number, command in enumerate(COMMANDS):
        (receipt,) = connector.sends[type(command)].send(session, [Job(number, "key", command)])
        assert (receipt.job, receipt.state, receipt.error) == (number, "done", None)
    assert way_out.asked == 0
