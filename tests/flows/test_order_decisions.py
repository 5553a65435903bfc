"""What people decide about a whole order: it goes on, ends, goes elsewhere, is said again, or is settled outside."""

import random
from typing import Any

import pytest

from canonical.facts import ShipmentStated
from canonical.models import Order, ShipTo
from canonical.types import Address, Parcel, Units
from retailsync.sync import cases, deciding, order_deciding, release, resending
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Case, Command
from tests.facts import NOON, line, order
from tests.flows.outside import carry_out
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db

THERE = Address(first_name="Testa", last_name="Bezoeker", line1="Laan 3", postcode="1011 AA", city="Amsterdam", country="NL",
                email="testa@example.com")  # fmt: skip
ELSEWHERE = Address(
    first_name="Ada", last_name="Bezoeker", line1="Kade 9", postcode="3011 AA", city="Rotterdam", country="NL"
)


@pytest.fixture
def world() -> World:
    made = make_world()
    made.stock("MUG", "CUP")
    return made


@pytest.fixture
def told(world: World) -> World:
    """An order ERP and warehouse know."""
    world.tell(order())
    carry_out(world)
    return world


def the() -> Order:
    return Order.objects.get()


def ship(world: World, units: int) -> None:
    ((reference, id),) = rows("SELECT f.reference, l.id FROM canonical_fulfilmentrequest f, canonical_orderline l")
    parcel = Parcel(tracking="T1", lines=(Units(units=units, line=str(id)),))
    world.tell(
        ShipmentStated(occurred_at=NOON, ref="S1", request=reference, parcels=(parcel,)), source=world.partners["W1"]
    )


def commands(*kinds: str) -> list[tuple[str, str]]:
    return list(Command.objects.filter(kind__in=kinds).order_by("pk").values_list("kind", "state"))


def asked() -> list[tuple[str, dict[str, int], str]]:
    """Changes asked of warehouses: kind, units, street."""
    found = Command.objects.filter(kind="ChangeRequest").order_by("pk").values_list("payload", flat=True)
    return [(p["kind"], {x["sku"]: x["units"] for x in p["lines"]}, p["ship_to"].get("line1", "")) for p in found]


# ---- lift -------------------------------------------------------------------------------------------------------------------
def test_lifting_one_or_all(world: World) -> None:
    world.tell(order(total="99.00"))
    deciding.hold(the().pk, "operator", "look", "anna")
    holds = dict(the().holds.filter(lifted_at=None).values_list("reason", "pk"))
    assert order_deciding.lift(the().pk, [holds["operator"]], "olga", "looked") == []
    assert the().stage == "on_hold" and Case.objects.get(closed_at=None).reason == "totals"
    assert order_deciding.lift(the().pk, [], "olga", "fine") == [] and the().stage == "released"
    assert not Case.objects.filter(closed_at=None).exists()
    assert set(Action.objects.filter(what="release").values_list("who", "why")) == {
        ("olga", "looked"),
        ("olga", "fine"),
    }
    with pytest.raises(NotPossible, match="no longer"):
        order_deciding.lift(the().pk, [], "olga", "again")


def test_what_is_still_so_comes_back(world: World) -> None:
    world.tell(order(lines=(line(sku="CAP"),)))
    assert order_deciding.lift(the().pk, [], "olga", "try") == ["SKU “CAP” (Cap) is not known."]
    assert the().stage == "on_hold" and Case.objects.filter(closed_at=None).count() == 1


# ---- cancel -----------------------------------------------------------------------------------------------------------------
def test_a_cancelled_order_ends_everywhere(told: World) -> None:
    assert order_deciding.cancel(the().pk, "olga", "customer called")
    assert [kind for kind, _, _ in asked()] == ["cancel"] and commands("CancelShopOrder") == [
        ("CancelShopOrder", "waiting")
    ]
    assert carry_out(told)[:1] and the().lines.get().abandoned == 2
    with pytest.raises(NotPossible):
        order_deciding.cancel(the().pk, "olga", "again")
    assert Action.objects.filter(what="cancel order").count() == 1


def test_nothing_leaves_of_what_nobody_was_told(world: World) -> None:
    world.tell(order())
    order_deciding.cancel(the().pk, "olga", "customer called")
    assert set(carry_out(world)) <= {"UpsertCustomer", "CancelShopOrder"}
    world.tell(order(version=2, status="cancelled"))
    assert the().stage == "cancelled" and carry_out(world) == []


def test_of_a_part_that_was_shipped_the_shop_is_not_told(told: World) -> None:
    ship(told, 1)
    assert not order_deciding.cancel(the().pk, "olga", "customer called")
    assert commands("CancelShopOrder") == [] and the().lines.get().abandoned == 1


def test_a_shipped_order_is_not_cancelled(told: World) -> None:
    ship(told, 2)
    with pytest.raises(NotPossible, match="nothing of it is left"):
        order_deciding.cancel(the().pk, "olga", "too late")
    assert not Action.objects.exists()


