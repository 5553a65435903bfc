"""Orders go to the warehouse that has the goods, in as few parcels as the shop wants; what nobody has waits, and goes by itself."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from canonical.models import KitComponent, Location, ShopPolicy, Sku, Sourcing
from retailsync.sync import clock, inbox
from tests.canonical.stocked import count, source
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

MUG, PLATE, BOWL, TEA = "W1-MUG-BLUE", "W1-PLATE-S", "W1-BOWL", "W1-TEA-GREEN"
DONE = ("completed", "completed", ("sale",))


def counted(s: Stage, **figures: dict[str, int]) -> None:
    """Both warehouses count, W1 what it is near to."""
    for place, found in figures.items():
        if not s.world.places[place].stock_sources.exists():
            source(s.world, place)
        count(s.world, place, **found)


def asked(s: Stage) -> tuple[str, ...]:
    """What the warehouses of the one order did, once all is quiet."""
    s.sweep()
    s.settle()
    (told,) = s.whole()
    return told.asked


def finished(s: Stage) -> bool:
    """Whether everybody agrees that all of it is done."""
    return [t[1:4] for t in s.whole()] == [DONE] and s.trouble() == CALM


@pytest.mark.parametrize(
    ("w1", "w2", "went"),
    [
        ({MUG: 1, PLATE: 1}, {MUG: 1, PLATE: 1}, ("W1 accepted 2",)),  # the nearest has all
        ({MUG: 0, PLATE: 0}, {MUG: 1, PLATE: 1}, ("W2 accepted 2",)),  # only the second has it
        ({MUG: 1, PLATE: 0}, {MUG: 1, PLATE: 1}, ("W2 accepted 2",)),  # one parcel
        ({MUG: 1, PLATE: 0}, {MUG: 0, PLATE: 1}, ("W1 accepted 1", "W2 accepted 1")),  # line by line
        ({MUG: 0}, {}, ("W1 accepted 1", "W2 accepted 1")),  # where nobody counts, the list decides
    ],
)
def test_lines_go_where_they_are(s: Stage, w1: dict[str, int], w2: dict[str, int], went: tuple[str, ...]) -> None:
    counted(s, W1=w1, W2=w2)
    s.buy(MUG, PLATE)
    assert asked(s) == went
    assert finished(s)


def test_the_units_of_a_line_come_from_two_places_where_the_shop_allows_it(s: Stage) -> None:
    ShopPolicy.objects.create(channel=s.world.shop, split="units")
    counted(s, W1={MUG: 2}, W2={MUG: 1})
    s.buy(MUG, units=3)
    assert asked(s) == ("W1 accepted 2", "W2 accepted 1")
    assert finished(s)


def test_a_shop_that_never_splits_waits_until_one_place_has_all(s: Stage) -> None:
    ShopPolicy.objects.create(channel=s.world.shop, split="never")
    counted(s, W1={MUG: 1, PLATE: 0}, W2={MUG: 0, PLATE: 1})
    s.buy(MUG, PLATE)
    assert asked(s) == ()
    assert [reason for reason, _ in s.cases()] == ["stock"]
    counted(s, W2={MUG: 1})
    assert asked(s) == ("W2 accepted 2",)
    assert finished(s)


def test_what_nobody_has_waits_and_goes_by_itself_once_it_arrives(s: Stage) -> None:
    counted(s, W1={MUG: 0}, W2={MUG: 0})
    order = s.buy(MUG, units=2)
    assert asked(s) == ()
    assert [t[:4] for t in s.whole()] == [(str(order), "processing", "on_hold", ())]
    assert [reason for reason, _ in s.cases()] == ["stock"]
    counted(s, W2={MUG: 1})  # not enough
    assert (asked(s), [reason for reason, _ in s.cases()]) == ((), ["stock"])
    counted(s, W2={MUG: 2})
    assert asked(s) == ("W2 accepted 2",)
    assert finished(s)


def test_a_kit_goes_where_all_its_parts_are_and_takes_them(s: Stage) -> None:
    kit = Sku.objects.get(code="W1-TEAPOT")
    for part, units in ((TEA, 2), (BOWL, 1)):
        KitComponent.objects.create(kit=kit, component=Sku.objects.get(code=part), units=units)
    counted(s, W1={TEA: 3, BOWL: 9}, W2={TEA: 5, BOWL: 2})
    s.buy("W1-TEAPOT", units=2)
    assert asked(s) == ("W2 accepted 2",)
    assert finished(s)
    counted(s, W1={TEA: 0})
    s.buy("W1-TEAPOT")
    s.sweep()
    s.settle()
    assert [t[2] for t in s.whole()] == ["completed", "on_hold"]  # one green tea is left in W2


def test_a_warehouse_that_counted_wrong_says_short_and_the_next_is_asked(s: Stage) -> None:
    ShopPolicy.objects.create(channel=s.world.shop, on_short="ship_available")
    counted(s, W1={MUG: 1}, W2={MUG: 5})
    s.behave(W1="short")
    s.buy(MUG)
    assert asked(s)[-1] == "W2 accepted 1"
    assert finished(s)


# ---- when goods leave -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("now", "goes_to"),
    [
        ("2030-03-22 13:59", "W1"),  # a Friday in Amsterdam, 14:59
        ("2030-03-22 14:00", "W2"),  # W1 ships on Monday, W2 tonight
        ("2030-03-22 21:00", "W1"),  # both on Monday
        ("2030-03-29 13:59", "W1"),  # clocks are put forward on Sunday, the 31st
        ("2030-04-01 12:59", "W1"),
        ("2030-04-01 13:00", "W2"),
        ("2030-10-25 12:59", "W1"),  # and back on Sunday, the 27th
        ("2030-10-25 13:00", "W2"),
        ("2030-10-28 13:59", "W1"),
        ("2030-10-28 14:00", "W2"),
    ],
)
def test_of_two_equals_the_one_that_ships_earlier_is_asked(quiet: Stage, hands: Hands, now: str, goes_to: str) -> None:
    Sourcing.objects.update(rank=1)
    for code, cut_off in (("W1", time(15)), ("W2", time(22))):
        Location.objects.filter(code=code).update(timezone="Europe/Amsterdam", cut_off=cut_off)
    counted(quiet, W1={MUG: 5}, W2={MUG: 5})
    order = quiet.buy(MUG)
    hands.ahead = datetime.fromisoformat(now).replace(tzinfo=UTC) - clock.now()
    quiet.hear(order)
    inbox.drain(quiet.world.shop.pk)
    assert sent() == [(goes_to,)]


def test_the_list_is_the_staffs_word_whoever_ships_earlier(quiet: Stage, hands: Hands) -> None:
    Location.objects.filter(code="W1").update(working_days="7")
    order = quiet.buy(MUG)
    hands.ahead = datetime(2030, 3, 22, 9, tzinfo=UTC) - clock.now()
    quiet.hear(order)
    inbox.drain(quiet.world.shop.pk)
    assert sent() == [("W1",)]


def sent() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT p.code FROM canonical_fulfilmentrequest r JOIN canonical_location p ON p.id = r.location_id ORDER BY r.id"
    )
