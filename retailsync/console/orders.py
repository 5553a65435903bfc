"""Orders and shipments: what was sold, what each system holds of it, what left the building."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from canonical.judging import judge
from canonical.models import Entry, Order, OrderLine, Oversell, Posting, Shipment
from canonical.types import ShopStatus
from retailsync.console import choices, gather, life, search, stockwords, telling, why, words
from retailsync.console.base import ReadOnly, Request
from retailsync.console.late import LateFilter
from retailsync.console.order_buttons import OrderButtons
from retailsync.console.played import PlayedFilter
from retailsync.console.typednumber import number
from retailsync.console.zones import zone
from retailsync.sync import deciding
from retailsync.sync.models import Action, Case, Command, Message

SHOWN = 200  # ledger entries and messages of one order that are shown


def _units(count: Any) -> Coalesce:
    lines = OrderLine.objects.filter(order=OuterRef("pk"), requires_shipping=True).order_by().values("order")
    return Coalesce(Subquery(lines.annotate(units=Sum(count)).values("units"), output_field=IntegerField()), 0)


def _cases() -> Coalesce:
    opened = Case.objects.filter(order_id=OuterRef("pk"), closed_at=None).order_by().values("order_id")
    return Coalesce(Subquery(opened.annotate(count=Count("pk")).values("count"), output_field=IntegerField()), 0)


class ShopStatusFilter(admin.SimpleListFilter):
    """Statuses we know are a closed list: reading all orders to offer them would cost more than the page."""

    title = "shop status"
    parameter_name = "shop_status"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, words.plain(status)) for status in get_args(ShopStatus)]

    def queryset(self, request: Request, queryset: QuerySet[Order]) -> QuerySet[Order]:
        return queryset.filter(shop_status=self.value()) if self.value() else queryset


@admin.register(Order)
class OrderAdmin(OrderButtons, ReadOnly):
    """Every order of every shop."""

    page_template = "console/order.html"
    list_display = [
        "reference",
        "channel",
        "stage_word",
        "shop_status",
        "total_word",
        "placed",
        "erp_word",
        "shipped",
        "open_cases",
    ]
    list_filter = ["stage", "channel", ShopStatusFilter, LateFilter, PlayedFilter]
    search_fields = ["reference"]
    search_help_text = "Order number, shop id or e-mail address"
    list_select_related = ["channel"]
    ordering = ["-pk"]
    empty = "No orders. They appear as soon as a shop tells of one: check under Systems that the shop is live and was heard."

    def get_queryset(self, request: Request) -> QuerySet[Order]:
        booked = Posting.objects.filter(
            order=OuterRef("pk"), system=OuterRef("channel__erp"), kind="sales_order"
        ).order_by("-subject_id")
        return Order.objects.annotate(
            erp_state=Subquery(booked.values("state")[:1]), units_shipped=_units(F("shipped")),
            units_due=_units(F("ordered") - F("cancelled")), cases=_cases(),
        )  # fmt: skip

    def get_search_results(
        self, request: Request, queryset: QuerySet[Order], term: str
    ) -> tuple[QuerySet[Order], bool]:
        """What is typed in full is found by index; only otherwise parts of references are looked for."""
        if not (term := term.strip()):
            return queryset, False
        found = search.order_ids(term, 1000)
        return queryset.filter(pk__in=found) if found else queryset.filter(reference__icontains=term), False

    @display(description="Stage", ordering="stage")
    def stage_word(self, row: Order) -> str:
        return words.badge(row.get_stage_display())

    @display(description="Total", ordering="total")
    def total_word(self, row: Order) -> str:
        return words.money(row.total, row.currency)

    @display(description="Placed", ordering="placed_at")
    def placed(self, row: Order) -> str:
        return words.when(row.placed_at)

    @display(description="ERP")
    def erp_word(self, row: Order) -> str:
        if row.erp_state:
            return words.ERP_STATES.get(row.erp_state, row.erp_state)
        return "not booked" if row.channel.erp_id else "no ERP"

    @display(description="Shipped")
    def shipped(self, row: Order) -> str:
        return f"{row.units_shipped}/{row.units_due}" if row.units_due or row.units_shipped else "nothing to ship"

    @display(description="Exceptions")
    def open_cases(self, row: Order) -> str:
        return words.badge(f"{row.cases} open", "bad") if row.cases else words.NOTHING

    def page_queryset(self, request: Request) -> QuerySet[Order]:
        return self.get_queryset(request).select_related("channel__erp", "customer", "shipping")

    def page(self, request: Request, row: Order) -> dict[str, Any]:
        entries = list(Entry.objects.filter(order_id=row.pk).order_by("-pk")[:SHOWN])
        heard = {e.cause_id for e in entries if e.cause_kind == "message"}
        commands = list(Command.objects.filter(order_id=row.pk).select_related("system").order_by("pk"))
        blocked = gather.blockers(commands)
        for command in commands:
            command.blocked_by = blocked.get(command.pk)
        lines, holds = (
            list(row.lines.select_related("sku").order_by("pk")),
            list(row.holds.select_related("line__sku").order_by("-pk")),
        )
        paid, given_back, held = life.payments(row), life.refunds(row), life.postings(row)
        asked, shipments, money = (
            life.requests(row, lines),
            list(_shipments(row.shipments)),
            life.money(row, paid, given_back),
        )
        return {
            "tell": telling.tell(telling.known(row, lines, holds, asked, shipments, money), zone(request)),
            "lines": lines, "charges": list(row.charges.order_by("pk")), "holds": holds, "waits": life.waits(row, holds),
            "requests": asked, "shipments": shipments, "payments": paid, "refunds": given_back, "money": money,
            "bookings": life.bookings(row, held), "texts": life.texts(row),
            "postings": [p for p in held if p.subject_kind != "booking"], "commands": commands, "entries": entries, "shown": SHOWN,
            "heard": list(Message.objects.filter(pk__in=heard).select_related("system").defer("body").order_by("-pk")),
            "cases": list(Case.objects.filter(order_id=row.pk).select_related("system").order_by("-closed_at", "-pk")[:50]),
            "actions": list(Action.objects.filter(target_kind="order", target_id=row.pk)[:20]),
            "decide": choices.offered(request, row, lines, holds, commands) if self.has_work_permission(request) else None,
            "outside": choices.settled_outside(row),
            **(_judged(row, lines) if request.user.has_perm("canonical.view_offer") else {}),
        }  # fmt: skip

    # ---- what people press ----
    def has_work_permission(self, request: Request) -> bool:
        """Who works on exceptions decides about orders."""
        return bool(request.user.has_perm("sync.change_case"))

    def get_urls(self) -> list[URLPattern]:
        own = {"hold": self.hold, "reship": self.reship, "abandon": self.abandon, **self.buttons()}
        wrap = self.admin_site.admin_view
        return [
            path(f"<int:pk>/{name}/", wrap(require_POST(view)), name=f"canonical_order_{name}")
            for name, view in own.items()
        ] + super().get_urls()

    def hold(self, request: Request, pk: int) -> HttpResponse:
        """Keep the order where it is."""
        reason = request.POST.get("reason", "")
        if reason not in deciding.BY_PEOPLE:
            return self._decided(request, pk, "", "choose a reason.")
        return self._decide(
            request, pk, "The order is held.", lambda why: deciding.hold(pk, reason, why, _who(request))
        )

    def reship(self, request: Request, pk: int) -> HttpResponse:
        """Ask a warehouse to ship units once more."""
        place, units = number(request.POST.get("location", "")), _units_typed(request)
        done = "The warehouse is asked to ship them once more."
        return self._decide(request, pk, done, lambda why: deciding.reship(pk, place, units, _who(request), why))

    def abandon(self, request: Request, pk: int) -> HttpResponse:
        """Ship some units no more."""
        units = _units_typed(request)
        done = "These units will not be shipped. Refund them in the shop where they are paid."
        return self._decide(request, pk, done, lambda why: deciding.abandon(pk, units, _who(request), why))

    def _decide(self, request: Request, pk: int, done: str, decide: Callable[[str], str | None]) -> HttpResponse:
        """Carry a decision out, or say why not. Each needs a reason for the record. What it answers is said instead of `done`."""
        if not self.has_work_permission(request):
            raise PermissionDenied
        get_object_or_404(Order, pk=pk)
        why = request.POST.get("why", "").replace("\0", "").strip()[:300]
        if not why:
            return self._decided(request, pk, "", "say why.")
        try:
            said = decide(why)
        except deciding.NotPossible as trouble:
            return self._decided(request, pk, "", str(trouble))
        return self._decided(request, pk, said or done, "")

    def _decided(self, request: Request, pk: int, done: str, trouble: str) -> HttpResponse:
        if not self.has_work_permission(request):
            raise PermissionDenied
        if done:
            messages.success(request, done)
        else:
            messages.error(request, f"Nothing was changed: {trouble}")
        return HttpResponseRedirect(reverse("admin:canonical_order_change", args=[pk]))


def _judged(order: Order, lines: Sequence[OrderLine]) -> dict[str, Any]:
    """Whether each line should have sold, where anything was known of it; of what was oversold the verdict found at the time stands."""
    rows = list(Oversell.objects.filter(order=order).select_related("sku").order_by("pk"))
    oversold = {row.line_id: row for row in rows}
    sold, found = judge(order.pk), []
    for line in lines:
        if (one := sold.get(line.pk)) is None or one.verdict == "unknown":
            continue
        late = [{"words": stockwords.late(x), "kind": x.cause_kind, "id": x.cause_id} for x in one.late[:3]]
        if one.verdict == "stale":  # the verdict tells the gravest itself
            late[0]["words"] = ""
        said = {"badge": stockwords.VERDICTS[one.verdict], "words": stockwords.verdict(one)}
        if verdict := oversold.get(line.pk):
            said = {"badge": (verdict.get_verdict_display(), "bad"), "words": verdict.words, "oversell": verdict}
        url = why.address(order.channel.slug, line.sku.code, at=one.at.isoformat())
        found.append({"sold": one, "code": line.sku.code, "url": url, "late": late, **said})
    shown = {row["oversell"].pk for row in found if "oversell" in row}
    return {"judged": found, "oversells": [row for row in rows if row.pk not in shown]}


def _who(request: Request) -> str:
    return str(request.user.get_username())


def _units_typed(request: Request) -> dict[int, int]:
    """Line id → units, of the fields `units_LINE`."""
    typed = {
        number(name.removeprefix("units_")): number(text)
        for name, text in request.POST.items()
        if name.startswith("units_")
    }
    return {line: units for line, units in typed.items() if line and units}


def _shipments(shipments: Any) -> QuerySet[Shipment]:
    related = shipments.select_related("request__location", "system", "order")
    return related.prefetch_related("packages__lines__line__sku").order_by("pk")


@admin.register(Shipment)
class ShipmentAdmin(ReadOnly):
    """Goods that left a building."""

    page_template = "console/shipment.html"
    list_display = ["__str__", "order_link", "location", "carrier", "tracking", "shipped"]
    list_filter = ["system"]
    search_fields = ["external_id"]
    search_help_text = "Tracking number, shipment id or order, in full"
    ordering = ["-pk"]
    empty = "No shipments. They appear when a warehouse reports one."

    def get_queryset(self, request: Request) -> QuerySet[Shipment]:
        return Shipment.objects.select_related("order", "request__location", "system").prefetch_related("packages")

    def get_search_results(
        self, request: Request, queryset: QuerySet[Shipment], term: str
    ) -> tuple[QuerySet[Shipment], bool]:
        """By index only."""
        term = term.strip()
        return (queryset.filter(pk__in=search.shipment_ids(term, 1000)) if term else queryset), False

    @display(description="Order")
    def order_link(self, row: Shipment) -> str:
        return words.link("order", row.order_id, row.order.reference)

    @display(description="From")
    def location(self, row: Shipment) -> str:
        return row.request.location.code

    @display(description="Tracking")
    def tracking(self, row: Shipment) -> str:
        return ", ".join(p.tracking for p in row.packages.all() if p.tracking) or words.NOTHING

    @display(description="Shipped", ordering="shipped_at")
    def shipped(self, row: Shipment) -> str:
        return words.when(row.shipped_at)

    def page(self, request: Request, row: Shipment) -> dict[str, Any]:
        return {"shipments": list(_shipments(Shipment.objects.filter(pk=row.pk)))}


@admin.register(Entry)
class EntryAdmin(ReadOnly):
    """The ledger as it was written."""

    page_template = "console/entry.html"
    list_display = ["__str__", "order_link", "cause", "occurred", "recorded"]
    search_fields = ["=order_id"]
    search_help_text = "Our number of an order"
    ordering = ["-pk"]
    empty = "The ledger is empty: nothing was recorded yet."

    def get_search_results(
        self, request: Request, queryset: QuerySet[Entry], term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """By order: its reference or our number."""
        if not (term := term.strip()):
            return queryset, False
        orders = list(Order.objects.filter(Q(reference=term) | Q(number=term)).values_list("pk", flat=True)[:100])
        ours = [int(term)] if term.isdecimal() and len(term) < 18 else []
        return queryset.filter(order_id__in=orders or ours), False

    def complete(self, rows: Sequence[Entry]) -> None:
        orders = gather.references(e.order_id for e in rows)
        for row in rows:
            row.order_reference = orders.get(row.order_id or 0, "")

    @display(description="Order")
    def order_link(self, row: Entry) -> str:
        return words.link("order", row.order_id, row.order_reference) if row.order_reference else words.NOTHING

    @display(description="Because of")
    def cause(self, row: Entry) -> str:
        return words.link(row.cause_kind, row.cause_id, f"{row.cause_kind} #{row.cause_id}")

    @display(description="Happened")
    def occurred(self, row: Entry) -> str:
        return words.when(row.occurred_at)

    @display(description="Recorded")
    def recorded(self, row: Entry) -> str:
        return words.when(row.recorded_at)

    def page(self, request: Request, row: Entry) -> dict[str, Any]:
        self.complete([row])
        versions = Entry.objects.filter(subject_kind=row.subject_kind, subject_id=row.subject_id).order_by("-version")
        return {"versions": list(versions[:SHOWN])}
