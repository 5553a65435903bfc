import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from canonical.commands import CancelShopOrder, Command, CompleteOrder, Ref, Refresh, RemindPayment, SendTracking
from canonical.types import Parcel, Units
from connectors.base import Envelope, Job, Receipt, Response, Session
from connectors.errors import Misconfigured, Refused, Retry
from connectors.simulation import Answer, Fault, Request
from connectors.woocommerce import connector
from connectors.woocommerce.simulator import Shop
from tests.connectors.woocommerce.conftest import recorded, visit

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Scripted:
    """A way out that gets recorded answers, one after the other."""

    def __init__(self, *bodies: bytes, status: int = 200) -> None:
        self.bodies, self.status = list(bodies), status
        self.asked: list[str] = []

    def request(self, method: str, url: str, **more: Any) -> Response:
        self.asked.append(url)
        return Response(self.status, {}, self.bodies.pop(0))


@pytest.fixture
def old_shop() -> Iterator[Shop]:
    """A shop without the order fulfillments feature."""
    with Shop(seed=1, fulfillments=False) as shop:
        yield shop


def tracking(shop: Shop, order: int, reference: str = "S-1", **more: Any) -> SendTracking:
    return SendTracking(
        shipment_id=1,
        order_id=1,
        reference=reference,
        carrier="PostNL",
        parcels=(Parcel(tracking="3SABC1", tracking_url="https://track.example/1"), Parcel(tracking="3SABC2")),
        lines=tuple(Units(units=line["quantity"], line=str(line["id"])) for line in shop.orders[order]["line_items"]),
        shipped_at=AT,
        **more,
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


def test_a_later_revision_takes_the_place_of_the_one_before(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    first = tracking(shop, order)
    later = msgspec.structs.replace(first, carrier="DHL", parcels=(Parcel(tracking="LATE"),), revision=2)
    send(session, first, order)
    assert look(session, later, order) is None
    assert [send(session, command, order).external_id for command in (later, later, first)] == ["fulfillment:1"] * 3
    (made,) = shop.fulfillments_of(order)
    found = metas(made)
    assert (found["_tracking_number"], found["_provider_name"], found["_retailsync_revision"]) == ("LATE", "DHL", "2")
    assert "_tracking_url" not in found
    assert [r.query.get("notify_customer") for r in shop.seen if r.method == "PUT"] == ["true"]


def test_a_later_note_takes_the_place_of_the_one_before(old_shop: Shop) -> None:
    (order,) = old_shop.place()
    session = visit(old_shop)
    first, other = tracking(old_shop, order), tracking(old_shop, order, "S-11")
    later = msgspec.structs.replace(first, carrier="DHL", parcels=(Parcel(tracking="LATE"),), revision=1)
    for command in (first, other, later, later, first):
        assert send(session, command, order).error is None
    assert [note["note"].split("way ")[1] for note in old_shop.notes[order]] == [
        "with PostNL. Track it: 3SABC1 https://track.example/1, 3SABC2. (shipment S-11)",
        "with DHL. Track it: LATE. (shipment S-1, update 1)",
    ]
    kept = metas(old_shop.orders[order])["_retailsync_shipments"]
    assert (kept["S-1"]["tracking"], kept["S-11"]["tracking"]) == (["LATE"], ["3SABC1", "3SABC2"])


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
COMPLETE = CompleteOrder(order_id=1, happened_at=AT)


def complete(session: Session, orders: list[int]) -> list[Receipt]:
    """Several completions in one call, answers in the order of the jobs."""
    jobs = [
        Job(n, f"key-{n}", CompleteOrder(order_id=n, happened_at=AT), {Ref("order", n): str(order)})
        for n, order in enumerate(orders)
    ]
    return sorted(connector.sends[CompleteOrder].send(session, jobs), key=lambda receipt: receipt.job)


def test_completing_twice_is_completing_once(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    assert send(session, COMPLETE, order).state == "done"
    assert send(session, COMPLETE, order).state == "done"
    assert [request.method for request in shop.seen] == ["GET", "POST", "GET"]


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed", "pending"])
def test_what_a_person_decided_in_the_shop_is_not_overwritten(shop: Shop, session: Session, status: str) -> None:
    (order,) = shop.place(status=status)
    receipt = send(session, COMPLETE, order)
    assert isinstance(receipt.error, Refused) and receipt.error.reason == "status_changed"
    assert receipt.error.words == f"Order {order} is “{status}” in the shop; it was shipped, so someone has to decide."
    assert shop.orders[order]["status"] == status


def test_a_status_of_a_plugin_is_not_overwritten(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    shop.orders[order]["status"] = "ready-to-invoice"
    receipt = send(session, COMPLETE, order)
    assert isinstance(receipt.error, Refused) and "“ready-to-invoice”" in receipt.error.words


def test_an_order_in_the_trash_stays_there(shop: Shop, session: Session) -> None:
    (order,) = shop.place()
    shop.trash(order)
    receipt = send(session, COMPLETE, order)
    assert isinstance(receipt.error, Refused) and receipt.error.reason == "status_changed"
    assert shop.orders[order]["status"] == "trash"


def test_several_are_completed_in_two_requests(shop: Shop, session: Session) -> None:
    orders = shop.place(8) + shop.place(2, status="on-hold")
    assert [(r.state, r.external_id) for r in complete(session, orders)] == [("done", str(order)) for order in orders]
    assert {order["status"] for order in shop.orders.values()} == {"completed"}
    assert [(request.method, request.path.rpartition("/")[2]) for request in shop.seen] == [
        ("GET", "orders"),
        ("POST", "batch"),
    ]


def test_each_of_several_is_answered_for_by_itself(shop: Shop, session: Session) -> None:
    good, trashed, gone, held, finished = shop.place(5)
    shop.trash(trashed)
    shop.trash(gone, force=True)
    shop.edit(held, status="cancelled")
    shop.edit(finished, status="completed")
    receipts = complete(session, [good, trashed, gone, held, finished])
    assert [r.error and getattr(r.error, "reason", "") for r in receipts] == [
        None, "status_changed", "order_gone", "status_changed", None,
    ]  # fmt: skip
    assert [shop.orders[n]["status"] for n in (good, trashed, held, finished)] == [
        "completed",
        "trash",
        "cancelled",
        "completed",
    ]


def test_an_order_that_vanishes_between_reading_and_writing_harms_no_other(shop: Shop, session: Session) -> None:
    gone, good = shop.place(2)
    whole = shop.handle

    def vanish(request: Request) -> Answer:
        if request.method == "POST":
            shop.store.delete("orders", gone)
        return whole(request)

    shop.handle = vanish  # type: ignore[method-assign]
    first, second = complete(session, [gone, good])
    assert isinstance(first.error, Refused) and first.error.reason == "order_gone"
    assert second.state == "done"


def test_a_batch_whose_answer_was_lost_is_only_read_again(shop: Shop, session: Session) -> None:
    orders = shop.place(3)
    shop.faults.add(Fault(do="lose_response", method="POST", count=1))
    assert [isinstance(r.error, Retry) and r.error.unknown for r in complete(session, orders)] == [True] * 3
    assert [r.state for r in complete(session, orders)] == ["done"] * 3
    assert [request.method for request in shop.seen] == ["GET", "POST", "GET"]


def test_what_needed_nothing_does_not_suffer_from_what_failed(shop: Shop, session: Session) -> None:
    finished, good = shop.place(2)
    shop.edit(finished, status="completed")
    shop.faults.add(Fault(do="answer", method="POST", status=503, count=1))
    first, second = complete(session, [finished, good])
    assert first.state == "done"
    assert isinstance(second.error, Retry)


def test_a_real_shop_answers_for_each_of_a_batch(session: Session) -> None:
    """Recorded: one order updated, one unknown, in one 200."""
    said = json.loads(recorded("orders_batch_update"))
    listed = [{"id": row["id"], "status": "processing"} for row in said["update"]]
    session.http = Scripted(json.dumps(listed).encode(), json.dumps(said).encode())
    done, gone = complete(session, [138, 999999])
    assert done.state == "done"
    assert isinstance(gone.error, Refused) and gone.error.reason == "order_gone"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(do="answer", method="POST", status=500, body={"code": "x", "message": "No.", "data": 500}), Refused),
        (Fault(do="answer", method="POST", status=500, body={"code": "x", "data": {"status": 500}}), Retry),
        (Fault(do="answer", method="POST", status=400, body={"code": "rest_invalid_param", "message": "No."}), Refused),
        (Fault(do="answer", method="POST", status=401, body={"code": "woocommerce_rest_cannot_edit"}), Misconfigured),
        (Fault(do="answer", method="POST", status=200, body={"update": []}), Retry),
        (Fault(do="answer", method="POST", status=200, body={"update": [{"id": 0, "error": {"code": "no"}}]}), Retry),
    ],
)
def test_a_status_code_becomes_one_of_the_four(shop: Shop, session: Session, fault: Fault, error: type) -> None:
    (order,) = shop.place()
    shop.faults.add(fault)
    assert type(send(session, COMPLETE, order).error) is error


# ---- cancelling what nobody paid
def cancel(status: str = "on-hold") -> CancelShopOrder:
    return CancelShopOrder(order_id=1, status_text=status, reason="Not paid within 7 days.")


def test_an_unpaid_order_is_cancelled_and_its_staff_told_why(shop: Shop, session: Session) -> None:
    (order,) = shop.place(status="on-hold")
    receipt = send(session, cancel(), order)
    assert (receipt.error, receipt.state, receipt.evidence) == (None, "done", f"order {order} is cancelled")
    assert shop.orders[order]["status"] == "cancelled"
    assert [(n["note"], n["customer_note"]) for n in shop.notes[order]] == [("Not paid within 7 days.", False)]


@pytest.mark.parametrize("status", ["processing", "completed", "cancelled", "pending"])
def test_an_order_somebody_moved_meanwhile_is_left_alone(shop: Shop, session: Session, status: str) -> None:
    (order,) = shop.place(status="on-hold")
    shop.edit(order, status=status)
    receipt = send(session, cancel(), order)
    assert (receipt.state, receipt.evidence) == ("done", f"the shop says “{status}”")
    assert shop.orders[order]["status"] == status
    assert shop.notes.get(order) is None


def test_an_order_that_is_gone_needs_no_cancelling(shop: Shop, session: Session) -> None:
    (order,) = shop.place(status="on-hold")
    shop.trash(order, force=True)
    assert send(session, cancel(), order).evidence == "the order is gone"


@pytest.mark.parametrize("path", ["/orders/", "/notes"])
def test_cancelling_again_after_a_lost_answer_changes_nothing(shop: Shop, session: Session, path: str) -> None:
    (order,) = shop.place(status="on-hold")
    method = "POST" if path == "/notes" else "PUT"
    shop.faults.add(Fault(do="lose_response", method=method, count=1))
    assert isinstance(send(session, cancel(), order).error, Retry)
    assert send(session, cancel(), order).evidence == "the shop says “cancelled”"
    assert len(shop.notes.get(order, [])) == (path == "/notes")


# ---- reminding
REMIND = RemindPayment(order_id=1, text="We still await your payment of € 30.99 \\ O'Neill & sons.", due_at=AT)


def look_reminder(session: Session, order: int) -> Receipt | None:
    looked = connector.sends[RemindPayment].look
    assert looked
    return looked(session, [Job(1, "key", REMIND, {Ref("order", 1): str(order)}, doubtful=True)])[0]


def test_a_customer_is_reminded_once(shop: Shop, session: Session) -> None:
    (order,) = shop.place(status="on-hold")
    assert look_reminder(session, order) is None
    first = send(session, REMIND, order)
    assert (first.state, first.external_id) == ("sent", "note:1")
    assert send(session, REMIND, order) == first == look_reminder(session, order)
    assert [(n["note"], n["customer_note"]) for n in shop.notes[order]] == [(REMIND.text, True)]


def test_a_reminder_whose_answer_was_lost_is_found_as_the_shop_shows_it(shop: Shop, session: Session) -> None:
    (order,) = shop.place(status="pending")
    shop.faults.add(Fault(do="lose_response", method="POST", count=1))
    assert isinstance(send(session, REMIND, order).error, Retry)
    (note,) = shop.notes[order]
    note["note"] = "We still await your payment of &euro; 30.99  O'Neill &amp; sons.\n"
    assert look_reminder(session, order) is not None


def test_staff_who_noted_the_same_are_not_taken_for_a_reminder(shop: Shop, session: Session) -> None:
    (order,) = shop.place(status="on-hold")
    shop.store.put("notes", order, [{"id": 7, "note": REMIND.text, "customer_note": False}])
    assert look_reminder(session, order) is None


@pytest.mark.parametrize("status", ["processing", "cancelled"])
def test_who_paid_a_moment_ago_is_not_reminded(shop: Shop, session: Session, status: str) -> None:
    (order,) = shop.place(status="on-hold")
    shop.edit(order, status=status)
    assert send(session, REMIND, order).evidence == f"the shop says “{status}”"
    assert shop.notes.get(order) is None


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


@pytest.mark.parametrize(
    ("name", "status", "heard"),
    [
        ("order_refund_partial_restock", 200, ("refund.read", {"order": "138"})),
        ("order_get_404", 404, ("refund.missing", {"id": "139", "code": "woocommerce_rest_shop_order_invalid_id"})),
    ],
)
def test_a_refund_is_read_with_its_order(
    session: Session, name: str, status: int, heard: tuple[str, dict[str, str]]
) -> None:
    session.http = http = Scripted(recorded(name), status=status)
    receipt = send(session, Refresh(entity="refund", external_id="138:139"))
    (one,) = receipt.heard
    assert (one.topic, json.loads(one.body).items() >= heard[1].items()) == (heard[0], True)
    assert receipt.external_id == "138:139"
    assert http.asked[0].partition("?")[0].endswith("/wp-json/wc/v3/orders/138/refunds/139")
    (fact,) = connector.reads[one.topic](Envelope(one.topic, one.body, AT, one.asked_at))
    assert fact.ref == "139"


@pytest.mark.parametrize(
    ("entity", "ref"), [("refund", "139"), ("refund", "138:139:1"), ("order", "1:2"), ("order", "½"), ("posting", "1")]
)
def test_what_cannot_be_read_is_refused(session: Session, entity: Any, ref: str) -> None:
    receipt = send(session, Refresh(entity=entity, external_id=ref))
    assert isinstance(receipt.error, Refused) and receipt.error.reason == "not_readable"


def test_one_failing_refresh_does_not_concern_the_others(shop: Shop, session: Session) -> None:
    first, second = shop.place(2)
    shop.faults.add(Fault(do="answer", path=f"/orders/{first}", status=503))
    jobs = [Job(n, "key", Refresh(entity="order", external_id=str(n))) for n in (first, second)]
    receipts = connector.sends[Refresh].send(session, jobs)
    assert [type(receipt.error) for receipt in receipts] == [Retry, type(None)]


def test_needs_name_the_order(shop: Shop) -> None:
    assert connector.sends[CompleteOrder].needs(CompleteOrder(order_id=5, happened_at=AT)) == (Ref("order", 5),)
