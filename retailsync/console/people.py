"""Customers: who buys, two that are one person, and what staff know of them. The people who work here are in users.py."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import action, display

from canonical.models import Address, Customer, Order
from retailsync.console import words
from retailsync.console.base import ReadOnly, Request, typed
from retailsync.console.typednumber import number
from retailsync.sync import deciding
from retailsync.sync.models import Action


@admin.register(Customer)
class CustomerAdmin(ReadOnly):
    """Who buys. Personal data: only those with the permission see it."""

    page_template = "console/customer.html"
    list_display = ["__str__", "email", "company", "terms", "merged", "created"]
    list_select_related = ["merged_into"]
    search_fields = ["key"]
    search_help_text = "E-mail address in full, or part of a name"
    ordering = ["-pk"]
    actions = ["merge_selected"]
    empty = "No customers. They appear with the first order."

    def has_work_permission(self, request: Request) -> bool:
        """Merging, and what staff know of a customer."""
        return bool(request.user.has_perm("canonical.change_customer"))

    def get_search_results(
        self, request: Request, queryset: QuerySet[Customer], term: str
    ) -> tuple[QuerySet[Customer], bool]:
        """A whole address by index, else names."""
        term = term.strip()
        return (queryset.filter(Q(key=term.lower()) | Q(name__icontains=term)) if term else queryset), False

    def complete(self, rows: Sequence[Customer]) -> None:
        companies = _companies([row.pk for row in rows])
        for row in rows:
            row.company_name = companies.get(row.pk, "")

    @display(description="Company")
    def company(self, row: Customer) -> str:
        return row.company_name or words.NOTHING

    @display(description="Merged")
    def merged(self, row: Customer) -> str:
        return (
            words.link("customer", row.merged_into_id, f"into {row.merged_into}") if row.merged_into else words.NOTHING
        )

    @display(description="Since", ordering="pk")
    def created(self, row: Customer) -> str:
        return words.when(row.created_at)

    def page_queryset(self, request: Request) -> QuerySet[Customer]:
        return Customer.objects.select_related("merged_into")

    def page(self, request: Request, row: Customer) -> dict[str, Any]:
        self.complete([row])
        orders = Order.objects.filter(customer=row).select_related("channel").order_by("-pk")
        return {
            "orders": list(orders[:100]), "addresses": list(row.addresses.order_by("-pk")[:20]),
            "others": list(row.merged.order_by("pk")[:20]),
            "actions": list(Action.objects.filter(target_kind="customer", target_id=row.pk)[:20]),
            "may_work": self.has_work_permission(request),
        }  # fmt: skip

    # ---- what people press ----
    def get_urls(self) -> list[URLPattern]:
        own = {"terms": self.set_terms, "merge": self.merge}
        wrap = self.admin_site.admin_view
        return [
            path(f"<int:pk>/{name}/", wrap(require_POST(view)), name=f"canonical_customer_{name}")
            for name, view in own.items()
        ] + super().get_urls()

    def set_terms(self, request: Request, pk: int) -> HttpResponse:
        """Keep the VAT id and the terms of one customer."""
        self._customer(request, pk)
        vat_id, terms = typed(request, "vat_id", 30).upper(), typed(request, "terms", 60)
        if deciding.set_terms(pk, vat_id, terms, request.user.get_username(), typed(request, "why", 300)):
            messages.success(request, "Kept. It is told to the ERP with the next order of this customer.")
        else:
            messages.info(request, "Nothing was changed.")
        return _to(pk)

    @action(description="Merge two customers that are one person", permissions=["work"])
    def merge_selected(self, request: Request, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Ask which of the two is kept."""
        rows = list(queryset.select_related("merged_into").order_by("pk")[:3])
        if len(rows) != 2 or any(row.merged_into_id for row in rows):
            messages.error(request, "Nothing was changed: choose two customers that are not merged yet.")
            return None
        counts = dict(
            Order.objects.filter(customer__in=rows).order_by().values_list("customer").annotate(count=Count("pk"))
        )
        self.complete(rows)
        for row in rows:
            row.order_count = counts.get(row.pk, 0)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Merge two customers", "is_fullwidth": "1",
            "pairs": [(rows[0], rows[1]), (rows[1], rows[0])], "list_url": request.get_full_path(),
        }  # fmt: skip
        return TemplateResponse(request, "console/merge.html", context)

    def merge(self, request: Request, pk: int) -> HttpResponse:
        """Keep this customer, and merge another into it."""
        kept, why = self._customer(request, pk), typed(request, "why", 300)
        gone = number(request.POST.get("other", ""))
        if not why:
            messages.error(request, "Nothing was changed: say how you know that they are one person.")
            return _to(pk)
        try:
            deciding.merge(kept.pk, gone, request.user.get_username(), why)
        except deciding.NotPossible as trouble:
            messages.error(request, f"Nothing was changed: {trouble}")
        else:
            messages.success(request, f"They are one customer now: {kept}.")
        return _to(pk)

    def _customer(self, request: Request, pk: int) -> Customer:
        if not self.has_work_permission(request):
            raise PermissionDenied
        return get_object_or_404(Customer, pk=pk)


def _to(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:canonical_customer_change", args=[pk]))


def _companies(ids: Sequence[int]) -> dict[int, str]:
    """Customer → the company of the newest address that names one."""
    named = Address.objects.filter(customer__in=ids).exclude(content__company=None).exclude(content__company="")
    return dict(named.order_by("pk").values_list("customer_id", "content__company"))
