"""Roles are kept by a table, said in words, and nobody gives away or takes over more than they may themselves."""

from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from retailsync.console import rights, roles
from retailsync.sync.models import Action

NAMES = ["Viewer", "Operator", "Approver", "Administrator"]


def member(name: str, *given: str, superuser: bool = False) -> Client:
    """A logged-in member of staff with these roles."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.groups.set(Group.objects.filter(name__in=given))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def kept(db: None) -> None:
    roles.keep()


@pytest.fixture
def ada(kept: None) -> Client:
    """An administrator."""
    return member("ada", "Administrator")


def run() -> str:
    said = StringIO()
    call_command("roles", stdout=said)
    return said.getvalue()


# ---- the table --------------------------------------------------------------------------------------------------------------
def test_every_permission_of_the_table_exists(db: None) -> None:
    known = {f"{app}.{code}" for app, code in Permission.objects.values_list("content_type__app_label", "codename")}
    assert {name for role in NAMES for name in roles.rights(role)} <= known


def test_each_role_may_what_the_one_below_may_and_more() -> None:
    sets = [roles.rights(name) for name in NAMES]
    assert all(below < above for below, above in pairwise(sets))
    assert all(".view_" in name for name in sets[0])


def test_the_command_makes_them_once(db: None) -> None:
    assert [line.partition(":")[0] for line in run().splitlines()] == NAMES
    noted = Action.objects.filter(what="keep role").count()
    assert run() == "All roles are as they should be.\n"
    assert list(Group.objects.order_by("pk").values_list("name", flat=True)) == NAMES
    assert Action.objects.count() == noted == 4


def test_it_corrects_what_drifted_and_leaves_other_roles_alone(kept: None) -> None:
    own = Group.objects.create(name="Night shift")
    viewer, extra = Group.objects.get(name="Viewer"), Permission.objects.get(codename="delete_user")
    own.permissions.add(extra)
    viewer.permissions.add(extra)
    assert run() == "Viewer: 0 permissions added, 1 taken away.\n"
    assert extra not in viewer.permissions.all() and list(own.permissions.all()) == [extra]


def test_a_name_nobody_knows_fails_loudly(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "BESIDES", ("sync.view_unicorn",))
    with pytest.raises(CommandError, match=r"Viewer names what does not exist: sync\.view_unicorn"):
        run()
    assert not Group.objects.exists()


# ---- in words ---------------------------------------------------------------------------------------------------------------
def test_rights_are_said_in_words() -> None:
    assert rights.told(roles.rights("Viewer")) == ["See everything"]
    operator = rights.told(roles.rights("Operator"))
    assert operator[1].startswith("Release, settle and close exceptions")
    assert operator[-1] == "Add and change inbound shipments, mappings, returns"
    alike = next(
        line for line in rights.told(roles.rights("Administrator")) if line.startswith("Add, change and delete")
    )
    assert {"availability rules", "locations", "shop policies"} <= set(alike[23:].split(", "))
    assert rights.told({"canonical.view_order"}) == ["See orders"] and rights.told([]) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, rights.NOTHING),
        ({"is_superuser": True}, rights.EVERYTHING),
        ({"is_superuser": True, "is_active": False}, rights.OFF),
    ],
)
def test_a_users_page_says_what_they_may_do(given: dict[str, bool], words: str, ada: Client) -> None:
    other = User.objects.create_user("other", is_staff=True, **given)
    text = ada.get(reverse("admin:auth_user_change", args=[other.pk])).content.decode()
    assert words.rstrip(".") in text


def test_a_roles_page_says_what_it_allows_and_who_has_it(ada: Client) -> None:
    page = ada.get(reverse("admin:auth_group_change", args=[Group.objects.get(name="Administrator").pk]))
    assert "Issue API keys to partners" in page.content.decode() and ">ada</a>" in page.content.decode()


# ---- giving roles -----------------------------------------------------------------------------------------------------------
def user_page(user: User) -> str:
    return reverse("admin:auth_user_change", args=[user.pk])


def edit(client: Client, user: User, *given: str, **more: Any) -> Any:
    groups = [group.pk for group in Group.objects.filter(name__in=given)]
    return client.post(user_page(user), {"username": user.username, "is_active": "on", "groups": groups, **more})


def test_a_role_is_given_and_kept_in_the_record(ada: Client) -> None:
    olga = User.objects.create_user("olga", is_staff=True)
    assert edit(ada, olga, "Viewer", "Operator").status_code == 302
    assert set(olga.groups.values_list("name", flat=True)) == {"Viewer", "Operator"}
    edit(ada, olga, "Viewer", "Operator")
    assert edit(ada, olga, is_active="").status_code == 302
    said = Action.objects.filter(target_kind="user", target_id=olga.pk).order_by("pk").values_list("who", "what", "why")
    assert list(said) == [
        ("ada", "change user", "no role → Viewer, Operator"),
        ("ada", "change user", "Viewer, Operator → no role; switched off"),
    ]
    assert "no role → Viewer, Operator" in ada.get(user_page(olga)).content.decode()


def test_a_new_user_may_log_in_with_the_roles_they_were_given(ada: Client, client: Client) -> None:
    form = {"username": "olga", "usable_password": "true", "password1": "correct horse", "password2": "correct horse"}
    viewer = Group.objects.get(name="Viewer")
    assert ada.post(reverse("admin:auth_user_add"), {**form, "groups": [viewer.pk]}).status_code == 302
    client.post("/admin/login/", {"username": "olga", "password": "correct horse"})
    assert client.get("/admin/").status_code == 200
    assert client.get(reverse("admin:sync_case_changelist")).status_code == 200
    assert Action.objects.filter(who="ada").values_list("what", "why").get() == ("add user", "no account → Viewer")


# ---- nobody more than they have ---------------------------------------------------------------------------------------------
def test_an_administrator_makes_nobody_a_superuser(ada: Client) -> None:
    more = Permission.objects.get(codename="delete_user")
    for user in (User.objects.get(username="ada"), User.objects.create_user("olga", is_staff=True)):
        edit(ada, user, "Administrator", is_superuser="on", user_permissions=[more.pk])
        user.refresh_from_db()
        assert not user.is_superuser and not user.user_permissions.exists()


def test_a_superusers_account_is_for_superusers(ada: Client) -> None:
    root = User.objects.create_superuser("root", password="first one")
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    new = {"usable_password": "true", "password1": "correct horse", "password2": "correct horse"}
    assert edit(ada, root).status_code == 403 and ada.post(password, new).status_code == 403
    root.refresh_from_db()
    assert root.is_superuser and root.check_password("first one")
    assert edit(member("chief", superuser=True), root, is_superuser="").status_code == 302
    root.refresh_from_db()
    assert not root.is_superuser


def test_a_role_that_allows_more_is_not_given_away(kept: None) -> None:
    helper = Group.objects.create(name="Help desk")
    helper.permissions.set(Permission.objects.filter(codename__in=("view_user", "change_user", "view_case")))
    hanna, olga = member("hanna", "Help desk"), User.objects.create_user("olga", is_staff=True)
    assert edit(hanna, olga, "Administrator").context["adminform"].form.errors.keys() == {"groups"}
    assert edit(hanna, User.objects.get(username="hanna"), "Help desk", "Operator").status_code == 200
    assert edit(hanna, olga, "Help desk").status_code == 302
    member("viktor", "Viewer")
    assert edit(hanna, User.objects.get(username="viktor"), "Help desk").status_code == 403, (
        "who may more is not theirs to change"
    )
    olga.is_active = False
    olga.groups.set(Group.objects.filter(name="Viewer"))
    olga.save()
    assert edit(hanna, olga).status_code == 403, "nor is one who could again, once switched on"


def test_a_role_of_ones_own_allows_no_more_than_one_may(ada: Client) -> None:
    may, may_not = (Permission.objects.get(codename=name) for name in ("view_case", "delete_user"))
    add = reverse("admin:auth_group_add")
    assert (
        "permissions" in ada.post(add, {"name": "Mighty", "permissions": [may_not.pk]}).context["adminform"].form.errors
    )
    assert ada.post(add, {"name": "Night shift", "permissions": [may.pk]}).status_code == 302
    assert Action.objects.get(what="add role").why == "Night shift: +sync.view_case"
    mighty = Group.objects.create(name="Mighty")
    mighty.permissions.add(may_not)
    page = reverse("admin:auth_group_change", args=[mighty.pk])
    assert ada.post(page, {"name": "Mine", "permissions": [may.pk]}).status_code == 403


def test_the_four_roles_are_not_edited_here(ada: Client) -> None:
    role = Group.objects.get(name="Viewer")
    for client in (ada, member("chief", superuser=True)):
        assert client.post(reverse("admin:auth_group_change", args=[role.pk]), {"name": "X"}).status_code == 403
        assert client.post(reverse("admin:auth_group_delete", args=[role.pk]), {"post": "yes"}).status_code == 403
    assert Group.objects.filter(name="Viewer").exists()


def test_accounts_are_switched_off_and_keep_their_name(ada: Client) -> None:
    olga = User.objects.create_user("olga", is_staff=True)
    assert ada.post(reverse("admin:auth_user_delete", args=[olga.pk]), {"post": "yes"}).status_code == 403
    edit(ada, olga, username="ada2")
    assert User.objects.get(pk=olga.pk).username == "olga"


def test_a_password_is_set_and_only_that_it_was_is_kept(ada: Client) -> None:
    olga = User.objects.create_user("olga", is_staff=True)
    new = {"usable_password": "true", "password1": "correct horse", "password2": "correct horse"}
    assert ada.post(reverse("admin:auth_user_password_change", args=[olga.pk]), new).status_code == 302
    assert Action.objects.filter(target_id=olga.pk).values_list("what", "why").get() == ("set password", "")
    assert "pbkdf2" not in member("viktor", "Viewer").get(user_page(olga)).content.decode()


def test_breadcrumbs_say_what_the_menu_says(ada: Client) -> None:
    for page in ("/admin/auth/user/", "/admin/auth/group/", "/admin/auth/user/add/"):
        content = " ".join(ada.get(page).content.decode().split())
        assert "Authentication and Authorization" not in content and "> People </a" in content, page
