"""Webhooks watched: each shop's subscriptions are seen to, one that was switched off becomes an exception, and so does silence."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from canonical import sql
from canonical.models import System
from connectors.base import Watched
from connectors.errors import Misconfigured, Retry, SyncError
from retailsync.sync import cases, clock, confirming, gates, systems
from retailsync.sync.leases import lease

DEADLINE = 60.0  # seconds for one visit
QUIET = timedelta(hours=1)  # without any webhook …
NEWS = 5  # … while so many orders were placed and found by polls: then webhooks do not arrive
_log = logging.getLogger(__name__)


def due() -> list[int]:
    """Live systems that push, and whose pushes can be seen to."""
    return [s.pk for s in System.objects.filter(mode=System.Mode.LIVE).order_by("pk") if systems.connector(s.pk).watch]


def watch(system_id: int) -> Watched | None:
    """See to one system's webhooks; None when it is not spoken to now. A failure is told to the gate and tried again next time."""
    with lease(f"watch:{system_id}", DEADLINE * 2) as held:
        if held is None or not gates.allow(system_id, 1, clock.now()):
            return None
        seen = _visit(system_id)
    _judge(system_id, seen, clock.now())
    return seen


def _visit(system_id: int) -> Watched | None:
    """One visit; without a public address there is nothing to subscribe to, and only silence can be noticed."""
    visit = systems.visit(system_id)
    if visit.connector.watch is None or not settings.PUBLIC_URL:
        return None
    session, http = visit.session(DEADLINE)
    try:
        seen = visit.connector.watch(session, f"{settings.PUBLIC_URL}/hooks/{visit.system.slug}/")
    except SyncError as error:
        _failed(system_id, error)
        return None
    finally:
        confirming.store_exchanges(system_id, http.exchanges)
    gates.passed(system_id, clock.now())
    return seen


def _failed(system_id: int, error: SyncError) -> None:
    now = clock.now()
    if isinstance(error, Retry) and error.after:
        gates.pause(system_id, error.after, now)
    if isinstance(error, Retry | Misconfigured):
        reason = "locked_out" if isinstance(error, Misconfigured) else "unreachable"
        whole = isinstance(error, Misconfigured) or error.down
        gates.failed(system_id, now, error.words, reason, whole=whole)
    _log.warning("webhooks could not be seen to", extra={"system": system_id, "words": error.words})


def _judge(system_id: int, seen: Watched | None, now: datetime) -> None:
    """Open or close the exception about this system's webhooks. It closes by itself once one arrives."""
    with transaction.atomic():
        if seen is not None and seen.remade:
            words = f"The shop had switched off its webhooks ({', '.join(seen.remade)}). They were made anew; polls found what was missed."
            _open(system_id, "webhook_disabled", words)
        elif _silent(system_id, now):
            words = f"{NEWS} orders or more were placed in the last hour and found by polls only: no webhook arrives."
            _open(system_id, "webhooks_silent", words)
        else:
            _close(system_id)


def _open(system_id: int, reason: str, words: str) -> None:
    cases.open_all([cases.Opening("webhooks", system_id, system_id, None, "intake", "receive", reason, "", words)])


def _silent(system_id: int, now: datetime) -> bool:
    """Whether orders were placed and nothing was pushed, where something was pushed before."""
    ((placed, last),) = sql.fetch(
        "SELECT (SELECT count(*) FROM canonical_order WHERE channel_id = %s AND placed_at > %s AND placed_at <= %s),"
        " (SELECT max(received_at) FROM sync_message WHERE system_id = %s AND door = 'webhook')",
        (system_id, now - QUIET, now, system_id),
    )
    return bool(placed >= NEWS and (last is None or last < now - QUIET))


def _close(system_id: int) -> None:
    """Close the exception where a webhook arrived after it was opened."""
    rows = sql.fetch(
        "SELECT 1 FROM sync_case c WHERE c.target_kind = 'webhooks' AND c.target_id = %s AND c.closed_at IS NULL AND EXISTS"
        " (SELECT 1 FROM sync_message m WHERE m.system_id = c.target_id AND m.door = 'webhook' AND m.received_at > c.opened_at)",
        (system_id,),
    )
    if rows:
        cases.close("webhooks", [system_id])
