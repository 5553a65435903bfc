"""Framing: answers in every piece they may come in, answers that could be read in two ways, and requests that would smuggle."""

import gzip
import io
import time
import zlib
from collections.abc import Callable
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import guard, http
from connectors.base import Response
from connectors.errors import Misconfigured
from connectors.http import Http, Pool
from connectors.wire import Broken, TooLarge, Unfit, Wire, request


class Pieces:
    """A socket that receives these pieces, then its end."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [p for p in pieces if p]
        self.timeouts: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def recv(self, most: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(b"".join(self.pieces))


def receive(*pieces: bytes, method: str = "GET", limit: int = 1000) -> tuple[Response, bool]:
    return Wire(Pieces(*pieces), time.monotonic() + 5).receive(method, limit)  # type: ignore[arg-type]


def body(*pieces: bytes, limit: int = 1000) -> bytes:
    return receive(*pieces, limit=limit)[0].body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = [
    (b"HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 4\r\n\r\nbody", 201, b"body"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200\r\nContent-Length: 1\r\n\r\nb", 200, b"b"),
    (CHUNKED + b"3;name=\"v\"\r\nabc\r\n0A ; x\r\n0123456789\r\n000;end\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", 200, b"abc0123456789"),
    (CHUNKED + b"2\r\n\r\n\r\n0\r\n\r\n", 200, b"\r\n"),
    (b"HTTP/1.1 204 None\r\nContent-Length: 7\r\n\r\n", 204, b""),
    (b"HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n", 304, b""),
]  # fmt: skip


# ---- in every piece ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("raw", "status", "content"), ANSWERS)
def test_an_answer_is_the_same_however_it_is_cut(raw: bytes, status: int, content: bytes) -> None:
    whole = receive(raw)
    assert (whole[0].status, whole[0].body, whole[1]) == (status, content, True)
    assert all(receive(raw[:i], raw[i:]) == whole for i in range(len(raw)))
    assert receive(*(raw[i : i + 1] for i in range(len(raw)))) == whole


@pytest.mark.parametrize("raw", [raw for raw, _, _ in ANSWERS])
def test_an_answer_that_ends_early_is_none_wherever_it_ends(raw: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        receive()
    for i in range(1, len(raw)):
        with pytest.raises(Broken):
            receive(raw[:i])


names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in {"content-length", "transfer-encoding", "content-encoding", "connection"}
)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20).map(
    str.strip
)


bodied = st.integers(200, 599).filter(lambda status: status not in {204, 304})


@given(bodied, st.lists(st.tuples(names, values), max_size=8), st.binary(max_size=200), st.data())
def test_a_well_formed_answer_is_read_as_the_standard_library_reads_it(
    status: int, headers: list[tuple[str, str]], content: bytes, data: st.DataObject
) -> None:
    sizes = data.draw(st.lists(st.integers(1, 50), max_size=5))
    framing = chunked(sizes) if sizes else data.draw(st.sampled_from([plain, to_the_end]))
    top = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    announced, sent = framing(content)
    raw = b"HTTP/1.1 %d Word\r\n%b%b\r\n%b" % (status, top, announced, sent)
    oracle = HTTPResponse(Pieces(raw), method="GET")  # type: ignore[arg-type]
    oracle.begin()
    cut = data.draw(st.integers(0, len(raw)))
    ours, _ = receive(raw[:cut], raw[cut:])
    joined: dict[str, str] = {}
    for name, value in oracle.headers.items():
        joined[name.lower()] = f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
    assert ours == Response(oracle.status, joined, oracle.read())


def plain(content: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length: %d\r\n" % len(content), content


def to_the_end(content: bytes) -> tuple[bytes, bytes]:
    return b"", content


def chunked(sizes: list[int]) -> Callable[[bytes], tuple[bytes, bytes]]:
    def frame(content: bytes) -> tuple[bytes, bytes]:
        sent, at = b"", 0
        for size in [*sizes, 1000]:
            piece = content[at : at + size]
            sent += b"%x;a=b\r\n%b\r\n" % (len(piece), piece) if piece else b""
            at += size
        return b"Transfer-Encoding: Chunked\r\n", sent + b"0\r\nX-Trailer: 1\r\n\r\n"

    return frame


# ---- refused ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("headers", [
    b"Content-Length: -1", b"Content-Length: +2", b"Content-Length: 2, 3", b"Content-Length: 2\r\nContent-Length: 3",
    b"Content-Length: ", b"Content-Length: 0x2", b"Content-Length: 2 2", b"Content-Length: \xb2", b"Content-Length: " + b"9" * 5000,
    b"Content-Length: 2,", b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: \x0bchunked",
])  # fmt: skip
def test_an_ambiguous_length_is_refused(headers: bytes) -> None:
    with pytest.raises(Broken):
        receive(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n0\r\n\r\n")


def test_a_length_given_twice_alike_is_one() -> None:
    assert body(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2, 2\r\n\r\nok") == b"ok"


@pytest.mark.parametrize("line", [
    b"X-A: 1\r\n folded: 2", b" X: 1", b"\tX: 1", b"X : 1", b"X\t: 1", b": 1", b"no colon", b"X: 1\nY: 2", b"X: 1\rY: 2", b"X: 1\r",
    b"X\0: 1", b"X\xe9: 1", b"X Y: 1",
])  # fmt: skip
def test_a_malformed_header_is_refused(line: bytes) -> None:
    with pytest.raises(Broken):
        receive(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(Broken):
        receive(CHUNKED + b"0\r\n" + line + b"\r\n\r\n")


@pytest.mark.parametrize("line", [
    b"", b"nonsense", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 OK", b"HTTP/2 200 OK",
    b"HTTP/1.1  200 OK", b"http/1.1 200 OK", b"HTTP/1.1 200 O\nK", b"HTTP/1.1 101 Switching Protocols", b"ICY 200 OK", b"HTTP/1.12 200 OK",
])  # fmt: skip
def test_a_malformed_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(Broken):
        receive(line + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("size", [
    b"", b"-1", b"+1", b"0x1", b"g", b"1 1", b"1_0", b" 1", b"1\n", b"1;a\rb", b"f" * 16, b"1;" + b"x" * 2000,
])  # fmt: skip
def test_a_malformed_size_of_a_chunk_is_refused(size: bytes) -> None:
    with pytest.raises(Broken):
        receive(CHUNKED + size + b"\r\nx\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "chunks", [b"1\r\nxx\r\n0\r\n\r\n", b"2\r\nx\r\n0\r\n\r\n", b"1\nx\n0\n\n", b"1\r\nx\n\n0\r\n\r\n"]
)
def test_a_chunk_of_another_length_is_refused(chunks: bytes) -> None:
    with pytest.raises(Broken):
        receive(CHUNKED + chunks)


def test_chunks_in_an_answer_of_the_old_version_are_refused() -> None:
    with pytest.raises(Broken):
        receive(CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n")


def endless(start: bytes, again: bytes) -> list[bytes]:
    return [start, *[again * 100] * 1000]


@pytest.mark.parametrize(("start", "again"), [
    (b"HTTP/1.1 200 ", b"OK"), (b"HTTP/1.1 200 OK\r\nX: ", b"value"), (b"HTTP/1.1 200 OK\r\n", b"X-Some: value\r\n"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (CHUNKED + b"0\r\nX: ", b"value"), (CHUNKED + b"0\r\n", b"X: y\r\n"),
    (CHUNKED + b"1;", b"x"), (CHUNKED, b"0"),
])  # fmt: skip
def test_a_part_without_end_is_refused_before_it_fills_the_memory(start: bytes, again: bytes) -> None:
    sock = Pieces(*endless(start, again))
    with pytest.raises(Broken):
        Wire(sock, time.monotonic() + 5).receive("GET", 1000)  # type: ignore[arg-type]
    assert sum(map(len, sock.pieces)) > 900 * len(again * 100) - 70_000


def test_more_than_a_hundred_headers_are_refused() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%b\r\n"
    assert len(receive(head % (b"X: y\r\n" * 99))[0].headers["x"].split(", ")) == 99
    with pytest.raises(Broken):
        receive(head % (b"X: y\r\n" * 100))


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", CHUNKED + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n", CHUNKED + b"ffffffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
])  # fmt: skip
def test_too_much_is_refused_as_soon_as_it_is_known(raw: bytes) -> None:
    with pytest.raises(TooLarge):
        receive(raw)


# ---- compressed -------------------------------------------------------------------------------------------------------------
def packed(content: bytes, coding: bytes = b"gzip") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (coding, len(content), content)


def test_a_compressed_body_is_unpacked_whole() -> None:
    one, two = gzip.compress(b"one"), gzip.compress(b"two")
    assert (
        body(packed(one)) == body(packed(one, b"X-GZip")) == body(packed(zlib.compress(b"one"), b"deflate")) == b"one"
    )
    assert body(packed(one + two)) == b"onetwo"
    assert (body(packed(b"")), body(packed(one, b"utf-8"))) == (b"", one)
    assert body(packed(gzip.compress(b"x" * 1000))) == b"x" * 1000


@pytest.mark.parametrize("content", [
    gzip.compress(b"cut")[:-1], gzip.compress(b"cut")[:5], b"not packed", gzip.compress(b"a") + b"rest", gzip.compress(b"") * 17,
], ids=["cut", "begun", "not packed", "more behind it", "too many"])  # fmt: skip
def test_a_body_that_cannot_be_unpacked_whole_is_none(content: bytes) -> None:
    with pytest.raises(Broken):
        receive(packed(content))


def test_a_bomb_is_refused_at_the_limit() -> None:
    with pytest.raises(TooLarge):
        receive(packed(gzip.compress(bytes(1001))))
    with pytest.raises(TooLarge):
        receive(packed(gzip.compress(bytes(501)) * 2))


# ---- once more on the same connection ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("raw", "kept"), [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    (b"HTTP/1.1 204 OK\r\n\r\nmore", False),
])  # fmt: skip
def test_a_connection_is_kept_only_where_both_agree_where_the_next_answer_begins(raw: bytes, kept: bool) -> None:
    answer, again = receive(raw)
    assert (answer.body, again) == (b"", kept)


def test_the_answer_to_head_has_no_body() -> None:
    answer, kept = receive(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n", method="HEAD")
    assert (answer.body, answer.headers, kept) == (b"", {"content-length": "900000000"}, True)


def test_no_wait_is_longer_than_the_time_that_is_left() -> None:
    sock = Pieces(*[b"x"] * 10)
    with pytest.raises(Broken):
        Wire(sock, time.monotonic() + 5).receive("GET", 10)  # type: ignore[arg-type]
    assert all(0 < seconds <= 5 for seconds in sock.timeouts)
    late = Pieces(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(TimeoutError):
        Wire(late, time.monotonic()).receive("GET", 10)  # type: ignore[arg-type]
    assert late.pieces


# ---- the request ------------------------------------------------------------------------------------------------------------
def test_a_length_is_given_where_there_is_or_might_be_a_body() -> None:
    assert request("GET", "h", "/", {}, None) == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert request("POST", "h", "/", {}, None) == b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    assert request("GET", "h", "/", {}, b"x") == b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    assert (
        request("GET", "h", "/", {"hOST": "other", "X": "é"}, None)
        == b"GET / HTTP/1.1\r\nhOST: other\r\nX: \xe9\r\n\r\n"
    )


@pytest.mark.parametrize(("method", "path", "headers"), [
    ("GET /x HTTP/1.1\r\nX:", "/", {}), ("GE T", "/", {}), ("", "/", {}), ("GET\0", "/", {}),
    ("GET", "/ HTTP/1.1\r\nX: y", {}), ("GET", "/a b", {}), ("GET", "", {}), ("GET", "/\0", {}), ("GET", "/é", {}),
    ("GET", "/", {"X\r\nY": "1"}), ("GET", "/", {"X:": "1"}), ("GET", "/", {"": "1"}), ("GET", "/", {"X ": "1"}),
    ("GET", "/", {"X\0": "1"}),
    ("GET", "/", {"X": "1\r\nY: 2"}), ("GET", "/", {"X": "1\n"}), ("GET", "/", {"X": "1\r"}), ("GET", "/", {"X": "\0"}),
    ("GET", "/", {"X": "1\r\n folded"}), ("GET", "/", {"X": "€"}), ("GET", "/", {"content-length": "5"}),
    ("GET", "/", {"Transfer-Encoding": "chunked"}),
])  # fmt: skip
def test_a_request_that_would_smuggle_is_not_written(method: str, path: str, headers: dict[str, str]) -> None:
    with pytest.raises(Unfit):
        request(method, "shop.example", path, headers, None)


def test_a_request_that_cannot_be_written_is_our_set_up_and_the_value_stays_secret() -> None:
    way = Http(Pool(), deadline=1, allow_loopback_http=True)
    with pytest.raises(Misconfigured) as caught:
        way.request("GET", "http://127.0.0.1:1/", headers={"Authorization": "bearer hidden\r\n"})
    assert "'Authorization'" in caught.value.words
    assert "hidden" not in caught.value.words + way.exchanges[0].error


@pytest.mark.parametrize(("url", "host"), [
    ("https://shop.example/", "shop.example"), ("https://shop.example:443/", "shop.example"),
    ("https://Shop.example.:8443/", "shop.example:8443"),
    ("https://[2606:4700::1111]/", "[2606:4700::1111]"), ("https://[2606:4700::1111]:444/", "[2606:4700::1111]:444"),
])  # fmt: skip
def test_the_host_is_named_as_in_the_url(url: str, host: str) -> None:
    assert http._host(guard.target(url, allow_loopback_http=False)) == host
