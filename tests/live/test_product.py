"""The whole product against a real Odoo: 50 shop orders, each heard twice at once, sent by two drains, shipped and booked out.

Needs ODOO_URL, ODOO_KEY and ODOO_DB (default odoo19), and a user with sales, inventory and product rights. Leaves its orders there.
"""

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest
from django.db import connection

from canonical.facts import ShipmentStated
from canonical.types import Parcel, Units
from connectors.odoo.loading import load_once
from connectors.odoo.transport import call
from retailsync.sync import inbox, polling, sending, systems, transient
from retailsync.sync.models import Command, Cursor
from tests.facts import line, order, shipping
from tests.world import World, make_world, rows

pytestmark = [
    pytest.mark.live,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not (os.environ.get("ODOO_URL") and os.environ.get("ODOO_KEY")),
        reason="set ODOO_URL and ODOO_KEY (and ODOO_DB) to run against a real Odoo",
    ),
]

ORDERS = 50
RUN = uuid.uuid4().hex[:6].upper()
SKUS = [f"{RUN}-{n}" for n in range(1, 5)]


@pytest.fixture
def world() -> World:
    """A shop whose ERP is the real one, with SKUs both sides know."""
    settings = {
        "url": os.environ["ODOO_URL"],
        "database": os.environ.get("ODOO_DB", "odoo19"),
        "module": f"live_{RUN.lower()}",
        "allow_loopback_http": True,
    }
    world = make_world("one", erp={"settings": settings, "secrets": {"api_key": os.environ["ODOO_KEY"]}})
    world.shop.prefix = f"{RUN}-"
    world.shop.save()
    world.stock(*SKUS)
    products = {f"{settings['module']}.p_{s}": [[f"{settings['module']}.p_{s}", s, s, "consu", "True"]] for s in SKUS}
    load_once(session(world), "product.product", ["id", "name", "default_code", "type", "is_storable"], products)
    Cursor.objects.create(system=world.erp, feed="products")
    while polling.poll(world.erp.pk, "products") > 1:
        pass
    inbox.drain(world.erp.pk)
    return world


def session(world: World) -> Any:
    return systems.visit(world.erp.pk).session(60)[0]


def orders() -> list[Any]:
    """Three lines with awkward totals and shipping, 15 % tax, in the currency of the company."""
    made = []
    for number in range(1, ORDERS + 1):
        lines = [_line(number, n, sku) for n, sku in enumerate(SKUS[:3], 1)]
        made.append(order(str(number), lines=lines, charges=(_fifteen(shipping("4.97", "0.75")),), currency="USD"))
    return made


def _line(number: int, n: int, sku: str) -> Any:
    total = Decimal(number * 37 + n * 113) / 100
    tax = (total * 15 / 100).quantize(Decimal("0.01"))
    return _fifteen(line(str(number * 10 + n), sku, 1 + (number + n) % 4, str(total), str(tax)))


def _fifteen(item: Any) -> Any:
    taxes = tuple(msgspec.structs.replace(t, rate=Decimal(15)) for t in item.taxes)
    return msgspec.structs.replace(item, taxes=taxes)


def _tell_twice(world: World) -> None:
    """Two threads tell all orders at once, as two deliveries of each would."""

    def tell(start: int) -> None:
        for stated in orders():
            transient.repeat(partial(world.tell, stated, cause=start))
        connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(tell, (1, 1001)))


def _send_until_quiet(world: World, seconds: float = 180) -> None:
    """Two drains at once, again and again, until the ERP has nothing left to be told."""
    ends = time.monotonic() + seconds
    waiting = Command.objects.filter(system=world.erp, state__in=("waiting", "sending"))

    def drain(_: int) -> None:
        sending.drain(world.erp.pk)
        connection.close()

    while waiting.exists() and time.monotonic() < ends:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(drain, range(2)))
    assert not waiting.exists(), rows("SELECT kind, state, words FROM sync_command WHERE state <> 'confirmed' LIMIT 5")


def test_fifty_orders_heard_twice_are_booked_once_to_the_cent(world: World) -> None:
    _tell_twice(world)
    started = time.monotonic()
    _send_until_quiet(world)
    print(f"\ncreated, totalled and confirmed: {ORDERS / (time.monotonic() - started):.1f} orders/s", end="")

    ours = [["client_order_ref", "like", f"{RUN}-%"]]
    fields = ["client_order_ref", "amount_total", "state"]
    held = call(session(world), "sale.order", "search_read", list[dict[str, Any]], domain=ours, fields=fields)
    assert sorted((h["client_order_ref"], Decimal(str(h["amount_total"])), h["state"]) for h in held) == sorted(
        (f"{RUN}-{o.number}", o.total, "sale") for o in orders()
    )

    _ship_everything(world)
    started = time.monotonic()
    _send_until_quiet(world)
    print(f"\ngoods issues: {ORDERS / (time.monotonic() - started):.1f}/s", end="")
    ids = [h["id"] for h in held]
    pickings = call(
        session(world), "stock.picking", "search_read", list[dict[str, Any]],
        domain=[["sale_id", "in", ids]], fields=["state", "carrier_tracking_ref"],
    )  # fmt: skip
    assert sorted((p["state"], p["carrier_tracking_ref"]) for p in pickings) == sorted(
        ("done", f"TRK{n}") for n in range(1, ORDERS + 1)
    )
    assert rows("SELECT reason, words FROM sync_case WHERE closed_at IS NULL") == []


def _ship_everything(world: World) -> None:
    requests = rows(
        "SELECT r.reference, o.number, array_agg(l.line_id), array_agg(l.units) FROM canonical_fulfilmentrequest r"
        " JOIN canonical_order o ON o.id = r.order_id JOIN canonical_requestline l ON l.request_id = r.id GROUP BY 1, 2"
    )
    for reference, number, lines, units in requests:
        parcel = Parcel(
            tracking=f"TRK{number}",
            lines=tuple(Units(line=str(i), units=n) for i, n in zip(lines, units, strict=True)),
        )
        fact = ShipmentStated(
            occurred_at=datetime.now(UTC), ref=f"S-{reference}", request=reference, carrier="UPS", parcels=(parcel,)
        )
        world.tell(fact, source=world.partners["W1"])
