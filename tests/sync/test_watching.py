"""What is made of webhooks that are dead or silent. The shop is a target in memory; what its connector says of webhooks is said here."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canonical import sql
from connectors.base import Session, Watched
from connectors.errors import Misconfigured, Retry
from connectors.registry import CONNECTORS
from retailsync.sync import clock, leases, release, tasks, watching
from tests.facts import order
from tests.sync.conftest import Scene
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = "https://sync.example.com"
Answer = Callable[[Watched | Exception], None]
OFF = Watched(recreated=("order.created",), words="The shop had switched off our webhooks (order.created).")


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def answer(scene: Scene, asked: list[str]) -> Answer:
    """Decide what the shop's connector finds."""

    def decide(found: Watched | Exception) -> None:
        def watch(session: Session, wanted: str) -> Watched:
            asked.append(wanted)
            if isinstance(found, Exception):
                raise found
            return found

        scene.patch.setitem(CONNECTORS, "woocommerce", replace(CONNECTORS["woocommerce"], watch=watch))

    return decide


def cases() -> list[tuple[str, str]]:
    return rows("SELECT target_kind, reason FROM sync_case WHERE closed_at IS NULL ORDER BY id")  # type: ignore[return-value]


def look(scene: Scene) -> list[tuple[str, str]]:
    """One look at the shop's webhooks; what is open then."""
    watching.watch(scene.world.shop.pk, PUBLIC)
    return cases()


def heard(scene: Scene, *, minutes_ago: float = 0, door: str = "webhook") -> None:
    """Something arrived from the shop."""
    sql.fetch(
        "INSERT INTO sync_message (system_id, topic, dedup_key, door, body, state, received_at)"
        " VALUES (%s, 'order.updated', uuid_send(gen_random_uuid()), %s, '{}', 'done', clock_timestamp() - %s * interval '1 minute')",
        (scene.world.shop.pk, door, minutes_ago),
    )


def bought(scene: Scene, count: int, *, minutes_ago: float, placed: float | None = None) -> None:
    """So many orders became known so long ago; `placed` minutes ago where the shop took them earlier."""
    now = clock.now()
    refs = [str(rows("SELECT count(*) FROM canonical_order")[0][0] + n) for n in range(count)]
    scene.world.tell(*(order(ref, placed_at=now - timedelta(minutes=placed or minutes_ago)) for ref in refs))
    known = (now - timedelta(minutes=minutes_ago), refs)
    sql.fetch("UPDATE canonical_order SET created_at = %s WHERE external_id = ANY(%s)", known)


def test_only_live_systems_that_keep_webhooks_are_watched(scene: Scene, answer: Answer) -> None:
    assert watching.watched() == []
    answer(Watched())
    assert watching.watched() == [scene.world.shop.pk]
    scene.world.shop.mode = "paused"
    scene.world.shop.save()
    assert watching.watched() == []


@pytest.mark.parametrize(("public", "door"), [(PUBLIC, f"{PUBLIC}/hooks/shop-one/"), ("", "/hooks/shop-one/")])
def test_the_door_is_named_or_only_its_path(
    scene: Scene, answer: Answer, asked: list[str], settings: Any, public: str, door: str
) -> None:
    answer(Watched())
    settings.PUBLIC_URL = public
    tasks.watch_system(scene.world.shop.pk)
    assert asked == [door]


def test_dead_webhooks_open_an_exception_that_closes_when_one_arrives(scene: Scene, answer: Answer) -> None:
    heard(scene, minutes_ago=1)
    answer(OFF)
    assert look(scene) == [("webhooks", "webhook_disabled")]
    answer(Watched())
    assert look(scene) == [("webhooks", "webhook_disabled")]
    heard(scene, door="poll")
    assert look(scene) == [("webhooks", "webhook_disabled")]
    heard(scene)
    assert look(scene) == []


def test_orders_that_only_polls_find_are_silence(scene: Scene, answer: Answer) -> None:
    answer(Watched())
    heard(scene, minutes_ago=50)
    bought(scene, 2, minutes_ago=20)
    assert look(scene) == []
    bought(scene, 1, minutes_ago=10)
    assert look(scene) == [("webhooks", "silent")]
    assert rows("SELECT words FROM sync_case") == [
        ("Polls found 3 new orders of the last hour that no webhook told of: webhooks do not arrive.",)
    ]
    heard(scene)
    assert look(scene) == []


@pytest.mark.parametrize(
    "known",
    [
        {"minutes_ago": 2},  # one may still come
        {"minutes_ago": 10, "placed": 600},  # read from the past
        {"minutes_ago": 90},
    ],
)
def test_what_proves_nothing_is_no_silence(scene: Scene, answer: Answer, known: dict[str, float]) -> None:
    answer(Watched())
    bought(scene, 5, **known)
    assert look(scene) == []


def test_late_webhooks_are_no_silence(scene: Scene, answer: Answer) -> None:
    answer(Watched())
    bought(scene, 5, minutes_ago=10)
    heard(scene, minutes_ago=7)
    assert look(scene) == []


def test_a_shop_whose_webhooks_are_not_ours_to_keep_may_be_silent(scene: Scene, answer: Answer) -> None:
    answer(Watched())
    bought(scene, 5, minutes_ago=10)
    watching.watch(scene.world.shop.pk, "")
    assert cases() == []


def test_one_that_does_not_let_us_at_its_webhooks_is_served_all_the_same(scene: Scene, answer: Answer) -> None:
    answer(Misconfigured("The shop's webhook secret is not set."))
    assert look(scene) == [("webhooks", "misconfigured")]
    assert rows("SELECT failures FROM sync_gate WHERE system_id = %s", scene.world.shop.pk) == [(0,)]
    answer(Watched())
    assert look(scene) == []


def test_one_that_does_not_answer_is_its_gates_to_tell(scene: Scene, answer: Answer, asked: list[str]) -> None:
    answer(Retry("The shop does not answer.", down=True))
    assert look(scene) == []
    assert rows("SELECT failures FROM sync_gate WHERE system_id = %s", scene.world.shop.pk) == [(1,)]
    assert look(scene) == []
    assert len(asked) == 1


def test_two_do_not_watch_at_once(scene: Scene, answer: Answer, asked: list[str]) -> None:
    answer(Watched())
    with leases.lease(f"webhooks:{scene.world.shop.pk}", 60):
        assert watching.watch(scene.world.shop.pk, PUBLIC) is None
    assert asked == []


def test_a_person_takes_note_and_what_is_still_wrong_opens_again(scene: Scene, answer: Answer) -> None:
    answer(OFF)
    look(scene)
    release.release([pk for (pk,) in rows("SELECT id FROM sync_case")], "anna")
    assert cases() == []
    assert look(scene) == [("webhooks", "webhook_disabled")]
