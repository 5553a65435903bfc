"""manage.py run web | beat | worker: one program of the product, for whoever starts each by itself. Knows which, not what it does."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from retailsync.celery import app
from retailsync.platform import processes
from retailsync.platform.processes import Program


class Command(BaseCommand):
    """Become the program: its signals and its exit code are those of this process."""

    help = "Run one program of the product: the web server, beat (one of it is enough), or a worker for some queues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        programs = parser.add_subparsers(dest="program", required=True)
        programs.add_parser("web", help="where it listens: RETAILSYNC_BIND")
        programs.add_parser("beat")
        worker = programs.add_parser("worker")
        worker.add_argument("--queues", type=_queues, required=True, metavar="A,B")
        worker.add_argument("--processes", type=int, default=2, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        program = program_of(options, os.environ)
        os.execvpe(program.command[0], list(program.command), {**os.environ, **program.environ})  # noqa: S606


def program_of(options: Mapping[str, Any], environ: Mapping[str, str]) -> Program:
    """The program that is asked for."""
    match options["program"]:
        case "web":
            return processes.web(*processes.bind_address(environ), settings.STATIC_ROOT)
        case "beat":
            return processes.beat()
        case _:
            return processes.worker(options["queues"].partition(",")[0], options["queues"], options["processes"])


def _queues(text: str) -> str:
    known = {route["queue"] for route in app.conf.task_routes.values()}
    if unknown := set(text.split(",")) - known:
        raise ArgumentTypeError(f"no such queue: {', '.join(sorted(unknown))} (there are {', '.join(sorted(known))})")
    return text
