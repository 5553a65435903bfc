"""The connector against a real Odoo 19: ODOO_URL, ODOO_KEY and ODOO_DB (default odoo19). Leaves its orders there.

Needs a user with sales, inventory and product rights, and one sales tax of 15 % on net prices.
"""

import os
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from canonical.commands import (
    AddRounding,
    ConfirmOrder,
    CreateOrder,
    IssueLine,
    OrderCharge,
    OrderLine,
    PostGoodsIssue,
    Ref,
    UpsertCustomer,
)
from canonical.types import Address, Charge, Line, Tax
from connectors.base import Job, Receipt, Session
from connectors.errors import Retry
from connectors.http import Http, Pool
from connectors.odoo import connector
from connectors.odoo.loading import load_once
from connectors.odoo.settings import Settings
from connectors.odoo.transport import call

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not (os.environ.get("ODOO_URL") and os.environ.get("ODOO_KEY")),
        reason="set ODOO_URL and ODOO_KEY (and ODOO_DB) to run against a real Odoo",
    ),
]

ORDERS = 50
RATE = Decimal(15)
POOL = Pool()
SHIPPED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(
        url=os.environ["ODOO_URL"],
        database=os.environ.get("ODOO_DB", "odoo19"),
        module=f"live_{uuid.uuid4().hex[:8]}",
        allow_loopback_http=True,
    )


def session(settings: Settings) -> Session:
    key = os.environ["ODOO_KEY"]
    http = Http(POOL, deadline=60, secrets=[key], allow_loopback_http=True)
    return Session("odoo", settings, {"api_key": [key]}, http, lambda: datetime.now(UTC))


def job(number: int, command: Any, links: dict[Ref, str]) -> Job:
    send = connector.sends[type(command)]
    wanted = [*send.needs(command), *send.optional(command)]
    return Job(number, command.purpose, command, {ref: links[ref] for ref in wanted if ref in links})


def send(settings: Settings, commands: Sequence[Any], links: dict[Ref, str]) -> list[Receipt]:
    """What the top floor does: batches, every Retry again, links kept."""
    table = connector.sends[type(commands[0])]
    waiting = [job(i, command, links) for i, command in enumerate(commands)]
    confirmed: dict[int, Receipt] = {}
    while waiting:
        for start in range(0, len(waiting), table.batch):
            try:
                receipts = table.send(session(settings), waiting[start : start + table.batch])
            except Retry:
                continue
            confirmed |= {r.job: r for r in receipts if not isinstance(r.error, Retry)}
        waiting = [j for j in waiting if j.id not in confirmed]
    for receipt in confirmed.values():
        links.update({Ref(entity, ours): theirs for entity, ours, theirs in receipt.links})
    return [confirmed[i] for i in range(len(commands))]


def orders(settings: Settings) -> list[CreateOrder]:
    return [order(settings.module, number) for number in range(1, ORDERS + 1)]


def order(module: str, number: int) -> CreateOrder:
    """Three goods lines and shipping; the tax is rounded per line, as shops do, so some totals differ from Odoo's by cents."""
    lines = [line(number * 10 + i, i, 1 + (number + i) % 4, Decimal(number * 37 + i * 113) / 100) for i in (1, 2, 3)]
    shipping = Decimal("4.97")
    tax = (shipping * RATE / 100).quantize(Decimal("0.01"))
    charge = Charge(
        ref="s", kind="shipping", title="Parcel", total=shipping, taxes=(Tax(code="s", rate=RATE, amount=tax),)
    )
    total = sum((line.stated.total + line.stated.tax for line in lines), shipping + tax)
    return CreateOrder(
        order_id=number,
        booking_id=number,
        reference=f"{module}-{number}",
        customer_id=1,
        billing_id=1,
        shipping_id=2,
        placed_at=SHIPPED,
        currency="USD",
        prices_include_tax=False,
        total=total,
        lines=tuple(lines),
        charges=(OrderCharge(charge_id=number, stated=charge),),
    )


def line(line_id: int, sku: int, units: int, total: Decimal) -> OrderLine:
    tax = (total * RATE / 100).quantize(Decimal("0.01"))
    taxes = (Tax(code="std", rate=RATE, amount=tax),) if sku != 3 else ()
    stated = Line(
        ref=str(line_id), sku=f"S{sku}", name=f"Thing {sku}", units=units, subtotal=total, total=total, taxes=taxes
    )
    return OrderLine(line_id=line_id, sku_id=sku, stated=stated)


def issue(command: CreateOrder) -> PostGoodsIssue:
    return PostGoodsIssue(
        shipment_id=command.order_id,
        order_id=command.order_id,
        booking_id=command.booking_id,
        location_id=1,
        lines=tuple(IssueLine(line_id=n.line_id, sku_id=n.sku_id, units=n.stated.units) for n in command.lines),
        shipped_at=SHIPPED,
        tracking=f"TRK{command.order_id}",
        carrier="UPS",
        final=True,
    )


@pytest.fixture(scope="module")
def links(settings: Settings) -> dict[Ref, str]:
    """Three products and a customer."""
    rows = {
        f"{settings.module}.sku_{i}": [[f"{settings.module}.sku_{i}", f"Thing {i}", "consu", "True"]] for i in (1, 2, 3)
    }
    products = load_once(session(settings), "product.product", ["id", "name", "type", "is_storable"], rows)
    links = {Ref("sku", i): str(products[f"{settings.module}.sku_{i}"]) for i in (1, 2, 3)}
    address = Address(
        first_name="Ann",
        last_name="Buyer",
        line1="1 Main St",
        city="Austin",
        postcode="73301",
        state="TX",
        country="US",
    )
    customer = UpsertCustomer(order_id=1, customer_id=1, billing_id=1, billing=address, shipping_id=2, shipping=address)
    assert [r.error for r in send(settings, [customer], links)] == [None]
    return links


