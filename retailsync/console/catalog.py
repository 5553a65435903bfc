"""Set-up of the catalogue and of where goods come from: SKUs, products, locations, sourcing, and the links to other systems."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display

from canonical import ledger
from canonical.ledger import Cause, Change
from canonical.models import KitComponent, Link, Location, Product, Sku, Sourcing
from retailsync.console import gather, stock, words
from retailsync.console.base import Lists, ReadOnly, Request, Versioned
from retailsync.console.typednumber import number
from retailsync.sync.models import Action


class LocationForm(forms.ModelForm):
    """One location: who ships from it, who is told of it, and when its goods leave."""

    class Meta:
        model = Location
        fields = ("code", "name", "kind", "executor", "told", "timezone", "working_days", "cut_off", "active")
        labels = {"told": "ERP that is told", "cut_off": "Cut-off"}
        help_texts = {
            "executor": "The system that is asked to ship from here.",
            "timezone": "Working days and cut-off are by the clock of this place, e.g. Europe/Amsterdam.",
            "cut_off": "What is routed before this leaves the same day, e.g. 15:00. Empty: always. Decides only between equal ranks.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "told" in self.fields:
            self.fields["told"].queryset = self.fields["told"].queryset.filter(roles__contains=["erp"])

    def clean_timezone(self) -> str:
        """A zone the program knows."""
        name: str = self.cleaned_data["timezone"]
        if name not in available_timezones():
            raise ValidationError("There is no such zone; write it like Europe/Amsterdam, or UTC.")
        return name

    def clean_working_days(self) -> str:
        """Digits of the week, each once and in order."""
        days = set(self.cleaned_data["working_days"])
        if not days <= set("1234567"):
            raise ValidationError("Write the days as digits: 1 is Monday, 7 is Sunday; 12345 is Monday to Friday.")
        return "".join(sorted(days))


@admin.register(Location)
class LocationAdmin(Versioned, Lists):
    """Where goods lie."""

    form = LocationForm
    list_display = ["code", "name", "kind", "executor", "active"]
    list_filter = ["kind", "active", "executor"]
    list_select_related = ["executor"]
    search_fields = ["code", "name"]
    empty = "No locations. Add each warehouse, and the system that is asked to ship from it."


@admin.register(Sourcing)
class SourcingAdmin(Versioned, Lists):
    """From where a shop's goods are shipped."""

    list_display = ["channel", "sku_word", "rank", "location"]
    list_display_links = ["channel", "sku_word"]
    list_filter = ["channel", "location"]
    list_select_related = ["channel", "sku", "location"]
    autocomplete_fields = ["sku"]
    search_fields = ["sku__code", "location__code"]
    search_help_text = "SKU or location"
    empty = "No sourcing steps, so no order can be shipped. Add one per shop with the SKU left empty: it is for everything else."

    @display(description="SKU", ordering="sku")
    def sku_word(self, row: Sourcing) -> str:
        return row.sku.code if row.sku else "everything else"


class Parts(forms.BaseInlineFormSet):
    """What a kit is made of. The database refuses kits of kits too; here it is said in words."""

    def clean(self) -> None:
        super().clean()
        parts = [
            f.cleaned_data["component"]
            for f in self.forms
            if f.cleaned_data.get("component") and not f.cleaned_data.get("DELETE")
        ]
        if self.instance in parts:
            raise forms.ValidationError("A kit is not made of itself.")
        if made := KitComponent.objects.filter(kit__in=parts).select_related("kit").first():
            raise forms.ValidationError(f"{made.kit} is a kit itself: name its parts instead.")
        if parts and (whole := KitComponent.objects.filter(component=self.instance).select_related("kit").first()):
            raise forms.ValidationError(f"It is a part of {whole.kit}, so it cannot be a kit.")


class KitInline(TabularInline):
    """A kit's parts; also a case of twelve, or a variation sold from its parent's stock."""

    model = KitComponent
    fk_name = "kit"
    formset = Parts
    fields = ["component", "units"]
    autocomplete_fields = ["component"]
    extra = 0
    verbose_name = "part"
    verbose_name_plural = "Made of (a kit has no stock of its own: what can be made of its parts may be sold)"


