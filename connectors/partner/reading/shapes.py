"""What all words of a partner share: the types of their fields, what a message is about, and how it is said that one is wrong."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from canonical.facts import Fact
from connectors.base import Malformed


class Wrong(Malformed):
    """A message of the wrong shape: `field` is its path (empty: the whole), `words` what is wrong with it."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(f"{field}: {words}" if field else words)
        self.field = field.replace("\0", "\ufffd")
        self.words = words.replace("\0", "\ufffd")


NO_NUL = r"^[^\x00]*$"
# PostgreSQL's text has no NUL. Lengths are those of the canonical models.
Text40 = Annotated[str, Meta(max_length=40, pattern=NO_NUL)]
Text100 = Annotated[str, Meta(max_length=100, pattern=NO_NUL)]
Text140 = Annotated[str, Meta(max_length=140, pattern=NO_NUL)]
Prose = Annotated[str, Meta(max_length=1000, pattern=NO_NUL)]
Reason = Annotated[str, Meta(min_length=1, max_length=1000, pattern=NO_NUL)]
Code = Annotated[str, Meta(min_length=1, max_length=100, pattern=NO_NUL)]
Name = Annotated[str, Meta(min_length=1, max_length=140, pattern=NO_NUL)]
Url = Annotated[str, Meta(max_length=500, pattern=r"^(https?://[^\x00-\x20\"'<>]+)?(?![\s\S])")]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Number = Annotated[int, Meta(ge=1, le=32_767)]
Instant = Annotated[datetime, Meta(tz=True)]


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base: unknown fields are refused by name, so that a misspelt one is not lost in silence."""


class Statement(Shape, kw_only=True):
    """Base of every message.

    `address` names the fields that say what a message is about. Through the API they are in the URL and may be left out of the body.
    `clock` names the field that says since when it is so; where that is left out, since we received it.
    """

    address: ClassVar[Sequence[str]]
    clock: ClassVar[str] = "occurred_at"

    def fact(self, at: datetime) -> Fact:
        """What it says, dated."""
        raise NotImplementedError

    def facts(self, at: datetime) -> Sequence[Fact]:
        """The same, where one message says more than one thing."""
        return [self.fact(at)]
