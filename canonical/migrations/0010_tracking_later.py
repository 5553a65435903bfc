"""Tracking numbers that are said later than the shipment."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("canonical", "0010_found_by_their_numbers"),
    ]

    operations = [
        migrations.AddField(
            model_name="package",
            name="tracked_at",
            field=models.DateTimeField(help_text="When they were said anew; empty: with the shipment.", null=True),
        ),
        migrations.AddField(
            model_name="shipment",
            name="carrier_at",
            field=models.DateTimeField(
                help_text="When carrier and service were said anew; empty: with the shipment.", null=True
            ),
        ),
    ]
