"""What shops may sell and what they show: offers, listings, publications, and units sold that were not there."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.decorators import display

from canonical.models import Entry, Listing, Offer, Oversell, Publication, System
from retailsync.console import gather, stock, stockwords, words
from retailsync.console.base import ReadOnly, Request
from retailsync.console.why import address
from retailsync.sync import publishing
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action


def _figure(prefix: str = "") -> Coalesce:
    return Coalesce(f"{prefix}expected", f"{prefix}quantity")


class ShownFilter(admin.SimpleListFilter):
    """What a shop shows against what it is to show."""

    title = "shows"
    parameter_name = "shows"
    prefix = ""

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("differs", "Differs"), ("more", "Shows too many"), ("same", "As it should be"), ("unmanaged", "Not managed there"),
            ("unknown", "Not known"), ("gone", "Gone there"),
        ]  # fmt: skip

    def queryset(self, request: Request, queryset: QuerySet[Any]) -> QuerySet[Any]:
        p = self.prefix
        known = queryset.alias(figure=_figure(p)).filter(
            **{f"{p}managed": True, f"{p}gone_at": None, f"{p}target__isnull": False}
        )
        match self.value():
            case "differs":
                return known.exclude(figure=None).exclude(figure=F(f"{p}target"))
            case "more":
                return known.filter(figure__gt=F(f"{p}target"))
            case "same":
                return known.filter(figure=F(f"{p}target"))
            case "unmanaged":
                return queryset.filter(**{f"{p}managed": False})
            case "unknown":
                return queryset.filter(Q(**{f"{p}target": None}) | Q(**{f"{p}expected": None, f"{p}quantity": None}))
            case "gone":
                return queryset.filter(**{f"{p}gone_at__isnull": False})
        return queryset


class OfferShownFilter(ShownFilter):
    """The same, of an offer's listing."""

    prefix = "listing__"


