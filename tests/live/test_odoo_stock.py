"""Stock of a real Odoo 19 beside the simulator's: figures after everything that moves them, and documents of ours made once.

ODOO_URL, ODOO_KEY, ODOO_DB and ODOO_LOGIN as for the other live tests; the warehouse's code is ODOO_WAREHOUSE (default WH).
"""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from canonical.commands import (
    ConfirmOrder,
    IssueLine,
    PostGoodsIssue,
    PostReceipt,
    PostStockAdjustment,
    Ref,
)
from canonical.facts import CountsCompleted, CountsStated
from connectors.base import Envelope, Job, Response, Session
from connectors.errors import Retry
from connectors.odoo import connector
from connectors.odoo.loading import load_once
from connectors.odoo.settings import Settings
from connectors.odoo.simulator import Odoo
from connectors.odoo.transport import call
from tests.live.test_odoo_connector import customer, held, job, line, order, send, session

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not (os.environ.get("ODOO_URL") and os.environ.get("ODOO_KEY")),
        reason="set ODOO_URL and ODOO_KEY (and ODOO_DB, ODOO_LOGIN) to run against a real Odoo",
    ),
]

WAREHOUSE = os.environ.get("ODOO_WAREHOUSE", "WH")
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture(params=["json2", "jsonrpc"])
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(
        url=os.environ["ODOO_URL"], database=os.environ.get("ODOO_DB", "odoo19"), api=request.param,
        login=os.environ.get("ODOO_LOGIN", "integration@example.com"), module=f"live_{uuid.uuid4().hex[:8]}",
        warehouses=(WAREHOUSE,), allow_loopback_http=True,
    )  # fmt: skip


@dataclass
class Place:
    """One Odoo, real or simulated, with an article of its own and the feed's cursor."""

    settings: Settings
    product: str
    links: dict[Ref, str]
    cursor: str = ""
    seen: list[Any] = field(default_factory=list)

    def tell(self, command: Any) -> None:
        [receipt] = send(self.settings, [command], self.links)
        assert receipt.error is None, receipt
        self.look(type(command).__name__)

    def cancel(self, number: int) -> None:
        """Somebody cancels an order there, delivered or not."""
        id = int(self.links[Ref("booking", number)])
        context = {"disable_cancel_warning": True}
        call(session(self.settings), "sale.order", "action_cancel", object, ids=[id], context=context)
        self.look("cancelled")

    def look(self, why: str) -> None:
        """What the feed says of the article now: on hand and allocated."""
        facts, self.cursor = read(self.settings, self.cursor)
        rows = [row for f in facts if isinstance(f, CountsStated) for row in f.rows if row.ref == self.product]
        self.seen.append((why, *((row.on_hand, row.allocated) for row in rows[-1:])))


def read(settings: Settings, cursor: str = "") -> tuple[list[Any], str]:
    facts, more = list[Any](), True
    while more:
        page = connector.polls["stock"](session(settings), cursor)
        cursor, more = page.cursor, page.more
        for h in page.heard:
            facts += connector.reads[h.topic](Envelope(h.topic, h.body, datetime.now(UTC), h.asked_at))
    return facts, cursor


@pytest.fixture
def real(settings: Settings) -> Place:
    return placed(settings, made(settings))


@pytest.fixture
def simulated(settings: Settings) -> Iterator[Place]:
    key, login = os.environ["ODOO_KEY"], settings.login
    with Odoo(currency="USD", api_key=key, database=settings.database, login=login, stock=0) as odoo:
        there = msgspec.structs.replace(settings, url=odoo.url, warehouses=("WH",))
        yield placed(there, "1", WAREHOUSE="WH")


def placed(settings: Settings, product: str, **changed: str) -> Place:
    links = {Ref("sku", 1): product, Ref("location", 1): changed.get("WAREHOUSE", WAREHOUSE)}
    place = Place(settings, product, links)
    assert [r.error for r in send(settings, [customer()], links)] == [None]
    _, place.cursor = read(settings)
    return place


def made(settings: Settings) -> str:
    """A new article, by its id."""
    xid, fields = f"{settings.module}.sku", ["id", "name", "default_code", "type", "is_storable"]
    rows = {xid: [[xid, "Thing", settings.module.upper(), "consu", "True"]]}
    return str(load_once(session(settings), "product.product", fields, rows)[xid])


def moved(kind: Any, number: int, units: int) -> Any:
    said = {"sku_id": 1, "location_id": 1, "happened_at": AT, "reference": f"MOVE-{number}", "reason": "by a test"}
    return kind(movement_id=number, units=units, **said)


# ---- figures ------------------------------------------------------------------------------------------------------------------
def lived(place: Place) -> list[Any]:
    """Everything that moves a figure, one after the other, and the figures after each."""
    place.tell(moved(PostReceipt, 1, 20))
    ordered(place, 1, 5)
    shipped = IssueLine(line_id=11, sku_id=1, units=2)
    place.tell(PostGoodsIssue(shipment_id=1, order_id=1, booking_id=1, location_id=1, lines=(shipped,), shipped_at=AT))
    place.cancel(1)
    ordered(place, 2, 30)
    place.tell(moved(PostStockAdjustment, 2, -4))
    place.cancel(2)
    place.tell(moved(PostStockAdjustment, 3, 1))
    place.tell(moved(PostStockAdjustment, 4, -15))
    ordered(place, 3, 1)
    place.tell(moved(PostStockAdjustment, 5, 12))
    theirs = promised(place, 6)
    place.tell(moved(PostStockAdjustment, 7, -8))
    call(session(place.settings), "stock.picking", "action_cancel", object, ids=[theirs])
    place.look("taken back")
    place.tell(moved(PostStockAdjustment, 8, -7))
    place.tell(moved(PostReceipt, 9, 10))
    return place.seen


