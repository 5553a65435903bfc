"""Polls: ask feeds what is new, store what they answer together with the cursor, in one transaction per page."""

import logging
from datetime import timedelta

from django.db import transaction

from canonical import sql
from connectors.errors import Misconfigured, Retry, SyncError
from retailsync.platform import stopping
from retailsync.sync import cases, clock, confirming, gates, inbox, systems, transient
from retailsync.sync.leases import Held, lease
from retailsync.sync.models import Cursor

PAGES = 50  # pages of one feed in one run; the next run goes on
DEADLINE = 60.0  # seconds for one page
_log = logging.getLogger(__name__)


def due() -> list[int]:
    """Cursors whose feed should be read now."""
    now = clock.now()
    live = Cursor.objects.filter(system__mode="live")
    return [c.pk for c in live if c.polled_at is None or c.polled_at + timedelta(seconds=c.every) <= now]


def poll(system_id: int, feed: str) -> int:
    """Read one feed from its cursor until it has no more; returns how many pages. A failure is kept on the cursor, opens an exception,
    and harms no other feed."""
    with lease(f"poll:{system_id}:{feed}", DEADLINE * 2) as held:
        if held is None or not gates.allow(system_id, 1, clock.now()):
            return 0
        try:
            return _pages(system_id, feed, held)
        except Exception as error:
            if transient.passes(error):
                raise
            _failed(system_id, feed, error)
            return 0


def _pages(system_id: int, feed: str, held: Held) -> int:
    visit = systems.visit(system_id)
    cursor = Cursor.objects.get(system_id=system_id, feed=feed)
    value, count = cursor.value, 0
    while count < PAGES and held.renew(DEADLINE * 2) and (not count or gates.allow(system_id, 1, clock.now())):
        session, http = visit.session(DEADLINE)
        try:
            page = visit.connector.polls[feed](session, value)
        finally:
            confirming.store_exchanges(system_id, http.exchanges)
        value, count = page.cursor, count + 1
        with transaction.atomic():
            inbox.receive(system_id, page.heard, door="poll")
            sql.fetch(
                "UPDATE sync_cursor SET value = %s, polled_at = %s, words = '' WHERE id = %s",
                (value, clock.now(), cursor.id),
            )
            gates.passed(system_id, clock.now())
            if cursor.words:
                cases.close("cursor", [cursor.pk])
        if not page.more or stopping.asked():
            break
    return count


def _failed(system_id: int, feed: str, error: Exception) -> None:
    """Trouble of the whole system is the gate's to tell; anything else is an exception of this feed."""
    now = clock.now()
    words = error.words if isinstance(error, SyncError) else f"Our own fault: {type(error).__name__}: {error}"
    with transaction.atomic():
        cursor = Cursor.objects.get(system_id=system_id, feed=feed)
        Cursor.objects.filter(pk=cursor.pk).update(polled_at=now, words=words)
        if isinstance(error, Retry | Misconfigured):
            gates.unserved(system_id, error, now)
        else:
            opening = cases.Opening(
                "cursor", cursor.pk, system_id, None, "intake", "receive", "feed_failed", feed, words
            )
            cases.open_all([opening])
    _log.warning(
        "poll failed",
        extra={"system": system_id, "feed": feed, "words": words},
        exc_info=not isinstance(error, SyncError),
    )
