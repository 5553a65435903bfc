"""The simulated warehouse is asked to change requests it has: what it answers, and what leaves the building then."""

from pathlib import Path
from typing import Any

import pytest

from connectors.partner.simulator import ANSWERS, Warehouse
from connectors.simulation import Fault, wait_until

from .api import DATA, OTHER, Api, warehouse

FIRST, SECOND = {"line1": "Weg 1"}, {"line1": "Weg 2"}
WHOLE = {"11": 3, "12": 1}


def rests(partner: Warehouse) -> dict[str, Any]:
    """The request as the warehouse holds it, once it has nothing to do."""
    wait_until(lambda: not partner.state()["open"])
    return dict(partner.state()["requests"]["F-1"])


def asked(partner: Warehouse, kind: str, number: int = 1, **data: Any) -> dict[str, Any]:
    """Ask for a change, and see what comes of it."""
    said = {"reference": "F-1", "change": number, "ship_to": FIRST, "carrier": "", "service": "", "lines": [], **data}
    partner._change(kind, f"c{number}", said)
    return rests(partner)


def goes_on(partner: Warehouse) -> dict[str, Any]:
    partner.go_on("F-1")
    return rests(partner)


def story(
    api: Api, behaviour: str, kind: str, answer: str = "honest", **data: Any
) -> tuple[str, dict[str, int], list[dict[str, str]]]:
    """A request that stops somewhere, is asked to change, and goes on: the answer, the units that left by line, and where to."""
    with warehouse(api, behaviour, answer=answer) as partner:
        partner._take("e1", DATA)
        rests(partner)
        asked(partner, kind, **data)
        end = goes_on(partner)
    assert end["changes"]["1"][0] == kind
    return end["changes"]["1"][1], end["shipped"], end["shipped_to"]


# ---- honest ones ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("behaviour", ["accepts", "picks"])
def test_what_is_not_packed_can_be_amended(api: Api, behaviour: str) -> None:
    assert story(api, behaviour, "amend", **OTHER) == ("accepted", {"11": 2, "13": 5}, [SECOND])
    sent = next(body for verb, body in api.taken.values() if verb == "ship")
    assert (sent["carrier"], sent["service"]) == ("UPS", "air")


@pytest.mark.parametrize("behaviour", ["accepts", "picks", "silent", "reject"])
def test_what_is_not_packed_can_be_cancelled(api: Api, behaviour: str) -> None:
    assert story(api, behaviour, "cancel") == ("accepted", {}, [])


@pytest.mark.parametrize("kind", ["amend", "cancel", "hold"])
def test_what_is_packed_is_shipped_as_it_was(api: Api, kind: str) -> None:
    assert story(api, "packs", kind, **OTHER) == ("rejected", WHOLE, [FIRST])
    assert ("changes/1/reject", "It is packed.") in [(verb, body.get("reason")) for verb, body in api.taken.values()]


@pytest.mark.parametrize("kind", ["amend", "cancel", "hold", "resume"])
def test_what_is_shipped_does_not_change(api: Api, kind: str) -> None:
    assert story(api, "normal", kind, **OTHER) == ("rejected", WHOLE, [FIRST])


def test_a_cancellation_stops_the_rest(api: Api) -> None:
    assert story(api, "ships_half", "cancel") == ("accepted", {"11": 2}, [FIRST])


def test_the_rest_goes_to_the_new_address(api: Api) -> None:
    more = {**OTHER, "lines": [{"line": "11", "sku": "A", "units": 4}]}
    assert story(api, "ships_half", "amend", **more) == ("accepted", {"11": 4}, [FIRST, SECOND])


def test_less_than_has_left_cannot_be_agreed(api: Api) -> None:
    less = {**OTHER, "lines": [{"line": "11", "sku": "A", "units": 1}]}
    assert story(api, "ships_half", "amend", **less) == ("rejected", WHOLE, [FIRST, FIRST])


def test_what_is_held_waits_for_the_word_to_resume(api: Api) -> None:
    with warehouse(api, "accepts") as partner:
        partner._take("e1", DATA)
        rests(partner)
        held = asked(partner, "hold")
        still = goes_on(partner)
        end = asked(partner, "resume", 2)
    seen = [(r["held"], r["shipped"], r["done"]) for r in (held, still, end)]
    assert seen == [(True, {}, False), (True, {}, False), (False, WHOLE, True)]
    assert api.said == [
        ("F-1", verb) for verb in ("accept", "changes/1/accept", "changes/2/accept", "start", "pick", "pack", "ship")
    ]


