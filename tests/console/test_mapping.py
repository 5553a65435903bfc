"""Words of shops get a meaning by a form, and the orders that waited for them go on together."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.mappings import SHAPES, Limits
from canonical.models import Hold, Mapping, Order, System
from retailsync.console import meanings
from retailsync.sync import deciding
from retailsync.sync.models import Action, Case, Group
from tests.console.conftest import meant, person
from tests.console.scene import Scene

ADD = "/admin/canonical/mapping/add/"
IDEAL = {"channel": "", "key": "ideal", "means_release": "paid", "why": "as agreed"}


@pytest.fixture
def keeper(db: None) -> Client:
    """Who may give words a meaning and work on exceptions."""
    return person(
        "kim",
        "view_mapping",
        "add_mapping",
        "change_mapping",
        "delete_mapping",
        "view_case",
        "change_case",
        "view_order",
        "view_group",
        "view_replay",
    )


def in_use(kind: str = "payment_method", key: str = "other", **value: Any) -> Mapping:
    """A table with one word, so that every other word is asked for."""
    return Mapping.objects.create(kind=kind, key=key, value=value)


def add(client: Client, kind: str, **form: Any) -> Any:
    return client.post(f"{ADD}?kind={kind}", {"channel": "", "why": "", **form}, follow=True)


def said(answer: Any) -> list[str]:
    return [str(m) for m in answer.context["messages"]]


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


@pytest.mark.parametrize("shape", [*SHAPES.values(), Limits])
def test_every_field_of_every_shape_is_asked_for_in_words(shape: Any) -> None:
    made = meanings.fields(shape)
    assert {name.removeprefix(meanings.PREFIX) for name in made} == set(shape.__struct_fields__)
    assert all(field.label for field in made.values())


@pytest.mark.parametrize("kind", SHAPES)
def test_each_table_has_a_form_and_a_page_of_what_orders_use(kind: str, scene: Scene, keeper: Client) -> None:
    scene.order(1)
    assert keeper.get(f"{ADD}?kind={kind}&key=x&channel={scene.shop.pk}").status_code == 200
    page = keeper.get(reverse("admin:canonical_mapping_coverage", args=[kind])).content.decode()
    assert "This table is not in use for Web shop" in page


def test_a_form_begins_with_what_holds_already(scene: Scene, keeper: Client) -> None:
    form = keeper.get(f"{ADD}?kind=payment_method&key=BACS").context["adminform"].form
    assert (form["means_expires_days"].value(), form["means_remind_days"].value()) == (7, 5)


def test_without_a_table_people_are_asked_which(keeper: Client) -> None:
    page = keeper.get(ADD).content.decode()
    assert all(f"?kind={kind}" in page for kind in SHAPES)


def test_what_is_saved_is_what_the_form_said(scene: Scene, keeper: Client) -> None:
    add(keeper, "payment_method", **{**IDEAL, "means_grace_minutes": "30", "means_journal": "BNK"})
    row = Mapping.objects.get()
    assert (row.kind, row.channel, row.key, row.version) == ("payment_method", None, "ideal", 1)
    assert row.value == {
        "release": "paid", "grace_minutes": 30, "expires_days": 0, "remind_days": 0, "authorised_days": 7, "journal": "BNK", "terms": "",
    }  # fmt: skip
    assert Action.objects.values_list("who", "what", "target_id").get() == ("kim", "map word", row.pk)
    assert (
        Action.objects.get().why
        == "payment method ideal: goes on once it is paid, 30 min grace, journal BNK. as agreed"
    )


def test_each_save_is_a_version_with_history(scene: Scene, keeper: Client) -> None:
    add(keeper, "tax", key="NL-21", means_erp="21% G")
    row = Mapping.objects.get()
    url = reverse("admin:canonical_mapping_change", args=[row.pk])
    assert keeper.post(url, {"means_erp": "21% S", "why": "services", "key": "changed"}).status_code == 302
    row.refresh_from_db()
    assert (row.key, row.value, row.version) == ("NL-21", {"erp": "21% S"}, 2)
    past = [(h.version, h.value["erp"], h.history_user.get_username()) for h in row.history.all()]
    assert past == [(2, "21% S", "kim"), (1, "21% G", "kim")]
    page = keeper.get(reverse("admin:canonical_mapping_history", args=[row.pk])).content.decode()
    assert "21% G in the ERP" in page and "services" in page
    first = reverse("admin:canonical_mapping_simple_history", args=[row.pk, row.history.last().history_id])
    assert 'value="21% G"' in keeper.get(first).content.decode()
    assert keeper.post(first, {"means_erp": "21% G", "why": "back"}).status_code == 302
    row.refresh_from_db()
    assert (row.value, row.version) == ({"erp": "21% G"}, 3)


@pytest.mark.parametrize(
    ("kind", "form", "field", "words"),
    [
        ("place", {"key": "DE", "means_country": "Germany"}, "means_country", "two letters"),
        ("payment_method", {**IDEAL, "means_grace_minutes": "-1"}, "means_grace_minutes", "greater than or equal to 0"),
        ("tax", {"key": "NL-21"}, "means_erp", "required"),
        ("shop_status", {"key": "wc-x", "means_status": ""}, "means_status", "required"),
        ("shop_status", {"key": "wc-x", "means_status": "unknown"}, "means_status", "not one of the available choices"),
        ("meta", {"key": " ", "means_field": "note"}, "key", "required"),
        ("tax", {"key": "OTHER", "means_erp": "x"}, "key", "has a meaning for all shops already"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    kind: str, form: dict[str, str], field: str, words: str, scene: Scene, keeper: Client
) -> None:
    in_use("tax", erp="21% G")
    assert words in str(errors(add(keeper, kind, **form))[field])
    assert Mapping.objects.count() == 1


def test_a_row_nobody_understands_says_so_and_can_be_saved_again(scene: Scene, keeper: Client) -> None:
    row = in_use("tax", colour="red")
    assert "not understood" in keeper.get("/admin/canonical/mapping/").content.decode()
    url = reverse("admin:canonical_mapping_change", args=[row.pk])
    assert keeper.get(url).status_code == 200
    answer = keeper.post(url, {"means_erp": "21% G"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Mapping.objects.get().value == {"erp": "21% G"}


def test_who_may_give_words_a_meaning(scene: Scene, stranger: Client) -> None:
    row = in_use("tax", erp="21% G")
    reader = person("reader", "view_mapping")
    pages = ["/admin/canonical/mapping/", reverse("admin:canonical_mapping_change", args=[row.pk])]
    pages += [reverse("admin:canonical_mapping_coverage", args=["tax"])]
    assert [[c.get(url).status_code for url in pages] for c in (stranger, reader)] == [[403] * 3, [200] * 3]
    assert "means_erp" not in reader.get(pages[1]).content.decode()
    assert [reader.get(url).status_code for url in (ADD, f"{ADD}?kind=tax")] == [403, 403]
    assert reader.post(pages[1], {"means_erp": "x"}).status_code == 403
    assert Mapping.objects.get().value == {"erp": "21% G"}


# ---- orders that wait -------------------------------------------------------------------------------------------------------
def press(client: Client, case: Case, **form: str) -> Any:
    return meant(client, case, channel=case.system_id, **form)


def test_a_word_is_mapped_on_the_exception_and_all_that_wait_go_on(scene: Scene, keeper: Client) -> None:
    in_use()
    orders = [scene.order(number) for number in (1, 2, 3)]
    case = Case.objects.filter(reason="method_mapping").latest("pk")
    group = reverse("admin:sync_group_change", args=[Group.objects.get(cause=case.cause).pk])
    assert group in keeper.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert 'value="ideal"' in keeper.get(group).content.decode()
    page = press(keeper, case, key="ideal", means_release="paid", why="asked the shop").content.decode()
    assert "Payment methods: “ideal” of Web shop means" in page
    assert not Case.objects.filter(closed_at=None).exists()
    assert {Order.objects.get(pk=o.pk).stage for o in orders} == {"released"}
    assert Mapping.objects.get(key="ideal").channel == scene.shop
    assert "asked the shop" in Action.objects.filter(what="map word").latest("pk").why


def test_saving_in_the_list_lets_them_go_on_too_and_says_who_still_waits(scene: Scene, keeper: Client) -> None:
    in_use("shipping_method")
    scene.order(1), scene.order(2)
    Hold.objects.filter(order=scene.orders[1]).update(detail="shipping_method flat_rate:Flat rate")
    in_use("tax", erp="x")
    answer = add(keeper, "shipping_method", key="flat_rate", means_carrier="PostNL", means_ships="on")
    assert said(answer)[:1] == ["2 orders that waited for this go on."]
    assert set(Case.objects.filter(closed_at=None).values_list("reason", flat=True)) == {"tax_mapping"}
    assert said(add(keeper, "tax", key="DE-19", means_erp="19%"))[0] == "2 still wait for other words: taxes."


def test_a_word_for_one_shop_moves_only_its_orders(scene: Scene, keeper: Client) -> None:
    in_use()
    scene.order(1)
    other = System.objects.create(slug="b", name="B", connector="woocommerce", roles=["channel"])
    assert said(add(keeper, "payment_method", **{**IDEAL, "channel": other.pk}))[0].startswith("The mapping")
    assert Case.objects.filter(closed_at=None).count() == 1


def test_taking_the_last_word_away_puts_the_table_out_of_use(scene: Scene, keeper: Client) -> None:
    row = in_use()
    scene.order(1)
    assert Case.objects.filter(closed_at=None).count() == 1
    keeper.post(reverse("admin:canonical_mapping_delete", args=[row.pk]), {"post": "yes"})
    assert not Case.objects.filter(closed_at=None).exists()
    assert Action.objects.get().what == "drop word"


def test_another_grace_moves_those_that_wait_out_the_old_one(scene: Scene, keeper: Client) -> None:
    row = in_use(key="ideal", grace_minutes=60)
    order = scene.order(1)
    assert Order.objects.get(pk=order.pk).stage == "on_hold"
    keeper.post(
        reverse("admin:canonical_mapping_change", args=[row.pk]), {"means_release": "paid", "means_grace_minutes": "0"}
    )
    assert Order.objects.get(pk=order.pk).stage == "released"


def test_many_that_wait_are_left_to_the_sweep(scene: Scene, keeper: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "AT_ONCE", 1)
    in_use()
    orders = [scene.order(number) for number in (1, 2, 3)]
    add(keeper, "payment_method", **IDEAL)
    assert [Order.objects.get(pk=o.pk).look_at is None for o in orders] == [True, False, False]
    assert Case.objects.filter(closed_at=None).count() == 2


def test_a_status_is_never_guessed(scene: Scene, keeper: Client) -> None:
    orders = [scene.order(number, status="unknown") for number in (1, 2)]
    case = Case.objects.filter(reason="unknown_status").latest("pk")
    answer = press(keeper, case, key="unknown", means_status="")
    assert answer.status_code == 200 and "This field is required." in answer.content.decode()
    assert not Mapping.objects.exists()
    press(keeper, case, key="unknown", means_status="processing")
    assert {Order.objects.get(pk=o.pk).shop_status for o in orders} == {"processing"}
    assert not Case.objects.filter(closed_at=None).exists()
    assert Mapping.objects.get().value == {"status": "processing"}


def test_only_who_may_keep_words_is_offered_the_form(scene: Scene, operator: Client, keeper: Client) -> None:
    in_use()
    scene.order(1)
    case = Case.objects.get()
    group = reverse("admin:sync_group_change", args=[Group.objects.get(cause=case.cause).pk])
    assert "Put it right" not in operator.get(group).content.decode()
    assert press(operator, case, key="ideal", means_release="paid").status_code == 403
    assert "settled already" in said(press(keeper, scene.malformed(), key="ideal", means_release="paid"))[0]
    assert Mapping.objects.count() == 1


# ---- what orders use --------------------------------------------------------------------------------------------------------
def used(client: Client, kind: str) -> list[tuple[str, int, str, str]]:
    found = client.get(reverse("admin:canonical_mapping_coverage", args=[kind])).context["found"]
    return [(w.key, w.orders, w.state, w.meaning) for w in found.words]


def test_what_orders_use_unmapped_first(scene: Scene, keeper: Client) -> None:
    for number in (1, 2, 3):
        scene.order(number)
    Order.objects.filter(number="3").update(payment_method="cod")
    assert used(keeper, "payment_method") == [
        ("ideal", 2, "mapped", "goes on once it is paid"), ("cod", 1, "mapped", "goes on at once: the shop's word is enough"),
    ]  # fmt: skip
    in_use(key="ideal", release="authorised")
    assert used(keeper, "payment_method") == [
        ("cod", 1, "unmapped", ""), ("ideal", 2, "mapped", "goes on once the money is reserved"),
    ]  # fmt: skip
    page = keeper.get(reverse("admin:canonical_mapping_coverage", args=["payment_method"])).content.decode()
    assert "66 %" in page and f"?kind=payment_method&amp;channel={scene.shop.pk}&amp;key=cod" in page


def test_every_table_is_read_from_where_orders_have_it(scene: Scene, keeper: Client) -> None:
    scene.order(1), scene.order(2, status="unknown")
    Order.objects.filter(number="1").update(meta={"_vat": "NL1", "_empty": ""})
    in_use("meta", "_vat", field="vat_id")
    assert {kind: used(keeper, kind) for kind in SHAPES if kind != "payment_method"} == {
        "shipping_method": [("flat_rate", 2, "passes", "")],
        "tax": [("NL-21", 2, "passes", "")],
        "place": [("NL", 2, "passes", "")],
        "shop_status": [("unknown", 1, "unmapped", ""), ("processing", 1, "passes", "known as processing")],
        "line_kind": [],
        "meta": [("_vat", 1, "mapped", "the customer's VAT id")],
        "sku": [],
    }


def test_the_price_of_these_pages_does_not_grow(
    scene: Scene, keeper: Client, queries: Callable[[Client, str], int]
) -> None:
    urls = ["/admin/canonical/mapping/", *(reverse("admin:canonical_mapping_coverage", args=[kind]) for kind in SHAPES)]
    scene.order(1), in_use(key="a", release="paid")
    one = [queries(keeper, url) for url in urls]
    scene.order(2), scene.order(3), in_use(key="b", release="paid"), in_use(key="c", release="paid")
    assert [queries(keeper, url) for url in urls] == one and max(one) <= 12
