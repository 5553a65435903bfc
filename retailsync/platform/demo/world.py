"""Sets up the demo's systems: a shop, its ERP and two warehouses, known to us and to each other. A second start finds them again."""

import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from canonical.models import Link, Location, ShopPolicy, Sku, Sourcing, StockSource, System
from connectors import signing
from connectors.catalogue import catalogue
from retailsync.partners import sandbox
from retailsync.partners.models import PartnerKey
from retailsync.platform.keys import read_or_make
from retailsync.platform.processes import Program
from retailsync.platform.secrets import seal
from retailsync.platform.trouble import Trouble
from retailsync.sync import inbox, polling, publishing, systems
from retailsync.sync.models import Cursor

SHOP, ERP = "demo-shop", "demo-erp"
WAREHOUSES = {"W1": "demo-w1", "W2": "demo-w2"}
PLAYED = "W1"  # whose sandbox is open to whoever runs the demo
PREFIX = "WEB-"
DATABASE = "demo"  # of the simulated ERP
#: Feed → seconds between two polls. Webhooks are faster; polls find what a webhook lost.
FEEDS = {SHOP: {"orders": 30, "products": 300, "refunds": 60, "customers": 300, "sweep": 5}, ERP: {"products": 300}}
SWEEP_HOURS = 0.002  # an order deleted for good is found within seconds, so that people see it
#: How the warehouses behave, as shares of their orders. Only one of them ever rejects, so that the other can take over.
MANNERS = {
    "W1": ("normal=12", "two_parcels=2", "two_shipments=2", "ship_first=1", "repeat=1", "sku_only=1", "reject=1"),
    "W2": ("normal=12", "two_parcels=2", "two_shipments=2", "ship_first=1", "repeat=1", "sku_only=1", "slow=1"),
}
#: Units on a warehouse's shelves to begin with: of its own goods, and of what the other one usually ships.
SHELVES = {True: 400, False: 120}
PRICELISTS = ("JPY=1", "KWD=0.001")  # other currencies some of the shop's customers pay in
STEP_SECONDS = 0.3  # between two steps of a warehouse with one order
LEARNING_SECONDS = 60.0


@dataclass(frozen=True)
class World:
    """Our records of the simulated systems. `folder` holds their stores, `urls` says where they listen (shop, erp, w1, w2)."""

    folder: Path
    urls: Mapping[str, str]
    shop: System
    erp: System
    warehouses: Mapping[str, System]


# ---- our side ---------------------------------------------------------------------------------------------------------------
def ensure(folder: Path, urls: Mapping[str, str]) -> World:
    """Find the systems of an earlier start or make them; either way they are expected at `urls` now."""
    _require_whole(folder)
    with transaction.atomic():
        erp = _system(ERP, "Demo ERP", "odoo", ["erp"], {"url": urls["erp"], "database": DATABASE}, _erp_secrets)
        shop = _system(
            SHOP, "Demo shop", "woocommerce", ["channel"], {"url": urls["shop"], "sweep_hours": SWEEP_HOURS}, _shop_secrets,
            prefix=PREFIX, erp=erp,
        )  # fmt: skip
        warehouses = {code: _warehouse(code, slug, urls[code.lower()]) for code, slug in WAREHOUSES.items()}
        ShopPolicy.objects.get_or_create(channel=shop, defaults={"publish_stock": True})
        publishing.schedule(shop.pk)
        for system in (shop, erp):
            for feed, every in FEEDS[system.slug].items():
                Cursor._default_manager.get_or_create(system=system, feed=feed, defaults={"every": every})
    return World(folder, urls, shop, erp, warehouses)


def _require_whole(folder: Path) -> None:
    """Database and stores belong together: ids of one would mean something else in another."""
    if not System.objects.filter(slug=SHOP).exists():
        if System.objects.exists():
            raise Trouble(
                "This database already holds systems; the demo wants one of its own: set RETAILSYNC_LOCAL to a new folder."
            )
        shutil.rmtree(folder, ignore_errors=True)
    elif not (folder / "shop").exists():
        raise Trouble(
            f"The simulated systems lost their data ({folder}), ours refers to it: make clean-data, then start again."
        )
    for name in ("shop", "erp", *(code.lower() for code in WAREHOUSES)):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _system(
    slug: str,
    name: str,
    connector: str,
    roles: Sequence[str],
    address: Mapping[str, str | float],
    new_secrets: Any,
    **more: Any,
) -> System:
    """The system of this slug; only its address changes from start to start."""
    wanted = {**address, "allow_loopback_http": True}
    found = System.objects.filter(slug=slug).first()
    if found is None:
        found = System.objects.create(slug=slug, name=name, connector=connector, roles=roles, settings=wanted, **more)
        for secret, plain in new_secrets().items():
            found.secrets.create(name=secret, sealed=seal(plain))
    elif found.settings | wanted != found.settings:
        found.settings |= wanted
        found.save()
    return found


