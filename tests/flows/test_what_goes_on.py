"""What a plan lets go on, takes back and asks about, told by facts alone."""

from datetime import timedelta
from typing import Any

import pytest

from canonical.facts import ExecutionReported, RequestAnswered, ShipmentStated
from canonical.models import Location
from canonical.types import Parcel, Units
from retailsync.sync import clock, outbox, release
from retailsync.sync.models import Case, Command
from tests.facts import NOON, line, order, sku
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """Mugs and cups lie in W1, then in W2."""
    made = make_world()
    made.stock("MUG", "CUP", at="W1", then="W2")
    return made


def ready(world: World, *kinds: str) -> list[str]:
    """The kinds of commands that may leave now, of all systems."""
    found = []
    for system in (world.shop, world.erp, *world.partners.values()):
        found += [c.kind for c in outbox.claim(system.pk, 100, 60, clock.now())[1]]
    return [kind for kind in found if not kinds or kind in kinds]


def request(world: World, number: int = 0) -> Any:
    """(reference, line ids) of the n-th fulfilment request."""
    found = rows(
        "SELECT r.reference, array_agg(l.line_id ORDER BY l.line_id) FROM canonical_fulfilmentrequest r"
        " JOIN canonical_requestline l ON l.request_id = r.id GROUP BY r.id ORDER BY r.id"
    )
    return found[number]


def ship(world: World, reference: str, *units: Units, ref: str = "S1", at: int = 10, place: str = "W1") -> None:
    parcel = Parcel(tracking="T1", lines=units)
    fact = ShipmentStated(occurred_at=NOON + timedelta(seconds=at), ref=ref, request=reference, parcels=(parcel,))
    world.tell(fact, source=world.partners[place])


def holds() -> list[tuple[str]]:
    return rows("SELECT reason FROM canonical_hold WHERE lifted_at IS NULL ORDER BY reason")


def let_go(reason: str) -> None:
    release.release(list(Case.objects.filter(reason=reason, closed_at=None).values_list("pk", flat=True)), "ann")


# ---- stopped and edited in the shop -----------------------------------------------------------------------------------------
def test_what_has_not_left_stays_when_the_shop_cancels(world: World) -> None:
    """Released while ERP and warehouse were away, then cancelled: nothing may leave when they come back, and nobody has to act."""
    world.tell(order(version=1))
    world.tell(order(version=2, status="cancelled"))
    assert holds() == []
    assert rows("SELECT stage FROM canonical_order") == [("cancelled",)]
    assert ready(world) == ["UpsertCustomer"]


def test_a_late_payment_lets_it_leave_after_all(world: World) -> None:
    world.tell(order(version=1))
    world.tell(order(version=2, status="cancelled"))
    world.tell(order(version=3, status="processing"))
    assert holds() == []
    assert sorted(ready(world)) == ["CreateOrder", "RequestFulfilment", "UpsertCustomer"]


def test_what_has_not_left_follows_an_edit(world: World) -> None:
    world.tell(order(version=1))
    world.tell(order(version=2, note="Ring twice."))
    kept = Command.objects.filter(kind__in=["CreateOrder", "RequestFulfilment"])
    assert {c.payload["note"] for c in kept} == {"Ring twice."}
    assert holds() == []


def test_an_edit_of_what_was_told_is_asked_of_the_warehouse(world: World) -> None:
    world.tell(order(version=1))
    Command.objects.filter(kind="RequestFulfilment").update(state="confirmed")
    world.tell(order(version=2, note="Ring twice."))
    assert rows("SELECT kind, payload->>'kind', payload->>'note' FROM sync_command WHERE kind = 'ChangeRequest'") == [
        ("ChangeRequest", "amend", "Ring twice.")
    ]
    assert holds() == []


def test_a_new_status_alone_is_no_edit(world: World) -> None:
    world.tell(order(version=1))
    Command.objects.update(state="confirmed")
    world.tell(order(version=2, status="completed"))
    assert holds() == []


# ---- warehouses -------------------------------------------------------------------------------------------------------------
def test_a_rejection_after_a_part_shipped_asks_the_next_for_the_rest_only(world: World) -> None:
    world.tell(order(lines=(line(units=3),)))
    reference, (mug,) = request(world)
    ship(world, reference, Units(units=2, line=str(mug)))
    fact = RequestAnswered(
        occurred_at=NOON + timedelta(minutes=1), request=reference, answer="rejected", reason="no more"
    )
    world.tell(fact, source=world.partners["W1"])
    assert rows("SELECT location_id, units FROM canonical_requestline l JOIN canonical_fulfilmentrequest r ON r.id = l.request_id"
                " ORDER BY r.id") == [(world.places["W1"].pk, 3), (world.places["W2"].pk, 1)]  # fmt: skip


