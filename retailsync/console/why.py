"""“Why is sellable 7?”: the figure, what it comes from and how it came about, now and at any past instant; for people and for machines."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from canonical import explaining
from canonical.explaining import Why
from canonical.models import Offer
from retailsync.console import stockwords
from retailsync.console.base import Permissions, Request
from retailsync.console.mapping import shops
from retailsync.console.plot import Plot, plot
from retailsync.console.zones import instant, zone

SHOWN = 200  # open orders of one figure that are listed
SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}


def address(channel: str, sku: str, **query: str) -> str:
    """Where the figure of this SKU (by code) in this shop (by slug) is explained."""
    url = reverse("stock_why", args=[channel, sku])
    return f"{url}?{urlencode(query)}" if query else url


# ---- the pages --------------------------------------------------------------------------------------------------------------
def ask(request: Request) -> HttpResponse:
    """Which SKU, in which shop."""
    _allowed(request)
    shop, code = request.GET.get("shop", ""), request.GET.get("sku", "").replace("\0", "").strip()
    if code and Offer.objects.filter(channel__slug=shop, sku__code=code).exists():
        return HttpResponseRedirect(address(shop, code))
    near = []
    if code:
        near = list(
            Offer.objects.filter(sku__code__icontains=code).select_related("channel", "sku").order_by("sku__code")[:50]
        )
        if not near:
            messages.info(request, f"No shop offers “{code}”.")
    context = _around(request, "Why may so many be sold?") | {
        "shops": list(shops()),
        "shop": shop,
        "code": code,
        "near": near,
    }
    return TemplateResponse(request, "console/why_ask.html", context)


def why(request: Request, channel: str, code: str) -> HttpResponse:
    """One SKU in one shop, at one instant."""
    _allowed(request)
    here, now = zone(request), timezone.now()
    typed = request.GET.get("at", "")
    at = instant(typed, here) if typed else None
    if at is not None and at > now:
        at = None
    found = explaining.why(channel, code, at)
    if found is None:
        raise Http404(f"{channel} does not offer {code}.")
    if request.GET.get("format") == "json":
        return _json(found, bool(typed) and instant(typed, here) is None)
    if typed and instant(typed, here) is None:
        messages.error(request, f"“{typed}” is no time: this is how it is now.")
    span = request.GET.get("span") if request.GET.get("span") in SPANS else "24h"
    until = min(now, (at or now) + SPANS[span] / 2)
    curves = explaining.curves(channel, code, until - SPANS[span], until)
    context = _around(request, f"{code} in {found.channel_name}") | _told(found) | {
        "at_local": f"{(at or now).astimezone(here):%Y-%m-%dT%H:%M:%S}", "spans": SPANS, "span": span, "curves": curves,
        "plot": plot(curves, here) if curves else None, "now_url": address(channel, code),
        "json_url": address(channel, code, format="json", **({"at": at.isoformat()} if at else {})),
    }  # fmt: skip
    drawn: Plot | None = context["plot"]
    if drawn and at:
        context["mark"] = round(drawn.left + (drawn.right - drawn.left) * (at - curves.since) / SPANS[span], 1)
    return TemplateResponse(request, "console/why.html", context)


def _told(found: Why) -> Mapping[str, Any]:
    """What the page says of it."""
    places = [
        {"place": p, "notes": stockwords.place_notes(p), "rows": p.level.rows if p.level else ()} for p in found.places
    ]
    gap = stockwords.shown(found.shown) if found.shown else ("", "")
    orders = [(order, place) for place in found.places for order in place.orders] + [(o, None) for o in found.orders]
    newest = sorted(orders, key=lambda pair: -pair[0].line)[:SHOWN]
    return {
        "why": found, "sentence": stockwords.sentence(found), "places": places, "steps": stockwords.steps(found), "gap": gap,
        "given": sum(p.gives for p in found.places), "opened": len(orders),
        "orders": [{"order": order, "place": place} for order, place in newest],
    }  # fmt: skip


def _json(found: Why, wrong: bool) -> HttpResponse:
    """The explanation as `canonical.explaining.Why` has it, with the sentence (docs/stock.md)."""
    if wrong:
        return HttpResponse(b'{"error": "at is no instant in ISO 8601"}', status=400, content_type="application/json")
    body = {"sentence": stockwords.sentence(found), **msgspec.structs.asdict(found)}
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def _allowed(request: Request) -> None:
    if not request.user.has_perm("canonical.view_offer"):
        raise PermissionDenied


def _around(request: Request, title: str) -> dict[str, Any]:
    """What every page of the admin needs around its content."""
    return {
        **admin.site.each_context(request), "opts": Offer._meta, "title": title, "is_fullwidth": "1", "may": Permissions(request),
        "list_url": reverse("admin:canonical_offer_changelist"),
    }  # fmt: skip


urlpatterns = [
    path("why/", admin.site.admin_view(ask), name="stock_ask"),
    path("why/<slug:channel>/<path:code>/", admin.site.admin_view(why), name="stock_why"),
]
