"""The outside world of a plan, by its receipts alone: whatever may leave is carried out, and the receipts are told."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from canonical.commands import KINDS
from canonical.facts import Posted
from canonical.models import System
from retailsync.sync import clock, outbox
from retailsync.sync.models import Command
from tests.world import World

STATES = {"CreateOrder": "created", "RequestFulfilment": "sent", "ConfirmOrder": "confirmed", "CancelOrder": "cancelled",
          "ChangeRequest": "sent", "SendTracking": "sent"}  # fmt: skip
TOTALS = ("CreateOrder", "AmendOrder")


def carry_out(world: World, to: Sequence[System] = (), **states: str) -> list[str]:
    """Carry out what may leave until nothing more does; the kinds, in order. `to`: these systems only; `states` are other answers,
    e.g. AmendOrder="refused"."""
    done: list[str] = []
    while claimed := [(s, c) for s in to or _systems(world) for c in outbox.claim(s.pk, 100, 60, clock.now())[1]]:
        for system, claim in claimed:
            row = Command.objects.get(pk=claim.id)
            Command.objects.filter(pk=row.pk).update(state="confirmed")
            done.append(row.kind)
            if row.kind != "Refresh":
                world.tell(_receipt(row, {**STATES, **states}.get(row.kind, "done")), source=system)
    return done


def _systems(world: World) -> list[Any]:
    return [world.shop, world.erp, *world.partners.values()]


def _receipt(row: Command, state: str) -> Posted:
    command: Any = msgspec.convert(row.payload, KINDS[row.kind])
    kind, subject = command.posts
    amount = command.total if row.kind in TOTALS else None
    return Posted(
        occurred_at=clock.now(), kind=kind, subject_kind=subject.entity, subject_id=subject.id, order_id=row.order_id, state=state,
        external_id=f"{kind}-{subject.id}", amount=None if amount is None else Decimal(amount),
    )  # fmt: skip
