"""The state of payment follows from sums."""

from decimal import Decimal

import pytest

from canonical.rules.money import payment_state


@pytest.mark.parametrize(
    ("total", "captured", "authorised", "refunded", "state"),
    [
        ("28.50", "0", "0", "0", "unpaid"),
        ("28.50", "0", "28.50", "0", "authorised"),
        ("28.50", "10", "18.50", "0", "partially paid"),
        ("28.50", "28.50", "0", "0", "paid"),
        ("28.50", "30", "0", "0", "paid"),
        ("0", "0", "0", "0", "nothing to pay"),
        ("28.50", "28.50", "0", "0.01", "partially refunded"),
        ("28.50", "28.50", "0", "28.50", "refunded"),
        ("28.50", "10", "0", "10", "refunded"),  # all that came went back
        ("28.50", "0", "0", "28.50", "refunded"),  # cash on delivery: no payment was ever stated
        ("28.50", "0", "0", "5", "partially refunded"),
    ],
)
def test_payment_state(total: str, captured: str, authorised: str, refunded: str, state: str) -> None:
    assert payment_state(Decimal(total), Decimal(captured), Decimal(authorised), Decimal(refunded)) == state
