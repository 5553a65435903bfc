"""Groups of exceptions and what transactions that do not see each other leave of them."""

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from canonical import sql
from retailsync.sync import cases, grouping
from retailsync.sync.models import Group
from tests.facts import line, order
from tests.sync.conftest import Scene
from tests.sync.side_by_side import Gate, Worker, blocked, deadlocks_soon

pytestmark = pytest.mark.django_db


def test_one_that_counts_as_resolved_is_found_however_many_opened_since(scene: Scene) -> None:
    scene.world.tell(order("1", lines=(line(sku="CAP"),)))
    Group.objects.update(resolved_at="2026-11-01T00:00:00Z")
    sql.fetch(
        "INSERT INTO sync_case (target_kind, target_id, workflow, stage, reason, detail, cause, words, who)"
        " SELECT 'hold', 1000 + n, 'w', 's', 'stock', '', 'other', 'w', 'back_office' FROM generate_series(1, 1001) n"
    )
    cases.settle_groups()
    assert Group.objects.values_list("detail", "resolved_at", "returns").get() == ("CAP", None, 1)


@pytest.mark.django_db(transaction=True)
def test_groups_are_resolved_in_the_order_people_take_them_in() -> None:
    """Without ORDER BY in cases._RESOLVE the two deadlocked: rows were locked as they lay there."""
    first, second = (Group.objects.create(cause=cause, workflow="w", stage="s", reason="stock") for cause in "ba")
    Group.objects.filter(pk=first.pk).update(words="It lies behind the other now.")
    olga, gate = User.objects.create_user("olga"), Gate()

    def hold() -> None:
        with transaction.atomic():
            sql.fetch("SELECT 1 FROM sync_group WHERE id = %s FOR UPDATE", (first.pk,))
            gate.stop()

    def settle() -> None:
        deadlocks_soon()
        cases.settle_groups()

    holding = Worker(hold)
    gate.reached()
    assigning = Worker(lambda: grouping.assign([second.pk, first.pk], olga, olga))
    assert blocked(assigning)
    settling = Worker(settle)
    assert blocked(settling, waiting=2)
    gate.open()
    holding.result(), settling.result()
    assert assigning.result() == 2
    assert [(group.assignee, bool(group.resolved_at)) for group in Group.objects.all()] == [(None, True)] * 2
