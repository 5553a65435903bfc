"""Log-ins that were locked after wrong passwords: the page that says so, whom it concerns, and how it is lifted. Counts nothing itself."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


class Lock(NamedTuple):
    """One address at which one name waits."""

    address: str
    until: datetime


def page(request: HttpRequest, answer: HttpResponse | None, credentials: dict[str, Any] | None = None) -> HttpResponse:
    """What is shown instead of the log-in; the same for names that do not exist."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    context = {
        **admin.site.each_context(request),
        "title": "Locked",
        "limit": settings.AXES_FAILURE_LIMIT,
        "minutes": minutes,
    }
    return render(request, "console/locked.html", context, status=429)


def address(request: HttpRequest) -> str | None:
    """Who calls. Behind the proxy that ends TLS it is what that proxy added last; what stands before it anybody may have written."""
    told = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2] if settings.SECURE else ""
    return _valid(told) or _valid(request.META.get("REMOTE_ADDR", ""))


def _valid(text: str) -> str | None:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None


def username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Which name is tried: no longer than names are."""
    return str((credentials or {}).get("username") or request.POST.get("username", ""))[:150]


def nameless(*about: Any) -> str:
    """Who tried, for the log: neither names nor addresses belong there."""
    return "somebody"


def locked(names: Sequence[str]) -> dict[str, list[Lock]]:
    """Of these user names, those that wait now, and where."""
    tried = AccessAttempt.objects.filter(
        username__in=names, attempt_time__gt=timezone.now() - settings.AXES_COOLOFF_TIME
    )
    counted = tried.values_list("username", "ip_address").annotate(
        count=Sum("failures_since_start"), last=Max("attempt_time")
    )
    found: dict[str, list[Lock]] = {}
    for name, where, _, last in counted.filter(count__gte=settings.AXES_FAILURE_LIMIT).order_by(
        "username", "ip_address"
    ):
        found.setdefault(name, []).append(Lock(where or "an unknown address", last + settings.AXES_COOLOFF_TIME))
    return found


def lift(name: str) -> int:
    """Forget the wrong passwords of one name; how many records that were."""
    return AccessAttempt.objects.filter(username=name).delete()[0]
