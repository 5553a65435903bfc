"""How one HTTP/1.1 request and its answer look on a connected socket (RFC 9112). Knows no URL, no pool and no second try.

Strict: what two readers could take for two different things is refused, because that is how one answer is smuggled into another.
Our own, because the standard library's reader (an email parser) costs more than everything else a small request needs.
"""

import re
import socket
import ssl
import time
import zlib
from collections.abc import Mapping

from connectors.base import Response

HEAD = 65536  # bytes before the body of one answer, and again of its trailers
FIELDS = 100  # headers of one answer
LINE = 1024  # bytes of a chunk's size with its extensions
MEMBERS = 16  # gzip files in a row that are one body
CHUNK = 65536
RECORD = 16384  # bytes of one TLS record: a write that fails within the first has told the other side nothing
SLACK = 0.005  # seconds a wait may outlive the deadline; spares setting a socket's time-out again and again
BODYLESS = frozenset(
    {"GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT"}
)  # no Content-Length where there is no body
FRAMING = frozenset({"content-length", "transfer-encoding"})  # ours to say

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_is_token = re.compile(_NAME).fullmatch
_is_path = re.compile(r"[\x21-\x7e]+").fullmatch
_is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r\n")
_are_fields = re.compile(rf"(?:{_NAME}:[^\r\n]*\r\n)*").fullmatch
_find_fields = re.compile(r"([^:\r\n]+):[ \t]*([^\r\n]*)\r\n").findall
_is_size = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n").fullmatch


class Unsent(Exception):
    """Not one byte of the request left on this connection."""


class TooLarge(Exception):
    """The answer is larger than the limit."""


class Broken(Exception):
    """What came is no complete answer, or one that can be read in more than one way."""


class Unfit(Exception):
    """The request holds something that HTTP cannot carry there. The words name the place, never what stands in it."""


def left(ends: float) -> float:
    """Seconds until an instant of the monotonic clock; TimeoutError when it has passed."""
    seconds = ends - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds


