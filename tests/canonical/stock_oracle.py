"""What stock should be, in plain Python: the fold of facts, and the formula over rows as they are. Shares no SQL with the product."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from canonical.facts import CountsCompleted, CountsStated, Fact, Posted, RequestAnswered, ShipmentStated, StockMoved
from canonical.models import (
    AvailabilityRule,
    FulfilmentRequest,
    KitComponent,
    LineComponent,
    Offer,
    OrderLine,
    Posting,
    RequestLine,
    ShopPolicy,
    Sku,
    Sourcing,
    StockLevel,
    StockMovement,
    StockSource,
)
from tests.facts import NOON

SOLD = ("on_hold", "processing", "completed")
NEVER = datetime.max.replace(tzinfo=NOON.tzinfo)
Place = tuple[str, str]  # SKU and location


class Level(NamedTuple):
    """What lies somewhere of something."""

    on_hand: int = 0
    allocated: int = 0
    damaged: int = 0
    quality_hold: int = 0
    counted: int | None = None
    counted_at: datetime | None = None


# ---- levels: from the facts themselves --------------------------------------------------------------------------------------
def fold(told: Sequence[tuple[str, Fact]], figure: str, issued: int | None) -> dict[Place, Level]:
    """Level = the latest count of the location's authority + what moved later. W1 counts for itself with this kind of `figure`, the ERP
    counts W2, whose warehouse moves; the ERP booked W2's shipments out at second `issued`."""
    authority = {("W1", "W1"), ("erp", "W2")}
    counts = _counts([(who, fact) for who, fact in told if (who, getattr(fact, "location", "")) in authority])
    moves: dict[Place, list[tuple[datetime, str, int]]] = defaultdict(list)
    places = set(counts)
    for who, fact in told:
        if isinstance(fact, StockMoved):
            places.add((fact.sku, fact.location))
            if who == "W2":
                moves[fact.sku, "W2"].append((fact.occurred_at, fact.bucket, fact.units))
        elif isinstance(fact, ShipmentStated):
            since = _counted_since(told, who, fact, figure, issued)
            for code, units in _shipped(fact).items():
                places.add((code, who))
                moves[code, who].append((since, "on_hand", -units))
    return {place: _level(counts.get(place), moves[place]) for place in places}


def _counts(said: Sequence[tuple[str, Fact]]) -> dict[Place, Level]:
    """The latest count of each place; at one instant the lower one. What a full snapshot does not list is not there, where it was ever
    counted at all."""
    rows = [
        (fact.location, fact.occurred_at, row)
        for _, fact in said
        if isinstance(fact, CountsStated)
        for row in fact.rows
    ]
    best: dict[Place, Level] = {}
    found = [
        ((row.sku, place), Level(row.on_hand, row.allocated, row.damaged, row.quality_hold, row.on_hand, at))
        for place, at, row in rows
    ]
    for whole in (fact for _, fact in said if isinstance(fact, CountsCompleted) and fact.full):
        listed = {
            row.sku
            for _, f in said
            if isinstance(f, CountsStated) and (f.location, f.run) == (whole.location, whole.run)
            for row in f.rows
        }
        missing = {row.sku for place, _, row in rows if place == whole.location} - listed
        found += [((code, whole.location), Level(counted=0, counted_at=whole.occurred_at)) for code in missing]
    for place, level in found:
        if place not in best or _rank(level) > _rank(best[place]):
            best[place] = level
    return best


def _rank(level: Level) -> tuple[Any, ...]:
    return level.counted_at, -level.on_hand, level.allocated, level.damaged, level.quality_hold


def _shipped(fact: ShipmentStated) -> Counter[str]:
    """Units of each SKU that left: a kit as what it is made of."""
    left: Counter[str] = Counter()
    for units in (x for parcel in fact.parcels for x in parcel.lines):
        code = OrderLine.objects.get(pk=int(units.line)).sku_text
        left.update({"JAR": units.units, "MUG": 2 * units.units} if code == "PEN" else {code: units.units})
    return left


