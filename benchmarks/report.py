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
    """One figure and what it should be at least, or at most; without a target it is only told."""

    what: str
    figure: float
    target: float | None = None
    at_most: bool = False

    @property
    def wanted(self) -> str:
        """The target as people write it."""
        return "" if self.target is None else f"{'≤' if self.at_most else '≥'} {self.target:g}"

    @property
    def verdict(self) -> str:
        """Met, or missed and by how much."""
        if self.target is None:
            return ""
        if self.figure <= self.target if self.at_most else self.figure >= self.target:
            return "met"
        off = 100 * (self.figure / self.target - 1)
        return f"missed: {abs(off):.0f} % {'above' if off > 0 else 'below'}"


@dataclass(frozen=True)
class Section:
    """One benchmark's result; `body` is Markdown."""

    title: str
    setting: str
    body: str
    claims: Sequence[Claim] = field(default_factory=tuple)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The slowest and the fastest repetition."""
    return f"{min(values):,.{digits}f}–{max(values):,.{digits}f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def page(sections: Sequence[Section], machine: Machine, command: str, at: datetime, old: str = "") -> str:
    """The whole page: what was measured now, and from the old page what was not."""
    measured = {section.title: _section(section, machine, command, at) for section in sections}
    parts = {**_parts(old), **measured}
    return "\n\n".join([HEAD, *(parts[title] for title in sorted(parts))]) + "\n"


HEAD = """# Benchmarks

Generated; do not edit. Only the ratios travel: each is between two things measured in the same run, on one machine that also runs the
database, Redis, the load generator and the stub targets. fsync, synchronous_commit and full_page_writes are on."""


def _parts(old: str) -> dict[str, str]:
    """Title → text of the sections of a page."""
    _, *parts = old.split("\n## ")
    return {part.partition("\n")[0]: f"## {part.strip()}" for part in parts}


def _section(section: Section, machine: Machine, command: str, at: datetime) -> str:
    measured = (
        f"Measured {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC by `{command}` on {machine.cores} cores, PostgreSQL {machine.postgres}, "
        f"Python {machine.python}; load before the run (1, 5, 15 min) {machine.load}."
    )
    parts = (f"## {section.title}", measured, section.setting, section.body, _claims(section.claims))
    return "\n\n".join(part for part in parts if part)


def _claims(claims: Sequence[Claim]) -> str:
    rows = [f"| {c.what} | {c.figure:,.2f} | {c.wanted} | {c.verdict} |" for c in claims]
    return "\n".join(["| figure | measured | target | |", "|---|---|---|---|", *rows]) if rows else ""


def write(path: Path, text: str) -> None:
    """Replace the page."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
