"""What a warehouse partner says through our API → facts. Pure. Knows nothing of doors, keys and requests over HTTP.

The same shapes check a message when it arrives and read it later, so the two can never disagree.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from canonical.facts import ChangeAnswered, ExecutionReported, Fact, RequestAnswered, ShipmentStated
from canonical.types import Parcel, Units
from connectors.base import Envelope, Malformed, Read

AHEAD = timedelta(days=1)  # a partner's clock may be wrong, but not by more


class Wrong(Malformed):
    """A message of the wrong shape: `field` is its path (empty: the whole), `words` what is wrong with it."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(f"{field}: {words}" if field else words)
        self.field = field.replace("\0", "\ufffd")
        self.words = words.replace("\0", "\ufffd")


# ---- shapes -----------------------------------------------------------------------------------------------------------------
# PostgreSQL's text has no NUL. Lengths are those of the canonical models.
Text40 = Annotated[str, Meta(max_length=40, pattern="^[^\x00]*$")]
Text100 = Annotated[str, Meta(max_length=100, pattern="^[^\x00]*$")]
Prose = Annotated[str, Meta(max_length=1000, pattern="^[^\x00]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=140, pattern="^[^\x00]*$")]
Url = Annotated[str, Meta(max_length=500, pattern=r"^(https?://[^\x00-\x20\"'<>]+)?\Z")]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Number = Annotated[int, Meta(ge=1, le=32_767)]


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base: unknown fields are refused by name, so that a misspelt one is not lost in silence."""


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
Instant = Annotated[datetime, Meta(tz=True)]


class Said(Shape, kw_only=True):
    """What every message has: our reference of the request, and when it happened (else: when we received it).

    `address` names the fields that say what a message is about. Through the API they are in the URL and may be left out of the body.
    """

    address: ClassVar[Sequence[str]] = ("request",)
    request: Annotated[str, Meta(max_length=140, pattern="^[^\x00]*$")] = ""
    occurred_at: Instant | None = None


class Accepted(Said, kw_only=True):
    """The warehouse will do it."""

    partner_reference: Text100 = ""
    note: Prose = ""

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

    reason: Annotated[str, Meta(min_length=1, max_length=1000, pattern="^[^\x00]*$")]
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

    reason: Annotated[str, Meta(min_length=1, max_length=1000, pattern="^[^\x00]*$")]

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


Statement = Accepted | Rejected | ChangeAccepted | ChangeRejected | Picking | Picked | Packed | Short | Shipped

#: topic → shape. The topics of the inbox are these words.
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
}
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {t: msgspec.json.Decoder(s) for t, s in SHAPES.items()}


def _units(lines: Sequence[SomeUnits]) -> tuple[Units, ...]:
    return tuple(line.fact() for line in lines)


# ---- bytes → shape → facts --------------------------------------------------------------------------------------------------
def stated(topic: str, body: bytes, now: datetime) -> Statement:
    """Check one message against its shape. Raises Wrong with the field and plain words."""
    try:
        said: Statement = _DECODERS[topic].decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Wrong(*explained(str(error))) from error
    except UnicodeDecodeError as error:
        raise Wrong("", "The text is not valid UTF-8.") from error
    if said.occurred_at and not datetime(2000, 1, 1, tzinfo=UTC) <= said.occurred_at <= now + AHEAD:
        raise Wrong("occurred_at", "lies in the future or before the year 2000")
    return said


def read(envelope: Envelope) -> Sequence[Fact]:
    """One message → one fact, dated by the partner's clock where it gave a time."""
    said = stated(envelope.topic, envelope.body, envelope.received_at)
    for name in said.address:
        if not getattr(said, name):
            raise Wrong(name, "is missing")
    return [said.fact((said.occurred_at or envelope.received_at).astimezone(UTC))]


reads: Mapping[str, Read] = dict.fromkeys(SHAPES, read)


# ---- msgspec's words → ours -------------------------------------------------------------------------------------------------
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `\$?\.?(?P<where>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?P<how>missing required|contains unknown) field `(?P<name>[^`]*)`$")
_EXPECTED: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"^Expected `int` >= 1$"), "must be at least 1"),
    (re.compile(r"^Expected `int` <= (\d+)$"), r"must be at most \1"),
    (re.compile(r"^Expected `str` of length >= 1$"), "must not be empty"),
    (re.compile(r"^Expected `str` of length <= (\d+)$"), r"must not be longer than \1 characters"),
    (re.compile(r"^Expected `array` of length >= 1$"), "must have at least one entry"),
    (re.compile(r"^Expected `array` of length <= (\d+)$"), r"must not have more than \1 entries"),
    (re.compile(r"^Expected `str` matching regex .*https.*$", re.DOTALL), "must be a web address beginning with http:// or https://"),
    (re.compile(r"^Expected `str` matching regex .*$", re.DOTALL), "must not contain NUL characters"),
    (re.compile(r"^Invalid RFC3339 .*$"), "must be a time like 2026-01-31T12:00:00Z"),
    (re.compile(r"^Expected `datetime` with a timezone component$"), "must be a time with its zone, like 2026-01-31T12:00:00Z"),
    (re.compile(r"^JSON is malformed: .*\(byte (\d+)\)$"), r"The message is not valid JSON (byte \1)."),
    (re.compile(r"^Input data was truncated$"), "The message is not complete JSON."),
)  # fmt: skip
_KINDS = {
    "int": "a whole number",
    "str": "text",
    "array": "a list",
    "object": "an object",
    "datetime": "a time",
    "null": "nothing",
    "float": "a fraction",
    "bool": "true or false",
}


def explained(text: str) -> tuple[str, str]:
    """msgspec's message as (field path, words for a person)."""
    match = _WHERE.match(text)
    what, where = (match["what"], match["where"] or "") if match else (text, "")
    if named := _FIELD.match(what):
        words = "is missing" if named["how"].startswith("missing") else "is not a field of this message"
        return f"{where}.{named['name']}".lstrip("."), words
    for pattern, words in _EXPECTED:
        if pattern.match(what):
            return where, pattern.sub(words, what)
    if kinds := re.match(r"^Expected `([^`]*)`, got `([^`]*)`$", what):
        wanted, got = (" or ".join(_KINDS.get(k, k) for k in group.split(" | ")) for group in kinds.groups())
        return where, f"must be {wanted}, not {got}"
    return where, what
