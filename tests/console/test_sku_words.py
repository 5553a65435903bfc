"""A shop's SKU text that is none of our codes is said to stand for one, and every order with it goes on: now and later."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from canonical.models import Hold, Link, Mapping, Order, OrderLine, Sku, System
from retailsync.console import mapping, skufield
from retailsync.sync import deciding
from retailsync.sync.models import Case, Command, Group
from tests.console.conftest import meant, person
from tests.console.scene import Scene, _stated
from tests.world import rows

LINES = "SELECT o.number, l.sku_text, k.code, o.stage FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id" \
    " LEFT JOIN canonical_sku k ON k.id = l.sku_id ORDER BY l.id"  # fmt: skip


@pytest.fixture
def keeper(db: None) -> Client:
    names = (
        "view_mapping",
        "add_mapping",
        "change_mapping",
        "view_case",
        "change_case",
        "view_order",
        "view_group",
        "view_replay",
    )
    return person("kim", *names)


def asked(scene: Scene, *numbers: int, sku: str = "MUG-BLU") -> Case:
    """Orders with an SKU nobody knows; the exception of the last."""
    for number in numbers:
        scene.order(number, sku=sku)
    return Case.objects.filter(reason="sku_mapping", closed_at=None).latest("pk")


def press(client: Client, case: Case, **form: Any) -> Any:
    return meant(client, case, **{"key": "MUG-BLU", "channel": "", "why": "", **form})


def keep(sku: str = "MUG-BLUE", key: str = "MUG-BLU", channel: System | None = None) -> Mapping:
    row = Mapping(kind="sku", key=key, channel=channel, value={"sku": sku})
    mapping.keep(row, "kim", "renamed")
    return row


def ledger(kind: str) -> list[Any]:
    return rows("SELECT event, cause_kind FROM canonical_entry WHERE subject_kind = %s ORDER BY id", kind)


# ---- going on ---------------------------------------------------------------------------------------------------------------
def test_all_that_wait_for_it_go_on_and_so_does_every_later_one(scene: Scene, keeper: Client) -> None:
    case = asked(scene, 1, 2, 3)
    answer = press(keeper, case, means_sku="mug-blue", why="renamed in May")
    assert (answer.context["row"].state, answer.context["goes"]) == ("done", 3)
    scene.order(4, sku="mug-blu")
    assert rows(LINES) == [(str(n), "MUG-BLU" if n < 4 else "mug-blu", "MUG-BLUE", "released") for n in (1, 2, 3, 4)]
    assert Mapping.objects.values_list("kind", "key", "value", "version").get() == (
        "sku",
        "MUG-BLU",
        {"sku": "MUG-BLUE"},
        1,
    )
    assert not Case.objects.filter(closed_at=None).exists() and not Hold.objects.filter(lifted_at=None).exists()
    assert Command.objects.filter(kind="CreateOrder").count() == 4
    assert ("sku known", "action") in ledger("order_line")


def test_what_a_line_was_told_as_it_stays(scene: Scene) -> None:
    asked(scene, 1)
    row = keep()
    mapping.keep(Mapping(pk=row.pk, kind="sku", key=row.key, value={"sku": "POSTER"}), "kim", "")
    again(scene, 1, "MUG-BLU")
    assert rows(LINES) == [("1", "MUG-BLU", "MUG-BLUE", "released")]
    mapping.drop(row, "kim")
    again(scene, 1, "MUG-BLU")
    assert rows(LINES) == [("1", "MUG-BLU", "MUG-BLUE", "released")]
    asked(scene, 2)
    assert rows(LINES)[1] == ("2", "MUG-BLU", None, "on_hold")


def again(scene: Scene, number: int, sku: str, version: int = 2) -> None:
    """The shop states an order once more."""
    fact = _stated(number, sku, "processing", "Testa")
    known = Link.objects.get(entity="order", external_id=str(number))
    Link.objects.filter(pk=known.pk).update(digest=b"")
    scene.tell(
        scene.shop,
        1,
        type(fact)(**{**{n: getattr(fact, n) for n in fact.__struct_fields__}, "version": known.version + 1}),
    )


def test_the_shops_own_product_comes_first_then_the_code_then_the_word(scene: Scene) -> None:
    asked(scene, 1, 2)
    keep("MUG-BLUE")
    Sku.objects.create(code="MUG-BLU", name="Another mug")
    asked_again = [scene.order(3, sku="MUG-BLU")]
    Link.objects.create(
        system=scene.shop, entity="sku", external_id="v-MUG-BLU", our_id=Sku.objects.get(code="POSTER").pk
    )
    asked_again.append(scene.order(4, sku="MUG-BLU"))
    assert [code for _, _, code, _ in rows(LINES)] == ["MUG-BLUE", "MUG-BLUE", "MUG-BLU", "POSTER"]


def test_a_shops_own_word_comes_before_one_for_all(scene: Scene) -> None:
    other = System.objects.create(slug="o", name="O", connector="woocommerce", roles=["channel"], prefix="O-")
    keep("POSTER"), keep("TEE-L", channel=scene.shop), keep("MUG-BLUE", channel=other)
    scene.order(1, sku="MUG-BLU")
    assert rows(LINES) == [("1", "MUG-BLU", "TEE-L", "released")]


def test_a_word_of_another_shop_lets_nothing_go_on(scene: Scene) -> None:
    other = System.objects.create(slug="o", name="O", connector="woocommerce", roles=["channel"], prefix="O-")
    asked(scene, 1)
    keep(channel=other)
    assert rows(LINES) == [("1", "MUG-BLU", None, "on_hold")]


def test_an_order_that_lacks_another_sku_too_waits_on(scene: Scene, keeper: Client) -> None:
    case = asked(scene, 1)
    line = OrderLine.objects.get()
    Hold.objects.create(order_id=line.order_id, reason="sku_mapping", detail="CAP", words="x", placed_by="a test")
    press(keeper, case, means_sku="MUG-BLUE")
    assert rows(LINES) == [("1", "MUG-BLU", "MUG-BLUE", "on_hold")]


def test_a_word_for_a_code_that_is_gone_asks_again(scene: Scene) -> None:
    keep("GONE")
    asked(scene, 1)
    assert rows(LINES) == [("1", "MUG-BLU", None, "on_hold")]


def test_more_than_can_be_planned_at_once_are_left_to_the_sweep(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "AT_ONCE", 1)
    asked(scene, 1, 2)
    keep()
    assert [code for _, _, code, _ in rows(LINES)] == ["MUG-BLUE", "MUG-BLUE"]
    assert [o.look_at is None for o in Order.objects.order_by("pk")] == [True, False]


def test_many_that_wait_cost_no_more_statements_than_one(scene: Scene) -> None:
    counts = []
    for numbers in ((1,), range(2, 32)):
        asked(scene, *numbers)
        with CaptureQueriesContext(connection) as caught:
            keep(key="MUG-BLU", channel=None if len(counts) else scene.shop)
        counts.append(len(caught))
        Mapping.objects.all().delete()
    assert counts[1] <= counts[0] and not Hold.objects.filter(lifted_at=None).exists()


# ---- the form ---------------------------------------------------------------------------------------------------------------
def test_the_form_offers_what_is_near_and_takes_only_what_is_known(scene: Scene, keeper: Client) -> None:
    case = asked(scene, 1)
    page = keeper.get(
        reverse("admin:sync_group_change", args=[Group.objects.get(cause=case.cause).pk])
    ).content.decode()
    assert '<option value="MUG-BLUE">Mug, blue</option>' in page and 'list="near-means_sku"' in page
    answer = press(keeper, case, means_sku="MUG-GREEN")
    assert "We know no SKU “MUG-GREEN”" in answer.content.decode() and not Mapping.objects.exists()


def test_an_order_without_any_sku_text_asks_for_no_word(scene: Scene, keeper: Client) -> None:
    case = asked(scene, 1, sku="")
    page = keeper.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert "Give it a meaning" not in page


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("MUGBLUE", "MUG-BLUE"),
        ("mug blue old", "MUG-BLUE"),
        ("tee_l", "TEE-L"),
        ("Poster", "POSTER"),
        ("%", None),
        ("", None),
    ],
)
def test_near_codes_come_first(text: str, nearest: str | None, scene: Scene) -> None:
    found = [sku.code for sku in skufield.near(text)]
    assert nearest is None or found[0] == nearest


def test_never_more_than_a_few_are_offered(scene: Scene) -> None:
    Sku.objects.bulk_create(Sku(code=f"MUG-{n:04}", name="A mug") for n in range(500))
    assert len(skufield.near("MUG")) == skufield.OFFERED
