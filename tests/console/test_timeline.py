"""What happened, across all systems in one order of time, and where the time went."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Entry, Order, Shipment, Sku
from retailsync.console import gaps, part
from retailsync.sync import clock, deciding
from retailsync.sync.models import Action, Case, Command, Message
from tests.console.conftest import person
from tests.console.scene import HOSTILE, Scene

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def page(client: Client, kind: str, pk: int, query: str = "") -> Any:
    return client.get(reverse("timeline", args=[kind, pk]) + query)


def told(answer: Any) -> list[str]:
    return [f"{item['step'].who}: {item['step'].what}" for item in answer.context["steps"]]


@pytest.fixture
def sold(scene: Scene) -> Order:
    """An order that went wrong, was held and released, and was shipped."""
    order = scene.order(1042)
    scene.parked(order)
    deciding.hold(order.pk, "operator", "look at the address", "olga")
    scene.shipped(order)
    return order


# ---- an order ---------------------------------------------------------------------------------------------------------------
def test_an_order_step_by_step(sold: Order, viewer: Client) -> None:
    answer = page(viewer, "order", sold.pk)
    found = told(answer)
    for step in (
        "Web shop: said order.updated", "retailsync: put out: Create order for Odoo", "olga: hold", "Odoo: parked: Create order",
        "retailsync: exception: Odoo did not accept the order: tax 21 % is archived.", "Web shop: said shipment",
    ):  # fmt: skip
        assert step in found, (step, found)
    assert found.index("Web shop: said order.updated") < found.index("olga: hold")
    assert [i["step"].at for i in answer.context["steps"]] == sorted(i["step"].at for i in answer.context["steps"])


def test_each_step_opens_what_it_is_made_of(sold: Order, viewer: Client) -> None:
    content = page(viewer, "order", sold.pk).content.decode()
    row = Command.objects.get(kind="CreateOrder")
    for kind, pk in (("sync_command", row.pk), ("sync_attempt", row.exchanges[0])):
        assert reverse(f"admin:{kind}_change", args=[pk]) in content
    text = " ".join(content.split())
    assert "received → <strong>released</strong>" in text or "<strong>released</strong>" in text
    assert "<script>alert" not in content and HOSTILE not in content


def test_what_is_recorded_together_is_one_step(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    recorded = [i["step"] for i in page(viewer, "order", order.pk).context["steps"] if i["step"].changes]
    assert len(recorded) == 1 and len(recorded[0].changes) > 3 and "more" in recorded[0].what


def test_only_what_one_may_see(sold: Order, client: Client, stranger: Client) -> None:
    assert page(client, "order", sold.pk).url.startswith("/admin/login/")
    assert page(stranger, "order", sold.pk).status_code == 403
    narrow = page(person("narrow", "view_order"), "order", sold.pk)
    assert told(narrow) == ["olga: hold"] and narrow.context["gaps"]
    assert page(person("skus", "view_sku"), "order", sold.pk).status_code == 403


def test_what_is_not_there(sold: Order, boss: Client) -> None:
    assert page(boss, "order", 999_999).status_code == 404 and page(boss, "unicorn", sold.pk).status_code == 404


def parts(client: Client, kind: str, pk: int) -> list[Any]:
    """Every part of a timeline, the newest first."""
    found = [page(client, kind, pk)]
    while before := found[-1].context["earlier"]:
        found.append(page(client, kind, pk, f"?before={before}"))
    return found


def beside(answers: list[Any]) -> list[str]:
    """What stands beside the ledger's entries; once what is their cause, which is told again with more of them."""
    found = [i["step"] for answer in answers for i in answer.context["steps"] if not i["step"].changes]
    told = [(step.who, step.what, step.at, step.what.startswith("said") or step.tone == "warn") for step in found]
    return sorted(
        [f"{who}: {what} {at}" for who, what, at, cause in told if not cause]
        + list({f"{who}: {what} {at}" for who, what, at, cause in told if cause})
    )


