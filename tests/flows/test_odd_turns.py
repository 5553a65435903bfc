"""Orders that turn where nobody expects it: told by facts and receipts alone, compared as whole states."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from canonical.facts import ExecutionReported, Gone, Posted, RefundStated, RequestAnswered
from canonical.models import Mapping, Order, OrderLine, ShopPolicy, Sourcing
from canonical.types import RefundedLine, Tender, Units
from retailsync.sync import clock, deciding, release
from retailsync.sync.models import Case, Command
from tests.facts import NOON, line, order, shipping
from tests.flows import test_negotiations as told_by
from tests.flows.outside import carry_out
from tests.flows.test_negotiations import (
    accept,
    answer,
    changes,
    holds,
    let_go,
    lines,
    references,
    refund,
    requests,
    ship,
    stage,
    told,
)
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db

ONE_LEFT = (line(units=1, total="10.33", tax="2.17"),)


@pytest.fixture
def world() -> World:
    """Mugs and cups lie in W1, then in W2."""
    made = make_world()
    made.stock("MUG", "CUP", at="W1", then="W2")
    return made


@pytest.fixture
def known(world: World) -> World:
    """An order of two mugs that ERP and warehouse know and accepted."""
    world.tell(order())
    carry_out(world)
    accept(world)
    return world


def abandoned() -> list[tuple[int]]:
    return rows("SELECT abandoned FROM canonical_orderline ORDER BY id")


def reship(world: World, units: int = 1) -> None:
    deciding.reship(Order.objects.get().pk, world.places["W1"].pk, {OrderLine.objects.get().pk: units}, "ann", "lost")


# ---- what nobody was told of ------------------------------------------------------------------------------------------------
def test_an_order_that_was_stranded_before_it_was_booked_is_cancelled_without_a_word(world: World) -> None:
    Sourcing.objects.all().delete()
    world.tell(order())
    assert holds() == ["no_location"]
    world.tell(order(version=2, status="cancelled"))
    assert (stage(), holds(), carry_out(world)) == ("cancelled", [], [])
    assert rows("SELECT ended_at IS NOT NULL FROM canonical_booking") == [(True,)]


def test_a_reship_that_waits_behind_a_hold_is_taken_back_without_a_word(known: World) -> None:
    ship(known, 2)
    carry_out(known)
    deciding.hold(Order.objects.get().pk, "operator", "Call first.", "ann")
    reship(known)
    known.tell(order(version=2, status="cancelled"))
    assert (carry_out(known), requests()[1]) == ([], ("W1", "closed", "cancelled", False, [0]))


def test_nothing_is_shipped_again_of_an_order_the_shop_does_not_want(known: World) -> None:
    ship(known, 2)
    known.tell(order(version=2, status="refunded"))
    with pytest.raises(deciding.NotPossible):
        reship(known)


# ---- given up and given back ------------------------------------------------------------------------------------------------
def test_units_given_up_and_then_refunded_are_the_same_units(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="cancel_remainder")
    told_by.short(known, 1)
    assert (holds(), lines(), abandoned()) == (["refund_due"], [(2, 1, 1, 0, 0)], [(1,)])
    refund(known, 1)
    assert (holds(), lines(), abandoned(), changes()) == ([], [(2, 1, 1, 0, 1)], [(0,)], [])


def test_units_given_up_after_others_were_refunded_are_others(known: World) -> None:
    refund(known, 1)
    carry_out(known)
    answer(known)
    deciding.abandon(Order.objects.get().pk, {OrderLine.objects.get().pk: 1}, "ann", "broken")
    assert (holds(), abandoned()) == (["refund_due"], [(1,)])
    assert changes()[1:] == [(True, "cancel", "asked", [0])]
    refund(known, 1, ref="78")
    assert (holds(), abandoned()) == ([], [(0,)])


def test_a_shortage_that_grows_is_given_up_as_a_whole(world: World) -> None:
    ShopPolicy.objects.create(channel=world.shop, on_short="cancel_remainder")
    world.tell(order(lines=(line(units=3),)))
    carry_out(world)
    accept(world)
    told_by.short(world, 1)
    told_by.short(world, 2)
    assert (lines(), abandoned()) == ([(3, 2, 1, 0, 0)], [(2,)])


def test_a_shortage_of_units_that_were_refunded_is_no_second_loss(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="cancel_remainder")
    refund(known, 1)
    told_by.short(known, 1)
    assert (holds(), lines(), abandoned()) == ([], [(2, 1, 1, 0, 1)], [(0,)])


def test_a_unit_ordered_after_another_was_given_up_is_asked_for(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="cancel_remainder")
    told_by.short(known, 1)
    known.tell(order(version=2, lines=(line(units=3, total="30.99", tax="6.51"),)))
    assert requests() == [("W1", "accepted", "open", False, [2]), ("W2", "unsubmitted", "open", False, [1])]
    assert (holds(), lines()) == (["refund_due"], [(3, 1, 2, 0, 0)])


# ---- cancelled in part and as a whole ---------------------------------------------------------------------------------------
def test_a_cancellation_names_no_units_the_warehouse_is_short_of(known: World) -> None:
    told_by.short(known, 1)
    known.tell(order(version=2, status="cancelled"))
    assert changes() == [(True, "cancel", "asked", [0])]
    carry_out(known)
    assert [c.get("lines", []) for c in told("ChangeRequest")] == [[]]
    answer(known)
    assert requests() == [("W1", "closed", "cancelled", False, [0])]
    assert (carry_out(known), stage(), holds()) == (["CancelOrder"], "cancelled", [])
    known.tell(order(version=3))
    assert requests()[1:] == [("W2", "unsubmitted", "open", False, [2])]


def test_an_answer_that_comes_after_the_end_changes_nothing(world: World) -> None:
    world.tell(order())
    carry_out(world)
    world.tell(order(version=2, status="cancelled"))
    carry_out(world)
    answer(world)
    world.tell(
        RequestAnswered(occurred_at=NOON, request=references()[0], answer="rejected"), source=world.partners["W1"]
    )
    assert requests() == [("W1", "closed", "cancelled", False, [0])]
    world.tell(order(version=3))
    assert requests()[1:] == [("W1", "unsubmitted", "open", False, [2])]


def test_an_order_wanted_again_while_the_erp_refuses_to_cancel_it_waits_for_a_person(known: World) -> None:
    """Said to be done, the refused cancellation has ended the ERP's order, and a new one is made."""
    known.tell(order(version=2, status="cancelled"))
    carry_out(known, to=[*known.partners.values()])
    answer(known)
    Command.objects.filter(kind="CancelOrder").update(state="parked", reason="invoiced")
    cancel = Command.objects.get(kind="CancelOrder")
    case = Case.objects.create(
        target_kind="command", target_id=cancel.pk, system=known.erp, order_id=cancel.order_id, workflow="order_to_fulfilment",
        stage="send", reason="invoiced", cause="x", words="It is invoiced.", who="back_office",
    )  # fmt: skip
    known.tell(order(version=3))
    assert carry_out(known, to=[known.erp]) == []
    assert release.settle_by_hand(case.pk, "ann", "credit note made")
    assert carry_out(known, to=[known.erp]) == ["CreateOrder", "ConfirmOrder"]
    assert rows("SELECT attempt, reference, ended_at IS NOT NULL FROM canonical_booking ORDER BY attempt") == [
        (1, "ONE-137", True), (2, "ONE-137/2", False)]  # fmt: skip