def held(settings: Settings, model: str, domain: list[Any], fields: list[str]) -> list[Any]:
    return call(session(settings), model, "search_read", list[Any], domain=domain, fields=fields, order="id")


def timed(name: str, started: float) -> None:
    seconds = time.monotonic() - started
    print(f"\n{name}: {ORDERS} in {seconds:.1f} s = {ORDERS / seconds:.1f}/s", end="")


def test_fifty_orders_submitted_twice_at_once(settings: Settings, links: dict[Ref, str]) -> None:
    commands = orders(settings)
    ours = [["client_order_ref", "like", f"{settings.module}-%"]]

    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        mine: dict[Ref, str] = dict(links)
        twice = list(threads.map(lambda kept: send(settings, commands, kept), [links, mine]))
    timed("create, each submitted twice concurrently", started)
    assert [r.external_id for r in twice[0]] == [r.external_id for r in twice[1]]
    assert sorted(o["client_order_ref"] for o in held(settings, "sale.order", ours, ["client_order_ref"])) == sorted(
        c.reference for c in commands
    )

    off = [
        (c, c.total - r.amount)
        for c, r in zip(commands, twice[0], strict=True)
        if r.amount is not None and r.amount != c.total
    ]
    started = time.monotonic()
    roundings = [AddRounding(order_id=c.order_id, booking_id=c.booking_id, amount=rest) for c, rest in off]
    rounded = send(settings, roundings, links) if off else []
    print(f"\nrounding lines needed: {len(off)}, in {time.monotonic() - started:.1f} s", end="")
    assert [r.error for r in rounded] == [None] * len(off)
    totals = {
        o["client_order_ref"]: Decimal(str(o["amount_total"]))
        for o in held(settings, "sale.order", ours, ["client_order_ref", "amount_total"])
    }
    assert totals == {c.reference: c.total for c in commands}

    started = time.monotonic()
    assert {
        r.state
        for r in send(settings, [ConfirmOrder(order_id=c.order_id, booking_id=c.booking_id) for c in commands], links)
    } == {"confirmed"}
    timed("confirm", started)

    started = time.monotonic()
    assert [r.state for r in send(settings, [issue(c) for c in commands], links)] == ["done"] * ORDERS
    timed("goods issue", started)
    again = send(settings, [issue(c) for c in commands], links)
    assert [r.state for r in again] == ["done"] * ORDERS

    ids = [int(r.external_id) for r in twice[0]]
    pickings = held(settings, "stock.picking", [["sale_id", "in", ids]], ["state", "carrier_tracking_ref", "date_done"])
    assert sorted((p["state"], p["carrier_tracking_ref"], p["date_done"]) for p in pickings) == sorted(
        ("done", f"TRK{c.order_id}", "2026-03-01 09:30:00") for c in commands
    )
    goods = [["order_id", "in", ids], ["product_id.type", "=", "consu"]]
    assert all(
        n["qty_delivered"] == n["product_uom_qty"]
        for n in held(settings, "sale.order.line", goods, ["qty_delivered", "product_uom_qty"])
    )


def test_ten_senders_of_one_order_make_one(settings: Settings, links: dict[Ref, str]) -> None:
    command = order(settings.module, 1001)
    with ThreadPoolExecutor(10) as threads:
        receipts = [r for [r] in threads.map(lambda _: send(settings, [command], dict(links)), range(10))]
    assert len({r.external_id for r in receipts}) == 1
    assert len(held(settings, "sale.order", [["client_order_ref", "=", command.reference]], ["state"])) == 1


def test_four_senders_of_one_part_make_one_delivery_and_one_backorder(
    settings: Settings, links: dict[Ref, str]
) -> None:
    command = order(settings.module, 1002)
    [created] = send(settings, [command], links)
    send(settings, [ConfirmOrder(order_id=1002, booking_id=1002)], links)
    first = command.lines[0]
    units = (IssueLine(line_id=first.line_id, sku_id=first.sku_id, units=first.stated.units),)
    part = PostGoodsIssue(
        shipment_id=1002,
        order_id=1002,
        booking_id=1002,
        location_id=1,
        lines=units,
        shipped_at=SHIPPED,
        tracking="A, B",
    )
    with ThreadPoolExecutor(4) as threads:
        receipts = [r for [r] in threads.map(lambda _: send(settings, [part], dict(links)), range(4))]
    assert {(r.state, r.external_id) for r in receipts} == {("done", receipts[0].external_id)}
    domain = [["sale_id", "=", int(created.external_id)]]
    pickings = held(settings, "stock.picking", domain, ["state", "carrier_tracking_ref"])
    done, rest = [(p["state"], p["carrier_tracking_ref"]) for p in pickings]
    assert done == ("done", "A, B")
    assert rest in (("assigned", False), ("confirmed", False))  # by what is in stock
    delivered = held(settings, "sale.order.line", [["order_id", "=", int(created.external_id)]], ["qty_delivered"])
    assert sum(n["qty_delivered"] for n in delivered) == first.stated.units
