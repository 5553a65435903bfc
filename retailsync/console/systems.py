"""Set-up of systems: settings checked by the connector, secrets that go in and never come out. A partner has a page of its own besides."""

from typing import Any
from zoneinfo import available_timezones

import msgspec
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from canonical.mappings import Limits
from canonical.models import Secret, ShopPolicy, System
from connectors.base import Connector
from connectors.registry import CONNECTORS
from retailsync.console import meanings, rotation, words
from retailsync.console.base import Lists, Permissions, Request, Versioned
from retailsync.console.partner import PartnerPages
from retailsync.console.policies import policy_rows
from retailsync.console.rotation import keep_secret
from retailsync.sync import bell, cases, gates, sending
from retailsync.sync.models import Action, Case, Cursor, Gate

ROLES = ("channel", "erp", "wms", "3pl", "carrier", "payment")
LIMITED = (
    "Checked before anything is sent to it: an order it would not take waits, and says why, instead of failing there."
)
LIMITS = tuple(meanings.fields(Limits))


# ---- the form ---------------------------------------------------------------------------------------------------------------
class SystemForm(forms.ModelForm):
    """One system. Secrets are fields without a value: what is typed replaces, what is left empty stays."""

    connector = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    roles = forms.MultipleChoiceField(
        choices=[(r, r) for r in ROLES], widget=UnfoldAdminCheckboxSelectMultipleWidget, required=True
    )

    class Meta:
        model = System
        fields = ("slug", "name", "connector", "roles", "mode", "settings", "prefix", "erp", "rate_limit", "timezone")
        widgets = {"settings": UnfoldAdminExpandableTextareaWidget(attrs={"rows": 8, "class": "rs-code"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "connector" in self.fields:
            self.fields["connector"].choices = [(c.name, c.title) for c in CONNECTORS.values()]
        chosen = CONNECTORS.get(self.instance.connector)
        if "settings" in self.fields:
            self.fields["settings"].encoder = _Indented
            self.fields["settings"].help_text = f"JSON. {_described(chosen)}" if chosen else "JSON."
        for name, given in meanings.initial(self.instance.limits or {}).items():
            self.initial.setdefault(name, given)
        if "roles" in self.fields and chosen:
            self.fields["roles"].choices = [(r, r) for r in ROLES if r in chosen.roles or r in self.instance.roles]

    def clean_timezone(self) -> str:
        """A zone the program knows."""
        name = self.cleaned_data["timezone"]
        if name not in available_timezones():
            raise ValidationError("There is no such zone; write it like Europe/Amsterdam, or UTC.")
        return name

    def clean(self) -> dict[str, Any]:
        """Settings must be what the connector decodes, roles what it can play."""
        cleaned = super().clean()
        if any(name in cleaned for name in LIMITS):
            self.instance.limits = meanings.value(Limits, cleaned)
        chosen = CONNECTORS.get(cleaned.get("connector") or self.instance.connector)
        if chosen is None:
            return cleaned
        if "settings" in cleaned and (words_ := wrong_settings(chosen, cleaned["settings"])):
            self.add_error("settings", words_)
        if foreign := sorted(set(cleaned.get("roles") or ()) - chosen.roles):
            self.add_error("roles", f"{chosen.title} cannot be: {', '.join(foreign)}.")
        return cleaned


class _Indented(forms.fields.json.JSONEncoder):
    """Settings are read by people."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "indent": 2})


def wrong_settings(connector: Connector, given: Any) -> str:
    """What is wrong with these settings, in words; empty when the connector accepts them."""
    try:
        msgspec.convert(given, connector.settings)
    except msgspec.ValidationError as error:
        return f"{connector.title} cannot use these settings: {error}. It knows: {_described(connector)}"
    return ""


def _described(connector: Connector) -> str:
    fields = msgspec.structs.fields(connector.settings)
    return ", ".join(f"{f.encode_name} (required)" if f.required else f.encode_name for f in fields) + "."


def _secret_fields(connector: Connector) -> dict[str, forms.Field]:
    """Two fields per secret the connector uses: a new value, and whether the older ones end now."""
    fields: dict[str, forms.Field] = {}
    for name in connector.secrets:
        fields[f"secret_{name}"] = forms.CharField(
            label=f"New {name}", required=False, strip=True, max_length=4000,
            widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
            help_text="Stored encrypted and never shown. Empty: nothing changes. The value before stays valid until you end it.",
        )  # fmt: skip
        fields[f"retire_{name}"] = forms.BooleanField(
            label=f"End older values of {name} now", required=False, widget=UnfoldBooleanWidget
        )
    return fields


# ---- the pages --------------------------------------------------------------------------------------------------------------
@admin.register(System)
class SystemAdmin(PartnerPages, Versioned, Lists):
    """Shops, ERPs and warehouses we speak with."""

    form = SystemForm
    list_display = ["name", "slug", "connector_title", "roles_word", "mode_word", "gate_word", "last_ok"]
    search_fields = ["name", "slug"]
    list_filter = ["mode"]
    list_select_related = ["gate"]
    change_form_outer_after_template = "console/system_after.html"
    history_list_display = ["mode"]
    empty = "No systems. Add the shop first, then the ERP that books its orders, then the warehouses."

    # ---- columns ----
    @display(description="Connector", ordering="connector")
    def connector_title(self, row: System) -> str:
        known = CONNECTORS.get(row.connector)
        return known.title if known else f"{row.connector} (unknown)"

    @display(description="Roles")
    def roles_word(self, row: System) -> str:
        return ", ".join(row.roles)

    @display(description="Mode", ordering="mode")
    def mode_word(self, row: System) -> str:
        return words.badge(row.get_mode_display(), "good" if row.mode == System.Mode.LIVE else "warn")

    @display(description="Connection")
    def gate_word(self, row: System) -> str:
        return words.badge(*connection(getattr(row, "gate", None)))

    @display(description="Last answered")
    def last_ok(self, row: System) -> str:
        gate = getattr(row, "gate", None)
        return words.when(gate.last_ok_at, relative=True) if gate and gate.last_ok_at else words.NOTHING

    # ---- the form ----
    def get_readonly_fields(self, request: Request, obj: System | None = None) -> tuple[str, ...]:
        return ("slug", "connector") if obj else ()

    def get_form(self, request: Request, obj: System | None = None, change: bool = False, **kwargs: Any) -> type:
        """Secret fields belong to the connector, so a new system is saved before it gets them."""
        if obj:
            known = CONNECTORS.get(obj.connector) if self.has_change_permission(request, obj) else None
            fields = {**_secret_fields(known), **meanings.fields(Limits)} if known else {}
            kwargs["form"] = type("SystemForm", (SystemForm,), {"connector": None, **fields})  # shown, never changed
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: Request, obj: System | None = None) -> list[Any]:
        fields = ["slug", "name", "connector", "roles", "mode", "settings", "prefix", "erp", "rate_limit", "timezone"]
        sets: list[Any] = [(None, {"fields": fields})]
        known = CONNECTORS.get(obj.connector) if obj and self.has_change_permission(request, obj) else None
        if known:
            sets.append(("What it cannot take", {"fields": LIMITS, "description": LIMITED, "classes": ["collapse"]}))
        if known and known.secrets:
            pairs = [(f"secret_{name}", f"retire_{name}") for name in known.secrets]
            sets.append(("Secrets", {"fields": pairs, "description": _held(obj)}))
        return sets

    def save_model(self, request: Request, obj: System, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        known = CONNECTORS.get(obj.connector)
        for name in known.secrets if change and known else ():
            plain, retire = form.cleaned_data.get(f"secret_{name}"), form.cleaned_data.get(f"retire_{name}")
            if plain or retire:
                keep_secret(obj, name, plain or "", bool(retire), request.user.get_username())
        if change and _corrects(form):
            try_again(obj, request.user.get_username())

    def response_add(self, request: Request, obj: System, post_url_continue: str | None = None) -> HttpResponse:
        """On to the secrets."""
        messages.success(request, f"{obj} was added. Now give it its secrets.")
        return HttpResponseRedirect(reverse("admin:canonical_system_change", args=[obj.pk]))

    def change_view(
        self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        system = System.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **_state(request, system)})

    def has_delete_permission(self, request: Request, obj: System | None = None) -> bool:
        """A system is paused, never deleted: its orders and messages refer to it."""
        return False


# ---- a corrected set-up -----------------------------------------------------------------------------------------------------
def _corrects(form: Any) -> bool:
    """Whether what was saved may be what lets us in again: other settings, or a new secret."""
    given = form.cleaned_data
    return given["settings"] != form.initial["settings"] or any(v for n, v in given.items() if n.startswith("secret_"))


def try_again(system: System, who: str) -> None:
    """Speak with the system at once: its circuit and pause end, its failed feeds are due, and who corrected it closed its exception."""
    with transaction.atomic():
        gates.reset(system.pk)
        Cursor.objects.filter(system=system).exclude(words="").update(polled_at=None)
        cases.close("system", [system.pk], who)
        transaction.on_commit(lambda: bell.ring(sending.TASK, system.pk))


# ---- secrets --------------------------------------------------------------------------------------------------------------
def _held(system: System) -> str:
    """Which secrets there are, without a word of what they are."""
    active = (
        Secret.objects.filter(system=system, retired_at=None).order_by("name", "-pk").values_list("name", "created_at")
    )
    found: dict[str, list[str]] = {}
    for name, at in active:
        found.setdefault(name, []).append(f"{at:%d %b %Y %H:%M} UTC")
    if not found:
        return "No secret is stored yet."
    return "Stored: " + "; ".join(f"{name} (set {', '.join(times)})" for name, times in found.items()) + "."


# ---- what the page says about the connection --------------------------------------------------------------------------------
def connection(gate: Gate | None) -> tuple[str, str]:
    """(words, tone) of a system's gate."""
    now = timezone.now()
    if gate is None or (gate.last_ok_at is None and not gate.failures):
        return "not spoken to yet", ""
    if gate.open_until and gate.open_until > now:
        return "does not answer", "bad"
    if gate.paused_until and gate.paused_until > now:
        return "asked us to wait", "warn"
    return ("failing", "warn") if gate.failures else ("up", "good")


def _state(request: Request, system: System | None) -> dict[str, Any]:
    """Gate, cursors, keys and actions of one system."""
    if system is None:
        return {}
    gate = Gate.objects.filter(system=system).first()
    partner = system.connector == "partner" and request.user.has_perm("partners.view_partnerterms")
    troubles = Case.objects.filter(system=system, closed_at=None, target_kind__in=("system", "cursor"))
    actions: QuerySet[Action] = Action.objects.filter(target_kind="system", target_id=system.pk)
    return {
        "gate": gate, "gate_words": words.badge(*connection(gate)), "cursors": list(Cursor.objects.filter(system=system).order_by("feed")),
        "partner": partner, "actions": list(actions[:20]), "system": system,
        "cases": list(troubles.order_by("-pk")[:50]), "may": Permissions(request), "policy": _policy(request, system),
        "rotation": rotation.rows(system), "paused": system.mode != System.Mode.LIVE,
        "may_operate": request.user.has_perm("canonical.change_system"),
    }  # fmt: skip


def _policy(request: Request, system: System) -> dict[str, Any] | None:
    """How a shop's orders are treated, and where to change it."""
    may = request.user.has_perm
    if "channel" not in system.roles or not may("canonical.view_shoppolicy"):
        return None
    kept = ShopPolicy.objects.filter(channel=system).first()
    verb = "change" if kept else "add"
    url = reverse(f"admin:canonical_shoppolicy_{verb}", args=[kept.pk] if kept else [])
    change = f"{url}?{urlencode({'channel': system.pk})}" if may(f"canonical.{verb}_shoppolicy") else ""
    return {"rows": policy_rows(kept or ShopPolicy(channel=system)), "url": change}