def promised(place: Place, units: int) -> int:
    """A transfer of somebody else's, which delivers no order of ours: it has reserved what it wants."""
    here, xid = session(place.settings), f"{place.settings.module}.theirs"
    [house] = held(
        place.settings,
        "stock.warehouse",
        [["code", "=", place.links[Ref("location", 1)]]],
        ["lot_stock_id", "int_type_id"],
    )
    [goal, *_] = held(place.settings, "stock.location", [["usage", "=", "customer"]], ["name"])
    ends = [str(house["lot_stock_id"][0]), str(goal["id"])]
    fields = ["id", "picking_type_id/.id", "location_id/.id", "location_dest_id/.id"]
    fields += [
        f"move_ids/{f}"
        for f in ("id", "product_id/.id", "product_uom_qty", "quantity", "location_id/.id", "location_dest_id/.id")
    ]
    row = [xid, str(house["int_type_id"][0]), *ends, f"{xid}_move", place.product, str(units), str(units), *ends]
    loaded = load_once(here, "stock.picking", fields, {xid: [row]})[xid]
    assert isinstance(loaded, int)
    place.look("promised to somebody else")
    return loaded


def ordered(place: Place, number: int, units: int) -> None:
    command = order(place.settings.module, number)
    command = msgspec.structs.replace(command, lines=(line(number * 10 + 1, 1, units, Decimal(10)),), charges=())
    place.tell(command)
    place.tell(ConfirmOrder(order_id=number, booking_id=number))


def test_figures_are_the_same_here_and_in_the_simulator(real: Place, simulated: Place) -> None:
    figures = lived(real)
    print(f"\n{figures}", end="")
    assert figures == lived(simulated)
    assert [figure for _, *rows in figures for figure in rows][:6] == [
        (20, 0),
        (20, 0),
        (20, 5),
        (18, 3),
        (18, 0),
        (18, 0),
    ]


def test_a_snapshot_says_what_odoo_calls_on_hand(settings: Settings) -> None:
    facts, _ = read(settings)
    stated = {row.ref: row.on_hand for f in facts if isinstance(f, CountsStated) for row in f.rows}
    [done] = [f for f in facts if isinstance(f, CountsCompleted)]
    assert (done.location, done.rows) == (WAREHOUSE, len(stated))
    [warehouse] = held(settings, "stock.warehouse", [["code", "=", WAREHOUSE]], ["code"])
    rows = call(
        session(settings), "product.product", "search_read", list[Any], domain=[["is_storable", "=", True]],
        fields=["qty_available"], context={"warehouse_id": warehouse["id"], "active_test": False},
    )  # fmt: skip
    assert {str(r["id"]): r["qty_available"] for r in rows if r["qty_available"]} == {
        r: n for r, n in stated.items() if n
    }


# ---- documents ----------------------------------------------------------------------------------------------------------------
class Deaf:
    """A way out that loses one answer, after the request was carried out."""

    def __init__(self, http: Any, path: str) -> None:
        self.http, self.path = http, path

    def request(self, method: str, url: str, **more: Any) -> Response:
        response: Response = self.http.request(method, url, **more)
        asked = (more.get("body") or b"").decode()
        if self.path and (url.endswith(self.path) or all(f'"{part}"' in asked for part in self.path.split("/"))):
            self.path = ""
            raise Retry("lost", unknown=True)
        return response


LOST = ["stock.picking/load", "stock.picking/button_validate", "stock.picking/write"]


@pytest.mark.parametrize("path", LOST)
@pytest.mark.parametrize(("kind", "units"), [(PostReceipt, 8), (PostStockAdjustment, -3)])
def test_a_lost_answer_makes_no_second_document(real: Place, path: str, kind: Any, units: int) -> None:
    command = msgspec.structs.replace(moved(kind, 7, units), reference=f"{real.settings.module}-7")
    deaf: Session = session(real.settings)
    told: Job = replace(job(1, command, real.links), doubtful=False)
    with pytest.raises(Retry):
        connector.sends[kind].send(replace(deaf, http=Deaf(deaf.http, path)), [told])
    look = connector.sends[kind].look
    assert look
    [found] = look(session(real.settings), [replace(told, doubtful=True)])
    [again] = send(real.settings, [command], real.links)
    assert (again.error, again.state) == (None, "done")
    assert found == (None if "load" in path else replace(again, job=1))
    documents = held(real.settings, "stock.picking", [["origin", "=", command.reference]], ["state", "date_done"])
    assert [(d["id"], d["state"], d["date_done"]) for d in documents] == [
        (int(again.external_id), "done", "2026-03-01 09:30:00")
    ]
    real.look("after")
    assert real.seen == [("after", (units, 0))]


def test_four_senders_of_one_movement_make_one_document(real: Place) -> None:
    command = msgspec.structs.replace(moved(PostReceipt, 8, 5), reference=f"{real.settings.module}-8")
    with ThreadPoolExecutor(4) as threads:
        receipts = [r for [r] in threads.map(lambda _: send(real.settings, [command], dict(real.links)), range(4))]
    assert {(r.error, r.state, r.external_id) for r in receipts} == {(None, "done", receipts[0].external_id)}
    assert len(held(real.settings, "stock.picking", [["origin", "=", command.reference]], ["state"])) == 1
    real.look("after")
    assert real.seen == [("after", (5, 0))]


def test_many_movements_in_one_call(real: Place) -> None:
    commands = [moved(PostReceipt if n % 2 else PostStockAdjustment, n, 1 + n % 3) for n in range(100, 125)]
    assert {r.state for r in send(real.settings, commands, real.links)} == {"done"}
    real.look("after")
    assert real.seen == [("after", (sum(c.units for c in commands), 0))]
