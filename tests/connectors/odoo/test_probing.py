"""Which API and release are found, how long that is believed, and how an upgrade is noticed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import Session
from connectors.errors import Misconfigured, Refused, Retry
from connectors.odoo import probing
from connectors.odoo.simulator import Odoo
from connectors.odoo.transport import call, release
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import Desk

LOGIN = "engine@shop.example"


@pytest.fixture
def odoo() -> Iterator[Odoo]:
    with Odoo() as odoo:
        yield odoo


@pytest.fixture
def desk(odoo: Odoo) -> Desk:
    return Desk(odoo, login=LOGIN)


def taxes(session: Session) -> Any:
    """A harmless call in words that changed with 19."""
    return call(
        session, "sale.order.line", "search_read", list[Any], domain=[["tax_ids", "in", [1]]], fields=["tax_ids"]
    )


def paths(odoo: Odoo) -> list[str]:
    return [r.path for r in odoo.seen]


def later(desk: Desk, by: timedelta) -> Session:
    session = desk.session()
    session.now = lambda: datetime.now(UTC) + by
    return session


@pytest.mark.parametrize("version", ["14.0", "15.0", "16.0", "17.0", "18.0"])
def test_before_19_it_is_jsonrpc(version: str) -> None:
    with Odoo(release=version) as odoo:
        api = probing.spoken(Desk(odoo, login=LOGIN).session())
    assert (api.by, f"{api.release.number}.0", api.uid) == ("jsonrpc", version, 5)


def test_from_19_on_it_is_json2_asked_for_once(desk: Desk) -> None:
    for _ in range(3):
        taxes(desk.session())
    assert paths(desk.odoo) == ["/json/version", *["/json/2/sale.order.line/search_read"] * 3]


def test_a_setting_decides(desk: Desk) -> None:
    taxes(desk.session(api="json2"))
    assert paths(desk.odoo) == ["/json/2/sale.order.line/search_read"]
    taxes(desk.session(api="jsonrpc"))
    assert paths(desk.odoo)[1:] == ["/jsonrpc"] * 3
    assert release(desk.session(api="jsonrpc")).number == 19


def test_a_proxy_that_hides_the_version_does_not_make_it_old(desk: Desk) -> None:
    desk.odoo.faults.add(Fault(do="answer", path="/json/version", status=403, body="<html>no</html>"))
    assert probing.spoken(desk.session()).by == "json2"


def test_a_login_page_at_that_address_is_no_version() -> None:
    """18 serves pages of its own below /json/."""
    with Odoo(release="18.0") as odoo:
        odoo.faults.add(
            Fault(do="answer", path="/json/version", status=303, body="", headers={"Location": "/web/login"})
        )
        assert probing.spoken(Desk(odoo, login=LOGIN).session()).release.number == 18


def test_nothing_of_odoos_at_the_address(desk: Desk) -> None:
    desk.odoo.faults.add(Fault(do="answer", status=404, body="<h1>Not Found</h1>"))
    with pytest.raises(Misconfigured, match="no API of Odoo's at this address"):
        taxes(desk.session())


def test_a_probe_that_fails_decides_nothing_and_did_nothing(desk: Desk) -> None:
    desk.odoo.faults.add(Fault(do="answer", path="/json/version", status=502, body="", count=1))
    with pytest.raises(Retry) as caught:
        call(desk.session(), "res.partner", "write", object, ids=[], vals={})
    assert (caught.value.down, caught.value.unknown) == (True, False)
    call(desk.session(), "res.partner", "write", object, ids=[], vals={})


def test_the_memory_ends(desk: Desk) -> None:
    taxes(desk.session())
    taxes(later(desk, probing.KEPT + timedelta(seconds=1)))
    assert paths(desk.odoo).count("/json/version") == 2


def upgraded(odoo: Odoo, version: str) -> None:
    odoo.rpc.release = version


def test_an_upgrade_that_took_the_old_words_away_is_noticed_at_once(desk: Desk) -> None:
    """17 became 19, which still answers /jsonrpc but has no `tax_id` any more."""
    upgraded(desk.odoo, "17.0")
    taxes(desk.session())
    upgraded(desk.odoo, "19.0")
    assert taxes(desk.session()) == []
    assert probing.spoken(desk.session()).by == "json2"


def test_a_database_brought_back_to_an_older_release_is_noticed_at_once(desk: Desk) -> None:
    taxes(desk.session())
    upgraded(desk.odoo, "16.0")
    assert taxes(desk.session()) == []
    assert probing.spoken(desk.session()).release.number == 16


def test_what_is_really_wrong_is_said_after_one_look(desk: Desk) -> None:
    taxes(desk.session())
    with pytest.raises(Refused, match="did not understand us: Invalid field"):
        call(desk.session(), "res.country", "write", object, ids=[1], vals={"nope": 1})
    assert paths(desk.odoo).count("/json/version") == 2


def test_another_user_id_after_a_restore_is_asked_for(odoo: Odoo, monkeypatch: pytest.MonkeyPatch) -> None:
    upgraded(odoo, "16.0")
    desk = Desk(odoo, login=LOGIN)
    taxes(desk.session())
    monkeypatch.setattr("connectors.odoo.simulated.rpc.UID", 6)
    assert taxes(desk.session()) == []
    assert probing.spoken(desk.session()).uid == 6
