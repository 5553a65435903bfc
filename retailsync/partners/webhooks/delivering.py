"""Deliveries → requests: claimed under a lease, sent side by side outside any transaction, settled by compare-and-set.

Order: an unsettled earlier delivery of the same subject blocks later ones; subjects do not wait for each other, and each subscription has a
drain of its own. An address whose newest try failed gets one request at a time and ever more rarely, however many events there are.
"""

import random
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction

from canonical import sql
from canonical.models import System
from retailsync.partners import feed
from retailsync.partners.models import Event, Subscription
from retailsync.partners.webhooks import posting, subscribing
from retailsync.partners.webhooks.posting import DEADLINE, Sent, Where
from retailsync.partners.webhooks.subscribing import TASK
from retailsync.platform import stopping
from retailsync.sync import bell, clock, confirming, transient
from retailsync.sync.leases import Held, lease

#: Seconds from one try to the next; after the last one a delivery is given up.
WAITS = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
TRIES = len(WAITS) + 1
JITTER = 0.1
PATIENCE = timedelta(days=5)  # without one success, then a subscription is switched off
PROBES = (0.5, 300.0)  # seconds between two tries of an address that fails: half as long as it has failed, within these
LONGEST = 3_600.0  # seconds an address may have us wait
ABREAST = 8  # requests to one address at a time
SECONDS = 10.0  # one drain claims for at most this long
LOOK = 0.5  # seconds between two looks for what else is due while an address is slow to answer
MARGIN = 15.0
LEASE = DEADLINE + MARGIN


class Claimed(NamedTuple):
    """One delivery in hand. `until` (monotonic clock): later than that its lease may have ended, and nothing is sent."""

    id: int
    attempts: int
    event: Event
    token: uuid.UUID
    until: float


# ---- one subscription -------------------------------------------------------------------------------------------------------
def drain(subscription_id: int) -> int:
    """Send what is due to one subscription until nothing is or the time is up. Returns how many requests that were."""
    system = Subscription.objects.filter(pk=subscription_id).values_list("system_id", flat=True).first()
    with lease(f"partner-webhook:{system}:{subscription_id}", SECONDS + LEASE) as held:
        if held is None:
            return 0
        count, more = _drain(subscription_id, held)
    if held.wanted or more:
        bell.again(TASK, subscription_id)
    return count


def _drain(subscription_id: int, held: Held) -> tuple[int, bool]:
    """How many requests there were, and whether more may follow at once."""
    reclaim(subscription_id, clock.now())
    count, ends, looked, going = 0, time.monotonic() + SECONDS, False, True
    under_way: dict[Future[Sent | None], Claimed] = {}
    with ThreadPoolExecutor(ABREAST) as pool:
        while True:
            going = going and time.monotonic() < ends and not stopping.asked() and held.renew(LEASE)
            claimed, where = claim(subscription_id, len(under_way)) if going else ([], None)
            under_way |= {pool.submit(_send, where, one): one for one in claimed}
            if under_way:
                looked = False
                count += _settle(under_way)
            elif looked or not going:
                return count, not going
            else:  # what is committed from here on rings again
                bell.answered(TASK, subscription_id)
                looked = True


def _send(where: Where, one: Claimed) -> Sent | None:
    """In a thread of its own, which never asks the database. None: it woke too late, and nothing left."""
    if time.monotonic() > one.until:
        return None
    return posting.post(where, str(one.event.pk), told(one.event))


def told(event: Event) -> bytes:
    """What is sent of an event: built from its row alone, so that a repetition is the same to the byte."""
    return posting.body(event.type, event.at, {**event.data, "position": event.position, "subject": event.subject})


def _settle(under_way: dict[Future[Sent | None], Claimed]) -> int:
    """Wait a little for the next answer, and settle what has come; how many."""
    done, _ = wait(under_way, LOOK, FIRST_COMPLETED)
    for each in done:
        one, sent = under_way.pop(each), each.result()
        if sent is not None:
            transient.repeat(lambda one=one, sent=sent: settle(one, sent, clock.now()))
    return len(done)


