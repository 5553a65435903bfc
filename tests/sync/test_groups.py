"""Groups of exceptions and what transactions that do not see each other leave of them."""

import pytest

from canonical import sql
from retailsync.sync import cases
from retailsync.sync.models import Group
from tests.facts import line, order
from tests.sync.conftest import Scene

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