@pytest.mark.parametrize(("behaviour", "words"), [("reject", "It was rejected."), ("accepts", "It was cancelled.")])
def test_what_will_not_be_done_can_only_be_cancelled(api: Api, behaviour: str, words: str) -> None:
    with warehouse(api, behaviour) as partner:
        partner._take("e1", DATA)
        rests(partner)
        asked(partner, "cancel")
        end = asked(partner, "amend", 2, **OTHER)
    assert end["changes"] == {"1": ["cancel", "accepted"], "2": ["amend", "rejected"]}
    assert list(api.taken.values())[-1][1]["reason"] == words


# ---- the others -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        ("refuse_changes", "amend", ("rejected", WHOLE, [FIRST])),
        ("refuse_changes", "cancel", ("rejected", WHOLE, [FIRST])),
        ("refuse_cancel", "cancel", ("rejected", WHOLE, [FIRST])),
        ("refuse_cancel", "amend", ("accepted", {"11": 2, "13": 5}, [SECOND])),
        ("late_answer", "amend", ("rejected", WHOLE, [FIRST])),
        ("silent_changes", "cancel", ("", WHOLE, [FIRST])),
        ("ship_first", "cancel", ("rejected", WHOLE, [FIRST])),
        ("ship_first", "hold", ("rejected", WHOLE, [FIRST])),
        ("accept_then_ship", "cancel", ("accepted", WHOLE, [FIRST])),
        ("accept_then_ship", "amend", ("accepted", {"11": 2, "13": 5}, [SECOND])),
    ],
)
def test_each_manner_of_answering(api: Api, answer: str, kind: str, expected: object) -> None:
    assert story(api, "picks", kind, answer, **OTHER) == expected


def test_a_late_answer_comes_after_the_shipment(api: Api) -> None:
    with warehouse(api, "picks", answer="late_answer") as partner:
        partner._take("e1", DATA)
        rests(partner)
        before = asked(partner, "cancel")
        goes_on(partner)
    assert before["changes"] == {"1": ["cancel", ""]}
    assert [verb for _, verb in api.said[-2:]] == ["ship", "changes/1/reject"]


def test_who_ships_first_does_not_wait_to_be_let_on(api: Api) -> None:
    with warehouse(api, "picks", answer="ship_first") as partner:
        partner._take("e1", DATA)
        rests(partner)
        asked(partner, "cancel")
    assert [verb for _, verb in api.said[-3:]] == ["pack", "ship", "changes/1/reject"]


# ---- as with requests -------------------------------------------------------------------------------------------------------
def test_a_change_heard_twice_is_answered_once(api: Api) -> None:
    with warehouse(api, "accepts") as partner:
        partner._take("e1", DATA)
        rests(partner)
        for _ in range(2):
            asked(partner, "hold")
        assert partner.state()["doubles"] == []
        partner._change("hold", "another", {"reference": "F-1", "change": 1})
        assert partner.state()["doubles"] == ["F-1"]
    assert api.said == [("F-1", "accept"), ("F-1", "changes/1/accept")]


def test_an_answer_that_is_not_taken_is_given_again_after_a_restart(api: Api, tmp_path: Path) -> None:
    with warehouse(api, "picks", tmp_path) as partner:
        partner._take("e1", DATA)
        rests(partner)
        api.faults.add(Fault(do="answer", status=503))
        said = {"reference": "F-1", "change": 1, "lines": [], "ship_to": FIRST, "carrier": "", "service": ""}
        partner._change("cancel", "c1", said)
        partner.store.commit()
        wait_until(lambda: api.answered[503])
    api.faults.clear()
    with warehouse(api, "picks", tmp_path) as partner:
        end = rests(partner)
    assert (end["changes"], end["cancelled"], end["done"]) == ({"1": ["cancel", "accepted"]}, True, True)
    assert list(api.taken.values())[-1][0] == "changes/1/accept"


def test_all_that_wait_are_let_on_together(api: Api) -> None:
    with warehouse(api, "picks") as partner:
        partner._take("e1", DATA)
        partner._take("e2", {**DATA, "reference": "F-2"})
        rests(partner)
        assert sorted(partner.go_on()) == ["F-1", "F-2"]
        rests(partner)
        assert partner.go_on() == []
        assert [r["shipped"] for r in partner.state()["requests"].values()] == [WHOLE, WHOLE]


def test_the_same_seed_chooses_the_same_answers() -> None:
    def chosen() -> list[str]:
        mixed = Warehouse(seed=3, answer_mix=dict.fromkeys(ANSWERS, 1.0))
        return [mixed.answers({"reference": "F-1", "change": n}) for n in range(50)]

    assert chosen() == chosen()
    assert len(set(chosen())) > 5
