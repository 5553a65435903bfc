"""What the shop says is a snapshot: the newest wins, the shop's own answer settles what cannot be ordered."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

COMPLETED = ("completed_in_shop", "The shop says completed, but no warehouse of ours has shipped it.")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("turns", [*permutations(("on-hold", "pending", "on-hold "))])
def test_changes_within_one_second_are_settled_by_the_shop(quiet: Stage, turns: Sequence[str], together: bool) -> None:
    order = quiet.order(status="on-hold")
    for status in turns:
        assert quiet.hear(order, status=status.strip(), cart_hash=status) == 200
        together or quiet.settle()
    quiet.settle()
    assert [t[:4] for t in quiet.whole()] == [(str(order), "on-hold", "on_hold", ())]
    assert rows("SELECT shop_status FROM canonical_order") == [("on_hold",)]
    assert [kind for kind, _ in quiet.commands()] in (["Refresh"], ["Refresh", "Refresh"])
    assert quiet.trouble() == CALM


def test_what_was_released_in_the_meantime_goes_on(quiet: Stage) -> None:
    order = quiet.order()
    quiet.hear(order)
    quiet.hear(order, "order.created", status="pending")
    quiet.settle()
    assert [t[:4] for t in quiet.whole()] == [(str(order), "completed", "completed", ("sale",))]
    assert quiet.trouble() == CALM


def test_an_order_first_heard_as_completed_waits_for_a_person(quiet: Stage) -> None:
    order = quiet.order()
    quiet.shop.edit(order, status="completed")
    quiet.hear(order, "order.created")
    quiet.settle()
    assert [t[:5] for t in quiet.whole()] == [(str(order), "completed", "on_hold", (), ())]
    assert quiet.cases() == [COMPLETED]
    quiet.release("completed_in_shop")
    quiet.settle()
    assert [t[:6] for t in quiet.whole()] == [
        (str(order), "completed", "completed", ("sale",), ("done",), ("W1 accepted 2",))
    ]
    assert quiet.trouble() == CALM


def test_the_echo_of_our_own_completion_causes_nothing(s: Stage) -> None:
    order = s.order()
    s.settle()
    before, told = s.commands(), s.whole()
    entries = rows("SELECT count(*) FROM canonical_entry")
    for topic in ("order.created", "order.updated"):
        assert s.hear(order, topic, meta_data=[{"id": 1, "key": "_noise", "value": "x"}]) == 200
    s.settle()
    assert (s.commands(), s.whole(), rows("SELECT count(*) FROM canonical_entry")) == (before, told, entries)
