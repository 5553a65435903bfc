"""What a warehouse sees of stock: levels at its own locations, what differs, how far its counts are, and what it may be asked for."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from canonical.models import (
    Eligibility,
    FulfilmentRequest,
    KitComponent,
    Location,
    Order,
    Sku,
    Sourcing,
    StockCount,
    StockLevel,
    StockSource,
    System,
)
from retailsync.sync import clock, inbox

from .conftest import AT, Partner

Ask = Callable[..., FulfilmentRequest]
ROOT = "/api/v1"
NOTHING = {"damaged": 0, "quality_hold": 0, "incoming": 0, "in_transit": 0}


def see(partner: Partner, path: str, **query: str) -> Any:
    return Client().get(f"{ROOT}/{path}", query, headers=partner.headers())


def items(partner: Partner, path: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = see(partner, path, **query).json()["items"]
    return found


def source(partner: Partner, system: System | None = None, **more: Any) -> StockSource:
    return StockSource.objects.create(
        system=system or partner.system, location=partner.location, external_id=partner.location.code, **more
    )


def level(partner: Partner, sku: Sku, on_hand: int, **more: Any) -> StockLevel:
    return StockLevel.objects.create(sku=sku, location=partner.location, on_hand=on_hand, counted=on_hand, **more)


# ---- levels -----------------------------------------------------------------------------------------------------------------
def test_levels_are_those_of_its_own_locations_with_what_is_promised(
    partner: Partner, other: Partner, ask: Ask, order: Order
) -> None:
    ask(partner, answer="accepted", answered_at=AT)
    sku = Sku.objects.get()
    level(partner, sku, 7, allocated=2, counted_at=AT)
    level(other, sku, 99)
    assert see(partner, "inventory/levels").json() == {
        "items": [
            {
                "sku": "A", "location": "W1", "on_hand": 7, "allocated": 2, **NOTHING, "promised": 3,
                "counted_at": "2026-05-01T12:00:00Z",
            }
        ],
        "next": None,
    }  # fmt: skip
    assert items(partner, "inventory/levels", location="W2") == []


def test_levels_page_and_select(partner: Partner) -> None:
    for code in "ABC":
        level(partner, Sku.objects.create(code=code), 1)
    first = see(partner, "inventory/levels", limit="2").json()
    second = see(partner, "inventory/levels", limit="2", after=first["next"]).json()
    assert ([i["sku"] for i in first["items"] + second["items"]], second["next"]) == (["A", "B", "C"], None)
    assert [i["sku"] for i in items(partner, "inventory/levels", sku="B")] == ["B"]


# ---- what differs -----------------------------------------------------------------------------------------------------------
def test_what_differs_or_is_doubted_is_listed_and_what_is_right_is_not(partner: Partner, other: Partner) -> None:
    erp = System.objects.create(slug="erp", name="ERP", connector="odoo", roles=["erp"])
    mine, theirs = source(partner), source(partner, erp, authority="information")
    skus = [Sku.objects.create(code=code) for code in "ABC"]
    for sku in skus:
        level(partner, sku, 10)
    said = {"observed_at": AT, "cause_kind": "message", "cause_id": 1, "accepted": False}
    StockCount.objects.create(source=mine, sku=skus[0], on_hand=500, doubt="500 after 10 is a jump.", **said)
    StockCount.objects.create(source=theirs, sku=skus[1], on_hand=12, **said)
    StockCount.objects.create(source=theirs, sku=skus[2], on_hand=10, **said)
    level(other, skus[0], 1)
    StockCount.objects.create(source=source(other), sku=skus[0], on_hand=2, **said)
    shared = {"location": "W1", "held": 10, "observed_at": "2026-05-01T12:00:00Z"}
    doubted = {
        "sku": "A", "kind": "doubted", "told_by": "you", "says": 500, "reason": "500 after 10 is a jump.", **shared,
    }  # fmt: skip
    differs = {"sku": "B", "kind": "differs", "told_by": "another", "says": 12, "reason": "", **shared}
    assert items(partner, "inventory/disagreements") == [doubted, differs]
    assert items(partner, "inventory/disagreements", kind="differs") == [differs]
    assert items(partner, "inventory/disagreements", sku="A") == [doubted]
    assert see(partner, "inventory/disagreements", kind="wrong").status_code == 400


# ---- SKUs -------------------------------------------------------------------------------------------------------------------
def test_skus_are_those_its_locations_may_ship(partner: Partner, other: Partner) -> None:
    shop = System.objects.create(slug="shop", name="Shop", connector="woocommerce", roles=["channel"])
    own, shared, kit, theirs = (Sku.objects.create(code=code, name=code.title()) for code in ("A", "B", "KIT", "C"))
    Sourcing.objects.create(channel=shop, sku=own, location=partner.location)
    Sourcing.objects.create(channel=shop, sku=kit, location=partner.location)
    Sourcing.objects.create(channel=shop, sku=theirs, location=other.location)
    Sourcing.objects.create(channel=shop, sku=None, location=partner.location)
    Eligibility.objects.create(channel=shop, sku=shared, location=partner.location, rank=1)
    KitComponent.objects.create(kit=kit, component=own, units=3)
    plain = {"gtin": "", "category": "", "active": True, "components": []}
    assert items(partner, "skus") == [
        {"sku": "A", "name": "A", **plain},
        {"sku": "B", "name": "B", **plain},
        {"sku": "KIT", "name": "Kit", **plain, "components": [{"sku": "A", "units": 3}]},
    ]
    assert [i["sku"] for i in items(partner, "skus", sku="B")] == ["B"]
    assert items(partner, "skus", sku="C") == []


# ---- snapshots --------------------------------------------------------------------------------------------------------------
def say(partner: Partner, path: str, body: dict[str, Any]) -> None:
    answer = Client().post(f"{ROOT}/{path}", body, content_type="application/json", headers=partner.headers())
    assert answer.status_code == 202
    inbox.drain(partner.system.pk)


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_tells_which_parts_are_awaited_and_what_became_of_it(partner: Partner, other: Partner) -> None:
    source(partner)
    Sku.objects.create(code="A")
    when = {"location": "W1", "observed_at": (clock.now() - timedelta(hours=1)).isoformat()}
    assert see(partner, "inventory/snapshots/R1").status_code == 404
    say(partner, "inventory/snapshots/R1/parts/2", {**when, "items": [{"sku": "A", "on_hand": 4}]})
    say(partner, "inventory/snapshots/R1/complete", {**when, "parts": 3, "items": 3})
    seen = see(partner, "inventory/snapshots/R1").json()
    assert {name: seen[name] for name in ("run", "location", "state", "parts", "parts_received", "missing")} == {
        "run": "R1", "location": "W1", "state": "gathering", "parts": 3, "parts_received": 1, "missing": [1, 3],
    }  # fmt: skip
    say(partner, "inventory/snapshots/R1/parts/1", {**when, "items": [{"sku": "X", "on_hand": 4}]})
    say(partner, "inventory/snapshots/R1/parts/3", {**when, "items": [{"sku": "Y", "on_hand": 4}]})
    seen = see(partner, "inventory/snapshots/R1").json()
    assert (seen["state"], seen["missing"], seen["items_received"], seen["items_unknown"]) == ("applied", [], 3, 2)
    say(partner, "inventory/snapshots/R2/parts/1", {**when, "items": [{"sku": "A", "on_hand": 4}]})
    say(partner, "inventory/snapshots/R2/complete", {**when, "parts": 1, "items": 2})
    parked = see(partner, "inventory/snapshots/R2").json()
    assert (parked["state"], parked["words"][:17]) == ("parked", "It says it has 2 ")
    assert [i["run"] for i in items(partner, "inventory/snapshots")] == ["R2", "R1"]
    assert [i["run"] for i in items(partner, "inventory/snapshots", state="parked")] == ["R2"]
    assert items(other, "inventory/snapshots") == []
    assert see(other, "inventory/snapshots/R2").status_code == 404


# ---- cost -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("path", "queries"),
    [("inventory/levels", 2), ("inventory/disagreements", 1), ("skus", 2), ("inventory/snapshots", 2)],
)
def test_a_page_costs_the_same_queries_whatever_it_holds(
    partner: Partner, count: int, path: str, queries: int, django_assert_num_queries: Any
) -> None:
    shop = System.objects.create(slug="shop", name="Shop", connector="woocommerce", roles=["channel"])
    mine = source(partner)
    for n in range(count):
        sku, kit = Sku.objects.create(code=f"S{n}"), Sku.objects.create(code=f"K{n}")
        KitComponent.objects.create(kit=kit, component=sku)
        Sourcing.objects.create(channel=shop, sku=kit, location=partner.location)
        level(partner, sku, 5)
        said = {"observed_at": AT, "cause_kind": "message", "cause_id": 1, "accepted": False}
        StockCount.objects.create(source=mine, sku=sku, on_hand=9, doubt="far", **said)
        run = mine.snapshots.create(run=f"R{n}", observed_at=AT, cause_kind="message", cause_id=1)
        run.gathered.create(part=1, observed_at=AT, rows=[])
    see(partner, "nothing")
    Client().get(f"{ROOT}/fulfilment-requests/none", headers=partner.headers())  # the key is known from here on
    with django_assert_num_queries(queries):
        assert len(items(partner, path)) == count


def test_another_ones_location_is_not_there(partner: Partner, other: Partner) -> None:
    Location.objects.create(code="SHELF", name="Shelf", executor=other.system)
    for path in ("inventory/levels", "inventory/disagreements", "inventory/snapshots"):
        assert items(partner, path, location="SHELF") == []
