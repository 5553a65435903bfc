"""A partner's sandbox: a twin of its system, a location and a shop of its own, and orders that are played there.

What is played takes the way of every order: the shop's statement enters by the inbox, is recorded and planned, and the twin is asked. Only
the shop is made up. Nothing of it touches what is real: each part is a system of its own, its SKUs are sold and counted nowhere else, and
no ERP is told.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from django.db import transaction

from canonical.facts import ReturnAnnounced, SkuStated
from canonical.ledger import Cause
from canonical.models import Location, ShopPolicy, Sku, Sourcing, StockSource, System
from canonical.record import Stated
from canonical.types import Units
from connectors.base import Heard
from retailsync.partners.sandbox_models import Certification, SimulatedOrder
from retailsync.sync import announcing, clock, corridor, inbox

#: What is sold in every sandbox.
GOODS: Mapping[str, str] = {
    "SBX-APPLE": "Apples, one bag",
    "SBX-PEAR": "Pears, one bag",
    "SBX-SOAP": "Soap, one bar",
}
PREFIX = "SBX-"  # of orders
NEVER = 2_000_000_000  # units: no count waits for a person, as nobody looks at it
HOME: Mapping[str, str] = {
    "first_name": "Sam", "last_name": "Sandbox", "line1": "Teststraat 1", "postcode": "1234 AB", "city": "Utrecht", "country": "NL",
}  # fmt: skip


class Sandbox(NamedTuple):
    """What is played for one partner: its twin, the twin's location, and the shop."""

    twin: System
    location: Location
    shop: System


# ---- setting it up ----------------------------------------------------------------------------------------------------------
def ensure(partner: System) -> Sandbox:
    """The sandbox of a partner; made where there is none. That of a sandbox is itself."""
    with transaction.atomic():
        partner = System.objects.select_for_update().get(pk=partner.sandbox_of_id or partner.pk)
        return find(partner) or _made(partner)


def find(partner: System) -> Sandbox | None:
    """The sandbox of a partner, where there is one."""
    systems = {system.connector: system for system in System.objects.filter(sandbox_of=partner)}
    if not systems:
        return None
    return Sandbox(
        systems["partner"], Location.objects.filter(executor=systems["partner"]).order_by("pk")[0], systems["sandbox"]
    )


def _made(partner: System) -> Sandbox:
    twin = _system(partner, "partner", "sbx", f"{partner.name} (sandbox)", roles=["3pl"])
    shop = _system(
        partner, "sandbox", "sbx-shop", f"Shop of {partner.name} (sandbox)", roles=["channel"], prefix=PREFIX
    )
    location = Location.objects.create(code=_code(partner), name=twin.name, executor=twin, timezone=partner.timezone)
    StockSource.objects.create(
        system=twin, location=location, external_id=location.code, jump_units=NEVER, shrink_percent=100
    )
    ShopPolicy.objects.create(channel=shop, on_short=ShopPolicy.Short.CANCEL)
    now = clock.now()
    goods = [SkuStated(occurred_at=now, ref=code, version=1, sku=code, name=name) for code, name in GOODS.items()]
    corridor.advance(shop.pk, [Stated(Cause("system", shop.pk), fact) for fact in goods], now)
    for sku in Sku.objects.filter(code__in=GOODS):
        Sourcing.objects.create(channel=shop, sku=sku, location=location)
    return Sandbox(twin, location, shop)


def _system(partner: System, connector: str, ending: str, name: str, **more: object) -> System:
    return System.objects.create(
        slug=f"{partner.slug[:41]}-{ending}", name=name[:100], connector=connector, sandbox_of=partner, timezone=partner.timezone, **more
    )  # fmt: skip


def _code(partner: System) -> str:
    """After the first of its locations."""
    code = Location.objects.filter(executor=partner).order_by("code").values_list("code", flat=True).first()
    return f"{(code or partner.slug.upper())[:26]}-SBX"


