"""What a flow is: who owns it, what it promises, and a pure plan over a view that a fixed number of queries gathered."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from canonical.commands import Command
from canonical.facts import Decision
from canonical.ledger import Cause, Written


class Step(NamedTuple):
    """One thing a plan wants: a decision to record, or a command for a system, and the row that caused it."""

    cause: Cause
    system_id: int
    what: Command | Decision


@dataclass(frozen=True, slots=True)
class Flow:
    """One workflow. `gather` reads (set-wise), `plan` thinks (pure). `runbook` is the page people turn to.

    `unmoved_by` names (subject kind, event) of entries that cannot change what this flow wants: most receipts only say that a wish came
    true, and gathering an order costs more than everything else its receipt does. `about`: the kind of subject it plans; entries of
    an order's rows are about the order.
    """

    name: str
    owner: str
    service_level: timedelta
    runbook: str
    gather: Callable[[Sequence[Written]], Any]
    plan: Callable[[Any, datetime], Iterable[Step]]
    unmoved_by: frozenset[tuple[str, str]] = frozenset()
    about: str = "order"

    def moved_by(self, entry: Written) -> int | None:
        """The subject of this flow an entry is about; None where it does not move it."""
        if self.about != "order":
            return entry.subject_id if entry.subject_kind == self.about else None
        return entry.order_id if (entry.subject_kind, entry.event) not in self.unmoved_by else None
