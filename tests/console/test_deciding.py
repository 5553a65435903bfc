"""What people decide about an order: hold it, ship units once more, ship some no more. And what its page says of its life."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.facts import ChangeRaised, RefundStated
from canonical.ledger import Cause
from canonical.models import Abandonment, FulfilmentRequest, Hold, Location, Mapping, Order, Payment
from canonical.record import Stated
from canonical.types import RefundedLine
from retailsync.sync import clock, corridor
from retailsync.sync.models import Action, Case, Command
from tests.console.scene import Scene


def page(order: Order) -> str:
    return reverse("admin:canonical_order_change", args=[order.pk])


def press(client: Client, order: Order, button: str, **form: Any) -> Any:
    return client.post(
        reverse(f"admin:canonical_order_{button}", args=[order.pk]), {"why": "as agreed", **form}, follow=True
    )


def said(answer: Any) -> list[str]:
    return [str(m) for m in answer.context["messages"]]


def refund(scene: Scene, order: Order, ref: str = "900", units: int = 1, amount: str = "14.25") -> None:
    line = RefundedLine(line="1", units=units, total=Decimal("9.52"), tax=Decimal("2.00"))
    fact = RefundStated(
        occurred_at=clock.now(),
        ref=ref,
        order_ref=order.external_id,
        amount=Decimal(amount),
        reason="too blue",
        lines=(line,),
    )
    scene.tell(scene.shop, scene.message("refund.created", b"{}").pk, fact)


# ---- deciding ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("button", ["hold", "reship", "abandon"])
def test_who_may_decide(button: str, scene: Scene, stranger: Client, viewer: Client, client: Client) -> None:
    order = scene.order(1)
    assert press(client, order, button, reason="operator").redirect_chain[0][0].startswith("/admin/login/")
    assert [press(c, order, button, reason="operator").status_code for c in (stranger, viewer)] == [403, 403]
    assert viewer.get(reverse(f"admin:canonical_order_{button}", args=[order.pk])).status_code == 405
    assert "Hold the order" not in viewer.get(page(order)).content.decode()
    assert not Action.objects.exists()


def test_an_order_is_held_until_somebody_releases_it(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    assert said(press(operator, order, "hold", reason="fraud", why="card tested\0")) == ["The order is held."]
    hold = Hold.objects.get(reason="fraud")
    assert (hold.words, hold.placed_by, hold.blocks, hold.quiet) == ("card tested", "olga", True, False)
    assert Order.objects.get(pk=order.pk).stage == "on_hold"
    assert Action.objects.values_list("who", "what", "target_id", "why").get() == (
        "olga", "hold", order.pk, "suspected fraud: card tested",
    )  # fmt: skip
    text = operator.get(page(order)).content.decode()
    assert "card tested" in text and "by olga" in text
    assert "held for this reason already" in said(press(operator, order, "hold", reason="fraud"))[0]
    case = Case.objects.get(closed_at=None)
    operator.post(reverse("admin:sync_case_release", args=[case.pk]), {"why": "honest"})
    assert Order.objects.get(pk=order.pk).stage == "released"


@pytest.mark.parametrize(
    ("button", "form", "words"),
    [
        ("hold", {"reason": "totals"}, "choose a reason"),
        ("hold", {"reason": "operator", "why": " "}, "say why"),
        ("abandon", {}, "choose units of at least one line"),
        ("abandon", {"units_999999": "1"}, "choose units of at least one line"),
        ("abandon", {"units": "3"}, "only 2 of “MUG-BLUE” are left to ship"),
        ("reship", {"units": "1"}, "only 0 of “MUG-BLUE” are shipped"),
    ],
)
def test_what_cannot_be_decided_is_said(
    button: str, form: dict[str, str], words: str, scene: Scene, operator: Client
) -> None:
    order = scene.order(1)
    line = order.lines.get()
    given = {(f"units_{line.pk}" if name == "units" else name): text for name, text in form.items()}
    (text,) = said(press(operator, order, button, location=str(Location.objects.get().pk), **given))
    assert text.startswith("Nothing was changed: ") and words in text
    assert not Action.objects.exists() and not Hold.objects.exists() and FulfilmentRequest.objects.count() == 1


def test_remaining_units_are_given_up(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    line = order.lines.get()
    press(operator, order, "abandon", **{f"units_{line.pk}": "1"}, why="not made any more")
    line.refresh_from_db()
    assert (line.ordered, line.abandoned) == (2, 1)
    assert Abandonment.objects.values_list("units", "why", "by").get() == (1, "not made any more", "olga")
    assert "only 1 of" in said(press(operator, order, "abandon", **{f"units_{line.pk}": "2"}))[0]
    assert Action.objects.values_list("what", "why").get() == ("cancel units", "not made any more")


def test_what_was_lost_is_shipped_once_more(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    scene.shipped(order)
    line, place = order.lines.get(), Location.objects.get()
    for number in (2, 3):
        press(operator, order, "reship", **{f"units_{line.pk}": "1"}, location=str(place.pk), why="lost on the way")
        again = FulfilmentRequest.objects.latest("pk")
        assert (again.reference, again.purpose, again.attempt) == (f"F{order.pk}-{number}", "reship", number - 1)
        assert again.lines.values_list("line", "units").get() == (line.pk, 1)
        assert Command.objects.filter(kind="RequestFulfilment", subject_key=str(again.pk)).count() == 1
    assert not Case.objects.filter(closed_at=None).exists()
    assert "shipped once more" in operator.get(page(order)).content.decode()


def test_a_location_that_is_closed_ships_nothing(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    scene.shipped(order)
    Location.objects.update(active=False)
    form = {f"units_{order.lines.get().pk}": "1", "location": str(Location.objects.get().pk)}
    assert "ships nothing any more" in said(press(operator, order, "reship", **form))[0]


# ---- exceptions with a choice -----------------------------------------------------------------------------------------------
def test_goods_that_went_out_all_the_same_end_with_a_choice(scene: Scene, operator: Client) -> None:
    order = scene.order(1)
    held = Hold.objects.create(
        order=order, reason="shipped_after_cancel", detail="S-1", words="Shipped all the same.", blocks=False
    )
    case = scene.case(
        "hold", held.pk, scene.shop, order.pk, "order_to_fulfilment", "plan", "shipped_after_cancel", "S-1", "x"
    )
    url = reverse("admin:sync_case_release", args=[case.pk])
    text = operator.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert "It comes back: expect a return" in text and ">Release</button>" not in text
    operator.post(url, {"choice": "Write it off", "why": "worth two euros"})
    assert Action.objects.values_list("what", "why").get() == ("release", "Write it off. worth two euros")
    assert Case.objects.get(pk=case.pk).closed_by == "olga"


def test_only_a_choice_that_is_offered_counts(scene: Scene, operator: Client) -> None:
    case = scene.malformed()
    operator.post(reverse("admin:sync_case_release", args=[case.pk]), {"choice": "Write it off", "why": "fine"})
    assert Action.objects.get().why == "fine"


# ---- the page ---------------------------------------------------------------------------------------------------------------
def test_an_order_that_waits_says_why_and_until_when(scene: Scene, viewer: Client) -> None:
    Mapping.objects.create(kind="payment_method", key="ideal", value={"release": "paid", "grace_minutes": 60})
    order = scene.order(1)
    text = viewer.get(page(order)).content.decode()
    assert "Grace period" in text and "Nobody has to do anything; looked at again" in text and "waits by itself" in text
    until = Order.objects.get(pk=order.pk).look_at
    assert until is not None and until > clock.now() + timedelta(minutes=50) and f"{until:%Y-%m-%d %H:%M}" in text
    assert not Case.objects.exists()


def test_an_order_the_shop_did_not_accept_says_so(scene: Scene, viewer: Client) -> None:
    assert "The shop says “pending”" in viewer.get(page(scene.order(1, status="pending"))).content.decode()


def test_the_money_of_an_order(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    assert viewer.get(page(order)).context["money"][:2] == ("paid", "good")
    refund(scene, order)
    answer = viewer.get(page(order))
    assert answer.context["money"].state == "partially refunded" and answer.context["money"].refunded == Decimal(
        "14.25"
    )
    assert "too blue" in answer.content.decode() and "1 × MUG-BLUE" in answer.content.decode()
    Payment.objects.filter(order=order).update(kind="authorise")
    order.refunds.update(gone_at=clock.now())
    assert viewer.get(page(order)).context["money"].state == "authorised"


def test_changes_asked_of_a_warehouse_are_shown_with_their_answer(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    ask, line = FulfilmentRequest.objects.get(), order.lines.get()
    raised = ChangeRaised(
        occurred_at=clock.now(), order_id=order.pk, request_id=ask.pk, number=1, kind="amend", lines=((line.pk, 1),)
    )
    corridor.advance(0, [Stated(Cause("message", 1), raised)], clock.now())
    text = viewer.get(page(order)).content.decode()
    assert "asked to change it" in text and "1 × MUG-BLUE" in text


def test_bookings_and_plugins_texts_are_shown_in_words(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    Mapping.objects.create(kind="meta", key="_billing_vat", value={"field": "vat_id"})
    Order.objects.filter(pk=order.pk).update(meta={"_billing_vat": "NL001234567B01", "_colour": "<b>red</b>"})
    text = viewer.get(page(order)).content.decode()
    assert "not confirmed yet" in text and "WEB-1" in text
    assert "the customer&#x27;s VAT id" in text and "no meaning, left alone" in text and "<b>red</b>" not in text


def test_the_price_of_an_orders_page_does_not_grow_with_its_life(
    scene: Scene, operator: Client, queries: Callable[[Client, str], int]
) -> None:
    order = scene.order(1)
    scene.shipped(order)
    refund(scene, order, "1", 0, "1.00")
    form = {f"units_{order.lines.get().pk}": "1", "location": str(Location.objects.get().pk)}
    press(operator, order, "reship", **form)
    one = queries(operator, page(order))
    for number in (2, 3):
        refund(scene, order, str(number), 0, "1.00")
        press(operator, order, "reship", **form)
    assert queries(operator, page(order)) == one
