"""Sales orders reach Odoo once, to the cent, with nothing Odoo added by itself."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import msgspec
import pytest

from canonical.commands import AddRounding, ConfirmOrder, OrderLine, Ref
from canonical.types import Tax
from connectors.base import Receipt
from connectors.errors import Misconfigured, Refused, Retry
from connectors.odoo.orders import unit_price
from connectors.odoo.simulator import Odoo
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import MUG, PLATE, Desk, charge, customer, line, order


def errors(receipts: list[Receipt]) -> list[str]:
    return [r.error.words if r.error else "" for r in receipts]


def test_every_line_is_stated_in_full(desk: Desk) -> None:
    lines = (line(11, MUG, 3, "10.00"), line(12, PLATE, 1, "8.95", ""), line(13, 40, 1, "5.73", "0"))
    [receipt] = desk.send(order(1, *lines, charges=(charge(1, "shipping", "4.95"), charge(2, "fee", "-2.00"))))
    assert (receipt.state, receipt.external_id, receipt.amount) == ("created", "1", Decimal("29.73"))
    [held] = desk.orders()
    assert {**held, "created_at": 0} == {
        "id": 1, "xid": "booking_1", "name": "S00001", "reference": "WEB-1", "state": "draft", "locked": False,
        "amount_total": "29.73", "amount_tax": "2.10", "currency": "EUR", "terms": "", "customer": "Ann Buyer", "note": "",
        "created_at": 0, "pickings": [],
        "lines": [
            stated("line_11_sku_1", "W1-MUG-BLUE", "Article 1", 3.0, 3.3333333333, [21.0]),
            stated("line_12_sku_3", "W1-PLATE-S", "Article 3", 1.0, 8.95, []),
            stated("line_13_sku_40", "DL-GIFT", "Article 40", 1.0, 5.73, []),
            stated("charge_1", "Shipping", "Parcel", 1.0, 4.95, []),
            stated("charge_2", "Fee", "Parcel", 1.0, -2.0, []),
        ],
    }  # fmt: skip


def stated(xid: str, sku: str, name: str, quantity: float, price: float, taxes: list[float]) -> dict[str, object]:
    return {
        "xid": f"booking_1_{xid}",
        "sku": sku,
        "name": name,
        "quantity": quantity,
        "price_unit": price,
        "delivered": 0.0,
        "taxes": taxes,
    }


def test_an_order_sent_again_is_found_and_left_alone(desk: Desk) -> None:
    [first] = desk.send(order())
    desk.send(ConfirmOrder(order_id=1, booking_id=1))
    [again] = desk.send(order(1, line(11, MUG, 7, "70.00")))
    assert (again.external_id, again.amount) == (first.external_id, first.amount)
    assert [(o["state"], len(o["lines"])) for o in desk.orders()] == [("sale", 2)]


def test_a_lost_answer_is_looked_for_and_found(desk: Desk) -> None:
    desk.odoo.faults.add(Fault(do="lose_response", path="sale.order/load", count=1))
    with pytest.raises(Retry) as caught:
        desk.send(order(1), order(2))
    assert caught.value.unknown
    looked = desk.look(order(1), order(3), order(2))
    assert [r and r.external_id for r in looked] == ["1", None, "2"]
    assert [r.external_id for r in desk.send(order(1), order(2))] == ["1", "2"]
    assert desk.odoo.state()["duplicates"] == {}


def test_more_orders_are_missing_than_odoo_cares_to_name(desk: Desk) -> None:
    desk.send(order(7))
    looked = desk.look(*(order(number) for number in range(1, 16)))
    assert [r.external_id if r else None for r in looked] == [None] * 6 + ["1"] + [None] * 8
    assert len(desk.orders()) == 1


def test_two_senders_of_one_order_at_once_make_one(desk: Desk) -> None:
    desk.odoo.pace = 0.1
    with ThreadPoolExecutor(2) as threads:
        both = [receipt for [receipt] in threads.map(lambda _: desk.send(order()), range(2))]
    assert sorted(type(r.error).__name__ for r in both) == ["NoneType", "Retry"]
    assert [r.external_id for r in desk.send(order())] == ["1"]
    assert [o["reference"] for o in desk.orders()] == ["WEB-1"]


def test_bad_records_are_refused_alone(desk: Desk) -> None:
    desk.links[Ref("sku", 99)] = "99999"
    bad = [order(n, line(n * 10, 99, 1, "1.00")) for n in (2, 4)]
    receipts = desk.send(order(1), bad[0], order(3), bad[1], order(5))
    words = "No matching record found for database id '99999' in field 'Order Lines/Product'"
    assert errors(receipts) == ["", words, "", words, ""]
    assert sorted(o["reference"] for o in desk.orders()) == ["WEB-1", "WEB-3", "WEB-5"]


def test_a_tax_odoo_does_not_have(desk: Desk) -> None:
    [refused, fine] = desk.send(order(1, line(11, MUG, 1, "10.00", "25")), order(2))
    assert isinstance(refused.error, Refused)
    assert refused.error.reason == "tax_mapping"
    assert (
        refused.error.words == "Odoo has no sales tax of 25 % on net prices. Create it, or choose one in the settings."
    )
    assert fine.state == "created"


def test_an_ambiguous_tax_wants_a_choice_and_takes_it(desk: Desk) -> None:
    twin = {"amount": 21.0, "amount_type": "percent", "type_tax_use": "sale", "company_id": 1}
    id = desk.odoo.records.create("account.tax", twin)
    [refused] = desk.send(order())
    assert errors([refused]) == [f"Odoo has 2 sales taxes of 21 % (ids 1, {id}). Choose one in the settings."]
    [chosen] = desk.send(order(), session=desk.session(taxes={"21.00": id}))
    assert chosen.state == "created"
    assert desk.odoo.store.table("sale.order.line")[1]["tax_ids"] == [id]


def mapped(rate: str, erp: str) -> OrderLine:
    tax = Tax(code="rc", rate=Decimal(rate), amount=Decimal(0), erp=erp)
    stated = line(11, MUG, 1, "10.00")
    return msgspec.structs.replace(stated, stated=msgspec.structs.replace(stated.stated, taxes=(tax,)))


@pytest.mark.parametrize(("rate", "erp", "tax"), [("0", "0%", 6), ("21", "2", 2), ("0", "Reverse charge", 7)])
def test_a_tax_the_shops_mapping_names_is_taken(desk: Desk, rate: str, erp: str, tax: int) -> None:
    reverse = {"name": "Reverse charge", "amount": 0.0, "amount_type": "group", "type_tax_use": "sale", "company_id": 1}
    desk.odoo.records.create("account.tax", reverse)
    assert errors(desk.send(order(1, mapped(rate, erp)))) == [""]
    assert desk.odoo.store.table("sale.order.line")[1]["tax_ids"] == [tax]


def test_a_mapped_tax_that_is_not_there_or_not_alone(desk: Desk) -> None:
    desk.odoo.records.create(
        "account.tax", {"name": "21%", "amount": 5.0, "amount_type": "percent", "type_tax_use": "sale", "company_id": 1}
    )
    refused = desk.send(order(1, mapped("21", "21%")), order(2, mapped("21", "99")), order(3, mapped("21", "21% EU")))
    assert errors(refused) == [
        "Odoo has more than one sales tax «21%» (ids 1, 7). Name one by its id or its exact name.",
        "Odoo has no sales tax «99». Name one by its id or its exact name.",
        "Odoo has no sales tax «21% EU». Name one by its id or its exact name.",
    ]
    assert {r.error.reason for r in refused if isinstance(r.error, Refused)} == {"tax_mapping"}


def test_payment_terms_are_named_or_left_to_the_customer(desk: Desk) -> None:
    desk.odoo.records.write("res.partner", 1, {"property_payment_term_id": 1})
    orders = (order(1, terms="30 Days"), order(2, terms="2"), order(3), order(4, terms="Whenever"))
    receipts = desk.send(*orders)
    assert errors(receipts) == [
        "",
        "",
        "",
        "Odoo has no payment term «Whenever». Name one by its id or its exact name.",
    ]
    assert isinstance(receipts[3].error, Refused) and receipts[3].error.reason == "terms_mapping"
    assert {o["reference"]: o["terms"] for o in desk.orders()} == {
        "WEB-1": "30 Days", "WEB-2": "15 Days", "WEB-3": "Immediate Payment",
    }  # fmt: skip


def test_another_currency_takes_its_pricelist(desk: Desk) -> None:
    [refused] = desk.send(order(currency="USD"))
    assert isinstance(refused.error, Refused)
    assert refused.error.reason == "currency_mapping"
    dollar = desk.odoo.records.create("res.currency", {"name": "USD"})
    desk.odoo.records.create("product.pricelist", {"name": "Dollars", "currency_id": dollar})
    assert errors(desk.send(order(currency="USD"))) == [""]
    assert [o["currency"] for o in desk.orders()] == ["USD"]


def test_charges_may_be_booked_on_products_of_the_shop(desk: Desk) -> None:
    priced = order(1, charges=(charge(1, "shipping", "4.95"),))
    desk.send(priced, session=desk.session(shipping_product="DL-GIFT"))
    assert desk.orders()[0]["lines"][-1]["sku"] == "DL-GIFT"
    [receipt] = desk.send(
        order(2, charges=(charge(2, "shipping", "4.95"),)), session=desk.session(shipping_product="NONE")
    )
    assert isinstance(receipt.error, Misconfigured)


def test_rounding_makes_the_total_equal(desk: Desk) -> None:
    [created] = desk.send(order())
    assert created.amount is not None
    command = AddRounding(order_id=1, booking_id=1, amount=Decimal("-0.02"))
    totals = [r.amount for r in desk.send(command) + desk.send(command)]
    assert totals == [created.amount - Decimal("0.02")] * 2
    assert [n["sku"] for n in desk.orders()[0]["lines"]].count("Rounding") == 1


def test_confirming_is_done_once_and_said_as_often_as_asked(desk: Desk) -> None:
    desk.send(order(1), order(2), order(3))
    assert [r.state for r in desk.send(ConfirmOrder(order_id=1, booking_id=1))] == ["confirmed"]
    all_three = [ConfirmOrder(order_id=n, booking_id=n) for n in (1, 2, 3)]
    assert [r.state for r in desk.send(*all_three)] == ["confirmed"] * 3
    assert [len(o["pickings"]) for o in desk.orders()] == [1, 1, 1]


def test_a_lost_confirmation_is_seen_in_the_order_itself(desk: Desk) -> None:
    desk.send(order())
    desk.odoo.faults.add(Fault(do="lose_response", path="action_confirm", count=1))
    with pytest.raises(Retry):
        desk.send(ConfirmOrder(order_id=1, booking_id=1))
    assert [r.state for r in desk.send(ConfirmOrder(order_id=1, booking_id=1))] == ["confirmed"]


def test_one_order_that_cannot_be_confirmed_does_not_stop_the_others(desk: Desk) -> None:
    desk.send(order(1), order(2), order(3))
    desk.odoo.business.cancel_orders([2])
    desk.odoo.store.delete("sale.order", 3)
    receipts = desk.send(*(ConfirmOrder(order_id=n, booking_id=n) for n in (1, 2, 3)))
    assert errors(receipts) == [
        "",
        "S00002 was cancelled in Odoo.",
        "The order no longer exists in Odoo: somebody deleted it there.",
    ]


def test_a_batch_that_somebody_was_faster_with_goes_one_by_one(desk: Desk) -> None:
    desk.send(order(1), order(2))
    refusal = {"name": "odoo.exceptions.UserError", "message": "Some orders are not in a state requiring confirmation."}
    desk.odoo.faults.add(Fault(do="answer", path="action_confirm", status=422, body=refusal, count=1))
    assert [
        r.state for r in desk.send(ConfirmOrder(order_id=1, booking_id=1), ConfirmOrder(order_id=2, booking_id=2))
    ] == ["confirmed"] * 2


def test_totals_are_what_a_shop_that_rounds_per_line_expects() -> None:
    with Odoo(rounding="round_per_line") as odoo:
        desk = Desk(odoo)
        desk.send(customer())
        command = order(1, *(line(n, MUG, 1, "10.33") for n in range(1, 8)))
        assert [r.amount for r in desk.send(command)] == [command.total]


@pytest.mark.parametrize(
    ("total", "units", "step", "price"),
    [
        ("10.00", 3, "0.0000000001", "3.3333333333"),
        ("10.00", 3, "0.01", "3.33"),
        ("-0.05", 1, "0.01", "-0.05"),
        ("5", 0, "0.01", "5.00"),
    ],
)
def test_a_unit_price_is_as_fine_as_odoo_keeps_it(total: str, units: int, step: str, price: str) -> None:
    assert f"{unit_price(Decimal(total), units, Decimal(step)):f}" == price
