"""Exceptions: what needs a person, why, what to do next, and the buttons that do it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST
from unfold.decorators import action, display

from canonical.models import Hold, Order
from retailsync.console import gather, linking, mapping, replays, stock_cases, words
from retailsync.console.base import ReadOnly, Request, typed
from retailsync.console.linking import LinkButton
from retailsync.console.paging import Exact
from retailsync.partners.models import Ask
from retailsync.sync import approving, cases, correcting, release, replaying
from retailsync.sync.models import Action, Attempt, Case, Command, Cursor, Gate, Group, Message
from retailsync.sync.reasons import reason
from retailsync.sync.replaying import Wish

#: What may be closed without release: nothing behind these blocks an order. Holds are released, commands released or settled by hand.
CLOSABLE = (
    Case.Target.MESSAGE, Case.Target.CURSOR, Case.Target.SYSTEM, Case.Target.LISTING, Case.Target.SOURCE, Case.Target.REQUEST,
)  # fmt: skip
#: What a person may choose where goods went out that should not have: the hold is released with the choice as its reason.
CHOICES = ("It comes back: expect a return", "The customer keeps and pays it", "Write it off")
CHOSEN = frozenset({"shipped_after_cancel", "refunded_but_shipping"})
KEPT_OPEN = "holds are released, commands are released or settled by hand. Closing these would only hide what still blocks an order."


class StateFilter(admin.SimpleListFilter):
    """Open ones, unless asked otherwise."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterable[dict[str, Any]]:
        chosen = self.value() or "open"
        for code, text in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: code})
            yield {"selected": chosen == code, "query_string": query, "display": text}

    def queryset(self, request: Request, queryset: QuerySet[Case]) -> QuerySet[Case]:
        match self.value():
            case "all":
                return queryset
            case "closed":
                return queryset.filter(closed_at__isnull=False)
            case _:
                return queryset.filter(closed_at=None)


