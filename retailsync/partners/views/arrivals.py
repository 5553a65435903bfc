"""Goods that arrive: inbound shipments with their receipts, and returns with what was found."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from canonical.models import (
    InboundLine,
    InboundReceipt,
    InboundShipment,
    Return,
    ReturnedUnits,
    ReturnLine,
    ReturnReport,
)
from connectors.partner import reading
from connectors.partner.reading import arrivals as words
from retailsync.partners import dock
from retailsync.partners.arrival_outlines import (
    INBOUND_STATES,
    RETURN_STATES,
    InboundOutline,
    InboundPage,
    ReturnOutline,
    ReturnPage,
    TakenOfInbound,
    TakenOfReturn,
)
from retailsync.partners.idempotency import Answer
from retailsync.partners.views.base import (
    AFTER,
    LIMIT,
    LONGEST_REFERENCE,
    PartnerView,
    Query,
    own_location,
    page_of,
    stated,
    text,
)
from retailsync.partners.views.stock import OF_LOCATION, narrowed

SCOPES = {"GET": "inventory:read", "POST": "inventory:write"}


class Arrivals(PartnerView):
    """Base: stores one report about something that arrives."""

    scopes = SCOPES
    topic = ""

    def keep(
        self, request: Request, at: dock.Standing, said: reading.Statement, address: dict[str, str | int], about: str
    ) -> Answer:
        """Store a report that was not made before, and say where its subject stands with it. Raises Problem."""
        if dock.known(at, said):
            return Answer(202, _answer(at, [], duplicate=True))
        before = dock.copied(at)
        fresh = self.store(request, self.topic, said, address, about=about)
        dock.fold(at, said)
        return Answer(202, _answer(at, dock.remarks(before, at, said), duplicate=not fresh))


def _answer(at: dock.Standing, remarks: list[str], *, duplicate: bool) -> dict[str, Any]:
    return {
        "received": True, "duplicate": duplicate, "reference": at.reference, "state": at.state, "warnings": remarks,
    }  # fmt: skip


# ---- inbound shipments ------------------------------------------------------------------------------------------------------
class InboundView(PartnerView):
    """Base: what is expected at the caller's locations."""

    scopes = SCOPES

    def shipments(self, request: Request) -> QuerySet[InboundShipment]:
        lines = InboundLine.objects.select_related("sku").order_by("sku__code")
        receipts = InboundReceipt.objects.order_by("occurred_at", "id")
        return (
            InboundShipment.objects.filter(location__executor_id=self.partner(request).system_id)
            .select_related("location")
            .prefetch_related(Prefetch("lines", lines), Prefetch("receipts", receipts))
        )


