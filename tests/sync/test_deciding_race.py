"""People decide while others work on the same order: whichever comes second sees the first."""

import pytest
from django.db import transaction

from canonical.ledger import Cause
from canonical.models import Mapping
from canonical.record import Stated
from retailsync.console import mapping
from retailsync.sync import clock, corridor, deciding, order_deciding
from tests.facts import line, order
from tests.sync.side_by_side import Gate, Worker, blocked, both
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("retailsync.sync.bell.ring", lambda task, system: None)
    made = make_world()
    made.stock("MUG")
    return made


def keep() -> None:
    mapping.keep(Mapping(kind="sku", key="BEAKER", value={"sku": "MUG"}), "ann", "")


def test_a_word_saved_while_its_order_is_recorded_reaches_it(world: World) -> None:
    gate = Gate()

    def hear() -> None:
        with transaction.atomic():
            stated = Stated(Cause("message", 1), order(lines=(line(sku="BEAKER"),)))
            corridor.advance(world.shop.pk, [stated], clock.now())
            gate.stop()

    hearing = Worker(hear)
    gate.reached()
    saving = Worker(keep)
    assert blocked(saving)
    gate.open()
    hearing.result(), saving.result()
    assert rows("SELECT k.code FROM canonical_orderline l JOIN canonical_sku k ON k.id = l.sku_id") == [("MUG",)]
    assert rows("SELECT count(*) FROM canonical_hold WHERE lifted_at IS NULL") == [(0,)]


def test_two_who_cancel_at_once_cancel_once(world: World) -> None:
    world.tell(order())
    ((id,),) = rows("SELECT id FROM canonical_order")

    def cancel() -> bool:
        try:
            return order_deciding.cancel(id, "ann", "twice")
        except deciding.NotPossible:
            return False

    assert sorted(both(cancel, cancel)) == [False, True]
    assert rows("SELECT sum(units) FROM canonical_abandonment") == [(2,)]
    assert rows("SELECT count(*) FROM sync_command WHERE kind = 'CancelShopOrder'") == [(1,)]
