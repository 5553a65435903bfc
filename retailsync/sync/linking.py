"""A customer the ERP has already, under an id a person knows: the link is recorded on their word, as if the ERP had answered."""

from collections.abc import Mapping
from typing import Any

from canonical.facts import Posted
from canonical.ledger import Cause
from canonical.models import Link
from canonical.record import Stated
from canonical.types import Entity
from retailsync.sync import cases, clock, corridor, transient
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Case, Command

#: Commands that name a customer and the addresses of an order.
KINDS = ("UpsertCustomer", "CreateOrder", "AmendOrder")
MAKING = frozenset({"UpsertCustomer"})  # those that make the customer: done once the ERP's is known
Links = Mapping[tuple[Entity, int], str]  # (entity, our id) → the ERP's id


def asks(command: Command | None) -> bool:
    """Whether a person can help this command by naming a customer: it makes one known, or lacks one."""
    if command is None or command.kind not in KINDS or command.state not in ("parked", "in_doubt"):
        return False
    return command.kind in MAKING or command.waits_for.startswith(("customer:", "address:"))


def elsewhere(command: Command) -> bool:
    """Whether its parcel goes to another address than its bill: each is a contact of its own there."""
    return bool(command.payload["billing_id"] != command.payload["shipping_id"])


def link_customer(
    case_id: int, external_id: str, who: str, why: str, *, billing: str = "", shipping: str = ""
) -> Command:
    """The customer of the command an exception is about is `external_id` in its system; so are their addresses, unless they are said to
    have ids of their own there. What waited for the links goes on. Raises NotPossible."""
    return transient.atomically(
        lambda: _link(case_id, external_id.strip(), who, why, billing.strip(), shipping.strip())
    )


def _link(case_id: int, external_id: str, who: str, why: str, billing: str, shipping: str) -> Command:
    case = Case.objects.select_for_update().filter(pk=case_id, closed_at=None, target_kind="command").first()
    row = Command.objects.select_for_update().filter(pk=case.target_id).first() if case else None
    if case is None or row is None or not asks(row):
        raise NotPossible("this is settled already, or lacks no customer.")
    wanted = _wanted(row, external_id, billing, shipping)
    text = f"customer {row.payload['customer_id']} is #{external_id} there. {why}"
    action = Action.objects.create(who=who, what="link customer", target_kind="command", target_id=row.pk, why=text)
    if row.kind in MAKING:
        Command.objects.filter(pk=row.pk).update(
            state="confirmed", settled_at=clock.now(), evidence=f"linked by {who} to #{external_id}: {why}"
        )
        cases.close("command", [row.pk], who)
    corridor.advance(
        row.system_id, [Stated(Cause("action", action.pk), _posted(row, external_id, wanted))], clock.now()
    )
    _all_there(row, wanted)
    return row


def _wanted(row: Command, external_id: str, billing: str, shipping: str) -> Links:
    """The links to be, without those there are: an address we linked before keeps its own."""
    if not external_id:
        raise NotPossible("state the customer's id.")
    content: dict[str, Any] = row.payload
    there = _there(row, [("address", content["billing_id"]), ("address", content["shipping_id"])])
    found: dict[tuple[Entity, int], str] = {("customer", content["customer_id"]): external_id}
    found["address", content["billing_id"]] = there.get(("address", content["billing_id"]), billing or external_id)
    if elsewhere(row):
        known = there.get(("address", content["shipping_id"]), shipping)
        if not known:
            raise NotPossible("the parcel goes to another address: state its contact's id, too.")
        found["address", content["shipping_id"]] = known
    return found


def _there(row: Command, wanted: Any) -> dict[tuple[str, int], str]:
    """Of these, the links the system has."""
    ids = [id for _, id in wanted]
    links = Link.objects.filter(system_id=row.system_id, entity__in=("customer", "address"), our_id__in=ids)
    return {(link.entity, link.our_id): link.external_id for link in links if (link.entity, link.our_id) in wanted}


def _posted(row: Command, external_id: str, wanted: Links) -> Posted:
    return Posted(
        occurred_at=clock.now(), kind="customer", subject_kind="customer", subject_id=row.payload["customer_id"],
        order_id=row.order_id, state="done", external_id=external_id,
        links=tuple((entity, ours, theirs) for (entity, ours), theirs in wanted.items()),
    )  # fmt: skip


def _all_there(row: Command, wanted: Links) -> None:
    """Each id is one contact's alone, on either side; whoever was linked first stays so."""
    there = _there(row, list(wanted))
    for key, theirs in wanted.items():
        if key in there and there[key] != theirs:
            raise NotPossible(f"{key[0]} {key[1]} is #{there[key]} in {row.system} already.")
        if key not in there:
            other = Link.objects.filter(system_id=row.system_id, entity=key[0], external_id=theirs).first()
            whose = f"{other.entity} {other.our_id}'s" if other else "somebody else's"
            raise NotPossible(f"#{theirs} in {row.system} is {whose} already.")
