"""Events → deliveries, set by set and by position, so that none is left out however late it was committed; and deliveries once more."""

from datetime import datetime
from functools import partial

from django.db import transaction

from canonical import sql
from retailsync.partners import feed
from retailsync.partners.models import Subscription
from retailsync.partners.problems import Problem
from retailsync.partners.webhooks.subscribing import TASK
from retailsync.sync import bell

AT_ONCE = 10_000  # events one call has delivered again

_LOCKED = (
    "SELECT id, position FROM partners_subscription WHERE system_id = %s AND state = 'on' ORDER BY id FOR NO KEY UPDATE"
)
_NEWEST = "SELECT coalesce(max(position), 0) FROM partners_event WHERE system_id = %s"
_OUT = """INSERT INTO partners_delivery (subscription_id, event_id, position, subject)
  SELECT s.id, e.id, e.position, e.subject FROM partners_subscription s
  JOIN partners_event e ON e.system_id = %(system)s AND e.position > %(least)s AND e.position <= %(upto)s AND e.position > s.position
  WHERE s.id = ANY(%(ids)s) AND (s.types = '{}' OR e.type = ANY(s.types)) ORDER BY s.id, e.position
  ON CONFLICT DO NOTHING RETURNING subscription_id"""
_UPTO = "UPDATE partners_subscription SET position = %(upto)s WHERE id = ANY(%(ids)s) AND position < %(upto)s"


def fan_out(system_id: int) -> None:
    """Put out a delivery of each new event to each of the partner's subscriptions that wants it, and ring for those."""
    bell.answered(feed.TASK, system_id)  # what is committed from here on rings again
    feed.number(system_id)
    with transaction.atomic():
        if not (rows := sql.fetch(_LOCKED, (system_id,))):
            return
        ids, positions = zip(*rows, strict=True)
        ((upto,),) = sql.fetch(_NEWEST, (system_id,))  # in a snapshot of its own: whoever was waited for is seen
        wish = {"system": system_id, "ids": list(ids), "least": min(positions), "upto": upto}
        put = sql.fetch(_OUT, wish)
        sql.fetch(_UPTO, wish)
        for (subscription,) in sorted(set(put)):
            transaction.on_commit(partial(bell.ring, TASK, subscription))


# ---- once more --------------------------------------------------------------------------------------------------------------
_AGAIN = "state = 'waiting', attempts = 0, next_at = %(now)s, settled_at = NULL"
_ONE = f"""UPDATE partners_delivery SET {_AGAIN} WHERE subscription_id = %(subscription)s AND id = %(delivery)s
  AND state NOT IN ('waiting', 'sending')"""
_ALL = f"""WITH e AS (SELECT e.id, e.position, e.subject FROM partners_event e WHERE e.system_id = %(system)s AND e.position > %(after)s
    AND e.position <= %(upto)s AND (%(types)s::text[] = '{{}}' OR e.type = ANY(%(types)s::text[])) ORDER BY e.position LIMIT %(limit)s),
  put AS (INSERT INTO partners_delivery AS d (subscription_id, event_id, position, subject)
    SELECT %(subscription)s, e.id, e.position, e.subject FROM e ORDER BY e.position
    ON CONFLICT (subscription_id, event_id) DO UPDATE SET {_AGAIN} WHERE d.state NOT IN ('waiting', 'sending') RETURNING 1)
  SELECT (SELECT count(*) FROM put), count(*), max(position) FROM e"""
_NOW = "UPDATE partners_subscription SET not_before = NULL WHERE id = %s"


def redeliver(row: Subscription, delivery: int, now: datetime) -> None:
    """Send one event again, from its first try on; one that waits or is under way is left to it. Raises Problem where it is off."""
    _must_be_on(row)
    sql.fetch(_ONE, {"subscription": row.pk, "delivery": delivery, "now": now})
    _try_now(row)


def redeliver_since(row: Subscription, after: int, now: datetime) -> tuple[int, int | None]:
    """Send again every event after a position that this subscription wants, also those it missed. How many, and where there are more
    than may be asked for at once, the position to go on from. Raises Problem where it is off."""
    _must_be_on(row)
    wish = {"system": row.system_id, "subscription": row.pk, "types": row.types, "after": after, "upto": row.position}
    ((put, found, last),) = sql.fetch(_ALL, wish | {"limit": AT_ONCE, "now": now})
    _try_now(row)
    return put, last if found == AT_ONCE else None


def forget_old(days: int = 30) -> int:
    """Settled deliveries older than this leave the log; returns how many. Their events stay, and can be sent again."""
    rows = sql.fetch(
        "DELETE FROM partners_delivery WHERE settled_at < now() - make_interval(days => %s) RETURNING 1", (days,)
    )
    return len(rows)


def _must_be_on(row: Subscription) -> None:
    if row.state != Subscription.State.ON:
        raise Problem("webhook_off", "This webhook is switched off: enable it first.", state=row.state)


def _try_now(row: Subscription) -> None:
    """Who asks for it believes that it works again."""
    sql.fetch(_NOW, (row.pk,))
    transaction.on_commit(partial(bell.ring, TASK, row.pk))
