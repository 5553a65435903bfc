"""Numbers that lead to their rows: a count and the list that has exactly so many. Asks the database nothing."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


class Number(NamedTuple):
    """A count with its list; `noun` where words stand around it. `most`: there may be more than were looked at."""

    count: int
    url: str
    noun: str = ""
    most: bool = False

    @property
    def words(self) -> str:
        """The count as people read it."""
        said = f"{self.count:,}{'+' if self.most else ''}"
        return f"{said} {self.noun}{'' if self.count == 1 else 's'}" if self.noun else said


def listed(page: str, **query: Any) -> str:
    """The address of a list, narrowed."""
    return f"{reverse(f'admin:{page}_changelist')}?{urlencode(query)}"


def shown(number: Number, tone: str = "") -> SafeString:
    """A number as a link; with a tone it is a badge as soon as there is something to see."""
    kind = f"rs-badge rs-{tone}" if tone and number.count else "rs-link" if number.count else "rs-nought"
    return format_html('<a class="{}" href="{}">{}</a>', kind, number.url, number.words)
