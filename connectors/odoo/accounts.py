"""Whom a sales order is booked on. Contacts made for one order alone carry its mark, so that the order finds them though its customer
is linked to others; for every order the customer is whoever its invoice contact is below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from canonical.commands import Ref, SalesOrder
from connectors.base import Job, Session
from connectors.odoo.transport import Link, Text, search


@dataclass(frozen=True, slots=True)
class Account:
    """Whom an order is booked on: res.partner ids."""

    partner: str
    invoice: str
    delivery: str


class ContactRow(msgspec.Struct):
    """An invoice or delivery contact."""

    id: int
    type: Text
    ref: Text
    parent_id: Link | Literal[False]


def mark(session: Session, order: int) -> str:
    """The reference (`ref`) of the contacts of one order."""
    return str(session.settings.xid("order", order))


def accounts(session: Session, jobs: Sequence[Job]) -> dict[int, Account]:
    """Accounts by job id, for all orders in one read."""
    linked = {job.id: _linked(job) for job in jobs}
    ids = sorted({int(account.invoice) for account in linked.values()})
    marks = sorted({mark(session, job.command.order_id) for job in jobs})
    domain: list[Any] = ["|", ["id", "in", ids], "&", ["ref", "in", marks], ["type", "in", ["invoice", "delivery"]]]
    rows = search(
        session, "res.partner", ContactRow, domain, about=jobs, order="id desc", context={"active_test": False}
    )
    own = {(row.ref, row.type): row for row in rows}
    parents = {str(row.id): str(row.parent_id[0]) for row in rows if row.parent_id}
    found = {}
    for job in jobs:
        account = linked[job.id]
        invoice, delivery = (own.get((mark(session, job.command.order_id), kind)) for kind in ("invoice", "delivery"))
        if invoice and delivery:
            account = Account(account.partner, str(invoice.id), str(delivery.id))
        found[job.id] = Account(parents.get(account.invoice, account.partner), account.invoice, account.delivery)
    return found


def _linked(job: Job) -> Account:
    command: SalesOrder = job.command
    return Account(
        job.resolved[Ref("customer", command.customer_id)],
        job.resolved[Ref("address", command.billing_id)],
        job.resolved[Ref("address", command.shipping_id)],
    )
