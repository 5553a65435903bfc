"""Watching the webhooks systems keep for us: that they are there, that they are on, and that something arrives by them.

**Silence**, as far as it can be told honestly: at least `NEWS` orders that the shop took in the last hour became known to us at least
`GRACE` ago (so a poll found them), and no webhook of the shop arrived since. A quiet shop is not silent, and neither is one whose
webhooks are merely late. Only asked of systems whose webhooks we look after, that is where our public address is set.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction

from canonical import sql
from canonical.models import System
from connectors.base import Watched
from connectors.errors import Misconfigured, Retry, SyncError
from connectors.registry import CONNECTORS
from retailsync.hooks.door import PREFIX
from retailsync.sync import cases, clock, confirming, gates, systems
from retailsync.sync.leases import lease
from retailsync.sync.models import Case

DEADLINE = 60.0  # seconds for looking and creating
NEWS = 3
GRACE = timedelta(minutes=5)  # shops deliver by a clock of their own, a minute late at times
RECENT = timedelta(hours=1)
NEWEST = (
    20_000  # messages looked through for the last webhook: there is no index for it, and this is read every few minutes
)
_log = logging.getLogger(__name__)


def watched() -> list[int]:
    """Live systems that keep webhooks for us."""
    names = [name for name, connector in CONNECTORS.items() if connector.watch]
    return list(System.objects.filter(mode="live", connector__in=names).order_by("pk").values_list("pk", flat=True))


def watch(system_id: int, public_url: str) -> Watched | None:
    """Look after one system's webhooks; `public_url` is where the world reaches us. Empty: look, and change nothing.

    None when somebody else is at it, the system may not be spoken to now, or it did not answer. What a person should know opens an
    exception, which closes by itself when a webhook arrives.
    """
    with lease(f"webhooks:{system_id}", DEADLINE * 2) as held:
        if held is None or not gates.allow(system_id, 1, clock.now()):
            return None
        try:
            seen = _visit(system_id, public_url)
        except SyncError as error:
            _failed(system_id, error)
            return None
    with transaction.atomic():
        gates.passed(system_id, clock.now())
        _settle(system_id, seen, bool(public_url))
    if seen.created or seen.recreated:
        said = {"system": system_id, "created": seen.created, "recreated": seen.recreated}
        _log.info("webhooks created", extra={"said": said})
    return seen


def _visit(system_id: int, public_url: str) -> Watched:
    visit = systems.visit(system_id)
    look = visit.connector.watch
    if look is None:
        return Watched()
    session, http = visit.session(DEADLINE)
    try:
        return look(session, f"{public_url.rstrip('/')}{PREFIX}{visit.system.slug}/")
    finally:
        confirming.store_exchanges(system_id, http.exchanges)


def _failed(system_id: int, error: SyncError) -> None:
    """A system that does not answer is its gate's to tell. One that lets us in and not at its webhooks goes on being served."""
    with transaction.atomic():
        if isinstance(error, Retry):
            gates.unserved(system_id, error, clock.now())
        else:
            reason = "misconfigured" if isinstance(error, Misconfigured) else "refused"
            _open(system_id, error.words, reason=reason)
    _log.warning("watching webhooks failed", extra={"system": system_id, "words": error.words})


def _settle(system_id: int, seen: Watched, looked_after: bool) -> None:
    """Open the exception there is now, or close the one whose cause went away."""
    last = last_heard(system_id)
    missed = _missed(system_id, last, clock.now()) if looked_after else 0
    if seen.words:
        _open(system_id, seen.words, reason="webhook_disabled")
    elif missed >= NEWS:
        words = f"Polls found {missed} new orders of the last hour that no webhook told of: webhooks do not arrive."
        _open(system_id, words, reason="silent")
    else:
        opened = Case.objects.filter(target_kind="webhooks", target_id=system_id, closed_at=None).first()
        if opened and (opened.reason not in ("webhook_disabled", "silent") or (last and last > opened.opened_at)):
            cases.close("webhooks", [system_id])


def _open(system_id: int, words: str, *, reason: str) -> None:
    opening = cases.Opening("webhooks", system_id, system_id, None, "intake", "receive", reason, "webhooks", words)
    cases.open_all([opening])


def last_heard(system_id: int) -> datetime | None:
    """When the last webhook of a system arrived, as far back as the newest messages go."""
    rows = sql.fetch(
        "SELECT max(received_at) FROM sync_message WHERE id > (SELECT coalesce(max(id), 0) - %s FROM sync_message)"
        " AND system_id = %s AND door = 'webhook'",
        (NEWEST, system_id),
    )
    heard: datetime | None = rows[0][0]
    return heard


def _missed(system_id: int, last: datetime | None, now: datetime) -> int:
    """Recent orders that became known since the last webhook, though long enough ago for one to have come."""
    ((count,),) = sql.fetch(
        "SELECT count(*) FROM canonical_order WHERE channel_id = %s AND placed_at > %s AND created_at < %s"
        " AND (%s::timestamptz IS NULL OR created_at > %s)",
        (system_id, now - RECENT, now - GRACE, last, last),
    )
    return int(count)
