"""What people decide about groups of exceptions: whose they are, when they want to see them again, what they tell each other."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from retailsync.sync import transient
from retailsync.sync.models import Action, Comment, Group


def assign(ids: Sequence[int], to: User | None, by: User) -> int:
    """Whose they are from now on; None: nobody's. Returns how many changed."""
    return _change(ids, by, "assign", str(to) if to else "nobody", assignee=to, ignored=False)


def snooze(ids: Sequence[int], until: datetime, by: User, why: str = "") -> int:
    """Do not show them among what is to be done before then. What comes back after it was resolved is shown all the same."""
    return _change(ids, by, "snooze", f"until {until:%Y-%m-%d %H:%M} UTC. {why}".strip(), snoozed_until=until)


def ignore(ids: Sequence[int], by: User, why: str) -> int:
    """Do not show them among what is to be done, also when they come back. What they hold stays held."""
    return _change(ids, by, "ignore", why, ignored=True, assignee=None, snoozed_until=None)


def show(ids: Sequence[int], by: User) -> int:
    """Show them again: neither snoozed nor ignored."""
    return _change(ids, by, "show again", "", ignored=False, snoozed_until=None)


def comment(id: int, text: str, by: User) -> None:
    """Tell the others something about it."""
    Comment.objects.create(group_id=id, who=by.get_username(), text=text)


def _change(ids: Sequence[int], by: User, what: str, why: str, **fields: Any) -> int:
    """Repeated: a transaction that closes exceptions in several steps takes their groups step by step."""
    return transient.atomically(lambda: _changed(ids, by.get_username(), what, why, fields))


def _changed(ids: Sequence[int], who: str, what: str, why: str, fields: Mapping[str, Any]) -> int:
    rows = list(Group.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    Group.objects.filter(pk__in=rows).update(**fields)
    Action.objects.bulk_create(Action(who=who, what=what, target_kind="group", target_id=pk, why=why) for pk in rows)
    return len(rows)
