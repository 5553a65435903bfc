"""What staff decide per shop and per system is asked in words, with its defaults in sight."""

from datetime import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Hold, Listing, Location, Order, ShopPolicy, System
from retailsync.sync.cases import Opening, open_all
from retailsync.sync.models import Action, ApprovalLimit, Case
from tests.console.conftest import person
from tests.console.scene import Scene, _stated
from tests.console.test_systems import page, save

ADD = "/admin/canonical/shoppolicy/add/"
CHOSEN: dict[str, Any] = {
    "on_short": "ship_available", "on_amendment_refused": "ask", "erp_acceptance": "after", "erp_minutes": "15", "guests": "collective",
    "notice_hours": "48", "split": "units",
}  # fmt: skip


def test_a_shop_gets_a_policy_with_history(scene: Scene, boss: Client) -> None:
    form = boss.get(f"{ADD}?channel={scene.shop.pk}").content.decode()
    assert "Default: ask a person." in form and "Odoo</option>" not in form
    assert boss.post(ADD, {"channel": scene.shop.pk, **CHOSEN}).status_code == 302
    policy = ShopPolicy.objects.get()
    assert {name: str(getattr(policy, name)) for name in CHOSEN} == CHOSEN
    url = reverse("admin:canonical_shoppolicy_change", args=[policy.pk])
    boss.post(url, {**CHOSEN, "guests": "per_order"})
    assert [h.guests for h in policy.history.all()] == ["per_order", "collective"]
    assert "boss" in boss.get(reverse("admin:canonical_shoppolicy_history", args=[policy.pk])).content.decode()
    assert "15 minutes" in boss.get("/admin/canonical/shoppolicy/").content.decode()


def test_what_is_wrong_is_said_in_the_form(scene: Scene, boss: Client) -> None:
    answer = boss.post(ADD, {"channel": scene.shop.pk, **CHOSEN, "notice_hours": "0"})
    assert "greater than or equal to 1" in str(answer.context["adminform"].form.errors["notice_hours"])


@pytest.mark.parametrize("typed", ["-1", "100.01", "a", "0.001"])
def test_a_tolerance_is_bounded(typed: str, scene: Scene, boss: Client) -> None:
    answer = boss.post(ADD, {"channel": scene.shop.pk, **CHOSEN, "tolerance": typed})
    assert answer.context["adminform"].form.errors["tolerance"] and not ShopPolicy.objects.exists()


def test_orders_within_a_new_tolerance_go_on(scene: Scene, boss: Client) -> None:
    fact = _stated(1, "MUG-BLUE", "processing", "Testa")
    for number, more in ((1, "1.50"), (2, "2.50")):
        stated = msgspec.structs.replace(fact, ref=str(number), number=str(number), total=fact.total + Decimal(more))
        scene.tell(scene.shop, 1, stated)
    boss.post(ADD, {"channel": scene.shop.pk, **CHOSEN})
    policy = ShopPolicy.objects.get()
    assert Hold.objects.filter(reason="totals", lifted_at=None).count() == 2 and not Action.objects.exists()
    url = reverse("admin:canonical_shoppolicy_change", args=[policy.pk])
    answer = boss.post(url, {**CHOSEN, "tolerance": "2"}, follow=True)
    assert "1 order held for its totals may go on." in answer.content.decode()
    assert [o.stage for o in Order.objects.order_by("pk")] == ["released", "on_hold"]
    assert Action.objects.values_list("who", "what", "why").get() == ("boss", "set tolerance", "0.00 → 2")
    assert [str(h.tolerance) for h in policy.history.all()] == ["2.00", "0.00"]
    boss.post(url, {**CHOSEN, "tolerance": ""})
    assert [o.stage for o in Order.objects.order_by("pk")] == ["released", "on_hold"]


def test_more_orders_than_one_person_may_let_go_keep_their_tolerance(scene: Scene, boss: Client) -> None:
    ApprovalLimit.objects.create(pk=1, exceptions=1)
    fact = _stated(1, "MUG-BLUE", "processing", "Testa")
    for number in (1, 2):
        scene.tell(
            scene.shop, 1, msgspec.structs.replace(fact, ref=str(number), number=str(number), total=fact.total + 1)
        )
    answer = boss.post(ADD, {"channel": scene.shop.pk, **CHOSEN, "tolerance": "2"})
    assert "take a second person" in answer.content.decode() and not ShopPolicy.objects.exists()
    assert {o.stage for o in Order.objects.all()} == {"on_hold"}


