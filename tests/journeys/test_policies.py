"""What people decide once for a shop, a method or a system: the machine then acts on it, and asks where they said nothing."""

from datetime import timedelta

import pytest

from canonical.models import Mapping, ShopPolicy, Sourcing, System
from retailsync.sync import tasks
from tests.journeys.conftest import Hands
from tests.journeys.stage import CALM, Stage
from tests.world import rows

pytestmark = pytest.mark.django_db(transaction=True)

DONE = ("completed", "completed", ("sale",))


def policy(s: Stage, **chosen: object) -> None:
    ShopPolicy.objects.create(channel=s.world.shop, **chosen)


def later(s: Stage, hands: Hands, **time: float) -> None:
    """So much time passes and beat sweeps; then the clock is right again, as partners check the time of what we sign."""
    hands.turn(**time)
    tasks.sweep()
    hands.ahead = timedelta()
    s.settle()


def finish(s: Stage) -> list[tuple[object, ...]]:
    s.settle()
    s.go_on()
    s.settle()
    return [t[1:4] for t in s.whole()]


# ---- the ERP's word first ---------------------------------------------------------------------------------------------------
def test_the_warehouse_waits_for_the_erp_and_is_told_after_all(s: Stage, hands: Hands) -> None:
    policy(s, erp_acceptance="after", erp_minutes=30)
    s.erp.stop()
    s.order()
    s.settle_over(hands.turn, minutes=2)
    assert [t.asked for t in s.whole()] == [()]
    later(s, hands, minutes=31)
    assert [t[1:3] for t in s.whole()] == [("completed", "completed")]
    s.erp.start()
    s.settle_over(hands.turn)
    assert [t[1:4] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


def test_the_warehouse_is_told_once_the_erp_confirmed(s: Stage) -> None:
    policy(s, erp_acceptance="yes")
    s.order()
    s.settle()
    in_order = (
        "SELECT max(settled_at) FILTER (WHERE kind = 'ConfirmOrder') < min(created_at) FILTER (WHERE kind = 'RequestFulfilment')"
        " FROM sync_command"
    )
    assert rows(in_order) == [(True,)]
    assert [t[1:4] for t in s.whole()] == [DONE]


# ---- short ------------------------------------------------------------------------------------------------------------------
def _alone(s: Stage) -> None:
    """W1 has no other warehouse behind it."""
    Sourcing.objects.filter(location=s.world.places["W2"]).delete()


def test_what_is_there_ships_and_the_other_warehouse_sends_the_rest(s: Stage) -> None:
    policy(s, on_short="ship_available")
    s.behave(W1="short")
    s.order("multi_unit")
    s.settle()
    assert [t[1:4] for t in s.whole()] == [DONE]
    assert len(s.whole()[0].asked) >= 1
    assert s.trouble() == CALM


def test_the_rest_is_cancelled_in_the_erp_and_its_refund_asked_for(s: Stage) -> None:
    policy(s, on_short="cancel_remainder")
    s.behave(W1="short", W2="short")
    s.order("multi_unit")
    s.settle()
    assert {reason for reason, _ in s.cases()} == {"refund_due"}
    ((order,),) = rows("SELECT external_id::integer FROM canonical_order")
    missing = rows(
        "SELECT k.code, l.cancelled FROM canonical_orderline l JOIN canonical_sku k ON k.id = l.sku_id WHERE l.cancelled > 0"
    )
    s.shop.refund(order, dict(missing))
    s.settle()
    assert s.cases() == []
    booked = rows("SELECT sum(ordered - cancelled), sum(shipped) FROM canonical_orderline")
    assert [
        (sum(x["quantity"] for x in b["lines"] if x["sku"] and "-" in x["sku"]),) * 2 for b in s.erp.state()["orders"]
    ] == booked


def test_units_nobody_has_wait_and_go_as_a_backorder(s: Stage) -> None:
    policy(s, on_short="ship_available")
    _alone(s)
    s.behave(W1="short", W2="short")
    s.order("multi_unit")
    s.settle()
    assert {reason for reason, _ in s.cases()} <= {"stock"}
    s.behave(W1="normal", W2="normal")
    s.release("stock")
    s.settle()
    assert [t[1:4] for t in s.whole()] == [DONE]
    assert "backorder" in {p for (p,) in rows("SELECT purpose FROM canonical_fulfilmentrequest")}
    assert s.trouble() == CALM


# ---- words ------------------------------------------------------------------------------------------------------------------
def test_what_does_not_ship_never_reaches_a_warehouse(s: Stage) -> None:
    s.order("all_virtual")
    s.settle()
    assert [t.asked for t in s.whole()] == [()]
    assert [t[1:4] for t in s.whole()] == [DONE]


def test_a_method_is_given_to_the_warehouse_in_its_own_words(s: Stage) -> None:
    s.order("plain", seed=5)
    s.settle()
    ((code,),) = rows("SELECT DISTINCT code FROM canonical_charge WHERE kind = 'shipping'")
    Mapping.objects.create(kind="shipping_method", key=code, value={"carrier": "PostNL", "service": "3085"})
    s.order("plain", seed=6)
    s.settle()
    told = rows(
        "SELECT payload->>'carrier', payload->>'service' FROM sync_command WHERE kind = 'RequestFulfilment' ORDER BY id"
    )
    assert (None, None) in told
    assert ("PostNL", "3085") in told
    assert s.trouble() == CALM


def test_an_address_too_long_for_the_label_is_found_before_it_is_sent(s: Stage) -> None:
    System.objects.filter(pk__in=[p.pk for p in s.world.partners.values()]).update(limits={"line": 3})
    order = s.order()
    s.settle()
    assert [reason for reason, _ in s.cases()] == ["address"]
    s.shop.edit(order, address={"address_1": "A 1", "address_2": ""})
    s.settle()
    assert [t[1:4] for t in s.whole()] == [DONE]
    assert s.trouble() == CALM


# ---- old news ---------------------------------------------------------------------------------------------------------------
def test_old_news_for_a_customer_waits_for_a_person(s: Stage, hands: Hands) -> None:
    policy(s, notice_hours=1)
    s.behave(W1="accepts")
    s.order("plain")
    s.settle()
    ((reference, place, line, units),) = rows(
        "SELECT r.reference, p.code, l.line_id::text, l.units FROM canonical_fulfilmentrequest r"
        " JOIN canonical_location p ON p.id = r.location_id JOIN canonical_requestline l ON l.request_id = r.id"
    )
    parcel = {"tracking_number": "T1", "lines": [{"line": line, "units": units}]}
    left = hands() - timedelta(hours=2)
    said = {"shipment": "S1", "occurred_at": left.isoformat(), "packages": [parcel]}
    assert s.say(place, reference, "ship", said) == 202
    s.settle()
    tasks.sweep()
    assert [reason for reason, _ in s.cases()] == ["old_news"]
    assert [t.shown for t in s.whole()] == [()]
    s.release("old_news")
    s.settle()
    tasks.sweep()  # completing the order tells the customer too
    s.release("old_news")
    s.settle()
    assert [t[1:3] for t in s.whole()] == [("completed", "completed")]
    assert [t.shown for t in s.whole()] == [("T1",)]


# ---- the ERP away -----------------------------------------------------------------------------------------------------------
def test_1200_orders_wait_behind_half_an_hour_without_the_erp(quiet: Stage, hands: Hands) -> None:
    """All that can go on does; when the ERP is back everything is booked once, and nobody had to act. Warehouses stay silent and orders
    come by poll, so that it is the ERP's backlog that is looked at."""
    System.objects.filter(pk=quiet.world.shop.pk).update(settings={**quiet.world.shop.settings, "page_size": 100})
    quiet.behave(W1="silent", W2="silent")
    quiet.erp.stop()
    placed = quiet.shop.place(1200, seed=7, shape="card")
    quiet.poll()
    quiet.settle(seconds=300)
    for _ in range(30):
        hands.turn(minutes=1)
        quiet.sweep()
        quiet.turn()
    assert [reason for reason, _ in quiet.cases()] == ["unreachable"]
    assert rows("SELECT count(*) FROM canonical_fulfilmentrequest WHERE answer = 'submitted'") == [(1200,)]
    assert rows("SELECT max(attempts) FROM sync_command WHERE kind IN ('UpsertCustomer', 'CreateOrder')") == [(0,)]
    quiet.erp.start()
    hands.ahead += timedelta(minutes=6)
    quiet.sweep()
    quiet.settle(seconds=300)
    booked = quiet.erp.state()["orders"]
    assert sorted(b["reference"] for b in booked) == sorted(f"ONE-{number}" for number in placed)
    assert {b["state"] for b in booked} == {"sale"}
    assert quiet.trouble() == CALM
