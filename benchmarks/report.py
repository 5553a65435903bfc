"""What a benchmark found, as text and as docs/benchmarks.md. Measures nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.house import Machine


class Broken(Exception):
    """Something was lost, doubled or stuck: no number means anything then."""


@dataclass(frozen=True)
class Claim:
    """One ratio and what it should be at least."""

    what: str
    ratio: float
    target: float

    @property
    def verdict(self) -> str:
        """Met, or missed and by how much."""
        if self.ratio >= self.target:
            return "met"
        return f"missed: {100 * (1 - self.ratio / self.target):.0f} % below"


@dataclass(frozen=True)
class Section:
    """One benchmark's result; `body` is Markdown."""

    title: str
    setting: str
    body: str
    claims: Sequence[Claim] = field(default_factory=tuple)


def spread(values: Sequence[float]) -> str:
    """The slowest and the fastest repetition."""
    return f"{min(values):,.0f}–{max(values):,.0f}"


def page(sections: Sequence[Section], machine: Machine, command: str, at: datetime) -> str:
    """The whole page."""
    parts = [
        "# Benchmarks",
        "Generated; do not edit. Only the ratios travel: each is between two things measured in turns in the same run, on one machine "
        "that also runs the database, Redis, the load generator and the stub targets.",
        f"| | |\n|---|---|\n| measured | {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC |\n| command | `{command}` |\n"
        f"| machine | {machine.cores} cores, PostgreSQL {machine.postgres}, Python {machine.python} |\n"
        f"| durability | fsync, synchronous_commit and full_page_writes are on |\n| load before the run (1, 5, 15 min) | {machine.load} |",
    ]
    for section in sections:
        parts += [f"## {section.title}", section.setting, section.body, _claims(section.claims)]
    return "\n\n".join(parts) + "\n"


def _claims(claims: Sequence[Claim]) -> str:
    rows = [f"| {c.what} | {c.ratio:.2f} | ≥ {c.target:g} | {c.verdict} |" for c in claims]
    return "\n".join(["| ratio | measured | target | |", "|---|---|---|---|", *rows])


def write(path: Path, text: str) -> None:
    """Replace the page."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