# ---- claim ------------------------------------------------------------------------------------------------------------------
#: Due and first of its subject. As in the outbox, a scalar subquery can only be looked up by its subject.
_READY = """d.state = 'waiting' AND d.next_at <= %(now)s AND (SELECT true FROM partners_delivery e
    WHERE e.subscription_id = d.subscription_id AND e.subject = d.subject AND e.state IN ('waiting', 'sending')
      AND (e.state = 'sending' OR e.position < d.position) LIMIT 1) IS NOT TRUE"""
_CLAIM = f"""WITH ready AS (SELECT d.id FROM partners_delivery d WHERE d.subscription_id = %(subscription)s AND {_READY}
    ORDER BY d.attempts, d.position LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
  UPDATE partners_delivery d SET state = 'sending', attempts = d.attempts + 1, tried_at = %(now)s, lease_token = %(token)s,
    lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
  FROM ready WHERE d.id = ready.id RETURNING d.id, d.attempts, d.event_id"""


def claim(subscription_id: int, under_way: int) -> tuple[list[Claimed], Where | None]:
    """Claim what may go out now beside so many under way, each the first of its subject, and say where it goes; committed before
    anything is sent. What was tried least goes first, lest one event nobody takes is all a failing address ever gets."""
    now = clock.now()
    row = Subscription.objects.select_related("system").filter(pk=subscription_id).first()
    most = _allowed(row, now) - under_way
    if row is None or most <= 0:
        return [], None
    token, until = uuid.uuid4(), time.monotonic() + MARGIN / 2
    wish = {"subscription": subscription_id, "now": now, "limit": most, "token": token, "seconds": LEASE}
    rows = sorted(transient.repeat(lambda: sql.fetch(_CLAIM, wish)))
    events = Event.objects.in_bulk([event for _, _, event in rows])
    claimed = [Claimed(id, attempts, events[event], token, until) for id, attempts, event in rows]
    return claimed, subscribing.where(row, now)


def _allowed(row: Subscription | None, now: datetime) -> int:
    """How many requests may be under way to it."""
    if row is None or row.state != Subscription.State.ON or row.system.mode != System.Mode.LIVE:
        return 0
    if row.not_before is not None and now < row.not_before:
        return 0
    return 1 if row.failing_since else ABREAST


_RECLAIM = """UPDATE partners_delivery d SET lease_token = NULL, lease_until = NULL, next_at = %(now)s,
    state = CASE WHEN s.state = 'off' THEN 'cancelled' WHEN d.attempts >= %(tries)s THEN 'given_up' ELSE 'waiting' END,
    settled_at = CASE WHEN s.state = 'off' OR d.attempts >= %(tries)s THEN %(now)s END, words = 'Its worker stopped.'
  FROM partners_subscription s WHERE s.id = d.subscription_id AND d.subscription_id = %(subscription)s AND d.state = 'sending'
    AND d.lease_until < clock_timestamp()"""


def reclaim(subscription_id: int, now: datetime) -> None:
    """Take back deliveries whose lease ended with their worker. They may have arrived: their id tells a partner that it knows them."""
    sql.fetch(_RECLAIM, {"subscription": subscription_id, "now": now, "tries": TRIES})


# ---- settle -----------------------------------------------------------------------------------------------------------------
_SETTLED = """UPDATE partners_delivery SET state = %(state)s, next_at = coalesce(%(next)s, next_at), lease_token = NULL, lease_until = NULL,
    settled_at = CASE WHEN %(state)s <> 'waiting' THEN %(now)s::timestamptz END, status = %(status)s, seconds = %(seconds)s,
    words = %(words)s, exchanges = exchanges || %(exchanges)s::bigint[]
  WHERE id = %(id)s AND lease_token = %(token)s AND state = 'sending' RETURNING subscription_id"""
