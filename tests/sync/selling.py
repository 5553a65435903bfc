"""A simulated shop that shows what a warehouse counted. ERP and warehouses are told nothing: nobody sends there."""

from canonical.models import Offer, ShopPolicy, Sourcing, StockSource
from connectors.woocommerce.simulator import KEY, SECRET, Shop
from retailsync.sync import clock, inbox, polling, publishing, sending, stock
from retailsync.sync.models import Cursor
from tests.canonical.stocked import count
from tests.world import World, make_world


def selling(shop: Shop, each: int) -> World:
    """The shop's products are known, `each` of everything lies in W1, and the shop was told."""
    settings = {"url": shop.url, "allow_loopback_http": True}
    world = make_world(shop={"settings": settings, "secrets": {"consumer_key": KEY, "consumer_secret": SECRET}})
    ShopPolicy.objects.create(channel=world.shop, publish_stock=True)
    StockSource.objects.create(system=world.partners["W1"], location=world.places["W1"], external_id="W1")
    Sourcing.objects.create(channel=world.shop, location=world.places["W1"])
    for feed in ("products", "orders"):
        Cursor.objects.create(system=world.shop, feed=feed, value="" if feed == "products" else clock.now().isoformat())
    polling.poll(world.shop.pk, "products")
    inbox.drain(world.shop.pk)
    codes = Offer.objects.filter(sku__requires_shipping=True).values_list("sku__code", flat=True)
    count(world, **dict.fromkeys(codes, each))
    turn(world)
    return world


def turn(world: World) -> None:
    """The shop's messages and commands, until nothing moves."""
    shop = world.shop.pk
    while inbox.drain(shop) + stock.drain() + publishing.publish(shop) + sending.drain(shop):
        pass
