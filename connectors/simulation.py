"""What every simulated system shares: a small web server, a lasting store, a fault script. Knows no system.

A simulator is the system itself, as far as the product uses it, with its own store: tests, the demo and certification compare
what it holds with what should have been sent. Use it in-process (`with Shop() as shop: shop.url`) or as a process
(`python -m connectors.<name>.simulator --port N --store DIR --seed S`). Everything under `/_sim/` is control, never faulted.
"""

import argparse
import random
import re
import signal
import socket
import socketserver
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote

import msgspec

LONGEST_LINE = 65_536


# ---- requests and answers ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Request:
    """One request as it arrived: header names lower-case, path decoded, body complete."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes = b""

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; Stop(400) when it is none. An empty body is an empty object."""
        try:
            return msgspec.json.decode(self.body or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Stop(400, {"error": str(error)}) from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. A body that is not bytes is sent as JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def head_and_body(self, *, with_body: bool = True) -> tuple[bytes, bytes]:
        """The two halves as they go over the wire."""
        raw = (
            self.body if isinstance(self.body, bytes) else b"" if self.body is None else msgspec.json.encode(self.body)
        )
        named = {name.lower() for name in self.headers}
        lines = [
            f"HTTP/1.1 {self.status} {_reason(self.status)}",
            *(f"{n}: {v}" for n, v in self.headers.items()),
        ]
        if "content-type" not in named:
            lines.append("Content-Type: application/json; charset=UTF-8")
        lines.append(f"Content-Length: {len(raw)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), raw if with_body else b""


class Stop(Exception):
    """Raised by a handler to answer at once."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.answer = Answer(status, body, headers or {})


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


def read_request(stream: BufferedIOBase) -> Request | None:
    """One request from a connection; None when the other side closed it or spoke something else."""
    first = stream.readline(LONGEST_LINE).decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := stream.readline(LONGEST_LINE)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    path, _, query = first[1].partition("?")
    return Request(first[0].upper(), unquote(path), query, headers, b"".join(_body(stream, headers)))


def _body(stream: BufferedIOBase, headers: Mapping[str, str]) -> Iterator[bytes]:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        yield stream.read(int(headers.get("content-length") or 0))
        return
    while size := int(stream.readline(LONGEST_LINE).split(b";")[0] or b"0", 16):
        yield stream.read(size)
        stream.readline(LONGEST_LINE)
    stream.readline(LONGEST_LINE)


# ---- routing ----------------------------------------------------------------------------------------------------------------
Handler = Callable[..., Any]


class Router:
    """Method and path pattern → handler. `/orders/<id>` gives the handler `id` as a string; the first pattern added wins."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer `method pattern` with handler(request, **parts) -> Answer, or anything JSON (sent with 200)."""
        regex = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", pattern)
        self._routes.append((method, re.compile(regex + "/?$"), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """The handler and its parts; Stop(404) when nothing is there."""
        for wanted, regex, handler in self._routes:
            if wanted == method and (match := regex.match(path)):
                return handler, match.groupdict()
        raise Stop(404, {"error": f"no route {method} {path}"})


# ---- faults -----------------------------------------------------------------------------------------------------------------
class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One rule of a fault script: on which requests, how often, and what happens.

    `do`: `answer` = status, body and headers instead of handling · `delay` = wait `seconds`, then handle · `slow` = handle,
    answer with `rate` bytes a second · `drop` = close before handling · `lose_response` = handle and commit, then close
    without an answer · `freeze` = hold the connection `seconds` (for ever by default) and never answer.
    """

    do: Literal["answer", "delay", "slow", "drop", "lose_response", "freeze"]
    method: str = ".*"
    path: str = ".*"  # searched in path?query
    skip: int = 0  # let so many matching requests pass first
    count: int | None = None  # then hit so many; None = all
    probability: float = 1.0
    status: int = 500
    body: Any = None
    headers: dict[str, str] = {}
    retry_after: int | None = None
    seconds: float = 0.0
    rate: float = 1.0
    hits: int = 0

    def matches(self, method: str, target: str) -> bool:
        """Whether this rule is about such a request at all."""
        return bool(re.fullmatch(self.method, method, re.IGNORECASE) and re.search(self.path, target))

    def answer(self) -> Answer:
        """What an `answer` rule says; a text body is sent as it is."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        extra = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Answer(self.status, body, {**self.headers, **extra})


class FaultScript:
    """The rules in force, asked once per request. The first rule that matches and is not used up decides."""

    def __init__(self, seed: int = 0) -> None:
        self.rules: list[Fault] = []
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def add(self, *rules: Fault) -> None:
        """Append rules."""
        with self._lock:
            self.rules.extend(rules)

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        with self._lock:
            self.rules.clear()

    def pick(self, method: str, target: str) -> Fault | None:
        """The fault this request meets, counted as a hit."""
        if not self.rules:
            return None
        with self._lock:
            for rule in self.rules:
                if not rule.matches(method, target) or (rule.count is not None and rule.hits >= rule.count):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                elif self._random.random() < rule.probability:
                    rule.hits += 1
                    return rule
        return None


# ---- store ------------------------------------------------------------------------------------------------------------------
class Store:
    """Named tables of JSON records, kept in memory and in an append-only journal. Without a folder, in memory only.

    `commit` hands the journal to the operating system: a killed process finds everything it had answered for.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.tables: dict[str, dict[Any, Any]] = {}
        self._folder = folder
        self._journal: Any = None
        self.open()

    def open(self) -> None:
        """Load what the folder holds, unless it is open already; also after `close`."""
        if self._folder and not self._journal:
            self._journal = _opened(self._folder, self.tables)

    def table(self, name: str) -> dict[Any, Any]:
        """The records of a table by key. Read freely; write through `put` and `delete` only."""
        return self.tables.setdefault(name, {})

    def put(self, table: str, key: int | str, record: Any) -> None:
        """Insert or replace one record (also after changing it in place)."""
        self.table(table)[key] = record
        if self._journal:
            self._journal.write(msgspec.json.encode([table, key, record]) + b"\n")

    def delete(self, table: str, key: int | str) -> None:
        """Remove one record, if it is there."""
        self.table(table).pop(key, None)
        if self._journal:
            self._journal.write(msgspec.json.encode([table, key]) + b"\n")

    def next(self, name: str, first: int = 1) -> int:
        """The next id of a sequence, starting at `first`; never given twice, also after a restart."""
        value = int(self.table("_next").get(name, first))
        self.put("_next", name, value + 1)
        return value

    def commit(self) -> None:
        """Make everything put so far survive the end of this process."""
        if self._journal:
            self._journal.flush()

    def close(self) -> None:
        """Commit and let go of the journal; the records stay readable."""
        if self._journal:
            self._journal.close()
            self._journal = None


def _opened(folder: Path, tables: dict[str, dict[Any, Any]]) -> Any:
    """Load a folder's journal into `tables`, rewrite it without what is out of date, and open it for appending."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "journal.jsonl"
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            table, key, *record = msgspec.json.decode(line)
        except msgspec.DecodeError:
            break  # the last line of a process killed while writing; it was never answered for
        if record:
            tables.setdefault(table, {})[key] = record[0]
        else:
            tables.get(table, {}).pop(key, None)
    fresh = folder / "journal.new"
    rows = ([name, key, record] for name, table in tables.items() for key, record in table.items())
    fresh.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    fresh.replace(path)
    return path.open("ab")


# ---- server -----------------------------------------------------------------------------------------------------------------
class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], simulator: "Simulator") -> None:
        self.simulator = simulator
        self.open: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def hang_up(self) -> None:
        """Cut every open connection."""
        for connection in list(self.open):
            with suppress(OSError):  # closed by the other side meanwhile
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        """Answer request after request until one side has enough."""
        self.server.open.add(self.connection)
        try:
            while (request := read_request(self.rfile)) and self.server.simulator.exchange(request, self.connection):
                pass
        except OSError:
            pass  # the other side went away
        finally:
            self.server.open.discard(self.connection)


class Simulator:
    """A simulated system: routes, store, fault script, clock. Subclasses add routes in `__init__` and describe `state()`.

    Handlers run one at a time under `lock`, and the store is committed before the answer leaves. `seen` keeps the last
    requests (controls excepted), `skew` moves its clock.
    """

    name = "system"

    def __init__(
        self, *, port: int = 0, host: str = "127.0.0.1", store: Path | str | None = None, seed: int = 0
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.faults = FaultScript(seed)
        self.store = Store(Path(store) if store else None)
        self.routes = Router()
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.skew = timedelta()
        self.seen: deque[Request] = deque(maxlen=5_000)
        self.answered: Counter[int] = Counter()
        self._address = (host, port)
        self._server: _Server | None = None
        self.routes.add("GET", "/_sim/state", lambda request: self.state())
        self.routes.add("GET", "/_sim/faults", lambda request: self.faults.rules)
        self.routes.add("POST", "/_sim/faults", self._add_faults)
        self.routes.add("DELETE", "/_sim/faults", self._clear_faults)
        self.routes.add("POST", "/_sim/clock", self._set_clock)

    # -- what subclasses say
    def state(self) -> Any:
        """What this system holds, as JSON, for an oracle."""
        return {"tables": {name: len(rows) for name, rows in self.store.tables.items()}}

    def missing(self, request: Request) -> Answer | None:
        """How this system answers a path it does not know; None for a plain 404."""
        return None

    def now(self) -> datetime:
        """This system's clock, UTC."""
        return datetime.now(UTC) + self.skew

    # -- life
    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{self._address[0]}:{self._address[1]}"

    @property
    def port(self) -> int:
        """The port it listens on, known after `start`."""
        return self._address[1]

    def start(self) -> Self:
        """Listen, in a thread of its own; after `stop`, on the same port with the same data."""
        self.stopping.clear()
        self.store.open()
        self._server = _Server(self._address, self)
        self._address = (self._address[0], self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name=f"{self.name}-sim").start()
        return self

    def stop(self) -> None:
        """Stop listening, cut connections, keep the store."""
        self.stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._server = None
        with self.lock:
            self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- one exchange
    def exchange(self, request: Request, connection: socket.socket) -> bool:
        """Handle one request with the fault it meets; False when the connection is to be closed."""
        control = request.path.startswith("/_sim/")
        fault = None if control else self.faults.pick(request.method, f"{request.path}?{request.query_string}")
        if not control:
            self.seen.append(request)
        if fault and not self._before(fault):
            return False
        answer = fault.answer() if fault and fault.do == "answer" else self.handle(request)
        self.answered[answer.status] += not control
        head, body = answer.head_and_body(with_body=request.method != "HEAD")
        if fault and fault.do == "lose_response":
            return False
        if fault and fault.do == "slow":
            return self._trickle(connection, head + body, fault.rate)
        connection.sendall(head + body)
        return request.headers.get("connection", "").lower() != "close"

    def _before(self, fault: Fault) -> bool:
        """What a fault does before handling; False when the request gets no further."""
        if fault.do == "delay":
            return not self.stopping.wait(fault.seconds)
        if fault.do == "freeze":
            self.stopping.wait(fault.seconds or None)
        return fault.do not in ("drop", "freeze")

    def _trickle(self, connection: socket.socket, raw: bytes, rate: float) -> bool:
        for i in range(len(raw)):
            connection.sendall(raw[i : i + 1])
            if self.stopping.wait(1 / rate):
                return False
        return True

    def handle(self, request: Request) -> Answer:
        """Route one request and commit what it did."""
        with self.lock:
            try:
                handler, parts = self.routes.find(request.method, request.path)
                said = handler(request, **parts)
            except Stop as stop:
                said = stop.answer
                if said.status == 404 and isinstance(said.body, dict) and set(said.body) == {"error"}:
                    said = self.missing(request) or said
            finally:
                self.store.commit()
        return said if isinstance(said, Answer) else Answer(200, said)

    # -- controls
    def _add_faults(self, request: Request) -> Any:
        said = request.json()
        try:
            rules = msgspec.convert(said if isinstance(said, list) else [said], list[Fault])
        except msgspec.ValidationError as error:
            raise Stop(400, {"wrong": str(error)}) from error
        self.faults.add(*rules)
        return self.faults.rules

    def _clear_faults(self, request: Request) -> Any:
        self.faults.clear()
        return []

    def _set_clock(self, request: Request) -> Any:
        self.skew = timedelta(seconds=float(request.json().get("skew", 0)))
        return {"now": self.now()}


# ---- as a process -----------------------------------------------------------------------------------------------------------
def arguments(description: str) -> argparse.ArgumentParser:
    """The options every simulator has; add your own, then pass what they say to the simulator and it to `serve`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one; the line printed at the start names it")
    parser.add_argument("--store", type=Path, default=None, help="folder that keeps its data; without it, memory only")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same content and same faults")
    return parser


def serve(simulator: Simulator) -> None:
    """Run until SIGTERM or SIGINT. Prints one line when it listens."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    simulator.start()
    print(f"{simulator.name} simulator listening on {simulator.url}", flush=True)
    while not ended.wait(3600):
        pass
    simulator.stop()


def wait_until(true: Callable[[], Any], seconds: float = 5.0, step: float = 0.01) -> Any:
    """Poll until something is true and return it; TimeoutError after `seconds`. For tests and controls."""
    ends = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > ends:
            raise TimeoutError(f"not true within {seconds:g} s")
        time.sleep(step)
    return value


__all__: Sequence[str] = (
    "Answer", "Fault", "FaultScript", "Request", "Router", "Simulator", "Stop", "Store", "arguments", "serve", "wait_until",
)  # fmt: skip
