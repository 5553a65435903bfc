"""An open-loop load generator: posts signed orders at a given rate whatever comes of them, as shops do. Knows nothing of who answers.

`python -m benchmarks.pace PORT PATH SECRET FIRST` says `ready`; each line `RATE SECONDS` makes it post that many orders per second
for so long, numbers in a row from FIRST, and then say `accepted refused late`: how many were answered 200, how many otherwise or not
at all, and by how many seconds the last one due was sent too late.
"""

import itertools
import sys
import threading
import time
from collections.abc import Iterator

from benchmarks import bodies, load

FIRST = 2_000_000  # of as many digits as what it replaces in a basket
VARIETY = 3_000  # different baskets
CONNECTIONS = 8
_BASE = 1_000_000  # an order is placed so many seconds after bodies.BEGAN: one of the future would wait for its day


class Run:
    """One stretch at one rate: what is due next, and what came of it."""

    def __init__(self, numbers: Iterator[int], rate: float, seconds: float) -> None:
        self.numbers, self.rate, self.count = numbers, rate, round(rate * seconds)
        self.began, self.taken, self.lock = time.monotonic(), 0, threading.Lock()
        self.accepted = self.refused = 0
        self.late = 0.0

    def take(self) -> tuple[int, float] | None:
        """The next order's number and when it is due; None when all are taken."""
        with self.lock:
            if self.taken == self.count:
                return None
            self.taken += 1
            return next(self.numbers), self.began + (self.taken - 1) / self.rate

    def note(self, ok: bool, late: float) -> None:
        """What came of one."""
        with self.lock:
            self.accepted += ok
            self.refused += not ok
            self.late = late


class Shop:
    """Makes requests: a basket with its order's number in place of the basket's own, in every id and address that holds it."""

    def __init__(self, path: str, secret: str) -> None:
        self.path, self.secret = path, secret
        self.baskets = bodies.orders(_BASE, VARIETY)

    def request(self, number: int) -> bytes:
        """A complete HTTP request."""
        at = number % VARIETY
        body = self.baskets[at].replace(b"%d" % (_BASE + at), b"%d" % number)
        return load.request(self.path, self.secret, number, body)


def main(port: int, path: str, secret: str, first: int) -> None:
    """Serve the lines that come in."""
    shop, numbers = Shop(path, secret), itertools.count(first)
    print("ready", flush=True)
    for line in sys.stdin:
        rate, seconds = map(float, line.split())
        run = Run(numbers, rate, seconds)
        threads = [threading.Thread(target=_post, args=(port, shop, run), daemon=True) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(run.accepted, run.refused, f"{run.late:.3f}", flush=True)


def _post(port: int, shop: Shop, run: Run) -> None:
    """One connection, until nothing is due any more."""
    line: load.Line | None = None
    while taken := run.take():
        number, due = taken
        request = shop.request(number)
        time.sleep(max(0.0, due - time.monotonic()))
        late = time.monotonic() - due
        try:
            line = line or load.Line(port)
            run.note(line.ask(request).startswith(b"HTTP/1.1 200"), late)
        except OSError:
            line = None
            run.note(False, late)
    if line:
        line.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
