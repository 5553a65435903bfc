"""How many units of a line were given back when others were given up: both may be said of the same units."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("canonical", "0002_orders_in_real_life")]

    operations = [
        migrations.AddField(
            model_name="abandonment",
            name="refunded",
            field=models.IntegerField(
                db_default=0, default=0, help_text="Units of the line given back before this was decided."
            ),
        ),
        migrations.AlterField(
            model_name="orderline",
            name="abandoned",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="Units a policy or a person decided not to ship, and not given back yet.",
            ),
        ),
    ]
