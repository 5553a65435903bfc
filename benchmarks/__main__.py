"""python -m benchmarks [p1] [p2] [p3] [p4] [p5] [p6] [p7] [p9] [p10] [--seconds N] [--orders N] [--rate N] [--quick]: measure, print, and
write what was measured into docs/benchmarks.md (what was not stays as it was). All of them without a name.

P4 and P5 take what P3 sustained; without P3 in the same run (and without --rate) they look for it first. P9 needs a live Odoo.
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
PLOT = PAGE.parent / "benchmarks" / "backlog.svg"
NAMES = ("p1", "p2", "p3", "p4", "p5", "p6", "p7", "p9", "p10")
WHOLE = ("p3", "p4", "p5")  # need the whole product running


def main(arguments: list[str]) -> int:
    """Run what is asked for; return the exit code."""
    options = _options(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
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
    _say(report.page(sections, machine, command, datetime.now(UTC)))
    if not options.quick:
        old = PAGE.read_text() if PAGE.exists() else ""
        report.write(PAGE, report.page(sections, machine, command, datetime.now(UTC), old))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="*", help=f"{', '.join(NAMES)}; all without")
    parser.add_argument(
        "--seconds", type=float, help="length of one measurement: P1 and P10 (8), P3 and the spike of P4 (60), P5 (30)"
    )
    parser.add_argument("--orders", type=int, default=3_000, help="orders of one measurement of P2")
    parser.add_argument("--rate", type=float, help="orders/s P4 and P5 take as sustained, where P3 is not measured")
    parser.add_argument("--repetitions", type=int, default=3, help="of P1, P2, P6 and P9")
    parser.add_argument("--quick", action="store_true", help="a short look: one small repetition, no page is written")
    options = parser.parse_args(arguments)
    options.which = options.which or list(NAMES)
    if odd := set(options.which) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(odd))}")
    if options.quick:
        options.seconds, options.orders, options.repetitions = options.seconds or 5.0, min(options.orders, 600), 1
    return options


def _measure(options: argparse.Namespace) -> list[report.Section]:
    """Prepare the database and run one benchmark after the other."""
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from benchmarks import asof, console, door, odoo, partner, pipeline, stock, tables

    call_command("migrate", interactive=False, verbosity=0)
    tables.create()
    found: list[report.Section] = []
    try:
        if "p1" in options.which:
            found.append(door.run(options.seconds or door.SECONDS, options.repetitions, _say))
        if "p2" in options.which:
            found.append(pipeline.run(options.orders, options.repetitions, _say))
        if set(WHOLE) & set(options.which):
            found += _whole(options)
        if "p6" in options.which:
            found.append(stock.run(stock.QUICK if options.quick else stock.SKUS, options.repetitions, _say))
        if "p7" in options.which:
            found.append(asof.run(asof.QUICK if options.quick else asof.ENTRIES, _say))
            found.append(console.run(options.quick, _say))
        if "p9" in options.which and (
            section := odoo.run(odoo.QUICK if options.quick else odoo.ORDERS, options.repetitions, _say)
        ):
            found.append(section)
        if "p10" in options.which:
            found.append(partner.run(options.seconds or partner.SECONDS, options.repetitions, _say))
        return found
    finally:
        connections.close_all()


def _whole(options: argparse.Namespace) -> list[report.Section]:
    """P3, P4 and P5 on one running product."""
    from benchmarks import latency, pipeline, running, spike, whole

    found: list[report.Section] = []
    naive = pipeline.naive_rate(100 if options.quick else 300) if "p3" in options.which else 0.0
    with running.product(_say) as product:
        if "p3" in options.which:
            sustained = whole.find(product, options.seconds or whole.SECONDS)
            found.append(whole.section(product, sustained, options.seconds or whole.SECONDS, naive))
            rate = sustained.offer.achieved
        else:
            rate = options.rate or whole.find(product, options.seconds or whole.STEP_SECONDS).offer.achieved
        if "p4" in options.which:
            found.append(spike.run(product, rate, options.seconds or spike.SECONDS, None if options.quick else PLOT))
        if "p5" in options.which:
            found.append(latency.run(product, rate, options.seconds or latency.SECONDS))
    return found


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