# ---- playing ----------------------------------------------------------------------------------------------------------------
def place(
    twin_id: int,
    lines: Sequence[Units],
    ship_to: Mapping[str, str] | None = None,
    note: str = "",
    certification: Certification | None = None,
    scenario: str = "",
) -> SimulatedOrder:
    """Somebody buys. In the caller's transaction."""
    shop = System.objects.get(connector="sandbox", sandbox_of__sandboxes=twin_id)
    number = secrets.token_hex(5).upper()
    order = SimulatedOrder.objects.create(
        system_id=twin_id, shop=shop, number=number, reference=shop.prefix + number, lines=_numbered(lines, 1), note=note,
        ship_to={**(ship_to or HOME)}, certification=certification, scenario=scenario, placed_at=clock.now(),
    )  # fmt: skip
    _state(order)
    return order


def taken(twin_id: int, reference: str) -> SimulatedOrder | None:
    """One order of this sandbox, locked until the transaction ends."""
    return SimulatedOrder.objects.select_for_update().filter(system_id=twin_id, reference=reference).first()


def cancel(order: SimulatedOrder) -> None:
    """The customer does not want it any more. In the caller's transaction, the order locked."""
    _restate(order, status=SimulatedOrder.Status.CANCELLED)


def hold(order: SimulatedOrder) -> None:
    """The shop keeps it back for now. In the caller's transaction, the order locked."""
    _restate(order, status=SimulatedOrder.Status.ON_HOLD)


def resume(order: SimulatedOrder) -> None:
    """The shop lets it go on. In the caller's transaction, the order locked."""
    _restate(order, status=SimulatedOrder.Status.PROCESSING)


def amend(order: SimulatedOrder, lines: Sequence[Units]) -> None:
    """It shall be these units. In the caller's transaction, the order locked."""
    _restate(order, lines=_numbered(lines, order.version + 1, order.lines))


def readdress(order: SimulatedOrder, ship_to: Mapping[str, str]) -> None:
    """It shall go elsewhere. In the caller's transaction, the order locked."""
    _restate(order, ship_to=dict(ship_to))


def send_back(twin_id: int, lines: Sequence[Units], order: str = "") -> str:
    """Goods are on their way back to the sandbox's location. Returns the reference. In the caller's transaction."""
    reference = f"{PREFIX}R{secrets.token_hex(5).upper()}"
    place = Location.objects.filter(executor_id=twin_id).order_by("pk")[0]
    ids = dict(Sku.objects.filter(code__in={line.sku for line in lines}).values_list("code", "pk"))
    units: dict[int, int] = {}
    for line in lines:
        units[ids[line.sku]] = units.get(ids[line.sku], 0) + line.units
    fact = ReturnAnnounced(
        occurred_at=clock.now(),
        reference=reference,
        location_id=place.pk,
        lines=tuple(sorted(units.items())),
        order_reference=order,
    )
    announcing.announce(fact, "sandbox")
    return reference


def _numbered(
    lines: Sequence[Units], version: int, before: Sequence[Mapping[str, str]] = ()
) -> list[dict[str, object]]:
    """Lines as the shop states them: the n-th line of a SKU stays the same line; a new one is named after the version it came with."""
    kept: dict[str, list[str]] = {}
    for line in before:
        kept.setdefault(line["sku"], []).append(line["ref"])
    return [
        {
            "ref": kept[one.sku].pop(0) if kept.get(one.sku) else f"{version}-{n}",
            "sku": one.sku,
            "name": GOODS[one.sku],
            "units": one.units,
        }
        for n, one in enumerate(lines, 1)
    ]


def _restate(order: SimulatedOrder, **changes: object) -> None:
    for name, value in changes.items():
        setattr(order, name, value)
    order.version += 1
    order.save()
    _state(order)


def _state(order: SimulatedOrder) -> None:
    """The shop tells of the order as it is now."""
    body = {
        "number": order.number, "version": order.version, "status": order.status, "placed_at": order.placed_at,
        "stated_at": clock.now(), "lines": order.lines, "ship_to": order.ship_to, "note": order.note,
    }  # fmt: skip
    key = hashlib.sha256(f"{order.reference}:{order.version}".encode()).digest()
    heard = Heard("order", key, msgspec.json.encode(body), about=order.reference)
    inbox.receive(order.shop_id, [heard], door="partner")
