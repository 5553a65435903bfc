"""Orders go all the way: from the shop to ERP and warehouse, and their shipments back."""

import pytest

from tests.journeys.stage import stage

pytestmark = pytest.mark.django_db(transaction=True)


def test_varied_orders_reach_everybody_once() -> None:
    with stage() as s:
        s.shop.place(30, seed=7)
        s.settle()
        assert s.trouble() == {"commands": [], "messages": [], "cases": []}
        assert {o["status"] for o in s.shop.orders.values()} == {"completed"}
