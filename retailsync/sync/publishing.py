"""Brings a shop's stock figures in line with ours, by the protocol of the canonical model.

A shop subtracts its own sales, and its API writes absolute figures without comparing. So nothing is written on what we believe alone: the
figure is read first, then the shop's orders are heard up to a poll begun after that reading, and reckoned; only then is written what is
still not as it should be, and afterwards it is read, and orders heard, once more. A figure lower than expected may be a sale we did
not hear of, and is not raised before a poll found none. An ordinary sale changes what a shop should show and what it shows alike: it
causes no request at all.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from canonical import sql
from canonical.commands import PublishStock
from canonical.ledger import Cause
from canonical.models import Publication, ShopPolicy, System
from connectors.errors import Misconfigured, Retry, SyncError
from retailsync.platform import stopping
from retailsync.sync import (
    bell,
    cases,
    clock,
    confirming,
    corridor,
    gates,
    inbox,
    outbox,
    polling,
    stock,
    systems,
    transient,
    waiting,
)
from retailsync.sync.deciding import NotPossible
from retailsync.sync.leases import Held, lease
from retailsync.sync.models import Action, Cursor

TASK, RUN = corridor.PUBLISH, stock.RUN
LEASE = 120.0
LOOK = 100  # listings read by one call
CHUNK = 500  # listings brought in line by one round
ROUNDS = 20
PAUSE = 0.5  # seconds between two readings that may tell nothing for sure
DEADLINE = 60.0
PATIENCE = 20.0  # seconds to wait for a poll or a drain that somebody else is at
SURE = 3  # readings in a row that told nothing for sure, after which a figure that is surely too high is lowered
_log = logging.getLogger(__name__)


def publish(channel_id: int) -> int:
    """Bring in line what is not known to be; returns how many commands were put out. One at a time per shop."""
    bell.answered(TASK, channel_id)
    with lease(f"publish:{channel_id}", LEASE) as held:
        if held is None or not _allowed(channel_id):
            return 0
        count = _rounds(channel_id, held)
    if held.wanted:
        bell.ring(TASK, channel_id)
    return count


def _allowed(channel_id: int) -> bool:
    return ShopPolicy.objects.filter(channel_id=channel_id, channel__mode="live", publish_stock=True).exists()


def _rounds(channel_id: int, held: Held) -> int:
    count = 0
    _tell_unmanaged(channel_id)
    transient.repeat(partial(_take_up, channel_id))
    for _ in range(ROUNDS):
        stock.drain()
        ids = [id for (id,) in sql.fetch(_WANTED, {"channel": channel_id, "now": clock.now(), "limit": CHUNK})]
        if not ids or stopping.asked() or not held.renew(LEASE) or not _bring(channel_id, ids, held):
            return count
        count += transient.repeat(partial(_write, channel_id, ids))
        if _being_sent(ids):
            return count  # what the shop answers rings again
        if _unsure(ids):
            waiting.pause(PAUSE)
    return count


#: Listings that are not known to show what they should; one nobody settled a trouble with is left alone. What shows too much comes first,
#: then what was not looked at longest: listings that are sold all the time, and never known for sure, keep no other waiting.
_WANTED = f"""SELECT l.id FROM canonical_listing l WHERE l.channel_id = %(channel)s AND {stock.UNSETTLED}
    AND NOT EXISTS (SELECT 1 FROM sync_command c WHERE c.system_id = l.channel_id AND c.subject_kind = 'listing'
      AND c.subject_key = l.id::text AND c.state IN ('waiting', 'sending', 'parked', 'in_doubt'))
  ORDER BY l.target > coalesce(l.expected, l.quantity, 0), l.read_at NULLS FIRST, l.id LIMIT %(limit)s"""


def _unsure(ids: Sequence[int]) -> bool:
    """Whether the shop sold some of these while we read: it is asked again in another second."""
    return bool(
        sql.fetch("SELECT 1 FROM canonical_listing WHERE id = ANY(%s) AND expected IS NULL LIMIT 1", (list(ids),))
    )


def _being_sent(ids: Sequence[int]) -> bool:
    return bool(
        sql.fetch(
            "SELECT 1 FROM sync_command WHERE subject_kind = 'listing' AND subject_key = ANY(%s)"
            " AND state IN ('waiting', 'sending') LIMIT 1",
            ([str(id) for id in ids],),
        )
    )


def _bring(channel_id: int, ids: Sequence[int], held: Held) -> bool:
    """Read these listings, then hear the shop's orders up to now, and reckon. False: not possible now, and nothing may be written."""
    try:
        if not look(channel_id, ids):
            return False
    except SyncError as error:
        _failed(channel_id, error)
        return False
    return held.renew(LEASE) and _hear(channel_id) and stock.drained(PATIENCE)


