"""Orders in real life against a real Odoo: ODOO_URL, ODOO_KEY and ODOO_DB (default odoo19). Leaves its orders there.

Shop and warehouses are simulators. Every journey is told twice, with the simulated Odoo and with the real one, and both must hold the
same in the end: what they do otherwise shows as the one passing and the other not. The real one needs what test_odoo_connector.py says.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from connectors.odoo.simulator import Odoo
from retailsync.sync import tasks
from tests.journeys.conftest import Hands, forgetful, hands  # noqa: F401 - fixtures
from tests.journeys.stage import CALM, Stage, stage
from tests.live.live_erp import SKIP, LiveStage, some_name

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True), SKIP]

SHOP = {"currency": "USD", "rate": Decimal(15)}
BOWL, MUG, PLATE = "W1-BOWL", "W1-MUG-BLUE", "W1-PLATE-L"
PRICES = {BOWL: Decimal("10.89"), MUG: Decimal("11.88"), PLATE: Decimal("15.18")}  # with 15 % tax
DAY = 24 * 60  # minutes


@pytest.fixture(params=["simulated", "real"])
def s(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage that sells in dollars, with one ERP or the other."""
    kind = {"simulated": Stage, "real": LiveStage}[request.param]
    erp = {"currency": "USD"} if kind is Stage else {}
    with _stage(kind, erp=erp) as ready:
        yield ready


@pytest.fixture
def by_rpc() -> Iterator[Stage]:
    login = os.environ.get("ODOO_LOGIN", "integration@example.com")
    with _stage(LiveStage, erp_settings={"api": "jsonrpc", "login": login}) as ready:
        yield ready


def _stage(kind: type[Stage], erp_settings: dict[str, Any] | None = None, **how: Any) -> Any:
    name = some_name()
    return stage(name, shop=SHOP, erp_settings={"module": f"live_{name}", **(erp_settings or {})}, kind=kind, **how)


# ---- what the ERP holds -----------------------------------------------------------------------------------------------------
class Delivery(NamedTuple):
    """A transfer: its state, the units done, the tracking number."""

    state: str
    done: dict[str, int] = {}
    tracking: str = ""


class Sale(NamedTuple):
    """One sales order: its state, its total, units of the shop's articles, its deliveries."""

    state: str
    total: Decimal
    units: dict[str, int]
    deliveries: list[Delivery]


def sales(s: Stage) -> list[Sale]:
    """All of this stage's sales orders, oldest first; every reference must be its order's, or that with a suffix."""
    prefix = s.world.shop.prefix
    held = s.erp.state()["orders"]
    assert {h["reference"].removeprefix(prefix).split("/")[0].split("-")[0] for h in held} <= {
        str(o) for o in s.shop.orders
    }
    return [
        Sale(h["state"], Decimal(h["amount_total"]), _units(s, h), [_delivery(p) for p in h["pickings"]]) for h in held
    ]


def _units(s: Stage, held: dict[str, Any]) -> dict[str, int]:
    articles = {p["sku"] for p in s.shop.products.values() if p["sku"]}
    units: dict[str, int] = {}
    for line in held["lines"]:
        if line["sku"] in articles:
            units[line["sku"]] = units.get(line["sku"], 0) + int(line["quantity"])
    return dict(sorted(units.items()))


def _delivery(picking: dict[str, Any]) -> Delivery:
    done: dict[str, int] = {}
    for move in picking["moves"]:
        if move["done"]:
            done[move["sku"]] = done.get(move["sku"], 0) + int(move["done"])
    return Delivery(picking["state"], dict(sorted(done.items())), picking["tracking"])


def shown(s: Stage) -> list[str]:
    """The tracking numbers customers see, order by order."""
    return [number for t in s.whole() for number in t.shown]


def bought(s: Stage, order: int) -> dict[str, int]:
    """The shop's own units by SKU."""
    return dict(sorted((line["sku"], line["quantity"]) for line in s.shop.orders[order]["line_items"]))


def worth(s: Stage, order: int) -> Decimal:
    return Decimal(s.shop.orders[order]["total"])


def shipped(s: Stage, total: Decimal, units: dict[str, int], *parcels: dict[str, int]) -> Sale:
    """A sales order that left in these parcels (one, without any), whose numbers customers see."""
    left = zip(parcels or (units,), shown(s), strict=True)
    return Sale("sale", total, units, [Delivery("done", done, tracking) for done, tracking in left])


