"""Rows that are updated soon after they are inserted leave room for that on their page: an update that stays there writes no index."""

from django.db import migrations

TABLES = ("canonical_order", "canonical_orderline", "canonical_fulfilmentrequest", "canonical_posting")


class Migration(migrations.Migration):
    dependencies = [
        ("canonical", "0003_refunded_before_abandoned"),
    ]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} SET (fillfactor = 50)",
            f"ALTER TABLE {table} RESET (fillfactor)",
        )
        for table in TABLES
    ]