def look(channel_id: int, ids: Sequence[int]) -> bool:
    """Ask the shop what it shows, and store what it answers; False where it may not be asked now. Raises one of the four errors."""
    visit = systems.visit(channel_id)
    ask = visit.connector.looks_up.get("listing")
    if ask is None:
        raise Misconfigured(f"{visit.connector.title} does not tell its stock.")
    refs = [
        r
        for (r,) in sql.fetch("SELECT external_id FROM canonical_listing WHERE id = ANY(%s) ORDER BY id", (list(ids),))
    ]
    for start in range(0, len(refs), LOOK):
        if not _may_ask(channel_id):
            return False
        session, http = visit.session(DEADLINE)
        try:
            heard = ask(session, refs[start : start + LOOK])
        finally:
            confirming.store_exchanges(channel_id, http.exchanges)
        with transaction.atomic():
            inbox.receive(channel_id, heard, door="look")
            gates.passed(channel_id, clock.now())
    return True


def _may_ask(channel_id: int) -> bool:
    """Whether one request may go out; waited for where only the allowance is used up, not where the shop is down or asked us to wait."""
    allowed = 0

    def done() -> bool:
        nonlocal allowed
        allowed = gates.allow(channel_id, 1, clock.now())
        return allowed > 0 or gates.shut(channel_id, clock.now())

    return waiting.until(done, PATIENCE) and allowed > 0


def _failed(channel_id: int, error: SyncError) -> None:
    if isinstance(error, Retry | Misconfigured):
        gates.unserved(channel_id, error, clock.now())
    _log.warning("stock could not be read", extra={"system": channel_id, "words": error.words})


def _hear(channel_id: int) -> bool:
    """Poll the shop's orders from now on and carry everything it said along the corridor; False where that is not done in time."""
    Cursor.objects.get_or_create(
        system_id=channel_id, feed="orders", defaults={"value": clock.now().isoformat(timespec="seconds")}
    )
    if not _polled(channel_id):
        return False
    ((newest,),) = sql.fetch("SELECT coalesce(max(id), 0) FROM sync_message WHERE system_id = %s", (channel_id,))
    return waiting.until(partial(_carried, channel_id, newest), PATIENCE)


def _polled(channel_id: int) -> bool:
    """Whether a poll begun by us reached its end; waited for where somebody else is at it or there is more, not where nobody may ask, or
    the feed itself is in trouble, which a person was told."""
    pages = 0
    feed = Cursor.objects.filter(system_id=channel_id, feed="orders").exclude(words="")

    def done() -> bool:
        nonlocal pages
        pages = polling.poll(channel_id, "orders")
        return 0 < pages < polling.PAGES or gates.shut(channel_id, clock.now()) or (not pages and feed.exists())

    return waiting.until(done, PATIENCE) and 0 < pages < polling.PAGES


def _carried(channel_id: int, newest: int) -> bool:
    """Whether what the shop said up to this message went along the corridor."""
    inbox.drain(channel_id)
    query = "SELECT 1 FROM sync_message WHERE system_id = %s AND state = 'received' AND id <= %s LIMIT 1"
    return not sql.fetch(query, (channel_id, newest))


#: What was read in this round and is not as it should be is written, what is as it should be is settled. Of a figure whose reading told
#: nothing for sure again and again, because the shop sells all the time, what is too high even so is lowered. A hint that is still there
#: came after the reading: it stays, and is looked into.
_SETTLE = """UPDATE canonical_listing l SET verify = false
  WHERE l.id = ANY(%(ids)s) AND l.expected = l.target AND l.backorders = l.target_backorders AND l.verify"""
_DUE = """SELECT l.id FROM canonical_listing l WHERE l.id = ANY(%(ids)s) AND l.gone_at IS NULL AND l.managed AND l.target IS NOT NULL
    AND ((l.expected IS NOT NULL AND (l.expected <> l.target OR l.backorders <> l.target_backorders))
      OR (l.expected IS NULL AND l.tries >= %(sure)s AND l.quantity > l.target + %(recent)s))"""


