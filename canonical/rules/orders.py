"""Rules about orders: which shop statuses let an order go on, and where its units are sent. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

Place = TypeVar("Place")

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


def route(
    open_units: Mapping[int, int], sources: Mapping[int, Sequence[Place]]
) -> tuple[dict[Place, dict[int, int]], list[int]]:
    """Send each line's units to the first location of its ordered list.

    `open_units`: line id → units still to be routed; `sources`: line id → the locations that may be asked, in order. Returns
    location → {line: units}, and the lines no location is left for.
    """
    routed: dict[Place, dict[int, int]] = {}
    stranded = []
    for line, units in open_units.items():
        if not sources.get(line):
            stranded.append(line)
        else:
            routed.setdefault(sources[line][0], {})[line] = units
    return routed, stranded


def complete(lines: Iterable[tuple[int, int, int]]) -> bool:
    """Whether every unit that ships has shipped or was cancelled. Lines are (ordered, cancelled, shipped) of lines that ship."""
    return all(shipped >= ordered - cancelled for ordered, cancelled, shipped in lines)