def _counted_since(
    told: Sequence[tuple[str, Fact]], who: str, fact: ShipmentStated, figure: str, issued: int | None
) -> datetime:
    """From when on a count of the location's authority contains the shipment."""
    if who == "W2":
        return NEVER if issued is None else NOON + timedelta(seconds=issued)
    answers = [f for _, f in told if isinstance(f, RequestAnswered) and f.request == fact.request]
    last = max(answers, key=lambda f: (f.occurred_at, f.answer), default=None)
    request = FulfilmentRequest.objects.get(reference=fact.request)
    sent = [f.occurred_at for _, f in told if isinstance(f, Posted) and f.subject_id == request.pk]
    if figure == "net_allocated" and last and last.answer == "accepted":
        return last.occurred_at
    return sent[0] if figure == "net_orders" and sent else fact.occurred_at


def _level(count: Level | None, moves: Sequence[tuple[datetime, str, int]]) -> Level:
    since = count.counted_at if count and count.counted_at else None
    later: Counter[str] = Counter()
    for at, bucket, units in moves:
        later[bucket] += units if since is None or at > since else 0
    level = count or Level()
    return level._replace(on_hand=level.on_hand + later["on_hand"], damaged=level.damaged + later["damaged"])


# ---- what may be sold: from rows as they are --------------------------------------------------------------------------------
class Demand(NamedTuple):
    """Open units of ours of one SKU; where, and since when the location's authority holds them."""

    channel: int
    sku: int
    place: int | None
    units: int
    since: datetime | None


def sellable() -> dict[tuple[int, str], int | None]:
    """By shop and SKU."""
    demand = list(_demand())
    offers = Offer.objects.select_related("sku")
    return {(o.channel_id, o.sku.code): _sellable(o.channel_id, o.sku, demand) for o in offers}


