"""The programs of `up`: where they listen, and that they stop together."""

import socket
import sys

import pytest

from retailsync.platform import processes
from retailsync.platform.processes import Program
from retailsync.platform.trouble import Trouble


def test_a_busy_address_names_the_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Trouble, match=f"^Cannot listen on {text}, .* RETAILSYNC_BIND"):
            processes.bind_address({"RETAILSYNC_BIND": text})


@pytest.mark.parametrize("text", ["8000", "localhost:", "localhost:http", ":8000", "localhost:99999"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Trouble, match=r"^RETAILSYNC_BIND must be host:port"):
        processes.bind_address({"RETAILSYNC_BIND": text})


def test_every_queue_has_a_worker() -> None:
    commands = [program.command for program in processes.product("127.0.0.1", 8000, "static")]
    queues = [command[command.index("--queues") + 1] for command in commands if "--queues" in command]
    assert sorted(",".join(queues).split(",")) == ["inbox", "polls", "replay", "send", "stock", "sweep", "webhooks"]


def test_when_one_ends_all_end(capfd: pytest.CaptureFixture[str]) -> None:
    short = Program("short", [sys.executable, "-c", "raise SystemExit(3)"])
    long = Program("long", ["sleep", "60"])
    assert processes.run_all([short, long]) == 3
    assert "long stopped" in capfd.readouterr().out
