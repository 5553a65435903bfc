"""What a warehouse answers when it is asked to change a request it has: a function of the change and of how far its own work is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.partner.simulator.work import Change, Work


class Verdict(NamedTuple):
    """`answer`: accept, reject, or empty for not now (it is asked again whenever the work went on).

    `obeys` False: it says yes and does as it was going to. `hurries`: whatever keeps it from shipping does so no more.
    """

    answer: str = ""
    reason: str = ""
    obeys: bool = True
    hurries: bool = False


NOT_NOW = Verdict()


# ---- how it answers ---------------------------------------------------------------------------------------------------------
def honest(change: Change, work: Work) -> Verdict:
    """Accept whatever is still possible."""
    reason = next((words for words, is_so in OBSTACLES if is_so(change, work)), "")
    return Verdict("reject", reason) if reason else Verdict("accept")


def refuse_changes(change: Change, work: Work) -> Verdict:
    """Reject everything."""
    return Verdict("reject", "We do not change orders we have.")


def refuse_cancel(change: Change, work: Work) -> Verdict:
    """Never cancel; otherwise honest."""
    return Verdict("reject", "We do not cancel.") if change.kind == "cancel" else honest(change, work)


def late_answer(change: Change, work: Work) -> Verdict:
    """Work on as if nothing was asked, and answer when all is over."""
    return honest(change, work) if work.over else NOT_NOW


def silent_changes(change: Change, work: Work) -> Verdict:
    """Never answer, and do nothing about it."""
    return NOT_NOW


def ship_first(change: Change, work: Work) -> Verdict:
    """Ship at once, then answer."""
    return honest(change, work) if work.over else Verdict(hurries=True)


def accept_then_ship(change: Change, work: Work) -> Verdict:
    """Accept a cancellation and ship all the same; otherwise honest."""
    verdict = honest(change, work)
    return verdict._replace(obeys=False) if change.kind == "cancel" else verdict


ANSWERS: Mapping[str, Callable[[Change, Work], Verdict]] = {
    "honest": honest, "refuse_changes": refuse_changes, "refuse_cancel": refuse_cancel, "late_answer": late_answer,
    "silent_changes": silent_changes, "ship_first": ship_first, "accept_then_ship": accept_then_ship,
}  # fmt: skip


# ---- what is possible -------------------------------------------------------------------------------------------------------
def _below_shipped(change: Change, work: Work) -> bool:
    wanted = {line["line"]: line["units"] for line in change.data["lines"]}
    return any(units > wanted.get(line, 0) for line, units in work.shipped.items())


OBSTACLES: Sequence[tuple[str, Callable[[Change, Work], bool]]] = (
    ("It has been shipped.", lambda change, work: work.is_shipped),
    ("It is packed.", lambda change, work: work.is_packed),
    ("Some of it has been shipped.", lambda change, work: change.kind == "amend" and _below_shipped(change, work)),
    ("It was rejected.", lambda change, work: change.kind != "cancel" and work.is_rejected),
    ("It was cancelled.", lambda change, work: change.kind != "cancel" and work.cancelled),
)


# ---- what accepting does ----------------------------------------------------------------------------------------------------
def _cancel(work: Work, data: dict[str, Any]) -> None:
    work.cancelled = True


def _hold(work: Work, data: dict[str, Any]) -> None:
    work.held = True


def _resume(work: Work, data: dict[str, Any]) -> None:
    work.held = False


EFFECTS: Mapping[str, Callable[[Work, dict[str, Any]], None]] = {
    "amend": Work.asked, "cancel": _cancel, "hold": _hold, "resume": _resume,
}  # fmt: skip
