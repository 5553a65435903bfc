"""“Operate”: stopping and going on with a reason, asking a system, and what the page says when something is away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from canonical.models import Secret, System
from retailsync.celery import app
from retailsync.console import atwork
from retailsync.sync import bell, inbox, probing, sending
from retailsync.sync.leases import lease
from retailsync.sync.models import Action, Attempt, Pause
from tests.console.conftest import person
from tests.console.scene import HOSTILE, Scene
from tests.console.test_systems import save

PAGE = "/admin/operate/"


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Bells that were rung again."""
    bells: list[tuple[str, int]] = []
    monkeypatch.setattr(bell, "again", lambda task, system: bells.append((task, system)))
    return bells


def press(client: Client, name: str, *args: Any, **form: Any) -> tuple[list[str], str]:
    """What the page then says, and where it is."""
    answer = client.post(reverse(f"operate_{name}", args=args), form, follow=True)
    return [str(message) for message in answer.context["messages"]], answer.request["PATH_INFO"]


def record() -> list[tuple[str, str, str]]:
    return list(Action.objects.order_by("pk").values_list("who", "what", "why"))


# ---- systems ----------------------------------------------------------------------------------------------------------------
def test_a_system_is_paused_and_goes_on_with_a_reason(scene: Scene, boss: Client, rung: list[tuple[str, int]]) -> None:
    shop = scene.shop
    assert press(boss, "pause", shop.pk) == (["Nothing was changed: say why."], PAGE)
    told, where = press(boss, "pause", shop.pk, why="they move house", on=shop.pk)
    assert told[0].startswith("Web shop is paused: nothing is sent to it") and where.endswith(
        f"/system/{shop.pk}/change/"
    )
    assert System.objects.get(pk=shop.pk).mode == "paused"
    assert shop.history.first().history_user.username == "boss"
    assert press(boss, "resume", shop.pk, why="done")[0] == ["Web shop is live again."]
    assert press(boss, "resume", shop.pk, why="done")[0] == ["Web shop is live already."]
    assert record() == [("boss", "pause", "they move house"), ("boss", "resume", "done")]


