import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulation import Answer, Fault, FaultScript, Request, Simulator, Store


class Counter(Simulator):
    """Counts what it is told to count."""

    name = "counter"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.routes.add("POST", "/count/<what>", self.count)

    def count(self, request: Request, what: str) -> Answer:
        self.store.put("counts", what, self.store.table("counts").get(what, 0) + 1)
        return Answer(201, {"id": self.store.next("id"), "said": request.json()})


@pytest.fixture
def counter() -> Iterator[Counter]:
    with Counter() as counter:
        yield counter


def call(simulator: Simulator, method: str, path: str, said: Any = None, timeout: float = 5.0) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=timeout)
    try:
        connection.request(method, path, None if said is None else json.dumps(said))
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body else None
    finally:
        connection.close()


def test_answers_what_its_routes_say(counter: Counter) -> None:
    assert call(counter, "POST", "/count/sheep", {"n": 1}) == (201, {"id": 1, "said": {"n": 1}})
    assert call(counter, "GET", "/nowhere") == (404, {"error": "no route GET /nowhere"})
    assert call(counter, "POST", "/count/sheep", 5)[0] == 201


def test_many_requests_share_a_connection(counter: Counter) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", counter.port)
    begun = time.perf_counter()
    for _ in range(500):
        connection.request("POST", "/count/sheep", b"{}")
        connection.getresponse().read()
    assert counter.store.table("counts") == {"sheep": 500}
    assert time.perf_counter() - begun < 2


def test_chunked_bodies_are_read_whole(counter: Counter) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", counter.port)
    connection.request(
        "POST", "/count/x", iter([b'{"a":', b"[1]}"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    assert json.loads(connection.getresponse().read()) == {"id": 1, "said": {"a": [1]}}


def test_a_restarted_simulator_finds_its_data(tmp_path: Path) -> None:
    with Counter(store=tmp_path) as first:
        call(first, "POST", "/count/sheep")
        call(first, "POST", "/count/goat")
    with Counter(store=tmp_path) as second:
        assert call(second, "POST", "/count/sheep") == (201, {"id": 3, "said": {}})
        assert second.store.table("counts") == {"sheep": 2, "goat": 1}


def test_stopped_and_started_again_it_is_the_same_system(tmp_path: Path) -> None:
    counter = Counter(store=tmp_path).start()
    call(counter, "POST", "/count/sheep")
    url = counter.url
    counter.stop()
    with pytest.raises(ConnectionRefusedError):
        call(counter, "POST", "/count/sheep")
    with counter:
        assert counter.url == url
        call(counter, "POST", "/count/sheep")
    assert Store(tmp_path).table("counts") == {"sheep": 2}


def test_a_half_written_last_line_is_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("t", 1, "kept")
    store.put("t", 2, "deleted")
    store.delete("t", 2)
    store.close()
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(b'["t",3,"ha')
    assert Store(tmp_path).tables == {"t": {1: "kept"}}


@pytest.mark.parametrize("do", ["drop", "lose_response"])
def test_a_lost_exchange_is_told_apart_by_what_was_kept(counter: Counter, do: Any) -> None:
    counter.faults.add(Fault(do=do, count=1))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        call(counter, "POST", "/count/sheep")
    assert counter.store.table("counts") == ({} if do == "drop" else {"sheep": 1})
    assert call(counter, "POST", "/count/sheep")[0] == 201


def test_faults_over_http_throttle_and_end(counter: Counter) -> None:
    rule = {"do": "answer", "status": 429, "retry_after": 7, "path": "^/count", "skip": 1, "count": 1}
    assert call(counter, "POST", "/_sim/faults", [rule])[0] == 200
    assert [call(counter, "POST", "/count/x")[0] for _ in range(3)] == [201, 429, 201]
    assert call(counter, "POST", "/_sim/faults", {"do": "explode"})[0] == 400
    assert call(counter, "DELETE", "/_sim/faults") == (200, [])


def test_slow_and_frozen_answers_outlast_a_patient_caller(counter: Counter) -> None:
    counter.faults.add(Fault(do="freeze", count=1), Fault(do="slow", rate=1, count=1), Fault(do="delay", seconds=0.05))
    for _ in range(2):
        with pytest.raises(TimeoutError):
            call(counter, "POST", "/count/x", timeout=0.2)
    begun = time.perf_counter()
    assert call(counter, "POST", "/count/x")[0] == 201
    assert time.perf_counter() - begun >= 0.05


def test_the_same_seed_gives_the_same_faults() -> None:
    def picked(seed: int) -> list[bool]:
        script = FaultScript(seed)
        script.add(Fault(do="drop", probability=0.3))
        return [script.pick("GET", "/") is not None for _ in range(200)]

    assert picked(1) == picked(1) != picked(2)
    assert 30 < sum(picked(1)) < 90


def test_its_clock_can_be_moved(counter: Counter) -> None:
    before = counter.now()
    call(counter, "POST", "/_sim/clock", {"skew": 600})
    assert 599 < (counter.now() - before).total_seconds() < 610


def test_as_a_process_it_says_where_it_listens_and_stops_on_sigterm(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "connectors.woocommerce.simulator", "--store", str(tmp_path), "--orders", "2"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("woocommerce simulator listening on http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (tmp_path / "journal.jsonl").stat().st_size > 1_000
