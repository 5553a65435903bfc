"""Orders as shops state them, with every charge, and the holds that keep an order from going on."""

from django.db import models
from django.db.models.functions import Now

MONEY = {"max_digits": 20, "decimal_places": 6}


class Order(models.Model):
    """One order. `shop_status` is the shop's statement; `stage` follows from facts (recording.derived)."""

    class Stage(models.TextChoices):
        RECEIVED = "received", "received"
        ON_HOLD = "on_hold", "on hold"
        RELEASED = "released", "released"
        IN_FULFILMENT = "in_fulfilment", "in fulfilment"
        COMPLETED = "completed", "completed"
        CANCELLED = "cancelled", "cancelled"

    channel = models.ForeignKey("canonical.System", models.PROTECT, related_name="orders")
    external_id = models.CharField(max_length=200)
    number = models.CharField(max_length=100)
    reference = models.CharField(
        max_length=120, help_text="Shop prefix and number: what people and other systems call it."
    )
    stage = models.CharField(max_length=20, choices=Stage, default=Stage.RECEIVED)
    shop_status = models.CharField(max_length=20)
    shop_status_text = models.CharField(max_length=60, blank=True)
    placed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    prices_include_tax = models.BooleanField(default=False)
    total = models.DecimalField(**MONEY)
    total_tax = models.DecimalField(**MONEY)
    customer = models.ForeignKey("canonical.Customer", models.PROTECT, related_name="orders")
    billing = models.ForeignKey("canonical.Address", models.PROTECT, related_name="+")
    shipping = models.ForeignKey("canonical.Address", models.PROTECT, related_name="+")
    coupons = models.JSONField(default=list)
    note = models.TextField(blank=True)
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When a read found it deleted in the shop.")
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["channel", "external_id"], name="order_once_per_channel")]
        indexes = [models.Index(fields=["reference"]), models.Index(fields=["number"])]

    def __str__(self) -> str:
        return self.reference


class OrderLine(models.Model):
    """One line. Quantities are counters, not statuses: "3 of 5 shipped" is shipped=3."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    external_id = models.CharField(max_length=100)
    sku = models.ForeignKey(
        "canonical.Sku",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,  # its key-share lock would make every order wait for whoever changes the SKU; nothing deletes SKUs
    )
    sku_text = models.CharField(max_length=200, blank=True)
    variant_ref = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=500, blank=True)
    requires_shipping = models.BooleanField(default=True)
    ordered = models.IntegerField()
    cancelled = models.IntegerField(default=0, db_default=0)
    routed = models.IntegerField(default=0, db_default=0)
    allocated = models.IntegerField(default=0, db_default=0)
    picked = models.IntegerField(default=0, db_default=0)
    shipped = models.IntegerField(default=0, db_default=0)
    subtotal = models.DecimalField(**MONEY)
    total = models.DecimalField(**MONEY)
    taxes = models.JSONField(default=list)
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "external_id"], name="line_once_per_order")]
        indexes = [
            models.Index(fields=["sku_text"], name="line_waiting_for_sku", condition=models.Q(sku=None)),
            models.Index(fields=["variant_ref"], name="line_waiting_for_variant", condition=models.Q(sku=None)),
        ]

    def __str__(self) -> str:
        return f"{self.ordered} × {self.sku_text or self.name}"


class Charge(models.Model):
    """Anything on an order that is not goods: shipping, fee, or the rounding difference the shop's own total contains."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="charges")
    external_id = models.CharField(max_length=100)
    kind = models.CharField(max_length=10)
    code = models.CharField(max_length=100, blank=True)
    title = models.CharField(max_length=300, blank=True)
    total = models.DecimalField(**MONEY)
    taxes = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "kind", "external_id"], name="charge_once_per_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.total}"


class Hold(models.Model):
    """A reason an order may not go on. Open until `lifted_at`; a lifted one stays as history."""

    class Reason(models.TextChoices):
        SKU = "sku_mapping", "unknown SKU"
        TOTALS = "totals", "totals do not add up"
        NO_SOURCE = "no_location", "no warehouse can ship this"
        REJECTED = "rejected", "every warehouse rejected"
        SHORT = "short", "warehouse is short"
        COMPLETED_EARLY = "completed_in_shop", "completed in the shop before we shipped"
        EDITED = "edited_after_release", "edited in the shop after release"
        STOPPED = "stopped_in_shop", "stopped in the shop after release"
        STATUS = "unknown_status", "unknown shop status"
        ERP_TOTAL = "erp_total", "ERP total differs"
        OVER_ROUTED = "over_routed", "warehouses asked for more than ordered"
        UNASKED = "unknown_article", "shipped something nobody asked for"
        OVER_SHIPPED = "over_shipped", "more shipped than ordered"

    order = models.ForeignKey(Order, models.CASCADE, related_name="holds")
    line = models.ForeignKey(OrderLine, models.CASCADE, null=True, blank=True)
    reason = models.CharField(max_length=30, choices=Reason)
    detail = models.CharField(
        max_length=300, blank=True, help_text="What exactly, e.g. the SKU; equal details are one cause."
    )
    words = models.TextField()
    placed_at = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(
        max_length=150, blank=True, db_default="", help_text="A person's name, or empty when the cause went away."
    )
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "line", "reason"],
                condition=models.Q(lifted_at=None),
                nulls_distinct=False,
                name="hold_one_open_per_reason",
            )
        ]
        indexes = [
            models.Index(fields=["reason", "detail"], condition=models.Q(lifted_at=None), name="hold_open_by_cause")
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.detail}"
