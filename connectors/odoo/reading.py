"""Odoo's answers as facts. Pure: bytes in, facts out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from canonical.facts import Fact, Gone, SkuStated
from connectors.base import Envelope, Malformed

T = TypeVar("T")

PRODUCT_READ = "product.read"
PRODUCT_GONE = "product.gone"


class Product(msgspec.Struct):
    """A product.product as `search_read` answers it: Odoo says false for an empty text."""

    id: int
    write_date: str
    default_code: str | Literal[False] = False
    name: str | Literal[False] = False
    barcode: str | Literal[False] = False
    type: str = "consu"
    active: bool = True


class Absence(msgspec.Struct):
    """Our own note that a read by id found nothing."""

    id: int


def read_product(envelope: Envelope) -> Sequence[Fact]:
    """A product variant as a SKU. Without an internal reference it is none of ours."""
    product = _decoded(envelope.body, Product)
    if not product.default_code:
        return []
    at = instant(product.write_date)
    return [SkuStated(
        occurred_at=at, read_at=envelope.asked_at, ref=str(product.id), version=microseconds(at), sku=product.default_code,
        name=product.name or "", gtin=product.barcode or "", requires_shipping=product.type != "service", active=product.active,
    )]  # fmt: skip


def read_absence(envelope: Envelope) -> Sequence[Fact]:
    """A product that was deleted in Odoo."""
    ref = str(_decoded(envelope.body, Absence).id)
    return [Gone(occurred_at=envelope.received_at, read_at=envelope.asked_at, ref=ref, version=0, entity="sku")]


def instant(text: str) -> datetime:
    """Odoo's datetimes are UTC without saying so, seconds or finer."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise Malformed(f"«{text}» is not a date and time as Odoo writes them.") from error


def microseconds(at: datetime) -> int:
    """A version that grows with time."""
    return int(at.timestamp() * 1_000_000)


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"This is not a product as Odoo states it: {error}") from error
