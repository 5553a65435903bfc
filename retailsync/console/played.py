"""What is played in partners' sandboxes, told apart from what is real."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from canonical.models import Order, System
from retailsync.console.base import Request


class PlayedFilter(admin.SimpleListFilter):
    """Orders of real shops, or of sandboxes."""

    title = "sandbox"
    parameter_name = "played"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Real orders"), ("yes", "Orders of sandboxes")]

    def queryset(self, request: Request, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if self.value() not in ("no", "yes"):
            return queryset
        shops = list(System.objects.filter(sandbox_of__isnull=False).values_list("pk", flat=True))
        return queryset.filter(channel__in=shops) if self.value() == "yes" else queryset.exclude(channel__in=shops)
