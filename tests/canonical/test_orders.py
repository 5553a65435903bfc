"""Orders become true: snapshots in any order, any number of times."""

from decimal import Decimal

import pytest

from canonical.models import Entry, Order
from canonical.types import PaymentStatement, Tender
from tests.facts import line, order, sku
from tests.world import commands, make_world, rows

pytestmark = pytest.mark.django_db


def test_an_order_is_recorded_released_and_put_out() -> None:
    world = make_world()
    world.stock("MUG")
    world.tell(order())
    assert commands() == [
        ("erp-one", "UpsertCustomer", "waiting"),
        ("erp-one", "CreateOrder", "waiting"),
        ("w1-one", "RequestFulfilment", "waiting"),
    ]
    assert rows("SELECT reference, stage, shop_status, total FROM canonical_order")[0][:3] == (
        "ONE-137",
        "released",
        "processing",
    )


def test_a_fact_already_true_yields_no_entry() -> None:
    world = make_world()
    world.stock("MUG")
    world.tell(order())
    before = Entry.objects.count()
    assert world.tell(order()).entries == []
    assert world.tell(order(version=2)).entries == []
    assert Entry.objects.count() == before


def test_the_newest_version_wins_whatever_comes_last() -> None:
    world = make_world()
    world.stock("MUG")
    world.tell(order(version=3, status="on_hold"))
    world.tell(order(version=2, status="processing"))
    assert Order.objects.get().shop_status == "on_hold"
    assert commands() == []


def test_two_pushes_of_one_version_ask_the_shop() -> None:
    world = make_world()
    world.stock("MUG")
    world.tell(order(version=2, status="pending"))
    world.tell(order(version=2, status="on_hold"))
    assert Order.objects.get().shop_status == "pending"
    assert commands() == [("shop-one", "Refresh", "waiting")]


def test_an_unknown_sku_holds_the_order_until_it_is_known() -> None:
    world = make_world()
    world.stock("MUG")
    world.tell(order(lines=(line(), line("2", "JAR"))))
    assert rows("SELECT reason, detail, lifted_at IS NULL FROM canonical_hold") == [("sku_mapping", "JAR", True)]
    assert rows("SELECT reason, closed_at IS NULL FROM sync_case") == [("sku_mapping", True)]
    assert commands() == []
    world.stock("CUP")
    world.tell(sku("JAR"))
    assert rows("SELECT reason, lifted_at IS NULL FROM canonical_hold ORDER BY id") == [
        ("sku_mapping", False),
        ("no_location", True),
    ]


def test_ledger_versions_run_from_one_without_gaps() -> None:
    world = make_world()
    world.stock("MUG", "JAR")
    for version, status in enumerate(("pending", "on_hold", "processing", "completed"), 1):
        world.tell(order(version=version, status=status, lines=(line(), line("2", "JAR", units=version))))
    gaps = rows(
        "SELECT subject_kind, subject_id FROM canonical_entry GROUP BY 1, 2 HAVING max(version) <> count(*) OR min(version) <> 1"
    )
    assert gaps == []


def test_a_gift_card_that_was_taken_off_pays_no_more() -> None:
    """Without it an order was released with the card's part of the money missing."""
    world = make_world()
    world.stock("MUG")
    card = (Tender(kind="gift_card", ref="card", amount=Decimal(5)),)
    world.tell(order(version=1, status="pending", tenders=card, payment=PaymentStatement(method="ideal")))
    world.tell(order(version=2, payment=PaymentStatement(method="ideal")))
    assert rows("SELECT kind, amount FROM canonical_payment") == [("gift_card", Decimal(0))]
    assert rows("SELECT words FROM canonical_hold") == [
        ("The shop says processing, but no payment of 30.99 EUR by ideal is recorded.",)
    ]
