"""What all commands to a shop share: carrying out jobs one by one, and looking at an order before writing. Knows no command."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from canonical.commands import Ref
from connectors.base import Job, Receipt, Session
from connectors.errors import Refused, SyncError
from connectors.woocommerce.client import Answer


class OfOrder(Protocol):
    """A command that speaks of one of our orders."""

    @property
    def order_id(self) -> int: ...


class Meta(msgspec.Struct):
    """One entry of `meta_data`."""

    key: str = ""
    value: Any = None
    id: int | None = None


class Order(msgspec.Struct):
    """An order, as far as we look at it before writing."""

    id: int = 0
    status: str = ""
    date_paid_gmt: str | None = None
    meta_data: list[Meta] = []


class Note(msgspec.Struct):
    """An order note."""

    id: int
    note: str = ""
    customer_note: bool = False


ORDER = msgspec.json.Decoder(Order)
NOTE = msgspec.json.Decoder(Note)
NOTES = msgspec.json.Decoder(list[Note])


def each(one: Callable[[Session, Job], Receipt]) -> Callable[[Session, Sequence[Job]], Sequence[Receipt]]:
    """Carry out jobs one after the other; an error concerns its own job only."""

    def send(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
        return [receipt for job in jobs for receipt in _tried(one, session, job)]

    return send


def _tried(one: Callable[[Session, Job], Receipt], session: Session, job: Job) -> Iterator[Receipt]:
    try:
        yield one(session, job)
    except SyncError as error:
        yield Receipt(job.id, error=error)


def order_of(command: OfOrder) -> Sequence[Ref]:
    """The order the shop must know."""
    return (Ref("order", command.order_id),)


def order_id(job: Job) -> str:
    """The shop's id of the order a job is about."""
    return job.resolved[Ref("order", job.command.order_id)]


def found(answer: Answer, job: Job) -> Answer:
    """The answer about an order; Refused where the shop no longer has it."""
    if answer.status in (404, 410):
        raise gone(order_id(job), answer.code)
    return answer


def gone(order: str, code: str) -> Refused:
    """The shop no longer has an order."""
    return Refused(f"The shop no longer has order {order}.", reason="order_gone", detail=code)
