"""What is on its way to a warehouse, and what of it arrived."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class InboundShipment(models.Model):
    """Goods that are expected at one location. `state` follows from what arrived; more than expected is recorded like everything else."""

    class State(models.TextChoices):
        EXPECTED = "expected", "expected"
        PART_RECEIVED = "part_received", "partly received"
        RECEIVED = "received", "received"
        CANCELLED = "cancelled", "cancelled"

    reference = models.CharField(
        max_length=100, unique=True, help_text="What everybody calls it, e.g. the purchase order."
    )
    location = models.ForeignKey("canonical.Location", models.PROTECT, related_name="inbound")
    supplier = models.CharField(max_length=200, blank=True)
    expected_at = models.DateTimeField(null=True, blank=True)
    cancelled = models.BooleanField(default=False)
    state = models.CharField(max_length=14, choices=State, default=State.EXPECTED)
    stated_at = models.DateTimeField(help_text="Of when the announcement is.")
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["location", "id"], name="inbound_at_location")]

    def __str__(self) -> str:
        return self.reference


class InboundLine(models.Model):
    """Units of one SKU of it. What arrived without being announced has a line with nothing expected."""

    shipment = models.ForeignKey(InboundShipment, models.CASCADE, related_name="lines")
    sku = models.ForeignKey("canonical.Sku", models.PROTECT, related_name="+")
    expected = models.IntegerField(default=0)
    received = models.IntegerField(default=0, db_default=0, help_text="With damaged ones.")
    damaged = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shipment", "sku"], name="inbound_line_once_per_sku"),
            models.CheckConstraint(condition=Q(expected__gte=0), name="inbound_expects_no_less_than_none"),
            models.CheckConstraint(
                condition=Q(damaged__gte=0, damaged__lte=F("received")), name="inbound_damaged_are_received"
            ),
        ]


class InboundReceipt(models.Model):
    """One receipt as a warehouse reported it, by its own name: saying it again is the same receipt."""

    shipment = models.ForeignKey(InboundShipment, models.CASCADE, related_name="receipts")
    external_id = models.CharField(max_length=140)
    occurred_at = models.DateTimeField()
    digest = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shipment", "external_id"], name="receipt_once_per_name")]

    def __str__(self) -> str:
        return self.external_id


class InboundReceiptLine(models.Model):
    """Units of one SKU in one receipt."""

    receipt = models.ForeignKey(InboundReceipt, models.CASCADE, related_name="lines")
    line = models.ForeignKey(InboundLine, models.CASCADE, related_name="+")
    units = models.IntegerField()
    damaged = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["receipt", "line"], name="receipt_line_once"),
            models.CheckConstraint(condition=Q(units__gte=1), name="receipt_units"),
            models.CheckConstraint(condition=Q(damaged__gte=0, damaged__lte=F("units")), name="receipt_damaged_share"),
        ]
