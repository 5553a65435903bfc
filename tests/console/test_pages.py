"""Every page opens for who may see it, shows hostile data as text, and costs the same for one row as for three."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import Entry
from retailsync.console import words
from retailsync.sync.models import Attempt, Case, Command, Message
from tests.console.scene import HOSTILE, Scene, morning

READ_ONLY = (
    *("sync_case", "sync_message", "sync_command", "sync_attempt"),
    *(
        "canonical_order",
        "canonical_shipment",
        "canonical_entry",
        "canonical_product",
        "canonical_link",
        "canonical_customer",
    ),
)
LISTS = (
    *READ_ONLY, "canonical_system", "canonical_location", "canonical_sourcing", "canonical_sku", "canonical_mapping",
    "canonical_shoppolicy",
)  # fmt: skip


def listed(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + query


@pytest.mark.parametrize("model", LISTS)
def test_who_may_see_a_list(model: str, client: Client, stranger: Client, viewer: Client, boss: Client) -> None:
    assert client.get(listed(model)).url.startswith("/admin/login/")
    assert [c.get(listed(model)).status_code for c in (stranger, viewer, boss)] == [403, 200, 200]


@pytest.mark.parametrize("model", [*LISTS, "auth_user", "auth_group", "django_celery_beat_periodictask"])
def test_an_empty_list_says_so_in_words(model: str, boss: Client) -> None:
    page = boss.get(listed(model, "?q=nothing-like-this" if model == "auth_user" else "")).content.decode()
    assert 'class="rs-empty"' in page


def test_every_row_has_a_page(boss: Client, stranger: Client, db: None) -> None:
    morning()
    for model in LISTS:
        rows = boss.get(listed(model)).context["cl"].result_list
        assert rows, model
        for row in rows:
            url = reverse(f"admin:{model}_change", args=[row.pk])
            assert boss.get(url).status_code == 200, url
        assert stranger.get(url).status_code == 403


@pytest.mark.parametrize("model", READ_ONLY)
def test_hot_rows_cannot_be_written(model: str, boss: Client, db: None) -> None:
    morning()
    (row, *_) = boss.get(listed(model)).context["cl"].result_list
    for page in ("change", "delete"):
        assert boss.post(reverse(f"admin:{model}_{page}", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert boss.post(reverse(f"admin:{model}_add"), {}).status_code == 403


def test_the_price_of_a_list_does_not_grow_with_its_rows(
    scene: Scene, viewer: Client, queries: Callable[[Client, str], int]
) -> None:
    def row(number: int) -> None:
        order = scene.order(number)
        scene.parked(order)
        scene.malformed()
        scene.shipped(order)

    row(1)
    one = {model: queries(viewer, listed(model)) for model in LISTS}
    row(2)
    row(3)
    assert {model: queries(viewer, listed(model)) for model in LISTS} == one
    assert max(one.values()) <= 12


def test_the_price_of_an_order_page_does_not_grow(
    scene: Scene, viewer: Client, queries: Callable[[Client, str], int]
) -> None:
    order = scene.order(1)
    url = reverse("admin:canonical_order_change", args=[order.pk])
    scene.shipped(order)
    scene.parked(order)
    price = queries(viewer, url)
    Command.objects.create(
        system=scene.erp, kind="ConfirmOrder", subject_kind="order", subject_key=str(order.pk), purpose="confirm:1", payload={},
        order_id=order.pk, cause_kind="message", cause_id=1,
    )  # fmt: skip
    assert queries(viewer, url) == price


def test_the_price_of_the_first_page(scene: Scene, boss: Client, queries: Callable[[Client, str], int]) -> None:
    empty = queries(boss, "/admin/")
    for number in (1, 2, 3):
        scene.parked(scene.order(number))
    assert queries(boss, "/admin/") == empty <= 12


def test_bodies_are_text(scene: Scene, boss: Client) -> None:
    case = scene.malformed(f'{{"note": "{HOSTILE}", "total": 10.10}}'.encode())
    raw = scene.message("x", HOSTILE.encode() + b"\xff\x00", "received")
    parked = scene.parked(scene.order(1, name=HOSTILE))
    Case.objects.filter(pk=case.pk).update(words=HOSTILE)
    urls = [reverse("admin:sync_case_change", args=[pk]) for pk in (case.pk, parked.pk)]
    urls += [reverse("admin:sync_message_change", args=[pk]) for pk in (case.target_id, raw.pk)]
    urls += [reverse("admin:sync_attempt_change", args=[Attempt.objects.get().pk])]
    urls += [reverse("admin:canonical_order_change", args=[scene.orders[0].pk]), listed("sync_case"), "/admin/"]
    for url in urls:
        page = boss.get(url).content.decode()
        assert "<script>alert" not in page and "<img src=x" not in page, url
    assert "10.10" in boss.get(urls[0]).content.decode()


def test_a_partners_tracking_address_may_only_lead_to_the_web() -> None:
    assert words.outside("javascript:alert(1)", "3S1") == "3S1"
    assert words.outside("http://[", "3S1") == "3S1"
    assert 'href="https://a.example/?a=1&amp;b=2"' in words.outside("https://a.example/?a=1&b=2", "3S1")


def test_trouble_is_for_superusers(scene: Scene, viewer: Client, boss: Client) -> None:
    case = scene.malformed()
    for url in (
        reverse("admin:sync_message_change", args=[case.target_id]),
        reverse("admin:sync_case_change", args=[case.pk]),
    ):
        assert "secret place" in boss.get(url).content.decode()
        assert "secret place" not in viewer.get(url).content.decode()


def test_an_exception_shows_only_what_the_person_may_see(scene: Scene) -> None:
    from tests.console.conftest import person

    case = scene.malformed()
    page = person("narrow", "view_case").get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert "You may not see messages" in page and "10.10" not in page and "Release" not in page


def test_a_blocked_command_names_what_it_waits_for(scene: Scene, viewer: Client) -> None:
    order = scene.order(1)
    scene.parked(order)
    first = Command.objects.get(kind="CreateOrder")
    later = Command.objects.create(
        system=scene.erp, kind="ConfirmOrder", subject_kind="order", subject_key=str(order.pk), purpose="confirm:1", payload={},
        order_id=order.pk, cause_kind="message", cause_id=1,
    )  # fmt: skip
    for url in (listed("sync_command"), reverse("admin:sync_command_change", args=[later.pk])):
        assert f"blocked by #{first.pk}" in viewer.get(url).content.decode()


def test_orders_and_exceptions_are_found(scene: Scene, viewer: Client) -> None:
    for number in (1042, 1043):
        scene.order(number, sku="CAP-RED", name=f"Name{number}")

    def found(model: str, query: str) -> list[str]:
        return [str(row) for row in viewer.get(listed(model, f"?q={query}")).context["cl"].result_list]

    assert found("canonical_order", "WEB-1042") == found("canonical_order", "1042") == ["WEB-1042"]
    assert found("canonical_order", "NAME1043@example.com") == ["WEB-1043"]
    assert found("canonical_order", "eb-104") == ["WEB-1043", "WEB-1042"]
    assert len(found("sync_case", "CAP-RED")) == 2 and len(found("sync_case", "WEB-1042")) == 1
    assert found("sync_command", "99999999999999999999999999") == []
    assert len(found("canonical_entry", "WEB-1042")) == Entry.objects.filter(order_id=scene.orders[0].pk).count()


def test_times_are_told_exactly_on_hover(scene: Scene, viewer: Client) -> None:
    row = scene.message("x", b"{}")
    page = viewer.get(listed("sync_message")).content.decode()
    assert f'title="{Message.objects.get(pk=row.pk).received_at:%Y-%m-%d %H:%M:%S.%f} UTC"' in page
