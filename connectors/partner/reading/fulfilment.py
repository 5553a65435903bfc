"""What a warehouse says of the requests it was sent: accepts, rejects, works, is short, ships, and answers changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from canonical.facts import ChangeAnswered, ExecutionReported, Fact, RequestAnswered, ShipmentStated, TrackingStated
from canonical.types import Parcel, Tracked, Units
from connectors.partner.reading.shapes import (
    Code,
    Count,
    Instant,
    Name,
    Number,
    Prose,
    Reason,
    Shape,
    Statement,
    Text40,
    Text100,
    Text140,
    Url,
    Wrong,
)


class SomeUnits(Shape, kw_only=True):
    """So many units of one line of ours, or of a SKU where the partner cannot name the line."""

    units: Count
    line: Text40 = ""
    sku: Text100 = ""

    def __post_init__(self) -> None:
        if not self.line and not self.sku:
            raise ValueError("must name a line or a sku")

    def fact(self) -> Units:
        return Units(units=self.units, line=self.line, sku=self.sku)


Lines = Annotated[list[SomeUnits], Meta(max_length=1000)]
SomeLines = Annotated[list[SomeUnits], Meta(min_length=1, max_length=1000)]


class Said(Statement, kw_only=True):
    """What all of them have: our reference of the request, and when it happened."""

    address: ClassVar[Sequence[str]] = ("request",)
    request: Text140 = ""
    occurred_at: Instant | None = None


class Accepted(Said, kw_only=True):
    """The warehouse will do it, all of it or all but what is `declined`: those units it will not ship."""

    partner_reference: Text100 = ""
    note: Prose = ""
    declined: Lines = []

    def facts(self, at: datetime) -> Sequence[Fact]:
        if not self.declined:
            return [self.fact(at)]
        rest = ExecutionReported(
            occurred_at=at, request=self.request, stage="short", lines=_units(self.declined), reason=self.note
        )
        return [self.fact(at), rest]

    def fact(self, at: datetime) -> Fact:
        return RequestAnswered(
            occurred_at=at,
            request=self.request,
            answer="accepted",
            reason=self.note,
            partner_ref=self.partner_reference,
        )


class Rejected(Said, kw_only=True):
    """The warehouse will not do it, and says why."""

    reason: Reason
    partner_reference: Text100 = ""

    def fact(self, at: datetime) -> Fact:
        return RequestAnswered(
            occurred_at=at,
            request=self.request,
            answer="rejected",
            reason=self.reason,
            partner_ref=self.partner_reference,
        )


class ChangeSaid(Said, kw_only=True):
    """A word about one change of a request: `change` is our number of it."""

    address: ClassVar[Sequence[str]] = ("request", "change")
    change: Number = 0


class ChangeAccepted(ChangeSaid, kw_only=True):
    """The warehouse will do what the change asks for."""

    reason: Prose = ""

    def fact(self, at: datetime) -> Fact:
        return ChangeAnswered(
            occurred_at=at, request=self.request, number=self.change, answer="accepted", reason=self.reason
        )


class ChangeRejected(ChangeSaid, kw_only=True):
    """The warehouse leaves the request as it was, and says why."""

    reason: Reason

    def fact(self, at: datetime) -> Fact:
        return ChangeAnswered(
            occurred_at=at, request=self.request, number=self.change, answer="rejected", reason=self.reason
        )


class Progress(Said, kw_only=True):
    """Work was begun or done; lines may be named."""

    lines: Lines = []


class Picking(Progress, kw_only=True):
    def fact(self, at: datetime) -> Fact:
        return ExecutionReported(occurred_at=at, request=self.request, stage="picking", lines=_units(self.lines))


class Picked(Progress, kw_only=True):
    def fact(self, at: datetime) -> Fact:
        return ExecutionReported(occurred_at=at, request=self.request, stage="picked", lines=_units(self.lines))


class Packed(Progress, kw_only=True):
    def fact(self, at: datetime) -> Fact:
        return ExecutionReported(occurred_at=at, request=self.request, stage="packed", lines=_units(self.lines))


class Short(Said, kw_only=True):
    """Units that will not be shipped."""

    lines: SomeLines
    reason: Prose = ""

    def fact(self, at: datetime) -> Fact:
        return ExecutionReported(
            occurred_at=at, request=self.request, stage="short", lines=_units(self.lines), reason=self.reason
        )


class PackageShape(Shape, kw_only=True):
    """One parcel with its contents."""

    lines: SomeLines
    reference: Text100 = ""
    tracking_number: Text100 = ""
    tracking_url: Url = ""

    def fact(self) -> Parcel:
        return Parcel(
            ref=self.reference, tracking=self.tracking_number, tracking_url=self.tracking_url, lines=_units(self.lines)
        )


class Shipped(Said, kw_only=True):
    """A shipment left. `shipment` is the partner's own id: saying it again is the same shipment."""

    shipment: Name
    packages: Annotated[list[PackageShape], Meta(min_length=1, max_length=200)]
    carrier: Text100 = ""
    service: Text100 = ""

    def fact(self, at: datetime) -> Fact:
        return ShipmentStated(
            occurred_at=at, ref=self.shipment, request=self.request, carrier=self.carrier, service=self.service,
            parcels=tuple(package.fact() for package in self.packages),
        )  # fmt: skip


class Corrected(Shipped, kw_only=True):
    """What really left, whatever was agreed or said before; `reason` says why it is known only now. A shipment that was reported with other
    contents is compared by a person."""

    reason: Reason


class PackageNumber(Shape, kw_only=True):
    """What one parcel is followed by: `package` is its place in the shipment as it was reported, from 1."""

    package: Number
    tracking_number: Code
    tracking_url: Url = ""

    def fact(self) -> Tracked:
        return Tracked(package=self.package, tracking=self.tracking_number, tracking_url=self.tracking_url)


class Tracking(Said, kw_only=True):
    """Tracking numbers of a shipment that was reported without them, or with others. Of each parcel the latest word stands."""

    address: ClassVar[Sequence[str]] = ("request", "shipment")
    shipment: Text140 = ""
    packages: Annotated[list[PackageNumber], Meta(min_length=1, max_length=200)]
    carrier: Text100 = ""
    service: Text100 = ""

    def __post_init__(self) -> None:
        if self.service and not self.carrier:
            raise Wrong("carrier", "is missing: a service is one of its carrier")
        seen: set[int] = set()
        for n, one in enumerate(self.packages):
            if one.package in seen:
                raise Wrong(f"packages[{n}].package", "is there twice")
            seen.add(one.package)

    def fact(self, at: datetime) -> Fact:
        return TrackingStated(
            occurred_at=at, ref=self.shipment, request=self.request, carrier=self.carrier, service=self.service,
            packages=tuple(package.fact() for package in self.packages),
        )  # fmt: skip


def _units(lines: Sequence[SomeUnits]) -> tuple[Units, ...]:
    return tuple(line.fact() for line in lines)


#: topic → shape.
SHAPES: Mapping[str, type[Statement]] = {
    "request.accepted": Accepted,
    "request.rejected": Rejected,
    "change.accepted": ChangeAccepted,
    "change.rejected": ChangeRejected,
    "execution.picking": Picking,
    "execution.picked": Picked,
    "execution.packed": Packed,
    "execution.short": Short,
    "shipment.shipped": Shipped,
    "shipment.corrected": Corrected,
    "shipment.tracked": Tracking,
}
