"""Customers and addresses become contacts, once each."""

from typing import Any

from canonical.commands import Ref
from canonical.types import Address
from connectors.errors import Refused
from connectors.odoo.simulator import Odoo
from tests.connectors.odoo.conftest import ANN, Desk, customer


def contacts(odoo: Odoo) -> list[Any]:
    names = ["name", "type", "parent_id", "city", "email"]
    return [[row[name] for name in names] for row in odoo.store.table("res.partner").values()]


def test_a_customer_and_both_addresses(odoo: Odoo) -> None:
    desk = Desk(odoo)
    company = Address(company="Acme", last_name="Doe", city="Lyon", state="69", country="FR")
    [receipt] = desk.send(customer(email="ann@shop.example", shipping=company))
    assert receipt.links == (("customer", 1, "1"), ("address", 1, "2"), ("address", 2, "3"))
    assert contacts(odoo) == [
        ["Ann Buyer", False, False, False, "ann@shop.example"],
        ["Ann Buyer", "invoice", 1, "Berlin", "a@b.example"],
        ["Acme, Doe", "delivery", 1, "Lyon, 69", False],
    ]


def test_again_changes_what_is_there(odoo: Odoo) -> None:
    desk = Desk(odoo)
    desk.send(customer())
    moved = Address(first_name="Ann", last_name="Buyer", city="Hamburg", country="DE")
    desk.send(customer(shipping=moved))
    assert [row[3] for row in contacts(odoo)] == [False, "Berlin", "Hamburg"]


def test_two_orders_of_one_customer_in_one_batch_make_one_contact(odoo: Odoo) -> None:
    receipts = Desk(odoo).send(
        customer(), customer(1, order_id=2, shipping_id=3), customer(2, billing_id=4, shipping_id=4)
    )
    assert [r.links for r in receipts] == [
        (("customer", 1, "1"), ("address", 1, "3"), ("address", 2, "4")),
        (("customer", 1, "1"), ("address", 1, "3"), ("address", 3, "5")),
        (("customer", 2, "2"), ("address", 4, "6")),
    ]


def test_an_address_nobody_can_place_is_refused_alone(odoo: Odoo) -> None:
    desk = Desk(odoo)
    bad, good = desk.send(customer(1, shipping=Address(country="XX")), customer(2, billing_id=4, shipping_id=4))
    assert isinstance(bad.error, Refused)
    assert bad.error.words == "Odoo knows no country with the code XX."
    assert (good.state, desk.links[Ref("address", 4)]) == ("done", good.links[1][2])


def test_a_state_is_found_with_or_without_its_country(odoo: Odoo) -> None:
    desk = Desk(odoo)
    texas = Address(city="Austin", state="TX", country="US")
    desk.send(customer(billing=ANN, shipping=texas))
    states = [
        odoo.store.table("res.country.state").get(row["state_id"]) for row in odoo.store.table("res.partner").values()
    ]
    assert [state and state["code"] for state in states] == [None, "DE-BE", "TX"]


def test_a_guest_without_a_name_is_called_by_the_address(odoo: Odoo) -> None:
    nameless = Address(country="NL", city="Ede", email="guest@shop.example")
    Desk(odoo).send(customer(billing=nameless, shipping=nameless))
    assert contacts(odoo)[0][0] == "guest@shop.example"
