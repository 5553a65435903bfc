"""Rows of the shop's lists: what a poll looks at in them, and how it stores them untouched."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from connectors.base import Heard, Malformed
from connectors.errors import Misconfigured
from connectors.woocommerce.client import Answer
from connectors.woocommerce.reading import instant

EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


class Row(msgspec.Struct):
    """What a poll itself looks at in a row."""

    id: int = 0
    parent_id: int = 0
    date_modified_gmt: str | None = None
    date_created_gmt: str | None = None
    type: str = ""

    @property
    def modified(self) -> datetime:
        """When it was last modified; EPOCH where the row does not say it."""
        try:
            return instant(self.date_modified_gmt or self.date_created_gmt, "date_modified_gmt") or EPOCH
        except Malformed:
            return EPOCH


_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ROW = msgspec.json.Decoder(Row, strict=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a page: what we look at, and its JSON untouched."""

    row: Row
    raw: bytes


def items(answer: Answer) -> list[Item]:
    """The rows of a page. Misconfigured where the shop has no such list."""
    if answer.status in (404, 410):
        raise Misconfigured("The shop's WooCommerce API is not there; is WooCommerce active?", detail=answer.code)
    return [Item(_row(raw), bytes(raw)) for raw in answer.decode(_RAWS)]


def _row(raw: Any) -> Row:
    """What we look at in a row, ids that plugins write as texts included. A row we cannot look at is heard all the same."""
    try:
        return _ROW.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return Row()


def heard(word: str, run: str, item: Item, answer: Answer, body: bytes | None = None) -> Heard:
    """One row as the inbox stores it; the key absorbs only the same row heard twice in one run."""
    key = hashlib.sha256(f"{run}\0{word}\0{item.row.id}\0{item.row.date_modified_gmt}".encode()).digest()
    return Heard(f"{word}.read", key, item.raw if body is None else body, answer.asked_at)
