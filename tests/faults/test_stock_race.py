"""Customers buy while goods arrive, break, are counted, shipped and published. In the end every figure is right, and of every unit that was
sold and is not there we can say why.

`STOCK_RACE=500x5000` runs it with so many SKUs and baskets (about ten minutes) instead of a small size.
"""

import os
from collections import Counter

import pytest

from canonical.models import Oversell
from canonical.recording import levels
from tests.faults.race import race
from tests.journeys.stage import unexplained

pytestmark = pytest.mark.django_db(transaction=True)
SKUS, ORDERS = map(int, os.environ.get("STOCK_RACE", "40x300").split("x"))


def test_after_a_race_every_figure_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    with race(SKUS) as run:
        run.run(ORDERS)
        run.calm_down()
        should = run.should()
        assert run.troubles == []
        assert (run.aimed(), run.shown()) == (should, should)
        assert levels.differing() == []
        assert unexplained() == []
        verdicts = Counter(Oversell.objects.values_list("verdict", flat=True))
        oversold = run.oversold()
        with capsys.disabled():
            print(
                f"\n{ORDERS} baskets, {run.refused} turned down; oversold {oversold.total()} units in the end; {dict(verdicts)}"
            )
        assert set(verdicts) <= {"in_flight", "later"}, words()
        found = Counter[str]()
        for code, units in Oversell.objects.values_list("sku__code", "units"):
            found[code] += units
        assert oversold <= found


def words() -> list[tuple[str, str, dict]]:
    """What else was said."""
    odd = Oversell.objects.exclude(verdict__in=("in_flight", "later"))
    return list(odd.values_list("verdict", "words", "facts")[:5])
