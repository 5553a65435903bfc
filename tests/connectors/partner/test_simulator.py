"""The simulated warehouse works like one: it reports every step, repeats what was not taken, and survives a restart."""

from pathlib import Path
from typing import Any

import pytest

from connectors.partner.simulator import BEHAVIOURS, Warehouse
from connectors.simulation import Fault, wait_until

from .api import DATA, Api, warehouse


def work(api: Api, behaviour: str) -> dict[str, Any]:
    """One order from arrival to the end; how the warehouse sees it."""
    with warehouse(api, behaviour) as partner:
        partner._take("e1", DATA)
        wait_until(lambda: not partner.state()["open"])
        return dict(partner.state()["requests"]["F-1"])


WORK = ["pick", "pack"]


@pytest.mark.parametrize(
    ("behaviour", "verbs", "units"),
    [
        ("normal", ["accept", "start", *WORK, "ship"], 4),
        ("reject", ["reject"], 0),
        ("short", ["accept", "start", "short", *WORK, "ship"], 3),
        ("two_parcels", ["accept", "start", *WORK, "ship"], 4),
        ("two_shipments", ["accept", "start", *WORK, "ship", "ship"], 4),
        ("ship_first", ["ship", "accept", "start", *WORK], 4),
        ("sku_only", ["accept", "start", *WORK, "ship"], 4),
        ("silent", [], 0),
    ],
)
def test_each_behaviour_says_its_words(api: Api, behaviour: str, verbs: list[str], units: int) -> None:
    seen = work(api, behaviour)
    assert api.said == [("F-1", verb) for verb in verbs]
    assert (seen["shipped_units"], seen["accepted"], seen["rejected"], seen["done"]) == (
        units, "accept" in verbs, "reject" in verbs, True,
    )  # fmt: skip


def test_repetitions_are_equal_to_the_letter(api: Api) -> None:
    work(api, "repeat")
    assert api.said == [("F-1", verb) for verb in ("accept", "start", *WORK, "ship") for _ in range(2)]
    assert len(api.taken) == 5


def test_what_is_not_taken_is_said_again_until_it_is(api: Api) -> None:
    api.faults.add(
        Fault(do="answer", status=503, count=2), Fault(do="lose_response", count=1), Fault(do="drop", count=1)
    )
    seen = work(api, "normal")
    assert seen["tries"] == 9
    assert [verb for verb, _ in api.taken.values()] == ["accept", "start", *WORK, "ship"]


def test_a_warehouse_that_is_restarted_goes_on_where_it_was(api: Api, tmp_path: Path) -> None:
    api.faults.add(Fault(do="answer", status=500, path="/pick"))
    with warehouse(api, store=tmp_path) as partner:
        partner._take("e1", DATA)
        partner._take("e1", DATA)
        partner.store.commit()
        wait_until(lambda: ("F-1", "start") in api.said)
    api.faults.clear()
    with warehouse(api, store=tmp_path) as partner:
        wait_until(lambda: not partner.state()["open"])
        seen = partner.state()["requests"]["F-1"]
    assert (seen["deliveries"], seen["shipments"]) == (2, ["F-1-S1"])
    assert api.said == [("F-1", verb) for verb in ("accept", "start", *WORK, "ship")]


def test_another_event_for_a_known_reference_is_a_double(api: Api) -> None:
    with warehouse(api, "silent") as partner:
        partner._take("e1", DATA)
        partner._take("e2", DATA)
        assert partner.state()["doubles"] == ["F-1"]


def test_the_same_seed_chooses_the_same_behaviours() -> None:
    def chosen() -> list[str]:
        return [
            Warehouse(seed=3, mix=dict.fromkeys(BEHAVIOURS, 1.0)).behaviour({"order_reference": f"W-{n}"})
            for n in range(50)
        ]

    assert chosen() == chosen()
    assert len(set(chosen())) > 5
