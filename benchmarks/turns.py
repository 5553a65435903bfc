"""How a benchmark's worker waits for its turn: says `ready`, works between the lines `go` and `halt`, ends when its input closes."""

import sys
import threading
import time
from collections.abc import Callable

IDLE = 0.004  # seconds between two looks for work


def serve(turn: Callable[[], int]) -> None:
    """Call `turn` again and again while it is our turn; it returns how much it did."""
    working, ended = threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=(working, ended), daemon=True).start()
    print("ready", flush=True)
    while not ended.is_set():
        if working.wait(0.2) and not turn():
            time.sleep(IDLE)


def _listen(working: threading.Event, ended: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "go":
            working.set()
        else:
            working.clear()
    working.clear()
    ended.set()
