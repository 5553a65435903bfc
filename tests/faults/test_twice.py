"""The same life twice: with faults it comes to the same end as without, deed by deed (tests/faults/twice.py).

Answers are lost, systems fail and are away, webhooks are dropped, doubled and shuffled, workers die; after each deed all recover, and
everybody holds what they hold in the life without. Both lives are also judged by the rules (tests/faults/judge.py): among them, that no
unit is both shipped and refunded before without an exception.

Without the look for what a lost answer left behind (calling._look, and tracking.look_tracking in the shop's connector), the second life
of seed 1 shows a parcel twice in the shop.

`UNCLEAN_SEEDS=1000:1060` leads these seeds instead, and longer lives (CONTRIBUTING.md).
"""

import os
import random
from datetime import timedelta
from typing import Any

import pytest

from tests.faults import judge
from tests.faults.test_unclean import seeds
from tests.faults.twice import DeedByDeed
from tests.faults.unclean import Chaos, anew
from tests.faults.whole import Whole, differences
from tests.journeys.conftest import Hands
from tests.journeys.conftest import forgetful as forgetful
from tests.journeys.conftest import hands as hands

pytestmark = pytest.mark.django_db(transaction=True)
DEEDS = 14 if os.environ.get("UNCLEAN_SEEDS") else 6


def led(
    seed: int, patch: pytest.MonkeyPatch, hands: Hands, *, faults: bool
) -> tuple[list[Whole], list[Any], list[Any]]:
    """Its states, what was done, and what is wrong in the end by the judge's rules."""
    hands.ahead = timedelta()
    with anew(patch) as s:
        chaos = Chaos()
        life = DeedByDeed(s, seed, random.Random(f"bad {seed}") if faults else None, chaos, hands)
        with patch.context() as p:
            chaos.watch(p)
            states = life.lead(DEEDS)
        life.calm()
        return states, life.log, judge.faults(life)


@pytest.mark.parametrize("seed", seeds(range(6)))
def test_a_life_with_faults_ends_as_it_does_without(seed: int, monkeypatch: pytest.MonkeyPatch, hands: Hands) -> None:
    wanted, said, wrong = led(seed, monkeypatch, hands, faults=False)
    states, log, found = led(seed, monkeypatch, hands, faults=True)
    for number, (mine, theirs) in enumerate(zip(wanted, states, strict=True)):
        off = differences(mine, theirs)
        assert not off, "\n".join(map(str, [f"after deed {number}", *off, "", *log, "", *said]))
    assert not (wrong + found), "\n".join(map(str, [*wrong, "", *found, "", *log]))
