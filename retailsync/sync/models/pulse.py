"""What was done in each five minutes (Pulse): reckoned anew from the corridor's rows, never a source of truth."""

from django.db import models
from django.db.models import Q


class Pulse(models.Model):
    """One workflow and system in one bucket. Intake counts messages, every other workflow its commands."""

    bucket = models.DateTimeField()
    workflow = models.CharField(max_length=30)
    system = models.ForeignKey("canonical.System", models.CASCADE, db_index=False)
    came = models.PositiveIntegerField(help_text="Messages received, commands put out.")
    handled = models.PositiveIntegerField(help_text="Messages done, commands confirmed.")
    in_time = models.PositiveIntegerField(help_text="Of these, within the service level.")
    parked = models.PositiveIntegerField(help_text="Exceptions opened about them.")
    p50 = models.FloatField(null=True, help_text="Seconds from coming to being handled, of half of them.")
    p95 = models.FloatField(null=True)
    exchanges = models.PositiveIntegerField(help_text="Requests made.")
    failed = models.PositiveIntegerField(help_text="Of these, without a good answer.")

    class Meta:
        default_permissions = ()  # who sees the rows behind a number sees the number
        constraints = [models.UniqueConstraint(fields=["bucket", "workflow", "system"], name="pulse_once_per_bucket")]

    def __str__(self) -> str:
        return f"{self.workflow} {self.bucket:%d %b %H:%M}"


class PulseRun(models.Model):
    """When the tallies were last reckoned; one row. They do not tell it: where nothing happens, there is none."""

    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="pulse_run_one_row")]

    def __str__(self) -> str:
        return f"reckoned {self.at:%d %b %H:%M:%S}"
