"""The feed `sweep`: all orders of the shop by id, slowly, for what no push and no poll tells: orders deleted for good, silent edits.

One page per poll, one message per page, `order.listed`: which ids it covers, and a row for each order the shop has there, the trash
included. `status=any` leaves the trash out, so two lists are read side by side, and a page covers what both of them have shown.
The last page of a round covers the ids up to the highest one seen in this round or the one before: what stood at the very end and is
gone would be in no range otherwise. An order trashed or restored between the two requests is in neither list: that is why
a listing only makes us read again. Drafts of the checkout are in neither.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec

from connectors.base import Heard, Page, Session
from connectors.woocommerce.polling.rounds import Part, Spot, behind, part
from connectors.woocommerce.polling.rows import Item

FIELDS = "id,status,total,date_modified_gmt"


class Round(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where the sweep stands."""

    last: int = 0  # ids up to this one are covered in this round
    live: Spot = Spot()
    trash: Spot = Spot()
    top: int = 0  # the highest id the round before covered
    began: datetime | None = None
    over: bool = False  # the round is done; the next one begins `sweep_hours` after it did


_ROUND = msgspec.json.Decoder(Round)


def poll_sweep(session: Session, cursor: str) -> Page:
    """One page of the round, or nothing while the next round is not due."""
    at = _begun(session, _ROUND.decode(cursor) if cursor.startswith("{") else Round())
    if at.over:
        return Page((), _stored(at), more=False)
    live, trash = (
        part(session, "/orders", {"status": status, "_fields": FIELDS}, spot, at.last)
        for status, spot in (("any", at.live), ("trash", at.trash))
    )
    lost = live.lost or trash.lost
    over = live.ended and trash.ended and not lost
    upto = at.last if lost else max(at.last, live.end, trash.end, at.top) if over else max(at.last, _both(live, trash))
    moved = Round(
        last=upto,
        live=behind(at.live, live, upto),
        trash=behind(at.trash, trash, upto),
        top=upto if over else at.top,
        began=at.began,
        over=over,
    )
    told = [_listed(at.last + 1, upto, [*live.items, *trash.items], live)] if upto > at.last else []
    return Page(told, _stored(moved), more=not told and not over)


def _begun(session: Session, at: Round) -> Round:
    if at.began is None:
        return Round(began=session.now())
    due = session.now() - at.began >= timedelta(hours=session.settings.sweep_hours)
    return Round(began=session.now(), top=at.top) if at.over and due else at


def _both(live: Part, trash: Part) -> int:
    """How far both lists were seen: one that ended was seen to its end, whatever that is."""
    return min((page.end for page in (live, trash) if not page.ended), default=0)


def _listed(first: int, last: int, items: list[Item], page: Part) -> Heard:
    """One range with its rows, as the shop wrote them."""
    rows = {item.row.id: msgspec.Raw(item.raw) for item in items if first <= item.row.id <= last}
    body = msgspec.json.encode({"first": first, "last": last, "rows": [rows[id] for id in sorted(rows)]})
    key = hashlib.sha256(f"sweep\0{page.answer.asked_at.isoformat()}\0{first}".encode()).digest()
    return Heard("order.listed", key, body, page.answer.asked_at)


def _stored(at: Round) -> str:
    return msgspec.json.encode(at).decode()
