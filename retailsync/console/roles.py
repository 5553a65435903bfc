"""Roles: which permissions each of the four has. Kept by this table; roles a shop makes itself are left alone."""

from collections.abc import Iterator
from typing import NamedTuple

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from retailsync.sync.models import Action

ALL = ("add", "change", "delete")
KEEPER = "retailsync"  # who the record names where the program itself brought a role up to date
#: Rows shown on pages of others, so the console has no page of their own to find them by.
BESIDES = ("partners.view_partnerkey", "partners.view_partnerterms")


class Role(NamedTuple):
    """A name for a set of permissions: what the role below it may, and more."""

    name: str
    about: str
    below: str
    more: tuple[str, ...]


class Unknown(LookupError):
    """The table names a permission that does not exist."""


def _all(app: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{app}.{verb}_{model}" for model in models for verb in ALL)


ROLES = (
    Role("Viewer", "Sees everything, changes nothing.", "", ()),
    Role(
        "Operator", "Works on exceptions and orders, gives shops' words a meaning, looks after customers.", "Viewer",
        (
            *("sync.change_case", "canonical.add_mapping", "canonical.change_mapping", "canonical.change_customer"),
            *("canonical.add_inboundshipment", "canonical.change_inboundshipment", "canonical.add_return", "canonical.change_return"),
        ),
    ),
    Role("Approver", "An operator who also says yes or no to what a colleague asks to do in bulk.", "Operator", ("sync.approve_replay",)),
    Role(
        "Administrator", "Sets everything up: systems and their secrets, rules, policies, schedules and people.", "Approver",
        (
            *("canonical.add_system", "canonical.change_system", "canonical.delete_mapping", "canonical.change_sku"),
            *("partners.add_partnerkey", "partners.change_partnerkey", "partners.change_partnerterms"),
            *("auth.add_user", "auth.change_user"),
            *_all("canonical", "location", "sourcing", "shoppolicy", "availabilityrule", "stocksource", "kitcomponent"),
            *_all("auth", "group"), *("sync.add_approvallimit", "sync.change_approvallimit"),
            *_all("django_celery_beat", "periodictask", "intervalschedule", "crontabschedule"),
        ),
    ),
)  # fmt: skip
KNOWN = {role.name: role for role in ROLES}


# ---- what a role may --------------------------------------------------------------------------------------------------------
def views() -> set[str]:
    """To look at everything: whatever has a page in the console, and the parts its pages show."""
    pages = [*admin.site._registry, *(i.model for page in admin.site._registry.values() for i in page.inlines)]
    return {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in pages} | set(BESIDES)


def rights(name: str) -> set[str]:
    """Every permission of a role, as `app.codename`."""
    role = KNOWN[name]
    return set(role.more) | (rights(role.below) if role.below else views())


# ---- bringing them up to date -----------------------------------------------------------------------------------------------
def keep() -> list[str]:
    """Make the four roles, or correct them, and say what was changed. Raises Unknown for a name nobody knows."""
    known = {
        f"{app}.{code}": pk
        for app, code, pk in Permission.objects.values_list("content_type__app_label", "codename", "pk")
    }
    with transaction.atomic():
        return list(_kept(known))


def _kept(known: dict[str, int]) -> Iterator[str]:
    for role in ROLES:
        wanted = rights(role.name)
        if unknown := wanted - known.keys():
            raise Unknown(f"The role {role.name} names what does not exist: {', '.join(sorted(unknown))}.")
        group, new = Group.objects.get_or_create(name=role.name)
        has = set(group.permissions.values_list("pk", flat=True))
        should = {known[name] for name in wanted}
        if new or has != should:
            group.permissions.set(should)
            why = f"{len(should - has)} permissions added, {len(has - should)} taken away"
            Action.objects.create(who=KEEPER, what="keep role", target_kind="group", target_id=group.pk, why=why)
            yield f"{role.name}: {why}."
