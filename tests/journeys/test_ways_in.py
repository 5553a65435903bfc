"""Other ways to speak with the same systems: an older Odoo over /jsonrpc, a shop on plain http whose requests are signed."""

from collections.abc import Iterator

import pytest

from canonical.models import System
from tests.journeys.stage import CALM, Stage, stage

pytestmark = pytest.mark.django_db(transaction=True)

DONE = ("completed", "completed", ("sale",), ("done",))


@pytest.fixture(params=["14.0", "16.0", "18.0"])
def older(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage with an Odoo that knows nothing of /json/2."""
    with stage(erp={"release": request.param, "login": "sync"}, erp_settings={"login": "sync"}) as ready:
        yield ready


def test_an_order_lives_its_life_in_an_older_odoo(older: Stage) -> None:
    older.behave(W1="picks", W2="picks")
    order = older.order("plain")
    older.settle()
    older.shop.edit(order, note="Ring twice.")
    older.settle()
    older.go_on()
    older.settle()
    assert [t[1:5] for t in older.whole()] == [DONE]
    assert older.trouble() == CALM


def test_a_cancelled_order_is_cancelled_in_an_older_odoo(older: Stage) -> None:
    older.behave(W1="picks", W2="picks")
    order = older.order("plain")
    older.settle()
    older.shop.cancel(order)
    older.settle()
    assert [t[1:4] for t in older.whole()] == [("cancelled", "cancelled", ("cancel",))]
    assert older.trouble() == CALM


def test_a_shop_on_plain_http_gets_signed_requests() -> None:
    with stage(shop={"plain_http": True}, subscribed=False) as s:
        System.objects.filter(pk=s.world.shop.pk).update(settings={**s.world.shop.settings, "allow_http": True})
        s.hear(s.order("plain"))
        s.settle()
        assert [t[1:5] for t in s.whole()] == [DONE]
        assert s.trouble() == CALM
