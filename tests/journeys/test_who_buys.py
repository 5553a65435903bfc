"""Who buys, as the ERP knows them: guests per e-mail, per order or on one account; companies; people known twice."""

import pytest

from canonical.models import ShopPolicy, System
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def guests(s: Stage, way: str) -> None:
    ShopPolicy.objects.create(channel=s.world.shop, guests=way)


def booked_on(s: Stage) -> list[int]:
    """The contact each ERP order is booked on."""
    return [order["partner_id"] for order in s.erp.store.table("sale.order").values()]


def test_guests_of_one_e_mail_are_one_contact(s: Stage) -> None:
    for _ in range(2):
        s.buy(_article(s))
    s.settle()
    assert len(set(booked_on(s))) == 1
    assert s.trouble() == CALM


def test_every_order_has_a_contact_of_its_own_where_a_shop_wants_it(s: Stage) -> None:
    guests(s, "per_order")
    for _ in range(2):
        s.buy(_article(s))
    s.settle()
    assert len(set(booked_on(s))) == 2
    assert rows("SELECT count(*) FROM canonical_customer") == [(2,)]
    assert s.trouble() == CALM


def test_all_guests_are_booked_on_one_account(s: Stage) -> None:
    guests(s, "collective")
    s.erp.records.create("res.partner", {"name": "Webshop guests", "is_company": True})
    shop = System.objects.get(pk=s.world.erp.pk)
    shop.settings |= {"guest_account": "Webshop guests"}
    shop.save()
    for _ in range(2):
        s.buy(_article(s))
    s.settle()
    assert len(set(booked_on(s))) == 1
    assert s.trouble() == CALM


def test_a_company_with_its_vat_id_is_the_contact(s: Stage) -> None:
    s.order("business")
    s.settle()
    names = {p["name"] for p in s.erp.store.table("res.partner").values() if p.get("is_company")}
    assert "Voorbeeld Handel B.V." in names
    assert s.trouble() == CALM


def _article(s: Stage) -> str:
    return sorted(p["sku"] for p in s.shop.products.values() if p["sku"].startswith("W1") and p["type"] == "simple")[0]
