"""What is sold: products, SKUs, and from which locations a SKU is sourced."""

from django.db import models
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords


class Product(models.Model):
    """What a shopper looks at; one or more SKUs."""

    name = models.CharField(max_length=300)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class Sku(models.Model):
    """One thing that is stocked and sold. The code is ours and unique; other systems reach it through links."""

    code = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=300, blank=True)
    gtin = models.CharField(max_length=14, blank=True, db_default="")
    product = models.ForeignKey(Product, models.SET_NULL, null=True, blank=True, related_name="skus")
    requires_shipping = models.BooleanField(default=True, db_default=True)
    active = models.BooleanField(default=True, db_default=True)
    category = models.CharField(max_length=100, blank=True, db_default="", db_index=True)
    authority = models.ForeignKey(
        "canonical.System",
        models.PROTECT,
        null=True,
        blank=True,
        help_text="Whose statements about this SKU are applied.",
    )
    ledger_version = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "SKU"
        verbose_name_plural = "SKUs"
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class Sourcing(models.Model):
    """One step of an ordered list of locations: of one SKU in one channel, or (SKU empty) of everything else in the channel."""

    channel = models.ForeignKey("canonical.System", models.CASCADE, related_name="sourcing")
    sku = models.ForeignKey(Sku, models.CASCADE, null=True, blank=True, related_name="sourcing")
    location = models.ForeignKey("canonical.Location", models.CASCADE)
    rank = models.PositiveSmallIntegerField(default=1, help_text="Lower is asked first.")
    history = HistoricalRecords()

    class Meta:
        verbose_name = "sourcing step"
        ordering = ["channel", "sku", "rank"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "sku", "location"], nulls_distinct=False, name="sourcing_location_once_per_list"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sku or 'everything'} from {self.location} ({self.rank})"
