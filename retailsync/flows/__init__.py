"""The workflows, and the one function that plans them all. A view two flows share is gathered once; others are about other subjects."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from canonical.ledger import Written
from retailsync.flows import inventory, order_to_fulfilment, shipments
from retailsync.flows.base import Flow, Step
from retailsync.flows.gathering import stirring

FLOWS: tuple[Flow, ...] = (order_to_fulfilment.FLOW, shipments.FLOW, inventory.FLOW)


def plan(entries: Sequence[Written], now: datetime) -> list[Step]:
    """What every flow wants to do about these entries. Flows that are moved about the same orders share one view."""
    views: dict[tuple[Any, frozenset[int]], Any] = {}
    steps: list[Step] = []
    entries = stirring(entries)
    for flow in FLOWS:
        moving = [e for e in entries if flow.moved_by(e)]
        if not moving:
            continue
        key = flow.gather, frozenset(flow.moved_by(e) for e in moving)
        if key not in views:
            views[key] = flow.gather(moving)
        steps += flow.plan(views[key], now)
    return steps
