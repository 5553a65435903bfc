"""Orders go where their goods are, as far as anybody counted them; told by facts alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from canonical.facts import ExecutionReported, RequestAnswered
from canonical.ledger import Cause, Written
from canonical.models import AvailabilityRule, Hold, Offer, ShopPolicy, Sku, Sourcing, StockSource, System
from canonical.types import Units
from retailsync.flows import gathering
from retailsync.sync import alarms, clock, release
from retailsync.sync.models import Case
from tests.canonical.stocked import count, reckon, source
from tests.facts import NOON, line, order
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """Mugs, cups and jars lie in W1, then in W2, and both warehouses count."""
    made = make_world()
    made.stock("MUG", "CUP", "JAR", at="W1", then="W2")
    for place in ("W1", "W2"):
        source(made, place)
    return made


def counted(world: World, **places: dict[str, int]) -> None:
    """What lies where: W1={"MUG": 3}."""
    for place, figures in places.items():
        count(world, place, **figures)


def asked() -> list[tuple[Any, ...]]:
    """Order, place, SKU and units of every request."""
    return rows(
        "SELECT o.number, p.code, l.sku_text, q.units FROM canonical_requestline q JOIN canonical_orderline l ON l.id = q.line_id"
        " JOIN canonical_fulfilmentrequest r ON r.id = q.request_id JOIN canonical_location p ON p.id = r.location_id"
        " JOIN canonical_order o ON o.id = r.order_id ORDER BY r.id, l.id"
    )


def holds() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT o.number, h.reason, h.detail, h.blocks FROM canonical_hold h JOIN canonical_order o ON o.id = h.order_id"
        " WHERE h.lifted_at IS NULL ORDER BY h.id"
    )


def policy(world: World, **chosen: Any) -> None:
    ShopPolicy.objects.create(channel=world.shop, **chosen)


def mugs(units: int, ref: str = "137", **more: Any) -> Any:
    return order(ref, lines=(line(units=units),), **more)


def look(later: timedelta = timedelta()) -> int:
    """What the sweep does, perhaps later."""
    return alarms.ring(clock.now() + later)


# ---- one batch, many orders -------------------------------------------------------------------------------------------------
def test_orders_of_one_batch_are_not_all_sent_to_the_same_units(world: World) -> None:
    counted(world, W1={"MUG": 3}, W2={"MUG": 2})
    world.tell(mugs(2, "1"), mugs(2, "2"), mugs(1, "3"), mugs(1, "4"))
    assert asked() == [("1", "W1", "MUG", 2), ("2", "W2", "MUG", 2), ("3", "W1", "MUG", 1)]
    assert holds() == [("4", "stock", "MUG: 0", True)]


def test_an_order_that_waits_keeps_nothing_from_the_others(world: World) -> None:
    counted(world, W1={"MUG": 2, "CUP": 0}, W2={"MUG": 0, "CUP": 0})
    both = (line("1"), line("2", "CUP"))
    world.tell(order("1", lines=both), order("2", status="pending"), mugs(2, "3"))
    assert (asked(), holds()) == (
        [("3", "W1", "MUG", 2)],
        [("1", "stock", f"{sku}: 0", True) for sku in ("MUG", "CUP")],
    )


def test_what_was_sent_out_is_not_there_for_the_next(world: World) -> None:
    counted(world, W1={"MUG": 3}, W2={"MUG": 9})
    world.tell(mugs(2, "1"))
    world.tell(mugs(2, "2"))
    assert asked() == [("1", "W1", "MUG", 2), ("2", "W2", "MUG", 2)]


@pytest.mark.parametrize("figures", [{}, {"MUG": 9}])
def test_stock_is_read_in_a_fixed_number_of_queries(world: World, figures: dict[str, int]) -> None:
    counted(world, W1=figures)
    world.tell(*(mugs(3, str(n), status="pending") for n in range(6)))
    entries = [
        Written("order", id, "stated", id, Cause("message", 1)) for (id,) in rows("SELECT id FROM canonical_order")
    ]

    def queries(of: list[Written]) -> int:
        with CaptureQueriesContext(connection) as seen:
            gathering.gather(of)
        return sum("canonical_stocklevel" in query["sql"] for query in seen)

    assert queries(entries) == queries(entries[:1]) == (2 if figures else 1)


def meanwhile(do: Any) -> None:
    """Somebody else does this, and waits for nothing we hold."""

    def work() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '10s'")
                do()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@pytest.mark.django_db(transaction=True)
def test_two_orders_planned_at_once_may_race_for_the_last_unit_and_none_waits_for_the_other(world: World) -> None:
    policy(world, on_short="ship_available")
    counted(world, W1={"MUG": 1}, W2={"MUG": 9})
    with transaction.atomic():
        world.tell(mugs(1, "1", email="a@example.com"))
        meanwhile(lambda: world.tell(mugs(1, "2", email="b@example.com")))
    assert sorted(asked()) == [("1", "W1", "MUG", 1), ("2", "W1", "MUG", 1)]
    reference, mug = rows("SELECT r.reference, q.line_id::text FROM canonical_fulfilmentrequest r"
                          " JOIN canonical_requestline q ON q.request_id = r.id ORDER BY r.id")[1]  # fmt: skip
    gone = ExecutionReported(
        occurred_at=clock.now(), request=reference, stage="short", lines=(Units(units=1, line=mug),)
    )
    world.tell(gone, source=world.partners["W1"])
    assert asked()[2][1:] == ("W2", "MUG", 1)
    assert holds() == []


@pytest.mark.django_db(transaction=True)
def test_a_count_waits_for_no_order_and_none_is_forgotten(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 0})
    world.tell(mugs(2))
    with transaction.atomic():
        rows("SELECT 1 FROM canonical_order FOR UPDATE")
        meanwhile(lambda: counted(world, W1={"MUG": 2}))
    assert (look(), asked()) == (0, [])
    assert look(timedelta(minutes=15)) == 1
    assert asked() == [("137", "W1", "MUG", 2)]


# ---- what is not known ------------------------------------------------------------------------------------------------------
def test_figures_too_old_to_be_believed_send_no_order_elsewhere(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 9})
    StockSource.objects.filter(location=world.places["W1"]).update(stale_since=NOON)
    world.tell(mugs(2))
    assert asked() == [("137", "W1", "MUG", 2)]


def test_a_location_nobody_speaks_for_any_more_is_not_known(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 9})
    StockSource.objects.filter(location=world.places["W1"]).delete()
    world.tell(mugs(2))
    assert asked() == [("137", "W1", "MUG", 2)]


# ---- waiting for stock ------------------------------------------------------------------------------------------------------
def test_a_count_of_another_sku_wakes_nobody(world: World) -> None:
    counted(world, W1={"MUG": 0, "CUP": 0}, W2={"MUG": 0})
    world.tell(mugs(2))
    counted(world, W1={"CUP": 9})
    assert (look(), asked()) == (0, [])


def test_the_oldest_order_that_waits_goes_first(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 0})
    for ref in ("1", "2", "3"):
        world.tell(mugs(2, ref))
    counted(world, W2={"MUG": 4})
    assert look() == 3
    assert asked() == [("1", "W2", "MUG", 2), ("2", "W2", "MUG", 2)]
    assert holds() == [("3", "stock", "MUG: 0", True)]
    assert list(Case.objects.filter(closed_at=None).values_list("reason", flat=True)) == ["stock"]


def test_what_another_order_gives_back_is_found_within_a_quarter_of_an_hour(world: World) -> None:
    counted(world, W1={"MUG": 2}, W2={"MUG": 0})
    world.tell(mugs(2, "1"))
    world.tell(mugs(2, "2"))
    world.tell(mugs(2, "1", version=2, status="cancelled"))
    assert [ref for ref, *_ in holds()] == ["2"]
    look(timedelta(minutes=15))
    assert (holds(), asked()[1:]) == ([], [("2", "W1", "MUG", 2)])
    assert rows("SELECT look_at FROM canonical_order WHERE number = '2'") == [(None,)]


def test_a_person_sends_what_nobody_has_all_the_same(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 1})
    world.tell(mugs(2))
    release.release(list(Case.objects.values_list("pk", flat=True)), "ann")
    assert (asked(), holds()) == ([("137", "W1", "MUG", 2)], [])


def test_what_waits_for_stock_and_is_cancelled_waits_no_more(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 0})
    world.tell(mugs(2))
    world.tell(mugs(2, version=2, status="cancelled"))
    assert (holds(), rows("SELECT stage, look_at FROM canonical_order")) == ([], [("cancelled", None)])


def test_units_the_shop_gave_back_wait_no_more(world: World) -> None:
    counted(world, W1={"MUG": 3}, W2={"MUG": 0})
    world.tell(mugs(5))
    assert [reason for _, reason, *_ in holds()] == ["stock"]
    world.tell(mugs(3, version=2))
    assert (holds(), asked()) == ([], [("137", "W1", "MUG", 3)])


# ---- what people chose ------------------------------------------------------------------------------------------------------
def test_a_shop_that_ships_what_is_there_sends_the_rest_once_it_is(world: World) -> None:
    policy(world, on_short="ship_available")
    counted(world, W1={"MUG": 0, "CUP": 0}, W2={"MUG": 0, "CUP": 0})
    world.tell(order(lines=(line("1"), line("2", "CUP"))))
    assert [blocks for *_, blocks in holds()] == [True, True]
    counted(world, W1={"MUG": 2})
    look()
    assert (asked(), holds()) == ([("137", "W1", "MUG", 2)], [("137", "stock", "CUP: 0", False)])
    counted(world, W2={"CUP": 2})
    look()
    assert (asked()[1:], holds()) == ([("137", "W2", "CUP", 2)], [])


def test_a_shop_that_cancels_the_rest_hears_from_the_warehouse_first(world: World) -> None:
    policy(world, on_short="cancel_remainder")
    counted(world, W1={"MUG": 1}, W2={"MUG": 0})
    world.tell(mugs(2))
    assert (asked(), holds()) == ([("137", "W1", "MUG", 2)], [])


@pytest.mark.parametrize("backorders", ["notify", "yes"])
def test_what_may_be_sold_without_being_there_goes_to_the_first_location(world: World, backorders: str) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 1})
    Offer.objects.create(channel=world.shop, sku=Sku.objects.get(code="MUG"), backorders=backorders)
    world.tell(mugs(2))
    assert (asked(), holds()) == ([("137", "W1", "MUG", 2)], [])


def test_safety_stock_is_not_kept_back_from_what_was_sold(world: World) -> None:
    counted(world, W1={"MUG": 2}, W2={"MUG": 9})
    AvailabilityRule.objects.create(safety_units=5, in_force=True)
    reckon()
    world.tell(mugs(2))
    assert asked() == [("137", "W1", "MUG", 2)]


# ---- who refused ------------------------------------------------------------------------------------------------------------
def test_who_refused_is_not_asked_again_and_who_lacks_it_not_at_all(world: World) -> None:
    counted(world, W1={"MUG": 9}, W2={"MUG": 0})
    world.tell(mugs(2))
    reference = rows("SELECT reference FROM canonical_fulfilmentrequest")[0][0]
    refusal = RequestAnswered(occurred_at=clock.now(), request=reference, answer="rejected", reason="no")
    world.tell(refusal, source=world.partners["W1"])
    assert (asked(), holds()) == ([("137", "W1", "MUG", 2)], [("137", "stock", "MUG: 0", True)])
    counted(world, W1={"MUG": 20}, W2={"MUG": 2})
    look()
    assert (asked()[1:], holds()) == ([("137", "W2", "MUG", 2)], [])


def test_the_words_say_what_is_lacking(world: World) -> None:
    counted(world, W1={"MUG": 0}, W2={"MUG": 0})
    world.tell(mugs(2))
    assert Hold.objects.get().words == (
        "2 × “MUG” are lacking: no warehouse it may come from has enough now. It goes by itself once there is enough. Release to ask a"
        " warehouse all the same."
    )


def test_a_shop_that_never_splits_says_so(world: World) -> None:
    policy(world, split="never")
    counted(world, W1={"MUG": 2, "CUP": 0}, W2={"MUG": 0, "CUP": 2})
    world.tell(order(lines=(line("1"), line("2", "CUP"))))
    assert [reason for _, reason, *_ in holds()] == ["stock"]
    assert "this shop does not split orders" in Hold.objects.get().words


def test_a_shop_that_never_splits_needs_one_location_for_all(world: World) -> None:
    policy(world, split="never")
    world.stock("PEN", at="W2")
    Sourcing.objects.filter(sku__code="MUG", location=world.places["W2"]).delete()
    world.tell(order(lines=(line("1"), line("2", "PEN"))))
    assert [reason for _, reason, *_ in holds()] == ["no_location", "no_location"]
    assert set(Hold.objects.values_list("words", flat=True)) == {
        "No one warehouse is set up to ship all of this order, and this shop does not split orders."
    }
    assert asked() == []


def test_only_who_is_asked_has_to_take_the_address(world: World) -> None:
    System.objects.filter(pk=world.partners["W1"].pk).update(limits={"line": 3})
    counted(world, W1={"MUG": 0}, W2={"MUG": 2})
    world.tell(mugs(2))
    assert (asked(), holds()) == ([("137", "W2", "MUG", 2)], [])
