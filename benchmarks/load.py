"""A load generator: posts signed orders over kept connections, one thread each. Knows nothing of who answers.

`python -m benchmarks.load PORT PATH SECRET FIRST COUNT CONNECTIONS SECONDS` prepares COUNT requests with distinct orders, says
`ready`, posts on `go` until they or the seconds are used up, and says `accepted refused seconds`.
"""

import socket
import sys
import threading
import time

from benchmarks import bodies
from connectors.signing import base64_of

VARIETY = 200  # different baskets; each request gets an order id of its own


def requests(path: str, secret: str, first: int, count: int) -> list[bytes]:
    """Complete HTTP requests."""
    baskets = bodies.orders(10**9, VARIETY)
    made = []
    for number in range(first, first + count):
        base = baskets[number % VARIETY]
        body = base.replace(b'{"id":%d' % (10**9 + number % VARIETY), b'{"id":%d' % (10**9 + number), 1)
        made.append(request(path, secret, number, body))
    return made


def request(path: str, secret: str, number: int, body: bytes) -> bytes:
    """A complete HTTP request as WooCommerce makes it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: WooCommerce/11.0.1 Hookshot (WordPress/7.0)\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-WC-Webhook-Source: https://shop.example.com/\r\n"
        f"X-WC-Webhook-Topic: order.created\r\nX-WC-Webhook-Resource: order\r\nX-WC-Webhook-Event: created\r\n"
        f"X-WC-Webhook-Signature: {base64_of(secret, body)}\r\nX-WC-Webhook-ID: 1\r\nX-WC-Webhook-Delivery-ID: {number:032x}\r\n\r\n"
    )
    return head.encode() + body


class Line:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """The head of the answer to one request; both servers send fewer than 64 kB with a Content-Length."""
        self.sock.sendall(request)
        got = self.sock.recv(65536)
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, rest = got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(rest) < length:
            rest += self._more()
        return head

    def _more(self) -> bytes:
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


class Poster(threading.Thread):
    """One connection."""

    def __init__(self, port: int, work: list[bytes], ends: float) -> None:
        super().__init__(daemon=True)
        self.work, self.ends, self.accepted, self.refused = work, ends, 0, 0
        self.line = Line(port)

    def run(self) -> None:
        for request in self.work:
            if time.monotonic() > self.ends:
                break
            if self.line.ask(request).startswith(b"HTTP/1.1 200"):
                self.accepted += 1
            else:
                self.refused += 1
        self.line.close()


def main(port: int, path: str, secret: str, first: int, count: int, connections: int, seconds: float) -> None:
    """Prepare, wait, post, say what came of it."""
    prepared = requests(path, secret, first, count)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    posters = [Poster(port, prepared[n::connections], began + seconds) for n in range(connections)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    took = time.monotonic() - began
    print(sum(p.accepted for p in posters), sum(p.refused for p in posters), took, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    at, where, key, *numbers = sys.argv[1:]
    main(int(at), where, key, int(numbers[0]), int(numbers[1]), int(numbers[2]), float(numbers[3]))