class ReasonFilter(admin.SimpleListFilter):
    """Reasons that occur among the open ones, with how many."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        counted = Case.objects.filter(closed_at=None).order_by().values_list("reason").annotate(count=Count("pk"))
        rows = sorted(counted, key=lambda row: -row[1])
        chosen = request.GET.get(self.parameter_name)
        if chosen and chosen not in dict(rows):
            rows.append((chosen, 0))
        return [(code, f"{reason(code).title} ({count})") for code, count in rows]

    def queryset(self, request: Request, queryset: QuerySet[Case]) -> QuerySet[Case]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


class AboutFilter(admin.SimpleListFilter):
    """What kind of thing an exception points at."""

    title = "about"
    parameter_name = "about"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, label.capitalize()) for kind, label in Case.Target.choices]

    def queryset(self, request: Request, queryset: QuerySet[Case]) -> QuerySet[Case]:
        return queryset.filter(target_kind=self.value()) if self.value() else queryset


@admin.register(Case)
class CaseAdmin(LinkButton, ReadOnly):
    """The home of the work."""

    page_template = "console/case.html"
    paginator = Exact
    list_display = ["what", "order", "system", "title", "who_can", "since", "together"]
    list_display_links = ["what"]
    list_filter = [StateFilter, ReasonFilter, AboutFilter, "system", "who"]
    list_select_related = ["system"]
    search_fields = ["words"]
    search_help_text = "Order number or words"
    ordering = ["-pk"]
    actions = ["release_selected", "close_selected"]
    empty = (
        "Nothing needs you. New exceptions appear here by themselves; choose “Closed” above to see what was settled."
    )

    def has_work_permission(self, request: Request) -> bool:
        """Releasing and closing."""
        return bool(request.user.has_perm("sync.change_case"))

    def get_search_results(self, request: Request, queryset: QuerySet[Case], term: str) -> tuple[QuerySet[Case], bool]:
        """Orders are found by their number, everything by its words."""
        if not (term := term.strip()):
            return queryset, False
        orders = (
            Order.objects.filter(Q(reference__in=(term, term.upper())) | Q(number=term))
            .order_by("-pk")
            .values("pk")[:1000]
        )
        return queryset.filter(Q(words__icontains=term) | Q(order_id__in=orders)), False

    def complete(self, rows: Sequence[Case]) -> None:
        orders = gather.references(c.order_id for c in rows)
        sizes = gather.group_sizes(c.cause for c in rows)
        for row in rows:
            row.order_reference = orders.get(row.order_id or 0, "")
            row.group_size = sizes.get(row.cause, 0)

    # ---- columns ----
    @display(description="What happened")
    def what(self, row: Case) -> str:
        return row.words if len(row.words) <= 160 else f"{row.words[:159]}…"

    @display(description="Order")
    def order(self, row: Case) -> str:
        return words.link("order", row.order_id, row.order_reference) if row.order_reference else words.NOTHING

    @display(description="Reason", ordering="reason")
    def title(self, row: Case) -> str:
        return reason(row.reason).title

    @display(description="Who can fix it", ordering="who")
    def who_can(self, row: Case) -> str:
        return row.get_who_display()

    @display(description="Since", ordering="pk")
    def since(self, row: Case) -> str:
        return words.when(row.opened_at, relative=True)

    @display(description="Group")
    def together(self, row: Case) -> str:
        return words.badge(f"{row.group_size} alike", "warn") if row.group_size > 1 else words.NOTHING

    # ---- the page ----
    def page_queryset(self, request: Request) -> QuerySet[Case]:
        return Case.objects.select_related("system")

    def page(self, request: Request, row: Case) -> dict[str, Any]:
        self.complete([row])
        target = _target(row)
        return {
            "title": reason(row.reason).title, "reason": reason(row.reason), "target": target,
            "may_work": self.has_work_permission(request) and row.closed_at is None, "may_close": row.target_kind in CLOSABLE,
            "may_release": release.releases(row.target_kind),
            "in_doubt": row.reason == "in_doubt", "actions": _actions(row), "query": request.GET.urlencode(),
            "choices": CHOICES if row.reason in CHOSEN else (), "group": Group.objects.filter(cause=row.cause).first(),
            "word": mapping.asked_for(row.reason, row.detail) if row.target_kind == Case.Target.HOLD else None,
            "correctable": row.target_kind == Case.Target.MESSAGE and row.reason in correcting.REASONS,
            **_by_hand(target.get("command")), **linking.offered(target.get("command")),
        }  # fmt: skip

    # ---- what people press ----
    def get_urls(self) -> list[URLPattern]:
        own = {
            "release": self.release_one, "preview": self.preview_one, "settle": self.settle_one, "close": self.close_one,
            "correct": self.correct, "link": self.link_one,
        }  # fmt: skip
        return [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"sync_case_{name.replace('-', '_')}",
            )
            for name, view in own.items()
        ] + super().get_urls()

    @action(description="Preview the release of selected", permissions=["work"])
    def release_selected(self, request: Request, queryset: QuerySet[Case]) -> HttpResponse:
        """Preview the release of what was ticked, or of all that match."""
        ids = list(queryset.filter(closed_at=None).order_by().values_list("pk", flat=True))
        title = f"Release {len(ids)} exception{'s' if len(ids) > 1 else ''}"
        return replays.start(request, Wish(title, "", ids), HttpResponseRedirect(request.get_full_path()))

    def release_one(self, request: Request, pk: int) -> HttpResponse:
        """Release this exception."""
        case = self._case(request, pk)
        if case.reason == "in_doubt" and "looked" not in request.POST:
            messages.error(request, "Tick that you looked: releasing does it once more.")
            return self.back(request)
        if words_ := approving.needs_second(1, replaying.worth({case.order_id} if case.order_id else ())["money"]):
            messages.warning(request, words_)
            wish = Wish(reason(case.reason).title, _chosen(request, case), [case.pk], looked="looked" in request.POST)
            return replays.start(request, wish, self.back(request))
        self._release(request, [case.pk], _chosen(request, case))
        return self.back(request)

    def preview_one(self, request: Request, pk: int) -> HttpResponse:
        """What releasing this one would do, exactly."""
        case = self._case(request, pk)
        return replays.start(request, Wish(reason(case.reason).title, _why(request), [case.pk]), self.back(request))

    def correct(self, request: Request, pk: int) -> HttpResponse:
        """Have a corrected message take the place of one nobody understood, which is kept as it came."""
        case, why = self._case(request, pk), _why(request)
        if not request.user.has_perm("sync.view_message"):
            raise PermissionDenied
        body = request.POST.get("body", "")
        try:
            row = correcting.correct(case.pk, body.encode("utf-8", "surrogatepass"), request.user.get_username(), why)
        except correcting.NotPossible as trouble:
            messages.error(request, f"Nothing was changed: {trouble}")
            return self.show(request, case, body=body, body_why=why)
        if row.state == Message.State.DONE:
            messages.success(request, f"Message #{row.pk} took its place, and was understood.")
        else:
            messages.warning(request, f"Message #{row.pk} took its place: {row.words or row.get_state_display()}")
        return self.back(request)

    def settle_one(self, request: Request, pk: int) -> HttpResponse:
        """A person says that the command was carried out. Needs a reason for the record."""
        case = self._case(request, pk)
        why = _why(request)
        if not why:
            messages.error(request, "Say how you know that it was done; nothing was changed.")
            return self.back(request)
        what = Command.objects.select_related("system").filter(pk=case.target_id).first()
        try:
            done = release.settle_by_hand(case.pk, request.user.get_username(), why, typed(request, "external_id", 200))
        except msgspec.ValidationError:  # stored by another version of the program
            messages.error(request, "Nothing was changed: the command's content cannot be read. A developer must look.")
            return self.back(request)
        if done:
            text = f"{words.plain(what.kind)} #{what.pk} counts as done in {what.system.name} on your word"
            messages.success(request, f"{text}: it is not sent, and what waited for it goes on.")
        else:
            text = "this is settled already, or of a kind that cannot be settled by hand."
            messages.error(request, f"Nothing was changed: {text}")
        return self.back(request)

    @action(description="Close selected without release", permissions=["work"])
    def close_selected(self, request: Request, queryset: QuerySet[Case]) -> HttpResponse | None:
        """Close what was ticked and may be closed; the reason for the record is asked for first."""
        rows = list(queryset.filter(closed_at=None).order_by().values_list("pk", "target_kind"))
        ids = [pk for pk, kind in rows if kind in CLOSABLE]
        kept = len(rows) - len(ids)
        why = _why(request)
        if ids and not why:
            if "why" in request.POST:
                messages.error(request, "Say why they can be closed; nothing was changed.")
            return self._ask_why(request, len(ids), kept)
        self._close(request, ids, why)
        if kept:
            messages.warning(request, f"{kept} left alone: {KEPT_OPEN}")
        return None

    def close_one(self, request: Request, pk: int) -> HttpResponse:
        """Mark as handled without doing anything to the row it points at. Needs a reason for the record."""
        case = self._case(request, pk)
        why = _why(request)
        if case.target_kind not in CLOSABLE:
            messages.error(request, f"Nothing was changed: {KEPT_OPEN}")
        elif not why:
            messages.error(request, "Say why it can be closed; nothing was changed.")
        else:
            self._close(request, [case.pk], why)
        return self.back(request)

    def _ask_why(self, request: Request, count: int, kept: int) -> HttpResponse:
        """One page between ticking and closing. It asks for the same list action again, with a reason."""
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Close without release", "is_fullwidth": "1",
            "count": count, "kept": kept, "kept_open": KEPT_OPEN, "list_url": request.get_full_path(),
            "chosen": request.POST.getlist("_selected_action"), "across": request.POST.get("select_across", "0"),
        }  # fmt: skip
        return TemplateResponse(request, "console/close.html", context)

    def _close(self, request: Request, ids: Sequence[int], why: str) -> None:
        who = request.user.get_username()
        with transaction.atomic():
            opened = Case.objects.select_for_update().filter(pk__in=ids, closed_at=None, target_kind__in=CLOSABLE)
            rows = list(opened.order_by("pk"))
            Action.objects.bulk_create(
                Action(who=who, what="close", target_kind=c.target_kind, target_id=c.target_id, why=why) for c in rows
            )
            for kind in CLOSABLE:
                cases.close(kind, [c.target_id for c in rows if c.target_kind == kind], who)
        if rows:
            messages.success(request, f"{len(rows)} exception{'s' if len(rows) > 1 else ''} closed without release.")
        else:
            messages.info(request, "None of these could be closed; nothing was changed.")

    def _case(self, request: Request, pk: int) -> Case:
        if not self.has_work_permission(request):
            raise PermissionDenied
        return get_object_or_404(Case, pk=pk)

    def _release(self, request: Request, ids: Sequence[int], why: str) -> None:
        if not release.release(ids, who=request.user.get_username(), why=why):
            messages.info(request, "It is not open any more; nothing was released.")
        elif _came_back(ids):
            messages.warning(request, "It was released and came back at once, because what caused it is still so.")
        else:
            messages.success(request, "1 exception released.")


def _came_back(ids: Sequence[int]) -> bool:
    """Whether one just released stands open again: what it points at does, or a hold like it was placed anew."""
    before = Case.objects.filter(pk__in=ids)
    same = Exists(before.filter(target_kind=OuterRef("target_kind"), target_id=OuterRef("target_id")))
    alike = Exists(before.filter(target_kind="hold", order_id=OuterRef("order_id"), reason=OuterRef("reason")))
    return Case.objects.filter(same | alike, pk__gt=max(ids), closed_at=None).exists()


def _why(request: Request) -> str:
    return typed(request, "why")


def _chosen(request: Request, case: Case) -> str:
    """Why somebody releases: the choice they pressed, where there is one, and their words."""
    choice = request.POST.get("choice", "")
    offered = choice if case.reason in CHOSEN and choice in CHOICES else ""
    return ". ".join(part for part in (offered, _why(request)) if part)


def _actions(case: Case) -> list[Action]:
    return list(Action.objects.filter(target_kind=case.target_kind, target_id=case.target_id)[:50])


# ---- what an exception points at --------------------------------------------------------------------------------------------
def _message(case: Case) -> dict[str, Any]:
    return {"message": Message.objects.select_related("system").filter(pk=case.target_id).first()}


def _hold(case: Case) -> dict[str, Any]:
    return {"hold": Hold.objects.select_related("order__channel", "line__sku").filter(pk=case.target_id).first()}


def _command(case: Case) -> dict[str, Any]:
    command = Command.objects.select_related("system").filter(pk=case.target_id).first()
    exchanges = Attempt.objects.filter(pk__in=command.exchanges[-5:]).order_by("-pk") if command else ()
    return {"command": command, "exchanges": list(exchanges)}


def _by_hand(command: Command | None) -> dict[str, Any]:
    """Whether a person may say that this command was done; where not, one sentence why."""
    if command is None:
        return {}
    if command.kind in release.BY_HAND:
        return {"by_hand": True}
    if command.level:
        return {"not_by_hand": "A read cannot be settled by hand: release it, and it is read again."}
    words_ = (
        "This kind cannot be settled by hand, because what follows needs the id only the target can give: create it there under our"
        " external id and release, then it is found, not created again (an order number alone is not enough)."
    )
    return {"not_by_hand": words_}


def _system(case: Case) -> dict[str, Any]:
    return {"gate": Gate.objects.filter(system_id=case.target_id).first()}


def _cursor(case: Case) -> dict[str, Any]:
    return {"cursor": Cursor.objects.select_related("system").filter(pk=case.target_id).first()}


def _request(case: Case) -> dict[str, Any]:
    """What the warehouse was asked and has not answered."""
    rows = Ask.objects.filter(request_id=case.target_id).select_related("request", "change").order_by("pk")
    return {"asks": list(rows)}


_TARGETS = {
    "message": _message, "hold": _hold, "command": _command, "system": _system, "cursor": _cursor, "webhooks": _system,
    "request": _request,
    **dict.fromkeys(stock_cases.KINDS, stock_cases.target),
}  # fmt: skip


def _target(case: Case) -> dict[str, Any]:
    return _TARGETS[case.target_kind](case)
