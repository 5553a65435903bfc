"""Customers, and the people who work here."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Q, QuerySet
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from canonical.models import Customer, Order
from retailsync.console import words
from retailsync.console.base import Lists, ReadOnly, Request

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(Customer)
class CustomerAdmin(ReadOnly):
    """Who buys. Personal data: only those with the permission see it."""

    page_template = "console/customer.html"
    list_display = ["__str__", "email", "created"]
    search_fields = ["key"]
    search_help_text = "E-mail address in full, or part of a name"
    ordering = ["-pk"]
    empty = "No customers. They appear with the first order."

    def get_search_results(
        self, request: Request, queryset: QuerySet[Customer], term: str
    ) -> tuple[QuerySet[Customer], bool]:
        """A whole address by index, else names."""
        term = term.strip()
        return (queryset.filter(Q(key=term.lower()) | Q(name__icontains=term)) if term else queryset), False

    @display(description="Since", ordering="pk")
    def created(self, row: Customer) -> str:
        return words.when(row.created_at)

    def page(self, request: Request, row: Customer) -> dict[str, Any]:
        orders = Order.objects.filter(customer=row).select_related("channel").order_by("-pk")
        return {"orders": list(orders[:100]), "addresses": list(row.addresses.order_by("-pk")[:20])}


@admin.register(User)
class UserAdmin(PlainUserAdmin, Lists):
    """Who may log in, and what they may do."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_superuser"]


@admin.register(Group)
class GroupAdmin(PlainGroupAdmin, Lists):
    """Roles: a name for a set of permissions."""

    empty = (
        "No roles yet. Add one and give it permissions, e.g. “Can change exception” to release and close exceptions."
    )
