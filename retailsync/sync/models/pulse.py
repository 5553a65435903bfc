"""What was done in each five minutes (Pulse): reckoned anew from the corridor's rows, never a source of truth."""

from django.db import models


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
