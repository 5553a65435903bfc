import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from canonical.commands import Command, CompleteOrder, Ref, Refresh, SendTracking
from canonical.types import Parcel, Units
from connectors.base import Job, Receipt, Session
from connectors.errors import Misconfigured, Refused, Retry
from connectors.simulation import Fault
from connectors.woocommerce import connector
from connectors.woocommerce.simulator import Shop
from tests.connectors.woocommerce.conftest import visit

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def old_shop() -> Iterator[Shop]:
    """A shop without the order fulfillments feature."""
    with Shop(seed=1, fulfillments=False) as shop:
        yield shop


def tracking(shop: Shop, order: int, reference: str = "S-1") -> SendTracking:
    return SendTracking(
        shipment_id=1,
        order_id=1,
        reference=reference,
        carrier="PostNL",
        parcels=(Parcel(tracking="3SABC1", tracking_url="https://track.example/1"), Parcel(tracking="3SABC2")),
        lines=tuple(Units(units=line["quantity"], line=str(line["id"])) for line in shop.orders[order]["line_items"]),
        shipped_at=AT,
    )


def send(session: Session, command: Command, order: int | str = "") -> Receipt:
    job = Job(1, "key", command, {Ref("order", 1): str(order)})
    (receipt,) = connector.sends[type(command)].send(session, [job])
    return receipt


def look(session: Session, command: SendTracking, order: int) -> Receipt | None:
    looked = connector.sends[SendTracking].look
    assert looked
    return looked(session, [Job(1, "key", command, {Ref("order", 1): str(order)}, doubtful=True)])[0]


def metas(record: dict[str, Any]) -> dict[str, Any]:
    return {meta["key"]: meta["value"] for meta in record["meta_data"] if meta["key"] != "_date_fulfilled"}


# ---- tracking
def test_a_shipment_becomes_one_fulfillment(shop: Shop, session: Session) -> None:
    (order,) = shop.place(shape="split")
    receipt = send(session, tracking(shop, order), order)
    assert (receipt.error, receipt.state, receipt.external_id) == (None, "sent", "fulfillment:1")
    (made,) = shop.fulfillments_of(order)
    assert made["is_fulfilled"]
    assert metas(made) == {
        "_items": [{"item_id": line["id"], "qty": line["quantity"]} for line in shop.orders[order]["line_items"]],
        "_tracking_number": "3SABC1, 3SABC2",
        "_shipping_provider": "other",
        "_provider_name": "PostNL",
        "_tracking_url": "https://track.example/1",
        "_retailsync_shipment": "S-1",
    }
    assert [request.query.get("notify_customer") for request in shop.seen if request.method == "POST"] == ["true"]


