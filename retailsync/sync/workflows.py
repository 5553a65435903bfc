"""What each workflow promises, and which rows are its: the flows, and intake, which plans nothing. Knows no row."""

from datetime import timedelta
from typing import NamedTuple

from canonical.commands import KINDS
from retailsync.flows import FLOWS


class Workflow(NamedTuple):
    """Who owns it, and how soon what came must be handled. Of intake these are messages, of every other its commands."""

    name: str
    owner: str
    level: timedelta

    @property
    def title(self) -> str:
        """As people read it."""
        return self.name.replace("_", " ").capitalize()


INTAKE = Workflow("intake", "administrator", timedelta(minutes=2))
WORKFLOWS: dict[str, Workflow] = {
    w.name: w for w in (INTAKE, *(Workflow(f.name, f.owner, f.service_level) for f in FLOWS))
}
#: Kind of command → its workflow.
OF_KIND: dict[str, Workflow] = {kind: WORKFLOWS[command.workflow] for kind, command in KINDS.items()}


def kinds(workflow: str) -> list[str]:
    """The kinds of commands of one workflow."""
    return sorted(kind for kind, of in OF_KIND.items() if of.name == workflow)


def table() -> tuple[list[str], list[str], list[float]]:
    """(kind, workflow, seconds) as arrays, for statements that join commands with what is promised of them."""
    rows = sorted(OF_KIND.items())
    return [kind for kind, _ in rows], [w.name for _, w in rows], [w.level.total_seconds() for _, w in rows]
