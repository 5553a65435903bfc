"""Waiting for somebody else who is at it, inside one task and not for long. No second loop of retries: those are `not_before` in a row."""

import time
from collections.abc import Callable

from retailsync.platform import stopping

LOOK = 0.02  # seconds between two looks


def until(done: Callable[[], bool], seconds: float) -> bool:
    """Look again and again whether something is done; False where it is not within so many seconds, or the worker shall stop."""
    ends = time.monotonic() + seconds
    while not done():
        if stopping.asked() or time.monotonic() > ends:
            return False
        time.sleep(LOOK)
    return True


def pause(seconds: float) -> None:
    """Let others come, to be worked on together."""
    time.sleep(seconds)
