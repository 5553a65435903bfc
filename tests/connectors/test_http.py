"""The way out, against real sockets: slow, frozen, huge, half-open and vanishing targets, and addresses nobody may call."""

import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import guard, http, masking
from connectors.base import Job, Response
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.http import Http, Pool
from connectors.masking import Mask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def target(*scripts: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose n-th connection follows the n-th script (then the last again); hangs up at the end of a script."""
    server = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def run(conn: socket.socket, script: Callable[[socket.socket], None]) -> None:
        try:
            script(conn)
        except OSError:
            pass  # the client had enough, or the test is over
        finally:
            conn.close()

    def accept() -> None:
        while True:
            try:
                conn, _ = server.accept()
            except OSError:
                return
            script = scripts[min(len(opened), len(scripts) - 1)]
            opened.append(conn)
            threading.Thread(target=run, args=(conn, script), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
        for conn in opened:
            conn.close()


def hear(conn: socket.socket) -> bytes:
    """One request with its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = conn.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def answers(*raw: bytes) -> Callable[[socket.socket], None]:
    """A script: hear a request, send the next answer; hang up after the last."""

    def script(conn: socket.socket) -> None:
        for one in raw:
            hear(conn)
            conn.sendall(one)

    return script


def trickle(conn: socket.socket, raw: bytes, pause: float = 0.05) -> None:
    hear(conn)
    for i in range(len(raw)):
        conn.sendall(raw[i : i + 1])
        time.sleep(pause)


def call(url: str, method: str = "GET", *, pool: Pool | None = None, deadline: float = 2.0, **rest: object) -> Response:
    return Http(pool or Pool(), deadline=deadline, allow_loopback_http=True).request(method, url, **rest)  # type: ignore[arg-type]


def trouble(url: str, method: str = "GET", **rest: object) -> tuple[type[SyncError], bool, bool, float]:
    """The error of a call that must fail, whether it is unknown, whether the target is down, and the seconds it took."""
    started = time.monotonic()
    with pytest.raises(SyncError) as caught:
        call(url, method, **rest)  # type: ignore[arg-type]
    error = caught.value
    took = time.monotonic() - started
    return type(error), getattr(error, "unknown", False), getattr(error, "down", False), took


# ---- what comes back --------------------------------------------------------------------------------------------------------
def test_an_answer_is_whole() -> None:
    with target(answers(b"HTTP/1.1 418 Tea\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\npot")) as url:
        assert call(url + "/x?y=1") == Response(418, {"x-a": "1, 2", "content-length": "3"}, b"pot")


def test_a_chunked_and_compressed_answer_is_decoded() -> None:
    packed = gzip.compress(b"all of it" * 20_000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    with target(answers(raw % (len(packed), packed))) as url:
        assert call(url).body == b"all of it" * 20_000


def test_an_answer_that_ends_with_the_connection_is_read_to_its_end() -> None:
    with target(answers(b"HTTP/1.0 200 OK\r\n\r\nuntil I hang up")) as url:
        assert call(url).body == b"until I hang up"


def test_a_redirect_is_not_followed() -> None:
    with target(
        answers(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
    ) as url:
        assert call(url).status == 302


def test_the_request_arrives_as_given() -> None:
    heard: list[bytes] = []

    def script(conn: socket.socket) -> None:
        heard.append(hear(conn))
        conn.sendall(OK)

    with target(script) as url:
        call(url + "/a?b=c", "POST", headers={"X-One": "1"}, body=b"{}")
    host = url.removeprefix("http://").encode()
    assert heard == [
        b"POST /a?b=c HTTP/1.1\r\nHost: %b\r\nContent-Length: 2\r\nUser-Agent: retailsync\r\n"
        b"Accept-Encoding: gzip\r\nX-One: 1\r\n\r\n{}" % host
    ]


# ---- the deadline and the limit ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "raw", [OK + b"k" * 500, b"HTTP/1.1 200 OK\r\n" + b"X-H: v\r\n" * 60, b"HTTP/1.1 200 " + b"O" * 500]
)
def test_a_trickling_target_is_cut_off_at_the_deadline(raw: bytes) -> None:
    raw = raw.replace(b"Content-Length: 2", b"Content-Length: 502")
    with target(lambda conn: trickle(conn, raw)) as url:
        error, unknown, down, took = trouble(url, deadline=0.5)
    assert (error, unknown, down) == (Retry, True, False)
    assert 0.4 < took < 0.8


def test_a_frozen_target_is_cut_off_at_the_deadline() -> None:
    with target(lambda conn: time.sleep(5)) as url:
        error, unknown, down, took = trouble(url, "POST", body=b"x", deadline=0.4)
    assert (error, unknown, down) == (Retry, True, False)
    assert took < 0.7


def test_a_target_that_does_not_take_the_body_is_cut_off_at_the_deadline() -> None:
    with target(lambda conn: time.sleep(5)) as url:
        error, unknown, _, took = trouble(url, "POST", body=b"x" * 30_000_000, deadline=0.4)
    assert (error, unknown) == (Retry, True)
    assert took < 0.8


def test_a_target_that_never_accepts_the_connection_is_down() -> None:
    with socket.socket() as full:  # a backlog of one, and nobody accepts
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error, unknown, down, took = trouble(f"http://127.0.0.1:{full.getsockname()[1]}", "POST", deadline=0.4)
        for one in waiting:
            one.close()
    assert (error, unknown, down) == (Retry, False, True)
    assert took < 0.7


def test_the_deadline_covers_all_requests_of_a_call() -> None:
    def script(conn: socket.socket) -> None:
        while hear(conn):
            time.sleep(0.15)
            conn.sendall(OK)

    with target(script) as url:
        way = Http(Pool(), deadline=0.4, allow_loopback_http=True)
        way.request("GET", url)
        way.request("GET", url)
        with pytest.raises(Retry) as late:
            way.request("GET", url)
        with pytest.raises(Retry) as over:
            way.request("GET", url)
    assert (late.value.unknown, over.value.unknown, over.value.down) == (True, False, False)
    assert [e.status for e in way.exchanges] == [200, 200, None, None]


@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_answer_is_refused_without_being_read(announced: bool) -> None:
    sent = 0

    def script(conn: socket.socket) -> None:
        nonlocal sent
        hear(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 900000000\r\n\r\n" if announced else b"\r\n"))
        while True:
            sent += conn.send(b"x" * 65536)

    with target(script) as url:
        way = Http(Pool(), deadline=5, allow_loopback_http=True, limit=1_000_000)
        with pytest.raises(Refused) as caught:
            way.request("GET", url)
    assert caught.value.reason == "too_large"
    assert sent < 20_000_000


def test_a_decompression_bomb_is_refused() -> None:
    packed = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with target(answers(head + packed)) as url, pytest.raises(Refused):
        Http(Pool(), deadline=5, allow_loopback_http=True, limit=1_000_000).request("GET", url)


def test_an_answer_of_exactly_the_limit_is_read() -> None:
    with target(answers(OK)) as url:
        assert Http(Pool(), deadline=2, allow_loopback_http=True, limit=2).request("GET", url).body == b"ok"


# ---- never left, or left and unknown ----------------------------------------------------------------------------------------
def test_a_refused_connection_never_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert trouble(f"http://127.0.0.1:{port}", "POST")[:3] == (Retry, False, True)


def test_an_unresolvable_name_never_left() -> None:
    assert trouble("https://nowhere.invalid/", "POST")[:3] == (Retry, False, True)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1], b"nonsense\r\n\r\n"])
