"""Which port an embedded server gets."""

import socket
from collections.abc import Iterator

import pytest

from retailsync.platform import ports
from retailsync.platform.trouble import Trouble


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_busy_port_is_passed_over(busy: int) -> None:
    assert ports.first_free(busy) > busy


def test_the_remembered_port_is_kept_while_it_is_free() -> None:
    free = ports.first_free(21000)
    assert ports.choose({}, "A_PORT", free, 22000) == free


def test_a_remembered_port_that_got_busy_is_given_up(busy: int) -> None:
    assert ports.choose({}, "A_PORT", busy, 22000) != busy


def test_a_busy_port_the_user_asked_for_is_refused(busy: int) -> None:
    with pytest.raises(Trouble, match=rf"^Port {busy} \(A_PORT\) is in use"):
        ports.choose({"A_PORT": str(busy)}, "A_PORT", None, 22000)


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "٣"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Trouble, match=r"^A_PORT must be a port number"):
        ports.choose({"A_PORT": text}, "A_PORT", None, 22000)


def test_a_port_lost_in_a_race_is_replaced() -> None:
    tried: list[int] = []

    def listen(port: int) -> None:
        tried.append(port)
        if len(tried) == 1:
            servers.append(socket.create_server(("127.0.0.1", port)))  # somebody else was faster
            raise Trouble("no")

    servers: list[socket.socket] = []
    assert ports.settle({}, "A_PORT", None, 23000, listen) == tried[1] != tried[0]
    servers[0].close()


def test_a_failure_with_a_free_port_is_told() -> None:
    def listen(port: int) -> None:
        raise Trouble("no disk")

    with pytest.raises(Trouble, match="no disk"):
        ports.settle({}, "A_PORT", None, 23000, listen)
