"""Frozen values every floor may speak of: money, addresses, lines, packages. Knows no Django, no wire format and no database."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

#: What a shop says of an order, in our words. `unknown` keeps the shop's own word in `status_text`.
ShopStatus = Literal[
    "draft", "pending", "processing", "on_hold", "completed", "cancelled", "refunded", "failed", "trashed", "unknown"
]

#: Entities that may be linked to an external id. One word per entity, everywhere.
Entity = Literal[
    "order", "customer", "address", "product", "sku", "location", "fulfilment_request", "request_change", "booking", "shipment",
    "refund", "posting", "listing", "stock_movement",
]  # fmt: skip

#: What a shop does when something is sold out: refuse, sell and say so, sell without a word.
Backorders = Literal["no", "notify", "yes"]

#: Where units of a location are counted. `on_hand` holds all of them, damaged and held ones among them.
Bucket = Literal["on_hand", "damaged", "quality_hold"]

#: Why units came or went.
MovementKind = Literal["receipt", "adjustment", "return", "transfer", "shipment"]

#: What a warehouse reports of a return; how it found a unit; what becomes of that.
ReturnStage = Literal["received", "inspected"]
Condition = Literal["new", "opened", "damaged", "wrong_item"]
Disposition = Literal["restock", "refurbish", "vendor", "scrap", "missing"]

#: What a warehouse is asked to do with a request it was told of already.
ChangeKind = Literal["amend", "cancel", "hold", "resume"]


class _KeywordOnly(msgspec.StructMeta):
    """msgspec hands `frozen` down to subclasses but not `kw_only`, without which a required field may not follow an optional one."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        return super().__new__(cls, name, bases, namespace, **{"kw_only": True, **options})


class Value(msgspec.Struct, metaclass=_KeywordOnly, frozen=True, omit_defaults=True):
    """Base of every value: immutable, compared by content, encoded without its defaults."""


class Address(Value):
    """A postal address with its contact. Personal data: stored apart from the ledger, erasable."""

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    line1: str = ""
    line2: str = ""
    postcode: str = ""
    city: str = ""
    state: str = ""
    country: str = ""  # ISO 3166-1 alpha-2
    phone: str = ""
    email: str = ""

    @property
    def name(self) -> str:
        """Full personal name, or the company when nobody is named."""
        return " ".join(p for p in (self.first_name, self.last_name) if p) or self.company


class Tax(Value):
    """One tax on one line or charge: the shop's code, its percentage and the amount in the order's currency."""

    code: str
    rate: Decimal
    amount: Decimal
    erp: str = ""  # the ERP's own tax, from a mapping: an id or an exact name


class Line(Value):
    """One order line as the shop states it. `subtotal` is before discount, `total` after; both net of tax, for all units."""

    ref: str
    sku: str
    name: str
    units: int
    subtotal: Decimal
    total: Decimal
    product_ref: str = ""
    variant_ref: str = ""  # the id of what is sold: variation, or the product itself when it has none
    taxes: tuple[Tax, ...] = ()
    reduced: int = 0  # units the shop has taken off its own stock for this line, and not given back

    @property
    def tax(self) -> Decimal:
        """Sum of this line's taxes."""
        return sum((t.amount for t in self.taxes), Decimal(0))


class Charge(Value):
    """Anything on an order that is not goods. `total` is net; a negative fee is a discount the shop chose to show as a fee."""

    ref: str
    kind: Literal["shipping", "fee", "rounding"]
    title: str
    total: Decimal
    code: str = ""  # the shop's method id, e.g. flat_rate
    taxes: tuple[Tax, ...] = ()

    @property
    def tax(self) -> Decimal:
        """Sum of this charge's taxes."""
        return sum((t.amount for t in self.taxes), Decimal(0))


class Coupon(Value):
    """A coupon the shop applied; its effect is already inside the lines' totals."""

    code: str
    discount: Decimal


class PaymentStatement(Value):
    """What the shop says about payment; not proof from a gateway. `paid_at` None means not paid.

    `authorised_at`: the money is reserved and not captured. `captured` is what was captured where that is not the order's total.
    """

    method: str = ""
    title: str = ""
    transaction_id: str = ""
    paid_at: datetime | None = None
    authorised_at: datetime | None = None
    captured: Decimal | None = None


class Tender(Value):
    """Money of another kind that pays a part of the order: a gift card is a tender, not a discount. `ref` tells two of them apart."""

    kind: Literal["gift_card", "store_credit"]
    ref: str
    amount: Decimal


class RefundMention(Value):
    """A refund an order's own statement names: it tells which refunds there are, not what is in them."""

    ref: str
    amount: Decimal


class RefundedLine(Value):
    """Units and money of one order line given back. `total` and `tax` are positive; `units` 0 where only money was given back."""

    line: str  # the order line's ref
    units: int = 0
    total: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)


class Meta(Value):
    """One named text a plugin put on an order. What it means is a mapping of people, never a guess."""

    key: str
    value: str


class Listed(Value):
    """One row of a sweep: just enough of a subject to see that it differs from what we hold."""

    ref: str
    status_text: str = ""
    total: Decimal | None = None


class Units(Value):
    """So many units of one line. A partner names our line id (`line`) or, when it cannot, only the SKU."""

    units: int
    line: str = ""
    sku: str = ""


class Parcel(Value):
    """One package of a shipment with its own tracking number and contents."""

    ref: str = ""
    tracking: str = ""
    tracking_url: str = ""
    lines: tuple[Units, ...] = ()


class Tracked(Value):
    """What one package of a shipment is followed by; `package` is its place in the shipment, from 1."""

    package: int
    tracking: str
    tracking_url: str = ""


class Arrived(Value):
    """Units of one SKU that arrived, `damaged` ones among them."""

    sku: str
    units: int
    damaged: int = 0


class ReturnedItem(Value):
    """Units of one line of a return, or of a SKU; of an inspection with their condition and what becomes of them."""

    units: int
    line: str = ""
    sku: str = ""
    condition: Condition | Literal[""] = ""
    disposition: Disposition | Literal[""] = ""


class Counted(Value):
    """One thing's figures at one location, named by the source's own id (`ref`), its SKU code, or both. Whole units.

    `on_hand` is what lies there, with damaged units and those on quality hold; `allocated` is what the source promised somebody of it.
    A source whose figure is net (its StockSource says so) states that figure as `on_hand`.
    """

    on_hand: int
    ref: str = ""
    sku: str = ""
    allocated: int = 0
    damaged: int = 0
    quality_hold: int = 0
    incoming: int = 0
    in_transit: int = 0
