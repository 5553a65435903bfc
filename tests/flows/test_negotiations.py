"""What is asked of a warehouse that knows a request already, and what becomes of it in the ERP: told by facts and receipts alone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from canonical.facts import ChangeAnswered, ExecutionReported, RefundStated, RequestAnswered, ShipmentStated
from canonical.models import Mapping, ShopPolicy, Sourcing, System
from canonical.types import Address, Parcel, RefundedLine, RefundMention, Units
from retailsync.sync import deciding, release
from retailsync.sync.models import Case, Command
from tests.facts import NOON, line, order, shipping
from tests.flows.outside import carry_out
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db

ELSEWHERE = Address(first_name="Testa", last_name="Bezoeker", line1="Laan 3", postcode="1011 AA", city="Amsterdam", country="NL",
                    email="testa@example.com")  # fmt: skip


@pytest.fixture
def world() -> World:
    """Mugs and cups lie in W1, then in W2."""
    made = make_world()
    made.stock("MUG", "CUP", at="W1", then="W2")
    return made


# ---- what others say --------------------------------------------------------------------------------------------------------
def references() -> list[str]:
    return [r for (r,) in rows("SELECT reference FROM canonical_fulfilmentrequest ORDER BY id")]


def accept(world: World, number: int = 0, place: str = "W1") -> None:
    fact = RequestAnswered(occurred_at=NOON, request=references()[number], answer="accepted")
    world.tell(fact, source=world.partners[place])


def answer(world: World, word: Any = "accepted", *, change: int = 1, number: int = 0, place: str = "W1") -> None:
    fact = ChangeAnswered(
        occurred_at=NOON + timedelta(minutes=1),
        request=references()[number],
        number=change,
        answer=word,
        reason="packed",
    )
    world.tell(fact, source=world.partners[place])


def ship(world: World, units: int, *, ref: str = "S1", number: int = 0, place: str = "W1", line: str = "1") -> None:
    ((id,),) = rows("SELECT id FROM canonical_orderline WHERE external_id = %s", line)
    parcel = Parcel(tracking=f"T-{ref}", lines=(Units(units=units, line=str(id)),))
    fact = ShipmentStated(
        occurred_at=NOON + timedelta(minutes=2), ref=ref, request=references()[number], parcels=(parcel,)
    )
    world.tell(fact, source=world.partners[place])


def refund(world: World, units: int, *, ref: str = "77", amount: str = "12.50") -> None:
    lines = (RefundedLine(line="1", units=units, total=Decimal("10.33"), tax=Decimal("2.17")),) if units else ()
    fact = RefundStated(
        occurred_at=NOON + timedelta(minutes=1), ref=ref, order_ref="137", amount=Decimal(amount), lines=lines
    )
    world.tell(fact)


# ---- what we hold -----------------------------------------------------------------------------------------------------------
def changes() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT r.reference = f.reference, c.kind, c.answer, array(SELECT value::integer FROM jsonb_each_text(c.lines) ORDER BY key)"
        " FROM canonical_requestchange c JOIN canonical_fulfilmentrequest r ON r.id = c.request_id"
        " JOIN LATERAL (SELECT reference FROM canonical_fulfilmentrequest ORDER BY id LIMIT 1) f ON true ORDER BY c.id"
    )


def requests() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT p.code, r.answer, r.execution, r.held, array_agg(l.units ORDER BY l.line_id) FROM canonical_fulfilmentrequest r"
        " JOIN canonical_requestline l ON l.request_id = r.id JOIN canonical_location p ON p.id = r.location_id"
        " GROUP BY r.id, p.code ORDER BY r.id"
    )


def lines() -> list[tuple[Any, ...]]:
    return rows("SELECT ordered, cancelled, routed, shipped, refunded FROM canonical_orderline ORDER BY id")


def holds() -> list[str]:
    return [r for (r,) in rows("SELECT reason FROM canonical_hold WHERE lifted_at IS NULL ORDER BY reason")]


def stage() -> str:
    return str(rows("SELECT stage FROM canonical_order")[0][0])


def told(kind: str) -> list[dict[str, Any]]:
    return [p for (p,) in ((msgspec.json.decode(t),) for (t,) in rows(
        "SELECT payload::text FROM sync_command WHERE kind = %s AND state <> 'superseded' ORDER BY id", kind))]  # fmt: skip


def let_go(reason: str) -> None:
    release.release(list(Case.objects.filter(reason=reason, closed_at=None).values_list("pk", flat=True)), "ann")


@pytest.fixture
def known(world: World) -> World:
    """An order of two mugs that ERP and warehouse know and accepted."""
    world.tell(order())
    carry_out(world)
    accept(world)
    return world


# ---- cancellation -----------------------------------------------------------------------------------------------------------
def test_a_cancellation_the_warehouse_accepts_ends_everywhere(known: World) -> None:
    known.tell(order(version=2, status="cancelled"))
    assert changes() == [(True, "cancel", "asked", [0])]
    assert stage() == "cancel_requested"
    assert carry_out(known) == ["ChangeRequest"]
    answer(known)
    assert stage() == "cancelled"
    assert requests() == [("W1", "closed", "cancelled", False, [0])]
    assert lines() == [(2, 2, 0, 0, 0)]
    assert carry_out(known) == ["CancelOrder"]
    assert rows("SELECT ended_at IS NOT NULL FROM canonical_booking") == [(True,)]
    assert holds() == []


def test_a_cancellation_the_warehouse_refuses_is_told_once_and_the_shipment_recorded(known: World) -> None:
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    answer(known, "rejected")
    assert (stage(), holds()) == ("cancel_refused", ["cancel_refused"])
    ship(known, 2)
    assert lines() == [(2, 0, 2, 2, 0)]
    assert (stage(), holds()) == ("completed", ["cancel_refused"])
    assert sorted(carry_out(known)) == ["PostGoodsIssue", "SendTracking"]
    let_go("cancel_refused")
    assert holds() == []
    assert carry_out(known) == []


def test_what_ships_although_the_warehouse_agreed_not_to_opens_an_exception(known: World) -> None:
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    answer(known)
    carry_out(known)
    ship(known, 2)
    assert holds() == ["cancel_refused", "shipped_after_cancel"]


def test_a_part_that_shipped_stays_and_the_rest_is_cancelled(known: World) -> None:
    ship(known, 1)
    carry_out(known)
    known.tell(order(version=2, status="cancelled"))
    assert changes() == [(True, "cancel", "asked", [1])]
    carry_out(known)
    answer(known)
    assert (stage(), lines()) == ("partially_cancelled", [(2, 1, 1, 1, 0)])
    assert carry_out(known) == ["AmendOrder"]
    assert [(x["stated"]["units"], float(x["stated"]["total"])) for x in told("AmendOrder")[0]["lines"]] == [(1, 10.33)]


def test_a_cancellation_that_is_taken_back_makes_new_documents(known: World) -> None:
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    answer(known)
    carry_out(known)
    known.tell(order(version=3))
    assert sorted(carry_out(known)) == ["ConfirmOrder", "CreateOrder", "RequestFulfilment"]
    assert requests() == [("W1", "closed", "cancelled", False, [0]), ("W1", "submitted", "open", False, [2])]
    assert rows("SELECT attempt, reference, ended_at IS NULL FROM canonical_booking ORDER BY attempt") == [
        (1, "ONE-137", False), (2, "ONE-137/2", True),
    ]  # fmt: skip
    assert [t["order_reference"] for t in told("RequestFulfilment")] == ["ONE-137", "ONE-137-2"]
    assert (stage(), holds()) == ("released", [])


def test_a_cancellation_taken_back_before_the_answer_waits_for_it(known: World) -> None:
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    known.tell(order(version=3))
    assert carry_out(known) == []
    answer(known, "rejected")  # still on its way: nothing is lost
    assert carry_out(known) == []
    assert (stage(), holds(), lines()) == ("in_fulfilment", [], [(2, 0, 2, 0, 0)])


def test_an_order_nobody_was_told_of_is_cancelled_without_a_word(world: World) -> None:
    world.tell(order())
    world.tell(order(version=2, status="cancelled"))
    assert carry_out(world) == ["UpsertCustomer"]
    assert (stage(), holds(), requests()) == ("cancelled", [], [("W1", "closed", "cancelled", False, [0])])


def test_a_warehouse_that_shipped_before_it_answered_has_answered(known: World) -> None:
    known.tell(order(version=2, status="cancelled"))
    carry_out(known)
    ship(known, 2)
    assert changes() == [(True, "cancel", "moot", [0])]
    assert holds() == ["cancel_refused"]


# ---- on hold ----------------------------------------------------------------------------------------------------------------
def test_an_order_on_hold_is_held_in_the_warehouse_and_goes_on_later(known: World) -> None:
    known.tell(order(version=2, status="on_hold"))
    assert changes() == [(True, "hold", "asked", [2])]
    carry_out(known)
    answer(known)
    assert requests() == [("W1", "accepted", "open", True, [2])]
    assert (holds(), rows("SELECT count(*) FROM sync_case WHERE closed_at IS NULL")) == (["paused_in_shop"], [(0,)])
    known.tell(order(version=3))
    carry_out(known)
    answer(known, change=2)
    assert requests() == [("W1", "accepted", "open", False, [2])]
    assert holds() == []


def test_a_warehouse_that_cannot_hold_is_told_of(known: World) -> None:
    known.tell(order(version=2, status="on_hold"))
    carry_out(known)
    answer(known, "rejected")
    assert holds() == ["stopped_in_shop"]


# ---- edits ------------------------------------------------------------------------------------------------------------------
def test_an_address_is_amended_at_the_warehouse_and_in_the_erp(known: World) -> None:
    known.tell(order(version=2, shipping=ELSEWHERE))
    assert sorted(carry_out(known)) == ["AmendOrder", "ChangeRequest", "UpsertCustomer"]
    assert [c["ship_to"]["city"] for c in told("ChangeRequest")] == ["Amsterdam"]
    answer(known)
    assert (carry_out(known), holds()) == ([], [])
    assert rows(
        "SELECT a.content->>'city' FROM canonical_fulfilmentrequest r JOIN canonical_address a ON a.id = r.ship_to_id"
    ) == [("Amsterdam",)]


def test_an_edit_that_is_taken_back_is_told_too(known: World) -> None:
    known.tell(order(version=2, note="Ring twice."))
    carry_out(known)
    answer(known)
    known.tell(order(version=3))
    assert sorted(carry_out(known)) == ["AmendOrder", "ChangeRequest"]
    assert [c.get("note", "") for c in told("AmendOrder")] == ["Ring twice.", ""]


def test_a_lowered_quantity_is_amended(known: World) -> None:
    fewer = line(units=1, total="10.33", tax="2.17")
    known.tell(order(version=2, lines=(fewer,)))
    assert changes() == [(True, "amend", "asked", [1])]
    assert sorted(carry_out(known)) == ["AmendOrder", "ChangeRequest"]
    answer(known)
    assert (lines(), requests()) == ([(1, 0, 1, 0, 0)], [("W1", "accepted", "open", False, [1])])
    ship(known, 1)
    assert sorted(carry_out(known)) == ["CompleteOrder", "PostGoodsIssue", "SendTracking"]
    assert (stage(), holds()) == ("completed", [])


def test_a_refused_amendment_is_followed_by_a_new_request(known: World) -> None:
    known.tell(order(version=2, shipping=ELSEWHERE))
    carry_out(known)
    answer(known, "rejected")
    assert carry_out(known) == ["ChangeRequest"]
    answer(known, change=2)
    assert carry_out(known) == ["RequestFulfilment"]
    assert requests() == [("W1", "closed", "cancelled", False, [0]), ("W1", "submitted", "open", False, [2])]
    assert [r["ship_to"]["city"] for r in told("RequestFulfilment")] == ["Utrecht", "Amsterdam"]
    assert holds() == []


def test_a_change_that_comes_too_late_is_a_question(known: World) -> None:
    known.tell(order(version=2, shipping=ELSEWHERE))
    carry_out(known)
    answer(known, "rejected")
    carry_out(known)
    answer(known, "rejected", change=2)
    assert holds() == ["edited_after_release"]
    assert carry_out(known) == []
    let_go("edited_after_release")
    assert (holds(), carry_out(known)) == ([], [])


def test_a_shop_may_be_asked_instead(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_amendment_refused="ask")
    known.tell(order(version=2, shipping=ELSEWHERE))
    carry_out(known)
    answer(known, "rejected")
    assert holds() == ["edited_after_release"]


def test_a_swapped_line_is_taken_back_and_asked_for_anew(known: World) -> None:
    known.tell(order(version=2, lines=(line(ref="2", sku="CUP"),)))
    assert sorted(carry_out(known)) == ["AmendOrder", "ChangeRequest", "RequestFulfilment"]
    assert changes() == [(True, "cancel", "asked", [0])]
    answer(known)
    assert lines() == [(0, 0, 0, 0, 0), (2, 0, 2, 0, 0)]
    assert requests() == [("W1", "closed", "cancelled", False, [0]), ("W1", "submitted", "open", False, [2])]
    assert holds() == []


def test_an_erp_that_cannot_amend_gets_a_new_order(known: World) -> None:
    known.tell(order(version=2, note="Ring twice."))
    done = carry_out(known, AmendOrder="refused")
    assert [k for k in done if "Order" in k] == ["AmendOrder", "CancelOrder", "CreateOrder", "ConfirmOrder"]
    assert rows("SELECT attempt, ended_at IS NULL FROM canonical_booking ORDER BY attempt") == [(1, False), (2, True)]


@pytest.mark.parametrize("fewer", [(line(units=1, total="10.33", tax="2.17"),), (line(ref="2", sku="CUP"),)])
def test_an_edit_of_what_has_left_is_one_question_and_all_of_it_is_booked(known: World, fewer: tuple[Any, ...]) -> None:
    """The ERP keeps an order for the units that left, with the shop's new total."""
    ship(known, 2)
    known.tell(order(version=2, lines=fewer))
    carry_out(known)
    (amended,) = told("AmendOrder")
    assert amended["lines"][0]["stated"]["units"] == 2
    assert float(amended["total"]) == float(rows("SELECT total FROM canonical_order")[0][0])
    assert told("PostGoodsIssue")[0]["lines"][0]["units"] == 2
    assert holds() == ["over_shipped"]


