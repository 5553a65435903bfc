"""The life of an order, and stock, in every release and over both APIs: what Odoo holds at the end is the same."""

from typing import Any

import pytest

from canonical.commands import CancelOrder, ConfirmOrder, PostReceipt, PostStockAdjustment, Ref
from canonical.facts import CountsStated
from canonical.types import Counted
from connectors.base import Envelope
from connectors.odoo import connector
from connectors.odoo.simulator import Odoo
from tests.connectors.odoo.conftest import AT, MUG, TEA, Desk, amendment, charge, customer, issue, line, movement, order

LOGIN = "engine@shop.example"
TIMES = ("created_at",)


def lived(odoo: Odoo, **settings: Any) -> Any:
    """Customer, order with tax-free shipping, confirmation, a part shipped and then the rest: what Odoo holds, without our clock."""
    desk = Desk(odoo, login=LOGIN, **settings)
    assert [r.error for r in desk.send(customer())] == [None]
    stated = order(
        1,
        line(11, MUG, 3, "30.99"),
        line(12, TEA, 1, "5.73", "9"),
        charges=(charge(1, "shipping", "4.95"),),
        note="a\nb",
    )
    desk.confirmed(stated)
    first = desk.send(issue(1, 1, (11, MUG, 2)))
    again = desk.send(issue(1, 1, (11, MUG, 2)))
    second = desk.send(issue(2, 1, (11, MUG, 1), (12, TEA, 1), final=True))
    assert [r.error for r in (*first, *again, *second)] == [None] * 3
    assert desk.send(ConfirmOrder(order_id=1, booking_id=1))[0].state == "confirmed"
    _changed(desk)
    return [{name: value for name, value in o.items() if name not in TIMES} for o in desk.orders()]


def _changed(desk: Desk) -> None:
    """One order amended as a draft and again when confirmed, another one cancelled."""
    desk.send(order(2, line(21, MUG, 3, "30.99")))
    draft = desk.send(amendment(2, line(21, MUG, 2, "20.66"), line(22, TEA, 1, "5.73", "9"), note="c\nd"))
    desk.confirmed(order(3, line(31, TEA, 1, "5.73", "9")))
    sure = desk.send(ConfirmOrder(order_id=2, booking_id=2))
    later = desk.send(amendment(2, line(22, TEA, 4, "22.92", "9"), revision=2, note="c\nd"))
    gone = desk.send(CancelOrder(order_id=3, booking_id=3))
    assert [r.state for r in (*draft, *sure, *later, *gone)] == ["done", "confirmed", "done", "cancelled"]


@pytest.fixture(scope="module")
def as_in_19() -> Any:
    with Odoo() as odoo:
        return lived(odoo)


@pytest.mark.parametrize("release", ["15.0", "16.0", "17.0", "18.0", "19.0"])
def test_an_order_lives_alike(release: str, as_in_19: Any) -> None:
    with Odoo(release=release) as odoo:
        assert lived(odoo, api="jsonrpc") == as_in_19


def test_in_14_notes_are_plain(as_in_19: Any) -> None:
    with Odoo(release="14.0") as odoo:
        held = lived(odoo)
    notes = [p["note"] for o in held for p in o["pickings"]]
    marks = [f"retailsync.shipment_{n}: PostNL, TRK{n}, 2026-03-01 09:30:00 UTC" for n in (1, 2)]
    assert ([o["note"] for o in held], notes) == (["a\nb", "c\nd", ""], [*marks, "", ""])
    assert without_notes(held) == without_notes(as_in_19)


@pytest.mark.parametrize("release", ["14.0", "15.0", "16.0", "17.0", "18.0", "19.0"])
def test_stock_is_read_and_booked_alike(release: str) -> None:
    with Odoo(release=release, stock=0) as odoo:
        desk = Desk(odoo, login=LOGIN, api="jsonrpc")
        desk.links[Ref("location", 1)] = "WH"
        receipt = movement(PostReceipt, 1, 9, document="DN 1", reason="late")
        booked = desk.send(receipt) + desk.send(receipt) + desk.send(movement(PostStockAdjustment, 2, -4))
        assert [(r.error, r.state, r.evidence) for r in booked] == [
            (None, "done", "WH/IN/00001"),
            (None, "done", "WH/IN/00001"),
            (None, "done", "WH/INT/00001"),
        ]
        page, done, _ = connector.polls["stock"](desk.session(), "").heard
        [fact] = connector.reads[page.topic](Envelope(page.topic, page.body, AT, page.asked_at))
        assert isinstance(fact, CountsStated)
        assert (fact.location, fact.rows) == ("WH", (Counted(ref=str(MUG), sku="W1-MUG-BLUE", on_hand=5),))
        assert done.topic == "stock.done"


def without_notes(held: Any) -> Any:
    """Orders and their transfers, with nothing noted on them."""
    return [{**o, "note": "", "pickings": [{**p, "note": ""} for p in o["pickings"]]} for o in held]
