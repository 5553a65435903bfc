"""An order that changed in the shop says the same in Odoo, draft or confirmed, and its deliveries follow."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from canonical.commands import AddRounding, ConfirmOrder, PostGoodsIssue, Ref
from canonical.types import Address
from connectors.errors import Refused, Retry
from connectors.odoo.simulator import Odoo
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import (
    MUG,
    PLATE,
    TEA,
    Desk,
    amendment,
    charge,
    customer,
    issue,
    line,
    order,
)


def lines(desk: Desk, number: int = 0) -> list[tuple[str, float, float]]:
    """Lines of an order: article, quantity, price."""
    return [(n["sku"], n["quantity"], n["price_unit"]) for n in desk.orders()[number]["lines"]]


def moves(desk: Desk) -> list[tuple[str, str, list[tuple[str, float, str]]]]:
    """Transfers of the first order: name, state, [(article, demanded, state)]."""
    return [
        (p["name"].removeprefix("WH/"), p["state"], [(m["sku"], m["demand"], m["state"]) for m in p["moves"]])
        for p in desk.orders()[0]["pickings"]
    ]


def staff(desk: Desk, action: str, **body: Any) -> None:
    """Something people do with the first order by hand."""
    desk.by_hand(1, action, **body)


FEWER = (line(11, MUG, 2, "20.66"), line(13, PLATE, 1, "8.95"))


def test_a_draft_says_exactly_what_is_wanted(desk: Desk) -> None:
    desk.send(order(1, charges=(charge(1, "shipping", "4.95"),)))
    [receipt] = desk.send(amendment(1, *FEWER))
    assert (receipt.state, receipt.external_id, receipt.amount) == ("done", "1", Decimal("35.83"))
    assert receipt.evidence == "S00001 (draft)"
    assert lines(desk) == [("W1-MUG-BLUE", 2.0, 10.33), ("W1-PLATE-S", 1.0, 8.95)]


def test_a_confirmed_order_keeps_its_lines_and_counts_them_for_nothing(desk: Desk) -> None:
    desk.confirmed(order(1, charges=(charge(1, "shipping", "4.95"),)))
    [receipt] = desk.send(amendment(1, *FEWER))
    assert (receipt.state, receipt.amount) == ("done", Decimal("35.83"))
    assert lines(desk) == [
        ("W1-MUG-BLUE", 2.0, 10.33),
        ("W1-TEA-GREEN", 0.0, 5.73),
        ("Shipping", 0.0, 4.95),
        ("W1-PLATE-S", 1.0, 8.95),
    ]
    assert moves(desk) == [
        ("OUT/00001", "assigned", [
            ("W1-MUG-BLUE", 2.0, "assigned"), ("W1-TEA-GREEN", 0.0, "cancel"), ("W1-PLATE-S", 1.0, "assigned"),
        ]),
    ]  # fmt: skip


@pytest.mark.parametrize("confirm", [False, True])
def test_saying_it_again_changes_nothing(desk: Desk, confirm: bool) -> None:
    desk.send(order())
    if confirm:
        desk.send(ConfirmOrder(order_id=1, booking_id=1))
    first = desk.send(amendment(1, *FEWER))
    before = desk.odoo.state()
    desk.odoo.faults.add(Fault(do="answer", path="sale.order/write", status=500, body="x"))
    assert desk.send(amendment(1, *FEWER)) == first
    assert desk.odoo.state() == before


def test_what_was_taken_out_comes_back(desk: Desk) -> None:
    desk.confirmed(order())
    desk.send(amendment(1, *FEWER))
    desk.send(amendment(1, revision=2))
    assert [n for n in lines(desk) if n[1]] == [("W1-MUG-BLUE", 3.0, 10.33), ("W1-TEA-GREEN", 1.0, 5.73)]
    assert moves(desk)[0][2] == [
        ("W1-MUG-BLUE", 3.0, "assigned"), ("W1-TEA-GREEN", 0.0, "cancel"), ("W1-PLATE-S", 0.0, "cancel"),
        ("W1-TEA-GREEN", 1.0, "assigned"),
    ]  # fmt: skip


def test_another_article_in_a_lines_place_is_another_line(desk: Desk) -> None:
    desk.confirmed(order())
    [receipt] = desk.send(amendment(1, line(11, PLATE, 1, "8.95"), line(12, TEA, 1, "5.73", "9")))
    assert receipt.state == "done"
    assert [n for n in lines(desk) if n[1]] == [("W1-TEA-GREEN", 1.0, 5.73), ("W1-PLATE-S", 1.0, 8.95)]
    assert [r.state for r in desk.send(issue(1, 1, (11, PLATE, 1), (12, TEA, 1)))] == ["done"]


@pytest.mark.parametrize("confirm", [False, True])
def test_our_roundings_go_and_one_comes_anew(desk: Desk, confirm: bool) -> None:
    desk.send(order())
    desk.send(AddRounding(order_id=1, booking_id=1, amount=Decimal("-0.02")))
    if confirm:
        desk.send(ConfirmOrder(order_id=1, booking_id=1))
    [amended] = desk.send(amendment(1, *FEWER))
    assert amended.amount == Decimal("35.83")
    [rounded] = desk.send(AddRounding(order_id=1, booking_id=1, amount=Decimal("0.01"), revision=1))
    assert rounded.amount == Decimal("35.84")
    [again] = desk.send(amendment(1, *FEWER, revision=2))
    assert again.amount == Decimal("35.83")
    assert [n for n in lines(desk) if n[0] == "Rounding" and n[1]] == []


def test_what_people_changed_by_hand_is_set_right_and_their_notes_stay(desk: Desk) -> None:
    desk.confirmed(order())
    desk.odoo.business.create("sale.order.line", {"order_id": 1, "name": "Gift wrap!", "display_type": "line_note",
        "product_id": False, "product_uom_qty": 0.0, "tax_ids": []})  # fmt: skip
    staff(desk, "line", line=1, price_unit=1.0)
    [receipt] = desk.send(amendment())
    assert receipt.amount == Decimal("43.75")
    assert [n["name"] for n in desk.orders()[0]["lines"]] == ["Article 1", "Article 7", "Gift wrap!"]


def test_a_new_address_reaches_the_open_delivery_and_a_new_note_the_order(desk: Desk) -> None:
    desk.confirmed(order())
    moved = Address(first_name="Bea", last_name="Buyer", line1="Weg 2", city="Ede", country="NL")
    desk.send(customer(1, shipping_id=3, shipping=moved))
    [receipt] = desk.send(amendment(1, shipping_id=3, note="Ring twice", reference="WEB-1A", terms="30 Days"))
    [held] = desk.orders()
    assert (receipt.state, held["note"], held["reference"], held["terms"]) == (
        "done",
        "Ring twice",
        "WEB-1A",
        "30 Days",
    )
    assert [p["ship_to"] for p in held["pickings"]] == ["Bea Buyer"]


def test_what_left_keeps_its_address(desk: Desk) -> None:
    desk.confirmed(order())
    desk.send(issue(1, 1, (11, MUG, 2)))
    desk.send(customer(1, shipping_id=3, shipping=Address(last_name="Bea", city="Ede", country="NL")))
    desk.send(amendment(1, shipping_id=3))
    assert [p["ship_to"] for p in desk.orders()[0]["pickings"]] == ["Ann Buyer", "Bea"]


def test_another_customer_takes_all_three(desk: Desk) -> None:
    desk.send(order())
    desk.send(customer(2, billing_id=5, shipping_id=5, billing=Address(last_name="Cem", country="NL")))
    [receipt] = desk.send(amendment(1, customer_id=2, billing_id=5, shipping_id=5))
    assert (receipt.state, desk.orders()[0]["customer"]) == ("done", "Cem")


def test_after_a_part_left_the_rest_may_shrink_to_it(desk: Desk) -> None:
    desk.confirmed(order())
    desk.send(issue(1, 1, (11, MUG, 2)))
    [receipt] = desk.send(amendment(1, line(11, MUG, 2, "20.66")))
    assert receipt.state == "done"
    assert moves(desk) == [
        ("OUT/00001", "done", [("W1-MUG-BLUE", 2.0, "done")]),
        ("OUT/00002", "cancel", [("W1-TEA-GREEN", 0.0, "cancel"), ("W1-MUG-BLUE", 0.0, "cancel")]),
    ]


def refused(desk: Desk, *said: Any) -> str:
    before = desk.orders()
    [receipt] = desk.send(*said)
    assert (receipt.state, receipt.error, receipt.amount) == ("refused", None, None)
    assert desk.orders() == before
    return receipt.evidence


def test_less_than_was_delivered_is_refused(desk: Desk) -> None:
    desk.confirmed(order())
    desk.send(issue(1, 1, (11, MUG, 2)))
    words = "S00001: 2 of «Article 1» are delivered, 1 wanted."
    assert refused(desk, amendment(1, line(11, MUG, 1, "10.33"))) == words
    assert refused(desk, amendment(1, line(12, TEA, 1, "5.73", "9"))) == words.replace("1 wanted", "0 wanted")


@pytest.mark.parametrize(
    ("action", "words"), [("cancel", "S00001 was cancelled in Odoo."), ("lock", "S00001 is locked in Odoo.")]
)
def test_what_people_closed_is_refused(desk: Desk, action: str, words: str) -> None:
    desk.confirmed(order())
    staff(desk, action)
    assert refused(desk, amendment(1, *FEWER)) == words


def test_what_people_deleted_is_refused(desk: Desk) -> None:
    desk.send(order())
    staff(desk, "delete")
    assert refused(desk, amendment()) == "The order no longer exists in Odoo: somebody deleted it there."


def test_what_is_invoiced_keeps_its_price_and_quantity(desk: Desk) -> None:
    desk.confirmed(order())
    staff(desk, "invoice")
    cheaper = amendment(1, line(11, MUG, 3, "29.00"), line(12, TEA, 1, "5.73", "9"))
    assert refused(desk, cheaper) == "S00001: «Article 1» is invoiced with another price or tax."
    assert refused(desk, amendment(1, *FEWER)) == "S00001: 3 of «Article 1» are invoiced, 2 wanted."
    [more] = desk.send(amendment(1, line(11, MUG, 4, "41.32"), line(12, TEA, 1, "5.73", "9")))
    assert (more.state, lines(desk)[0]) == ("done", ("W1-MUG-BLUE", 4.0, 10.33))


def test_another_currency_after_confirming_is_refused(desk: Desk) -> None:
    dollar = desk.odoo.records.create("res.currency", {"name": "USD"})
    desk.odoo.records.create("product.pricelist", {"name": "Dollars", "currency_id": dollar})
    desk.send(order())
    assert [r.state for r in desk.send(amendment(1, currency="USD"))] == ["done"]
    assert desk.orders()[0]["currency"] == "USD"
    desk.send(ConfirmOrder(order_id=1, booking_id=1))
    assert refused(desk, amendment()) == "S00001 is confirmed in USD; Odoo does not change that any more."


def test_a_rule_of_odoos_that_we_did_not_foresee_is_an_answer_too(desk: Desk) -> None:
    desk.confirmed(order(1), order(2))
    rule = {"name": "odoo.exceptions.UserError", "message": "Credit limit."}
    desk.odoo.faults.add(Fault(do="answer", path="sale.order/write", status=422, body=rule, count=1))
    first, second = desk.send(amendment(1, *FEWER), amendment(2, line(21, MUG, 1, "10.33")))
    assert (first.state, first.evidence, second.state) == ("refused", "S00001: Credit limit.", "done")


def test_bad_data_of_one_order_stops_only_that_one(desk: Desk) -> None:
    desk.confirmed(order(1), order(2), order(3))
    desk.links[Ref("sku", 99)] = "99999"
    bad, unknown, good = desk.send(
        amendment(1, line(11, 99, 1, "1.00")), amendment(2, terms="Whenever"), amendment(3, line(31, MUG, 1, "10.33"))
    )
    assert isinstance(bad.error, Refused) and "No matching record" in bad.error.words
    assert isinstance(unknown.error, Refused) and unknown.error.reason == "terms_mapping"
    assert good.state == "done"
    assert lines(desk) == [("W1-MUG-BLUE", 3.0, 10.33), ("W1-TEA-GREEN", 1.0, 5.73)]


@pytest.mark.parametrize("call", ["sale.order.line/load", "sale.order/write"])
def test_a_lost_answer_is_made_good_by_saying_it_again(desk: Desk, call: str) -> None:
    desk.confirmed(order())
    desk.odoo.faults.add(Fault(do="lose_response", path=call, skip=int(call.endswith("load")), count=1))
    with pytest.raises(Retry):
        desk.send(amendment(1, *FEWER))
    assert [r.amount for r in desk.send(amendment(1, *FEWER))] == [Decimal("35.83")]
    assert [n for n in lines(desk) if n[1]] == [("W1-MUG-BLUE", 2.0, 10.33), ("W1-PLATE-S", 1.0, 8.95)]


def test_a_second_attempt_makes_other_documents(desk: Desk) -> None:
    desk.confirmed(order())
    staff(desk, "cancel")
    desk.confirmed(order(1, booking_id=7))
    assert [(o["xid"], o["state"]) for o in desk.orders()] == [("booking_1", "cancel"), ("booking_7", "sale")]
    shipped = PostGoodsIssue(
        **{n: getattr(issue(1, 1, (11, MUG, 3)), n) for n in PostGoodsIssue.__struct_fields__} | {"booking_id": 7}
    )
    assert [r.state for r in desk.send(shipped)] == ["done"]
    assert [[n["delivered"] for n in o["lines"]] for o in desk.orders()] == [[0.0, 0.0], [3.0, 0.0]]


@pytest.fixture
def three_steps() -> Iterator[Desk]:
    with Odoo(steps="pick_pack_ship") as odoo:
        desk = Desk(odoo)
        desk.send(customer())
        yield desk


def test_what_was_picked_goes_back_and_the_shipment_goes_on(three_steps: Desk) -> None:
    desk = three_steps
    desk.confirmed(order(1, line(11, MUG, 5, "50.00")))
    staff(desk, "deliver", picking=1)
    desk.send(amendment(1, line(11, MUG, 3, "30.00")))
    assert moves(desk) == [
        ("PICK/00001", "done", [("W1-MUG-BLUE", 5.0, "done")]),
        ("PACK/00001", "assigned", [("W1-MUG-BLUE", 3.0, "assigned")]),
        ("PICK/00002", "assigned", [("W1-MUG-BLUE", 2.0, "assigned")]),
    ]
    assert [r.evidence for r in desk.send(issue(1, 1, (11, MUG, 3), final=True))] == ["WH/OUT/00001"]
    assert [(p[0], p[1]) for p in moves(desk)] == [
        ("PICK/00001", "done"), ("PACK/00001", "done"), ("PICK/00002", "assigned"), ("OUT/00001", "done"),
    ]  # fmt: skip
