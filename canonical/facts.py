"""What systems told us, in the past tense. Facts carry the source's references, never our ids, and state their merge law.

Merge laws (docs/architecture.md, promise 3):
  latest    the greatest (version, read_at) wins; an equal version with other content that was only pushed asks for a Refresh
  set       union by the source's id
  count     per thing and location the latest by `occurred_at`; at one instant a count includes what moved then
  decision  what we decided or were answered, in the order of `occurred_at`
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

from canonical.types import (
    Address,
    Arrived,
    Backorders,
    Bucket,
    ChangeKind,
    Charge,
    Counted,
    Coupon,
    Entity,
    Line,
    Listed,
    Meta,
    MovementKind,
    Parcel,
    PaymentStatement,
    RefundedLine,
    RefundMention,
    ReturnedItem,
    ReturnStage,
    ShopStatus,
    Tender,
    Tracked,
    Units,
    Value,
)

Merge = Literal["latest", "set", "count", "decision"]


class Fact(Value, tag=True):
    """Base of all facts. `occurred_at` is the source's clock in UTC."""

    merge: ClassVar[Merge]
    occurred_at: datetime


class Snapshot(Fact):
    """The whole of one subject as a source holds it.

    `ref` is the source's id. `version` orders snapshots of one subject (0 = the source has none). `read_at` is our clock when we
    asked for it; None when the source pushed it, because a push does not say how old its content is.
    """

    merge: ClassVar[Merge] = "latest"
    ref: str
    version: int
    read_at: datetime | None = None


