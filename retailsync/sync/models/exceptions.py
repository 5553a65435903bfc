"""What needs a person (Case), and what people did about it (Action)."""

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
            models.Index(
                fields=["reason", "who", "opened_at"], condition=Q(closed_at=None), name="case_open_by_reason"
            ),
            recent("opened_at", "case_recent"),
        ]

    def __str__(self) -> str:
        return self.words


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
        indexes = [models.Index(fields=["target_kind", "target_id"], name="action_target")]

    def __str__(self) -> str:
        return f"{self.who}: {self.what} {self.target_kind} {self.target_id}"
