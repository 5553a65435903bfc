"""One shop, one ERP and one warehouse in the benchmark's own database, every SKU known to the ERP. Needs Django."""

from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.test import Client

from benchmarks import bodies
from canonical import sql
from canonical.models import Link, Location, Sku, Sourcing, System
from retailsync.platform.secrets import seal

HOOK_SECRET = "bench-hook-secret"


class World(NamedTuple):
    """Ids of the systems."""

    shop: int
    erp: int
    wms: int


def build(erp_url: str = "", wms_url: str = "") -> World:
    """Make the systems, the catalogue and its links, and forget those of an earlier benchmark with all that came of them."""
    sql.fetch("TRUNCATE canonical_system, canonical_sku, canonical_customer CASCADE")
    erp = _system("erp", "bench_erp", erp_url, "key")
    wms = _system("wms", "bench_wms", wms_url, "key")
    shop = _system("shop", "woocommerce", "https://shop.example.com", "webhook", erp=erp, prefix="WEB-")
    place = Location.objects.create(code="W1", name="Warehouse", executor=wms)
    Sourcing.objects.create(channel=shop, sku=None, location=place)
    for good in bodies.goods():
        sku = Sku.objects.create(code=good.sku, name=good.name, authority=shop)
        Link.objects.create(system=erp, entity="sku", external_id=f"{sku.pk}", our_id=sku.pk)
        Link.objects.create(system=shop, entity="sku", external_id=f"{good.product_id}", our_id=sku.pk)
    return World(shop.pk, erp.pk, wms.pk)


def _system(slug: str, connector: str, url: str, secret: str, **more: object) -> System:
    system = System.objects.create(slug=slug, name=slug, connector=connector, roles=[], settings={"url": url}, **more)
    system.secrets.create(name=secret, sealed=seal(HOOK_SECRET if secret == "webhook" else "bench-target-key"))
    return system


def scalar(query: str, *params: object) -> int:
    """One number."""
    return int(sql.fetch(query, params)[0][0])


def person() -> Client:
    """An administrator, logged in; asks in this process, without a web server between."""
    user, _ = get_user_model().objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True}
    )
    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(user)
    return client
