"""What a warehouse says of its stock: whole counts in parts, single figures, and why units came or went.

A count is a snapshot with a name (`run`): parts in any order, then the word that it is whole. Figures are whole units; what lies there
may be less than nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Meta

from canonical.facts import CountsCompleted, CountsStated, Fact, StockMoved
from canonical.types import Bucket, Counted
from connectors.partner.reading.shapes import Code, Instant, Name, Number, Reason, Shape, Statement, Text100, Wrong

LARGEST = 999_999_999
MOST_ITEMS = 1_000  # of one part

Figure = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Amount = Annotated[int, Meta(ge=0, le=LARGEST)]
Kind = Literal["adjustment", "receipt", "return", "transfer"]  # what left for our requests is said as a shipment

#: field → the words it takes.
WORDS: Mapping[str, Sequence[str]] = {"kind": get_args(Kind), "bucket": get_args(Bucket)}


class Item(Shape, kw_only=True):
    """One SKU's figures. `on_hand` holds the damaged and the held ones too."""

    sku: Code
    on_hand: Figure
    allocated: Amount = 0
    damaged: Amount = 0
    quality_hold: Amount = 0
    incoming: Amount = 0
    in_transit: Amount = 0

    def fact(self) -> Counted:
        return Counted(
            sku=self.sku, on_hand=self.on_hand, allocated=self.allocated, damaged=self.damaged,
            quality_hold=self.quality_hold, incoming=self.incoming, in_transit=self.in_transit,
        )  # fmt: skip


class OfLocation(Statement, kw_only=True):
    """What all of them have: the location, by our code of it."""

    location: Code


class Observed(OfLocation, kw_only=True):
    """Figures, as they were at `observed_at`."""

    clock: ClassVar[str] = "observed_at"
    observed_at: Instant


class Levels(Observed, kw_only=True):
    """Single figures, as they change: says nothing of what it does not name."""

    address: ClassVar[Sequence[str]] = ()
    items: Annotated[list[Item], Meta(min_length=1, max_length=MOST_ITEMS)]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for number, item in enumerate(self.items):
            if item.sku in seen:
                raise Wrong(f"items[{number}].sku", "is there twice; add up what lies in several places")
            seen.add(item.sku)

    def fact(self, at: datetime) -> Fact:
        return CountsStated(occurred_at=at, location=self.location, rows=tuple(item.fact() for item in self.items))


class Part(Levels, kw_only=True):
    """One part of a snapshot."""

    address: ClassVar[Sequence[str]] = ("run", "part")
    run: Text100 = ""
    part: Number = 0

    def fact(self, at: datetime) -> Fact:
        return CountsStated(
            occurred_at=at, location=self.location, run=self.run, part=self.part,
            rows=tuple(item.fact() for item in self.items),
        )  # fmt: skip


class Complete(Observed, kw_only=True):
    """A snapshot is whole. `full`: what it does not list is not there; else it says nothing of it."""

    address: ClassVar[Sequence[str]] = ("run",)
    run: Text100 = ""
    parts: Number
    items: Annotated[int, Meta(ge=1, le=MOST_ITEMS * 32_767)]
    full: bool = True

    def fact(self, at: datetime) -> Fact:
        return CountsCompleted(
            occurred_at=at, location=self.location, run=self.run, parts=self.parts, rows=self.items, full=self.full
        )


class Adjustment(OfLocation, kw_only=True):
    """Units came (`units` above 0) or went, for another reason than our requests. `adjustment` is the partner's own id of it."""

    address: ClassVar[Sequence[str]] = ()
    adjustment: Name
    sku: Code
    units: Figure
    reason: Reason
    occurred_at: Instant
    bucket: Bucket = "on_hand"
    kind: Kind = "adjustment"
    document: Text100 = ""

    def __post_init__(self) -> None:
        if not self.units:
            raise Wrong("units", "must not be 0")

    def fact(self, at: datetime) -> Fact:
        return StockMoved(
            occurred_at=at, ref=self.adjustment, location=self.location, units=self.units, kind=self.kind, sku=self.sku,
            bucket=self.bucket, reason=self.reason, document=self.document,
        )  # fmt: skip


#: topic → shape.
SHAPES: Mapping[str, type[Statement]] = {
    "counts.part": Part,
    "counts.done": Complete,
    "counts.levels": Levels,
    "stock.moved": Adjustment,
}
