"""An ordinary sale changes what a shop shows and what it should show alike: however many there are, nothing is written."""

import hashlib
from collections.abc import Iterator

import msgspec
import pytest

from canonical.models import Listing
from connectors.base import Heard
from connectors.woocommerce.simulator import Shop
from connectors.woocommerce.simulator.views import visible
from retailsync.sync import inbox, polling
from tests.sync.selling import selling, turn
from tests.world import World, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(seed=1) as shop:
        yield shop


@pytest.fixture
def world(shop: Shop) -> World:
    world = selling(shop, 5_000)
    assert wrong() == []
    return world


def writes() -> int:
    ((count,),) = rows("SELECT count(*) FROM sync_attempt WHERE method = 'POST' AND url LIKE '%%products%%batch%%'")
    return int(count)


def wrong() -> list[tuple[str, int | None, int | None]]:
    """Listings that do not show what they should, as far as we know."""
    known = Listing.objects.exclude(target=None).values_list("external_id", "target", "expected")
    return [(ref, target, expected) for ref, target, expected in known if target != expected]


def hear(world: World, shop: Shop, orders: list[int]) -> None:
    """Webhooks of these orders arrive."""
    bodies = [msgspec.json.encode(visible(shop.orders[id])) for id in orders]
    told = [Heard("order.created", hashlib.sha256(body).digest(), body) for body in bodies]
    inbox.receive(world.shop.pk, told, door="webhook")


def test_a_thousand_plain_sales_cause_no_write(world: World, shop: Shop) -> None:
    before = writes()
    for _ in range(10):
        hear(world, shop, shop.place(100, status="processing"))
        turn(world)
    assert rows("SELECT count(*) FROM canonical_order") == [(1_000,)]
    assert (writes() - before, wrong()) == (0, [])
    shown = {sku: told["quantity"] for sku, told in shop.stock().items() if told["managed"]}
    assert dict(Listing.objects.filter(offers__sku__code__in=shown).values_list("offers__sku__code", "target")) == shown


def test_nor_do_they_where_the_shop_is_only_polled(world: World, shop: Shop) -> None:
    before = writes()
    for _ in range(5):
        shop.place(40, status="processing")
        polling.poll(world.shop.pk, "orders")
        turn(world)
    assert rows("SELECT count(*) FROM canonical_order") == [(200,)]
    assert (writes() - before, wrong()) == (0, [])
