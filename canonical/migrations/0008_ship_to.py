"""Where people have an order sent, what its totals may differ by, and words for SKUs."""

import django.db.models.deletion
from django.db import migrations, models

KINDS = [
    ("shipping_method", "shipping method"),
    ("payment_method", "payment method"),
    ("tax", "tax"),
    ("place", "country or state"),
    ("shop_status", "shop status"),
    ("line_kind", "kind of line"),
    ("meta", "meta key"),
    ("sku", "SKU"),
]
TOLERANCE = "What an order's totals may differ by beyond rounding, in its currency, before a person is asked."


def _address(**more: str) -> models.ForeignKey:
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="canonical.address", **more
    )


class Migration(migrations.Migration):
    dependencies = [
        ("canonical", "0006_stock_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="ShipTo",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                ("address", _address()),
                ("instead_of", _address(help_text="What the shop stated when it was decided.")),
                ("stated", _address(help_text="What the shop stated last.")),
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="ship_to", to="canonical.order"
                    ),
                ),
            ],
        ),
        *(
            migrations.AddField(
                model_name=name,
                name="tolerance",
                field=models.DecimalField(db_default=0, decimal_places=2, default=0, help_text=TOLERANCE, max_digits=8),
            )
            for name in ("shoppolicy", "historicalshoppolicy")
        ),
        *(
            migrations.AlterField(model_name=name, name="kind", field=models.CharField(choices=KINDS, max_length=20))
            for name in ("mapping", "historicalmapping")
        ),
        migrations.AddConstraint(
            model_name="shoppolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(tolerance__gte=0, tolerance__lte=100), name="policy_tolerance"
            ),
        ),
    ]