def test_a_shops_page_says_how_its_orders_are_treated(scene: Scene, boss: Client) -> None:
    text = boss.get(page(scene.shop)).content.decode()
    assert "How its orders are treated" in text and f"{ADD}?channel={scene.shop.pk}" in text
    assert "How its orders are treated" not in boss.get(page(scene.erp)).content.decode()
    narrow = person("narrow", "view_system", "view_shoppolicy").get(page(scene.shop)).content.decode()
    assert "cancel the request and make a new one" in narrow and ADD not in narrow


def test_what_a_system_cannot_take_is_a_form(scene: Scene, boss: Client) -> None:
    assert "Longest reference" in boss.get(page(scene.warehouse)).content.decode()
    limits = {
        "means_reference": "20",
        "means_countries": "nl, be",
        "means_charset": "ascii",
        "means_phone_required": "on",
    }
    answer = save(boss, scene.warehouse, settings='{"url": "https://northpick.example.com/hook"}', **limits)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert System.objects.get(pk=scene.warehouse.pk).limits == {
        "reference": 20, "name": 0, "line": 0, "city": 0, "phone_required": True, "charset": "ascii", "countries": ["BE", "NL"],
        "street_required": False, "postcode_required": False,
    }  # fmt: skip
    wrong = save(
        boss, scene.warehouse, settings='{"url": "https://northpick.example.com/hook"}', means_countries="Belgium"
    )
    assert "two letters" in str(wrong.context["adminform"].form.errors["means_countries"])
    assert 'value="BE, NL"' in boss.get(page(scene.warehouse)).content.decode()


def test_a_location_says_when_its_goods_leave(scene: Scene, boss: Client) -> None:
    place = Location.objects.get()
    url = reverse("admin:canonical_location_change", args=[place.pk])
    form = boss.get(url).content.decode()
    assert "ERP that is told" in form and "Cut-off" in form
    given = {"code": place.code, "name": place.name, "kind": place.kind, "executor": place.executor_id, "active": "on"}
    wrong = boss.post(url, {**given, "timezone": "Mars/Olympus", "working_days": "128", "told": scene.shop.pk})
    assert set(wrong.context["adminform"].form.errors) == {"timezone", "working_days", "told"}
    right = {**given, "timezone": "Europe/Amsterdam", "working_days": "6123", "cut_off": "15:00", "told": scene.erp.pk}
    assert boss.post(url, right).status_code == 302
    place.refresh_from_db()
    assert (place.timezone, place.working_days, place.cut_off, place.told_id) == (
        "Europe/Amsterdam", "1236", time(15), scene.erp.pk,
    )  # fmt: skip


def test_publishing_stock_is_switched_on_with_its_scheduled_runs(scene: Scene, boss: Client) -> None:
    from django_celery_beat.models import PeriodicTask

    boss.post(
        ADD, {"channel": scene.shop.pk, **CHOSEN, "publish_stock": "on", "quiet_from": "22:00", "quiet_until": "06:00"}
    )
    policy = ShopPolicy.objects.get()
    assert (policy.publish_stock, str(policy.quiet_from), str(policy.quiet_until)) == (True, "22:00:00", "06:00:00")
    names = PeriodicTask.objects.filter(task="sync.publish_run").values_list("name", flat=True)
    assert sorted(names) == [f"stock of {scene.shop.slug}: {kind}" for kind in ("delta", "full")]


def test_switching_publishing_off_ends_what_it_asked_people_for(scene: Scene, boss: Client) -> None:
    """The exception that asks to have a product counted in the shop stayed open for ever."""
    policy = ShopPolicy.objects.create(channel=scene.shop, publish_stock=True)
    for reason in ("stock_not_managed", "stock_not_taken"):
        listing = Listing.objects.create(channel=scene.shop, external_id=reason, managed=False, target=3)
        open_all([Opening("listing", listing.pk, scene.shop.pk, None, "inventory", "send", reason, reason, "…")])
    url = reverse("admin:canonical_shoppolicy_change", args=[policy.pk])
    assert boss.post(url, {"channel": scene.shop.pk, **CHOSEN}).status_code == 302
    assert list(Case.objects.filter(closed_at=None).values_list("reason", flat=True)) == ["stock_not_taken"]
    assert "not published" in boss.get(reverse("admin:canonical_shoppolicy_changelist")).content.decode()
