"""Availability rules: what is kept back, and a preview of what a rule changes in the shops before anybody saves it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.dataclasses import UnfoldAction
from unfold.decorators import display

from canonical.models import AvailabilityRule, Sku
from retailsync.console import stockwords, why, words
from retailsync.console.base import Lists, Request, Versioned
from retailsync.console.mapping import shops
from retailsync.sync import previewing
from retailsync.sync.previewing import Preview

STATED = ("safety_units", "safety_percent", "threshold", "cap", "pool", "backorders", "backorder_limit")
#: Label and help of each field, for who plans stock.
ASKED = {
    "sku": ("SKU", "Only this one. Empty: see category."),
    "category": ("Category", "Only SKUs of this category. Empty, with no SKU: everything."),
    "location": ("Location", "Only what lies here. Only what is kept back per location can be said of one location."),
    "channel": ("Shop", "Only in this shop. Empty: in all shops."),
    "safety_units": ("Kept back per location, units", "Never sold: for what is lost, broken or miscounted."),
    "safety_percent": ("Kept back per location, percent", "Of what is free there, rounded up. Of units and percent the larger counts."),
    "threshold": ("Kept back in all", "Taken off once, from all locations together, e.g. to keep the last two for the store."),
    "cap": ("Shown at most", "The shop never shows more, however much there is. 0: not sold at all."),
    "pool": ("This shop's own units", "Kept for this shop from the day the rule begins: it sells no more, others never these."),
    "backorders": ("Backorders", "Whether more may be sold than there is. Empty: not stated here."),
    "backorder_limit": ("At most on backorder", "Units that may be sold beyond what there is. Empty: no limit."),
    "valid_from": ("Valid from", "In UTC. Empty: from now on."),
    "valid_until": ("Valid until", "In UTC. Empty: until somebody changes it."),
    "priority": ("Priority", "Between two rules of equal scope the higher one decides, then the older rule."),
    "note": ("Note", "Why it is there, for whoever reads it next year."),
}  # fmt: skip


class RuleForm(forms.ModelForm):
    """One rule. Every field stands for itself: an empty one says nothing, and the next rule decides."""

    class Meta:
        model = AvailabilityRule
        fields = tuple(ASKED)
        labels = {name: label for name, (label, _) in ASKED.items()}
        help_texts = {name: help for name, (_, help) in ASKED.items()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "channel" in self.fields:
            self.fields["channel"].queryset = shops()
            self.fields["channel"].empty_label = "All shops"
            self.fields["location"].empty_label = "All locations"

    def clean(self) -> dict[str, Any]:
        """What the database would refuse, and what would say nothing, in words."""
        given = super().clean()
        if given.get("sku") and given.get("category"):
            self.add_error("category", "Choose a SKU or a category, not both.")
        elif given.get("category") and not Sku.objects.filter(category=given["category"]).exists():
            self.add_error("category", "No SKU has this category.")
        if given.get("pool") is not None and not given.get("channel"):
            self.add_error("channel", "Say whose units these are.")
        if given.get("location") and (wide := [ASKED[f][0] for f in STATED[2:] if given.get(f) not in (None, "")]):
            self.add_error("location", f"This cannot be said of one location: {', '.join(wide)}.")
        if not any(given.get(name) not in (None, "") for name in STATED) and not self.errors:
            raise forms.ValidationError("It says nothing yet: fill in at least one of the fields of “What it says”.")
        if (percent := given.get("safety_percent")) is not None and percent > 100:
            self.add_error("safety_percent", "At most 100.")
        if given.get("valid_from") and given.get("valid_until") and given["valid_from"] >= given["valid_until"]:
            self.add_error("valid_until", "It ends before it begins.")
        return given


# ---- in words ---------------------------------------------------------------------------------------------------------------
def scope(rule: AvailabilityRule) -> str:
    """What a rule is about."""
    about = rule.sku.code if rule.sku else f"category {rule.category}" if rule.category else "everything"
    where = f" in {rule.location.code}" if rule.location else ""
    return f"{about}{where}, {rule.channel.name if rule.channel else 'all shops'}"


def stated(rule: AvailabilityRule) -> str:
    """What a rule says."""
    said = [(name, getattr(rule, name)) for name in STATED]
    return ", ".join(f"{stockwords.FIELDS[name]}: {value}" for name, value in said if value not in (None, ""))


def validity(rule: AvailabilityRule) -> tuple[str, str]:
    """(words, tone): whether it holds now."""
    now = timezone.now()
    if rule.valid_until and rule.valid_until <= now:
        return "over", ""
    if rule.valid_from and rule.valid_from > now:
        return "not yet", "warn"
    return ("valid", "good") if rule.in_force else ("valid, being taken up", "warn")


# ---- the list ---------------------------------------------------------------------------------------------------------------
class ValidFilter(admin.SimpleListFilter):
    """Whether a rule holds now."""

    title = "valid"
    parameter_name = "valid"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "Now"), ("later", "Later"), ("over", "Over")]

    def queryset(self, request: Request, queryset: QuerySet[AvailabilityRule]) -> QuerySet[AvailabilityRule]:
        now = timezone.now()
        begun, ended = Q(valid_from=None) | Q(valid_from__lte=now), Q(valid_until__lte=now)
        match self.value():
            case "now":
                return queryset.filter(begun).exclude(ended)
            case "later":
                return queryset.exclude(begun)
            case "over":
                return queryset.filter(ended)
        return queryset


class AboutFilter(admin.SimpleListFilter):
    """How much a rule is about."""

    title = "about"
    parameter_name = "about"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [("sku", "One SKU"), ("category", "A category"), ("all", "Everything")]

    def queryset(self, request: Request, queryset: QuerySet[AvailabilityRule]) -> QuerySet[AvailabilityRule]:
        match self.value():
            case "sku":
                return queryset.exclude(sku=None)
            case "category":
                return queryset.exclude(category="")
            case "all":
                return queryset.filter(sku=None, category="")
        return queryset


class SaysFilter(admin.SimpleListFilter):
    """Which field a rule states."""

    title = "says"
    parameter_name = "says"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, ASKED[name][0]) for name in STATED]

    def queryset(self, request: Request, queryset: QuerySet[AvailabilityRule]) -> QuerySet[AvailabilityRule]:
        name = self.value()
        if name not in STATED:
            return queryset
        return queryset.exclude(**{name: "" if name == "backorders" else None})


@admin.register(AvailabilityRule)
class AvailabilityRuleAdmin(Versioned, Lists):
    """All rules, the most special first."""

    form = RuleForm
    list_display = ["about", "says", "valid_word", "until", "priority", "note"]
    list_filter = [ValidFilter, AboutFilter, SaysFilter, "channel", "location"]
    list_select_related = ["sku", "location", "channel"]
    search_fields = ["sku__code", "category", "note"]
    search_help_text = "SKU, category or note"
    autocomplete_fields = ["sku"]
    actions = None  # each deletion can be previewed
    history_list_display = ["said"]
    change_form_outer_before_template = "console/rule_before.html"
    delete_confirmation_template = "console/rule_delete.html"
    empty = "No rules: everything free may be sold, and nothing on backorder. Add one to keep units back, or to limit what a shop shows."
    fieldsets = [
        ("What it is about", {"fields": [("sku", "category"), ("channel", "location")]}),
        ("What it says", {"fields": [("safety_units", "safety_percent"), ("threshold", "cap"), "pool", ("backorders", "backorder_limit")]}),
        ("When, and why", {"fields": ["valid_from", "valid_until", ("priority", "note")]}),
    ]  # fmt: skip

    def get_ordering(self, request: Request) -> list[Any]:
        return [
            F("sku").asc(nulls_last=True),
            "-category",
            F("location").asc(nulls_last=True),
            F("channel").asc(nulls_last=True),
            "pk",
        ]

    @display(description="About")
    def about(self, row: AvailabilityRule) -> str:
        return scope(row)

    @display(description="Says")
    def says(self, row: AvailabilityRule) -> str:
        return stated(row) or words.NOTHING

    @display(description="Valid")
    def valid_word(self, row: AvailabilityRule) -> str:
        return words.badge(*validity(row))

    @display(description="Until", ordering="valid_until")
    def until(self, row: AvailabilityRule) -> str:
        return words.when(row.valid_until)

    def said(self, row: Any) -> str:
        """A heading of the history is the name of its function."""
        return stated(row)

    # ---- the preview ----
    def get_actions_submit_line(self, request: Request, object_id: Any = None) -> list[UnfoldAction]:
        """A button beside Save, for who may save."""
        may = self.has_add_permission(request) if object_id is None else self.has_change_permission(request)
        return (
            [] if not may else [UnfoldAction("_preview", self.changeform_view, "Preview", "preview", icon="visibility")]
        )

    def changeform_view(
        self, request: Request, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if object_id is None:
            context["actions_submit_line"] = self.get_actions_submit_line(request)
        if request.method == "POST" and "_preview" in request.POST:
            return self._preview(request, object_id) or super().changeform_view(request, object_id, form_url, context)
        return super().changeform_view(request, object_id, form_url, context)

    def _preview(self, request: Request, object_id: str | None) -> HttpResponse | None:
        """What saving would change; None where the form is wrong, and is shown with what is wrong."""
        row = self.get_object(request, object_id) if object_id else None
        allowed = self.has_change_permission(request, row) if object_id else self.has_add_permission(request)
        if not allowed or (object_id and row is None):
            raise PermissionDenied
        form = self.get_form(request, row, change=bool(row))(request.POST, instance=row)
        if not form.is_valid():
            return None
        rule = form.save(commit=False)
        kept = [(name, value) for name, values in request.POST.lists() for value in values]
        return self._told(
            request,
            rule,
            previewing.saving,
            [pair for pair in kept if pair[0] not in ("csrfmiddlewaretoken", "_preview")],
        )

    def delete_view(self, request: Request, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Deleting shows on the way what it would change."""
        if request.method == "POST" and "_preview" in request.POST:
            row = self.get_object(request, object_id)
            if row is None or not self.has_delete_permission(request, row):
                raise PermissionDenied
            return self._told(request, row, previewing.deleting, [("post", "yes")])
        return super().delete_view(request, object_id, extra_context)

    def _told(
        self, request: Request, rule: AvailabilityRule, tried: Any, kept: Iterable[tuple[str, str]]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "What it would change", "is_fullwidth": "1",
            "scope": scope(rule), "stated": stated(rule), "kept": kept, "deleting": tried is previewing.deleting,
            "list_url": request.get_full_path(), "shown": previewing.SHOWN,
        }  # fmt: skip
        try:
            preview: Preview = tried(rule)
        except previewing.NotNow as trouble:
            messages.error(request, f"There is no preview: {trouble}")
            return TemplateResponse(request, "console/rule_preview.html", context)
        rows = [
            {"difference": d, "url": why.address(d.channel, d.sku), "rules": _named(d, preview)}
            for d in preview.differences
        ]
        return TemplateResponse(request, "console/rule_preview.html", context | {"preview": preview, "rows": rows})


def _named(difference: previewing.Difference, preview: Preview) -> list[tuple[str, int]]:
    """(field in words, rule; 0: this one), this one first."""
    found = []
    for field, rule in difference.rules.items():
        name, _, place = field.partition(" in ")
        found.append(
            (f"{stockwords.FIELDS[name]}{f' in {place}' if place else ''}", 0 if rule == preview.rule else rule)
        )
    return sorted(found, key=lambda pair: (pair[1] != 0, pair[0]))
