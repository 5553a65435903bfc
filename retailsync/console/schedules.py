"""What runs when: the scheduler's own tables, in the console's look. Only what is meant to run by the clock can be chosen."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)
from kombu.exceptions import OperationalError
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from retailsync.console import words
from retailsync.console.base import Lists, Request
from retailsync.console.versions import Noted
from retailsync.sync import publishing

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)


def schedulable() -> list[str]:
    """Tasks that may run by the clock. Others act in somebody's name, and a schedule could give any name."""
    return sorted({entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} | {publishing.RUN})


def task_word(task: str) -> str:
    """A task's name in words."""
    return words.plain(task.removeprefix("sync."))


class TaskForm(forms.ModelForm):
    """One schedule: what, how often, and for whom."""

    task = forms.ChoiceField(label="What runs", widget=UnfoldAdminSelectWidget)
    args = forms.CharField(
        label="For", initial="[]", widget=UnfoldAdminTextInputWidget,
        help_text='Publishing runs: the shop\'s number and “full” or “delta”, as in [3, "full"]. Everything else: [].',
    )  # fmt: skip

    class Meta:
        model = PeriodicTask
        fields = ("name", "task", "enabled", "interval", "crontab", "args", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "task" in self.fields:
            names = {*schedulable(), *filter(None, [self.instance.task])}
            self.fields["task"].choices = [(name, task_word(name)) for name in sorted(names)]

    def clean_args(self) -> str:
        """A JSON list."""
        try:
            given = json.loads(self.cleaned_data["args"])
        except ValueError:
            given = None
        if not isinstance(given, list):
            raise forms.ValidationError("Write a list in square brackets, as in []")
        return self.cleaned_data["args"]


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(Noted, beat.PeriodicTaskAdmin, Lists):
    """Tasks that run by the clock."""

    form = TaskForm
    noted = "schedule"
    list_display = ["name", "task_word", "on", "scheduler", "last_run"]
    list_filter = ["enabled"]
    list_select_related = ["interval", "crontab", "clocked", "solar"]
    change_list_template = "console/list.html"
    date_hierarchy = None
    fieldsets = [
        (None, {"fields": ["name", "task", "args", "enabled", "description"]}),
        ("How often (one of the two)", {"fields": [("interval", "crontab"), "last_run_at"]}),
    ]
    readonly_fields = ["last_run_at"]
    actions = ["enable_tasks", "disable_tasks", "run_tasks"]

    @display(description="What runs", ordering="task")
    def task_word(self, row: PeriodicTask) -> str:
        return task_word(row.task)

    @display(description="State", ordering="enabled")
    def on(self, row: PeriodicTask) -> str:
        return words.badge("on", "good") if row.enabled else words.badge("off", "warn")

    @display(description="Last rung", ordering="last_run_at")
    def last_run(self, row: PeriodicTask) -> str:
        return words.when(row.last_run_at, relative=True) if row.last_run_at else "not yet"

    # ---- what people press ----
    @action(description="Switch on", permissions=["change"])
    def enable_tasks(self, request: Request, queryset: QuerySet[PeriodicTask]) -> None:
        """They run by the clock again."""
        self._each(request, "switch on", queryset)
        super().enable_tasks(request, queryset)

    @action(description="Switch off", permissions=["change"])
    def disable_tasks(self, request: Request, queryset: QuerySet[PeriodicTask]) -> None:
        """They do not run until somebody switches them on."""
        self._each(request, "switch off", queryset)
        super().disable_tasks(request, queryset)

    @action(description="Run once now", permissions=["change"])
    def run_tasks(self, request: Request, queryset: QuerySet[PeriodicTask]) -> None:
        """Beside the clock."""
        try:
            super().run_tasks(request, queryset)
        except OperationalError:
            messages.error(request, "No worker can be reached, so nothing was run.")
        else:
            self._each(request, "run", queryset)

    def _each(self, request: Request, what: str, queryset: QuerySet[PeriodicTask]) -> None:
        for row in queryset:
            self.note(request, what, row, row.name)

    def delete_queryset(self, request: Request, queryset: QuerySet[PeriodicTask]) -> None:
        super().delete_queryset(request, queryset)
        PeriodicTasks.update_changed()


@admin.register(IntervalSchedule)
class IntervalAdmin(Noted, Lists):
    """Every so often."""

    noted = "interval"


@admin.register(CrontabSchedule)
class CrontabAdmin(Noted, Lists):
    """At set times."""

    noted = "crontab"
