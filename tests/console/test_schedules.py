"""Schedules: only what is meant to run by the clock is chosen, and every change is in the record."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from retailsync.celery import app
from retailsync.sync.models import Action

LIST, ADD = "/admin/django_celery_beat/periodictask/", "/admin/django_celery_beat/periodictask/add/"


@pytest.fixture
def often(db: None) -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=15, period="minutes")


def form(often: IntervalSchedule, **more: Any) -> dict[str, Any]:
    return {"name": "look", "task": "sync.poll", "args": "[]", "enabled": "on", "interval": often.pk, **more}


def record() -> list[tuple[str, str, str]]:
    return list(Action.objects.order_by("pk").values_list("who", "what", "why"))


def press(client: Client, action: str) -> list[str]:
    rows = list(PeriodicTask.objects.values_list("pk", flat=True))
    answer = client.post(LIST, {"action": action, "_selected_action": rows, "post": "yes"}, follow=True)
    return [str(message) for message in answer.context["messages"]]


def test_a_schedule_is_made_changed_and_deleted_on_record(often: IntervalSchedule, boss: Client) -> None:
    assert boss.post(ADD, form(often)).status_code == 302
    page = reverse("admin:django_celery_beat_periodictask_change", args=[PeriodicTask.objects.get().pk])
    assert boss.post(page, form(often, enabled="")).status_code == 302
    assert "enabled: True → False" in boss.get(page).content.decode()
    press(boss, "delete_selected")
    assert [what for _, what, _ in record()] == ["add schedule", "change schedule", "delete schedule"]
    assert record()[1] == ("boss", "change schedule", "look: every 15 minutes. enabled: True → False")
    assert not PeriodicTask.objects.exists()


@pytest.mark.parametrize("wrong", [{"task": "sync.release"}, {"args": "3"}, {"args": "{oops"}])
def test_what_may_not_be_scheduled(wrong: dict[str, str], often: IntervalSchedule, boss: Client) -> None:
    """A task that acts in somebody's name could be given any name."""
    assert boss.post(ADD, form(often, **wrong)).context["adminform"].form.errors.keys() == wrong.keys()
    assert not PeriodicTask.objects.exists() and record() == []


def test_switching_and_running_are_on_record(
    often: IntervalSchedule, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(app, "send_task", lambda name, *args, **more: sent.append(name))
    PeriodicTask.objects.create(name="look", task="sync.poll", interval=often)
    press(boss, "disable_tasks")
    assert PeriodicTask.objects.get().enabled is False
    press(boss, "enable_tasks")
    press(boss, "run_tasks")
    assert [what for _, what, _ in record()] == ["switch off schedule", "switch on schedule", "run schedule"]
    assert PeriodicTask.objects.get().enabled is True and sent == ["sync.poll"]


def test_without_a_broker_nothing_is_run_and_that_is_said(
    often: IntervalSchedule, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **more: Any) -> None:
        raise OperationalError("away")

    PeriodicTask.objects.create(name="look", task="sync.poll", interval=often)
    monkeypatch.setattr("celery.app.task.Task.apply_async", away)
    assert press(boss, "run_tasks") == ["No worker can be reached, so nothing was run."]
    assert record() == []
