"""/jsonrpc: logging in, naming what is wrong, and the same meaning of every error as over /json/2."""

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.base import Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.odoo import connector
from connectors.odoo.simulator import Odoo
from connectors.odoo.transport import call
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import Desk, customer, recorded

LOGIN = "engine@shop.example"


@pytest.fixture
def odoo() -> Iterator[Odoo]:
    with Odoo(release="16.0") as odoo:
        yield odoo


@pytest.fixture
def desk(odoo: Odoo) -> Desk:
    return Desk(odoo, login=LOGIN)


def partners(session: Session) -> Any:
    return call(session, "res.partner", "search_read", list[Any], domain=[], fields=["name", "type"], order="id")


def requests(odoo: Odoo) -> list[str]:
    """Paths asked for, and of /jsonrpc what of which service."""
    said = [(r.path, r.json().get("params", {})) for r in odoo.seen]
    return [f"{p['service']}.{p['method']}" if p else path for path, p in said]


def test_customers_arrive_over_it(desk: Desk) -> None:
    [receipt] = desk.send(customer())
    assert receipt.state == "done"
    assert [(p["name"], p["type"]) for p in partners(desk.session())] == [
        ("Ann Buyer", False), ("Ann Buyer", "invoice"), ("Ann Buyer", "delivery"),
    ]  # fmt: skip
    assert desk.send(customer()) == [receipt]


def test_it_logs_in_once_and_probes_once(desk: Desk) -> None:
    for _ in range(3):
        partners(desk.session())
    assert requests(desk.odoo) == ["/json/version", "common.version", "common.authenticate", *["object.execute_kw"] * 3]


def test_the_probe_says_so(desk: Desk) -> None:
    assert connector.probe
    assert connector.probe(desk.session()) == "Odoo 16.0.1.3 accepts our key over /jsonrpc."


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"login": ""}, "Odoo 16 wants the user's login beside the API key: name it in the settings."),
        (
            {"login": "nobody"},
            "Odoo does not accept this login with this API key: one of them is wrong, or the key expired.",
        ),
        (
            {"api_key": "old"},
            "Odoo does not accept this login with this API key: one of them is wrong, or the key expired.",
        ),
        ({"database": "other"}, "Odoo does not have this database."),
    ],
)
def test_a_wrong_setting_is_named(desk: Desk, changed: dict[str, str], words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        partners(desk.session(**changed))
    assert caught.value.words == words


def test_a_key_revoked_later_is_named_too(desk: Desk) -> None:
    partners(desk.session())
    desk.odoo.rpc.api_key = "another"
    with pytest.raises(Misconfigured, match="does not accept the API key"):
        partners(desk.session())


RULE, BUSY = (
    ("odoo.exceptions.UserError", "Some rule."),
    ("psycopg2.errors.SerializationFailure", "could not serialize access"),
)
ERRORS: tuple[tuple[str, str, type[SyncError], str], ...] = (
    (*RULE, Refused, "Some rule."),
    (*BUSY, Retry, "busy"),
    ("psycopg2.extensions.TransactionRollbackError", "deadlock detected", Retry, "busy"),
    (
        "odoo.exceptions.AccessError",
        "You are not allowed to access 'Sales Order'\n\nmore",
        Misconfigured,
        "may not do this: You are not",
    ),
    ("odoo.exceptions.MissingError", "Record does not exist", Refused, "no longer has"),
    ("odoo.exceptions.AccessDenied", "Access Denied", Misconfigured, "API key"),
    ("builtins.ValueError", "Invalid field 'x' on model 'y'", Refused, "did not understand"),
    ("builtins.AttributeError", "The method 'sale.order.nope' does not exist", Misconfigured, "lacks a feature"),
    ("builtins.AttributeError", "type object 'sale.order' has no attribute 'nope'", Misconfigured, "lacks a feature"),
    ("builtins.AttributeError", "'NoneType' object has no attribute 'id'", Refused, "did not understand"),
    ("odoo.exceptions.UserError", "Object no.such doesn't exist", Misconfigured, "lacks a feature"),
)


@pytest.mark.parametrize(("name", "message", "kind", "words"), ERRORS)
def test_an_error_means_what_it_means_over_json2(
    desk: Desk, name: str, message: str, kind: type[SyncError], words: str
) -> None:
    partners(desk.session())
    error = {
        "code": 200,
        "message": "Odoo Server Error",
        "data": {"name": name, "message": message, "debug": "Traceback: secret"},
    }
    desk.odoo.faults.add(
        Fault(do="answer", path="/jsonrpc", body={"jsonrpc": "2.0", "id": 1, "error": error}, status=200, count=1)
    )
    with pytest.raises(SyncError) as caught:
        partners(desk.session())
    assert (type(caught.value), "Traceback" in caught.value.words + caught.value.detail) == (kind, False)
    assert words in caught.value.words


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("rpc_wrong_key", Misconfigured, "API key"),
        ("rpc_wrong_database", Misconfigured, "does not have this database"),
        ("rpc_access_error", Misconfigured, "may not do this"),
        ("rpc_confirm_again", Refused, "Some orders are not in a state requiring confirmation."),
        ("rpc_value_error", Refused, "did not understand"),
        ("rpc_validation_error", Refused, "Contacts require a name"),
    ],
)
def test_a_recorded_error(desk: Desk, name: str, kind: type[SyncError], words: str) -> None:
    desk.odoo.faults.add(Fault(do="answer", path="/jsonrpc", skip=2, count=1, status=200, body=recorded(name)["body"]))
    with pytest.raises(kind, match=words) as caught:
        partners(desk.session(api="jsonrpc"))
    assert "Traceback" not in caught.value.words + caught.value.detail


def test_odoo_is_busy_while_another_loads_the_same(odoo: Odoo, desk: Desk) -> None:
    desk.send(customer())
    conflict = {"ids": False, "messages": [{"message": "could not serialize access due to concurrent update\n"}]}
    odoo.faults.add(
        Fault(
            do="answer",
            path="/jsonrpc",
            skip=2,
            count=1,
            status=200,
            body={"jsonrpc": "2.0", "id": 1, "result": conflict},
        )
    )
    [receipt] = desk.send(customer())
    assert isinstance(receipt.error, Retry)
    assert desk.send(customer())[0].state == "done"


def test_a_lost_answer_leaves_only_writes_in_doubt(desk: Desk) -> None:
    partners(desk.session())
    unknown = []
    for ask in (lambda: desk.send(customer()), lambda: connector.polls["products"](desk.session(), "")):
        desk.odoo.faults.add(Fault(do="lose_response", path="/jsonrpc", skip=2 if not unknown else 0, count=1))
        with pytest.raises(Retry) as caught:
            ask()
        unknown.append(caught.value.unknown)
    assert unknown == [True, False]


def test_nothing_done_is_no_error(odoo: Odoo) -> None:
    """Before 16 a method that returns nothing answers without a result."""
    for release in ("15.0", "16.0"):
        with Odoo(release=release) as other:
            session = Desk(other, login=LOGIN).session()
            assert call(session, "stock.picking", "do_unreserve", object, ids=[]) is None
