"""When a warehouse goes on with which request. Workers wait here, never in the middle of a request."""

import heapq
import threading
import time
from collections.abc import Iterator


class Agenda:
    """References and when each is due. One is in the hands of one worker at most, and stands here once at most."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}  # what counts: the heap also holds what was moved forward
        self._taken: set[str] = set()
        self._changed = threading.Condition()
        self._closed = False

    def add(self, reference: str, seconds: float = 0.0) -> None:
        """Go on with it in so many seconds, or earlier if that was said before."""
        with self._changed:
            at = min(time.monotonic() + seconds, self._due.get(reference, float("inf")))
            self._due[reference] = at
            heapq.heappush(self._heap, (at, reference))
            self._changed.notify()

    def close(self) -> None:
        """The day is over for all workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[str]:
        while (reference := self._next()) is not None:
            yield reference
            self._give_back(reference)

    def _next(self) -> str | None:
        """The next reference that is due and in nobody's hands; None when the day is over."""
        with self._changed:
            while not self._closed:
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    at, reference = heapq.heappop(self._heap)
                    if self._due.get(reference) == at and reference not in self._taken:
                        del self._due[reference]
                        self._taken.add(reference)
                        return reference
                else:
                    self._changed.wait(wait)
            return None

    def _give_back(self, reference: str) -> None:
        """Out of this worker's hands; what was said of it meanwhile counts from here on."""
        with self._changed:
            self._taken.discard(reference)
            if reference in self._due:
                heapq.heappush(self._heap, (self._due[reference], reference))
                self._changed.notify()
