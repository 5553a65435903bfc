"""The stub target tells lost from doubled."""

import time
from collections.abc import Iterator

import pytest
import urllib3

from benchmarks.house import Program


@pytest.fixture
def url() -> Iterator[str]:
    target = Program("benchmarks.targets")
    try:
        yield f"http://127.0.0.1:{target.hear()}/"
    finally:
        target.close()


def test_it_counts_keys_and_requests(url: str) -> None:
    for key in ("a", "b", "a"):
        urllib3.request("POST", url, body=b"{}", headers={"Idempotency-Key": key})
    assert urllib3.request("GET", url).json() == {"keys": 2, "requests": 3}
    urllib3.request("DELETE", url)
    assert urllib3.request("GET", url).json() == {"keys": 0, "requests": 0}


def test_it_logs_what_was_posted_where_and_when(url: str) -> None:
    before = time.time()
    for path in ("CreateOrder/WEB-1", "", "CreateOrder/WEB-1"):
        urllib3.request("POST", f"{url}{path}", body=b"{}", headers={"Idempotency-Key": "a"})
    lines = [line.split() for line in urllib3.request("GET", f"{url}log").data.decode().splitlines()]
    assert [path for path, _ in lines] == ["CreateOrder/WEB-1", "CreateOrder/WEB-1"]
    assert before - 0.001 < float(lines[0][1]) <= float(lines[1][1]) < time.time() + 0.001
