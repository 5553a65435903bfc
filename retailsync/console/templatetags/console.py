"""Template words of the console: times, money, links and the filter bar."""

from collections.abc import Iterator
from typing import Any

from django import template

from retailsync.console import numbers, stockwords, words

register = template.Library()
register.filter("when", words.when)
register.filter("plain", words.plain)
register.filter("pretty", words.pretty)
register.simple_tag(words.money, name="money")
register.simple_tag(words.link, name="page")
register.simple_tag(words.outside, name="outside")
register.simple_tag(words.badge, name="badge")
register.simple_tag(numbers.shown, name="number")


@register.filter
def since(at: Any) -> str:
    """Relative and exact."""
    return words.when(at, relative=True)


@register.filter
def stock_event(event: str) -> str:
    """What happened to a level, an offer or a listing."""
    return stockwords.EVENTS.get(event, event)


@register.filter
def signed(units: int) -> str:
    """Units with their sign."""
    return f"{units:+,}"


@register.filter
def snapshot_tone(state: str) -> str:
    """The colour of a snapshot's state."""
    return stockwords.SNAPSHOTS.get(state, "")


@register.filter
def rule_field(field: str) -> str:
    """A field of a rule, in words."""
    return stockwords.FIELDS.get(field, field)


@register.simple_tag
def change(before: int | None, after: int | None) -> str:
    """A difference with its sign."""
    return words.NOTHING if before is None or after is None else f"{after - before:+,}"


@register.simple_tag
def because(kind: str, id: int) -> str:
    """The row that made us record something, as a link where it has a page."""
    return words.link(kind, id, f"{words.plain(words.CAUSES.get(kind, kind)).lower()} #{id}") if kind else words.NOTHING


@register.simple_tag(takes_context=True)
def partial(context: Any, cl: Any) -> bool:
    """Whether the address narrows the list in a way no filter in sight shows, e.g. to one group."""
    seen = {name for spec in cl.filter_specs for name in spec.expected_parameters()}
    return bool(set(context["request"].GET) - seen - {"q", "o", "p", "all", "e", "after", "before"})


@register.simple_tag
def filters(cl: Any) -> Iterator[dict[str, Any]]:
    """Each filter of a list with its choices, for one row of selects."""
    for spec in cl.filter_specs:
        choices = list(spec.choices(cl))
        yield {"title": spec.title, "choices": choices, "active": any(c["selected"] for c in choices[1:])}


@register.filter
def of(rows: Any, name: str) -> Any:
    """One of several, by its name."""
    return rows[name]


@register.filter
def counted(count: int) -> str:
    """A count as people read it."""
    return f"{count:,}"


@register.filter
def worked(minutes: int | None) -> str:
    """So much working time."""
    if minutes is None:
        return words.NOTHING
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60:,} h" + (f" {minutes % 60} min" if minutes % 60 else "")
