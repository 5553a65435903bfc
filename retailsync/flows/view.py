"""Orders as flows see them: everything a plan needs to know of one order. Pure; gathering.py fills it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from canonical.ledger import Cause
from canonical.mappings import Limits, Tables, Unmapped
from canonical.rules.orders import Stance, stance
from canonical.rules.routing import Calendar, Shelves, Split
from canonical.types import Address, ChangeKind, Parcel, Tax, Units


class Place(NamedTuple):
    """A location that may ship, and who is asked to."""

    id: int
    code: str
    system_id: int


class SourceView(NamedTuple):
    """One step of a line's list: a location that may ship it."""

    place: Place
    rank: int
    calendar: Calendar


class LineView(NamedTuple):
    """One order line."""

    id: int
    external_id: str
    sku_id: int | None
    sku: str
    name: str
    ships: bool
    ordered: int
    cancelled: int
    routed: int
    shipped: int
    refunded: int
    abandoned: int  # given up, and not given back yet
    abandoned_for: dict[str, int]  # why → units, of all that was given up
    given_back: tuple[Decimal, Decimal]  # net and tax of refunds that name units
    subtotal: Decimal
    total: Decimal
    taxes: tuple[Tax, ...]
    sources: Sequence[SourceView]


class ChargeView(NamedTuple):
    """One charge."""

    id: int
    external_id: str
    kind: str
    code: str
    title: str
    total: Decimal
    taxes: tuple[Tax, ...]


class HoldView(NamedTuple):
    """One hold, open or lifted. `by`: the person who placed the open one, or lifted the other; empty where a check did."""

    id: int
    line_id: int | None
    reason: str
    detail: str
    open: bool
    by: str
    blocks: bool
    words: str


class ChangeView(NamedTuple):
    """One change asked of a warehouse about a request; `lines` is line id → units as they should be. `withdrawn`: a cancellation that was
    refused, after which the shop wanted the order again."""

    id: int
    number: int
    kind: ChangeKind
    answer: str
    reason: str
    lines: dict[int, int]
    ship_to_id: int | None
    asked_at: datetime
    withdrawn: bool = False


class RequestView(NamedTuple):
    """One fulfilment request; `units`, `short` and `shipped` per line id; its changes in order."""

    id: int
    reference: str
    place: Place
    answer: str
    execution: str
    reason: str
    short_reason: str
    requested_at: datetime
    purpose: str
    attempt: int
    held: bool
    ship_to_id: int | None
    changes: tuple[ChangeView, ...]
    units: dict[int, int]
    short: dict[int, int]
    shipped: dict[int, int]

    @property
    def asked(self) -> ChangeView | None:
        """The change nobody has answered yet."""
        return next((c for c in self.changes if c.answer == "asked"), None)

    def left(self, line: int) -> int:
        """Units of a line the warehouse is still expected to ship."""
        return max(0, self.units.get(line, 0) - self.short.get(line, 0) - self.shipped.get(line, 0))


class BookingView(NamedTuple):
    """One sales order in an ERP."""

    id: int
    system_id: int
    attempt: int
    reference: str
    ended: bool


class Policy(NamedTuple):
    """What people chose for a shop (canonical ShopPolicy); the defaults where they chose nothing."""

    on_short: str = "ask"
    on_amendment_refused: str = "recreate"
    erp_acceptance: str = "no"
    erp_minutes: int = 30
    guests: str = "per_email"
    split: Split = "lines"
    tolerance: Decimal = Decimal(0)


class ShipmentView(NamedTuple):
    """One shipment; `units` per line id over all parcels."""

    id: int
    external_id: str
    location_id: int
    request_id: int
    carrier: str
    shipped_at: datetime
    revision: int  # how often its tracking was said anew
    tracked_at: datetime | None  # when it was last
    parcels: tuple[Parcel, ...]
    units: dict[int, int]
    unknown: tuple[Units, ...]


class RefundView(NamedTuple):
    """Money given back in the shop, and units per line id."""

    at: datetime
    units: dict[int, int]


