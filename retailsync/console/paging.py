"""Pages of lists. Long ones go from key to key: the last page costs what the first one does. None counts further than people page."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from canonical import sql
from retailsync.console.typednumber import number

AFTER, BEFORE = "after", "before"


class Bounded(Paginator):
    """Counts no further than LIMIT: a count over millions of rows would cost more than the page."""

    LIMIT = 10_000

    @cached_property
    def count(self) -> int:
        """At most LIMIT."""
        return self.object_list.order_by().values("pk")[: self.LIMIT].count()


class Exact(Bounded):
    """Counts all of a list that is short enough by its nature, and of which all may be chosen at once."""

    LIMIT = 1_000_000


class Rows(ChangeList):
    """A list whose rows are completed with what other tables know of them: so many queries per page, not per row."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.full_result_count = self.result_count  # or each list would offer to show “all” of what is already shown
        self.model_admin.complete(self.result_list)


class Keyed(Rows):
    """A long list, the newest first: `?after=KEY` shows what is older, `?before=KEY` what is newer."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Where the page begins is no filter, and whoever filters or searches anew begins at the newest."""
        found: dict[str, Any] = super().get_filters_params(params)
        for name in (AFTER, BEFORE):
            self.filter_params.pop(name, None)
            self.params.pop(name, None)
        return {name: value for name, value in found.items() if name not in (AFTER, BEFORE)}

    def get_results(self, request: HttpRequest) -> None:
        """One page by key, and whether there are others on either side."""
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        self.result_count = self.full_result_count = self.paginator.count
        self.multi_page, self.show_all, self.can_show_all, self.show_full_result_count = False, False, False, False
        self.show_admin_actions = True
        self.result_list, self.newer, self.older = self._page(_key(request, AFTER), _key(request, BEFORE))
        self.model_admin.complete(self.result_list)

    def _page(self, after: int, before: int) -> tuple[list[Any], str, str]:
        size, rows = self.list_per_page, self.queryset
        if before:
            found = list(rows.filter(pk__gt=before).order_by("pk")[: size + 1])
            page, more = found[:size][::-1], len(found) > size
            return page, self._link(BEFORE, page[0].pk) if more else "", self._link(AFTER, page[-1].pk) if page else ""
        found = list((rows.filter(pk__lt=after) if after else rows).order_by("-pk")[: size + 1])
        page, more = found[:size], len(found) > size
        newer = self._link(BEFORE, page[0].pk if page else after - 1) if after else ""
        return page, newer, self._link(AFTER, page[-1].pk) if more else ""

    def _link(self, name: str, key: int) -> str:
        return str(self.get_query_string({name: key}, [AFTER, BEFORE]))

    @cached_property
    def count_words(self) -> str:
        """How many there are: exactly where that is little, else about."""
        if self.result_count < self.paginator.LIMIT:
            return f"{self.result_count:,}"
        if self.query or self.get_filters_params():
            return f"more than {Bounded.LIMIT:,}"
        return f"about {_estimate(self.root_queryset):,}"


def _key(request: HttpRequest, name: str) -> int:
    return number(request.GET.get(name, ""))


def _estimate(rows: QuerySet[Any]) -> int:
    """Rows of a table, as the database last counted them, on two digits."""
    ((count,),) = sql.fetch(
        "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass", (rows.model._meta.db_table,)
    )
    digits = max(0, len(str(count)) - 2)
    return max(Bounded.LIMIT, round(count / 10**digits) * 10**digits)
