"""Why a figure is what it is, and was at any past instant: what may be sold of a SKU in a shop, and whether an order should have been.

Reads only, and only what the ledger says was known at that instant. The words people read are made elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from canonical import past, sql
from canonical.judging import sold_rightly as sold_rightly
from canonical.past import Open, Version

FIELDS = ("safety_units", "safety_percent", "threshold", "cap", "pool", "backorders", "backorder_limit")  # of a rule
ROWS = 5  # ledger rows of one level that are told
DRAWN = 500  # points of a curve


# ---- what is told -----------------------------------------------------------------------------------------------------------
class Ruled(msgspec.Struct, frozen=True):
    """The rule that decided a field: what it said, and since when (as it was last edited, or began to be valid)."""

    field: str
    rule: int
    value: int | str
    since: datetime
    note: str


class Level(msgspec.Struct, frozen=True):
    """What was known to lie at a location of one SKU. `counted`: what the count it rests on said, when, and by whom; `moved`: what came
    and left since; `rows`: its latest entries, the newest first."""

    id: int
    on_hand: int
    counted: int | None
    counted_at: datetime | None
    counted_by: str
    doubted: int | None
    moved: int
    rows: list[Version]


class Place(msgspec.Struct, frozen=True):
    """The terms of one location and one SKU (a part, where it is a kit; `per` of it make one). free = on hand (of a doubted count and the
    one before, the lower) − damaged − quality hold − foreign − own; gives = max(0, free − safety); owes = max(0, −free). Figures are
    empty where nobody ever counted it there."""

    location: int
    code: str
    name: str
    sku: int
    sku_code: str
    per: int
    on_hand: int | None
    damaged: int | None
    quality_hold: int | None
    foreign: int | None
    own: int | None
    free: int | None
    safety: int
    gives: int
    owes: int
    stale: bool
    level: Level | None
    rules: list[Ruled]
    orders: list[Open]


class Shown(msgspec.Struct, frozen=True):
    """What the shop shows: `expected` is what it should show by now (what we read or wrote last, less its own sales since; empty: not
    known for sure), `quantity` what it said last, `target` what it is to show, `written` what we wrote last."""

    listing: int
    external_id: str
    target: int | None
    expected: int | None
    quantity: int | None
    managed: bool
    backorders: str
    gone: bool
    read_at: datetime | None
    written: int | None
    written_at: datetime | None
    rows: list[Version]

    @property
    def figure(self) -> int | None:
        """What it shows, as far as we know."""
        return self.quantity if self.expected is None else self.expected


class Why(msgspec.Struct, frozen=True):
    """What may be sold of a SKU in a shop (`sellable`; empty: nobody ever counted it), and the terms it followed from:

    network  = Σ gives − Σ owes − unrouted − pools; of a kit, whole kits
    sellable = min(network − threshold, cap, pool_left), never below 0 unless backorders are allowed (`published`)

    `at` is the instant asked about, empty for now; `since` when the figure was reckoned. `pending`: something was recorded that is not
    reckoned in yet. `orders` are open orders no location was asked for yet.
    """

    channel: int
    channel_slug: str
    channel_name: str
    sku: int
    sku_code: str
    sku_name: str
    at: datetime | None
    since: datetime | None
    sellable: int | None
    pending: bool
    kit: bool
    network: int | None
    unrouted: int
    pools: int
    threshold: int
    cap: int | None
    pool: int | None
    pool_left: int | None
    backorders: str
    backorder_limit: int | None
    published: str
    places: list[Place]
    orders: list[Open]
    rules: list[Ruled]
    shown: Shown | None
    entry: int | None


class Point(msgspec.Struct, frozen=True):
    """A figure (empty: not known) and from when on it held."""

    at: datetime
    units: int | None


class Curves(msgspec.Struct, frozen=True):
    """What might be sold and what the shop showed, from one instant to another."""

    since: datetime
    until: datetime
    sellable: list[Point]
    shown: list[Point]


# ---- why --------------------------------------------------------------------------------------------------------------------
class _Offer(NamedTuple):
    """An offer as its row says."""

    id: int
    listing: int | None
    channel: int
    slug: str
    shop: str
    sku: int
    code: str
    name: str
    category: str


_OFFER = """SELECT o.id, o.listing_id, s.id, s.slug, s.name, k.id, k.code, k.name, k.category FROM canonical_offer o
  JOIN canonical_system s ON s.id = o.channel_id JOIN canonical_sku k ON k.id = o.sku_id WHERE s.slug = %s AND k.code = %s"""


def why(channel: str, sku: str, at: datetime | None = None) -> Why | None:
    """Why so many of this SKU (by code) may be sold in this shop (by slug), or could be at a past instant as we knew it then. None: the
    shop does not offer it."""
    row = next(iter(sql.fetch(_OFFER, (channel, sku))), None)
    if row is None:
        return None
    offer = _Offer(*row)
    then = at or datetime.now(UTC)
    version = past.as_of("offer", [offer.id], then).get(offer.id)
    terms: dict[str, Any] = (version.state["terms"] if version else None) or {}
    rules = _rules(terms, version.recorded_at if version else then)
    given = terms.get("places") or []
    parts = sorted({offer.sku, *(place["sku"] for place in given)})
    orders = past.demand(parts, then) if version else []
    return Why(
        channel=offer.channel, channel_slug=offer.slug, channel_name=offer.shop, sku=offer.sku, sku_code=offer.code,
        sku_name=offer.name, at=at, since=version.recorded_at if version else None,
        sellable=version.state["sellable"] if version else None, pending=at is None and _pending(parts),
        kit=bool(terms.get("kit")), network=terms.get("network"), unrouted=terms.get("unrouted") or 0, pools=terms.get("pools") or 0,
        threshold=terms.get("threshold") or 0, cap=terms.get("cap"), pool=terms.get("pool"), pool_left=terms.get("pool_left"),
        backorders=terms.get("backorders") or "no", backorder_limit=terms.get("backorder_limit"),
        published=terms.get("published") or "no", places=_places(given, rules, orders, then),
        orders=[order for order in orders if order.location is None], rules=_ruled(terms.get("rules"), rules),
        shown=_shown(offer.listing, then), entry=version.id if version else None,
    )  # fmt: skip


def _pending(skus: Sequence[int]) -> bool:
    rows = sql.fetch("SELECT 1 FROM canonical_stocktouch WHERE sku_id IS NULL OR sku_id = ANY(%s) LIMIT 1", (skus,))
    return bool(rows)


def _places(
    given: Sequence[Mapping[str, Any]], rules: Mapping[int, "_Rule"], orders: Sequence[Open], at: datetime
) -> list[Place]:
    levels = _levels([place["level"] for place in given if place["level"]], at)
    names = {id: (code, name) for id, code, name in sql.fetch(_LOCATIONS, ([place["location"] for place in given],))}
    codes = dict(
        sql.fetch("SELECT id, code FROM canonical_sku WHERE id = ANY(%s)", ([place["sku"] for place in given],))
    )
    return [
        Place(
            location=x["location"], code=names[x["location"]][0], name=names[x["location"]][1], sku=x["sku"], sku_code=codes[x["sku"]],
            per=x["per"], on_hand=x["on_hand"], damaged=x["damaged"], quality_hold=x["quality_hold"], foreign=x["foreign"],
            own=x["own"], free=x["free"], safety=x["safety"] or 0, gives=x["gives"] or 0, owes=max(0, -(x["free"] or 0)),
            stale=bool(x["stale"]), level=levels.get(x["level"]),
            rules=_ruled(x.get("rules"), rules),
            orders=[o for o in orders if (o.location, o.sku) == (x["location"], x["sku"])],
        )
        for x in given
    ]  # fmt: skip


_LOCATIONS = "SELECT id, code, name FROM canonical_location WHERE id = ANY(%s)"


def _levels(ids: Iterable[int], at: datetime) -> dict[int, Level]:
    known = past.as_of("stock_level", ids, at)
    rows = past.before("stock_level", known.values(), ROWS)
    query = "SELECT id, ledger_version, counted_at FROM canonical_stocklevel WHERE id = ANY(%s)"
    last = {id: counted for id, newest, counted in sql.fetch(query, (sorted(known),)) if newest == known[id].version}
    by = sorted({v.state["counted_by_id"] for v in known.values() if v.state["counted_by_id"]})
    sources = dict(
        sql.fetch(
            "SELECT t.id, s.name FROM canonical_stocksource t JOIN canonical_system s ON s.id = t.system_id WHERE t.id = ANY(%s)",
            (by,),
        )
    )
    return {id: _level(version, rows[id], sources, last.get(id), at) for id, version in known.items()}


def _level(
    version: Version, rows: list[Version], sources: Mapping[int, str], last: datetime | None, at: datetime
) -> Level:
    state = version.state
    told = next((row.occurred_at for row in rows if row.event == "counted"), None)
    return Level(
        id=version.subject, on_hand=state["on_hand"], counted=state["counted"], counted_at=_then(last, at) or told,
        counted_by=sources.get(state["counted_by_id"], ""), doubted=state["doubted"],
        moved=state["on_hand"] - (state["counted"] or 0), rows=rows,
    )  # fmt: skip


def _then(last: datetime | None, at: datetime) -> datetime | None:
    """When something happened last, where that was by the instant asked about. Entries tell of changed figures only: what repeated the
    figures of the newest one left but its time, on the row."""
    return last if last is not None and last <= at else None


def _shown(listing: int | None, at: datetime) -> Shown | None:
    version = past.as_of("listing", [listing], at).get(listing) if listing else None
    if version is None:
        return None
    state, rows = version.state, past.before("listing", [version], ROWS)[version.subject]
    query = "SELECT ledger_version, read_at, told, told_at FROM canonical_listing WHERE id = %s"
    ((newest, read, told, told_at),) = sql.fetch(query, (listing,))
    if newest != version.version:
        read = told_at = None
    return Shown(
        listing=version.subject, external_id=state["external_id"], target=state["target"], expected=state["expected"],
        quantity=state["quantity"], managed=state["managed"], backorders=state["backorders"], gone=state["gone_at"] is not None,
        read_at=_then(read, at) or next((row.recorded_at for row in rows if row.event == "read"), None),
        written=told if _then(told_at, at) else state["confirmed"], written_at=_then(told_at, at), rows=rows,
    )  # fmt: skip


# ---- which rule decided -----------------------------------------------------------------------------------------------------
class _Rule(NamedTuple):
    """A rule as staff had saved it by an instant."""

    id: int
    values: dict[str, Any]
    since: datetime
    note: str


_RULES = f"""SELECT DISTINCT ON (h.id) h.id, jsonb_build_object({", ".join(f"'{field}', h.{field}" for field in FIELDS)}),
    greatest(h.history_date, h.valid_from), h.note
  FROM canonical_historicalavailabilityrule h WHERE h.id = ANY(%s) AND h.history_date <= %s AND h.history_type <> '-'
  ORDER BY h.id, h.history_date DESC, h.history_id DESC"""


def _rules(terms: Mapping[str, Any], at: datetime) -> dict[int, _Rule]:
    """The rules that decided anything, by id."""
    deciding = [terms.get("rules") or {}, *(place.get("rules") or {} for place in terms.get("places") or ())]
    ids = sorted({id for fields in deciding for id in fields.values()})
    rows = sql.fetch(_RULES, (ids, at)) if ids else []
    return {id: _Rule(id, msgspec.json.decode(values), since, note) for id, values, since, note in rows}


def _ruled(fields: Mapping[str, int] | None, rules: Mapping[int, _Rule]) -> list[Ruled]:
    """Which rule decided which field, in the order of FIELDS."""
    known = {field: rules[id] for field, id in (fields or {}).items() if id in rules}
    return [Ruled(f, known[f].id, known[f].values[f], known[f].since, known[f].note) for f in FIELDS if f in known]


# ---- curves -----------------------------------------------------------------------------------------------------------------
def curves(channel: str, sku: str, since: datetime, until: datetime) -> Curves | None:
    """How the figure and what the shop showed changed between two instants, as we knew them. None: the shop does not offer it."""
    row = next(iter(sql.fetch(_OFFER, (channel, sku))), None)
    if row is None:
        return None
    offer = _Offer(*row)
    sold = past.between("offer", offer.id, since, until, DRAWN)
    shown = past.between("listing", offer.listing, since, until, DRAWN) if offer.listing else []
    return Curves(since, until, _points(sold, since, _sellable), _points(shown, since, _figure))


def _sellable(state: Mapping[str, Any]) -> int | None:
    return _number(state["sellable"])


def _figure(state: Mapping[str, Any]) -> int | None:
    """What a shop showed: what it should show by then where that was known for sure, else what it said last."""
    return (
        None if state["gone_at"] else _number(state["expected"] if state["expected"] is not None else state["quantity"])
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _points(versions: Sequence[Version], since: datetime, figure: Any) -> list[Point]:
    """Only where the figure changed."""
    found: list[Point] = []
    for version in versions:
        units = figure(version.state)
        if not found or found[-1].units != units:
            found.append(Point(max(since, version.recorded_at), units))
    return found
