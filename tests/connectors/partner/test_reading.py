"""A warehouse's words become facts, or a sentence that says what is wrong with them."""

from datetime import UTC, datetime

import msgspec
import pytest

from canonical.facts import ChangeAnswered, ExecutionReported, Fact, RequestAnswered, ShipmentStated
from canonical.types import Parcel, Units
from connectors.base import Envelope, Malformed
from connectors.partner import connector

RECEIVED = datetime(2026, 5, 1, 12, tzinfo=UTC)
AT = datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
SAID = {"request": "F-1", "occurred_at": "2026-05-01T12:30:00+02:00"}


def read(topic: str, message: object) -> list[Fact]:
    body = message if isinstance(message, bytes) else msgspec.json.encode(message)
    return list(connector.reads[topic](Envelope(topic, body, RECEIVED, None)))


def test_accepted() -> None:
    assert read("request.accepted", {**SAID, "partner_reference": "W-9"}) == [
        RequestAnswered(occurred_at=AT, request="F-1", answer="accepted", partner_ref="W-9")
    ]


def test_rejected() -> None:
    assert read("request.rejected", {**SAID, "reason": "full"}) == [
        RequestAnswered(occurred_at=AT, request="F-1", answer="rejected", reason="full")
    ]


def test_a_change_is_accepted() -> None:
    assert read("change.accepted", {**SAID, "change": 2}) == [
        ChangeAnswered(occurred_at=AT, request="F-1", number=2, answer="accepted")
    ]


def test_a_change_is_rejected() -> None:
    assert read("change.rejected", {**SAID, "change": 1, "reason": "packed"}) == [
        ChangeAnswered(occurred_at=AT, request="F-1", number=1, answer="rejected", reason="packed")
    ]


@pytest.mark.parametrize("stage", ["picking", "picked", "packed"])
def test_progress(stage: str) -> None:
    assert read(f"execution.{stage}", {**SAID, "lines": [{"line": "7", "units": 2}]}) == [
        ExecutionReported(occurred_at=AT, request="F-1", stage=stage, lines=(Units(units=2, line="7"),))  # type: ignore[arg-type]
    ]


def test_short() -> None:
    assert read("execution.short", {**SAID, "lines": [{"sku": "A", "units": 1}], "reason": "gone"}) == [
        ExecutionReported(occurred_at=AT, request="F-1", stage="short", lines=(Units(units=1, sku="A"),), reason="gone")
    ]


def test_shipped() -> None:
    message = {
        **SAID,
        "shipment": "S1",
        "carrier": "DHL",
        "service": "express",
        "packages": [
            {
                "reference": "P1",
                "tracking_number": "T1",
                "tracking_url": "https://t/1",
                "lines": [{"line": "7", "units": 2}],
            },
            {"lines": [{"sku": "A", "units": 1}]},
        ],
    }
    parcels = (
        Parcel(ref="P1", tracking="T1", tracking_url="https://t/1", lines=(Units(units=2, line="7"),)),
        Parcel(lines=(Units(units=1, sku="A"),)),
    )
    assert read("shipment.shipped", message) == [
        ShipmentStated(occurred_at=AT, ref="S1", request="F-1", carrier="DHL", service="express", parcels=parcels)
    ]


def test_without_a_time_it_happened_when_we_heard_of_it() -> None:
    assert read("request.accepted", {"request": "F-1"})[0].occurred_at == RECEIVED


@pytest.mark.parametrize(
    ("topic", "body", "words"),
    [
        ("request.accepted", b"{}", "request: is missing"),
        ("request.rejected", b'{"request":"F"}', "reason: is missing"),
        ("change.accepted", b'{"request":"F"}', "change: is missing"),
        ("change.accepted", b'{"change":1}', "request: is missing"),
        ("change.accepted", b'{"request":"F","change":0}', "change: must be at least 1"),
        ("change.accepted", b'{"request":"F","change":32768}', "change: must be at most 32767"),
        ("change.accepted", b'{"request":"F","change":"1"}', "change: must be a whole number, not text"),
        ("change.accepted", b'{"request":"F","change":1,"note":""}', "note: is not a field of this message"),
        ("change.rejected", b'{"request":"F","change":1}', "reason: is missing"),
        ("change.rejected", b'{"request":"F","change":1,"reason":""}', "reason: must not be empty"),
        ("request.accepted", b'{"request":"F","refrence":1}', "refrence: is not a field of this message"),
        ("execution.short", b'{"lines":[]}', "lines: must have at least one entry"),
        ("execution.short", b'{"lines":[{"units":0,"sku":"A"}]}', "lines[0].units: must be at least 1"),
        ("execution.short", b'{"lines":[{"units":"1","sku":"A"}]}', "lines[0].units: must be a whole number, not text"),
        (
            "execution.short",
            b'{"lines":[{"units":1.5,"sku":"A"}]}',
            "lines[0].units: must be a whole number, not a fraction",
        ),
        (
            "execution.short",
            b'{"lines":[{"units":9e99,"sku":"A"}]}',
            "lines[0].units: must be a whole number, not a fraction",
        ),
        ("execution.short", b'{"lines":[{"units":1}]}', "lines[0]: must name a line or a sku"),
        ("execution.short", b"[]", "must be an object, not a list"),
        ("execution.short", b"[" * 100_000, "must be an object, not a list"),
        ("execution.short", b"{", "The message is not complete JSON."),
        ("execution.short", b'{"lines":}', "The message is not valid JSON (byte 9)."),
        ("request.accepted", b'{"note":"\xff"}', "The text is not valid UTF-8."),
        ("request.accepted", b'{"a\\u0000b":1}', "a\ufffdb: is not a field of this message"),
        ("request.accepted", b'{"note":"\\u0000"}', "note: must not contain NUL characters"),
        (
            "request.accepted",
            b'{"occurred_at":"2026-01-01T00:00:00"}',
            "occurred_at: must be a time with its zone, like 2026-01-31T12:00:00Z",
        ),
        (
            "request.accepted",
            b'{"occurred_at":"2999-01-01T00:00:00Z"}',
            "occurred_at: lies in the future or before the year 2000",
        ),
        (
            "request.accepted",
            b'{"occurred_at":"0001-01-01T00:00:00+14:00"}',
            "occurred_at: lies in the future or before the year 2000",
        ),
        (
            "shipment.shipped",
            b'{"shipment":"S","packages":[{"lines":[{"sku":"A","units":1}],"tracking_url":"javascript:alert(1)"}]}',
            "packages[0].tracking_url: must be a web address beginning with http:// or https://",
        ),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(topic: str, body: bytes, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(topic, body)
    assert str(caught.value) == words
