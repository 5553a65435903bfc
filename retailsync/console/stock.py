"""Stock as it lies: levels, movements, sources and snapshots, and what people decide about counts nobody can believe by machine."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from canonical.ledger import Cause
from canonical.models import (
    Entry,
    KitComponent,
    Offer,
    Sku,
    SnapshotPart,
    StockCount,
    StockLevel,
    StockMovement,
    StockSnapshot,
    StockSource,
)
from canonical.recording import listings
from retailsync.console import gather, stockwords, words
from retailsync.console.base import Lists, Permissions, ReadOnly, Request
from retailsync.console.versions import Versions
from retailsync.sync import stock_deciding
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action

SHOWN = 50  # rows of one table of a page
FOUND = 1_000  # SKUs a search may mean


def skus(term: str) -> list[int]:
    """SKUs somebody means: the one with this code, else those whose code contains it."""
    exact = list(Sku.objects.filter(Q(code=term) | Q(gtin=term)).values_list("pk", flat=True))
    return exact or list(Sku.objects.filter(code__icontains=term).values_list("pk", flat=True)[:FOUND])


class BySku(ReadOnly):
    """Rows that are found by their SKU."""

    search_fields = ["sku__code"]
    search_help_text = "SKU or GTIN"

    def get_search_results(self, request: Request, queryset: QuerySet[Any], term: str) -> tuple[QuerySet[Any], bool]:
        """By the SKU's index, however many rows there are."""
        return (queryset.filter(sku__in=skus(term.strip())) if term.strip() else queryset), False


class Deciding:
    """Buttons that decide something: each is a POST with a reason for the record."""

    decisions: dict[str, tuple[Callable[[int, str, str], None], str]] = {}

    def has_work_permission(self, request: Request) -> bool:
        """Who works on exceptions decides about counts."""
        return bool(request.user.has_perm("sync.change_case"))

    def get_urls(self) -> list[URLPattern]:
        name, wrap = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        return [
            path(f"<int:pk>/{what}/", wrap(require_POST(self._pressed(what))), name=f"{name}_{what}")
            for what in self.decisions
        ] + super().get_urls()

    def _pressed(self, what: str) -> Callable[[Request, int], HttpResponse]:
        return lambda request, pk: self._decide(request, pk, *self.decisions[what])

    def _decide(self, request: Request, pk: int, decide: Callable[[int, str, str], None], done: str) -> HttpResponse:
        if not self.has_work_permission(request):
            raise PermissionDenied
        get_object_or_404(self.model, pk=pk)
        reason = request.POST.get("why", "").replace("\0", "").strip()[:2000]
        try:
            if not reason:
                raise NotPossible("say why.")
            decide(pk, request.user.get_username(), reason)
        except NotPossible as trouble:
            messages.error(request, f"Nothing was changed: {trouble}")
        else:
            messages.success(request, done)
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk]))


# ---- levels -----------------------------------------------------------------------------------------------------------------
class OddFilter(admin.SimpleListFilter):
    """Levels somebody may want to look at."""

    title = "what"
    parameter_name = "what"
    CHOICES = {
        "doubted": ("A count is doubted", Q(doubted__isnull=False)), "stale": ("Stale", Q(counted_by__stale_since__isnull=False)),
        "negative": ("Below zero", Q(on_hand__lt=0)), "uncounted": ("Never counted", Q(counted=None)),
        "unusable": ("Damaged or held", Q(damaged__gt=0) | Q(quality_hold__gt=0)),
    }  # fmt: skip

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, text) for code, (text, _) in self.CHOICES.items()]

    def queryset(self, request: Request, queryset: QuerySet[StockLevel]) -> QuerySet[StockLevel]:
        return queryset.filter(self.CHOICES[self.value()][1]) if self.value() in self.CHOICES else queryset


