"""Words of shops and what they mean: a form per table, what recent orders use, and the orders that waited for a word."""

from collections.abc import Mapping as Table
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from canonical import sql
from canonical.ledger import Cause
from canonical.mappings import PAYMENT_DEFAULTS, SHAPES, Meaning
from canonical.models import Hold, Mapping, Sku, System
from canonical.recording import catalog
from retailsync.console import coverage, meanings, words
from retailsync.console.base import Lists, Request, Versioned
from retailsync.console.skufield import SkuField
from retailsync.sync import approving, deciding, replaying, transient
from retailsync.sync.models import Action


class About(NamedTuple):
    """One table in words: what it is for, how its words look, and what becomes of a word it lacks."""

    title: str
    purpose: str
    key: str
    lacking: str
    extra: str = ""  # what comes with a word, as the heading of a column


_ASKS = "A word the table lacks holds its order until somebody says what it means."
_PASSES = "A word the table lacks passes as it is."
ABOUT: Table[str, About] = {
    "shipping_method": About(
        "Shipping methods", "Which carrier and service a shop's shipping method stands for, or that nothing is shipped.",
        "The shop's method, e.g. flat_rate:3; with a colon and a title, only that one, e.g. flat_rate:Express.", _ASKS, "Title",
    ),
    "payment_method": About(
        "Payment methods", "When an order may go on, by how it is paid, and where the ERP books the money.",
        "The shop's method, e.g. bacs or stripe.", _ASKS, "Title",
    ),
    "tax": About(
        "Taxes", "Which tax of the ERP a shop's tax is.", "The shop's tax code, e.g. NL-21, or its rate in plain digits, e.g. 21.", _ASKS,
        "Rate, %",
    ),
    "place": About(
        "Countries and states", "How ERP and warehouse write a country or state, where they do it otherwise than the shop.",
        "A country, e.g. DE, or a country and its state, e.g. DE:BE.", _PASSES, "State",
    ),
    "shop_status": About(
        "Shop statuses", "What a status stands for that a plugin invented.", "The shop's own word, e.g. wc-awaiting.",
        "An order with a status nobody knows waits until somebody says what it stands for.", "We know it as",
    ),
    "line_kind": About(
        "Kinds of fee", "Which fees are fees, and which are gift cards or store credit that pay a part of the order.",
        "The fee's name in the shop, e.g. Gift wrapping.", _ASKS,
    ),
    "meta": About(
        "Texts of plugins", "Which texts that plugins put on orders matter, and what is in them.",
        "The text's key, e.g. _billing_vat.", "Texts the table lacks are left alone.",
    ),
    "sku": About(
        "SKUs", "Which of our SKUs a text stands for that a shop has instead of one.",
        "The SKU as the shop has it on its orders, e.g. MUG-BLUE-OLD.",
        "An order with an SKU nobody knows waits until somebody says which one it is, or the product is created.", "Known as",
    ),
}  # fmt: skip

#: Which hold asks for a word of which table. Its detail is “TABLE WORD”; of a status and an SKU, the word alone.
_HOLDS = {
    "shipping_method": Hold.Reason.METHOD, "payment_method": Hold.Reason.METHOD, "tax": Hold.Reason.TAX, "line_kind": Hold.Reason.LINE_KIND,
    "shop_status": Hold.Reason.STATUS, "sku": Hold.Reason.SKU,
}  # fmt: skip


_ALONE = {"unknown_status": "shop_status", "sku_mapping": "sku"}
#: Holds whose end a table decides, besides those that ask for a word of it.
_WAITS: Table[str, list[str]] = {"payment_method": ["payment", "payment_ended", "grace"]}
#: Words with a meaning of their own where a table says nothing of them.
_DEFAULTS: Table[str, Table[str, Meaning]] = {"payment_method": PAYMENT_DEFAULTS}


# ---- who waits for a word ---------------------------------------------------------------------------------------------------
class Outcome(NamedTuple):
    """What saving a word did: how many orders waited for its table, and how many of them still do."""

    waited: int
    waiting: int


def asked_for(reason: str, detail: str) -> tuple[str, str] | None:
    """(table, word) a hold asks for; None where it is about something else."""
    if reason in _ALONE:
        return (_ALONE[reason], detail) if detail.strip() else None
    kind, _, key = detail.partition(" ")
    return (kind, key) if key and _HOLDS.get(kind) == reason else None


