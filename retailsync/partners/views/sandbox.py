"""The sandbox: orders that are played, and certifications. There is nothing here for a live key."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from django.http import Http404
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from canonical.types import Units
from connectors.partner.reading import Wrong
from connectors.partner.reading.shapes import Code, Count, Prose, Shape, Text100, Text140
from retailsync.partners import certifying, sandbox
from retailsync.partners.idempotency import Answer
from retailsync.partners.problems import Problem
from retailsync.partners.sandbox_models import Certification, SimulatedOrder
from retailsync.partners.sandbox_outlines import (
    CertificationDetail,
    CertificationOutline,
    CertificationPage,
    Simulated,
    SimulatedReturn,
)
from retailsync.partners.views.base import AFTER, LIMIT, PartnerView, page_of, shaped


# ---- what is said -----------------------------------------------------------------------------------------------------------
class SimulatedLine(Shape, kw_only=True):
    """Units of one of the sandbox's SKUs."""

    sku: Code
    units: Count


class SimulatedAddress(Shape, kw_only=True):
    """Where it goes."""

    first_name: Text100 = ""
    last_name: Text100 = ""
    company: Text100 = ""
    line1: Text100 = ""
    line2: Text100 = ""
    postcode: Text100 = ""
    city: Text100 = ""
    state: Text100 = ""
    country: Text100 = ""
    phone: Text100 = ""
    email: Text100 = ""


Lines = Annotated[list[SimulatedLine], Meta(min_length=1, max_length=100)]


class NewOrder(Shape, kw_only=True):
    """Somebody buys. Without an address it goes to one that is made up."""

    lines: Lines
    ship_to: SimulatedAddress | None = None
    note: Prose = ""


class OfOrder(Shape, kw_only=True):
    """Which order; its reference is what was answered when it was made."""

    order: Text140


class NewLines(OfOrder, kw_only=True):
    """What it shall be instead, whole."""

    lines: Lines


class NewReturn(Shape, kw_only=True):
    """Somebody sends something back; `order`, where it is known of which order."""

    lines: Lines
    order: Text100 = ""


class NewAddress(OfOrder, kw_only=True):
    """Where it shall go instead, whole."""

    ship_to: SimulatedAddress


def _units(lines: list[SimulatedLine]) -> list[Units]:
    """Of what the sandbox sells. Raises Wrong."""
    for n, line in enumerate(lines):
        if line.sku not in sandbox.GOODS:
            raise Wrong(f"lines[{n}].sku", f"must be one of {', '.join(sandbox.GOODS)}")
    return [Units(sku=line.sku, units=line.units) for line in lines]


# ---- the views --------------------------------------------------------------------------------------------------------------
class SandboxView(PartnerView):
    """Base: with a live key there is nothing here."""

    scopes = {"GET": "sandbox:write", "POST": "sandbox:write"}
    hidden = True

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if not self.partner(request).sandbox and request.method in self.allowed_methods:
            raise Http404


class Simulate(SandboxView):
    """POST /sandbox/simulate/orders: somebody buys, and you are asked to ship.

    The order takes the way every order takes, so the request is in the list, the feed and your webhooks within a moment. SKUs are those
    of the sandbox: SBX-APPLE, SBX-PEAR, SBX-SOAP. Name one twice for an order with two lines of it. Nothing is charged and nobody is
    told.
    """

    shapes = {"POST": NewOrder}
    titles = {"POST": "Play an order"}
    outlines = {"POST": (202, Simulated)}

    def post(self, request: Request) -> Response:
        return self.once(request, lambda raw: self.placed(request, shaped(NewOrder, raw)))

    def placed(self, request: Request, said: NewOrder) -> Answer:
        home = msgspec.structs.asdict(said.ship_to) if said.ship_to else None
        return _answer(sandbox.place(self.partner(request).system_id, _units(said.lines), home, said.note))


class SimulateChange(SandboxView):
    """Base: something happens to an order that was played before."""

    outlines = {"POST": (202, Simulated)}

    def post(self, request: Request) -> Response:
        return self.once(request, lambda raw: self.changed(request, shaped(self.shapes["POST"], raw)))

    def changed(self, request: Request, said: Any) -> Answer:
        """Let it happen, to an order that is not cancelled."""
        order = sandbox.taken(self.partner(request).system_id, said.order)
        if order is None:
            raise Http404
        if order.status == SimulatedOrder.Status.CANCELLED:
            raise Problem("wrong_state", f"{order.reference} was cancelled.", state=order.status, actions=[])
        self.let(order, said)
        return _answer(order)

    def let(self, order: SimulatedOrder, said: Any) -> None:
        """What happens."""
        raise NotImplementedError


class SimulateCancellation(SimulateChange):
    """POST /sandbox/simulate/cancellations: the customer does not want the order any more.

    What you know of it by then you are asked to cancel, as a change of the request. What you have shipped stays shipped.
    """

    shapes = {"POST": OfOrder}
    titles = {"POST": "Play a cancellation"}

    def let(self, order: SimulatedOrder, said: OfOrder) -> None:
        sandbox.cancel(order)


