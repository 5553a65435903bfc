"""Where people had an order sent instead of where its shop says. Addresses by id only: their content is erasable."""

from django.db import models


class ShipTo(models.Model):
    """One order whose ship-to a person replaced. It is `address` as long as the shop states `instead_of`, else what the shop states."""

    order = models.OneToOneField("canonical.Order", models.CASCADE, related_name="ship_to")
    address = models.ForeignKey("canonical.Address", models.PROTECT, related_name="+")
    instead_of = models.ForeignKey(
        "canonical.Address", models.PROTECT, related_name="+", help_text="What the shop stated when it was decided."
    )
    stated = models.ForeignKey(
        "canonical.Address", models.PROTECT, related_name="+", help_text="What the shop stated last."
    )
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"ship-to of {self.order}"