def held(kind: str, channel_id: int | None, key: str) -> list[int]:
    """Orders an open hold keeps for a word of this table. Not only this word: a shorter one covers others too, and the last row that is
    taken away puts the table out of use. For a status or an SKU: those of this word."""
    reason = _HOLDS.get(kind, "")
    match = _escaped(key) if reason in _ALONE else f"{_escaped(kind)} %"
    rows = sql.fetch(
        "SELECT DISTINCT h.order_id FROM canonical_hold h JOIN canonical_order o ON o.id = h.order_id"
        " WHERE h.lifted_at IS NULL AND h.reason = %s AND btrim(h.detail) ILIKE %s"
        " AND (%s::bigint IS NULL OR o.channel_id = %s) ORDER BY 1",
        (reason, match, channel_id, channel_id),
    )
    return [id for (id,) in rows]


def paying(row: Mapping) -> list[int]:
    """Orders that wait for their money, or out their grace, by the payment method this row is about: the row says how long."""
    rows = sql.fetch(
        "SELECT DISTINCT h.order_id FROM canonical_hold h JOIN canonical_order o ON o.id = h.order_id"
        " WHERE h.lifted_at IS NULL AND h.reason = ANY(%s) AND lower(o.payment_method) = lower(%s)"
        " AND (%s::bigint IS NULL OR o.channel_id = %s)",
        (_WAITS.get(row.kind, []), row.key, row.channel_id, row.channel_id),
    )
    return [id for (id,) in rows]


def _escaped(text: str) -> str:
    """A text that stands for itself in LIKE."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def keep(row: Mapping, who: str, why: str) -> Outcome:
    """Save a word as its next version, and plan the orders that waited for its table. The action says who and why."""
    with transaction.atomic():
        save(row, who, why)
        return _settle(row, row.pk, "map word", who, f"{row}: {said(row)}. {why}".strip())


def save(row: Mapping, who: str, why: str) -> Mapping:
    """Save a word as its next version; nothing goes on yet. In the caller's transaction."""
    if (
        row.kind == Mapping.Kind.SKU
    ):  # an order is being recorded that lacks it: it is waited for, and later ones see the word
        catalog.meet(appearing=True)
    before = Mapping.objects.select_for_update().filter(pk=row.pk).order_by("pk").first()
    row.version = before.version + 1 if before else 1
    row._change_reason = why[:100] or None
    row.save()
    return row


def waiting(row: Mapping) -> list[int]:
    """Orders whose end of waiting this word may decide."""
    return sorted({*held(row.kind, row.channel_id, row.key), *paying(row)})


def go_on(row: Mapping, orders: Sequence[int], who: str, why: str) -> None:
    """Have these orders go on, of all that waited for the word. In the caller's transaction."""
    action = Action.objects.create(
        who=who, what="map word", target_kind="mapping", target_id=row.pk, why=f"{row}: {said(row)}. {why}".strip()
    )
    if orders:
        _GO_ON.get(row.kind, _plan)(sorted(orders), row, Cause("action", action.pk))


def drop(row: Mapping, who: str, why: str = "") -> Outcome:
    """Take a word away, and plan the orders that waited for its table."""
    pk, text = row.pk, f"{row}: {said(row)}. {why}".strip()

    def do() -> Outcome:
        row.pk = pk  # deleting takes it off the row, also where that is undone
        row.delete()
        return _settle(row, pk, "drop word", who, text)

    return transient.atomically(do)


def _settle(row: Mapping, pk: int, what: str, who: str, why: str) -> Outcome:
    """The one place from which waiting orders go on."""
    action = Action.objects.create(who=who, what=what, target_kind="mapping", target_id=pk, why=why)
    waited = held(row.kind, row.channel_id, row.key)
    affected = sorted({*waited, *paying(row)})
    if affected:
        _GO_ON.get(row.kind if what == "map word" else "", _plan)(affected, row, Cause("action", action.pk))
    return Outcome(len(waited), _still(waited, row) if waited else 0)


def _still(waited: list[int], row: Mapping) -> int:
    """How many of them still wait: for a word of the table, also where the hold names just one."""
    if _HOLDS.get(row.kind) in _ALONE:
        opened = Hold.objects.filter(order_id__in=waited, reason=_HOLDS[row.kind], lifted_at=None)
        return opened.values("order_id").distinct().count()
    return len(held(row.kind, row.channel_id, row.key))