def _shop_secrets() -> dict[str, str]:
    pair = {"consumer_key": f"ck_{secrets.token_hex(20)}", "consumer_secret": f"cs_{secrets.token_hex(20)}"}
    return {**pair, "webhook": secrets.token_urlsafe(24)}


def _erp_secrets() -> dict[str, str]:
    return {"api_key": secrets.token_hex(20)}


def _warehouse(code: str, slug: str, url: str) -> System:
    system = _system(
        slug,
        f"Demo warehouse {code}",
        "partner",
        ["3pl"],
        {"url": f"{url}/events"},
        lambda: {"webhook": signing.new_secret()},
    )
    place, _ = Location.objects.get_or_create(code=code, defaults={"name": f"Warehouse {code}", "executor": system})
    StockSource.objects.get_or_create(
        system=system, location=place, defaults={"external_id": code, "stale_minutes": 60}
    )
    return system


def secret(system: System, name: str) -> str:
    """The current secret of this name."""
    return systems.secrets(system.pk)[name][0]


def sandbox_key(world: World) -> str:
    """A key for the sandbox of the first warehouse, for whoever wants to be a partner. The same at every start."""
    twin = sandbox.ensure(world.warehouses[PLAYED]).twin
    return read_or_make(world.folder / "sandbox.key", lambda: PartnerKey.issue(twin, "you")[1])


# ---- their side -------------------------------------------------------------------------------------------------------------
def simulators(world: World, api: str) -> list[Program]:
    """The four simulated systems as programs; `api` is where ours serves its partners."""
    shop = ["--key", secret(world.shop, "consumer_key"), "--secret", secret(world.shop, "consumer_secret")]
    erp = ["--api-key", secret(world.erp, "api_key"), "--database", DATABASE]
    erp += [word for pricelist in PRICELISTS for word in ("--pricelist", pricelist)]
    return [
        _simulator(world, "shop", "woocommerce", shop),
        _simulator(world, "erp", "odoo", erp),
        *(_simulator(world, code.lower(), "partner", _partner(world, code, api)) for code in world.warehouses),
    ]


def _simulator(world: World, name: str, connector: str, options: Sequence[str]) -> Program:
    module = [sys.executable, "-m", f"connectors.{connector}.simulator"]
    seed = list(world.urls).index(name)  # warehouses with one seed would choose alike
    listen = ["--port", world.urls[name].rpartition(":")[2], "--store", str(world.folder / name), "--seed", str(seed)]
    return Program(name, [*module, *listen, *options])


def _partner(world: World, code: str, api: str) -> list[str]:
    system = world.warehouses[code]
    key = read_or_make(world.folder / f"{code.lower()}.key", lambda: PartnerKey.issue(system, "demo warehouse")[1])
    manners = [word for manner in MANNERS[code] for word in ("--behaviour", manner)]
    shelves = {item.sku: SHELVES[item.warehouse == code] for item in catalogue() if item.warehouse}
    stock = [word for sku, units in shelves.items() for word in ("--stock", f"{sku}={units}")]
    return [
        *("--api", api, "--key", key, "--secret", secret(system, "webhook"), "--location", code),
        *("--delay", str(STEP_SECONDS), *manners, *stock),
    ]


# ---- getting to know each other ---------------------------------------------------------------------------------------------
def learn(world: World) -> None:
    """Read the products of shop and ERP until we know what is sold, and say which warehouse ships what. Needs the simulators only."""
    ends = time.monotonic() + LEARNING_SECONDS
    while lacking := _unknown(world):
        if time.monotonic() > ends:
            words = "; ".join(
                filter(None, Cursor._default_manager.filter(feed="products").values_list("words", flat=True))
            )
            raise Trouble(
                f"The products of the simulated systems did not arrive ({words or ', '.join(sorted(lacking)[:5])})."
            )
        for system in (world.shop, world.erp):
            polling.poll(system.pk, "products")
            inbox.drain(system.pk)
        time.sleep(0.2)
    _source(world)


def _unknown(world: World) -> set[str]:
    """SKUs of the catalogue that we cannot name in the shop or in the ERP."""
    sold = {item.sku for item in catalogue()}
    return sold - (_linked(world.shop) & _linked(world.erp))


def _linked(system: System) -> set[str]:
    known = Link.objects.filter(system=system, entity="sku").values("our_id")
    return set(Sku.objects.filter(pk__in=known).values_list("code", flat=True))


def _source(world: World) -> None:
    """Goods come from the warehouse their SKU names, and from the other one when that rejects."""
    places = {place.code: place for place in Location.objects.filter(code__in=WAREHOUSES)}
    codes = {item.sku: item.warehouse for item in catalogue() if item.warehouse}
    for sku in Sku.objects.filter(code__in=codes, sourcing=None):
        for rank, code in enumerate(sorted(places, key=lambda place: place != codes[sku.code]), 1):
            Sourcing.objects.create(channel=world.shop, sku=sku, location=places[code], rank=rank)
