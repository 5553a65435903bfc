"""A person says which customer of the ERP is meant, on the exception's page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Link
from retailsync.sync.models import Action, Case, Command
from tests.console.scene import Scene
from tests.console.test_deciding import said


@pytest.fixture
def case(scene: Scene) -> Case:
    order = scene.order(1)
    row = Command.objects.get(kind="UpsertCustomer")
    Command.objects.filter(pk=row.pk).update(state="parked", reason="refused")
    words = "Odoo refused the contact."
    return scene.case("command", row.pk, scene.erp, order.pk, "order_to_fulfilment", "send", "refused", "", words)


def page(case: Case) -> str:
    return reverse("admin:sync_case_change", args=[case.pk])


def press(client: Client, case: Case, **form: str) -> Any:
    url = reverse("admin:sync_case_link", args=[case.pk])
    return client.post(url, {"external_id": "77", "why": "same VAT id", **form}, follow=True)


def test_the_customer_is_said(case: Case, scene: Scene, operator: Client) -> None:
    text = operator.get(page(case)).content.decode()
    assert "The customer is there already" in text and "cannot be settled by hand" not in text
    assert said(press(operator, case)) == ["The customer is #77 in Odoo; what waited for it goes on."]
    assert sorted(Link.objects.filter(system=scene.erp).values_list("entity", "external_id")) == [
        ("address", "77"), ("customer", "77"),
    ]  # fmt: skip
    assert "The customer is there already" not in operator.get(page(case)).content.decode()


@pytest.mark.parametrize(
    ("form", "words"),
    [({"why": ""}, "say how you know"), ({"external_id": " "}, "state the customer"), ({}, "is customer 9's already")],
)
def test_what_cannot_be_linked_is_said(
    form: dict[str, str], words: str, case: Case, scene: Scene, operator: Client
) -> None:
    Link.objects.create(system=scene.erp, entity="customer", external_id="77", our_id=9)
    (text,) = said(press(operator, case, **form))
    assert text.startswith("Nothing was changed: ") and words in text
    assert not Action.objects.exists() and Case.objects.get(pk=case.pk).closed_at is None


def test_who_may_link(case: Case, scene: Scene, viewer: Client, stranger: Client, operator: Client) -> None:
    assert [press(c, case).status_code for c in (viewer, stranger)] == [403, 403]
    assert operator.get(reverse("admin:sync_case_link", args=[case.pk])).status_code == 405
    assert "The customer is there already" not in viewer.get(page(case)).content.decode()
    assert "The customer is there already" not in operator.get(page(scene.parked(scene.orders[0]))).content.decode()
