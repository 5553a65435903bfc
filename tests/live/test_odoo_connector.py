"""The connector against a real Odoo 19: ODOO_URL, ODOO_KEY and ODOO_DB (default odoo19). Leaves its orders there.

Needs a user with sales, inventory and product rights, one sales tax of 15 % on net prices, dollars, and one step of delivery.
"""

import os
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from canonical.commands import (
    AddRounding,
    AmendOrder,
    CancelOrder,
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
from connectors.errors import Refused, Retry
from connectors.http import Http, Pool
from connectors.odoo import connector
from connectors.odoo.loading import load_once
from connectors.odoo.settings import Settings
from connectors.odoo.simulator import Odoo
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
    assert [r.error for r in send(settings, [customer()], links)] == [None]
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


# ---- orders that change -------------------------------------------------------------------------------------------------------
def amended(command: CreateOrder, revision: int, *lines: OrderLine, **changed: Any) -> AmendOrder:
    said = {name: getattr(command, name) for name in CreateOrder.__struct_fields__}
    return AmendOrder(**{**said, "lines": lines or command.lines, "revision": revision, **changed})


def units(line: OrderLine, count: int) -> OrderLine:
    """The same line with another number of units at its price."""
    stated = line.stated
    total = (stated.total * count / stated.units).quantize(Decimal("0.01"))
    return OrderLine(
        line_id=line.line_id, sku_id=line.sku_id, stated=msgspec.structs.replace(stated, units=count, total=total)
    )


def shipped(shipment: int, command: CreateOrder, *lines: OrderLine) -> PostGoodsIssue:
    told = msgspec.structs.replace(issue(command), shipment_id=shipment, final=False)
    return msgspec.structs.replace(
        told, lines=tuple(IssueLine(line_id=n.line_id, sku_id=n.sku_id, units=n.stated.units) for n in lines)
    )


OPEN = {
    "confirmed": "open",
    "assigned": "open",
    "waiting": "open",
    "partially_available": "open",
}  # by what is in stock


def seen(settings: Settings, id: str) -> Any:
    """An order as Odoo holds it: state, [(units, price, taxed, delivered)], [(state of a transfer, [(units, state)])]."""
    [order] = held(settings, "sale.order", [["id", "=", int(id)]], ["state", "amount_total"])
    names = ["product_uom_qty", "price_unit", "tax_ids", "qty_delivered"]
    lines = held(settings, "sale.order.line", [["order_id", "=", int(id)]], names)
    transfers = held(settings, "stock.picking", [["sale_id", "=", int(id)]], ["state"])
    moves = held(
        settings, "stock.move", [["picking_id.sale_id", "=", int(id)]], ["product_uom_qty", "state", "picking_id"]
    )
    return (
        order["state"], order["amount_total"],
        [(n["product_uom_qty"], round(n["price_unit"], 6), bool(n["tax_ids"]), n["qty_delivered"]) for n in lines],
        [
            (OPEN.get(t["state"], t["state"]), sorted(
                (m["product_uom_qty"], OPEN.get(m["state"], m["state"])) for m in moves if m["picking_id"][0] == t["id"]
            ))
            for t in transfers
        ],
    )  # fmt: skip


def life(settings: Settings, links: dict[Ref, str]) -> list[Any]:
    """What one order goes through, and what Odoo held and answered after each step."""
    command = order(settings.module, 2001)
    one, two, three = command.lines
    said: list[Any] = []

    def step(told: Any) -> None:
        [receipt] = send(settings, [told], links)
        why = receipt.error.reason if isinstance(receipt.error, Refused) else receipt.error
        answer = (type(told).__name__, receipt.state, receipt.amount, why)
        said.append((answer, seen(settings, links[Ref("booking", 2001)])))

    booked: dict[str, Any] = {"order_id": 2001, "booking_id": 2001}
    step(command)
    step(AddRounding(**booked, amount=Decimal("0.03")))
    step(amended(command, 1, units(one, 6), three, charges=()))
    step(amended(command, 2, units(one, 6), two, three))
    step(ConfirmOrder(**booked))
    step(AddRounding(**booked, amount=Decimal("-0.02"), revision=2))
    step(amended(command, 3, units(one, 5), three))
    step(amended(command, 3, units(one, 5), three))
    step(amended(command, 4, units(one, 5), two, units(three, 7)))
    step(shipped(2001, command, units(one, 2), two))
    step(amended(command, 5, units(one, 1), two, three))
    step(amended(command, 6, units(one, 4), two, three))
    step(amended(command, 7, units(one, 2), two))
    step(CancelOrder(**booked))
    return said


def test_an_orders_life_is_the_same_here_and_in_the_simulator(settings: Settings, links: dict[Ref, str]) -> None:
    real = life(settings, dict(links))
    with Odoo(currency="USD", api_key=os.environ["ODOO_KEY"], database=settings.database) as odoo:
        there = msgspec.structs.replace(settings, url=odoo.url)
        known = {Ref("sku", sku): str(id) for sku, id in ((1, 1), (2, 3), (3, 7))}
        assert [r.error for r in send(there, [customer()], known)] == [None]
        simulated = life(there, known)
    assert real == simulated
    states = [answer[1] or answer[3] for answer, _ in real]
    assert states == [
        "created",
        "done",
        "done",
        "done",
        "confirmed",
        *["done"] * 5,
        "refused",
        "done",
        "done",
        "delivered",
    ]


def test_a_new_address_and_what_people_closed(settings: Settings, links: dict[Ref, str]) -> None:
    command = order(settings.module, 2002)
    [created] = send(settings, [command], links)
    send(settings, [ConfirmOrder(order_id=2002, booking_id=2002)], links)
    moved = msgspec.structs.replace(HOME, city="Dallas")
    told = UpsertCustomer(order_id=2, customer_id=1, billing_id=1, billing=HOME, shipping_id=3, shipping=moved)
    send(settings, [told], links)
    [receipt] = send(settings, [amended(command, 1, shipping_id=3, note="Ring & wait", terms="30 Days")], links)
    assert (receipt.error, receipt.state) == (None, "done")
    id = int(created.external_id)
    [picking] = held(settings, "stock.picking", [["sale_id", "=", id]], ["partner_id"])
    assert str(picking["partner_id"][0]) == links[Ref("address", 3)]
    [now] = held(settings, "sale.order", [["id", "=", id]], ["payment_term_id", "note", "write_date"])
    assert (now["payment_term_id"][1], "Ring &amp; wait" in now["note"]) == ("30 Days", True)
    time.sleep(1.1)
    send(settings, [amended(command, 1, shipping_id=3, note="Ring & wait", terms="30 Days")], links)
    assert held(settings, "sale.order", [["id", "=", id]], ["payment_term_id", "note", "write_date"]) == [now]

    call(session(settings), "sale.order", "action_lock", object, ids=[id])
    locked = send(settings, [amended(command, 2)], links) + send(settings, [cancel(2002)], links)
    assert [r.state or type(r.error) for r in locked] == ["refused", Refused]
    call(session(settings), "sale.order", "action_unlock", object, ids=[id])
    assert [r.state for r in send(settings, [cancel(2002)], links) + send(settings, [cancel(2002)], links)] == [
        "cancelled"
    ] * 2
    assert [r.state for r in send(settings, [amended(command, 3)], links)] == ["refused"]
    call(session(settings), "sale.order", "unlink", object, ids=[id])
    gone = send(settings, [cancel(2002)], links) + send(settings, [amended(command, 4)], links)
    assert [r.state for r in gone] == ["cancelled", "refused"]


def cancel(number: int) -> CancelOrder:
    return CancelOrder(order_id=number, booking_id=number)


def test_an_invoice_stops_cancelling_until_it_is_reversed(settings: Settings, links: dict[Ref, str]) -> None:
    command = order(settings.module, 2003)
    [created] = send(settings, [command], links)
    send(settings, [ConfirmOrder(order_id=2003, booking_id=2003)], links)
    here, id = session(settings), int(created.external_id)
    [wizard] = call(here, "sale.advance.payment.inv", "create", list[int], vals_list=[{"advance_payment_method": "delivered"}],
                    context={"active_ids": [id], "active_model": "sale.order"})  # fmt: skip
    call(here, "sale.advance.payment.inv", "create_invoices", object, ids=[wizard], context={"active_ids": [id]})
    [invoice] = held(
        settings,
        "account.move",
        [["invoice_origin", "!=", False], ["line_ids.sale_line_ids.order_id", "=", id]],
        ["state"],
    )
    fewer = amended(command, 1, command.lines[0])
    assert [r.state for r in send(settings, [fewer], links)] == ["refused"]
    call(here, "account.move", "action_post", object, ids=[invoice["id"]])
    [refused] = send(settings, [cancel(2003)], links)
    assert isinstance(refused.error, Refused) and refused.error.reason == "invoiced"


# ---- customers ----------------------------------------------------------------------------------------------------------------
HOME = Address(
    first_name="Ann", last_name="Buyer", line1="1 Main St", city="Austin", postcode="73301", state="TX", country="US",
)  # fmt: skip
ACME = Address(
    first_name="Bo",
    last_name="Boss",
    company="Acme BV",
    line1="Weg 1",
    city="Ede",
    country="NL",
    email="bo@acme.example",
)


def customer(**changed: Any) -> UpsertCustomer:
    said = {"order_id": 1, "customer_id": 1, "billing_id": 1, "billing": HOME, "shipping_id": 2, "shipping": HOME}
    return UpsertCustomer(**{**said, **changed})


def contact(settings: Settings, link: str) -> Any:
    names = ["name", "vat", "comment", "parent_id", "commercial_partner_id", "is_company", "property_payment_term_id"]
    return held(settings, "res.partner", [["id", "=", int(link)]], names)[0]


def test_a_company_with_a_vat_id(settings: Settings, links: dict[Ref, str]) -> None:
    told = customer(
        customer_id=5, billing_id=50, billing=ACME, shipping_id=51, vat_id="NL123456782B90", terms="30 Days"
    )
    assert [(r.state, r.evidence) for r in send(settings, [told], links)] == [("done", "")]
    person, invoice = (contact(settings, links[ref]) for ref in (Ref("customer", 5), Ref("address", 50)))
    company = contact(settings, str(invoice["commercial_partner_id"][0]))
    assert (company["name"], company["vat"], company["is_company"]) == ("Acme BV", "NL123456782B90", True)
    assert company["property_payment_term_id"][1] == "30 Days"
    assert (person["name"], person["parent_id"][0], person["vat"]) == ("Bo Boss", company["id"], "NL123456782B90")
    assert invoice["parent_id"][0] == person["id"]


def test_what_is_wrong_with_a_customer_blocks_nobody(settings: Settings, links: dict[Ref, str]) -> None:
    """An invalid VAT id is refused where the module base_vat is installed, and kept as it is elsewhere."""
    checks = held(settings, "ir.module.module", [["name", "=", "base_vat"], ["state", "=", "installed"]], ["name"])
    odd = msgspec.structs.replace(ACME, company="A" * 5000, email="not an e-mail", phone="x" * 300, state="Nowhere")
    told = customer(customer_id=6, billing_id=60, billing=odd, shipping_id=60, shipping=odd, vat_id="NL000000000B00")
    for _ in range(2):
        [receipt] = send(settings, [told], links)
        assert (receipt.error, receipt.state) == (None, "done")
    company = contact(settings, str(contact(settings, links[Ref("customer", 6)])["commercial_partner_id"][0]))
    if checks:
        assert receipt.evidence == "Not accepted by Odoo and noted on the contact instead: VAT id."
        assert (company["vat"], str(company["comment"]).count("NL000000000B00")) == (False, 1)
    else:
        assert (receipt.evidence, company["vat"], company["comment"]) == ("", "NL000000000B00", False)


def test_guests_of_one_order_and_of_one_account(settings: Settings, links: dict[Ref, str]) -> None:
    own = {**links}
    per_order = [customer(order_id=n, account="per_order", reference=f"{settings.module}-{n}") for n in (3001, 3002)]
    send(settings, per_order, own)
    created = send(settings, [order(settings.module, n) for n in (3001, 3002)], own)
    assert [booked_on(settings, r) for r in created] == [f"{settings.module}-{n} Ann Buyer" for n in (3001, 3002)]

    call(session(settings), "res.partner", "create", object, vals_list=[{"name": f"Guests {settings.module}"}])
    there = msgspec.structs.replace(settings, guest_account=f"Guests {settings.module}")
    send(there, [customer(order_id=3003, account="collective")], {**links})
    [receipt] = send(there, [order(settings.module, 3003)], {**links})
    assert booked_on(settings, receipt) == there.guest_account


def booked_on(settings: Settings, receipt: Receipt) -> str:
    [held_order] = held(settings, "sale.order", [["id", "=", int(receipt.external_id)]], ["partner_id"])
    return str(contact(settings, str(held_order["partner_id"][0]))["name"])
