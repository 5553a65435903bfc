"""What a warehouse calls a request, and a system what it holds, is found by index. Rows nobody else has a number for are not in it."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the indexes are built while orders go on being recorded

    dependencies = [
        ("canonical", "0009_partner_api"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="fulfilmentrequest",
            index=models.Index(
                condition=models.Q(("partner_ref", ""), _negated=True),
                fields=["partner_ref"],
                name="request_by_partner_ref",
            ),
        ),
        AddIndexConcurrently(
            model_name="posting",
            index=models.Index(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=["external_id"],
                name="posting_by_external_id",
            ),
        ),
    ]
