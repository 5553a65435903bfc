"""A load generator that works requests through the partner API as a warehouse does, over kept connections, one thread each.

`python -m benchmarks.caller PORT KEY FIRST COUNT CONNECTIONS` says `ready`; each line `RATE SECONDS` makes it call at that rate (0: as
fast as it is answered) for so long, and say `calls refused seconds p50 p95 p99` (milliseconds from the moment a call was due). Requests
are called B<number>, from FIRST on, COUNT of them.
"""

import itertools
import sys
import threading
import time
from collections.abc import Iterator

from benchmarks import load
from benchmarks.report import percentile

SHIP = (
    b'{"shipment":"S-%b","carrier":"DHL","packages":[{"tracking_number":"T-%b","lines":[{"sku":"BENCH","units":2}]}]}'
)
#: One request's life: method, end of the address, body, how a good answer begins.
LIFE = (
    ("GET", "", b"", b"HTTP/1.1 200"),
    ("POST", "/accept", b"{}", b"HTTP/1.1 202"),
    ("POST", "/start", b"{}", b"HTTP/1.1 202"),
    ("POST", "/pick", b"{}", b"HTTP/1.1 202"),
    ("POST", "/pack", b"{}", b"HTTP/1.1 202"),
    ("POST", "/ship", SHIP, b"HTTP/1.1 202"),
)


def request(key: str, reference: bytes, method: str, end: str, body: bytes) -> bytes:
    """A complete HTTP request, with an idempotency key where something is said."""
    body = body.replace(b"%b", reference)
    head = (
        f"{method} /api/v1/fulfilment-requests/{reference.decode()}{end} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\n"
    )
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {reference.decode()}{end}\r\n"
    return head.encode() + b"\r\n" + body


class Pace:
    """When the next call is due, for all connections together; at rate 0 always now."""

    def __init__(self, rate: float, seconds: float) -> None:
        self.rate, self.ends = rate, time.monotonic() + seconds
        self.began, self.count, self.lock = time.monotonic(), itertools.count(), threading.Lock()

    def due(self) -> float | None:
        """The moment of the next call, waited for; None when the time is up."""
        with self.lock:
            at = self.began + next(self.count) / self.rate if self.rate else time.monotonic()
        if at > self.ends:
            return None
        time.sleep(max(0.0, at - time.monotonic()))
        return at


class Caller(threading.Thread):
    """One connection: one request after the other, each from its first call to its last."""

    def __init__(self, port: int, key: str, numbers: Iterator[int]) -> None:
        super().__init__(daemon=True)
        self.line, self.key = load.Line(port), key
        self.calls = ((b"B%d" % number, *call) for number in numbers for call in LIFE)

    def work(self, pace: Pace) -> tuple[list[float], int]:
        """Milliseconds of each call, and how many were not answered well."""
        taken: list[float] = []
        refused = 0
        while (due := pace.due()) is not None:
            reference, method, end, body, good = next(self.calls)
            refused += not self.line.ask(request(self.key, reference, method, end, body)).startswith(good)
            taken.append(1000 * (time.monotonic() - due))
        return taken, refused


def main(port: int, key: str, first: int, count: int, connections: int) -> None:
    """Wait for a line, call, say what came of it, and wait for the next."""
    callers = [Caller(port, key, iter(range(first + n, first + count, connections))) for n in range(connections)]
    print("ready", flush=True)
    for line in sys.stdin:
        rate, seconds = (float(word) for word in line.split())
        pace, found = Pace(rate, seconds), [([], 0)] * connections  # type: ignore[var-annotated]

        def run(n: int, pace: Pace = pace, found: list[tuple[list[float], int]] = found) -> None:
            found[n] = callers[n].work(pace)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = [each for times, _ in found for each in times]
        shares = [percentile(taken, share) for share in (0.5, 0.95, 0.99)]
        print(len(taken), sum(bad for _, bad in found), time.monotonic() - pace.began, *shares, flush=True)


if __name__ == "__main__":
    at, who, *numbers = sys.argv[1:]
    main(int(at), who, *(int(number) for number in numbers))
