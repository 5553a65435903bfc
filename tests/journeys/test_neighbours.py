"""Two shops with their own ERPs and warehouses in one installation: nothing crosses over."""

import pytest

from tests.journeys.stage import CALM, stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_worlds_with_equal_order_numbers_stay_apart() -> None:
    with stage("north") as north, stage("south") as south:
        assert north.shop.place(10, seed=7) == south.shop.place(10, seed=8)
        for _ in range(3):
            north.settle()
            south.settle()
        for world, prefix in ((north, "NORTH-"), (south, "SOUTH-")):
            assert {(t.shop, t.ours, t.erp) for t in world.whole()} == {("completed", "completed", ("sale",))}
            assert {o["reference"] for o in world.erp.state()["orders"]} == {
                prefix + order["number"] for order in world.shop.orders.values()
            }
        assert rows("SELECT reference FROM canonical_order ORDER BY reference") == sorted(
            (prefix + order["number"],) for prefix in ("NORTH-", "SOUTH-") for order in north.shop.orders.values()
        )
        for world in (north, south):
            asked = [r["order_reference"] for w in world.warehouses.values() for r in w.state()["requests"].values()]
            assert asked
            assert all(reference.startswith(world.world.shop.prefix) for reference in asked)
        assert north.trouble() == CALM
