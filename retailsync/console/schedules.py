"""What runs when: the scheduler's own tables, in the console's look."""

from typing import Any

from django.contrib import admin
from django_celery_beat import admin as beat
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from retailsync.console.base import Lists, Request

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)


class TaskForm(beat.PeriodicTaskForm):
    """The scheduler's form with our widgets."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = UnfoldAdminSelectWidget(choices=self.fields["regtask"].choices)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(beat.PeriodicTaskAdmin, Lists):
    """Tasks that run by the clock."""

    form = TaskForm
    list_display = ["name", "enabled", "scheduler", "last_run_at"]
    list_select_related = ["interval", "crontab", "clocked", "solar"]
    change_list_template = "console/list.html"

    def get_actions(self, request: Request) -> dict[str, Any]:
        """The scheduler's own actions ask for no permission: whoever sees the list could switch all of it off."""
        return super().get_actions(request) if self.has_change_permission(request) else {}


@admin.register(IntervalSchedule)
class IntervalAdmin(Lists):
    """Every so often."""


@admin.register(CrontabSchedule)
class CrontabAdmin(Lists):
    """At set times."""