def deleted(world: World, version: int) -> None:
    world.tell(Gone(occurred_at=NOON, ref="137", version=version, read_at=clock.now(), entity="order"))


def open_exceptions() -> list[tuple[str, str]]:
    return rows("SELECT target_kind, reason FROM sync_case WHERE closed_at IS NULL ORDER BY 1, 2")


@pytest.mark.parametrize("heard", ["before", "after"])
def test_what_shipped_of_an_order_that_was_deleted_is_one_exception(known: World, heard: str) -> None:
    """The shop refused the tracking of an order it no longer has, and beside that the shipment was an exception: one cause, two of them.
    When the order is there again, its customer sees the parcel."""
    if heard == "before":
        deleted(known, 2)
    ship(known, 2)
    if heard == "after":
        tracking = Command.objects.get(kind="SendTracking")
        Command.objects.filter(pk=tracking.pk).update(state="parked", reason="order_gone")
        Case.objects.create(
            target_kind="command", target_id=tracking.pk, system=known.shop, order_id=tracking.order_id, workflow="shipments",
            stage="send", reason="order_gone", cause="x", words="The shop no longer has order 137.", who="back_office",
        )  # fmt: skip
        deleted(known, 2)
    assert open_exceptions() == [("hold", "cancel_refused")]
    assert "SendTracking" not in carry_out(known)
    known.tell(order(version=3, read_at=clock.now()))
    assert open_exceptions() == []
    assert sorted(carry_out(known)) == ["CompleteOrder", "SendTracking"]


