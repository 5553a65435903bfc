"""What stands now: messages and commands not settled, by workflow and system, and what keeps commands back. Counts by index alone."""

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet

from canonical import sql
from canonical.models import Hold
from retailsync.console.base import Request
from retailsync.sync import workflows
from retailsync.sync.models import Command

LOOKED = 5_000  # waiting commands that are looked at for what keeps them back

_STANDING = """
SELECT 'command', kind, state, system_id, count(*), min(created_at) FROM sync_command
WHERE state IN ('waiting', 'sending', 'parked', 'in_doubt') GROUP BY 2, 3, 4
UNION ALL
SELECT 'message', '', state, system_id, count(*), min(received_at) FROM sync_message
WHERE state IN ('received', 'waiting', 'parked') GROUP BY 3, 4
"""
_KEPT_BACK = """
SELECT kind, count(*) FILTER (WHERE blocked), count(*) FILTER (WHERE held) FROM (
  SELECT kind, NOT level AND (SELECT true FROM sync_command e WHERE e.system_id = c.system_id AND e.subject_kind = c.subject_kind
      AND e.subject_key = c.subject_key AND e.state IN ('waiting', 'sending', 'parked', 'in_doubt') AND e.id < c.id AND NOT e.level
      LIMIT 1) IS TRUE AS blocked,
    stoppable AND (SELECT true FROM canonical_hold h WHERE h.order_id = c.order_id AND h.lifted_at IS NULL AND h.blocks
      LIMIT 1) IS TRUE AS held
  FROM (SELECT id, kind, system_id, subject_kind, subject_key, level, stoppable, order_id FROM sync_command
    WHERE state = 'waiting' ORDER BY system_id, id LIMIT %s) c) k
WHERE blocked OR held GROUP BY 1
"""


class Standing(NamedTuple):
    """So many rows of one kind and state, the oldest of them since then."""

    what: str
    workflow: str
    state: str
    system_id: int
    count: int
    oldest: datetime


def rows() -> list[Standing]:
    """All that is not settled."""
    return [
        Standing(what, "intake" if what == "message" else workflows.OF_KIND[kind].name, *rest)
        for what, kind, *rest in sql.fetch(_STANDING)
        if what == "message" or kind in workflows.OF_KIND
    ]


def kept_back() -> tuple[Counter[str], Counter[str]]:
    """Workflow → waiting commands behind an earlier one, and on hold with their order; of the first LOOKED."""
    blocked: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for kind, behind, on_hold in sql.fetch(_KEPT_BACK, (LOOKED,)):
        blocked[workflows.OF_KIND[kind].name] += behind
        held[workflows.OF_KIND[kind].name] += on_hold
    return blocked, held


class WorkflowFilter(admin.SimpleListFilter):
    """Commands of one workflow."""

    title = "workflow"
    parameter_name = "workflow"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(w.name, w.title) for w in workflows.WORKFLOWS.values() if w is not workflows.INTAKE]

    def queryset(self, request: Request, queryset: QuerySet[Command]) -> QuerySet[Command]:
        return queryset.filter(kind__in=workflows.kinds(self.value())) if self.value() else queryset


class KeptBackFilter(admin.SimpleListFilter):
    """Waiting commands that may not go yet."""

    title = "kept back"
    parameter_name = "kept"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [("blocked", "Behind an earlier one"), ("held", "Order on hold")]

    def queryset(self, request: Request, queryset: QuerySet[Command]) -> QuerySet[Command]:
        match self.value():
            case "blocked":
                same = {name: OuterRef(name) for name in ("system_id", "subject_kind", "subject_key")}
                earlier = Command.objects.filter(
                    **same, state__in=Command.UNSETTLED, level=False, pk__lt=OuterRef("pk")
                )
                return queryset.filter(Exists(earlier), state="waiting", level=False)
            case "held":
                holds = Hold.objects.filter(order_id=OuterRef("order_id"), lifted_at=None, blocks=True)
                return queryset.filter(Exists(holds), state="waiting", stoppable=True)
        return queryset
