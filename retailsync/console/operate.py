"""“Operate”: stop and go on, work now, ask a system whether it answers; with who is at work and what waits. Decides nothing itself."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from canonical.models import System
from retailsync.console import atwork
from retailsync.console.rotation import end_older
from retailsync.sync import bell, pausing, probing
from retailsync.sync.models import Action, Attempt
from retailsync.sync.pausing import WORKFLOWS

Request = HttpRequest


# ---- the page ---------------------------------------------------------------------------------------------------------------
@require_safe
def operate(request: Request) -> HttpResponse:
    """Everything at a glance. Workers are asked only when somebody wants to know: it takes a second."""
    if not request.user.has_perm("canonical.view_system"):
        raise PermissionDenied
    clock = atwork.clock(timezone.now())
    context = _around(request, "Operate") | {
        "systems": atwork.systems(), "workflows": atwork.workflows(), "queues": atwork.queues("workers" in request.GET),
        "others": atwork.leases().get("", []), "clock": clock, "stopped": bool(clock) and all(row["late"] for row in clock),
        "may_operate": may_operate(request), "may_schedule": request.user.has_perm("django_celery_beat.view_periodictask"),
        "actions": list(Action.objects.filter(target_kind="workflow")[:10]),
    }  # fmt: skip
    return TemplateResponse(request, "console/operate.html", context)


def may_operate(request: Request) -> bool:
    """Who sets systems up operates them."""
    return bool(request.user.has_perm("canonical.change_system"))


def _around(request: Request, title: str) -> dict[str, Any]:
    return {
        **admin.site.each_context(request),
        "title": title,
        "is_fullwidth": "1",
    }


# ---- what people press ------------------------------------------------------------------------------------------------------
def _pressed(press: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A POST of who may operate."""

    def view(request: Request, **named: Any) -> HttpResponse:
        if not may_operate(request):
            raise PermissionDenied
        return press(request, **named)

    return admin.site.admin_view(never_cache(require_POST(view)))


def _switch(mode: str, done: str, already: str) -> Callable[[Request, int], HttpResponse]:
    def press(request: Request, pk: int) -> HttpResponse:
        system, why = get_object_or_404(System, pk=pk), _why(request)
        if not why:
            messages.error(request, "Nothing was changed: say why.")
        elif pausing.switch(pk, mode, request.user.get_username(), why):
            messages.success(request, f"{system} {done}")
        else:
            messages.info(request, f"{system} {already}")
        return _back(request)

    return press


def work_now(request: Request, pk: int) -> HttpResponse:
    """Ring for a system."""
    system = get_object_or_404(System, pk=pk)
    pausing.work_now(pk)
    if system.mode != System.Mode.LIVE:
        messages.warning(request, f"{system} is paused: what it said is worked off, and nothing is sent.")
    elif bell.depths([]) is None:
        messages.error(
            request, "Redis does not answer, so no worker can be asked. Once it does, all goes on by itself."
        )
    else:
        messages.success(request, f"Workers were asked to work off what waits for {system}.")
    return _back(request)


def probe(request: Request, pk: int) -> HttpResponse:
    """Ask a system now, and show what came of it."""
    system = get_object_or_404(System, pk=pk)
    found = probing.probe(pk)
    exchanges = list(Attempt.objects.filter(pk__in=found.exchanges).order_by("pk"))
    context = _around(request, f"{system}: does it answer?") | {
        "system": system, "found": found, "exchanges": exchanges, "may_read": request.user.has_perm("sync.view_attempt"),
        "opts": System._meta, "list_url": reverse("operate"),
    }  # fmt: skip
    return TemplateResponse(request, "console/probed.html", context)


def end_secrets(request: Request, pk: int, name: str) -> HttpResponse:
    """End the older values of one secret."""
    system = get_object_or_404(System, pk=pk)
    if ended := end_older(system, name, request.user.get_username()):
        messages.success(
            request, f"{ended} older value{'s' if ended > 1 else ''} of {name} ended: only the newest is valid now."
        )
    else:
        messages.info(request, f"There is no older value of {name}; nothing was changed.")
    return _back(request)


def _workflow(
    change: Callable[[str, str, str], bool], done: str, already: str
) -> Callable[[Request, str], HttpResponse]:
    def press(request: Request, name: str) -> HttpResponse:
        if name not in WORKFLOWS:
            raise Http404
        title, why = WORKFLOWS[name].title, _why(request)
        if not why:
            messages.error(request, "Nothing was changed: say why.")
        elif change(name, request.user.get_username(), why):
            messages.success(request, f"{title}: {done}")
        else:
            messages.info(request, f"{title}: {already}")
        return _back(request)

    return press


def _why(request: Request) -> str:
    return request.POST.get("why", "").replace("\0", "").strip()[:300]


def _back(request: Request) -> HttpResponse:
    """To the system's page where the button stood there, else to this one."""
    on = request.POST.get("on", "")
    known = on.isdecimal() and len(on) < 18
    return HttpResponseRedirect(reverse("admin:canonical_system_change", args=[on]) if known else reverse("operate"))


PAUSED = "is paused: nothing is sent to it and it is not asked for news. What it says itself is kept."
urlpatterns = [
    path("", admin.site.admin_view(operate), name="operate"),
    path("system/<int:pk>/pause/", _pressed(_switch("paused", PAUSED, "is paused already.")), name="operate_pause"),
    path(
        "system/<int:pk>/resume/",
        _pressed(_switch("live", "is live again.", "is live already.")),
        name="operate_resume",
    ),
    path("system/<int:pk>/work/", _pressed(work_now), name="operate_work"),
    path("system/<int:pk>/probe/", _pressed(probe), name="operate_probe"),
    path("system/<int:pk>/end-secrets/<slug:name>/", _pressed(end_secrets), name="operate_end_secrets"),
    path(
        "workflow/<slug:name>/pause/",
        _pressed(_workflow(pausing.pause, "paused. What is under way now may still go out.", "paused already.")),
        name="operate_pause_workflow",
    ),
    path(
        "workflow/<slug:name>/resume/",
        _pressed(_workflow(pausing.resume, "goes on; what waited goes out now.", "was not paused.")),
        name="operate_resume_workflow",
    ),
]