# ---- what warehouses do not do ----------------------------------------------------------------------------------------------
def test_a_warehouse_that_does_not_go_on_is_told_of(known: World) -> None:
    known.tell(order(version=2, status="on_hold"))
    carry_out(known)
    answer(known)
    known.tell(order(version=3))
    carry_out(known)
    answer(known, "rejected", change=2)
    assert holds() == ["edited_after_release"]
    ship(known, 2)
    assert holds() == []


def test_an_order_cancelled_again_is_asked_for_again(known: World) -> None:
    """The warehouse refused the first cancellation, and a person closed that. It was not asked a second time, and nobody was told."""
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    answer(known, "rejected")
    known.tell(order(version=3, status="cancelled", note="Call first."))
    assert [c[1:3] for c in changes()] == [("cancel", "rejected")]
    let_go("cancel_refused")
    known.tell(order(version=4))
    assert holds() == []
    known.tell(order(version=5, status="cancelled"))
    assert [c[1:3] for c in changes()] == [("cancel", "rejected"), ("cancel", "asked")]
    carry_out(known)
    answer(known, "rejected", change=2)
    assert (holds(), stage()) == (["cancel_refused"], "cancel_refused")
    known.tell(order(version=6, status="cancelled", note="Please!"))
    assert (len(changes()), holds()) == (2, ["cancel_refused"])


@pytest.mark.parametrize("policy", ["ask", "ship_available", "cancel_remainder"])
@pytest.mark.parametrize("word", ["rejected", "short"])
def test_a_reship_that_does_not_happen_is_told_of_and_counts_for_nothing_else(
    known: World, policy: str, word: str
) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short=policy)
    ship(known, 2)
    carry_out(known)
    reship(known)
    carry_out(known)
    place = known.partners["W1"]
    if word == "rejected":
        known.tell(
            RequestAnswered(occurred_at=NOON, request=references()[1], answer="rejected", reason="none"), source=place
        )
    else:
        units = (Units(units=1, line=str(OrderLine.objects.get().pk)),)
        fact = ExecutionReported(occurred_at=NOON, request=references()[1], stage="short", lines=units)
        known.tell(fact, source=place)
    assert (holds(), lines(), abandoned(), len(requests())) == (["short"], [(2, 0, 2, 2, 0)], [(0,)], 2)
    let_go("short")
    assert (holds(), len(requests())) == ([], 2)


# ---- words that lost their meaning ------------------------------------------------------------------------------------------
PICK_UP = (msgspec.structs.replace(shipping(), code="pick_up", title="Pick up"),)


def test_a_method_nobody_named_keeps_an_edit_back_until_somebody_does(world: World) -> None:
    Mapping.objects.create(kind="shipping_method", channel=world.shop, key="flat_rate", value={"carrier": "DHL"})
    world.tell(order())
    carry_out(world)
    accept(world)
    world.tell(order(version=2, charges=PICK_UP, lines=ONE_LEFT))
    assert (holds(), changes()) == (["method_mapping"], [])
    Mapping.objects.create(kind="shipping_method", channel=world.shop, key="pick_up", value={"carrier": "Shelf"})
    world.tell(order(version=3, charges=PICK_UP, lines=ONE_LEFT, note="."))
    assert (holds(), changes()) == ([], [(True, "amend", "asked", [1])])
    assert [c["carrier"] for c in told("ChangeRequest")] == ["Shelf"]


