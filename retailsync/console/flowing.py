"""The workflows on the first page: what each did in the last hour against what it promises, what stands, and how a day or a week went."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from retailsync.console import bars, pulses, standing
from retailsync.console.late import MOST, Late
from retailsync.console.numbers import Number, listed
from retailsync.console.pulses import Hour, Series, Span, Window
from retailsync.console.standing import LOOKED, Standing
from retailsync.sync import workflows
from retailsync.sync.workflows import INTAKE, Workflow

GOAL = 0.95  # of what was handled must have been in time
_WAITING = {"message": ("received", "waiting"), "command": ("waiting", "sending")}


def flows(
    window: Window, hours: Sequence[Hour], rows: Sequence[Standing], late: Sequence[Late]
) -> list[dict[str, Any]]:
    """One row per workflow."""
    blocked, held = standing.kept_back()
    waiting = sum(row.count for row in rows if row.what == "command" and row.state == "waiting")
    return [
        {
            "flow": flow, "promised": bars.lasting(flow.level.total_seconds()), **_hour(flow, window, hours), **_standing(flow, rows),
            "late": _late(flow, late),
            "kept": {} if flow is INTAKE else _kept(flow, blocked, held, waiting > LOOKED),
        }
        for flow in workflows.WORKFLOWS.values()
    ]  # fmt: skip


def rows_of(flow: Workflow, **query: Any) -> str:
    """The list of a workflow's rows."""
    return listed("sync_message", **query) if flow is INTAKE else listed("sync_command", workflow=flow.name, **query)


def done(flow: Workflow, window: Window, count: int) -> Number:
    """What a workflow handled in a time."""
    if flow is INTAKE:
        return Number(count, rows_of(flow, state__exact="done", **window.of("done_at")))
    return Number(count, rows_of(flow, state__exact="confirmed", **window.of("settled_at")))


def _hour(flow: Workflow, window: Window, hours: Sequence[Hour]) -> dict[str, Any]:
    own = [hour for hour in hours if hour.workflow == flow.name]
    handled, in_time = sum(h.handled for h in own), sum(h.in_time for h in own)
    slowest = max((h.p95 for h in own if h.p95 is not None), default=None)
    return {
        "handled": done(flow, window, handled), "in_time": f"{in_time * 100 // handled} %" if handled else "",
        "tone": "good" if in_time >= GOAL * handled else "bad", "slowest": bars.lasting(slowest),
    }  # fmt: skip


def _standing(flow: Workflow, rows: Sequence[Standing]) -> dict[str, Any]:
    own = [
        row for row in rows if row.workflow == flow.name and row.what == ("message" if flow is INTAKE else "command")
    ]
    counts: Counter[str] = Counter()
    for row in own:
        counts[row.state] += row.count
    waiting = _WAITING["message" if flow is INTAKE else "command"]
    return {
        "waiting": Number(sum(counts[state] for state in waiting), rows_of(flow, state__in=",".join(waiting))),
        "missing": Number(counts["waiting"], rows_of(flow, state__exact="waiting")) if flow is INTAKE else None,
        "parked": Number(counts["parked"], rows_of(flow, state__exact="parked")),
        "doubt": None if flow is INTAKE else Number(counts["in_doubt"], rows_of(flow, state__exact="in_doubt")),
        "oldest": min((row.oldest for row in own), default=None),
    }  # fmt: skip


def _kept(flow: Workflow, blocked: Counter[str], held: Counter[str], more: bool) -> dict[str, Number]:
    return {
        name: Number(counted[flow.name], rows_of(flow, kept=name), most=more)
        for name, counted in (("blocked", blocked), ("held", held))
    }


def _late(flow: Workflow, late: Sequence[Late]) -> Number:
    count = sum(row.workflow == flow.name for row in late)
    return Number(count, rows_of(flow, late="yes"), most=len(late) >= MOST)


# ---- a day or a week --------------------------------------------------------------------------------------------------------
def charts(span: Span, now: datetime) -> list[dict[str, Any]]:
    """Three plots and a table for each workflow, two for what was exchanged with all systems."""
    window, found = pulses.over(span, now)
    exchanged = found.pop("")
    rows = [_chart(workflows.WORKFLOWS[name], window, series, span) for name, series in found.items()]
    return [*rows, _exchanges(window, exchanged, span)] if exchanged.total("exchanges") or _any(found) else []


def _any(found: dict[str, Series]) -> bool:
    return any(series.total("handled") or series.total("parked") for series in found.values())


def _chart(flow: Workflow, window: Window, series: Series, span: Span) -> dict[str, Any]:
    return {
        "title": flow.title, "window": window, "all": done(flow, window, series.total("handled")),
        "wrong": _parked(flow, window, series.total("parked")),
        "plots": [
            bars.counts(series, "handled", "Done", span), bars.times(series, flow.level.total_seconds(), span),
            bars.counts(series, "parked", "Put aside for a person", span),
        ],
        "lines": [
            {"since": some.since, "all": done(flow, some, c.handled), "slowest": bars.lasting(c.p95), "late": _over(c.p95, flow),
             "wrong": _parked(flow, some, c.parked)}
            for some, c in pulses.lines(window, series, span)
        ],
    }  # fmt: skip


def _over(seconds: float | None, flow: Workflow) -> bool:
    return seconds is not None and seconds > flow.level.total_seconds()


def _parked(flow: Workflow, window: Window, count: int) -> Number:
    query = {
        "state": "all",
        "workflow__exact": flow.name,
        "target_kind__in": "command,message",
        **window.of("opened_at"),
    }
    return Number(count, listed("sync_case", **query))


def _exchanges(window: Window, series: Series, span: Span) -> dict[str, Any]:
    return {
        "title": "Exchanges with systems", "all": exchanged(window, series.total("exchanges")),
        "wrong": exchanged(window, series.total("failed"), outcome="failed"),
        "plots": [bars.counts(series, "exchanges", "Exchanges", span), None, bars.counts(series, "failed", "Exchanges that failed", span)],
        "lines": [
            {"since": some.since, "all": exchanged(some, c.exchanges), "wrong": exchanged(some, c.failed, outcome="failed")}
            for some, c in pulses.lines(window, series, span)
        ],
    }  # fmt: skip


def exchanged(window: Window, count: int, **query: Any) -> Number:
    """Exchanges of a time."""
    return Number(count, listed("sync_attempt", **query, **window.of("started_at")))