def ends(s: Stage) -> list[tuple[str, str]]:
    return [(t.shop, t.ours) for t in s.whole()]


def finish(s: Stage) -> None:
    """Everybody hears of it, and what waits in the warehouses goes on."""
    s.settle()
    s.go_on()
    s.settle()
    s.go_on()
    s.settle()


@pytest.fixture
def order(s: Stage) -> int:
    """A bowl and a mug, which W1 accepted, picked and left in the box: it can still do anything."""
    return picked(s)


def picked(s: Stage) -> int:
    s.behave(W1="picks", W2="picks")
    order = s.buy(BOWL, MUG)
    s.settle()
    assert [(x.state, x.total, x.units) for x in sales(s)] == [("sale", PRICES[BOWL] + PRICES[MUG], {BOWL: 1, MUG: 1})]
    return order


# ---- payment ----------------------------------------------------------------------------------------------------------------
def test_cash_on_delivery(s: Stage) -> None:
    order = s.order("cod")
    s.settle()
    assert sales(s) == [shipped(s, worth(s, order), bought(s, order))]
    assert s.trouble() == CALM


def test_a_bank_transfer_paid_after_five_days(s: Stage, hands: Hands) -> None:  # noqa: F811
    order = s.order("bacs")
    s.settle()
    hands.turn(minutes=5 * DAY)
    tasks.sweep()
    hands.ahead = timedelta()
    s.settle()
    assert sales(s) == []
    s.shop.pay(order)
    s.settle()
    assert sales(s) == [shipped(s, worth(s, order), bought(s, order))]
    assert s.trouble() == CALM


def test_a_coupon_for_everything(s: Stage) -> None:
    order = s.order("free")
    s.settle()
    assert sales(s) == [shipped(s, Decimal("0.00"), bought(s, order))]
    assert s.trouble() == CALM


def test_a_gift_card_pays_a_part(s: Stage) -> None:
    order = s.order("gift_card")
    s.settle()
    whole = worth(s, order) + Decimal(str(s.shop.orders[order]["gift_cards"][0]["amount"]))
    assert sales(s) == [shipped(s, whole, bought(s, order))]
    assert s.trouble() == CALM


# ---- edits ------------------------------------------------------------------------------------------------------------------
def test_an_address_changed_after_payment(s: Stage, order: int) -> None:
    s.shop.edit(order, address={"address_1": "Laan 3", "city": "Amsterdam", "postcode": "1011 AA"})
    finish(s)
    assert sales(s) == [shipped(s, worth(s, order), {BOWL: 1, MUG: 1})]
    assert [p["city"] for h in s.erp.state()["orders"] for p in h["pickings"]] == ["Amsterdam"]
    assert s.trouble() == CALM


def test_a_quantity_lowered_after_the_pick(s: Stage, order: int) -> None:
    s.shop.set_quantity(order, BOWL, 3)
    s.settle()
    assert [(x.total, x.units) for x in sales(s)] == [(3 * PRICES[BOWL] + PRICES[MUG], {BOWL: 3, MUG: 1})]
    s.shop.set_quantity(order, BOWL, 1)
    finish(s)
    assert sales(s) == [shipped(s, PRICES[BOWL] + PRICES[MUG], {BOWL: 1, MUG: 1})]
    assert s.trouble() == CALM


def test_a_line_swapped(s: Stage, order: int) -> None:
    s.shop.swap_line(order, MUG, PLATE)
    finish(s)
    total = PRICES[BOWL] + PRICES[PLATE]
    assert sales(s) == [shipped(s, total, {BOWL: 1, MUG: 0, PLATE: 1}, {BOWL: 1}, {PLATE: 1})]
    assert worth(s, order) == total
    assert s.trouble() == CALM


def test_an_order_the_erp_cancelled_is_booked_anew_with_the_edit(s: Stage, order: int) -> None:
    """Staff cancelled it over there; the customer's edit cannot be said in it any more."""
    (held,) = s.erp.state()["orders"]
    _by_staff(s, "cancel", held["id"])
    s.shop.set_quantity(order, BOWL, 2)
    finish(s)
    first, second = sales(s)
    assert (first.state, first.deliveries) == ("cancel", [Delivery("cancel")])
    units = {BOWL: 2, MUG: 1}
    assert (second.state, second.total, second.units) == ("sale", 2 * PRICES[BOWL] + PRICES[MUG], units)
    assert {d.state for d in second.deliveries} == {"done"}
    assert sorted(d.tracking for d in second.deliveries) == sorted(shown(s))
    assert sum((Counter(d.done) for d in second.deliveries), Counter()) == units
    assert s.trouble() == CALM


