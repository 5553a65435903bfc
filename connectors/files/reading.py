"""Parts of a file, as the poll cut them, → facts. Pure. Knows no folders and no CSV."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from canonical.facts import CountsCompleted, CountsStated, Fact
from canonical.types import Counted
from connectors.base import Envelope, Malformed, Read

LARGEST = 999_999_999
PART = 1_000  # rows

Text = Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\x00]*$")]
Figure = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Amount = Annotated[int, Meta(ge=0, le=LARGEST)]
Count = Annotated[int, Meta(ge=1, le=LARGEST)]


class Row(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """One row's figures, in whole units."""

    sku: Text
    on_hand: Figure
    allocated: Amount
    damaged: Amount
    quality_hold: Amount
    incoming: Amount
    in_transit: Amount

    def fact(self) -> Counted:
        return Counted(**msgspec.structs.asdict(self))


class OfRun(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a file says of one location belongs to one run; `at` is when it was so."""

    run: Text
    location: Text
    at: Annotated[datetime, Meta(tz=True)]


class Part(OfRun, kw_only=True):
    """Some of the rows."""

    part: Count
    rows: Annotated[list[Row], Meta(min_length=1, max_length=PART)]

    def fact(self, at: datetime) -> Fact:
        return CountsStated(
            occurred_at=at, location=self.location, run=self.run, part=self.part, rows=tuple(r.fact() for r in self.rows)
        )  # fmt: skip


class Done(OfRun, kw_only=True):
    """All parts were handed out."""

    parts: Count
    rows: Count
    full: bool

    def fact(self, at: datetime) -> Fact:
        return CountsCompleted(
            occurred_at=at, location=self.location, run=self.run, parts=self.parts, rows=self.rows, full=self.full
        )


_DECODERS: Mapping[str, msgspec.json.Decoder[Part] | msgspec.json.Decoder[Done]] = {
    "counts.part": msgspec.json.Decoder(Part),
    "counts.done": msgspec.json.Decoder(Done),
}


def read(envelope: Envelope) -> Sequence[Fact]:
    """One message → one fact."""
    try:
        said = _DECODERS[envelope.topic].decode(envelope.body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"A part of a file was not stored as it should be: {error}.") from error
    if said.at.year < 2000 or said.at.year > 9000:
        raise Malformed(f"The file is dated {said.at.year}.")
    return [said.fact(said.at.astimezone(UTC))]


reads: Mapping[str, Read] = dict.fromkeys(_DECODERS, read)
