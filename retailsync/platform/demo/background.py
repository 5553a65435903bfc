"""Runs programs behind our back, their words in a log file, and stops them without fail. Knows nothing of what they do."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from django.db import connections

from retailsync.platform import processes
from retailsync.platform.launcher import die_with_parent
from retailsync.platform.processes import Program
from retailsync.platform.trouble import Trouble

STOP_SECONDS = processes.STOP_SECONDS + 5


class Running:
    """Programs that run together: when one ends, all end."""

    def __init__(self, process: BaseProcess, log: Path) -> None:
        self._process, self._log = process, log

    def check(self) -> None:
        """Raise Trouble when they run no longer."""
        if not self._process.is_alive():
            raise Trouble(f"A program of the demo stopped by itself; its last words are at the end of {self._log}.")


@contextmanager
def running(programs: Sequence[Program], log: Path) -> Iterator[Running]:
    """Run the programs for as long as the block runs. Ctrl-C does not reach them: we stop them in our order."""
    connections.close_all()  # a fork must not share a connection
    process = multiprocessing.get_context("fork").Process(target=_run, args=(programs, log))
    process.start()
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        process.join(STOP_SECONDS)
        process.kill()  # whatever it still has dies with it
        process.join()


def _run(programs: Sequence[Program], log: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # honcho sets its own; ours belong to the foreground
    os.setsid()
    die_with_parent()
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.exit(processes.run_all(programs))