@admin.register(Sku)
class SkuAdmin(Lists):
    """What is stocked and sold. People may switch one off and say whose statements count; everything else is stated by systems."""

    list_display = ["code", "name", "gtin", "product", "requires_shipping", "active", "authority"]
    list_filter = ["active", "requires_shipping", "authority"]
    list_select_related = ["product", "authority"]
    search_fields = ["code", "name", "gtin"]
    search_help_text = "SKU, name or GTIN"
    ordering = ["code"]
    fields = ["code", "name", "gtin", "product", "requires_shipping", "active", "authority"]
    readonly_fields = ["code", "name", "gtin", "product", "requires_shipping", "active"]
    inlines = [KitInline]
    change_form_outer_after_template = "console/sku_after.html"
    empty = "No SKUs. They appear when a shop tells of its products."

    def has_add_permission(self, request: Request) -> bool:
        return False

    def has_delete_permission(self, request: Request, obj: Sku | None = None) -> bool:
        return False

    def change_view(self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        sku = number(object_id)
        links = Link.objects.filter(entity="sku", our_id=sku).select_related("system").order_by("system")
        steps = Sourcing.objects.filter(sku=sku).select_related("channel", "location").order_by("channel", "rank")
        actions = Action.objects.filter(target_kind="sku", target_id=sku)
        extra = {"links": list(links), "steps": list(steps), "actions": list(actions[:20])}
        if request.user.has_perm("canonical.view_stocklevel"):
            extra["stock"] = stock.panel(sku)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def save_model(self, request: Request, obj: Sku, form: Any, change: bool) -> None:
        """Write only what was edited, and an entry: a SKU's after-image names its authority."""
        if "authority" not in form.changed_data:
            return
        with transaction.atomic():
            Sku.objects.filter(pk=obj.pk).update(authority=obj.authority)
            who, why = request.user.get_username(), f"authority: {obj.authority or 'whoever speaks'}"
            action = Action.objects.create(who=who, what="set authority", target_kind="sku", target_id=obj.pk, why=why)
            ledger.changed("sku", [Change(obj.pk, "authority", Cause("action", action.pk), timezone.now(), None)])


@admin.register(Product)
class ProductAdmin(ReadOnly):
    """What a shopper looks at."""

    page_template = "console/product.html"
    list_display = ["name", "sku_count", "created"]
    search_fields = ["name", "skus__code"]
    search_help_text = "Name or SKU"
    ordering = ["-pk"]
    empty = "No products. They appear when a shop tells of them."

    def get_queryset(self, request: Request) -> QuerySet[Product]:
        return Product.objects.annotate(skus_count=Count("skus"))

    @display(description="SKUs")
    def sku_count(self, row: Product) -> int:
        return row.skus_count

    @display(description="Since", ordering="pk")
    def created(self, row: Product) -> str:
        return words.when(row.created_at)

    def page(self, request: Request, row: Product) -> dict[str, Any]:
        return {"skus": list(row.skus.select_related("authority").order_by("code")[:500])}


class EntityFilter(admin.SimpleListFilter):
    """The closed list of what may be linked."""

    title = "entity"
    parameter_name = "entity"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words.plain(name)) for name in ("order", "sku", "customer", "address", "product", "shipment")]

    def queryset(self, request: Request, queryset: QuerySet[Link]) -> QuerySet[Link]:
        return queryset.filter(entity=self.value()) if self.value() else queryset


@admin.register(Link)
class LinkAdmin(ReadOnly):
    """Which id of another system is which of ours."""

    page_template = "console/link.html"
    list_display = ["external_id", "system", "entity", "ours", "version", "read"]
    list_filter = [EntityFilter, "system"]
    list_select_related = ["system"]
    search_fields = ["external_id"]
    search_help_text = "Id in the other system, in full"
    ordering = ["-pk"]
    empty = "No links. One is kept as soon as a system tells of something, or confirms what we sent."

    def get_search_results(self, request: Request, queryset: QuerySet[Link], term: str) -> tuple[QuerySet[Link], bool]:
        """The whole id, so that the index is used."""
        return (queryset.filter(Q(external_id=term.strip())) if term.strip() else queryset), False

    def complete(self, rows: Sequence[Link]) -> None:
        orders = gather.references(r.our_id for r in rows if r.entity == "order")
        skus = _codes([r.our_id for r in rows if r.entity == "sku"])
        for row in rows:
            row.name = {"order": orders, "sku": skus}.get(row.entity, {}).get(
                row.our_id
            ) or f"{row.entity} {row.our_id}"

    @display(description="Ours")
    def ours(self, row: Link) -> str:
        return words.link(row.entity, row.our_id, row.name)

    @display(description="Read")
    def read(self, row: Link) -> str:
        return words.when(row.read_at)

    def page(self, request: Request, row: Link) -> dict[str, Any]:
        self.complete([row])
        return {"ours": self.ours(row)}


def _codes(ids: Sequence[int]) -> dict[int, str]:
    return dict(Sku.objects.filter(pk__in=ids).values_list("pk", "code")) if ids else {}
