"""Publishing to a shop that is busy, broken in one place, or changed meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

import msgspec
import pytest

from canonical import sql
from canonical.models import Listing, ShopPolicy
from connectors.base import Session
from connectors.errors import Refused, Retry
from connectors.woocommerce import looking
from connectors.woocommerce.simulator import Shop
from retailsync.sync import clock, gates, leases, polling, publishing, sending, stock
from retailsync.sync.models import Case
from tests.canonical.stocked import count, listed
from tests.sync.selling import selling, turn
from tests.world import World, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(seed=1) as shop:
        yield shop


@pytest.fixture
def world(shop: Shop) -> World:
    return selling(shop, 50)


def shown(shop: Shop, code: str) -> int | None:
    return shop.stock()[code]["quantity"]


def put_out(world: World, **figures: int) -> None:
    """The warehouse counts these anew, and what the shop is to be told waits."""
    count(world, **figures)
    stock.drain()
    assert publishing.publish(world.shop.pk) == len(figures)


def test_what_waits_is_not_written_once_publishing_is_off(world: World, shop: Shop) -> None:
    put_out(world, W1_BOWL=40)
    ShopPolicy.objects.update(publish_stock=False)
    sending.drain(world.shop.pk)
    assert shown(shop, "W1-BOWL") == 50


# ---- a shop that cannot be asked --------------------------------------------------------------------------------------------
def requests() -> int:
    ((count,),) = rows("SELECT count(*) FROM sync_attempt")
    return int(count)


def test_a_shop_that_asked_us_to_wait_is_not_looked_at(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> NoReturn:
        raise Retry("Later.", after=60)

    count(world, W1_BOWL=40)
    with monkeypatch.context() as patch:
        patch.setattr(looking, "ask", busy)
        publishing.publish(world.shop.pk)
    before = requests()
    assert publishing.publish(world.shop.pk) == 0
    assert requests() == before
    gates.reset(world.shop.pk)
    turn(world)
    assert shown(shop, "W1-BOWL") == 40


def test_waiting_for_somebody_else_takes_nothing_off_the_allowance(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited used up what the poll waited for needed."""
    world.shop.rate_limit = 1
    world.shop.save()
    monkeypatch.setattr(publishing, "PATIENCE", 0.5)
    with leases.lease(f"poll:{world.shop.pk}:orders", 100):
        assert not publishing._hear(world.shop.pk)
    assert gates.allow(world.shop.pk, 2, clock.now()) == 2


def test_a_feed_in_trouble_is_asked_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*_: object) -> NoReturn:
        asked.append(1)
        raise Refused("No.")

    monkeypatch.setattr(polling, "_pages", refuse)
    monkeypatch.setattr(publishing, "PATIENCE", 1.0)
    assert not publishing._hear(world.shop.pk)
    assert len(asked) == 1


