"""Who buys: customers and addresses. Personal data, kept apart from the ledger so that erasing it breaks nothing."""

from django.db import models
from django.db.models.functions import Now


class Customer(models.Model):
    """One buyer. `key` is the identity we match on: the normalised e-mail, or the shop's own id where there is no e-mail."""

    key = models.CharField(max_length=320, unique=True)
    email = models.CharField(max_length=320, blank=True)
    name = models.CharField(
        max_length=300, blank=True, help_text="As the shop's own customer record says; empty for guests."
    )
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="merged", help_text="The same person, known twice."
    )
    vat_id = models.CharField(max_length=30, blank=True, db_default="")
    terms = models.CharField(
        max_length=60,
        blank=True,
        db_default="",
        help_text="Payment terms agreed with this customer, as the ERP names them.",
    )
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name or self.email or self.key


class Address(models.Model):
    """One address as stated once, found again by its content: equal content of one customer is one row. Never edited."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="addresses")
    digest = models.BinaryField()
    content = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "addresses"
        constraints = [models.UniqueConstraint(fields=["customer", "digest"], name="address_content_once_per_customer")]

    def __str__(self) -> str:
        parts = [self.content.get(k, "") for k in ("line1", "postcode", "city", "country")]
        return ", ".join(p for p in parts if p) or "(no address)"