@pytest.mark.parametrize("short_first", [True, False])
def test_a_shortage_is_heard_before_and_after_a_shipment(world: World, short_first: bool) -> None:
    world.tell(order(lines=(line(units=3),)))
    reference, (mug,) = request(world)
    short = ExecutionReported(
        occurred_at=NOON + timedelta(seconds=5),
        request=reference,
        stage="short",
        lines=(Units(units=1, line=str(mug)),),
    )
    told = [
        lambda: world.tell(short, source=world.partners["W1"]),
        lambda: ship(world, reference, Units(units=2, line=str(mug))),
    ]
    for tell in told if short_first else reversed(told):
        tell()
    state = rows(
        "SELECT l.ordered, l.routed, l.shipped, r.execution FROM canonical_orderline l, canonical_fulfilmentrequest r"
    )
    assert (state, holds()) == ([(3, 2, 2, "shipped")], [("short",)])


def test_units_a_warehouse_is_short_of_go_to_the_next_once_a_person_says_so(world: World) -> None:
    world.tell(order(lines=(line(units=3),)))
    reference, (mug,) = request(world)
    short = ExecutionReported(
        occurred_at=NOON, request=reference, stage="short", lines=(Units(units=1, line=str(mug)),)
    )
    world.tell(short, source=world.partners["W1"])
    let_go("short")
    assert rows("SELECT p.code, l.units FROM canonical_requestline l JOIN canonical_fulfilmentrequest r ON r.id = l.request_id"
                " JOIN canonical_location p ON p.id = r.location_id ORDER BY r.id") == [("W1", 3), ("W2", 1)]  # fmt: skip
    assert holds() == []


def test_what_nobody_asked_for_is_recorded_and_questioned(world: World) -> None:
    world.tell(order())
    reference, (mug,) = request(world)
    ship(world, reference, Units(units=2, line=str(mug)), Units(units=1, sku="GIFT"))
    assert rows("SELECT shipped FROM canonical_orderline") == [(2,)]
    assert holds() == [("unknown_article",)]
    assert "SendTracking" in ready(world)


def test_units_named_by_sku_go_where_they_are_missing(world: World) -> None:
    """Two lines of one SKU; the first is short of all its units."""
    world.tell(order(lines=(line("1"), line("2"))))
    reference, (first, _) = request(world)
    short = ExecutionReported(
        occurred_at=NOON, request=reference, stage="short", lines=(Units(units=2, line=str(first)),)
    )
    world.tell(short, source=world.partners["W1"])
    ship(world, reference, Units(units=2, sku="MUG"))
    assert rows("SELECT external_id, shipped FROM canonical_orderline ORDER BY id") == [("1", 0), ("2", 2)]


def test_a_renamed_location_is_still_the_one_that_refused(world: World) -> None:
    world.tell(order())
    reference, _ = request(world)
    Location.objects.filter(code="W1").update(code="W1-NEW")
    world.tell(RequestAnswered(occurred_at=NOON, request=reference, answer="rejected"), source=world.partners["W1"])
    assert rows("SELECT count(*) FROM canonical_fulfilmentrequest") == [(2,)]
    assert holds() == []


# ---- by hand ----------------------------------------------------------------------------------------------------------------
def test_what_a_person_did_by_hand_is_settled_and_planned_on(world: World) -> None:
    world.tell(order())
    reference, (mug,) = request(world)
    ship(world, reference, Units(units=2, line=str(mug)))
    tracking = Command.objects.get(kind="SendTracking")
    Command.objects.filter(pk=tracking.pk).update(state="in_doubt")
    case = Case.objects.create(
        target_kind="command", target_id=tracking.pk, system=world.shop, workflow="shipments", stage="send", reason="in_doubt",
        cause="x", words="?", who="back_office",
    )  # fmt: skip
    assert release.settle_by_hand(case.pk, "ann", "seen in the shop", "fulfilment:5")
    assert rows("SELECT kind, state, external_id FROM canonical_posting") == [("tracking", "sent", "fulfilment:5")]
    assert rows("SELECT state FROM sync_command WHERE kind = 'CompleteOrder'") == [("waiting",)]
    assert not release.settle_by_hand(case.pk, "bob", "again")


# ---- payloads and products --------------------------------------------------------------------------------------------------
def test_a_command_nobody_can_read_harms_no_other(world: World) -> None:
    world.tell(order())
    Command.objects.filter(kind="UpsertCustomer").update(kind="Forgotten")
    claimed = outbox.claim(world.erp.pk, 100, 60, clock.now())[1]
    assert [(c.kind, c.command is None) for c in claimed] == [("Forgotten", True), ("CreateOrder", False)]


def test_lines_follow_what_the_shop_says_about_shipping(world: World) -> None:
    """The ERP knew the e-book first and thought that it ships."""
    world.tell(sku("EBOOK", ref="9"), source=world.erp)
    world.tell(order(lines=(line(sku="EBOOK"),)))
    assert holds() == [("no_location",)]
    world.tell(sku("EBOOK", requires_shipping=False))
    assert (rows("SELECT stage FROM canonical_order"), holds()) == ([("completed",)], [])