def test_what_leaves_although_it_was_taken_off_is_in_the_erp_before_it_is_booked_out(known: World) -> None:
    """The warehouse refused to let go of what was swapped, and ships it. The ERP has no line for it any more: the goods issue was refused
    there, and the amendment that brings the line back waited behind it for ever."""
    known.tell(order(version=2, lines=(line("2", "CUP"),)))
    carry_out(known)
    answer(known, "rejected")
    assert holds() == ["edited_after_release"]
    ship(known, 2)
    assert carry_out(known, to=[known.erp]) == ["AmendOrder", "PostGoodsIssue"]
    assert [(x["line_id"], x["units"]) for x in told("PostGoodsIssue")[0]["lines"]] == [
        (x["line_id"], x["stated"]["units"]) for x in told("AmendOrder")[-1]["lines"][:1]
    ]
    assert holds() == ["over_shipped"]


# ---- refunds before shipping ------------------------------------------------------------------------------------------------
def test_refunded_units_are_taken_back_before_they_ship(known: World) -> None:
    refund(known, 1)
    assert changes() == [(True, "amend", "asked", [1])]
    carry_out(known)
    answer(known)
    assert lines() == [(2, 1, 1, 0, 1)]
    assert carry_out(known) == ["AmendOrder"]
    assert [(x["stated"]["units"], float(x["stated"]["total"])) for x in told("AmendOrder")[-1]["lines"]] == [
        (1, 10.33)
    ]
    ship(known, 1)
    assert sorted(carry_out(known)) == ["CompleteOrder", "PostGoodsIssue", "SendTracking"]
    assert (stage(), holds()) == ("completed", [])