class PostingView(NamedTuple):
    """What a system confirmed it holds."""

    state: str
    amount: Decimal | None
    at: datetime


class Config(NamedTuple):
    """What people set up that orders of a batch share: mapping tables and policy per shop, and what each system cannot take."""

    tables: dict[int, Tables]
    policies: dict[int, Policy]
    limits: dict[int, tuple[str, Limits]]  # system id → its name and limits


@dataclass(slots=True)
class OrderView:
    """One order with everything a plan may ask about it. `planned` holds the purposes already put out for it, with their states."""

    id: int
    cause: Cause
    channel_id: int
    erp_id: int | None
    external_id: str
    number: str
    reference: str
    shop_status: str
    shop_status_text: str
    placed_at: datetime
    released_at: datetime | None
    restated_at: datetime | None
    look_at: datetime | None
    gone: bool
    currency: str
    prices_include_tax: bool
    total: Decimal
    payment_method: str
    payment_title: str
    captured: Decimal | None  # None: nothing was captured
    captured_at: datetime | None
    authorised: Decimal | None
    authorised_at: datetime | None
    tenders: Decimal  # gift cards and store credit
    refunds: Sequence[RefundView]  # by time; only of orders about which something new was said
    meta: dict[str, str]
    customer_id: int
    registered: bool
    customer_vat: str
    customer_terms: str
    billing_id: int
    billing: Address
    shipping_id: int
    shipping: Address
    note: str
    email: str
    tables: Tables
    policy: Policy
    limits: dict[int, tuple[str, Limits]]
    lines: list[LineView] = field(default_factory=list)
    charges: list[ChargeView] = field(default_factory=list)
    holds: list[HoldView] = field(default_factory=list)
    requests: list[RequestView] = field(default_factory=list)
    shipments: list[ShipmentView] = field(default_factory=list)
    bookings: list[BookingView] = field(default_factory=list)
    postings: dict[tuple[int, str, int], PostingView] = field(default_factory=dict)  # (system, kind, subject id)
    planned: dict[tuple[int, str], str] = field(default_factory=dict)  # (system, purpose) → state
    told: dict[tuple[int, str], Any] = field(
        default_factory=dict
    )  # (system, purpose) → content that left; only of orders about which something new was said
    shelves: Shelves = field(default_factory=Shelves)  # what is free of it where; one for all orders of a batch
    parts: dict[int, dict[int, int]] = field(
        default_factory=dict
    )  # line → SKU → units of it in one, of what is counted
    backordered: set[int] = field(default_factory=set)  # lines the shop may sell without having them

    @property
    def stance(self) -> Stance:
        """What the shop wants of it now. Where reserved money is enough, its shop keeps an order on hold until it is captured; and a
        person who sends an unpaid order all the same means it."""
        known = stance(self.shop_status, self.gone, self.released_at is not None)
        return (
            "go"
            if known == "pause" and self.shop_status == "on_hold" and (self._reserved() or self._let_go())
            else known
        )

    def _let_go(self) -> bool:
        return any(not h.open and h.by and h.reason in ("payment", "payment_ended") for h in self.holds)

    def _reserved(self) -> bool:
        if self.authorised is None or self.captured is not None:
            return False
        try:
            return self.tables.payment(self.payment_method).release == "authorised"
        except Unmapped:
            return False

    @property
    def booking(self) -> BookingView | None:
        """The sales order in the ERP that is not ended."""
        for booking in self.bookings:  # asked dozens of times a plan: no generator for it
            if not booking.ended and booking.system_id == self.erp_id:
                return booking
        return None

    def posting(self, system_id: int | None, kind: str, subject_id: int) -> PostingView | None:
        """What a system confirmed it holds of one subject, if anything."""
        return self.postings.get((system_id or 0, kind, subject_id))

    def booked(self, kind: str) -> PostingView | None:
        """What the ERP confirmed of the live booking."""
        return self.posting(self.erp_id, kind, self.booking.id) if self.booking else None
