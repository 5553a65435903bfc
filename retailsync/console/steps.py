"""Steps of a timeline: what was heard, recorded, told and decided, each from its own rows. A fixed number of queries; only rows
a person may see are read."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db.models import Q

from canonical import sql
from canonical.models import Entry
from retailsync.console import replaywords, words
from retailsync.console.bars import lasting
from retailsync.sync.models import Action, Attempt, Case, Command, Message

TOGETHER = timedelta(seconds=2)  # entries of one cause within this are one step
May = Callable[[str], bool]


class Step(NamedTuple):
    """One thing that happened. `who`: the system or person; `link`: (kind, id) of its page; `more`: pages of what belongs to it;
    `changes`: fields before and after."""

    at: datetime
    who: str
    what: str
    tone: str = ""
    note: str = ""
    link: tuple[str, int] | None = None
    more: Sequence[tuple[str, int, str]] = ()
    changes: Sequence[dict[str, Any]] = ()


# ---- the ledger -------------------------------------------------------------------------------------------------------------
def recorded(entries: Sequence[Entry], may: May) -> list[Step]:
    """Entries one cause made at one moment are one step, with what changed field by field."""
    if not may("canonical.view_entry"):
        return []
    told = [_change(entry, was) for entry, was in zip(entries, _earlier(entries), strict=True)]
    known = replaywords.names([SimpleNamespace(effect={"changes": told})])
    found = []
    ordered = sorted(zip(entries, told, strict=True), key=lambda pair: pair[0].pk)
    for _, group in groupby(ordered, key=_Together()):
        rows = list(group)
        changes = [replaywords.change(change, known) for _, change in rows]
        first = rows[0][0]
        link, summary = ("entry", first.pk), _summary(changes)
        found.append(Step(first.recorded_at, "retailsync", summary, link=link, changes=changes, note=_because(first)))
    return found


class _Together:
    """A key that changes where another step begins."""

    def __init__(self) -> None:
        self._last: Entry | None = None
        self._number = 0

    def __call__(self, pair: tuple[Entry, Any]) -> int:
        entry, last = pair[0], self._last
        same = last and (entry.cause_kind, entry.cause_id) == (last.cause_kind, last.cause_id)
        if not (same and last and entry.recorded_at - last.recorded_at < TOGETHER):
            self._number += 1
        self._last = entry
        return self._number


def _earlier(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The state before each entry."""
    keys = [(e.subject_kind, e.subject_id, e.version - 1) for e in entries]
    rows = sql.fetch(
        "SELECT k, i, n, e.state FROM canonical_entry e JOIN unnest(%s::text[], %s::bigint[], %s::integer[]) v(k, i, n)"
        " ON e.subject_kind = v.k AND e.subject_id = v.i AND e.version = v.n",
        ([k for k, _, _ in keys], [i for _, i, _ in keys], [n for _, _, n in keys]),
    )
    found = {(k, i, n): json.loads(state) if isinstance(state, str) else state for k, i, n, state in rows}
    return [found.get(key, {}) for key in keys]


def _change(entry: Entry, was: Mapping[str, Any]) -> dict[str, Any]:
    fields = [(name, was.get(name), value) for name, value in entry.state.items() if value != was.get(name)]
    return {"kind": entry.subject_kind, "event": entry.event, "new": entry.version == 1, "fields": fields}


def _summary(changes: Sequence[Mapping[str, Any]]) -> str:
    said = dict.fromkeys(f"{change['what']} {change['event']}" for change in changes)
    shown = list(said)[:4]
    return ", ".join(shown) + (f" and {len(said) - 4} more" if len(said) > 4 else "")


def _because(entry: Entry) -> str:
    return f"because of {words.plain(words.CAUSES.get(entry.cause_kind, entry.cause_kind)).lower()} #{entry.cause_id}"


# ---- everything else --------------------------------------------------------------------------------------------------------
def heard(entries: Iterable[Entry], may: May) -> list[Step]:
    """The messages these entries were recorded from."""
    ids = {e.cause_id for e in entries if e.cause_kind == "message"}
    if not ids or not may("sync.view_message"):
        return []
    rows = Message.objects.filter(pk__in=ids).select_related("system").defer("body", "trouble")
    return [
        Step(row.received_at, row.system.name, f"said {row.topic}", note=f"by {row.door}", link=("message", row.pk))
        for row in rows
    ]


def told(commands: Sequence[Command], may: May) -> list[Step]:
    """What systems were told: when it was put out, and when it was settled, with the exchanges."""
    if not may("sync.view_command"):
        return []
    exchanges = _exchanges(commands) if may("sync.view_attempt") else {}
    return [step for command in commands for step in _told(command, exchanges)]


def _exchanges(commands: Sequence[Command]) -> dict[int, Attempt]:
    ids = [id for command in commands for id in command.exchanges[-5:]]
    rows = Attempt.objects.filter(pk__in=ids).defer("request", "response", "commands")
    return {row.pk: row for row in rows}


def _told(command: Command, exchanges: Mapping[int, Attempt]) -> Iterable[Step]:
    name, link = words.plain(command.kind), ("command", command.pk)
    yield Step(command.created_at, "retailsync", f"put out: {name} for {command.system.name}", link=link)
    more = [("exchange", id, _exchange(exchanges[id])) for id in command.exchanges[-5:] if id in exchanges]
    if command.settled_at:
        word = "confirmed" if command.state == "confirmed" else command.get_state_display()
        took = lasting((command.settled_at - command.created_at).total_seconds())
        yield Step(
            command.settled_at,
            command.system.name,
            f"{word}: {name}",
            words.TONES.get(word, ""),
            f"after {took}",
            link,
            more,
        )
    elif command.sent_at:
        state = command.get_state_display()
        yield Step(
            command.sent_at,
            command.system.name,
            f"{state}: {name}",
            words.TONES.get(state, ""),
            command.words[:160],
            link,
            more,
        )


def _exchange(row: Attempt) -> str:
    return f"{row.method} {row.status or 'no answer'}"


def cases(of: Q, may: May) -> list[Step]:
    """Exceptions opened and closed."""
    if not may("sync.view_case"):
        return []
    found = []
    for row in Case.objects.filter(of).order_by("-pk")[:100]:
        found.append(
            Step(
                row.opened_at,
                "retailsync",
                f"exception: {row.words[:160]}",
                "bad",
                row.get_who_display(),
                ("case", row.pk),
            )
        )
        if row.closed_at:
            who = row.closed_by or "retailsync"
            found.append(Step(row.closed_at, who, "exception closed", "good", row.words[:80], ("case", row.pk)))
    return found


def decided(kind: str, id: int, entries: Iterable[Entry], within: Q) -> list[Step]:
    """What people did about it within a span of time, and whenever they did what made these entries."""
    causes = {e.cause_id for e in entries if e.cause_kind == "action"}
    rows = Action.objects.filter(Q(within, target_kind=kind, target_id=id) | Q(pk__in=causes))[:100]
    return [Step(row.at, row.who, row.what, "warn", row.why[:200]) for row in rows]