def test_an_amount_alone_stops_nothing(known: World) -> None:
    refund(known, 0, amount="5.00")
    assert (changes(), carry_out(known), holds()) == ([], [], [])
    assert rows("SELECT amount::text FROM canonical_refund") == [("5.000000",)]


def test_units_that_were_refunded_and_ship_all_the_same_are_told_of(known: World) -> None:
    refund(known, 1)
    carry_out(known)
    answer(known, "rejected")
    carry_out(known)
    answer(known, "rejected", change=2)
    assert holds() == ["refunded_but_shipping"]
    ship(known, 2)
    assert holds() == ["refunded_but_shipping"]


def test_a_refund_of_what_the_customer_knows_has_shipped_is_a_return(known: World) -> None:
    ship(known, 2)
    carry_out(known)
    lines = (RefundedLine(line="1", units=2),)
    known.tell(
        RefundStated(
            occurred_at=NOON + timedelta(days=900), ref="77", order_ref="137", amount=Decimal("25.00"), lines=lines
        )
    )
    assert (changes(), holds(), stage()) == ([], [], "completed")


def test_a_refund_the_shop_deleted_counts_no_more(known: World) -> None:
    named = (RefundMention(ref="77", amount=Decimal("12.50")),)
    refund(known, 1)
    known.tell(order(version=300, refunds=named))
    known.tell(order(version=301, refunds=()))
    assert rows("SELECT refunded FROM canonical_orderline") == [(0,)]
    known.tell(order(version=302, refunds=named))
    assert rows("SELECT refunded FROM canonical_orderline") == [(1,)]


