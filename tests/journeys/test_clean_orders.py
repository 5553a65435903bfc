"""Orders go all the way: from the shop to ERP and warehouse, and their shipments back."""

import pytest

from connectors.woocommerce.simulator import KEY, SECRET
from tests.journeys.stage import CALM, HOOK_SECRET, PARTNER_SECRET, Stage, stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_varied_orders_reach_everybody_once() -> None:
    with stage() as s:
        s.shop.place(30, seed=7)
        s.settle()
        assert s.trouble() == CALM
        assert {o["status"] for o in s.shop.orders.values()} == {"completed"}
        assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ("sale",))}


def test_many_workers_at_once_do_everything_once() -> None:
    mix = {"normal": 1.0, "two_parcels": 1.0, "two_shipments": 1.0, "ship_first": 1.0, "repeat": 1.0, "sku_only": 1.0}
    with stage(mix=mix) as s:
        s.shop.webhooks.set_mischief(duplicate=0.3, shuffle=True)
        s.shop.place(30, seed=17)
        s.settle_with(workers=4)
        assert {(t.shop, t.ours, t.erp) for t in s.whole()} == {("completed", "completed", ("sale",))}
        assert s.erp.state()["duplicates"] == {}
        assert {r["deliveries"] for w in s.warehouses.values() for r in w.state()["requests"].values()} == {1}
        assert rows("SELECT max(attempts) FROM sync_command") == [(1,)]
        assert s.trouble() == CALM


def test_what_was_exchanged_is_kept_without_secrets(s: Stage) -> None:
    s.shop.place(6, seed=7)
    s.settle()
    assert rows("SELECT count(DISTINCT system_id), bool_and(status < 300) FROM sync_attempt") == [(4, True)]
    for secret in (KEY, SECRET, HOOK_SECRET, "odoo-key", PARTNER_SECRET, *s.keys.values()):
        assert rows(
            "SELECT count(*) FROM sync_attempt WHERE concat(url, request, response, error) LIKE %s", f"%{secret}%"
        ) == [(0,)]