# ---- the address ------------------------------------------------------------------------------------------------------------
def test_a_warehouse_that_knows_is_asked_to_send_it_elsewhere(told: World) -> None:
    order_deciding.change_address(the().pk, ELSEWHERE, "olga", "customer called")
    assert asked() == [("amend", {"MUG": 2}, "Kade 9")]
    assert "AmendOrder" in carry_out(told) or "UpsertCustomer" in dict(commands("UpsertCustomer"))
    with pytest.raises(NotPossible, match="already"):
        order_deciding.change_address(the().pk, ELSEWHERE, "olga", "again")


def test_what_was_not_sent_yet_goes_there(world: World) -> None:
    world.tell(order())
    order_deciding.change_address(the().pk, ELSEWHERE, "olga", "customer called")
    sent = Command.objects.get(kind="RequestFulfilment").payload
    assert sent["ship_to"]["line1"] == "Kade 9" and asked() == []
    ((state,),) = rows("SELECT state::text FROM canonical_entry WHERE event = 'address changed'")
    assert "Kade" not in state, "the ledger knows addresses by their number"


def test_it_stands_until_the_shop_states_another(world: World) -> None:
    world.tell(order())
    order_deciding.change_address(the().pk, ELSEWHERE, "olga", "customer called")
    world.tell(order(version=2, note="gift"))
    assert the().shipping.content["line1"] == "Kade 9"
    world.tell(order(version=3, shipping=THERE))
    assert the().shipping.content["line1"] == "Laan 3"


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_statements_ends_the_same(seed: int, world: World) -> None:
    """The decision is taken somewhere among statements told in any order and repeated: what counts is what the shop states last."""
    dice = random.Random(seed)
    stated: dict[int, Any] = {version: dice.choice((None, None, THERE)) for version in range(2, 6)}
    world.tell(order())
    order_deciding.change_address(the().pk, ELSEWHERE, "olga", "customer called")
    versions = [*stated, *dice.choices(list(stated), k=3)]
    dice.shuffle(versions)
    for version in versions:
        world.tell(
            order(version=version, note=str(version), **({"shipping": stated[version]} if stated[version] else {}))
        )
    assert the().shipping.content["line1"] == ("Laan 3" if stated[5] else "Kade 9")
    assert ShipTo.objects.get().by == "olga"


def test_nothing_left_goes_nowhere(told: World) -> None:
    ship(told, 2)
    with pytest.raises(NotPossible, match="nothing of it is left"):
        order_deciding.change_address(the().pk, ELSEWHERE, "olga", "too late")


# ---- again ------------------------------------------------------------------------------------------------------------------
def test_a_request_is_sent_once_more_by_the_same_row(told: World) -> None:
    row = Command.objects.get(kind="RequestFulfilment")
    resending.resend(the().pk, row.pk, "olga", "they lost it")
    row.refresh_from_db()
    assert (row.state, row.doubtful, row.evidence) == ("waiting", True, "sent again by olga: they lost it")
    assert carry_out(told) == ["RequestFulfilment"] and Command.objects.filter(kind="RequestFulfilment").count() == 1
    assert set(Action.objects.values_list("target_kind", "what")) == {
        ("order", "send again"),
        ("command", "send again"),
    }


def test_what_may_exist_once_is_not_said_again(told: World) -> None:
    row = Command.objects.get(kind="CreateOrder")
    with pytest.raises(NotPossible, match="only once"):
        resending.resend(the().pk, row.pk, "olga", "again")
    assert row not in resending.offered(Command.objects.all())
    with pytest.raises(NotPossible, match="choose"):
        resending.resend(the().pk, 999_999, "olga", "again")


def test_what_waits_is_not_said_twice(told: World) -> None:
    row = Command.objects.get(kind="RequestFulfilment")
    resending.resend(the().pk, row.pk, "olga", "they lost it")
    with pytest.raises(NotPossible, match="waits to be sent"):
        resending.resend(the().pk, row.pk, "olga", "again")


# ---- outside ----------------------------------------------------------------------------------------------------------------
def test_settled_outside_nothing_is_open_any_more(told: World) -> None:
    deciding.hold(the().pk, "operator", "look", "anna")
    row = Command.objects.get(kind="ConfirmOrder")
    Command.objects.filter(pk=row.pk).update(state="parked", reason="refused", words="no")
    cases.open_all(
        [
            cases.Opening(
                "command", row.pk, row.system_id, row.order_id, "order_to_fulfilment", "send", "refused", "", "no"
            )
        ]
    )
    assert order_deciding.settle_outside(the().pk, "olga", "brought it by hand") == 0
    assert not Case.objects.filter(closed_at=None).exists() and not the().holds.filter(lifted_at=None).exists()
    assert the().lines.get().abandoned == 2 and [kind for kind, _, _ in asked()] == ["cancel"]
    row.refresh_from_db()
    assert row.state == "confirmed" and "settled by olga" in row.evidence
    carry_out(told)
    with pytest.raises(NotPossible, match="nothing of it is open"):
        order_deciding.settle_outside(the().pk, "olga", "again")


def test_releasing_afterwards_does_no_harm(told: World) -> None:
    deciding.hold(the().pk, "operator", "look", "anna")
    case = Case.objects.get(closed_at=None)
    order_deciding.settle_outside(the().pk, "olga", "brought it by hand")
    assert release.release([case.pk], "piet") == 0
