"""What rows of one page need from other tables, each in one query for all of them."""

from collections.abc import Iterable, Sequence

from django.db.models import Count

from canonical import sql
from canonical.models import Order
from retailsync.sync.models import Case, Command


def references(ids: Iterable[int | None]) -> dict[int, str]:
    """Order id → reference."""
    wanted = {id for id in ids if id}
    return dict(Order.objects.filter(pk__in=wanted).values_list("pk", "reference")) if wanted else {}


def group_sizes(causes: Iterable[str]) -> dict[str, int]:
    """Cause → how many exceptions with it are open."""
    opened = Case.objects.filter(cause__in=set(causes), closed_at=None).order_by()
    return dict(opened.values_list("cause").annotate(count=Count("pk")))


def blockers(commands: Sequence[Command]) -> dict[int, int]:
    """Waiting command → the first earlier unsettled fact-command of the same system and subject, which it waits for."""
    ids = [c.pk for c in commands if c.state == Command.State.WAITING and not c.level]
    if not ids:
        return {}
    return dict(
        sql.fetch(
            "SELECT c.id, (SELECT e.id FROM sync_command e WHERE e.system_id = c.system_id AND e.subject_kind = c.subject_kind"
            " AND e.subject_key = c.subject_key AND e.state IN ('waiting', 'sending', 'parked', 'in_doubt')"
            " AND e.id < c.id AND NOT e.level ORDER BY e.id LIMIT 1)"
            " FROM sync_command c WHERE c.id = ANY(%s)",
            (ids,),
        )
    )


def open_cases(target_kind: str, target_id: int) -> list[Case]:
    """The open exceptions of one row (at most one, by constraint)."""
    return list(Case.objects.filter(target_kind=target_kind, target_id=target_id, closed_at=None))
