"""Webhooks that stop: a shop that switched them off gets new ones, polls find what was missed, and a person is told."""

from typing import Any

import pytest
from django.test import override_settings

from retailsync.sync import watching
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)


def hooks(s: Stage) -> list[dict[str, Any]]:
    return list(s.shop.webhooks.subscriptions().values())


def test_webhooks_the_shop_switched_off_are_made_anew_and_told_of(quiet: Stage) -> None:
    shop = quiet.world.shop.pk
    with override_settings(PUBLIC_URL=quiet.url):
        seen = watching.watch(shop)
        assert seen is not None
        assert (seen.created, seen.remade) == (11, ())
        for hook in hooks(quiet):
            if hook["topic"].startswith("order."):
                hook["status"] = "disabled"
        quiet.order()
        quiet.settle()
        assert quiet.whole()[0].ours == ""  # nobody told us
        watching.watch(shop)
    assert [reason for reason, _ in quiet.cases()] == ["webhook_disabled"]
    quiet.poll()
    quiet.settle()
    assert [t[1:4] for t in quiet.whole()] == [("completed", "completed", ("sale",))]
    watching.watch(shop)  # one arrived meanwhile: our own writes made the shop tell us
    assert quiet.trouble() == CALM


def test_silence_is_noticed_and_ends_by_itself(quiet: Stage, hands: Hands) -> None:
    for _ in range(watching.NEWS):
        quiet.order(seed=None)
    quiet.poll()
    quiet.settle()
    watching.watch(quiet.world.shop.pk)
    assert [reason for reason, _ in quiet.cases()] == ["webhooks_silent"]
    quiet.hear(quiet.order(seed=None))
    watching.watch(quiet.world.shop.pk)
    assert quiet.cases() == []
    assert rows("SELECT closed_by FROM sync_case") == [("",)]