def test_a_lost_answer_is_unknown(part: bytes) -> None:
    with target(answers(part)) as url:
        assert trouble(url, "POST", body=b"{}")[:3] == (Retry, True, False)


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    pool = Pool()
    with target(answers(OK)) as url:
        call(url, "POST", pool=pool)
        time.sleep(0.05)  # its goodbye has arrived
        assert call(url, "POST", pool=pool).body == b"ok"


def test_a_write_that_fails_before_its_first_byte_never_left_and_is_sent_anew() -> None:
    pool = Pool()
    with target(hold_open, answers(OK)) as url:
        call(url, "POST", pool=pool)
        (kept,) = pool._idle.values()
        kept[0].sock.shutdown(socket.SHUT_WR)  # silent until the next write, which gets EPIPE
        assert call(url, "POST", pool=pool).body == b"ok"


def hold_open(conn: socket.socket) -> None:
    answers(OK)(conn)
    time.sleep(5)


def closing_at_the_second(conn: socket.socket) -> None:
    answers(OK)(conn)
    hear(conn)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_dies_under_a_request_is_tried_again_only_where_asking_twice_is_harmless(
    method: str,
) -> None:
    pool = Pool()
    with target(closing_at_the_second, answers(OK)) as url:
        call(url, method, pool=pool)
        if method == "GET":
            assert call(url, method, pool=pool).body == b"ok"
        else:
            assert trouble(url, method, pool=pool)[:3] == (Retry, True, False)


def test_connections_are_kept() -> None:
    pool, used = Pool(), []

    def script(conn: socket.socket) -> None:
        used.append(conn)
        while hear(conn):
            conn.sendall(OK)

    with target(script) as url:
        call(url, pool=pool)
        call(url, "POST", pool=pool)
    assert len(used) == 1


