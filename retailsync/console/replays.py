"""Replays: what releasing many exceptions will do, seen before it is done; who lets it go; how far it is."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from retailsync.console import fixes, gather, mapping, replaywords, words
from retailsync.console.base import Lists, ReadOnly, Request, Versioned, typed
from retailsync.sync import approving, replaying
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Approval, ApprovalLimit, Replay, ReplayItem
from retailsync.sync.replaying import Wish

SHOWN = 50  # items on one page
AT_ONCE = replaying.CHUNK  # this many subjects are tried while somebody waits for the page; more by a worker


def start(request: Request, wish: Wish, otherwise: HttpResponse) -> HttpResponse:
    """Have it previewed, and show that; `otherwise` where there is nothing to preview."""
    try:
        replay = replaying.ask(wish, request.user)
    except NotPossible as trouble:
        messages.info(request, f"Nothing was changed: {trouble}")
        return otherwise
    _work(replay)
    return _page(replay.pk)


def _work(replay: Replay) -> None:
    """What is small is done at once; a worker does the rest."""
    if replay.items.count() <= AT_ONCE:
        replaying.work(replay.pk, fixes.of)


def _page(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:sync_replay_change", args=[pk]))


def asked(request: Request) -> list[Replay]:
    """Replays that wait for a second person whom this one could be."""
    if not request.user.has_perm("sync.approve_replay"):
        return []
    return list(Replay.objects.filter(state=Replay.State.ASKED).exclude(by=request.user).select_related("by")[:20])


@admin.register(Replay)
class ReplayAdmin(ReadOnly):
    """Releases of many exceptions, the newest first."""

    page_template = "console/replay.html"
    list_display = ["title", "by_word", "state_word", "exceptions", "asked"]
    list_filter = ["state"]
    list_select_related = ["by"]
    ordering = ["-pk"]
    empty = "Nobody released many exceptions at once yet. Choose some in the list of exceptions, or open a group."

    @display(description="Asked for by")
    def by_word(self, row: Replay) -> str:
        return str(row.by.get_username())

    @display(description="State", ordering="state")
    def state_word(self, row: Replay) -> str:
        return words.badge(row.get_state_display(), replaywords.TONES.get(row.state, ""))

    @display(description="Asked for", ordering="pk")
    def asked(self, row: Replay) -> str:
        return words.when(row.created_at, relative=True)

    # ---- the page ----
    def page(self, request: Request, row: Replay) -> dict[str, Any]:
        after = request.GET.get("after", "")
        items = list(_after(row, int(after) if after.isdecimal() and len(after) < 10 else 0)[: SHOWN + 1])
        shown, more = items[:SHOWN], len(items) > SHOWN
        approval = (
            Approval.objects.filter(target_kind="replay", target_id=row.pk)
            .select_related("asked_by", "decided_by")
            .last()
        )
        return {
            "title": row.title, "items": _told(shown), "next": shown[-1].position if more else None, "counts": _counts(row),
            "busy": row.state in Replay.BUSY, "tone": replaywords.TONES.get(row.state, ""), "approval": approval,
            "second": approving.needs_second(row.exceptions, row.money) if row.state == Replay.State.PREVIEWED else "",
            "own": request.user.pk in {row.by_id, approval.asked_by_id if approval else None}, "said": _fixed(row),
            "actions": list(Action.objects.filter(target_kind="replay", target_id=row.pk)[:20]),
            "may_work": request.user.has_perm("sync.change_case"), "may_approve": request.user.has_perm("sync.approve_replay"),
            **replaywords.summary(row),
        }  # fmt: skip

    # ---- what people press ----
    def get_urls(self) -> list[URLPattern]:
        own = {
            "go": self.go, "ask": self.ask, "approve": self.approve, "refuse": self.refuse, "again": self.again, "cancel": self.cancel,
        }  # fmt: skip
        wrap = self.admin_site.admin_view
        return [
            path(f"<int:pk>/{name}/", wrap(require_POST(view)), name=f"sync_replay_{name}")
            for name, view in own.items()
        ] + super().get_urls()

    def go(self, request: Request, pk: int) -> HttpResponse:
        """Do what was previewed."""
        return self._press(request, pk, "sync.change_case", lambda: approving.go(pk, request.user))

    def ask(self, request: Request, pk: int) -> HttpResponse:
        """Ask a second person."""
        return self._press(request, pk, "sync.change_case", lambda: approving.ask_second(pk, request.user))

    def approve(self, request: Request, pk: int) -> HttpResponse:
        """The second person agrees: it is done."""
        return self._press(request, pk, "sync.approve_replay", lambda: _decide(request, pk, granted=True))

    def refuse(self, request: Request, pk: int) -> HttpResponse:
        """The second person does not agree."""
        return self._press(request, pk, "sync.approve_replay", lambda: _decide(request, pk, granted=False))

    def again(self, request: Request, pk: int) -> HttpResponse:
        """Preview once more what is left."""
        return self._press(request, pk, "sync.change_case", lambda: approving.look_again(pk, request.user))

    def cancel(self, request: Request, pk: int) -> HttpResponse:
        """Stop; what is done stays done."""
        return self._press(request, pk, "sync.change_case", lambda: approving.cancel(pk, request.user))

    def _press(self, request: Request, pk: int, permission: str, do: Callable[[], None]) -> HttpResponse:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        replay = get_object_or_404(Replay, pk=pk)
        try:
            do()
        except NotPossible as trouble:
            messages.error(request, f"Nothing was changed: {trouble}")
        else:
            _work(replay)
        return _page(pk)


def _decide(request: Request, pk: int, *, granted: bool) -> None:
    why = typed(request, "why")
    if not granted and not why:
        raise NotPossible("say why not.")
    approving.decide(pk, request.user, granted=granted, why=why)


def _after(replay: Replay, position: int) -> Any:
    """Items from there on; while it stands still because something changed, those that did come first."""
    items = replay.items.filter(position__gt=position)
    return (
        items.filter(state=ReplayItem.State.DIFFERS).order_by("position")
        if replay.state == Replay.State.DIFFERS
        else items.order_by("position")
    )


def _told(items: Sequence[ReplayItem]) -> list[dict[str, Any]]:
    orders, known = gather.references(item.order_id for item in items), replaywords.names(items)
    return [replaywords.item(item, orders.get(item.order_id or 0, ""), known) for item in items]


def _counts(replay: Replay) -> dict[str, int]:
    """How many subjects there are, and how many are at what."""
    states = replaywords.counted(replay)
    total = sum(states.values())
    waiting = states.get("waiting", 0) if replay.state == Replay.State.PREVIEWING else states.get("previewed", 0)
    return {**states, "total": total, "part": round(100 * (total - waiting) / total) if total else 0}


def _fixed(replay: Replay) -> str:
    """What is put right first, in words."""
    fix = fixes.of(replay.fix)
    if fix is None:
        return ""
    row = fix.row()
    return f"{mapping.ABOUT[row.kind].title}: “{row.key}” of {row.channel or 'all shops'} means {mapping.said(row)}."


@admin.register(ApprovalLimit)
class ApprovalLimitAdmin(Versioned, Lists):
    """Above what a release of many takes two people."""

    list_display = ["__str__"]
    fields = ["exceptions", "amount"]
    empty = "Nothing is set: 200 exceptions, or 10,000 in one currency. Add a limit to change that."

    def add_view(self, request: Request, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """There is one: where it exists, it is changed."""
        if self.has_add_permission(request) and ApprovalLimit.objects.exists():
            return HttpResponseRedirect(reverse("admin:sync_approvallimit_change", args=[1]))
        return super().add_view(request, form_url, extra_context)

    def has_delete_permission(self, request: Request, obj: ApprovalLimit | None = None) -> bool:
        return False

    def save_model(self, request: Request, obj: ApprovalLimit, form: Any, change: bool) -> None:
        obj.pk = 1
        super().save_model(request, obj, form, change)
