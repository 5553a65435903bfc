"""What a warehouse says of goods that arrive: receipts of inbound shipments, and what came back and how it was found."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, get_args

from msgspec import Meta

from canonical.facts import Fact, GoodsReceived, ReturnArrived, ReturnReported
from canonical.types import Arrived, Condition, Disposition, ReturnedItem
from connectors.partner.reading.shapes import (
    NO_NUL,
    Code,
    Count,
    Instant,
    Name,
    Shape,
    Statement,
    Text40,
    Text100,
    Wrong,
)

#: field → the words it takes.
WORDS: Mapping[str, Sequence[str]] = {"condition": get_args(Condition), "disposition": get_args(Disposition)}
Amount = Annotated[int, Meta(ge=0, le=1_000_000)]
Reference = Annotated[str, Meta(max_length=100, pattern=NO_NUL)]


# ---- inbound ----------------------------------------------------------------------------------------------------------------
class ReceivedItem(Shape, kw_only=True):
    """So many units of a SKU arrived; `damaged` of these."""

    sku: Code
    units: Count
    damaged: Amount = 0

    def __post_init__(self) -> None:
        if self.damaged > self.units:
            raise ValueError("damaged must not be more than units")

    def fact(self) -> Arrived:
        return Arrived(sku=self.sku, units=self.units, damaged=self.damaged)


class Receipt(Statement, kw_only=True):
    """Goods of an inbound shipment arrived. `receipt` is your own name of it: saying it again is the same receipt."""

    address: ClassVar[Sequence[str]] = ("inbound",)
    inbound: Reference = ""
    receipt: Name
    lines: Annotated[list[ReceivedItem], Meta(min_length=1, max_length=1000)]
    occurred_at: Instant | None = None

    def fact(self, at: datetime) -> Fact:
        return GoodsReceived(
            occurred_at=at, ref=self.receipt, inbound=self.inbound, lines=tuple(item.fact() for item in self.lines)
        )


# ---- returns ----------------------------------------------------------------------------------------------------------------
class ReturnedLine(Shape, kw_only=True):
    """So many units of one line of the return, or of a SKU."""

    units: Count
    line: Text40 = ""
    sku: Text100 = ""

    def __post_init__(self) -> None:
        if bool(self.line) == bool(self.sku):
            raise ValueError("must name a line or a sku")

    def fact(self) -> ReturnedItem:
        return ReturnedItem(units=self.units, line=self.line, sku=self.sku)


class InspectedLine(ReturnedLine, kw_only=True):
    """So many units of one line, how they were found, and what becomes of them."""

    condition: Condition
    disposition: Disposition

    def fact(self) -> ReturnedItem:
        return ReturnedItem(
            units=self.units, line=self.line, sku=self.sku, condition=self.condition, disposition=self.disposition
        )


class OfReturn(Statement, kw_only=True):
    """A word about one return, by our reference of it."""

    address: ClassVar[Sequence[str]] = ("returned",)
    returned: Reference = ""
    occurred_at: Instant | None = None


class ReturnReceived(OfReturn, kw_only=True):
    """Units came back. `receipt` is your own name of it: saying it again is the same receipt."""

    receipt: Name
    lines: Annotated[list[ReturnedLine], Meta(min_length=1, max_length=1000)]

    def fact(self, at: datetime) -> Fact:
        return ReturnReported(
            occurred_at=at, ref=self.receipt, returned=self.returned, stage="received",
            lines=tuple(line.fact() for line in self.lines),
        )  # fmt: skip


class ReturnInspected(OfReturn, kw_only=True):
    """Units were looked at. `inspection` is your own name of it: saying it again is the same inspection."""

    inspection: Name
    lines: Annotated[list[InspectedLine], Meta(min_length=1, max_length=1000)]

    def fact(self, at: datetime) -> Fact:
        return ReturnReported(
            occurred_at=at, ref=self.inspection, returned=self.returned, stage="inspected",
            lines=tuple(line.fact() for line in self.lines),
        )  # fmt: skip


class ArrivedItem(Shape, kw_only=True):
    """So many units of a SKU."""

    sku: Code
    units: Count

    def fact(self) -> ReturnedItem:
        return ReturnedItem(units=self.units, sku=self.sku)


class Unannounced(Statement, kw_only=True):
    """A parcel came back that nobody announced. `parcel` is your own name of it: saying it again is the same return."""

    address: ClassVar[Sequence[str]] = ()
    parcel: Annotated[str, Meta(min_length=1, max_length=49, pattern=NO_NUL)]
    location: Code
    lines: Annotated[list[ArrivedItem], Meta(min_length=1, max_length=1000)]
    order_reference: Text100 = ""
    tracking_number: Text100 = ""
    occurred_at: Instant | None = None

    def __post_init__(self) -> None:
        if "/" in self.parcel:
            raise Wrong("parcel", "must not contain a slash: it becomes part of an address")

    def fact(self, at: datetime) -> Fact:
        return ReturnArrived(
            occurred_at=at, ref=self.parcel, location=self.location, order_reference=self.order_reference,
            tracking=self.tracking_number, lines=tuple(line.fact() for line in self.lines),
        )  # fmt: skip


#: topic → shape.
SHAPES: Mapping[str, type[Statement]] = {
    "inbound.received": Receipt,
    "return.arrived": Unannounced,
    "return.received": ReturnReceived,
    "return.inspected": ReturnInspected,
}
