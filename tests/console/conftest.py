"""Who looks at the console: somebody without rights, a viewer, an operator, an administrator."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from retailsync.sync.models import Case, Group, Replay
from tests.console.scene import Scene, make

VIEWS = (
    *("case", "group", "replay", "order", "message", "command", "attempt", "system", "shipment", "entry"),
    *("customer", "link", "sku", "product", "location", "sourcing", "mapping", "shoppolicy"),
)
STOCK = (
    *("stocklevel", "stockmovement", "stocksource", "stocksnapshot", "offer", "listing", "publication", "oversell"),
    "availabilityrule",
)


def person(name: str, *permissions: str, superuser: bool = False) -> Client:
    """A logged-in member of staff with these permissions."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def meant(client: Client, case: Case, **form: Any) -> Any:
    """Give a word its meaning in the group of this exception, look, and have it done. The last page."""
    group = Group.objects.get(cause=case.cause)
    page = client.post(reverse("admin:sync_group_fix", args=[group.pk]), form, follow=True)
    replay = page.context.get("row") if page.context else None
    return (
        client.post(reverse("admin:sync_replay_go", args=[replay.pk]), follow=True)
        if isinstance(replay, Replay)
        else page
    )


@pytest.fixture
def scene(db: None) -> Scene:
    return make()


@pytest.fixture
def stranger(db: None) -> Client:
    return person("stranger")


@pytest.fixture
def viewer(db: None) -> Client:
    return person("viewer", *(f"view_{name}" for name in VIEWS))


@pytest.fixture
def operator(db: None) -> Client:
    return person("olga", "change_case", *(f"view_{name}" for name in VIEWS))


@pytest.fixture
def onlooker(db: None) -> Client:
    """Somebody who looks at stock."""
    return person("onlooker", *(f"view_{name}" for name in (*STOCK, *VIEWS)))


@pytest.fixture
def planner(db: None) -> Client:
    """Somebody who plans stock."""
    rights = [f"{verb}_{name}" for name in ("stocksource", "availabilityrule") for verb in ("add", "change", "delete")]
    return person("paula", "change_case", *rights, *(f"view_{name}" for name in (*STOCK, *VIEWS)))


@pytest.fixture
def boss(db: None) -> Client:
    return person("boss", superuser=True)


@pytest.fixture
def queries() -> Callable[[Client, str], int]:
    """How many queries one page takes."""

    def count(client: Client, url: str) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(url).status_code == 200
        return len(caught)

    return count
