"""Where the time of an order went: the stretches between the moments that matter, against what was promised. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from retailsync.console.bars import lasting

WIDTH, HEIGHT = 960, 26


class Gap(NamedTuple):
    """One stretch. `promised`: None where it is not ours to hurry. Positions are of the bar."""

    what: str
    length: str
    tone: str
    x: float
    width: float
    open: bool
    promised: str


def gaps(moments: Sequence[tuple[str, datetime | None, timedelta | None]], now: datetime, ended: bool) -> list[Gap]:
    """Stretches between the moments that came, in the order they are expected in: what came before its turn took no time. `(name, when,
    promised)`: what is promised for the stretch that ends there. Where it has not ended, the last stretch runs until now."""
    found: list[tuple[str, float, timedelta | None, bool]] = []
    last_name, last = moments[0][0], moments[0][1]
    missing = None
    for name, at, promised in moments[1:]:
        if at is None:
            missing = missing or (name, promised)
        elif last is not None:
            found.append((f"{last_name} → {name}", max(0.0, (at - last).total_seconds()), promised, False))
            last_name, last, missing = name, max(at, last), None
    if missing and last is not None and not ended:
        found.append((f"{last_name} → {missing[0]}", (now - last).total_seconds(), missing[1], True))
    return _placed(found)


def _placed(found: Sequence[tuple[str, float, timedelta | None, bool]]) -> list[Gap]:
    """Widths by the logarithm: a second beside a day would not be seen."""
    shares = [0.6 + math.log1p(seconds) for _, seconds, _, _ in found]
    x, placed = 0.0, []
    for (what, seconds, promised, open_), share in zip(found, shares, strict=True):
        width = round(WIDTH * share / sum(shares), 1)
        said = f"promised are {lasting(promised.total_seconds())}" if promised else "not ours to hurry"
        placed.append(Gap(what, lasting(seconds), _tone(seconds, promised), round(x, 1), width, open_, said))
        x += width
    return placed


def _tone(seconds: float, promised: timedelta | None) -> str:
    if promised is None:
        return ""
    level = promised.total_seconds()
    return "good" if seconds <= level else "warn" if seconds <= 3 * level else "bad"