def test_a_refund_the_order_names_is_read(known: World) -> None:
    known.tell(order(version=2, refunds=(RefundMention(ref="78", amount=Decimal("12.50")),)))
    assert rows("SELECT subject_kind, subject_key FROM sync_command WHERE kind = 'Refresh'") == [
        ("refund", "external:137:78")
    ]


def asked() -> list[str]:
    return [key for (key,) in rows("SELECT subject_key FROM sync_command WHERE kind = 'Refresh' ORDER BY id")]


def test_a_refund_of_a_line_not_known_yet_has_its_units_once_it_is(known: World) -> None:
    """Heard before the edit that brought the line. Its units were lost: the line went to the warehouse whole."""
    of_cup = RefundStated(
        occurred_at=NOON + timedelta(minutes=1), ref="77", order_ref="137", amount=Decimal("12.50"),
        lines=(RefundedLine(line="2", units=1, total=Decimal("10.33"), tax=Decimal("2.17")),),
    )  # fmt: skip
    known.tell(of_cup)
    assert (lines(), asked()) == ([(2, 0, 2, 0, 0)], ["external:137"])
    named = (RefundMention(ref="77", amount=Decimal("12.50")),)
    known.tell(order(version=90, lines=(line(), line("2", "CUP")), refunds=named))
    assert asked() == ["external:137", "external:137:77"]
    known.tell(of_cup)
    known.tell(of_cup)
    assert lines() == [(2, 0, 2, 0, 0), (2, 1, 1, 0, 1)]
    assert rows(
        "SELECT l.external_id, x.units FROM canonical_refundline x JOIN canonical_orderline l ON l.id = x.line_id"
    ) == [("2", 1)]


