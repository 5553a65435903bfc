"""The state machine of work: one function turns an error into a row's next state. Knows no table and no system."""

import random
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.base import Malformed
from connectors.errors import Misconfigured, Missing, Refused, Retry

TRIES = 10  # tries of one command against a target that answers others
MISSING_BOUND = timedelta(minutes=30)  # how long something may be missing before a person is told
RECHECK = timedelta(seconds=30)  # between two looks at something missing, should its wake-up have been lost
_LONGEST = 300.0  # seconds between two tries at most


class Next(NamedTuple):
    """What becomes of a row: its state and, where it needs one, the moment, what it waits for, and words for people."""

    state: str
    not_before: datetime
    reason: str = ""
    words: str = ""
    waits_for: str = ""
    doubtful: bool = False
    burns: bool = True  # whether this try counts


def after(error: BaseException, attempts: int, since: datetime, now: datetime) -> Next:
    """The next state after an error. `attempts` counts the tries before this one, `since` is when the row began to wait."""
    match error:
        case Retry():
            return _retry(error, attempts, now)
        case Missing():
            late = now - since > MISSING_BOUND
            return Next("parked" if late else "waiting", now + RECHECK, "missing", error.words, error.key)
        case Refused():
            return Next("parked", now, error.reason, error.words)
        case Misconfigured():
            return Next("parked", now, "misconfigured", error.words)
        case Malformed():
            return Next("parked", now, "malformed", str(error))
        case _:
            return Next("parked", now, "bug", f"Our own fault: {type(error).__name__}: {error}", doubtful=True)


def _retry(error: Retry, attempts: int, now: datetime) -> Next:
    pause = error.after if error.after is not None else backoff(attempts)
    exhausted = attempts + 1 >= TRIES and not error.down
    return Next(
        "parked" if exhausted else "waiting",
        now + timedelta(seconds=0 if error.down else pause),
        "retries_exhausted" if exhausted else "",
        error.words,
        doubtful=error.unknown,
        burns=not error.down,
    )


def backoff(attempts: int) -> float:
    """Seconds to wait after so many tries: doubling from one second, at most five minutes, with jitter of half."""
    return min(_LONGEST, 2.0 ** min(attempts, 20)) * random.uniform(0.5, 1.0)
