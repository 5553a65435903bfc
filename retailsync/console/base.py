"""What the console's pages share: lists whose rows are completed once per page, and read-only families with a page of their own."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from retailsync.console import csvfile
from retailsync.console.paging import Bounded, Keyed, Rows

Request = HttpRequest


class Lists(ModelAdmin):
    """Every list of the console: bounded, completed, with its filters in sight and words when it is empty."""

    change_list_template = "console/list.html"
    paginator = Bounded
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200
    list_fullwidth = True
    show_facets = None
    empty = "Nothing here yet."
    keyed = False  # a long list: paged by key, the newest first

    def get_changelist(self, request: Request, **kwargs: Any) -> type[ChangeList]:
        return Keyed if self.keyed else Rows

    def get_sortable_by(self, request: Request) -> Sequence[str]:
        """A long list has one order, which is that of its keys: another would read all of it."""
        return () if self.keyed else super().get_sortable_by(request)

    def complete(self, rows: Sequence[Any]) -> None:
        """Add to the rows of one page what spans tables."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/", self.admin_site.admin_view(require_GET(self.csv)), name=name), *super().get_urls()]

    def csv(self, request: Request) -> HttpResponseBase:
        """The list as a file, narrowed as it is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return csvfile.of_list(request, self.get_changelist_instance(request))


class Versioned(SimpleHistoryAdmin):
    """Keeps every version people saved. Whoever may look sees them; only who may change puts one back."""

    def history_form_view(
        self, request: Request, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """One version; by POST it becomes the newest."""
        row = self.model._default_manager.filter(pk=object_id).first()
        if request.method not in ("GET", "HEAD") and not self.has_change_permission(request, row):
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)


class ReadOnly(Lists):
    """Rows only the corridor writes: nobody adds, changes or deletes them here. Each has a page of our own making."""

    page_template = ""
    actions = None
    keyed = True

    def has_add_permission(self, request: Request) -> bool:
        return False

    def has_change_permission(self, request: Request, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: Request, obj: Model | None = None) -> bool:
        return False

    def page(self, request: Request, row: Any) -> dict[str, Any]:
        """What the page of one row shows."""
        return {}

    def page_queryset(self, request: Request) -> QuerySet[Any]:
        """Rows as the page needs them."""
        return self.get_queryset(request)

    def changeform_view(
        self, request: Request, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one row. Writes are refused whatever the method."""
        if request.method not in ("GET", "HEAD") or object_id is None or not object_id.isdecimal():
            raise PermissionDenied
        row = self.page_queryset(request).filter(pk=object_id).first()
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return self.show(request, row)

    def show(self, request: Request, row: Any, **more: Any) -> HttpResponse:
        """The page of one row; `more` is what an earlier try left, e.g. a form with its errors."""
        context = self.context(request, row) | self.page(request, row) | more
        return TemplateResponse(request, self.page_template, context)

    def context(self, request: Request, row: Any) -> dict[str, Any]:
        """What every page needs around its content."""
        return {
            **self.admin_site.each_context(request), "opts": self.opts, "title": str(row), "original": row, "row": row,
            "is_fullwidth": "1", "model_admin": self, "list_url": self.list_url(request), "may": Permissions(request),
        }  # fmt: skip

    def list_url(self, request: Request) -> str:
        """The list as the person left it."""
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        kept = request.GET.get("_changelist_filters", "")
        return f"{url}?{kept}" if kept else url

    def back(self, request: Request) -> HttpResponseRedirect:
        """Go back to it."""
        return HttpResponseRedirect(self.list_url(request))


def typed(request: Request, name: str, longest: int = 2000) -> str:
    """What somebody typed; PostgreSQL's text has no NUL."""
    return request.POST.get(name, "").replace("\0", "").strip()[:longest]


class Permissions:
    """`may.view_message` in templates: what else on a page this person may see."""

    APPS = {
        "message": "sync",
        "command": "sync",
        "attempt": "sync",
        "case": "sync",
        "group": "sync",
        "replay": "sync",
        "partnerkey": "partners",
        "subscription": "partners",
    }

    def __init__(self, request: Request) -> None:
        self._user = request.user

    def __getitem__(self, name: str) -> bool:
        app = self.APPS.get(name.rpartition("_")[2], "canonical")
        return self._user.has_perm(f"{app}.{name}")
