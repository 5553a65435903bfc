"""The orders benchmarks are measured with: as large as real ones, and honest."""

from datetime import UTC, datetime
from statistics import mean

from benchmarks import bodies
from canonical.rules import money
from connectors.base import Envelope
from connectors.woocommerce.reading import read_order

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_orders_are_as_large_as_real_ones() -> None:
    assert 5_300 < mean(len(body) for body in bodies.orders(1, 400)) < 6_300


def test_orders_add_up_are_distinct_and_some_are_guests() -> None:
    facts = [read_order(Envelope("order.created", body, NOW, None))[0] for body in bodies.orders(1, 100)]
    assert [f for f in facts if f.total != money.parts_total(f.lines, f.charges)] == []
    assert len({f.ref for f in facts}) == 100
    assert 50 < sum(f.customer_ref == "" for f in facts) < 85
    assert max(len(f.lines) for f in facts) > 3


def test_the_same_seed_gives_the_same_orders() -> None:
    assert bodies.orders(7, 5) == bodies.orders(7, 5)