class SimulateHold(SimulateChange):
    """POST /sandbox/simulate/holds: the shop keeps the order back for now, and you are asked to."""

    shapes = {"POST": OfOrder}
    titles = {"POST": "Play a hold"}

    def let(self, order: SimulatedOrder, said: OfOrder) -> None:
        sandbox.hold(order)


class SimulateResume(SimulateChange):
    """POST /sandbox/simulate/resumes: the shop lets an order go on that it kept back, and you are asked to go on."""

    shapes = {"POST": OfOrder}
    titles = {"POST": "Play the end of a hold"}

    def let(self, order: SimulatedOrder, said: OfOrder) -> None:
        sandbox.resume(order)


class SimulateAmendment(SimulateChange):
    """POST /sandbox/simulate/amendments: the customer wants other units: `lines` is the whole order as it shall be."""

    shapes = {"POST": NewLines}
    titles = {"POST": "Play an amendment"}

    def let(self, order: SimulatedOrder, said: NewLines) -> None:
        sandbox.amend(order, _units(said.lines))


class SimulateAddress(SimulateChange):
    """POST /sandbox/simulate/addresses: the customer has moved: the order shall go elsewhere."""

    shapes = {"POST": NewAddress}
    titles = {"POST": "Play a move"}

    def let(self, order: SimulatedOrder, said: NewAddress) -> None:
        sandbox.readdress(order, msgspec.structs.asdict(said.ship_to))


class SimulateReturn(SandboxView):
    """POST /sandbox/simulate/returns: somebody sends something back, and you are told to expect it: it is among the returns at once."""

    shapes = {"POST": NewReturn}
    titles = {"POST": "Play a return"}
    outlines = {"POST": (202, SimulatedReturn)}

    def post(self, request: Request) -> Response:
        return self.once(request, lambda raw: self.announced(request, shaped(NewReturn, raw)))

    def announced(self, request: Request, said: NewReturn) -> Answer:
        twin = self.partner(request).system_id
        if said.order and not SimulatedOrder.objects.filter(system_id=twin, reference=said.order).exists():
            raise Http404
        return Answer(202, {"return": sandbox.send_back(twin, _units(said.lines), said.order)})


class CertificationList(SandboxView):
    """The runs there were, and another one."""

    titles = {"GET": "List certifications", "POST": "Begin a certification"}
    outlines = {"GET": (200, CertificationPage), "POST": (201, CertificationDetail)}
    queries = (AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        """GET /sandbox/certifications: the runs there were, the newest first."""
        after, limit = self.page(request)
        found = Certification.objects.filter(system_id=self.partner(request).system_id).order_by("-id")
        page = list((found.filter(id__lt=after) if after else found)[: limit + 1])
        return page_of(page, limit, CertificationOutline)

    def post(self, request: Request) -> Response:
        """POST /sandbox/certifications: begin a run.

        It plays one order for each scenario. Work on them like on any other, and as each scenario's `instructions` say; then finish the
        run. One at a time: a running one is finished before the next begins.
        """
        return self.once(request, lambda raw: self.begun(request, shaped(Shape, raw)))

    def begun(self, request: Request, said: Shape) -> Answer:
        run = certifying.start(self.partner(request).system_id)
        if run is None:
            raise Problem("wrong_state", "A run is under way. Finish it first.", state="running", actions=["finish"])
        return Answer(201, CertificationDetail(run).data)


class OfCertification(SandboxView):
    """Base: one run of the caller's."""

    def taken(self, request: Request, number: int, judge: Callable[[Certification], None]) -> Certification:
        """The run, judged by what has been said so far."""
        run = certifying.judged(self.partner(request).system_id, number, judge)
        if run is None:
            raise Http404
        return run


class CertificationOne(OfCertification):
    """GET /sandbox/certifications/{number}: one run: its scenarios with what to do, and each clause with pass, fail or waiting, and why.

    A clause that has passed may still fail until the run is finished: a second shipment of what has left may come at any time.
    """

    titles = {"GET": "Read a certification"}
    outlines = {"GET": (200, CertificationDetail)}

    def get(self, request: Request, number: int) -> Response:
        return Response(CertificationDetail(self.taken(request, number, certifying.judge)).data)


class CertificationFinish(OfCertification):
    """POST /sandbox/certifications/{number}/finish: you are done. What was not seen by now has failed; the run passed when every clause
    did."""

    titles = {"POST": "Finish a certification"}
    outlines = {"POST": (200, CertificationDetail)}

    def post(self, request: Request, number: int) -> Response:
        return self.once(request, lambda raw: self.finished(request, number, shaped(Shape, raw)))

    def finished(self, request: Request, number: int, said: Shape) -> Answer:
        return Answer(200, CertificationDetail(self.taken(request, number, certifying.finish)).data)


def _answer(order: SimulatedOrder) -> Answer:
    return Answer(202, {"order": order.reference, "status": order.status})
