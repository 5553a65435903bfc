"""python -m benchmarks [p1] [p2] [--seconds N] [--orders N] [--quick]: measure, print, write docs/benchmarks.md.

A missed target is a result, not a failure: the exit code is 0. Something lost, doubled or stuck is one: 1.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

from benchmarks import house, report

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main(arguments: list[str]) -> int:
    """Run what is asked for; return the exit code."""
    options = _options(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "retailsync.settings")
    os.environ["RETAILSYNC_LOG_LEVEL"] = "WARNING"
    local = Path(os.environ.get("RETAILSYNC_LOCAL", ".local")).absolute()
    try:
        with house.own(local) as machine:
            _say(f"{machine.cores} cores, PostgreSQL {machine.postgres}, Python {machine.python}, load {machine.load}")
            sections = _measure(options)
    except (report.Broken, house.Unsafe) as error:
        _say(str(error))
        return 1
    command = " ".join(["python -m benchmarks", *arguments])
    page = report.page(sections, machine, command, datetime.now(UTC))
    _say(page)
    if not options.quick:
        report.write(PAGE, page)
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="*", help="p1, p2; all without")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one measurement of P1")
    parser.add_argument("--orders", type=int, default=3_000, help="orders of one measurement of P2")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a short look: one small repetition, no page is written")
    options = parser.parse_args(arguments)
    if odd := set(options.which) - {"p1", "p2"}:
        parser.error(f"no such benchmark: {', '.join(sorted(odd))}")
    if options.quick:
        options.seconds, options.orders, options.repetitions = min(options.seconds, 3.0), min(options.orders, 600), 1
    return options


def _measure(options: argparse.Namespace) -> list[report.Section]:
    """Prepare the database and run one benchmark after the other."""
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from benchmarks import door, pipeline

    call_command("migrate", interactive=False, verbosity=0)
    runs = {
        "p1": lambda: door.run(options.seconds, options.repetitions, _say),
        "p2": lambda: pipeline.run(options.orders, options.repetitions, _say),
    }
    try:
        return [runs[name]() for name in options.which or runs]
    finally:
        connections.close_all()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
