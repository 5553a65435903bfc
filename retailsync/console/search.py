"""One box for everything people are asked about on the phone: an order, a SKU, a customer, a parcel, anybody's id. By index only."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from canonical.models import Booking, Customer, FulfilmentRequest, Link, Order, Package, Posting, Shipment, Sku, System
from retailsync.console import words
from retailsync.console.base import Request
from retailsync.console.typednumber import number
from retailsync.sync.models import Command, Message

SHOWN = 20  # hits of one kind
#: What other systems have ids for, and whose page it leads to.
_LINKED = ("order", "customer", "sku", "product", "booking")


class Hit(NamedTuple):
    """One row that may be meant: its page, its name and a line that helps to choose."""

    kind: str
    id: int
    name: str
    line: Any = ""

    @property
    def url(self) -> str:
        """Its page."""
        return reverse(f"admin:{words.PAGES[self.kind]}_change", args=[self.id])


def find(term: str, may: Callable[[str], bool]) -> dict[str, list[Hit]]:
    """Title → hits, of the kinds this person may see. A fixed number of queries, each by an index."""
    found: dict[str, list[Hit]] = {}
    linked = _linked(term)
    for title, permission, look in _KINDS:
        if may(permission) and (hits := list(look(term, linked))):
            found[title] = list(dict.fromkeys(hits))[:SHOWN]
    return found


Linked = dict[str, set[int]]


def _linked(term: str) -> Linked:
    """Entity → our ids that some system knows by this id."""
    systems = System.objects.values("pk")
    rows = Link.objects.filter(system__in=systems, entity__in=_LINKED, external_id=term).values_list(
        "entity", "our_id"
    )[:100]
    found: Linked = {}
    for entity, id in rows:
        found.setdefault(entity, set()).add(id)
    return found


def _orders(term: str, linked: Linked) -> Iterable[Hit]:
    """By number, the shop's id, who bought, a parcel or a request, or the id of its document in the ERP."""
    ways = (
        *_named(term),
        Order.objects.filter(pk__in=linked.get("order", ())),
        Order.objects.filter(pk__in=Package.objects.filter(tracking__in=_spelled(term)).values("shipment__order")),
        Order.objects.filter(pk__in=FulfilmentRequest.objects.filter(reference__in=_spelled(term)).values("order")),
        Order.objects.filter(pk__in=Booking.objects.filter(pk__in=linked.get("booking", ())).values("order")),
    )
    ids = {id for way in ways for id in way.order_by("-pk").values_list("pk", flat=True)[:SHOWN]}
    for row in Order.objects.filter(pk__in=ids).select_related("channel").order_by("-pk")[:SHOWN]:
        line = f"{row.channel.name}, {words.money(row.total, row.currency)}, {row.get_stage_display()}"
        yield Hit("order", row.pk, row.reference, line)


def _documents(term: str, linked: Linked) -> Iterable[Hit]:
    """Orders by the id their documents have in an ERP, or the number a warehouse gave its request. Such numbers are often short, and an
    order's number comes before them."""
    erps = System.objects.filter(roles__contains=["erp"]).values("pk")
    held = Posting.objects.filter(external_id__in=_spelled(term), system__in=erps, order__isnull=False)
    asked = FulfilmentRequest.objects.filter(partner_ref__in=_spelled(term)).select_related("order", "system")
    lines: dict[Order, list[str]] = {}
    for row in held.exclude(kind="customer").select_related("order", "system").order_by("-order_id")[:SHOWN]:
        lines.setdefault(row.order, []).append(f"{words.posting(row.kind).lower()} in {row.system.name}")
    for request in asked.order_by("-order_id")[:SHOWN]:
        lines.setdefault(request.order, []).append(f"request {request.reference} at {request.system.name}")
    for order in sorted(lines, key=lambda order: -order.pk):
        yield Hit("order", order.pk, order.reference, ", ".join(lines[order]))


def _named(term: str) -> Sequence[QuerySet[Order]]:
    """Each by an index of its own: one condition for all of them would read every order."""
    return (
        Order.objects.filter(reference__in=_spelled(term)), Order.objects.filter(number=term),
        Order.objects.filter(channel__in=System.objects.values("pk"), external_id=term),
        Order.objects.filter(customer__in=Customer.objects.filter(key=term.lower()).values("pk")),
    )  # fmt: skip


def order_ids(term: str, most: int) -> list[int]:
    """Our ids of orders somebody calls by this number, id or e-mail address in full; the newest of each."""
    return sorted({id for way in _named(term) for id in way.order_by("-pk").values_list("pk", flat=True)[:most]})


