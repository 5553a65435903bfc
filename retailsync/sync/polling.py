"""Polls: ask feeds what is new, store what they answer together with the cursor, in one transaction per page."""

import logging
from datetime import timedelta

from django.db import transaction

from canonical import sql
from connectors.errors import Misconfigured, Retry, SyncError
from retailsync.sync import clock, gates, inbox, sending, systems
from retailsync.sync.leases import Held, lease
from retailsync.sync.models import Cursor

PAGES = 50  # pages of one feed in one run; the next run goes on
DEADLINE = 60.0  # seconds for one page
_log = logging.getLogger(__name__)


def poll_due() -> int:
    """Poll every feed that is due. Returns how many pages were read."""
    now = clock.now()
    due = [c for c in Cursor.objects.select_related("system").filter(system__mode="live") if _due(c, now)]
    return sum(poll(c.system_id, c.feed) for c in due)


def _due(cursor: Cursor, now: object) -> bool:
    return cursor.polled_at is None or cursor.polled_at + timedelta(seconds=cursor.every) <= now  # type: ignore[operator]


def poll(system_id: int, feed: str) -> int:
    """Read one feed from its cursor until it has no more. A failure is kept on the cursor and told to the gate."""
    with lease(f"poll:{system_id}:{feed}", DEADLINE * 2) as held:
        if held is None or not gates.allow(system_id, 1, clock.now()):
            return 0
        try:
            return _pages(system_id, feed, held)
        except SyncError as error:
            _failed(system_id, feed, error)
            return 0


def _pages(system_id: int, feed: str, held: Held) -> int:
    visit = systems.visit(system_id)
    cursor = Cursor.objects.get(system_id=system_id, feed=feed)
    value, count = cursor.value, 0
    while count < PAGES and held.renew(DEADLINE * 2):
        session, http = visit.session(DEADLINE)
        try:
            page = visit.connector.polls[feed](session, value)
        finally:
            sending.store_exchanges(system_id, http.exchanges)
        value, count = page.cursor, count + 1
        with transaction.atomic():
            inbox.receive(system_id, page.heard, door="poll")
            sql.fetch(
                "UPDATE sync_cursor SET value = %s, polled_at = %s, words = '' WHERE id = %s",
                (value, clock.now(), cursor.id),
            )
            gates.passed(system_id, clock.now())
        if not page.more:
            break
    return count


def _failed(system_id: int, feed: str, error: SyncError) -> None:
    now = clock.now()
    with transaction.atomic():
        Cursor.objects.filter(system_id=system_id, feed=feed).update(polled_at=now, words=error.words)
        if isinstance(error, Retry | Misconfigured):
            reason = "locked_out" if isinstance(error, Misconfigured) else "unreachable"
            gates.failed(system_id, now, error.words, reason, getattr(error, "after", None))
    _log.warning("poll failed", extra={"system": system_id, "feed": feed, "words": error.words})
