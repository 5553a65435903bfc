"""What people decide about a whole order, as far as ERP, warehouse and shop hear of it: told by facts and receipts alone."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from canonical.facts import ExecutionReported
from canonical.models import Hold, Mapping, Order, ShopPolicy
from canonical.types import Units
from retailsync.sync import deciding, order_deciding, policy_keeping, resending
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Case, Command
from tests.facts import NOON, line, order
from tests.flows.outside import carry_out
from tests.flows.test_negotiations import (
    ELSEWHERE,
    answer,
    changes,
    holds,
    known,
    lines,
    requests,
    ship,
    stage,
    told,
    world,
)
from tests.flows.test_odd_turns import wrong_total
from tests.world import World, rows

pytestmark = pytest.mark.django_db
__all__ = ["known", "world"]
HERE = order().shipping


def only() -> Order:
    return Order.objects.get()


def cancel() -> bool:
    return order_deciding.cancel(only().pk, "ann", "changed her mind")


def readdress(address: Any = ELSEWHERE) -> None:
    order_deciding.change_address(only().pk, address, "ann", "moved")


def outside() -> int:
    return order_deciding.settle_outside(only().pk, "ann", "shipped by hand")


def command(kind: str) -> Command:
    return Command.objects.filter(kind=kind).latest("pk")


def again(kind: str) -> Command:
    return resending.resend(only().pk, command(kind).pk, "ann", "they lost it")


def goes() -> list[Any]:
    """Where it goes, by ids alone."""
    return rows("SELECT a.content ->> 'line1' FROM canonical_order o JOIN canonical_address a ON a.id = o.shipping_id")


# ---- cancel -----------------------------------------------------------------------------------------------------------------
def test_a_cancelled_order_ends_everywhere(known: World) -> None:
    assert cancel()
    assert changes() == [(True, "cancel", "asked", [0])]
    assert carry_out(known) == ["CancelShopOrder", "ChangeRequest"]
    answer(known)
    assert carry_out(known) == ["CancelOrder"]
    assert told("CancelOrder")[0]["reason"] == "Nothing of it is left."
    assert told("CancelShopOrder")[0]["reason"] == "changed her mind" and holds() == ["refund_due"]
    known.tell(order(version=2, status="cancelled"))
    assert (stage(), holds(), carry_out(known), lines()) == ("cancelled", [], [], [(2, 2, 0, 0, 0)])


def test_an_order_that_never_left_is_cancelled_with_a_word_to_its_shop_alone(world: World) -> None:
    world.tell(order())
    assert cancel() and carry_out(world) == ["CancelShopOrder", "UpsertCustomer"]  # a contact is no order
    assert rows("SELECT ended_at IS NOT NULL FROM canonical_booking") == [(True,)]


def test_an_order_that_waits_is_cancelled_and_never_goes_on(world: World) -> None:
    world.tell(order(lines=(line(sku="HAT"),)))
    assert (cancel(), holds(), carry_out(world)) == (True, ["refund_due"], ["CancelShopOrder"])
    world.tell(order(version=2, status="cancelled", lines=(line(sku="HAT"),)))
    assert (holds(), stage(), carry_out(world)) == ([], "cancelled", [])
    assert Command.objects.exclude(kind="Refresh").count() == 1


def test_of_an_order_that_left_in_part_the_rest_is_cancelled_and_the_shop_left_alone(known: World) -> None:
    ship(known, 1)
    carry_out(known)
    assert not cancel()
    carry_out(known)
    answer(known)
    assert lines() == [(2, 1, 1, 1, 0)] and told("AmendOrder")[0]["lines"][0]["stated"]["units"] == 1
    assert Command.objects.filter(kind="CompleteOrder").exists() and not told("CancelShopOrder")


def test_a_shop_that_adds_a_unit_after_all_has_a_new_document_made(known: World) -> None:
    cancel()
    carry_out(known)
    answer(known)
    carry_out(known)
    known.tell(order(version=2, lines=(line(units=3, total="30.99", tax="6.51"),)))
    assert "CreateOrder" in carry_out(known)
    assert rows("SELECT attempt, ended_at IS NULL FROM canonical_booking ORDER BY 1") == [(1, False), (2, True)]


@pytest.mark.parametrize("what", ["shipped", "stopped", "cancelled"])
def test_what_cannot_be_cancelled_says_why(what: str, known: World) -> None:
    if what == "shipped":
        ship(known, 2)
    elif what == "stopped":
        known.tell(order(version=2, status="cancelled"))
    else:
        cancel()
    with pytest.raises(NotPossible, match=r"nothing of it is left|ends by itself"):
        cancel()
    assert Action.objects.count() == (what == "cancelled")


# ---- where it goes ----------------------------------------------------------------------------------------------------------
def test_a_new_address_is_told_to_warehouse_and_erp(known: World) -> None:
    readdress()
    assert (goes(), changes()) == ([("Laan 3",)], [(True, "amend", "asked", [2])])
    carry_out(known)
    assert told("ChangeRequest")[0]["ship_to"]["line1"] == "Laan 3"
    assert [c["shipping"]["line1"] for c in told("UpsertCustomer")] == ["Straat 12", "Laan 3"]
    assert told("AmendOrder")[0]["shipping_id"] != told("AmendOrder")[0]["billing_id"]
    state = rows("SELECT state::text FROM canonical_entry WHERE event = 'address changed'")
    assert len(state) == 1 and "Laan" not in state[0][0]


def test_what_has_not_left_is_sent_there_without_a_change(world: World) -> None:
    world.tell(order())
    readdress()
    assert changes() == [] and told("RequestFulfilment")[0]["ship_to"]["line1"] == "Laan 3"
    carry_out(world)
    assert [c["shipping"]["line1"] for c in told("UpsertCustomer")][-1] == "Laan 3" and not told("AmendOrder")


def test_an_unchanged_restatement_does_not_undo_it_and_another_address_does(known: World) -> None:
    readdress()
    known.tell(order(version=2, note="ring twice"))
    assert goes() == [("Laan 3",)]
    known.tell(order(version=3, shipping=msgspec.structs.replace(HERE, line1="Gracht 1")))
    assert goes() == [("Gracht 1",)]
    known.tell(order(version=4, shipping=HERE))
    assert goes() == [("Laan 3",)]  # what it was decided against is stated again


def test_an_address_nobody_can_use_is_put_right_here(world: World) -> None:
    world.partners["W1"].limits = {"phone_required": True}
    world.partners["W1"].save()
    world.tell(order())
    assert holds() == ["address"]
    readdress(msgspec.structs.replace(HERE, phone="0301234567"))
    assert (holds(), stage()) == ([], "released")


@pytest.mark.parametrize("what", ["shipped", "stopped", "same"])
def test_an_address_that_cannot_be_changed_says_why(what: str, known: World) -> None:
    if what == "shipped":
        ship(known, 2)
    elif what == "stopped":
        known.tell(order(version=2, status="cancelled"))
    with pytest.raises(NotPossible, match=r"left to ship|does not want|this address already"):
        readdress(HERE if what == "same" else ELSEWHERE)
    assert not Action.objects.exists()


# ---- lift -------------------------------------------------------------------------------------------------------------------
def test_a_quiet_hold_is_lifted_by_decision(world: World) -> None:
    Mapping.objects.create(kind="payment_method", key="ideal", value={"release": "paid", "grace_minutes": 9_000})
    world.tell(order())
    assert holds() == ["grace"] and not Case.objects.exists()
    assert order_deciding.lift(only().pk, [], "ann", "she is in the shop") == []
    assert (holds(), stage()) == ([], "released")
    with pytest.raises(NotPossible, match="no longer"):
        order_deciding.lift(only().pk, [], "ann", "again")


def test_one_of_two_holds_is_lifted_and_its_exception_closed_in_ones_name(known: World) -> None:
    for reason in ("fraud", "operator"):
        deciding.hold(only().pk, reason, "Look.", "ann")
    hold = Hold.objects.get(reason="fraud")
    assert order_deciding.lift(only().pk, [hold.pk], "bob", "honest") == []
    assert holds() == ["operator"]
    assert rows("SELECT reason, closed_by FROM sync_case WHERE closed_at IS NOT NULL") == [("fraud", "bob")]
    assert Action.objects.filter(who="bob").values_list("what", "target_kind").count() == 2


def test_what_is_still_so_comes_back_and_says_so(world: World) -> None:
    world.tell(order(lines=(line(sku="HAT"),)))
    assert order_deciding.lift(only().pk, [], "ann", "try") == ["SKU “HAT” (Hat) is not known."]
    assert holds() == ["sku_mapping"]


# ---- once more --------------------------------------------------------------------------------------------------------------
def test_a_request_is_told_once_more_and_stays_known_to_have_left(known: World) -> None:
    row = again("RequestFulfilment")
    assert rows("SELECT state, doubtful, evidence FROM sync_command WHERE id = %s", row.pk) == [
        ("waiting", True, "sent again by ann: they lost it")
    ]
    known.tell(order(version=2, status="cancelled"))
    assert carry_out(known)[-2:] == ["RequestFulfilment", "ChangeRequest"]  # it is not taken back without a word


def test_tracking_is_shown_once_more(known: World) -> None:
    ship(known, 2)
    carry_out(known)
    again("SendTracking")
    assert carry_out(known) == ["SendTracking"]
    assert rows("SELECT count(*) FROM canonical_posting WHERE kind = 'tracking'") == [(1,)]


def test_a_parked_command_is_tried_again_and_its_exception_closed(known: World) -> None:
    ship(known, 2)
    row = command("SendTracking")
    Command.objects.filter(pk=row.pk).update(state="parked", reason="refused")
    case = Case.objects.create(
        target_kind="command", target_id=row.pk, order_id=row.order_id, reason="refused", words="x", who="back_office", cause="c",
        stage="send", workflow="shipments",
    )  # fmt: skip
    again("SendTracking")
    case.refresh_from_db()
    assert case.closed_by == "ann" and "SendTracking" in carry_out(known)


@pytest.mark.parametrize(
    ("kind", "words"), [("CreateOrder", "only once"), ("PostGoodsIssue", "only once"), ("RequestFulfilment", "already")]
)
def test_what_may_exist_only_once_is_never_sent_again(kind: str, words: str, known: World) -> None:
    ship(known, 2)
    if kind == "RequestFulfilment":
        again(kind)
    carry_out(known, [known.shop, known.erp])
    before = Action.objects.count()
    with pytest.raises(NotPossible, match=words):
        again(kind)
    assert Action.objects.count() == before


def test_a_request_that_was_changed_since_is_not_told_as_it_was(known: World) -> None:
    readdress()
    with pytest.raises(NotPossible, match="changed since"):
        again("RequestFulfilment")


def test_a_command_of_another_order_is_none_of_this_one(known: World) -> None:
    known.tell(order("138", email="b@example.com"))
    first, second = Order.objects.order_by("pk")
    theirs = Command.objects.filter(order_id=second.pk).first()
    with pytest.raises(NotPossible, match="choose something"):
        resending.resend(first.pk, theirs.pk if theirs else 0, "ann", "x")


# ---- settled outside --------------------------------------------------------------------------------------------------------
def test_what_is_settled_outside_rests(known: World) -> None:
    deciding.hold(only().pk, "fraud", "Look.", "ann")
    assert outside() == 0
    assert (holds(), changes()) == ([], [(True, "cancel", "asked", [0])])
    carry_out(known)
    answer(known)
    assert carry_out(known) == ["CancelOrder"]
    known.tell(order(version=2, note="new"))
    assert (holds(), carry_out(known)) == ([], [])
    assert not Case.objects.filter(closed_at=None).exists()
    assert Action.objects.filter(target_kind="order", what=order_deciding.OUTSIDE).values_list("who", "why").get() == (
        "ann", "shipped by hand",
    )  # fmt: skip
    with pytest.raises(NotPossible, match=r"nothing of it is open"):
        outside()


def test_what_a_person_should_look_at_counts_as_done(known: World) -> None:
    ship(known, 1)
    row = command("SendTracking")
    Command.objects.filter(pk=row.pk).update(state="parked")
    assert outside() == 0
    assert rows("SELECT state, evidence FROM sync_command WHERE id = %s", row.pk) == [
        ("confirmed", "settled by ann: shipped by hand")
    ]
    assert rows("SELECT state FROM canonical_posting WHERE kind = 'tracking'") == [("sent",)]


def test_an_order_nobody_understood_is_settled_too(world: World) -> None:
    Mapping.objects.create(kind="shipping_method", channel=world.shop, key="other", value={"carrier": "DHL"})
    world.tell(order(lines=(line(sku="HAT"),)))
    assert holds() == ["method_mapping", "sku_mapping"]
    assert (outside(), holds(), carry_out(world)) == (0, [], [])
    assert not Command.objects.exclude(kind="Refresh").exists()


def test_a_shortage_is_settled_and_nobody_else_is_asked(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="ask")
    short = (Units(units=1, line=str(only().lines.get().pk)),)
    fact = ExecutionReported(occurred_at=NOON, request=f"F{only().pk}-1", stage="short", lines=short)
    known.tell(fact, source=known.partners["W1"])
    assert holds() == ["short"]
    assert (outside(), holds(), len(requests())) == (0, [], 1)


# ---- what totals may differ by ----------------------------------------------------------------------------------------------
def test_an_erp_total_within_the_tolerance_is_confirmed_as_it_is(world: World) -> None:
    policy = ShopPolicy.objects.create(channel=world.shop, tolerance=Decimal("5.98"))
    wrong_total(world)
    policy.tolerance = Decimal("5.99")
    assert policy_keeping.keep(policy, "ann") == 1
    assert ([k for k in carry_out(world) if k in ("ConfirmOrder", "AddRounding")], holds()) == (["ConfirmOrder"], [])


def test_a_tolerance_is_one_shops_alone(world: World) -> None:
    wrong_total(world)
    assert policy_keeping.keep(ShopPolicy(channel=world.erp, tolerance=Decimal(50)), "ann") == 0
    assert holds() == ["erp_total"]
