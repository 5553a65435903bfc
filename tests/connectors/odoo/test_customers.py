"""Customers and addresses become contacts, once each."""

from typing import Any

import pytest

from canonical.commands import Ref
from canonical.types import Address
from connectors.errors import Misconfigured, Refused
from connectors.odoo.simulator import Odoo
from connectors.simulation import Fault
from tests.connectors.odoo.conftest import ANN, Desk, customer, order


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


COMPANY = Address(first_name="Ann", last_name="Buyer", company="Acme GmbH", line1="Weg 1", city="Berlin", country="DE")


def family(odoo: Odoo) -> list[tuple[Any, ...]]:
    """Contacts: name, type, whom it is below, VAT id."""
    table = odoo.store.table("res.partner")
    return [(r["name"], r["type"], r["parent_id"], r["vat"]) for r in table.values()]


def test_a_company_is_above_the_person(odoo: Odoo) -> None:
    desk = Desk(odoo)
    [receipt] = desk.send(customer(billing=COMPANY, shipping=COMPANY, vat_id="DE123456789", terms="30 Days"))
    assert family(odoo) == [
        ("Acme GmbH", False, False, "DE123456789"),
        ("Ann Buyer", False, 1, False),
        ("Acme GmbH, Ann Buyer", "invoice", 2, False),
        ("Acme GmbH, Ann Buyer", "delivery", 2, False),
    ]
    assert (receipt.state, receipt.links) == ("done", (("customer", 1, "2"), ("address", 1, "3"), ("address", 2, "4")))
    acme = odoo.store.table("res.partner")[1]
    assert (acme["is_company"], acme["property_payment_term_id"], acme["city"]) == (True, 3, "Berlin")


def test_who_orders_for_a_company_and_for_themselves_is_two_people(odoo: Odoo) -> None:
    desk = Desk(odoo)
    desk.send(customer())
    desk.send(customer(billing_id=7, billing=COMPANY, order_id=2))
    assert [(name, kind, parent) for name, kind, parent, _ in family(odoo)] == [
        ("Ann Buyer", False, False), ("Ann Buyer", "invoice", 1), ("Ann Buyer", "delivery", 5),
        ("Acme GmbH", False, False), ("Ann Buyer", False, 4), ("Acme GmbH, Ann Buyer", "invoice", 5),
    ]  # fmt: skip
    desk.send(order(1), order(2, billing_id=7))
    held = [(o["partner_id"], o["partner_invoice_id"]) for o in odoo.store.table("sale.order").values()]
    assert held == [(1, 2), (5, 6)]


def test_a_vat_id_without_a_company_is_the_persons(odoo: Odoo) -> None:
    desk = Desk(odoo)
    desk.send(customer(vat_id="DE123456789"))
    desk.send(customer())  # says nothing of it, so it stays
    assert family(odoo)[0] == ("Ann Buyer", False, False, "DE123456789")


def test_an_invalid_vat_id_becomes_a_note_and_blocks_nobody(odoo: Odoo) -> None:
    desk = Desk(odoo)
    said = customer(1, vat_id="N/A <b>", billing=ANN), customer(2, billing_id=4, shipping_id=4, vat_id="DE123456789")
    first, second = desk.send(*said)
    assert (first.state, first.evidence) == (
        "done",
        "Not accepted by Odoo and noted on the contact instead: VAT id.",
    )
    assert (second.state, second.evidence) == ("done", "")
    ann = odoo.store.table("res.partner")[int(first.external_id)]
    assert (ann["vat"], ann["comment"]) == (
        False,
        "<p>VAT id as the shop has it, not accepted by Odoo: N/A &lt;b&gt;</p>",
    )
    odoo.business.write("res.partner", ann["id"], {"comment": f"<p>Knows the boss</p>{ann['comment']}"})
    before = odoo.store.table("res.partner")[ann["id"]]["comment"]
    desk.send(*said)
    assert odoo.store.table("res.partner")[ann["id"]]["comment"] == before


def test_what_a_module_objects_to_is_left_out_together(odoo: Odoo) -> None:
    """A module of the shop's own that checks e-mail addresses: the contact goes through without, the third time it is sent."""
    module = {"ids": False, "messages": [{"message": "This e-mail address is on the blocklist."}], "nextrow": 0}
    odoo.faults.add(Fault(do="answer", path="res.partner/load", status=200, body=module, count=2))
    [receipt] = Desk(odoo).send(customer(vat_id="DE123456789"))
    assert receipt.evidence == "Not accepted by Odoo and noted on the contact instead: VAT id, e-mail."
    assert (contacts(odoo)[0][0], contacts(odoo)[0][4]) == ("Ann Buyer", False)


