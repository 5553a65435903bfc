"""People pause a workflow or a system: what comes in is recorded, what goes out waits, and all of it goes on afterwards."""

import dataclasses
from typing import Any

import pytest
from django.db import connection

from canonical.commands import KINDS
from canonical.models import Order, System
from connectors.errors import Misconfigured, Retry
from connectors.registry import CONNECTORS
from retailsync.sync import inbox, pausing, probing, sending
from retailsync.sync.models import Action, Command, Gate, Pause
from tests.facts import order
from tests.sync.conftest import Scene
from tests.world import commands

pytestmark = pytest.mark.django_db(transaction=True)


def record() -> list[tuple[str, str, str]]:
    return list(Action.objects.order_by("pk").values_list("who", "what", "why"))


def erp_kinds(scene: Scene, state: str) -> list[str]:
    return [kind for slug, kind, its in commands() if slug == scene.world.erp.slug and its == state]


def test_every_command_but_reading_belongs_to_one_workflow() -> None:
    kinds = [kind for workflow in pausing.WORKFLOWS.values() for kind in workflow.kinds]
    assert sorted(kinds) == sorted(KINDS.keys() - {"Refresh"})


def test_a_paused_workflow_waits_while_everything_else_goes_on(scene: Scene) -> None:
    pausing.pause("booking", "ada", "the ERP is being moved")
    scene.world.tell(order())
    for system in (scene.world.erp, *scene.world.partners.values()):
        sending.drain(system.pk)
    assert Order.objects.count() == 1, "what comes in is recorded"
    assert scene.erp.requests == [] and "UpsertCustomer" in erp_kinds(scene, "waiting")
    assert [key.partition(":")[0] for key in scene.partner.requests] == ["fulfilment_request"]


def test_it_goes_on_where_it_stopped(scene: Scene, bells: list[tuple[str, int]]) -> None:
    pausing.pause("booking", "ada", "the ERP is being moved")
    scene.world.tell(order())
    sending.drain(scene.world.erp.pk)
    bells.clear()
    assert pausing.resume("booking", "ada", "it is there")
    assert (sending.TASK, scene.world.erp.pk) in bells
    sending.drain(scene.world.erp.pk)
    assert "UpsertCustomer" in erp_kinds(scene, "confirmed") and not Pause.objects.exists()
    assert record() == [
        ("ada", "pause workflow", "Booking orders in the ERP: the ERP is being moved"),
        ("ada", "resume workflow", "Booking orders in the ERP: it is there"),
    ]


def test_what_follows_a_paused_command_does_not_overtake_it(scene: Scene) -> None:
    """Another workflow's later command about the same order waits for the earlier one."""
    scene.world.tell(order())
    first = Command.objects.get(kind="CreateOrder")
    Command.objects.create(
        system=first.system, kind="PostGoodsIssue", subject_kind=first.subject_kind, subject_key=first.subject_key,
        purpose="issue:1", payload={}, cause_kind="message", cause_id=1,
    )  # fmt: skip
    pausing.pause("booking", "ada", "x")
    sending.drain(scene.world.erp.pk)
    assert scene.erp.requests == [] and "PostGoodsIssue" in erp_kinds(scene, "waiting")


def test_pausing_twice_and_resuming_what_runs_change_nothing(scene: Scene) -> None:
    assert pausing.pause("shop", "ada", "first") and not pausing.pause("shop", "bob", "second")
    assert Pause.objects.values_list("who", "why").get() == ("ada", "first")
    assert pausing.resume("shop", "ada", "") and not pausing.resume("shop", "bob", "")
    assert len(record()) == 2


def test_a_paused_system_keeps_what_it_says_and_is_told_nothing(scene: Scene, bells: list[tuple[str, int]]) -> None:
    erp = scene.world.erp
    assert pausing.switch(erp.pk, "paused", "ada", "maintenance") and not pausing.switch(erp.pk, "paused", "bob", "x")
    scene.world.tell(order())
    sending.drain(erp.pk)
    assert scene.erp.requests == [] and Order.objects.count() == 1
    bells.clear()
    assert pausing.switch(erp.pk, "live", "ada", "done")
    assert {(inbox.TASK, erp.pk), (sending.TASK, erp.pk)} <= set(bells)
    sending.drain(erp.pk)
    assert scene.erp.requests
    assert record() == [("ada", "pause", "maintenance"), ("ada", "resume", "done")]
    assert [h.mode for h in System.objects.get(pk=erp.pk).history.all()][:2] == ["live", "paused"]


# ---- asking a system --------------------------------------------------------------------------------------------------------
def answering(scene: Scene, probe: Any) -> None:
    """Let the ERP be asked like this."""
    scene.patch.setitem(CONNECTORS, "odoo", dataclasses.replace(CONNECTORS["odoo"], probe=probe))


def test_who_answers_is_spoken_to_again(scene: Scene, bells: list[tuple[str, int]]) -> None:
    erp, seen = scene.world.erp, []
    Gate.objects.create(system=erp, failures=4, words="down")

    def probe(session: Any) -> str:
        seen.append(connection.in_atomic_block)
        return "Odoo 18 answers."

    answering(scene, probe)
    found = probing.probe(erp.pk)
    assert (found.answered, found.words, seen) == (True, "Odoo 18 answers.", [False])
    assert Gate.objects.values_list("failures", "words").get(system=erp) == (0, "") and bells == [
        (sending.TASK, erp.pk)
    ]


def test_a_system_never_spoken_to_is_known_to_answer(scene: Scene) -> None:
    answering(scene, lambda session: "here")
    probing.probe(scene.world.erp.pk)
    assert Gate.objects.get(system=scene.world.erp).last_ok_at is not None


@pytest.mark.parametrize("error", [Retry("It took too long.", down=True), Misconfigured("The key is wrong.")])
def test_who_does_not_answer_is_told_in_words_and_the_gate_stays(error: Exception, scene: Scene) -> None:
    def probe(session: Any) -> str:
        raise error

    answering(scene, probe)
    found = probing.probe(scene.world.erp.pk)
    assert (found.answered, found.words) == (False, str(error)) and not Gate.objects.exists()


def test_a_set_up_that_is_not_complete_is_said(scene: Scene) -> None:
    System.objects.filter(pk=scene.world.erp.pk).update(settings={"colour": 1}, connector="nothing")
    found = probing.probe(scene.world.erp.pk)
    assert not found.answered and "no connector called" in found.words
