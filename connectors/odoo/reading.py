"""Odoo's answers as facts. Pure: bytes in, facts out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, Literal, TypeVar

import msgspec

from canonical.facts import CountsCompleted, CountsStated, Fact, Gone, SkuStated
from canonical.types import Counted
from connectors.base import Envelope, Malformed

T = TypeVar("T")

PRODUCT_READ = "product.read"
PRODUCT_GONE = "product.gone"
STOCK_PAGE = "stock.page"
STOCK_DONE = "stock.done"

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
MOST = Decimal(10**12)  # units of one thing: what is more is not a quantity


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


class StockRow(msgspec.Struct, array_like=True):
    """A product's sums in one warehouse, in Odoo's own numbers: fractions where it is counted in kilograms or metres."""

    id: int
    sku: str
    quantity: Decimal
    reserved: Decimal
    held: Decimal = Decimal(0)  # of `quantity`, what lies in quality control


class StockPage(msgspec.Struct):
    """Our own wrapping of figures of one warehouse, named by its code. With a `run` they are one part of a full reading."""

    location: str
    rows: list[StockRow]
    run: str = ""
    part: Count = 0


class StockDone(msgspec.Struct):
    """Our own note that a full reading of one warehouse is whole."""

    location: str
    run: str
    parts: Count
    rows: Count


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


def read_stock(envelope: Envelope) -> Sequence[Fact]:
    """Figures as they were when we began to ask: Odoo has no better moment, a quant's `write_date` is not that of its sum."""
    page = _decoded(envelope.body, StockPage)
    rows = tuple(_counted(row) for row in page.rows)
    at = envelope.asked_at or envelope.received_at
    return [CountsStated(occurred_at=at, location=page.location, rows=rows, run=page.run, part=page.part)]


def _counted(row: StockRow) -> Counted:
    """Whole units: of a fraction nothing can be sold, and what is promised of one takes a whole one."""
    return Counted(
        ref=str(row.id), sku=row.sku, on_hand=_whole(row.quantity, ROUND_FLOOR),
        allocated=_whole(row.reserved, ROUND_CEILING), quality_hold=_whole(row.held, ROUND_CEILING),
    )  # fmt: skip


def _whole(quantity: Decimal, rounding: str) -> int:
    """Odoo keeps six digits of a quantity; sums of floats have dust beyond them."""
    if not quantity.is_finite() or abs(quantity) > MOST:
        raise Malformed(f"{quantity} is not a quantity.")
    return int(quantity.quantize(Decimal("0.000001")).to_integral_value(rounding))


def read_stock_done(envelope: Envelope) -> Sequence[Fact]:
    """A full reading of one warehouse has ended: what it did not list is not there."""
    done = _decoded(envelope.body, StockDone)
    at = envelope.asked_at or envelope.received_at
    return [CountsCompleted(occurred_at=at, location=done.location, run=done.run, parts=done.parts, rows=done.rows)]


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
        raise Malformed(f"This is not what Odoo states: {error}") from error
