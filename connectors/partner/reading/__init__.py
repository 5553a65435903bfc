"""What a warehouse partner says through our API → facts. Pure. Knows nothing of doors, keys and requests over HTTP.

The same shapes check a message when it arrives and read it later, so the two can never disagree.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from canonical.facts import Fact
from connectors.base import Envelope, Read
from connectors.partner.reading import arrivals, fulfilment, inventory
from connectors.partner.reading.inventory import OfLocation
from connectors.partner.reading.shapes import Statement, Wrong
from connectors.partner.reading.words import explained

AHEAD = timedelta(days=1)  # a partner's clock may be wrong, but not by more

#: topic → shape. The topics of the inbox are these words.
SHAPES: Mapping[str, type[Statement]] = {**fulfilment.SHAPES, **inventory.SHAPES, **arrivals.SHAPES}
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {t: msgspec.json.Decoder(s) for t, s in SHAPES.items()}


def stated(topic: str, body: bytes, now: datetime) -> Statement:
    """Check one message against its shape. Raises Wrong with the field and plain words."""
    try:
        said: Statement = _DECODERS[topic].decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Wrong(*explained(str(error))) from error
    except UnicodeDecodeError as error:
        raise Wrong("", "The text is not valid UTF-8.") from error
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

__all__: Sequence[str] = ("AHEAD", "SHAPES", "OfLocation", "Statement", "Wrong", "explained", "read", "reads", "stated")
