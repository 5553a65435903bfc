"""Groups of exceptions, one per cause: the work of the day, what to do about a cause, and the fix and the release of all of them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from canonical.models import Hold, Mapping
from retailsync.console import csvfile, fixes, gather, grouplist, mapping, replays
from retailsync.console.base import ReadOnly, Request, typed
from retailsync.console.grouplist import PAGE, VIEWS, Wanted
from retailsync.console.zones import zone
from retailsync.sync import grouping, release
from retailsync.sync.models import Action, Case, Group, SavedView
from retailsync.sync.reasons import reason
from retailsync.sync.replaying import Wish

SHOWN = 50  # exceptions of a group on its page
MORNING = 8  # o'clock in the reader's zone: when what was snoozed is shown again
SNOOZES = ((1, "until tomorrow morning"), (3, "for three days"), (7, "for a week"))


@admin.register(Group)
class GroupAdmin(ReadOnly):
    """What needs people, by cause."""

    page_template = "console/group.html"
    empty = "Nothing needs you. New exceptions appear here by themselves."

    def has_work_permission(self, request: Request) -> bool:
        """Everything that is pressed here."""
        return bool(request.user.has_perm("sync.change_case"))

    # ---- the list ----
    def changelist_view(self, request: Request, extra_context: Any = None) -> HttpResponse:
        """Which groups, in which view."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = _wanted(request)
        given = wanted.given
        page, counts = grouplist.look(wanted), grouplist.counts(wanted)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Exceptions", "is_fullwidth": "1",
            "page": page,
            "views": [{"name": name, "title": title, "count": counts.get(name)} for name, (title, _) in VIEWS.items()],
            "view": wanted.view, "filters": grouplist.choices(given), "q": given.get("q", ""),
            "may_work": self.has_work_permission(request),
            "saved": list(SavedView.objects.filter(owner=request.user)), "query": _without(request, "p"), "empty": self.empty,
            "narrowed": any(given.get(name) for name in ("q", "reason", "system", "who", "workflow", "assignee")),
            "number": wanted.page, "last": page.total <= PAGE * wanted.page, "done": grouplist.done_today(request.user, _midnight(request)),
            "snoozes": SNOOZES, "now": wanted.now, "asked": replays.asked(request),
        }  # fmt: skip
        return TemplateResponse(request, "console/groups.html", context)

    def csv(self, request: Request) -> HttpResponseBase:
        """The groups of this view as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return csvfile.download("exceptions", HEADER, _lines(_wanted(request)), zone(request))

    # ---- the page of one ----
    def page_queryset(self, request: Request) -> Any:
        return Group.objects.select_related("system", "assignee")

    def page(self, request: Request, row: Group) -> dict[str, Any]:
        opened = Case.objects.filter(cause=row.cause, closed_at=None)
        cases = list(opened.select_related("system").order_by("pk")[:SHOWN])
        orders = gather.references(c.order_id for c in cases)
        for case in cases:
            case.order_reference = orders.get(case.order_id or 0, "")
        grouplist.complete([row])
        may = self.has_work_permission(request)
        return {
            "title": _title(row), "reason": reason(row.reason), "cases": cases, "may_work": may,
            "count": opened.count() if len(cases) == SHOWN else len(cases),
            "may_release": bool(cases) and release.releases(cases[0].target_kind) and row.reason != "in_doubt",
            "word_form": word_form(request, row) if may and cases else None, "people": _people() if may else (), "snoozes": SNOOZES,
            "comments": list(row.comments.all()[:100]), "replays": list(row.replays.select_related("by")[:10]),
            "actions": list(Action.objects.filter(target_kind="group", target_id=row.pk)[:20]), "now": timezone.now(),
            "cases_url": f"{reverse('admin:sync_case_changelist')}?cause={row.cause}",
        }  # fmt: skip

    # ---- what people press ----
    def get_urls(self) -> list[URLPattern]:
        own = {
            "release": self.release, "fix": self.fix, "assign": self.assign, "snooze": self.snooze, "ignore": self.ignore,
            "show": self.show_again, "comment": self.comment,
        }  # fmt: skip
        wrap = self.admin_site.admin_view
        of_one = [
            path(f"<int:pk>/{name}/", wrap(require_POST(view)), name=f"sync_group_{name}") for name, view in own.items()
        ]
        return [
            *of_one,
            path("csv/", wrap(require_GET(self.csv)), name="sync_group_csv"),
            path("chosen/", wrap(require_POST(self.chosen)), name="sync_group_chosen"),
            path("views/", wrap(require_POST(self.keep_view)), name="sync_group_keep_view"),
            path("views/<int:pk>/drop/", wrap(require_POST(self.drop_view)), name="sync_group_drop_view"),
            *super().get_urls(),
        ]

    def release(self, request: Request, pk: int) -> HttpResponse:
        """Preview the release of all that are open."""
        group = self._group(request, pk)
        return replays.start(request, _all_of(group, typed(request, "why")), _to(pk))

    def fix(self, request: Request, pk: int) -> HttpResponse:
        """Preview what giving the word this meaning does to all of them."""
        group = self._group(request, pk)
        if not _keeps_words(request):
            raise PermissionDenied
        form = word_form(request, group, request.POST)
        if form is None:
            messages.info(request, "This is settled already; nothing was changed.")
            return _to(pk)
        if not form.is_valid():
            return self.show(request, group, word_form=form)
        row = form.save(commit=False)
        wish = _all_of(group, form.cleaned_data["why"])
        return replays.start(
            request, wish._replace(fix=fixes.of_word(row), cases=_all_that_wait(row, wish.cases)), _to(pk)
        )

    def assign(self, request: Request, pk: int) -> HttpResponse:
        """Whose it is."""
        group, chosen = self._group(request, pk), request.POST.get("to", "")
        to = next((user for user in _people() if str(user.pk) == chosen), None)
        grouping.assign([group.pk], to, request.user)
        messages.success(request, f"It is {to}'s now." if to else "It is nobody's now.")
        return _to(pk)

    def snooze(self, request: Request, pk: int) -> HttpResponse:
        """Not before then."""
        grouping.snooze([self._group(request, pk).pk], _until(request), request.user, typed(request, "why"))
        messages.success(request, "Snoozed. It is shown again then, or when it comes back after it was resolved.")
        return _to(pk)

    def ignore(self, request: Request, pk: int) -> HttpResponse:
        """Not at all. Needs a reason."""
        group = self._group(request, pk)
        if why := typed(request, "why"):
            grouping.ignore([group.pk], request.user, why)
            messages.success(
                request,
                "It is not shown among what is to be done until somebody shows it again. What it holds stays held.",
            )
        else:
            messages.error(request, "Nothing was changed: say why it can be ignored.")
        return _to(pk)

    def show_again(self, request: Request, pk: int) -> HttpResponse:
        """Among what is to be done."""
        group = self._group(request, pk)
        grouping.show([group.pk], request.user)
        when = " when it comes back" if group.resolved_at else ""
        messages.success(request, f"It is shown among what is to be done{when}.")
        return _to(pk)

    def comment(self, request: Request, pk: int) -> HttpResponse:
        """A word for the others."""
        group = self._group(request, pk)
        if text := typed(request, "text"):
            grouping.comment(group.pk, text, request.user)
        return _to(pk)

    def chosen(self, request: Request) -> HttpResponse:
        """What was ticked in the list."""
        self._may(request)
        ids = [int(id) for id in request.POST.getlist("group") if id.isdecimal() and len(id) < 18][:200]
        if not ids:
            messages.info(request, "Nothing was chosen.")
            return self._list(request)
        if request.POST.get("do") == "release":
            return self._release_chosen(request, ids)
        do = _CHOSEN.get(request.POST.get("do", ""))
        if do is None:
            raise PermissionDenied
        messages.success(request, f"{do(request, ids)} changed.")
        return self._list(request)

    def _release_chosen(self, request: Request, ids: Sequence[int]) -> HttpResponse:
        causes = Group.objects.filter(pk__in=ids).values("cause")
        cases = Case.objects.filter(cause__in=causes, closed_at=None).order_by().values_list("pk", flat=True)
        title = f"Release {len(ids)} groups of exceptions" if len(ids) > 1 else "Release a group of exceptions"
        return replays.start(request, Wish(title, typed(request, "why"), list(cases)), self._list(request))

    # ---- views people keep ----
    def keep_view(self, request: Request) -> HttpResponse:
        """Keep the list as it is now under a name."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name, query = typed(request, "name")[:60], typed(request, "query")[:500]
        if name:
            SavedView.objects.update_or_create(owner=request.user, name=name, defaults={"query": query})
        return HttpResponseRedirect(f"{_address()}?{query}")

    def drop_view(self, request: Request, pk: int) -> HttpResponse:
        """Forget one of one's own."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        get_object_or_404(SavedView, pk=pk, owner=request.user).delete()
        return HttpResponseRedirect(_address())

    # ---- around ----
    def _may(self, request: Request) -> None:
        if not self.has_work_permission(request):
            raise PermissionDenied

    def _group(self, request: Request, pk: int) -> Group:
        self._may(request)
        return get_object_or_404(Group.objects.select_related("system", "assignee"), pk=pk)

    def _list(self, request: Request) -> HttpResponse:
        return HttpResponseRedirect(f"{_address()}?{typed(request, 'query')[:500]}")


#: What may be done to all that are ticked.
_CHOSEN: dict[str, Callable[[Request, Sequence[int]], int]] = {
    "mine": lambda request, ids: grouping.assign(ids, request.user, request.user),
    "snooze": lambda request, ids: grouping.snooze(ids, _until(request), request.user),
    "show": lambda request, ids: grouping.show(ids, request.user),
}


HEADER = ("Cause", "Words", "Exceptions", "Orders", "Worth", "System", "Who can fix it", "Whose", "Since", "Last")


def _wanted(request: Request) -> Wanted:
    given = request.GET.dict()
    view = given.get("view", "")
    return Wanted(request.user, timezone.now(), view if view in VIEWS else "day", given)


def _lines(wanted: Wanted) -> Iterator[Sequence[Any]]:
    """Every page of a view, one after the other."""
    number = 1
    while (
        rows := grouplist.look(wanted._replace(given={**wanted.given, "p": str(number)})).rows
    ) and number <= grouplist.PAGES:
        for g in rows:
            whose, system = str(g.assignee or ""), g.system.name if g.system else ""
            yield (
                _title(g),
                g.words,
                g.open,
                g.orders,
                " ".join(g.money),
                system,
                g.get_who_display(),
                whose,
                g.oldest,
                g.newest,
            )
        number += 1


def word_form(request: Request, group: Group, data: Any = None) -> mapping.MappingForm | None:
    """The form for the word a group waits for, for who may give it a meaning."""
    asked = mapping.asked_for(group.reason, group.detail)
    if asked is None or not _keeps_words(request):
        return None
    opened = Case.objects.filter(cause=group.cause, closed_at=None, target_kind=Case.Target.HOLD)
    hold = (
        Hold.objects.select_related("order__channel")
        .filter(pk__in=opened.values("target_id")[:1], lifted_at=None)
        .first()
    )
    if hold is None:
        return None
    kind, key = asked
    return mapping.form_of(kind)(data, instance=mapping.row_for(kind, key, hold.order.channel))


def _keeps_words(request: Request) -> bool:
    return all(request.user.has_perm(f"canonical.{verb}_mapping") for verb in ("add", "change"))


def _all_of(group: Group, why: str) -> Wish:
    ids = Case.objects.filter(cause=group.cause, closed_at=None).order_by().values_list("pk", flat=True)
    return Wish(_title(group), why, list(ids), group)


def _all_that_wait(row: Mapping, cases: Sequence[int]) -> list[int]:
    """These exceptions and every other that waits for the word: of all shops, where it is said for all. Nobody lets more go on by a
    word than was seen and, where it takes two, approved."""
    waiting = Case.objects.filter(order_id__in=mapping.waiting(row), closed_at=None, target_kind=Case.Target.HOLD)
    return [*{*cases, *waiting.order_by().values_list("pk", flat=True)}]


def _title(group: Group) -> str:
    return (
        f"{reason(group.reason).title}: {group.detail}"
        if group.detail and group.reason != "malformed"
        else reason(group.reason).title
    )


def _people() -> list[User]:
    """Who may work on exceptions, for a choice."""
    may = User.objects.with_perm("sync.change_case", backend="django.contrib.auth.backends.ModelBackend")
    return list(may.filter(is_staff=True).order_by("username")[:100])


def _until(request: Request) -> datetime:
    """The morning somebody chose, in their own zone."""
    days = next((days for days, _ in SNOOZES if str(days) == request.POST.get("days", "")), SNOOZES[0][0])
    day = timezone.now().astimezone(zone(request)) + timedelta(days=days)
    return day.replace(hour=MORNING, minute=0, second=0, microsecond=0)


def _midnight(request: Request) -> datetime:
    return timezone.now().astimezone(zone(request)).replace(hour=0, minute=0, second=0, microsecond=0)


def _without(request: Request, name: str) -> str:
    query = request.GET.copy()
    query.pop(name, None)
    return query.urlencode()


def _address() -> str:
    return reverse("admin:sync_group_changelist")


def _to(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:sync_group_change", args=[pk]))
