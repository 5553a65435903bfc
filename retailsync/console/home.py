"""The first page: what needs somebody, how each system is, what today's orders are at. A few queries, however much there is."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from canonical import sql
from canonical.models import Order, System
from retailsync.console.systems import connection
from retailsync.console.zones import zone
from retailsync.sync.models import Case, Gate
from retailsync.sync.reasons import reason

RECENT = 20_000  # orders looked at for today's figures; the newest ones
HEARD = 5_000  # messages looked at for when a system was last heard

_CASES = "SELECT reason, who, count(*), min(opened_at) FROM sync_case WHERE closed_at IS NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1"
_SYSTEMS = f"""
SELECT s.id, s.name, s.mode, g.failures, g.open_until, g.paused_until, g.last_ok_at, coalesce(g.words, ''),
  coalesce(m.count, 0), coalesce(c.count, 0), least(m.oldest, c.oldest), greatest(h.at, g.last_ok_at, p.at),
  coalesce(f.count, 0)
FROM canonical_system s LEFT JOIN sync_gate g ON g.system_id = s.id
LEFT JOIN (SELECT system_id, count(*), min(received_at) AS oldest FROM sync_message
  WHERE (state = 'received' AND batch_id IS NULL) OR state = 'waiting' GROUP BY 1) m ON m.system_id = s.id
LEFT JOIN (SELECT system_id, count(*), min(created_at) AS oldest FROM sync_command
  WHERE state = 'waiting' GROUP BY 1) c ON c.system_id = s.id
LEFT JOIN (SELECT system_id, max(received_at) AS at FROM
  (SELECT system_id, received_at FROM sync_message ORDER BY id DESC LIMIT {HEARD}) n GROUP BY 1) h ON h.system_id = s.id
LEFT JOIN (SELECT system_id, max(polled_at) AS at FROM sync_cursor WHERE words = '' GROUP BY 1) p ON p.system_id = s.id
LEFT JOIN (SELECT system_id, count(*) FROM sync_case
  WHERE closed_at IS NULL AND target_kind = 'cursor' GROUP BY 1) f ON f.system_id = s.id
ORDER BY s.name
"""
_ORDERS = f"""
SELECT stage, count(*), min(id) FROM (SELECT id, stage, created_at FROM canonical_order ORDER BY id DESC LIMIT {RECENT}) o
WHERE created_at >= %s GROUP BY 1
"""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by the admin index. Each part needs the permission to see its rows."""
    may = request.user.has_perm
    context["cases"] = _cases() if may("sync.view_case") or may("sync.change_case") else None
    context["systems"] = _systems() if may("canonical.view_system") else None
    context["stages"] = _stages(request) if may("canonical.view_order") else None
    context["open_total"] = sum(row["count"] for row in context["cases"] or ())
    context["recent"] = f"{RECENT:,}"
    return context


def _cases() -> list[dict[str, Any]]:
    who = dict(Case.Who.choices)
    rows = sql.fetch(_CASES)
    return [
        {"reason": reason(code), "who": who.get(by, by), "count": count, "oldest": at,
         "url": _url("sync_case", reason=code, who__exact=by)}
        for code, by, count, at in rows
    ]  # fmt: skip


def _systems() -> list[dict[str, Any]]:
    return [_system(*row) for row in sql.fetch(_SYSTEMS)]


def _system(
    id: int, name: str, mode: str, failures: int | None, open_until: Any, paused_until: Any, ok: Any, words: str,
    messages: int, commands: int, oldest: Any, heard: Any, feeds: int,
) -> dict[str, Any]:  # fmt: skip
    gate = (
        None
        if failures is None
        else Gate(failures=failures, open_until=open_until, paused_until=paused_until, last_ok_at=ok)
    )
    state, tone = ("paused", "warn") if mode == System.Mode.PAUSED else connection(gate)
    return {
        "id": id, "name": name, "state": state, "tone": tone, "words": words, "messages": messages, "commands": commands,
        "oldest": oldest, "heard": heard,
        "feeds": f"{feeds} feed{'s' if feeds > 1 else ''} cannot be read" if feeds else "",
        "feeds_url": _url("sync_case", about="cursor", system__id__exact=id),
        "commands_url": _url("sync_command", system__id__exact=id, state__exact="waiting"),
        "messages_url": _url("sync_message", system__id__exact=id, state__in="received,waiting"),
    }  # fmt: skip


def _stages(request: HttpRequest) -> list[dict[str, Any]]:
    found = {stage: (count, first) for stage, count, first in sql.fetch(_ORDERS, (_midnight(request),))}
    first = min((first for _, first in found.values()), default=0)
    return [
        {"stage": label, "count": found[stage][0] if stage in found else 0,
         "url": _url("canonical_order", stage__exact=stage, id__gte=first)}
        for stage, label in Order.Stage.choices
    ]  # fmt: skip


def _midnight(request: HttpRequest) -> datetime:
    """When today began where the reader is."""
    here = timezone.now().astimezone(zone(request))
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _url(page: str, **query: Any) -> str:
    return f"{reverse(f'admin:{page}_changelist')}?{urlencode(query)}"
