"""The systems on the first page: may they be spoken to, do they answer, are they heard, what waits for them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from canonical import sql
from canonical.models import System
from connectors.registry import CONNECTORS
from retailsync.console.flowing import exchanged
from retailsync.console.numbers import Number, listed
from retailsync.console.pulses import Hour, Window
from retailsync.console.standing import Standing
from retailsync.console.systems import connection
from retailsync.sync.models import Gate

HEARD = 5_000  # messages looked at for when a system was last heard

_SYSTEMS = f"""
SELECT s.id, s.name, s.mode, s.connector, g.failures, g.open_until, g.paused_until, g.last_ok_at, coalesce(g.words, ''),
  greatest(h.at, g.last_ok_at, p.at), h.webhook, coalesce(f.feeds, 0), coalesce(f.webhooks, '')
FROM canonical_system s LEFT JOIN sync_gate g ON g.system_id = s.id
LEFT JOIN (SELECT system_id, max(received_at) AS at, max(received_at) FILTER (WHERE door = 'webhook') AS webhook FROM
  (SELECT system_id, received_at, door FROM sync_message ORDER BY id DESC LIMIT {HEARD}) n GROUP BY 1) h ON h.system_id = s.id
LEFT JOIN (SELECT system_id, max(polled_at) AS at FROM sync_cursor WHERE words = '' GROUP BY 1) p ON p.system_id = s.id
LEFT JOIN (SELECT system_id, count(*) FILTER (WHERE target_kind = 'cursor') AS feeds,
    max(reason) FILTER (WHERE target_kind = 'webhooks') AS webhooks
  FROM sync_case WHERE closed_at IS NULL AND target_kind IN ('cursor', 'webhooks') GROUP BY 1) f ON f.system_id = s.id
WHERE s.sandbox_of_id IS NULL ORDER BY s.name
"""
#: What is the matter with webhooks, by the reason of their exception.
_WEBHOOKS = {"silent": "do not arrive", "webhook_disabled": "were switched off"}


class _Row(NamedTuple):
    """One system as the database has it."""

    id: int
    name: str
    mode: str
    connector: str
    failures: int | None
    open_until: datetime | None
    paused_until: datetime | None
    ok: datetime | None
    words: str
    heard: datetime | None
    webhook: datetime | None
    feeds: int
    broken: str


def connected(window: Window, hours: Sequence[Hour], rows: Sequence[Standing]) -> list[dict[str, Any]]:
    """One row per system."""
    made: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for hour in hours:
        made[hour.system_id] += hour.exchanges
        failed[hour.system_id] += hour.failed
    stands: defaultdict[int, list[Standing]] = defaultdict(list)
    for row in rows:
        stands[row.system_id].append(row)
    found = [_Row(*row) for row in sql.fetch(_SYSTEMS)]
    return [_system(s, stands[s.id]) | _errors(s.id, window, made[s.id], failed[s.id]) for s in found]


def _system(row: _Row, stands: Sequence[Standing]) -> dict[str, Any]:
    state, tone = ("paused", "warn") if row.mode == System.Mode.PAUSED else connection(_gate(row))
    messages = [s for s in stands if s.what == "message" and s.state != "parked"]
    commands = [s for s in stands if s.what == "command" and s.state == "waiting"]
    feeds = f"{row.feeds} feed{'s' if row.feeds > 1 else ''} cannot be read" if row.feeds else ""
    return {
        "id": row.id, "name": row.name, "state": state, "tone": tone, "words": row.words, "heard": row.heard,
        "oldest": min((s.oldest for s in (*messages, *commands)), default=None),
        "feeds": feeds, "feeds_url": listed("sync_case", about="cursor", system__id__exact=row.id),
        "messages": _waiting("sync_message", messages, row.id, state__in="received,waiting"),
        "commands": _waiting("sync_command", commands, row.id, state__exact="waiting"), **_webhooks(row),
    }  # fmt: skip


def _gate(row: _Row) -> Gate | None:
    if row.failures is None:
        return None
    return Gate(failures=row.failures, open_until=row.open_until, paused_until=row.paused_until, last_ok_at=row.ok)


def _waiting(page: str, stands: Sequence[Standing], system: int, **state: str) -> Number:
    return Number(sum(s.count for s in stands), listed(page, system__id__exact=system, **state))


def _webhooks(row: _Row) -> dict[str, Any]:
    """Of systems that keep webhooks for us: what is wrong with them, else when one last came."""
    known = CONNECTORS.get(row.connector)
    return {
        "keeps": bool(known and known.watch), "webhook": row.webhook,
        "broken": _WEBHOOKS.get(row.broken, "cannot be looked at") if row.broken else "",
        "broken_url": listed("sync_case", about="webhooks", system__id__exact=row.id),
    }  # fmt: skip


def _errors(system: int, window: Window, made: int, failed: int) -> dict[str, Any]:
    of = {"system__id__exact": system}
    return {
        "exchanges": exchanged(window, made, **of), "failed": exchanged(window, failed, outcome="failed", **of),
        "rate": f"{failed * 100 / made:.0f} %" if failed else "", "failing": "bad" if failed * 10 > made else "warn",
    }  # fmt: skip
