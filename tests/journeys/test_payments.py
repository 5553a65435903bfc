"""When an order may go on: paid, reserved, accepted or nothing due; late money, no money, and money that did not come after all."""

from datetime import timedelta
from decimal import Decimal

import pytest

from canonical.models import Mapping
from retailsync.sync import tasks
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 24 * 60  # minutes
DONE = ("completed", "completed", ("sale",), ("done",))


def pays(s: Stage, method: str, **value: object) -> None:
    """What a payment method of the shop means."""
    Mapping.objects.create(kind="payment_method", channel=s.world.shop, key=method, value=value)


def later(s: Stage, hands: Hands, **time: float) -> None:
    """So much time passes and beat sweeps; then the clock is right again, as partners check the time of what we sign."""
    hands.turn(**time)
    tasks.sweep()
    hands.ahead = timedelta()
    s.settle()


def holds() -> list[tuple[str, str]]:
    return rows("SELECT reason, words FROM canonical_hold WHERE lifted_at IS NULL")  # type: ignore[return-value]


def test_cash_on_delivery_goes_on_unpaid(s: Stage) -> None:
    s.order("cod")
    s.settle()
    assert [t[1:5] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


def test_a_bank_transfer_is_waited_for_and_paid_after_five_days(s: Stage, hands: Hands) -> None:
    """The customer is reminded after five days; nobody has to act; the money comes and the order goes."""
    order = s.order("bacs")
    s.settle()
    assert [reason for reason, _ in holds()] == ["payment"]
    assert s.cases() == []
    assert [t[1:4] for t in s.whole()] == [("on-hold", "on_hold", ())]
    later(s, hands, minutes=5 * DAY)
    assert [n["note"] for n in s.shop.notes[order] if n["customer_note"]] == [
        f"We have not received your payment for order {order} yet. Without it the order will be cancelled on "
        f"{rows('SELECT (placed_at + interval ' + repr('7 days') + ')::date::text FROM canonical_order')[0][0]}."
    ]
    s.shop.pay(order)
    s.settle()
    assert [t[1:5] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


def test_a_bank_transfer_that_never_comes_is_cancelled_in_the_shop(s: Stage, hands: Hands) -> None:
    order = s.order("bacs")
    s.settle()
    later(s, hands, minutes=7 * DAY)
    assert [t[1:4] for t in s.whole()] == [("cancelled", "cancelled", ())]
    s.shop.pay(order)  # the money comes after all
    s.settle()
    assert [t[1:5] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


def test_an_order_somebody_took_in_hand_is_not_cancelled(quiet: Stage, hands: Hands) -> None:
    """A status a person set meanwhile, of which we did not hear, is never overwritten."""
    order = quiet.order("bacs")
    quiet.hear(order)
    quiet.settle()
    quiet.shop.pay(order)
    later(quiet, hands, minutes=7 * DAY)
    assert [t.shop for t in quiet.whole()] == ["processing"]
    quiet.hear(order)
    quiet.settle()
    assert [t[1:5] for t in quiet.whole()] == [DONE]


def test_a_coupon_for_everything_leaves_nothing_due(s: Stage) -> None:
    s.order("free")
    s.settle()
    assert [(t[1:5], rows("SELECT total::float FROM canonical_order")) for t in s.whole()] == [(DONE, [(0.0,)])]
    assert s.trouble() == CALM


def test_reserved_money_waits_for_its_capture(s: Stage) -> None:
    order = s.order("authorised")
    s.settle()
    assert [reason for reason, _ in holds()] == ["payment"]
    assert rows("SELECT kind FROM canonical_payment") == [("authorise",)]
    s.shop.capture(order)
    s.settle()
    assert [t[1:5] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


def test_reserved_money_is_enough_where_people_said_so(s: Stage) -> None:
    pays(s, "stripe", release="authorised")
    s.order("authorised")
    s.settle()
    assert [t[2] for t in s.whole()] == ["completed"]
    assert [t.erp for t in s.whole()] == [("sale",)]


def test_a_reservation_that_ended_is_a_question(s: Stage, hands: Hands) -> None:
    s.order("authorised")
    s.settle()
    later(s, hands, minutes=7 * DAY + 1)
    assert [reason for reason, _ in s.cases()] == ["payment_ended"]


def test_a_part_that_was_captured_is_not_enough(s: Stage) -> None:
    order = s.order("authorised")
    s.shop.capture(order, Decimal("1.00"))
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["payment"]
    assert "Only 1.00" in s.cases()[0][1]
    s.release("payment")
    s.settle()
    assert [t[1:5] for t in s.whole()] == [DONE]


@pytest.mark.parametrize("first", ["failed", "cancelled", "pending"])
def test_a_late_payment_lets_it_go_on(s: Stage, first: str) -> None:
    order = s.order("bacs")
    s.shop.move(order, first)
    s.settle()
    assert [t.erp for t in s.whole()] == [()]
    s.shop.pay(order)
    s.settle()
    assert [t[1:5] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


def test_a_gift_card_pays_a_part_and_the_erp_books_the_whole(s: Stage) -> None:
    s.order("gift_card")
    s.settle()
    assert [t[1:3] for t in s.whole()] == [("completed", "completed")]
    kinds = rows("SELECT kind FROM canonical_payment ORDER BY kind")
    assert kinds == [("capture",), ("gift_card",)]
    assert rows(
        "SELECT o.total = sum(p.amount) FROM canonical_order o JOIN canonical_payment p ON p.order_id = o.id GROUP BY o.id"
    ) == [(True,)]
    assert rows(
        "SELECT amount = (SELECT total FROM canonical_order) FROM canonical_posting WHERE kind = 'sales_order'"
    ) == [(True,)]
    assert s.trouble() == CALM


def test_a_grace_period_lets_the_customer_think_again(s: Stage, hands: Hands) -> None:
    pays(s, "stripe", grace_minutes=30)
    order = s.order("card")
    s.settle()
    assert [reason for reason, _ in holds()] == ["grace"]
    assert s.cases() == []
    s.shop.cancel(order)
    s.settle()
    assert [t[1:4] for t in s.whole()] == [("cancelled", "cancelled", ())]
    again = s.order("card", seed=4)
    s.settle()
    later(s, hands, minutes=31)
    assert [t[1:5] for t in s.whole() if t.number == str(again)] == [DONE]


def test_a_method_nobody_named_holds_all_its_orders_as_one_question(s: Stage) -> None:
    pays(s, "cod", release="accepted")
    s.order("card", seed=3)
    s.order("card", seed=4)
    s.settle()
    cases = rows("SELECT DISTINCT reason, detail FROM sync_case WHERE closed_at IS NULL")
    assert cases == [("method_mapping", "payment_method stripe")]
    assert [t.erp for t in s.whole()] == [(), ()]
