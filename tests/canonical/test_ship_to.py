"""Where an order goes is the same in whatever order the shop's statements and people's decisions are heard, and however often."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from canonical.facts import AddressChanged, CustomersMerged, Fact, OrderStated
from canonical.models import Address, Customer, Order, ShipTo
from tests.canonical.test_properties import forgotten, steady, tell
from tests.facts import NOON, order
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db
STREETS = ("Straat 12", "Laan 3", "Gracht 1", "Plein 8")
HERE = order().shipping


def stated(version: int, street: int, note: str = "") -> OrderStated:
    return order(version=version, shipping=msgspec.structs.replace(HERE, line1=STREETS[street]), note=note)


class Told:
    """One order whose every street is known, so that decisions can name what they were made against."""

    def __init__(self) -> None:
        self.world: World = make_world()
        for n, _ in enumerate(STREETS):
            tell(self.world.shop.pk, [stated(n + 1, n)])
        self.order = Order.objects.get()
        self.ids = {a.content["line1"]: a.pk for a in Address.objects.all()}

    def decided(self, at: int, street: int, against: int) -> AddressChanged:
        return AddressChanged(
            occurred_at=NOON + timedelta(minutes=at), order_id=self.order.pk, by="ann", instead_of_id=self.ids[STREETS[against]],
            address=msgspec.structs.replace(HERE, line1=STREETS[street]),
        )  # fmt: skip

    def hear(self, batch: Sequence[Fact]) -> None:
        tell(self.world.shop.pk, batch)


def goes() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT a.content ->> 'line1', s.content ->> 'line1', o.note, t.at FROM canonical_order o"
        " JOIN canonical_address a ON a.id = o.shipping_id LEFT JOIN canonical_shipto t ON t.order_id = o.id"
        " LEFT JOIN canonical_address s ON s.id = t.stated_id"
    )


@pytest.mark.parametrize(
    ("last", "against", "street"),
    [(0, 0, "Plein 8"), (1, 0, "Laan 3"), (1, 1, "Plein 8"), (0, 1, "Straat 12")],
)
def test_a_decision_stands_for_what_it_was_made_against(last: int, against: int, street: str) -> None:
    told, found = Told(), set()
    facts = [stated(10, 0), stated(11, 1), stated(12, last, "last"), told.decided(1, 3, against)]
    for heard in permutations(facts):
        with forgotten():
            for fact in heard:
                told.hear([fact])
            found.add(goes()[0][:2])
    assert found == {(street, STREETS[last])}


chosen = st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))


statements = st.dictionaries(st.integers(10, 16), st.integers(0, 3), min_size=1, max_size=4)
decisions = st.lists(chosen, max_size=3, unique_by=lambda each: each[0])


@steady
@given(statements, decisions, st.data())
def test_in_any_order_any_number_of_times_in_any_batches(versions: Any, chosen: Any, data: Any) -> None:
    with forgotten():
        told = Told()
        facts: list[Fact] = [stated(v, street) for v, street in sorted(versions.items())]
        facts += [told.decided(*each) for each in chosen]
        found = []
        for again in (facts, data.draw(st.permutations([*facts, *facts]))):
            with transaction.atomic():
                cut = data.draw(st.integers(0, len(again)))
                for batch in (again[:cut], again[cut:]) if again is facts else [[f] for f in again]:
                    told.hear(batch)
                found.append(goes())
                transaction.set_rollback(True)
        assert found[0] == found[1]


def test_a_decision_heard_twice_is_one(db: None) -> None:
    told = Told()
    fact = told.decided(1, 1, 3)
    for _ in range(3):
        told.hear([fact, fact])
    assert rows("SELECT count(*) FROM canonical_entry WHERE event = 'address changed'") == [(1,)]
    assert ShipTo.objects.count() == 1 and goes()[0][0] == "Laan 3"


def test_it_stands_although_its_customer_became_another(db: None) -> None:
    """The kept customer has the address under a row of its own."""
    told = Told()
    told.hear([order("138", email="b@example.com", shipping=msgspec.structs.replace(HERE, line1="Plein 8"))])
    told.hear([told.decided(1, 1, 3)])
    mine = told.order.customer_id
    other = Customer.objects.exclude(pk=mine).get()
    tell(0, [CustomersMerged(occurred_at=NOON, kept_id=other.pk, merged_id=mine, by="ann")])
    told.hear([stated(20, 3, "again")])
    assert rows("SELECT a.content ->> 'line1' FROM canonical_order o JOIN canonical_address a ON a.id = o.shipping_id WHERE o.id = %s",
                told.order.pk) == [("Laan 3",)]  # fmt: skip


def test_the_ledger_holds_no_address(db: None) -> None:
    told = Told()
    told.hear([told.decided(1, 1, 3)])
    ((text,),) = rows("SELECT state::text FROM canonical_entry WHERE event = 'address changed'")
    assert f'"shipping_id": {told.ids["Laan 3"]}' in text and "Laan" not in text
