"""The people who work here and their roles. Nobody gives away, or takes over, more than they may themselves."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Field, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from retailsync.console import giving, lockout, rights, roles, words
from retailsync.console.base import Lists, Request
from retailsync.sync.models import Action

admin.site.unregister(User)
admin.site.unregister(Group)


def _note(request: Request, what: str, kind: str, id: int, why: str) -> None:
    Action.objects.create(who=request.user.get_username(), what=what, target_kind=kind, target_id=id, why=why)


def _actions(kind: str, id: str) -> list[Action]:
    return list(Action.objects.filter(target_kind=kind, target_id=id)[:20]) if id.isdecimal() and len(id) < 18 else []


# ---- users ------------------------------------------------------------------------------------------------------------------
PERSON = ("Person", {"fields": [("first_name", "last_name"), "email"]})
MAY = ("What they may do", {"fields": ["is_active", "groups"]})
BEYOND = (
    "Beyond roles (superusers only)",
    {"fields": ["is_staff", "is_superuser", "user_permissions"], "classes": ["collapse"]},
)


@admin.register(User)
class UserAdmin(PlainUserAdmin, Lists):
    """Who may log in, and what they may do. Names stay: the record knows people by them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "full_name", "roles_word", "active_word", "last_login_word"]
    list_filter = ["is_active", "groups"]
    filter_horizontal = ["user_permissions"]
    change_form_outer_before_template = "console/user_before.html"
    change_form_outer_after_template = "console/user_after.html"
    actions = None
    add_fieldsets = [
        (None, {"fields": ["username", "password1", "password2"]}),
        PERSON,
        ("What they may do", {"fields": ["groups"]}),
    ]

    # ---- columns ----
    def get_queryset(self, request: Request) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Name")
    def full_name(self, row: User) -> str:
        return row.get_full_name() or words.NOTHING

    @display(description="Roles")
    def roles_word(self, row: User) -> str:
        names = ["superuser"] if row.is_superuser else [group.name for group in row.groups.all()]
        return ", ".join(names) or "none: sees nothing"

    def complete(self, rows: Sequence[User]) -> None:
        locked = lockout.locked([row.username for row in rows])
        for row in rows:
            row.locks = locked.get(row.username, [])

    @display(description="Account", ordering="is_active")
    def active_word(self, row: User) -> str:
        if not row.is_active:
            return words.badge("switched off", "warn")
        return words.badge("locked out", "bad") if row.locks else words.badge("on", "good")

    @display(description="Last logged in", ordering="last_login")
    def last_login_word(self, row: User) -> str:
        return words.when(row.last_login, relative=True) if row.last_login else "never"

    # ---- who may change whom ----
    def has_change_permission(self, request: Request, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or giving.may_manage(request.user, obj))

    def has_delete_permission(self, request: Request, obj: User | None = None) -> bool:
        """Accounts are switched off, never deleted: another person could take the name, and with it what the record says of it."""
        return False

    def get_fieldsets(self, request: Request, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        name = ["username", "password"] if self.has_change_permission(request, obj) else ["username"]
        return [(None, {"fields": name}), PERSON, MAY, *([BEYOND] if request.user.is_superuser else [])]

    def get_readonly_fields(self, request: Request, obj: User | None = None) -> tuple[str, ...]:
        return ("username",) if obj else ()

    def formfield_for_manytomany(self, db_field: Field, request: Request, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            return giving.Roles(
                giving.givable(request.user),
                required=False,
                label="Roles",
                help_text="Several may be given: what any of them allows is allowed.",
            )
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    # ---- the record ----
    def save_model(self, request: Request, obj: User, form: Any, change: bool) -> None:
        form.before = _standing(User.objects.get(pk=obj.pk)) if change else "no account"
        obj.is_staff = obj.is_staff or not change  # who works here logs in here
        super().save_model(request, obj, form, change)

    def save_related(self, request: Request, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if (after := _standing(User.objects.get(pk=form.instance.pk))) != form.before:
            _note(
                request, "change user" if change else "add user", "user", form.instance.pk, f"{form.before} → {after}"
            )

    def user_change_password(self, request: Request, id: str, form_url: str = "") -> HttpResponse:
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            _note(request, "set password", "user", int(id), "")
        return answer

    def change_view(
        self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        extra = self._around(request, user) if user else {}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **extra, "actions": _actions("user", object_id)}
        )

    def _around(self, request: Request, user: User) -> dict[str, Any]:
        return {
            "allowed": rights.of_user(user), "person": user, "locks": lockout.locked([user.username]).get(user.username, []),
            "may_unlock": self.has_change_permission(request, user),
        }  # fmt: skip

    # ---- lock-outs ----
    def get_urls(self) -> list[URLPattern]:
        unlock = self.admin_site.admin_view(require_POST(self.unlock))
        return [path("<int:pk>/unlock/", unlock, name="auth_user_unlock"), *super().get_urls()]

    def unlock(self, request: Request, pk: int) -> HttpResponse:
        """Let somebody who forgot their password try again at once."""
        user = User.objects.filter(pk=pk).first()
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if lockout.lift(user.username):
            _note(request, "lift lock-out", "user", pk, "")
            messages.success(request, f"{user} may try to log in again.")
        else:
            messages.info(request, f"{user} is not locked out.")
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[pk]))


