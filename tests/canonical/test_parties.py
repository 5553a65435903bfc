"""Two customers that are one person: who stands for whom, whatever came first, and nobody between two chairs."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from canonical.facts import CustomersMerged, CustomerStated, Fact
from canonical.ledger import Cause
from canonical.record import Recorded, Stated, record
from canonical.types import Address
from tests.canonical.test_side_by_side import gapless
from tests.facts import NOON, order
from tests.sync.side_by_side import Gate, Worker, blocked
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db

ANN, BEA, CLO = "ann@a.example", "bea@b.example", "clo@c.example"


def tell(world: World, *facts: Fact, then: Callable[[], object] = lambda: None) -> Recorded:
    """Record facts in one transaction that does `then` before it commits."""
    with transaction.atomic():
        said = record(world.shop.pk, [Stated(Cause("message", n), f) for n, f in enumerate(facts, 1)], NOON)
        then()
    return said


def customer(email: str) -> int:
    [(id,)] = rows(f"SELECT id FROM canonical_customer WHERE key = '{email}'")
    return int(id)


def merge(kept: str, gone: str) -> CustomersMerged:
    return CustomersMerged(occurred_at=NOON, kept_id=customer(kept), merged_id=customer(gone), by="Sam")


def stated(ref: str, email: str = "", version: int = 1, **billing: str) -> CustomerStated:
    return CustomerStated(occurred_at=NOON, ref=ref, version=version, email=email, billing=Address(**billing))


def buyers() -> list[tuple[Any, ...]]:
    """Every order and the e-mail of its customer."""
    return rows(
        "SELECT o.external_id, c.email FROM canonical_order o JOIN canonical_customer c ON c.id = o.customer_id ORDER BY 1"
    )


def kept() -> dict[str, str]:
    """Whoever was merged, and the customer kept, by e-mail."""
    return dict(
        rows("SELECT m.email, k.email FROM canonical_customer m JOIN canonical_customer k ON k.id = m.merged_into_id")
    )


def three(world: World) -> World:
    """Three customers, known by an order each."""
    tell(world, order("1", email=ANN), order("2", email=BEA), order("3", email=CLO))
    return world


def test_new_orders_of_a_merged_customer_are_the_kept_ones() -> None:
    world = three(make_world())
    tell(world, merge(ANN, BEA))
    tell(world, order("4", email=BEA), order("5", email=BEA, customer_ref="77"))
    assert buyers() == [("1", ANN), ("2", ANN), ("3", CLO), ("4", ANN), ("5", ANN)]


def test_a_link_leads_to_the_customer_kept() -> None:
    """And stays with the row it was made for: the account is still the merged one's."""
    world = three(make_world())
    tell(world, stated("77", BEA))
    tell(world, merge(ANN, BEA))
    tell(world, order("4", email="other@d.example", customer_ref="77"))
    assert buyers()[-1] == ("4", ANN)
    assert rows("SELECT our_id FROM canonical_link WHERE entity = 'customer'") == [(customer(BEA),)]


def test_orders_go_over_with_an_entry_each() -> None:
    world = three(make_world())
    said = tell(world, merge(ANN, BEA))
    assert [(e.subject_kind, e.event) for e in said.entries] == [("order", "customer merged")]
    assert rows(
        "SELECT o.external_id, e.event, (e.state->>'customer_id')::int FROM canonical_entry e JOIN canonical_order o ON o.id = e.order_id"
        " WHERE e.subject_kind = 'order' ORDER BY o.id, e.version"
    ) == [
        ("1", "received", customer(ANN)), ("2", "received", customer(BEA)), ("2", "customer merged", customer(ANN)),
        ("3", "received", customer(CLO)),
    ]  # fmt: skip
    gapless()


def test_addresses_stay_and_are_found_again() -> None:
    """Their ids are linked in the ERP: an order restated after the merge is still at the address it was at."""
    world = three(make_world())
    places = "SELECT external_id, billing_id, shipping_id FROM canonical_order ORDER BY 1"
    before, owners = rows(places), rows("SELECT id, customer_id FROM canonical_address ORDER BY id")
    tell(world, merge(ANN, BEA))
    tell(world, order("2", version=2, email=BEA, status="on_hold"))
    assert rows(places) == before
    assert rows("SELECT id, customer_id FROM canonical_address ORDER BY id")[: len(owners)] == owners
    assert buyers()[1] == ("2", ANN)


CHAINS = (
    ([(ANN, BEA), (BEA, CLO)], {BEA: ANN, CLO: ANN}),
    ([(BEA, CLO), (ANN, BEA)], {BEA: ANN, CLO: ANN}),
    ([(ANN, BEA), (BEA, ANN)], {BEA: ANN}),
    ([(ANN, BEA), (CLO, ANN), (BEA, CLO)], {ANN: CLO, BEA: CLO}),
    ([(ANN, BEA), (CLO, BEA)], {ANN: CLO, BEA: CLO}),
    ([(ANN, ANN), (ANN, BEA), (ANN, BEA)], {BEA: ANN}),
)


@pytest.mark.parametrize(("merges", "ends"), CHAINS)
@pytest.mark.parametrize("together", [False, True])
def test_a_chain_ends_at_one_and_never_in_a_circle(
    merges: Sequence[tuple[str, str]], ends: dict[str, str], together: bool
) -> None:
    world = three(make_world())
    facts = [merge(*pair) for pair in merges]
    for batch in [facts] if together else [[f] for f in facts]:
        tell(world, *batch)
    assert kept() == ends
    assert buyers() == [(ref, ends.get(email, email)) for ref, email in (("1", ANN), ("2", BEA), ("3", CLO))]
    gapless()


