"""What the recorders share: the facts with their causes, what came of them, and the merge laws. Knows no entity."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from canonical.facts import Snapshot
from canonical.ledger import Cause, Change, Written
from canonical.types import Entity

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Stated(NamedTuple):
    """A fact and the row it came from."""

    cause: Cause
    fact: Any  # a Fact; Any because recorders get them sorted by type


class Trouble(NamedTuple):
    """Something recorded that a person has to look at: a snapshot, a level or a listing (`kind`), why, and in which words."""

    kind: str
    id: int
    system_id: int | None
    reason: str
    detail: str
    words: str


class Question(NamedTuple):
    """A subject to be read again at its source, because what we were told cannot be ordered."""

    system_id: int
    entity: Entity
    external_id: str
    cause: Cause


@dataclass(slots=True)
class Recorded:
    """What came of a batch of facts. `missing` and `conflicts` are keyed by the cause whose fact could not be recorded."""

    now: datetime = _LONG_AGO  # our clock, for what must not be of the future
    entries: list[Written] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    missing: dict[Cause, str] = field(default_factory=dict)
    conflicts: dict[Cause, str] = field(default_factory=dict)
    appeared: set[str] = field(default_factory=set)  # keys somebody may be waiting for
    troubles: list[Trouble] = field(default_factory=list)
    settled: set[tuple[str, int]] = field(default_factory=set)  # (kind, id) whose trouble is over
    listed: bool = False  # a shop said what it shows of its stock
    touched: set[int] = field(default_factory=set)  # SKUs whose sellable figures have to be reckoned again
    recount: set[int] = field(default_factory=set)  # orders whose units per line have to be counted again
    born: set[int] = field(default_factory=set)  # orders first heard of: nothing follows from their rows yet

    def ask(self, system_id: int, entity: Entity, external_id: str, cause: Cause) -> None:
        """Note that a subject should be read again at its source."""
        self.questions.append(Question(system_id, entity, external_id, cause))


def ours(source: int | None, stated: Stated, subject_id: int, event: str) -> Change:
    """The ledger change a fact makes to one subject."""
    return Change(subject_id, event, stated.cause, stated.fact.occurred_at, source)


def digest(fact: Snapshot) -> bytes:
    """Hash of what a snapshot says, without when it was said: equal content is no news."""
    bare = msgspec.structs.replace(fact, version=0, read_at=None, occurred_at=_LONG_AGO)
    return hashlib.sha256(msgspec.json.encode(bare)).digest()


class Known(NamedTuple):
    """The snapshot already applied, as its link remembers it."""

    our_id: int
    version: int
    read_at: datetime | None
    digest: bytes | None


def rank(version: int, read_at: datetime | None) -> tuple[int, datetime]:
    """The order of snapshots of one subject: by version, then a read beats a push, then a later read beats an earlier one."""
    return version, read_at or _LONG_AGO


class Verdict(NamedTuple):
    """What to do with the snapshots of one subject in a batch: apply `winner` (or nothing), and perhaps ask again."""

    winner: Stated | None
    ask: bool


def latest(known: Known | None, stated: Sequence[Stated], digests: dict[int, bytes]) -> Verdict:
    """The merge law `latest` for one subject. `digests` maps id(fact) → digest.

    Two pushes of one version with different content cannot be ordered: neither beats the one applied, and the source is asked.
    """
    best = max(stated, key=lambda s: (*rank(s.fact.version, s.fact.read_at), digests[id(s.fact)]))
    top = rank(best.fact.version, best.fact.read_at)
    rivals = {digests[id(s.fact)] for s in stated if rank(s.fact.version, s.fact.read_at) == top}
    if known is None or known.digest is None:
        return Verdict(best, ask=len(rivals) > 1)
    mine = rank(known.version, known.read_at)
    if top > mine:
        return Verdict(best, ask=len(rivals) > 1)
    disputed = any(
        s.fact.version == known.version and s.fact.read_at is None and digests[id(s.fact)] != known.digest
        for s in stated
    )
    return Verdict(None, ask=disputed)


def by_ref(stated: Iterable[Stated]) -> dict[str, list[Stated]]:
    """Snapshots grouped by the source's reference, sorted so that writes happen in one order everywhere."""
    grouped: dict[str, list[Stated]] = {}
    for item in stated:
        grouped.setdefault(item.fact.ref, []).append(item)
    return dict(sorted(grouped.items()))