def test_a_name_longer_than_an_index_takes_is_cut(odoo: Odoo) -> None:
    [receipt] = Desk(odoo).send(customer(billing=Address(last_name="x" * 5000, country="NL")))
    assert (receipt.state, len(family(odoo)[0][0])) == ("done", 250)


def test_a_guest_of_one_order(odoo: Odoo) -> None:
    desk = Desk(odoo)
    desk.send(*(customer(1, order_id=n, account="per_order", reference=f"WEB-{n}") for n in (1, 2)))
    assert [name for name, kind, _, _ in family(odoo) if not kind] == ["WEB-1 Ann Buyer", "WEB-2 Ann Buyer"]
    assert [parent for _, kind, parent, _ in family(odoo) if kind] == [1, 1, 2, 2]
    desk.send(order(1), order(2))
    assert [o["customer"] for o in desk.orders()] == ["WEB-1 Ann Buyer", "WEB-2 Ann Buyer"]


def test_an_order_finds_its_own_contacts_though_its_customer_is_linked_to_others(odoo: Odoo) -> None:
    desk = Desk(odoo)
    desk.send(customer(1, order_id=2, account="per_order", reference="WEB-2"))
    desk.send(customer())
    desk.send(order(1), order(2))
    held = odoo.store.table("sale.order").values()
    names = [odoo.store.table("res.partner")[o["partner_id"]]["name"] for o in held]
    assert names == ["Ann Buyer", "WEB-2 Ann Buyer"]


def test_all_guests_are_one_account(odoo: Odoo) -> None:
    desk = Desk(odoo, guest_account="Webshop guests")
    account = odoo.business.create("res.partner", {"name": "Webshop guests", "ref": "GUESTS"})
    guests = [
        customer(n, order_id=n, billing_id=n * 2, shipping_id=n * 2 + 1, account="collective", reference=f"WEB-{n}",
                 vat_id="" if n == 1 else "DE123456789") for n in (1, 2)
    ]  # fmt: skip
    first, second = desk.send(*guests)
    assert [(r.state, r.evidence) for r in (first, second)] == [("done", "")] * 2
    assert len({r.external_id for r in (first, second)}) == 2  # links are unique, so each has a contact of its own
    assert {parent for _, kind, parent, _ in family(odoo) if kind} == {account}
    desk.send(*(order(n, customer_id=n, billing_id=n * 2, shipping_id=n * 2 + 1) for n in (1, 2)))
    assert [o["customer"] for o in desk.orders()] == ["Webshop guests"] * 2
    notes = [r["comment"] for r in odoo.store.table("res.partner").values() if r["comment"]]
    assert notes == ["<p>VAT id: DE123456789</p>"]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("", "Name that contact in the settings (guest_account)."),
        ("Nobody", "Odoo has no contact «Nobody»"),
        ("Twin", "Odoo has more than one contact «Twin» (ids 1, 2)"),
    ],
)
def test_an_account_for_guests_that_is_not_one_contact(odoo: Odoo, named: str, words: str) -> None:
    for ref in ("A", "Twin"):
        odoo.business.create("res.partner", {"name": "Twin", "ref": ref})
    guest, known = Desk(odoo, guest_account=named).send(
        customer(1, account="collective"), customer(2, billing_id=4, shipping_id=4)
    )
    assert isinstance(guest.error, Misconfigured) and words in guest.error.words
    assert known.state == "done"


@pytest.mark.parametrize("named", ["1", "GUESTS"])
def test_the_account_is_named_by_id_or_reference_too(odoo: Odoo, named: str) -> None:
    odoo.business.create("res.partner", {"name": "Webshop guests", "ref": "GUESTS"})
    [receipt] = Desk(odoo, guest_account=named).send(customer(account="collective"))
    assert receipt.state == "done"


def test_terms_odoo_does_not_have(odoo: Odoo) -> None:
    [receipt] = Desk(odoo).send(customer(terms="Whenever"))
    assert isinstance(receipt.error, Refused)
    assert (receipt.error.reason, "Whenever" in receipt.error.words) == ("terms_mapping", True)
