"""An exchange names the commands it carried, which spares commands an index of arrays; and commands, which are updated three times,
leave room for that on their page."""

import django.contrib.postgres.fields
from django.db import migrations, models

CARRIED = """
UPDATE sync_attempt a SET commands = c.ids
FROM (SELECT x.id AS attempt, array_agg(c.id ORDER BY c.id) AS ids FROM sync_command c, unnest(c.exchanges) x(id) GROUP BY 1) c
WHERE c.attempt = a.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0004_webhooks_are_watched"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="commands",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), db_default=[], default=list, size=None
            ),
        ),
        migrations.RunSQL(CARRIED, migrations.RunSQL.noop),
        migrations.RemoveIndex(
            model_name="command",
            name="command_exchanges",
        ),
        migrations.RunSQL(
            "ALTER TABLE sync_command SET (fillfactor = 50)",
            "ALTER TABLE sync_command RESET (fillfactor)",
        ),
    ]
