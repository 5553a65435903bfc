"""Chooses a free TCP port on the loopback address. Knows nothing about who listens there."""

import socket
from collections.abc import Callable, Mapping

from retailsync.platform.trouble import Trouble

LOOPBACK = "127.0.0.1"
TRIES = 200
RACES = 5


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port at this moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Servers set this too, so ports in TIME_WAIT count as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def first_free(start: int) -> int:
    """The first free port from `start` on."""
    for port in range(start, start + TRIES):
        if is_free(port):
            return port
    raise Trouble(f"No free port between {start} and {start + TRIES} on {LOOPBACK}.")


def choose(environ: Mapping[str, str], variable: str, remembered: int | None, start: int) -> int:
    """The port the user asked for, else the one used last time, else a free one."""
    asked = environ.get(variable)
    if asked:
        return _asked_for(variable, asked)
    if remembered and is_free(remembered):
        return remembered
    return first_free(start)


def settle(
    environ: Mapping[str, str], variable: str, remembered: int | None, start: int, listen: Callable[[int], None]
) -> int:
    """Call `listen` with a chosen port, and again with another one if somebody else was faster."""
    for _ in range(RACES):
        port = choose(environ, variable, remembered, start)
        try:
            listen(port)
        except Trouble:
            if is_free(port):
                raise  # not the port's fault
        else:
            return port
    raise Trouble(f"Every port tried from {start} on was taken meanwhile: set {variable}.")


def _asked_for(variable: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise Trouble(f"{variable} must be a port number between 1 and 65535.")
    if not is_free(int(text)):
        raise Trouble(f"Port {text} ({variable}) is in use: choose another one or unset {variable}.")
    return int(text)
