"""Pages that let orders go on meet a deadlock with somebody who holds those orders: they begin anew, and nobody sees an error page."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import transaction
from django.urls import reverse

from canonical import sql
from canonical.models import Hold, Mapping, ShopPolicy
from retailsync.sync import transient
from tests.console.conftest import person
from tests.console.scene import Scene, _stated, make
from tests.console.test_policies import CHOSEN
from tests.sync.side_by_side import Gate, Worker, blocked, deadlocks_soon

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/canonical/mapping/"


@pytest.fixture
def scene() -> Scene:
    return make()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The error codes that were got over."""
    found, passes = set(), transient.passes

    def told(error: BaseException) -> bool:
        found.add(getattr(error.__cause__, "pgcode", ""))
        return passes(error)

    monkeypatch.setattr(transient, "passes", told)
    return found


def pressed_against(table: str, id: int, url: str, form: dict[str, Any]) -> Any:
    """Press a button while somebody holds the orders, and then wants this row: a real deadlock, which the page loses."""
    client, gate = person("boss", superuser=True), Gate()

    def crosswise() -> None:
        with transaction.atomic():
            sql.fetch("SET LOCAL deadlock_timeout = '30s'")  # so that the other one notices first
            sql.fetch("SELECT 1 FROM canonical_order ORDER BY id FOR UPDATE")
            gate.stop()
            sql.fetch(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", (id,))

    def press() -> Any:
        deadlocks_soon()
        return client.post(url, form)

    other = Worker(crosswise)
    gate.reached()
    page = Worker(press)
    assert blocked(page)
    gate.open()
    other.result()
    return page.result()


def held() -> int:
    return Hold.objects.filter(lifted_at=None, quiet=False).count()


def buttons(row: Mapping) -> Iterator[tuple[str, dict[str, Any]]]:
    yield reverse("admin:canonical_mapping_delete", args=[row.pk]), {"post": "yes"}
    yield LIST, {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}


@pytest.mark.parametrize("which", [0, 1])
def test_a_word_is_taken_away(which: int, scene: Scene, seen: set[str]) -> None:
    row = Mapping.objects.create(kind="payment_method", key="other", value={})
    scene.order(1)
    assert held() == 1
    url, form = list(buttons(row))[which]
    assert pressed_against("canonical_mapping", row.pk, url, form).status_code == 302
    assert seen == {"40P01"} and not Mapping.objects.exists() and held() == 0


def test_a_tolerance_is_set(scene: Scene, seen: set[str]) -> None:
    fact = _stated(1, "MUG-BLUE", "processing", "Testa")
    scene.tell(scene.shop, 1, msgspec.structs.replace(fact, total=fact.total + Decimal(1)))
    policy = ShopPolicy.objects.create(channel=scene.shop)
    url = reverse("admin:canonical_shoppolicy_change", args=[policy.pk])
    assert held() == 1
    answer = pressed_against("canonical_shoppolicy", policy.pk, url, {**CHOSEN, "tolerance": "2"})
    assert answer.status_code == 302 and seen == {"40P01"} and held() == 0