def _sellable(channel: int, sku: Sku, demand: Sequence[Demand]) -> int | None:
    parts = {k.component: k.units for k in KitComponent.objects.filter(kit=sku)} or {sku: 1}
    places = _eligible(channel)
    free = {(part.pk, place): _free(part.pk, place, demand) for part in parts for place in places}
    if any(all(free[part.pk, place] is None for place in places) for part in parts):
        return None
    gives = {
        key: max(0, (units or 0) - _kept_back(channel, Sku.objects.get(pk=key[0]), key[1], units or 0))
        for key, units in free.items()
    }
    whole = [min(gives[part.pk, place] // per for part, per in parts.items()) for place in places]
    never = ShopPolicy.objects.filter(channel=channel, split="never").exists()
    network = max(whole) if never and sku not in parts else sum(whole)
    network -= max(ceil(_owed(channel, part, free, demand) / per) for part, per in parts.items())
    rule = {
        field: _rule(field, channel, sku, None)
        for field in ("threshold", "cap", "backorder_limit", "pool", "backorders")
    }
    most = [network - (rule["threshold"] or 0)]
    most += [rule["cap"]] if rule["cap"] is not None else []
    most += [_unsold(channel, sku)] if rule["pool"] is not None else []
    limit = rule["backorder_limit"]
    below = rule["backorders"] not in (None, "no") and (limit is None or most[0] > -limit)
    return min(most) if below else max(0, min(most))


def _owed(channel: int, part: Sku, free: dict[tuple[int, int], int | None], demand: Sequence[Demand]) -> int:
    """What takes of a thing wherever it lies: places in debt, what is not routed yet, and what is other shops' alone."""
    debts = sum(max(0, -(units or 0)) for (sku, _), units in free.items() if sku == part.pk)
    unrouted = sum(d.units for d in demand if d.sku == part.pk and d.place is None)
    others = Offer.objects.filter(sku=part).exclude(channel=channel)
    return (
        debts
        + unrouted
        + sum(_unsold(o.channel_id, part) for o in others if _rule("pool", o.channel_id, part, None) is not None)
    )


def _free(sku: int, place: int, demand: Sequence[Demand]) -> int | None:
    level = StockLevel.objects.filter(sku=sku, location=place, counted__isnull=False).first()
    if level is None or level.counted_at is None:
        return None
    source = StockSource.objects.get(pk=level.counted_by_id)
    mine = [d for d in demand if (d.sku, d.place) == (sku, place)]
    held = [d for d in mine if d.since is not None and d.since <= level.counted_at]
    own = sum(d.units for d in mine if source.figure == "gross" or d not in held)
    foreign = 0
    if source.figure == "gross" and level.allocated:
        gone = [m.units for m in StockMovement.objects.filter(sku=sku, location=place, kind="shipment", held_since__lte=level.counted_at)
                if m.counted_since is None or m.counted_since > level.counted_at]  # fmt: skip
        foreign = max(0, level.allocated - sum(d.units for d in held) + sum(gone))
    return level.on_hand - level.quality_hold - level.damaged - foreign - own


def _demand() -> Iterator[Demand]:
    for line in OrderLine.objects.select_related("order").filter(requires_shipping=True):
        open_ = line.ordered - line.cancelled - line.shipped
        if open_ <= 0 or not (line.order.shop_status in SOLD or line.order.released_at or line.reduced):
            continue
        asked = (
            RequestLine.objects.filter(line=line)
            .exclude(request__answer__in=("rejected", "closed"))
            .select_related("request")
        )
        for sku, per in _parts(line):
            routed = [(r.request, max(0, r.units - r.short - r.shipped)) for r in asked]
            for request, units in routed:
                yield Demand(line.order.channel_id, sku, request.location_id, units * per, _held_since(request))
            if rest := max(0, open_ - sum(units for _, units in routed)):
                yield Demand(line.order.channel_id, sku, None, rest * per, None)


def _parts(line: OrderLine) -> list[tuple[int, int]]:
    return list(LineComponent.objects.filter(line=line).values_list("sku_id", "units")) or [(line.sku_id or 0, 1)]


def _held_since(request: FulfilmentRequest) -> datetime | None:
    """Since when the source of the location's figures has the units allocated or promised: never, where another system counts them."""
    source = StockSource.objects.get(location=request.location_id, authority="levels")
    if source.system_id != request.system_id:
        return None
    if source.figure == "net_orders":
        sent = Posting.objects.filter(
            system=request.system_id, kind="fulfilment_request", subject_id=request.pk
        ).first()
        return sent.occurred_at if sent else None
    return request.answered_at if request.answer == "accepted" else None


def _eligible(channel: int) -> list[int]:
    return list(Sourcing.objects.filter(channel=channel).order_by("rank").values_list("location_id", flat=True))


def _kept_back(channel: int, sku: Sku, place: int, free: int) -> int:
    units, percent = (_rule(field, channel, sku, place) or 0 for field in ("safety_units", "safety_percent"))
    return max(units, ceil(percent * max(0, free) / 100))


def _rule(field: str, channel: int, sku: Sku, place: int | None) -> Any:
    """What decides a field: SKU, then location, then shop, then priority, then the older one."""
    fits = [
        r for r in AvailabilityRule.objects.order_by("id")
        if getattr(r, field) not in (None, "") and r.sku_id in (None, sku.pk) and r.channel_id in (None, channel)
        and r.location_id in (None, place)
    ]  # fmt: skip
    fits.sort(key=lambda r: (r.sku_id is None, r.location_id is None, r.channel_id is None, -r.priority, r.pk))
    return getattr(fits[0], field) if fits else None


def _unsold(channel: int, sku: Sku) -> int:
    """What is left of a shop's own pool. Rules of these tests began before anything was sold."""
    lines = OrderLine.objects.filter(sku=sku, order__channel=channel).select_related("order")
    sold = sum(
        x.ordered - x.cancelled for x in lines if x.order.shop_status in SOLD or x.order.released_at or x.reduced
    )
    return max(0, (_rule("pool", channel, sku, None) or 0) - sold)