def test_a_product_the_shop_breaks_on_keeps_no_other_waiting(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was looked at first for ever, and nothing of the shop was written any more."""
    real, towels = looking.ask, shop.products[35]["id"]

    def ask(session: Session, method: str, path: str, *rest: Any, **more: Any) -> looking.Answer:
        if path == f"/products/{towels}/variations":
            raise Retry("The shop reports an internal error.")
        return real(session, method, path, *rest, **more)

    monkeypatch.setattr(looking, "ask", ask)
    count(world, W1_TOWEL_GREY=40, W1_BOWL=40)
    stock.drain()
    publishing.publish(world.shop.pk)
    sending.drain(world.shop.pk)
    assert shown(shop, "W1-BOWL") == 40


def test_a_shop_with_little_allowance_is_brought_in_line(world: World, shop: Shop) -> None:
    world.shop.rate_limit = 4
    world.shop.save()
    put_out(world, W1_BOWL=40)
    turn(world)
    assert shown(shop, "W1-BOWL") == 40


def test_a_figure_nobody_can_read_is_one_exception_however_often_we_look(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that keeps half units: each look, every few seconds, left another parked message and another exception."""
    real = looking.ask

    def ask(session: Session, method: str, path: str, *rest: Any, **more: Any) -> looking.Answer:
        answer = real(session, method, path, *rest, **more)
        shown = msgspec.json.decode(answer.body)
        for row in shown:
            if row["sku"] == "W1-BOWL":
                row["stock_quantity"] = "2.5"
        return replace(answer, body=msgspec.json.encode(shown))

    monkeypatch.setattr(looking, "ask", ask)
    monkeypatch.setattr(publishing, "ROUNDS", 2)
    count(world, W1_BOWL=40)
    stock.drain()
    Listing.objects.update(expected=None)  # not known for sure, so nothing is written before it was read
    for _ in range(2):
        publishing.publish(world.shop.pk)
    assert shown(shop, "W1-BOWL") == 50
    ((parked, told),) = rows(
        "SELECT count(*) FILTER (WHERE state = 'parked'), "
        "count(*) FILTER (WHERE state = 'done' AND starts_with(words, 'The same as in message'))"
        " FROM sync_message WHERE door = 'look'"
    )
    assert parked == 1 and told >= 2
    assert "“2.5”" in Case.objects.get(closed_at=None).words
    monkeypatch.setattr(looking, "ask", real)
    turn(world)
    assert shown(shop, "W1-BOWL") == 40


# ---- a shop that was changed ------------------------------------------------------------------------------------------------
def test_what_was_refused_is_written_once_the_shop_keeps_stock_of_it(world: World, shop: Shop) -> None:
    """As the exception says; it was written when somebody released it, and not looked at before."""
    put_out(world, W1_BOWL=40)
    shop.manage_stock("W1-BOWL", "off")
    turn(world)
    assert Case.objects.get(closed_at=None).reason == "stock_not_managed"
    shop.manage_stock("W1-BOWL", "on", 3)
    polling.poll(world.shop.pk, "products")
    turn(world)
    assert shown(shop, "W1-BOWL") == 40
    assert not Case.objects.filter(closed_at=None).exists()


def test_what_sells_from_its_parents_stock_by_now_is_not_looked_at_any_more(world: World, shop: Shop) -> None:
    """Its own figure was read for ever, every few seconds and before all others: the shop tells the parent's instead."""
    put_out(world, W1_TOWEL_GREY=40)
    shop.manage_stock("W1-TOWEL-GREY", "parent", 50)
    turn(world)
    polling.poll(world.shop.pk, "products")
    turn(world)
    assert (unsettled(), Case.objects.filter(closed_at=None).count()) == ([], 0)
    assert shown(shop, "W1-TOWEL-GREY") == 40
    shop.manage_stock("W1-TOWEL-GREY", "on", 50)
    polling.poll(world.shop.pk, "products")
    turn(world)
    assert (shown(shop, "W1-TOWEL-GREY"), unsettled()) == (40, [])


def unsettled() -> list[str]:
    """Listings that are not known to show what they should."""
    found = sql.fetch(f"SELECT external_id FROM canonical_listing l WHERE {stock.UNSETTLED}", {"now": clock.now()})
    return [ref for (ref,) in found]


def test_a_push_that_came_after_the_reading_is_looked_into(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staff set a figure while a round was at it: what had been read before was settled, and nobody looked until the night."""
    bowl, hear = Listing.objects.filter(offers__sku__code="W1-BOWL"), publishing._hear

    def pushed(channel: int) -> bool:
        heard = hear(channel)
        bowl.update(hint=80, hint_at=clock.now())
        return heard

    bowl.update(verify=True)
    monkeypatch.setattr(publishing, "_hear", pushed)
    publishing.publish(world.shop.pk)
    assert bowl.get().hint == 80


def test_a_push_that_came_with_the_reading_is_heard_where_it_came_after(world: World) -> None:
    reading = listed("W1-BOWL", 50, holder="14")
    push = listed("W1-BOWL", 80, holder="14", shop_at=None)
    world.tell(push, reading)
    assert Listing.objects.get(external_id="14").hint is None
    world.tell(listed("W1-BOWL", 50, holder="14"), push)
    assert Listing.objects.get(external_id="14").hint == 80
