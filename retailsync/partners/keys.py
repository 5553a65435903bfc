"""Keys that are changed over: a second one is issued, and the first ends after a while in which both are accepted."""

from datetime import datetime, timedelta

from django.db import transaction

from retailsync.partners.models import PartnerKey


class Ended(Exception):
    """The key is no longer valid: there is nothing to change over."""


def rotate(
    key: PartnerKey, now: datetime, overlap: timedelta, expires_at: datetime | None = None
) -> tuple[PartnerKey, str]:
    """A second key for the same use, and its plain text; the first ends after `overlap`, or sooner where it would have. Raises Ended."""
    with transaction.atomic():
        old = PartnerKey.objects.select_for_update(of=("self",)).select_related("system").get(pk=key.pk)
        if not old.is_valid(now):
            raise Ended
        old.expires_at = min(now + overlap, old.expires_at or now + overlap)
        old.save(update_fields=["expires_at"])
        return PartnerKey.issue(old.system, old.name, expires_at=expires_at, scopes=old.scopes)