def test_many_threads_share_a_pool() -> None:
    pool = Pool()

    def echo(conn: socket.socket) -> None:
        while got := hear(conn):
            body = got.partition(b"\r\n\r\n")[2]
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def work(name: bytes) -> None:
        got.extend(call(url, "POST", pool=pool, body=b"%b-%d" % (name, i)).body for i in range(50))

    got: list[bytes] = []
    with target(echo) as url:
        threads = [threading.Thread(target=work, args=(b"t%d" % n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(got) == sorted(b"t%d-%d" % (n, i) for n in range(8) for i in range(50))


# ---- which addresses --------------------------------------------------------------------------------------------------------
FORBIDDEN = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.9.9.9", "0.0.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.192",
    "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1",
    "2002:a00:1::1", "2002:7f00:1::1", "2001:db8::1", "100::1", "::7f00:1",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_internal_address_is_not_public(address: str) -> None:
    assert not guard.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_public(address: str) -> None:
    assert guard.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254", "localhost", "0x7f.1", "2130706433"]
)
def test_an_internal_host_is_refused(host: str) -> None:
    with pytest.raises(Misconfigured):
        Http(Pool(), deadline=1).request("GET", f"https://{host}:1/")


@pytest.mark.parametrize("url", [
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///x", "https://u:p@example.com/", "//example.com",
    "https://example.com:port/", "https://exam ple.com/", "https://example.com/\n", "https://bücher.example/", "",
])  # fmt: skip
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        Http(Pool(), deadline=1).request("GET", url)


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "93.184.216.34"])
def test_the_loopback_permission_opens_nothing_else(host: str) -> None:
    with pytest.raises(Misconfigured):
        call(f"http://{host}/")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("93.184.216.34", True), ("10.0.0.1", False), ("169.254.169.254", False), ("127.0.0.1", False)],
)
def test_the_permission_for_plain_http_opens_public_addresses_only(address: str, allowed: bool) -> None:
    goal = guard.target(f"http://{address}/", allow_loopback_http=False, allow_http=True)
    place = guard.Place(socket.AF_INET, (goal.host, goal.port))
    assert guard.is_allowed(place, goal.scheme, allow_loopback_http=False, allow_http=True) is allowed