def _plan(waited: list[int], row: Mapping, cause: Cause) -> None:
    deciding.look_again(waited, cause)


def _know(waited: list[int], row: Mapping, cause: Cause) -> None:
    deciding.statuses_known(waited, row.value["status"], cause)


def _attach(waited: list[int], row: Mapping, cause: Cause) -> None:
    """A code that is gone by now attaches nothing: its orders wait on."""
    if sku := Sku.objects.filter(code=row.value["sku"]).first():
        deciding.sku_known(waited, row.key, sku.pk, cause)


#: How orders go on for which a word was mapped, where that is not by planning them again.
_GO_ON = {"shop_status": _know, "sku": _attach}


def said(row: Mapping) -> str:
    """What a row means, in words; a row nobody understands counts as not there."""
    try:
        return meanings.said(msgspec.convert(row.value, SHAPES[row.kind]))
    except msgspec.ValidationError:
        return "not understood: open it and save it again"


def tell(request: Request, row: Mapping, outcome: Outcome) -> None:
    """What saving did, for who pressed the button."""
    if gone := outcome.waited - outcome.waiting:
        messages.success(
            request, f"{gone} order{'s' if gone > 1 else ''} that waited for this {'go' if gone > 1 else 'goes'} on."
        )
    if outcome.waiting:
        table = ABOUT[row.kind].title.lower()
        messages.warning(
            request, f"{outcome.waiting} still wait{'' if outcome.waiting > 1 else 's'} for other words: {table}."
        )


# ---- the form ---------------------------------------------------------------------------------------------------------------
def shops() -> QuerySet[System]:
    """Whose words they are."""
    return System.objects.filter(roles__contains=["channel"]).order_by("name")


