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
        CANCEL_REQUESTED = "cancel_requested", "cancellation asked for"
        CANCEL_REFUSED = "cancel_refused", "cancellation refused"
        PARTLY_CANCELLED = "partially_cancelled", "partly cancelled"
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
    meta = models.JSONField(
        default=dict, db_default={}, help_text="Texts plugins put on the order; mappings say what they mean."
    )
    payment_method = models.CharField(max_length=100, blank=True, db_default="")
    payment_title = models.CharField(max_length=200, blank=True, db_default="")
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When a read found it deleted in the shop.")
    restated_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the shop last said something new of it: what was told may have to be told anew.",
    )
    look_at = models.DateTimeField(null=True, blank=True, help_text="When to look at it again.")
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["channel", "external_id"], name="order_once_per_channel")]
        indexes = [
            models.Index(fields=["reference"]),
            models.Index(fields=["number"]),
            models.Index(fields=["look_at"], condition=models.Q(look_at__isnull=False), name="order_to_look_at"),
            models.Index(fields=["channel", "-placed_at"], name="order_recent"),
        ]

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
    refunded = models.IntegerField(default=0, db_default=0, help_text="Units given back in the shop.")
    refunded_amount = models.DecimalField(**MONEY, default=0, db_default=0, help_text="Money given back, with tax.")
    abandoned = models.IntegerField(
        default=0, db_default=0, help_text="Units a policy or a person decided not to ship, and not given back yet."
    )
    reduced = models.IntegerField(default=0, db_default=0, help_text="Units the shop took off its own stock.")
    subtotal = models.DecimalField(**MONEY)
    total = models.DecimalField(**MONEY)
    taxes = models.JSONField(default=list)
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "external_id"], name="line_once_per_order")]
        indexes = [
            models.Index(
                fields=["sku"],
                name="line_open",
                condition=models.Q(requires_shipping=True, ordered__gt=models.F("cancelled") + models.F("shipped")),
            ),
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


class Abandonment(models.Model):
    """Units of a line that will not be shipped, and who decided so. Append-only. A refund made afterwards gives back these units first;
    the line's counter is what is left of them."""

    line = models.ForeignKey(OrderLine, models.CASCADE, related_name="abandonments")
    units = models.IntegerField()
    refunded = models.IntegerField(
        default=0, db_default=0, help_text="Units of the line given back before this was decided."
    )
    why = models.CharField(max_length=300)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField()


class Hold(models.Model):
    """A reason an order may not go on. Open until `lifted_at`; a lifted one stays as history."""

    class Reason(models.TextChoices):
        PAYMENT = "payment", "waits for payment"
        PAYMENT_ENDED = "payment_ended", "the authorisation ended"
        GRACE = "grace", "grace period"
        FRAUD = "fraud", "suspected fraud"
        ADDRESS = "address", "address cannot be used"
        STOCK = "stock", "waits for stock"
        OPERATOR = "operator", "held by a person"
        METHOD = "method_mapping", "shipping or payment method not mapped"
        TAX = "tax_mapping", "tax not mapped"
        LINE_KIND = "line_mapping", "kind of line not mapped"
        PAUSED = "paused_in_shop", "put on hold in the shop"
        CANCEL_REFUSED = "cancel_refused", "cancelled in the shop, shipping all the same"
        REFUND_REFUSED = "refunded_but_shipping", "refunded, shipping all the same"
        LATE_SHIPMENT = "shipped_after_cancel", "shipped after it was cancelled"
        REFUND_DUE = "refund_due", "a refund is due"
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
        UNASKED = "unknown_article", "shipped something nobody asked for"
        OVER_SHIPPED = "over_shipped", "more shipped than ordered"

    order = models.ForeignKey(Order, models.CASCADE, related_name="holds")
    line = models.ForeignKey(OrderLine, models.CASCADE, null=True, blank=True)
    reason = models.CharField(max_length=30, choices=Reason)
    detail = models.CharField(
        max_length=300, blank=True, help_text="What exactly, e.g. the SKU; equal details are one cause."
    )
    words = models.TextField()
    blocks = models.BooleanField(default=True, db_default=True, help_text="Keeps the order where it is.")
    quiet = models.BooleanField(default=False, db_default=False, help_text="Nobody has to act: no exception.")
    placed_by = models.CharField(max_length=150, blank=True, db_default="", help_text="A person's name, or empty.")
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
