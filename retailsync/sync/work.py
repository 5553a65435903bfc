"""The state machine of work: one function turns an error into a row's next state. Knows no table and no system."""

import random
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.base import Malformed
from connectors.errors import Misconfigured, Missing, Refused, Retry, SyncError

TRIES = 10  # tries of one command against a target that answers others
MISCONFIGURED = 3  # tries of a command a set-up does not fit, while the system serves others
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


def after(error: BaseException, attempts: int, since: datetime, now: datetime, *, tripped: bool = False) -> Next:
    """The next state after an error. `attempts` counts the tries before this one, `since` is when the row began to wait, `tripped` says
    that the whole system is in trouble: then no try counts against the row."""
    match error:
        case Retry():
            pause = error.after if error.after is not None else backoff(attempts)
            step = _again(error, attempts, now, TRIES, "retries_exhausted", tripped or error.down)
            return step._replace(not_before=now + timedelta(seconds=0 if error.down else pause), doubtful=error.unknown)
        case Misconfigured():
            step = _again(error, attempts, now, MISCONFIGURED, "misconfigured", tripped)
            return step._replace(not_before=now + timedelta(seconds=backoff(attempts)))
        case Missing():
            late = now - since > MISSING_BOUND
            return Next("parked" if late else "waiting", now + RECHECK, "missing", error.words, error.key)
        case Refused():
            return Next("parked", now, error.reason, error.words)
        case Malformed():
            return Next("parked", now, "malformed", str(error))
        case _:
            return Next("parked", now, "bug", f"Our own fault: {type(error).__name__}: {error}", doubtful=True)


def _again(error: SyncError, attempts: int, now: datetime, tries: int, reason: str, free: bool) -> Next:
    """Wait and try again; after `tries` that count, a person is told."""
    over = attempts + 1 >= tries and not free
    return Next("parked" if over else "waiting", now, reason if over else "", error.words, burns=not free)


def backoff(attempts: int) -> float:
    """Seconds to wait after so many tries: doubling from one second, at most five minutes, with jitter of half."""
    return min(_LONGEST, 2.0 ** min(attempts, 20)) * random.uniform(0.5, 1.0)
