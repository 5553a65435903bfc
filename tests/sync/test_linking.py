"""A customer the ERP has already is linked on a person's word, and what waited for it goes on."""

from typing import Any

import pytest
from django.db import transaction

from canonical.models import Address, Link
from retailsync.sync import clock, linking, outbox
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Case, Command
from tests.facts import order
from tests.flows.test_negotiations import ELSEWHERE
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    made = make_world()
    made.stock("MUG")
    return made


def parked(world: World, kind: str = "UpsertCustomer", waits_for: str = "", **more: Any) -> Case:
    """The ERP refuses the customer of an order."""
    world.tell(order(**more))
    row = Command.objects.filter(kind=kind).latest("pk")
    Command.objects.filter(pk=row.pk).update(state="parked", reason="refused", waits_for=waits_for)
    return Case.objects.create(
        target_kind="command", target_id=row.pk, system=world.erp, order_id=row.order_id, workflow="order_to_fulfilment", stage="send",
        reason="refused", cause="c", words="Refused.", who="back_office",
    )  # fmt: skip


def link(case: Case, external: str = "77", **more: str) -> Command:
    return linking.link_customer(case.pk, external, "ann", "same VAT id", **more)


def linked(world: World) -> list[tuple[Any, ...]]:
    return rows("SELECT entity, external_id FROM canonical_link WHERE system_id = %s ORDER BY entity, id", world.erp.pk)


def test_a_customer_is_linked_on_a_persons_word(world: World) -> None:
    case = parked(world)
    row = link(case)
    assert linked(world) == [("address", "77"), ("customer", "77")]
    assert rows("SELECT state, evidence FROM sync_command WHERE id = %s", row.pk) == [
        ("confirmed", "linked by ann to #77: same VAT id")
    ]
    assert rows("SELECT kind, state, external_id FROM canonical_posting") == [("customer", "done", "77")]
    assert Case.objects.get(pk=case.pk).closed_by == "ann"
    assert Action.objects.values_list("who", "what", "target_id").get() == ("ann", "link customer", row.pk)
    waiting = [c.kind for c in outbox.claim(world.erp.pk, 10, 60, clock.now())[1]]
    assert waiting == ["CreateOrder"]
    with pytest.raises(NotPossible, match="settled already"):
        link(case)


def test_a_parcel_that_goes_elsewhere_has_a_contact_of_its_own(world: World) -> None:
    case = parked(world, shipping=ELSEWHERE)
    with pytest.raises(NotPossible, match="another address"):
        link(case)
    assert not linked(world) and not Action.objects.exists()
    link(case, billing="78", shipping="79")
    assert linked(world) == [("address", "78"), ("address", "79"), ("customer", "77")]


def test_an_id_that_is_somebody_elses_is_refused(world: World) -> None:
    case = parked(world)
    Link.objects.create(system=world.erp, entity="customer", external_id="77", our_id=4711)
    with pytest.raises(NotPossible, match="#77 in erp-one is customer 4711's already"):
        link(case)
    assert Case.objects.get(pk=case.pk).closed_at is None and not Action.objects.exists()
    assert rows("SELECT count(*) FROM canonical_posting") == [(0,)]


def test_a_customer_that_is_linked_already_keeps_its_id(world: World) -> None:
    case = parked(world)
    customer = Address.objects.get().customer_id
    Link.objects.create(system=world.erp, entity="customer", external_id="5", our_id=customer)
    with pytest.raises(NotPossible, match="is #5 in erp-one already"):
        link(case)
    link(case, "5")
    assert linked(world) == [("address", "5"), ("customer", "5")]


def test_an_order_that_waits_for_its_customer_goes_on(world: World) -> None:
    world.tell(order())
    customer = Address.objects.get().customer_id
    case = parked(world, "CreateOrder", f"customer:{customer}@{world.erp.pk}")
    row = link(case)
    assert rows("SELECT kind, state FROM sync_command WHERE id = %s", row.pk) == [("CreateOrder", "waiting")]
    assert Case.objects.get(pk=case.pk).closed_at is not None


@pytest.mark.parametrize("kind", ["CreateOrder", "RequestFulfilment"])
def test_what_lacks_no_customer_is_linked_to_none(kind: str, world: World) -> None:
    with pytest.raises(NotPossible, match="lacks no customer"):
        link(parked(world, kind))


def test_nothing_is_kept_of_what_is_tried_out(world: World, django_capture_on_commit_callbacks: Any) -> None:
    case = parked(world)
    with django_capture_on_commit_callbacks() as rung, transaction.atomic():
        link(case)
        transaction.set_rollback(True)
    assert not linked(world) and not rung and Case.objects.get(pk=case.pk).closed_at is None
