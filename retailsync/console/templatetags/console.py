"""Template words of the console: times, money, links and the filter bar."""

from collections.abc import Iterator
from typing import Any

from django import template

from retailsync.console import words

register = template.Library()
register.filter("when", words.when)
register.filter("plain", words.plain)
register.filter("pretty", words.pretty)
register.simple_tag(words.money, name="money")
register.simple_tag(words.link, name="page")
register.simple_tag(words.outside, name="outside")
register.simple_tag(words.badge, name="badge")


@register.filter
def since(at: Any) -> str:
    """Relative and exact."""
    return words.when(at, relative=True)


@register.simple_tag(takes_context=True)
def partial(context: Any, cl: Any) -> bool:
    """Whether the address narrows the list in a way no filter in sight shows, e.g. to one group."""
    seen = {name for spec in cl.filter_specs for name in spec.expected_parameters()}
    return bool(set(context["request"].GET) - seen - {"q", "o", "p", "all", "e"})


@register.simple_tag
def filters(cl: Any) -> Iterator[dict[str, Any]]:
    """Each filter of a list with its choices, for one row of selects."""
    for spec in cl.filter_specs:
        choices = list(spec.choices(cl))
        yield {"title": spec.title, "choices": choices, "active": any(c["selected"] for c in choices[1:])}
