"""Who is locked out after failed log-ins, and how an administrator lets them in again. The counting is the library's."""

from collections.abc import Sequence
from typing import Any

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.utils import timezone
from unfold.decorators import action, display

from retailsync.console import words
from retailsync.console.base import ReadOnly, Request
from retailsync.sync.models import Action

AccessAttempt._meta.verbose_name, AccessAttempt._meta.verbose_name_plural = "failed log-in", "failed log-ins"


@admin.register(AccessAttempt)
class AttemptAdmin(ReadOnly):
    """Names and addresses that failed to log in, the newest first."""

    page_template = "console/failed_login.html"
    list_display = ["name", "ip_address", "failures", "state_word", "last"]
    search_fields = ["=username", "=ip_address"]
    search_help_text = "User name or address in full"
    ordering = ["-pk"]
    actions = ["let_in"]
    empty = "Nobody failed to log in."

    def has_work_permission(self, request: Request) -> bool:
        """Who looks after people."""
        return bool(request.user.has_perm("auth.change_user"))

    @display(description="User name")
    def name(self, row: AccessAttempt) -> str:
        return row.username or words.NOTHING

    @display(description="Failures")
    def failures(self, row: AccessAttempt) -> int:
        return int(row.failures_since_start)

    @display(description="State")
    def state_word(self, row: AccessAttempt) -> str:
        return words.badge("locked out", "bad") if locked(row) else words.badge("may try again")

    @display(description="Last")
    def last(self, row: AccessAttempt) -> str:
        return words.when(row.attempt_time, relative=True)

    def page(self, request: Request, row: AccessAttempt) -> dict[str, Any]:
        return {"title": row.username or row.ip_address, "locked": locked(row)}

    @action(description="Let them log in again", permissions=["work"])
    def let_in(self, request: Request, queryset: QuerySet[AccessAttempt]) -> None:
        """Forget their failures."""
        rows: Sequence[AccessAttempt] = list(queryset)
        for row in rows:
            reset(username=row.username, ip=row.ip_address)
        who = request.user.get_username()
        Action.objects.bulk_create(
            Action(who=who, what="let log in again", target_kind="user", target_id=row.pk, why=row.username or "")
            for row in rows
        )
        messages.success(request, f"{len(rows)} may log in again.")


def locked(row: AccessAttempt) -> bool:
    """Whether this name is not let in from this address now, whatever the password."""
    recent = row.attempt_time > timezone.now() - settings.AXES_COOLOFF_TIME
    return bool(recent and row.failures_since_start >= settings.AXES_FAILURE_LIMIT)
