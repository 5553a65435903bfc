"""What staff decide once for many orders: mappings of other systems' words, and policies per shop. Edited by people, with history."""

from django.db import models
from simple_history.models import HistoricalRecords


class Mapping(models.Model):
    """What one word of a shop means: one row of one versioned table. `value` is decoded strictly by `canonical.mappings`.

    A table of a kind that has rows for a shop (its own or those for all shops) is complete or asks: a word it lacks becomes a hold.
    A table without rows is not in use, and words pass as they are.
    """

    class Kind(models.TextChoices):
        SHIPPING = "shipping_method", "shipping method"
        PAYMENT = "payment_method", "payment method"
        TAX = "tax", "tax"
        PLACE = "place", "country or state"
        STATUS = "shop_status", "shop status"
        LINE = "line_kind", "kind of line"
        META = "meta", "meta key"
        SKU = "sku", "SKU"

    kind = models.CharField(max_length=20, choices=Kind)
    channel = models.ForeignKey(
        "canonical.System",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="mappings",
        help_text="Empty: all shops.",
    )
    key = models.CharField(max_length=200, help_text="The shop's word, e.g. flat_rate:3, bacs, DE:BE.")
    value = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    changed_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["kind", "channel", "key"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "channel", "key"], nulls_distinct=False, name="mapping_once_per_word"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.key}"


class ShopPolicy(models.Model):
    """How one shop's orders are treated where people may choose. A shop without a row has the defaults."""

    class Short(models.TextChoices):
        ASK = "ask", "ask a person"
        AVAILABLE = "ship_available", "ship what is there, the rest later"
        COMPLETE = "ship_complete", "ship all together or not at all"
        CANCEL = "cancel_remainder", "ship what is there, cancel the rest"

    class Refused(models.TextChoices):
        ASK = "ask", "ask a person"
        RECREATE = "recreate", "cancel the request and make a new one"

    class Erp(models.TextChoices):
        NO = "no", "no: warehouse and ERP are told at once"
        YES = "yes", "yes: the warehouse is told once the ERP confirmed"
        AFTER = "after", "for so many minutes: then the warehouse is told all the same"

    class Guests(models.TextChoices):
        PER_EMAIL = "per_email", "one contact per e-mail"
        PER_ORDER = "per_order", "one contact per order"
        COLLECTIVE = "collective", "one collective account"

    class Split(models.TextChoices):
        NEVER = "never", "no: one location ships all, or waits"
        LINES = "lines", "line by line"
        UNITS = "units", "also the units of one line"

    channel = models.OneToOneField("canonical.System", models.CASCADE, related_name="policy")
    on_short = models.CharField(max_length=20, choices=Short, default=Short.ASK)
    on_amendment_refused = models.CharField(max_length=10, choices=Refused, default=Refused.RECREATE)
    erp_acceptance = models.CharField(max_length=10, choices=Erp, default=Erp.NO)
    erp_minutes = models.PositiveIntegerField(default=30, help_text="Where the warehouse waits for the ERP: how long.")
    guests = models.CharField(max_length=12, choices=Guests, default=Guests.PER_EMAIL)
    notice_hours = models.PositiveIntegerField(
        default=24,
        help_text="News for customers older than this waits for a person.",
    )
    split = models.CharField(
        max_length=8, choices=Split, default=Split.LINES, help_text="Whether several locations may ship one order."
    )
    tolerance = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        default=0,
        db_default=0,
        help_text="What an order's totals may differ by beyond rounding, in its currency, before a person is asked.",
    )
    publish_stock = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Write our figures into the shop. Off: they are only reckoned and shown.",
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="No scheduled run begins from here (UTC) …")
    quiet_until = models.TimeField(null=True, blank=True, help_text="… until here.")
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "shop policies"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(notice_hours__gte=1, notice_hours__lte=8760), name="policy_notice_hours"
            ),
            models.CheckConstraint(condition=models.Q(tolerance__gte=0, tolerance__lte=100), name="policy_tolerance"),
        ]

    def __str__(self) -> str:
        return f"policy of {self.channel}"
