"""The ledger's one table. Written by `canonical.ledger` only; never updated, never deleted."""

from django.db import models


class Entry(models.Model):
    """The complete after-image of one small subject. Holds ids, counters, states and money; never names or addresses.

    `version` runs 1..n per subject. `cause` is (kind, id) without a foreign key, because causes live a floor above.
    """

    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    version = models.IntegerField()
    event = models.CharField(max_length=30)
    state = models.JSONField()
    order_id = models.BigIntegerField(null=True)
    source_id = models.BigIntegerField(null=True)
    cause_kind = models.CharField(max_length=12)
    cause_id = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id", "version"], name="entry_versions_once_per_subject"
            )
        ]
        indexes = [models.Index(fields=["order_id", "id"])]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id} v{self.version}: {self.event}"
