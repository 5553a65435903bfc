"""A partner's page: how soon it answers (by the numbers it sees itself), what was agreed with it, and its keys, each shown once."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from canonical.models import System
from retailsync.console import bars
from retailsync.console.base import Permissions, Request
from retailsync.console.partner_forms import KeyForm, RotateForm, TermsForm, environments, in_words, versions
from retailsync.partners import acknowledging, asks, keys
from retailsync.partners.models import ASKED_FOR, PartnerKey, PartnerTerms
from retailsync.sync import clock
from retailsync.sync.models import Action

SPANS = {"7 days": timedelta(days=7), "30 days": timedelta(days=30)}
LONGEST = max(SPANS.values())
MOST = 50  # breaches of a page


class Bar(NamedTuple):
    """One day of the plot: where it stands, and what it says."""

    x: float
    width: float
    words: str
    day: acknowledging.Day


class PartnerPages:
    """The part of the systems' pages that is about partners of the API."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        own: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "partner": ("partner/", require_safe(self.partner)),
            "terms": ("terms/", require_POST(self.set_terms)),
            "issue_key": ("issue-key/", require_POST(self.issue_key)),
            "rotate_key": ("rotate-key/<int:key>/", require_POST(self.rotate_key)),
            "revoke_key": ("revoke-key/<int:key>/", require_POST(self.revoke_key)),
        }
        return [
            path(f"<int:pk>/{route}", self.admin_site.admin_view(never_cache(view)), name=f"canonical_system_{name}")
            for name, (route, view) in own.items()
        ] + super().get_urls()  # type: ignore[misc]

    # ---- the page ----
    def partner(self, request: Request, pk: int) -> HttpResponse:
        """How it goes with one partner."""
        return self._shown(request, _partner(request, pk, "partners.view_partnerterms"))

    def _shown(self, request: Request, system: System, **forms: Any) -> HttpResponse:
        """The page; `forms` is what an earlier try left, with its errors."""
        terms = asks.terms_of(system)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": f"{system.name} as a partner", "is_fullwidth": "1",
            "system": system, "may": Permissions(request), "said": in_words(terms, system.timezone), "terms": TermsForm(instance=terms),
            "agreed": terms.pk is not None, "versions": versions(system), "issue": KeyForm(system), "overlap": 72,
            **_answering(request, system), **_keys(request, system), **forms,
            "actions": list(Action.objects.filter(target_kind="system", target_id=system.pk)[:10]),
            **{f"may_{verb}": request.user.has_perm(f"partners.{right}") for verb, right in RIGHTS.items()},
        }  # fmt: skip
        return TemplateResponse(request, "console/partner.html", context)

    # ---- what people press ----
    def set_terms(self, request: Request, pk: int) -> HttpResponse:
        """Agree on other terms; what was asked before stays due when it was."""
        system = _partner(request, pk, "partners.change_partnerterms")
        kept = PartnerTerms.objects.filter(system=system).first() or PartnerTerms(system=system)
        form = TermsForm(request.POST, instance=kept)
        if not form.is_valid():
            return self._shown(request, system, terms=form)
        if not form.has_changed():
            messages.info(request, "These are the terms already; nothing was changed.")
            return _back(pk)
        with transaction.atomic():
            form.save()
            _note(request, "set terms", system, "; ".join(versions(system, 1)[0].changes))
        messages.success(request, "The terms were changed. What was asked before stays due when it was.")
        return _back(pk)

    def issue_key(self, request: Request, pk: int) -> HttpResponse:
        """Issue a key and show it this once: in this answer, never in a session or a message."""
        system = _partner(request, pk, "partners.add_partnerkey")
        form = KeyForm(system, request.POST)
        if not form.is_valid():
            return self._shown(request, system, issue=form)
        given = form.cleaned_data
        of = given.get("system") or system
        with transaction.atomic():
            key, text = PartnerKey.issue(of, given["name"], expires_at=_in_days(given["days"]), scopes=given["scopes"])
            _note(request, "issue key", system, f"{key}: {', '.join(key.scopes)}")
        return self._shown_once(request, system, key, text)

    def rotate_key(self, request: Request, pk: int, key: int) -> HttpResponse:
        """Issue a second key for the same use; the first one ends after some hours."""
        system = _partner(request, pk, "partners.add_partnerkey", "partners.change_partnerkey")
        row = get_object_or_404(PartnerKey, pk=key, system__in=environments(system))
        form = RotateForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Nothing was changed: say for how many hours both keys are to be valid.")
            return _back(pk)
        overlap = timedelta(hours=form.cleaned_data["hours"])
        try:
            with transaction.atomic():
                fresh, text = keys.rotate(row, clock.now(), overlap, _in_days(form.cleaned_data["days"]))
                _note(request, "rotate key", system, f"{row} → {fresh}")
        except keys.Ended:
            messages.error(request, f"Nothing was changed: {row} is not valid any more. Issue a new key.")
            return _back(pk)
        row.refresh_from_db()
        return self._shown_once(request, system, fresh, text, before=row)

    def revoke_key(self, request: Request, pk: int, key: int) -> HttpResponse:
        """End a key at once."""
        system = _partner(request, pk, "partners.change_partnerkey")
        row = get_object_or_404(PartnerKey.objects.select_related("system"), pk=key, system__in=environments(system))
        with transaction.atomic():
            PartnerKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=clock.now())
            _note(request, "revoke key", system, str(row))
        messages.success(request, f"{row} was revoked.")
        return _back(pk)

    def _shown_once(
        self, request: Request, system: System, key: PartnerKey, text: str, before: PartnerKey | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "New key", "system": system, "key": key, "text": text,
            "before": before,
        }  # fmt: skip
        return TemplateResponse(request, "console/key.html", context)


