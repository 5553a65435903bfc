"""Five failures and a name is not let in from that address for a quarter of an hour; an administrator may let it in at once."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client

from retailsync.sync.models import Action
from tests.console.conftest import person

LIST = "/admin/axes/accessattempt/"


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga", password="right", is_staff=True)


def log_in(password: str, address: str = "10.0.0.1") -> Any:
    return Client(REMOTE_ADDR=address).post(
        "/admin/login/", {"username": "olga", "password": password, "next": "/admin/"}
    )


def test_five_failures_lock_out_and_say_so(olga: User, caplog: pytest.LogCaptureFixture) -> None:
    answers = [log_in("wrong").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]
    page = log_in("right")
    assert page.status_code == 429 and "Too many failed log-ins" in page.content.decode()
    assert log_in("right", "10.0.0.2").status_code == 302, "elsewhere nobody failed"
    assert "wrong" not in caplog.text and not AccessAttempt.objects.filter(post_data__contains="wrong").exists()


def test_a_quarter_of_an_hour_later(olga: User) -> None:
    for _ in range(5):
        log_in("wrong")
    first = AccessAttempt.objects.get().attempt_time
    AccessAttempt.objects.update(attempt_time=first - timedelta(minutes=14))
    assert log_in("right").status_code == 429
    AccessAttempt.objects.update(attempt_time=first - timedelta(minutes=16))
    assert log_in("right").status_code == 302


def test_a_success_forgets_failures(olga: User) -> None:
    for _ in range(4):
        log_in("wrong")
    assert log_in("right").status_code == 302 and not AccessAttempt.objects.exists()


def test_an_administrator_lets_them_in(olga: User, boss: Client) -> None:
    for _ in range(5):
        log_in("wrong")
    assert "locked out" in boss.get(LIST).content.decode()
    row = AccessAttempt.objects.get()
    assert "quarter of an hour" in boss.get(f"{LIST}{row.pk}/change/").content.decode()
    boss.post(LIST, {"action": "let_in", "_selected_action": [row.pk]})
    assert log_in("right").status_code == 302
    assert Action.objects.values_list("who", "what", "why").get() == ("boss", "let log in again", "olga")


def test_who_only_looks_lets_nobody_in(olga: User) -> None:
    for _ in range(5):
        log_in("wrong")
    person("viktor", "view_accessattempt").post(
        LIST, {"action": "let_in", "_selected_action": [AccessAttempt.objects.get().pk]}
    )
    assert log_in("right").status_code == 429
