"""What is on its way to warehouses, and what comes back: announced by staff, reported on by the warehouses."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Sum
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from canonical.facts import InboundAnnounced, ReturnAnnounced
from canonical.models import InboundShipment, Location, Return, Sku
from retailsync.console import words
from retailsync.console.base import Lists, Request
from retailsync.sync import announcing, clock
from retailsync.sync.models import Action

MOST_LINES = 1_000
TONES = {"expected": "", "part_received": "warn", "received": "good", "inspected": "good", "cancelled": "muted"}


class UnitsField(forms.CharField):
    """SKUs with units, a line each: `TEA-100 240` → {SKU id: units}."""

    widget = UnfoldAdminTextareaWidget

    def clean(self, value: Any) -> dict[int, int]:  # type: ignore[override]
        lines = [line.split() for line in str(super().clean(value)).splitlines() if line.strip()]
        units: dict[str, int] = {}
        for line in lines[: MOST_LINES + 1]:
            if len(line) < 2 or not line[-1].isdecimal() or not 0 < int(line[-1][:8]) <= 1_000_000:
                raise ValidationError(f"“{' '.join(line)[:100]}” is not a SKU with its units, like TEA-100 240.")
            code = " ".join(line[:-1])
            units[code] = units.get(code, 0) + int(line[-1])
        if len(units) > MOST_LINES:
            raise ValidationError(f"At most {MOST_LINES:,} SKUs.")
        return self._known(units)

    def _known(self, units: Mapping[str, int]) -> dict[int, int]:
        ids = dict(Sku.objects.filter(code__in=units).values_list("code", "pk"))
        if unknown := [code for code in units if code not in ids]:
            raise ValidationError(f"We know no SKU {', '.join(f'“{code}”' for code in unknown[:5])}.")
        return {ids[code]: count for code, count in units.items()}


def expected(row: InboundShipment | Return) -> str:
    """What is expected, as it is typed."""
    lines = row.lines.filter(expected__gt=0).order_by("sku__code").values_list("sku__code", "expected")
    return "\n".join(f"{code} {count}" for code, count in lines)


class AnnouncementForm(forms.ModelForm):
    """Base of the two: what is expected where. Nothing is saved by the form: a fact is made of it."""

    units = UnitsField(
        label="What", help_text="A line each: the SKU, a space, the units. The whole of it, also when you change it."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "reference" not in self.fields:
            return  # somebody who may only look
        if self.instance.pk:
            self.fields["reference"].disabled = self.fields["location"].disabled = True
            self.fields["units"].initial = expected(self.instance)
        else:
            self.fields["location"].queryset = Location.objects.filter(active=True).order_by("code")

    def clean_reference(self) -> str:
        """It becomes part of an address."""
        reference: str = self.cleaned_data["reference"]
        if "/" in reference:
            raise ValidationError("Without a slash: it becomes part of an address.")
        return reference


class Announced(Lists):
    """Base of the two: whoever saves one says what is expected; what arrived is shown below."""

    list_filter = ["state", "location"]
    list_select_related = ["location"]
    search_help_text = "Reference"
    ordering = ["-pk"]
    keyed = True
    actions = None
    kind = ""  # what the record calls such a row
    change_form_outer_after_template = "console/arrived_after.html"

    def has_delete_permission(self, request: Request, obj: Any = None) -> bool:
        """What was announced is cancelled, never gone."""
        return False

    @display(description="State", ordering="state")
    def state_word(self, row: Any) -> str:
        return words.badge(row.get_state_display(), TONES[row.state])

    @display(description="What")
    def units(self, row: Any) -> str:
        """For who may only look."""
        return expected(row) or words.NOTHING

    @display(description="Location", ordering="location")
    def place(self, row: Any) -> str:
        return str(row.location.code)

    @display(description="Units")
    def units_word(self, row: Any) -> str:
        return f"{row.units_received or 0:,} of {row.units_expected or 0:,}"

    @display(description="Expected", ordering="expected_at")
    def due(self, row: Any) -> str:
        return words.when(row.expected_at, relative=True)

    def get_queryset(self, request: Request) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.annotate(units_expected=Sum("lines__expected"), units_received=Sum("lines__received"))

    def fact(self, form: Any) -> InboundAnnounced | ReturnAnnounced:
        """What the form says."""
        raise NotImplementedError

    def save_model(self, request: Request, obj: Any, form: Any, change: bool) -> None:
        """The corridor writes the row."""
        announcing.announce(self.fact(form), request.user.get_username())
        obj.pk = self.model.objects.only("pk").get(reference=obj.reference).pk
        obj.refresh_from_db()

    def change_view(self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.model.objects.filter(pk=object_id).first() if object_id.isdecimal() and len(object_id) < 18 else None
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **(self.after(row) if row else {})}
        )

    def after(self, row: Any) -> dict[str, Any]:
        """What arrived, and who announced it."""
        return {
            "arrived": row, "state_badge": self.state_word(row), "lines": list(row.lines.select_related("sku").order_by("sku__code")),
            "actions": list(Action.objects.filter(target_kind=self.kind, target_id=row.pk).order_by("-pk")[:20]),
        }  # fmt: skip


# ---- inbound shipments ------------------------------------------------------------------------------------------------------
class InboundForm(AnnouncementForm):
    class Meta:
        model = InboundShipment
        fields = ("reference", "location", "supplier", "expected_at", "cancelled")


@admin.register(InboundShipment)
class InboundShipmentAdmin(Announced):
    """Goods on their way to a warehouse."""

    form = InboundForm
    kind = "inbound_shipment"
    list_display = ["reference", "place", "supplier", "state_word", "units_word", "due"]
    search_fields = ["reference", "supplier"]
    fieldsets = [
        (
            "What is expected where",
            {"fields": [("reference", "location"), ("supplier", "expected_at"), "units", "cancelled"]},
        )
    ]
    empty = "No inbound shipments. Announce one, and the warehouse sees it and reports what arrives."

    def fact(self, form: Any) -> InboundAnnounced:
        given = form.cleaned_data
        return InboundAnnounced(
            occurred_at=clock.now(), reference=form.instance.reference, location_id=form.instance.location_id,
            lines=tuple(given["units"].items()), supplier=given["supplier"], expected_at=given["expected_at"],
            cancelled=given["cancelled"],
        )  # fmt: skip

    def after(self, row: Any) -> dict[str, Any]:
        return super().after(row) | {"reports": [(r, "receipt", "") for r in row.receipts.order_by("-pk")[:50]]}


# ---- returns ----------------------------------------------------------------------------------------------------------------
class ReturnForm(AnnouncementForm):
    class Meta:
        model = Return
        fields = ("reference", "location", "order_reference", "tracking", "expected_at", "cancelled")


@admin.register(Return)
class ReturnAdmin(Announced):
    """Goods that come back to a warehouse."""

    form = ReturnForm
    kind = "return"
    list_display = ["reference", "place", "order_reference", "state_word", "units_word", "tracking", "due"]
    list_filter = ["state", "announced", "location"]
    search_fields = ["reference", "order_reference", "tracking"]
    search_help_text = "Reference, order or tracking number"
    fieldsets = [
        (
            "What comes back where",
            {
                "fields": [
                    ("reference", "location"),
                    ("order_reference", "tracking"),
                    "expected_at",
                    "units",
                    "cancelled",
                ]
            },
        )
    ]
    empty = "No returns. Announce one, or a warehouse tells of a parcel nobody announced."

    def fact(self, form: Any) -> ReturnAnnounced:
        given = form.cleaned_data
        return ReturnAnnounced(
            occurred_at=clock.now(), reference=form.instance.reference, location_id=form.instance.location_id,
            lines=tuple(given["units"].items()), order_reference=given["order_reference"], tracking=given["tracking"],
            expected_at=given["expected_at"], cancelled=given["cancelled"],
        )  # fmt: skip

    def after(self, row: Any) -> dict[str, Any]:
        reports = row.reports.prefetch_related("units__line__sku").order_by("-pk")[:50]
        return super().after(row) | {"reports": [(r, r.get_stage_display(), _found(r)) for r in reports]}


def _found(report: Any) -> str:
    """What a report says, in a line."""
    return ", ".join(f"{u.units} {u.line.sku.code} {u.condition} {u.disposition}".strip() for u in report.units.all())
