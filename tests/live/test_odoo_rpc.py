"""The same against a real Odoo over /jsonrpc, which 19 still serves: ODOO_URL, ODOO_KEY, ODOO_DB and ODOO_LOGIN (default as in the lab).

What an older release calls otherwise cannot be tried here; see tests/connectors/odoo/test_every_release.py.
"""

import os
import uuid
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from connectors.base import Session
from connectors.errors import Misconfigured, Refused, SyncError
from connectors.odoo import connector, probing
from connectors.odoo.settings import Settings
from connectors.odoo.transport import call
from tests.live.test_odoo_connector import (  # noqa: F401 - the same stories, told over the other API
    links,
    session,
    test_fifty_orders_submitted_twice_at_once,
    test_four_senders_of_one_part_make_one_delivery_and_one_backorder,
    test_ten_senders_of_one_order_make_one,
)

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not (os.environ.get("ODOO_URL") and os.environ.get("ODOO_KEY")),
        reason="set ODOO_URL and ODOO_KEY (and ODOO_DB, ODOO_LOGIN) to run against a real Odoo",
    ),
]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(
        url=os.environ["ODOO_URL"],
        database=os.environ.get("ODOO_DB", "odoo19"),
        login=os.environ.get("ODOO_LOGIN", "integration@example.com"),
        api="jsonrpc",
        module=f"live_{uuid.uuid4().hex[:8]}",
        allow_loopback_http=True,
    )


def test_both_are_found(settings: Settings) -> None:
    auto = probing.probe(session(msgspec.structs.replace(settings, api="auto")))
    rpc = probing.probe(session(settings))
    assert (auto.by, auto.release.number, rpc.by, rpc.release.number) == ("json2", 19, "jsonrpc", 19)
    assert connector.probe
    assert connector.probe(session(settings)).endswith("accepts our key over /jsonrpc.")


@pytest.mark.parametrize("changed", [{"login": "nobody@example.com"}, {"database": "nosuchdb"}])
def test_a_wrong_setting_is_named(settings: Settings, changed: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"login|database"):
        probing.probe(session(msgspec.structs.replace(settings, **changed)))


def test_a_wrong_key_is_named(settings: Settings) -> None:
    visit = session(settings)
    with pytest.raises(Misconfigured, match="login"):
        probing.probe(replace(visit, secrets={"api_key": ["bad"]}))


WRONG: tuple[tuple[str, str, dict[str, Any], type[SyncError], str], ...] = (
    ("no.such", "read", {"ids": [1]}, Misconfigured, "lacks a feature"),
    ("sale.order", "no_such", {"ids": [1]}, Misconfigured, "lacks a feature"),
    ("sale.order", "_create_invoices", {"ids": [1]}, Misconfigured, "may not do this"),
    ("sale.order", "write", {"ids": [99999999], "vals": {"origin": "x"}}, Refused, "no longer has"),
    ("sale.order", "search_read", {"domain": [["nope", "=", 1]], "fields": ["name"]}, Refused, "did not understand"),
    ("res.partner", "create", {"vals_list": [{"email": "x@example.com"}]}, Refused, "Contacts require a name"),
)


@pytest.mark.parametrize(("model", "method", "arguments", "kind", "words"), WRONG)
def test_an_error_means_what_it_means_over_json2(
    settings: Settings, model: str, method: str, arguments: dict[str, Any], kind: type[SyncError], words: str
) -> None:
    for api in ("jsonrpc", "json2"):
        visit: Session = session(msgspec.structs.replace(settings, api=api))
        with pytest.raises(kind, match=words):
            call(visit, model, method, object, **arguments)


def test_what_is_created_is_read_and_written(settings: Settings) -> None:
    visit = session(settings)
    [id] = call(visit, "res.partner", "create", list[int], vals_list=[{"name": settings.module}])
    assert call(visit, "res.partner", "write", bool, ids=[id], vals={"comment": "<p>x</p>"})
    [row] = call(visit, "res.partner", "read", list[Any], ids=[id], fields=["name", "comment"])
    assert (row["name"], row["comment"]) == (settings.module, "<p>x</p>")