def test_work_now_rings_for_both_directions_or_says_why_not(
    scene: Scene, boss: Client, rung: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = scene.shop.pk
    assert press(boss, "work", pk)[0] == ["Workers were asked to work off what waits for Web shop."]
    assert rung == [(inbox.TASK, pk), (sending.TASK, pk)]
    monkeypatch.setattr(bell, "depths", lambda queues: None)
    assert "Redis does not answer" in press(boss, "work", pk)[0][0]
    System.objects.filter(pk=pk).update(mode="paused")
    assert "is paused: what it said is worked off, and nothing is sent" in press(boss, "work", pk)[0][0]


def test_what_was_asked_and_answered_is_shown(scene: Scene, boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Attempt.objects.create(
        system=scene.shop, method="GET", url="https://shop.example.com/status", status=200, request="", response=HOSTILE,
        started_at=timezone.now(), seconds=0.2,
    )  # fmt: skip
    found = probing.Probe(True, f"WooCommerce {HOSTILE} answers.", "", 0.25, [exchange.pk])
    monkeypatch.setattr(probing, "probe", lambda pk: found)
    url = reverse("operate_probe", args=[scene.shop.pk])
    page = boss.post(url)
    text = page.content.decode()
    assert (
        "It answers" in text
        and "0.25 seconds" in text
        and "shop.example.com/status" in text
        and "no-store" in page["Cache-Control"]
    )
    assert "<script>alert" not in text and "<img src=x" not in text
    narrow = person("narrow", "change_system", "view_system").post(url).content.decode()
    assert "WooCommerce" in narrow and "shop.example.com/status" not in narrow


def test_a_system_that_does_not_answer_is_said_in_words(scene: Scene, boss: Client) -> None:
    """Nothing is there: the test's shop has no secrets and no address that exists."""
    text = boss.post(reverse("operate_probe", args=[scene.shop.pk])).content.decode()
    assert "It does not answer as it should" in text and "Traceback" not in text


# ---- workflows --------------------------------------------------------------------------------------------------------------
def test_a_workflow_is_paused_and_goes_on_with_a_reason(boss: Client, db: None) -> None:
    assert (
        press(boss, "pause_workflow", "publishing")[0] == ["Nothing was changed: say why."]
        and not Pause.objects.exists()
    )
    told, _ = press(boss, "pause_workflow", "publishing", why="stock taking")
    assert told == ["Writing stock into shops: paused. What is under way now may still go out."]
    assert "stock taking" in boss.get(PAGE).content.decode()
    assert "paused already" in press(boss, "pause_workflow", "publishing", why="again")[0][0]
    assert press(boss, "resume_workflow", "publishing", why="counted")[0] == [
        "Writing stock into shops: goes on; what waited goes out now."
    ]
    assert [what for _, what, _ in record()] == ["pause workflow", "resume workflow"]
    assert boss.post(reverse("operate_pause_workflow", args=["unicorns"]), {"why": "x"}).status_code == 404


# ---- who may ----------------------------------------------------------------------------------------------------------------
def test_who_may_only_look_sees_no_buttons(scene: Scene, viewer: Client) -> None:
    text = viewer.get(PAGE).content.decode()
    assert "Web shop" in text and "Work now" not in text and 'name="why"' not in text
    assert (
        "operate/system"
        not in viewer.get(reverse("admin:canonical_system_change", args=[scene.shop.pk])).content.decode()
    )


# ---- what the page knows ----------------------------------------------------------------------------------------------------
def test_the_price_of_the_page_does_not_grow(scene: Scene, boss: Client, queries: Callable[[Client, str], int]) -> None:
    few = queries(boss, PAGE)
    for number in range(5):
        System.objects.create(slug=f"s{number}", name=f"S{number}", connector="partner", roles=["3pl"])
        scene.parked(scene.order(number + 1))
    for name in ("booking", "shop", "fulfilment"):
        Pause.objects.create(workflow=name, who="ada", why="x")
    assert queries(boss, PAGE) == few <= 12


@pytest.mark.django_db(transaction=True)
def test_who_is_at_work_is_said() -> None:
    system = System.objects.create(slug="web", name="Web shop", connector="woocommerce", roles=["channel"])
    with lease(f"send:{system.pk}", 30), lease(f"poll:{system.pk}:orders", 30), lease("stock", 30):
        assert atwork.leases() == {
            str(system.pk): ["asking it for news (orders)", "sending to it"],
            "": ["reckoning stock"],
        }
        (row,) = atwork.systems()
        assert (row["messages"], row["commands"], len(row["work"])) == ("0", "0", 2)
    assert atwork.leases() == {}


def test_queues_are_counted(boss: Client, db: None, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.delete("polls")
    client.lpush("polls", "a", "b")
    try:
        rows = {row.name: row.waiting for row in boss.get(PAGE).context["queues"]["rows"]}
    finally:
        client.delete("polls")
    assert rows["polls"] == 2 and set(rows) == {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}


def test_without_redis_the_page_opens_and_says_so(boss: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "_client", redis.Redis(port=1, socket_connect_timeout=0.1))
    for url in (PAGE, f"{PAGE}?workers"):
        assert "Redis does not answer" in boss.get(url).content.decode()


def test_workers_are_asked_only_when_somebody_wants_to_know(
    boss: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Inspect:
        def active_queues(self) -> Any:
            asked.append(1)
            return {"send@host": [{"name": "send"}, {"name": "stock"}]}

    monkeypatch.setattr(app.control, "inspect", lambda timeout: Inspect())
    assert "send@host" not in boss.get(PAGE).content.decode() and asked == []
    text = boss.get(f"{PAGE}?workers").content.decode()
    assert text.count("send@host") == 2 and text.count(">nobody<") == 5 and asked == [1]


@pytest.mark.parametrize("answer", [None, ConnectionResetError("gone"), redis.ConnectionError("gone")])
def test_no_worker_answers(answer: Any, boss: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Inspect:
        def active_queues(self) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(app.control, "inspect", lambda timeout: Inspect())
    assert "No worker answers" in boss.get(f"{PAGE}?workers").content.decode()


@pytest.mark.parametrize(("ago", "late"), [(2, False), (30, True)])
def test_a_clock_that_stands_still_is_noticed(ago: int, late: bool, boss: Client, db: None) -> None:
    often = IntervalSchedule.objects.create(every=10, period="seconds")
    rung = timezone.now() - timedelta(minutes=ago)
    PeriodicTask.objects.create(name="sweep", task="sync.sweep", interval=often, last_run_at=rung)
    PeriodicTask.objects.create(name="off", task="sync.poll", interval=often, last_run_at=rung, enabled=False)
    found = {row["task"].name: row["late"] for row in boss.get(PAGE).context["clock"]}
    assert found == {"sweep": late, "off": False}


def test_a_nightly_run_is_late_only_after_its_night(db: None) -> None:
    nightly = CrontabSchedule.objects.create(minute="10", hour="2")
    task = PeriodicTask(name="n", task="sync.publish_run", crontab=nightly)
    found = []
    for hours in (0, 50):
        task.last_run_at = timezone.now() - timedelta(hours=hours)
        found.append(atwork.late(task, timezone.now()))
    assert found == [False, True]


# ---- secrets ----------------------------------------------------------------------------------------------------------------
def test_a_change_over_is_seen_and_ended(scene: Scene, boss: Client) -> None:
    url = reverse("admin:canonical_system_change", args=[scene.shop.pk])
    for value in ("first one", "second one"):
        save(boss, scene.shop, secret_webhook=value)
    page = boss.get(url)
    found = {row["name"]: (bool(row["newest"]), len(row["older"])) for row in page.context["rotation"]}
    assert found == {"consumer_key": (False, 0), "consumer_secret": (False, 0), "webhook": (True, 1)}
    text = page.content.decode()
    assert "changing over" in text and "End the older values of webhook?" in text and "second one" not in text
    assert press(boss, "end_secrets", scene.shop.pk, "webhook", on=scene.shop.pk)[0] == [
        "1 older value of webhook ended: only the newest is valid now."
    ]
    newest = Secret.objects.order_by("-pk")[0]
    assert list(Secret.objects.filter(retired_at=None)) == [newest]
    assert record()[-1] == ("boss", "end older secrets", "webhook: 1 older value ended")
    assert "no older value" in press(boss, "end_secrets", scene.shop.pk, "webhook")[0][0]