def _write(channel_id: int, ids: Sequence[int]) -> int:
    """Put out what is to be written."""
    with transaction.atomic():
        sql.fetch("SELECT 1 FROM canonical_listing WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (list(ids),))
        sql.fetch(_SETTLE, {"ids": list(ids)})
        given = {"ids": list(ids), "sure": SURE, "recent": _sold_lately(channel_id)}
        due = [id for (id,) in sql.fetch(_DUE, given)]
        cause = Cause("publish", channel_id)
        outbox.put([outbox.Order(channel_id, PublishStock(listing_id=id), cause) for id in due], clock.now())
    return len(due)


def _sold_lately(channel_id: int) -> int:
    """Units of anything the shop sold within a few seconds: no figure can be off by more."""
    ((units,),) = sql.fetch(
        """SELECT coalesce(sum(l.reduced), 0) FROM canonical_order o JOIN canonical_orderline l ON l.order_id = o.id
           WHERE o.channel_id = %s AND o.placed_at > %s""",
        (channel_id, clock.now() - timedelta(seconds=10)),
    )
    return int(units)


def _tell_unmanaged(channel_id: int) -> None:
    """Listings for which the shop keeps no count though it should show ours: somebody has to switch that on there."""
    rows = sql.fetch(
        """SELECT l.id, min(s.code) FROM canonical_listing l JOIN canonical_offer o ON o.listing_id = l.id
           JOIN canonical_sku s ON s.id = o.sku_id
           WHERE l.channel_id = %s AND NOT l.managed AND l.target IS NOT NULL AND l.gone_at IS NULL AND l.read_at IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM sync_case c WHERE c.target_kind = 'listing' AND c.target_id = l.id AND c.closed_at IS NULL)
           GROUP BY l.id""",
        (channel_id,),
    )
    cases.open_all(
        cases.Opening(
            "listing", id, channel_id, None, "inventory", "send", "stock_not_managed", sku,
            f"The shop keeps no stock of {sku}. Switch on “Track stock quantity” for it there; the figure is written by itself then.",
        )
        for id, sku in rows
    )  # fmt: skip
    over = sql.fetch(f"{_UNMANAGED} AND (l.managed OR l.target IS NULL OR l.gone_at IS NOT NULL)", (channel_id,))
    cases.close("listing", [id for (id,) in over])


_UNMANAGED = """SELECT c.target_id FROM sync_case c JOIN canonical_listing l ON l.id = c.target_id
  WHERE c.target_kind = 'listing' AND c.closed_at IS NULL AND c.system_id = %s AND c.reason = 'stock_not_managed'"""


def switched_off(channel_id: int) -> None:
    """This shop's stock is published no longer: nobody has to have it counted there."""
    with transaction.atomic():
        cases.close("listing", [id for (id,) in sql.fetch(_UNMANAGED, (channel_id,))])


#: What was refused because the shop kept no stock of it, and is by what the shop said since; or nothing is sold from there any more.
_KEPT_AGAIN = """WITH refused AS MATERIALIZED (SELECT id, subject_key::bigint AS listing, sent_at FROM sync_command
    WHERE system_id = %s AND kind = 'PublishStock' AND state = 'parked' AND reason = 'stock_not_managed')
  UPDATE sync_command c SET state = 'superseded', settled_at = clock_timestamp()
  FROM refused r JOIN canonical_listing l ON l.id = r.listing
  WHERE c.id = r.id AND c.state = 'parked' AND (l.target IS NULL
    OR (l.managed AND l.gone_at IS NULL AND greatest(l.read_at, l.hint_at) > r.sent_at))
  RETURNING c.id"""


def _take_up(channel_id: int) -> None:
    """Figures the shop refused while it kept no stock of them are written by themselves once it does."""
    with transaction.atomic():
        cases.close("command", [id for (id,) in sql.fetch(_KEPT_AGAIN, (channel_id,))])


# ---- runs -------------------------------------------------------------------------------------------------------------------
def ask(channel_id: int, who: str) -> None:
    """A person wants everything compared now. Where a run is under way, that one is it. Raises NotPossible."""
    if not _allowed(channel_id):
        raise NotPossible("this shop is paused, or its policy does not publish stock.")
    with transaction.atomic():
        row, new = _begin(channel_id, "full", who)
        if new:
            Action.objects.create(who=who, what="start publication", target_kind="publication", target_id=row.pk)
        transaction.on_commit(partial(bell.ring, RUN, channel_id))


def _begin(channel_id: int, kind: str, by: str) -> tuple[Publication, bool]:
    return Publication.objects.get_or_create(
        channel_id=channel_id, ended_at=None, defaults={"kind": kind, "by": by, "total": _total(channel_id)}
    )


def run(channel_id: int, kind: str = "full", by: str = "") -> Publication | None:
    """One run over a shop: read everything, then bring in line what differs; or only what should have changed. Goes on where a run
    that broke off was. None: not now (quiet hours, switched off)."""
    bell.answered(RUN, channel_id)
    under_way = Publication.objects.filter(channel_id=channel_id, ended_at=None)
    if not _allowed(channel_id):
        under_way.update(ended_at=clock.now(), words="The shop was paused, or publishing switched off.")
        return None
    if not by and not under_way.exists() and _quiet(channel_id, clock.now()):
        return None
    publication, _ = _begin(channel_id, kind, by)
    with lease(f"publish-run:{channel_id}", LEASE) as held:
        if held is None or (publication.kind == "full" and not _read_all(publication, held)):
            return publication
        words = _finish(publication)
    Publication.objects.filter(pk=publication.pk).update(ended_at=clock.now(), words=words)
    return publication


def _quiet(channel_id: int, now: datetime) -> bool:
    for start, end in ShopPolicy.objects.filter(channel_id=channel_id).values_list("quiet_from", "quiet_until"):
        if start and end:
            return start <= now.time() < end if start < end else not end <= now.time() < start
    return False


def _total(channel_id: int) -> int:
    ((count,),) = sql.fetch(
        "SELECT count(*) FROM canonical_listing WHERE channel_id = %s AND gone_at IS NULL", (channel_id,)
    )
    return int(count)


def _read_all(publication: Publication, held: Held) -> bool:
    """Read every listing, a chunk at a time, and note how far we are. False: it goes on later."""
    while True:
        ids = [id for (id,) in sql.fetch(
            "SELECT id FROM canonical_listing WHERE channel_id = %s AND gone_at IS NULL AND id > %s ORDER BY id LIMIT %s",
            (publication.channel_id, publication.after, CHUNK),
        )]  # fmt: skip
        if not ids:
            return True
        if stopping.asked() or not held.renew(LEASE):
            return False
        try:
            if not look(publication.channel_id, ids):
                return False
        except SyncError as error:
            _failed(publication.channel_id, error)
            Publication.objects.filter(pk=publication.pk).update(words=error.words)
            return False
        publication.after, publication.read = ids[-1], publication.read + len(ids)
        Publication.objects.filter(pk=publication.pk).update(after=publication.after, read=publication.read, words="")


def _finish(publication: Publication) -> str:
    """Hear what was read, and bring in line what differs; in words."""
    channel = publication.channel_id
    if not (_hear(channel) and stock.drained(PATIENCE)):
        return "The shop's orders could not be heard; what differs follows by itself."
    ((differing,),) = sql.fetch(
        """SELECT count(*) FROM canonical_listing l WHERE l.channel_id = %s AND l.gone_at IS NULL AND l.managed AND l.target IS NOT NULL
             AND (l.expected IS DISTINCT FROM l.target OR l.backorders <> l.target_backorders)""",
        (channel,),
    )
    Publication.objects.filter(pk=publication.pk).update(differing=differing)
    publish(channel)
    return (
        "Everything was as it should be." if not differing else f"{differing} figures differed and are being written."
    )


def schedule(channel_id: int) -> None:
    """See that a shop has its two scheduled runs, which people may change or switch off: all figures at night, what should have changed
    every quarter of an hour."""
    nightly, _ = CrontabSchedule.objects.get_or_create(
        minute="10", hour="2", day_of_week="*", day_of_month="*", month_of_year="*"
    )
    often, _ = IntervalSchedule.objects.get_or_create(every=15, period=IntervalSchedule.MINUTES)
    slug = System.objects.values_list("slug", flat=True).get(pk=channel_id)
    for kind, when in (("full", {"crontab": nightly}), ("delta", {"interval": often})):
        PeriodicTask.objects.get_or_create(
            name=f"stock of {slug}: {kind}",
            defaults={**when, "task": RUN, "args": f'[{channel_id}, "{kind}"]', "expire_seconds": 600},
        )