@pytest.mark.parametrize("shipped", [0, 1])
def test_a_cancellation_needs_no_meanings(known: World, shipped: int) -> None:
    if shipped:
        ship(known, shipped)
    for kind, value in (("shipping_method", {"carrier": "DHL"}), ("tax", {"erp": "x"}), ("payment_method", {})):
        Mapping.objects.create(kind=kind, channel=known.shop, key="another", value=value)
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    answer(known)
    assert changes() == [(True, "cancel", "accepted", [shipped])]
    expected = (
        (["cancel_refused", "method_mapping", "tax_mapping"], "partially_cancelled") if shipped else ([], "cancelled")
    )
    carry_out(known)
    assert (holds(), stage()) == expected
    Mapping.objects.filter(key="another").delete()
    known.tell(order(version=3, status="cancelled", note="."))
    assert (holds(), carry_out(known)) == ((["cancel_refused"], ["AmendOrder"]) if shipped else ([], []))


# ---- shipped and refunded ---------------------------------------------------------------------------------------------------
def later(world: World, units: int, *, ref: str = "78") -> None:
    """Refunded when the shop knew of all that was shown to it so far."""
    given = (RefundedLine(line="1", units=units, total=Decimal("10.33"), tax=Decimal("2.17")),)
    at = NOON + timedelta(days=900)
    world.tell(RefundStated(occurred_at=at, ref=ref, order_ref="137", amount=Decimal("12.50"), lines=given))


def test_a_unit_refunded_after_another_was_shown_and_shipped_all_the_same_stays_told_of(known: World) -> None:
    ship(known, 1)
    carry_out(known)
    later(known, 1)
    carry_out(known)
    answer(known, "rejected")
    assert holds() == ["refunded_but_shipping"]
    ship(known, 1, ref="S2")
    assert holds() == ["refunded_but_shipping"]
    carry_out(known)
    assert holds() == ["refunded_but_shipping"]


def test_a_return_is_one_whatever_was_given_back_before(known: World) -> None:
    refund(known, 0, amount="1.00")
    ship(known, 2)
    carry_out(known)
    later(known, 2)
    assert holds() == []
    known.tell(order(version=2, status="refunded"))
    assert holds() == []


# ---- money ------------------------------------------------------------------------------------------------------------------
def test_a_gift_card_that_was_taken_off_pays_nothing(world: World) -> None:
    bank = msgspec.structs.replace(order().payment, paid_at=None, method="bacs")
    card = (Tender(ref="c1", kind="gift_card", amount=Decimal("20.99")),)
    world.tell(order(status="on_hold", tenders=card, payment=bank))
    paid = msgspec.structs.replace(bank, paid_at=NOON, captured=Decimal("10.00"))
    world.tell(order(version=2, payment=paid))
    assert rows("SELECT kind, amount FROM canonical_payment ORDER BY kind") == [
        ("capture", Decimal(10)), ("gift_card", Decimal(0))
    ]  # fmt: skip
    assert (holds(), requests()) == (["payment"], [])


def wrong_total(world: World) -> None:
    """The ERP made 25.00 of the order's total."""
    world.tell(order())
    row = Command.objects.get(kind="CreateOrder")
    Command.objects.filter(pk=row.pk).update(state="confirmed")
    fact = Posted(
        occurred_at=clock.now(), kind="sales_order", subject_kind="booking", subject_id=row.payload["booking_id"], order_id=row.order_id,
        state="created", external_id="S1", amount=Decimal(25),
    )  # fmt: skip
    world.tell(fact, source=world.erp)
    assert holds() == ["erp_total"]


def test_a_wrong_total_an_edit_puts_right_goes_on(world: World) -> None:
    wrong_total(world)
    world.tell(order(version=2, note="Ring twice."))
    assert holds() == []
    assert [k for k in carry_out(world) if "Order" in k] == ["AmendOrder", "ConfirmOrder"]
    world.tell(order(version=3, note="Ring thrice."))
    assert ([k for k in carry_out(world) if "Order" in k], holds()) == (["AmendOrder"], [])
    assert rows("SELECT count(*) FROM sync_case WHERE closed_at IS NULL") == [(0,)]


def test_a_wrong_total_of_an_order_that_ends_is_no_question_any_more(world: World) -> None:
    wrong_total(world)
    world.tell(order(version=2, status="cancelled"))
    assert (holds(), stage()) == ([], "cancelled")


def test_a_wrong_total_a_person_accepted_stays_accepted(world: World) -> None:
    wrong_total(world)
    let_go("erp_total")
    assert ([k for k in carry_out(world) if "Order" in k], holds()) == (["ConfirmOrder"], [])