def test_sent_twice_is_shown_once_and_two_shipments_are_two(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    assert send(session, tracking(shop, order), order) == send(session, tracking(shop, order), order)
    send(session, tracking(shop, order, "S-2"), order)
    assert len(shop.fulfillments_of(order)) == 2


def test_an_answer_lost_after_the_shop_committed_is_found_again(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    shop.faults.add(Fault(do="lose_response", method="POST", count=1))
    lost = send(session, tracking(shop, order), order)
    assert isinstance(lost.error, Retry) and lost.error.unknown
    found = look(session, tracking(shop, order), order)
    assert found and found.external_id == "fulfillment:1"
    assert send(session, tracking(shop, order), order) == found
    assert len(shop.fulfillments_of(order)) == 1


def test_a_request_lost_on_the_way_is_not_found(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    shop.faults.add(Fault(do="drop", method="POST", count=1))
    assert isinstance(send(session, tracking(shop, order), order).error, Retry)
    assert look(session, tracking(shop, order), order) is None


def test_a_read_that_got_no_answer_leaves_nothing_in_doubt(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    shop.faults.add(Fault(do="lose_response", method="GET", count=2))
    receipt = send(session, tracking(shop, order), order)
    assert isinstance(receipt.error, Retry) and not receipt.error.unknown


def test_a_shop_without_fulfillments_gets_a_note_and_a_record(old_shop: Shop) -> None:
    (order,) = old_shop.place()
    session = visit(old_shop)
    for reference in ("S-1", "S-1", "S-2"):
        assert send(session, tracking(old_shop, order, reference), order).error is None
    assert [note["note"] for note in old_shop.notes[order]] == [
        f"Your order is on its way with PostNL. Track it: 3SABC1 https://track.example/1, 3SABC2. (shipment {reference})"
        for reference in ("S-1", "S-2")
    ]
    stated = {"carrier": "PostNL", "tracking": ["3SABC1", "3SABC2"], "shipped_at": "2026-01-31T12:00:00Z"}
    assert metas(old_shop.orders[order]) == {"_retailsync_shipments": {"S-1": stated, "S-2": stated}}


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_note_lost_half_way_is_written_once(old_shop: Shop, method: str) -> None:
    (order,) = old_shop.place()
    session = visit(old_shop)
    old_shop.faults.add(Fault(do="lose_response", method=method, count=1))
    assert isinstance(send(session, tracking(old_shop, order), order).error, Retry)
    assert send(session, tracking(old_shop, order), order).error is None
    assert len(old_shop.notes[order]) == 1
    assert list(metas(old_shop.orders[order])["_retailsync_shipments"]) == ["S-1"]


def test_tracking_for_an_order_that_is_gone_is_refused(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    command = tracking(shop, order)
    shop.store.delete("orders", order)
    receipt = send(session, command, order)
    assert isinstance(receipt.error, Refused) and receipt.error.reason == "order_gone"


# ---- completing
def test_completing_twice_is_completing_once(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    assert send(session, CompleteOrder(order_id=1, happened_at=AT), order).state == "done"
    assert send(session, CompleteOrder(order_id=1, happened_at=AT), order).state == "done"
    assert [request.method for request in shop.seen] == ["GET", "PUT", "GET"]


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed", "pending"])
def test_what_a_person_decided_in_the_shop_is_not_overwritten(shop: Shop, session: Session, status: str) -> None:
    (order,) = shop.place(status=status)
    receipt = send(session, CompleteOrder(order_id=1, happened_at=AT), order)
    assert isinstance(receipt.error, Refused)
    assert receipt.error.words == f"Order {order} is “{status}” in the shop; it was shipped, so someone has to decide."
    assert shop.orders[order]["status"] == status


def test_an_order_in_the_trash_stays_there(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    shop.trash(order)
    receipt = send(session, CompleteOrder(order_id=1, happened_at=AT), order)
    assert isinstance(receipt.error, Refused) and receipt.error.reason == "order_trash"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(do="answer", method="PUT", status=500, body={"code": "x", "message": "No.", "data": 500}), Refused),
        (Fault(do="answer", method="PUT", status=500, body={"code": "x", "data": {"status": 500}}), Retry),
        (Fault(do="answer", method="PUT", status=400, body={"code": "rest_invalid_param", "message": "No."}), Refused),
        (Fault(do="answer", method="PUT", status=401, body={"code": "woocommerce_rest_cannot_edit"}), Misconfigured),
    ],
)
def test_a_status_code_becomes_one_of_the_four(shop: Shop, session: Session, fault: Fault, error: type) -> None:
    (order,) = shop.place()
    shop.faults.add(fault)
    assert type(send(session, CompleteOrder(order_id=1, happened_at=AT), order).error) is error


# ---- refresh
def test_a_refresh_answers_for_each_subject(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    variation = next(p["id"] for p in shop.products.values() if p["type"] == "variation")
    wanted = [("order", order), ("sku", variation), ("customer", 2), ("order", 9999), ("sku", 9999)]
    jobs = [Job(n, "key", Refresh(entity=entity, external_id=str(ref))) for n, (entity, ref) in enumerate(wanted)]  # type: ignore[arg-type]
    receipts = connector.sends[Refresh].send(session, jobs)
    heard = [(one.topic, int(json.loads(one.body)["id"])) for receipt in receipts for one in receipt.heard]
    assert heard == [
        ("order.read", order),
        ("product.read", variation),
        ("customer.read", 2),
        ("order.missing", 9999),
        ("product.missing", 9999),
    ]


def test_one_failing_refresh_does_not_concern_the_others(shop: Shop, session: Session) -> None:
    first, second = shop.place(2)
    shop.faults.add(Fault(do="answer", path=f"/orders/{first}", status=503))
    jobs = [Job(n, "key", Refresh(entity="order", external_id=str(n))) for n in (first, second)]
    receipts = connector.sends[Refresh].send(session, jobs)
    assert [type(receipt.error) for receipt in receipts] == [Retry, type(None)]


def test_needs_name_the_order(shop: Shop) -> None:
    assert connector.sends[CompleteOrder].needs(CompleteOrder(order_id=5, happened_at=AT)) == (Ref("order", 5),)