RIGHTS = {
    "agree": "change_partnerterms",
    "issue": "add_partnerkey",
    "revoke": "change_partnerkey",
    "see_keys": "view_partnerkey",
}


def _partner(request: Request, pk: int, *rights: str) -> System:
    """A partner of the API, for whoever has these rights."""
    if not all(request.user.has_perm(right) for right in rights):
        raise PermissionDenied
    return get_object_or_404(System.objects.select_related("partner_terms"), pk=pk, connector="partner")


def _back(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:canonical_system_partner", args=[pk]))


def _note(request: Request, what: str, system: System, why: str) -> None:
    who = request.user.get_username()
    Action.objects.create(who=who, what=what, target_kind="system", target_id=system.pk, why=why)


def _in_days(days: int | None) -> datetime | None:
    return clock.now() + timedelta(days=days) if days else None


# ---- how soon it answers ----------------------------------------------------------------------------------------------------
def _answering(request: Request, system: System) -> dict[str, Any]:
    """Numbers over each span, a plot of the longest, and what was not in time, the newest first."""
    now = clock.now()
    spans = {name: acknowledging.numbers(system.pk, now - span, now, now) for name, span in SPANS.items()}
    days = acknowledging.days(system, now - LONGEST, now, now)
    before = request.GET.get("before", "")
    start = int(before) if before.isascii() and before.isdecimal() and len(before) < 18 else 0
    late = acknowledging.breaches(system, now - LONGEST, now, now, start, MOST + 1, newest=True)
    return {
        "spans": spans, "days": _columns(system, days, now), "plot": _plot(_every(system, days, now)) if days else None,
        "breaches": late[:MOST], "older": late[MOST - 1].id if len(late) > MOST else None, "newer": start, "asked_for": ASKED_FOR,
    }  # fmt: skip


def _every(system: System, days: Sequence[acknowledging.Day], now: datetime) -> list[acknowledging.Day]:
    """Each day of the longest span, also those on which nothing was asked."""
    known, zone = {day.day: day for day in days}, asks.hours_of(system).zone
    first, last = ((now - LONGEST).astimezone(zone).date(), now.astimezone(zone).date())
    each = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [known.get(day, acknowledging.Day(day, 0, 0)) for day in each]


def _columns(system: System, days: Sequence[acknowledging.Day], now: datetime) -> list[Bar]:
    """The days, to be pointed at and read."""
    every = _every(system, days, now)
    width = (bars.WIDTH - bars.LEFT) / len(every)
    return [
        Bar(round(bars.LEFT + n * width, 2), round(width, 2), f"{day.day:%a %d %b}: {day.asked:,} asked, {day.breaches:,} not in time", day)
        for n, day in enumerate(every)
    ]  # fmt: skip


def _plot(days: Sequence[acknowledging.Day]) -> bars.Plot:
    asked, late = [day.asked for day in days], [day.breaches for day in days]
    words = f"Asked in 30 days: {sum(asked):,}, at most {max(asked):,} on one day. "
    words += f"Not answered in time: {sum(late):,}, on {sum(map(bool, late))} days." if any(late) else "All in time."
    return bars.parts(asked, late, words)


# ---- keys -------------------------------------------------------------------------------------------------------------------
def _keys(request: Request, system: System) -> dict[str, Any]:
    """Every key, the valid ones first."""
    if not request.user.has_perm("partners.view_partnerkey"):
        return {"keys": None}
    rows = list(PartnerKey.objects.filter(system__in=environments(system)).select_related("system").order_by("-pk"))
    now = clock.now()
    return {
        "keys": sorted(({"row": row, "valid": row.is_valid(now)} for row in rows), key=lambda key: not key["valid"])
    }