def test_one_that_does_not_exist_is_said() -> None:
    world = three(make_world())
    said = tell(world, CustomersMerged(occurred_at=NOON, kept_id=customer(ANN), merged_id=10**9, by="Sam"))
    assert (said.conflicts, said.entries) == ({Cause("message", 1): "One of these two customers does not exist."}, [])


STATE = (
    "SELECT o.external_id, o.shop_status, c.email, b.content->>'email' FROM canonical_order o"
    " JOIN canonical_customer c ON c.id = o.customer_id JOIN canonical_address b ON b.id = o.billing_id ORDER BY 1",
    "SELECT c.email, c.name, k.email FROM canonical_customer c LEFT JOIN canonical_customer k ON k.id = c.merged_into_id ORDER BY 1",
    "SELECT l.external_id, c.email, l.version FROM canonical_link l JOIN canonical_customer c ON c.id = l.our_id"
    " WHERE l.entity = 'customer' ORDER BY 1",
)


def test_whether_the_merge_or_the_statements_come_first_makes_no_difference() -> None:
    world = three(make_world())
    facts: list[Fact] = [
        merge(ANN, BEA), order("4", email=BEA, customer_ref="77"), stated("77", BEA, 2, first_name="Bea", last_name="B"),
        order("2", version=2, email=BEA, status="on_hold"),
    ]  # fmt: skip
    found = []
    for told in permutations(facts):
        for batches in ([[f] for f in told], [told]):
            with transaction.atomic():
                for batch in batches:
                    tell(world, *batch)
                found.append([rows(query) for query in STATE])
                transaction.set_rollback(True)
    assert [f for f in found if f != found[0]] == []
    assert found[0][0] == [
        ("1", "processing", ANN, ANN), ("2", "on_hold", ANN, BEA), ("3", "processing", CLO, CLO), ("4", "processing", ANN, BEA),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("billing", "name"),
    [
        ({"first_name": "Bea", "last_name": "B", "company": "B. & Co"}, "Bea B"),
        ({"company": "B. & Co"}, "B. & Co"),
        ({}, ""),
    ],
)
def test_the_name_is_the_persons_though_a_company_is_billed(billing: dict[str, str], name: str) -> None:
    world = make_world()
    assert tell(world, stated("77", BEA, **billing)).conflicts == {}
    assert rows("SELECT email, name FROM canonical_customer") == [(BEA, name)]


# ---- two at once ------------------------------------------------------------------------------------------------------------
at_once = pytest.mark.django_db(transaction=True)


@at_once
def test_an_order_being_recorded_is_taken_over_by_a_merge() -> None:
    """Without FOR KEY SHARE in _kept the merge did not see the order, which stayed with the merged customer for good."""
    world = three(make_world())
    gate = Gate()
    recording = Worker(lambda: tell(world, order("4", email=BEA), then=gate.stop))
    gate.reached()
    fact = merge(ANN, BEA)
    merging = Worker(lambda: tell(world, fact))
    assert blocked(merging)
    gate.open()
    recording.result()
    merging.result()
    assert buyers() == [("1", ANN), ("2", ANN), ("3", CLO), ("4", ANN)]
    gapless()


@at_once
def test_an_order_that_comes_during_a_merge_waits_and_is_the_kept_ones() -> None:
    world = three(make_world())
    gate, fact = Gate(), merge(ANN, BEA)
    merging = Worker(lambda: tell(world, fact, then=gate.stop))
    gate.reached()
    recording = Worker(lambda: tell(world, order("4", email=BEA), order("2", version=2, email=BEA)))
    assert blocked(recording)
    gate.open()
    merging.result()
    recording.result()
    assert buyers() == [("1", ANN), ("2", ANN), ("3", CLO), ("4", ANN)]
    gapless()


@at_once
@pytest.mark.parametrize("second", [(ANN, BEA), (BEA, ANN), (CLO, ANN), (BEA, CLO)])
def test_two_merges_at_once_are_one_after_the_other(second: tuple[str, str]) -> None:
    """Whoever comes second looks at what the first one made of it."""
    world = three(make_world())
    gate, one, other = Gate(), merge(ANN, BEA), merge(*second)
    first = Worker(lambda: tell(world, one, then=gate.stop))
    gate.reached()
    later = Worker(lambda: tell(world, other))
    assert blocked(later)
    gate.open()
    first.result()
    later.result()
    ends = {
        (ANN, BEA): {BEA: ANN},
        (BEA, ANN): {BEA: ANN},
        (CLO, ANN): {ANN: CLO, BEA: CLO},
        (BEA, CLO): {BEA: ANN, CLO: ANN},
    }[second]
    assert kept() == ends
    assert buyers() == [(ref, ends.get(email, email)) for ref, email in (("1", ANN), ("2", BEA), ("3", CLO))]
    gapless()


@at_once
def test_four_merges_in_a_circle_at_once_leave_one() -> None:
    """Without the advisory lock they deadlocked: each had looked at the customer another was about to change."""
    world = three(make_world())
    facts = [merge(ANN, BEA), merge(BEA, CLO), merge(CLO, ANN), merge(BEA, ANN)]
    workers = [Worker(lambda fact=fact: tell(world, fact)) for fact in facts]  # type: ignore[misc]
    for worker in workers:
        worker.result()
    assert [len(kept()), len({email for _, email in buyers()})] == [2, 1]
    gapless()
