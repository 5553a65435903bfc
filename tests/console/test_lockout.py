"""Who guesses passwords is locked out; who forgot theirs is let in again; neither leaves a trace of a person in the log."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client, RequestFactory
from django.urls import reverse

from retailsync.console import lockout, roles
from retailsync.sync.models import Action
from tests.console.test_roles import member

RIGHT, WRONG = "correct horse", "battery staple"


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga", password=RIGHT, is_staff=True)


def enter(client: Client, password: str, name: str = "olga", **more: Any) -> Any:
    return client.post("/admin/login/", {"username": name, "password": password, "next": "/admin/"}, **more)


def guess(client: Client, times: int, name: str = "olga", **more: Any) -> list[int]:
    return [enter(client, WRONG, name, **more).status_code for _ in range(times)]


def test_five_wrong_passwords_lock_the_name_at_that_address(olga: User, client: Client) -> None:
    assert guess(client, 5) == [200, 200, 200, 200, 429]
    page = enter(client, RIGHT)
    assert page.status_code == 429 and "log-in is locked for 15 minutes" in page.content.decode()
    assert client.get("/admin/").status_code == 302, "not logged in"
    assert enter(Client(), RIGHT, REMOTE_ADDR="10.0.0.9").status_code == 302, "from elsewhere it is open"


def test_names_that_do_not_exist_are_answered_alike(olga: User, client: Client) -> None:
    assert guess(client, 6, "nobody") == guess(Client(), 6) == [200, 200, 200, 200, 429, 429]


def test_other_browsers_at_the_same_address_count_together(olga: User, client: Client) -> None:
    assert [guess(client, 1, HTTP_USER_AGENT=f"browser {n}")[0] for n in range(5)][-1] == 429


def test_it_ends_after_a_quarter_of_an_hour_and_guessing_on_does_not_prolong_it(olga: User, client: Client) -> None:
    guess(client, 5)
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=14))
    guess(client, 3)
    assert enter(client, RIGHT).status_code == 429
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=1))
    assert enter(client, RIGHT).status_code == 302 and client.get("/admin/").status_code == 200


def test_the_right_password_wipes_the_slate(olga: User, client: Client) -> None:
    guess(client, 4)
    assert enter(client, RIGHT).status_code == 302 and not AccessAttempt.objects.exists()


def test_an_administrator_sees_and_lifts_it(olga: User, client: Client) -> None:
    roles.keep()
    ada, page = member("ada", "Administrator"), reverse("admin:auth_user_change", args=[olga.pk])
    assert "Locked out" not in ada.get(page).content.decode()
    guess(client, 5)
    assert "At 127.0.0.1 until" in ada.get(page).content.decode()
    assert "locked out" in ada.get("/admin/auth/user/").content.decode()
    unlock = reverse("admin:auth_user_unlock", args=[olga.pk])
    assert member("viktor", "Viewer").post(unlock).status_code == 403 and enter(client, RIGHT).status_code == 429
    assert [str(m) for m in ada.post(unlock, follow=True).context["messages"]] == ["olga may try to log in again."]
    assert enter(client, RIGHT).status_code == 302
    assert Action.objects.filter(target_id=olga.pk).values_list("who", "what").get() == ("ada", "lift lock-out")
    assert "is not locked out" in str(next(iter(ada.post(unlock, follow=True).context["messages"])))


def test_the_log_says_that_and_not_who(olga: User, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        guess(client, 6, REMOTE_ADDR="10.1.2.3")
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "Locking out somebody after repeated login failures" in text
    assert not [word for word in ("olga", "10.1.2.3", WRONG, RIGHT) if word in text]


def test_no_password_is_kept(olga: User, client: Client) -> None:
    guess(client, 5)
    kept = " ".join(str(value) for row in AccessAttempt.objects.values_list() for value in row)
    assert "olga" in kept and WRONG not in kept and "battery" not in kept


def test_odd_names_are_no_trouble(olga: User, client: Client) -> None:
    for name in ("x" * 300, "a\0b", ""):
        assert set(guess(client, 6, name)) <= {200, 429}
    assert guess(Client(), 5, HTTP_USER_AGENT="y" * 3000)[-1] == 429


@pytest.mark.parametrize(
    ("secure", "told", "found"),
    [
        (True, "1.1.1.1, 8.8.8.8", "8.8.8.8"), (True, "", "10.0.0.1"), (True, "rubbish", "10.0.0.1"),
        (False, "1.1.1.1", "10.0.0.1"),
    ],
)  # fmt: skip
def test_only_the_proxys_own_word_says_who_calls(
    secure: bool, told: str, found: str, rf: RequestFactory, settings: Any
) -> None:
    settings.SECURE = secure
    assert lockout.address(rf.get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=told)) == found
