"""A replay does exactly what its preview said, or nothing; it takes two people above a limit; nothing happens twice."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from canonical.models import Sourcing
from retailsync.sync import approving, replaying
from retailsync.sync.models import Case, Replay
from retailsync.sync.replaying import Wish
from tests.console.scene import Scene, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return make()


@pytest.fixture
def olga() -> User:
    return User.objects.create_user("olga")


@pytest.fixture
def piet() -> User:
    return User.objects.create_user("piet")


def plain(_: Any) -> None:
    """No fix comes first."""


def previewed(by: User, *cases: Case) -> Replay:
    replay = replaying.ask(Wish("Release", "they may go", [c.pk for c in cases or Case.objects.all()]), by)
    return worked(replay)


def worked(replay: Replay) -> Replay:
    replaying.work(replay.pk, plain)
    replay.refresh_from_db()
    return replay


def unsourced(scene: Scene, *numbers: int) -> list[Case]:
    """Orders no warehouse may ship; then one may, so that each goes on when it is released."""
    kept = list(Sourcing.objects.all())
    Sourcing.objects.all().delete()
    for number in numbers:
        scene.order(number)
    Sourcing.objects.bulk_create(kept)
    return list(Case.objects.filter(reason="no_location").order_by("pk"))


def test_smoke(scene: Scene, olga: User) -> None:
    unsourced(scene, 1, 2, 3)
    scene.malformed()
    scene.parked(scene.order(4))
    replay = previewed(olga)
    for item in replay.items.order_by("position"):
        print(item.state, item.words, item.effect)
    assert replay.state == "previewed"
    approving.go(replay.pk, olga)
    replay = worked(replay)
    for item in replay.items.order_by("position"):
        print(item.state, item.words, item.effect)
    assert replay.state == "done"
    assert 0
