"""What staff edit keeps its versions: everybody who may look sees them, only who may change puts one back."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from canonical.models import System
from retailsync.console import roles
from retailsync.console.versions import Noted, Versions
from tests.console.scene import Scene
from tests.console.test_roles import member


@pytest.fixture
def version(scene: Scene) -> tuple[str, dict[str, Any]]:
    """The address of an older version of a shop, and its form as a browser would send it."""
    roles.keep()
    shop = scene.shop
    first = shop.history.get()
    System.objects.get(pk=shop.pk)
    shop.name = "Web shop, renamed"
    shop.save()
    form = {
        "name": first.name, "roles": first.roles, "mode": "paused", "settings": '{"url": "https://evil.example.com"}',
        "prefix": "", "erp": "", "rate_limit": "", "timezone": "UTC",
    }  # fmt: skip
    return f"/admin/canonical/system/{shop.pk}/history/{first.history_id}/", form


def state() -> tuple[str, str, Any]:
    shop = System.objects.get(slug="web")
    return shop.name, shop.mode, shop.settings


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Approver"])
def test_who_may_only_look_puts_no_version_back(role: str, version: tuple[str, dict[str, Any]]) -> None:
    url, form = version
    looker, before = member("viktor", role), state()
    page = looker.get(url).content.decode()
    assert "Web shop" in page and "press the" not in page.lower()
    assert looker.post(url, form).status_code == 403
    assert state() == before


def test_who_may_change_puts_one_back(version: tuple[str, dict[str, Any]], boss: Client) -> None:
    url, form = version
    assert boss.post(url, form).status_code == 302
    assert state()[:2] == ("Web shop", "paused")
    newest = System.objects.get(slug="web").history.first()
    assert (newest.name, newest.history_user.username) == ("Web shop", "boss")


#: Pages whose rows keep no versions, and what keeps their history instead.
OTHERWISE = {
    "auth.User": "Action (test_roles)",
    "auth.Group": "Action (test_roles)",
    "canonical.Sku": "Action and the ledger (test_systems); a kit's parts keep versions",
}


def test_whatever_staff_edit_keeps_its_history(rf: RequestFactory, boss: Client) -> None:
    request = rf.get("/")
    request.user = User.objects.get(username="boss")
    edited = {
        page.opts.label: page
        for page in admin.site._registry.values()
        if page.has_add_permission(request) or page.has_change_permission(request)
    }
    kept = {label for label, page in edited.items() if hasattr(page.model, "history") or isinstance(page, Noted)}
    assert edited.keys() - kept == OTHERWISE.keys()
    parts = {inline.model for page in edited.values() for inline in page.inlines}
    assert [model for model in parts if not hasattr(model, "history")] == []
    assert all(isinstance(page, Noted | Versions) for label, page in edited.items() if label in kept)
