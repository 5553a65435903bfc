"""The guide's client: what may pass is tried again with the same key, and nothing else is; a live request is worked off."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from canonical.models import FulfilmentRequest
from connectors import signing
from retailsync.sync.models import Message

from .conftest import Partner
from .wrong_client import client

Ask = Callable[..., FulfilmentRequest]


class Script:
    """A server that answers one after the other: (status, code), or None: it hangs up. `heard` has the keys it was called with."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str] | None] = []
        self.heard: list[str] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                script.heard.append(self.headers["Idempotency-Key"])
                answer = script.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, code = answer
                body = b'{"code": "%b", "detail": "so it is"}' % code.encode()
                self.send_response(status)
                self.send_header("Retry-After", "0.01")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def said(script: Script) -> Any:
    api = client.Api(f"http://127.0.0.1:{script.server.server_port}", "rsk", patience=10.0)
    return api.post("fulfilment-requests/F1-1/ship", {"shipment": "S1"}, key="F1-1:ship")


def test_what_may_pass_is_tried_again_with_the_same_key(script: Script) -> None:
    script.answers = [(429, "rate_limited"), (503, "unavailable"), (409, "in_progress"), None, (502, ""), (202, "")]
    assert said(script)["detail"] == "so it is"
    assert script.heard == ["F1-1:ship"] * 6


@pytest.mark.parametrize(
    "answer", [(409, "wrong_state"), (400, "invalid"), (422, "key_reused"), (401, "invalid_key"), (404, "not_found")]
)
def test_what_is_refused_is_not_repeated(script: Script, answer: tuple[int, str]) -> None:
    script.answers = [answer, (202, "")]
    with pytest.raises(client.Refused) as refused:
        said(script)
    assert (refused.value.code, len(script.heard)) == (answer[1], 1)


@pytest.mark.django_db(transaction=True)
def test_a_live_request_is_worked_off_once(live_server: Any, partner: Partner, ask: Ask) -> None:
    ask(partner)
    arguments = ["--url", f"{live_server.url}/api/v1", "--key", partner.text, "--once"]
    assert client.main(arguments) == 0
    assert Message.objects.count() == 0  # the feed does not tell of what nobody recorded here
    warehouse = client.Warehouse(client.Api(f"{live_server.url}/api/v1", partner.text))
    for _ in range(2):  # as after a crash: all is said again, and nothing happens twice
        warehouse.work(partner.get("").json()["items"][0])
    topics = list(Message.objects.order_by("id").values_list("topic", flat=True))
    assert topics == [
        "request.accepted",
        "execution.picking",
        "execution.picked",
        "execution.packed",
        "shipment.shipped",
    ]


def test_a_webhook_is_known_by_its_signature() -> None:
    secret, body, now = signing.new_secret(), b'{"type": "ping"}', datetime.now(UTC)
    headers = {name.lower(): value for name, value in signing.webhook_headers("id-1", body, [secret], now).items()}
    assert client.is_ours(secret, headers, body, now.timestamp())
    assert not client.is_ours(secret, headers, body + b" ", now.timestamp())
    assert not client.is_ours(signing.new_secret(), headers, body, now.timestamp())
    assert not client.is_ours(secret, headers, body, now.timestamp() + 600)
