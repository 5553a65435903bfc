"""A count nobody could believe becomes the level once a person accepts it."""

import pytest

from canonical.ledger import Cause
from canonical.models import StockLevel
from canonical.record import Recorded
from canonical.recording import stock
from retailsync.sync import clock
from tests.canonical.stocked import count, level, offered, sellable, source
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    world = make_world()
    offered(world, "MUG", at=("W1",), quantity=10)
    source(world, jump_units=5, jump_percent=50)
    count(world, MUG=10)
    return world


def figures() -> tuple[int, int | None, int | None]:
    row = level()
    return row.on_hand, row.counted, row.doubted


def test_an_accepted_one_is_the_level(world: World) -> None:
    count(world, MUG=120)
    recorded = Recorded(now=clock.now())
    stock.accept([StockLevel.objects.get().pk], Cause("action", 1), "somebody.with.a.rather.long.name", recorded)
    assert figures() == (120, 120, None) and sellable(world) == 120
    count(world, MUG=119)
    assert figures() == (119, 119, None)