def shipment_ids(term: str, most: int) -> list[int]:
    """Our ids of shipments by tracking number, the warehouse's own id, or the order, in full."""
    packages = Package.objects.filter(tracking__in=_spelled(term)).values("shipment")
    ways = (
        Shipment.objects.filter(pk__in=packages), Shipment.objects.filter(system__in=System.objects.values("pk"), external_id=term),
        Shipment.objects.filter(order__in=order_ids(term, most)),
    )  # fmt: skip
    return sorted({id for way in ways for id in way.order_by("-pk").values_list("pk", flat=True)[:most]})


def _skus(term: str, linked: Linked) -> Iterable[Hit]:
    of = (
        Q(code__in=_spelled(term))
        | Q(pk__in=linked.get("sku", ()))
        | (Q(gtin=term) if term.isdecimal() and len(term) >= 8 else Q(pk=None))
    )
    return [Hit("sku", row.pk, row.code, row.name) for row in Sku.objects.filter(of).order_by("code")[:SHOWN]]


def _customers(term: str, linked: Linked) -> Iterable[Hit]:
    rows = Customer.objects.filter(Q(key=term.lower()) | Q(pk__in=linked.get("customer", ()))).order_by("pk")[:SHOWN]
    return [Hit("customer", row.pk, str(row), row.email) for row in rows]


def _shipments(term: str, linked: Linked) -> Iterable[Hit]:
    packages = Package.objects.filter(tracking__in=_spelled(term)).values("shipment")
    of = Q(pk__in=packages) | Q(system__in=System.objects.values("pk"), external_id=term)
    rows = Shipment.objects.filter(of).select_related("order", "request").order_by("-pk")[:SHOWN]
    return [Hit("shipment", row.pk, str(row), f"{row.carrier} of {row.order.reference}".strip()) for row in rows]


def _messages(term: str, linked: Linked) -> Iterable[Hit]:
    rows = Message.objects.filter(pk=_number(term)).select_related("system").only("topic", "state", "system__name")
    return [Hit("message", row.pk, str(row), f"{row.system.name}, {row.get_state_display()}") for row in rows]


def _commands(term: str, linked: Linked) -> Iterable[Hit]:
    rows = Command.objects.filter(pk=_number(term)).select_related("system")
    return [
        Hit("command", row.pk, f"{words.plain(row.kind)} #{row.pk}", f"{row.system.name}, {row.get_state_display()}")
        for row in rows
    ]


#: Title, the permission to see it, and how it is found.
_KINDS: Sequence[tuple[str, str, Callable[[str, Linked], Iterable[Hit]]]] = (
    ("Orders", "canonical.view_order", _orders), ("SKUs", "canonical.view_sku", _skus),
    ("Customers", "canonical.view_customer", _customers),
    ("Shipments", "canonical.view_shipment", _shipments),
    ("Orders by their documents elsewhere", "canonical.view_order", _documents), ("Messages", "sync.view_message", _messages),
    ("Commands", "sync.view_command", _commands),
)  # fmt: skip


def _spelled(term: str) -> list[str]:
    """As typed, and as such numbers are usually written."""
    return list({term, term.upper()})


def _number(term: str) -> int:
    """Our own number of a row: people copy it with its sign. 0: none."""
    return number(term.removeprefix("#"))


def search(request: Request) -> HttpResponse:
    """The one hit's page, or what may be meant."""
    if not any(request.user.has_perm(permission) for _, permission, _ in _KINDS):
        raise PermissionDenied
    term = request.GET.get("q", "").replace("\0", "").strip()[:200]
    found = find(term, request.user.has_perm) if term else {}
    if (one := _meant(found)) is not None:
        return HttpResponseRedirect(one.url)
    context = {**admin.site.each_context(request), "title": "Search", "is_fullwidth": "1", "term": term, "found": found}
    return TemplateResponse(request, "console/search.html", context)


def _meant(found: dict[str, list[Hit]]) -> Hit | None:
    """The hit that is meant, where there is no doubt: the only one, or the only order. A bare number may be one of ours as well; who
    types it has an order in front of him."""
    if len(orders := found.get("Orders", [])) == 1:
        return orders[0]
    hits = [hit for kind in found.values() for hit in kind]
    return hits[0] if len(hits) == 1 else None


urlpatterns = [path("", admin.site.admin_view(search), name="search")]
