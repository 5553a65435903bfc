"""What people ask to be done to many exceptions: previewed, perhaps approved by a second person, then carried out in pieces."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords


class Replay(models.Model):
    """One release of a set of exceptions, perhaps with a fix that comes first. What exactly it will do is in its items."""

    class State(models.TextChoices):
        PREVIEWING = "previewing", "being previewed"
        PREVIEWED = "previewed", "waits for your go"
        ASKED = "asked", "waits for a second person"
        RUNNING = "running", "under way"
        DONE = "done", "done"
        DIFFERS = "differs", "stopped: something changed meanwhile"
        CANCELLED = "cancelled", "cancelled"

    #: States in which a worker has something to do.
    BUSY = ("previewing", "running")

    title = models.CharField(max_length=300)
    why = models.TextField(blank=True)
    fix = models.JSONField(null=True, help_text="What is put right first; none: a plain release.")
    group = models.ForeignKey("sync.Group", models.SET_NULL, null=True, related_name="replays")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=State, default=State.PREVIEWING, db_default="previewing")
    exceptions = models.PositiveIntegerField(default=0)
    orders = models.PositiveIntegerField(default=0, help_text="Orders among what it is about.")
    money = models.JSONField(default=dict, help_text="Currency → what these orders come to.")
    left_out = models.PositiveIntegerField(
        default=0, help_text="Chosen, but never released in bulk: their outcome is unknown."
    )
    summary = models.JSONField(
        default=dict, help_text="What the items say together: counted when all of them are previewed."
    )
    fixed = models.BooleanField(default=False, db_default=False, help_text="The fix was committed.")
    created_at = models.DateTimeField(db_default=Now())
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state"], condition=Q(state__in=("previewing", "running")), name="replay_busy")]

    def __str__(self) -> str:
        return self.title


class ReplayItem(models.Model):
    """One whole subject of a replay (an order, or what has none): its exceptions, and what releasing them does (`digest`)."""

    class State(models.TextChoices):
        WAITING = "waiting", "not previewed yet"
        PREVIEWED = "previewed", "previewed"
        REFUSED = "refused", "cannot be done"
        DONE = "done", "done"
        SETTLED = "settled", "settled by others before"
        DIFFERS = "differs", "changed meanwhile"

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    order_id = models.BigIntegerField(null=True)
    case_ids = ArrayField(models.BigIntegerField())
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_default="waiting")
    effect = models.JSONField(null=True)
    digest = models.CharField(max_length=64, blank=True, db_default="")
    words = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["replay", "position"], name="item_once_per_position")]
        indexes = [models.Index(fields=["replay", "state", "position"], name="item_by_state")]

    def __str__(self) -> str:
        return f"{self.position} of {self.replay_id}"


class Approval(models.Model):
    """A second person's word on what the first one asked for. It holds for exactly what was seen: `digest`."""

    target_kind = models.CharField(max_length=20)
    target_id = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    granted = models.BooleanField(null=True)
    why = models.TextField(blank=True)

    class Meta:
        permissions = [("approve_replay", "Can approve what a colleague asked for")]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("asked_by")), name="approval_takes_two"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None, decided_at=None, granted=None)
                | Q(decided_by__isnull=False, decided_at__isnull=False, granted__isnull=False),
                name="approval_decided_whole",
            ),
            models.UniqueConstraint(
                fields=["target_kind", "target_id"], condition=Q(decided_at=None), name="approval_one_open_per_target"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target_kind} {self.target_id} for {self.asked_by}"


class ApprovalLimit(models.Model):
    """Above what a replay takes a second person. One row; none: the defaults."""

    exceptions = models.PositiveIntegerField(
        default=200,
        validators=[MinValueValidator(1)],
        help_text="More exceptions than this at once need a second person.",
    )
    amount = models.DecimalField(
        max_digits=14, decimal_places=2, default=10_000, validators=[MinValueValidator(0)],
        help_text="Orders worth more than this together, in any one currency, need a second person.",
    )  # fmt: skip
    history = HistoricalRecords()

    class Meta:
        verbose_name = "limit for a second person"
        verbose_name_plural = "limits for a second person"
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="limit_one_row")]

    def __str__(self) -> str:
        return f"more than {self.exceptions:,} exceptions, or {self.amount:,.0f} in one currency"

    @classmethod
    def current(cls) -> "ApprovalLimit":
        """The limit that holds now."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)
