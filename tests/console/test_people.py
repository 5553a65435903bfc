"""Customers: two that are one person, and what staff know of them."""

from typing import Any

from django.test import Client
from django.urls import reverse

from canonical.models import Customer, Order
from retailsync.sync.models import Action
from tests.console.conftest import person
from tests.console.scene import Scene

LIST = "/admin/canonical/customer/"


def page(customer: Customer) -> str:
    return reverse("admin:canonical_customer_change", args=[customer.pk])


def press(client: Client, customer: Customer, button: str, **form: Any) -> Any:
    return client.post(reverse(f"admin:canonical_customer_{button}", args=[customer.pk]), form, follow=True)


def said(answer: Any) -> list[str]:
    return [str(m) for m in answer.context["messages"]]


def two(scene: Scene) -> tuple[Customer, Customer]:
    ada, grace = scene.order(1, name="Ada"), scene.order(2, name="Grace")
    return ada.customer, grace.customer


def choose(client: Client, *chosen: Customer) -> Any:
    return client.post(LIST, {"action": "merge_selected", "_selected_action": [c.pk for c in chosen]}, follow=True)


def test_two_customers_become_one(scene: Scene, boss: Client) -> None:
    ada, grace = two(scene)
    asked = choose(boss, ada, grace).content.decode()
    assert asked.count("Keep this one") == 2
    assert "say how you know" in said(press(boss, ada, "merge", other=str(grace.pk)))[0]
    assert Customer.objects.get(pk=grace.pk).merged_into is None
    assert "They are one customer now" in said(press(boss, ada, "merge", other=str(grace.pk), why="same phone"))[0]
    assert Customer.objects.get(pk=grace.pk).merged_into == ada
    assert set(Order.objects.values_list("customer", flat=True)) == {ada.pk}
    assert Action.objects.values_list("who", "what", "target_id", "why").get() == (
        "boss", "merge", ada.pk, f"customer {grace.pk} into {ada.pk}. same phone",
    )  # fmt: skip
    assert "grace@example.com" in boss.get(page(ada)).content.decode()
    assert "Merged into" in boss.get(page(grace)).content.decode()


def test_only_two_that_are_not_merged_yet(scene: Scene, boss: Client) -> None:
    ada, grace = two(scene)
    assert "choose two customers" in said(choose(boss, ada))[0]
    for other in ("", "999999999", str(ada.pk), "x"):
        assert "choose two customers" in said(press(boss, ada, "merge", other=other, why="x"))[0]
    press(boss, ada, "merge", other=str(grace.pk), why="x")
    assert "choose two customers" in said(press(boss, grace, "merge", other=str(ada.pk), why="x"))[0]
    assert Action.objects.count() == 1


def test_terms_are_kept_with_who_set_them_and_without_the_number(scene: Scene, boss: Client) -> None:
    ada, _ = two(scene)
    press(boss, ada, "terms", vat_id=" nl001234567b01", terms="30 days", why="contract")
    ada.refresh_from_db()
    assert (ada.vat_id, ada.terms) == ("NL001234567B01", "30 days")
    assert Action.objects.get().why == "VAT id set, terms: none → 30 days. contract"
    assert said(press(boss, ada, "terms", vat_id="NL001234567B01", terms="30 days")) == ["Nothing was changed."]
    text = boss.get(page(ada)).content.decode()
    assert "NL001234567B01" in text and "contract" in text


def test_who_may_work_on_customers(scene: Scene, viewer: Client) -> None:
    ada, grace = two(scene)
    assert press(viewer, ada, "terms", terms="x").status_code == 403
    assert press(viewer, ada, "merge", other=str(grace.pk), why="x").status_code == 403
    choose(viewer, ada, grace)
    text = viewer.get(page(ada)).content.decode()
    assert "Change VAT id" not in text and "merge_selected" not in viewer.get(LIST).content.decode()
    assert not Action.objects.exists()
    press(person("narrow", "change_customer"), ada, "terms", terms="x")
    assert Action.objects.get().who == "narrow"
