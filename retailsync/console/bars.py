"""Small plots as numbers for inline SVG: bars, and what was promised as a line. Says in words what they show. Asks the database nothing."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from retailsync.console.pulses import Series, Span

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 320, 72, 40, 8, 4
_STEPS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Plot(NamedTuple):
    """One small plot: the outline of its bars, of those beyond the promise, and where the promise is."""

    bars: str
    late: str
    line: float | None
    top: str
    words: str


def lasting(seconds: float | None) -> str:
    """So long, in one unit."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return "1 s"
    size, unit = next(step for step in _STEPS if round(seconds) >= step[0])
    return f"{round(seconds / size, 1 if size >= 60 and seconds < 10 * size else 0):g} {unit}"


def counts(series: Series, name: str, what: str, span: Span) -> Plot:
    """How many of something in each stretch."""
    values = [float(getattr(column, name)) for column in series.columns]
    most = max(values)
    said = f"{what}: {series.total(name):,} in {span.title}"
    said += f", at most {int(most):,} in {lasting(span.step.total_seconds())}." if most else "."
    return Plot(_bars(values, lambda value: value / most), "", None, f"{int(most):,}" if most else "", said)


def times(series: Series, promised: float, span: Span) -> Plot:
    """How long 95 of 100 took in the slowest five minutes of each stretch. The scale is logarithmic: what matters is on which side of the
    promise a bar ends."""
    values = [column.p95 or 0.0 for column in series.columns]
    most = max(*values, promised * 2)
    good, late = [v if v <= promised else 0.0 for v in values], [v if v > promised else 0.0 for v in values]

    def share(value: float) -> float:
        return math.log1p(value) / math.log1p(most)

    return Plot(
        _bars(good, share), _bars(late, share), _y(share(promised)), lasting(most), _slowest(values, promised, span)
    )


def parts(whole: Sequence[int], beyond: Sequence[int], words: str) -> Plot:
    """How many of something in each stretch, and in front of them those beyond what was promised."""
    most = max(*whole, 1)

    def share(value: float) -> float:
        return value / most

    return Plot(_bars(whole, share), _bars(beyond, share), None, f"{most:,}", words)


def _slowest(values: Sequence[float], promised: float, span: Span) -> str:
    if not any(values):
        return f"Time taken: nothing was done in {span.title}."
    said = f"Time taken: 95 of 100 within {lasting(max(values))} in the slowest five minutes; promised are {lasting(promised)}."
    beyond = sum(v > promised for v in values)
    stretches = f"{len(values)} stretches of {lasting(span.step.total_seconds())}"
    return f"{said} Longer than promised in {beyond} of {stretches}." if beyond else said


def _bars(values: Sequence[float], share: Callable[[float], float]) -> str:
    """One path of all bars; what is small is still seen."""
    width = (WIDTH - LEFT) / len(values)
    found = []
    for n, value in enumerate(values):
        if value:
            top = min(_y(share(value)), HEIGHT - BOTTOM - 1.5)
            found.append(f"M{LEFT + n * width:.2f} {HEIGHT - BOTTOM}V{top}h{width:.2f}V{HEIGHT - BOTTOM}z")
    return "".join(found)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share, 1)
