"""Webhooks of partners as staff see them: where events go, whether they arrive, and the buttons that send them again."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from canonical.models import System
from retailsync.console import gather, words
from retailsync.console.base import ReadOnly, Request, typed
from retailsync.partners.models import Delivery, Subscription
from retailsync.partners.problems import Problem
from retailsync.partners.webhooks import fanning, subscribing
from retailsync.sync import clock
from retailsync.sync.models import Action

SHOWN = 100
COUNTED = 10_000
TONES = {"delivered": "good", "given_up": "bad", "cancelled": "bad"}


def of_system(system: System) -> list[Subscription]:
    """All webhooks of a partner, each with its state as a badge."""
    rows = list(Subscription.objects.filter(system=system).order_by("pk"))
    for row in rows:
        row.badge = health(row)
    return rows


def health(row: Subscription) -> str:
    """Whether events arrive there."""
    if row.state == Subscription.State.OFF:
        return words.badge(row.get_state_display(), "bad")
    return words.badge("fails", "warn") if row.failing_since else words.badge("on", "good")


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    """Where partners want to hear of their events."""

    page_template = "console/webhook.html"
    list_display = ["address", "system", "state_word", "types_word", "delivered", "failing"]
    list_filter = ["state", "system"]
    list_select_related = ["system"]
    search_fields = ["url"]
    search_help_text = "Address"
    ordering = ["-pk"]
    empty = "No webhooks. Partners set them up by the API."

    @display(description="Address")
    def address(self, row: Subscription) -> str:
        return row.shown

    @display(description="State", ordering="state")
    def state_word(self, row: Subscription) -> str:
        return health(row)

    @display(description="Events")
    def types_word(self, row: Subscription) -> str:
        return ", ".join(row.types) or "all"

    @display(description="Last delivered")
    def delivered(self, row: Subscription) -> str:
        return words.when(row.delivered_at, relative=True)

    @display(description="Fails since")
    def failing(self, row: Subscription) -> str:
        return words.when(row.failing_since, relative=True)

    def page_queryset(self, request: Request) -> QuerySet[Subscription]:
        return Subscription.objects.select_related("system")

    def page(self, request: Request, row: Subscription) -> dict[str, Any]:
        state = request.GET.get("state", "")
        every = Delivery.objects.filter(subscription=row)
        found = every.filter(state=state) if state in Delivery.State.values else every
        deliveries = list(found.select_related("event").order_by("-pk")[:SHOWN])
        for each in deliveries:
            each.badge = words.badge(each.get_state_display(), TONES.get(each.state, "warn"))
        return {
            "title": f"Webhook of {row.system}", "address": row.shown, "state_badge": health(row),
            "types": self.types_word(row), "deliveries": deliveries, "shown": SHOWN, "state": state,
            "states": Delivery.State.choices, "waiting": every.filter(state="waiting")[:COUNTED].count(),
            "on": row.state == Subscription.State.ON,
            "may_work": _may_work(request), "cases": gather.open_cases("subscription", row.pk),
            "actions": list(Action.objects.filter(target_kind="subscription", target_id=row.pk)[:20]),
        }  # fmt: skip

    # ---- what people press ----
    def get_urls(self) -> list[URLPattern]:
        own = [
            self._press("<int:pk>/enable/", "enable", _enable),
            self._press("<int:pk>/redeliver/", "redeliver", _redeliver_since),
            self._press("<int:pk>/deliveries/<int:delivery>/redeliver/", "redeliver_one", _redeliver),
        ]
        return [*own, *super().get_urls()]

    def _press(self, route: str, name: str, do: Callable[..., str]) -> URLPattern:
        """A POST of who may work, under the webhook's lock; `do` returns what it did, in words."""

        def view(request: Request, pk: int, **named: int) -> HttpResponse:
            if not _may_work(request):
                raise PermissionDenied
            try:
                with transaction.atomic():
                    messages.success(request, do(request, _locked(pk), **named))
            except Problem as problem:
                messages.error(request, problem.words)
            return HttpResponseRedirect(reverse("admin:partners_subscription_change", args=[pk]))

        return path(route, self.admin_site.admin_view(require_POST(view)), name=f"partners_subscription_{name}")


def _may_work(request: Request) -> bool:
    return bool(request.user.has_perm("sync.change_case"))


def _locked(pk: int) -> Subscription:
    system = Subscription.objects.filter(pk=pk).values_list("system_id", flat=True).first()
    row = subscribing.locked(system, pk) if system else None
    if row is None:
        raise Http404
    return row


def _enable(request: Request, row: Subscription) -> str:
    if not (why := typed(request, "why")):
        raise Problem("invalid", "Nothing was changed: say why.")
    _note(request, "enable webhook", row, why)
    if subscribing.enable(row, request.user.get_username()):
        return "Events are sent there again from now on. What was missed is sent on request."
    return "It was on already; nothing was changed."


def _redeliver_since(request: Request, row: Subscription) -> str:
    given = typed(request, "after", 18)
    after = int(given) if given.isascii() and given.isdigit() else row.position
    count, last = fanning.redeliver_since(row, after, clock.now())
    _note(request, "redeliver", row, f"after position {after}: {count} events")
    more = f" There are more: go on after {last}." if last is not None else ""
    return f"{count} event{'' if count == 1 else 's'} after position {after} will be sent again.{more}"


def _redeliver(request: Request, row: Subscription, delivery: int) -> str:
    found = Delivery.objects.filter(subscription=row, pk=delivery).first()
    if found is None:
        raise Http404
    fanning.redeliver(row, delivery, clock.now())
    _note(request, "redeliver", row, f"event {found.position} about {found.subject}")
    return f"Event {found.position} about {found.subject} will be sent again."


def _note(request: Request, what: str, row: Subscription, why: str) -> None:
    who = request.user.get_username()
    Action.objects.create(who=who, what=what, target_kind="subscription", target_id=row.pk, why=why)