def _standing(user: User) -> str:
    """What an account is, in words, for the record: roles, and whatever goes beyond them."""
    beyond = [rights.code(p) for p in user.user_permissions.select_related("content_type")]
    parts = [
        ", ".join(user.groups.order_by("pk").values_list("name", flat=True)) or "no role",
        *(["superuser"] if user.is_superuser else []),
        *([] if user.is_active else ["switched off"]),
        *([] if user.is_staff else ["may not log in here"]),
        *([f"also {', '.join(sorted(beyond))}"] if beyond else []),
    ]
    return "; ".join(parts)


# ---- roles ------------------------------------------------------------------------------------------------------------------
@admin.register(Group)
class GroupAdmin(PlainGroupAdmin, Lists):
    """Roles: the four that come with the program, which it keeps itself, and those people make."""

    list_display = ["name", "about", "people"]
    ordering = ["pk"]
    actions = None
    change_form_outer_after_template = "console/group_after.html"
    empty = "No roles yet: manage.py roles makes viewer, operator, approver and administrator."

    def get_queryset(self, request: Request) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(user_count=Count("user"))

    @display(description="For")
    def about(self, row: Group) -> str:
        return roles.KNOWN[row.name].about if row.name in roles.KNOWN else "A role of your own."

    @display(description="People")
    def people(self, row: Group) -> int:
        return row.user_count

    def has_change_permission(self, request: Request, obj: Group | None = None) -> bool:
        return super().has_change_permission(request, obj) and giving.own(request.user, obj)

    def has_delete_permission(self, request: Request, obj: Group | None = None) -> bool:
        return super().has_delete_permission(request, obj) and giving.own(request.user, obj)

    def get_fieldsets(self, request: Request, obj: Group | None = None) -> Any:
        writes = self.has_change_permission(request, obj) if obj else True
        return [(None, {"fields": ["name", "permissions"] if writes else ["name"]})]

    def formfield_for_manytomany(self, db_field: Field, request: Request, **kwargs: Any) -> Any:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        field.queryset = giving.offered(request.user)
        field.label_from_instance = lambda permission: rights.told([rights.code(permission)])[0]
        return field

    def save_model(self, request: Request, obj: Group, form: Any, change: bool) -> None:
        form.before = giving.rights_of_role(Group.objects.get(pk=obj.pk)) if change else set()
        super().save_model(request, obj, form, change)

    def save_related(self, request: Request, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        after = giving.rights_of_role(form.instance)
        why = " ".join(
            [*(f"+{n}" for n in sorted(after - form.before)), *(f"-{n}" for n in sorted(form.before - after))]
        )
        if why or not change:
            _note(
                request,
                "change role" if change else "add role",
                "group",
                form.instance.pk,
                f"{form.instance.name}: {why}",
            )

    def delete_model(self, request: Request, obj: Group) -> None:
        _note(request, "delete role", "group", obj.pk, obj.name)
        super().delete_model(request, obj)

    def change_view(
        self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        group = self.get_object(request, object_id)
        extra = _around(request.user, group) if group else {}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **extra, "actions": _actions("group", object_id)}
        )


def _around(user: User, group: Group) -> dict[str, Any]:
    members = list(group.user_set.order_by("username")[:200]) if user.has_perm("auth.view_user") else None
    return {
        "allowed": rights.told(giving.rights_of_role(group)),
        "members": members,
        "role": roles.KNOWN.get(group.name),
    }
