"""What needs a person (Case, and Group of those with one cause), and what people did about it (Action, Comment)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from retailsync.sync.models.corridor import recent


class Case(models.Model):
    """One exception: a message that could not be recorded, a hold, a command not confirmed, or a system that is down.

    `cause` is equal for rows with one cause, so that they are one group. At most one open case per target.
    """

    class Target(models.TextChoices):
        MESSAGE = "message", "message"
        HOLD = "hold", "hold"
        COMMAND = "command", "command"
        SYSTEM = "system", "system"
        CURSOR = "cursor", "feed"
        WEBHOOKS = "webhooks", "webhooks"
        LEVEL = "stock_level", "stock level"
        SNAPSHOT = "snapshot", "stock snapshot"
        SOURCE = "stock_source", "source of stock figures"
        LISTING = "listing", "stock a shop shows"
        REQUEST = "request", "fulfilment request"

    class Who(models.TextChoices):
        BACK_OFFICE = "back_office", "back office"
        PARTNER = "partner", "the warehouse"
        ADMINISTRATOR = "administrator", "administrator"
        DEVELOPER = "developer", "developer"

    target_kind = models.CharField(max_length=12, choices=Target)
    target_id = models.BigIntegerField()
    system = models.ForeignKey("canonical.System", models.CASCADE, null=True)
    order_id = models.BigIntegerField(null=True, db_index=True)
    workflow = models.CharField(max_length=30)
    stage = models.CharField(max_length=10)
    reason = models.CharField(max_length=30)
    detail = models.CharField(max_length=300, blank=True)
    cause = models.CharField(max_length=64, db_index=True)
    words = models.TextField()
    who = models.CharField(max_length=15, choices=Who)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=150, blank=True, db_default="")

    class Meta:
        verbose_name = "exception"
        constraints = [
            models.UniqueConstraint(
                fields=["target_kind", "target_id"], condition=Q(closed_at=None), name="case_one_open_per_target"
            )
        ]
        indexes = [
            models.Index(fields=["-id"], condition=Q(closed_at=None), name="case_open"),
            models.Index(fields=["cause", "order_id"], condition=Q(closed_at=None), name="case_open_by_cause"),
            models.Index(
                fields=["reason", "who", "opened_at"], condition=Q(closed_at=None), name="case_open_by_reason"
            ),
            recent("opened_at", "case_recent"),
        ]

    def __str__(self) -> str:
        return self.words


class Group(models.Model):
    """All exceptions with one cause, past and present, and what people decided about them. How many are open is counted, never stored.

    `resolved_at` is set while none is open; one that opens afterwards brings the group back.
    """

    cause = models.CharField(max_length=64, unique=True)
    system = models.ForeignKey("canonical.System", models.CASCADE, null=True)
    workflow = models.CharField(max_length=30)
    stage = models.CharField(max_length=10)
    reason = models.CharField(max_length=30)
    detail = models.CharField(max_length=300, blank=True)
    who = models.CharField(max_length=15, choices=Case.Who)
    words = models.TextField(help_text="Of the first of them.")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    snoozed_until = models.DateTimeField(null=True, help_text="Not shown among what is to be done before.")
    ignored = models.BooleanField(default=False, db_default=False, help_text="Not shown among what is to be done.")
    first_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True, help_text="When one opened again after all were closed.")
    returns = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name = "group of exceptions"
        verbose_name_plural = "groups of exceptions"
        indexes = [models.Index(fields=["cause"], condition=Q(resolved_at=None), name="group_unresolved")]

    def __str__(self) -> str:
        return self.words


class Comment(models.Model):
    """What somebody wrote for the others about a group. Append-only."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="comments")
    who = models.CharField(max_length=150)
    text = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.who}: {self.text[:80]}"


class SavedView(models.Model):
    """A way somebody looks at the groups, kept under a name. `query` is the part of the address after the question mark."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="view_once_per_name")]

    def __str__(self) -> str:
        return self.name


class Action(models.Model):
    """Who pressed what, on what, and why. Append-only."""

    who = models.CharField(max_length=150)
    what = models.CharField(max_length=40)
    target_kind = models.CharField(max_length=20)
    target_id = models.BigIntegerField()
    why = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["target_kind", "target_id"], name="action_target"),
            models.Index(fields=["who", "at"], name="action_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.who}: {self.what} {self.target_kind} {self.target_id}"
