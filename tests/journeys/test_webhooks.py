"""A shop that switched our webhooks off: they are made anew, a person is told, and polls bring what was missed meanwhile."""

import pytest

from connectors.simulation import wait_until
from retailsync.hooks import door
from retailsync.sync import watching
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage

pytestmark = pytest.mark.django_db(transaction=True)


def watch(s: Stage) -> list[str]:
    """One look at the shop's webhooks; the reasons of what is open then."""
    watching.watch(s.world.shop.pk, s.url)
    return [reason for reason, _ in s.cases()]


def active(s: Stage) -> set[str]:
    return {hook["topic"] for hook in s.shop.webhooks.subscriptions().values() if hook["status"] == "active"}


def test_a_disabled_webhook_is_made_anew_and_polls_repair(quiet: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    s = quiet
    assert watch(s) == []
    with monkeypatch.context() as broken:
        broken.setattr(door, "PREFIX", "/elsewhere/")  # our door answers 404 for a while
        missed = s.shop.place(7, seed=4, shape="plain")
        wait_until(lambda: not s.shop.webhooks.waiting())
    assert not active(s) & {"order.created", "order.updated"}
    missed += s.shop.place(1, seed=5, shape="plain")
    assert watch(s) == ["webhook_disabled"]
    assert {"order.created", "order.updated"} <= active(s)
    assert s.messages() == []
    s.poll()
    s.settle()
    assert [(t.number, t.ours) for t in s.whole()] == [(str(order), "completed") for order in missed]
    told = s.shop.place(1, seed=6, shape="plain")
    s.settle()
    assert ("order.created", "done") in s.messages()
    assert watch(s) == []
    assert [t.ours for t in s.whole() if t.number == str(told[0])] == ["completed"]
    assert s.trouble() == CALM


def test_a_shop_whose_webhooks_get_lost_is_silent_until_one_arrives(s: Stage, hands: Hands) -> None:
    watch(s)
    s.shop.webhooks.set_mischief(drop=1.0)
    s.shop.place(3, seed=4, shape="plain")
    s.poll()
    s.settle()
    assert watch(s) == []
    hands.turn(minutes=6)
    assert watch(s) == ["silent"]
    s.shop.webhooks.set_mischief(drop=0.0)
    s.shop.place(1, seed=5, shape="plain")
    s.settle()
    assert watch(s) == []
