"""Staff announce what is on its way to a warehouse and what comes back; what the warehouse reports is shown beside."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.facts import GoodsReceived, ReturnReported
from canonical.models import Entry, InboundShipment, Return, Sku
from canonical.types import Arrived, ReturnedItem
from retailsync.sync import clock
from retailsync.sync.models import Action
from tests.console.conftest import person
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db
RIGHTS = ("inboundshipment", "return")


@pytest.fixture
def world(db: None) -> World:
    for code in ("TEA-100", "TEA 200"):
        Sku.objects.create(code=code)
    return make_world()


@pytest.fixture
def keeper(db: None) -> Client:
    return person("ann", *(f"{verb}_{name}" for verb in ("view", "add", "change") for name in RIGHTS))


def save(client: Client, model: str, pk: int | None = None, **form: Any) -> Any:
    url = reverse(f"admin:canonical_{model}_{'change' if pk else 'add'}", args=[pk] if pk else [])
    return client.post(url, {"expected_at_0": "", "expected_at_1": "", **form})


def lines() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT k.code, l.expected FROM canonical_inboundline l JOIN canonical_sku k ON k.id = l.sku_id ORDER BY 1"
    )


def test_an_inbound_shipment_is_announced_changed_and_cancelled(keeper: Client, world: World) -> None:
    place = world.places["W1"].pk
    answer = save(
        keeper, "inboundshipment", reference="PO-1", location=place, units="TEA-100 240\nTEA 200  3\nTEA-100 10"
    )
    assert (answer.status_code, lines()) == (302, [("TEA 200", 3), ("TEA-100", 250)])
    row = InboundShipment.objects.get()
    save(keeper, "inboundshipment", row.pk, supplier="Orchard", units="TEA-100 9")
    assert lines() == [("TEA 200", 0), ("TEA-100", 9)]
    save(
        keeper,
        "inboundshipment",
        row.pk,
        units="TEA-100 9",
        cancelled="on",
        reference="OTHER",
        location=world.places["W2"].pk,
    )
    row.refresh_from_db()
    assert (row.reference, row.location_id, row.state) == ("PO-1", place, "cancelled")
    events = Entry.objects.filter(subject_kind="inbound_shipment").order_by("version").values_list("event", flat=True)
    assert list(events) == ["announced", "changed", "cancelled"]
    assert list(Action.objects.order_by("pk").values_list("who", "what", "target_id")) == [
        ("ann", f"{what} inbound_shipment", row.pk) for what in ("announce", "announce", "cancel")
    ]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"units": "TEA-100"}, "is not a SKU with its units"),
        ({"units": "TEA-100 0"}, "is not a SKU with its units"),
        ({"units": "HAT 1"}, "We know no SKU “HAT”."),
        ({"units": "TEA-100 1", "reference": "PO/1"}, "Without a slash"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_announced(
    keeper: Client, world: World, form: dict[str, Any], words: str
) -> None:
    given = {"reference": "PO-1", "location": world.places["W1"].pk, **form}
    assert words in save(keeper, "inboundshipment", **given).content.decode()
    assert not InboundShipment.objects.exists() and not Action.objects.exists()


def test_what_the_warehouse_reports_is_shown(keeper: Client, world: World) -> None:
    place = world.places["W1"].pk
    save(keeper, "inboundshipment", reference="PO-1", location=place, units="TEA-100 5")
    save(keeper, "return", reference="RMA-1", location=place, units="TEA-100 2", order_reference="WEB-7")
    when = clock.now() - timedelta(minutes=1)
    found = ReturnedItem(sku="TEA-100", units=2, condition="damaged", disposition="scrap")
    world.tell(
        GoodsReceived(occurred_at=when, ref="W-1", inbound="PO-1", lines=(Arrived(sku="TEA-100", units=4, damaged=1),)),
        ReturnReported(occurred_at=when, ref="Q-1", returned="RMA-1", stage="inspected", lines=(found,)),
        source=world.partners["W1"],
    )
    inbound, back = InboundShipment.objects.get(), Return.objects.get()
    shown = keeper.get(reverse("admin:canonical_inboundshipment_change", args=[inbound.pk])).content.decode()
    assert "W-1" in shown and "partly received" in shown and "TEA-100 5" in shown
    shown = keeper.get(reverse("admin:canonical_return_change", args=[back.pk])).content.decode()
    assert "2 TEA-100 damaged scrap" in shown and "inspected" in shown
    listed = keeper.get(reverse("admin:canonical_return_changelist"), {"q": "WEB-7"}).content.decode()
    assert "RMA-1" in listed


def test_who_may_only_look_sees_what_is_expected(keeper: Client, world: World) -> None:
    save(keeper, "inboundshipment", reference="PO-1", location=world.places["W1"].pk, units="TEA-100 5")
    viewer = person("vic", "view_inboundshipment")
    url = reverse("admin:canonical_inboundshipment_change", args=[InboundShipment.objects.get().pk])
    assert "TEA-100 5" in viewer.get(url).content.decode()
    assert viewer.post(url, {"units": "TEA-100 6"}).status_code == 403
