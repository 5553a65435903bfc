"""What a connector is: a declaration of plain functions in tables. Knows no Django, no Celery, no database and no particular system.

A connector folder holds `__init__.py` (one `Connector` named `connector`), `reading.py` (bytes → facts, pure), `sending.py`
(commands → requests → receipts) and `simulator.py` (the system itself, for tests, demo and certification).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from canonical.commands import Command, Ref
from canonical.facts import Fact
from canonical.types import Entity
from connectors.errors import SyncError

Role = Literal["channel", "erp", "wms", "3pl", "carrier", "payment"]

#: What a target holds of ours, in our words; a later word never goes back to an earlier one. `refused` answers an amendment that the
#: target's own state does not allow any more: not an error, but something to plan with.
State = Literal["", "sent", "created", "confirmed", "done", "refused", "cancelled"]

#: How a target keeps a create from happening twice. `native_upsert`: the same key updates; `native_unique`: the same key is
#: refused or answered with the first; `idempotent`: a state is set, not a thing created; `search_then_create`: we must look first.
Protection = Literal["native_upsert", "native_unique", "idempotent", "search_then_create"]


# ---- receive and read -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Delivery:
    """One push as it arrived at a door: header names lower-case, body untouched."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing a system said, to be stored by the inbox. `key` absorbs only the same delivery twice (not equal content)."""

    topic: str
    key: bytes
    body: bytes
    asked_at: datetime | None = None  # our clock when the request for it began; None for a push
    about: str = ""  # what it speaks of, where the door knows


class BadSignature(Exception):
    """The door answers 401, and says nothing about why."""


#: door(delivery, active secrets) -> what to store, or None to answer 200 and store nothing (a ping). Raises BadSignature.
Door = Callable[[Delivery, Sequence[str]], Heard | None]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A stored message as a reader sees it: `topic` selects the reader, `asked_at` says it answers a read of ours."""

    topic: str
    body: bytes
    received_at: datetime
    asked_at: datetime | None


class Malformed(Exception):
    """What they sent cannot be understood. The words say which field and what was expected, for a shop owner."""

    def __init__(self, words: str) -> None:
        super().__init__(words.replace("\0", "\ufffd"))  # PostgreSQL's text has no NUL, and senders are quoted here


#: read(envelope) -> facts; pure. Raises Malformed. An empty sequence means: understood, nothing to record.
Read = Callable[[Envelope], Sequence[Fact]]


# ---- send and poll ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer: read within the deadline and the byte limit. Header names lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """The only way out. Enforces the session's total deadline and byte limit while reading, records every exchange (masked).

    Raises Retry(unknown=False, down=True) when the request provably never left (refused, unresolved, connect time-out),
    Retry(unknown=True) when it left and no complete answer came back. Status codes are for the connector to judge.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        body: bytes | None = ...,
        about: Iterable["Job"] = ...,
    ) -> Response:
        """Send one request. `about` names the jobs this exchange belongs to; empty = all jobs of the call."""
        ...


@dataclass(slots=True)
class Session:
    """One visit to one system: its plain settings, decrypted secrets (name → active values, newest first), clock and way out."""

    system: str
    settings: Any  # the connector's own settings struct
    secrets: Mapping[str, Sequence[str]]
    http: Http
    now: Callable[[], datetime]

    def secret(self, name: str) -> str:
        """The newest active secret of this name; empty when there is none."""
        return next(iter(self.secrets.get(name, ())), "")


@dataclass(frozen=True, slots=True)
class Job:
    """One command to carry out, with every reference it needs already resolved to the target's own ids.

    `key` is the purpose key, stable over every retry: what a target with native protection is given. `doubtful` = an earlier try
    may have been carried out.
    """

    id: int
    key: str
    command: Any  # a Command of the type the sender is registered for
    resolved: Mapping[Ref, str] = field(default_factory=dict)
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one job. Exactly one of: `error` set (one of the four), or confirmed with what the target now holds.

    `state` is empty only for reads and errors. `links` are (entity, our id, external id).
    `amount` is the total the target computed. `heard` is what a Refresh read. `evidence` is small, masked, for people.
    """

    job: int
    error: SyncError | None = None
    state: State = ""
    external_id: str = ""
    amount: Decimal | None = None
    links: Sequence[tuple[Entity, int, str]] = ()
    heard: Sequence[Heard] = ()
    evidence: str = ""


def no_needs(command: Command) -> Sequence[Ref]:
    """For commands that mention nothing the target must already know."""
    return ()


@dataclass(frozen=True, slots=True)
class Send:
    """How one command type is carried out.

    `needs` (pure) names what must be resolved; `optional` what is resolved where a link exists. `send` gets up to `batch` jobs and
    answers one receipt per job, in any order; an error raised instead counts for every job of the call. `look`, where given, is
    asked first for doubtful jobs: None in place of a receipt means "not there". `deadline` is the total for one call in seconds,
    `longest` how long the target may still work on a request we gave up on.
    """

    send: Callable[[Session, Sequence[Job]], Sequence[Receipt]]
    protection: Protection
    needs: Callable[[Any], Sequence[Ref]] = no_needs
    optional: Callable[[Any], Sequence[Ref]] = no_needs
    look: Callable[[Session, Sequence[Job]], Sequence[Receipt | None]] | None = None
    batch: int = 1
    deadline: float = 30.0
    longest: float = 30.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll: what was heard, the cursor to store with it, and whether to ask again at once."""

    heard: Sequence[Heard]
    cursor: str
    more: bool


#: poll(session, cursor) -> Page. An empty cursor means: from the start the settings allow.
Poll = Callable[[Session, str], Page]


#: look up(session, external ids) -> what the system says of them now, in as few requests as it takes. An id it does not know is answered
#: for too (`<word>.missing`); one trouble fails the whole look.
LookUp = Callable[[Session, Sequence[str]], Sequence[Heard]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of the webhooks a system keeps for us: topics `created` that were missing, topics `recreated` that were dead.
    `words`, for a shop owner, where they had been switched off."""

    created: tuple[str, ...] = ()
    recreated: tuple[str, ...] = ()
    words: str = ""


#: watch(session, address of our door) -> Watched. Only the path of an address (it begins with “/”) means: look, and change nothing.
Watch = Callable[[Session, str], Watched]


# ---- the declaration --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Connector:
    """Everything the top floor knows about a kind of system. A capability is a key in a table."""

    name: str
    title: str
    roles: frozenset[Role]
    settings: type[Any]  # a msgspec.Struct; decoded strictly from the system's settings
    secrets: Sequence[str] = ()  # names of the secrets it uses
    door: Door | None = None
    reads: Mapping[str, Read] = field(default_factory=dict)  # topic → reader
    sends: Mapping[type[Command], Send] = field(default_factory=dict)
    polls: Mapping[str, Poll] = field(default_factory=dict)  # feed → poll
    looks_up: Mapping[Entity, LookUp] = field(default_factory=dict)  # many subjects read at once, by their external ids
    watch: Watch | None = None  # sees that the system's webhooks are there and on; none where nothing is pushed
    probe: Callable[[Session], str] | None = None  # one round trip; returns a sentence, raises one of the four
