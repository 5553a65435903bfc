"""What is late: messages and commands that stand for longer than their workflow promises, for which shop, since when, and who acts.

Paused on purpose is not late: a command that waits because the order waits for its payment, or was put on hold in the shop. Nor is what
is played in a sandbox.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Model, QuerySet

from canonical import sql
from canonical.models import Order
from retailsync.console.base import Request
from retailsync.sync import clock, workflows
from retailsync.sync.models import Command, Message

MOST = 1_000  # late rows of either kind that are looked at, the oldest ones
#: Who acts, in the order in which an order that waits for several is somebody's.
WHO = {
    "back_office": "the back office", "partner": "the warehouse", "administrator": "an administrator", "developer": "a developer",
    "nobody": "nobody: tried again by itself",
}  # fmt: skip

# Who acts is said by the exception of the order or the row, else by what is the matter with the whole system. What nobody took up is
# an administrator's: workers stand still.
_LATE = """
WITH kinds AS (SELECT * FROM unnest(%(kinds)s::text[], %(workflows)s::text[], %(levels)s::float8[]) k(kind, workflow, promised)),
late AS (
  (SELECT 'command' AS what, c.id, c.order_id, c.system_id, c.created_at AS since, k.workflow, false AS untouched
   FROM sync_command c JOIN kinds k USING (kind)
   WHERE c.state IN ('waiting', 'sending', 'parked', 'in_doubt') AND c.created_at < %(now)s - %(soonest)s * interval '1 s'
     AND c.created_at < %(now)s - k.promised * interval '1 s'
     AND (c.state <> 'waiting' OR NOT c.stoppable OR (SELECT true FROM canonical_hold h WHERE h.order_id = c.order_id
       AND h.lifted_at IS NULL AND h.blocks AND h.quiet LIMIT 1) IS NOT TRUE)
     AND c.system_id NOT IN (SELECT id FROM canonical_system WHERE sandbox_of_id IS NOT NULL)
   ORDER BY c.created_at LIMIT %(most)s)
  UNION ALL
  (SELECT 'message', m.id, NULL, m.system_id, m.received_at, 'intake', m.state = 'received' FROM sync_message m
   WHERE m.state IN ('received', 'waiting', 'parked') AND m.received_at < %(now)s - %(intake)s * interval '1 s'
     AND m.system_id NOT IN (SELECT id FROM canonical_system WHERE sandbox_of_id IS NOT NULL)
   ORDER BY m.received_at LIMIT %(most)s))
SELECT l.what, l.id, l.order_id, coalesce(shop.name, s.name), l.since, l.workflow, coalesce(
  least((SELECT min(array_position(%(who)s::text[], k.who::text)) FROM sync_case k WHERE k.order_id = l.order_id AND k.closed_at IS NULL),
    (SELECT array_position(%(who)s::text[], k.who::text) FROM sync_case k
     WHERE k.target_kind = l.what AND k.target_id = l.id AND k.closed_at IS NULL)),
  (SELECT array_position(%(who)s::text[], k.who::text) FROM sync_case k
   WHERE k.target_kind = 'system' AND k.target_id = l.system_id AND k.closed_at IS NULL),
  CASE WHEN l.untouched OR s.mode <> 'live' THEN array_position(%(who)s::text[], 'administrator') END,
  array_length(%(who)s::text[], 1)) - 1
FROM late l JOIN canonical_system s ON s.id = l.system_id
LEFT JOIN canonical_order o ON o.id = l.order_id LEFT JOIN canonical_system shop ON shop.id = o.channel_id
"""


class Late(NamedTuple):
    """One late row; `who` is an index into WHO."""

    what: str
    id: int
    order: int | None
    shop: str
    since: datetime
    workflow: str
    who: int


class Share(NamedTuple):
    """Some of what is late: each kind of it counted, with the list that shows it."""

    who: str
    orders: int
    messages: int
    others: int  # commands about no order


def rows(now: datetime) -> list[Late]:
    """The late ones, the oldest MOST of messages and of commands."""
    kinds, names, levels = workflows.table()
    given = {
        "kinds": kinds, "workflows": names, "levels": levels, "soonest": min(levels), "intake": workflows.INTAKE.level.total_seconds(),
        "now": now, "most": MOST, "who": list(WHO),
    }  # fmt: skip
    return [Late(*row) for row in sql.fetch(_LATE, given)]


def orders(late: Iterable[Late]) -> dict[int, int]:
    """Order → who acts on it: whoever comes first."""
    found: dict[int, int] = {}
    for row in late:
        if row.order is not None:
            found[row.order] = min(row.who, found.get(row.order, row.who))
    return found


def shares(late: Sequence[Late]) -> list[Share]:
    """What is late, by who acts."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for who in orders(late).values():
        counts[who][0] += 1
    for row in late:
        if row.order is None:
            counts[row.who][1 if row.what == "message" else 2] += 1
    return [Share(list(WHO)[who], *found) for who, found in sorted(counts.items())]


class LateFilter(admin.SimpleListFilter):
    """Rows, or orders with rows, that stand for too long; by who acts on them."""

    title = "late"
    parameter_name = "late"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Late"), *((who, f"Late, on {words}") for who, words in WHO.items())]

    def queryset(self, request: Request, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(pk__in=_ids(queryset.model, chosen)) if chosen else queryset


def _ids(model: type[Model], who: str) -> list[int]:
    late = rows(clock.now())
    found = orders(late) if model is Order else {row.id: row.who for row in late if row.what == _WHAT[model]}
    return [id for id, acts in found.items() if who in ("yes", list(WHO)[acts])]


_WHAT: dict[type[Model], str] = {Command: "command", Message: "message"}
