"""A certification judges what was really said: the guide's client passes, and whoever breaks a rule is told which."""

from typing import Any

import pytest

from retailsync.partners import clauses
from retailsync.partners.certifying import contract
from retailsync.partners.sandbox_models import Called, Certification
from retailsync.sync.models import Case
from tests.journeys.stage import unexplained

from .conftest import Partner, make_partner
from .playing import Player, player
from .wrong_client import WRONG, Refusing, client


def certify(at_play: Player, live_server: Any, kind: Any = client.Certified, patience: float = 20.0) -> Any:
    """A whole run over real sockets, the corridor turned by another thread."""
    with at_play.turning():
        return client.certify(client.Api(f"{live_server.url}/api/v1", at_play.text), patience, kind)


def failed(run: Any) -> set[str]:
    return {clause["clause"] for _, clause in client.clauses(run) if clause["verdict"] == "fail"}


@pytest.mark.django_db(transaction=True)
def test_the_guides_client_passes(live_server: Any) -> None:
    at_play = player(make_partner("w1"))
    run = certify(at_play, live_server)
    assert (failed(run), run["state"]) == (set(), "passed"), client.report(run)
    assert {clause["clause"] for _, clause in client.clauses(run)} == clauses.DEMANDS.keys()
    stored = Certification.objects.get()
    assert (stored.state, stored.contract, stored.clauses.count()) == ("passed", contract(), len(clauses.DEMANDS))
    assert (Case.objects.count(), unexplained()) == (0, [])
    assert all(clause.evidence for clause in stored.clauses.filter(name__in=("SHIP-1", "DUP-1", "KEY-1", "ORDER-1")))


@pytest.mark.django_db(transaction=True)
def test_who_refuses_every_change_and_ships_passes(live_server: Any) -> None:
    run = certify(player(make_partner("w1")), live_server, Refusing)
    assert (failed(run), run["state"]) == (set(), "passed"), client.report(run)
    assert not Case.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wrong", WRONG)
def test_who_breaks_a_rule_is_told_which(live_server: Any, wrong: str) -> None:
    kind, named = WRONG[wrong]
    run = certify(player(make_partner("w1")), live_server, kind, patience=3.0)
    assert (failed(run), run["state"]) == (named, "failed"), client.report(run)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_left_is_finished_before_the_next(live_server: Any) -> None:
    at_play = player(make_partner("w1"))
    at_play.post("sandbox/certifications")
    run = certify(at_play, live_server, patience=0.0)
    states = list(Certification.objects.order_by("pk").values_list("pk", "state"))
    assert states == [(run["certification"] - 1, "failed"), (run["certification"], "failed")]


@pytest.mark.django_db(transaction=True)
def test_with_a_live_key_the_client_says_what_is_wrong(live_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    partner = make_partner("w1")
    assert client.main(["--url", f"{live_server.url}/api/v1", "--key", partner.text, "--certify"]) == 1
    assert capsys.readouterr().err.startswith("not_found: ")


# ---- a run ------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def at_play(partner: Partner) -> Player:
    return player(partner)


def test_a_run_plays_an_order_for_each_scenario(at_play: Player) -> None:
    run = at_play.post("sandbox/certifications").json()
    at_play.settle()
    played = {s["scenario"]: s["order"] for s in run["scenarios"] if s["order"]}
    assert played.keys() == {name for name, scenario in clauses.SCENARIOS.items() if scenario.lines}
    asked = {item["order_reference"] for item in at_play.get("fulfilment-requests").json()["items"]}
    assert asked == set(played.values())
    assert {clause["verdict"] for _, clause in client.clauses(run)} == {"waiting"}


def test_one_run_at_a_time(at_play: Player) -> None:
    first = at_play.post("sandbox/certifications").json()["certification"]
    answer = at_play.post("sandbox/certifications")
    assert (answer.status_code, answer.json()["code"], answer.json()["actions"]) == (409, "wrong_state", ["finish"])
    ended = at_play.post(f"sandbox/certifications/{first}/finish").json()
    assert (ended["state"], failed(ended)) == ("failed", set(clauses.DEMANDS))
    second = at_play.post("sandbox/certifications").json()["certification"]
    listed = at_play.get("sandbox/certifications").json()["items"]
    assert [(run["certification"], run["state"]) for run in listed] == [(second, "running"), (first, "failed")]


def test_a_finished_run_stays_as_it_was(at_play: Player) -> None:
    number = at_play.post("sandbox/certifications").json()["certification"]
    ended = at_play.post(f"sandbox/certifications/{number}/finish").json()
    assert at_play.post(f"sandbox/certifications/{number}/finish").json() == ended
    assert at_play.get(f"sandbox/certifications/{number}").json() == ended


def test_another_partners_run_is_as_unknown_as_none(at_play: Player, other: Partner) -> None:
    number = at_play.post("sandbox/certifications").json()["certification"]
    them = player(other)
    answers = [them.get(f"sandbox/certifications/{number}"), them.post(f"sandbox/certifications/{number}/finish")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert them.get("sandbox/certifications").json()["items"] == []


def test_what_was_said_and_refused_is_evidence(at_play: Player) -> None:
    run = at_play.post("sandbox/certifications").json()
    at_play.settle()
    order = next(s["order"] for s in run["scenarios"] if s["scenario"] == "out_of_order")
    reference = at_play.asked(order)["reference"]
    for verb in ("accept", "pack", "pick"):
        at_play.post(f"fulfilment-requests/{reference}/{verb}", key=f"{reference}:{verb}")
    seen = at_play.get(f"sandbox/certifications/{run['certification']}").json()
    (found,) = (clause for _, clause in client.clauses(seen) if clause["clause"] == "ORDER-1")
    assert (found["verdict"], len(found["evidence"])) == ("pass", 1)
    assert found["evidence"][0].endswith(f"POST {reference}/pick → 409 wrong_state")


def test_calls_with_a_live_key_are_not_kept(partner: Partner, at_play: Player) -> None:
    at_play.text = partner.text
    at_play.post("fulfilment-requests/nothing/accept")
    assert not Called.objects.exists()


def test_what_is_said_in_bulk_is_evidence_too(at_play: Player) -> None:
    run = at_play.post("sandbox/certifications").json()
    at_play.settle()
    order = next(s["order"] for s in run["scenarios"] if s["scenario"] == "out_of_order")
    reference = at_play.asked(order)["reference"]
    items = [{"reference": reference, "action": action} for action in ("accept", "pack", "pick")]
    at_play.post(
        "fulfilment-requests/bulk", {"items": [*items, {"reference": "nothing", "action": "start"}]}, key="many"
    )
    assert list(Called.objects.values_list("reference", "action", "key", "status", "code")) == [
        (reference, "accept", "many", 202, ""),
        (reference, "pack", "many", 202, ""),
        (reference, "pick", "many", 409, "wrong_state"),
    ]
