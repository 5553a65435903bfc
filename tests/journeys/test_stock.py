"""Stories of stock: what warehouses count reaches the shop, its own sales cause no write, and what goes wrong there heals."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import F

from canonical.facts import CountsStated
from canonical.models import Listing, Offer, ShopPolicy, StockSource
from canonical.types import Counted
from retailsync.sync import clock, publishing
from tests.journeys.stage import CALM, Stage, stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def s() -> Iterator[Stage]:
    with stage() as s:
        stocked(s)
        yield s


def stocked(s: Stage, units: int = 50) -> None:
    """Both warehouses count everything, and the shop is told."""
    ShopPolicy.objects.create(channel=s.world.shop, publish_stock=True)
    for code, place in s.world.places.items():
        StockSource.objects.create(system=s.world.partners[code], location=place, external_id=code, jump_units=10_000)
    skus = list(Offer.objects.filter(sku__requires_shipping=True).values_list("sku__code", flat=True))
    for code in s.world.places:
        count(s, code, **{sku: units if sku.startswith(code) else 0 for sku in skus})
    s.settle()


def count(s: Stage, place: str, **figures: int) -> None:
    fact = CountsStated(
        occurred_at=clock.now(), location=place, rows=tuple(Counted(sku=k, on_hand=n) for k, n in figures.items())
    )
    s.world.tell(fact, source=s.world.partners[place])


def shown(s: Stage, *codes: str) -> dict[str, int]:
    """What the shop shows."""
    return {
        p["sku"]: p["stock_quantity"]
        for p in s.shop.products.values()
        if p["sku"] in codes or (not codes and p["manage_stock"])
    }


def writes(s: Stage) -> int:
    ((count,),) = rows(
        "SELECT count(*) FROM sync_attempt WHERE method = 'POST' AND url LIKE '%%/batch%%' AND url LIKE '%%products%%'"
    )
    return count


def wrong() -> list[Any]:
    """Listings that are not known to show what they should."""
    settled = Listing.objects.filter(target=F("expected"), verify=False)
    known = Listing.objects.exclude(target=None).exclude(pk__in=settled)
    return list(known.values_list("external_id", "target", "expected", "quantity", "verify"))


def test_what_warehouses_count_is_shown_in_the_shop(s: Stage) -> None:
    assert set(shown(s).values()) == {50}
    assert wrong() == []
    assert s.trouble() == CALM
    before = writes(s)
    publishing.run(s.world.shop.pk)
    s.settle()
    assert writes(s) == before, "a full run that finds nothing writes nothing"


def test_plain_sales_cause_no_write(s: Stage) -> None:
    before = writes(s)
    s.shop.place(60, seed=5)
    s.settle()
    assert writes(s) == before
    assert wrong() == []


def test_a_change_in_a_warehouse_is_written_at_once(s: Stage) -> None:
    count(s, "W1", **{"W1-BOWL": 44})
    s.settle()
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 44}


def test_a_manual_edit_heals_within_one_sweep(s: Stage) -> None:
    s.shop.set_stock("W1-BOWL", 80)
    s.shop.set_stock("W2-PAN-24", 7)
    publishing.run(s.world.shop.pk)
    s.settle()
    assert shown(s, "W1-BOWL", "W2-PAN-24") == {"W1-BOWL": 50, "W2-PAN-24": 50}
    assert wrong() == []


def test_a_refused_cancellation_heals(s: Stage) -> None:
    s.answer(W1="refuse_cancel")
    s.behave(W1="accepts")
    order = s.buy("W1-BOWL")
    s.settle()
    s.shop.cancel(order)
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 50}, "the shop gave it back"
    s.settle()
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 49}, "and it leaves all the same"
    assert wrong() == []


def test_a_refund_with_restock_of_what_was_shipped_heals(s: Stage) -> None:
    order = s.buy("W1-BOWL")
    s.settle()
    assert s.shop.orders[order]["status"] == "completed"
    s.shop.refund(order, {"W1-BOWL": 1}, restock=True)
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 50}
    s.settle()
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 49}, "it is not back in the warehouse yet"
    assert wrong() == []


def test_pending_then_paid_leaves_nothing_unsellable(s: Stage) -> None:
    before = writes(s)
    order = s.buy("W1-BOWL", status="pending")
    s.settle()
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 50}
    s.shop.pay(order)
    s.settle()
    assert shown(s, "W1-BOWL") == {"W1-BOWL": 49}
    assert (writes(s), wrong()) == (before, [])


def test_what_a_warehouse_receives_is_booked_in_the_erp_that_is_told(s: Stage) -> None:
    place = s.world.places["W1"]
    place.told = s.world.erp
    place.save()
    StockSource.objects.create(system=s.world.erp, location=place, external_id="WH", authority="information")
    s.warehouses["W1"].receive("W1-BOWL", 20, "PO-7")
    s.warehouses["W1"].adjust("W1-MUG-BLUE", -2, "broken")
    s.settle()
    assert s.trouble() == CALM
    booked = rows(
        "SELECT kind, state FROM sync_command WHERE kind IN ('PostReceipt', 'PostStockAdjustment') ORDER BY id"
    )
    assert booked == [("PostReceipt", "confirmed"), ("PostStockAdjustment", "confirmed")]
