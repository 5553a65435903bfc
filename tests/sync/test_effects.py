"""What is told of one subject depends on no other that happens to be tried with it."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from connectors.base import Malformed
from retailsync.sync import inbox
from retailsync.sync.models import Case
from tests.facts import line, order
from tests.sync.conftest import Scene
from tests.sync.pretend import heard
from tests.sync.test_replaying import previewed

pytestmark = pytest.mark.django_db


def unread(scene: Scene, *facts: Any) -> list[Case]:
    """Messages nobody understood, and would understand now."""

    def refuse(_: Any) -> None:
        raise Malformed("Nobody understands this.")

    before = set(Case.objects.values_list("pk", flat=True))
    scene.shop.reading = refuse
    inbox.receive(scene.world.shop.pk, [heard(fact) for fact in facts], door="webhook")
    inbox.drain(scene.world.shop.pk)
    scene.shop.reading = lambda envelope: None
    return list(Case.objects.exclude(pk__in=before).order_by("pk"))


def test_an_exception_that_opens_is_told_also_where_another_order_keeps_the_same(scene: Scene) -> None:
    olga = User.objects.create_user("olga")
    scene.world.tell(order("1", lines=(line(sku="CAP"),)))
    stays = Case.objects.get()
    scene.world.tell(order("2"))
    (read,) = unread(scene, order("2", version=2, lines=(line(sku="CAP"),)))
    alone = previewed(olga, [read]).items.get()
    beside = previewed(olga, [stays, read]).items.get(case_ids=[read.pk])
    assert alone.effect["opens"] == [stays.words]
    assert (beside.effect, beside.digest) == (alone.effect, alone.digest)


def test_an_exception_a_new_order_begins_with_is_told(scene: Scene) -> None:
    olga = User.objects.create_user("olga")
    (read,) = unread(scene, order("7", lines=(line(sku="CAP"),)))
    effect = previewed(olga, [read]).items.get().effect
    assert [(c["kind"], c["event"]) for c in effect["changes"] if c["kind"] == "hold"] == [("hold", "placed")]
    assert len(effect["opens"]) == 1 and "CAP" in effect["opens"][0]


def test_what_is_sent_is_kept_with_its_command_alone(scene: Scene) -> None:
    olga = User.objects.create_user("olga")
    scene.world.tell(order("1", total="99.00", lines=(line(name="Mug for Testa Bezoeker"),)))
    item = previewed(olga, list(Case.objects.all())).items.get()
    assert [c["kind"] for c in item.effect["calls"]].count("RequestFulfilment") == 1 and "Testa" not in str(item.effect)
