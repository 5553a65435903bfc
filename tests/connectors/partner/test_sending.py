"""Fulfilment requests reach a warehouse once, signed, each with its own outcome."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from canonical.commands import ChangeRequest, RequestFulfilment, RequestLine
from canonical.types import Address, ChangeKind
from connectors import signing
from connectors.base import Job, Receipt, Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.http import Http, Pool
from connectors.partner import connector
from connectors.partner.sending import Settings
from connectors.partner.simulator import Warehouse
from connectors.simulation import Fault

SECRET = signing.new_secret()
REQUESTED = datetime(2026, 5, 1, 12, 0, 0, 250000, tzinfo=UTC)
Send = Callable[..., list[Receipt]]


def job(number: int = 1, location: str = "W1") -> Job:
    command = RequestFulfilment(
        request_id=number,
        order_id=1,
        reference=f"WEB-{number}-F1",
        order_reference=f"WEB-{number}",
        location_code=location,
        ship_to=Address(first_name="Zoë", line1="Weg 1", country="DE"),
        lines=(
            RequestLine(line_id=11, sku="A", name="Äpfel", units=3),
            RequestLine(line_id=12, sku="B", name="", units=1),
        ),
        requested_at=REQUESTED,
        shipping_method="flat_rate",
        carrier="DHL",
        service="parcel",
        purpose_text="reship",
    )
    return Job(number, command.purpose, command)


def change(number: int = 1, kind: ChangeKind = "amend", request: int = 1) -> Job:
    command = ChangeRequest(
        change_id=100 + number,
        request_id=request,
        order_id=1,
        reference=f"WEB-{request}-F1",
        number=number,
        kind=kind,
        lines=(RequestLine(line_id=11, sku="A", name="Äpfel", units=2),),
        ship_to=Address(first_name="Zoë", line1="Weg 2", country="DE"),
        shipping_method="express",
        carrier="UPS",
        service="air",
        note="ring twice",
        asked_at=REQUESTED,
        reason="edited in the shop",
    )
    return Job(100 + number, command.purpose, command)


@pytest.fixture
def partner() -> Iterator[Warehouse]:
    with Warehouse(
        secrets=[SECRET], behaviour=lambda data: "silent", answers=lambda data: "silent_changes"
    ) as warehouse:
        yield warehouse


@pytest.fixture
def session(partner: Warehouse) -> Callable[..., Session]:
    def make(*, secrets: tuple[str, ...] = (SECRET,), path: str = "/events", deadline: float = 2.0) -> Session:
        way = Http(Pool(), deadline=deadline, allow_loopback_http=True, secrets=secrets)
        settings = Settings(url=partner.url + path, allow_loopback_http=True)
        return Session("w1", settings, {"webhook": secrets}, way, lambda: datetime.now(UTC))

    return make


def send(session: Session, *jobs: Job) -> list[Receipt]:
    return list(connector.sends[type(jobs[0].command)].send(session, jobs))


def outcome(receipt: Receipt) -> tuple[type[SyncError] | None, bool]:
    return type(receipt.error) if receipt.error else None, bool(getattr(receipt.error, "unknown", False))


def test_the_partner_holds_exactly_what_was_asked(partner: Warehouse, session: Callable[..., Session]) -> None:
    assert send(session(), job()) == [Receipt(1, state="sent", external_id="WEB-1-F1", evidence="answered 200")]
    assert partner.store.table("received") == {
        "WEB-1-F1": {
            "reference": "WEB-1-F1",
            "order_reference": "WEB-1",
            "location": "W1",
            "purpose": "reship",
            "ship_to": {
                "first_name": "Zoë", "last_name": "", "company": "", "line1": "Weg 1", "line2": "", "postcode": "", "city": "",
                "state": "", "country": "DE", "phone": "", "email": "",
            },
            "lines": [
                {"line": "11", "sku": "A", "name": "Äpfel", "units": 3},
                {"line": "12", "sku": "B", "name": "", "units": 1},
            ],
            "shipping_method": "flat_rate",
            "carrier": "DHL",
            "service": "parcel",
            "note": "",
            "requested_at": "2026-05-01T12:00:00.250000Z",
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("amend", "amendment_requested"),
        ("cancel", "cancellation_requested"),
        ("hold", "hold_requested"),
        ("resume", "resume_requested"),
    ],
)
def test_a_change_says_the_whole_request_as_it_should_be(
    partner: Warehouse, session: Callable[..., Session], kind: ChangeKind, event: str
) -> None:
    partner.faults.add(Fault(do="answer", status=202))
    assert send(session(), change(2, kind)) == [
        Receipt(102, state="sent", external_id="WEB-1-F1/changes/2", evidence="answered 202")
    ]
    assert partner.seen[0].headers["webhook-id"] == "request_change:102"
    assert partner.seen[0].json() == {
        "type": f"fulfilment_request.{event}",
        "timestamp": "2026-05-01T12:00:00.250000Z",
        "data": {
            "reference": "WEB-1-F1",
            "change": 2,
            "reason": "edited in the shop",
            "ship_to": {
                "first_name": "Zoë", "last_name": "", "company": "", "line1": "Weg 2", "line2": "", "postcode": "", "city": "",
                "state": "", "country": "DE", "phone": "", "email": "",
            },
            "lines": [{"line": "11", "sku": "A", "name": "Äpfel", "units": 2}],
            "shipping_method": "express",
            "carrier": "UPS",
            "service": "air",
            "note": "ring twice",
            "asked_at": "2026-05-01T12:00:00.250000Z",
        },
    }  # fmt: skip


def test_a_change_is_heard_once_and_of_a_known_request_only(
    partner: Warehouse, session: Callable[..., Session]
) -> None:
    send(session(), job())
    receipts = send(session(), change(kind="hold"), change(request=2), change(kind="hold"))
    assert [outcome(r) for r in receipts] == [(None, False), (Refused, False), (None, False)]
    assert receipts[1].error and receipts[1].error.words == "The partner refused the request: We do not know WEB-2-F1."
    assert (partner.state()["requests"]["WEB-1-F1"]["changes"].keys(), partner.state()["doubles"]) == ({"1"}, [])


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, {"detail": "We do not know F1."}, Refused), (409, {"detail": "We do not know F1."}, Refused),
        (410, {"detail": "We do not know F1."}, Refused), (404, "Not found", Misconfigured),
        (410, "<html>", Misconfigured), (409, "", Refused), (403, {"detail": "no"}, Misconfigured),
    ],
)  # fmt: skip
def test_not_there_said_in_words_is_about_the_one_change(
    partner: Warehouse, session: Callable[..., Session], status: int, body: object, error: type[SyncError]
) -> None:
    partner.faults.add(Fault(do="answer", status=status, body=body, count=1), Fault(do="answer", status=202))
    outcomes = [outcome(r)[0] for r in send(session(), change(1), change(1, request=2))]
    assert outcomes == [error, error if error is Misconfigured else None]


def test_a_lost_answer_is_unknown_and_the_repetition_changes_nothing(
    partner: Warehouse, session: Callable[..., Session]
) -> None:
    partner.faults.add(Fault(do="lose_response", count=1))
    assert [outcome(r) for r in (*send(session(), job()), *send(session(), job()))] == [(Retry, True), (None, False)]
    seen = partner.state()["requests"]["WEB-1-F1"]
    assert (seen["deliveries"], partner.state()["doubles"]) == (2, [])
    assert partner.seen[0].body == partner.seen[1].body


def test_ten_at_once_are_one_request(partner: Warehouse, session: Callable[..., Session]) -> None:
    threads = [threading.Thread(target=send, args=(session(), job())) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = partner.state()
    assert (len(state["requests"]), state["requests"]["WEB-1-F1"]["deliveries"], state["doubles"]) == (1, 10, [])


def test_one_failing_job_does_not_harm_the_others(partner: Warehouse, session: Callable[..., Session]) -> None:
    partner.faults.add(Fault(do="answer", status=500, skip=1, count=1))
    receipts = send(session(), job(1), job(2), job(3, location="elsewhere"), job(4))
    assert [outcome(r) for r in receipts] == [(None, False), (Retry, True), (Refused, False), (None, False)]
    assert sorted(partner.store.table("received")) == ["WEB-1-F1", "WEB-4-F1"]
    refused = receipts[2].error
    assert refused and refused.words == "The partner refused the request: We are not the warehouse elsewhere."


def test_each_exchange_belongs_to_its_job(session: Callable[..., Session]) -> None:
    visit = session()
    send(visit, job(1), job(2))
    assert [e.jobs for e in visit.http.exchanges] == [(1,), (2,)]  # type: ignore[attr-defined]
    assert not [e for e in visit.http.exchanges if "v1," in e.request]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "error", "unknown"),
    [
        (401, Misconfigured, False), (403, Misconfigured, False), (404, Misconfigured, False), (410, Misconfigured, False),
        (302, Misconfigured, False), (400, Refused, False), (409, Refused, False), (422, Refused, False), (408, Retry, False),
        (429, Retry, False), (503, Retry, False), (500, Retry, True), (502, Retry, True), (504, Retry, True),
    ],
)  # fmt: skip
def test_what_each_status_means(
    partner: Warehouse, session: Callable[..., Session], status: int, error: type[SyncError], unknown: bool
) -> None:
    partner.faults.add(Fault(do="answer", status=status, body="no"))
    assert outcome(send(session(), job())[0]) == (error, unknown)


def test_a_partner_that_asks_for_a_pause_gets_it_for_all(partner: Warehouse, session: Callable[..., Session]) -> None:
    partner.faults.add(Fault(do="answer", status=429, retry_after=7))
    receipts = send(session(), job(1), job(2))
    assert [(r.error.after, r.error.unknown) for r in receipts if isinstance(r.error, Retry)] == [(7.0, False)] * 2
    assert len(partner.seen) == 1


def test_a_frozen_partner_costs_one_deadline_and_only_one_doubt(
    partner: Warehouse, session: Callable[..., Session]
) -> None:
    partner.faults.add(Fault(do="freeze"))
    assert [outcome(r) for r in send(session(deadline=0.3), job(1), job(2))] == [(Retry, True), (Retry, False)]


def test_a_partner_that_is_away_is_asked_once(partner: Warehouse, session: Callable[..., Session]) -> None:
    visit = session()
    partner.stop()
    errors = [r.error for r in send(visit, job(1), job(2))]
    assert [(e.unknown, e.down) for e in errors if isinstance(e, Retry)] == [(False, True)] * 2
    assert len(visit.http.exchanges) == 1  # type: ignore[attr-defined]


def test_either_secret_is_accepted_while_rotating(partner: Warehouse, session: Callable[..., Session]) -> None:
    assert outcome(send(session(secrets=(signing.new_secret(), SECRET)), job(1))[0]) == (None, False)
    assert outcome(send(session(secrets=(signing.new_secret(),)), job(2))[0]) == (Misconfigured, False)


def test_the_probe_is_a_signed_ping(partner: Warehouse, session: Callable[..., Session]) -> None:
    assert connector.probe and connector.probe(session()) == "The partner took a signed test event and answered 204."
    with pytest.raises(Misconfigured):
        connector.probe(session(path="/nothing"))
    assert msgspec.json.decode(partner.seen[0].body)["type"] == "ping"


def test_a_partners_nul_does_not_reach_our_words(partner: Warehouse, session: Callable[..., Session]) -> None:
    partner.faults.add(Fault(do="answer", status=422, body={"detail": "no\0way"}))
    error = send(session(), job())[0].error
    assert error and (error.words, "\0" in error.detail) == ("The partner refused the request: no\ufffdway.", False)


def test_a_partner_without_an_address_reads_what_it_is_asked_through_the_api() -> None:
    """Nothing leaves: it counts as told at once."""
    session = Session("w1", Settings(), {}, Http(Pool(), deadline=1), lambda: datetime.now(UTC))
    receipts = [connector.sends[type(one.command)].send(session, [one])[0] for one in (job(), change())]
    assert [(r.state, r.external_id, r.evidence) for r in receipts] == [
        ("sent", "WEB-1-F1", "to be read through the API"),
        ("sent", "WEB-1-F1/changes/1", "to be read through the API"),
    ]
    assert connector.probe and "through the API" in connector.probe(session)
