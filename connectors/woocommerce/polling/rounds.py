"""Reading a whole list by ascending id, a page at a time, for what no modification date tells. Knows no particular list.

The API can neither say "ids greater than" nor give more than 100 rows, so places in the list are used, and they move when rows before
them vanish. Therefore every page is asked from the row that was the last one before: while some row of the page is not
behind it, nothing was skipped; otherwise rows have gone, and we step back a page first. Rows a plugin hides count as places and
are never shown, so after a step back pages are taken as they are until one has a row to go by.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from connectors.base import Session
from connectors.woocommerce.client import MAX_PAGE, Answer, ask
from connectors.woocommerce.polling.rows import Item, items


class Spot(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Where a round stands in one list: the place to ask from, and whether we had to step back to get there."""

    place: int = 0
    step: Literal["", "back", "sure"] = ""


class Part(msgspec.Struct, frozen=True):
    """One page of a list. `fresh`: it has rows not dealt with yet. `ended`: the list has no more. `lost`: it moved, and says nothing
    until we stepped back."""

    items: Sequence[Item]
    answer: Answer
    fresh: bool
    ended: bool
    lost: bool

    @property
    def end(self) -> int:
        """The greatest id on it; 0 when there is none."""
        return max((item.row.id for item in self.items), default=0)


def part(session: Session, path: str, query: Mapping[str, str], at: Spot, last: int) -> Part:
    """Ask for one page. `last`: the greatest id that was dealt with."""
    asked: dict[str, str | int] = {"per_page": MAX_PAGE, "orderby": "id", "order": "asc", **query}
    if at.place:
        asked["offset"] = at.place
    answer = ask(session, "GET", path, asked)
    rows = items(answer)
    lost = at.place > 0 and at.step != "sure" and not any(0 < item.row.id <= last for item in rows)
    ended = at.place + MAX_PAGE >= answer.total if answer.total else len(rows) < MAX_PAGE
    return Part(rows, answer, any(item.row.id > last for item in rows), ended, lost)


def behind(at: Spot, page: Part, upto: int) -> Spot:
    """The spot behind the rows up to the id `upto`, on the last of them."""
    if page.lost:
        return Spot(place=max(0, at.place - MAX_PAGE + 1), step="back")
    step: Literal["", "sure"] = "sure" if at.step and not page.fresh else ""
    if not page.ended and page.end <= upto:
        return Spot(place=at.place + MAX_PAGE - 1, step=step)
    return Spot(place=at.place + max(0, sum(item.row.id <= upto for item in page.items) - 1), step=step)
