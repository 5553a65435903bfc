"""What comes back, and what a warehouse found when it looked. What it means for money is decided elsewhere."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

CONDITIONS = ("new", "opened", "damaged", "wrong_item")
DISPOSITIONS = ("restock", "refurbish", "vendor", "scrap", "missing")


class Return(models.Model):
    """Goods that come back to one location: announced by staff, or a parcel that was simply there. `state` is who has them; it follows
    from what was reported."""

    class State(models.TextChoices):
        EXPECTED = "expected", "expected"
        PART_RECEIVED = "part_received", "partly received"
        RECEIVED = "received", "received"
        INSPECTED = "inspected", "inspected"
        CANCELLED = "cancelled", "cancelled"

    reference = models.CharField(max_length=100, unique=True, help_text="What everybody calls it.")
    location = models.ForeignKey("canonical.Location", models.PROTECT, related_name="returns")
    order = models.ForeignKey("canonical.Order", models.SET_NULL, null=True, blank=True, related_name="returns")
    order_reference = models.CharField(max_length=100, blank=True, help_text="As it was stated, known or not.")
    tracking = models.CharField(max_length=100, blank=True)
    announced = models.BooleanField(default=True, help_text="No: the parcel was there before anybody told of it.")
    expected_at = models.DateTimeField(null=True, blank=True)
    cancelled = models.BooleanField(default=False)
    state = models.CharField(max_length=14, choices=State, default=State.EXPECTED)
    stated_at = models.DateTimeField(help_text="Of when the announcement is.")
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["location", "id"], name="return_at_location")]

    def __str__(self) -> str:
        return self.reference


class ReturnLine(models.Model):
    """Units of one SKU of it; counters, as each unit may be in another state. More may be inspected than was received, and received than
    was expected: that is what warehouses report."""

    returned = models.ForeignKey(Return, models.CASCADE, related_name="lines")
    sku = models.ForeignKey("canonical.Sku", models.PROTECT, related_name="+")
    expected = models.IntegerField(default=0)
    received = models.IntegerField(default=0, db_default=0)
    inspected = models.IntegerField(default=0, db_default=0, help_text="With those found missing.")
    restocked = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["returned", "sku"], name="return_line_once_per_sku"),
            models.CheckConstraint(condition=Q(expected__gte=0), name="return_expects_no_less_than_none"),
            models.CheckConstraint(
                condition=Q(restocked__gte=0, restocked__lte=models.F("inspected")),
                name="return_restocked_are_inspected",
            ),
        ]


class ReturnReport(models.Model):
    """One report of a warehouse about a return, by the warehouse's own name: saying it again is the same report."""

    class Stage(models.TextChoices):
        RECEIVED = "received", "received"
        INSPECTED = "inspected", "inspected"

    returned = models.ForeignKey(Return, models.CASCADE, related_name="reports")
    stage = models.CharField(max_length=10, choices=Stage)
    external_id = models.CharField(max_length=140)
    occurred_at = models.DateTimeField()
    digest = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["returned", "stage", "external_id"], name="return_report_once_per_name")
        ]

    def __str__(self) -> str:
        return self.external_id


class ReturnedUnits(models.Model):
    """Units of one line in one report; of an inspection with their condition and what becomes of them."""

    report = models.ForeignKey(ReturnReport, models.CASCADE, related_name="units")
    line = models.ForeignKey(ReturnLine, models.CASCADE, related_name="reported")
    units = models.IntegerField()
    condition = models.CharField(max_length=10, blank=True)
    disposition = models.CharField(max_length=10, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["report", "line", "condition", "disposition"], name="returned_units_once_per_kind"
            ),
            models.CheckConstraint(condition=Q(units__gte=1), name="returned_units"),
            models.CheckConstraint(
                condition=Q(condition="", disposition="") | Q(condition__in=CONDITIONS, disposition__in=DISPOSITIONS),
                name="returned_units_kinds_known",
            ),
        ]