def test_a_refund_heard_after_it_was_deleted_does_not_count(known: World) -> None:
    """The order's statement without it was recorded first: only the order itself can say whether it was deleted, or younger words of it
    came earlier. Its answer says nothing new, and counts all the same."""
    known.tell(order(version=300, status="completed"))
    refund(known, 1)
    assert (lines(), asked()) == ([(2, 0, 2, 0, 1)], ["external:137"])
    known.tell(order(version=300, status="completed", read_at=NOON + timedelta(minutes=6)))
    assert rows("SELECT gone_at IS NOT NULL FROM canonical_refund") == [(True,)]
    assert lines() == [(2, 0, 2, 0, 0)]


def test_a_refund_waits_for_its_order(world: World) -> None:
    recorded = world.tell(RefundStated(occurred_at=NOON, ref="77", order_ref="137", amount=Decimal(5)))
    assert list(recorded.missing.values()) == [f"order-of:{world.shop.pk}:137"]
    assert f"order-of:{world.shop.pk}:137" in world.tell(order()).appeared


# ---- short ------------------------------------------------------------------------------------------------------------------
def short(world: World, units: int) -> None:
    ((id,),) = rows("SELECT id FROM canonical_orderline")
    fact = ExecutionReported(
        occurred_at=NOON + timedelta(minutes=1),
        request=references()[0],
        stage="short",
        lines=(Units(units=units, line=str(id)),),
    )
    world.tell(fact, source=world.partners["W1"])


