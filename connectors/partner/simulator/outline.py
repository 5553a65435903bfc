"""What a warehouse holds and did, as an oracle compares it."""

from collections.abc import Mapping
from typing import Any

from connectors.partner.simulator.work import Work

LATE = 409  # our API says that things are further: nothing to repeat, and no mistake
NEVER = frozenset({400, 404, 405, LATE, 413, 415, 422})  # our API says no: repeating the same words will not help


def outline(works: Mapping[str, Work]) -> dict[str, Any]:
    """Every request, and everything that happened twice or was refused. `open` counts what has something to do or say now."""
    return {
        "requests": {reference: _outline(work) for reference, work in works.items()},
        "doubles": sorted(reference for reference, work in works.items() if _is_double(work)),
        "refused": [
            [reference, call.verb, call.status]
            for reference, work in works.items()
            for call in work.calls
            if call.status in NEVER - {LATE}
        ],
        "open": sum(not work.idle for work in works.values()),
    }


def _is_double(work: Work) -> bool:
    """Two events, with ids of their own, said the same thing."""
    return any(len(events) > 1 for events in (work.events, *(change.events for change in work.changes.values())))


def _outline(work: Work) -> dict[str, Any]:
    """One request: first what our API took of its words, then what was done in the building."""
    said = {call.key: call for call in work.calls if call.is_taken}.values()
    shipments = [call.body for call in said if call.verb in ("ship", "corrections")]
    return {
        "order_reference": work.order_reference,
        "received_at": work.received_at,
        "deliveries": sum(work.events.values()),
        "behaviour": work.behaviour,
        "accepted": bool(shipments) or any(call.verb == "accept" for call in said),  # what is shipped is accepted
        "rejected": any(call.verb == "reject" for call in said),
        "shipped_units": sum(u["units"] for s in shipments for p in s["packages"] for u in p["lines"]),
        "shipments": [s["shipment"] for s in shipments],
        "calls": [call.verb for call in work.calls if call.status],
        "tries": sum(call.tries for call in work.calls),
        "done": work.idle and work.over,
        "shipped": work.shipped,  # line → units that left
        "shipped_to": [departure.ship_to for departure in work.left],  # one per shipment
        "rest": {line["line"]: line["units"] for line in work.rest},  # line → units it would ship by now
        "changes": {number: [change.kind, change.answer] for number, change in work.changes.items()},
        "cancelled": work.cancelled,
        "held": work.held,
        "waiting": work.waiting,
    }
