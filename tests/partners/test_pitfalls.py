"""What a partner might send by mistake or on purpose, and what it must not get by it."""

from collections.abc import Callable

import pytest

from canonical.models import FulfilmentRequest, Order, OrderLine
from retailsync.sync import inbox

from .conftest import Partner
from .test_desk import SHIP

Ask = Callable[..., FulfilmentRequest]


# ---- what is said counts as it is answered ----------------------------------------------------------------------------------
@pytest.fixture
def two_lines(order: Order) -> list[str]:
    """The order's two lines of one SKU, 3 and 2 units."""
    line = order.lines.get()
    second = OrderLine.objects.create(
        order=order, external_id="2", sku=line.sku, sku_text="a", name="Apple", ordered=2, subtotal=10, total=10
    )
    return [str(line.pk), str(second.pk)]


@pytest.mark.parametrize("recorded", [False, True])
def test_units_missing_of_a_sku_may_be_said_again(
    partner: Partner, two_lines: list[str], ask: Ask, recorded: bool
) -> None:
    reference = ask(partner).reference
    for key in ("k1", "k2"):
        partner.post(f"{reference}/short", {"lines": [{"sku": "A", "units": 3}]}, key)
        if recorded:
            inbox.drain(partner.system.pk)
    assert [line["short"] for line in partner.get(reference).json()["lines"]] == [3, 0]


@pytest.mark.parametrize("recorded", [False, True])
def test_too_many_of_one_line_do_not_make_up_for_another(
    partner: Partner, two_lines: list[str], ask: Ask, recorded: bool
) -> None:
    reference = ask(partner).reference
    partner.post(f"{reference}/ship", {**SHIP, "packages": [{"lines": [{"line": two_lines[0], "units": 5}]}]})
    if recorded:
        inbox.drain(partner.system.pk)
    seen = partner.get(reference).json()
    assert (seen["execution"], "ship" in seen["actions"]) == ("part_shipped", True)


def test_words_of_one_batch_count_in_their_order(partner: Partner, two_lines: list[str], ask: Ask) -> None:
    """Missing units said after a shipment are of what did not leave, also where both are recorded together."""
    reference = ask(partner).reference
    partner.post(f"{reference}/ship", SHIP)
    partner.post(f"{reference}/short", {"lines": [{"sku": "A", "units": 2}]})
    inbox.drain(partner.system.pk)
    seen = partner.get(reference).json()
    assert ([line["short"] for line in seen["lines"]], seen["execution"]) == ([0, 2], "shipped")
