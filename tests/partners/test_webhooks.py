"""A partner sets its webhooks up: addresses that may be called, secrets shown once and changed over, and nothing of anybody else's."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import override_settings

from connectors.simulation import Answer, Fault
from retailsync.partners import feed
from retailsync.partners.models import Delivery, PartnerKey, Subscription
from retailsync.partners.views import webhooks
from retailsync.partners.webhooks import subscribing
from retailsync.platform.secrets import unseal
from retailsync.sync import clock
from retailsync.sync.leases import lease
from retailsync.sync.models import Attempt, Case
from tests.sync.side_by_side import Gate, Worker, blocked

from .conftest import Partner, make_partner
from .receiver import Receiver, call, happens, listening, states, verified

pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = "https://93.184.215.14/hooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_new_webhook_is_shown_with_its_secret_this_once(partner: Partner) -> None:
    made = call(partner, "post", body={"url": PUBLIC, "types": ["fulfilment_request.created"]})
    assert made.status_code == 201
    outline = made.json()
    secret = outline.pop("secret")
    assert secret.startswith("whsec_")
    assert outline == {
        "id": str(Subscription.objects.get().pk), "url": PUBLIC, "types": ["fulfilment_request.created"], "state": "on",
        "disabled_at": None, "disabled_because": "", "failing_since": None, "trouble": "", "delivered_at": None, "position": 0,
        "older_secret_until": None, "created_at": outline["created_at"],
    }  # fmt: skip
    assert call(partner, "get").json() == {"items": [outline], "next": None}
    assert call(partner, "get", outline["id"]).json() == outline
    assert unseal(Subscription.objects.get().secret) == secret and secret not in everything_stored()


def everything_stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(s::text, '') FROM partners_subscription s")
        kept = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(a::text, '') FROM partners_answered a")
        return f"{kept} {cursor.fetchone()[0]}"


def test_a_repeated_call_is_answered_alike_and_what_is_kept_for_it_is_sealed(partner: Partner) -> None:
    first, second = (call(partner, "post", body={"url": PUBLIC}, key="k") for _ in range(2))
    assert (first.json(), second.headers["Idempotency-Replayed"]) == (second.json(), "true")
    assert Subscription.objects.count() == 1 and first.json()["secret"] not in everything_stored()
    rotated = [call(partner, "post", f"{first.json()['id']}/rotate", {}, key="r").json() for _ in range(2)]
    assert rotated[0] == rotated[1] and rotated[0]["secret"] not in everything_stored()
    assert rotated[0]["secret"] != first.json()["secret"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://93.184.215.14/", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("https://user:secret@93.184.215.14/", "must not contain a user name or password"),
        ("https:///hooks", "names no host"),
        ("https://127.0.0.1/", "127.0.0.1 is an internal address. Only public https addresses may be called"),
        ("http://127.0.0.1:8000/", "must begin with https://"),
        ("https://10.0.0.8/", "10.0.0.8 is an internal address. Only public https addresses may be called"),
        ("https://169.254.169.254/latest", "169.254.169.254 is an internal address. Only public https addresses may be called"),
        ("https://[::1]/", "::1 is an internal address. Only public https addresses may be called"),
        ("https://[::ffff:10.0.0.8]/", "::ffff:10.0.0.8 is an internal address. Only public https addresses may be called"),
        ("https://localhost/", "localhost is an internal address. Only public https addresses may be called"),
        ("https://nobody.invalid/", "nobody.invalid could not be resolved"),
        ("https://example.com/ä", "contains a character that must be escaped"),
        ("", "must not be empty"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["post", "patch"])
def test_an_address_that_may_not_be_called_is_refused_by_name(
    partner: Partner, method: str, url: str, words: str
) -> None:
    path = "" if method == "post" else str(subscribing.create(partner.system.pk, PUBLIC, []).pk)
    answer = call(partner, method, path, {"url": url})
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, "url", f"url: {words}")
    assert [row.url for row in Subscription.objects.all()] == ([PUBLIC] if path else [])


def test_our_own_machine_is_for_development_where_the_set_up_says_so(partner: Partner, receiver: Receiver) -> None:
    listening(partner, receiver)
    body = {"url": f"{receiver.url}/hook"}
    assert call(partner, "post", body=body).status_code == 201
    with override_settings(PRODUCTION=True):
        assert call(partner, "post", body=body).json()["field"] == "url"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "url", "is missing"),
        ({"url": PUBLIC, "secret": "x"}, "secret", "is not a field of this message"),
        ({"url": PUBLIC, "types": ["order.created"]}, "types[0]", f"must be one of {', '.join(feed.TYPES)}"),
        ({"url": PUBLIC, "types": "all"}, "types", "must be a list, not text"),
    ],
)
def test_a_wrong_message_is_a_problem_with_its_field(partner: Partner, body: Any, field: str, words: str) -> None:
    answer = call(partner, "post", body=body)
    assert (answer.status_code, answer.json()["field"], answer.json()["detail"]) == (400, field, f"{field}: {words}")


def test_a_partner_has_ten_at_most(partner: Partner, other: Partner) -> None:
    made = [call(partner, "post", body={"url": PUBLIC}) for _ in range(11)]
    assert [answer.status_code for answer in made] == [201] * 10 + [422]
    assert made[-1].json()["code"] == "limit_reached"
    assert call(other, "post", body={"url": PUBLIC}).status_code == 201
    call(partner, "delete", made[3].json()["id"])
    assert call(partner, "post", body={"url": PUBLIC}).status_code == 201
    with pytest.raises(IntegrityError, match="subscription_places"):
        Subscription.objects.create(system=partner.system, place=11, url=PUBLIC, secret="x", position=0)


def test_two_who_want_the_last_place_at_once(partner: Partner) -> None:
    """Without the lock of subscribing.create both found it free: the constraint refused the second with an error of ours."""
    for _ in range(9):
        subscribing.create(partner.system.pk, PUBLIC, [])
    gate = Gate()

    def slowly() -> None:
        with transaction.atomic():
            subscribing.create(partner.system.pk, PUBLIC, [])
            gate.stop()

    first = Worker(slowly)
    gate.reached()
    second = Worker(lambda: call(partner, "post", body={"url": PUBLIC}).json()["code"])
    assert blocked(second)
    gate.open()
    first.result()
    assert second.result() == "limit_reached" and Subscription.objects.count() == 10


def test_the_list_is_read_page_by_page(partner: Partner) -> None:
    made = [str(subscribing.create(partner.system.pk, PUBLIC, []).pk) for _ in range(3)]
    first = call(partner, "get", limit="2").json()
    second = call(partner, "get", after=first["next"]).json()
    assert [[item["id"] for item in page["items"]] for page in (first, second)] == [made[:2], made[2:]]
    assert second["next"] is None


def test_what_is_changed_counts_from_then_on(partner: Partner, receiver: Receiver) -> None:
    row = listening(partner, receiver)
    Subscription.objects.update(failing_since="2026-05-01T12:00:00Z", words="It answered 500.")
    same = call(partner, "patch", str(row.pk), {"types": ["fulfilment_request.shipped"]}).json()
    assert (same["types"], same["trouble"]) == (["fulfilment_request.shipped"], "It answered 500.")
    assert [event.type for event in happens(partner, "F1")] == ["fulfilment_request.created"] and states(row) == []
    moved = call(partner, "patch", str(row.pk), {"url": PUBLIC, "types": []}).json()
    assert (moved["url"], moved["types"], moved["failing_since"], moved["trouble"]) == (PUBLIC, [], None, "")


def test_a_deleted_one_is_gone_with_its_deliveries(partner: Partner, receiver: Receiver) -> None:
    row = listening(partner, receiver)
    happens(partner, "F1")
    assert call(partner, "delete", str(row.pk)).json() == {"id": str(row.pk), "deleted": True}
    assert not Subscription.objects.exists() and not Delivery.objects.exists()
    assert call(partner, "delete", str(row.pk)).status_code == 404


def test_a_key_without_the_scope_sees_nothing(partner: Partner) -> None:
    _, text = PartnerKey.issue(partner.system, "reader", scopes=["events:read"])
    reader = Partner(partner.system, partner.location, partner.key, text)
    answers = [call(reader, method, body={} if method == "post" else None) for method in ("get", "post")]
    assert [(a.status_code, a.json()["scope"]) for a in answers] == [(403, "webhooks:write")] * 2


ADDRESSES = (
    ("get", "{id}", None), ("patch", "{id}", {}), ("delete", "{id}", None), ("post", "{id}/test", {}), ("post", "{id}/rotate", {}),
    ("post", "{id}/enable", {}), ("post", "{id}/redeliver", {"after": 0}), ("get", "{id}/deliveries", None),
    ("post", "{id}/deliveries/{delivery}/redeliver", {}),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), ADDRESSES)
def test_another_partners_webhook_is_as_unknown_as_none(
    partner: Partner, other: Partner, receiver: Receiver, method: str, path: str, body: Any
) -> None:
    theirs = listening(other, receiver)
    happens(other, "F1")
    before = Subscription.objects.values().get(), Delivery.objects.values().get()
    places = [(theirs.pk, Delivery.objects.get().pk), (10**30, 1)]
    answers = [call(partner, method, path.format(id=id, delivery=delivery), body) for id, delivery in places]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, "not_found")}
    assert (Subscription.objects.values().get(), Delivery.objects.values().get()) == before and not receiver.seen


def test_a_delivery_of_another_webhook_is_not_there(partner: Partner, receiver: Receiver) -> None:
    first, second = listening(partner, receiver), listening(partner, receiver)
    happens(partner, "F1")
    stranger = Delivery.objects.get(subscription=second).pk
    assert call(partner, "post", f"{first.pk}/deliveries/{stranger}/redeliver", {}).status_code == 404


# ---- trying it --------------------------------------------------------------------------------------------------------------
def test_a_test_is_a_signed_ping_and_says_what_came_back(partner: Partner, receiver: Receiver) -> None:
    row = listening(partner, receiver)
    said = call(partner, "post", f"{row.pk}/test", {}, key="t").json()
    assert said == {"delivered": True, "status": 200, "milliseconds": said["milliseconds"], "words": ""}
    (ping,) = receiver.seen
    assert (ping.json()["type"], ping.json()["data"]) == ("ping", {}) and verified(ping, unseal(row.secret))
    assert call(partner, "post", f"{row.pk}/test", {}, key="t").json() == said and len(receiver.seen) == 1
    exchange = Attempt.objects.get(system=partner.system)
    assert (exchange.status, exchange.method) == (200, "POST") and unseal(row.secret) not in exchange.request


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (Answer(500), 500, "It answered 500."),
        (Answer(302, None, {"Location": "http://127.0.0.1/"}), 302, "It answered with a redirect (302), which is not followed."),
        (Answer(410), 410, "It answered that it is gone (410)."),
        (Answer(200, b"x" * 100_000), None, "127.0.0.1 answered with too much: more than 65536 bytes."),
    ],
)  # fmt: skip
def test_a_test_that_fails_changes_nothing(
    partner: Partner, receiver: Receiver, answer: Answer, status: int | None, words: str
) -> None:
    row = listening(partner, receiver)
    receiver.answer = lambda request: answer
    said = call(partner, "post", f"{row.pk}/test").json()
    assert (said["delivered"], said["status"], said["words"]) == (False, status, words)
    assert len(receiver.seen) == 1
    assert call(partner, "get", str(row.pk)).json()["state"] == "on"


def test_an_address_that_does_not_answer_is_waited_for_a_little(
    partner: Partner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE", 0.2)
    receiver.faults.add(Fault(do="freeze"))
    said = call(partner, "post", f"{listening(partner, receiver).pk}/test").json()
    assert (said["status"], said["words"]) == (None, "127.0.0.1 gave no complete answer: it took too long.")


def test_one_is_tested_at_a_time(partner: Partner, receiver: Receiver) -> None:
    row = listening(partner, receiver)
    with lease(f"partner-ping:{partner.system.pk}", 10):
        answer = call(partner, "post", f"{row.pk}/test", {})
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "in_progress", "1")
    assert not receiver.seen


def test_a_key_in_an_address_is_shown_to_its_owner_only(partner: Partner) -> None:
    row = subscribing.create(partner.system.pk, f"{PUBLIC}?token=abc123", [])
    row = Subscription.objects.select_related("system").get(pk=row.pk)
    subscribing.switch_off(row, Subscription.Why.GONE, clock.now())
    assert call(partner, "get", str(row.pk)).json()["url"].endswith("abc123")
    seen = [Case.objects.get().words, str(row), str(feed.after(partner.system.pk, 0, 1)[0].data)]
    assert not any("abc123" in text for text in seen)


# ---- changing the secret over -----------------------------------------------------------------------------------------------
def test_both_secrets_sign_while_one_is_changed_over(partner: Partner, receiver: Receiver) -> None:
    row = listening(partner, receiver)
    old = unseal(row.secret)
    new = call(partner, "post", f"{row.pk}/rotate", {"overlap_hours": 2}).json()
    assert new["older_secret_until"] and new["secret"] != old
    call(partner, "post", f"{row.pk}/test")
    assert verified(receiver.seen[-1], old, new["secret"])
    Subscription.objects.update(before_until="2026-01-01T00:00:00Z")
    call(partner, "post", f"{row.pk}/test")
    assert (
        verified(receiver.seen[-1], new["secret"]) and len(receiver.seen[-1].headers["webhook-signature"].split()) == 1
    )


def test_a_secret_somebody_knows_ends_at_once(partner: Partner, receiver: Receiver) -> None:
    row = listening(partner, receiver)
    new = call(partner, "post", f"{row.pk}/rotate", {"overlap_hours": 0}).json()
    assert new["older_secret_until"] is None
    call(partner, "post", f"{row.pk}/test")
    assert (
        verified(receiver.seen[-1], new["secret"]) and len(receiver.seen[-1].headers["webhook-signature"].split()) == 1
    )
    assert call(partner, "post", f"{row.pk}/rotate", {"overlap_hours": 200}).json()["field"] == "overlap_hours"


def test_partners_do_not_share_places(receiver: Receiver) -> None:
    rows = [listening(make_partner(slug), receiver) for slug in ("w8", "w9")]
    assert [row.place for row in rows] == [1, 1]