def test_what_is_there_ships_and_the_rest_is_asked_of_another(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="ship_available")
    short(known, 1)
    assert holds() == []
    assert requests() == [("W1", "accepted", "open", False, [2]), ("W2", "unsubmitted", "open", False, [1])]


def test_what_nobody_has_waits_for_stock_and_becomes_a_backorder(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="ship_available")
    Sourcing.objects.filter(location=known.places["W2"]).delete()
    short(known, 1)
    ship(known, 1)
    carry_out(known)
    assert holds() == ["stock"]
    let_go("stock")
    carry_out(known)
    assert rows("SELECT purpose, attempt FROM canonical_fulfilmentrequest ORDER BY id") == [
        ("original", 1),
        ("backorder", 1),
    ]
    assert [t["order_reference"] for t in told("RequestFulfilment")] == ["ONE-137", "ONE-137-B1"]
    assert holds() == []


def test_the_rest_is_cancelled_and_its_refund_is_asked_for(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="cancel_remainder")
    short(known, 1)
    assert (holds(), lines()) == (["refund_due"], [(2, 1, 1, 0, 0)])
    ship(known, 1)
    carry_out(known)
    assert stage() == "completed"
    refund(known, 1)
    assert (holds(), lines()) == ([], [(2, 1, 1, 1, 1)])


def test_all_together_or_not_at_all(known: World) -> None:
    ShopPolicy.objects.create(channel=known.shop, on_short="ship_complete")
    short(known, 1)
    assert changes() == [(True, "cancel", "asked", [0])]
    carry_out(known)
    answer(known)
    carry_out(known)
    assert requests() == [("W1", "closed", "cancelled", False, [0]), ("W2", "submitted", "open", False, [2])]
    assert holds() == []


# ---- mappings and limits ----------------------------------------------------------------------------------------------------
def test_a_warehouse_waits_for_the_erp_where_a_shop_says_so(world: World) -> None:
    ShopPolicy.objects.create(channel=world.shop, erp_acceptance="yes")
    world.tell(order())
    assert requests() == []
    assert carry_out(world) == ["UpsertCustomer", "CreateOrder", "ConfirmOrder", "RequestFulfilment"]


def test_words_are_put_into_the_targets_words(world: World) -> None:
    Mapping.objects.create(
        kind="shipping_method", channel=world.shop, key="flat_rate", value={"carrier": "DHL", "service": "Paket"}
    )
    Mapping.objects.create(kind="tax", key="21", value={"erp": "BTW hoog"})
    Mapping.objects.create(kind="place", key="NL", value={"country": "NL", "state": "UT"})
    world.tell(order())
    carry_out(world)
    (request,) = told("RequestFulfilment")
    assert (request["carrier"], request["service"], request["ship_to"]["state"]) == ("DHL", "Paket", "UT")
    assert {t["erp"] for x in told("CreateOrder")[0]["lines"] for t in x["stated"]["taxes"]} == {"BTW hoog"}


@pytest.mark.parametrize(
    ("kind", "key", "value", "reason", "detail"),
    [
        ("shipping_method", "pick_up", {"carrier": "DHL"}, "method_mapping", "shipping_method flat_rate"),
        ("tax", "9", {"erp": "laag"}, "tax_mapping", "tax NL-21"),
        ("payment_method", "bacs", {}, "method_mapping", "payment_method ideal"),
    ],
)
def test_a_word_without_a_meaning_holds_the_order(
    world: World, kind: str, key: str, value: dict[str, str], reason: str, detail: str
) -> None:
    Mapping.objects.create(kind=kind, channel=world.shop, key=key, value=value)
    world.tell(order())
    found = rows("SELECT reason, split_part(detail, ':', 1) FROM canonical_hold")
    assert found == [(reason, detail)]
    assert carry_out(world) == []


def test_an_address_a_warehouse_cannot_print_is_found_before_it_is_told(world: World) -> None:
    System.objects.filter(pk=world.partners["W1"].pk).update(limits={"line": 5, "phone_required": True})
    world.tell(order())
    assert rows("SELECT reason, words FROM canonical_hold") == [
        ("address", "w1-one: the street has 9 characters, at most 5 are taken. w1-one: the phone number is missing.")
    ]
    let_go("address")
    assert "RequestFulfilment" in carry_out(world)