class MappingForm(forms.ModelForm):
    """One word of one table. `kind` is set by `form_of`, which adds the table's own fields."""

    kind = ""
    channel = forms.ModelChoiceField(
        shops(), required=False, label="Shop", empty_label="All shops", widget=UnfoldAdminSelectWidget,
        help_text="A shop's own word comes before one for all shops.",
    )  # fmt: skip
    key = forms.CharField(label="The shop's word", max_length=200, widget=UnfoldAdminTextInputWidget)
    why = forms.CharField(
        label="Why", required=False, max_length=500, widget=UnfoldAdminTextInputWidget, help_text="Optional; kept in the record.",
    )  # fmt: skip

    class Meta:
        model = Mapping
        fields = ("channel", "key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = self.kind
        if "key" in self.fields:
            self.fields["key"].help_text = ABOUT[self.kind].key
        for field in self.fields.values():
            if isinstance(field, SkuField):
                field.offer(self.instance.key or str(self.initial.get("key", "")))
        for name, given in meanings.initial(self.instance.value or self._default()).items():
            if name in self.fields:
                self.initial.setdefault(name, given)

    def _default(self) -> dict[str, Any]:
        """What holds for this word as long as nobody says otherwise, for a form to begin with."""
        key = self.instance.key or str(self.initial.get("key", ""))
        known = _DEFAULTS.get(self.kind, {}).get(key.strip().lower())
        return msgspec.to_builtins(known) if known else {}

    def clean(self) -> dict[str, Any]:
        """The word is new for the shop, and what it means is what its table holds."""
        cleaned = super().clean()
        if "key" in cleaned:
            self._unique(cleaned["key"], cleaned.get("channel"))
        if not self.errors:
            try:
                self.instance.value = meanings.value(SHAPES[self.kind], cleaned)
            except msgspec.ValidationError as error:
                raise ValidationError(f"This cannot be kept: {error}") from None
        return cleaned

    def _unique(self, key: str, channel: System | None) -> None:
        """Words are found whatever their case, so they are kept apart whatever their case."""
        same = Mapping.objects.filter(kind=self.kind, channel=channel, key__iexact=key).exclude(pk=self.instance.pk)
        if same.exists():
            self.add_error("key", f"“{key}” has a meaning for {channel or 'all shops'} already: change that one.")


class _Limited:
    """A form whose word lets no more orders go on at once than one person may let go."""

    def _post_clean(self) -> None:
        """Refuse what takes a second person: that is asked for in the group of the exceptions. Only now the row says what was typed."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors and (trouble := too_many(self.instance)):  # type: ignore[attr-defined]
            self.add_error(None, trouble)  # type: ignore[attr-defined]


def too_many(row: Mapping) -> str:
    """Why this word may not be saved or taken away by one person alone; empty where it may."""
    trouble = second(waiting(row))
    return f"Orders wait for this word. {trouble} Give it its meaning in their group of exceptions." if trouble else ""


def second(orders: Sequence[int]) -> str:
    """Why letting these orders go on takes a second person; empty where it does not."""
    return approving.needs_second(len(orders), replaying.worth(orders)["money"])


def form_of(kind: str) -> type[MappingForm]:
    """The form of one table."""
    fields = meanings.fields(SHAPES[kind])
    return type(
        "MappingForm", (MappingForm,), {"kind": kind, "field_order": ["key", "channel", *fields, "why"], **fields}
    )


def row_for(kind: str, key: str, channel: System) -> Mapping:
    """The row that says what a shop's word means, or a new one for it."""
    known = Mapping.objects.filter(Q(channel=channel) | Q(channel=None), kind=kind, key__iexact=key)
    return known.order_by(F("channel").asc(nulls_last=True)).first() or Mapping(
        kind=kind, channel=channel, key=key[:200]
    )


# ---- the pages --------------------------------------------------------------------------------------------------------------
@admin.register(Mapping)
class MappingAdmin(Versioned, Lists):
    """All tables in one list."""

    list_display = ["word", "kind_word", "shop", "meaning", "version", "changed"]
    list_filter = ["kind", "channel"]
    list_select_related = ["channel"]
    ordering = ["kind"]
    search_fields = ["key"]
    search_help_text = "The shop's word"
    list_before_template = "console/mapping_list_before.html"
    change_form_outer_before_template = "console/mapping_before.html"
    change_form_outer_after_template = "console/mapping_after.html"
    history_list_display = ["meant"]
    empty = "No words yet: shops' words pass as they are. Look under “What orders use” first, then give the words a meaning."

    # ---- columns ----
    @display(description="The shop's word", ordering="key")
    def word(self, row: Mapping) -> str:
        return row.key

    @display(description="Table", ordering="kind")
    def kind_word(self, row: Mapping) -> str:
        return row.get_kind_display()

    @display(description="Shop", ordering="channel")
    def shop(self, row: Mapping) -> str:
        return row.channel.name if row.channel else "all shops"

    @display(description="Means")
    def meaning(self, row: Mapping) -> str:
        return said(row)

    @display(description="Changed", ordering="changed_at")
    def changed(self, row: Mapping) -> str:
        return words.when(row.changed_at, relative=True)

    def meant(self, row: Any) -> str:
        """A heading of the history is the name of its function."""
        return said(row)

    # ---- the form ----
    def get_form(self, request: Request, obj: Mapping | None = None, change: bool = False, **kwargs: Any) -> type:
        shown = {"channel": None, "key": None} if obj else {}  # shown, never changed
        kwargs["form"] = type("MappingForm", (_Limited, form_of(_kind(request, obj))), shown)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: Request, obj: Mapping | None = None) -> list[Any]:
        if not _writes(self, request, obj):
            return [(None, {"fields": ["kind_word", "shop", "key", "meaning", "version", "changed"]})]
        table = _kind(request, obj)
        return [
            ("The word", {"fields": ["key", "channel"]}),
            ("What it means", {"fields": [*meanings.fields(SHAPES[table])]}),
            ("For the record", {"fields": ["why"]}),
        ]

    def get_readonly_fields(self, request: Request, obj: Mapping | None = None) -> tuple[str, ...]:
        if not _writes(self, request, obj):
            return ("kind_word", "shop", "key", "meaning", "version", "changed")
        return ("channel", "key") if obj else ()

    def get_changeform_initial_data(self, request: Request) -> dict[str, Any]:
        return {name: request.GET[name] for name in ("channel", "key") if name in request.GET}

    def save_model(self, request: Request, obj: Mapping, form: Any, change: bool) -> None:
        tell(request, obj, keep(obj, request.user.get_username(), form.cleaned_data.get("why", "")))

    def delete_model(self, request: Request, obj: Mapping) -> None:
        tell(request, obj, drop(obj, request.user.get_username()))

    def delete_queryset(self, request: Request, queryset: QuerySet[Mapping]) -> None:
        for row in queryset:
            if trouble := too_many(row):
                messages.error(request, f"{row} stays: {trouble}")
            else:
                self.delete_model(request, row)

    def delete_view(self, request: Request, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Taking a word away may let orders go on, too, and meet a deadlock."""
        row = self.get_object(request, object_id)
        if request.method == "POST" and row and (trouble := too_many(row)):
            messages.error(request, f"Nothing was changed: {trouble}")
            return HttpResponseRedirect(_list_url())
        view = super().delete_view
        return transient.repeat(lambda: view(request, object_id, extra_context))

    # ---- pages ----
    def changelist_view(self, request: Request, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "tables": _tables()})

    def changeform_view(
        self, request: Request, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Which table first, then its form. What waits for the word goes on in the same transaction, which may meet a deadlock."""
        if object_id is None and request.GET.get("kind") not in SHAPES:
            return self._choose(request)
        row = Mapping.objects.filter(pk=object_id).first() if object_id and object_id.isdecimal() else None
        extra = {**(extra_context or {}), **self._around(request, row)}
        view = super().changeform_view
        return transient.repeat(lambda: view(request, object_id, form_url, extra))

    def _choose(self, request: Request) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Which table?",
            "tables": _tables(),
        }
        return TemplateResponse(request, "console/mapping_kinds.html", {**context, "list_url": _list_url()})

    def _around(self, request: Request, row: Mapping | None) -> dict[str, Any]:
        """What the form's page says besides."""
        kind = _kind(request, row)
        used = row is not None or Mapping.objects.filter(kind=kind).exists()
        actions = Action.objects.filter(target_kind="mapping", target_id=row.pk)[:20] if row else ()
        title = f"{ABOUT[kind].title}: {row.key}" if row else f"{ABOUT[kind].title}: a new word"
        return {
            "about": ABOUT[kind], "asks": ABOUT[kind].lacking == _ASKS, "kind": kind, "used": used, "actions": list(actions),
            "coverage_url": coverage_url(kind, row and row.channel_id),
            "title": title, "subtitle": None,
        }  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.coverage_view)
        return [path("coverage/<str:kind>/", view, name="canonical_mapping_coverage"), *super().get_urls()]

    def coverage_view(self, request: Request, kind: str) -> HttpResponse:
        """What recent orders of one shop use, and what it is mapped to."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in SHAPES:
            raise Http404
        about, offered = ABOUT[kind], list(shops())
        shop = next((s for s in offered if str(s.pk) == request.GET.get("shop")), offered[0] if offered else None)
        found = coverage.look(kind, shop.pk) if shop else None
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": f"{about.title}: what orders use",
            "is_fullwidth": "1", "about": about, "kind": kind, "shops": offered, "shop": shop, "found": found,
            "tables": _tables(shop), "may_add": self.has_add_permission(request), "list_url": _list_url(), "recent": coverage.RECENT,
            "add_url": reverse("admin:canonical_mapping_add"), "asks": about.lacking == _ASKS,
        }  # fmt: skip
        return TemplateResponse(request, "console/coverage.html", context)


def coverage_url(kind: str, shop: int | None) -> str:
    """The page that says what a shop's recent orders use."""
    url = reverse("admin:canonical_mapping_coverage", args=[kind])
    return f"{url}?{urlencode({'shop': shop})}" if shop else url


def _list_url() -> str:
    return reverse("admin:canonical_mapping_changelist")


def _kind(request: Request, row: Mapping | None) -> str:
    return row.kind if row and row.kind else request.GET["kind"]


def _writes(page: MappingAdmin, request: Request, row: Mapping | None) -> bool:
    return page.has_change_permission(request, row) if row else page.has_add_permission(request)


def _tables(shop: System | None = None) -> list[dict[str, Any]]:
    """Each table with its links."""
    add = reverse("admin:canonical_mapping_add")
    return [
        {"kind": kind, "about": about, "add_url": f"{add}?{urlencode({'kind': kind})}", "url": coverage_url(kind, shop and shop.pk)}
        for kind, about in ABOUT.items()
    ]  # fmt: skip
