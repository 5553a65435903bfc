"""Rules about orders: which shop statuses let an order go on, and when nothing of it is left to ship. Pure."""

from collections.abc import Iterable
from typing import Literal

#: The shop says it is paid or otherwise accepted (WooCommerce: processing). Completed means the shop is done with it.
RELEASING = frozenset({"processing", "completed"})
#: The shop does not want it any more. Failed after release: the money did not come after all (a debit that bounced).
STOPPED = frozenset({"cancelled", "trashed", "failed", "refunded"})

Stance = Literal["wait", "go", "pause", "stop"]


def stance(shop_status: str, gone: bool, released: bool) -> Stance:
    """What the shop wants of an order now: wait for its release, go on, pause what was begun, or stop it."""
    if gone or shop_status in STOPPED:
        return "stop"
    if not released:
        return "wait"
    return "go" if shop_status in RELEASING else "pause"


def complete(lines: Iterable[tuple[int, int, int]]) -> bool:
    """Whether every unit that ships has shipped or was cancelled. Lines are (ordered, cancelled, shipped) of lines that ship."""
    return all(shipped >= ordered - cancelled for ordered, cancelled, shipped in lines)
