"""The workflows, and the one function that plans them all. A view two flows share is gathered once."""

from collections.abc import Sequence
from datetime import datetime

from canonical.ledger import Written
from retailsync.flows import order_to_fulfilment, shipments
from retailsync.flows.base import Flow, Step

FLOWS: tuple[Flow, ...] = (order_to_fulfilment.FLOW, shipments.FLOW)


def plan(entries: Sequence[Written], now: datetime) -> list[Step]:
    """What every flow wants to do about these entries."""
    if not entries:
        return []
    views = {gather: gather(entries) for gather in {flow.gather for flow in FLOWS}}
    return [step for flow in FLOWS for step in flow.plan(views[flow.gather], now)]