class OrderStated(Snapshot):
    """An order with all its lines and charges. Σ lines + charges + taxes should equal `total`; record keeps what was stated.

    `total` is the price of everything: a shop that subtracts tenders from it has them added again by the reader. `refunds` are those
    the statement names; one that is known here and not named by a newer statement was deleted.
    """

    number: str
    status: ShopStatus
    status_text: str
    placed_at: datetime
    currency: str  # ISO 4217
    prices_include_tax: bool
    total: Decimal
    total_tax: Decimal
    lines: tuple[Line, ...]
    charges: tuple[Charge, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    customer_ref: str = ""  # empty for a guest
    billing: Address = Address()
    shipping: Address = Address()
    payment: PaymentStatement = PaymentStatement()
    tenders: tuple[Tender, ...] = ()
    refunds: tuple[RefundMention, ...] = ()
    meta: tuple[Meta, ...] = ()
    note: str = ""


class RefundStated(Fact):
    """Money (and perhaps units) of an order given back in the shop. `amount` is positive. Refunds are made and deleted, never edited."""

    merge: ClassVar[Merge] = "set"
    ref: str
    order_ref: str
    amount: Decimal
    reason: str = ""
    lines: tuple[RefundedLine, ...] = ()


class RangeListed(Fact):
    """All subjects a source has between two of its (numeric) ids, both included: what we know there and is not listed is gone, what
    differs is to be read again. Made by sweeps, for what no push and no poll tells."""

    merge: ClassVar[Merge] = "latest"
    entity: Entity
    first: int
    last: int
    listed: tuple[Listed, ...]


class SkuStated(Snapshot):
    """One thing that can be sold and stocked: a simple product, one variation, or an ERP's product variant.

    From a channel it creates the SKU where the code is new; from any other system it links to the SKU of that code and
    creates it where there is none. An empty `sku` or one that another external id of the same system already uses is ambiguous.
    """

    sku: str
    name: str
    product_ref: str = ""
    gtin: str = ""
    requires_shipping: bool = True
    active: bool = True
    category: str = ""  # the first one where a source knows several


class CustomerStated(Snapshot):
    """A registered customer of a channel."""

    email: str
    billing: Address = Address()


class Vanished(Fact):
    """A source says a subject is gone without saying how (trash, deletion). Never applied: it asks for a Refresh."""

    merge: ClassVar[Merge] = "latest"
    entity: Entity
    ref: str


class Gone(Snapshot):
    """A read found that the subject no longer exists at its source."""

    entity: Entity


class RequestAnswered(Fact):
    """A warehouse accepted or rejected a fulfilment request. `request` is our own reference, which the partner repeats."""

    merge: ClassVar[Merge] = "decision"
    request: str
    answer: Literal["accepted", "rejected"]
    reason: str = ""
    partner_ref: str = ""


class ChangeAnswered(Fact):
    """A warehouse accepted or refused a change of a request it was asked for. `number` counts the changes of one request from 1."""

    merge: ClassVar[Merge] = "decision"
    request: str
    number: int
    answer: Literal["accepted", "rejected"]
    reason: str = ""


class ExecutionReported(Fact):
    """How far a warehouse is with a request. `short` names the units it will not ship."""

    merge: ClassVar[Merge] = "decision"
    request: str
    stage: Literal["picking", "picked", "packed", "short"]
    lines: tuple[Units, ...] = ()
    reason: str = ""


class ShipmentStated(Fact):
    """A shipment left the warehouse. `ref` is the partner's shipment id; one fact per shipment, parcels inside."""

    merge: ClassVar[Merge] = "set"
    ref: str
    request: str
    carrier: str = ""
    service: str = ""
    parcels: tuple[Parcel, ...] = ()


class TrackingStated(Fact):
    """Tracking numbers of a shipment's packages, said later than the shipment (`ref`, of `request`) or anew. Of each package the latest
    statement stands, over whatever the shipment said; so it does of the carrier with its service, where a statement names one."""

    merge: ClassVar[Merge] = "latest"
    ref: str
    request: str
    packages: tuple[Tracked, ...]
    carrier: str = ""
    service: str = ""


class CountsStated(Fact):
    """Figures of many things at one location, as they were at `occurred_at`. `location` is the source's own reference of it.

    With a `run` they are one part of a snapshot (parts count from 1) and become true with it, once CountsCompleted says it is whole.
    """

    merge: ClassVar[Merge] = "count"
    location: str
    rows: tuple[Counted, ...]
    run: str = ""
    part: int = 0


class CountsCompleted(Fact):
    """A snapshot is whole: so many parts with so many rows. `full`: what it does not list is not there (0); else it says nothing of it."""

    merge: ClassVar[Merge] = "count"
    location: str
    run: str
    parts: int
    rows: int
    full: bool = True


class StockMoved(Fact):
    """Units came to or left a location (`units` signed), for a reason other than our own orders. `ref`: the source's id of it."""

    merge: ClassVar[Merge] = "set"
    ref: str
    location: str
    units: int
    kind: MovementKind
    item: str = ""  # the source's id of the thing
    sku: str = ""
    bucket: Bucket = "on_hand"
    reason: str = ""
    document: str = ""  # e.g. the number of the delivery that was received


class GoodsReceived(Fact):
    """Goods of an inbound shipment (`inbound`, our reference of it) arrived. `ref` is the warehouse's own name of the receipt."""

    merge: ClassVar[Merge] = "set"
    ref: str
    inbound: str
    lines: tuple[Arrived, ...]


class ReturnArrived(Fact):
    """A parcel that came back and nobody announced, by the warehouse's own name of it (`ref`); it was received with that. `location` is our
    code of where it is."""

    merge: ClassVar[Merge] = "set"
    ref: str
    location: str
    lines: tuple[ReturnedItem, ...]
    order_reference: str = ""
    tracking: str = ""


class ReturnReported(Fact):
    """What a warehouse received or found of a return (`returned`, our reference of it), by its own name of the report."""

    merge: ClassVar[Merge] = "set"
    ref: str
    returned: str
    stage: ReturnStage
    lines: tuple[ReturnedItem, ...]


class ListingStated(Snapshot):
    """What a shop shows of its own stock for one thing it sells. `ref` is the id its order lines and SkuStated name.

    `holder` is the shop's address of what holds the stock: "12", of a variation "10:12" (parent first); several variations that share
    their parent's stock name the parent. `shop_since` and `shop_at` are the shop's clock when it was asked and when it answered: sales
    before are in the figure, later ones are not, and of those between nobody knows.
    """

    holder: str
    managed: bool
    quantity: int = 0
    backorders: Backorders = "no"
    in_stock: bool = True
    shop_since: datetime | None = None
    shop_at: datetime | None = None


class Posted(Fact):
    """A target confirmed a command of ours: the receipt as a fact. The only fact from outside that carries our own ids,
    because it answers our own command. `kind` × subject is the purpose; `amount` is the total the target computed."""

    merge: ClassVar[Merge] = "decision"
    kind: str
    subject_kind: str
    subject_id: int
    order_id: int | None
    state: str
    external_id: str = ""
    amount: Decimal | None = None
    links: tuple[tuple[Entity, int, str], ...] = ()  # (entity, our id, external id)


# ---- our own decisions ------------------------------------------------------------------------------------------------------
class Decision(Fact):
    """What a flow or a person decided. Carries our ids: it never comes from outside."""

    merge: ClassVar[Merge] = "decision"
    order_id: int


class CustomersMerged(Fact):
    """A person (`by`) saw that two customers are one: what belonged to `merged_id` is `kept_id`'s from now on. Never taken back."""

    merge: ClassVar[Merge] = "decision"
    kept_id: int
    merged_id: int
    by: str


class InboundAnnounced(Fact):
    """Goods are expected at a location: the whole of what is, as (our SKU id, units). The latest statement stands."""

    merge: ClassVar[Merge] = "decision"
    reference: str
    location_id: int
    lines: tuple[tuple[int, int], ...]
    supplier: str = ""
    expected_at: datetime | None = None
    cancelled: bool = False


class ReturnAnnounced(Fact):
    """Goods are to come back to a location: the whole of what is, as (our SKU id, units). The latest statement stands."""

    merge: ClassVar[Merge] = "decision"
    reference: str
    location_id: int
    lines: tuple[tuple[int, int], ...]
    order_reference: str = ""
    tracking: str = ""
    expected_at: datetime | None = None
    cancelled: bool = False


class HoldPlaced(Decision):
    """The order (or one line) may not go on. At most one open hold per order, line and reason."""

    reason: str
    words: str
    detail: str = ""
    line_id: int | None = None
    by: str = ""  # a person's name, or empty when a check placed it
    blocks: bool = True  # keeps the order where it is; one that does not only tells
    quiet: bool = False  # nobody has to act


class HoldLifted(Decision):
    """The hold's cause went away (`by` empty), or a person overruled it."""

    hold_id: int
    by: str = ""


class OrderReleased(Decision):
    """The order may be fulfilled. Said once."""


class RequestRaised(Decision):
    """Ask a location to ship these units. `lines` are (our line id, units)."""

    reference: str
    location_id: int
    system_id: int
    lines: tuple[tuple[int, int], ...]
    purpose: str = "original"
    attempt: int = 1
    ship_to_id: int | None = None


class BookingRaised(Decision):
    """Book the order in an ERP as one sales order there. A later attempt replaces one that was cancelled."""

    system_id: int
    attempt: int
    reference: str  # business reference of the document


class ChangeRaised(Decision):
    """Ask a warehouse to change a request it knows. `lines` are (our line id, units) as they should be; empty where units stay."""

    request_id: int
    number: int
    kind: ChangeKind
    lines: tuple[tuple[int, int], ...] = ()
    ship_to_id: int | None = None


class UnitsAbandoned(Decision):
    """These units will not be shipped: by the shop's policy for shortages, or by a person (`by`)."""

    line_id: int
    units: int
    why: str
    by: str = ""


class AlarmSet(Decision):
    """Look at the order again at this moment; None: no more."""

    at: datetime | None


class AddressChanged(Decision):
    """A person (`by`) has the order sent to this address instead of the one its shop states. Stands until the shop states another than
    `instead_of_id`, which it stated when this was decided."""

    address: Address
    instead_of_id: int
    by: str


class SkuKnown(Decision):
    """A person said which SKU a shop's text (whatever its case) stands for: lines of the order that lack an SKU and say so get it."""

    text: str
    sku_id: int


class StatusKnown(Decision):
    """A shop status that was unknown was mapped by a person."""

    status: ShopStatus
