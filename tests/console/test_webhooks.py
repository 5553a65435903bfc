"""Staff see where a partner's events go and whether they arrive, send them again, and switch on what was switched off."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from retailsync.partners import feed
from retailsync.partners.models import Delivery, Subscription
from retailsync.partners.webhooks import fanning, subscribing
from retailsync.sync import bell, clock, release
from retailsync.sync.models import Action, Case
from tests.console.conftest import person
from tests.console.scene import Scene

URL = "https://northpick.example.com/events"


@pytest.fixture
def worker(db: None) -> Client:
    return person("olga", "change_case", "view_case", "view_subscription", "view_system", "view_attempt", "view_replay")


@pytest.fixture
def row(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Subscription:
    """A webhook that heard of two events."""
    monkeypatch.setattr(bell, "ring", lambda *args: None)
    subscribing.create(scene.warehouse.pk, URL, [])
    for subject in ("F1", "F2"):
        feed.write(scene.warehouse.pk, "fulfilment_request.created", subject, {"reference": subject})
    fanning.fan_out(scene.warehouse.pk)
    Delivery.objects.filter(subject="F1").update(state="delivered", attempts=1, status=200, settled_at=clock.now())
    Delivery.objects.filter(subject="F2").update(state="given_up", attempts=8, words="It answered <500>.")
    return Subscription.objects.select_related("system").get()


def off(row: Subscription) -> Case:
    subscribing.switch_off(row, Subscription.Why.FAILING, clock.now())
    return Case.objects.get(target_kind="subscription")


def page(row: Subscription, name: str = "change", *more: int) -> str:
    return reverse(f"admin:partners_subscription_{name}", args=[row.pk, *more])


def test_its_page_tells_of_deliveries_and_what_came_back(row: Subscription, worker: Client) -> None:
    shown = worker.get(page(row)).content.decode()
    assert all(text in shown for text in (URL, "F1", "F2", "given up", "It answered &lt;500&gt;.", "Send again"))
    assert row.secret not in shown
    assert [d.subject for d in worker.get(page(row), {"state": "given_up"}).context["deliveries"]] == ["F2"]
    system = worker.get(reverse("admin:canonical_system_change", args=[row.system_id])).content.decode()
    assert page(row) in system and "Webhooks of this partner" in system


def test_one_event_is_sent_again(row: Subscription, worker: Client) -> None:
    delivery = Delivery.objects.get(subject="F2")
    answer = worker.post(page(row, "redeliver_one", delivery.pk), follow=True)
    assert "Event 2 about F2 will be sent again." in answer.content.decode()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("waiting", 0)
    action = Action.objects.get(target_kind="subscription", target_id=row.pk)
    assert (action.who, action.what, action.why) == ("olga", "redeliver", "event 2 about F2")


def test_all_since_a_position_are_sent_again(row: Subscription, worker: Client) -> None:
    answer = worker.post(page(row, "redeliver"), {"after": "0"}, follow=True)
    assert "2 events after position 0 will be sent again." in answer.content.decode()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"waiting"}
    worker.post(page(row, "redeliver"), {"after": "nonsense"})
    assert [a.why for a in Action.objects.order_by("pk")] == [
        "after position 0: 2 events",
        "after position 2: 0 events",
    ]


def test_one_that_was_switched_off_says_why_and_is_switched_on(row: Subscription, worker: Client) -> None:
    case = off(row)
    shown = worker.get(reverse("admin:sync_case_change", args=[case.pk])).content.decode()
    assert page(row) in shown and "for five days" in shown
    refused = worker.post(page(row, "redeliver"), {"after": "0"}, follow=True).content.decode()
    assert "This webhook is switched off: enable it first." in refused
    assert not Action.objects.exists()
    assert "say why" in worker.post(page(row, "enable"), follow=True).content.decode()
    assert Subscription.objects.get().state == "off"
    worker.post(page(row, "enable"), {"why": "they called"})
    row.refresh_from_db()
    case.refresh_from_db()
    assert (row.state, case.closed_by) == ("on", "olga")
    assert Action.objects.values_list("what", "why").get() == ("enable webhook", "they called")


def test_releasing_its_exception_switches_it_on(row: Subscription) -> None:
    case = off(row)
    release.release([case.pk], "olga")
    row.refresh_from_db()
    case.refresh_from_db()
    assert (row.state, case.closed_by) == ("on", "olga")
    assert feed.after(row.system_id, 0, 10)[-1].type == "webhook.enabled"


def test_the_preview_of_that_release_does_nothing(row: Subscription, worker: Client) -> None:
    case = off(row)
    assert worker.post(reverse("admin:sync_case_preview", args=[case.pk]), follow=True).status_code == 200
    row.refresh_from_db()
    assert (row.state, Case.objects.get(pk=case.pk).closed_at) == ("off", None)


def test_who_only_looks_presses_nothing(row: Subscription, viewer: Client) -> None:
    looker: Any = person("looker", "view_subscription")
    assert "Send again" not in looker.get(page(row)).content.decode()
    for url in (page(row, "enable"), page(row, "redeliver"), page(row, "redeliver_one", Delivery.objects.first().pk)):
        assert looker.post(url, {"after": "0"}).status_code == 403
    assert viewer.get(page(row)).status_code == 403
