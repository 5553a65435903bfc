"""Sending once more: a command of an order that is harmless to repeat waits again, by the row and purpose it has. Never what makes a thing
that must exist once, and no money."""

from collections.abc import Callable, Iterable, Mapping

from django.db import transaction

from canonical.models import FulfilmentRequest, Order, RequestChange
from canonical.rules.orders import stance
from connectors.base import Protection
from retailsync.sync import bell, cases, clock, outbox, sending, systems, transient
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Command

_NATIVE: frozenset[Protection] = frozenset({"native_upsert", "native_unique", "idempotent"})
#: What may be said again, and where: how the target keeps a repetition harmless. What tells the customer is looked for by our reference
#: before it is said, whatever the target does.
HARMLESS: Mapping[str, frozenset[Protection]] = {
    "SendTracking": _NATIVE | {"search_then_create"}, "RemindPayment": _NATIVE | {"search_then_create"}, "CompleteOrder": _NATIVE,
    "RequestFulfilment": _NATIVE, "ChangeRequest": _NATIVE, "ConfirmOrder": frozenset({"idempotent"}),
    "UpsertCustomer": frozenset({"native_upsert"}),
}  # fmt: skip
_NOT_NOW = {
    "waiting": "it waits to be sent already.",
    "sending": "it is being sent.",
    "superseded": "it is not wanted any more.",
    "in_doubt": "its outcome is unknown: look in the target, then settle or release its exception.",
}


def resend(order_id: int, command_id: int, who: str, why: str) -> Command:
    """Have a command of this order sent once more; the command. Raises NotPossible."""
    return transient.atomically(lambda: _resend(order_id, command_id, who, why))


def _resend(order_id: int, command_id: int, who: str, why: str) -> Command:
    order = Order.objects.select_for_update().get(pk=order_id)
    row = Command.objects.select_for_update().filter(pk=command_id, order_id=order.pk).first()
    if row is None:
        raise NotPossible("choose something this order's systems were told.")
    if trouble := _refusal(order, row):
        raise NotPossible(trouble)
    for kind, id, text in (("order", order.pk, f"{row}: {why}"), ("command", row.pk, why)):
        Action.objects.create(who=who, what="send again", target_kind=kind, target_id=id, why=text)
    # What may be undone or overtaken stays known to have left: nobody may take it back without a word to the target.
    doubtful = row.doubtful or (row.stoppable and row.state == "confirmed")
    Command.objects.filter(pk=row.pk).update(
        state="waiting", attempts=0, not_before=clock.now(), waits_for="", waiting_since=None, settled_at=None, cleared=True,
        doubtful=doubtful, evidence=f"sent again by {who}: {why}",
    )  # fmt: skip
    cases.close("command", [row.pk], who)
    transaction.on_commit(lambda: bell.ring(sending.TASK, row.system_id))
    return row


def offered(rows: Iterable[Command]) -> list[Command]:
    """Of an order's commands, those that may be sent once more as far as they tell; what customers see first, then the newest."""
    fit = [row for row in rows if row.state in ("confirmed", "parked") and not _unfit(row)]
    return sorted(fit, key=lambda row: (list(HARMLESS).index(row.kind), -row.pk))


def _refusal(order: Order, row: Command) -> str:
    """Why this is not sent once more; empty where it may be."""
    overtaken = _OVERTAKEN.get(row.kind)
    return _unfit(row) or _NOT_NOW.get(row.state, "") or (overtaken(order, row) if overtaken else "")


def _unfit(row: Command) -> str:
    if row.kind not in HARMLESS:
        return "what it makes may exist only once. Where something is wrong with it, there is an exception to release or settle."
    send = systems.sends(row.system_id).get(outbox.KINDS[row.kind])
    if send is None or send.protection not in HARMLESS[row.kind]:
        return "its target might do it a second time."
    return ""


def _answered(order: Order, row: Command) -> str:
    asked = RequestChange.objects.filter(pk=row.payload["change_id"], answer="asked").exists()
    return "" if asked else "the warehouse has answered it."


def _ended(order: Order, row: Command) -> str:
    if stance(order.shop_status, order.gone_at is not None, order.released_at is not None) == "stop":
        return "the shop does not want it any more."
    request = FulfilmentRequest.objects.get(pk=row.payload["request_id"])
    if request.answer in ("rejected", "closed") or request.changes.exclude(answer="rejected").exists():
        return "the request has ended, or was changed since."
    return ""


#: Why what a command says is not so any more; empty while it is.
_OVERTAKEN: Mapping[str, Callable[[Order, Command], str]] = {"ChangeRequest": _answered, "RequestFulfilment": _ended}