@admin.register(StockLevel)
class StockLevelAdmin(Deciding, BySku):
    """What lies where."""

    page_template = "console/stock_level.html"
    list_display = [
        "sku_code",
        "place",
        "on_hand",
        "allocated",
        "damaged",
        "quality_hold",
        "incoming",
        "counted_word",
        "since",
        "odd",
    ]
    list_filter = [OddFilter, "location"]
    list_select_related = ["sku", "location", "counted_by__system"]
    ordering = ["-pk"]
    empty = "No levels. They appear when a source counts: set up under Sources who tells of which location's stock."
    decisions = {
        "accept": (stock_deciding.accept, "The count is accepted. What may be sold is reckoned again in a moment.")
    }

    @display(description="SKU", ordering="sku__code")
    def sku_code(self, row: StockLevel) -> str:
        return row.sku.code

    @display(description="Location", ordering="location")
    def place(self, row: StockLevel) -> str:
        return row.location.code

    @display(description="Counted by")
    def counted_word(self, row: StockLevel) -> str:
        return row.counted_by.system.name if row.counted_by else words.NOTHING

    @display(description="Counted", ordering="counted_at")
    def since(self, row: StockLevel) -> str:
        return words.when(row.counted_at, relative=True) if row.counted_at else words.badge("never", "warn")

    @display(description="Odd")
    def odd(self, row: StockLevel) -> str:
        return odd(row)

    def page_queryset(self, request: Request) -> QuerySet[StockLevel]:
        return StockLevel.objects.select_related("sku", "location", "counted_by__system")

    def page(self, request: Request, row: StockLevel) -> dict[str, Any]:
        counts = (
            StockCount.objects.filter(sku=row.sku, source__location=row.location)
            .select_related("source__system")
            .order_by("source", "-accepted")
        )
        moved = (
            StockMovement.objects.filter(sku=row.sku, location=row.location)
            .select_related("source__system")
            .order_by("-pk")
        )
        entries = Entry.objects.filter(subject_kind="stock_level", subject_id=row.pk).order_by("-version")
        told = [said(count, row) for count in counts]
        return {
            "title": f"{row.sku.code} in {row.location.code}", "counts": told, "moved": list(moved[:SHOWN]),
            "entries": list(entries[:SHOWN]), "shown": SHOWN, "offers": offers(row.sku_id), "odd_word": odd(row),
            "cases": gather.open_cases("stock_level", row.pk), "may_work": self.has_work_permission(request),
            "actions": list(Action.objects.filter(target_kind="stock_level", target_id=row.pk)[:20]),
        }  # fmt: skip


def odd(row: StockLevel) -> str:
    """What somebody may want to look at, in a word."""
    if row.doubted is not None:
        return words.badge(f"doubted: {row.doubted}", "bad")
    if row.counted_by and row.counted_by.stale_since:
        return words.badge("stale", "bad")
    return words.badge("below zero", "bad") if row.on_hand < 0 else words.NOTHING


def said(count: StockCount, level: StockLevel | None) -> StockCount:
    """A count with what it means next to the level."""
    count.differs = ""
    if count.doubt:
        count.differs = count.doubt
    elif not count.accepted and level is not None and count.on_hand != level.on_hand:
        count.differs = f"{count.source.system.name} says {count.on_hand:,}, the level is {level.on_hand:,}"
    return count


def offers(sku: int) -> list[Offer]:
    """What each shop may sell of a SKU, and shows."""
    rows = list(Offer.objects.filter(sku=sku).select_related("channel", "sku", "listing").order_by("channel__name"))
    for row in rows:
        shown(row)
    return rows


def shown(row: Offer) -> None:
    """Add what the shop shows of an offer."""
    listing = row.listing
    row.figure = None if listing is None else listing.quantity if listing.expected is None else listing.expected
    row.gap = (
        stockwords.difference(listing.target, row.figure, listing.managed, bool(listing.gone_at))
        if listing
        else ("not listed", "warn")
    )


def panel(sku: int) -> dict[str, Any]:
    """The stock of one SKU, for its page."""
    levels = list(
        StockLevel.objects.filter(sku=sku).select_related("location", "counted_by__system").order_by("location")
    )
    by_place = {level.location_id: level for level in levels}
    counts = (
        StockCount.objects.filter(sku=sku, accepted=False)
        .select_related("source__system", "source__location")
        .order_by("source")
    )
    moved = StockMovement.objects.filter(sku=sku).select_related("source__system", "location").order_by("-pk")
    for level in levels:
        level.odd = odd(level)
    kit = KitComponent.objects.filter(kit=sku).exists()
    told = [said(count, by_place.get(count.source.location_id)) for count in counts]
    return {"levels": levels, "others": told, "moved": list(moved[:20]), "offers": offers(sku), "kit": kit}