_OF = "SELECT subscription_id FROM partners_delivery WHERE id = %s"


def settle(one: Claimed, sent: Sent, now: datetime) -> None:
    """What became of it: for this delivery, for its subscription, and the exchange for people. One that is not ours any more stays."""
    with transaction.atomic():
        exchanges = confirming.store_exchanges(one.event.system_id, sent.exchanges)
        pk = next(iter(sql.fetch(_OF, (one.id,))), (0,))[0]
        if (row := subscribing.locked(one.event.system_id, pk)) is None:
            return
        if sql.fetch(_SETTLED, _settled(one, sent, row, now) | {"exchanges": exchanges}):
            _mark(row, sent, now)


def _settled(one: Claimed, sent: Sent, row: Subscription, now: datetime) -> dict[str, Any]:
    state, due = "delivered", None
    if not sent.taken:
        state = "waiting" if one.attempts < TRIES else "given_up"
        state = "cancelled" if sent.gone or row.state == Subscription.State.OFF else state
        due = now + _wait(one.attempts, sent.after) if state == "waiting" else None
    return {
        "id": one.id, "token": one.token, "state": state, "next": due, "now": now, "status": sent.status, "seconds": sent.seconds,
        "words": sent.words,
    }  # fmt: skip


def _wait(attempts: int, after: float | None) -> timedelta:
    """From this try to the next; longer where the address asked for it."""
    usual = WAITS[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return timedelta(seconds=max(usual, min(after or 0.0, LONGEST)))


def _mark(row: Subscription, sent: Sent, now: datetime) -> None:
    """What one try says about the address."""
    if sent.taken:
        row.failing_since, row.not_before, row.words, row.delivered_at = None, None, "", now
    else:
        row.failing_since, row.words = row.failing_since or now, sent.words
        row.not_before = now + _pause(now - row.failing_since, sent.after)
    row.save(update_fields=["failing_since", "not_before", "words", "delivered_at"])
    if row.state == Subscription.State.OFF or sent.taken:
        return
    if sent.gone:
        subscribing.switch_off(row, Subscription.Why.GONE, now)
    elif now - row.failing_since >= PATIENCE:
        subscribing.switch_off(row, Subscription.Why.FAILING, now)


def _pause(failing: timedelta, after: float | None) -> timedelta:
    """How long an address that fails is left alone."""
    least, most = PROBES
    return timedelta(seconds=max(min(max(failing.total_seconds() / 2, least), most), min(after or 0.0, LONGEST)))


# ---- what no bell rang for --------------------------------------------------------------------------------------------------
#: By the greatest position, which the index gives at once: whether there is a greater one was answered by reading all (20 ms per 100,000).
_BEHIND = """SELECT DISTINCT s.system_id FROM partners_subscription s WHERE s.state = 'on'
  AND ((SELECT true FROM partners_event e WHERE e.system_id = s.system_id AND e.position IS NULL LIMIT 1)
    OR (SELECT max(e.position) FROM partners_event e WHERE e.system_id = s.system_id) > s.position)"""
_DUE = f"""SELECT s.id FROM partners_subscription s JOIN canonical_system y ON y.id = s.system_id
  WHERE (s.state = 'on' AND y.mode = 'live' AND (s.not_before IS NULL OR s.not_before <= %(now)s)
      AND EXISTS (SELECT 1 FROM partners_delivery d WHERE d.subscription_id = s.id AND {_READY}))
    OR EXISTS (SELECT 1 FROM partners_delivery d WHERE d.subscription_id = s.id AND d.state = 'sending'
      AND d.lease_until < clock_timestamp())"""


def sweep(now: datetime) -> None:
    """Ring for events that are not put out yet, and for deliveries that are due."""
    for (system,) in sql.fetch(_BEHIND):
        bell.ring(feed.TASK, system)
    for (subscription,) in sql.fetch(_DUE, {"now": now}):
        bell.ring(TASK, subscription)
