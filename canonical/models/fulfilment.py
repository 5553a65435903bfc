"""What warehouses are asked to ship, what they answered, and what left the building."""

from django.db import models
from django.db.models.functions import Now


class FulfilmentRequest(models.Model):
    """One request to one location. Two axes stay separate: what was answered (`answer`) and how far the work is (`execution`)."""

    class Answer(models.TextChoices):
        UNSUBMITTED = "unsubmitted", "not sent yet"
        SUBMITTED = "submitted", "sent, not answered"
        ACCEPTED = "accepted", "accepted"
        REJECTED = "rejected", "rejected"
        CLOSED = "closed", "closed"

    class Execution(models.TextChoices):
        OPEN = "open", "open"
        PICKING = "picking", "picking"
        PICKED = "picked", "picked"
        PACKED = "packed", "packed"
        PART_SHIPPED = "part_shipped", "partly shipped"
        SHIPPED = "shipped", "shipped"
        SHORT = "short", "short"
        CANCELLED = "cancelled", "cancelled"

    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="requests")
    location = models.ForeignKey("canonical.Location", models.PROTECT)
    system = models.ForeignKey("canonical.System", models.PROTECT, related_name="requests", help_text="Who was asked.")
    reference = models.CharField(max_length=140, unique=True)
    purpose = models.CharField(max_length=10, default="original")
    held = models.BooleanField(default=False, db_default=False, help_text="The warehouse holds it because we asked.")
    ship_to = models.ForeignKey(
        "canonical.Address",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Where it was asked to go.",
    )
    attempt = models.PositiveSmallIntegerField(default=1)
    answer = models.CharField(max_length=12, choices=Answer, default=Answer.UNSUBMITTED)
    execution = models.CharField(max_length=12, choices=Execution, default=Execution.OPEN)
    reason = models.TextField(blank=True, help_text="Why it was rejected, in the warehouse's words.")
    short_reason = models.TextField(blank=True, db_default="", help_text="Why units are missing, as reported last.")
    short_at = models.DateTimeField(null=True, blank=True)
    partner_ref = models.CharField(max_length=100, blank=True)
    requested_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    executed_at = models.DateTimeField(null=True, blank=True)
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "location", "purpose", "attempt"], name="request_once_per_location_and_attempt"
            )
        ]
        indexes = [
            models.Index(fields=["partner_ref"], condition=~models.Q(partner_ref=""), name="request_by_partner_ref")
        ]

    def __str__(self) -> str:
        return self.reference


class RequestChange(models.Model):
    """One change of a request a warehouse knows, and its answer. The request says what is agreed; this says what was asked for."""

    class Answer(models.TextChoices):
        ASKED = "asked", "asked, not answered"
        ACCEPTED = "accepted", "accepted"
        REJECTED = "rejected", "rejected"
        MOOT = "moot", "overtaken"

    request = models.ForeignKey(FulfilmentRequest, models.CASCADE, related_name="changes")
    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="changes")
    number = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)
    lines = models.JSONField(default=dict, help_text="Our line id → units as they should be.")
    ship_to = models.ForeignKey("canonical.Address", models.PROTECT, null=True, blank=True, related_name="+")
    answer = models.CharField(max_length=10, choices=Answer, default=Answer.ASKED, db_default="asked")
    reason = models.TextField(blank=True, db_default="")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="change_once_per_number"),
            models.UniqueConstraint(
                fields=["request"], condition=models.Q(answer="asked"), name="change_one_open_per_request"
            ),
        ]
        indexes = [models.Index(fields=["order"], name="change_of_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.request} ({self.answer})"


class RequestLine(models.Model):
    """Units of one order line that one request asks for."""

    request = models.ForeignKey(FulfilmentRequest, models.CASCADE, related_name="lines")
    line = models.ForeignKey("canonical.OrderLine", models.CASCADE)
    units = models.IntegerField()
    short = models.IntegerField(default=0, db_default=0)
    shipped = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "line"], name="request_line_once")]


class Shipment(models.Model):
    """Goods that left a location together. Keyed by the partner's own shipment id, so that a repetition is the same shipment."""

    system = models.ForeignKey("canonical.System", models.PROTECT, related_name="shipments")
    external_id = models.CharField(max_length=200)
    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="shipments")
    request = models.ForeignKey(FulfilmentRequest, models.CASCADE, related_name="shipments")
    carrier = models.CharField(max_length=100, blank=True)
    service = models.CharField(max_length=100, blank=True)
    carrier_at = models.DateTimeField(
        null=True, help_text="When carrier and service were said anew; empty: with the shipment."
    )
    shipped_at = models.DateTimeField()
    digest = models.BinaryField()
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "external_id"], name="shipment_once_per_partner_id")]

    def __str__(self) -> str:
        return f"{self.request.reference}: {self.external_id}"


class Package(models.Model):
    """One parcel of a shipment."""

    shipment = models.ForeignKey(Shipment, models.CASCADE, related_name="packages")
    position = models.PositiveSmallIntegerField()
    tracking = models.CharField(max_length=100, blank=True, db_index=True)
    tracking_url = models.CharField(max_length=500, blank=True)
    tracked_at = models.DateTimeField(null=True, help_text="When they were said anew; empty: with the shipment.")
    unknown = models.JSONField(
        default=list, db_default=[], help_text="Units the warehouse put in that were not asked for."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shipment", "position"], name="package_once_per_position")]

    def __str__(self) -> str:
        return self.tracking or f"parcel {self.position}"


class PackageLine(models.Model):
    """Units of one order line inside one parcel."""

    package = models.ForeignKey(Package, models.CASCADE, related_name="lines")
    line = models.ForeignKey("canonical.OrderLine", models.CASCADE)
    units = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["package", "line"], name="package_line_once")]