# ---- movements --------------------------------------------------------------------------------------------------------------
@admin.register(StockMovement)
class StockMovementAdmin(BySku):
    """What came and what left."""

    page_template = "console/stock_movement.html"
    list_display = ["sku_code", "place", "units_word", "kind_word", "by", "document", "occurred"]
    list_filter = ["kind", "location", "bucket"]
    list_select_related = ["sku", "location", "source__system"]
    ordering = ["-pk"]
    empty = "No movements. They appear when a warehouse or an ERP tells of receipts and corrections, and with our own shipments."

    @display(description="SKU")
    def sku_code(self, row: StockMovement) -> str:
        return row.sku.code

    @display(description="Location")
    def place(self, row: StockMovement) -> str:
        return row.location.code

    @display(description="Units", ordering="units")
    def units_word(self, row: StockMovement) -> str:
        return f"{row.units:+,}"

    @display(description="What", ordering="kind")
    def kind_word(self, row: StockMovement) -> str:
        return words.plain(row.kind)

    @display(description="Told by")
    def by(self, row: StockMovement) -> str:
        return row.source.system.name if row.source else "our own order"

    @display(description="Happened", ordering="occurred_at")
    def occurred(self, row: StockMovement) -> str:
        return words.when(row.occurred_at, relative=True)

    def page_queryset(self, request: Request) -> QuerySet[StockMovement]:
        return StockMovement.objects.select_related("sku", "location", "source__system")

    def page(self, request: Request, row: StockMovement) -> dict[str, Any]:
        entry = Entry.objects.filter(subject_kind="stock_movement", subject_id=row.pk).order_by("version").first()
        level = StockLevel.objects.filter(sku=row.sku, location=row.location).first()
        return {"entry": entry, "level": level, "kind_word": words.plain(row.kind)}


# ---- sources ----------------------------------------------------------------------------------------------------------------
ASKED = {
    "system": ("System", "Who tells."),
    "location": ("Location", "About which location's stock."),
    "external_id": ("Its name there", "The location as this system names it: a warehouse's code, a location of a file."),
    "authority": ("Its word counts as", "Per location one source sets the levels, and one may move them; others are compared."),
    "figure": ("Its figure means", "“Less …”: reserved or ordered units are missing from it, and not taken off twice."),
    "stale_minutes": ("Believed for, minutes", "Silent for longer, its figures fall to the share beside. Empty: for ever."),
    "floor_percent": ("Believed when too old, percent", "0: nothing of it is sold any more."),
    "jump_percent": ("Doubt a jump beyond, percent", "A count that differs by more than both of these waits for a person."),
    "jump_units": ("… and beyond, units", "Small stocks jump by many percent every day."),
    "shrink_percent": ("Doubt a snapshot that lost, percent", "A whole counting that lists so many fewer things waits for a person."),
}  # fmt: skip


class SourceForm(forms.ModelForm):
    """What one system's figures about one location are worth."""

    class Meta:
        model = StockSource
        fields = tuple(ASKED)
        labels = {name: label for name, (label, _) in ASKED.items()}
        help_texts = {name: help for name, (_, help) in ASKED.items()}

    def clean(self) -> dict[str, Any]:
        """One source sets the levels of a location, and one moves them."""
        given = super().clean()
        place, authority = given.get("location"), given.get("authority")
        rivals = StockSource.objects.filter(location=place, authority=authority).exclude(pk=self.instance.pk)
        if (
            place
            and authority != StockSource.Authority.INFORMATION
            and (rival := rivals.select_related("system").first())
        ):
            self.add_error("authority", f"{rival.system} does that for {place} already: change that source first.")
        for name in ("floor_percent", "shrink_percent"):
            if (given.get(name) or 0) > 100:
                self.add_error(name, "At most 100.")
        return given


