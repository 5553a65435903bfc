"""P9: orders created and confirmed in a live Odoo by the product's connector in its batches, beside a client that calls once per order
and step. Both speak over the same HTTP library to the same database, in turns. Leaves its orders there.

ODOO_URL, ODOO_KEY and ODOO_DATABASE (default odoo19) say where; the user needs sales and product rights.
"""

import os
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Any

from benchmarks.report import Broken, Claim, Section, spread
from canonical.commands import AddRounding, ConfirmOrder, CreateOrder, OrderLine, Ref, UpsertCustomer
from canonical.types import Address, Line, Tax
from connectors.base import Job, Receipt, Session
from connectors.errors import Retry
from connectors.http import Http, Pool
from connectors.odoo import connector
from connectors.odoo.loading import load_once
from connectors.odoo.settings import Settings
from connectors.odoo.transport import call

ORDERS, QUICK = 100, 20  # per measurement
FEWER = 4  # the client gets this many times fewer
LINES = 3
TRIES = 5
TARGET = 3.0
TITLE = "P9 real ERP"
_POOL = Pool()
_PLACED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def run(orders: int, repetitions: int, say: Callable[[str], None]) -> Section | None:
    """Measure and compare; None (and a word why) where no Odoo is given."""
    if not (os.environ.get("ODOO_URL") and os.environ.get("ODOO_KEY")):
        say("P9 is skipped: set ODOO_URL, ODOO_KEY and ODOO_DATABASE to measure against a live Odoo.")
        return None
    shop = Shop()
    rates: dict[str, list[float]] = {"connector": [], "client": []}
    for turn in range(repetitions + 1):  # the first warms up
        for name, carry, count in (("connector", by_connector, orders), ("client", by_client, max(5, orders // FEWER))):
            rate = _measure(shop, carry, count if turn else 5)
            say(f"P9 {f'{turn}/{repetitions}' if turn else 'warming up'} {name}: {rate:.1f} orders/s")
            rates[name] += [rate] if turn else []
    return _section(shop, rates, orders)


class Shop:
    """A catalogue of its own in the Odoo, and orders on it."""

    def __init__(self) -> None:
        self.settings = Settings(
            url=os.environ["ODOO_URL"],
            database=os.environ.get("ODOO_DATABASE", "odoo19"),
            module=f"bench_{uuid.uuid4().hex[:8]}",
            allow_loopback_http=True,
        )
        self.given = 0
        self.version, self.currency = self._version(), self._currency()
        xids = {sku: self.settings.xid("sku", sku) for sku in range(1, LINES + 1)}
        rows = {xid: [[xid, f"Bench thing {sku}", "consu"]] for sku, xid in xids.items()}
        products = load_once(self.session(), "product.product", ["id", "name", "type"], rows)
        if troubles := [found for found in products.values() if not isinstance(found, int)]:
            raise Broken(f"Odoo took no products: {troubles[0]}")
        self.products = {sku: products[xid] for sku, xid in xids.items()}

    def session(self) -> Session:
        """One visit."""
        key = os.environ["ODOO_KEY"]
        http = Http(_POOL, deadline=120, secrets=[key], allow_loopback_http=True)
        return Session("odoo", self.settings, {"api_key": [key]}, http, lambda: datetime.now(UTC))

    def ask(self, model: str, method: str, **arguments: Any) -> Any:
        """One call as a simple client makes it."""
        return call(self.session(), model, method, object, **arguments)

    def numbers(self, count: int) -> list[int]:
        """Order numbers nobody used before."""
        self.given += count
        return list(range(self.given - count + 1, self.given + 1))

    def _version(self) -> str:
        (base,) = self.ask("ir.module.module", "search_read", domain=[["name", "=", "base"]], fields=["latest_version"])
        return str(base["latest_version"])

    def _currency(self) -> str:
        (company, *_) = self.ask("res.company", "search_read", domain=[], fields=["currency_id"], order="id")
        return str(company["currency_id"][1])


def _address(number: int) -> Address:
    return Address(
        first_name="Ann", last_name=f"Buyer {number}", line1=f"{number} Main St", city="Austin", postcode="73301",
        state="TX", country="US", email=f"buyer{number}@example.com",
    )  # fmt: skip


def _price(number: int, sku: int) -> Decimal:
    return Decimal(500 + (number * 37 + sku * 113) % 4000) / 100


# ---- the product's connector ------------------------------------------------------------------------------------------------
def by_connector(shop: Shop, numbers: Sequence[int]) -> list[int]:
    """Customers, orders, roundings where Odoo's total differs, confirmations: each kind in the connector's own batches."""
    links = {Ref("sku", sku): str(product) for sku, product in shop.products.items()}
    _send(shop, [_customer(number) for number in numbers], links)
    created = _send(shop, [_order(shop, number) for number in numbers], links)
    off = [(number, _total(number) - (r.amount or 0)) for number, r in zip(numbers, created, strict=True)]
    _send(shop, [AddRounding(order_id=number, booking_id=number, amount=rest) for number, rest in off if rest], links)
    confirmed = _send(shop, [ConfirmOrder(order_id=number, booking_id=number) for number in numbers], links)
    return [int(receipt.external_id) for receipt in confirmed]


def _customer(number: int) -> UpsertCustomer:
    address = _address(number)
    return UpsertCustomer(
        order_id=number, customer_id=number, billing_id=2 * number, billing=address, shipping_id=2 * number + 1,
        shipping=address, email=address.email,
    )  # fmt: skip


def _order(shop: Shop, number: int) -> CreateOrder:
    return CreateOrder(
        order_id=number, booking_id=number, reference=f"{shop.settings.module}-{number}", customer_id=number, billing_id=2 * number,
        shipping_id=2 * number + 1, placed_at=_PLACED, currency=shop.currency, prices_include_tax=False, total=_total(number),
        lines=tuple(_line(number, sku) for sku in shop.products),
    )  # fmt: skip


def _total(number: int) -> Decimal:
    return sum((_price(number, sku) for sku in range(1, LINES + 1)), Decimal(0))


def _line(number: int, sku: int) -> OrderLine:
    total = _price(number, sku)
    taxes: tuple[Tax, ...] = ()  # as an export is sold, so that no tax has to be set up in the Odoo measured
    stated = Line(
        ref=f"{sku}", sku=f"S{sku}", name=f"Bench thing {sku}", units=1, subtotal=total, total=total, taxes=taxes
    )
    return OrderLine(line_id=10 * number + sku, sku_id=sku, stated=stated)


def _send(shop: Shop, commands: Sequence[Any], links: dict[Ref, str]) -> list[Receipt]:
    """What the top floor does: batches, references resolved, every Retry again, links kept."""
    if not commands:
        return []
    table = connector.sends[type(commands[0])]
    done: dict[int, Receipt] = {}
    for _ in range(TRIES):
        waiting = [_job(n, command, links) for n, command in enumerate(commands) if n not in done]
        for start in range(0, len(waiting), table.batch):
            done |= _carried_out(shop, table, waiting[start : start + table.batch])
        if len(done) == len(commands):
            break
    receipts = [done[n] for n in range(len(done))]
    if len(receipts) < len(commands) or any(r.error for r in receipts):
        raise Broken(
            f"Odoo did not take {type(commands[0]).__name__}: {next((r.error for r in receipts if r.error), 'no answer')}"
        )
    links.update({Ref(entity, ours): theirs for r in receipts for entity, ours, theirs in r.links})
    return receipts


def _carried_out(shop: Shop, table: Any, jobs: list[Job]) -> dict[int, Receipt]:
    """One call; what has to be sent again is left out."""
    try:
        receipts = table.send(shop.session(), jobs)
    except Retry:
        return {}
    return {r.job: r for r in receipts if not isinstance(r.error, Retry)}


def _job(number: int, command: Any, links: dict[Ref, str]) -> Job:
    send = connector.sends[type(command)]
    wanted = [*send.needs(command), *send.optional(command)]
    return Job(number, command.purpose, command, {ref: links[ref] for ref in wanted if ref in links})


# ---- the simple client ------------------------------------------------------------------------------------------------------
def by_client(shop: Shop, numbers: Sequence[int]) -> list[int]:
    """One order after the other: its contact with both addresses, the order with its lines, its confirmation. Looks nothing up, compares
    no totals and could not be repeated safely, all in its favour."""
    (country,) = shop.ask("res.country", "search_read", domain=[["code", "=", "US"]], fields=["id"])
    return [_one(shop, number, country["id"]) for number in numbers]


def _one(shop: Shop, number: int, country: int) -> int:
    address = _address(number)
    place = {
        "name": f"{address.first_name} {address.last_name}", "street": address.line1, "city": address.city,
        "zip": address.postcode, "country_id": country, "email": address.email,
    }  # fmt: skip
    children = [[0, 0, {**place, "type": kind}] for kind in ("invoice", "delivery")]
    (partner,) = shop.ask("res.partner", "create", vals_list=[{**place, "child_ids": children}])
    lines = [
        {"product_id": product, "product_uom_qty": 1, "price_unit": float(_price(number, sku)), "tax_ids": [[6, 0, []]]}
        for sku, product in shop.products.items()
    ]
    head = {"partner_id": partner, "client_order_ref": f"{shop.settings.module}-{number}"}
    (order,) = shop.ask("sale.order", "create", vals_list=[{**head, "order_line": [[0, 0, line] for line in lines]}])
    shop.ask("sale.order", "action_confirm", ids=[order])
    return int(order)


# ---- one measurement --------------------------------------------------------------------------------------------------------
def _measure(shop: Shop, carry: Callable[[Shop, Sequence[int]], list[int]], count: int) -> float:
    """Orders per second; each must be there, confirmed, once and with its total."""
    numbers = shop.numbers(count)
    began = time.monotonic()
    ids = carry(shop, numbers)
    took = time.monotonic() - began
    wanted = {f"{shop.settings.module}-{number}": _total(number) for number in numbers}
    domain = [["client_order_ref", "in", sorted(wanted)], ["state", "=", "sale"]]
    held = shop.ask("sale.order", "search_read", domain=domain, fields=["client_order_ref", "amount_total"])
    found = {row["client_order_ref"]: Decimal(str(row["amount_total"])) for row in held}
    if len(held) != count or len(set(ids)) != count or found != wanted:
        off = [f"{name}: {found.get(name)} for {total}" for name, total in wanted.items() if found.get(name) != total]
        raise Broken(f"{count} orders given, {len(held)} are confirmed in Odoo; {off[:3]}")
    return count / took


def _section(shop: Shop, rates: dict[str, list[float]], orders: int) -> Section:
    table = [f"| way | orders/s (median of {len(rates['client'])}) | slowest–fastest |", "|---|---|---|"]
    table += [f"| {name} | {median(found):.1f} | {spread(found, 1)} |" for name, found in rates.items()]
    batch = connector.sends[CreateOrder].batch
    return Section(
        TITLE,
        f"Odoo {shop.version}; {orders} orders of {LINES} lines with a customer of their own per measurement ({FEWER} times fewer for the "
        f"client), one after the other from one process. The connector makes customer, order and confirmation in batches of {batch} and "
        "compares totals; the client makes three calls per order. Every order was there once, confirmed, with its total.",
        "\n".join(table),
        [
            Claim(
                "connector ÷ one call per order and step", median(rates["connector"]) / median(rates["client"]), TARGET
            )
        ],
    )
