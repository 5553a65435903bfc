"""The list of groups: which ones a person sees in which view, how many exceptions are open in each, what they come to. Reads only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib.auth.models import User

from canonical import sql
from canonical.models import System
from retailsync.console import words
from retailsync.sync.models import Case, Group
from retailsync.sync.reasons import REASONS, reason

PAGE, PAGES = 50, 200  # groups of one page, and pages at most
#: Views → their title and which groups are in them.
_DUE = "g.resolved_at IS NULL AND NOT g.ignored AND (g.snoozed_until IS NULL OR g.snoozed_until <= %(now)s)"
VIEWS: Mapping[str, tuple[str, str]] = {
    "day": ("My day", f"{_DUE} AND (g.assignee_id = %(me)s OR (g.assignee_id IS NULL AND g.who = ANY(%(mine)s)))"),
    "open": ("All to be done", _DUE),
    "back": ("Came back", "g.resolved_at IS NULL AND g.returned_at IS NOT NULL"),
    "snoozed": ("Snoozed", "g.resolved_at IS NULL AND NOT g.ignored AND g.snoozed_until > %(now)s"),
    "ignored": ("Ignored", "g.resolved_at IS NULL AND g.ignored"),
    "resolved": ("Resolved", "g.resolved_at IS NOT NULL"),
}
_FRESH = "(g.returned_at > %(now)s - interval '1 day') IS TRUE"
SORTS: Mapping[str, tuple[str, str]] = {
    "": ("What matters most", f"coalesce(g.assignee_id = %(me)s, false) DESC, {_FRESH} DESC, open DESC, g.id"),
    "most": ("Most exceptions", "open DESC, g.id"),
    "oldest": ("Oldest", "oldest NULLS LAST, g.id"),
    "newest": ("Newest", "newest DESC NULLS LAST, g.id DESC"),
}  # fmt: skip
_RESOLVED = "g.resolved_at DESC, g.id"
#: Filters of the address → their column.
_FILTERS = {"workflow": "g.workflow", "reason": "g.reason", "who": "g.who"}
_NUMBERS = {"system": "g.system_id", "assignee": "g.assignee_id"}

_ROWS = """WITH o AS (SELECT cause, count(*) AS open, min(opened_at) AS oldest, max(opened_at) AS newest FROM sync_case
    WHERE closed_at IS NULL GROUP BY cause)
  SELECT g.id, coalesce(o.open, 0) AS open, o.oldest, o.newest, count(*) OVER () FROM sync_group g LEFT JOIN o ON o.cause = g.cause
  WHERE {where} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s"""


class Wanted(NamedTuple):
    """How somebody looks at the groups, as the address says it."""

    me: User
    now: datetime
    view: str
    given: Mapping[str, str]

    @property
    def page(self) -> int:
        """From 1; never far, so that what is passed over stays little."""
        text = self.given.get("p", "")
        return min(max(int(text), 1), PAGES) if text.isdecimal() and len(text) < 5 else 1


class Page(NamedTuple):
    """One page of them."""

    rows: list[Group]
    total: int


def look(wanted: Wanted) -> Page:
    """The groups of this view, completed. A fixed number of queries."""
    where, given = _where(wanted)
    order = _RESOLVED if wanted.view == "resolved" else SORTS.get(wanted.given.get("sort", ""), SORTS[""])[1]
    given |= {"limit": PAGE, "offset": PAGE * (wanted.page - 1)}
    found = sql.fetch(_ROWS.format(where=where, order=order), given)
    groups = Group.objects.select_related("system", "assignee").in_bulk([row[0] for row in found])
    rows = [groups[id] for id, *_ in found]
    for row, (_, count, oldest, newest, _) in zip(rows, found, strict=True):
        row.open, row.oldest, row.newest = count, oldest, newest
    complete(rows)
    return Page(rows, found[0][4] if found else 0)


def complete(rows: Sequence[Group]) -> None:
    """Add what spans tables: orders, and what they come to; and their words."""
    worth = _worth([row.cause for row in rows])
    for row in rows:
        row.about = reason(row.reason)
        row.orders = sum(count for count, _ in worth.get(row.cause, {}).values())
        row.money = [words.money(amount, currency) for currency, (_, amount) in worth.get(row.cause, {}).items()]


def _worth(causes: Sequence[str]) -> dict[str, dict[str, tuple[int, Decimal]]]:
    """Cause → currency → how many orders wait in it, and what they come to."""
    found: dict[str, dict[str, tuple[int, Decimal]]] = {}
    for cause, currency, count, amount in sql.fetch(
        """SELECT d.cause, o.currency, count(*), sum(o.total) FROM (SELECT DISTINCT cause, order_id FROM sync_case
             WHERE closed_at IS NULL AND cause = ANY(%s) AND order_id IS NOT NULL) d JOIN canonical_order o ON o.id = d.order_id
           GROUP BY 1, 2 ORDER BY 1, 2""",
        (list(causes),),
    ):
        found.setdefault(cause, {})[currency] = (count, amount)
    return found


def _where(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    parts, given = [VIEWS[wanted.view][1]], _given(wanted)
    for name, column in _FILTERS.items():
        if wanted.given.get(name):
            parts.append(f"{column} = %({name})s")
            given[name] = wanted.given[name]
    for name, column in _NUMBERS.items():
        if (text := wanted.given.get(name, "")).isdecimal() and len(text) < 18:
            parts.append(f"{column} = %({name})s")
            given[name] = int(text)
    if term := wanted.given.get("q", "").replace("\0", "").strip()[:200]:
        parts.append(_FOUND)
        given |= {"term": f"%{_escaped(term)}%", "exact": term}
    return " AND ".join(f"({part})" for part in parts), given


#: By words, or by the order one of them is about.
_FOUND = """g.words ILIKE %(term)s OR g.detail ILIKE %(term)s OR g.cause IN (SELECT c.cause FROM sync_case c
  WHERE c.order_id IN (SELECT id FROM canonical_order WHERE reference = %(exact)s OR number = %(exact)s))"""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _given(wanted: Wanted) -> dict[str, Any]:
    return {"now": wanted.now, "me": wanted.me.pk, "mine": _mine(wanted.me)}


def _mine(user: User) -> list[str]:
    """Who somebody is, among those who can fix things."""
    kinds = [Case.Who.BACK_OFFICE, Case.Who.PARTNER]
    kinds += [Case.Who.ADMINISTRATOR] if user.has_perm("canonical.change_system") else []
    return [kind.value for kind in kinds] + ([Case.Who.DEVELOPER.value] if user.is_superuser else [])


def counts(wanted: Wanted) -> dict[str, int]:
    """View → how many groups are in it. Of the resolved nobody counts."""
    parts = [f"count(*) FILTER (WHERE {where})" for name, (_, where) in VIEWS.items() if name != "resolved"]
    (row,) = sql.fetch(f"SELECT {', '.join(parts)} FROM sync_group g WHERE g.resolved_at IS NULL", _given(wanted))
    return dict(zip((name for name in VIEWS if name != "resolved"), row, strict=True))


def done_today(user: User, since: datetime) -> int:
    """How many exceptions somebody settled since then."""
    pressed = ["release", "close", "settle by hand", "correct"]
    rows = sql.fetch(
        "SELECT count(*) FROM sync_action WHERE who = %s AND at >= %s AND what = ANY(%s)",
        (user.get_username(), since, pressed),
    )
    return int(rows[0][0])


def choices(given: Mapping[str, str]) -> list[dict[str, Any]]:
    """The filters with what they offer, for one row of selects."""
    offered = {
        "reason": [(code, known.title) for code, known in sorted(REASONS.items(), key=lambda pair: pair[1].title)],
        "system": [(str(pk), name) for pk, name in System.objects.order_by("name").values_list("pk", "name")],
        "who": [(kind.value, kind.label.capitalize()) for kind in Case.Who],
        "sort": [(code, title) for code, (title, _) in SORTS.items() if code],
    }
    titles = {"who": "who can fix it", "sort": "order"}
    return [
        {"name": name, "title": titles.get(name, name), "options": options, "chosen": given.get(name, "")}
        for name, options in offered.items()
    ]
