"""What people stop for a while: a system, or a workflow. Nothing is lost by it: what comes in is kept, what goes out waits.

A pause is heard of by the next drain, so what is under way now goes on for at most the length of one.
"""

from typing import NamedTuple

from django.db import transaction

from canonical import sql
from canonical.models import System
from retailsync.sync import bell, inbox, outbox
from retailsync.sync.models import Action, Pause


class Workflow(NamedTuple):
    """Commands people stop together."""

    title: str
    stops: str
    kinds: tuple[str, ...]


#: Every kind of command but reading again, which changes nothing outside and which everything else relies on.
WORKFLOWS = {
    "booking": Workflow(
        "Booking orders in the ERP", "No order is made, changed, confirmed or cancelled in an ERP.",
        ("UpsertCustomer", "CreateOrder", "AmendOrder", "CancelOrder", "AddRounding", "ConfirmOrder"),
    ),
    "stock_booking": Workflow(
        "Booking goods in the ERP", "What was shipped, received or corrected is not booked in an ERP's stock.",
        ("PostGoodsIssue", "PostReceipt", "PostStockAdjustment"),
    ),
    "fulfilment": Workflow(
        "Asking warehouses", "No warehouse is asked to ship, or told of a change or cancellation.", ("RequestFulfilment", "ChangeRequest"),
    ),
    "shop": Workflow(
        "Telling shops about orders", "Customers get no tracking and no reminders; shops' orders are not completed or cancelled.",
        ("SendTracking", "CompleteOrder", "RemindPayment", "CancelShopOrder"),
    ),
    "publishing": Workflow("Writing stock into shops", "Shops keep the figures they show, and may oversell.", ("PublishStock",)),
}  # fmt: skip


# ---- workflows --------------------------------------------------------------------------------------------------------------
def paused_kinds() -> list[str]:
    """Kinds of commands that do not go out now."""
    names = [name for (name,) in sql.fetch("SELECT workflow FROM sync_pause")]
    return [kind for name in names if name in WORKFLOWS for kind in WORKFLOWS[name].kinds]


def pause(workflow: str, who: str, why: str) -> bool:
    """Stop a workflow; False where it is stopped already."""
    with transaction.atomic():
        row, new = Pause.objects.get_or_create(workflow=workflow, defaults={"who": who, "why": why})
        if new:
            _note(who, "pause workflow", "workflow", row.pk, f"{WORKFLOWS[workflow].title}: {why}")
    return new


def resume(workflow: str, who: str, why: str) -> bool:
    """Let a workflow go on, and what waited for it; False where it was not stopped."""
    with transaction.atomic():
        row = Pause.objects.select_for_update().filter(workflow=workflow).first()
        if row is None:
            return False
        pk, _ = row.pk, row.delete()
        _note(who, "resume workflow", "workflow", pk, f"{WORKFLOWS[workflow].title}: {why}")
        for system in System.objects.filter(mode=System.Mode.LIVE).values_list("pk", flat=True):
            transaction.on_commit(lambda system=system: bell.ring(outbox.TASK, system))
    return True


# ---- systems ----------------------------------------------------------------------------------------------------------------
def switch(system_id: int, mode: str, who: str, why: str) -> bool:
    """Pause a system or let it go on; False where it is so already."""
    with transaction.atomic():
        system = System.objects.select_for_update().get(pk=system_id)
        if system.mode == mode:
            return False
        system.mode, system._change_reason = mode, why[:100]
        system.save()
        _note(who, "pause" if mode == System.Mode.PAUSED else "resume", "system", system_id, why)
        transaction.on_commit(lambda: work_now(system_id))
    return True


def work_now(system_id: int) -> None:
    """Ask workers to work off what waits for a system and what it said, also if they were asked a moment ago."""
    for task in (inbox.TASK, outbox.TASK):
        bell.again(task, system_id)


def _note(who: str, what: str, kind: str, id: int, why: str) -> None:
    Action.objects.create(who=who, what=what, target_kind=kind, target_id=id, why=why)