@pytest.mark.parametrize("permits", [{}, {"allow_http": True}])
def test_a_connection_is_not_lent_to_a_call_with_fewer_permits(permits: dict[str, bool]) -> None:
    with target(answers(OK)) as url:
        pool = Pool()
        Http(pool, deadline=2, allow_loopback_http=True, allow_http=True).request("GET", url)
        with pytest.raises(Misconfigured):
            Http(pool, deadline=2, **permits).request("GET", url)  # type: ignore[arg-type]


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers differently the second time (DNS rebinding) gains nothing: it is not asked twice."""
    asked = []

    def resolver(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in ("10.0.0.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with target(answers(OK)) as url:
        assert call(url.replace("127.0.0.1", "shop.example")).body == b"ok"
    assert asked == ["shop.example"]


def test_a_resolver_that_hangs_is_cut_off_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    error, unknown, down, took = trouble("https://shop.example/", deadline=0.3)
    assert (error, unknown, down) == (Retry, False, True)
    assert took < 0.6


def test_a_certificate_of_nobodys_authority_is_refused(tls: tuple[str, str]) -> None:
    with tls_target(tls) as url:
        assert trouble(url, "POST")[:3] == (Misconfigured, False, False)


def test_a_certificate_is_checked_against_the_name_though_the_address_is_pinned(tls: tuple[str, str]) -> None:
    pool = Pool(tls=ssl.create_default_context(cafile=tls[0]))
    with tls_target(tls) as url:
        assert call(url, pool=pool).body == b"ok"
        assert trouble(url.replace("localhost", "127.0.0.1"), pool=pool)[0] is Misconfigured


def test_a_kept_connection_lends_nobody_its_permission(tls: tuple[str, str]) -> None:
    pool = Pool(tls=ssl.create_default_context(cafile=tls[0]))
    with tls_target(tls) as url:
        call(url, pool=pool)
        with pytest.raises(Misconfigured):
            Http(pool, deadline=1).request("GET", url)


def test_a_tls_handshake_that_never_ends_is_cut_off_at_the_deadline() -> None:
    with target(lambda conn: time.sleep(5)) as url:
        error, unknown, down, took = trouble(url.replace("http:", "https:"), "POST", deadline=0.4)
    assert (error, unknown, down) == (Retry, False, True)
    assert took < 0.7


@contextmanager
def tls_target(files: tuple[str, str]) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    def script(conn: socket.socket) -> None:
        with context.wrap_socket(conn, server_side=True) as wrapped:
            answers(OK, OK)(wrapped)

    with target(script) as url:
        yield url.replace("http://127.0.0.1", "https://localhost")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate for `localhost` and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


# ---- the record -------------------------------------------------------------------------------------------------------------
SECRETS = ("cs_literal_secret", "whsec_c2VjcmV0")
PARTS = [
    '"', '"', '"', ":", ":", " ", ",", "{", "}", "\\", "a", "-", "İ", "é", "=", "12", "token", "Order_Key", "secret", "PASSWORD", "api-key",
    '"access_token":"', '"x":', '"note":"the token","',
]  # fmt: skip


def recorded(raw: bytes, path: str, headers: dict[str, str], body: bytes) -> http.Exchange:
    with target(answers(raw)) as url:
        way = Http(Pool(), deadline=2, jobs=(Job(7, "k", None),), secrets=SECRETS, allow_loopback_http=True)
        way.request("POST", url + path, headers=headers, body=body)
    return way.exchanges[0]


def test_an_exchange_is_recorded_with_its_jobs() -> None:
    seen = recorded(OK, "/x", {"Content-Type": "application/json"}, b'{"a":1}')
    assert (seen.method, seen.status, seen.error, seen.jobs) == ("POST", 200, "", (7,))
    assert (seen.request, seen.response) == ('Content-Type: application/json\n\n{"a":1}', "content-length: 2\n\nok")
    assert 0 < seen.duration < 1


def test_no_secret_reaches_the_record() -> None:
    seen = recorded(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=hidden1\r\nContent-Length: 50\r\n\r\n"
        + b'{"access_token": "hidden2", "b": "cs_literal_secret"}'[:50],
        "/x?consumer_key=hidden3&consumer_secret=hidden4&page=2&token=hidden5",
        {"Authorization": "Basic hidden6hidden6", "Webhook-Signature": "v1,hidden7", "X-Api-Key": "hidden8"},
        b'{"password":"hid\\"den9","login":"me","nested":{"api_key":12345678},"note":"whsec_c2VjcmV0","t":"Bearer hiddenA"}',
    )
    text = " ".join((seen.url, seen.request, seen.response))
    assert not [w for w in ("hid", "12345678", *SECRETS) if w in text]
    assert "page=2" in seen.url
    assert '"login":"me"' in seen.request


def test_excerpts_are_bounded_and_a_secret_on_the_edge_stays_hidden() -> None:
    seen = recorded(OK, "/", {}, b"x" * 4090 + SECRETS[0].encode() + "é".encode() * 5000)
    assert len(seen.request.encode()) <= 4096
    assert "cs_l" not in seen.request


def test_a_secret_cut_in_two_stays_hidden_though_masking_moved_it_into_the_excerpt() -> None:
    """What the nets take out before it makes room for what was read beyond the excerpt, to its last character."""
    secret = "s3cr3t" * 20
    seen = Mask([secret]).message({}, b"x" * 2000 + f"{secret} ".encode() * 50)
    assert seen.startswith("\n" + "x" * 1000)
    assert "s3" not in seen


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_the_quick_net_for_json_catches_what_its_pattern_would_anywhere(text: str) -> None:
    low = text.replace("İ", "I").lower()
    assert masking._json(text, masking._places(low)) == masking._JSON.sub(rf'\1"{masking.MASK}"', text)


def test_every_telling_word_has_a_root() -> None:
    assert [w for w in masking.WORDS if not any(root in w for root in masking.ROOTS)] == []


def test_a_nul_does_not_reach_the_record() -> None:
    seen = recorded(b"HTTP/1.1 200 OK\r\nServer: a\0b\r\nContent-Length: 3\r\n\r\nx\0y", "/", {}, b"\0")
    assert "\0" not in seen.request + seen.response
    assert seen.response.endswith("x\ufffdy")


def test_a_failure_is_recorded_in_words() -> None:
    way = Http(Pool(), deadline=1, allow_loopback_http=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Retry):
        way.request("GET", f"http://127.0.0.1:{port}/")
    assert (way.exchanges[0].status, way.exchanges[0].error.partition(".")[0]) == (None, "127")
    assert "nothing answers there" in way.exchanges[0].error


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120.0), (" 3 ", 3.0), ("Mon, 01 Jan 2024 00:01:00 GMT", 60.0), ("Mon, 01 Jan 2020 00:00:00 GMT", 0.0),
        ("soon", None), ("", None), ("9" * 40, None), ("-5", None),
    ],
)  # fmt: skip
def test_retry_after(given: str, seconds: float | None) -> None:
    assert http.retry_after(Response(429, {"retry-after": given}, b""), datetime(2024, 1, 1, tzinfo=UTC)) == seconds
