"""The change feed skips nothing, whatever commits late, and counts without gaps."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from canonical import sql
from canonical.ledger import Cause, Written
from canonical.models import FulfilmentRequest
from retailsync.partners import feed
from retailsync.partners.models import Event
from retailsync.sync import inbox

from .conftest import Partner, change

Ask = Callable[..., FulfilmentRequest]


def read(partner: Partner, **query: Any) -> Any:
    return Client().get("/api/v1/events", query, headers=partner.headers()).json()


def tell(partner: Partner, subject: str) -> None:
    sql.fetch(
        "INSERT INTO partners_event (system_id, type, subject, data) VALUES (%s, 'fulfilment_request.created', %s, '{}')",
        (partner.system.pk, subject),
    )


def test_a_life_is_told_in_order(partner: Partner, other: Partner, ask: Ask) -> None:
    request = ask(partner)
    ask(other)
    ship = {"shipment": "S1", "packages": [{"lines": [{"sku": "A", "units": 3}]}]}
    for action, body in [("accept", {}), ("start", {}), ("pick", {}), ("pack", {}), ("ship", ship)]:
        assert partner.post(f"{request.reference}/{action}", body).status_code == 202
        inbox.drain(partner.system.pk)
    page = read(partner)
    kinds = [item["type"].partition(".")[2] for item in page["items"]]
    assert kinds == ["accepted", "started", "picked", "packed", "shipped", "progressed"]
    assert [item["position"] for item in page["items"]] == [1, 2, 3, 4, 5, 6]
    assert page["items"][4]["data"]["shipment"] == "S1"
    assert {item["subject"] for item in page["items"]} == {request.reference}
    assert (page["next"], read(partner, after="6")["items"], read(other)["items"]) == ("6", [], [])


def test_a_change_is_called_by_its_kind(partner: Partner, ask: Ask) -> None:
    request = change(ask(partner), kind="cancel").request
    feed.follow([Written("request_change", request.changes.get().pk, "asked", request.order_id, Cause("action", 1))])
    (event,) = read(partner)["items"]
    assert (event["type"], event["data"]["change"], event["data"]["kind"]) == (
        "fulfilment_request.cancellation_requested", 1, "cancel",
    )  # fmt: skip


def test_pages_follow_each_other(partner: Partner) -> None:
    for n in range(5):
        tell(partner, f"F{n}")
    first = read(partner, limit=2)
    rest = read(partner, after=first["next"])
    assert [i["subject"] for i in first["items"] + rest["items"]] == ["F0", "F1", "F2", "F3", "F4"]


@pytest.mark.django_db(transaction=True)
def test_what_commits_late_comes_later_and_is_not_skipped(partner: Partner) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            tell(partner, "LATE")  # has the smaller id
            begun.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    begun.wait(10)
    tell(partner, "EARLY")
    first = read(partner)
    go_on.set()
    thread.join()
    second = read(partner, after=first["next"])
    assert ([i["subject"] for i in first["items"]], [i["subject"] for i in second["items"]]) == (["EARLY"], ["LATE"])
    assert [i["position"] for i in first["items"] + second["items"]] == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_many_readers_and_writers_agree_on_one_order(partner: Partner) -> None:
    """Each reader follows the feed while others write and roll back; all of them see every committed event once, in one order."""
    seen: list[list[str]] = [[] for _ in range(3)]
    over = threading.Event()

    def write(name: int) -> None:
        for n in range(40):
            try:
                with transaction.atomic():
                    tell(partner, f"{name}-{n}")
                    if n % 7 == 3:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass
        connection.close()

    def follow(mine: list[str]) -> None:
        after, last = "0", False
        while True:
            page = read(partner, after=after, limit=13)
            mine += [item["subject"] for item in page["items"]]
            after = page["next"]
            if not page["items"]:
                if last:
                    break
                last = over.is_set()
        connection.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    readers = [threading.Thread(target=follow, args=(mine,)) for mine in seen]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in readers:
        thread.join()
    written = {f"{name}-{n}" for name in range(4) for n in range(40) if n % 7 != 3}
    assert (set(seen[0]), len(seen[0])) == (written, len(written))
    assert seen[0] == seen[1] == seen[2]
    assert [[s for s in seen[0] if s.startswith(f"{n}-")] for n in range(4)] == [
        [f"{n}-{m}" for m in range(40) if m % 7 != 3] for n in range(4)
    ]
    positions = list(Event.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, len(written) + 1))


def test_requests_that_changed_are_listed_once_by_their_latest_change(partner: Partner, ask: Ask) -> None:
    one, two = ask(partner), ask(partner, 2)
    for subject in (one.reference, two.reference, one.reference):
        tell(partner, subject)
    page = partner.get("", since="0").json()
    assert ([i["reference"] for i in page["items"]], page["next"]) == ([two.reference, one.reference], "3")
    assert [i["reference"] for i in partner.get("", since="2").json()["items"]] == [one.reference]
    assert partner.get("", since="3").json() == {"items": [], "next": "3"}


def test_a_page_of_what_changed_looks_through_so_many_events_and_no_more(
    partner: Partner, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WALK", 2)
    one, two = ask(partner).reference, ask(partner, 2).reference
    for subject in (one, one, one, two, one):
        tell(partner, subject)
    pages, since = [], "0"
    while (page := partner.get("", since=since, limit="1").json())["next"] != since:
        since = page["next"]
        pages.append(([item["reference"] for item in page["items"]], since))
    assert pages == [([], "2"), ([two], "4"), ([one], "5")]
