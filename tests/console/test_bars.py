"""What plots draw and say, for those who see them and those who do not."""

from datetime import timedelta

import pytest
from django.test import Client

from retailsync.console import bars
from retailsync.console.pulses import SPANS, Column, Series
from retailsync.sync import clock, pulse
from retailsync.sync.models import Pulse
from tests.console.scene import Scene

DAY = SPANS["24h"]


def series(**values: list[float]) -> Series:
    """One column per value."""
    (name,) = values
    return Series([Column(**{name: value}) for value in values[name]])


def test_bars_of_counts() -> None:
    plot = bars.counts(series(handled=[0, 30, 60, 0]), "handled", "Done", DAY)
    assert plot.bars == "M110.00 68V38.0h70.00V68zM180.00 68V8.0h70.00V68z"
    assert (plot.top, plot.words) == ("60", "Done: 90 in 24 hours, at most 60 in 15 min.")


def test_nothing_is_no_bar() -> None:
    plot = bars.counts(series(parked=[0, 0]), "parked", "Put aside", DAY)
    assert (plot.bars, plot.top, plot.words) == ("", "", "Put aside: 0 in 24 hours.")


def test_a_bar_beyond_the_promise_is_apart_and_crosses_its_line() -> None:
    plot = bars.times(series(p95=[10, 900]), 300, DAY)
    top = float(plot.late.split("V")[1].split("h")[0])
    assert plot.bars.count("M") == plot.late.count("M") == 1 and plot.line is not None and top < plot.line
    assert plot.words == (
        "Time taken: 95 of 100 within 15 min in the slowest five minutes; promised are 5 min."
        " Longer than promised in 1 of 2 stretches of 15 min."
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.2, "1 s"), (59, "59 s"), (90, "1.5 min"), (300, "5 min"), (5400, "1.5 h"), (200_000, "2.3 d")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert bars.lasting(seconds) == words


def test_a_page_without_tallies_says_when_they_come(scene: Scene, boss: Client) -> None:
    assert "Figures appear within five minutes" in boss.get("/admin/").content.decode()


def test_a_day_and_a_week(scene: Scene, boss: Client) -> None:
    for days in (0.5, 3, 9):
        Pulse.objects.create(
            bucket=pulse.floor(clock.now() - timedelta(days=days)), workflow="intake", system=scene.shop, came=5, handled=5,
            in_time=4, parked=1, p95=7.0, exchanges=2, failed=1,
        )  # fmt: skip
    done = {}
    for span in ("24h", "7d", "nonsense"):
        context = boss.get(f"/admin/?span={span}").context
        done[span] = [(c["title"], c["all"].count, c["wrong"].count) for c in context["charts"] if c["all"].count]
    assert done == {
        "24h": [("Intake", 5, 1), ("Exchanges with systems", 2, 1)],
        "7d": [("Intake", 10, 2), ("Exchanges with systems", 4, 2)],
        "nonsense": [("Intake", 5, 1), ("Exchanges with systems", 2, 1)],
    }
