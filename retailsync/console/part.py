"""One part of a long life: the newest ledger entries below one, and the span of time that goes with them. Knows no words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import NamedTuple

from django.db.models import Q

from canonical import sql
from canonical.models import Entry
from retailsync.console.steps import Step

MOST = 120  # ledger entries of one part
_NEVER = datetime.min.replace(tzinfo=UTC)


class Part(NamedTuple):
    """Its entries, the newest first; `since` (not included) and `until` join the parts without a seam. `earlier`: the entry below which
    the next part begins, or 0."""

    entries: list[Entry]
    since: datetime | None
    until: datetime | None
    earlier: int

    def within(self, *moments: str) -> Q:
        """Rows one of whose moments lies in this span of time."""
        ends = {op: at for op, at in (("gt", self.since), ("lte", self.until)) if at is not None}
        return reduce(or_, (Q(**{f"{moment}__{op}": at for op, at in ends.items()}) for moment in moments))

    def keep(self, found: Iterable[Step]) -> list[Step]:
        """The steps of this span of time."""
        return [step for step in found if self._spans(step.at)]

    def _spans(self, at: datetime) -> bool:
        return (self.since is None or at > self.since) and (self.until is None or at <= self.until)


def of_order(order_id: int, before: int) -> Part:
    """The newest entries of an order below this id."""
    rows = Entry.objects.filter(order_id=order_id, **({"pk__lt": before} if before else {}))
    return _part(list(rows.order_by("-pk")[: MOST + 1]), before)


def of_subjects(subjects: Mapping[str, Sequence[int]], before: int) -> Part:
    """The newest entries of these subjects below this id. Any of them may have them all, so each is read so far, by its versions."""
    pairs = [(kind, id) for kind, ids in subjects.items() for id in ids]
    rows = sql.fetch(
        """SELECT e.id FROM unnest(%s::text[], %s::bigint[]) v(k, i) CROSS JOIN LATERAL (SELECT id FROM canonical_entry
             WHERE subject_kind = v.k AND subject_id = v.i AND (%s = 0 OR id < %s) ORDER BY version DESC LIMIT %s) e
           ORDER BY 1 DESC LIMIT %s""",
        ([k for k, _ in pairs], [i for _, i in pairs], before, before, MOST + 1, MOST + 1),
    )
    return _part(list(Entry.objects.filter(pk__in=[id for (id,) in rows]).order_by("-pk")), before)


def _part(rows: Sequence[Entry], before: int) -> Part:
    """One row more than is shown says whether there is an earlier part, and where it ends."""
    entries, rest = list(rows[:MOST]), rows[MOST:]
    until = (entries[0].recorded_at if entries else _NEVER) if before else None
    return Part(entries, rest[0].recorded_at if rest else None, until, entries[-1].pk if rest else 0)
