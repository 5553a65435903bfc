"""Who may give what to whom: nobody gives away, or takes over, more than they may themselves. Decides; knows no page."""

from django import forms
from django.contrib.auth.models import Group, Permission, User
from django.db.models import QuerySet
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from retailsync.console import roles
from retailsync.console.rights import code


def within(user: User, names: set[str]) -> bool:
    """Whether somebody may do all of this themselves."""
    return user.is_superuser or names <= user.get_all_permissions()


# ---- accounts ---------------------------------------------------------------------------------------------------------------
def may_manage(user: User, other: User) -> bool:
    """Whoever could change the account of a more powerful person could use it."""
    return user.is_superuser or (not other.is_superuser and within(user, rights_of(other)))


def rights_of(user: User) -> set[str]:
    """What an account may do once it is switched on: one that is off has its rights still."""
    found = Permission.objects.filter(group__user=user) | Permission.objects.filter(user=user)
    return {code(p) for p in found.select_related("content_type")}


# ---- roles ------------------------------------------------------------------------------------------------------------------
def rights_of_role(group: Group) -> set[str]:
    """What a role allows."""
    return {code(p) for p in group.permissions.select_related("content_type")}


def givable(user: User) -> QuerySet[Group]:
    """Roles somebody may give to others."""
    groups = Group.objects.prefetch_related("permissions__content_type")
    fits = [g.pk for g in groups if within(user, {code(p) for p in g.permissions.all()})]
    return Group.objects.filter(pk__in=fits).order_by("pk")


def own(user: User, group: Group | None) -> bool:
    """A role people made, which allows no more than this person may do: they may change it."""
    return group is None or (group.name not in roles.KNOWN and within(user, rights_of_role(group)))


def offered(user: User) -> QuerySet[Permission]:
    """Permissions somebody may put into a role: what roles are made of, as far as they may do it themselves."""
    named = set().union(*(roles.rights(name) for name in roles.KNOWN))
    used = set(Permission.objects.filter(group__isnull=False).values_list("pk", flat=True))
    found = Permission.objects.select_related("content_type")
    fits = [p.pk for p in found if (code(p) in named or p.pk in used) and within(user, {code(p)})]
    return found.filter(pk__in=fits).order_by("content_type__app_label", "content_type__model", "codename")


class Roles(forms.ModelMultipleChoiceField):
    """Roles to tick, each with what it is for."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, group: Group) -> str:
        known = roles.KNOWN.get(group.name)
        return f"{group.name}: {known.about}" if known else group.name
