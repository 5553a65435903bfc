"""The first page: is anything late and who acts, how workflows and systems are, what needs somebody, what today's orders are at. A few
queries, however much there is."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from canonical import sql
from canonical.models import Order
from retailsync.console import connected, flowing, late, pulses, replays, standing
from retailsync.console.late import Late, Share
from retailsync.console.numbers import Number, listed
from retailsync.console.zones import zone
from retailsync.sync import clock
from retailsync.sync.models import Case
from retailsync.sync.reasons import reason

RECENT = 20_000  # orders looked at for today's figures; the newest ones
NAMED = 3  # shops that are named

_CASES = "SELECT reason, who, count(*), min(opened_at) FROM sync_case WHERE closed_at IS NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1"
_ORDERS = f"""
SELECT stage, count(*), min(id) FROM (SELECT id, stage, created_at, channel_id FROM canonical_order ORDER BY id DESC LIMIT {RECENT}) o
WHERE created_at >= %s AND channel_id NOT IN (SELECT id FROM canonical_system WHERE sandbox_of_id IS NOT NULL) GROUP BY 1
"""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by the admin index. Each part needs the permission to see its rows."""
    may = request.user.has_perm
    context["cases"] = _cases() if may("sync.view_case") or may("sync.change_case") else None
    context["open_total"] = sum(row["count"] for row in context["cases"] or ())
    context["asked"] = replays.asked(request)
    context["open_by"] = _by_whom(context["cases"] or ())
    context["stages"] = _stages(request) if may("canonical.view_order") else None
    return context | _traffic(request, clock.now())


def _traffic(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """What is counted in messages, commands and exchanges."""
    may = request.user.has_perm
    flows, systems = may("sync.view_message") and may("sync.view_command"), may("canonical.view_system")
    if not (flows or systems):
        return {"lead": None, "flows": None, "systems": None}
    window, hours = pulses.last_hour(now)
    stands = standing.rows()
    found: dict[str, Any] = {"lead": None, "flows": None, "window": window, "still": pulses.standing_still(now)}
    found["systems"] = connected.connected(window, hours, stands) if systems else None
    if flows:
        rows = late.rows(now)
        span = request.GET.get("span", "")
        span = span if span in pulses.SPANS else "24h"
        found |= {
            "lead": _lead(rows),
            "flows": flowing.flows(window, hours, stands, rows),
            "span": span,
            "spans": pulses.SPANS,
        }
        found["charts"] = flowing.charts(pulses.SPANS[span], now)
    return found


# ---- is anything late? ------------------------------------------------------------------------------------------------------
def _lead(rows: Sequence[Late]) -> dict[str, Any]:
    """Is anything late, for whom, since when, who acts?"""
    shares = late.shares(rows)
    of = [Share("yes", *(sum(column) for column in zip(*(s[1:] for s in shares), strict=True)))] if shares else []
    return {
        "late": _numbers(of[0], len(rows) >= late.MOST) if of else [], "shops": _named(sorted({row.shop for row in rows})),
        "since": min((row.since for row in rows), default=None),
        "acts": [{"who": late.WHO[s.who], "alone": s.who == "nobody", "numbers": _numbers(s)} for s in shares],
    }  # fmt: skip


def _numbers(share: Share, most: bool = False) -> list[Number]:
    """What there is of it, each with its rows."""
    found = [
        Number(share.orders, listed("canonical_order", late=share.who), "order", most),
        Number(share.messages, listed("sync_message", late=share.who), "message", most),
        Number(share.others, listed("sync_command", late=share.who, order_id__isnull=True), "other update", most),
    ]
    return [number for number in found if number.count]


def _named(names: Sequence[str]) -> str:
    named = list(names[:NAMED]) + ([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])
    return " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else "".join(named)


# ---- exceptions -------------------------------------------------------------------------------------------------------------
def _cases() -> list[dict[str, Any]]:
    who = dict(Case.Who.choices)
    rows = sql.fetch(_CASES)
    return [
        {"reason": reason(code), "by": by, "who": who.get(by, by), "count": count, "oldest": at,
         "url": listed("sync_case", reason=code, who__exact=by)}
        for code, by, count, at in rows
    ]  # fmt: skip


def _by_whom(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, str]] = Counter()
    for row in cases:
        counts[row["by"], row["who"]] += row["count"]
    return [
        {"who": who, "number": Number(count, listed("sync_case", who__exact=by))}
        for (by, who), count in counts.most_common()
    ]


# ---- today's orders ---------------------------------------------------------------------------------------------------------
def _stages(request: HttpRequest) -> list[dict[str, Any]]:
    found = {stage: (count, first) for stage, count, first in sql.fetch(_ORDERS, (_midnight(request),))}
    first = min((first for _, first in found.values()), default=0)
    return [
        {"stage": label, "count": found[stage][0] if stage in found else 0,
         "url": listed("canonical_order", stage__exact=stage, id__gte=first, played="no")}
        for stage, label in Order.Stage.choices
    ]  # fmt: skip


def _midnight(request: HttpRequest) -> datetime:
    """When today began where the reader is."""
    here = timezone.now().astimezone(zone(request))
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
