"""Looking at what a shop shows of its stock now, many products in one request. Knows addresses and rows; no fact and no command.

What holds stock has an address of ours: "12" is a product, "10:12" the variation 12 of product 10. Variations are reached through their
parent only: the list of products neither shows nor finds them.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from connectors.base import Heard, Job, Session
from connectors.errors import Refused, Retry, SyncError
from connectors.woocommerce.client import MAX_PAGE, Answer, ask
from connectors.woocommerce.polling.rows import items
from connectors.woocommerce.wire import stock_of

#: What is kept of a row: whole ones are kilobytes of texts and pictures.
FIELDS = (
    "id", "parent_id", "type", "status", "sku", "name", "manage_stock", "stock_quantity", "backorders", "stock_status",
    "date_created_gmt", "date_modified_gmt",
)  # fmt: skip

_ADDRESS = re.compile(r"(?:([0-9]{1,18}):)?([0-9]{1,18})")
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
Row = Mapping[str, msgspec.Raw]


class Place(NamedTuple):
    """Where stock is kept: a product (no parent) or a variation."""

    parent: str
    id: str

    @property
    def collection(self) -> str:
        """The list it is in."""
        return f"/products/{self.parent}/variations" if self.parent else "/products"


def place(holder: str) -> Place | None:
    """An address taken apart; None for what is none."""
    match = _ADDRESS.fullmatch(holder)
    return Place(match[1] or "", match[2]) if match else None


def look_up(session: Session, holders: Sequence[str], about: Sequence[Job] = ()) -> list[Heard]:
    """What the shop shows of each now, in as few requests as possible; of what it does not have, that it is missing.

    What is in the trash is missing too: the shop sells none of it. One list that fails by itself (a plugin that breaks on one product)
    keeps no other from being read: of its own nothing is told. Where nothing can be told, that is what is raised.
    """
    told: dict[str, Heard] = {}
    trouble: SyncError | None = None
    lists: dict[str, dict[str, str]] = {}
    for holder in holders:
        if at := place(holder):
            lists.setdefault(at.collection, {})[at.id] = holder
        else:
            told[holder] = _missing(holder, Answer(404, b"", now := session.now(), now))
    for collection, wanted in lists.items():
        for some in _portions(wanted):
            try:
                told |= _looked(session, collection, some, about)
            except (Retry, Refused) as error:
                if trouble or (isinstance(error, Retry) and (error.down or error.after)):
                    raise  # the shop itself is in trouble
                trouble = error
    if trouble and not told:
        raise trouble
    return list(told.values())


def _portions(wanted: Mapping[str, str]) -> Iterator[dict[str, str]]:
    rest = iter(wanted.items())
    while some := dict(islice(rest, MAX_PAGE)):
        yield some


def _looked(session: Session, collection: str, wanted: Mapping[str, str], about: Sequence[Job]) -> dict[str, Heard]:
    """One list. What it does not show is asked for by itself: plugins hide rows (other languages), and a hidden product is not gone."""
    query: dict[str, str | int] = {
        "include": ",".join(wanted),
        "status": "any",
        "per_page": MAX_PAGE,
        "_fields": ",".join(FIELDS),
    }
    answer = ask(session, "GET", collection, query, about=about)
    missing = answer.status in (404, 410) and answer.code != "rest_no_route"
    if missing and collection != "/products":  # the parent is gone, and its variations with it
        return {holder: _missing(holder, answer) for holder in wanted.values()}
    rows = {str(item.row.id): item.raw for item in items(answer)}
    return {
        holder: heard_row(holder, _ROW.decode(rows[id]), answer)
        if id in rows
        else _alone(session, collection, id, holder, about)
        for id, holder in wanted.items()
    }


def _alone(session: Session, collection: str, id: str, holder: str, about: Sequence[Job]) -> Heard:
    answer = ask(session, "GET", f"{collection}/{id}", {"_fields": ",".join(FIELDS)}, about=about)
    row = answer.decode(_ROW) if answer.status == 200 else {}
    gone = not row or bytes(row.get("status", b"")).strip() == b'"trash"'
    return _missing(holder, answer) if gone else heard_row(holder, row, answer)


# ---- as the inbox stores it -------------------------------------------------------------------------------------------------
def heard_row(holder: str, row: Row, answer: Answer) -> Heard:
    """What the shop shows of one thing, with the shop's clock: `stock.read`."""
    kept: dict[str, Any] = {field: row[field] for field in FIELDS if field in row}
    return Heard(
        "stock.read", _key(holder, answer), stock_of(holder, _began(answer), _clock(answer), kept), answer.asked_at
    )


def _missing(holder: str, answer: Answer) -> Heard:
    body = msgspec.json.encode({"id": holder, "at": _clock(answer), "code": answer.code})
    return Heard("stock.missing", _key(holder, answer), body, answer.asked_at)


def _key(holder: str, answer: Answer) -> bytes:
    return hashlib.sha256(f"stock\0{holder}\0{answer.asked_at.isoformat()}".encode()).digest()


def _clock(answer: Answer) -> int:
    return int(answer.shop_time.timestamp())


def _began(answer: Answer) -> int:
    """The shop's clock when it cannot have looked yet: rows are read (and written) one after the other until it answers."""
    return int(answer.shop_time.timestamp() - answer.seconds)