@pytest.mark.parametrize("most", [1, 2, 3, 6])
def test_parts_lose_nothing(most: int, sold: Order, viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ago = clock.now() - timedelta(hours=2)
    Message.objects.filter(topic="shipment").update(received_at=ago)  # recorded only now
    replay = Action.objects.create(who="rita", what="release", target_kind="replay", target_id=7, at=ago)
    last = Entry.objects.filter(order_id=sold.pk).order_by("-pk")[0]
    Entry.objects.filter(pk=last.pk).update(cause_kind="action", cause_id=replay.pk)  # carried out only now
    whole = page(viewer, "order", sold.pk)
    monkeypatch.setattr(part, "MOST", most)
    found = parts(viewer, "order", sold.pk)
    assert "What happened earlier" in found[0].content.decode() and len(found) > 2
    assert beside(found) == beside([whole])


def test_each_part_has_its_own_exceptions(sold: Order, viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    Case.objects.bulk_create(
        Case(target_kind="hold", target_id=n, order_id=sold.pk, words="Again.", opened_at=now, closed_at=now, cause="x")
        for n in range(9000, 9120)
    )
    monkeypatch.setattr(part, "MOST", 3)
    found = [step for answer in parts(viewer, "order", sold.pk) for step in told(answer)]
    assert "retailsync: exception: Odoo did not accept the order: tax 21 % is archived." in found


def test_there_is_nothing_below_the_first(sold: Order, viewer: Client) -> None:
    for before in ("1", "0", "x", "-1", "9" * 30):
        assert page(viewer, "order", sold.pk, f"?before={before}").status_code == 200, before
    assert told(page(viewer, "order", sold.pk, "?before=1")) == []


def test_a_busy_subject_is_told_to_its_beginning(scene: Scene, boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sku = Sku.objects.get(code="MUG-BLUE")
    Entry.objects.bulk_create(
        Entry(
            subject_kind="sku", subject_id=sku.pk, version=n, event="stated", state={"code": str(n)}, cause_kind="message", cause_id=n,
            occurred_at=at(n), recorded_at=at(n),
        )
        for n in range(1000, 1250)
    )  # fmt: skip
    monkeypatch.setattr(part, "MOST", 125)
    found = parts(boss, "sku", sku.pk)
    assert [len(answer.context["steps"]) for answer in found] == [125, 125]


@pytest.mark.parametrize("kind", ["order", "sku", "shipment", "customer"])
def test_the_price_does_not_grow(
    kind: str, scene: Scene, viewer: Client, queries: Callable[[Client, str], int]
) -> None:
    def row(number: int) -> None:
        order = scene.order(number)
        scene.shipped(order)
        scene.parked(order)

    def price() -> int:
        first = {"order": Order, "sku": Sku.objects.filter(code="MUG-BLUE"), "shipment": Shipment, "customer": Order}[
            kind
        ]
        found = getattr(first, "objects", first).order_by("pk")[0]
        return queries(viewer, reverse("timeline", args=[kind, found.customer_id if kind == "customer" else found.pk]))

    row(1)
    one = price()
    row(2), row(3)
    scene.message("x", b"{}")
    assert price() == one <= 20


# ---- others -----------------------------------------------------------------------------------------------------------------
def test_a_shipment(sold: Order, viewer: Client) -> None:
    answer = page(viewer, "shipment", Shipment.objects.get().pk)
    assert "retailsync: put out: Send tracking for Web shop" in told(answer)
    assert answer.context["gaps"][0].what == "left the building → we were told"


def test_a_customer(scene: Scene, viewer: Client) -> None:
    first, second = scene.order(1), scene.order(2)
    scene.shipped(second)
    found = told(page(viewer, "customer", first.customer_id))
    assert {"Web shop: WEB-1 placed", "Web shop: WEB-2 placed", "Northpick: WEB-2 shipped"} <= set(found)


def test_pages_lead_to_their_timelines(sold: Order, boss: Client) -> None:
    pages = {"order": ("canonical_order", sold.pk), "customer": ("canonical_customer", sold.customer_id),
             "shipment": ("canonical_shipment", Shipment.objects.get().pk), "sku": ("canonical_sku", sold.lines.get().sku_id)}  # fmt: skip
    for kind, (model, pk) in pages.items():
        content = boss.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()
        assert reverse("timeline", args=[kind, pk]) in content, kind


# ---- where the time went ----------------------------------------------------------------------------------------------------
def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_stretches_are_judged_by_what_is_promised() -> None:
    moments = (
        ("heard", at(0), None),
        ("released", at(4), FIVE),
        ("in the ERP", at(14), FIVE),
        ("shipped", at(600), None),
        ("shown", at(700), FIVE),
    )
    found = [(g.what, g.length, g.tone, g.open) for g in gaps.gaps(moments, at(1000), ended=True)]
    assert found == [
        ("heard → released", "4 min", "good", False), ("released → in the ERP", "10 min", "warn", False),
        ("in the ERP → shipped", "9.8 h", "", False), ("shipped → shown", "1.7 h", "bad", False),
    ]  # fmt: skip


def test_what_has_not_come_runs_until_now() -> None:
    moments = (("heard", at(0), None), ("released", None, FIVE), ("in the ERP", None, FIVE))
    assert [(g.what, g.length, g.tone, g.open) for g in gaps.gaps(moments, at(20), ended=False)] == [
        ("heard → released", "20 min", "bad", True)
    ]
    assert gaps.gaps(moments, at(20), ended=True) == []


def test_the_bar_is_filled() -> None:
    moments = (("a", at(0), None), ("b", at(0.01), FIVE), ("c", at(5000), None))
    found = gaps.gaps(moments, at(5000), ended=True)
    assert abs(sum(g.width for g in found) - gaps.WIDTH) < 1 and min(g.width for g in found) > 20
