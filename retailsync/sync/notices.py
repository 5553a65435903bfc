"""Old news for customers waits for a person: after an outage nobody wants a hundred mails about what arrived yesterday."""

from datetime import datetime

from django.db import transaction

from canonical import sql
from retailsync.sync import cases

HOURS = 24  # where a shop's policy says nothing

_OLD = """UPDATE sync_command c SET state = 'parked', reason = 'old_news', words = v.words FROM (
    SELECT n.id, n.system_id, n.order_id, 'This tells a customer of ' || to_char(n.notice_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
      || ' UTC, more than ' || coalesce(p.notice_hours, %(hours)s) || ' hours ago.' AS words
    FROM sync_command n LEFT JOIN canonical_shoppolicy p ON p.channel_id = n.system_id
    WHERE n.state = 'waiting' AND n.notice_at IS NOT NULL AND NOT n.cleared
      AND n.notice_at <= %(now)s - interval '1 hour' * coalesce(p.notice_hours, %(hours)s)
    ORDER BY n.id LIMIT %(limit)s FOR UPDATE OF n SKIP LOCKED) v
  WHERE c.id = v.id RETURNING c.id, c.system_id, c.order_id, c.kind, c.words"""


def hold_back(now: datetime, limit: int = 1000) -> int:
    """Park what would tell customers of something long ago; returns how many. Released, it goes out all the same."""
    with transaction.atomic():
        rows = sql.fetch(_OLD, {"now": now, "hours": HOURS, "limit": limit})
        cases.open_all(
            cases.Opening("command", id, system, order, "shipments", "send", "old_news", kind, words)
            for id, system, order, kind, words in rows
        )
    return len(rows)
