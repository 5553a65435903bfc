"""Orders in real life, at random: edited, cancelled, refunded, held, deleted, while warehouses refuse and systems fail.

Each seed is one life. `UNCLEAN_SEEDS=1000:1300` runs these seeds instead (CONTRIBUTING.md).
"""

import os
import random
from collections.abc import Sequence

import pytest

from tests.faults import judge
from tests.faults.unclean import STEPS, Chaos, Life, anew
from tests.journeys.conftest import forgetful as forgetful

pytestmark = pytest.mark.django_db(transaction=True)


def seeds(usual: Sequence[int]) -> Sequence[int]:
    """These seeds, or those somebody asked for."""
    asked = os.environ.get("UNCLEAN_SEEDS", "")
    first, _, last = asked.partition(":")
    return range(int(first), int(last or int(first) + 1)) if asked else usual


def well(life: Life) -> None:
    """Nothing is wrong, and if something is: what was done."""
    found = judge.faults(life)
    assert not found, "\n".join(map(str, [*life.log, "", *found, "", life.s.cases(), *life.s.whole()]))


@pytest.mark.parametrize("seed", seeds(range(12)))
def test_everything_at_once_ends_well(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with anew(monkeypatch) as s:
        bad = random.Random(f"bad {seed}")
        chaos = Chaos({(bad.choice(STEPS), bad.randint(1, 40)) for _ in range(bad.randint(0, 5))})
        life = Life(s, seed, bad if seed % 3 else None)
        with monkeypatch.context() as patch:
            if seed % 3:
                chaos.watch(patch)
            for _ in range(14):
                life.step()
                for _ in range(life.dice.randint(0, 3)):
                    life.turn()
                if life.dice.random() < 0.3:
                    life.later()
        life.calm()
        well(life)
