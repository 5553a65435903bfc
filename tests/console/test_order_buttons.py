"""The buttons on an order: who may press them, what they say before and after, and what they cost the page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Abandonment, Address, Hold, Mapping, Order
from retailsync.sync.models import Action, Case, Command
from tests.console.conftest import person
from tests.console.scene import Scene
from tests.console.test_deciding import page, press, said

BUTTONS = ("lift", "cancel", "resend", "readdress", "outside")
HOME = {"last_name": "Bezoeker", "line1": "Laan 3", "postcode": "1011 AA", "city": "Amsterdam", "country": "nl"}


def text(client: Client, order: Order) -> str:
    return str(client.get(page(order)).content.decode())


@pytest.mark.parametrize("button", BUTTONS)
def test_who_may_press(button: str, scene: Scene, stranger: Client, viewer: Client, client: Client) -> None:
    order = scene.order(1)
    assert press(client, order, button, **HOME).redirect_chain[0][0].startswith("/admin/login/")
    assert [press(c, order, button, **HOME).status_code for c in (stranger, viewer)] == [403, 403]
    assert viewer.get(reverse(f"admin:canonical_order_{button}", args=[order.pk])).status_code == 405
    assert not Action.objects.exists() and not Abandonment.objects.exists()


@pytest.mark.parametrize("button", BUTTONS)
def test_each_needs_a_reason(button: str, scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    assert said(press(operator, order, button, **HOME, why=" ")) == ["Nothing was changed: say why."]
    assert not Action.objects.exists()


def test_what_cancelling_does_is_said_before(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    will = operator.get(page(order)).context["decide"]["cancelling"]
    assert will == [
        "2 units will not be shipped any more.",
        "NORTH is asked to stop; what ships all the same becomes an exception.",
        "The ERP's order is cancelled.",
        "Web shop is told to set it to cancelled, unless somebody changes its status there first.",
        "Money is given back in the shop, not here.",
    ]
    (done,) = said(press(operator, order, "cancel", why="changed her mind"))
    assert "its shop is told" in done and Command.objects.get(kind="CancelShopOrder").system == scene.shop
    assert "Cancel the order" not in text(operator, order)
    assert said(press(operator, order, "cancel"))[0].startswith("Nothing was changed: nothing of it is left to ship.")


def test_a_shop_that_cannot_be_told_is_said(scene: Scene, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailsync.sync.systems.sends", lambda id: {})
    order = scene.order(1)
    assert "Web shop is not told, because it cannot be told this by us." in text(operator, order)
    assert "set it there as it should be" in said(press(operator, order, "cancel"))[0]


def test_one_hold_of_several_is_lifted(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    assert "Let it go on" not in text(operator, order)
    for reason in ("fraud", "operator"):
        press(operator, order, "hold", reason=reason)
    hold = Hold.objects.get(reason="fraud")
    assert "all 2</option>" in text(operator, order)
    press(operator, order, "lift", hold=str(hold.pk))
    assert [h.reason for h in Hold.objects.filter(lifted_at=None)] == ["operator"]
    assert said(press(operator, order, "lift", hold="")) == [
        "Lifted: the order goes on, as far as nothing else holds it."
    ]
    assert not Case.objects.filter(closed_at=None).exists()


@pytest.mark.parametrize("typed", [{"hold": "x"}, {"hold": "0"}, {"hold": "9" * 30}, {"hold": ["7", "-1"]}, {}])
def test_a_hold_that_cannot_be_read_does_not_stand_for_all(typed: Any, scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    press(operator, order, "hold", reason="fraud")
    assert said(press(operator, order, "lift", **typed)) == [
        "Nothing was changed: choose one of the order's holds, or all of them."
    ]
    assert Hold.objects.filter(lifted_at=None).exists()


def test_what_comes_back_at_once_is_said(scene: Scene, operator: Client) -> None:
    order = scene.order(1, sku="CAP")
    assert "It came back at once" in said(press(operator, order, "lift", hold=""))[0]


def test_a_quiet_wait_is_ended(scene: Scene, operator: Client) -> None:
    Mapping.objects.create(kind="payment_method", key="ideal", value={"release": "paid", "grace_minutes": 60})
    order = scene.order(1)
    press(operator, order, "lift", hold="")
    assert Order.objects.get(pk=order.pk).stage == "released"


# ---- where it goes ----------------------------------------------------------------------------------------------------------
def test_an_order_is_sent_elsewhere(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    assert 'name="line1" value="Straat 12"' in text(operator, order)
    press(operator, order, "readdress", **HOME)
    found = Address.objects.get(pk=Order.objects.get(pk=order.pk).shipping_id).content
    assert (found["line1"], found["country"], found["email"]) == ("Laan 3", "NL", "testa@example.com")
    assert "this address already" in said(press(operator, order, "readdress", **HOME))[0]
    assert "Laan" not in Action.objects.get().why


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"line1": ""}, "Street and number: This field is required."),
        ({"country": "Holland"}, "Country: "),
        ({"country": "1X"}, "Country: Write the country as two letters"),
        ({"last_name": ""}, "Last name: name a person or a company."),
        ({"city": "x" * 201}, "City: Ensure this value has at most 200"),
    ],
)
def test_an_address_that_is_none_is_refused(wrong: dict[str, str], words: str, scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    assert said(press(operator, order, "readdress", **{**HOME, **wrong}))[0].startswith(f"Nothing was changed: {words}")
    assert not Action.objects.exists()


def test_who_may_not_see_addresses_may_not_change_them(scene: Scene) -> None:
    order, blind = scene.order(1), person("bo", "change_case", "view_order")
    assert "Straat 12" not in text(blind, order) and "Change where it goes" not in text(blind, order)
    assert "may not see" in said(press(blind, order, "readdress", **HOME))[0] and not Action.objects.exists()


# ---- again, outside ---------------------------------------------------------------------------------------------------------
def test_what_is_harmless_is_sent_again(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    Command.objects.update(state="confirmed")
    offered = operator.get(page(order)).context["decide"]["again"]
    assert sorted(c.kind for c in offered) == ["RequestFulfilment", "UpsertCustomer"]
    row = Command.objects.get(kind="RequestFulfilment")
    assert "is sent to Northpick once more" in said(press(operator, order, "resend", command=str(row.pk)))[0]
    row.refresh_from_db()
    assert (row.state, row.doubtful) == ("waiting", True)
    create = Command.objects.get(kind="CreateOrder")
    assert "may exist only once" in said(press(operator, order, "resend", command=str(create.pk)))[0]
    assert "choose something" in said(press(operator, order, "resend", command="x"))[0]


def test_an_order_that_is_handled_outside_says_so(scene: Scene, operator: Client, viewer: Client) -> None:
    order = scene.order(1)
    scene.confirming(order)
    assert "handled outside" not in text(viewer, order)
    assert said(press(operator, order, "outside", why="by hand")) == ["The rest of it counts as settled outside."]
    assert "handled outside" in text(viewer, order) and "by olga" in text(viewer, order)
    assert not Case.objects.filter(closed_at=None).exists()
    assert "nothing of it is open" in said(press(operator, order, "outside"))[0]


def test_what_may_exist_only_once_stays_a_question(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    scene.parked(order, "in_doubt", "in_doubt")
    assert "Still open: 1" in said(press(operator, order, "outside"))[0]


def test_the_price_of_the_buttons_does_not_grow(
    scene: Scene, operator: Client, queries: Callable[[Client, str], int]
) -> None:
    order = scene.order(1)
    Command.objects.update(state="confirmed")
    press(operator, order, "hold", reason="fraud")
    one = queries(operator, page(order))
    press(operator, order, "hold", reason="operator")
    press(operator, order, "hold", reason="address")
    assert queries(operator, page(order)) == one


def test_nothing_from_outside_is_believed(scene: Scene, operator: Client) -> None:
    order = scene.order(1, name="<script>alert(1)</script>")
    assert "<script>alert(1)" not in text(operator, order)


def test_an_order_that_is_not_there(scene: Scene, operator: Client) -> None:
    form: dict[str, Any] = {"why": "x", **HOME}
    codes = {operator.post(reverse(f"admin:canonical_order_{name}", args=[77]), form).status_code for name in BUTTONS}
    assert codes <= {302, 404} and not Action.objects.exists()
