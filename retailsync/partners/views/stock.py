"""What a partner sees of stock: levels as we hold them, figures that differ, its snapshots, and the SKUs it may be asked for."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Value, When
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from canonical import sql
from canonical.models import (
    Eligibility,
    KitComponent,
    Sku,
    SnapshotPart,
    Sourcing,
    StockCount,
    StockLevel,
    StockSnapshot,
)
from canonical.sellable import DEMAND
from retailsync.partners.outlines import Taken
from retailsync.partners.stock_outlines import (
    DISAGREEMENTS,
    SNAPSHOT_STATES,
    DisagreementOutline,
    DisagreementPage,
    LevelOutline,
    LevelPage,
    SkuOutline,
    SkuPage,
    SnapshotOutline,
    SnapshotPage,
)
from retailsync.partners.views.base import AFTER, LIMIT, LONGEST_REFERENCE, PartnerView, Query, page_of, text
from retailsync.partners.views.inventory import LONGEST_RUN, SayOfStock

OF_SKU = Query("sku", "The code of a SKU.")
OF_LOCATION = Query("location", "The code of one of your locations.")


def narrowed(request: Request, found: QuerySet[Any], **fields: str) -> QuerySet[Any]:
    """Only what the query string asks for: parameter → field. Raises Wrong."""
    given = {name: text(name, value, LONGEST_REFERENCE) for name, value in request.query_params.items()}
    return found.filter(**{field: given[name] for name, field in fields.items() if given.get(name)})


_PROMISED = f"""SELECT d.sku_id, d.location_id, sum(d.units)::bigint FROM ({DEMAND}) d
  WHERE d.location_id = ANY(%(places)s) GROUP BY 1, 2"""


class Levels(SayOfStock):
    """GET, POST /inventory/levels: what lies at one of your locations."""

    scopes = {"GET": "inventory:read", "POST": "inventory:write"}
    titles = {"GET": "See levels", "POST": "Report single figures"}
    outlines = {"GET": (200, LevelPage), "POST": (202, Taken)}
    queries = (OF_SKU, OF_LOCATION, AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        """GET /inventory/levels: what lies at your locations, as we hold it.

        A level is the latest count that was believed and what moved since, shipments of yours among it. Compare it with your own
        figures; `/inventory/disagreements` lists where we know of a difference.
        """
        after, limit = self.page(request)
        own = StockLevel.objects.filter(location__executor_id=self.partner(request).system_id, id__gt=after)
        found = narrowed(request, own, sku="sku__code", location="location__code")
        rows = list(found.select_related("sku", "location").order_by("id")[: limit + 1])
        promised = _promised(rows)
        for row in rows:
            row.promised = promised.get((row.sku_id, row.location_id), 0)
        return page_of(rows, limit, LevelOutline)

    def post(self, request: Request) -> Response:
        """POST /inventory/levels: single figures of one of your locations, as they change.

        Says nothing of what it does not name.
        """
        return super().post(request)


def _promised(levels: Iterable[StockLevel]) -> dict[tuple[int, int], int]:
    """Units of our orders that are still to be shipped, by (SKU, location)."""
    skus, places = {level.sku_id for level in levels}, {level.location_id for level in levels}
    rows = sql.fetch(_PROMISED, {"parts": sorted(skus), "places": sorted(places)}) if skus else []
    return {(sku, place): units for sku, place, units in rows}


class DisagreementList(PartnerView):
    """GET /inventory/disagreements: figures somebody told us about your locations that are not the ones we hold.

    Yours may be doubted, because it jumped far, and wait for a person at the retailer. Where another system's word sets the level, yours is
    information and compared; where yours does, so is the other's. What was right already is not listed.
    """

    scopes = {"GET": "inventory:read"}
    titles = {"GET": "See what differs"}
    outlines = {"GET": (200, DisagreementPage)}
    queries = (
        OF_SKU,
        OF_LOCATION,
        Query("kind", "What is wrong with the figure.", choices=DISAGREEMENTS),
        AFTER,
        LIMIT,
    )

    def get(self, request: Request) -> Response:
        after, limit = self.page(request)
        mine = self.partner(request).system_id
        held = StockLevel.objects.filter(sku=OuterRef("sku"), location=OuterRef("source__location")).values("on_hand")
        found = (
            StockCount.objects.filter(accepted=False, source__location__executor_id=mine, id__gt=after)
            .annotate(
                held=Subquery(held[:1]),
                kind=Case(When(doubt="", then=Value("differs")), default=Value("doubted")),
                told_by=Case(When(source__system_id=mine, then=Value("you")), default=Value("another")),
            )
            .filter(Q(kind="doubted") | ~Q(on_hand=F("held")), held__isnull=False)
        )
        found = narrowed(request, found, sku="sku__code", location="source__location__code", kind="kind")
        rows = list(found.select_related("sku", "source__location").order_by("id")[: limit + 1])
        return page_of(rows, limit, DisagreementOutline)


class SkuList(PartnerView):
    """GET /skus: the SKUs you may be asked for: those that are shipped from one of your locations.

    A SKU is known by its code, everywhere: in requests, in what you report of stock, receipts and returns.
    """

    scopes = {"GET": "inventory:read"}
    titles = {"GET": "List SKUs"}
    outlines = {"GET": (200, SkuPage)}
    queries = (OF_SKU, AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        after, limit = self.page(request)
        here = {"sku": OuterRef("pk"), "location__executor_id": self.partner(request).system_id}
        assigned = Exists(Sourcing.objects.filter(**here)) | Exists(Eligibility.objects.filter(**here))
        found = narrowed(request, Sku.objects.filter(assigned, id__gt=after), sku="code").order_by("id")
        parts = Prefetch("components", KitComponent.objects.select_related("component").order_by("component__code"))
        return page_of(list(found.prefetch_related(parts)[: limit + 1]), limit, SkuOutline)


class SnapshotView(PartnerView):
    """Base: the snapshots the caller sent, with the parts that are awaited."""

    scopes = {"GET": "inventory:read"}

    def snapshots(self, request: Request) -> QuerySet[StockSnapshot]:
        parts = Prefetch("gathered", SnapshotPart.objects.only("snapshot_id", "part").order_by("part"))
        found = StockSnapshot.objects.filter(source__system_id=self.partner(request).system_id)
        return narrowed(request, found, location="source__location__code").select_related(
            "source__location"
        ).prefetch_related(parts)  # fmt: skip

    def told(self, rows: Iterable[StockSnapshot]) -> None:
        """Say where they stand, in a partner's words."""
        for row in rows:
            got = {part.part for part in row.gathered.all()}
            is_open = row.state == StockSnapshot.State.OPEN
            row.missing = [n for n in range(1, (row.parts or 0) + 1) if n not in got] if is_open else []
            row.state = "gathering" if is_open else row.state