def test_an_order_the_erp_locked_is_a_question(s: Stage, order: int) -> None:
    """A locked order is neither amended nor cancelled: a person unlocks it."""
    (held,) = s.erp.state()["orders"]
    _by_staff(s, "lock", held["id"])
    s.shop.set_quantity(order, BOWL, 2)
    s.settle()
    assert [(x.state, x.units) for x in sales(s)] == [("sale", {BOWL: 1, MUG: 1})]
    assert ["locked" in words for _, words in s.cases()] == [True]


def _by_staff(s: Stage, action: str, id: int) -> None:
    """What somebody does in the ERP."""
    if isinstance(s.erp, Odoo):
        {"cancel": lambda: s.erp.business.cancel_orders([id]), "lock": lambda: s.erp.business.lock([id], locked=True)}[
            action
        ]()
    else:
        getattr(s.erp, action)(id)


# ---- cancelled --------------------------------------------------------------------------------------------------------------
def test_a_cancelled_order_ends_everywhere(s: Stage, order: int) -> None:
    s.shop.cancel(order)
    finish(s)
    assert sales(s) == [Sale("cancel", worth(s, order), {BOWL: 1, MUG: 1}, [Delivery("cancel")])]
    assert ends(s) == [("cancelled", "cancelled")]
    assert s.trouble() == CALM


def test_a_late_payment_takes_a_cancellation_back(s: Stage, order: int) -> None:
    s.shop.cancel(order)
    s.settle()
    s.shop.pay(order)
    finish(s)
    first, second = sales(s)
    assert first == Sale("cancel", worth(s, order), {BOWL: 1, MUG: 1}, [Delivery("cancel")])
    assert second == shipped(s, worth(s, order), {BOWL: 1, MUG: 1})
    assert s.trouble() == CALM


def test_a_part_shipped_and_the_rest_cancelled(s: Stage) -> None:
    s.behave(W1="ships_half")
    s.buy(BOWL, MUG)
    s.settle()
    (order,) = s.shop.orders
    s.shop.cancel(order)
    finish(s)
    (sale,) = sales(s)
    left = sale.deliveries[0].done
    assert sum(left.values()) == 1
    assert (sale.state, sale.units) == ("sale", {BOWL: 0, MUG: 0} | left)
    assert sale.total == sum(PRICES[sku] for sku in left)
    assert [(d.state, d.tracking) for d in sale.deliveries] == [("done", shown(s)[0]), ("cancel", "")]
    assert ends(s) == [("cancelled", "partially_cancelled")]


def test_an_order_on_hold_after_release_waits_and_goes_on(s: Stage, order: int) -> None:
    s.shop.move(order, "on-hold")
    s.settle()
    assert [(x.state, [d.done for d in x.deliveries]) for x in sales(s)] == [("sale", [{}])]
    s.shop.move(order, "processing")
    finish(s)
    assert sales(s) == [shipped(s, worth(s, order), {BOWL: 1, MUG: 1})]
    assert s.trouble() == CALM


# ---- refunds ----------------------------------------------------------------------------------------------------------------
def test_a_refund_by_line_before_shipping(s: Stage, order: int) -> None:
    s.shop.refund(order, {BOWL: 1})
    finish(s)
    assert sales(s) == [shipped(s, PRICES[MUG], {BOWL: 0, MUG: 1}, {MUG: 1})]
    assert s.trouble() == CALM


# ---- the older way in -------------------------------------------------------------------------------------------------------
def test_an_order_over_jsonrpc_edited_and_shipped(by_rpc: Stage) -> None:
    order = picked(by_rpc)
    by_rpc.shop.set_quantity(order, MUG, 2)
    finish(by_rpc)
    total = PRICES[BOWL] + 2 * PRICES[MUG]
    assert sales(by_rpc) == [shipped(by_rpc, total, {BOWL: 1, MUG: 2}, {BOWL: 1, MUG: 1}, {MUG: 1})]
    assert by_rpc.trouble() == CALM