@admin.register(StockSource)
class StockSourceAdmin(Deciding, Versions, Lists):
    """Who tells of which location's stock."""

    form = SourceForm
    list_display = ["system", "location", "authority", "figure", "heard", "state"]
    list_display_links = ["system", "location"]
    list_filter = ["authority", "location", "system"]
    list_select_related = ["system", "location"]
    search_fields = ["external_id", "system__name", "location__code"]
    search_help_text = "System, location or its name there"
    history_list_display = ["authority", "figure"]
    change_form_outer_after_template = "console/stock_source_after.html"
    empty = (
        "No sources, so nothing is known of any stock. Add one per location: who counts it, and what the figure means."
    )
    fieldsets = [
        ("Who tells of what", {"fields": [("system", "location"), "external_id"]}),
        ("What it is worth", {"fields": [("authority", "figure"), ("stale_minutes", "floor_percent")]}),
        ("What is doubted", {"fields": [("jump_percent", "jump_units"), "shrink_percent"]}),
    ]  # fmt: skip
    decisions = {
        "adopt": (
            stock_deciding.adopt,
            "Its last counts are the levels now. What may be sold is reckoned again in a moment.",
        )
    }

    def has_work_permission(self, request: Request) -> bool:
        """Adopting counts is set-up: it makes a source's word the level."""
        return bool(request.user.has_perm("canonical.change_stocksource"))

    @display(description="Heard", ordering="heard_at")
    def heard(self, row: StockSource) -> str:
        return words.when(row.heard_at, relative=True)

    @display(description="State")
    def state(self, row: StockSource) -> str:
        if row.stale_since:
            return words.badge("stale", "bad")
        return words.badge("believed", "good") if row.heard_at else words.badge("not heard yet", "warn")

    def change_view(self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id) if object_id.isdecimal() and len(object_id) < 18 else None
        extra = self._after(request, row) if row else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def _after(self, request: Request, row: StockSource) -> dict[str, Any]:
        """What it said that differs, what it sent, and who did what."""
        counts = row.counts.filter(accepted=False)
        return {
            "source": row, "differing": differing(row), "shown": SHOWN,
            "snapshots": list(row.snapshots.order_by("-pk")[:10]), "state_badge": self.state(row), "may": Permissions(request),
            "actions": list(Action.objects.filter(target_kind="stock_source", target_id=row.pk)[:20]),
            "cases": gather.open_cases("stock_source", row.pk),
            "may_adopt": row.authority != StockSource.Authority.LEVELS and self.has_work_permission(request) and counts.exists(),
        }  # fmt: skip

    def save_model(self, request: Request, obj: StockSource, form: Any, change: bool) -> None:
        """What a figure means decides what may be sold: everything that lies there is reckoned again."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if change and {"figure", "authority", "floor_percent", "stale_minutes"} & set(form.changed_data):
                touched = StockLevel.objects.filter(location=obj.location).values_list("sku", flat=True).order_by("sku")
                listings.touch([(sku, False) for sku in touched], Cause("stock_source", obj.pk))


def differing(source: StockSource) -> list[StockCount]:
    """Its counts that differ from the level of their place."""
    level = StockLevel.objects.filter(sku=OuterRef("sku"), location=source.location_id)
    counts = source.counts.filter(accepted=False).annotate(
        level=Subquery(level.values("on_hand")[:1]), level_id=Subquery(level.values("pk")[:1])
    )
    return list(counts.exclude(on_hand=F("level")).select_related("sku").order_by("sku__code")[:SHOWN])


# ---- snapshots --------------------------------------------------------------------------------------------------------------
@admin.register(StockSnapshot)
class StockSnapshotAdmin(Deciding, ReadOnly):
    """Whole countings of a location."""

    page_template = "console/snapshot.html"
    list_display = ["run", "place", "state_word", "parts_word", "rows_word", "unknown", "observed", "why"]
    list_filter = ["state", "source__location", "source__system"]
    list_select_related = ["source__location", "source__system"]
    search_fields = ["run"]
    search_help_text = "Name of the run"
    ordering = ["-pk"]
    empty = "No snapshots. They appear when a source sends a whole counting of a location."
    decisions = {
        "apply": (stock_deciding.apply_snapshot, "The snapshot is applied. What may be sold is reckoned again in a moment."),
        "discard": (stock_deciding.discard_snapshot, "The snapshot is discarded: nothing of it is applied."),
    }  # fmt: skip

    @display(description="From")
    def place(self, row: StockSnapshot) -> str:
        return f"{row.source.system} about {row.source.location}"

    @display(description="State", ordering="state")
    def state_word(self, row: StockSnapshot) -> str:
        return words.badge(row.get_state_display(), stockwords.SNAPSHOTS[row.state])

    @display(description="Parts")
    def parts_word(self, row: StockSnapshot) -> str:
        return f"{row.parts_got} of {'?' if row.parts is None else row.parts}"

    @display(description="Rows")
    def rows_word(self, row: StockSnapshot) -> str:
        return f"{row.rows_got:,} of {'?' if row.rows is None else f'{row.rows:,}'}"

    @display(description="Counted", ordering="observed_at")
    def observed(self, row: StockSnapshot) -> str:
        return words.when(row.observed_at, relative=True)

    @display(description="Words")
    def why(self, row: StockSnapshot) -> str:
        return row.words or words.NOTHING

    def page_queryset(self, request: Request) -> QuerySet[StockSnapshot]:
        return StockSnapshot.objects.select_related("source__location", "source__system")

    def page(self, request: Request, row: StockSnapshot) -> dict[str, Any]:
        first = SnapshotPart.objects.filter(snapshot=row).order_by("part").first()
        before = (
            StockSnapshot.objects.filter(source=row.source, state="applied", lists_all=True, pk__lt=row.pk)
            .order_by("-observed_at")
            .first()
        )
        return {
            "state_badge": self.state_word(row), "parts_word": self.parts_word(row), "rows_word": self.rows_word(row), "before": before,
            "rows": first.rows[:SHOWN] if first else [], "waits": row.state == StockSnapshot.State.PARKED,
            "lying": row.source.counts.filter(accepted=True, on_hand__gt=0).count(),
            "cases": gather.open_cases("snapshot", row.pk), "may_work": self.has_work_permission(request),
            "actions": list(Action.objects.filter(target_kind="snapshot", target_id=row.pk)[:20]),
        }  # fmt: skip
