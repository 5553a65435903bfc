"""The programs that make up the running product, started and stopped together. Knows no task and no page."""

import os
import shlex
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import honcho.manager
import honcho.process
from honcho.compat import ProcessManager

from retailsync.platform import ports
from retailsync.platform.launcher import die_with_parent
from retailsync.platform.trouble import Trouble

BIND_VARIABLE = "RETAILSYNC_BIND"
DEFAULT_BIND = "127.0.0.1:8000"
STOP_SECONDS = 15  # a worker ends after the request under way, which rarely takes that long
# Root is normal in a container, and our broker carries ids in JSON, never pickles.
ROOT_IS_FINE = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"}


@dataclass(frozen=True)
class Program:
    """One program: a short name for its log lines, its command, and what to add to its environment."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)


def product(host: str, port: int, static: str | os.PathLike[str]) -> list[Program]:
    """The web server, a worker per group of queues, and the clock."""
    return [
        web(host, port, static),
        worker("inbox", "inbox", 2),
        worker("send", "send,stock", 4),
        worker("polls", "polls,replay", 2),
        worker("webhooks", "webhooks", 2),
        worker("sweep", "sweep", 1),
        beat(),
    ]


def web(host: str, port: int, static: str | os.PathLike[str]) -> Program:
    """The web server; `static` is the folder it serves under /static/."""
    listen = ["--host", host, "--port", str(port), "--workers", "2", "--blocking-threads", "4"]
    # A connection to the database lives in its thread, so threads are kept.
    stay = ["--blocking-threads-idle-timeout", "600", "--respawn-failed-workers"]
    files = ["--static-path-route", "/static", "--static-path-mount", os.fspath(static)]
    application = ["--interface", "wsgi", "retailsync.wsgi:application"]
    return Program("web", [sys.executable, "-m", "granian", *listen, *stay, *files, *application])


def beat() -> Program:
    """The clock: rings for sweeps and polls. A second one does no harm and no good."""
    return Program("beat", [*_celery("beat"), "--pidfile=", "--schedule", os.devnull])


def worker(name: str, queues: str, processes: int) -> Program:
    """A Celery worker for the queues (comma separated)."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options = ["--queues", queues, "--concurrency", str(processes), "--hostname", f"{name}@%h"]
    return Program(name, [*_celery("worker"), *options, *quiet], ROOT_IS_FINE)


def run_all(programs: Iterable[Program]) -> int:
    """Run them until one ends or a signal comes, then stop them all; return the exit code."""
    honcho.manager.KILL_WAIT = STOP_SECONDS
    manager = honcho.manager.Manager()
    manager._process_ctor = _Process
    manager._procmgr = _Leaders()
    for program in programs:
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", **program.environ}
        manager.add_process(program.name, f"exec {shlex.join(program.command)}", env=environ)
    manager.loop()
    # Ctrl-C and SIGTERM are the normal way to end this.
    return 0 if manager.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM) else int(manager.returncode or 0)


def bind_address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Where the web server shall listen; Trouble when it cannot."""
    text = environ.get(BIND_VARIABLE, DEFAULT_BIND)
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Trouble(f"{BIND_VARIABLE} must be host:port, as in {DEFAULT_BIND}.")
    if not ports.is_free(int(port), host):
        raise Trouble(f"Cannot listen on {text}, another program probably does: choose another {BIND_VARIABLE}.")
    return host, int(port)


def _celery(command: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--quiet", "-A", "retailsync.celery", command, "--loglevel", "INFO"]


class _Process(honcho.process.Process):  # type: ignore[misc]
    """Even when the manager is killed outright, nothing it started lives on."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        die_with_parent(signal.SIGKILL)
        self._child_ctor = partial(honcho.process.Popen, preexec_fn=die_with_parent)
        super().run(events, ignore_signals)


class _Leaders(ProcessManager):  # type: ignore[misc]
    """Asks only each program itself to stop: a worker then lets its children finish their work."""

    def terminate(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
