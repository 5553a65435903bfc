"""Money as shops really take it: other currencies, several rates, no tax, negative fees, gift cards; equal to the cent everywhere."""

import pytest

from canonical.models import Mapping
from canonical.rules.money import smallest
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

TOTALS = "SELECT o.total = p.amount FROM canonical_order o JOIN canonical_posting p ON p.order_id = o.id AND p.kind = 'sales_order'"
PAYS = """SELECT o.total = sum(p.amount) FROM canonical_order o JOIN canonical_payment p ON p.order_id = o.id
    WHERE p.kind <> 'authorise' GROUP BY o.id"""


@pytest.mark.parametrize(
    "shape", ["mixed_rates", "negative_fee", "export", "coupon", "net_prices", "fee", "split_coupon_fee", "business"]
)
def test_what_customers_pay_is_what_the_erp_books(s: Stage, shape: str) -> None:
    s.order(shape)
    s.settle()
    assert [t[1:4] for t in s.whole()] == [("completed", "completed", ("sale",))]
    assert s.trouble() == CALM


@pytest.mark.parametrize("shape", ["yen", "dinar", "net_dinar_coupon"])
def test_currencies_with_no_and_with_three_decimals(s: Stage, shape: str) -> None:
    """The ERP keeps its books in euros and has a pricelist for each of these."""
    currency = {"yen": "JPY"}.get(shape, "KWD")
    money = s.erp.records.create("res.currency", {"name": currency, "rounding": float(smallest(currency))})
    s.erp.records.create("product.pricelist", {"name": currency, "currency_id": money})
    s.order(shape)
    s.settle()
    assert [t[1:4] for t in s.whole()] == [("completed", "completed", ("sale",))]
    assert rows("SELECT currency FROM canonical_order") == [(currency,)]
    assert s.trouble() == CALM


@pytest.mark.parametrize("shape", ["gift_card", "gift_card_only", "store_credit"])
def test_money_of_another_kind_pays_and_is_no_discount(s: Stage, shape: str) -> None:
    s.order(shape)
    s.settle()
    assert [t[1:3] for t in s.whole()] == [("completed", "completed")]
    assert rows(PAYS) == [(True,)]
    assert rows(TOTALS) == [(True,)]
    assert s.trouble() == CALM


def test_reverse_charge_is_booked_with_its_own_tax(s: Stage) -> None:
    """Nothing tells it from an export but the VAT id a plugin wrote down; a mapping says what that is."""
    Mapping.objects.create(kind="meta", key="_billing_vat_number", value={"field": "vat_id"})
    s.order("reverse_charge")
    s.settle()
    assert [t[1:4] for t in s.whole()] == [("completed", "completed", ("sale",))]
    assert rows("SELECT payload->>'vat_id' FROM sync_command WHERE kind = 'UpsertCustomer'") == [("BE0123456749",)]
    assert rows("SELECT total_tax::float FROM canonical_order") == [(0.0,)]
    assert s.trouble() == CALM
