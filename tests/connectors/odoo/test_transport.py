"""What Odoo's answers mean: recorded ones, and those of things in front of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Response, Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.odoo.answers import trouble
from connectors.odoo.settings import Settings
from connectors.odoo.transport import call
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import Desk, answer, customer, order

RECORDED = {
    "bad_key": (Misconfigured, "API key"),
    "no_key": (Misconfigured, "API key"),
    "access_error": (Misconfigured, "may not"),
    "private_method": (Misconfigured, "may not"),
    "unknown_model": (Misconfigured, "lacks a feature"),
    "unknown_method": (Misconfigured, "lacks a feature"),
    "unknown_partner": (Refused, "no longer has"),
    "write_missing": (Refused, "no longer has"),
    "missing_required": (Refused, "Missing required value for the field 'Customer'"),
    "confirm_again": (Refused, "Some orders are not in a state requiring confirmation."),
    "bad_field": (Refused, "did not understand"),
    "bad_date": (Refused, "did not understand"),
    "malformed": (Refused, "did not understand"),
    "serialization_failure": (Retry, "busy"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_error(name: str) -> None:
    kind, words = RECORDED[name]
    error = failure(answer(name))
    assert type(error) is kind
    assert words in error.words
    assert "Traceback" not in error.words + error.detail


FOREIGN = (
    (404, b"<h1>Not Found</h1>", Misconfigured, "no such database"),
    (200, b"<html>login</html>", Misconfigured, "not Odoo's API"),
    (301, b"", Misconfigured, "not Odoo's API"),
    (403, b"<html>blocked</html>", Misconfigured, "in front of Odoo"),
    (500, b"<html>oops</html>", Retry, "not available"),
    (502, b"", Retry, "not available"),
    (429, b"slow", Retry, "slow down"),
    (200, b'{"ids":"x"}', Refused, "not what was asked for"),
)


@pytest.mark.parametrize(("status", "body", "kind", "words"), FOREIGN)
def test_an_answer_that_is_not_odoos(status: int, body: bytes, kind: type[SyncError], words: str) -> None:
    error = failure(Response(status, {"retry-after": "7"}, body))
    assert type(error) is kind
    assert words in error.words
    assert status != 429 or error.after == 7  # type: ignore[attr-defined]


class Says:
    """A way out that always brings this answer."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def request(self, method: str, url: str, **more: Any) -> Response:
        return self.response


def failure(response: Response) -> SyncError:
    """What a call over /json/2 makes of this answer."""
    settings = Settings(url="https://odoo.example", database="shop", api="json2")
    session = Session("odoo1", settings, {"api_key": ["k"]}, Says(response), lambda: datetime.now(UTC))
    with pytest.raises(SyncError) as caught:
        call(session, "res.partner", "read", list[Any], ids=[1])
    return caught.value


def test_a_database_that_is_not_there_is_told_from_one_that_is_busy() -> None:
    gone = trouble("psycopg2.OperationalError", 'FATAL: database "x" does not exist')
    busy = trouble("psycopg2.OperationalError", "server closed the connection unexpectedly")
    assert (type(gone), type(busy)) == (Misconfigured, Retry)


def test_a_wrong_key_and_a_wrong_database_name_what_to_mend(desk: Desk) -> None:
    with pytest.raises(Misconfigured, match="API key"):
        desk.send(customer(), session=desk.session(api_key="old"))
    with pytest.raises(Misconfigured, match="no such database"):
        desk.send(customer(), session=desk.session(database="other"))


@pytest.mark.parametrize(("path", "unknown"), [("account.tax/search_read", False), ("sale.order/load", True)])
def test_a_proxy_that_is_overloaded_leaves_only_writes_in_doubt(desk: Desk, path: str, unknown: bool) -> None:
    desk.send(customer())
    desk.odoo.faults.add(Fault(do="answer", path=path, status=503, body="busy", count=1))
    with pytest.raises(Retry) as caught:
        desk.send(order())
    assert (caught.value.down, caught.value.unknown) == (True, unknown)
