"""A stub target: an HTTP server that answers at once and counts idempotency keys. Knows no command.

`python -m benchmarks.targets` says its port and serves until its input closes. POST counts the key, GET answers the counts,
DELETE forgets them. What is posted to a path below / is also logged: GET /log answers one line `path time` for each, the time in
seconds of this machine's clock when the request was there.
"""

import asyncio
import re
import sys
import time

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"idempotency-key: *([^\r]+)", re.IGNORECASE)


class Seen:
    """The keys heard, how many requests carried one, and when which path was posted to."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.requests = 0
        self.log: list[tuple[bytes, float]] = []


class Target(asyncio.Protocol):
    """One kept connection. HTTP/1.1 with Content-Length is all it understands."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.pending = seen, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.pending) < whole:
                return
            self.pending = self.pending[whole:]
            body = self._answer(head)
            self.transport.write(  # type: ignore[attr-defined]
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )

    def _answer(self, head: bytes) -> bytes:
        seen = self.seen
        if head.startswith(b"POST"):
            key = _KEY.search(head)
            seen.keys.add(key[1] if key else b"")
            seen.requests += 1
            if (path := head[6 : head.find(b" ", 5)]) != b"":
                seen.log.append((path, time.time()))
            return b'{"id":%d}' % seen.requests
        if head.startswith(b"GET /log "):
            return b"".join(b"%s %.6f\n" % told for told in seen.log)
        if head.startswith(b"DELETE"):
            seen.__init__()  # type: ignore[misc]
        return b'{"keys":%d,"requests":%d}' % (len(seen.keys), seen.requests)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    seen = Seen()
    server = await loop.create_server(lambda: Target(seen), "127.0.0.1", 0, backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
