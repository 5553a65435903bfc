"""One timeline per order, SKU, shipment or customer, across all systems: what happened when, and where the time went."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Min, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from canonical.models import Customer, Entry, Listing, Offer, Order, Shipment, Sku, StockLevel, StockMovement
from retailsync.console import gaps, part, steps, words
from retailsync.console.bars import lasting
from retailsync.console.base import Permissions, Request
from retailsync.console.steps import May, Step
from retailsync.console.typednumber import number
from retailsync.sync.models import Command
from retailsync.sync.workflows import WORKFLOWS

MOST = 500  # commands of an order that are looked at, the newest
ORDERS = 50  # orders of a customer, the newest
OVERLAP = timedelta(seconds=10)  # a transaction that numbers its entries early may end so much later
PAUSE = 60.0  # seconds: a shorter pause between two steps is not told


class Told(NamedTuple):
    """What a timeline shows: its steps, the stretches, and the oldest ledger entry it holds where there are earlier ones."""

    steps: list[Step]
    gaps: list[gaps.Gap]
    earlier: int = 0


def timeline(request: Request, kind: str, pk: int) -> HttpResponse:
    """The timeline of one subject."""
    if kind not in _SUBJECTS:
        raise Http404
    model, permission, tell = _SUBJECTS[kind]
    if not request.user.has_perm(permission):
        raise PermissionDenied
    row = get_object_or_404(model, pk=pk)
    text = request.GET.get("before", "")
    told = tell(row, number(text), request.user.has_perm)
    context = {
        **admin.site.each_context(request), "title": f"{row}: what happened", "is_fullwidth": "1", "row": row, "kind": kind,
        "steps": _spaced(told.steps), "gaps": told.gaps, "earlier": told.earlier, "width": gaps.WIDTH, "height": gaps.HEIGHT,
        "opts": model._meta, "may": Permissions(request), "before": text,
    }  # fmt: skip
    return TemplateResponse(request, "console/timeline.html", context)


def _spaced(found: Sequence[Step]) -> list[dict[str, Any]]:
    """In the order of time, each with the pause before it where that is worth telling."""
    told, last = [], None
    ordered = sorted(found, key=lambda step: step.at)
    for step in ordered:
        pause, whole = ((step.at - then).total_seconds() for then in (last or step.at, ordered[0].at))
        told.append({"step": step, "pause": lasting(pause) if pause >= PAUSE else "", "after": _after(whole)})
        last = step.at
    return told


def _after(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < PAUSE else lasting(seconds)


# ---- an order ---------------------------------------------------------------------------------------------------------------
def _order(order: Order, before: int, may: May) -> Told:
    of = part.of_order(order.pk, before)
    commands = list(Command.objects.filter(order_id=order.pk).select_related("system").order_by("-pk")[:MOST])
    heard = steps.heard(of.entries, may)
    beside = of.keep([*steps.told(commands, may), *_cases(Q(order_id=order.pk), of, may)])
    did = steps.decided("order", order.pk, of.entries, of.within("at"))
    found = [*heard, *steps.recorded(of.entries, may), *did, *beside]
    return Told(found, _stretches(order, heard, commands), of.earlier)


def _stretches(order: Order, heard: Sequence[Step], commands: Sequence[Command]) -> list[gaps.Gap]:
    """The way of an order, as far as it came."""
    way, shown = WORKFLOWS["order_to_fulfilment"].level, WORKFLOWS["shipments"].level
    asked = order.requests.aggregate(answered=Min("answered_at"))["answered"]
    left = order.shipments.aggregate(told=Min("created_at"))["told"]
    first = min((step.at for step in heard), default=order.created_at)
    moments = (
        ("heard", min(first, order.created_at), None), ("released", order.released_at, way),
        ("in the ERP", _settled(commands, "CreateOrder"), way),
        ("confirmed there", _settled(commands, "ConfirmOrder"), way), ("warehouse asked", _settled(commands, "RequestFulfilment"), way),
        ("accepted", asked, None), ("shipped", left, None), ("shown to the customer", _settled(commands, "SendTracking"), shown),
        ("completed", _settled(commands, "CompleteOrder"), shown),
    )  # fmt: skip
    return gaps.gaps(moments, timezone.now(), order.stage in words.ENDED)


def _settled(commands: Sequence[Command], kind: str) -> datetime | None:
    """When the first of a kind was confirmed."""
    return min(
        (c.settled_at for c in commands if c.kind == kind and c.state == "confirmed" and c.settled_at), default=None
    )


# ---- others -----------------------------------------------------------------------------------------------------------------
def _shipment(shipment: Shipment, before: int, may: May) -> Told:
    of = part.of_subjects({"shipment": [shipment.pk]}, before)
    commands = [
        c for c in Command.objects.filter(order_id=shipment.order_id).select_related("system").order_by("-pk")[:MOST]
        if c.payload.get("shipment_id") == shipment.pk
    ]  # fmt: skip
    about = Q(target_kind="command", target_id__in=[c.pk for c in commands])
    beside = of.keep([*steps.told(commands, may), *_cases(about, of, may)])
    found = [*steps.heard(of.entries, may), *steps.recorded(of.entries, may), *beside]
    shown = WORKFLOWS["shipments"].level
    moments = (
        ("left the building", shipment.shipped_at, None), ("we were told", shipment.created_at, None),
        ("booked out in the ERP", _settled(commands, "PostGoodsIssue"), shown),
        ("shown to the customer", _settled(commands, "SendTracking"), shown),
    )  # fmt: skip
    return Told(found, gaps.gaps(moments, timezone.now(), ended=False), of.earlier)


def _sku(sku: Sku, before: int, may: May) -> Told:
    subjects = {
        "sku": [sku.pk], "stock_level": _ids(StockLevel, sku=sku), "offer": _ids(Offer, sku=sku),
        "listing": _ids(Listing, offers__sku=sku), "stock_movement": _ids(StockMovement, sku=sku, **_before(before)),
    }  # fmt: skip
    of = part.of_subjects(subjects, before)
    about = Q(target_kind="stock_level", target_id__in=subjects["stock_level"])
    about |= Q(target_kind="listing", target_id__in=subjects["listing"])
    did = steps.decided("sku", sku.pk, of.entries, of.within("at"))
    found = [*steps.heard(of.entries, may), *steps.recorded(of.entries, may), *did, *of.keep(_cases(about, of, may))]
    return Told(found, [], of.earlier)


def _cases(about: Q, of: part.Part, may: May) -> list[Step]:
    return steps.cases(about & of.within("opened_at", "closed_at"), may)


def _ids(model: Any, **given: Any) -> list[int]:
    """The newest: many more than one part shows cannot be in it, though transactions side by side may number them in another order."""
    return list(model.objects.filter(**given).order_by("-pk").values_list("pk", flat=True)[: 2 * part.MOST])


def _before(entry: int) -> dict[str, datetime]:
    """When what stands below this entry was recorded, as long as transactions may overlap."""
    row = Entry.objects.filter(pk=entry).only("recorded_at").first() if entry else None
    return {"recorded_at__lte": row.recorded_at + OVERLAP} if row else {}


def _customer(customer: Customer, before: int, may: May) -> Told:
    if not may("canonical.view_order"):
        return Told(steps.decided("customer", customer.pk, (), Q()), [])
    orders = list(Order.objects.filter(customer=customer).select_related("channel").order_by("-pk")[:ORDERS])
    found = [step for order in orders for step in _of_order(order)]
    for shipment in Shipment.objects.filter(order__in=orders).select_related("order", "system"):
        link = ("shipment", shipment.pk)
        found.append(
            Step(
                shipment.created_at,
                shipment.system.name,
                f"{shipment.order.reference} shipped",
                "good",
                shipment.carrier,
                link,
            )
        )
    about = Q(order_id__in=[order.pk for order in orders])
    return Told([*found, *steps.cases(about, may), *steps.decided("customer", customer.pk, (), Q())], [])


def _of_order(order: Order) -> list[Step]:
    link, total = ("order", order.pk), words.money(order.total, order.currency)
    found = [Step(order.placed_at, order.channel.name, f"{order.reference} placed", "", total, link)]
    if order.released_at:
        found.append(Step(order.released_at, "retailsync", f"{order.reference} released", "good", "", link))
    return found


#: Kind → its model, the permission to see it, and what its timeline tells.
_SUBJECTS: Mapping[str, tuple[Any, str, Callable[[Any, int, May], Told]]] = {
    "order": (Order, "canonical.view_order", _order), "shipment": (Shipment, "canonical.view_shipment", _shipment),
    "sku": (Sku, "canonical.view_sku", _sku), "customer": (Customer, "canonical.view_customer", _customer),
}  # fmt: skip

urlpatterns = [path("<str:kind>/<int:pk>/", admin.site.admin_view(timeline), name="timeline")]
