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
    kind = models.CharField(max_length=12, default="capture", help_text="authorise, capture, gift_card, store_credit")
    tender = models.CharField(
        max_length=100, blank=True, db_default="", help_text="Tells several gift cards of one order apart."
    )
    amount = models.DecimalField(**MONEY)
    currency = models.CharField(max_length=3)
    paid_at = models.DateTimeField()
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "source", "kind", "tender"], name="payment_once_per_statement")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"


class Refund(models.Model):
    """Money, and perhaps units, of an order given back in the shop. Keyed by the shop's id, so that an echo is never a second one."""

    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="refunds")
    source = models.ForeignKey("canonical.System", models.PROTECT, related_name="+")
    external_id = models.CharField(max_length=100)
    amount = models.DecimalField(**MONEY)
    reason = models.TextField(blank=True)
    refunded_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When the shop's statement no longer named it.")
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="refund_once_per_source")]

    def __str__(self) -> str:
        return f"refund {self.external_id}: {self.amount}"


class RefundLine(models.Model):
    """Units and money of one order line in one refund; both positive."""

    refund = models.ForeignKey(Refund, models.CASCADE, related_name="lines")
    line = models.ForeignKey("canonical.OrderLine", models.CASCADE, related_name="refund_lines")
    units = models.IntegerField()
    total = models.DecimalField(**MONEY)
    tax = models.DecimalField(**MONEY)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["refund", "line"], name="refund_line_once")]


class Booking(models.Model):
    """One sales order in an ERP for one order of ours. What became of it is its posting; a cancelled one may be followed by another.

    At most one is not ended, so that an ERP never holds two live documents of one order.
    """

    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="bookings")
    system = models.ForeignKey("canonical.System", models.PROTECT, related_name="bookings")
    attempt = models.PositiveSmallIntegerField(default=1)
    reference = models.CharField(max_length=140)
    raised_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When the ERP confirmed that it is cancelled.")
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "system", "attempt"], name="booking_once_per_attempt"),
            models.UniqueConstraint(
                fields=["order", "system"], condition=models.Q(ended_at=None), name="booking_one_live_per_order"
            ),
        ]

    def __str__(self) -> str:
        return self.reference


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
        indexes = [
            models.Index(fields=["external_id"], condition=~models.Q(external_id=""), name="posting_by_external_id")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}: {self.state}"
