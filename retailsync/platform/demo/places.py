"""Where the simulated systems listen. Starts none."""

from collections.abc import Mapping

from retailsync.platform import ports
from retailsync.platform.trouble import Trouble

VARIABLE = "RETAILSYNC_DEMO_PORT"
FIRST = 8101
NAMES = ("shop", "erp", "w1", "w2")


def choose(environ: Mapping[str, str], taken: int) -> dict[str, str]:
    """Name → base URL. Four ports in a row from RETAILSYNC_DEMO_PORT, else any free ones; `taken` is spoken for."""
    asked = environ.get(VARIABLE)
    numbers = _asked_for(asked, taken) if asked else _free(taken)
    return {name: f"http://{ports.LOOPBACK}:{port}" for name, port in zip(NAMES, numbers, strict=True)}


def _free(taken: int) -> list[int]:
    found: list[int] = []
    while len(found) < len(NAMES):
        port = ports.first_free(found[-1] + 1 if found else FIRST)
        found.append(port if port != taken else ports.first_free(port + 1))
    return found


def _asked_for(text: str, taken: int) -> list[int]:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 65536 - len(NAMES):
        raise Trouble(f"{VARIABLE} must be a port number; the demo uses it and the {len(NAMES) - 1} after it.")
    wanted = [int(text) + n for n in range(len(NAMES))]
    for port in wanted:
        if port == taken or not ports.is_free(port):
            raise Trouble(
                f"Port {port} is in use: choose another {VARIABLE} (it takes {len(NAMES)} in a row) or unset it."
            )
    return wanted
