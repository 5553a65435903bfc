"""Rows of the sandbox: orders that are played, what sandbox keys called, and how certifications went."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Certification(models.Model):
    """One run: a partner plays scenarios in its sandbox, and is judged by what it really said, against one contract."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        PASSED = "passed", "passed"
        FAILED = "failed", "failed"

    system = models.ForeignKey(
        "canonical.System", models.CASCADE, related_name="certifications", help_text="The sandbox it was played in."
    )
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    contract = models.CharField(
        max_length=40, help_text="The version of the API and the mark of what may be said to it."
    )
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["system"], condition=Q(state="running"), name="certification_one_running_per_sandbox"
            ),
            models.CheckConstraint(
                condition=Q(state="running", finished_at=None) | ~Q(state="running") & Q(finished_at__isnull=False),
                name="certification_finished_or_running",
            ),
        ]

    def __str__(self) -> str:
        return f"certification {self.pk} of {self.system}"


class Clause(models.Model):
    """What one clause came to in one run."""

    class Verdict(models.TextChoices):
        WAITING = "waiting", "waiting"
        PASS = "pass", "pass"
        FAIL = "fail", "fail"

    certification = models.ForeignKey(Certification, models.CASCADE, related_name="clauses")
    scenario = models.CharField(max_length=30)
    name = models.CharField(max_length=12, help_text="Stable: what a person or a program refers to, e.g. SHIP-1.")
    position = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=8, choices=Verdict, default=Verdict.WAITING)
    words = models.TextField(blank=True, help_text="Why.")
    evidence = models.JSONField(default=list, help_text="The messages and calls it follows from.")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["certification", "name"], name="clause_once_per_certification")]

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}"


class SimulatedOrder(models.Model):
    """One order as the sandbox's shop holds it. Each change is a new version, stated whole like any shop's order."""

    class Status(models.TextChoices):
        PROCESSING = "processing", "processing"
        ON_HOLD = "on_hold", "on hold"
        CANCELLED = "cancelled", "cancelled"

    system = models.ForeignKey("canonical.System", models.CASCADE, related_name="+", help_text="The sandbox.")
    shop = models.ForeignKey("canonical.System", models.CASCADE, related_name="+", help_text="The sandbox's shop.")
    number = models.CharField(max_length=20)
    reference = models.CharField(max_length=40, unique=True)
    version = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status, default=Status.PROCESSING)
    lines = models.JSONField()
    ship_to = models.JSONField()
    note = models.TextField(blank=True)
    certification = models.ForeignKey(Certification, models.CASCADE, null=True, blank=True, related_name="orders")
    scenario = models.CharField(max_length=30, blank=True)
    placed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["certification", "scenario"],
                condition=~Q(certification=None),
                name="simulated_once_per_scenario",
            )
        ]

    def __str__(self) -> str:
        return self.reference


class Called(models.Model):
    """One POST with a sandbox key about a request: what was said with which key, and what was answered. Also what was refused, of which
    no message tells."""

    system = models.ForeignKey("canonical.System", models.CASCADE, related_name="+", db_index=False)
    reference = models.CharField(max_length=140, help_text="The request it was about.")
    action = models.CharField(max_length=40, help_text="The end of the address.")
    key = models.CharField(max_length=255, blank=True, help_text="Its idempotency key.")
    said = models.TextField(blank=True)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=30, blank=True, help_text="Of the problem it was answered with.")
    replayed = models.BooleanField(default=False, help_text="It was done before, and answered like then.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["system", "reference", "id"], name="called_about")]

    def __str__(self) -> str:
        return f"{self.action} {self.reference}: {self.status}"