@admin.register(Offer)
class OfferAdmin(stock.BySku):
    """What each shop may sell of each SKU; a row leads to why."""

    list_display = ["sku_code", "shop", "sellable_word", "shows", "gap_word", "backorders", "read"]
    list_filter = [OfferShownFilter, "channel", "backorders"]
    list_select_related = ["sku", "channel", "listing"]
    ordering = ["-pk"]
    empty = "No offers. They appear when a shop tells what it shows of its stock."

    def complete(self, rows: Sequence[Offer]) -> None:
        for row in rows:
            stock.shown(row)

    @display(description="SKU", ordering="sku__code")
    def sku_code(self, row: Offer) -> str:
        return row.sku.code

    @display(description="Shop", ordering="channel")
    def shop(self, row: Offer) -> str:
        return row.channel.name

    @display(description="May be sold", ordering="sellable")
    def sellable_word(self, row: Offer) -> str:
        return "not known" if row.sellable is None else f"{row.sellable:,}"

    @display(description="The shop shows")
    def shows(self, row: Offer) -> str:
        return words.NOTHING if row.figure is None else f"{row.figure:,}"

    @display(description="Difference")
    def gap_word(self, row: Offer) -> str:
        return words.badge(*row.gap)

    @display(description="Read", ordering="listing__read_at")
    def read(self, row: Offer) -> str:
        return words.when(row.listing.read_at, relative=True) if row.listing else words.NOTHING

    def changeform_view(
        self, request: Request, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Its page is the one that says why."""
        if (
            request.method not in ("GET", "HEAD")
            or not str(object_id).isdecimal()
            or not self.has_view_permission(request)
        ):
            raise PermissionDenied
        row = Offer.objects.select_related("channel", "sku").filter(pk=object_id).first()
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return HttpResponseRedirect(address(row.channel.slug, row.sku.code))


@admin.register(Listing)
class ListingAdmin(ReadOnly):
    """What a shop shows, by its own id."""

    page_template = "console/listing.html"
    list_display = ["external_id", "channel", "target", "figure", "gap_word", "confirmed", "written", "read"]
    list_filter = [ShownFilter, "channel"]
    list_select_related = ["channel"]
    search_fields = ["=external_id"]
    search_help_text = "Id in the shop, in full"
    ordering = ["-pk"]
    empty = "No listings. They appear when a shop tells what it shows of its stock."

    @display(description="Shows")
    def figure(self, row: Listing) -> str:
        units = row.quantity if row.expected is None else row.expected
        return words.NOTHING if units is None else f"{units:,}"

    @display(description="Difference")
    def gap_word(self, row: Listing) -> str:
        units = row.quantity if row.expected is None else row.expected
        return words.badge(*stockwords.difference(row.target, units, row.managed, bool(row.gone_at)))

    @display(description="Written", ordering="confirmed_at")
    def written(self, row: Listing) -> str:
        return words.when(row.confirmed_at, relative=True)

    @display(description="Read", ordering="read_at")
    def read(self, row: Listing) -> str:
        return words.when(row.read_at, relative=True)

    def page_queryset(self, request: Request) -> QuerySet[Listing]:
        return Listing.objects.select_related("channel")

    def page(self, request: Request, row: Listing) -> dict[str, Any]:
        entries = Entry.objects.filter(subject_kind="listing", subject_id=row.pk).order_by("-version")
        offers = row.offers.select_related("sku", "channel").order_by("sku__code")
        return {
            "figure": self.figure(row), "gap": self.gap_word(row), "offers": list(offers),
            "entries": list(entries[: stock.SHOWN]), "shown": stock.SHOWN, "cases": gather.open_cases("listing", row.pk),
            "actions": list(Action.objects.filter(target_kind="listing", target_id=row.pk)[:20]),
        }  # fmt: skip


@admin.register(Publication)
class PublicationAdmin(ReadOnly):
    """Runs that bring a shop's figures in line."""

    page_template = "console/publication.html"
    list_display = ["what", "channel", "progress", "differed", "began", "ended", "by"]
    list_filter = ["kind", "channel"]
    list_select_related = ["channel"]
    ordering = ["-pk"]
    list_before_template = "console/publication_list_before.html"
    empty = "No publications. One begins when somebody asks for it or a schedule does; changes go out by themselves."

    def get_urls(self) -> list[URLPattern]:
        start = self.admin_site.admin_view(require_POST(self.start))
        return [path("start/<int:channel>/", start, name="canonical_publication_start"), *super().get_urls()]

    def changelist_view(self, request: Request, extra_context: Any = None) -> HttpResponse:
        shops = System.objects.filter(policy__publish_stock=True).order_by("name") if self.may_start(request) else ()
        return super().changelist_view(request, {**(extra_context or {}), "shops": shops})

    def may_start(self, request: Request) -> bool:
        """Who works on exceptions may have a shop's figures compared."""
        return bool(request.user.has_perm("sync.change_case"))

    def start(self, request: Request, channel: int) -> HttpResponse:
        """Compare everything a shop shows now."""
        if not self.may_start(request):
            raise PermissionDenied
        get_object_or_404(System, pk=channel)
        try:
            publishing.ask(channel, request.user.get_username())
        except NotPossible as trouble:
            messages.error(request, f"Nothing was started: {trouble}")
        else:
            messages.success(request, "Everything is compared now. This list shows how far it is.")
        return HttpResponseRedirect(reverse("admin:canonical_publication_changelist"))

    @display(description="What", ordering="kind")
    def what(self, row: Publication) -> str:
        return row.get_kind_display()

    @display(description="Progress")
    def progress(self, row: Publication) -> str:
        return bar(row)

    @display(description="Differed", ordering="differing")
    def differed(self, row: Publication) -> str:
        return "–" if row.ended_at is None else str(row.differing)

    @display(description="Began", ordering="began_at")
    def began(self, row: Publication) -> str:
        return words.when(row.began_at, relative=True)

    @display(description="Ended", ordering="ended_at")
    def ended(self, row: Publication) -> str:
        return words.when(row.ended_at) if row.ended_at else words.badge("under way", "warn")

    def page_queryset(self, request: Request) -> QuerySet[Publication]:
        return Publication.objects.select_related("channel")

    def page(self, request: Request, row: Publication) -> dict[str, Any]:
        return {"title": str(row), "progress": bar(row), "differed": self.differed(row)}


def bar(row: Publication) -> str:
    """How far a run is: a bar for the eye, numbers for everybody."""
    percent = 100 if row.ended_at and not row.total else min(100, 100 * row.read // row.total) if row.total else 0
    return format_html(
        '<span class="rs-bar rs-small" aria-hidden="true"><i style="width: {}%"></i></span> {} of {}',
        percent,
        f"{row.read:,}",
        f"{row.total:,}",
    )


@admin.register(Oversell)
class OversellAdmin(stock.BySku):
    """Units sold that were not there."""

    page_template = "console/oversell.html"
    list_display = ["sku_code", "order_link", "shop", "units", "verdict_word", "short", "found"]
    list_filter = ["verdict", "channel"]
    list_select_related = ["sku", "order", "channel"]
    ordering = ["-pk"]
    empty = "Nothing was oversold."

    @display(description="SKU", ordering="sku__code")
    def sku_code(self, row: Oversell) -> str:
        return row.sku.code

    @display(description="Order")
    def order_link(self, row: Oversell) -> str:
        return words.link("order", row.order_id, row.order.reference)

    @display(description="Shop")
    def shop(self, row: Oversell) -> str:
        return row.channel.name

    @display(description="Why", ordering="verdict")
    def verdict_word(self, row: Oversell) -> str:
        return words.badge(row.get_verdict_display(), "bad")

    @display(description="Words")
    def short(self, row: Oversell) -> str:
        return row.words if len(row.words) <= 120 else f"{row.words[:119]}…"

    @display(description="Found", ordering="found_at")
    def found(self, row: Oversell) -> str:
        return words.when(row.found_at, relative=True)

    def page_queryset(self, request: Request) -> QuerySet[Oversell]:
        return Oversell.objects.select_related("sku", "order", "channel")

    def page(self, request: Request, row: Oversell) -> dict[str, Any]:
        return {
            "title": str(row),
            "why_url": address(row.channel.slug, row.sku.code, at=row.order.placed_at.isoformat()),
        }
