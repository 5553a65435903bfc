"""The stub target tells lost from doubled."""

import urllib3

from benchmarks.house import Program


def test_it_counts_keys_and_requests() -> None:
    target = Program("benchmarks.targets")
    try:
        url = f"http://127.0.0.1:{target.hear()}/"
        for key in ("a", "b", "a"):
            urllib3.request("POST", url, body=b"{}", headers={"Idempotency-Key": key})
        assert urllib3.request("GET", url).json() == {"keys": 2, "requests": 3}
        urllib3.request("DELETE", url)
        assert urllib3.request("GET", url).json() == {"keys": 0, "requests": 0}
    finally:
        target.close()
