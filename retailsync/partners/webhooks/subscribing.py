"""What partners and staff decide about subscriptions, and when one is switched off by itself. All in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from canonical import sql
from canonical.models import System
from connectors import signing
from retailsync.partners import feed
from retailsync.partners.models import Event, Subscription
from retailsync.partners.problems import Problem
from retailsync.partners.webhooks.posting import Where
from retailsync.partners.webhooks.rows import MOST
from retailsync.platform.secrets import seal
from retailsync.sync import bell, cases

TASK = "partners.deliver"  # its id is a subscription's
OVERLAP = 24  # hours the older secret signs beside the newer one, unless told
_LOCK = 0x5246  # the first number of advisory locks on the places of a partner


def loopback(system: System) -> bool:
    """Whether addresses of this partner may be our own machine: in development, where its settings say so."""
    return bool(system.settings.get("allow_loopback_http")) and not settings.PRODUCTION


def where(row: Subscription, now: datetime) -> Where:
    """Where this subscription's events go, with the secrets that sign now. Its system is at hand."""
    rotating = row.before_until is not None and now < row.before_until
    return Where(row.url, [row.secret, row.before] if rotating else [row.secret], loopback(row.system))


# ---- what is decided --------------------------------------------------------------------------------------------------------
def create(system_id: int, url: str, types: Sequence[str]) -> Subscription:
    """A new subscription to what happens from now on. Raises Problem where the partner has as many as it may."""
    sql.fetch("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, system_id))
    taken = set(Subscription.objects.filter(system_id=system_id).values_list("place", flat=True))
    free = sorted(set(range(1, MOST + 1)) - taken)
    if not free:
        raise Problem("limit_reached", f"You have {MOST} webhooks already. Delete one, or change where it goes.")
    return Subscription.objects.create(
        system_id=system_id, place=free[0], url=url, types=list(types), secret=_new_secret(), position=newest(system_id)
    )


def newest(system_id: int) -> int:
    """The position of the partner's newest event."""
    feed.number(system_id)
    return Event.objects.filter(system_id=system_id).aggregate(last=Max("position"))["last"] or 0


def locked(system_id: int, pk: int) -> Subscription | None:
    """One of the partner's, locked against sending and deciding until the transaction ends."""
    own = Subscription.objects.select_for_update(no_key=True, of=("self",)).select_related("system")
    return own.filter(system_id=system_id, pk=pk).first()


def change(row: Subscription, url: str, types: Sequence[str]) -> None:
    """Another address, other types from now on. What another address did is forgotten."""
    if url != row.url:
        row.failing_since = row.not_before = None
        row.words = ""
    row.url, row.types = url, list(types)
    row.save(update_fields=["url", "types", "failing_since", "not_before", "words"])
    _ring(row)


def rotate(row: Subscription, hours: int, now: datetime) -> None:
    """A new secret. The one so far signs beside it for so many hours; one that was older ends now."""
    row.before, row.before_until = (row.secret, now + timedelta(hours=hours)) if hours else ("", None)
    row.secret = _new_secret()
    row.save(update_fields=["secret", "before", "before_until"])


def enable(row: Subscription, by: str = "") -> bool:
    """Send again, from now on; False where it was on. `by` is a person of ours, empty for the partner."""
    if row.state == Subscription.State.ON:
        return False
    row.position = newest(row.system_id)
    row.state, row.off_at, row.off_why, row.words = Subscription.State.ON, None, "", ""
    row.failing_since = row.not_before = None
    row.save()
    cases.close("subscription", [row.pk], by or "the partner")
    feed.write(row.system_id, "webhook.enabled", str(row.pk), {"webhook": str(row.pk), "url": row.shown})
    return True


def remove(row: Subscription) -> None:
    """Nothing is sent there any more; what was is forgotten."""
    cases.close("subscription", [row.pk], "the partner")
    row.delete()


def _new_secret() -> str:
    return seal(signing.new_secret())


# ---- what happens by itself -------------------------------------------------------------------------------------------------
_CANCEL = """UPDATE partners_delivery SET state = 'cancelled', settled_at = %s, words = 'The webhook was switched off.'
  WHERE subscription_id = %s AND state = 'waiting'"""
SAID = {
    Subscription.Why.GONE: "{system} answers that its webhook {url} is gone (410), so it was switched off.",
    Subscription.Why.FAILING: "Nothing was delivered to the webhook {url} of {system} for five days, so it was switched off: {words}",
}


def switch_off(row: Subscription, why: Subscription.Why, now: datetime) -> None:
    """Nothing goes there until somebody enables it. The partner finds it in its list and in its feed, staff among the exceptions."""
    row.state, row.off_at, row.off_why = Subscription.State.OFF, now, why
    row.save(update_fields=["state", "off_at", "off_why"])
    sql.fetch(_CANCEL, (now, row.pk))
    words = SAID[why].format(system=row.system.name, url=row.shown, words=row.words)
    opening = cases.Opening(
        "subscription", row.pk, row.system_id, None, "connection", "send", "endpoint_off", str(row.pk), words
    )
    cases.open_all([opening])
    data = {"webhook": str(row.pk), "url": row.shown, "reason": why.value, "last_position": row.position}
    feed.write(row.system_id, "webhook.disabled", str(row.pk), data)


def _ring(row: Subscription) -> None:
    transaction.on_commit(partial(bell.ring, TASK, row.pk))