def reject(world: World, number: int, place: str) -> None:
    fact = RequestAnswered(occurred_at=NOON + timedelta(minutes=3), request=references()[number], answer="rejected")
    world.tell(fact, source=world.partners[place])


def test_what_the_next_warehouse_cannot_take_is_found_before_it_is_asked(known: World) -> None:
    """Only the first location of the list was looked at: the second was asked for what it had to refuse."""
    System.objects.filter(pk=known.partners["W2"].pk).update(limits={"line": 5})
    known.tell(order(version=2, note="Ring twice."))
    assert holds() == []
    reject(known, 0, "W1")
    assert (holds(), len(requests())) == (["address"], 1)
    assert rows("SELECT words FROM canonical_hold") == [("w2-one: the street has 9 characters, at most 5 are taken.",)]
    let_go("address")
    assert [place for place, *_ in requests()] == ["W1", "W2"]


def test_a_further_request_has_a_longer_reference(known: World) -> None:
    """A backorder is called ONE-137-B1."""
    System.objects.filter(pk=known.partners["W2"].pk).update(limits={"reference": 8})
    ship(known, 1)
    short(known, 1)
    let_go("short")
    assert (holds(), len(requests())) == (["address"], 1)
    assert rows("SELECT words FROM canonical_hold WHERE lifted_at IS NULL") == [
        ("w2-one: the order number has 10 characters, at most 8 are taken.",)
    ]


# ---- edits of what has shipped already --------------------------------------------------------------------------------------
def test_a_price_that_changed_while_the_parcel_left_is_changed_in_the_erp(known: World) -> None:
    """An order on hold in the shop ships whole, and is edited before it goes on: the ERP kept the old total, and nobody was told."""
    known.tell(order(version=2, status="on_hold"))
    carry_out(known)
    ship(known, 2)
    carry_out(known)
    known.tell(order(version=3, charges=(shipping("9.95", "2.09"),)))
    assert sorted(carry_out(known)) == ["AmendOrder", "CompleteOrder"]
    assert [float(a["total"]) for a in told("AmendOrder")] == [37.04]
    assert holds() == []


def test_words_that_changed_after_all_was_shipped_are_left_to_the_invoice(known: World) -> None:
    ship(known, 2)
    carry_out(known)
    known.tell(order(version=2, note="Ring twice."))
    assert carry_out(known) == []


@pytest.fixture
def unbooked(world: World) -> World:
    """An order of two mugs that the warehouse knows; the ERP is down."""
    world.tell(order())
    carry_out(world, to=[world.partners["W1"]])
    return world


def test_what_left_while_the_shop_paused_is_booked(unbooked: World) -> None:
    """The ERP kept a draft, the goods were never issued, and no hold said why."""
    unbooked.tell(order(version=2, status="on_hold"))
    ship(unbooked, 2)
    assert [kind for kind in carry_out(unbooked) if kind != "ChangeRequest"] == [
        "SendTracking", "UpsertCustomer", "CreateOrder", "ConfirmOrder", "PostGoodsIssue",
    ]  # fmt: skip
    assert (stage(), holds()) == ("completed", [])


def test_what_left_before_the_cancellation_is_booked(unbooked: World) -> None:
    ship(unbooked, 2)
    unbooked.tell(order(version=2, status="cancelled"))
    assert carry_out(unbooked) == ["SendTracking", "UpsertCustomer", "CreateOrder", "ConfirmOrder", "PostGoodsIssue"]
    assert (stage(), holds()) == ("completed", ["cancel_refused"])


def test_what_may_have_left_is_finished_before_the_warehouse_is_told_to_wait(world: World) -> None:
    """An answer was lost, and the shop paused: the question to wait stood behind a request that was held back itself."""
    world.tell(order())
    Command.objects.filter(kind="RequestFulfilment").update(doubtful=True)
    deciding.hold(rows("SELECT id FROM canonical_order")[0][0], "fraud", "Looks odd.", "ann")
    assert carry_out(world) == ["UpsertCustomer"]
    world.tell(order(version=2, status="on_hold"))
    assert carry_out(world) == ["RequestFulfilment", "ChangeRequest"]
