"""How a shop's orders are treated where people may choose: one page per shop, in plain words, with the defaults in sight."""

from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpResponse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from canonical.models import ShopPolicy
from retailsync.console.base import Lists, Request, Versioned
from retailsync.console.mapping import shops
from retailsync.sync import approving, policy_keeping, publishing, replaying, transient


class Asked(NamedTuple):
    """One choice as people are asked it."""

    label: str
    help: str


ASKED = {
    "on_short": Asked("When a warehouse is short", "What becomes of an order of which a warehouse lacks some units."),
    "split": Asked(
        "Several locations may ship one order", "What may happen where no location is known to have all of it. One parcel comes first."
    ),
    "on_amendment_refused": Asked(
        "When a warehouse refuses a change", "The shop changed an order that a warehouse knows, and the warehouse will not take the change."
    ),
    "erp_acceptance": Asked(
        "Wait for the ERP", "Whether the warehouse is asked to ship only after the ERP confirmed the order."
    ),
    "erp_minutes": Asked("So many minutes", "Only where the warehouse waits “for so many minutes”."),
    "guests": Asked("Guests in the ERP", "The contact a guest's order is booked on. Registered customers always have their own."),
    "notice_hours": Asked(
        "News for customers is fresh for hours",
        "E-mails the shop would send about older events (after a long outage) wait for a person instead.",
    ),
    "tolerance": Asked(
        "Totals may differ by", "Beyond rounding, in the order's currency, in the shop or in the ERP; more holds the order. Up to 100."
    ),
    "publish_stock": Asked(
        "Publish stock", "Write what may be sold into the shop. Until then it is only reckoned, and shown beside what the shop has."
    ),
    "quiet_from": Asked("No scheduled run from (UTC)", "Changes go out at any time; comparing everything waits for their end."),
    "quiet_until": Asked("… until (UTC)", "May be the next morning."),
}  # fmt: skip


def default(name: str) -> str:
    """The default of one choice, in words."""
    field = ShopPolicy._meta.get_field(name)
    return _word(field, field.get_default())


def _word(field: Any, value: Any) -> str:
    if field.name == "tolerance":
        return f"{Decimal(value).normalize():f}"
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return str(dict(field.flatchoices).get(value, value))


class PolicyForm(forms.ModelForm):
    """One shop's policy."""

    notice_hours = forms.IntegerField(
        min_value=1, max_value=8760, initial=24, widget=UnfoldAdminIntegerFieldWidget, label=ASKED["notice_hours"].label,
        help_text=f"{ASKED['notice_hours'].help} Default: {default('notice_hours')}.",
    )  # fmt: skip

    tolerance = forms.DecimalField(
        min_value=0, max_value=100, decimal_places=2, initial=0, required=False, widget=UnfoldAdminTextInputWidget,
        label=ASKED["tolerance"].label, help_text=f"{ASKED['tolerance'].help} Default: {default('tolerance')}.",
    )  # fmt: skip

    class Meta:
        model = ShopPolicy
        fields = ("channel", *ASKED)
        labels = {name: asked.label for name, asked in ASKED.items()}
        help_texts = {name: f"{asked.help} Default: {default(name)}." for name, asked in ASKED.items()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "channel" in self.fields:
            self.fields["channel"].queryset = shops().filter(policy=None)
            self.fields["channel"].label = "Shop"

    def clean_tolerance(self) -> Decimal:
        """Nothing typed is nothing tolerated. Nobody alone lets more orders go on by it than one person may."""
        typed = self.cleaned_data["tolerance"] or Decimal(0)
        chosen = self.cleaned_data.get("channel")
        channel = chosen.pk if chosen else self.instance.channel_id
        waiting = policy_keeping.held(channel) if channel and typed > self.instance.tolerance else []
        if second := approving.needs_second(len(waiting), replaying.worth(waiting)["money"]):
            raise forms.ValidationError(
                f"Orders wait for their totals. {second} Release them from their group of exceptions first."
            )
        return typed


def policy_rows(policy: ShopPolicy) -> list[dict[str, Any]]:
    """A policy as a shop's page shows it: each choice in words, and whether it is the default."""
    return [
        {"label": asked.label, "value": _said(policy, name), "default": _said(policy, name) == default(name)}
        for name, asked in ASKED.items()
    ]


def _said(policy: ShopPolicy, name: str) -> str:
    field = policy._meta.get_field(name)
    return _word(field, getattr(policy, name))


@admin.register(ShopPolicy)
class ShopPolicyAdmin(Versioned, Lists):
    """One row per shop that has choices of its own."""

    form = PolicyForm
    list_display = ["channel", "short_word", "refused_word", "erp_word", "guests_word", "notice_hours", "stock_word"]
    list_select_related = ["channel"]
    history_list_display = ["short_word"]
    empty = "No shop has a policy of its own: all have the defaults, which the form shows."

    def changeform_view(
        self, request: Request, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Orders held for their totals go on in the same transaction, which may meet a deadlock."""
        view = super().changeform_view
        return transient.repeat(lambda: view(request, object_id, form_url, extra_context))

    def save_model(self, request: Request, obj: ShopPolicy, form: Any, change: bool) -> None:
        """A shop whose stock is published has its scheduled runs, which people may change or switch off."""
        if gone := policy_keeping.keep(obj, request.user.get_username()):
            messages.success(
                request,
                f"{gone} order{'s' if gone > 1 else ''} held for {'their' if gone > 1 else 'its'} totals may go on.",
            )
        if obj.publish_stock:
            publishing.schedule(obj.channel_id)
        else:
            publishing.switched_off(obj.channel_id)

    @display(description="Stock", ordering="publish_stock")
    def stock_word(self, row: ShopPolicy) -> str:
        return "published" if row.publish_stock else "not published"

    @display(description="When short")
    def short_word(self, row: ShopPolicy) -> str:
        return _said(row, "on_short")

    @display(description="Change refused")
    def refused_word(self, row: ShopPolicy) -> str:
        return _said(row, "on_amendment_refused")

    @display(description="Waits for the ERP")
    def erp_word(self, row: ShopPolicy) -> str:
        return (
            f"{row.erp_minutes} minutes"
            if row.erp_acceptance == ShopPolicy.Erp.AFTER
            else _said(row, "erp_acceptance").partition(":")[0]
        )

    @display(description="Guests")
    def guests_word(self, row: ShopPolicy) -> str:
        return _said(row, "guests")

    def get_readonly_fields(self, request: Request, obj: Model | None = None) -> tuple[str, ...]:
        return ("channel",) if obj else ()
