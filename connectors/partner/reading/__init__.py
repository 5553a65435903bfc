"""What a warehouse partner says through our API → facts. Pure. Knows nothing of doors, keys and requests over HTTP.

The same shapes check a message when it arrives and read it later, so the two can never disagree.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from canonical.facts import Fact
from connectors.base import Envelope, Read
from connectors.partner.reading import arrivals, fulfilment, inventory
from connectors.partner.reading.inventory import OfLocation
from connectors.partner.reading.shapes import Statement, Wrong
from connectors.partner.reading.words import explained

T = TypeVar("T")
AHEAD = timedelta(days=1)  # a partner's clock may be wrong, but not by more

#: topic → shape. The topics of the inbox are these words.
SHAPES: Mapping[str, type[Statement]] = {**fulfilment.SHAPES, **inventory.SHAPES, **arrivals.SHAPES}
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {t: msgspec.json.Decoder(s) for t, s in SHAPES.items()}


def understood(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """One message, decoded. Raises Wrong with the field and plain words."""
    try:
        return decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Wrong(*explained(str(error))) from error
    except RecursionError as error:
        raise Wrong("", "The message is nested too deeply.") from error
    except UnicodeDecodeError as error:
        raise Wrong("", "The text is not valid UTF-8.") from error


def kept(topic: str, body: bytes) -> Statement | None:
    """A message as the inbox keeps it; None for what a person made of it that has no shape any more."""
    try:
        return _DECODERS[topic].decode(body) if topic in _DECODERS else None
    except (msgspec.MsgspecError, UnicodeDecodeError, Wrong):
        return None


def stated(topic: str, body: bytes, now: datetime) -> Statement:
    """Check one message against its shape. Raises Wrong with the field and plain words."""
    said: Statement = understood(_DECODERS[topic], body)
    at = getattr(said, said.clock)
    if at and not datetime(2000, 1, 1, tzinfo=UTC) <= at <= now + AHEAD:
        raise Wrong(said.clock, "lies in the future or before the year 2000")
    return said


def read(envelope: Envelope) -> Sequence[Fact]:
    """One message → its facts, dated by the partner's clock where it gave a time."""
    said = stated(envelope.topic, envelope.body, envelope.received_at)
    for name in said.address:
        if not getattr(said, name):
            raise Wrong(name, "is missing")
    return said.facts((getattr(said, said.clock) or envelope.received_at).astimezone(UTC))


reads: Mapping[str, Read] = dict.fromkeys(SHAPES, read)

__all__: Sequence[str] = (
    "AHEAD",
    "SHAPES",
    "OfLocation",
    "Statement",
    "Wrong",
    "kept",
    "read",
    "reads",
    "stated",
    "understood",
)
