"""Payments as shops state them, and postings: what a target system confirmed it holds of ours."""

from django.db import models
from django.db.models.functions import Now

from canonical.models.orders import MONEY


class Payment(models.Model):
    """One payment movement on an order, as a source stated it last: the shop's statement is part of its snapshot.

    The state of payment is derived from sums, never stored here.
    """

    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="payments")
    source = models.ForeignKey("canonical.System", models.PROTECT, related_name="+")
    method = models.CharField(max_length=60)
    transaction_id = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=10, default="capture")
    amount = models.DecimalField(**MONEY)
    currency = models.CharField(max_length=3)
    paid_at = models.DateTimeField()
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "source", "kind"], name="payment_once_per_statement")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"


class Posting(models.Model):
    """What one system holds of one subject of ours, by its own receipt: the decision log of the outside world.

    `kind` × subject is the purpose (sales_order of order 17, goods_issue of shipment 4); one row per system and purpose.
    """

    system = models.ForeignKey("canonical.System", models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=30)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    order = models.ForeignKey("canonical.Order", models.CASCADE, null=True, blank=True, related_name="postings")
    state = models.CharField(max_length=20)
    external_id = models.CharField(max_length=200, blank=True)
    amount = models.DecimalField(**MONEY, null=True, blank=True)
    occurred_at = models.DateTimeField()
    first_at = models.DateTimeField(db_default=Now(), help_text="When the first receipt came.")
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["system", "kind", "subject_kind", "subject_id"], name="posting_once_per_purpose"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}: {self.state}"