class InboundList(InboundView):
    """GET /inbound-shipments: goods that are on their way to your locations, in the order they were announced."""

    titles = {"GET": "List inbound shipments"}
    outlines = {"GET": (200, InboundPage)}
    queries = (Query("state", "How much of it arrived.", choices=INBOUND_STATES), OF_LOCATION, AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        after, limit = self.page(request)
        found = narrowed(
            request, self.shipments(request).filter(id__gt=after), state="state", location="location__code"
        )
        return page_of(list(found.order_by("id")[: limit + 1]), limit, InboundOutline)


class InboundOne(InboundView):
    """GET /inbound-shipments/{reference}: what is expected of one, and what arrived.

    What you reported a moment ago may not be in it yet.
    """

    titles = {"GET": "Read an inbound shipment"}
    outlines = {"GET": (200, InboundOutline)}

    def get(self, request: Request, reference: str) -> Response:
        found = self.shipments(request).filter(reference=text("reference", reference, LONGEST_REFERENCE)).first()
        if found is None:
            raise Http404
        return Response(InboundOutline(found).data)


class SayOfInbound(Arrivals):
    """POST /inbound-shipments/{reference}/receipts: goods arrived.

    `receipt` is your own name of it: reported again it is the same receipt, and with other contents it is refused. More than expected,
    or what nobody announced, is taken like everything else, with a warning. What arrived counts as stock, the damaged units as damaged.
    Correct a mistake by an adjustment of your stock.
    """

    titles = {"POST": "Report a receipt"}
    outlines = {"POST": (202, TakenOfInbound)}

    def post(self, request: Request, reference: str) -> Response:
        return self.once(request, lambda raw: self.said(request, reference, raw))

    def said(self, request: Request, reference: str, raw: bytes) -> Answer:
        """Check the words against what is known of the shipment, and store them."""
        said = stated(self.topic, raw)
        name = text("reference", reference, LONGEST_REFERENCE)
        at = dock.inbound(self.partner(request).system_id, name)
        if at is None:
            raise Http404
        return self.keep(request, at, said, {"inbound": reference}, dock.about_inbound(reference))


# ---- returns ----------------------------------------------------------------------------------------------------------------
class ReturnView(PartnerView):
    """Base: what comes back to the caller's locations."""

    scopes = SCOPES

    def returns(self, request: Request) -> QuerySet[Return]:
        lines = ReturnLine.objects.select_related("sku").order_by("id")
        units = Prefetch("units", ReturnedUnits.objects.order_by("line_id", "condition", "disposition"))
        reports = ReturnReport.objects.order_by("occurred_at", "id").prefetch_related(units)
        return (
            Return.objects.filter(location__executor_id=self.partner(request).system_id)
            .select_related("location")
            .prefetch_related(Prefetch("lines", lines), Prefetch("reports", reports))
        )


class ReturnList(Arrivals, ReturnView):
    """GET, POST /returns: what comes back to one of your locations."""

    titles = {"GET": "List returns", "POST": "Report a parcel nobody announced"}
    outlines = {"GET": (200, ReturnPage), "POST": (202, TakenOfReturn)}
    queries = (
        Query("state", "Who has it.", choices=RETURN_STATES),
        OF_LOCATION,
        Query("order", "The order's reference."),
        Query("tracking", "The number on the parcel."),
        AFTER,
        LIMIT,
    )

    def get(self, request: Request) -> Response:
        """GET /returns: what comes back to your locations, in the order we heard of it."""
        after, limit = self.page(request)
        found = narrowed(
            request, self.returns(request).filter(id__gt=after), state="state", location="location__code",
            order="order_reference", tracking="tracking",
        )  # fmt: skip
        return page_of(list(found.order_by("id")[: limit + 1]), limit, ReturnOutline)

    def post(self, request: Request) -> Response:
        """POST /returns: a parcel came back that nobody announced.

        `parcel` is your own name of it: reported again it is the same return. The answer says what the return is called from now on;
        what is in it counts as received, and is to be inspected. Look in the list first, by order or tracking number: most are announced.
        """
        return self.once(request, lambda raw: self.said(request, raw))

    def said(self, request: Request, raw: bytes) -> Answer:
        """Check whose location it is, and store the words."""
        said: words.Unannounced = stated(self.topic, raw)
        partner = self.partner(request)
        own_location(partner, said.location)
        at = dock.parcel(partner.system_id, said.parcel)
        return self.keep(request, at, said, {}, dock.about_return(at.reference))


class ReturnOne(ReturnView):
    """GET /returns/{reference}: what is expected of one return, what came back, and what you found.

    What you reported a moment ago may not be in it yet.
    """

    titles = {"GET": "Read a return"}
    outlines = {"GET": (200, ReturnOutline)}

    def get(self, request: Request, reference: str) -> Response:
        found = self.returns(request).filter(reference=text("reference", reference, LONGEST_REFERENCE)).first()
        if found is None:
            raise Http404
        return Response(ReturnOutline(found).data)


class SayOfReturn(Arrivals):
    """Base: a report about one return."""

    outlines = {"POST": (202, TakenOfReturn)}

    def post(self, request: Request, reference: str) -> Response:
        return self.once(request, lambda raw: self.said(request, reference, raw))

    def said(self, request: Request, reference: str, raw: bytes) -> Answer:
        """Check the words against what is known of the return, and store them."""
        said = stated(self.topic, raw)
        name = text("reference", reference, LONGEST_REFERENCE)
        at = dock.returned(self.partner(request).system_id, name)
        if at is None:
            raise Http404
        return self.keep(request, at, said, {"returned": reference}, dock.about_return(reference))


class Inspect(SayOfReturn):
    """POST /returns/{reference}/inspect: how units that came back were found, and what becomes of them.

    `inspection` is your own name of it: made again it is the same one, and with other contents it is refused. Units are named by our
    line or by SKU. Those with the disposition `restock` count as stock from then on, and no others. What you looked for and did not find
    is `missing`. Nothing is refused because it was not expected.
    """

    titles = {"POST": "Report an inspection"}


class Receive(SayOfReturn):
    """POST /returns/{reference}/receive: units came back.

    `receipt` is your own name of it: made again it is the same one, and with other contents it is refused. Units are named by our line
    or by SKU; of a return they only become stock by an inspection. Nothing is refused because it was not expected.
    """

    titles = {"POST": "Report what came back"}
