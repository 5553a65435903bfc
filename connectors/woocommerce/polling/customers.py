"""The feed `customers`: new ones as they register, all of them every `sweep_hours`. The API cannot list them by modification.

Accounts of every role are read: whoever has one can buy. After the first time, a round over all of them reads one page per poll; a change
between two rounds is told by a webhook, and by the next order.
"""

from datetime import datetime, timedelta

import msgspec

from connectors.base import Page, Session
from connectors.woocommerce.polling.rounds import Spot, behind, part
from connectors.woocommerce.polling.rows import heard


class Accounts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where the feed stands."""

    spot: Spot = Spot()
    last: int = 0  # the greatest id heard in this round
    began: datetime | None = None  # when the last round over all began
    run: str = ""  # names this reading in dedup keys; empty = the next call begins a new one
    slow: bool = False  # this is a round over all that is not the first


_ACCOUNTS = msgspec.json.Decoder(Accounts)


def poll_customers(session: Session, cursor: str) -> Page:
    """One page, each account as `customer.read`."""
    at = _begun(session, _ACCOUNTS.decode(cursor) if cursor.startswith("{") else Accounts())
    page = part(session, "/customers", {"role": "all"}, at.spot, at.last)
    fresh = [] if page.lost else [item for item in page.items if not 0 < item.row.id <= at.last]
    upto = at.last if page.lost else max(at.last, page.end)
    ended = page.ended and not page.lost
    moved = Accounts(
        spot=behind(at.spot, page, upto),
        last=upto,
        began=at.began,
        run="" if ended else at.run,
        slow=at.slow and not ended,
    )
    told = [heard("customer", at.run, item, page.answer) for item in fresh]
    return Page(told, msgspec.json.encode(moved).decode(), more=not ended and (page.lost or not at.slow))


def _begun(session: Session, at: Accounts) -> Accounts:
    """Go on; or begin to read what is new, or everything where that was too long ago."""
    if at.run:
        return at
    run = session.now().isoformat()
    if at.began is None or session.now() - at.began >= timedelta(hours=session.settings.sweep_hours):
        return Accounts(run=run, began=session.now(), slow=at.began is not None)
    return Accounts(spot=at.spot, last=at.last, began=at.began, run=run)