class SnapshotList(SnapshotView):
    """GET /inventory/snapshots: whole counts you sent, the newest first."""

    titles = {"GET": "List snapshots"}
    outlines = {"GET": (200, SnapshotPage)}
    queries = (Query("state", "How far it is.", choices=SNAPSHOT_STATES), OF_LOCATION, AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        after, limit = self.page(request)
        found = self.snapshots(request)
        if state := request.query_params.get("state"):
            found = found.filter(state="open" if state == "gathering" else state)
        rows = list((found.filter(id__lt=after) if after else found).order_by("-id")[: limit + 1])
        self.told(rows)
        return page_of(rows, limit, SnapshotOutline)


class SnapshotOne(SnapshotView):
    """GET /inventory/snapshots/{run}: how far one whole count is, and which parts are awaited.

    What you said a moment ago may not be in it yet. Where you named counts of several locations alike, name the location too: else it is
    the newest.
    """

    titles = {"GET": "See how far a snapshot is"}
    outlines = {"GET": (200, SnapshotOutline)}
    queries = (OF_LOCATION,)

    def get(self, request: Request, run: str) -> Response:
        rows = list(self.snapshots(request).filter(run=text("run", run, LONGEST_RUN)).order_by("-id")[:1])
        if not rows:
            raise Http404
        self.told(rows)
        return Response(SnapshotOutline(rows[0]).data)