# ---- the request ------------------------------------------------------------------------------------------------------------
def request(method: str, host: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The bytes of one request. Raises Unfit for anything that would be read as the start of something else."""
    if not _is_token(method) or not _is_path(path) or not _is_path(host):
        raise Unfit("its first line")
    names = {name.lower() for name in headers}
    if not names.isdisjoint(FRAMING):
        raise Unfit("a header that is not the caller's to set")
    lines = [f"{method} {path} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}")
    if body is not None or method.upper() not in BODYLESS:
        lines.append(f"Content-Length: {len(body or b'')}")
    for name, value in headers.items():
        if not _is_token(name) or not _is_value(value):
            raise Unfit(f"its header {name!r}")
        lines.append(f"{name}: {value}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


# ---- the exchange -----------------------------------------------------------------------------------------------------------
class Wire:
    """A connected socket for one exchange, which is over at an instant: the time left is looked at before every wait."""

    __slots__ = ("_ended", "_ends", "_got", "_sock", "_timeout")

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._sock, self._ends = sock, ends
        self._timeout = -1.0  # as last set on the socket
        self._got = bytearray()  # received and not yet taken
        self._ended = False

    def send(self, data: bytes) -> None:
        """Send everything in as few packets as fit. A failure before the first byte is told apart from all others: Unsent."""
        rest = memoryview(data)
        while rest:
            self._arm()
            try:
                sent = self._sock.send(rest[:RECORD])
            except (ConnectionError, ssl.SSLError) as error:
                if len(rest) < len(data):
                    raise
                raise Unsent(str(error)) from error
            rest = rest[sent:]

    def receive(self, method: str, limit: int) -> tuple[Response, bool]:
        """The whole answer to a request of this method, and whether the connection may be used again."""
        if not self._more():
            raise ConnectionResetError("closed without an answer")
        version, status, headers = self._head()
        body = self._body(method, version, status, headers, limit)
        if "content-encoding" in headers:
            body = unpacked(body, headers["content-encoding"], limit)
        kept = not self._got and not self._ended and _persists(version, headers)
        return Response(status, headers, body), kept

    def _head(self) -> tuple[str, int, dict[str, str]]:
        """Version, status and headers of the final answer; interim ones (1xx) are passed over."""
        room = HEAD
        while True:
            raw = self._through(b"\r\n\r\n", room)
            room -= len(raw)
            text = raw.decode("latin-1")
            first = _STATUS.match(text)
            if first is None:
                raise Broken("the status line is malformed")
            version, code = first.groups()
            if code == "101":
                raise Broken("the protocol was changed unasked")
            headers = fields(text[first.end() : -2])
            if code[0] != "1":
                return version, int(code), headers

    def _body(self, method: str, version: str, status: int, headers: Mapping[str, str], limit: int) -> bytes:
        """The body as sent, by the first of the rules in RFC 9112 §6.3 that applies."""
        if method == "HEAD" or status == 204 or status == 304:
            return b""
        length = headers.get("content-length")
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None or version == "0":
                raise Broken("the length of the body is ambiguous")
            return self._chunked(limit)
        if length is None:
            return self._to_the_end(limit)
        size = _length(length)
        if size > limit:
            raise TooLarge(f"more than {limit} bytes")
        return self._exactly(size)

    def _chunked(self, limit: int) -> bytes:
        whole = bytearray()
        while size := _size(self._through(b"\r\n", LINE)):
            if len(whole) + size > limit:
                raise TooLarge(f"more than {limit} bytes")
            whole += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise Broken("a chunk is not as long as announced")
        trailers = bytearray()
        while (line := self._through(b"\r\n", HEAD - len(trailers))) != b"\r\n":
            trailers += line
        fields(trailers.decode("latin-1"))  # nobody asked for them, but they must be some
        return bytes(whole)

    def _to_the_end(self, limit: int) -> bytes:
        while len(self._got) <= limit:
            if not self._more():
                return self._exactly(len(self._got))
        raise TooLarge(f"more than {limit} bytes")

    def _exactly(self, size: int) -> bytes:
        while len(self._got) < size:
            if not self._more():
                raise Broken("the connection ended within the body")
        taken = bytes(memoryview(self._got)[:size])
        del self._got[:size]
        return taken

    def _through(self, mark: bytes, most: int) -> bytes:
        """What comes up to and with a mark, of at most so many bytes."""
        seen = 0
        while (at := self._got.find(mark, seen, most)) < 0:
            if len(self._got) >= most:
                raise Broken("a part of the answer that must be short is not")
            seen = max(0, len(self._got) - len(mark) + 1)
            if not self._more():
                raise Broken("the connection ended before the body was complete")
        return self._exactly(at + len(mark))

    def _more(self) -> bool:
        """Wait for bytes; False at the end of the connection."""
        self._arm()
        piece = self._sock.recv(CHUNK)
        self._got += piece
        self._ended = not piece
        return not self._ended

    def _arm(self) -> None:
        """Let the next wait end with the exchange."""
        seconds = left(self._ends)
        if not seconds <= self._timeout <= seconds + SLACK:
            self._sock.settimeout(seconds)
            self._timeout = seconds


# ---- parts of an answer -----------------------------------------------------------------------------------------------------
def fields(text: str) -> dict[str, str]:
    """Headers by lower-case name, those given twice joined by commas. A folded line, or a lone CR or LF, is refused."""
    if not _are_fields(text):
        raise Broken("a header is malformed")
    pairs = _find_fields(text)
    if len(pairs) > FIELDS:
        raise Broken("there are too many headers")
    found: dict[str, str] = {}
    for name, value in pairs:
        name, value = name.lower(), value.rstrip(" \t")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its compression. An encoding that nobody asked for is left as it is."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    whole = b""
    for _ in range(MEMBERS):
        if not body:
            return whole
        inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
        try:
            whole += inflate.decompress(body, limit + 1 - len(whole))
        except zlib.error as error:
            raise Broken("the body is not compressed as it says") from error
        if len(whole) > limit:
            raise TooLarge(f"more than {limit} bytes")
        if not inflate.eof:
            raise Broken("the compressed body ends early")
        body = inflate.unused_data
    raise Broken("the body is compressed in too many pieces")


def _length(given: str) -> int:
    """Content-Length, which may be repeated if it is the same every time (RFC 9110 §8.6)."""
    first, *others = (one.strip(" \t") for one in given.split(","))
    if not first.isdecimal() or len(first) > 18 or any(one != first for one in others):
        raise Broken("the length of the body is ambiguous")
    return int(first)


def _size(line: bytes) -> int:
    """The size a chunk announces; its extensions mean nothing to us."""
    match = _is_size(line)
    if match is None:
        raise Broken("the size of a chunk is malformed")
    return int(match[1], 16)


def _persists(version: str, headers: Mapping[str, str]) -> bool:
    """Whether the other side keeps the connection open (RFC 9112 §9.3)."""
    said = headers.get("connection", "").lower()
    return "close" not in said and (version == "1" or "keep-alive" in said)
