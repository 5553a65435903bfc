"""Systems in memory, spoken to through the corridor itself: what they hold, what reached them, and where to break them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Union

import msgspec

from canonical import commands, facts
from canonical.commands import KINDS, Command, CreateOrder, Refresh
from canonical.facts import Decision, Fact, Snapshot
from connectors.base import Connector, Envelope, Heard, Job, Protection, Receipt, Send, Session

#: Every fact a system may tell, as one tagged union.
TOLD = tuple(
    f for f in vars(facts).values()
    if isinstance(f, type) and issubclass(f, Fact) and not issubclass(f, Decision) and f not in (Fact, Snapshot)
)  # fmt: skip
_decoder = msgspec.json.Decoder(tuple[Union[TOLD], ...])  # type: ignore[valid-type]  # noqa: UP007  put together here
SENT = [c for c in KINDS.values() if c is not Refresh]
#: What each kind of target says it holds once a command was carried out.
STATES = {
    "CreateOrder": "created", "RequestFulfilment": "sent", "ConfirmOrder": "confirmed", "CancelOrder": "cancelled", "ChangeRequest": "sent",
}  # fmt: skip


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


class NoSettings(msgspec.Struct):
    """A system in memory needs none."""


class Target:
    """One system: `holds` counts, per purpose key, how often it was carried out; `requests` is every key that reached it.

    `before` is called when a request has arrived, `after` when it was carried out and the answer is on its way; either may raise.
    A target with native protection answers a repetition with what it has; one without creates it twice.
    """

    def __init__(self) -> None:
        self.holds: Counter[str] = Counter()
        self.requests: list[str] = []
        self.looks: list[str] = []
        self.shows: dict[str, Fact] = {}  # what a Refresh reads, by external id
        self.before: Callable[[Sequence[Job]], None] = lambda jobs: None
        self.after: Callable[[Sequence[Job]], None] = lambda jobs: None
        self.reading: Callable[[Envelope], None] = lambda envelope: None
        self.needs: Callable[[Command], Sequence[commands.Ref]] = lambda command: ()

    # ---- send ---------------------------------------------------------------------------------------------------------------
    def carry_out(self, session: Session, jobs: Sequence[Job], native: bool) -> list[Receipt]:
        """Carry out jobs, each once where the target protects itself."""
        self.requests += [job.key for job in jobs]
        self.before(jobs)
        for job in jobs:
            if not (native and self.holds[job.key]):
                self.holds[job.key] += 1
        self.after(jobs)
        return [self._receipt(job) for job in jobs]

    def find(self, session: Session, jobs: Sequence[Job]) -> list[Receipt | None]:
        """Look for what is there already."""
        self.looks += [job.key for job in jobs]
        return [self._receipt(job) if self.holds[job.key] else None for job in jobs]

    def read(self, session: Session, jobs: Sequence[Job]) -> list[Receipt]:
        """Answer reads; what is shown is heard like everything else."""
        self.requests += [job.key for job in jobs]
        self.before(jobs)
        shown = {job.id: self.shows.get(job.command.external_id) for job in jobs}
        receipts = [
            Receipt(job=job.id, heard=(heard(fact, asked_at=session.now()),) if (fact := shown[job.id]) else ())
            for job in jobs
        ]
        self.after(jobs)
        return receipts

    def _receipt(self, job: Job) -> Receipt:
        command = job.command
        return Receipt(
            job=job.id, state=STATES.get(type(command).__name__, "done"), external_id=f"x-{job.key}",  # type: ignore[arg-type]
            amount=command.total if isinstance(command, CreateOrder) else None,
        )  # fmt: skip

    # ---- the declaration ----------------------------------------------------------------------------------------------------
    def connector(self, name: str, protection: Protection = "native_unique", **more: Any) -> Connector:
        """A connector whose every command goes to this target."""
        native = protection != "search_then_create"
        send = Send(
            lambda session, jobs: self.carry_out(session, jobs, native),
            protection,
            needs=lambda c: self.needs(c),
            **{"look": self.find, "batch": 10, "deadline": 5.0, "longest": 5.0, **more},
        )
        read = Send(self.read, "idempotent", batch=10, deadline=5.0, longest=0.0)
        return Connector(
            name=name,
            title=name.title(),
            roles=frozenset({"channel", "erp", "3pl"}),
            settings=NoSettings,
            reads={"facts": self._facts},
            sends={**dict.fromkeys(SENT, send), Refresh: read},
        )

    def _facts(self, envelope: Envelope) -> Sequence[Fact]:
        self.reading(envelope)
        return _decoder.decode(envelope.body)


def heard(*told: Fact, key: str = "", **more: Any) -> Heard:
    """One message that carries these facts; equal messages are one delivery."""
    body = msgspec.json.encode(told)
    return Heard("facts", hashlib.sha256(key.encode() or body).digest(), body, **more)
