"""Runs one command with servers to talk to, and leaves nothing behind. Knows nothing about the command."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from retailsync.platform import embedded
from retailsync.platform.trouble import Trouble

PR_SET_PDEATHSIG = 1


def run(command: Sequence[str], local: Path) -> int:
    """Run the command with DATABASE_URL and REDIS_URL set; return its exit code."""
    with embedded.servers(local, os.environ) as servers:
        environ = {
            **os.environ,
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
        }
        try:
            child = subprocess.Popen(command, env=environ, preexec_fn=die_with_parent)
        except (FileNotFoundError, PermissionError) as error:  # the latter also where a folder on PATH may not be read
            raise Trouble(f"{command[0]}: no such program that you may run.") from error
        return _wait(child)


def die_with_parent(signum: int = signal.SIGTERM) -> None:
    """Ask Linux to signal this process when its parent dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)


def _wait(child: "subprocess.Popen[bytes]") -> int:
    # Ctrl-C reaches the child by itself (same terminal); we stay to stop the servers after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def pass_on(signum: int, frame: FrameType | None) -> None:
        child.send_signal(signum)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    code = child.wait()
    return code if code >= 0 else 128 - code
